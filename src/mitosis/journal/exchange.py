"""What a journal gives to other copies of the repository, and takes from them."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence

from mitosis.errors.journal import JournalError
from mitosis.errors.repository import UnreadableObject
from mitosis.git.repository import Identity
from mitosis.journal import layout, sharing
from mitosis.journal.part import JournalPart
from mitosis.journal.sharing import Merged, Unmerged
from mitosis.journal.upkeep import keep_up


class Exchange(JournalPart):
    """What a journal can do with those of others; see `Journal`."""

    def merge(self, commit: str, identity: Identity | None, source: str, notes: str | None = None) -> Merged:
        """Unite another journal with this one: by a fast-forward if that will do, else by a merge commit.

        Then the notes of the commits whose trials changed are rebuilt.

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

    def check_tip(self) -> None:
        """Make sure that the newest state of this journal can be read, if there is one.

        Raises:
            FormatTooNew: a newer mitosis has written it.
            JournalError: it is not a journal, or damaged.
        """
        self._core.snapshot()

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
            JournalError: it is not a journal, or damaged.
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
