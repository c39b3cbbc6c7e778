"""Texts that come from the operating system, made fit to print, to record and to hand to git."""

from __future__ import annotations

import os

_ESCAPES = {0x07: b"\\a", 0x08: b"\\b", 0x09: b"\\t", 0x0A: b"\\n", 0x0B: b"\\v", 0x0C: b"\\f", 0x0D: b"\\r"}


def c_quoted(path: str) -> str:
    """The path in double quotes with C escapes, as git writes and reads odd names.

    Bytes that are not ASCII are escaped too, so the result is plain ASCII whatever the path holds.
    """
    quoted = bytearray(b'"')
    for byte in os.fsencode(path):
        if byte in b'"\\':
            quoted += b"\\" + bytes([byte])
        elif byte in _ESCAPES:
            quoted += _ESCAPES[byte]
        elif 0x20 <= byte < 0x7F:
            quoted.append(byte)
        else:
            quoted += b"\\%03o" % byte
    return (quoted + b'"').decode("ascii")


def shown(path: str) -> str:
    """The path as one line of an error message: itself where it can be printed, else quoted as git does."""
    return path if path.isprintable() else c_quoted(path)


def recordable(text: str) -> str:
    """The text with what is not UTF-8 in it replaced, since records hold UTF-8 only."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
