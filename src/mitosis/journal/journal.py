"""The journal of one repository: the only writer of its refs."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from mitosis.errors import (
    AmbiguousKey,
    BadRecord,
    Conflict,
    JournalError,
    NoteNotWritten,
    Redefinition,
    TrialNotFound,
    UnreadableObject,
)
from mitosis.git import Identity, Repository
from mitosis.journal import editing, layout, meanings, naming, sharing
from mitosis.journal.core import Core
from mitosis.journal.editing import Resolution
from mitosis.journal.locks import (
    ChangedFunctions,
    LockedVariant,
    LockOrigin,
    PresentMeaning,
    RenamedVariant,
    VariantUse,
    VariantValue,
    check_locks,
    read_present_meaning,
    variant_use,
)
from mitosis.journal.meanings import Uses
from mitosis.journal.messages import ended_message, started_message
from mitosis.journal.naming import Locked, lock_files
from mitosis.journal.notes import add_to_note
from mitosis.journal.origins import HistoryEntry, read_history, read_origins
from mitosis.journal.reading import File, Reader
from mitosis.journal.remarks import Remarks, iter_remarks
from mitosis.journal.sharing import Merged, Unmerged
from mitosis.journal.upkeep import keep_up
from mitosis.records import ParameterRecord, TrialRecord, encode_trial

MOST_CONFLICTS = 20
"""So many are described at once: more can be nobody's to read."""
_ENVIRONMENT_LIMIT_BYTES = 16 * 2**20
_KEY_PREFIX = re.compile(rf"[0-9a-f]{{1,{layout.KEY_DIGITS}}}")


@dataclass(frozen=True, slots=True)
class Started:
    """What `Journal.start` recorded."""

    record: TrialRecord
    """The record as it is in the journal, with its iteration."""
    newly_locked: tuple[VariantValue, ...]
    changed: tuple[ChangedFunctions, ...] = ()
    """Functions with other bodies than when their variants were locked, which stops nothing."""
    renamed: tuple[RenamedVariant, ...] = ()
    """Variants that have newer names."""


