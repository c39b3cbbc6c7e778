"""Git objects: what they are, and reading many of them or those in files of their own."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import itertools
import os
import re
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from mitosis.errors.files import NoTemporaryPlace
from mitosis.errors.repository import ObjectTooLarge, UnfitObject, UnreadableObject
from mitosis.files import temporary_place
from mitosis.git.program import LONGEST_ANSWER_BYTES, reading_git

if TYPE_CHECKING:
    import pygit2


@dataclass(frozen=True, slots=True)
class TreeEntry:
    """One entry of a tree: a file, a symbolic link, a folder or the commit of a submodule."""

    mode: int
    """As git has it: 0o100644, 0o100755, 0o120000, 0o040000 or 0o160000."""
    oid: str


class GitObject(NamedTuple):
    """An object as git stores it."""

    kind: str
    """`commit`, `tree`, `blob` or `tag`."""
    data: bytes


class Objects:
    """Trees and blobs, for whatever can read an object."""

    def read_object(self, oid: str, limit_bytes: int | None = None) -> GitObject:
        """An object's kind and bytes.

        Args:
            oid: its full id.
            limit_bytes: refuse a larger one.

        Raises:
            UnreadableObject: it is missing, damaged or too large.
        """
        raise NotImplementedError

    def read_tree(self, oid: str) -> dict[str, TreeEntry]:
        """The entries of a tree by name, in git's order.

        Raises:
            UnreadableObject: it is missing, damaged, or no tree.
        """
        return {os.fsdecode(name): TreeEntry(int(mode, 8), raw.hex()) for name, mode, raw in self.read_entries(oid)}

    def read_entries(self, oid: str, limit_bytes: int | None = None) -> list[tuple[bytes, bytes, bytes]]:
        """Name, mode (octal digits) and id (20 bytes) of each entry of a tree, in git's order.

        Args:
            oid: its full id.
            limit_bytes: refuse a larger one; that costs no memory.

        Raises:
            UnreadableObject: it is missing, damaged, too large, no tree, or has a name with a slash or twice.
        """
        data = self._read_kind(oid, "tree", limit_bytes)
        entries = _TREE_ENTRY.findall(data)
        if sum(len(mode) + len(name) + _TREE_ENTRY_FIXED_BYTES for mode, name, _ in entries) != len(data):
            raise UnfitObject(oid, "it is damaged: its entries do not add up")
        if len({name for _, name, _ in entries}) != len(entries):
            raise UnfitObject(oid, "it is damaged: it has two entries of one name")
        return [(name, mode, raw) for mode, name, raw in entries]

    def read_blob(self, oid: str, limit_bytes: int | None = None) -> bytes:
        """The bytes of a blob.

        Args:
            oid: its full id.
            limit_bytes: refuse a larger one; that costs no memory.

        Raises:
            UnreadableObject: it is missing, damaged, too large, or no blob.
        """
        return self._read_kind(oid, "blob", limit_bytes)

    def _read_kind(self, oid: str, kind: str, limit_bytes: int | None = None) -> bytes:
        found = self.read_object(oid, limit_bytes)
        if found.kind != kind:
            raise UnfitObject(oid, f"it is a {found.kind}, but should be a {kind}")
        return found.data


_HARMLESS_EXTENSIONS = ["partialclone", "refstorage"]
"""Of the format of a repository. libgit2 does not know them, and nothing depends on them that it is asked."""


def open_by_libgit2(git_dir: Path) -> pygit2.Repository:
    """Open a repository that git has found, and so trusts: it knows patterns and what the environment says."""
    import pygit2

    settings = pygit2.settings
    validates = settings.owner_validation
    settings.set_extensions(sorted({*settings.extensions, *_HARMLESS_EXTENSIONS}))
    settings.owner_validation = False
    try:
        return pygit2.Repository(str(git_dir))
    finally:
        settings.owner_validation = validates


KINDS = {1: "commit", 2: "tree", 3: "blob", 4: "tag"}

_TREE_ENTRY = re.compile(rb"([0-7]{5,6}) ([^\0/]+)\0(.{20})", re.DOTALL)

_TREE_ENTRY_FIXED_BYTES = 22
"""A space, a NUL and the id."""

_LOOSE_HEADER = re.compile(rb"(commit|tree|blob|tag) ([0-9]{1,19})\0")

_LONGEST_LOOSE_HEADER_BYTES = 28


class LooseFolder:
    """A folder of loose objects. What is in it is looked up once: opening a file that is not there takes longer than
    reading a packed object."""

    def __init__(self, path: str) -> None:
        self.path = path

    @functools.cached_property
    def names(self) -> frozenset[str]:
        """The files in it when it was first asked for one."""
        # If it cannot be listed, libgit2 says what it makes of that.
        with contextlib.suppress(OSError), os.scandir(self.path) as entries:
            return frozenset(entry.name for entry in entries)
        return frozenset()


def read_file(path: str) -> bytes:
    with os.fdopen(os.open(path, os.O_RDONLY), "rb") as file:
        return file.read()


def inflate(compressed: bytes, oid: str, limit_bytes: int | None) -> GitObject:
    """The object in the file of a loose one."""
    inflating = zlib.decompressobj()
    try:
        start = inflating.decompress(compressed, _LONGEST_LOOSE_HEADER_BYTES)
        header = _LOOSE_HEADER.match(start)
        if header is None:
            raise UnreadableObject(oid, "it is damaged: it does not say what it is")
        size_bytes = int(header[2])
        if limit_bytes is not None:
            check_size(oid, size_bytes, limit_bytes)
        # One byte more than there should be, so that the end of the stream is reached, or an excess noticed.
        left_bytes = max(header.end() + size_bytes - len(start), 0) + 1
        whole = start + inflating.decompress(inflating.unconsumed_tail, left_bytes)
    except zlib.error as error:
        raise UnreadableObject(oid, f"it is damaged ({error})") from error
    is_whole = inflating.eof and not inflating.unused_data and len(whole) == header.end() + size_bytes
    if not is_whole or hashlib.sha1(whole, usedforsecurity=False).hexdigest() != oid:
        raise UnreadableObject(oid, "it is damaged: its file is cut off or changed")
    return GitObject(header[1].decode(), whole[header.end() :])


def check_size(oid: str, size_bytes: int, limit_bytes: int) -> None:
    """Refuse an object that is larger than somebody wants to have in memory.

    Raises:
        ObjectTooLarge: it is.
    """
    if size_bytes > limit_bytes:
        raise ObjectTooLarge(oid, f"it has {size_bytes} bytes, more than the {limit_bytes} that are read")


def read_blobs(oids: Sequence[str], limit_bytes: int, *, cwd: Path) -> Iterator[bytes | None]:
    """The bytes of many blobs, in order, while the git program reads ahead.

    Args:
        oids: their full ids, or names like `refs/heads/main:path` without a blank.
        limit_bytes: of a larger one nothing is read.
        cwd: a folder of the repository, which is not a partial clone: git would fetch what is missing.

    Yields:
        The bytes; None for whatever has to be asked for by itself to know what is wrong with it.
    """
    import tempfile

    with contextlib.ExitStack() as stack:
        try:
            wanted = stack.enter_context(tempfile.TemporaryFile(dir=temporary_place()))
            wanted.write("".join(f"{oid}\n" for oid in oids).encode())
            wanted.seek(0)
        except (OSError, NoTemporaryPlace):  # a full disk keeps nobody from reading
            yield from itertools.repeat(None, len(oids))
            return
        with reading_git("cat-file", "--batch", "--buffer", cwd=cwd, stdin=wanted) as answers:
            for done, oid in enumerate(oids):
                words = answers.readline(LONGEST_ANSWER_BYTES).split()
                if words == [oid.encode(), b"missing"]:
                    yield None
                    continue
                is_blob = len(words) == 3 and words[1] == b"blob" and (words[0] == oid.encode() or ":" in oid)
                size_bytes = int(words[2]) if is_blob else limit_bytes + 1
                data = answers.read(size_bytes + 1) if size_bytes <= limit_bytes else b""
                if len(data) != size_bytes + 1:
                    # git has stopped at what it cannot read, or has begun to give something too large.
                    yield from itertools.repeat(None, len(oids) - done)
                    return
                yield data[:-1]
