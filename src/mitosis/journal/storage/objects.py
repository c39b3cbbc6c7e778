"""Reading git objects and refs for the journal. Nothing here writes.

Plain values come back, and libgit2's errors are translated. Refs are read again each time.
"""

from __future__ import annotations

import hashlib
import itertools
import os
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

from mitosis.errors.journal import BadRecord, JournalError
from mitosis.errors.repository import UnreadableObject
from mitosis.git.objects import read_blobs
from mitosis.git.repository import Identity, Repository

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
        return {name_text(name): _entry(mode, raw) for name, mode, raw in self._read_entries(oid, where)}

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
        return [(name_text(name), gone.get(name), come.get(name)) for name in sorted(gone.keys() | come.keys())]

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
            oids: their ids, or names like `refs/mitosis/journal:path` without a blank.
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
        return None if tree is None else oid_of(self.find(tree, path), is_tree=True)

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


def oid_of(entry: Entry | None, *, is_tree: bool) -> str | None:
    """The id of an entry, if there is one and it is what is looked for: a folder or a file."""
    return entry.oid if entry is not None and entry.is_tree == is_tree else None


def name_text(name: bytes) -> str:
    """The text for a name in a tree; `raw_name` gives the bytes again."""
    return name.decode("utf-8", "surrogateescape")


def raw_name(name: str) -> bytes:
    """The bytes of a name in a tree, which are any that a file system takes."""
    return name.encode("utf-8", "surrogateescape")


def object_oid(kind: bytes, data: bytes) -> str:
    """The id that git gives an object of that kind (`blob`, `tree`, `commit`)."""
    return hashlib.sha1(b"%s %d\0" % (kind, len(data)) + data, usedforsecurity=False).hexdigest()


EMPTY_TREE = object_oid(b"tree", b"")
"""The id of a tree without entries."""


def commit_data(tree: str, parents: Sequence[str], message: str, who: Identity) -> bytes:
    """What git stores of a commit. libgit2 would refuse parents whose authors are malformed, which git takes."""
    named = who.signature()
    sign = "-" if named.offset < 0 else "+"
    hours, minutes = divmod(abs(named.offset), 60)
    stamp = f"{named.name} <{named.email}> {named.time} {sign}{hours:02}{minutes:02}"
    lines = [f"tree {tree}", *(f"parent {parent}" for parent in parents), f"author {stamp}", f"committer {stamp}"]
    return "\n".join([*lines, "", message.replace("\0", "\\x00")]).encode("utf-8", "surrogatepass")
