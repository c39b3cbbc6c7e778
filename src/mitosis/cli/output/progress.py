"""What a trial says while it runs: the lines, and where they go if nothing moves; `progress_live` is for terminals."""

from __future__ import annotations

import itertools
import os
import platform
import sys
import time
from collections.abc import Iterator
from typing import IO

from mitosis.cli.output.streams import can_link, has_colour, is_terminal, plain
from mitosis.records.trial import StepRecord, TrialRecord
from mitosis.records.view import KEY_DIGITS, NOTICEABLE_S
from mitosis.runner.request import Announcement, Outcome, Progress
from mitosis.screen import OutputStream, Screen, without_colour
from mitosis.text import broken, clean, counted, format_duration, format_value

LINE_WIDTH = 72
"""Columns of a line that has the time at its end, where the terminal is not narrower."""
_NAME_WIDTH = 11
_GIVEN_WIDTH = 40
_METRICS_SHOWN = 20
_GREEN, _BOLD = 32, 1
_STYLES = {"✗": 31, "!": 33, "▸": 2}
"""Of whole lines with this mark, as a terminal numbers them: red, yellow and dim."""


def lines_of_widgets(text: str) -> list[str]:
    """What widgets show, as lines without control characters but colours."""
    return Screen().feed(f"{text}\n") if text else []


def _heading(announcement: Announcement) -> str:
    """The first line of a trial: what is run, with which parameters, at which commit.

    It leaves out defaults, which `mitosis show` and the page have. Of several steps, each is named before what it is
    given.
    """
    parts = [announcement.record.experiment]
    given: dict[str, list[str]] = {step.name: [] for step in announcement.record.steps}
    for parameter in announcement.record.parameters:
        if parameter.is_default:
            continue
        value = f" ({clean(parameter.summary, _GIVEN_WIDTH)})" if parameter.kind == "lookup" else ""
        mark = "" if parameter.tracked else "+"
        given[parameter.step].append(f"{mark}{parameter.name}={clean(parameter.text, _GIVEN_WIDTH)}{value}")
    for step, words in given.items():
        parts += words if len(given) == 1 else [f"{step}: {', '.join(words)}"] * bool(words)
    if announcement.debug:
        parts.append("debug")
    elif announcement.record.commit:
        parts.append(f'commit {announcement.record.commit[:7]} "{clean(announcement.record.subject, _GIVEN_WIDTH)}"')
    return clean(" · ".join(parts))


def _checks(announcement: Announcement) -> str:
    """What was checked before the steps."""
    if announcement.debug:
        return "nothing: a debug trial is not recorded"
    parts = ["clean tree"]
    if announcement.newly_locked:
        parts.append(f"{counted(announcement.newly_locked, 'variant')} newly locked")
    if announcement.record.untracked_files:
        parts.append(f"{counted(announcement.record.untracked_files, 'untracked file')} that nothing imports")
    return ", ".join(parts)


def _status_line(mark: str, name: str, text: str, seconds: float | None = None, width: int = LINE_WIDTH) -> str:
    """One of the lines with a mark, the time at its end."""
    line = f"{mark} {name:<{_NAME_WIDTH}} {text}"
    return line if seconds is None else f"{line:<{width - 8}} {format_duration(seconds):>7}"


def _step_lines(step: StepRecord, error: str | None, width: int = LINE_WIDTH) -> Iterator[str]:
    """How a step ended, and its metrics."""
    if error is not None:
        yield _status_line("✗", clean(step.name), clean(error), step.duration_s, width)
    else:
        result = f"{step.main_name} = {format_value(step.main)}"
        yield _status_line("✓", clean(step.name), result, step.duration_s, width)
    for name, value in itertools.islice(step.metrics.items(), _METRICS_SHOWN):
        yield _status_line(" ", "", f"{clean(name)} = {format_value(value)}")
    if len(step.metrics) > _METRICS_SHOWN:
        yield _status_line(" ", "", f"... and {len(step.metrics) - _METRICS_SHOWN} more metrics")


