"""Where in the source the entries of lookup dictionaries are, found by reading it. Nothing is executed."""

from __future__ import annotations

import ast
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass

from mitosis.config import Config
from mitosis.errors import UnreadableObject
from mitosis.lookups.static import source_folders

_MOST_NAMES = 20
"""So many names are followed from one to the next: they may go round."""


@dataclass(frozen=True, slots=True)
class Place:
    """A line of a file."""

    file: str
    """Relative to the top of the working tree, with `/`."""
    line: int
    """From 1."""

    def __str__(self) -> str:
        return f"{self.file}:{self.line}"


class PlaceFinder:
    """Finds entries of lookup dictionaries in one state of the repository.

    A dictionary may be written as a literal or by `dict(...)`, in parts that have names, or by setting items; what is
    made in another way is placed where the dictionary is.

    Args:
        config: names the dictionaries.
        names: the files that there are.
        read: gives the bytes of one of them.
    """

    def __init__(self, config: Config, names: Collection[str], read: Callable[[str], bytes]) -> None:
        self._config = config
        self._names = names
        self._read = read
        self._modules: dict[str, tuple[str, ast.Module] | None] = {}

    def find(self, step: str, parameter: str, variant: str) -> Place | None:
        """Where an entry is; the nearest thing around it that can be found, and None if not even the module can."""
        if step not in self._config.steps:  # the journal shortens long names
            return None
        module, _, qualified = self._config.steps[step].lookup.partition(":")
        found = self._module(module)
        if found is None:
            return None
        file, tree = found
        return Place(file, _Entries(tree).line(qualified.split("."), [parameter, variant]))

    def _module(self, module: str) -> tuple[str, ast.Module] | None:
        if module not in self._modules:
            self._modules[module] = self._parse(module)
        return self._modules[module]

    def _parse(self, module: str) -> tuple[str, ast.Module] | None:
        stem = module.replace(".", "/")
        for folder in source_folders(self._config):
            for ending in (".py", "/__init__.py"):
                name = f"{folder}/{stem}{ending}" if folder else f"{stem}{ending}"
                if name in self._names:
                    try:
                        return name, ast.parse(self._read(name))
                    except (SyntaxError, ValueError, RecursionError, MemoryError, OSError, UnreadableObject):
                        return name, ast.Module([], [])
        return None


class _Entries:
    """The entries of dictionaries in one module."""

    def __init__(self, tree: ast.Module) -> None:
        self._body = tree.body
        self._names_left = _MOST_NAMES

    def line(self, names: list[str], keys: list[str]) -> int:
        """The line of the entry `keys` in the dictionary that has these names, or of what is nearest around it."""
        body: list[ast.stmt] = self._body
        for name in names[:-1]:
            classes = [node for node in body if isinstance(node, ast.ClassDef) and node.name == name]
            if not classes:
                return 1
            body = classes[-1].body
        return self._in_variable(body, names[-1], keys, 1)

    def _in_variable(self, body: list[ast.stmt], name: str, keys: list[str], line: int) -> int:
        """The same for a variable; `line` if there is no such variable."""
        self._names_left -= 1
        if self._names_left < 0:
            return line
        best = (len(keys) + 1, line)
        # What is set last counts.
        for node in reversed(body):
            for target, value in _assignments(node):
                path = _path(target)
                if path is None or path[0] != name or path[1:] != keys[: len(path) - 1]:
                    continue
                left, found = self._in_value(body, value, keys[len(path) - 1 :], node.lineno)
                if left < best[0]:
                    best = (left, found)
        return best[1]

    def _in_value(self, body: list[ast.stmt], value: ast.expr, keys: list[str], line: int) -> tuple[int, int]:
        """How many keys could not be followed, and the line of what was found."""
        if not keys:
            return 0, line
        if isinstance(value, ast.Name):
            return 1, self._in_variable(body, value.id, keys, line)
        for key, (key_line, item) in _items(value).items():
            if key == keys[0]:
                left, found = self._in_value(body, item, keys[1:], key_line)
                return left, found
        return len(keys), line


def _assignments(node: ast.stmt) -> Iterator[tuple[ast.expr, ast.expr]]:
    """Each target that a statement assigns to, with the value."""
    if isinstance(node, ast.Assign):
        yield from ((target, node.value) for target in node.targets)
    elif isinstance(node, ast.AnnAssign) and node.value is not None:
        yield node.target, node.value


def _path(target: ast.expr) -> list[str] | None:
    """The name of a variable and the keys that an item of it is set by; None for anything else."""
    keys: list[str] = []
    while isinstance(target, ast.Subscript):
        if not isinstance(target.slice, ast.Constant) or not isinstance(target.slice.value, str):
            return None
        keys.insert(0, target.slice.value)
        target = target.value
    return [target.id, *keys] if isinstance(target, ast.Name) else None


def _items(value: ast.expr) -> Mapping[str, tuple[int, ast.expr]]:
    """The line and the value of each item of a dictionary with a constant key."""
    if isinstance(value, ast.Dict):
        return {
            key.value: (key.lineno, item)
            for key, item in zip(value.keys, value.values, strict=True)
            if isinstance(key, ast.Constant) and isinstance(key.value, str)
        }
    if isinstance(value, ast.Call):
        found = {word.arg: (word.lineno, word.value) for word in value.keywords if word.arg is not None}
        for argument in value.args[:1]:
            found = {**_items(argument), **found}
        return found
    return {}
