"""What all errors have in common: their base class, and helpers for their texts."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import ClassVar

from mitosis.exit_status import ExitStatus

SHOWN_LIMIT = 10
WINDOW = 80


def bulleted(items: Sequence[str], *, limit: int = SHOWN_LIMIT) -> str:
    """Indent `items` one per line, the first `limit` of them and a count of the rest."""
    lines = [f"    {item}" for item in items[:limit]]
    if len(items) > limit:
        lines.append(f"    ... and {len(items) - limit} more")
    return "\n".join(lines)


def window(text: str, column: int) -> str:
    """The part of a long line that is around `column` (from 1), which is then at most at the middle."""
    start = max(0, column - 1 - WINDOW // 2)
    before = "…" if start else ""
    after = "…" if len(text) > start + WINDOW else ""
    return before + text[start + len(before) : start + WINDOW] + after


def nearest(name: str, known: Iterable[str]) -> list[str]:
    """The names among `known` that somebody who typed `name` may have meant."""
    import difflib

    return difflib.get_close_matches(name, list(known), n=3, cutoff=0.5)


class MitosisError(RuntimeError):
    """Base of every error that mitosis raises on purpose."""

    exit_status: ClassVar[int] = ExitStatus.REFUSED
