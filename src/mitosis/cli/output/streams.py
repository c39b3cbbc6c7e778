"""What a stream can show: colours, marks, links, a cursor that moves."""

from __future__ import annotations

import os
import sys
from typing import IO

_DUMB = ("", "dumb", "unknown")
_WITHOUT_LINKS = ("linux", "eterm", "vt", "ansi", "cons25", "sun")
_ASCII = str.maketrans(
    {"✓": "+", "✗": "x", "…": "~", "·": "-", "–": "-", "❱": ">", "│": "|", "→": ">", "×": "x", "▸": ">", "−": "-"}
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
    return can_move(stream) and not os.environ.get("TERM", "").startswith(_WITHOUT_LINKS)


def is_terminal(stream: IO[str] | None = None) -> bool:
    """Whether a person reads the stream, as far as can be told."""
    stream = sys.stdout if stream is None else stream
    return stream.isatty()
