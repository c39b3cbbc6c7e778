"""Trials of which the journal has several records: who wrote each, and choosing one."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass

from mitosis.errors.journal import BadRecord, FormatTooNew, JournalError
from mitosis.errors.repository import GitError, UnfitObject, UnreadableObject
from mitosis.git.repository import Identity
from mitosis.journal import layout
from mitosis.journal.git_log import Commit
from mitosis.journal.index import Index
from mitosis.journal.messages import settled_message
from mitosis.journal.notes import TrialChange
from mitosis.journal.reading import disputed_files, find_trial, read_record_at
from mitosis.journal.reasons import describe_path, read_writers
from mitosis.journal.storage.objects import ReadOnlyStore
from mitosis.journal.storage.store import Store
from mitosis.journal.trials import tell_notes
from mitosis.records.codec import MAX_RECORD_BYTES, decode_trial
from mitosis.records.trial import TrialRecord


@dataclass(frozen=True, slots=True)
class RecordedEnd:
    """One of several records of a trial, mostly of how it ended."""

    oid: str
    """Id of the record's blob."""
    record: TrialRecord
    author: str
    """Who recorded it: the name in the journal's commit."""
    date: str
    """When, ISO 8601; what the commit says."""
    is_in_place: bool
    """Whether it is the one that listings show."""


def read_ends(store: Store, index: Index, key: str) -> list[RecordedEnd]:
    """The records of a trial, where somebody has recorded another one; none where there is but one.

    Raises:
        TrialNotFound, AmbiguousKey, JournalError: see `find_trial`.
    """
    file = find_trial(index, key)
    place = layout.parse_record_path(file.path)
    before = store.snapshot()
    others = {} if place is None else disputed_files(store, before, place[2])
    if not others or before is None or place is None:
        return []
    oids = dict.fromkeys((file.oid, *others.values()))
    found = {oid: record for oid in oids if (record := read_other(store, place[2], oid)) is not None}
    paths = dict.fromkeys([file.path, *others, *(path for record in found.values() for path in _places(record))])
    writers: dict[str, Commit] = {}
    with contextlib.suppress(JournalError, GitError):  # a history that cannot be read keeps nobody from choosing
        writers = read_writers(store, before.commit, *paths)
    ends = []
    for oid, record in found.items():
        who = writers.get(oid)
        author, date = ("somebody", "") if who is None else (who.author, who.date)
        ends.append(RecordedEnd(oid, record, author, date, oid == file.oid))
    return ends


def settle(store: Store, index: Index, key: str, keep: str, identity: Identity) -> TrialRecord:
    """Choose one of several records of a trial. The history keeps the others.

    Args:
        store: of the journal.
        index: of the journal.
        key: of the trial, or any unique prefix of it.
        keep: id of the record's blob, or any unique prefix of it.
        identity: author and committer of the journal's commit.

    Returns:
        The record that is at the trial's place now.

    Raises:
        TrialNotFound, AmbiguousKey: `key` does not name one trial.
        NoteNotWritten: it is chosen, but the notes could not be written.
        JournalError: it has one end, none like `keep`, that one belongs elsewhere, or the journal cannot be written.
    """
    with store.locked(layout.JOURNAL_REF) as ref:
        index.refresh()
        ends = read_ends(store, index, key)
        file = find_trial(index, key)
        before = store.snapshot()
        if not ends or before is None:
            raise JournalError(f"trial {key} has one record, so there is nothing to settle")
        chosen = [end for end in ends if keep and end.oid.startswith(keep.strip().lower())]
        if len(chosen) != 1:
            known = "\n".join(f"    {end.oid}" for end in ends)
            raise JournalError(f"`{keep}` names none of the records of trial {key}, or several; they are\n{known}")
        [end] = chosen
        if read_own(store, file.path, end.oid) is None:
            raise JournalError(
                f"`{keep}` is no record of {describe_path(file.path)}, so it cannot take that one's place\n"
                f"Keep another, or take all of them out of the listing: mitosis forget {end.record.key}"
            )
        changes: dict[str, bytes | None] = dict.fromkeys(disputed_files(store, before, end.record.key))
        changes[file.path] = store.read_blob(end.oid, file.path, MAX_RECORD_BYTES)
        store.append(ref, before, changes, settled_message(end.record, end.oid), identity)
    was = next((other.record for other in ends if other.is_in_place), None)
    tell_notes(store, index, TrialChange(was, end.record), end.record.key, identity)
    return end.record


def read_own(store: ReadOnlyStore, path: str, oid: str) -> TrialRecord | None:
    """A record of the trial with a path; None if it is none, or another trial's."""
    record = read_record_at(store, path, oid)
    return record if record is not None and path in _places(record) else None


def may_be_own(store: ReadOnlyStore, path: str, oid: str) -> bool:
    """Whether a file is a record of the trial with its path, or cannot be read by this version or in this clone."""
    try:
        return path in _places(decode_trial(store.read_blob(oid, path, MAX_RECORD_BYTES), path))
    except FormatTooNew:
        return True
    except BadRecord as error:
        return isinstance(error.__cause__, UnreadableObject) and not isinstance(error.__cause__, UnfitObject)


def read_other(store: ReadOnlyStore, key: str, oid: str) -> TrialRecord | None:
    """A record with a key that could be at some place of the journal; None if it is none."""
    record = read_record_at(store, layout.disputed_path(key, oid), oid)
    return record if record is not None and record.key == key and _places(record) else None


def _places(record: TrialRecord) -> tuple[str, ...]:
    """The paths that a record can have; none if there is no place for it."""
    try:
        return layout.record_paths(layout.trial_folder(record.experiment, record.started), record.key)
    except JournalError:
        return ()
