"""Groups of trials that have the values of some fields in common, and what is to be said of each."""

from __future__ import annotations

import contextlib
import math
import statistics
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeGuard

from mitosis.journal.index_schema import stored
from mitosis.query.fields import Field
from mitosis.query.search import Search
from mitosis.records.view import Scalar


@dataclass(frozen=True, slots=True)
class Group:
    """Trials that have the same values of the fields that they are grouped by. Numbers are those of one more field."""

    values: tuple[Scalar, ...]
    """Of the fields that they are grouped by."""
    trials: int
    best: float | None
    """None where no trial has a number, as below."""
    best_key: str | None
    mean: float | None
    deviation: float | None
    """Standard deviation of the sample; None of a single number."""
    median: float | None


def group(search: Search, by: Sequence[Field], of: Field, *, is_higher_better: bool) -> list[Group]:
    """The groups of the trials that were found, in the order of their values.

    Args:
        search: what finds the trials.
        by: the fields whose values a group has in common.
        of: the field of whose numbers something is said; what is no number, or not finite, is passed over.
        is_higher_better: whether the best number is the highest; else it is the lowest.
    """
    members: dict[tuple[object, ...], list[tuple[Scalar, Scalar]]] = {}
    of_group: dict[tuple[object, ...], tuple[Scalar, ...]] = {}
    for *values, number, key in search.rows([*by, of, search.fields.find("key")]):
        same = tuple(map(stored, values))  # to Python, True is 1
        of_group.setdefault(same, tuple(values))
        members.setdefault(same, []).append((number, key))
    groups = [_group(of_group[same], found, is_higher_better) for same, found in members.items()]
    return sorted(groups, key=lambda group: [_rank(value) for value in group.values])


def _group(values: tuple[Scalar, ...], members: Sequence[tuple[Scalar, Scalar]], is_higher_better: bool) -> Group:
    numbers = [(float(number), str(key)) for number, key in members if is_number(number)]
    if not numbers:
        return Group(values, len(members), None, None, None, None, None)
    best, key = (max if is_higher_better else min)(numbers, key=lambda pair: pair[0])
    only = [number for number, _ in numbers]
    mean = deviation = None
    with contextlib.suppress(OverflowError):  # of what has diverged
        mean = statistics.fmean(only)
        # `statistics.stdev` calculates with fractions, and takes as long as all the rest.
        squares = math.fsum((number - mean) ** 2 for number in only)
        deviation = math.sqrt(squares / (len(only) - 1)) if len(only) > 1 else None
    return Group(values, len(members), best, key, mean, deviation, statistics.median(only))


def is_number(value: Scalar) -> TypeGuard[int | float]:
    """Whether a value is a finite number that can be calculated with."""
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= sys.float_info.max


def _rank(value: Scalar) -> tuple[int, float, str]:
    """Numbers first, then texts, and what is missing last."""
    if value is None:
        return 3, 0.0, ""
    if isinstance(value, int | float) and not isinstance(value, bool) and value == value:
        return 0, float(value) if abs(value) < 1e300 else 1e300, ""
    return (2, 0.0, value) if isinstance(value, str) else (1, 0.0, str(value))
