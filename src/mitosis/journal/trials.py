"""The trials of a journal: recording, forgetting and reading them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from mitosis.errors.journal import (
    AmbiguousKey,
    BadRecord,
    FormatTooNew,
    JournalError,
    NoteNotWritten,
    PassedOver,
    TrialNotFound,
    TrialStillRuns,
)
from mitosis.git.repository import Identity
from mitosis.journal import layout
from mitosis.journal.changes import lock_files
from mitosis.journal.history import refuse_released, refuse_violated
from mitosis.journal.index import Index
from mitosis.journal.index_schema import alike, plain_text
from mitosis.journal.locks import ChangedFunctions, RenamedVariant, check_locks
from mitosis.journal.messages import (
    brought_back_message,
    ended_message,
    forgotten_message,
    settled_message,
    started_message,
)
from mitosis.journal.notes import TrialChange, add_to_note, merge_notes
from mitosis.journal.reasons import read_forgotten
from mitosis.journal.storage.locking import END_TIMEOUT_S
from mitosis.journal.storage.objects import ReadOnlyStore
from mitosis.journal.storage.store import Snapshot, Store
from mitosis.process import is_alive
from mitosis.records.codec import MAX_RECORD_BYTES, decode_trial, encode_trial
from mitosis.records.trial import TrialRecord
from mitosis.variants import Variant

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


@dataclass(frozen=True, slots=True)
class Started:
    """What `start` recorded."""

    record: TrialRecord
    """The record as it is in the journal, with its iteration."""
    newly_locked: tuple[Variant, ...]
    changed: tuple[ChangedFunctions, ...] = ()
    """Functions with other bodies than when their variants were locked, which stops nothing."""
    renamed: tuple[RenamedVariant, ...] = ()
    """Variants that have newer names."""


def start(
    store: Store,
    index: Index,
    record: TrialRecord,
    variants: Sequence[Variant],
    environment: str,
    identity: Identity,
) -> Started:
    """Record that a trial starts, and lock its variants, in one commit.

    Also pins the experiment's commit. The iteration in `record` is ignored: it is counted here, under the lock.

    Args:
        store: of the journal.
        index: of the journal.
        record: the trial, with status `running`.
        variants: the meaning of each tracked lookup parameter.
        environment: the text whose digest is `record.environment`.
        identity: author and committer of the journal's commit.

    Raises:
        VariantRedefined: a variant is locked to another value.
        VariantConflict: a variant has several recorded meanings.
        VariantRetired: a variant may not be used any more.
        JournalBusy: somebody else is writing for too long.
        FormatTooNew: a newer mitosis has written this journal.
        JournalError: the journal is damaged, or cannot be written. After any error the journal is what it was.
    """
    folder = layout.trial_folder(record.experiment, record.started)
    environment_path = layout.environment_path(record.environment)
    pin = layout.pin_ref(record.commit)
    with store.locked(layout.JOURNAL_REF) as ref:
        before = store.snapshot()
        locks = check_locks(store, None if before is None else before.tree, variants)
        if not locks.are_violated:
            taken = index.ask(f"SELECT path FROM {ALL_RECORDS} WHERE key = ?", (record.key,))
            if taken:
                raise JournalError(f"there is already a trial {record.key}, in {taken[0][0].rpartition('/')[0]}")
            [(iteration,)] = index.ask("SELECT count(*) FROM records WHERE alike = ?", (alike(record),))
            record = record.with_changes(iteration=iteration)
            changes = lock_files(locks.missing, locks.unknown_sources)
            changes[_new_path(store, before, folder, record.key)] = encode_trial(record)
            if before is None or store.find(before.tree, environment_path) is None:
                changes[environment_path] = environment.encode("utf-8", "surrogatepass")
            message = started_message(record, [missing.lock for missing in locks.missing])
            store.append(ref, before, changes, message, identity)
            # Before the journal's ref moves, and not where the commit could not be signed.
            store.create_ref(pin, record.commit)
    # Saying what is wrong takes longer than finding it out, and nobody should have to wait for that.
    refuse_violated(store, index, locks)
    store.create_symbolic_ref(layout.SYMBOLIC_REF, layout.JOURNAL_REF)
    index.refresh()
    return Started(record, locks.missing, locks.changed, locks.renamed)


def end(store: Store, index: Index, record: TrialRecord, identity: Identity) -> None:
    """Record how a trial ended, and let the git note of its commit tell it.

    Args:
        store: of the journal.
        index: of the journal.
        record: the trial, ended; it replaces the record that `start` made.
        identity: author and committer of the journal's commit.

    Raises:
        TrialNotFound: `start` has not recorded this trial.
        JournalBusy: somebody else is writing for too long.
        FormatTooNew: a newer mitosis has written this journal or record.
        NoteNotWritten: the trial's end is recorded, but the note could not be written.
        JournalError: the journal is damaged, or cannot be written.
    """
    if record.ended is None:
        raise ValueError(f"the record of trial {record.key} does not say when it ended")
    folder = layout.trial_folder(record.experiment, record.started)
    with store.locked(layout.JOURNAL_REF, timeout_s=END_TIMEOUT_S) as ref:
        before = store.snapshot()
        file = _find_record(store, before, folder, record.key)
        if file is None:
            raise TrialNotFound(record.key, f"no start of trial {record.key} is recorded, so its end cannot be")
        had_ended = _had_ended(store, file)
        data = encode_trial(record)
        # The one who ran the trial knows best: where there is another end, theirs comes beside it, and is chosen.
        oid = store.write_blob(data)
        path = layout.disputed_path(record.key, oid) if had_ended else file.path
        before = store.append(ref, before, {path: data}, ended_message(record), identity)
        if had_ended:
            store.append(ref, before, {path: None, file.path: data}, settled_message(record, oid), identity)
    index.refresh()
    try:
        add_to_note(
            store, record, identity, is_new=not had_ended, read_trials=lambda: trials_on(store, index, record.commit)
        )
    except JournalError as error:
        raise NoteNotWritten(record.key, layout.NOTES_REF, str(error)) from error


def forget(store: Store, index: Index, key: str, identity: Identity) -> TrialRecord:
    """Take a trial out of the journal's listing by a new commit. The history keeps its record.

    Its locks, environment and pin stay.

    Args:
        store: of the journal.
        index: of the journal.
        key: of the trial, or any unique prefix of it.
        identity: author and committer of the journal's commit.

    Returns:
        The record.

    Raises:
        TrialNotFound, AmbiguousKey: `key` does not name one trial.
        TrialStillRuns: its process is alive.
        NoteNotWritten: the trial is out of the journal, but not of the notes.
        JournalError: the journal is damaged, or cannot be written.
    """
    record = read_trial(store, index, key)
    if record.status == "running" and is_alive(record.process):
        raise TrialStillRuns(record.key, record.process.host, record.process.pid)
    folder = layout.trial_folder(record.experiment, record.started)
    with store.locked(layout.JOURNAL_REF) as ref:
        before = store.snapshot()
        file = _find_record(store, before, folder, record.key)
        if file is None:
            raise JournalError(f"trial {record.key} is not at its place in the journal, {folder}, so it stays")
        gone: dict[str, bytes | None] = dict.fromkeys(disputed_files(store, before, record.key))
        store.append(ref, before, {**gone, file.path: None}, forgotten_message(record), identity)
    tell_notes(store, index, TrialChange(record, None), record.key, identity)
    return record


def bring_back(store: Store, index: Index, key: str, identity: Identity) -> TrialRecord:
    """Put a trial that was forgotten into the listing again, as it was, by a new commit; see `forget`.

    Raises:
        TrialNotFound, AmbiguousKey: `key` does not name one trial that was forgotten.
        NamingError: a variant that it used was released since.
        NoteNotWritten: the trial is in the journal, but not in the notes.
        JournalError: the journal is damaged, or cannot be written.
    """
    prefix = _key_prefix(key)
    tip = store.tip()
    gone = {} if tip is None else read_forgotten(store, tip, prefix)
    there = {name for (name,) in index.ask(f"SELECT key FROM {ALL_RECORDS}")}
    found = sorted(gone.keys() - there)
    if not found:
        raise TrialNotFound(key, f"no trial was forgotten whose key begins with `{prefix}`")
    if len(found) > 1:
        raise AmbiguousKey(key, found)
    files = {path: store.read_blob(oid, path, MAX_RECORD_BYTES) for path, oid in gone[found[0]].items()}
    place = next((path for path in files if layout.parse_record_path(path) is not None), None)
    if place is None:
        raise JournalError(f"the journal's history has no record of trial {found[0]}")
    data = files.pop(place)
    record = decode_trial(data, place)
    folder = layout.trial_folder(record.experiment, record.started)
    with store.locked(layout.JOURNAL_REF) as ref:
        before = store.snapshot()
        if before is None or _find_record(store, before, folder, record.key) is not None:
            raise JournalError(f"trial {record.key} was not brought back: the journal was changed meanwhile")
        refuse_released(store, before, record)
        files[_new_path(store, before, folder, record.key)] = data
        store.append(ref, before, files, brought_back_message(record), identity)
    tell_notes(store, index, TrialChange(None, record), record.key, identity)
    return record


def tell_notes(store: Store, index: Index, change: TrialChange, key: str, identity: Identity) -> None:
    """Have the notes say of a trial what the journal does now."""
    index.refresh()
    try:
        merge_notes(store, [change], None, identity, lambda *which: trials_on(store, index, *which))
    except JournalError as error:
        raise NoteNotWritten(key, layout.NOTES_REF, str(error)) from error


# --- reading --------------------------------------------------------------------------------------


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
    prefix = _key_prefix(key)
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


def _key_prefix(key: str) -> str:
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


def _find_record(store: Store, before: Snapshot | None, folder: str, key: str) -> File | None:
    """The record of a trial in a folder `trials/<experiment>/<day>`; None if it is not there."""
    for path in layout.record_paths(folder, key):
        entry = None if before is None else store.find(before.tree, path)
        if entry is not None and not entry.is_tree:
            return File(path, entry.oid)
    return None


def _new_path(store: Store, before: Snapshot | None, folder: str, key: str) -> str:
    """The path for the record of a new trial in a folder `trials/<experiment>/<day>`."""
    direct, in_shard = layout.record_paths(folder, key)
    oid = store.folder_oid(None if before is None else before.tree, folder)
    return direct if oid is None or store.count_files(oid, folder) < layout.CROWDED else in_shard


def _had_ended(store: Store, file: File) -> bool:
    try:
        return decode_trial(store.read_blob(file.oid, file.path, MAX_RECORD_BYTES), file.path).ended is not None
    except BadRecord:
        # Its own trial replaces a damaged record. Whether the note tells of the trial already is not known then.
        return True
