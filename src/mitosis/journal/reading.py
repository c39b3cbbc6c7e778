"""Reading the trials of a journal: found by the index, and read from git."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from mitosis.errors.journal import AmbiguousKey, BadRecord, FormatTooNew, JournalError, PassedOver, TrialNotFound
from mitosis.journal import layout
from mitosis.journal.index import Index
from mitosis.journal.index_schema import plain_text
from mitosis.journal.storage.objects import ReadOnlyStore
from mitosis.journal.storage.store import Snapshot, Store
from mitosis.records.codec import MAX_RECORD_BYTES, decode_trial
from mitosis.records.trial import TrialRecord

MAX_ENVIRONMENT_BYTES = 16 * 2**20
_KEY_PREFIX = re.compile(rf"[0-9a-f]{{1,{layout.KEY_DIGITS}}}")
_READ_AT_ONCE = 1_000
_AFTER_ALL = "\U0010ffff"
_NEWEST_FIRST = "ORDER BY started DESC, key DESC"
_LISTED = "listing JOIN records ON records.trial = listing.id"
_DOUBLES = "SELECT path, key FROM unlisted WHERE is_double"
ALL_RECORDS = (
    f"(SELECT key, path, oid, 1 AS is_listed, 0 AS is_double FROM {_LISTED} "
    "UNION ALL SELECT key, path, oid, 0, is_double FROM unlisted)"
)
"""Those of trials that are listed, those that cannot be read, and those with the key of another."""


class File(NamedTuple):
    """A file in the journal's tree."""

    path: str
    oid: str


def find_trial(index: Index, key: str) -> File:
    """The record of the trial whose key begins with `key`.

    Raises:
        TrialNotFound: there is none, or `key` is not hexadecimal.
        AmbiguousKey: there are several.
        JournalError: the journal cannot be read.
    """
    prefix = key_prefix(key)
    question = f"SELECT key, path, oid FROM {ALL_RECORDS} WHERE key >= ? AND key < ? ORDER BY is_listed DESC, path"
    found = index.ask(question, (prefix, f"{prefix}g"))
    keys = sorted({row[0] for row in found})
    if len(keys) > 1:
        raise AmbiguousKey(key, keys)
    if not found:
        bad = next((p for p in read_problems(index, layout.TRIALS) if not isinstance(p, PassedOver)), None)
        unread = "" if bad is None else f"\nParts of the journal cannot be read: {bad}"
        raise TrialNotFound(key, f"no trial is recorded with a key that begins with `{prefix}`{unread}")
    return File(*found[0][1:])


def key_prefix(key: str) -> str:
    """What the key of a trial begins with; TrialNotFound if that is none."""
    prefix = key.strip().lower()
    if not _KEY_PREFIX.fullmatch(prefix):
        raise TrialNotFound(key, f"{key!r} is not a trial key: keys are up to {layout.KEY_DIGITS} hexadecimal digits")
    return prefix


def read_trial(store: Store, index: Index, key: str) -> TrialRecord:
    """The trial whose key begins with `key`, as git has it.

    Raises:
        TrialNotFound, AmbiguousKey, JournalError: see `find_trial`.
        BadRecord, FormatTooNew: its record cannot be read.
    """
    return next(_read_all(store, [find_trial(index, key)]))


def iter_trials(
    store: Store, index: Index, limit: int | None, experiment: str | None, problems: list[BadRecord] | None
) -> Iterator[TrialRecord]:
    """Trials by the time that they started, newest first.

    Args:
        store: of the journal.
        index: of the journal.
        limit: at most this many.
        experiment: only those of this experiment.
        problems: what cannot be read, or does not belong where it is, is appended to it.

    Raises:
        JournalError: the journal itself cannot be read.
    """
    if problems is not None:
        problems += read_problems(index, layout.TRIALS)
    condition = "(started, key) < (?, ?)"
    wanted: tuple[str | None, ...] = ()
    if experiment is not None:
        condition += " AND experiment = ?"
        wanted = (plain_text(experiment),)
    question = f"SELECT started, key, path, oid FROM {_LISTED} WHERE {condition} {_NEWEST_FIRST} LIMIT ?"
    last = (_AFTER_ALL,) * 2
    left = limit
    while left is None or left > 0:
        count = _READ_AT_ONCE if left is None else min(left, _READ_AT_ONCE)
        rows = index.ask(question, (*last, *wanted, count))
        yield from _read_all(store, [File(path, oid) for *_, path, oid in rows])
        if len(rows) < count:
            return
        last = rows[-1][:2]
        left = None if left is None else left - count


