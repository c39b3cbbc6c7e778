"""What the parts of a journal have in common."""

from __future__ import annotations

from mitosis.errors.journal import BadRecord
from mitosis.git.repository import Repository
from mitosis.journal.core import Core
from mitosis.journal.reading import Reader


class JournalPart:
    """One part of what can be done with a journal; see `Journal`."""

    def __init__(self, repository: Repository) -> None:
        self.repository = repository
        self._core = Core(repository)

    def tip(self) -> str | None:
        """The journal's newest commit; None while there is no journal."""
        return self._core.tip()

    def _reader(self, problems: list[BadRecord] | None) -> Reader:
        snapshot = self._core.snapshot()
        tree = None if snapshot is None else snapshot.tree
        return Reader(self._core.store, tree, [] if problems is None else problems)

    def _commit(self) -> str | None:
        """The journal's newest commit, checked to be of a journal that can be read."""
        snapshot = self._core.snapshot()
        return None if snapshot is None else snapshot.commit
