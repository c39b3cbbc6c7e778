"""A list of numbers as a small curve: SVG that takes the colour of the text and nothing from elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from markupsafe import Markup

from mitosis.text import format_number

DIGITS = 4
"""Significant digits of a number that is not shown whole."""

_WIDTH, _HEIGHT, _MARGIN = 120, 28, 3


def curve_html(name: str, told: Any) -> Markup | None:
    """The curve, and where it begins and ends; None if there is nothing to draw.

    Args:
        name: of the metric.
        told: how many numbers there are, how many of them are not finite, and those to draw, as texts where they are
            not finite, as a cell's metadata has it; None if it is no list of numbers.
    """
    if not isinstance(told, Sequence):
        return None
    count, not_finite, numbers = told
    finite = [number for number in numbers if isinstance(number, int | float)]
    if len(finite) < 2:
        return None
    least, most = min(finite), max(finite)
    runs: list[list[str]] = [[]]
    marks = []
    for index, number in enumerate(numbers):
        x = _MARGIN + index * (_WIDTH - 2 * _MARGIN) / (len(numbers) - 1)
        if isinstance(number, str):
            runs.append([])
            marks.append(Markup('<path class="lost" d="M{:.0f} 1V{}"/>').format(x, _HEIGHT - 1))
            continue
        share = (number - least) / (most - least) if most > least else 0.5
        runs[-1].append(f"{x:.0f},{_HEIGHT - _MARGIN - share * (_HEIGHT - 2 * _MARGIN):.0f}")
    lines = Markup("").join(
        Markup('<polyline points="{}"/>').format(" ".join(run if run[1:] else run * 2)) for run in runs if run
    )
    first, last, low, high = (format_number(float(number), DIGITS) for number in (numbers[0], numbers[-1], least, most))
    lost = Markup(', <span class="lost">{:,} not finite</span>').format(not_finite) if not_finite else ""
    return Markup(
        '<span class="curve"><svg viewBox="0 0 {width} {height}" width="{width}" height="{height}" role="img" '
        'aria-label="Curve of {name}, from {low} to {high}">{lines}</svg> <span>{first} → {last}</span> '
        "<small>{count:,} values{lost}</small></span>"
    ).format(
        width=_WIDTH,
        height=_HEIGHT,
        name=name,
        low=low,
        high=high,
        lines=Markup("").join([*marks, lines]),
        first=first,
        last=last,
        count=count,
        lost=lost,
    )
