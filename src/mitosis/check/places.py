"""Where in the source the entries of lookup dictionaries are, found by reading it. Nothing is executed."""

from __future__ import annotations

import ast
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from typing import NamedTuple

from mitosis.config import Config
from mitosis.dictionaries.syntax import Modules, Scope, assignments, flat, items, target_path
from mitosis.errors.repository import UnreadableObject

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
class _Found:
    """How far the keys could be followed."""

    left: int
    """How many could not."""
    place: Place


class _Items(NamedTuple):
    """The items of an expression, those that count first in front."""

    by_name: dict[str, tuple[int, int, ast.expr]]
    """The position, the line and the value of each key."""
    spread: list[tuple[int, ast.expr]]
    """The position of each dictionary that is taken in whole."""


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
        self._modules = Modules(config, self._bytes)
        self._statements: dict[ast.stmt, dict[tuple[str, ...], list[tuple[int, ast.stmt]]]] = {}
        """Of each scope, by its first statement, the statements that set names and items; last comes what is last."""
        self._items: dict[ast.expr, _Items] = {}
        self._names_left = 0

    def find(self, step: str, parameter: str, variant: str) -> Place | None:
        """Where an entry is; the nearest thing around it that can be found, and None if not even the module can."""
        if step not in self._config.steps:  # the journal shortens long names
            return None
        module, _, qualified = self._config.steps[step].lookup.partition(":")
        scope = self._modules.find(module)
        if scope is None:
            return None
        self._names_left = _MOST_NAMES
        place = Place(scope.file, 1)
        *classes, name = qualified.split(".")
        for class_name in classes:
            node = scope.find_class(class_name)
            if node is None:
                return place
            scope, place = scope.inside(node), _at(scope, node)
        try:
            return self._in_variable(scope, name, [parameter, variant], place).place
        except RecursionError:
            return place

    def _bytes(self, name: str) -> bytes | None:
        if name not in self._names:
            return None
        try:
            return self._read(name)
        except (OSError, UnreadableObject):
            return b""

    def _in_variable(self, scope: Scope, name: str, keys: list[str], place: Place) -> _Found:
        """Follow keys into a variable; as far as `place` if there is no such variable."""
        best = _Found(len(keys) + 1, place)
        self._names_left -= 1
        if self._names_left < 0:
            return best
        for node in self._setting(scope, name, keys):
            for found in self._in_statement(scope, node, name, keys):
                if found.left < best.left:
                    best = found
        if best.left > len(keys) and scope.is_class:
            return self._in_variable(scope.outside(), name, keys, place)
        return best

    def _setting(self, scope: Scope, name: str, keys: list[str]) -> Iterator[ast.stmt]:
        """The statements that set a variable or an item on the way to the keys, the last first, since it counts."""
        if not scope.body:
            return
        by_path = self._statements.get(scope.body[0])
        if by_path is None:
            by_path = self._statements[scope.body[0]] = _by_path(scope)
        path = (name, *keys)
        found = {at: node for count in range(1, len(path) + 1) for at, node in by_path.get(path[:count], ())}
        yield from (found[at] for at in sorted(found, reverse=True))

    def _in_statement(self, scope: Scope, node: ast.stmt, name: str, keys: list[str]) -> Iterator[_Found]:
        """What a statement gives the keys of a variable."""
        imported = self._modules.imported(scope, node, name)
        if imported is not None:
            source, its_name = imported
            near = _Found(len(keys), _at(scope, node))
            yield near if source is None else self._in_variable(source, its_name, keys, near.place)
        for target, value in assignments(node):
            path = target_path(target)
            if path is not None and path[0] == name and path[1:] == keys[: len(path) - 1]:
                yield self._in_value(scope, value, keys[len(path) - 1 :], _at(scope, node))

    def _in_value(self, scope: Scope, value: ast.expr, keys: list[str], place: Place) -> _Found:
        """Follow keys into an expression."""
        if not keys:
            return _Found(0, place)
        if isinstance(value, ast.Name):
            found = self._in_variable(scope, value.id, keys, place)
            return found if found.left <= len(keys) else _Found(len(keys), place)
        if value not in self._items:
            self._items[value] = _indexed(value)
        known = self._items[value]
        at, line, item = known.by_name.get(keys[0], (None, 0, value))
        for spread_at, spread in known.spread:
            if at is not None and spread_at > at:
                break
            found = self._in_value(scope, spread, keys, place)
            if found.left < len(keys):
                return found
        return (
            _Found(len(keys), place) if at is None else self._in_value(scope, item, keys[1:], Place(scope.file, line))
        )


def _by_path(scope: Scope) -> dict[tuple[str, ...], list[tuple[int, ast.stmt]]]:
    """The statements of a scope by the variable, and the keys of an item of it, that they set."""
    found: dict[tuple[str, ...], list[tuple[int, ast.stmt]]] = {}
    for at, node in enumerate(flat(scope.body)):
        paths: set[tuple[str, ...]] = set()
        if isinstance(node, ast.ImportFrom):
            paths.update((alias.asname or alias.name,) for alias in node.names)
        paths.update(tuple(target_path(target) or ()) for target, _ in assignments(node))
        for path in paths:
            found.setdefault(path, []).append((at, node))
    return found


def _indexed(value: ast.expr) -> _Items:
    known = _Items({}, [])
    for at, (key, item) in enumerate(items(value)):
        if key is None:
            known.spread.append((at, item))
        else:
            known.by_name.setdefault(key.name, (at, key.line, item))
    return known


def _at(scope: Scope, node: ast.stmt | ast.expr | ast.keyword) -> Place:
    return Place(scope.file, node.lineno)
