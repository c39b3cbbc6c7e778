"""Files: written whole, the ids that git gives them, and whether they are the interpreter's or the user's own.

Temporary folders are removed also when the process that made them was killed: by the next one.
"""

from __future__ import annotations

import contextlib
import errno
import functools
import hashlib
import os
import stat
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO, Self

from mitosis.errors.files import NoTemporaryPlace

_READ_BYTES = 2**20
_TEMPORARY = ("/tmp", "/var/tmp", "/usr/tmp")
"""Where Python puts temporary files, if the environment says nothing and they can be written."""
_NETWORK = ("nfs", "cifs", "smb", "fuse", "9p", "afs", "lustre", "gpfs", "beegfs", "ceph", "gluster", "gfs", "vboxsf")
"""How the kinds of file systems begin that several machines share."""
_PREFIX = "mitosis-"
_OWNER = "owner"
"""A file whose lock says that the folder is in use, and whose content, that the lock was taken."""
_ABANDONED_S = 60
"""How old a folder must be whose lock was never taken: its owner may just be about to take it."""


def write_whole(path: Path, content: str | bytes) -> None:
    """Write a file so that it appears whole or not at all.

    Raises:
        OSError: it cannot be written; what was there before is there still.
    """
    # Other processes may be writing the same file.
    partial = path.with_name(f"{path.name[:200]}.{os.getpid()}.partial")
    try:
        partial.write_bytes(content if isinstance(content, bytes) else content.encode("utf-8", "backslashreplace"))
        partial.replace(path)
    except OSError:
        with contextlib.suppress(OSError):
            partial.unlink()
        raise


def read_regular(path: Path, limit_bytes: int) -> bytes:
    """The beginning of a file that is no link to another one, and no pipe, which would be waited for.

    Raises:
        OSError: it cannot be read, or is something else.
    """
    flags = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
    with open(path, "rb", opener=lambda name, mode: os.open(name, mode | flags)) as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise OSError(errno.EINVAL, "it is no regular file", str(path))
        return file.read(limit_bytes)


def blob_id(data: bytes) -> str:
    """The id of a blob with these bytes: SHA-1 over a header and them (gitformat-loose, "git hash-object")."""
    return hashlib.sha1(b"blob %d\0" % len(data) + data, usedforsecurity=False).hexdigest()


def file_blob_id(file: Path | BinaryIO) -> tuple[str, int]:
    """The id of a blob with a file's bytes, and how many these are. The file is never in memory as a whole."""
    if isinstance(file, Path):
        with file.open("rb") as opened:
            return file_blob_id(opened)
    size_bytes = os.fstat(file.fileno()).st_size
    digest = hashlib.sha1(b"blob %d\0" % size_bytes, usedforsecurity=False)
    while block := file.read(_READ_BYTES):
        digest.update(block)
    return digest.hexdigest(), size_bytes


def environment_folders() -> list[str]:
    """Folders that hold the interpreter and what is installed for it."""
    import site
    import sysconfig

    paths = sysconfig.get_paths()
    folders = {paths[name] for name in ("stdlib", "platstdlib", "purelib", "platlib", "scripts")}
    folders.update(site.getsitepackages())
    folders.add(site.getusersitepackages())
    if sys.prefix != sys.base_prefix:
        folders.add(sys.prefix)
    return sorted(folders)


@functools.cache
def _environment_prefixes() -> tuple[str, ...]:
    return tuple(folder.rstrip(os.sep) + os.sep for folder in environment_folders())


def is_installed(path: str) -> bool:
    """Whether a file belongs to the interpreter's environment."""
    prefixes = _environment_prefixes()
    return path.startswith(prefixes) or real_path(path).startswith(prefixes)


@functools.cache
def real_path(path: str) -> str:
    """The path without symbolic links: git names the working tree so."""
    return os.path.realpath(path)


def is_on_network(path: Path) -> bool:
    """Whether a file is on a file system that other machines have as well."""
    try:
        mounts = Path("/proc/self/mountinfo").read_text("utf-8", "surrogateescape").splitlines()
    except OSError:  # not Linux
        return False
    place = str(path.parent.resolve())
    longest, kind = -1, ""
    for line in mounts:
        words, _, rest = line.partition(" - ")
        point = words.split(" ")[4]
        is_above = place == point or place.startswith(point.rstrip("/") + "/")
        if is_above and len(point) >= longest:
            longest, kind = len(point), rest.split(" ")[0]
    return kind.startswith(_NETWORK)


def temporary_place() -> Path:
    """Where temporary files belong, without symbolic links.

    Raises:
        NoTemporaryPlace: nowhere. Python would take the working directory, which is the user's.
    """
    import tempfile

    try:
        place = tempfile.gettempdir()
    except FileNotFoundError as error:
        raise NoTemporaryPlace from error
    is_asked_for = place in _TEMPORARY or any(map(os.environ.get, ("TMPDIR", "TEMP", "TMP")))
    if place == os.getcwd() and not is_asked_for:  # noqa: PTH109
        raise NoTemporaryPlace
    return Path(os.path.realpath(place))


class TemporaryFolder:
    """A new folder of mode 0700. As a context, it is removed at the end.

    Folders beside it whose owners were killed are removed on the way: nobody holds their locks.

    Args:
        parent: where to make it; by default where temporary files belong.

    Attributes:
        path: of the folder. By default there are no symbolic links on the way.

    Raises:
        NoTemporaryPlace: there is none for it.
        OSError: it cannot be made.
    """

    def __init__(self, parent: Path | None = None) -> None:
        import tempfile

        parent = temporary_place() if parent is None else parent
        remove_abandoned(parent)
        self.path = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=parent))
        with contextlib.ExitStack() as undoing:
            undoing.callback(_remove, self.path)
            self._owner = undoing.enter_context((self.path / _OWNER).open("wb"))
            if os.name == "posix":
                import fcntl

                fcntl.flock(self._owner, fcntl.LOCK_EX)
            self._owner.write(b"locked\n")
            self._owner.flush()
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


def remove_abandoned(parent: Path) -> None:
    """Remove the folders that `TemporaryFolder` made in `parent` for processes which are gone."""
    if os.name == "posix":
        with contextlib.suppress(OSError):  # it may be allowed to write there, but not to list what is there
            for left in parent.glob(f"{_PREFIX}*"):
                _remove_if_abandoned(left)


def _remove_if_abandoned(folder: Path) -> None:
    import fcntl

    with contextlib.suppress(OSError):  # another user's, in use, somebody's who is about to lock it, or gone by now
        if folder.is_symlink() or folder.stat().st_uid != os.getuid():
            return
        with (folder / _OWNER).open("r+b") as owner:
            fcntl.flock(owner, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if owner.read(1) or time.time() - folder.stat().st_mtime > _ABANDONED_S:
                _remove(folder)


def _remove(folder: Path) -> None:
    """Remove a folder, also what user code in it has made read-only.

    What still cannot be removed is left to the machine's own cleaning.
    """
    import shutil

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


def find_trials_folder(folder: Path, root: Path, option: str | None, configured: str | None) -> Path:
    """Where outputs go: an option relative to the working directory, else what is configured.

    Args:
        folder: the working directory.
        root: what a configured folder is relative to: top of the main working tree.
        option: that of the command line.
        configured: what the configuration says.
    """
    if option is not None:
        chosen = (folder / Path(option).expanduser()).absolute()
        return chosen.resolve() if ".." in chosen.parts else chosen
    return root / Path(configured or "trials").expanduser()
