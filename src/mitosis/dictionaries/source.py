"""What the source of lookup dictionaries and of steps says, found by reading it. Nothing is executed.

A dictionary may be written as a literal, by `dict(...)` or `|`, in parts that have names or come from other modules, or
by setting items. What is made in another way is not seen.
"""

from __future__ import annotations

import ast
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field

from mitosis.dictionaries.modules import Modules, Scope

_MOST_NAMES = 1_000
"""This many names are followed in one dictionary."""
_SHOWN_LETTERS = 60
_LEVELS = 2
"""A dictionary has parameters, and those have variants."""


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
class Signature:
    """What a step's function says of itself."""

    summary: str
    """The first line of its docstring."""
    parameters: tuple[str, ...]
    """Those that can be given by name, in order."""
    data: str | None
    """The parameter that gets the data of the step before it, if there is one."""


@dataclass(frozen=True, slots=True)
class _Entry:
    """A dictionary, an item of one, or an item of that."""

    place: Place
    value: ast.expr | None = None
    items: dict[str, _Entry] = field(default_factory=dict)


class SourceReader:
    """Reads what modules say of dictionaries and functions.

    Args:
        modules: those of one state of the repository.
    """

    def __init__(self, modules: Modules) -> None:
        self._modules = modules
        self._dictionaries: dict[str, _Entry | None] = {}
        self._followed: list[tuple[str, bool, str]] = []
        """The names that are being followed, since they may go round."""
        self._names_left = 0

    def variants(self, lookup: str) -> dict[str, dict[str, str]]:
        """The variants of each parameter in a lookup dictionary, with the source of their values, cut to one line.

        Args:
            lookup: its reference, `package.module:name` or `package.module:Class.name`.
        """
        found = self._dictionary(lookup)
        if found is None:
            return {}
        return {
            parameter: {variant: _shown(item.value) for variant, item in entry.items.items()}
            for parameter, entry in found.items.items()
        }

    def place(self, lookup: str, parameter: str, variant: str) -> Place | None:
        """Where a variant is; the nearest thing around it that can be found, and None if not even the module can.

        Args:
            lookup: the reference of the dictionary.
            parameter: of the variant.
            variant: its name.
        """
        entry = self._dictionary(lookup)
        if entry is None:
            return None
        inside = entry.items.get(parameter, entry)
        return inside.items.get(variant, inside).place

    def signature(self, action: str) -> Signature | None:
        """What the source of a step's function says; None where it cannot be found.

        Args:
            action: its reference, `package.module:name` or `package.module:Class.name`.
        """
        scope, name, _ = self._find(action)
        self._names_left = _MOST_NAMES
        return None if scope is None else self._function(scope, name)

    def _find(self, reference: str) -> tuple[Scope | None, str, Place | None]:
        """The scope of what a reference means, its name there, and the nearest place that is known without looking."""
        module, _, qualified = reference.partition(":")
        *classes, name = qualified.split(".")
        scope = self._modules.find(module)
        if scope is None:
            return None, name, None
        place = Place(scope.file, 1)
        for wanted in classes:
            node = scope.find_class(wanted)
            if node is None:
                return None, name, place
            scope, place = scope.inside(node), _at(scope, node)
        return scope, name, place

    # --- dictionaries -----------------------------------------------------------------------------

    def _dictionary(self, lookup: str) -> _Entry | None:
        """A whole dictionary; None if there is no file of its module."""
        if lookup not in self._dictionaries:
            scope, name, place = self._find(lookup)
            self._names_left = _MOST_NAMES
            found = None
            if scope is not None:
                try:
                    found = self._variable(scope, name, _LEVELS)
                except RecursionError:
                    self._followed.clear()
            self._dictionaries[lookup] = found or (None if place is None else _Entry(place))
        return self._dictionaries[lookup]

    def _variable(self, scope: Scope, name: str, depth: int) -> _Entry | None:
        """What a name means, with items of that many levels; None if nothing sets it."""
        self._names_left -= 1
        followed = (scope.file, scope.is_class, name)
        if self._names_left < 0 or followed in self._followed:
            return None
        self._followed.append(followed)
        found: _Entry | None = None
        for node in _flat(scope.body):
            imported = self._modules.imported(scope, node, name)
            if imported is not None:
                source, its_name = imported
                there = None if source is None else self._variable(source, its_name, depth)
                found = there or _Entry(_at(scope, node))
            for target, value in _assignments(node):
                path = _target_path(target)
                if path is not None and path[0] == name and len(path) - 1 <= depth:
                    item = self._value(scope, value, _at(scope, node), depth - len(path) + 1)
                    found = _with_item(found, path[1:], item)
        self._followed.pop()
        if found is None and scope.is_class:
            return self._variable(scope.outside(), name, depth)
        return found

    def _value(self, scope: Scope, value: ast.expr, place: Place, depth: int) -> _Entry:
        """What an expression means, with items of that many levels."""
        entry = _Entry(place, value)
        if depth == 0:
            return entry
        if isinstance(value, ast.Name):
            return self._variable(scope, value.id, depth) or entry
        for key, item in _items(value):
            if key is None:
                entry.items.update(self._value(scope, item, place, depth).items)
            else:
                name, line = key
                entry.items[name] = self._value(scope, item, Place(scope.file, line), depth - 1)
        return entry

    # --- functions --------------------------------------------------------------------------------

    def _function(self, scope: Scope, name: str) -> Signature | None:
        self._names_left -= 1
        if self._names_left < 0:
            return None
        # What is bound last counts.
        for node in reversed(list(_flat(scope.body))):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name == name:
                return _signature(node, is_method=scope.is_class)
            imported = self._modules.imported(scope, node, name)
            if imported is not None:
                source, its_name = imported
                return None if source is None else self._function(source, its_name)
            for target, value in _assignments(node):
                if isinstance(target, ast.Name) and target.id == name and isinstance(value, ast.Name):
                    return self._function(scope.outside(), value.id)
        return None


