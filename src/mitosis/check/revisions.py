"""Names of commits, as people give them."""

from __future__ import annotations

import contextlib

from mitosis.errors.repository import GitError, NoRange, UnknownRevision
from mitosis.git.repository import Repository


def resolve_commit(repository: Repository, text: str) -> str:
    """The full id of a commit.

    Raises:
        UnknownRevision: git knows none of that name.
    """
    with contextlib.suppress(GitError):
        return repository.git("rev-parse", "--verify", "--quiet", "--end-of-options", f"{text}^{{commit}}").strip()
    raise UnknownRevision(text, "git knows no commit of that name")


def resolve_range(repository: Repository, text: str) -> tuple[str, str]:
    """The full ids of the commits at both ends of `A..B`; either may be left out for HEAD.

    Raises:
        NoRange: it is none.
        UnknownRevision: git does not know an end of it.
    """
    start, dots, end = text.partition("..")
    if not dots or end.startswith("."):
        raise NoRange(text)
    return resolve_commit(repository, start or "HEAD"), resolve_commit(repository, end or "HEAD")
