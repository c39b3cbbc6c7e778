"""The journal of one repository: the only writer of its refs."""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

from mitosis.errors.journal import BadRecord, JournalError
from mitosis.errors.repository import UnreadableObject
from mitosis.errors.values import Conflict, Redefinition
from mitosis.git.repository import Identity, Repository
from mitosis.journal import (
    annotating,
    changes,
    ends,
    history,
    layout,
    reading,
    releasing,
    sharing,
    trials,
    unmerged,
    variants,
)
from mitosis.journal.annotations import Annotations, read_annotations
from mitosis.journal.changes import Locked, Resolution
from mitosis.journal.ends import RecordedEnd
from mitosis.journal.git_log import Commit
from mitosis.journal.history import Uses
from mitosis.journal.index import Index
from mitosis.journal.locks import check_locks
from mitosis.journal.sharing import Merged
from mitosis.journal.standing import Remarks
from mitosis.journal.storage.store import Store
from mitosis.journal.trials import Started
from mitosis.journal.unmerged import Unmerged
from mitosis.records.trial import ParameterRecord, TrialRecord
from mitosis.variants import LockOrigin, PresentMeaning, Variant, VariantLock, VariantName

MOST_CONFLICTS = 20
"""This many are described at once: more can be nobody's to read."""


class Journal:
    """The record of all trials and variant locks of a repository, kept in its git history.

    Every change is one commit on `refs/mitosis/journal`, made under that ref's lock, so it is seen whole or not at all.
    Reading takes no lock: each call reads the state that the ref points to when it begins. What the methods do in
    detail, and what they raise, is said at the functions of the same names in the modules of this package.

    Args:
        repository: where the journal is; linked worktrees of one repository share it.
    """

    def __init__(self, repository: Repository) -> None:
        self.repository = repository
        self.store = Store(repository)
        self.index = Index(self.store)

    def tip(self) -> str | None:
        """The journal's newest commit; None while there is no journal."""
        return self.store.tip()

    def _tidy_up(self) -> None:
        with self.repository.sharing():
            self.repository.tidy_up()

    # --- trials -----------------------------------------------------------------------------------

    def start(self, record: TrialRecord, variants: Sequence[Variant], environment: str, identity: Identity) -> Started:
        """Record that a trial starts, and lock its variants, in one commit."""
        unmerged.refuse_gone(self.store)
        return trials.start(self.store, self.index, record, variants, environment, identity)

    def end(self, record: TrialRecord, identity: Identity) -> None:
        """Record how a trial ended, and let the git note of its commit tell it."""
        trials.end(self.store, self.index, record, identity)
        self._tidy_up()

    def forget(self, key: str, identity: Identity) -> TrialRecord:
        """Take a trial out of the journal's listing by a new commit. The history keeps its record."""
        return trials.forget(self.store, self.index, key, identity)

    def remove(self, path: str, identity: Identity) -> tuple[str, str]:
        """Take out of the journal a file or folder that mitosis cannot use; returns its path, and why."""
        from mitosis.journal import removing  # what it needs takes longer to import than most commands

        return removing.remove(self.store, self.index, path, identity)

    def bring_back(self, key: str, identity: Identity) -> TrialRecord:
        """Put a trial that was forgotten into the listing again, by a new commit."""
        return trials.bring_back(self.store, self.index, key, identity)

    def forgotten(self, prefix: str = "") -> dict[str, Commit]:
        """The trials that were forgotten whose keys begin so, each with the commit that did it, newest first."""
        listed = {key for (key,) in self.index.ask(f"SELECT key FROM {reading.ALL_RECORDS}")}
        found = history.read_forgetting(self.repository, self._checked_tip(), prefix)
        return {key: entry for key, entry in found.items() if key not in listed}

    def read_ends(self, key: str) -> list[RecordedEnd]:
        """The records of a trial's end, where somebody has recorded another one; none where there is but one."""
        return ends.read_ends(self.store, self.index, key)

    def settle(self, key: str, keep: str, identity: Identity) -> TrialRecord:
        """Choose one of several records of a trial's end."""
        return ends.settle(self.store, self.index, key, keep, identity)

    def find_key(self, prefix: str) -> str:
        """The key of the trial whose key begins with `prefix`."""
        return reading.find_trial(self.index, prefix).path.rpartition("/")[2].removesuffix(layout.RECORD_SUFFIX)

    def read_trial(self, key: str) -> TrialRecord:
        """The trial whose key begins with `key`."""
        return reading.read_trial(self.store, self.index, key)

    def iter_trials(
        self, *, limit: int | None = None, experiment: str | None = None, problems: list[BadRecord] | None = None
    ) -> Iterator[TrialRecord]:
        """Trials by the time that they started, newest first. What cannot be read is appended to `problems`."""
        yield from reading.iter_trials(self.store, self.index, limit, experiment, problems)

    def count_experiments(self) -> dict[str, int]:
        """How many trials each experiment has, by name."""
        return reading.count_experiments(self.index)

    def running_trials(self) -> list[TrialRecord]:
        """The trials that have no end in the journal."""
        return reading.running_trials(self.store, self.index)

    def read_environment(self, digest: str) -> str:
        """The text of an environment."""
        return reading.read_environment(self.store, digest)

    # --- what people say of trials ----------------------------------------------------------------

    def tag(self, keys: Sequence[str], name: str, identity: Identity) -> tuple[str, ...]:
        """Set a tag on trials; returns the keys of those that did not have it."""
        return annotating.tag(self.store, self.index, keys, name, identity)

    def untag(self, keys: Sequence[str], name: str, identity: Identity) -> tuple[str, ...]:
        """Take back a tag of trials; returns the keys of those that had it."""
        return annotating.untag(self.store, self.index, keys, name, identity)

    def note(self, key: str, text: str, identity: Identity) -> bool:
        """Add a note to those on a trial; returns whether that is news."""
        return annotating.note(self.store, self.index, key, text, identity)

    def annotations(self, key: str) -> Annotations:
        """The tags of a trial and the notes on it, by its full key."""
        snapshot = self.store.snapshot()
        return read_annotations(self.store, None if snapshot is None else snapshot.tree, key)

    # --- variants ---------------------------------------------------------------------------------

    def check(self, variants: Sequence[Variant]) -> tuple[Variant, ...]:
        """Check variants against the locks, without writing; returns those that `start` would lock.

        Raises:
            VariantRedefined, VariantConflict, VariantRetired: as for `start`.
            JournalError: the journal cannot be read.
        """
        snapshot = self.store.snapshot()
        locks = check_locks(self.store, None if snapshot is None else snapshot.tree, variants)
        history.refuse_violated(self.store, self.index, locks)
        return locks.missing

    def lock(
        self, variants: Sequence[Variant], commit: str, identity: Identity, *, accept_functions: bool = False
    ) -> Locked:
        """Lock variants without a trial, all or none of them."""
        unmerged.refuse_gone(self.store)
        locked = changes.lock(self.store, self.index, variants, commit, identity, accept_functions=accept_functions)
        self.index.refresh()
        self._tidy_up()
        return locked

    def rename(self, old: VariantName, new: str, identity: Identity) -> Variant:
        """Record another name for the value of a locked variant. The old name keeps its meaning."""
        renamed = changes.rename(self.store, old, new, identity)
        self.index.refresh()
        return renamed

    def retire(self, variant: VariantName, reason: str, identity: Identity) -> None:
        """Let no trial use a locked variant any more. What it means stays recorded."""
        changes.retire(self.store, variant, reason, identity)
        self.index.refresh()

    def unretire(self, variant: VariantName, identity: Identity) -> None:
        """Let a retired variant be used again."""
        changes.unretire(self.store, variant, identity)
        self.index.refresh()

    def release(self, variant: VariantName, reason: str, identity: Identity) -> tuple[Variant, ...]:
        """Let the name of a variant that no trial has used mean nothing any more."""
        return releasing.release(self.store, self.index, variant, reason, identity)

    def resolve(
        self, variant: VariantName, keep: str, identity: Identity, *, rename_others: Sequence[str] = ()
    ) -> Resolution:
        """Let one of several recorded meanings of a variant be the one that it is locked to."""
        resolution = changes.resolve(self.store, variant, keep, rename_others, identity)
        self.index.refresh()
        return resolution

    def conflicts(self, limit: int = MOST_CONFLICTS) -> tuple[Conflict, ...]:
        """The variants that have several recorded meanings now, at most `limit` of them."""
        return history.find_conflicts(self.store, self.index, limit)

    def locks(self, *, problems: list[BadRecord] | None = None) -> list[VariantLock]:
        """All recorded meanings of all variants, without their values. What does not belong there is a problem."""
        return variants.read_locks(self.index, problems)

    def read_locks(
        self, names: Collection[VariantLock], *, problems: list[BadRecord] | None = None
    ) -> Iterator[tuple[VariantLock, Variant]]:
        """Some recorded meanings with their values, one at a time. Those that are not recorded are left out."""
        for variant in variants.iter_values(self.store, self.index, names, problems):
            yield variant.lock, variant

    def remarks(self, *, problems: list[BadRecord] | None = None) -> dict[VariantName, Remarks]:
        """What is recorded of variants beside their values. What cannot be read is appended to `problems`."""
        return variants.read_all_remarks(self.index, problems)

    def uses(self) -> dict[VariantLock, Uses]:
        """How often each meaning of each variant was used by tracked parameters."""
        return history.read_uses(self.index)

    def describe(
        self, pairs: Iterable[tuple[Variant, Variant]], uses: Mapping[VariantLock, Uses]
    ) -> Iterator[Redefinition]:
        """How values differ from what their variants are locked to, in texts for people, one at a time."""
        return history.describe(self.store, self.index, pairs, uses)

    def present_meanings(self, parameters: Iterable[ParameterRecord]) -> dict[VariantLock, PresentMeaning]:
        """What the variants that trials used mean now; those that are not tracked have no lock, and are left out."""
        return variants.present_meanings(self.index, parameters)

    def variant_origins(self) -> dict[VariantLock, LockOrigin]:
        """Where each lock comes from; those that were released have left their origin in the history."""
        present = set(self.locks())
        origins = history.read_origins(self.repository, self._checked_tip())
        return {lock: origin for lock, origin in origins.items() if lock in present}

    def variant_history(self, variant: VariantName) -> list[Commit]:
        """The commits of the journal that are about a variant, newest first."""
        return history.read_history(self.repository, self._checked_tip(), variant)

    # --- other journals ---------------------------------------------------------------------------

    def merge(
        self, commit: str, identity: Identity | None, source: str, notes: str | None = None, *, keep: bool = False
    ) -> Merged:
        """Unite another journal with this one: by a fast-forward if that will do, else by a merge commit."""
        merged = sharing.merge(self.store, self.index, commit, identity, source, notes, keep=keep)
        self._tidy_up()
        return merged

    def contains(self, commit: str, notes: str | None) -> bool:
        """Whether a merge with another journal and its notes would change nothing."""
        return sharing.contains(self.store, commit, notes)

    def check_tip(self) -> None:
        """Make sure that the newest state of this journal can be read, if there is one.

        Raises:
            FormatTooNew: a newer mitosis has written it.
            JournalError: it is not a journal, or damaged.
        """
        self.store.snapshot()

    def _checked_tip(self) -> str | None:
        snapshot = self.store.snapshot()
        return None if snapshot is None else snapshot.commit

    def name_shortly(self) -> None:
        """Let git understand the short name `refs/mitosis`, if there is a journal.

        Raises:
            JournalError: the ref cannot be written.
        """
        if self.tip() is not None:
            self.store.create_symbolic_ref(layout.SYMBOLIC_REF, layout.JOURNAL_REF)

    def read_tip(self, ref: str) -> str | None:
        """The commit of a journal that another ref points to; None if there is no such ref.

        Raises:
            FormatTooNew: a newer mitosis has written it.
            JournalError: it is not a journal, or damaged.
        """
        commit = self.store.read_ref(ref)
        return None if commit is None else self.store.snapshot_of(commit, ref).commit

    def read_commit(self, ref: str) -> str | None:
        """The commit that a ref points to; None if there is no such ref, or it points to anything else."""
        with contextlib.suppress(JournalError, UnreadableObject):
            commit = self.store.read_ref(ref)
            if commit is not None and self.repository.tree_of(commit) is not None:
                return commit
        return None

    def missing_keys(self, other: str | None) -> set[str]:
        """The keys of the trials that this journal has and the one at the commit `other` (None: an empty one) lacks."""
        return unmerged.missing_keys(self.store, other)

    def unmerged(self) -> tuple[Unmerged, ...]:
        """The remotes whose journal, as it was last fetched, holds what this one does not."""
        return unmerged.find_unmerged(self.store)

    def select(self, keys: Sequence[str], onto: str | None, identity: Identity) -> str:
        """Make a commit that adds some trials, with what they need, to another journal. No ref moves."""
        return sharing.select(self.store, self.index, keys, onto, identity)

    def adopt_pins(self, remote: str) -> int:
        """Pin what the remote's pins keep, as a plain fetch brought them; returns how many are new here."""
        return sharing.adopt_pins(self.store, remote)

    def pins(self) -> dict[str, str]:
        """The ref that pins each experiment commit."""
        return sharing.read_pins(self.store)
