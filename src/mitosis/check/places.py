"""Where in the source the entries of lookup dictionaries are, found by reading it. Nothing is executed."""

from __future__ import annotations

import ast
import warnings
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, replace

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


@dataclass(frozen=True, slots=True)
class _Scope:
    """Where names are looked up."""

    file: str
    package: tuple[str, ...]
    """What relative imports start from."""
    module: tuple[ast.stmt, ...]
    body: tuple[ast.stmt, ...]
    """Of the module, or of a class in it."""

    def at(self, node: ast.stmt | ast.expr | ast.keyword) -> Place:
        return Place(self.file, node.lineno)


@dataclass(frozen=True, slots=True)
class _Found:
    """How far the keys could be followed."""

    left: int
    """How many could not."""
    place: Place


class PlaceFinder:
    """Finds entries of lookup dictionaries in one state of the repository.

    A dictionary may be written as a literal or by `dict(...)`, in parts that have names or are imported from another
    module, or by setting items; what is made in another way is placed where the dictionary is.

    Args:
        config: names the dictionaries.
        names: the files that there are.
        read: gives the bytes of one of them.
    """

    def __init__(self, config: Config, names: Collection[str], read: Callable[[str], bytes]) -> None:
        self._config = config
        self._names = names
        self._read = read
        self._modules: dict[str, _Scope | None] = {}
        self._names_left = 0

    def find(self, step: str, parameter: str, variant: str) -> Place | None:
        """Where an entry is; the nearest thing around it that can be found, and None if not even the module can."""
        if step not in self._config.steps:  # the journal shortens long names
            return None
        module, _, qualified = self._config.steps[step].lookup.partition(":")
        scope = self._module(module)
        if scope is None:
            return None
        self._names_left = _MOST_NAMES
        place = Place(scope.file, 1)
        *classes, name = qualified.split(".")
        for class_name in classes:
            nodes = [node for node in scope.body if isinstance(node, ast.ClassDef) and node.name == class_name]
            if not nodes:
                return place
            scope, place = replace(scope, body=tuple(nodes[-1].body)), scope.at(nodes[-1])
        try:
            return self._in_variable(scope, name, [parameter, variant], place).place
        except RecursionError:
            return place

    def _module(self, module: str) -> _Scope | None:
        if module not in self._modules:
            self._modules[module] = self._parse(module)
        return self._modules[module]

    def _parse(self, module: str) -> _Scope | None:
        parts = tuple(module.split("."))
        for folder in source_folders(self._config):
            stem = "/".join((folder, *parts)) if folder else "/".join(parts)
            for name, package in ((f"{stem}/__init__.py", parts), (f"{stem}.py", parts[:-1])):
                if name in self._names:
                    body = tuple(self._statements(name))
                    return _Scope(name, package, body, body)
        return None

    def _statements(self, name: str) -> list[ast.stmt]:
        try:
            # What Python would warn of, it does where the module is imported.
            with warnings.catch_warnings(action="ignore"):
                return ast.parse(self._read(name)).body
        except (SyntaxError, ValueError, RecursionError, MemoryError, OSError, UnreadableObject):
            return []

    def _in_variable(self, scope: _Scope, name: str, keys: list[str], place: Place) -> _Found:
        """Follow keys into a variable; as far as `place` if there is no such variable."""
        best = _Found(len(keys) + 1, place)
        self._names_left -= 1
        if self._names_left < 0:
            return best
        # What is set last counts.
        for node in reversed(list(_flat(scope.body))):
            for found in self._in_statement(scope, node, name, keys):
                if found.left < best.left:
                    best = found
        if best.left > len(keys) and scope.body is not scope.module:
            return self._in_variable(replace(scope, body=scope.module), name, keys, place)
        return best

    def _in_statement(self, scope: _Scope, node: ast.stmt, name: str, keys: list[str]) -> Iterator[_Found]:
        """What a statement gives the keys of a variable."""
        if isinstance(node, ast.ImportFrom):
            for alias in node.names:
                if (alias.asname or alias.name) == name:
                    source = self._module(_imported_from(node, scope.package))
                    near = _Found(len(keys), scope.at(node))
                    yield near if source is None else self._in_variable(source, alias.name, keys, near.place)
            return
        for target, value in _assignments(node):
            path = _path(target)
            if path is not None and path[0] == name and path[1:] == keys[: len(path) - 1]:
                yield self._in_value(scope, value, keys[len(path) - 1 :], scope.at(node))

    def _in_value(self, scope: _Scope, value: ast.expr, keys: list[str], place: Place) -> _Found:
        """Follow keys into an expression."""
        if not keys:
            return _Found(0, place)
        if isinstance(value, ast.Name):
            found = self._in_variable(scope, value.id, keys, place)
            return found if found.left <= len(keys) else _Found(len(keys), place)
        for key, item in _items(value):
            if key is None:
                found = self._in_value(scope, item, keys, place)
                if found.left < len(keys):
                    return found
            elif key.name == keys[0]:
                return self._in_value(scope, item, keys[1:], Place(scope.file, key.line))
        return _Found(len(keys), place)


@dataclass(frozen=True, slots=True)
class _Key:
    name: str
    line: int


def _flat(body: Collection[ast.stmt]) -> Iterator[ast.stmt]:
    """Statements and those in the branches of them, in order."""
    for node in body:
        yield node
        if isinstance(node, ast.If | ast.Try | ast.With | ast.For | ast.While):
            for field in ("body", "handlers", "orelse", "finalbody"):
                for part in getattr(node, field, ()):
                    yield from _flat(part.body if isinstance(part, ast.ExceptHandler) else [part])


def _imported_from(node: ast.ImportFrom, package: tuple[str, ...]) -> str:
    """The module that an import names."""
    if not node.level:
        return node.module or ""
    above = package[: len(package) - node.level + 1]
    return ".".join((*above, node.module) if node.module else above)


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


def _items(value: ast.expr) -> Iterator[tuple[_Key | None, ast.expr]]:
    """The items of a dictionary with constant keys, and without a key the dictionaries in it; what counts first."""
    if isinstance(value, ast.Dict):
        for key, item in reversed(list(zip(value.keys, value.values, strict=True))):
            if key is None:
                yield None, item
            elif isinstance(key, ast.Constant) and isinstance(key.value, str):
                yield _Key(key.value, key.lineno), item
    elif isinstance(value, ast.Call):
        for word in reversed(value.keywords):
            yield None if word.arg is None else _Key(word.arg, word.lineno), word.value
        yield from ((None, argument) for argument in value.args[:1])
    elif isinstance(value, ast.BinOp) and isinstance(value.op, ast.BitOr):
        yield None, value.right
        yield None, value.left
