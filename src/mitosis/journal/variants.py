"""The variants of a journal: locking and renaming them, and reading what they mean."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

from mitosis.errors.journal import BadRecord
from mitosis.errors.values import Conflict, Redefinition
from mitosis.git.repository import Identity
from mitosis.journal import editing, layout, meanings, naming
from mitosis.journal.editing import Resolution
from mitosis.journal.locks import (
    check_locks,
    read_present_meaning,
    used_lock,
)
from mitosis.journal.meanings import Uses
from mitosis.journal.naming import Locked
from mitosis.journal.origins import HistoryEntry, read_history, read_origins
from mitosis.journal.part import JournalPart
from mitosis.journal.remarks import Remarks, iter_remarks
from mitosis.journal.upkeep import keep_up
from mitosis.records.trial import ParameterRecord
from mitosis.variants import LockOrigin, PresentMeaning, Variant, VariantLock, VariantName

MOST_CONFLICTS = 20
"""This many are described at once: more can be nobody's to read."""


class Variants(JournalPart):
    """What a journal can do with variants; see `Journal`."""

    def check(self, variants: Sequence[Variant]) -> tuple[Variant, ...]:
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
        self, variants: Sequence[Variant], commit: str, identity: Identity, *, accept_functions: bool = False
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

    def rename(self, old: VariantName, new: str, identity: Identity) -> Variant:
        """Record another name for the value of a locked variant. The old name keeps its meaning.

        Args:
            old: the variant.
            new: its new name.
            identity: author and committer of the journal's commit.

        Returns:
            The old variant, as it is locked.

        Raises:
            NamingError: it is not locked or in conflict, or the new name means something else.
            JournalError: the journal is damaged, or cannot be written.
        """
        return naming.rename(self._core, old, new, identity)

    def retire(self, variant: VariantName, reason: str, identity: Identity) -> None:
        """Let no trial use a locked variant any more. What it means stays recorded.

        Args:
            variant: which.
            reason: why, in a sentence; may be empty.
            identity: author and committer of the journal's commit.

        Raises:
            NamingError: it is not locked, or retired already.
            JournalError: the journal is damaged, or cannot be written.
        """
        naming.retire(self._core, variant, reason, identity)

    def unretire(self, variant: VariantName, identity: Identity) -> None:
        """Let a retired variant be used again.

        Raises:
            NamingError: it is not retired.
            JournalError: the journal is damaged, or cannot be written.
        """
        naming.unretire(self._core, variant, identity)

    def resolve(
        self,
        variant: VariantName,
        keep: str,
        identity: Identity,
        *,
        rename_others: Sequence[str] = (),
    ) -> Resolution:
        """Let one of several recorded meanings of a variant be the one that it is locked to.

        Trials that were recorded with another meaning keep telling its digest and what it was.

        Args:
            variant: the name that has several meanings.
            keep: digest of the meaning that it keeps, or any unique prefix of it.
            identity: author and committer of the journal's commit.
            rename_others: a new variant for each of the other meanings, in the order of their digests; without any they
                are dropped.

        Raises:
            ResolveError: there is no such conflict, or it cannot be resolved so.
            JournalError: the journal is damaged, or cannot be written.
        """
        return editing.resolve(self._core, variant, keep, rename_others, identity)

    def conflicts(self, limit: int = MOST_CONFLICTS) -> tuple[Conflict, ...]:
        """The variants that have several recorded meanings now, at most `limit` of them."""
        return meanings.find_conflicts(self._core, limit)

    def locks(self, *, problems: list[BadRecord] | None = None) -> list[VariantLock]:
        """All recorded meanings of all variants, in the same order, without their values.

        Args:
            problems: what does not belong where it is is appended to it and skipped.
        """
        return [name for name, _ in self._reader(problems).iter_locks()]

    def iter_variants(self, *, problems: list[BadRecord] | None = None) -> Iterator[Variant]:
        """All recorded meanings of all variants, by step, parameter, variant and digest.

        Args:
            problems: what cannot be read, or does not belong where it is, is appended to it and skipped.
        """
        yield from self._reader(problems).iter_variants()

    def read_locks(
        self, names: Collection[VariantLock], *, problems: list[BadRecord] | None = None
    ) -> Iterator[tuple[VariantLock, Variant]]:
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

    def remarks(self, *, problems: list[BadRecord] | None = None) -> dict[VariantName, Remarks]:
        """What is recorded of variants beside their values.

        Args:
            problems: what cannot be read is appended to it and skipped.
        """
        snapshot = self._core.snapshot()
        if snapshot is None:
            return {}
        return dict(iter_remarks(self._core.store, snapshot.tree, [] if problems is None else problems))

    def uses(self) -> dict[VariantLock, Uses]:
        """How often each meaning of each variant was used by tracked parameters. All trials are read."""
        return meanings.read_uses(self._core, self._core.snapshot())

    def describe(
        self, pairs: Iterable[tuple[Variant, Variant]], uses: Mapping[VariantLock, Uses]
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

    def present_meanings(self, parameters: Iterable[ParameterRecord]) -> dict[VariantLock, PresentMeaning]:
        """What the variants that trials used mean now; those that are not tracked have no lock, and are left out.

        Raises:
            JournalError: the journal cannot be read.
        """
        snapshot = self._core.snapshot()
        if snapshot is None:
            return {}
        uses = dict.fromkeys(use for parameter in parameters if (use := used_lock(parameter)) is not None)
        if not uses:
            return {}
        kinds = (layout.RENAMED, layout.RETIRED)
        remarks = dict(iter_remarks(self._core.store, snapshot.tree, [], kinds))
        return {use: read_present_meaning(self._core.store, snapshot.tree, use, remarks) for use in uses}

    def variant_origins(self) -> dict[VariantLock, LockOrigin]:
        """Where each lock comes from."""
        return read_origins(self.repository, self._commit())

    def variant_history(self, variant: VariantName) -> list[HistoryEntry]:
        """The commits of the journal that are about a variant, newest first.

        Raises:
            GitError: git cannot read the history.
        """
        return read_history(self.repository, self._commit(), variant)
