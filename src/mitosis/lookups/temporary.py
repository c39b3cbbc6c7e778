"""Temporary folders that are removed also when the process that made them was killed: by the next one."""

from __future__ import annotations

import contextlib
import os
import shutil
import stat
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

# As for the folders of kernels, so that whoever comes next removes either.
_PREFIX = "mitosis-"
_OWNER = "owner"
"""A file whose lock says that the folder is in use."""
_ABANDONED_S = 60
"""How old a folder must be whose lock nobody holds: its owner may just be about to take it."""


@contextlib.contextmanager
def temporary_folder() -> Iterator[Path]:
    """A private folder without symbolic links on the way; gone afterwards, whatever is in it."""
    parent = Path(os.path.realpath(tempfile.gettempdir()))
    if os.name == "posix":
        for left in parent.glob(f"{_PREFIX}*"):
            _remove_if_abandoned(left)
    folder = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=parent))
    try:
        with (folder / _OWNER).open("wb") as owner:
            if os.name == "posix":
                import fcntl

                fcntl.flock(owner, fcntl.LOCK_EX)
            yield folder
    finally:
        shutil.rmtree(folder, onerror=_remove_anyway)


def _remove_if_abandoned(folder: Path) -> None:
    import fcntl

    with contextlib.suppress(OSError):  # another user's, in use, somebody's who is about to lock it, or gone by now
        if folder.is_symlink() or folder.stat().st_uid != os.getuid():
            return
        with (folder / _OWNER).open("r+b") as owner:
            fcntl.flock(owner, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if time.time() - folder.stat().st_mtime > _ABANDONED_S:
                shutil.rmtree(folder, onerror=_remove_anyway)


def _remove_anyway(function: Callable[..., object], path: str, _: object) -> None:
    """Remove what user code has made read-only; leave what still cannot be removed to the machine's own cleaning."""
    with contextlib.suppress(OSError):
        for place in (Path(path).parent, Path(path)):
            if not place.is_symlink():
                place.chmod(stat.S_IRWXU)
        if function in (os.scandir, os.open, os.listdir):
            shutil.rmtree(path, ignore_errors=True)
        else:
            function(path)
