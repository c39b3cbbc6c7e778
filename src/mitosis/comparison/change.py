"""How a value differs from the first trial's."""

from __future__ import annotations

import contextlib
import math
from typing import TypeGuard

from mitosis.records.trial import Metric, Number
from mitosis.records.view import Field, Kind
from mitosis.text import format_duration, parse_moment

_LARGE = 10
"""From so many times as much on, or as little, it is that number and no percentage that is said."""


def are_alike(one: Metric, other: Metric) -> bool:
    """Whether two values are equal: nan as good as nan, 1 as 1.0, but a truth value no number."""
    if isinstance(one, tuple) and isinstance(other, tuple):
        return len(one) == len(other) and all(map(are_alike, one, other))
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    return one == other or (one != one and other != other)


def field_change(first: Field | None, other: Field | None) -> str:
    """How a field differs: a duration or a size by its ratio, a moment by the time between."""
    if first is None or other is None:
        return ""
    if first.kind in (Kind.SECONDS, Kind.BYTES):
        return _ratio(first.value, other.value)
    if first.kind is Kind.MOMENT:
        then, now = parse_moment(str(first.value)), parse_moment(str(other.value))
        seconds = (now - then).total_seconds() if then and now else 0
        return f"{format_duration(abs(seconds))} {'later' if seconds > 0 else 'earlier'}" if seconds else ""
    return value_change(first.value, other.value)


def value_change(first: Metric, other: Metric) -> str:
    """How a number differs, `+0.0081 (+19 %)`, or a list; empty where the two say that themselves."""
    if isinstance(first, tuple) and isinstance(other, tuple):
        if len(first) != len(other):
            return f"{len(first):,} → {len(other):,} numbers"
        count = sum(not are_alike(*pair) for pair in zip(first, other, strict=True))
        return f"{count:,} of {len(first):,} differ" if count else ""
    change, ratio = delta(first, other), _ratio(first, other)
    return f"{_signed(f'{change:+.3g}')}{ratio and f' ({ratio})'}" if change else ""


def delta(first: Metric, other: Metric) -> Number | None:
    """How much more a number is than the first; None where one of them, or that, is no finite number."""
    with contextlib.suppress(OverflowError):  # integers have no limit
        if _is_finite(first) and _is_finite(other) and math.isfinite(other - first):
            return other - first
    return None


def _ratio(first: Metric, other: Metric) -> str:
    """Such as `+19 %` or `×12.3`; empty where that says nothing."""
    change = delta(first, other)
    if not change or not first or not _is_finite(first) or not _is_finite(other):
        return ""
    try:
        times, percent = other / first, 100 * change / abs(first)
    except OverflowError:  # integers have no limit
        return ""
    if math.isfinite(times) and (times >= _LARGE or 0 < times <= 1 / _LARGE):
        return f"×{times:.3g}"
    if abs(percent) < 0.005 or not math.isfinite(percent):
        return ""
    return _signed(f"{percent:+.0f} %" if abs(percent) >= 10 else f"{percent:+.2g} %")


def _is_finite(value: Metric) -> TypeGuard[Number]:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _signed(number: str) -> str:
    """A number with a minus that is as wide as the plus."""
    return f"−{number[1:]}" if number.startswith("-") else number
