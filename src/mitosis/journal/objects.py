"""Reading git objects and refs for the journal, and walking its trees. Nothing here writes.

Plain values come back, and libgit2's errors are translated. Refs are read again each time.
"""

from __future__ import annotations

import hashlib
import itertools
import os
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple, Protocol

from mitosis.errors.journal import BadRecord, JournalError
from mitosis.errors.repository import UnreadableObject
from mitosis.git.objects import read_blobs
from mitosis.git.repository import Repository

if TYPE_CHECKING:
    import pygit2

BLOB_MODE = b"100644"
TREE_MODE = b"40000"

TREE_LIMIT_BYTES = 16 * 2**20
"""Of one folder of a journal: some 250,000 entries. More than that are nobody's records."""
_KEPT_TREES = 64
_KEPT_ENTRIES = 10_000


class Entry(NamedTuple):
    """One entry of a tree."""

    is_tree: bool
    oid: str
    """Hexadecimal, as every object id here."""


class RawEntry(NamedTuple):
    """One entry of a tree, with all that git stores of it."""

    mode: bytes
    """In octal digits."""
    oid: str

    @property
    def is_tree(self) -> bool:
        return self.mode == TREE_MODE

    @staticmethod
    def of_tree(oid: str) -> RawEntry:
        return RawEntry(TREE_MODE, oid)


class ReadOnlyStore:
    """Objects and refs of one repository, to read."""

    def __init__(self, repository: Repository) -> None:
        self.repository = repository
        self._trees: dict[str, list[tuple[bytes, bytes, bytes]]] = {}

    @property
    def objects(self) -> pygit2.Repository:
        return self.repository.objects

    def read_ref(self, name: str) -> str | None:
        """The id that a ref points to; None if there is no such ref.

        Raises:
            JournalError: the ref is symbolic, or its file is damaged.
        """
        plain = self.repository.plain_ref(name)
        if plain is not None:
            return plain
        if not os.path.lexists(self.repository.common_dir / name) and not self.repository.may_have_refs(name):
            return None  # in a repository without trials, commands need not wait for libgit2
        import pygit2

        try:
            target = self.objects.lookup_reference(name).target
        except KeyError:
            return None
        except (pygit2.GitError, ValueError) as error:
            raise JournalError(f"the ref {name} cannot be read: {error}") from error
        if isinstance(target, str):
            raise JournalError(f"the ref {name} is a symbolic ref to {target}, but should hold the id of a commit")
        return str(target)

    def read_commit_tree(self, commit: str, what: str) -> str:
        """The id of a commit's tree.

        Args:
            commit: full id.
            what: the ref that points to it, to name in errors.

        Raises:
            JournalError: the object is missing, damaged, or no commit.
        """
        try:
            tree = self.repository.tree_of(commit)
        except UnreadableObject as error:
            raise JournalError(f"{what} points to {commit}, which cannot be read: {error.reason}") from error
        if tree is None:
            raise JournalError(
                f"{what} points to {commit}, which is missing from the repository\n"
                "`git fsck` shows what else is; a collaborator's clone or a backup may have it."
            )
        return tree

    def read_tree(self, oid: str, where: str) -> dict[str, Entry]:
        """The entries of a tree by name, in git's order.

        Raises:
            BadRecord: it is missing, damaged, or no tree.
        """
        return {_name_text(name): _entry(mode, raw) for name, mode, raw in self._read_entries(oid, where)}

    def count_files(self, oid: str, where: str) -> int:
        """How many entries of a tree are not folders.

        Raises:
            BadRecord: it is missing, damaged, or no tree.
        """
        return sum(mode != TREE_MODE for _, mode, _ in self._read_entries(oid, where))

    def read_raw_entries(self, oid: str, where: str) -> dict[bytes, RawEntry]:
        """The entries of a tree by name.

        Raises:
            BadRecord: it is missing, damaged, or no tree.
        """
        return {name: RawEntry(mode, raw.hex()) for name, mode, raw in self._read_entries(oid, where)}

    def compare_trees(
        self, before: str | None, after: str | None, where: str
    ) -> list[tuple[str, Entry | None, Entry | None]]:
        """The names at which two trees differ (None: an empty tree), each with its entry before and after.

        Raises:
            BadRecord: one of them is missing, damaged, or no tree.
        """
        old = set() if before is None else set(self._read_entries(before, where))
        new = set() if after is None else set(self._read_entries(after, where))
        gone = {name: _entry(mode, raw) for name, mode, raw in old - new}
        come = {name: _entry(mode, raw) for name, mode, raw in new - old}
        return [(_name_text(name), gone.get(name), come.get(name)) for name in sorted(gone.keys() | come.keys())]

    def read_blob(self, oid: str, where: str, limit_bytes: int) -> bytes:
        """The bytes of a blob.

        Raises:
            BadRecord: it is missing, damaged, no blob, or larger than `limit_bytes`.
        """
        try:
            return self.repository.read_blob(oid, limit_bytes)
        except UnreadableObject as error:
            raise BadRecord(where, error.reason) from error

    def read_blobs(self, oids: Sequence[str], limit_bytes: int) -> Iterator[bytes | None]:
        """The bytes of many blobs, in order; None for each that `read_blob` has to be asked for.

        Args:
            oids: their ids.
            limit_bytes: of a larger one nothing is read.
        """
        if self.repository.may_be_partial():
            # git would fetch what is missing.
            return itertools.repeat(None, len(oids))
        return read_blobs(oids, limit_bytes, cwd=self.repository.root)

    def can_read(self, oid: str) -> bool:
        """Whether there is an object of that id that can be read."""
        try:
            self.repository.read_object(oid, TREE_LIMIT_BYTES)
        except UnreadableObject:
            return False
        return True

    def find(self, tree: str, path: str) -> Entry | None:
        """The entry at a path below a tree; None if there is none.

        Raises:
            BadRecord: a folder on the way is missing or damaged.
        """
        entry = Entry(True, tree)
        where = ""
        for name in path.split("/"):
            if not entry.is_tree:
                return None
            wanted = raw_name(name)
            found = [(mode, raw) for other, mode, raw in self._read_entries(entry.oid, where) if other == wanted]
            if not found:
                return None
            entry = _entry(*found[0])
            where = f"{where}/{name}" if where else name
        return entry

    def folder_oid(self, tree: str | None, path: str) -> str | None:
        """The id of the folder at a path below a tree; None if there is none, or no tree.

        Raises:
            BadRecord: a folder on the way is missing or damaged.
        """
        return None if tree is None else _oid_of(self.find(tree, path), is_tree=True)

    def files_in(self, tree: str | None, folder: str) -> dict[str, str]:
        """The ids of the files in a folder below a tree, by path; none if there is no such folder.

        Raises:
            BadRecord: a folder is missing or damaged.
        """
        oid = self.folder_oid(tree, folder)
        entries = {} if oid is None else self.read_tree(oid, folder)
        return {f"{folder}/{name}": entry.oid for name, entry in entries.items() if not entry.is_tree}

    def _read_entries(self, oid: str, where: str) -> list[tuple[bytes, bytes, bytes]]:
        """Name, mode and id of each entry. An append reads the same few trees several times, so those are kept."""
        entries = self._trees.get(oid)
        if entries is None:
            try:
                entries = self.repository.read_entries(oid, TREE_LIMIT_BYTES)
            except UnreadableObject as error:
                raise BadRecord(where or "the journal's tree", error.reason) from error
            self._keep_tree(oid, entries)
        return entries

    def _keep_tree(self, oid: str, entries: list[tuple[bytes, bytes, bytes]]) -> None:
        if len(entries) > _KEPT_ENTRIES:
            return
        if len(self._trees) >= _KEPT_TREES:
            self._trees.clear()
        self._trees[oid] = entries


