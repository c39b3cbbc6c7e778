"""Import the modules of a checkout in place of those of the working tree, and note what is looked for.

Runs in the evaluating process.

What Python's own finders, the entries of `sys.path` and the finders of editable installs lead to below the top of the
working tree is found at the same place of the checkout, or not at all. `sys.path` stays as it is, since it is also
where installed packages are looked up by name and version.
"""

from __future__ import annotations

import importlib.util
import os
import sys
from collections.abc import Callable, Iterable, Sequence
from importlib.machinery import BuiltinImporter, FrozenImporter, ModuleSpec, PathFinder
from pathlib import PurePath
from types import ModuleType
from typing import Any

from mitosis.files import environment_folders, real_path

_IMPORT_SYSTEM = "<frozen importlib._bootstrap_external>"
_FOLLOWING_LINKS = ("realpath", "_joinrealpath")
"""Functions of `os.path` that ask about every folder on the way, without regard to whether it is there."""
_WRITES = os.O_WRONLY | os.O_RDWR


class Places:
    """Where the files of the working tree are in the checkout.

    Args:
        root: the folder of the checkout.
        top: the top of the working tree. Neither has symbolic links on the way.
    """

    def __init__(self, root: str, top: str) -> None:
        self.root = root
        self.top = top
        self._root_prefix = root.rstrip(os.sep) + os.sep
        self._top_prefix = top.rstrip(os.sep) + os.sep
        # An environment that holds the whole working tree takes nothing away from it.
        real = (os.path.realpath(folder) + os.sep for folder in environment_folders())
        self._installed = tuple(folder for folder in real if folder.startswith(self._top_prefix))

    def moved(self, path: str) -> str:
        """Where a file or folder of the working tree is in the checkout; any other path as it is."""
        inside = self._inside_top(path)
        return path if inside is None else os.path.join(self.root, inside).rstrip(os.sep)

    def inside(self, path: str) -> str | None:
        """A path of the checkout or of the working tree relative to its top; None for any other."""
        if (path + os.sep).startswith(self._root_prefix):
            return path[len(self._root_prefix) :]
        real = real_path(path)
        if (real + os.sep).startswith(self._root_prefix):
            return real[len(self._root_prefix) :]
        return self._inside_top(path)

    def is_installed(self, path: str) -> bool:
        """Whether a path is in an environment that is below the top of the working tree."""
        return (real_path(path) + os.sep).startswith(self._installed)

    def _inside_top(self, path: str) -> str | None:
        if not os.path.isabs(path):
            return None
        real = real_path(path)
        # The checkout itself may be below the working tree, where TMPDIR says so.
        is_below = (real + os.sep).startswith(self._top_prefix)
        if not is_below or (real + os.sep).startswith((self._root_prefix, *self._installed)):
            return None
        return real[len(self._top_prefix) :]


class _Moved:
    """A finder that does what another does, and leads to the checkout."""

    def __init__(self, finder: Any, places: Places, missing: set[str]) -> None:
        self._finder = finder
        self._places = places
        self._missing = missing

    def __getattr__(self, name: str) -> Any:
        return getattr(self._finder, name)

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if self._finder is not PathFinder:
            spec = self._finder.find_spec(name, path, target)
            return None if spec is None else _moved_spec(spec, self._places)
        folders = [self._places.moved(p) if isinstance(p, str) else p for p in (sys.path if path is None else path)]
        spec = PathFinder.find_spec(name, folders, target)
        if spec is None:
            self._missing.add(name)
            return None
        return _moved_spec(spec, self._places)


def _moved_spec(spec: ModuleSpec, places: Places) -> ModuleSpec | None:
    """Where to find the same module in the checkout; None where the checkout has none."""
    folders = spec.submodule_search_locations
    moved_folders = None if folders is None else [places.moved(folder) for folder in folders]
    if spec.has_location and isinstance(spec.origin, str):
        file = places.moved(spec.origin)
        if file == spec.origin:
            return spec
        if os.path.isfile(file):
            return importlib.util.spec_from_file_location(spec.name, file, submodule_search_locations=moved_folders)
        # A module may have become a package, or the other way round.
        parent = os.path.dirname(spec.origin)
        return PathFinder.find_spec(spec.name, [places.moved(parent if folders is None else os.path.dirname(parent))])
    if moved_folders is not None and any(places.inside(folder) is not None for folder in moved_folders):
        moved_folders = [folder for folder in moved_folders if os.path.isdir(folder)]
        if not moved_folders:
            return None
        # A namespace package as a list: one that Python keeps up to date would look into the working tree again.
        moved = ModuleSpec(spec.name, None, is_package=True)
        moved.submodule_search_locations = moved_folders
        return moved
    return spec


class _OwnModules:
    """Finds the packages of the lookup modules in the checkout, also where another copy of them is installed.

    In the working tree it leaves those to others, as for a trial, and only notices the copies.

    Args:
        names: of the packages, top level.
        folders: of the checkout, to look for them in.
        places: where the checkout is.
        elsewhere: is told of those copies.
    """

    def __init__(self, names: Iterable[str], folders: Sequence[str], places: Places, elsewhere: dict[str, str]) -> None:
        self._names = frozenset(names)
        self._folders = list(folders)
        self._places = places
        self._elsewhere = elsewhere

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if path is not None or name not in self._names:
            return None
        found = None
        for finder in sys.meta_path:
            if finder is not self:
                found = finder.find_spec(name, path, target)
                if found is not None:
                    break
        if found is None or self._is_ours(found):
            return found
        ours = PathFinder.find_spec(name, self._folders)
        if ours is None or not ours.has_location:
            return found
        self._elsewhere[name] = str(found.origin if found.has_location else found.submodule_search_locations)
        return found if self._places.root == self._places.top else ours

    def _is_ours(self, spec: ModuleSpec) -> bool:
        paths = [spec.origin] if spec.has_location else list(spec.submodule_search_locations or ())
        return any(
            isinstance(path, str) and self._places.inside(path) is not None and not self._places.is_installed(path)
            for path in paths
        )


def relocate_imports(places: Places, own: Iterable[str], folders: Sequence[str]) -> tuple[set[str], dict[str, str]]:
    """From now on, import from the checkout what would be imported from the working tree.

    Args:
        places: where the two are.
        own: names of the packages that hold the lookup modules.
        folders: of the checkout, where they may be.

    Returns:
        What will be noticed: modules that were not found on the search path, and packages of lookup modules that the
        checkout has, though trials find them at the path that stands there.
    """
    missing: set[str] = set()
    elsewhere: dict[str, str] = {}
    keep = (BuiltinImporter, FrozenImporter)
    sys.meta_path[:] = [f if f in keep else _Moved(f, places, missing) for f in sys.meta_path]
    sys.meta_path.insert(0, _OwnModules(own, folders, places, elsewhere))
    return missing, elsewhere


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
