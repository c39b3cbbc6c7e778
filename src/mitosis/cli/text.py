"""How values look in a terminal and in a pipe."""

from __future__ import annotations

import math
import os
import sys
from datetime import UTC, datetime
from typing import IO

from mitosis.records.fields import MainResult, three_digits

KEY_DIGITS = 6
_VALUE_WIDTH = 60
_DUMB = ("", "dumb", "unknown")
_WITHOUT_LINKS = ("linux", "eterm", "vt", "ansi", "cons25", "sun")
_ASCII = str.maketrans(
    {"✓": "+", "✗": "x", "…": "~", "·": "-", "–": "-", "❱": ">", "│": "|", "→": ">", "×": "x", "▸": ">"}
)


def can_show_unicode(stream: IO[str]) -> bool:
    """Whether a stream's encoding has the marks that mitosis prints."""
    try:
        "✓✗…·–❱│→".encode(getattr(stream, "encoding", None) or "ascii")
    except (UnicodeEncodeError, LookupError):
        return False
    return True


def plain(text: str, stream: IO[str]) -> str:
    """The text with the marks of mitosis in ASCII where the stream has no others."""
    return text if can_show_unicode(stream) else text.translate(_ASCII)


def clean(text: str) -> str:
    """The text without control characters: what was recorded must not steer a terminal."""
    return "".join(c if c.isprintable() else " " if c in "\n\t\r" else f"\\x{ord(c):02x}" for c in text)


def duration(seconds: float | None) -> str:
    """Such as `0.6 s`, `12 s`, `3 min 20 s`, `2 h 5 min`."""
    if seconds is None or not math.isfinite(seconds):
        return "–"
    if seconds < 10:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    if whole < 86400:
        return f"{whole // 3600} h {whole % 3600 // 60} min"
    return f"{whole // 86400} d {whole % 86400 // 3600} h"


def result(value: MainResult) -> str:
    """A main result or metric, short."""
    if value is None:
        return "–"
    if isinstance(value, bool):
        return str(value)
    if isinstance(value, float):
        return three_digits(value)
    text = clean(str(value))
    return text if len(text) <= 40 else text[:39] + "…"


def value_summary(value: bytes) -> str:
    """A canonical value as a short text; why not where it cannot be read."""
    from mitosis.canonical.show import summarize_value
    from mitosis.errors.base import MitosisError

    try:
        return summarize_value(value, limit=_VALUE_WIDTH)
    except MitosisError as error:
        return f"cannot be read: {error}"


def moment(iso: str, *, relative: bool) -> str:
    """A recorded time: `2 min ago` on a terminal, ISO 8601 elsewhere."""
    try:
        when = datetime.fromisoformat(iso)
        if when.tzinfo is None:
            when = when.replace(tzinfo=UTC)
        local = when.astimezone()
    except (ValueError, OverflowError):  # no time, or one that is out of range in another time zone
        return clean(iso[:32])
    if not relative:
        return local.isoformat(timespec="seconds")
    seconds = (datetime.now(UTC) - local).total_seconds()
    for unit, name in ((86400 * 365, "y"), (86400 * 30, "mo"), (86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= unit:
            return f"{int(seconds // unit)} {name} ago"
    return "just now" if seconds > -60 else local.isoformat(timespec="seconds")


def has_colour(stream: IO[str]) -> bool:
    """Whether to write colours: NO_COLOR forbids them, FORCE_COLOR asks for them, and a terminal has them."""
    if os.environ.get("NO_COLOR"):
        return False
    return bool(os.environ.get("FORCE_COLOR")) or can_move(stream)


def can_move(stream: IO[str]) -> bool:
    """Whether the stream is a terminal where the cursor can go back over what was written."""
    return is_terminal(stream) and os.environ.get("TERM", "") not in _DUMB


def can_link(stream: IO[str]) -> bool:
    """Whether the stream is a terminal that shows hyperlinks, or at least hides what they are made of.

    FORCE_HYPERLINK decides, where it is set: 0 is no.
    """
    forced = os.environ.get("FORCE_HYPERLINK")
    if forced:
        return forced != "0" and can_move(stream)
    # Old terminals of the GNOME family print the address (fixed in VTE 0.50).
    is_old = 0 < _number(os.environ.get("VTE_VERSION")) < 5000
    return can_move(stream) and not is_old and not os.environ.get("TERM", "").startswith(_WITHOUT_LINKS)


def _number(text: str | None) -> int:
    return int(text) if text is not None and text.isascii() and text.isdigit() else 0


def is_terminal(stream: IO[str] | None = None) -> bool:
    """Whether a person reads the stream, as far as can be told."""
    stream = sys.stdout if stream is None else stream
    return stream.isatty()
