"""The command on a pseudo-terminal, and what somebody who sits there sees."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pexpect
import pyte

from support.e2e import command
from support.waiting import TIMEOUT_S

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
    """What was on the screen each time before it was drawn anew, and after each piece that came."""

    @property
    def text(self) -> str:
        return "\n".join(self.lines)


def on_terminal(
    folder: Path,
    *words: str,
    columns: int = 80,
    environment: Mapping[str, str] | None = None,
    meanwhile: Callable[[Any, str], object] | None = None,
    watch: Callable[[list[str]], object] | None = None,
) -> Seen:
    """Run the command on a terminal, and watch it.

    Args:
        folder: working directory.
        words: what stands after `mitosis`.
        columns: width of the terminal.
        environment: variables besides those of the test.
        meanwhile: is called with the process and all that it wrote, after each piece.
        watch: is called with each of the frames.
    """
    inherited = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "LINES")}
    variables = {**inherited, "TERM": "xterm-256color", **(environment or {})}
    program, *rest = command(*words)
    child = pexpect.spawn(
        program, rest, cwd=str(folder), env=variables, dimensions=(_LINES, columns), encoding="utf-8", timeout=TIMEOUT_S
    )
    screen = pyte.Screen(columns, _LINES)
    stream = pyte.Stream(screen)
    raw = ""
    frames = []
    deadline = time.monotonic() + TIMEOUT_S
    while True:
        assert time.monotonic() < deadline, raw
        try:
            piece = child.read_nonblocking(65536, timeout=1)
        except pexpect.TIMEOUT:
            continue
        except pexpect.EOF:
            break
        raw += piece
        # Pieces are as large as it happens; what is drawn is to be seen whether or not more comes with it.
        for part in _DRAWN_ANEW.split(_without_links(piece)):
            stream.feed(part)
            frames.append(_shown(screen))
            if watch is not None:
                watch(frames[-1])
        if meanwhile is not None:
            meanwhile(child, raw)
    child.close()
    status = child.exitstatus if child.exitstatus is not None else -int(child.signalstatus or 0)
    return Seen(status, raw, _shown(screen), frames)


def _shown(screen: Any) -> list[str]:
    lines = [line.rstrip() for line in screen.display]
    while lines and not lines[-1]:
        lines.pop()
    return lines


def _without_links(text: str) -> str:
    # pyte does not know hyperlinks.
    return re.sub(r"\x1b\]8;[^\x1b]*\x1b\\", "", text)