def _entry(mode: bytes, raw: bytes) -> Entry:
    return Entry(mode == TREE_MODE, raw.hex())


def _name_text(name: bytes) -> str:
    return name.decode("utf-8", "surrogateescape")


def raw_name(name: str) -> bytes:
    """The bytes of a name in a tree, which are any that a file system takes."""
    return name.encode("utf-8", "surrogateescape")


def object_oid(kind: bytes, data: bytes) -> str:
    """The id that git gives an object of that kind (`blob`, `tree`, `commit`)."""
    return hashlib.sha1(b"%s %d\0" % (kind, len(data)) + data, usedforsecurity=False).hexdigest()


EMPTY_TREE = object_oid(b"tree", b"")
"""The id of a tree without entries."""


# --- walking --------------------------------------------------------------------------------------

_RawEntries = list[tuple[bytes, bytes, bytes]]


class Sizes:
    """How many files each of some trees has in all its folders, a folder that is there twice counted twice.

    git looks at that many of them, and a few small trees that hold each other can have more than can be counted.

    Args:
        read: gives the entries of a tree, by its id (20 bytes) and its path; none if it cannot be read.
    """

    def __init__(self, read: Callable[[bytes, str], _RawEntries]) -> None:
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
                self._sizes[oid] = 0
                self._entries += len(entries)
                folders = [(raw, path_below(path, name)) for name, mode, raw in entries if mode == TREE_MODE]
                waiting.append((oid, path, (len(entries) - len(folders), [raw for raw, _ in folders])))
                waiting += [(raw, where, None) for raw, where in folders]
        return self._sizes[root] > _ALWAYS_READ + _REPEATED * self._entries


def path_below(path: str, name: bytes) -> str:
    """The path of something in a folder."""
    return f"{path}/{_name_text(name)}" if path else _name_text(name)


_ALWAYS_READ = 100_000
_REPEATED = 20
"""So many times as many entries are looked at as there are in different folders. Folders may hold each other many times
over, so a few small ones can make a tree that has no end."""
_MOST_AGAIN = 100
"""So many folders are read again in another place, where no two should be the same."""
_DEPTH_LIMIT = 20

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
        self._read: set[tuple[str | None, str | None]] = set()

    def between(self, before: str | None, after: str | None, where: str, depth: int) -> Iterator[Change]:
        if depth > _DEPTH_LIMIT:
            self._tell(BadRecord(where, f"it is nested more than {_DEPTH_LIMIT} folders deep"))
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
                    self._tell(BadRecord(where or "the journal", what))
                return
            path = f"{where}/{name}" if where else name
            old_folder, new_folder = _oid_of(old, is_tree=True), _oid_of(new, is_tree=True)
            if (old_folder is not None or new_folder is not None) and not self._is_repeated(new_folder, path):
                yield from self.between(old_folder, new_folder, path, depth + 1)
            old_file, new_file = _oid_of(old, is_tree=False), _oid_of(new, is_tree=False)
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


def _oid_of(entry: Entry | None, *, is_tree: bool) -> str | None:
    return entry.oid if entry is not None and entry.is_tree == is_tree else None
