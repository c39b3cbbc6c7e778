"""A repository of which little is read, for commands that are over before libgit2 would be loaded."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Iterator
from pathlib import Path

from mitosis.errors.repository import ObjectTooLarge, UnreadableObject
from mitosis.git.objects import GitObject
from mitosis.git.reader import ObjectReader
from mitosis.git.repository import Repository, find_repository

_MOST_ASKED = 500
"""With this many objects, a git program has taken as long as libgit2 takes to be loaded and to read them."""


class _Asked:
    """The git program that is asked for objects, and how many more it will be asked for."""

    def __init__(self, reader: ObjectReader | None) -> None:
        self.reader = reader
        self.left = _MOST_ASKED

    def close(self) -> None:
        if self.reader is not None:
            self.reader.close()
            self.reader = None


class BriefRepository(Repository):
    """A repository of which little is read: a git program does that sooner than libgit2 is loaded.

    libgit2 is loaded by whatever needs more than objects, when many objects are read, and to tell what is wrong with
    one that git cannot read.
    """

    @functools.cached_property
    def _asked(self) -> _Asked:
        return _Asked(None if self.may_be_partial() else ObjectReader(self))

    def close(self) -> None:
        """End the git program."""
        self._asked.close()

    def _read_packed(self, oid: str, limit_bytes: int | None) -> GitObject:
        asked = self._asked
        if asked.reader is not None and asked.left > 0:
            asked.left -= 1
            try:
                return asked.reader.read_object(oid, limit_bytes)
            except ObjectTooLarge:
                raise
            except UnreadableObject:
                pass  # libgit2 knows why
        asked.close()
        return super()._read_packed(oid, limit_bytes)


@contextlib.contextmanager
def open_briefly(folder: Path) -> Iterator[Repository]:
    """The repository that `folder` is in, for reading a few objects of it; see `BriefRepository`.

    Raises:
        as `find_repository`.
    """
    found = find_repository(folder)
    with contextlib.closing(BriefRepository(found.root, found.git_dir, found.common_dir, found.head)) as repository:
        yield repository
