"""Walking the trees of a journal: what differs between two of them, and how large one is."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Protocol

from mitosis.errors.journal import BadRecord
from mitosis.journal.storage.objects import TREE_MODE, Entry, ReadOnlyStore, name_text, oid_of

_RawEntries = list[tuple[bytes, bytes, bytes]]


class Sizes:
    """How many files each of some trees has in all its folders, a folder that is there twice counted twice.

    git looks at that many of them, and a few small trees that hold each other can have more than can be counted.

    Args:
        read: gives the entries of a tree, by its id (20 bytes) and its path: none if it cannot be read, and None if it
            is too large for that, which is one without an end.
    """

    def __init__(self, read: Callable[[bytes, str], _RawEntries | None]) -> None:
        self._read = read
        self._sizes: dict[bytes, int] = {}
        self._entries = 0

    def is_endless(self, root: bytes) -> bool:
        """Whether a tree has more files than anybody can have recorded. Each of its folders is read, unless it was."""
        waiting: list[tuple[bytes, str, tuple[int, list[bytes]] | None]] = [(root, "", None)]
        while waiting:
            oid, path, below = waiting.pop()
            if below is not None:  # all its folders are done
                self._sizes[oid] = below[0] + sum(self._sizes[folder] for folder in below[1])
            elif oid not in self._sizes:
                entries = self._read(oid, path)
                self._sizes[oid] = _ENDLESS if entries is None else 0
                if entries is None:
                    continue
                self._entries += len(entries)
                folders = [(raw, path_below(path, name)) for name, mode, raw in entries if mode == TREE_MODE]
                waiting.append((oid, path, (len(entries) - len(folders), [raw for raw, _ in folders])))
                waiting += [(raw, where, None) for raw, where in folders]
        return self._sizes[root] > _ALWAYS_READ + _REPEATED * self._entries


def path_below(path: str, name: bytes) -> str:
    """The path of something in a folder."""
    return f"{path}/{name_text(name)}" if path else name_text(name)


_ALWAYS_READ = 100_000
_REPEATED = 20
"""So many times as many entries are looked at as there are in different folders. Folders may hold each other many times
over, so a few small ones can make a tree that has no end."""
_ENDLESS = 2**64
_MOST_AGAIN = 100
"""So many folders are read again in another place, where no two should be the same."""
_DEPTH_LIMIT = 20
_NO_FOLDER_DEPTH = 5
"""Nothing that is recorded is in a folder whose path has so many components."""

Change = tuple[str, str | None, str | None]
"""The path of a file, and its id before and after."""


class UnreadableBefore(BadRecord):
    """Of two trees that are compared, the one before cannot be read."""


class Tell(Protocol):
    """Is told what of a tree cannot be read."""

    def __call__(self, problem: BadRecord, oid: str | None = None) -> None:
        """Take note of a problem, and of the id of the folder that could not be read, if it is that."""


def iter_changes(
    store: ReadOnlyStore,
    before: str | None,
    after: str | None,
    where: str = "",
    *,
    limit: int | None = None,
    tell: Tell | None = None,
    once_each: bool = False,
) -> Iterator[Change]:
    """The files that differ between two trees (None: an empty one); all files of one, if there is no other.

    Folders that are the same are not read, so the cost is in proportion to what changed.

    Args:
        store: the repository's objects.
        before: id of a tree.
        after: id of another.
        where: their path.
        limit: at most this many entries that differ are looked at; None for what anybody can have recorded.
        tell: is told what cannot be read of the tree after, and of more entries than that; None to raise it.
        once_each: whether no two folders can be the same, so that more than a few are a problem, and not looked into.

    Raises:
        UnreadableBefore: the tree before cannot be read.
        BadRecord: without `tell`, the one after cannot be, is nested more deeply than a journal can be, or differs in
            too much.
    """
    yield from _Walk(store, limit, tell or _refuse, once_each).between(before, after, where, 0)


def _refuse(problem: BadRecord, oid: str | None = None) -> None:
    raise problem


def _removable(folder: str) -> str:
    """The highest folder above one that can be removed without anything that is recorded."""
    return "/".join(folder.split("/")[:_NO_FOLDER_DEPTH])


class _Walk:
    def __init__(self, store: ReadOnlyStore, limit: int | None, tell: Tell, once_each: bool) -> None:
        self._store = store
        self._limit = _ALWAYS_READ if limit is None else limit
        self._is_growing = limit is None
        self._count = 0
        self._tell = tell
        self._once_each = once_each
        self._met: dict[str, str] = {}
        self._again = 0
        self._too_deep: set[str] = set()
        self._read: set[tuple[str | None, str | None]] = set()

    def between(self, before: str | None, after: str | None, where: str, depth: int) -> Iterator[Change]:
        if depth > _DEPTH_LIMIT:
            top = _removable(where)
            if top not in self._too_deep:
                self._too_deep.add(top)
                self._tell(BadRecord(top, f"it is nested more than {_DEPTH_LIMIT} folders deep"))
            return
        entries = self._entries(before, after, where)
        if self._is_growing and (before, after) not in self._read:
            self._read.add((before, after))
            self._limit += _REPEATED * len(entries)
        for name, old, new in entries:
            self._count += 1
            if self._count > self._limit:
                if self._count == self._limit + 1:
                    what = f"there are more than {self._limit:,} files and folders; no more are read"
                    self._tell(BadRecord(_removable(where) or "the journal", what))
                return
            path = f"{where}/{name}" if where else name
            old_folder, new_folder = oid_of(old, is_tree=True), oid_of(new, is_tree=True)
            if (old_folder is not None or new_folder is not None) and not self._is_repeated(new_folder, path):
                yield from self.between(old_folder, new_folder, path, depth + 1)
            old_file, new_file = oid_of(old, is_tree=False), oid_of(new, is_tree=False)
            if old_file is not None or new_file is not None:
                yield path, old_file, new_file

    def _entries(
        self, before: str | None, after: str | None, where: str
    ) -> list[tuple[str, Entry | None, Entry | None]]:
        try:
            return self._store.compare_trees(before, after, where)
        except BadRecord as error:
            if before is not None:
                try:
                    self._store.read_tree(before, where)
                except BadRecord:
                    raise UnreadableBefore(where, error.reason) from error
            self._tell(BadRecord(error.where, error.reason).with_cause(error), after)
            return [] if before is None else self._store.compare_trees(before, None, where)

    def _is_repeated(self, folder: str | None, path: str) -> bool:
        if folder is None or not self._once_each:
            return False
        first = self._met.setdefault(folder, path)
        if first == path:
            return False
        # Which of the two is in its place, only the records in it tell.
        self._again += 1
        if self._again > _MOST_AGAIN:
            self._tell(BadRecord(path, f"it is the same folder as {first}"))
        return self._again > _MOST_AGAIN
