"""A folder for the kernel's sockets and messages that only this user can open."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

PREFIX = "mitosis-"
_OWNER = "owner"
_ABANDONED_S = 60
"""How old a folder without an owner must be: its owner may just be about to lock it."""
_SOCKET = "ipc"
_PATH_LIMIT_BYTES = 100
"""Of a socket's path: unix(7) allows 107 on Linux, macOS 103, and ipykernel appends a number."""


class NoPrivateFolder(Exception):
    """There is no folder for a kernel. Its text says of each place that was tried why not."""


class PrivateFolder:
    """A folder of mode 0700, removed when it is no longer needed.

    It is made where temporary files belong. If that place is not writable, or its path too long for that of a socket,
    or its file system has no sockets, another one is taken.

    Attributes:
        path: of the folder.
        passed_over: why it is in none of the places that were tried before, in words.

    Raises:
        NoPrivateFolder: there is no place for it.
    """

    def __init__(self) -> None:
        passed_over: list[str] = []
        for parent in _places():
            try:
                self.path = _make_in(parent)
            except OSError as error:
                passed_over.append(f"{parent}: {error.strerror or error}")
                continue
            break
        else:
            raise NoPrivateFolder("; ".join(passed_over))
        self.passed_over = tuple(passed_over)
        self._ownership = (self.path / _OWNER).open("wb")
        if os.name == "posix":
            import fcntl

            fcntl.flock(self._ownership, fcntl.LOCK_EX)

    @property
    def socket_path(self) -> str:
        """The beginning of the paths of sockets; numbers come behind it."""
        return str(self.path / _SOCKET)

    def write(self, name: str, data: bytes) -> Path:
        """Write a new file that only this user can read."""
        path = self.path / name
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(data)
        return path

    def remove(self) -> None:
        """Remove it with all that is in it. May be called again."""
        shutil.rmtree(self.path, ignore_errors=True)
        self._ownership.close()


def _places() -> Iterator[Path]:
    """Where the folder may be, best first."""
    names = [tempfile.gettempdir()]
    if os.name == "posix":
        names += ["/tmp", "/var/tmp"]
        names += [os.environ[name] for name in ("XDG_RUNTIME_DIR",) if os.environ.get(name)]
    yield from (Path(name).absolute() for name in dict.fromkeys(names))


def _make_in(parent: Path) -> Path:
    """A new folder in `parent`.

    Folders there of runners that were killed are removed on the way: nobody holds their lock.
    """
    if os.name != "posix":
        return Path(tempfile.mkdtemp(prefix=PREFIX, dir=parent))
    with contextlib.suppress(OSError):  # it may be allowed to write there, but not to list what is there
        for folder in parent.glob(f"{PREFIX}*"):
            _remove_if_abandoned(folder)
    made = Path(tempfile.mkdtemp(prefix=PREFIX, dir=parent))
    try:
        _try_socket(made / f"{_SOCKET}-0")
    except OSError:
        shutil.rmtree(made, ignore_errors=True)
        raise
    return made


def _try_socket(path: Path) -> None:
    """Make a socket and remove it.

    Raises:
        OSError: there can be none: its path is too long, or the file system has no sockets.
    """
    if len(os.fsencode(path)) > _PATH_LIMIT_BYTES:
        raise OSError(f"the path of a socket in it would be longer than {_PATH_LIMIT_BYTES} bytes")
    with socket.socket(socket.AF_UNIX) as trial:
        trial.bind(str(path))
    path.unlink()


def _remove_if_abandoned(folder: Path) -> None:
    import fcntl

    with contextlib.suppress(OSError):  # another user's, somebody's who is about to lock it, or gone by now
        if folder.is_symlink() or folder.stat().st_uid != os.getuid():
            return
        with (folder / _OWNER).open("r+b") as ownership:
            fcntl.flock(ownership, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if time.time() - folder.stat().st_mtime > _ABANDONED_S:
                shutil.rmtree(folder, ignore_errors=True)
