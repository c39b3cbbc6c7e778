"""What a trial shows while it runs: live on a terminal, plain lines elsewhere."""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Iterator
from typing import IO, TYPE_CHECKING, Literal, Protocol

from mitosis.cli.text import KEY_DIGITS, can_show_unicode, clean, duration, is_terminal, plain, result
from mitosis.records import StepRecord
from mitosis.runner import Announcement, Outcome, Progress

if TYPE_CHECKING:
    from rich.live import Live
    from rich.text import Text

_NAME_WIDTH = 11
_LINE_WIDTH = 72
_REFRESHES_PER_S = 8


class TrialProgress(Progress, Protocol):
    """Progress that also says how it ended."""

    def finish(self, outcome: Outcome) -> None:
        """The trial ended and its outputs are written."""


@contextlib.contextmanager
def make_progress(out: IO[str], *, quiet: bool = False) -> Iterator[TrialProgress]:
    """The progress for where a trial's lines go.

    Args:
        out: standard output, or standard error where standard output is for something else.
        quiet: say nothing but how it ended.
    """
    if quiet:
        yield QuietProgress(out, sys.stderr)
    elif is_terminal(out):
        with _live_progress(out) as progress:
            yield progress
    else:
        yield PlainProgress(out, sys.stderr)


class PlainProgress:
    """Lines one by one, flushed, without control characters of ours.

    Args:
        out: for mitosis's own lines and what the experiment prints to standard output.
        err: for warnings and what the experiment prints to standard error.
    """

    def __init__(self, out: IO[str], err: IO[str]) -> None:
        self._out = out
        self._err = err
        self._at_line_start = True
        self._broken: list[IO[str]] = []

    def phase(self, text: str) -> None:
        pass

    def announce(self, announcement: Announcement) -> None:
        self._say(heading(announcement))
        self._say(status_line("✓", "checked", checks(announcement), announcement.checked_s))

    def step_started(self, name: str, number: int, count: int) -> None:
        pass

    def output(self, stream: Literal["stdout", "stderr"], text: str) -> None:
        self._write(self._out if stream == "stdout" else self._err, text)
        self._at_line_start = text.endswith("\n")

    def step_ended(self, step: StepRecord, error: str | None) -> None:
        for line in step_lines(step, error):
            self._say(line)

    def warn(self, text: str) -> None:
        self._end_line()
        self._write(self._err, plain(f"! {text}\n", self._err))

    def finish(self, outcome: Outcome) -> None:
        for line in ending(outcome):
            self._say(line)

    def _end_line(self) -> None:
        if not self._at_line_start:
            self._write(self._out, "\n")
            self._at_line_start = True

    def _say(self, line: str) -> None:
        self._end_line()
        self._write(self._out, plain(line, self._out) + "\n")

    def _write(self, stream: IO[str], text: str) -> None:
        """Write, unless the stream failed before: a trial goes on when nobody reads any more."""
        if stream in self._broken:
            return
        try:
            stream.write(text)
            stream.flush()
        except OSError:
            self._broken.append(stream)


class QuietProgress:
    """One line at the end. Warnings go to standard error all the same: they are about what may be lost.

    Args:
        out: for the line.
        err: for warnings.
    """

    def __init__(self, out: IO[str], err: IO[str]) -> None:
        self._out = out
        self._err = err

    def phase(self, text: str) -> None:
        pass

    def announce(self, announcement: Announcement) -> None:
        pass

    def step_started(self, name: str, number: int, count: int) -> None:
        pass

    def output(self, stream: Literal["stdout", "stderr"], text: str) -> None:
        pass

    def step_ended(self, step: StepRecord, error: str | None) -> None:
        pass

    def warn(self, text: str) -> None:
        self._write(self._err, f"! {text}\n")

    def finish(self, outcome: Outcome) -> None:
        self._write(self._out, f"{summary_line(outcome)}\n")

    def _write(self, stream: IO[str], text: str) -> None:
        with contextlib.suppress(OSError):
            stream.write(plain(text, stream))
            stream.flush()


