"""Reading git objects and refs for the journal, through libgit2. Nothing here writes.

Plain values come back, and libgit2's errors are translated. Whatever another process writes or packs meanwhile is seen:
refs are read again each time, and libgit2 looks for new packs when it misses an object.
"""

from __future__ import annotations

import functools
import hashlib
import itertools
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

from mitosis.errors.journal import BadRecord, JournalError
from mitosis.errors.repository import UnreadableObject
from mitosis.git.objects import read_blobs
from mitosis.git.repository import Repository

if TYPE_CHECKING:
    import pygit2

BLOB_MODE = b"100644"
TREE_MODE = b"40000"

_TREE_LIMIT_BYTES = 16 * 2**20
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

    def read_tree_like(self, oid: str, where: str, prefix: str) -> dict[str, Entry]:
        """The entries of a tree whose names begin with `prefix`, and the folders whose names `prefix` begins with.

        Raises:
            BadRecord: it is missing, damaged, or no tree.
        """
        start = raw_name(prefix)
        return {
            _name_text(name): _entry(mode, raw)
            for name, mode, raw in self._read_entries(oid, where)
            if name.startswith(start) or (mode == TREE_MODE and start.startswith(name))
        }

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
        if self._is_partial:
            return itertools.repeat(None, len(oids))
        return read_blobs(oids, limit_bytes, cwd=self.repository.root)

    @functools.cached_property
    def _is_partial(self) -> bool:
        return self.repository.is_partial()

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

    def _read_entries(self, oid: str, where: str) -> list[tuple[bytes, bytes, bytes]]:
        """Name, mode and id of each entry. An append reads the same few trees several times, so those are kept."""
        entries = self._trees.get(oid)
        if entries is None:
            try:
                entries = self.repository.read_entries(oid, _TREE_LIMIT_BYTES)
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
