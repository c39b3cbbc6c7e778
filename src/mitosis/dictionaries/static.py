"""Which files the lookup modules import, found by reading them. Nothing is executed."""

from __future__ import annotations

import ast
import os
from collections.abc import Callable, Collection, Iterator, Sequence

from mitosis.config import Config
from mitosis.dictionaries.parsing import parse_module

_EXTENSION = ".py"


def static_files(names: Collection[str], read: Callable[[str], bytes], config: Config) -> frozenset[str]:
    """The tracked Python files that importing the lookup modules of all steps can import.

    Every import statement counts, wherever it stands, also under a condition or inside a function, and every name
    that `from package import name` could mean a module by. Imports by a computed name are not seen.

    Args:
        names: paths of all tracked files, relative to the top of the working tree, with `/`.
        read: gives the bytes of one of them.
        config: names the modules, and the folders to import from; "" and "src" are looked into besides.
    """
    finder = _Finder(frozenset(names), source_folders(config))
    found: set[str] = set()
    left = {step.lookup.partition(":")[0] for step in config.steps.values()}
    seen: set[str] = set()
    while left:
        module = left.pop()
        if module in seen:
            continue
        seen.add(module)
        for path, package in finder.files(module):
            if path not in found:
                found.add(path)
                left.update(_imported(read(path), package))
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


class _Finder:
    """Finds modules among the tracked files, in every folder that they may be imported from."""

    def __init__(self, names: frozenset[str], folders: Sequence[str]) -> None:
        self._names = names
        self._folders = [f"{folder}/" if folder else "" for folder in folders]

    def files(self, module: str) -> tuple[tuple[str, str], ...]:
        """Files that importing a module runs, with the package that relative imports in each start from."""
        parts = module.split(".")
        found: list[tuple[str, str]] = []
        for folder in self._folders:
            for count in range(1, len(parts) + 1):
                stem = folder + "/".join(parts[:count])
                dotted = ".".join(parts[:count])
                for path, package in (
                    (f"{stem}/__init__{_EXTENSION}", dotted),
                    (f"{stem}{_EXTENSION}", dotted.rpartition(".")[0]),
                ):
                    if path in self._names:
                        found.append((path, package))
        return tuple(found)


def _imported(data: bytes, package: str) -> Iterator[str]:
    """Dotted names of modules that a file imports, or may."""
    tree = parse_module(data)
    if tree is None:
        return  # importing it fails too
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                above = package.split(".")
                if not package or node.level > len(above):
                    continue
                above = above[: len(above) - node.level + 1]
                base = ".".join([*above, base] if base else above)
            yield base
            yield from (f"{base}.{alias.name}" for alias in node.names if alias.name != "*")
