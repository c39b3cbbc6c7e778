"""Marks in what a kernel prints, by which the runner puts it into the order in which it came.

Standard output and standard error are two pipes, and figures come as messages by a third way. Where one of them takes
over from another, there is a mark at the end of the one and a mark at the beginning of the other: what follows a
`BEGIN` belongs behind the `END` of the same number. What is not written by Python, such as by a program that the
experiment starts, has no marks and comes as it is read.
"""

from __future__ import annotations

import hashlib
import struct
from typing import Literal, NamedTuple

Stream = Literal["stdout", "stderr"]
MarkKind = Literal[b"B", b"E", b"F", b"L"]

BEGIN: MarkKind = b"B"
"""What follows goes behind the end of that number."""
END: MarkKind = b"E"
"""What stands before ends."""
FENCE: MarkKind = b"F"
"""What stands before was written before a message with this fence was sent."""
LOG: MarkKind = b"L"
"""The text of the mark was logged here."""

ORDER = "mitosis_order"
"""In the metadata of a message: the number that it begins with. It ends with the next one."""
FENCED = "mitosis_fence"
"""In the metadata of a message: the fence that both pipes hold before it."""

_HEAD = struct.Struct(">cQH")
MOST_LOGGED = 2000
"""Bytes in one mark: what is written at once is not torn apart by others who write, up to 4096 bytes (pipe(7))."""


class Mark(NamedTuple):
    """A mark that was read."""

    kind: bytes
    number: int
    text: bytes


class Marks:
    """Writes marks, and finds them.

    Args:
        secret: what nobody else knows; each mark begins with something made of it.
    """

    def __init__(self, secret: str) -> None:
        self._secret = hashlib.blake2b(secret.encode(), digest_size=16).digest()

    def pack(self, kind: MarkKind, number: int = 0, text: bytes = b"") -> bytes:
        """A mark, which has to be written at once."""
        return self._secret + _HEAD.pack(kind, number, len(text)) + text

    def split(self, data: bytes) -> tuple[bytes, Mark | None, bytes]:
        """What stands before the first mark, the mark, and the rest.

        Without a whole mark, the rest is what may become one.
        """
        start = data.find(self._secret)
        if start < 0:
            start = len(data) - self._begun(data)
            return data[:start], None, data[start:]
        head = start + len(self._secret)
        if len(data) < head + _HEAD.size:
            return data[:start], None, data[start:]
        kind, number, length = _HEAD.unpack_from(data, head)
        end = head + _HEAD.size + length
        if len(data) < end:
            return data[:start], None, data[start:]
        return data[:start], Mark(kind, number, data[end - length : end]), data[end:]

    def _begun(self, data: bytes) -> int:
        """How many bytes at the end may be the beginning of a mark."""
        for length in range(min(len(self._secret) - 1, len(data)), 0, -1):
            if data.endswith(self._secret[:length]):
                return length
        return 0