def _ending(outcome: Outcome, whole_s: float, width: int = LINE_WIDTH, columns: int | None = None) -> Iterator[str]:
    """The last lines of a trial: where it failed, how long its steps took together, and where its page is.

    Args:
        outcome: of the trial.
        whole_s: how long all of it took.
        width: of a line that has the time at its end.
        columns: of the terminal, if there is one; lines of code are cut there.
    """
    record = outcome.record
    if record.failure is not None and record.failure.location is not None:
        yield f"  {clean(record.failure.location)}"
        digits = max((len(str(number)) for number, _ in outcome.context), default=1)
        for number, text in outcome.context:
            pointer = "❱" if number == outcome.failed_line else " "
            yield clean(f"    {pointer} {number:>{digits}} │ {clean(text)}", columns)
    for line in outcome.more:
        yield f"  {clean(line)}"
    count = len(record.steps)
    if count > 1:  # one step has said all of it
        mark, text = ("✓", f"{count} steps") if record.status == "finished" else ("✗", _place_in_chain(record))
        yield _status_line(mark, record.status, text, record.duration_s, width)
    where = shown_path(outcome)
    if outcome.debug:
        yield _status_line("✓", "written", f"debug, not recorded · {where}")
        return
    key = record.key[:KEY_DIGITS]
    how = "" if record.status == "finished" else f" as {record.status}"
    if record.duration_s is not None and whole_s - record.duration_s > NOTICEABLE_S:
        how += f" after {format_duration(whole_s)}"
    yield _status_line("✓", "recorded", f"{key}{how} · {where}")


def _place_in_chain(record: TrialRecord) -> str:
    return f"in step {(record.step or 0) + 1} of {len(record.steps)}"


def summary_line(outcome: Outcome) -> str:
    """All of a trial in one line: how it ended, what came of it, how long it took, and where its page is."""
    mark = "✓" if outcome.record.status == "finished" else "✗"
    title, what = notification(outcome)
    return f"{mark} {clean(title)}: {clean(what)} · {shown_path(outcome)}"


def notification(outcome: Outcome) -> tuple[str, str]:
    """How a trial ended, and what came of it, each in a few words."""
    record = outcome.record
    if record.failure is not None:
        what = record.failure.summary.removeprefix("interrupted ")  # which the title says
    else:
        what = f"{record.main_name} = {format_value(record.main)}"
    how = f"debug, {record.status}" if outcome.debug else record.status
    return f"{record.experiment} {record.key[:KEY_DIGITS]} {how}", f"{what} ({format_duration(record.duration_s)})"


def shown_path(outcome: Outcome) -> str:
    """The page, or what there is instead, relative to the working directory if that is shorter; without controls."""
    path = outcome.page or outcome.notebook or outcome.folder
    try:
        relative = os.path.relpath(path)
    except ValueError:  # another drive, on Windows
        return clean(str(path))
    return clean(relative if len(relative) < len(str(path)) else str(path))


def _page_url(outcome: Outcome) -> str:
    """The address of the page for a hyperlink: with the host, for a terminal on another one."""
    path = outcome.page or outcome.notebook or outcome.folder
    return path.absolute().as_uri().replace("file://", f"file://{platform.node()}", 1)


def _styled(line: str, stream: IO[str], style: int | None = None) -> str:
    """One of mitosis's own lines as a stream can show it: with its marks, and a colour for it or its mark."""
    style = _STYLES.get(line[:1]) if style is None else style
    if has_colour(stream) and style is not None:
        line = f"\x1b[{style}m{line}\x1b[0m"
    elif has_colour(stream) and line.startswith("✓"):
        line = f"\x1b[{_GREEN}m✓\x1b[0m{line[1:]}"
    return plain(line, stream)


