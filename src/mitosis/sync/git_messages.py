"""What git says while it fetches and pushes, and which of it people want to hear."""

from __future__ import annotations

import re
import time
from collections.abc import Callable

Tell = Callable[[bytes], None]
"""Is given what git says to people, as it says it."""

PATIENCE_S = 1.0
"""How far git has come is of no interest so long."""
HELD_BACK = (
    b"error: failed to push some refs",
    b"error: atomic push failed",
    b"error: cannot lock ref",
    b"remote: error: cannot lock ref",
    b"remote: error: failed to",
)
"""What is said from one of these on is of no interest when it is tried again."""
_STAGES = (
    b"Enumerating objects",
    b"Counting objects",
    b"Compressing objects",
    b"Writing objects",
    b"Receiving objects",
    b"Unpacking objects",
    b"Resolving deltas",
    b"Delta compression",
    b"Total ",
)
_PORCELAIN = (b"To ", b"Done", b" \t", b"+\t", b"-\t", b"*\t", b"!\t", b"=\t")
"""What `git push --porcelain` itself writes to standard output, see git-push(1)."""
_PROGRESS = (*_STAGES, *(b"remote: " + stage for stage in _STAGES))
_NOT_AT_ONCE = (*HELD_BACK, *_PROGRESS)


class Listener:
    """Hands on at once what one run of git says, but for its progress at first and what may turn out to be a race.

    Args:
        tell: what to hand it on to.
    """

    def __init__(self, tell: Tell) -> None:
        self._tell = tell
        self._moving_since: float | None = None
        """When it first said how far it had come: to connect may have taken long enough."""
        self._line = b""
        self._told = 0
        """How much of the line was handed on."""
        self._is_holding = False
        self._held = b""

    def __call__(self, data: bytes) -> None:
        for part in re.findall(rb"[^\r\n]*[\r\n]|[^\r\n]+", data):
            self._line += part
            is_whole = self._line.endswith((b"\n", b"\r"))
            self._take(is_whole)
            if is_whole:
                self._line, self._told = b"", 0

    def _take(self, is_whole: bool) -> None:
        if self._is_holding or self._line.startswith(HELD_BACK):
            self._is_holding = True
            self._held += self._line[self._told :]
        elif self._line.startswith(_PROGRESS) and self._is_young():
            return
        elif is_whole or not any(start.startswith(self._line) for start in _NOT_AT_ONCE):
            self._tell(self._line[self._told :])
        else:
            return
        self._told = len(self._line)

    def _is_young(self) -> bool:
        now = time.monotonic()
        if self._moving_since is None:
            self._moving_since = now
        return now - self._moving_since < PATIENCE_S

    def release(self) -> None:
        """Hand on what was held back, and the beginning of a line that git did not end."""
        rest = self._held or self._line[self._told :]
        self._held, self._line, self._told = b"", b"", 0
        if rest:
            self._tell(rest)


class OutputListener:
    """Hands on what hooks write to the standard output of `git push --porcelain`, line by line.

    Args:
        tell: what to hand it on to.
    """

    def __init__(self, tell: Tell) -> None:
        self._tell = tell
        self._line = b""

    def __call__(self, data: bytes) -> None:
        *lines, self._line = (self._line + data).split(b"\n")
        for line in lines:
            if not line.startswith(_PORCELAIN):
                self._tell(line + b"\n")

    def end(self) -> None:
        """Hand on a line that has no end."""
        if self._line and not self._line.startswith(_PORCELAIN):
            self._tell(self._line + b"\n")
        self._line = b""
