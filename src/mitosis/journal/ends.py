"""Trials of which the journal has several ends: who recorded each, and choosing one."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass

from mitosis.errors.journal import JournalError
from mitosis.errors.repository import GitError
from mitosis.git.repository import Identity
from mitosis.journal import layout
from mitosis.journal.index import Index
from mitosis.journal.messages import settled_message
from mitosis.journal.notes import TrialChange
from mitosis.journal.reasons import Commit, read_writers
from mitosis.journal.storage.objects import ReadOnlyStore
from mitosis.journal.storage.store import Store
from mitosis.journal.trials import disputed_files, find_trial, read_record_at, tell_notes
from mitosis.records.codec import MAX_RECORD_BYTES
from mitosis.records.trial import TrialRecord


@dataclass(frozen=True, slots=True)
class RecordedEnd:
    """One of several records of how a trial ended."""

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
    """The records of a trial's end, where somebody has recorded another one; none where there is but one.

    Raises:
        TrialNotFound, AmbiguousKey, JournalError: see `find_trial`.
    """
    file = find_trial(index, key)
    place = layout.parse_record_path(file.path)
    before = store.snapshot()
    others = disputed_files(store, before, "" if place is None else place[2])
    if not others or before is None:
        return []
    writers: dict[str, Commit] = {}
    with contextlib.suppress(JournalError, GitError):  # a history that cannot be read keeps nobody from choosing
        writers = read_writers(store, before.commit, file.path, *others)
    found = []
    for path, oid in {file.path: file.oid, **others}.items():
        record = read_end_at(store, file.path, oid)
        if record is not None:
            who = writers.get(oid)
            author, date = ("somebody", "") if who is None else (who.author, who.date)
            found.append(RecordedEnd(oid, record, author, date, path == file.path))
    return found


def settle(store: Store, index: Index, key: str, keep: str, identity: Identity) -> TrialRecord:
    """Choose one of several records of a trial's end. The history keeps the others.

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
        JournalError: it has one end, none like `keep`, or the journal cannot be written.
    """
    with store.locked(layout.JOURNAL_REF) as ref:
        index.refresh()
        ends = read_ends(store, index, key)
        file = find_trial(index, key)
        before = store.snapshot()
        if not ends or before is None:
            raise JournalError(f"trial {key} has one recorded end, so there is nothing to settle")
        chosen = [end for end in ends if keep and end.oid.startswith(keep.strip().lower())]
        if len(chosen) != 1:
            known = "\n".join(f"    {end.oid}" for end in ends)
            raise JournalError(
                f"`{keep}` names none of the recorded ends of trial {key}, or several; they are\n{known}"
            )
        [end] = chosen
        changes: dict[str, bytes | None] = dict.fromkeys(disputed_files(store, before, end.record.key))
        changes[file.path] = store.read_blob(end.oid, file.path, MAX_RECORD_BYTES)
        store.append(ref, before, changes, settled_message(end.record, end.oid), identity)
    was = next((other.record for other in ends if other.is_in_place), None)
    tell_notes(store, index, TrialChange(was, end.record), end.record.key, identity)
    return end.record


def read_end_at(store: ReadOnlyStore, path: str, oid: str) -> TrialRecord | None:
    """A record of how the trial with a path ended; None if it is none, or another trial's."""
    record = read_record_at(store, path, oid)
    if record is None or record.ended is None:
        return None
    try:
        places = layout.record_paths(layout.trial_folder(record.experiment, record.started), record.key)
    except JournalError:
        return None
    return record if path in places else None
