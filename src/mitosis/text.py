"""Text made harmless and short, and how durations, sizes, moments and numbers look to people.

What was recorded may come from anybody. Wherever it is shown it must not steer a terminal, break out of its line, or
turn the direction of the text around it. There is one function for each kind of place:

    one_line      one line that says what was there: git's history, notes, summaries of values
    clean         one line for reading: a terminal, a log
    for_page      HTML pages, which keep line breaks
    in_file_name  names of files

This module imports nothing of mitosis.
"""

from __future__ import annotations

import functools
import math
import os
import re
import unicodedata
from datetime import UTC, datetime

_MAX_INTEGER_BITS = 1024
"""Python refuses to print very large integers, and nobody reads them."""
_HUGE = 10**15
"""Integers from this on are rounded where a float would be."""
_ENDS = 8
"""So many numbers are shown of each end of a list."""
_FLOAT = re.compile(r"(?<![\w.'])-?\d+\.\d+(?:e[+-]?\d+)?(?![\w.])")
_NUMBERS = re.compile(r"\[[\w.+-]*\w(?:, [\w.+-]*\w)*\]")
_MINUTE_S, _HOUR_S, _DAY_S = 60, 3600, 86400
_AGES = ((_DAY_S * 365, "y"), (_DAY_S * 30, "mo"), (_DAY_S, "d"), (_HOUR_S, "h"), (_MINUTE_S, "min"))

_C_ESCAPES = {0x07: b"\\a", 0x08: b"\\b", 0x09: b"\\t", 0x0A: b"\\n", 0x0B: b"\\v", 0x0C: b"\\f", 0x0D: b"\\r"}
# Control characters, lone surrogates, and what turns the direction of all the text that follows.
_NOT_ON_PAGES = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff\ufffe\uffff]")
_BEYOND_ASCII = re.compile(r"[^ -~]+")
_LINE_BREAKS = re.compile(r"[\n\r\t]")
_QUOTES = re.compile(r"""['"`]+""")
_UNSAFE_IN_NAMES = re.compile(r"[^A-Za-z0-9._+=,-]+")
_UNSAFE_ENDS = re.compile(r"^[^A-Za-z0-9._+=,-]+|[^A-Za-z0-9._+=,-]+$")


# --- harmless -------------------------------------------------------------------------------------


def one_line(text: str, limit: int | None = None) -> str:
    """The text on one line, with everything that cannot be printed escaped as Python does: `\\n`, `\\x1b`, `\\u202e`.

    Args:
        text: anything, lone surrogates included.
        limit: how many characters to keep at most; what is longer ends in an ellipsis.
    """
    if limit is not None:
        # Escapes only make a text longer, so what is left out here would be cut off anyway.
        return cut(one_line(text[: limit + 1]), limit)
    if text.isprintable():
        return text
    return _BEYOND_ASCII.sub(lambda run: "".join(map(_escaped, run[0])), text)


@functools.lru_cache(maxsize=2048)
def _escaped(char: str) -> str:
    return char if char.isprintable() else repr(char)[1:-1]


def clean(text: str, limit: int | None = None) -> str:
    """The text on one line for reading: line breaks and tabs are blanks, what else cannot be printed is escaped."""
    if limit is not None:
        return cut(clean(text[: limit + 1]), limit)
    return text if text.isprintable() else one_line(_LINE_BREAKS.sub(" ", text))


def for_page(text: str) -> str:
    """The text for an HTML page, which keeps line breaks and tabs.

    Other characters that have no business there become one mark each: escapes would read as if the experiment had
    printed them, and there may be thousands in what a progress bar leaves.
    """
    return _NOT_ON_PAGES.sub("\ufffd", text)


def in_file_name(text: str) -> str:
    """The text in characters that no file system or shell stumbles over; `_` where nothing is left of it."""
    letters = unicodedata.normalize("NFKD", text)
    plain = "".join(letter for letter in letters if not unicodedata.combining(letter))
    return _UNSAFE_IN_NAMES.sub("_", _UNSAFE_ENDS.sub("", _QUOTES.sub("", plain))) or "_"