def _read_all(store: Store, files: Sequence[File]) -> Iterator[TrialRecord]:
    # For a few objects the git program is there sooner than libgit2, which knows better what is wrong.
    blobs = store.read_blobs([file.oid for file in files], MAX_RECORD_BYTES) if files else ()
    for file, data in zip(files, blobs, strict=False):
        yield decode_trial(store.read_blob(file.oid, file.path, MAX_RECORD_BYTES) if data is None else data, file.path)


def count_experiments(index: Index) -> dict[str, int]:
    """How many trials each experiment has, by name."""
    return dict(index.ask("SELECT experiment, COUNT(*) FROM listing GROUP BY experiment ORDER BY experiment"))


def running_trials(store: Store, index: Index) -> list[TrialRecord]:
    """The trials that have no end in the journal."""
    rows = index.ask(f"SELECT path, oid FROM {_LISTED} WHERE status = 'running' {_NEWEST_FIRST}")
    return list(_read_all(store, [File(*row) for row in rows]))


def trials_on(store: Store, index: Index, commit: str, short_keys: frozenset[str] | None = None) -> list[TrialRecord]:
    """All readable trials that ran on a commit, or those of them whose keys begin like one of these."""
    rows = index.ask(f'SELECT key, path, oid FROM {_LISTED} WHERE "commit" = ?', (commit,))
    wanted = (row for row in rows if short_keys is None or row[0][: layout.SHORT_KEY_DIGITS] in short_keys)
    return list(_read_all(store, [File(*file) for _, *file in wanted]))


def read_problems(index: Index, *kinds: str) -> list[BadRecord]:
    """What of the journal cannot be read or does not belong where it is, in folders such as `trials`."""
    rows = index.ask("SELECT path, reason, oid FROM problems ORDER BY path")
    # What another version, or another clone's object, can mend is noted with its id.
    remedies = ((*row, "" if oid is not None else layout.VERIFY) for *row, oid in rows)
    problems = [BadRecord(*problem) for problem in remedies if problem[0].partition("/")[0] in kinds]
    for path, key in index.ask(_DOUBLES) if layout.TRIALS in kinds else ():
        problems.append(PassedOver(path, f"trial {key} has another record", layout.forget_command(path)))
    return problems


def disputed_files(store: Store, before: Snapshot | None, key: str) -> dict[str, str]:
    """The paths of the records that are not in the place of a trial's, with their ids."""
    files = store.files_in(None if before is None else before.tree, f"{layout.DISPUTED}/{key}")
    return {path: oid for path, oid in files.items() if layout.parse_disputed_path(path) is not None}


def read_environment(store: Store, digest: str) -> str:
    """The text of an environment.

    Raises:
        JournalError: it is not in the journal, or cannot be read.
    """
    path = layout.environment_path(digest)
    # For one object the git program is there sooner than libgit2, which knows better what is wrong.
    [data] = store.read_blobs([f"{layout.JOURNAL_REF}:{path}"], MAX_ENVIRONMENT_BYTES)
    if data is not None:
        return data.decode("utf-8", "replace")
    snapshot = store.snapshot()
    entry = None if snapshot is None else store.find(snapshot.tree, path)
    if entry is None or entry.is_tree:
        raise JournalError(f"the journal has no environment {digest}")
    return store.read_blob(entry.oid, path, MAX_ENVIRONMENT_BYTES).decode("utf-8", "replace")


def read_record_at(store: ReadOnlyStore, path: str, oid: str | None) -> TrialRecord | None:
    """A record; None where there is none or it cannot be read, which is for listings to say."""
    if oid is None:
        return None
    try:
        return decode_trial(store.read_blob(oid, path, MAX_RECORD_BYTES), path)
    except (BadRecord, FormatTooNew):
        return None
