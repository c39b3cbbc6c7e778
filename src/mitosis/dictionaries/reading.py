"""What the source of lookup dictionaries and of steps says, found by reading it. Nothing is executed.

A dictionary may be written as a literal, by `dict(...)` or `|`, in parts that have names or come from other modules, or
by setting items. What is made in another way is not seen.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass
from typing import Any

from mitosis.dictionaries.syntax import Modules, Scope, assignments, flat, items, target_path

_MOST_NAMES = 50
"""So many names are followed from one to the next: they may go round."""
_SHOWN_LETTERS = 60


@dataclass(frozen=True, slots=True)
class Signature:
    """What a step's function says of itself."""

    summary: str
    """The first line of its docstring."""
    parameters: tuple[str, ...]
    """Those that can be given by name, in order."""
    data: str | None
    """The parameter that gets the data of the step before it, if there is one."""


class SourceReader:
    """Reads what modules say of dictionaries and functions.

    Args:
        modules: those of one state of the repository.
    """

    def __init__(self, modules: Modules) -> None:
        self._modules = modules
        self._names_left = 0

    def variants(self, lookup: str) -> dict[str, dict[str, str]]:
        """The variants of each parameter in a lookup dictionary, with the source of their values, cut to one line.

        Args:
            lookup: its reference, `package.module:name` or `package.module:Class.name`.
        """
        self._names_left = _MOST_NAMES
        scope, name = self._place(lookup)
        try:
            found = {} if scope is None else self._variable(scope, name, depth=2)
        except RecursionError:
            found = {}
        return {parameter: variants for parameter, variants in found.items() if isinstance(variants, dict)}

    def signature(self, action: str) -> Signature | None:
        """What the source of a step's function says; None where it cannot be found.

        Args:
            action: its reference, `package.module:name` or `package.module:Class.name`.
        """
        self._names_left = _MOST_NAMES
        scope, name = self._place(action)
        return None if scope is None else self._function(scope, name)

    def _place(self, reference: str) -> tuple[Scope | None, str]:
        """Where to look for what a reference names, and its name there."""
        module, _, qualified = reference.partition(":")
        *classes, name = qualified.split(".")
        scope = self._modules.find(module)
        for wanted in classes:
            node = None if scope is None else scope.find_class(wanted)
            scope = None if scope is None or node is None else scope.inside(node)
        return scope, name

    def _is_too_far(self) -> bool:
        self._names_left -= 1
        return self._names_left < 0

    # --- dictionaries -----------------------------------------------------------------------------

    def _variable(self, scope: Scope, name: str, depth: int) -> dict[str, Any]:
        """The items of a dictionary that has a name: dictionaries of so many levels, and then texts."""
        found: dict[str, Any] = {}
        if self._is_too_far():
            return found
        is_set = False
        for node in flat(scope.body):
            imported = self._modules.imported(scope, node, name)
            if imported is not None:
                source, its_name = imported
                found, is_set = {} if source is None else self._variable(source, its_name, depth), True
            for target, value in assignments(node):
                path = target_path(target)
                if path is None or path[0] != name or len(path) - 1 > depth:
                    continue
                keys = path[1:]
                item = self._value(scope, value, depth - len(keys))
                is_set = True
                if not keys:
                    found = item
                    continue
                inside = found
                for key in keys[:-1]:
                    inside = inside.setdefault(key, {})
                inside[keys[-1]] = item
        if not is_set and scope.is_class:
            return self._variable(scope.outside(), name, depth)
        return found

    def _value(self, scope: Scope, value: ast.expr, depth: int) -> Any:
        """What an expression means: a text, or a dictionary of so many levels."""
        if depth == 0:
            return _shown(value)
        if isinstance(value, ast.Name):
            return self._variable(scope, value.id, depth)
        found: dict[str, Any] = {}
        for key, item in items(value):
            if key is not None:
                found.setdefault(key.name, self._value(scope, item, depth - 1))
            else:
                for name, inside in reversed(self._value(scope, item, depth).items()):
                    found.setdefault(name, inside)
        # What counts first came first.
        return dict(reversed(found.items()))

    # --- functions --------------------------------------------------------------------------------

    def _function(self, scope: Scope, name: str) -> Signature | None:
        if self._is_too_far():
            return None
        # What is bound last counts.
        for node in reversed(list(flat(scope.body))):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name == name:
                return _signature(node, is_method=scope.is_class)
            imported = self._modules.imported(scope, node, name)
            if imported is not None:
                source, its_name = imported
                return None if source is None else self._function(source, its_name)
            for target, value in assignments(node):
                if isinstance(target, ast.Name) and target.id == name and isinstance(value, ast.Name):
                    return self._function(scope.outside(), value.id)
        return None


def _signature(function: ast.FunctionDef | ast.AsyncFunctionDef, *, is_method: bool) -> Signature:
    lines = (ast.get_docstring(function) or "").strip().splitlines()
    decorators = {node.id for node in function.decorator_list if isinstance(node, ast.Name)}
    places = [argument.arg for argument in (*function.args.posonlyargs, *function.args.args)]
    named = [argument.arg for argument in (*function.args.args, *function.args.kwonlyargs)]
    if is_method and places and "staticmethod" not in decorators:
        named = [name for name in named if name != places[0]]
        del places[0]
    return Signature(lines[0] if lines else "", tuple(named), places[0] if places else None)


def _shown(value: ast.expr) -> str:
    """The source of a value, as Python writes it, on one line; the beginning of a long one."""
    if (value.end_lineno or value.lineno) - value.lineno > _SHOWN_LETTERS:
        return "…"
    try:
        text = ast.unparse(value)
    except RecursionError:
        return "…"
    return text if len(text) <= _SHOWN_LETTERS else text[: _SHOWN_LETTERS - 1] + "…"
