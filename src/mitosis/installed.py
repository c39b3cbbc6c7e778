"""Which files belong to the interpreter's environment, and which are the user's own."""

from __future__ import annotations

import functools
import os
import sys


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


_folders: tuple[str, ...] = ()


def is_installed(path: str) -> bool:
    """Whether a file belongs to the interpreter's environment."""
    global _folders
    if not _folders:
        _folders = tuple(folder.rstrip(os.sep) + os.sep for folder in environment_folders())
    return path.startswith(_folders) or real_path(path).startswith(_folders)


@functools.cache
def real_path(path: str) -> str:
    """The path without symbolic links: git names the working tree so."""
    return os.path.realpath(path)
