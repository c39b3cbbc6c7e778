"""The main result and the metrics of a step, reduced to the plain values that a record holds."""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from mitosis.in_kernel.user_code import bounded_repr, describe_exception, let_interrupts_pass
from mitosis.protocol import Curve, Plain, PlainMetric
from mitosis.text import cut, exact_value

TEXT_LIMIT = 500
"""Characters of a result's text that go into the record."""
METRICS_LIMIT = 1000
"""Metrics of one step that go into the record."""
NUMBERS_LIMIT = 2000
"""Numbers of all its metrics that are lists. A list for which there is no room left is recorded by its two ends."""
_LEAST_OF_CURVE, _CURVE_NUMBERS, _MOST_OF_CURVE = 3, 60, 20_000
"""Of the numbers in a list: with fewer it is no curve, so many are drawn, and with more it is not looked at."""
_CURVES_LIMIT = 40
_INT_BITS = 63
_DEPTH_LIMIT = 20


def recorded(value: Any, name: str, warnings: list[str]) -> Plain:
    """The value as a plain number, bool or None where it is one, else as a bounded text."""
    if value is None or isinstance(value, bool):
        return value
    plain = _plain_number(value)
    if plain is not None:
        return plain
    if isinstance(value, str):
        text = str.__str__(value)
        return cut(text, TEXT_LIMIT)
    if _is_a(value, "DataFrame"):
        return f"{type(value).__name__}({'×'.join(map(str, value.shape))})"
    if _is_a(value, "Series"):
        value = value.to_list()
    if type(value) in (list, tuple):  # numpy's numbers say their type with each of them
        numbers = [(item, _plain_number(item)) for item in value[:TEXT_LIMIT]]
        value = type(value)(item if number is None else number for item, number in numbers)
    text = bounded_repr(value, TEXT_LIMIT)
    if text.startswith("<") and " whose repr raised " in text:
        warnings.append(f"{name}: {text.strip('<>')}")
    return text


def _plain_number(value: Any) -> int | float | bool | None:
    numpy = sys.modules.get("numpy")
    if numpy is not None and (
        isinstance(value, numpy.generic) or (isinstance(value, numpy.ndarray) and value.ndim == 0)
    ):
        value = value.item()
    if isinstance(value, bool):
        return value
    if isinstance(value, int) and abs(int(value)) < 2**_INT_BITS:
        return int(value)
    if isinstance(value, float):
        return float(value)
    if isinstance(value, int | str | bytes | complex):
        return None
    return _through_float(value)


def _through_float(value: Any) -> float | None:
    """Decimals, fractions and one-element tensors are numbers too."""
    if isinstance(value, list | tuple | dict | set) or not hasattr(type(value), "__float__"):
        return None
    if getattr(value, "ndim", 0) != 0:
        return None
    try:
        number = float(value)
    except BaseException as error:
        let_interrupts_pass(error)
        return None
    return number if isinstance(number, float) and not math.isnan(number) else None


def _is_a(value: Any, name: str) -> bool:
    """Whether it is a `Series` or a `DataFrame` of pandas or polars."""
    libraries = ("pandas", "polars")
    return any(b.__name__ == name and b.__module__.partition(".")[0] in libraries for b in type(value).__mro__)


def named(metrics: Any) -> Any:
    """Metrics as a mapping where they are a series whose index names them."""
    names = list(getattr(metrics, "index", ())) if _is_a(metrics, "Series") else []
    has_names = bool(names) and all(isinstance(name, str) for name in names)
    return dict(zip(names, metrics.to_list(), strict=True)) if has_names else metrics


def _numbers(value: Any) -> list[int | float] | None:
    """The numbers of a list, tuple, vector or series that has nothing else; None if it is no such thing, or huge."""
    numpy = sys.modules.get("numpy")
    is_vector = numpy is not None and type(value) is numpy.ndarray and value.ndim == 1
    if not (is_vector or type(value) in (list, tuple) or _is_a(value, "Series")) or len(value) > _MOST_OF_CURVE:
        return None
    plain = list(map(_plain_number, value))
    numbers = [number for number in plain if isinstance(number, int | float) and not isinstance(number, bool)]
    return numbers if len(numbers) == len(plain) else None


def _curve(numbers: Sequence[int | float]) -> Curve | None:
    """As many of the numbers as can be drawn; None if there is nothing to draw."""
    not_finite = sum(not math.isfinite(number) for number in numbers)
    if len(numbers) < _LEAST_OF_CURVE or len(numbers) - not_finite < 2:
        return None
    last = len(numbers) - 1
    steps = min(last, _CURVE_NUMBERS - 1)
    places = [round(step * last / steps) for step in range(steps + 1)]
    drawn = [numbers[place] for place in places]
    for at in range(1, steps):  # one that is not finite is to be seen although it is left out
        between = numbers[places[at - 1] + 1 : places[at + 1]]
        drawn[at] = next((number for number in between if not math.isfinite(number)), drawn[at])
    shown = tuple(float(f"{number:.6g}") if math.isfinite(number) else str(number) for number in drawn)
    return Curve(len(numbers), not_finite, shown)


def flatten(metrics: Any, warnings: list[str], file: str) -> tuple[dict[str, PlainMetric], dict[str, Curve]]:
    """Metrics by name, nested ones joined by dots, and the curves among them.

    Args:
        metrics: as the step returned them.
        warnings: is added to.
        file: which has all of what is too long for a record.
    """
    flat: dict[str, PlainMetric] = {}
    curves: dict[str, Curve] = {}
    room = NUMBERS_LIMIT

    def add(prefix: str, value: Any, depth: int) -> None:
        nonlocal room
        if len(flat) >= METRICS_LIMIT:
            return
        if isinstance(value, Mapping) and depth < _DEPTH_LIMIT:
            for key, item in value.items():
                add(f"{prefix}.{key}" if prefix else str(key), item, depth + 1)
        else:
            name = prefix[:TEXT_LIMIT] or "metrics"
            if name in flat:
                warnings.append(f"several metrics are called `{name}`: the last one is recorded")
            numbers = _numbers(value)
            curve = _curve(numbers) if numbers else None
            if numbers is None:
                text = flat[name] = recorded(value, prefix, warnings)
                if isinstance(text, str) and text.endswith("…") and not isinstance(value, str):
                    flat[name] = f"{text} ({file} has all of it)"
            elif len(numbers) <= room:
                flat[name] = tuple(numbers)
                room -= len(numbers)
            else:
                flat[name] = f"{exact_value(tuple(numbers))} ({file} has all of them)"
            if curve is not None and len(curves) < _CURVES_LIMIT:
                curves[name] = curve

    try:
        add("", metrics, 0)
    except BaseException as error:
        let_interrupts_pass(error)
        warnings.append(f"its metrics cannot be read: {describe_exception(error)}")
    if len(flat) >= METRICS_LIMIT:
        warnings.append(f"only the first {METRICS_LIMIT} metrics are recorded")
    return flat, curves
