"""Note which files are read while lookup dictionaries are evaluated. Runs in the evaluating process."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import PurePath
from typing import Any

_IMPORT_SYSTEM = "<frozen importlib._bootstrap_external>"
_FOLLOWING_LINKS = ("realpath", "_joinrealpath")
"""Functions of `os.path` that ask about every folder on the way, without regard to whether it is there."""
_WRITES = os.O_WRONLY | os.O_RDWR


class Watch:
    """What was opened, listed or asked for, by absolute path, from when it was started."""

    def __init__(self) -> None:
        self.read: set[str] = set()
        """Files that were opened for reading, whether they are there or not."""
        self.listed: set[str] = set()
        """Folders whose names were asked for, other than by the import system."""
        self.asked: set[str] = set()
        """Paths that were asked about (is it there, how large is it)."""

    def start(self, *, asking: bool) -> None:
        """Note from now on what this process looks for; there is no end to it but that of the process.

        Args:
            asking: whether to note also what is only asked about. Python does not announce that, so the functions of
                `os` are replaced; `os.path` and `pathlib` go through them.
        """
        sys.addaudithook(self._hear)
        if asking:
            for name in ("stat", "lstat", "access"):
                setattr(os, name, self._noting(getattr(os, name)))

    def _hear(self, event: str, arguments: tuple[Any, ...]) -> None:
        if event == "open" and len(arguments) == 3:
            path, mode, flags = arguments
            writes = isinstance(flags, int) and flags & _WRITES
            if ("r" in mode and "+" not in mode) if isinstance(mode, str) else not writes:
                _note(path, self.read)
        elif event == "sqlite3.connect":
            _note(arguments[0], self.read)
        elif event in ("os.listdir", "os.scandir") and sys._getframe(1).f_code.co_filename != _IMPORT_SYSTEM:
            _note("." if arguments[0] is None else arguments[0], self.listed)

    def _noting(self, function: Callable[..., Any]) -> Callable[..., Any]:
        def noting(path: Any, *arguments: Any, **options: Any) -> Any:
            if sys._getframe(1).f_code.co_name not in _FOLLOWING_LINKS:
                _note(path, self.asked)
            return function(path, *arguments, **options)

        return noting


def _note(path: object, into: set[str]) -> None:
    """Add a path. It must not raise: what is called from an audit hook would fail in the user's hands."""
    if isinstance(path, PurePath):
        path = str(path)
    if type(path) is bytes:
        path = os.fsdecode(path)
    if type(path) is str and "\0" not in path:
        try:
            into.add(os.path.abspath(path))
        except OSError:  # the working directory is gone, and a relative path leads nowhere
            return
