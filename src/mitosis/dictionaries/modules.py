"""The user's modules: where they are, what they import by their syntax trees, and what was used when they ran.

Nothing is executed here. Paths are relative to the top of the tree, with `/`.
"""

from __future__ import annotations

import ast
import os
import warnings
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from mitosis.config import Config

MODULE = ".py"


@dataclass(frozen=True, slots=True)
class Scope:
    """Where names are looked up: a module, or a class in it."""

    file: str
    """Relative to the top of the working tree, with `/`."""
    package: tuple[str, ...]
    """What relative imports start from."""
    module: tuple[ast.stmt, ...]
    body: tuple[ast.stmt, ...]
    """Of the module, or of the class."""

    @property
    def is_class(self) -> bool:
        return self.body is not self.module

    def outside(self) -> Scope:
        """The scope of the module that this one is in."""
        return replace(self, body=self.module)

    def inside(self, node: ast.ClassDef) -> Scope:
        """The scope of a class in it."""
        return replace(self, body=tuple(node.body))

    def find_class(self, name: str) -> ast.ClassDef | None:
        """The class of a name that counts: the last."""
        found = [node for node in self.body if isinstance(node, ast.ClassDef) and node.name == name]
        return found[-1] if found else None


class Modules:
    """The modules in one state of the repository, each parsed once.

    Args:
        config: where modules are imported from.
        read: gives the bytes of a file, whose path is relative to the top of the working tree and has `/`; None where
            there is no such file.
    """

    def __init__(self, config: Config, read: Callable[[str], bytes | None]) -> None:
        self._folders = source_folders(config)
        self._read = read
        self._modules: dict[str, Scope | None] = {}

    def find(self, name: str) -> Scope | None:
        """A module by its dotted name; None if there is no file of it. One that cannot be parsed is empty."""
        if name not in self._modules:
            self._modules[name] = self._parse(name)
        return self._modules[name]

    def imported(self, scope: Scope, node: ast.stmt, name: str) -> tuple[Scope | None, str] | None:
        """Where a statement `from ... import ...` has a name from, and what it is called there.

        Args:
            scope: where the statement is.
            node: any statement.
            name: as it is called in the scope.

        Returns:
            None if the statement does not import the name; no scope if it does from somewhere else than these modules.
        """
        if isinstance(node, ast.ImportFrom):
            for alias in node.names:
                if (alias.asname or alias.name) == name:
                    return self.find(_imported_from(node, scope.package)), alias.name
        return None

    def _parse(self, name: str) -> Scope | None:
        for file, package in _places(name, self._folders):
            data = self._read(file)
            if data is not None:
                tree = _parse(data)
                body = () if tree is None else tuple(tree.body)
                return Scope(file, package, body, body)
        return None


def imported_files(config: Config, names: Collection[str], read: Callable[[str], bytes]) -> frozenset[str]:
    """The tracked Python files that importing the lookup modules of all steps can import.

    Every import statement counts, wherever it stands, also under a condition or inside a function, and every name
    that `from package import name` could mean a module by. Imports by a computed name are not seen.

    Args:
        config: names the modules, and the folders to import from; "" and "src" are looked into besides.
        names: paths of all tracked files, relative to the top of the working tree, with `/`.
        read: gives the bytes of one of them.
    """
    source = source_folders(config)
    found: set[str] = set()
    left = {step.lookup.partition(":")[0] for step in config.steps.values() if step.lookup is not None}
    seen: set[str] = set()
    while left:
        module = left.pop()
        if module in seen:
            continue
        seen.add(module)
        # Importing a module runs the packages that it is in.
        parts = module.split(".")
        for count in range(1, len(parts) + 1):
            for path, package in _places(".".join(parts[:count]), source):
                if path in names and path not in found:
                    found.add(path)
                    left.update(_imported_names(read(path), package))
    return frozenset(found)


def source_folders(config: Config) -> tuple[str, ...]:
    """Folders that modules may be imported from, relative to the top, with `/`; the top itself is empty.

    They are given relative to the file of the configuration, which is taken to be at the top where it is not known to
    be elsewhere.
    """
    base = os.path.realpath(config.path.parent)
    folders = ["", "src"]
    for folder in config.pythonpath:
        inside = os.path.relpath(os.path.realpath(folder), base).replace(os.sep, "/")
        if not inside.startswith(".."):
            folders.append("" if inside == "." else inside)
    return tuple(dict.fromkeys(folders))


