"""Files: written whole, the ids that git gives them, and whether they are the interpreter's or the user's own."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import os
import sys
from pathlib import Path

_READ_BYTES = 2**20


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


def blob_id(data: bytes) -> str:
    """The id of a blob with these bytes: SHA-1 over a header and them (gitformat-loose, "git hash-object")."""
    return hashlib.sha1(b"blob %d\0" % len(data) + data, usedforsecurity=False).hexdigest()


def file_blob_id(path: Path) -> tuple[str, int]:
    """The id of a blob with a file's bytes, and how many these are. The file is never in memory as a whole."""
    size_bytes = path.stat().st_size
    digest = hashlib.sha1(b"blob %d\0" % size_bytes, usedforsecurity=False)
    with path.open("rb") as file:
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
