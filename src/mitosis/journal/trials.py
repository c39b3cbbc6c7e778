"""The trials of a journal: recording, forgetting and reading them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from mitosis.errors.journal import AmbiguousKey, BadRecord, JournalError, NoteNotWritten, TrialNotFound
from mitosis.git.repository import Identity
from mitosis.journal import editing, layout, meanings
from mitosis.journal.locks import ChangedFunctions, RenamedVariant, check_locks
from mitosis.journal.messages import ended_message, started_message
from mitosis.journal.naming import lock_files
from mitosis.journal.notes import add_to_note
from mitosis.journal.part import JournalPart
from mitosis.journal.reading import File
from mitosis.journal.upkeep import keep_up
from mitosis.records.codec import encode_trial
from mitosis.records.trial import TrialRecord
from mitosis.variants import Variant

_ENVIRONMENT_LIMIT_BYTES = 16 * 2**20
_KEY_PREFIX = re.compile(rf"[0-9a-f]{{1,{layout.KEY_DIGITS}}}")


@dataclass(frozen=True, slots=True)
class Started:
    """What `Journal.start` recorded."""

    record: TrialRecord
    """The record as it is in the journal, with its iteration."""
    newly_locked: tuple[Variant, ...]
    changed: tuple[ChangedFunctions, ...] = ()
    """Functions with other bodies than when their variants were locked, which stops nothing."""
    renamed: tuple[RenamedVariant, ...] = ()
    """Variants that have newer names."""


class Trials(JournalPart):
    """What a journal can do with trials; see `Journal`."""

    def start(self, record: TrialRecord, variants: Sequence[Variant], environment: str, identity: Identity) -> Started:
        """Record that a trial starts, and lock its variants, in one commit.

        Also pins the experiment's commit. The iteration in `record` is ignored: it is counted here, under the lock.

        Args:
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
        with self._core.store.locked(layout.JOURNAL_REF) as ref:
            before = self._core.snapshot()
            locks = check_locks(self._core.store, None if before is None else before.tree, variants)
            if not locks.are_violated:
                index = self._core.index(before)
                taken = index.folder_of(record.key)
                if taken is not None:
                    raise JournalError(f"there is already a trial {record.key}, in {taken}")
                record = record.with_changes(iteration=index.iteration(record))
                record_path = self._core.place_for(before, folder, record.key)
                changes = lock_files(locks.missing, locks.unknown_sources)
                changes[record_path] = encode_trial(record)
                if before is None or self._core.store.find(before.tree, environment_path) is None:
                    changes[environment_path] = environment.encode("utf-8", "surrogatepass")
                new = [missing.lock for missing in locks.missing]
                self._core.store.create_ref(pin, record.commit)
                self._core.append(ref, before, changes, started_message(record, new), identity)
        # Saying what is wrong takes longer than finding it out, and nobody should have to wait for that.
        meanings.refuse_violated(self._core, locks)
        self._core.store.create_symbolic_ref(layout.SYMBOLIC_REF, layout.JOURNAL_REF)
        return Started(record, locks.missing, locks.changed, locks.renamed)

    def end(self, record: TrialRecord, identity: Identity) -> None:
        """Record how a trial ended, and let the git note of its commit tell it.

        Args:
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
        with self._core.store.locked(layout.JOURNAL_REF) as ref:
            before = self._core.snapshot()
            file = self._core.find_record(before, folder, record.key)
            if file is None:
                raise TrialNotFound(record.key, f"no start of trial {record.key} is recorded, so its end cannot be")
            had_ended = self._had_ended(file)
            self._core.append(ref, before, {file.path: encode_trial(record)}, ended_message(record), identity)
        try:
            add_to_note(
                self._core.store,
                record,
                identity,
                is_new=not had_ended,
                read_trials=lambda: self._core.read_trials_on(record.commit),
            )
        except JournalError as error:
            raise NoteNotWritten(record.key, layout.NOTES_REF, str(error)) from error
        with self._core.store.sharing():
            keep_up(self.repository)

    def _had_ended(self, file: File) -> bool:
        try:
            return self._core.decode(file).ended is not None
        except BadRecord:
            # Its own trial replaces a damaged record. Whether the note tells of the trial already is not known then.
            return True

    def forget(self, key: str, identity: Identity) -> TrialRecord:
        """Take a trial out of the journal's listing by a new commit. The history keeps its record.

        Its locks, environment and pin stay.

        Args:
            key: of the trial, or any unique prefix of it.
            identity: author and committer of the journal's commit.

        Returns:
            The record.

        Raises:
            TrialNotFound, AmbiguousKey: `key` does not name one trial.
            TrialStillRuns: its process is alive.
            NotesNotUpdated: the trial is out of the journal, but not of the notes.
            JournalError: the journal is damaged, or cannot be written.
        """
        record = self.read_trial(key)
        editing.forget(self._core, record, identity)
        return record

    def read_trial(self, key: str) -> TrialRecord:
        """The trial whose key begins with `key`.

        Raises:
            TrialNotFound: there is none, or `key` is not hexadecimal.
            AmbiguousKey: there are several.
            BadRecord, FormatTooNew: its record cannot be read.
            JournalError: the journal cannot be read.
        """
        prefix = key.strip().lower()
        if not _KEY_PREFIX.fullmatch(prefix):
            raise TrialNotFound(
                key, f"{key!r} is not a trial key: keys are up to {layout.KEY_DIGITS} hexadecimal digits"
            )
        problems: list[BadRecord] = []
        files = self._reader(problems).find_trials(prefix)
        if len(files) > 1:
            raise AmbiguousKey(key, [file.key for file in files])
        if not files:
            unread = f"\nParts of the journal cannot be read: {problems[0]}" if problems else ""
            raise TrialNotFound(key, f"no trial is recorded with a key that begins with `{prefix}`{unread}")
        return self._core.decode(files[0])

    def iter_trials(
        self, *, limit: int | None = None, experiment: str | None = None, problems: list[BadRecord] | None = None
    ) -> Iterator[TrialRecord]:
        """Trials by the time that they started, newest first.

        Args:
            limit: at most this many; only the newest days are read then.
            experiment: only those of this experiment.
            problems: what cannot be read, or does not belong where it is, is appended to it and skipped.

        Raises:
            JournalError: the journal itself cannot be read.
        """
        yield from self._reader(problems).iter_trials(limit, experiment)

    def running_trials(self) -> list[TrialRecord]:
        """The trials that have no end in the journal."""
        return [record for record in self.iter_trials() if record.status == "running"]

    def read_environment(self, digest: str) -> str:
        """The text of an environment.

        Raises:
            JournalError: it is not in the journal, or cannot be read.
        """
        path = layout.environment_path(digest)
        snapshot = self._core.snapshot()
        entry = None if snapshot is None else self._core.store.find(snapshot.tree, path)
        if entry is None or entry.is_tree:
            raise JournalError(f"the journal has no environment {digest}")
        return self._core.store.read_blob(entry.oid, path, _ENVIRONMENT_LIMIT_BYTES).decode("utf-8", "replace")
