"""What a trial shows while it runs: live on a terminal; elsewhere lines one by one, or a single one at the end."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from typing import IO

from mitosis.cli.output.progress_lines import (
    checks,
    ending,
    heading,
    lines_of_widgets,
    status_line,
    step_lines,
    summary_line,
)
from mitosis.cli.output.progress_live import live_progress
from mitosis.cli.output.streams import can_move, has_colour, is_terminal, plain
from mitosis.records.trial import StepRecord
from mitosis.runner.request import Announcement, Outcome, Progress
from mitosis.screen import OutputStream, Screen, without_colour
from mitosis.text import clean


@contextlib.contextmanager
def make_progress(out: IO[str], *, quiet: bool = False) -> Iterator[Progress]:
    """The progress for where a trial's lines go.

    Args:
        out: standard output, or standard error where standard output is for something else.
        quiet: say nothing but how it ended.
    """
    if quiet:
        yield QuietProgress(out, sys.stderr)
    elif can_move(out):
        with live_progress(out) as progress:
            yield progress
    else:
        yield PlainProgress(out, sys.stderr)


class PlainProgress(Progress):
    """Lines one by one, flushed, without control characters. There are colours only where FORCE_COLOR asks for them.

    Args:
        out: for mitosis's own lines and what the experiment prints to standard output.
        err: for warnings and what the experiment prints to standard error or logs.
    """

    def __init__(self, out: IO[str], err: IO[str]) -> None:
        self._out = out
        self._err = err
        self._screens: dict[OutputStream, Screen] = {"stdout": Screen(), "stderr": Screen(), "log": Screen()}
        self._widgets = ""
        self._begun: IO[str] | None = None
        """Where there is a line that has not ended."""
        self._step = ""
        """The step that is to be named before what it prints: on a terminal, where nothing moves that says it."""
        self._broken: list[IO[str]] = []
        self._coloured = {id(stream): has_colour(stream) for stream in (out, err)}

    def announce(self, announcement: Announcement) -> None:
        self._say(heading(announcement))
        self._say(status_line("✓", "checked", checks(announcement), announcement.checked_s))

    def step_started(self, name: str, number: int, count: int) -> None:
        self._step = name if is_terminal(self._out) else ""

    def output(self, stream: OutputStream, text: str) -> None:
        if stream == "widgets":
            self._widgets = text
            return
        if self._step:
            self._say(f"▸ {clean(self._step)}")
            self._step = ""
        screen = self._screens[stream]
        for other, settled in self._screens.items():
            if other != stream:
                self._write_lines(other, settled.settle())
        self._write_lines(stream, screen.feed(text))
        begun = screen.take_begun()
        if begun:
            self._write_output(stream, begun)

    def step_ended(self, step: StepRecord, error: str | None) -> None:
        self._drain()
        for line in step_lines(step, error):
            self._say(line)

    def warn(self, text: str) -> None:
        self._end_line()
        self._write(self._err, _coloured(plain(f"! {clean(text)}\n", self._err), self._err))

    def finish(self, outcome: Outcome) -> None:
        self._drain()
        for line in ending(outcome):
            self._say(line)

    def _drain(self) -> None:
        for stream, screen in self._screens.items():
            self._write_lines(stream, screen.drain())
        self._write_lines("stderr", lines_of_widgets(self._widgets))
        self._widgets = ""

    def _write_lines(self, stream: OutputStream, lines: list[str]) -> None:
        if lines:
            self._write_output(stream, "\n".join(lines) + "\n")

    def _write_output(self, stream: OutputStream, text: str) -> None:
        to = self._out if stream == "stdout" else self._err
        if self._begun is not to:
            self._end_line()
        self._write(to, text if self._coloured[id(to)] else without_colour(text))
        self._begun = None if text.endswith("\n") else to

    def _end_line(self) -> None:
        if self._begun is not None:
            begun, self._begun = self._begun, None
            self._write(begun, "\n")

    def _say(self, line: str) -> None:
        self._end_line()
        self._write(self._out, _coloured(plain(line, self._out), self._out) + "\n")

    def _write(self, stream: IO[str], text: str) -> None:
        """Write, unless the stream failed before: a trial goes on when nobody reads any more."""
        if stream in self._broken:
            return
        try:
            stream.write(text)
            stream.flush()
        except (OSError, ValueError):  # ValueError: it was closed
            self._broken.append(stream)


_MARK_COLOURS = {"✓": 32, "+": 32, "✗": 31, "x": 31, "!": 33}


def _coloured(line: str, stream: IO[str]) -> str:
    """One of mitosis's own lines with a colour for its mark, where there are colours."""
    colour = _MARK_COLOURS.get(line[:1]) if line[1:2] == " " and has_colour(stream) else None
    return line if colour is None else f"\x1b[{colour}m{line[0]}\x1b[0m{line[1:]}"


class QuietProgress(Progress):
    """One line at the end. Warnings go to standard error all the same: they are about what may be lost.

    Args:
        out: for the line.
        err: for warnings.
    """

    def __init__(self, out: IO[str], err: IO[str]) -> None:
        self._out = out
        self._err = err

    def warn(self, text: str) -> None:
        self._write(self._err, f"! {text}\n")

    def finish(self, outcome: Outcome) -> None:
        self._write(self._out, f"{summary_line(outcome)}\n")

    def _write(self, stream: IO[str], text: str) -> None:
        with contextlib.suppress(OSError):
            stream.write(plain(text, stream))
            stream.flush()
