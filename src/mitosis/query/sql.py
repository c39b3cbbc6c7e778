"""A piece of SQL with the values that belong into it. Values are never part of the text."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple


class Sql(NamedTuple):
    """A piece of SQL."""

    text: str
    values: tuple[Any, ...] = ()


def compose(text: str, *parts: Sql) -> Sql:
    """The text with a piece of SQL in place of each `{}`."""
    return Sql(text.format(*(part.text for part in parts)), tuple(value for part in parts for value in part.values))


def join(between: str, parts: Iterable[Sql]) -> Sql:
    """Pieces of SQL with a text between them."""
    chosen = tuple(parts)
    return compose(between.join(["{}"] * len(chosen)), *chosen)
