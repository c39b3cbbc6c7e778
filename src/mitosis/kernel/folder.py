"""A folder for the kernel's sockets and messages that only this user can open."""

from __future__ import annotations

import os
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path

from mitosis.temporary import TemporaryFolder

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
                self._folder = _make_in(parent)
            except OSError as error:
                passed_over.append(f"{parent}: {error.strerror or error}")
                continue
            break
        else:
            raise NoPrivateFolder("; ".join(passed_over))
        self.path = self._folder.path
        self.passed_over = tuple(passed_over)

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
        self._folder.remove()


def _places() -> Iterator[Path]:
    """Where the folder may be, best first."""
    names = [tempfile.gettempdir()]
    if os.name == "posix":
        names += ["/tmp", "/var/tmp"]
        names += [os.environ[name] for name in ("XDG_RUNTIME_DIR",) if os.environ.get(name)]
    yield from (Path(name).absolute() for name in dict.fromkeys(names))


def _make_in(parent: Path) -> TemporaryFolder:
    made = TemporaryFolder(parent)
    if os.name == "posix":
        try:
            _try_socket(made.path / f"{_SOCKET}-0")
        except OSError:
            made.remove()
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
