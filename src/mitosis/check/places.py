"""Where in the source the entries of lookup dictionaries are, found by reading it. Nothing is executed."""

from __future__ import annotations

import ast
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass

from mitosis.config import Config
from mitosis.errors import UnreadableObject
from mitosis.lookups.syntax import Modules, Scope, assignments, flat, items, target_path

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
        # What is set last counts.
        for node in reversed(list(flat(scope.body))):
            for found in self._in_statement(scope, node, name, keys):
                if found.left < best.left:
                    best = found
        if best.left > len(keys) and scope.is_class:
            return self._in_variable(scope.outside(), name, keys, place)
        return best

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
        for key, item in items(value):
            if key is None:
                found = self._in_value(scope, item, keys, place)
                if found.left < len(keys):
                    return found
            elif key.name == keys[0]:
                return self._in_value(scope, item, keys[1:], Place(scope.file, key.line))
        return _Found(len(keys), place)


def _at(scope: Scope, node: ast.stmt | ast.expr | ast.keyword) -> Place:
    return Place(scope.file, node.lineno)
