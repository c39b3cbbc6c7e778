"""What the source of lookup dictionaries and of steps says, found by reading it. Nothing is executed.

A dictionary may be written as a literal, by `dict(...)` or `|`, in parts that have names or come from other modules, or
by setting items. What is made in another way is not seen.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

from mitosis.config import Config
from mitosis.lookups.static import source_folders

_MOST_NAMES = 50
"""So many names are followed from one to the next: they may go round."""
_MOST_BYTES = 2**18
"""Of a module. Whoever waits for the names in it would wait too long for more."""
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


class _Scope(NamedTuple):
    """A module, or a class in it, whose names are looked up."""

    module: str
    is_package: bool
    body: list[ast.stmt]
    above: list[ast.stmt]
    """The body of the module."""


class SourceReader:
    """Reads the user's modules in one state of the repository.

    Args:
        config: where modules are imported from.
        read: gives the bytes of a file, whose path is relative to the top of the working tree and has `/`; None where
            there is no such file.
    """

    def __init__(self, config: Config, read: Callable[[str], bytes | None]) -> None:
        self._folders = source_folders(config)
        self._read = read
        self._modules: dict[str, _Scope | None] = {}
        self._names_left = 0

    def variants(self, lookup: str) -> dict[str, dict[str, str]]:
        """The variants of each parameter in a lookup dictionary, with the source of their values, cut to one line.

        Args:
            lookup: its reference, `package.module:name` or `package.module:Class.name`.
        """
        self._names_left = _MOST_NAMES
        scope, name = self._place(lookup)
        found = {} if scope is None else self._variable(scope, name, depth=2)
        return {parameter: variants for parameter, variants in found.items() if isinstance(variants, dict)}

    def signature(self, action: str) -> Signature | None:
        """What the source of a step's function says; None where it cannot be found.

        Args:
            action: its reference, `package.module:name` or `package.module:Class.name`.
        """
        self._names_left = _MOST_NAMES
        scope, name = self._place(action)
        return None if scope is None else self._function(scope, name)

    # --- finding ----------------------------------------------------------------------------------

    def _place(self, reference: str) -> tuple[_Scope | None, str]:
        """Where to look for what a reference names, and its name there."""
        module, _, qualified = reference.partition(":")
        *classes, name = qualified.split(".")
        scope = self._module(module)
        for wanted in classes:
            body = [] if scope is None else scope.body
            found = [node.body for node in body if isinstance(node, ast.ClassDef) and node.name == wanted]
            scope = scope._replace(body=found[-1]) if scope is not None and found else None
        return scope, name

    def _module(self, name: str) -> _Scope | None:
        if name not in self._modules:
            self._modules[name] = self._parse(name)
        return self._modules[name]

    def _parse(self, name: str) -> _Scope | None:
        stem = name.replace(".", "/")
        for folder in self._folders:
            for ending in ("/__init__.py", ".py"):
                data = self._read(f"{folder}/{stem}{ending}" if folder else f"{stem}{ending}")
                if data is not None:
                    body = parse_module(data).body if len(data) <= _MOST_BYTES else []
                    return _Scope(name, ending != ".py", body, body)
        return None

    def _imported(self, scope: _Scope, node: ast.stmt, name: str) -> tuple[_Scope, str] | None:
        """Where `from module import name` in a scope has a name from, and what it is called there."""
        if not isinstance(node, ast.ImportFrom):
            return None
        for alias in node.names:
            if (alias.asname or alias.name) == name:
                base = node.module or ""
                if node.level:
                    above = scope.module.split(".")
                    above = above[: len(above) - node.level + scope.is_package]
                    base = ".".join([*above, base] if base else above)
                module = self._module(base)
                return None if module is None else (module, alias.name)
        return None

    def _is_too_far(self) -> bool:
        self._names_left -= 1
        return self._names_left < 0

    # --- dictionaries -----------------------------------------------------------------------------

    def _variable(self, scope: _Scope, name: str, depth: int) -> dict[str, Any]:
        """The items of a dictionary that has a name: dictionaries of so many levels, and then texts."""
        found: dict[str, Any] = {}
        if self._is_too_far():
            return found
        is_set = False
        for node in scope.body:
            imported = self._imported(scope, node, name)
            if imported is not None:
                found, is_set = self._variable(*imported, depth), True
            for target, value in assignments(node):
                path = target_path(target)
                if path is None or path[0] != name or len(path) - 1 > depth:
                    continue
                keys = path[1:]
                item = self._value(scope, value, depth - len(keys))
                if not keys:
                    found, is_set = item, True
                    continue
                inside = found
                for key in keys[:-1]:
                    inside = inside.setdefault(key, {})
                inside[keys[-1]] = item
        if not is_set and not found and scope.body is not scope.above:
            return self._variable(scope._replace(body=scope.above), name, depth)
        return found

    def _value(self, scope: _Scope, value: ast.expr, depth: int) -> Any:
        if depth == 0:
            return _shown(value)
        if isinstance(value, ast.Name):
            return self._variable(scope, value.id, depth)
        found: dict[str, Any] = {}
        if isinstance(value, ast.Dict):
            for key, item in zip(value.keys, value.values, strict=True):
                if key is None:
                    found |= self._value(scope, item, depth)
                elif isinstance(key, ast.Constant) and isinstance(key.value, str):
                    found[key.value] = self._value(scope, item, depth - 1)
        elif isinstance(value, ast.BinOp) and isinstance(value.op, ast.BitOr):
            found |= self._value(scope, value.left, depth)
            found |= self._value(scope, value.right, depth)
        elif isinstance(value, ast.Call) and isinstance(value.func, ast.Name) and value.func.id == "dict":
            for argument in value.args[:1]:
                found |= self._value(scope, argument, depth)
            for word in value.keywords:
                if word.arg is None:
                    found |= self._value(scope, word.value, depth)
                else:
                    found[word.arg] = self._value(scope, word.value, depth - 1)
        return found

    # --- functions --------------------------------------------------------------------------------

    def _function(self, scope: _Scope, name: str) -> Signature | None:
        if self._is_too_far():
            return None
        # What is bound last counts.
        for node in reversed(scope.body):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name == name:
                return _signature(node, is_method=scope.body is not scope.above)
            imported = self._imported(scope, node, name)
            if imported is not None:
                return self._function(*imported)
            for target, value in assignments(node):
                if isinstance(target, ast.Name) and target.id == name and isinstance(value, ast.Name):
                    return self._function(scope._replace(body=scope.above), value.id)
        return None


def parse_module(data: bytes) -> ast.Module:
    """The statements of a module; none where it cannot be parsed."""
    import warnings

    try:
        with warnings.catch_warnings():
            # Such as an escape that means nothing: it is the user's business, and told where the module is run.
            warnings.simplefilter("ignore")
            return ast.parse(data)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return ast.Module([], [])


def assignments(node: ast.stmt) -> Iterator[tuple[ast.expr, ast.expr]]:
    """Each target that a statement assigns to, with the value."""
    if isinstance(node, ast.Assign):
        yield from ((target, node.value) for target in node.targets)
    elif isinstance(node, ast.AnnAssign) and node.value is not None:
        yield node.target, node.value


def target_path(target: ast.expr) -> list[str] | None:
    """The name of a variable and the keys that an item of it is set by; None for anything else."""
    keys: list[str] = []
    while isinstance(target, ast.Subscript):
        if not isinstance(target.slice, ast.Constant) or not isinstance(target.slice.value, str):
            return None
        keys.insert(0, target.slice.value)
        target = target.value
    return [target.id, *keys] if isinstance(target, ast.Name) else None


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
