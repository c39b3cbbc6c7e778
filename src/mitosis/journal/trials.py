"""The trials of a journal: recording, forgetting and reading them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mitosis.errors.journal import (
    AmbiguousKey,
    BadRecord,
    JournalError,
    NoteNotWritten,
    TrialNotFound,
    TrialStillRuns,
)
from mitosis.git.repository import Identity
from mitosis.journal import layout
from mitosis.journal.changes import lock_files
from mitosis.journal.history import refuse_released, refuse_violated
from mitosis.journal.index import Index
from mitosis.journal.index_schema import alike
from mitosis.journal.locks import ChangedFunctions, RenamedVariant, check_locks
from mitosis.journal.messages import (
    brought_back_message,
    ended_message,
    forgotten_message,
    settled_message,
    started_message,
)
from mitosis.journal.notes import TrialChange, add_to_note, merge_notes
from mitosis.journal.reading import ALL_RECORDS, File, disputed_files, key_prefix, read_trial, trials_on
from mitosis.journal.reasons import read_forgotten
from mitosis.journal.storage.locking import END_TIMEOUT_S
from mitosis.journal.storage.store import Snapshot, Store
from mitosis.process import is_alive
from mitosis.records.codec import MAX_RECORD_BYTES, decode_trial, encode_trial
from mitosis.records.trial import TrialRecord
from mitosis.variants import Variant


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
    prefix = key_prefix(key)
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
