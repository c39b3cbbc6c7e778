"""What all errors have in common: the exit statuses, their base class, and helpers for their texts."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterable, Sequence
from enum import IntEnum
from typing import ClassVar

SHOWN_LIMIT = 10
WINDOW = 80


class ExitStatus(IntEnum):
    """What the command ends with. The page of the reference, exit-status.md, says when."""

    DONE = 0
    FAILED = 1
    """The experiment did, or a command that looks at something found that all is not well."""
    REFUSED = 2
    BUG = 3
    """An error of mitosis itself, or something that it could not find out or record."""
    TIMED_OUT = 124
    """The status that coreutils' `timeout` gives a command that it ended."""
    SIGNALLED = 128
    """With the number of the signal added, as shells have it."""


def of_signal(number: int) -> int:
    """The status of what was ended by a signal."""
    return ExitStatus.SIGNALLED + number


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


def suggestion(name: str, known: Iterable[str], most: int = 3) -> str:
    """Such as "Did you mean `fit` or `fat`?", with `most` names at most; empty where none that is known is like it."""
    near = nearest(name, known)[:most]
    return f"Did you mean {quoted(near, ' or ')}?" if near else ""


def quoted(names: Iterable[str], between: str = ", ") -> str:
    """The names in backticks."""
    return between.join(f"`{name}`" for name in names)


def shell_words(*words: str) -> str:
    """The words as they can be typed on a command line, in one line whatever they hold.

    What cannot be printed is written as bash, zsh and ksh read it in `$'…'`.
    """
    return " ".join(
        shlex.quote(word) if word.isprintable() else f"$'{''.join(map(_shell_escaped, word))}'" for word in words
    )


def _shell_escaped(char: str) -> str:
    if char.isprintable():
        return f"\\{char}" if char in "'\\" else char
    data = os.fsencode(char) if "\udc80" <= char <= "\udcff" else char.encode("utf-8", "surrogatepass")
    return "".join(f"\\{byte:03o}" for byte in data)


def few(texts: Sequence[str], between: str, *, limit: int = 5, width: int = 500) -> str:
    """The first `limit` texts, each cut at `width` characters, and a count of the rest: others may have made many."""
    shown = [text if len(text) <= width else f"{text[: width - 1]}…" for text in texts[:limit]]
    return between.join(shown) + (f" (and {len(texts) - limit} more)" if len(texts) > limit else "")


class MitosisError(RuntimeError):
    """Base of every error that mitosis raises on purpose."""

    exit_status: ClassVar[int] = ExitStatus.REFUSED
