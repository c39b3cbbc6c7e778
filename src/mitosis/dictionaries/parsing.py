"""The user's source as a syntax tree. Nothing is executed."""

from __future__ import annotations

import ast
import warnings


def parse_module(data: bytes) -> ast.Module | None:
    """The syntax tree of a module; None if it cannot be parsed, and so cannot be imported."""
    try:
        # What Python would warn of, it does where the module is imported.
        with warnings.catch_warnings(action="ignore"):
            return ast.parse(data)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
