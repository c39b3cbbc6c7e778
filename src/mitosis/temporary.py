"""Temporary folders that are removed also when the process that made them was killed: by the next one."""

from __future__ import annotations

import contextlib
import os
import shutil
import stat
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Self

_PREFIX = "mitosis-"
_OWNER = "owner"
"""A file whose lock says that the folder is in use."""
_ABANDONED_S = 60
"""How old a folder must be whose lock nobody holds: its owner may just be about to take it."""


class TemporaryFolder:
    """A new folder of mode 0700. As a context, it is removed at the end.

    Folders beside it whose owners were killed are removed on the way: nobody holds their locks.

    Args:
        parent: where to make it; by default where temporary files belong.

    Attributes:
        path: of the folder. By default there are no symbolic links on the way.

    Raises:
        OSError: it cannot be made.
    """

    def __init__(self, parent: Path | None = None) -> None:
        if parent is None:
            parent = Path(os.path.realpath(tempfile.gettempdir()))
        if os.name == "posix":
            with contextlib.suppress(OSError):  # it may be allowed to write there, but not to list what is there
                for left in parent.glob(f"{_PREFIX}*"):
                    _remove_if_abandoned(left)
        self.path = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=parent))
        with contextlib.ExitStack() as undoing:
            undoing.callback(_remove, self.path)
            self._owner = undoing.enter_context((self.path / _OWNER).open("wb"))
            if os.name == "posix":
                import fcntl

                fcntl.flock(self._owner, fcntl.LOCK_EX)
            undoing.pop_all()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.remove()

    def remove(self) -> None:
        """Remove it with all that is in it. May be called again."""
        # Windows removes no file that is open.
        self._owner.close()
        _remove(self.path)


def _remove_if_abandoned(folder: Path) -> None:
    import fcntl

    with contextlib.suppress(OSError):  # another user's, in use, somebody's who is about to lock it, or gone by now
        if folder.is_symlink() or folder.stat().st_uid != os.getuid():
            return
        with (folder / _OWNER).open("r+b") as owner:
            fcntl.flock(owner, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if time.time() - folder.stat().st_mtime > _ABANDONED_S:
                _remove(folder)


def _remove(folder: Path) -> None:
    """Remove a folder, also what user code in it has made read-only.

    What still cannot be removed is left to the machine's own cleaning.
    """

    def remove_anyway(function: Callable[..., object], path: str, _: object) -> None:
        with contextlib.suppress(OSError):
            for place in (Path(path).parent, Path(path)):
                # What the folder itself is in is somebody else's.
                if place.is_relative_to(folder) and not place.is_symlink():
                    place.chmod(stat.S_IRWXU)
            if function in (os.scandir, os.open, os.listdir):
                shutil.rmtree(path, ignore_errors=True)
            else:
                function(path)

    shutil.rmtree(folder, onerror=remove_anyway)
