"""What SQLite does not have everywhere, as functions of SQL. What has no result is null."""

from __future__ import annotations

import fnmatch
import math
import operator
from collections.abc import Callable, Mapping
from typing import Any


def _number(function: Callable[..., Any]) -> Callable[..., Any]:
    def calculate(*values: Any) -> float | None:
        if None in values:
            return None
        try:
            result = function(*values)
        except (ValueError, ArithmeticError):
            return None
        return result if isinstance(result, float) else None

    return calculate


def _text(function: Callable[..., Any]) -> Callable[..., Any]:
    def look(*values: Any) -> Any:
        return function(*values) if all(isinstance(value, str) for value in values) else None

    return look


FUNCTIONS: Mapping[str, Callable[..., Any]] = {
    "power": _number(operator.pow),
    "modulo": _number(operator.mod),
    "floor_divide": _number(operator.floordiv),
    "square_root": _number(math.sqrt),
    "exponential": _number(math.exp),
    "logarithm": _number(math.log),
    "logarithm_10": _number(math.log10),
    "starts_with": _text(str.startswith),
    "ends_with": _text(str.endswith),
    "contains": _text(operator.contains),
    "matches": _text(fnmatch.fnmatchcase),
    "lower_case": _text(str.lower),
}
"""By name. Arguments of those that calculate are floats."""