def recordable(text: str) -> str:
    """The text with what is not UTF-8 in it replaced, since records hold UTF-8 only."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def c_quoted(path: str) -> str:
    """The path in double quotes with C escapes, as git writes and reads odd names.

    Bytes that are not ASCII are escaped too, so the result is plain ASCII whatever the path holds.
    """
    quoted = bytearray(b'"')
    for byte in os.fsencode(path):
        if byte in b'"\\':
            quoted += b"\\" + bytes([byte])
        elif byte in _C_ESCAPES:
            quoted += _C_ESCAPES[byte]
        elif 0x20 <= byte < 0x7F:
            quoted.append(byte)
        else:
            quoted += b"\\%03o" % byte
    return (quoted + b'"').decode("ascii")


def as_git_shows(path: str) -> str:
    """The path as one line of a message: itself where it can be printed, else quoted as git does."""
    return path if path.isprintable() else c_quoted(path)


def cut(text: str, limit: int) -> str:
    """The text, or its beginning and an ellipsis, `limit` characters in all."""
    return text if len(text) <= limit else f"{text[: max(limit - 1, 0)]}…"


def broken(line: str, width: int, indent: int) -> list[str]:
    """The line in lines that are no wider, broken at blanks; those after the first are indented.

    A word that is wider stays whole, so that it can be copied.
    """
    if len(line) <= width:
        return [line]
    import textwrap

    # A dot between two facts stays with the one before it.
    text = line.replace(" · ", "\xa0· ")
    whole = textwrap.TextWrapper(width, break_long_words=False, break_on_hyphens=False)
    whole.subsequent_indent = " " * indent
    return [part.replace("\xa0", " ") for part in whole.wrap(text)]


# --- for people -----------------------------------------------------------------------------------


def format_number(value: float, digits: int = 3) -> str:
    """So many significant digits, zeros at the end only where they say that it was rounded: 4, 1.00, 3.17e-05."""
    short = f"{value:.{digits}g}"
    return short if float(short) == value or not math.isfinite(value) else f"{value:#.{digits}g}".rstrip(".")


def format_value(value: bool | int | float | str | tuple[int | float, ...] | None, limit: int = 40) -> str:
    """A result on one line: three digits of a float or a huge integer, `limit` characters of a text, `–` for none."""
    if value is None:
        return "–"
    if isinstance(value, float):
        return format_number(value)
    if isinstance(value, int) and abs(value) >= _HUGE and value.bit_length() < _MAX_INTEGER_BITS:
        return format_number(float(value))
    text = f"[{', '.join(map(str, value))}]" if isinstance(value, tuple) else exact_value(value)
    if text.startswith("["):
        text = _FLOAT.sub(lambda number: format_number(float(number[0])), text)
        if len(text) > limit and _NUMBERS.fullmatch(text):
            end = f"… {text.count(',') + 1} values]"
            return f"{text[: limit - len(end)].rpartition(' ')[0]} {end}"
    return one_line(text, limit)


def exact_value(value: bool | int | float | str | tuple[int | float, ...] | None) -> str:
    """A result with all its digits; a list by its two ends if it is long."""
    if isinstance(value, tuple):
        if len(value) <= 2 * _ENDS:
            return f"[{', '.join(map(str, value))}]"
        ends = [*map(str, value[:_ENDS]), "…", *map(str, value[-_ENDS:])]
        return f"[{', '.join(ends)}] ({len(value):,} numbers)"
    if isinstance(value, int) and value.bit_length() > _MAX_INTEGER_BITS:
        return f"an integer of {value.bit_length()} bits"
    return str(value)


def format_duration(seconds: float | None) -> str:
    """Such as `0.6 s`, `12.3 s`, `3 min 20 s`, `2 h 5 min`, `3 d 4 h`; `–` where it is not known."""
    if seconds is None or not math.isfinite(seconds):
        return "–"
    if seconds < _MINUTE_S - 0.05:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < _HOUR_S:
        return f"{whole // _MINUTE_S} min {whole % _MINUTE_S} s"
    if whole < _DAY_S:
        return f"{whole // _HOUR_S} h {whole % _HOUR_S // _MINUTE_S} min"
    return f"{whole // _DAY_S} d {whole % _DAY_S // _HOUR_S} h"


def format_size(size_bytes: float) -> str:
    """A number of bytes with a decimal unit and at most three digits, such as `1.2 GB`."""
    unit, *larger = ("bytes", "kB", "MB", "GB", "TB")
    while size_bytes >= 999.5 and larger:
        size_bytes /= 1000
        unit = larger.pop(0)
    digits = 0 if unit == "bytes" or size_bytes >= 9.95 else 1
    return f"{size_bytes:.{digits}f} {unit}"


def counted(count: int, noun: str) -> str:
    """Such as `1 trial` or `1,204 trials`."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def parse_moment(iso: str) -> datetime | None:
    """A recorded time with its zone, UTC where it does not name one; None for a text that is not a time."""
    try:
        when = datetime.fromisoformat(iso)
        return when.replace(tzinfo=UTC) if when.tzinfo is None else when.astimezone(UTC)
    except (ValueError, OverflowError):  # an OverflowError comes from years at the ends of the calendar
        return None


def format_moment(iso: str, *, relative: bool) -> str:
    """A recorded time: `2 min ago` for a person who looks now, ISO 8601 in the local time zone elsewhere."""
    when = parse_moment(iso)
    try:
        local = None if when is None else when.astimezone()
    except OverflowError:
        local = None
    if local is None:
        return clean(iso, 32)
    seconds = (datetime.now(UTC) - local).total_seconds()
    if not relative or seconds <= -_MINUTE_S:
        return local.isoformat(timespec="seconds")
    for unit, name in _AGES:
        if seconds >= unit:
            return f"{int(seconds // unit)} {name} ago"
    return "just now"
