"""Packages that import a module of theirs when something of it is first used: a command waits for no other."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any


def import_on_use(
    package: str, names: Mapping[str, Sequence[str]]
) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """The functions `__getattr__` and `__dir__` of a package (PEP 562).

    A package defines them where no type checker looks, which would take every name for one that is there.

    Args:
        package: its name.
        names: what it offers from each of its modules.
    """
    modules = {name: module for module, found in names.items() for name in found}

    def get(name: str) -> Any:
        if name not in modules:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        import importlib

        found = getattr(importlib.import_module(f"{package}.{modules[name]}"), name)
        setattr(sys.modules[package], name, found)
        return found

    def offered() -> list[str]:
        return sorted(sys.modules[package].__all__)

    return get, offered