def reader_of_files(root: Path, limit_bytes: int) -> Callable[[str], bytes | None]:
    """What reads the files of a working tree for `Modules`; those that are larger are empty.

    Args:
        root: the top of the working tree.
        limit_bytes: of one file.
    """

    def read(name: str) -> bytes | None:
        path = root / name
        try:
            if not path.is_file():
                return None
            return path.read_bytes() if path.stat().st_size <= limit_bytes else b""
        except OSError:
            return None

    return read


def _places(name: str, source: Collection[str]) -> Iterator[tuple[str, tuple[str, ...]]]:
    """The files that a module may be, what counts first in front, and the package that relative imports start from."""
    parts = tuple(name.split("."))
    for folder in source:
        stem = "/".join((folder, *parts)) if folder else "/".join(parts)
        yield f"{stem}/__init__.py", parts
        yield f"{stem}.py", parts[:-1]


def _imported_names(data: bytes, package: tuple[str, ...]) -> Iterator[str]:
    """Dotted names of modules that a file imports, or may."""
    tree = _parse(data)
    # One that cannot be parsed cannot be imported either.
    for node in () if tree is None else ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = _imported_from(node, package)
            yield base
            yield from (f"{base}.{alias.name}" for alias in node.names if alias.name != "*")


def _imported_from(node: ast.ImportFrom, package: tuple[str, ...]) -> str:
    """The module that an import names."""
    if not node.level:
        return node.module or ""
    above = package[: len(package) - node.level + 1]
    return ".".join((*above, node.module) if node.module else above)


def _parse(data: bytes) -> ast.Module | None:
    """The syntax tree of a module; None if it cannot be parsed."""
    try:
        # What Python would warn of, it does where the module is imported.
        with warnings.catch_warnings(action="ignore"):
            return ast.parse(data)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


# --- what was used --------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Usage:
    """What the user's code used below the top while it was evaluated, as far as Python notices."""

    files: frozenset[str] = frozenset()
    """The modules that were imported and the files that were read."""
    packages: frozenset[str] = frozenset()
    """The folders of these modules, but for those that modules are imported from, which may hold everything else."""
    asked: frozenset[str] = frozenset()
    """Paths that were opened or asked about, whether they are there or not."""
    listed: frozenset[str] = frozenset()
    """Folders whose names were asked for; the top itself is empty."""
    missing: frozenset[str] = frozenset()
    """Dotted names of modules that were not found."""
    imported: frozenset[str] = frozenset()
    """Top-level names of all modules that were imported, wherever they are."""
    is_complete: bool = True
    """Whether the process came to its end, so that nothing is left out here."""

    def is_touched_by(self, changes: Mapping[str, bool]) -> bool:
        """Whether the outcome may be another after files have changed.

        Data files in a package count in any case: libraries that are not written in Python open files unnoticed.

        Args:
            changes: by path, whether a file is new or gone, and has not only another content.
        """
        used = self.files | self.asked
        # A submodule, or a link to a folder, is a folder of what was used.
        if not used.isdisjoint(changes) or any(folder in changes for path in used for folder in folders(path)):
            return True
        if any(not path.endswith(MODULE) and not self.packages.isdisjoint(folders(path)) for path in changes):
            return True
        moved = [path for path, is_moved in changes.items() if is_moved]
        own = {name for path in self.files if path.endswith(MODULE) for name in module_names(path)}
        found = self.imported | own
        # A new module may stand in for one that was found elsewhere.
        hides = any(path.endswith(MODULE) and not found.isdisjoint(module_names(path)) for path in moved)
        return hides or self.looked_for(moved)

    def looked_for(self, paths: Collection[str]) -> bool:
        """Whether the code may have noticed that these files, or modules, are there or not."""
        if not paths:
            return False
        there = {*paths, *(folder for path in paths for folder in folders(path))}
        if "" in self.listed or not self.listed.isdisjoint(there) or not self.asked.isdisjoint(there):
            return True
        return any(not self.missing.isdisjoint(module_names(path)) for path in there)


def folders(path: str) -> list[str]:
    """The folders that a file or folder is in, the innermost last, but for the top."""
    return [path[:at] for at, letter in enumerate(path) if letter == "/"]


def module_names(path: str) -> Iterator[str]:
    """The dotted names by which a file or folder could be imported, from whatever folder above it."""
    *above, last = path.split("/")
    stem = last.partition(".")[0]
    parts = above if stem == "__init__" else [*above, stem]
    yield from (".".join(parts[start:]) for start in range(len(parts)))
