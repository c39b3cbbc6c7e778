"""What has come with a clone, in distinction to what programs have left in it."""

from __future__ import annotations

from pathlib import Path

from mitosis.errors.repository import GitError
from mitosis.git.program import run_git

_NONE_THERE = ("not a git repository", "must be run in a work tree")


def is_tracked(path: Path) -> bool:
    """Whether git tracks a file, something in a folder, or a symbolic link on the way there.

    Any repository will do: also one that mitosis cannot use, and one that is not at hand.

    Args:
        path: an absolute one of something that exists.

    Raises:
        GitError: git refuses to look, for instance since somebody else owns the repository.
        OSError, RuntimeError: links lead in a circle, or into what cannot be read.
    """
    links = (place.parent.resolve() / place.name for place in (path, *path.parents) if place.is_symlink())
    return any(map(_is_listed, (path.resolve(), *links)))


def _is_listed(place: Path) -> bool:
    try:
        # Some file systems have it under any spelling of its name.
        return bool(run_git("ls-files", "--", f":(icase,literal){place}", cwd=place.parent))
    except GitError as error:
        if not any(text in error.output for text in _NONE_THERE):
            raise
        return False