class LiveProgress:
    """Lines as they come, above one line that moves.

    Args:
        live: the display of rich that keeps the line at the bottom.
        out: the terminal.
    """

    def __init__(self, live: Live, out: IO[str]) -> None:
        self._live = live
        self._out = out
        self._phase = "starting"
        self._phase_begun = time.monotonic()
        self._partial = ""
        self._step_named = True
        self._step = ""

    def phase(self, text: str) -> None:
        self._phase = text
        self._phase_begun = time.monotonic()

    def announce(self, announcement: Announcement) -> None:
        self._say(heading(announcement), style="bold")
        self._say(status_line("✓", "checked", checks(announcement), announcement.checked_s))

    def step_started(self, name: str, number: int, count: int) -> None:
        self.phase(f"{name} · step {number} of {count}" if count > 1 else name)
        self._step = name
        self._step_named = False

    def output(self, stream: Literal["stdout", "stderr"], text: str) -> None:
        if not self._step_named:
            self._step_named = True
            self._say(f"▸ {self._step}", style="dim")
        *lines, self._partial = (self._partial + text).split("\n")
        for line in lines:
            self._print_output(line)

    def step_ended(self, step: StepRecord, error: str | None) -> None:
        self._flush_partial()
        for line in step_lines(step, error):
            self._say(line, style="red" if error else None)

    def warn(self, text: str) -> None:
        self._flush_partial()
        self._say(f"! {text}", style="yellow")

    def finish(self, outcome: Outcome) -> None:
        for line in ending(outcome):
            self._say(line)

    def _flush_partial(self) -> None:
        if self._partial:
            self._print_output(self._partial)
            self._partial = ""

    def _print_output(self, line: str) -> None:
        from rich.text import Text

        shown = line.rstrip("\r").rpartition("\r")[2]
        self._print(Text.from_ansi(shown))

    def _say(self, line: str, style: str | None = None) -> None:
        from rich.text import Text

        text = Text(plain(line, self._out), style=style or "")
        if style is None:
            text.highlight_regex(r"^[✓+] ", "green")
            text.highlight_regex(r"^[✗x] ", "red")
        self._print(text)

    def _print(self, text: Text) -> None:
        """Print above the line that moves. A trial goes on when its terminal is gone."""
        with contextlib.suppress(OSError):
            self._live.console.print(text, soft_wrap=True)

    def __rich__(self) -> object:
        """The line that moves: what is printed and not ended yet, what goes on, and since when."""
        from rich.console import Group
        from rich.text import Text

        elapsed = time.monotonic() - self._phase_begun
        marks = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏" if can_show_unicode(self._out) else "|/-\\"
        mark = marks[int(elapsed * _REFRESHES_PER_S) % len(marks)]
        line = Text(f"{mark} {plain(self._phase, self._out)}  {duration(elapsed)}", style="cyan", no_wrap=True)
        partial = self._partial.rstrip("\r").rpartition("\r")[2]
        if partial:
            return Group(Text.from_ansi(partial), line)
        return line


@contextlib.contextmanager
def _live_progress(out: IO[str]) -> Iterator[TrialProgress]:
    from rich.console import Console
    from rich.live import Live

    console = Console(file=out, highlight=False, markup=False, emoji=False)
    live = Live(
        console=console,
        transient=True,
        refresh_per_second=_REFRESHES_PER_S,
        redirect_stdout=False,
        redirect_stderr=False,
    )
    progress = LiveProgress(live, out)
    live.update(progress)  # type: ignore[arg-type]
    with live:
        yield progress