class LineProgress(Progress):
    """What mitosis itself says, line by line.

    Args:
        out: where it says it.
    """

    def __init__(self, out: IO[str]) -> None:
        self._out = out
        self._begun_at = time.monotonic()
        self._step = ""
        """The step that is to be named before what it prints."""

    @property
    def width(self) -> int:
        """Of a line that has the time at its end."""
        return min(LINE_WIDTH, self.columns or LINE_WIDTH)

    @property
    def columns(self) -> int | None:
        """Of the terminal, if there is one."""
        return None

    def print(self, line: str) -> None:
        """Print a line, after what waits to be printed."""
        raise NotImplementedError

    def drain(self) -> None:
        """Print what the step has left on the screen."""

    def say(self, line: str, style: int | None = None, indent: int = _NAME_WIDTH + 3) -> None:
        """Print one of mitosis's own lines, on a terminal broken between words and indented from there on."""
        style = _STYLES.get(line[:1]) if style is None else style
        for part in [line] if self.columns is None else broken(line, self.columns, indent):
            self.print(_styled(part, self._out, style))

    def announce(self, announcement: Announcement) -> None:
        self.say(_heading(announcement), _BOLD, 4)
        self.say(_status_line("✓", "checked", _checks(announcement), announcement.checked_s, self.width))

    def step_started(self, name: str, number: int, count: int) -> None:
        self._step = name

    def output(self, stream: OutputStream, text: str) -> None:
        if self._step:
            self.say(f"▸ {clean(self._step)}")
            self._step = ""

    def step_ended(self, step: StepRecord, error: str | None) -> None:
        self.drain()
        for line in _step_lines(step, error, self.width):
            self.say(line)

    def warn(self, text: str) -> None:
        self.say(f"! {clean(text)}")

    def finish(self, outcome: Outcome) -> None:
        self.drain()
        *lines, last = _ending(outcome, time.monotonic() - self._begun_at, self.width, self.columns)
        for line in lines:
            self.say(line)
        path = shown_path(outcome)
        if can_link(self._out):
            # As terminals read hyperlinks (OSC 8).
            last = f"{last.removesuffix(path)}\x1b]8;;{_page_url(outcome)}\x1b\\{path}\x1b]8;;\x1b\\"
        self.print(_styled(last, self._out))


class PlainProgress(LineProgress):
    """Lines one by one, flushed, without control characters. There are colours only where FORCE_COLOR asks for them.

    Args:
        out: for mitosis's own lines and what the experiment prints to standard output.
        err: for warnings and what the experiment prints to standard error or logs.
    """

    def __init__(self, out: IO[str], err: IO[str]) -> None:
        super().__init__(out)
        self._err = err
        self._screens: dict[OutputStream, Screen] = {"stdout": Screen(), "stderr": Screen(), "log": Screen()}
        self._widgets = ""
        self._begun: IO[str] | None = None
        """Where there is a line that has not ended."""
        self._broken: list[IO[str]] = []
        self._coloured = {id(stream): has_colour(stream) for stream in (out, err)}

    def print(self, line: str) -> None:
        self._end_line()
        self._write(self._out, line + "\n")

    def step_started(self, name: str, number: int, count: int) -> None:
        if is_terminal(self._out):  # where nothing moves that says it
            super().step_started(name, number, count)

    def output(self, stream: OutputStream, text: str) -> None:
        if stream == "widgets":
            self._widgets = text
            return
        super().output(stream, text)
        screen = self._screens[stream]
        for other, settled in self._screens.items():
            if other != stream:
                self._write_lines(other, settled.settle())
        self._write_lines(stream, screen.feed(text))
        begun = screen.take_begun()
        if begun:
            self._write_output(stream, begun)

    def warn(self, text: str) -> None:
        self._end_line()
        self._write(self._err, _styled(f"! {clean(text)}", self._err) + "\n")

    def drain(self) -> None:
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

    def _write(self, stream: IO[str], text: str) -> None:
        """Write, unless the stream failed before: a trial goes on when nobody reads any more."""
        if stream in self._broken:
            return
        try:
            stream.write(text)
            stream.flush()
        except (OSError, ValueError):  # ValueError: it was closed
            self._broken.append(stream)


class QuietProgress(Progress):
    """One line at the end. Warnings go to standard error all the same: they are about what may be lost.

    Args:
        out: for the line.
    """

    def __init__(self, out: IO[str]) -> None:
        self._lines = PlainProgress(out, sys.stderr)

    def warn(self, text: str) -> None:
        self._lines.warn(text)

    def finish(self, outcome: Outcome) -> None:
        self._lines.say(summary_line(outcome))
