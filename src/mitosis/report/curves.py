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
        told: how many numbers there are, and those to draw, None where one is not finite, as a cell's metadata has it;
            None if it is no list of numbers.
    """
    count, numbers = told if isinstance(told, Sequence) else (0, ())
    finite = [number for number in numbers if isinstance(number, int | float)]
    if len(finite) < 2:
        return None
    least, most = min(finite), max(finite)
    runs: list[list[str]] = [[]]
    for index, number in enumerate(numbers):
        if number is None:
            runs.append([])
            continue
        x = _MARGIN + index * (_WIDTH - 2 * _MARGIN) / (len(numbers) - 1)
        share = (number - least) / (most - least) if most > least else 0.5
        runs[-1].append(f"{x:.0f},{_HEIGHT - _MARGIN - share * (_HEIGHT - 2 * _MARGIN):.0f}")
    lines = Markup("").join(
        Markup('<polyline points="{}"/>').format(" ".join(run if run[1:] else run * 2)) for run in runs if run
    )
    first, last, low, high = (format_number(number, DIGITS) for number in (finite[0], finite[-1], least, most))
    return Markup(
        '<span class="curve"><svg viewBox="0 0 {width} {height}" width="{width}" height="{height}" role="img" '
        'aria-label="Curve of {name}, from {low} to {high}">{lines}</svg> <span>{first} → {last}</span> '
        "<small>{count:,} values</small></span>"
    ).format(
        width=_WIDTH, height=_HEIGHT, name=name, low=low, high=high, lines=lines, first=first, last=last, count=count
    )
