"""Real shells, typed to through a pseudo-terminal."""

from __future__ import annotations

import os
import select
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from support.journal import Desk, make_variant
from support.waiting import TIMEOUT_S
from support.warm import make_program

TAB = "\t"
HOSTILE = (
    "$(touch ran)",
    "`touch ran`",
    "'; touch ran; '",
    '"; touch ran; "',
    ";touch ran",
    "&touch ran&",
    "|touch ran",
    ">ran",
    "<(touch ran)",
    "\\$(touch ran)",
    "*",
    "~",
    "!!",
    " two words",
    "=equal=",
    ":colon:",
    "#hash",
    "{x,y}",
    "${IFS}",
    "naïve",
    "@host",
    "-v",
)
"""Names of variants, which get a number of their own before them."""
UNPRINTABLE = ("\ntouch ran", "\x1b]0;title\x07", "\ttab", "\x1fend")


class Terminal:
    """What is typed into a program, and what it writes."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._seen = ""

    def type(self, text: str) -> None:
        """Press keys."""
        os.write(self._descriptor, text.encode())

    def wait_for(self, text: str) -> str:
        """What the program wrote up to and without this text, which has to come."""
        deadline = time.monotonic() + TIMEOUT_S
        while text not in self._seen:
            left_s = deadline - time.monotonic()
            ready, _, _ = select.select([self._descriptor], [], [], max(left_s, 0))
            if not ready:
                raise AssertionError(f"{text!r} did not come: {self._seen!r}")
            try:
                data = os.read(self._descriptor, 65536)
            except OSError:  # the program has ended
                data = b""
            if not data:
                raise AssertionError(f"{text!r} did not come before the end: {self._seen!r}")
            self._seen += data.decode(errors="replace")
        before, _, self._seen = self._seen.partition(text)
        return before


@contextmanager
def in_terminal(words: list[str], cwd: Path, environment: Mapping[str, str]) -> Iterator[Terminal]:
    """Run a program in a pseudo-terminal of its own, and end it afterwards."""
    ours, theirs = os.openpty()
    # The first terminal that the leader of a session opens becomes the one that controls it.
    process = subprocess.Popen(
        ["sh", "-c", 'terminal=$1; shift; exec "$@" <"$terminal" >"$terminal" 2>&1', "sh", os.ttyname(theirs), *words],
        cwd=cwd,
        env=dict(environment),
        start_new_session=True,
    )
    try:
        yield Terminal(ours)
    finally:
        process.kill()
        process.wait()
        os.close(theirs)
        os.close(ours)


class LineEditor:
    """An interactive shell in which a key (Control-T) shows the line as the shell has it, between two marks.

    What is on the screen may be folded, coloured and redrawn.
    """

    FORM = "<<line:%s:line>>"
    """How the key prints it."""

    def __init__(self, terminal: Terminal) -> None:
        self._terminal = terminal

    def complete(self, line: str) -> str:
        """What the line is after it was typed, and the key for completion."""
        before, _, after = self.FORM.partition("%s")
        self._terminal.type(line + TAB + "\x14")
        self._terminal.wait_for(before)
        completed = self._terminal.wait_for(after)
        self._terminal.type("\x15")
        return completed


def shell_environment(folder: Path) -> dict[str, str]:
    """The variables of a shell that finds `mitosis`, which is the one under test.

    Args:
        folder: where to put a program of that name.
    """
    folder.mkdir(exist_ok=True)
    make_program(folder)
    kept = {name: os.environ[name] for name in os.environ if name not in ("BASH_ENV", "ENV", "ZDOTDIR", "PS1")}
    return {
        **kept,
        "PATH": f"{folder}:{os.environ['PATH']}",
        "TERM": "xterm",
        "LC_ALL": "C.UTF-8",
        "COLUMNS": "200",
        "INPUTRC": os.devnull,
        "HISTFILE": os.devnull,
    }


def lock_variants(project: Path, *names: str) -> str:
    """Start a trial in a project's journal that locks variants of `my_exp.frequency`; returns its key."""
    return Desk(project).start_trial(variants=[make_variant(name, number) for number, name in enumerate(names)]).key