def heading(announcement: Announcement) -> str:
    """The first line of a trial: what is run, with which parameters, at which commit."""
    steps = {parameter.step for parameter in announcement.parameters}
    several = len(steps) > 1 or "+" in announcement.experiment
    parts = [announcement.experiment]
    for parameter in announcement.parameters:
        name = parameter.full_name if several else parameter.name
        value = f" ({parameter.summary})" if parameter.kind == "lookup" else ""
        mark = "" if parameter.tracked else "+"
        parts.append(f"{mark}{name}={parameter.text}{value}")
    if announcement.debug:
        parts.append("debug")
    elif announcement.commit:
        parts.append(f'commit {announcement.commit[:7]} "{announcement.subject}"')
    return clean(" · ".join(parts))


def checks(announcement: Announcement) -> str:
    """What was checked before the steps."""
    if announcement.debug:
        return "nothing: a debug trial is not recorded"
    parts = ["clean tree"]
    if announcement.newly_locked:
        plural = "" if announcement.newly_locked == 1 else "s"
        parts.append(f"{announcement.newly_locked} variant{plural} newly locked")
    if announcement.untracked_files:
        plural = "" if announcement.untracked_files == 1 else "s"
        parts.append(f"{announcement.untracked_files} untracked file{plural} that nothing imports")
    return ", ".join(parts)


def status_line(mark: str, name: str, text: str, seconds: float | None = None) -> str:
    """One of the lines with a mark, the time at its end."""
    line = f"{mark} {name:<{_NAME_WIDTH}} {text}"
    return line if seconds is None else f"{line:<{_LINE_WIDTH - 8}} {duration(seconds):>7}"


def step_lines(step: StepRecord, error: str | None) -> Iterator[str]:
    """How a step ended, and its metrics."""
    if error is not None:
        yield status_line("✗", clean(step.name), clean(error), step.duration_s)
    else:
        yield status_line("✓", clean(step.name), f"main = {result(step.main)}", step.duration_s)
    for name, value in step.metrics.items():
        yield status_line(" ", "", f"{clean(name)} = {result(value)}")


def ending(outcome: Outcome) -> Iterator[str]:
    """The last lines of a trial: where it failed, and where its page is."""
    record = outcome.record
    if record.failure is not None and record.failure.location is not None:
        yield f"  {clean(record.failure.location)}"
        width = max((len(str(number)) for number, _ in outcome.context), default=1)
        for number, text in outcome.context:
            pointer = "❱" if number == outcome.failed_line else " "
            yield f"    {pointer} {number:>{width}} │ {clean(text)}"
    where = _shown_path(outcome)
    if outcome.debug:
        yield status_line("✓", "written", f"debug, not recorded · {where}")
        return
    key = record.key[:KEY_DIGITS]
    how = "" if record.status == "finished" else f" as {record.status}"
    yield status_line("✓", "recorded", f"{key}{how} · {where}")


def summary_line(outcome: Outcome) -> str:
    """All of a trial in one line: how it ended, what came of it, how long it took, and where its page is."""
    mark = "✓" if outcome.record.status == "finished" else "✗"
    title, what = notification(outcome)
    return f"{mark} {clean(title)}: {clean(what)} · {clean(_shown_path(outcome))}"


def notification(outcome: Outcome) -> tuple[str, str]:
    """How a trial ended, and what came of it, each in a few words."""
    record = outcome.record
    if record.failure is not None:
        what = record.failure.summary
    else:
        metrics = record.steps[-1].metrics.items() if record.steps else ()
        what = ", ".join(f"{name} = {result(value)}" for name, value in (("main", record.main), *metrics))
    how = f"debug, {record.status}" if outcome.debug else record.status
    return f"{record.experiment} {record.key[:KEY_DIGITS]} {how}", f"{what} ({duration(record.duration_s)})"


def _shown_path(outcome: Outcome) -> str:
    """The page, relative to the working directory where that is shorter."""
    path = outcome.page if outcome.page is not None else outcome.folder
    try:
        relative = os.path.relpath(path)
    except ValueError:  # another drive, on Windows
        return str(path)
    return relative if len(relative) < len(str(path)) else str(path)
