"""The command on a pseudo-terminal, and what somebody who sits there sees."""

from __future__ import annotations

import codecs
import fcntl
import os
import pty
import re
import select
import struct
import termios
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyte

from support.waiting import TIMEOUT_S
from support.warm import start

_LINES = 60
_DRAWN_ANEW = re.compile(r"(?=\r\x1b\[2K)")


@dataclass(frozen=True, slots=True)
class Seen:
    """What a command left on a terminal."""

    status: int
    raw: str
    """All that it wrote."""
    lines: list[str]
    """What is on the screen in the end, without blank lines at its end."""
    frames: list[list[str]]
    """What was on the screen each time before it was drawn again, and after each piece that came."""

    @property
    def text(self) -> str:
        return "\n".join(self.lines)


def on_terminal(
    folder: Path,
    *words: str,
    columns: int = 80,
    environment: Mapping[str, str] | None = None,
    press: tuple[str, str] | None = None,
    watch: Callable[[list[str]], object] | None = None,
) -> Seen:
    """Run the command on a terminal, and watch it.

    Args:
        folder: working directory.
        words: what stands after `mitosis`.
        columns: width of the terminal.
        environment: variables besides those of the test.
        press: a text, and the keys that are pressed once that has been written.
        watch: is called with each of the frames.
    """
    inherited = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "LINES")}
    variables = {**inherited, "TERM": "xterm-256color", **(environment or {})}
    terminal, end = pty.openpty()
    fcntl.ioctl(end, termios.TIOCSWINSZ, struct.pack("HHHH", _LINES, columns, 0, 0))
    started = start(words, folder, variables, (end, end, end), on_terminal=True)
    os.close(end)
    screen = pyte.Screen(columns, _LINES)
    stream = pyte.Stream(screen)
    raw = ""
    frames = []
    for piece in _pieces(terminal):
        raw += piece
        # Pieces are as large as it happens; what is drawn is to be seen whether or not more comes with it.
        for part in _DRAWN_ANEW.split(_without_links(piece)):
            stream.feed(part)
            frames.append(_shown(screen))
            if watch is not None:
                watch(frames[-1])
        if press is not None and press[0] in raw:
            os.write(terminal, press[1].encode())
            press = None
    status = started.wait(TIMEOUT_S)
    os.close(terminal)
    return Seen(status, raw, _shown(screen), frames)


def _pieces(terminal: int) -> Iterator[str]:
    """What comes from a terminal until nobody has it any more; fails the test if that does not come."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    deadline = time.monotonic() + TIMEOUT_S
    while True:
        left_s = deadline - time.monotonic()
        assert left_s > 0 and select.select([terminal], [], [], left_s)[0], "the command does not end"
        try:
            yield decoder.decode(os.read(terminal, 65536))
        except OSError:  # how Linux says that nobody has the other end any more
            return


def read_all(terminal: int) -> Iterator[bytes]:
    """What comes from a terminal, piece by piece, until nobody has it any more."""
    while True:
        try:
            piece = os.read(terminal, 2**16)
        except OSError:  # how Linux says that nobody has the other end any more
            return
        if not piece:
            return
        yield piece


def _shown(screen: Any) -> list[str]:
    lines = [line.rstrip() for line in screen.display]
    while lines and not lines[-1]:
        lines.pop()
    return lines


def _without_links(text: str) -> str:
    # pyte does not know hyperlinks.
    return re.sub(r"\x1b\]8;[^\x1b]*\x1b\\", "", text)