def _with_item(found: _Entry | None, keys: list[str], item: _Entry) -> _Entry:
    """What a name means after it, or an item of it, is set."""
    if not keys:
        # What cannot be read hides nothing that can.
        return item if found is None or item.items or not found.items else found
    inside = outer = _Entry(item.place) if found is None else found
    for key in keys[:-1]:
        inside = inside.items.setdefault(key, _Entry(item.place))
    inside.items[keys[-1]] = item
    return outer


def _flat(body: Collection[ast.stmt]) -> Iterator[ast.stmt]:
    """Statements and those in the branches of them, in order."""
    for node in body:
        yield node
        if isinstance(node, ast.If | ast.Try | ast.With | ast.For | ast.While):
            for part in ("body", "handlers", "orelse", "finalbody"):
                for inner in getattr(node, part, ()):
                    yield from _flat(inner.body if isinstance(inner, ast.ExceptHandler) else [inner])


def _assignments(node: ast.stmt) -> Iterator[tuple[ast.expr, ast.expr]]:
    """Each target that a statement assigns to, with the value."""
    if isinstance(node, ast.Assign):
        yield from ((target, node.value) for target in node.targets)
    elif isinstance(node, ast.AnnAssign) and node.value is not None:
        yield node.target, node.value


def _target_path(target: ast.expr) -> list[str] | None:
    """The name of a variable and the keys that an item of it is set by; None for anything else."""
    keys: list[str] = []
    while isinstance(target, ast.Subscript):
        if not isinstance(target.slice, ast.Constant) or not isinstance(target.slice.value, str):
            return None
        keys.insert(0, target.slice.value)
        target = target.value
    return [target.id, *keys] if isinstance(target, ast.Name) else None


def _items(value: ast.expr) -> Iterator[tuple[tuple[str, int] | None, ast.expr]]:
    """The items of a dictionary by key and line of the key; without one, the dictionaries that are taken in whole."""
    if isinstance(value, ast.Dict):
        for key, item in zip(value.keys, value.values, strict=True):
            if key is None:
                yield None, item
            elif isinstance(key, ast.Constant) and isinstance(key.value, str):
                yield (key.value, key.lineno), item
    elif isinstance(value, ast.Call):
        yield from ((None, argument) for argument in value.args[:1])
        for word in value.keywords:
            yield None if word.arg is None else (word.arg, word.lineno), word.value
    elif isinstance(value, ast.BinOp) and isinstance(value.op, ast.BitOr):
        yield None, value.left
        yield None, value.right


def _at(scope: Scope, node: ast.stmt) -> Place:
    return Place(scope.file, node.lineno)


def _signature(function: ast.FunctionDef | ast.AsyncFunctionDef, *, is_method: bool) -> Signature:
    lines = (ast.get_docstring(function) or "").strip().splitlines()
    decorators = {node.id for node in function.decorator_list if isinstance(node, ast.Name)}
    places = [argument.arg for argument in (*function.args.posonlyargs, *function.args.args)]
    named = [argument.arg for argument in (*function.args.args, *function.args.kwonlyargs)]
    if is_method and places and "staticmethod" not in decorators:
        named = [name for name in named if name != places[0]]
        del places[0]
    return Signature(lines[0] if lines else "", tuple(named), places[0] if places else None)


def _shown(value: ast.expr | None) -> str:
    """The source of a value, as Python writes it, on one line; the beginning of a long one."""
    if value is None or (value.end_lineno or value.lineno) - value.lineno > _SHOWN_LETTERS:
        return "…"
    try:
        text = ast.unparse(value)
    except RecursionError:
        return "…"
    return text if len(text) <= _SHOWN_LETTERS else text[: _SHOWN_LETTERS - 1] + "…"