class Journal:
    """The record of all trials and variant locks of a repository, kept in its git history.

    Every change is one commit on `refs/mitosis/journal`, made under that ref's lock, so it is seen whole or not at all.
    Reading takes no lock: each call reads the state that the ref points to when it begins.

    Args:
        repository: where the journal is; linked worktrees of one repository share it.
    """

    def __init__(self, repository: Repository) -> None:
        self.repository = repository
        self._core = Core(repository)

    # --- writing ----------------------------------------------------------------------------------

    def start(
        self, record: TrialRecord, variants: Sequence[VariantValue], environment: str, identity: Identity
    ) -> Started:
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
                names = [(new.step, new.parameter, new.variant, new.digest) for new in locks.missing]
                self._core.store.create_ref(pin, record.commit)
                self._core.append(ref, before, changes, started_message(record, names), identity)
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
            key: of the trial, or any unique beginning of it.
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

    def resolve(
        self,
        step: str,
        parameter: str,
        variant: str,
        keep: str,
        identity: Identity,
        *,
        rename_others: Sequence[str] = (),
    ) -> Resolution:
        """Let one of several recorded meanings of a variant be the one that it is locked to.

        Trials that were recorded with another meaning keep telling its digest and what it was.

        Args:
            step: name of the step.
            parameter: name of the parameter.
            variant: the name that has several meanings.
            keep: digest of the meaning that it keeps, or any unique beginning of it.
            identity: author and committer of the journal's commit.
            rename_others: a new variant for each of the other meanings, in the order of their digests; without any they
                are dropped.

        Raises:
            ResolveError: there is no such conflict, or it cannot be resolved so.
            JournalError: the journal is damaged, or cannot be written.
        """
        return editing.resolve(self._core, step, parameter, variant, keep, rename_others, identity)

    # --- sharing ----------------------------------------------------------------------------------

    def merge(self, commit: str, identity: Identity | None, source: str, notes: str | None = None) -> Merged:
        """Unite another journal with this one: by a fast-forward if that will do, else by a merge commit.

        Then the notes of the commits whose trials changed are made anew.

        Args:
            commit: the other journal's tip; its objects have been fetched.
            identity: author and committer of the merge commit; None to ask git, if one has to be made.
            source: what to call the other journal, such as the name of a remote.
            notes: tip of the other repository's notes. It becomes part of the history of these, so that pushing them
                there is a fast-forward.

        Raises:
            JournalBusy: somebody else is writing for too long.
            FormatTooNew: a newer mitosis has written one of the journals.
            JournalError: one of them is damaged, or this one cannot be written. After any error it is what it was.
            GitError: git cannot read the histories.
            NoIdentity: git was asked who it is, and does not know.
        """
        merged = sharing.merge(self._core, commit, identity, source, notes)
        with self._core.store.sharing():
            keep_up(self.repository)
        return merged

    def contains(self, commit: str, notes: str | None) -> bool:
        """Whether a merge with another journal and its notes would change nothing.

        Args:
            commit: the other journal's tip.
            notes: tip of the other repository's notes; None if it has none.

        Raises:
            JournalError: a ref cannot be read.
            GitError: git cannot read the histories.
        """
        return sharing.contains(self._core, commit, notes)

    def name_shortly(self) -> None:
        """Let git understand the short name `refs/mitosis`, if there is a journal.

        Raises:
            JournalError: the ref cannot be written.
        """
        if self.tip() is not None:
            self._core.store.create_symbolic_ref(layout.SYMBOLIC_REF, layout.JOURNAL_REF)

    def read_tip(self, ref: str) -> str | None:
        """The commit of a journal that another ref points to; None if there is no such ref.

        Raises:
            FormatTooNew: a newer mitosis has written it.
            JournalError: it is no journal, or damaged.
        """
        commit = self._core.store.read_ref(ref)
        return None if commit is None else self._core.snapshot_of(commit, ref).commit

    def read_commit(self, ref: str) -> str | None:
        """The commit that a ref points to; None if there is no such ref, or it points to anything else."""
        with contextlib.suppress(JournalError, UnreadableObject):
            commit = self._core.store.read_ref(ref)
            if commit is not None and self.repository.tree_of(commit) is not None:
                return commit
        return None

    def conflicts(self, limit: int = MOST_CONFLICTS) -> tuple[Conflict, ...]:
        """The variants that have several recorded meanings now, at most `limit` of them."""
        return meanings.find_conflicts(self._core, limit)

    def missing_keys(self, other: str | None) -> set[str]:
        """The keys of the trials that this journal has and the one at the commit `other` (None: an empty one) lacks."""
        return sharing.missing_keys(self._core, other)

    def unmerged(self) -> tuple[Unmerged, ...]:
        """The remotes whose journal, as it was last fetched, holds what this one does not."""
        return sharing.find_unmerged(self._core)

    def select(self, keys: Sequence[str], onto: str | None, identity: Identity) -> str:
        """Make a commit that adds some trials, with the locks and environments that they use, to another journal.

        No ref moves.

        Args:
            keys: the trials, in full.
            onto: the other journal's tip; None if it has to begin with this commit.
            identity: author and committer of the commit.

        Returns:
            The commit.

        Raises:
            TrialNotFound: there is no such trial.
            JournalError: a journal is damaged, or an object cannot be written.
        """
        return sharing.select(self._core, keys, onto, identity)

    def adopt_pins(self, remote: str) -> int:
        """Pin what the remote's pins keep, as a plain fetch brought them; returns how many are new here.

        Raises:
            GitError: git cannot write the refs.
        """
        return sharing.adopt_pins(self._core, remote)

    def pins(self) -> dict[str, str]:
        """The ref that pins each experiment commit."""
        return sharing.read_pins(self._core)

    # --- locks ------------------------------------------------------------------------------------

    def check(self, variants: Sequence[VariantValue]) -> tuple[VariantValue, ...]:
        """Check variants against the locks, without writing.

        Returns:
            Those that `start` would lock.

        Raises:
            VariantRedefined: a variant is locked to another value.
            VariantConflict: a variant has several recorded meanings.
            VariantRetired: a variant may not be used any more.
            JournalError: the journal cannot be read.
        """
        snapshot = self._core.snapshot()
        locks = check_locks(self._core.store, None if snapshot is None else snapshot.tree, variants)
        meanings.refuse_violated(self._core, locks)
        return locks.missing

    def lock(
        self, variants: Sequence[VariantValue], commit: str, identity: Identity, *, accept_functions: bool = False
    ) -> Locked:
        """Lock variants without a trial, all or none of them. Those that are locked to the same value stay as they are.

        So do those that are retired, whatever they would mean.

        Args:
            variants: what each is to mean.
            commit: the experiment's commit whose dictionaries say so; it is pinned.
            identity: author and committer of the journal's commit.
            accept_functions: whether functions whose bodies have changed are meant as they are now, so that nobody is
                told of it any more.

        Raises:
            VariantRedefined, VariantConflict: as for `start`.
            JournalError: the journal is damaged, or cannot be written.
        """
        locked = naming.lock(self._core, variants, commit, identity, accept_functions=accept_functions)
        with self._core.store.sharing():
            keep_up(self.repository)
        return locked

    def rename(self, step: str, parameter: str, old: str, new: str, identity: Identity) -> LockedVariant:
        """Record another name for the value of a locked variant. The old name keeps its meaning.

        Args:
            step: name of the step.
            parameter: name of the parameter.
            old: the variant.
            new: its new name.
            identity: author and committer of the journal's commit.

        Returns:
            The old variant, as it is locked.

        Raises:
            NamingError: it is not locked or in conflict, or the new name means something else.
            JournalError: the journal is damaged, or cannot be written.
        """
        return naming.rename(self._core, step, parameter, old, new, identity)

    def retire(self, step: str, parameter: str, variant: str, reason: str, identity: Identity) -> None:
        """Let no trial use a locked variant any more. What it means stays recorded.

        Args:
            step: name of the step.
            parameter: name of the parameter.
            variant: its name.
            reason: why, in a sentence; may be empty.
            identity: author and committer of the journal's commit.

        Raises:
            NamingError: it is not locked, or retired already.
            JournalError: the journal is damaged, or cannot be written.
        """
        naming.retire(self._core, step, parameter, variant, reason, identity)

    def unretire(self, step: str, parameter: str, variant: str, identity: Identity) -> None:
        """Let a retired variant be used again.

        Raises:
            NamingError: it is not retired.
            JournalError: the journal is damaged, or cannot be written.
        """
        naming.unretire(self._core, step, parameter, variant, identity)

    def remarks(self, *, problems: list[BadRecord] | None = None) -> dict[tuple[str, str, str], Remarks]:
        """What is recorded of variants beside their values, by step, parameter and variant.

        Args:
            problems: what cannot be read is appended to it and skipped.
        """
        snapshot = self._core.snapshot()
        if snapshot is None:
            return {}
        return dict(iter_remarks(self._core.store, snapshot.tree, [] if problems is None else problems))

    def iter_variants(self, *, problems: list[BadRecord] | None = None) -> Iterator[LockedVariant]:
        """All recorded meanings of all variants, by step, parameter, variant and digest.

        Args:
            problems: what cannot be read, or does not belong where it is, is appended to it and skipped.
        """
        yield from self._reader(problems).iter_variants()

    def locks(self, *, problems: list[BadRecord] | None = None) -> list[VariantUse]:
        """All recorded meanings of all variants, in the same order, without their values.

        Args:
            problems: what does not belong where it is is appended to it and skipped.
        """
        return [name for name, _ in self._reader(problems).iter_locks()]

    def read_locks(
        self, names: Collection[VariantUse], *, problems: list[BadRecord] | None = None
    ) -> Iterator[tuple[VariantUse, LockedVariant]]:
        """Some recorded meanings with their values, one at a time, since values may be large; ordered as `locks`.

        Args:
            names: which; those that are not recorded are left out.
            problems: values that cannot be read are appended to it and skipped. What does not belong where it is is
                told by `locks` alone.
        """
        reader = self._reader(problems)
        for name, file in self._reader(None).iter_locks():
            if name in names:
                locked = reader.read_lock(name, file)
                if locked is not None:
                    yield name, locked

    def uses(self) -> dict[VariantUse, Uses]:
        """How often each meaning of each variant was used by tracked parameters. All trials are read."""
        return meanings.read_uses(self._core, self._core.snapshot())

    def describe(
        self, pairs: Iterable[tuple[VariantValue, LockedVariant]], uses: Mapping[VariantUse, Uses]
    ) -> Iterator[Redefinition]:
        """How values differ from what their variants are locked to, in texts for people, one at a time.

        Args:
            pairs: the values at hand, each with the meaning that is locked; asked for one after the other, since
                values may be large.
            uses: what `uses` gives.

        Raises:
            BadRecord: a locked value cannot be read.
        """
        return meanings.describe(self._core, pairs, uses)

    def present_meanings(self, parameters: Iterable[ParameterRecord]) -> dict[VariantUse, PresentMeaning]:
        """What the variants that trials used mean now; those that are not tracked have no lock, and are left out.

        Raises:
            JournalError: the journal cannot be read.
        """
        snapshot = self._core.snapshot()
        if snapshot is None:
            return {}
        uses = dict.fromkeys(use for parameter in parameters if (use := variant_use(parameter)) is not None)
        if not uses:
            return {}
        kinds = (layout.RENAMED, layout.RETIRED)
        remarks = dict(iter_remarks(self._core.store, snapshot.tree, [], kinds))
        return {use: read_present_meaning(self._core.store, snapshot.tree, use, remarks) for use in uses}

    def variant_origins(self) -> dict[tuple[str, str, str, str], LockOrigin]:
        """Where each lock comes from, by step, parameter, variant and digest."""
        return read_origins(self.repository, self._commit())

    def variant_history(self, step: str, parameter: str, variant: str) -> list[HistoryEntry]:
        """The commits of the journal that are about a variant, newest first.

        Raises:
            GitError: git cannot read the history.
        """
        return read_history(self.repository, self._commit(), step, parameter, variant)

    # --- reading ----------------------------------------------------------------------------------

    def tip(self) -> str | None:
        """The journal's newest commit; None while there is no journal."""
        return self._core.tip()

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
                key, f"{key!r} is no key of a trial: keys are up to {layout.KEY_DIGITS} hexadecimal digits"
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
            limit: at most so many; only the newest days are read then.
            experiment: only those of this experiment.
            problems: what cannot be read, or does not belong where it is, is appended to it and skipped.

        Raises:
            JournalError: the journal itself cannot be read.
        """
        yield from self._reader(problems).iter_trials(limit, experiment)

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

    def _reader(self, problems: list[BadRecord] | None) -> Reader:
        snapshot = self._core.snapshot()
        tree = None if snapshot is None else snapshot.tree
        return Reader(self._core.store, tree, [] if problems is None else problems)

    def _commit(self) -> str | None:
        """The journal's newest commit, checked to be of a journal that can be read."""
        snapshot = self._core.snapshot()
        return None if snapshot is None else snapshot.commit
