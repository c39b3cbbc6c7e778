"""The user's modules as syntax trees: where names come from, and what the items of dictionaries are.

Nothing is executed.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, replace

from mitosis.config import Config
from mitosis.dictionaries.parsing import parse_module
from mitosis.dictionaries.static import source_folders


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
        parts = tuple(name.split("."))
        for folder in self._folders:
            stem = "/".join((folder, *parts)) if folder else "/".join(parts)
            for file, package in ((f"{stem}/__init__.py", parts), (f"{stem}.py", parts[:-1])):
                data = self._read(file)
                if data is not None:
                    tree = parse_module(data)
                    body = () if tree is None else tuple(tree.body)
                    return Scope(file, package, body, body)
        return None


@dataclass(frozen=True, slots=True)
class Key:
    """Of an item of a dictionary."""

    name: str
    line: int
    """From 1."""


def flat(body: Collection[ast.stmt]) -> Iterator[ast.stmt]:
    """Statements and those in the branches of them, in order."""
    for node in body:
        yield node
        if isinstance(node, ast.If | ast.Try | ast.With | ast.For | ast.While):
            for field in ("body", "handlers", "orelse", "finalbody"):
                for part in getattr(node, field, ()):
                    yield from flat(part.body if isinstance(part, ast.ExceptHandler) else [part])


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


def items(value: ast.expr) -> Iterator[tuple[Key | None, ast.expr]]:
    """The items of a dictionary with constant keys, and without a key the dictionaries in it; what counts first."""
    if isinstance(value, ast.Dict):
        for key, item in reversed(list(zip(value.keys, value.values, strict=True))):
            if key is None:
                yield None, item
            elif isinstance(key, ast.Constant) and isinstance(key.value, str):
                yield Key(key.value, key.lineno), item
    elif isinstance(value, ast.Call):
        for word in reversed(value.keywords):
            yield None if word.arg is None else Key(word.arg, word.lineno), word.value
        yield from ((None, argument) for argument in value.args[:1])
    elif isinstance(value, ast.BinOp) and isinstance(value.op, ast.BitOr):
        yield None, value.right
        yield None, value.left


def _imported_from(node: ast.ImportFrom, package: tuple[str, ...]) -> str:
    """The module that an import names."""
    if not node.level:
        return node.module or ""
    above = package[: len(package) - node.level + 1]
    return ".".join((*above, node.module) if node.module else above)
