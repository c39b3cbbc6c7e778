"""Letting git tidy up after many appends, which leave each object in a file of its own."""

from __future__ import annotations

import contextlib
import time
from pathlib import Path

from mitosis.errors.repository import GitError, GitMissing
from mitosis.git.program import start_git
from mitosis.git.repository import Repository

_PAUSE_S = 60.0
"""No two attempts are closer: git may find nothing to do, or be at it still."""
_IN_ONE_PROCESS = ("-c", "gc.autoDetach=false", "-c", "maintenance.autoDetach=false")
"""It is in the background already."""
_SAMPLE = "17"
_FOLDERS = 256
_DEFAULT_OBJECTS = 6700
_DEFAULT_PACKS = 50


def tidy_up(repository: Repository) -> None:
    """Have git pack the repository, in the background, when it has enough loose objects or packs to do so by itself.

    How many are enough, and whether at all, is what git's configuration says (`gc.auto`, `gc.autoPackLimit`,
    `maintenance.auto`). git decides what to do; this looks only whether to ask it, in the way that git does: it counts
    the files in one of the 256 folders of loose objects (too_many_loose_objects in git's builtin/gc.c).
    """
    # Tidying up is no reason to fail: whatever keeps it from working, git itself will say so when it is used.
    with contextlib.suppress(OSError, ValueError, GitError, GitMissing):
        if _is_wanted(repository) and _is_time(repository.common_dir / "mitosis" / "upkeep"):
            start_git(*_IN_ONE_PROCESS, "maintenance", "run", "--auto", "--quiet", cwd=repository.root)


def _is_wanted(repository: Repository) -> bool:
    """Whether there is enough to do."""
    config = repository.objects.config
    limit = config.get_int("gc.auto") if "gc.auto" in config else _DEFAULT_OBJECTS
    if limit <= 0 or ("maintenance.auto" in config and not config.get_bool("maintenance.auto")):
        return False
    packs = config.get_int("gc.autopacklimit") if "gc.autopacklimit" in config else _DEFAULT_PACKS
    objects = repository.common_dir / "objects"
    has_many = _count(objects / _SAMPLE, "?" * 38) > -(-limit // _FOLDERS)
    return has_many or 0 < packs < _count(objects / "pack", "*.pack")


def _is_time(stamp: Path) -> bool:
    """Whether the last attempt is long ago; this one is the last then."""
    if stamp.exists() and 0 <= time.time() - stamp.stat().st_mtime < _PAUSE_S:
        return False
    stamp.parent.mkdir(exist_ok=True)
    stamp.touch()
    return True


def _count(folder: Path, pattern: str) -> int:
    return sum(1 for _ in folder.glob(pattern))
