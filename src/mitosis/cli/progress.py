"""What a trial shows while it runs: live on a terminal, plain lines elsewhere."""

from __future__ import annotations

import contextlib
import os
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from typing import IO, TYPE_CHECKING, Any, Protocol, cast

from mitosis.cli.screen import Row, Screen, colours_at_end, without_colour
from mitosis.cli.text import (
    KEY_DIGITS,
    can_link,
    can_move,
    can_show_unicode,
    clean,
    duration,
    has_colour,
    is_terminal,
    plain,
    result,
)
from mitosis.records import StepRecord, TrialRecord
from mitosis.runner import Announcement, Outcome, OutputStream, Progress

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderResult
    from rich.live import Live
    from rich.text import Text

_NAME_WIDTH = 11
LINE_WIDTH = 72
_REFRESHES_PER_S = 8
_PRINT_EVERY_S = 0.05
"""Lines that come faster are printed together: each time, what moves below them is drawn again."""
_WIDGET_ROWS = 10
_BEGUN_ROWS = 3
"""So many lines on the screen has one that has not ended and is wider than the terminal."""


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
    elif can_move(out):
        with _live_progress(out) as progress:
            yield progress
    else:
        yield PlainProgress(out, sys.stderr)


class PlainProgress:
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

    def phase(self, text: str) -> None:
        pass

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

    def suspend(self) -> None:
        pass

    def resume(self) -> None:
        pass

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

    def output(self, stream: OutputStream, text: str) -> None:
        pass

    def step_ended(self, step: StepRecord, error: str | None) -> None:
        pass

    def warn(self, text: str) -> None:
        self._write(self._err, f"! {text}\n")

    def suspend(self) -> None:
        pass

    def resume(self) -> None:
        pass

    def finish(self, outcome: Outcome) -> None:
        self._write(self._out, f"{summary_line(outcome)}\n")

    def _write(self, stream: IO[str], text: str) -> None:
        with contextlib.suppress(OSError):
            stream.write(plain(text, stream))
            stream.flush()


class LiveProgress:
    """Lines as they come, above one line that moves.

    The runner calls it in one thread, and in another `beat` is called some times a second.

    Args:
        live: the display of rich that keeps the line at the bottom.
        out: the terminal.
    """

    def __init__(self, live: Live, out: IO[str]) -> None:
        self._live = live
        self._out = out
        self._phase = "starting"
        self._phase_begun = time.monotonic()
        self._screen = Screen()
        self._log = Screen()
        self._widgets: list[str] = []
        self._step_named = True
        self._step = ""
        self._has_colour = has_colour(out)
        self._lock = threading.RLock()
        self._waiting: list[str] = []
        """Lines of the experiment that are not printed yet."""
        self._printed_at = 0.0
        self._colours = ""
        """Control sequences of the colours in which the experiment goes on printing."""

    def phase(self, text: str) -> None:
        with self._lock:
            self._phase = text
            self._phase_begun = time.monotonic()

    def beat(self) -> None:
        """Print what waits, and have the line move."""
        with self._lock:
            if self._live.is_started:
                self._print_waiting()
                self._live.refresh()

    def announce(self, announcement: Announcement) -> None:
        self._say(heading(announcement), style="bold")
        self._say(status_line("✓", "checked", checks(announcement), announcement.checked_s, self._width))

    def step_started(self, name: str, number: int, count: int) -> None:
        self.phase(f"{name} · step {number} of {count}" if count > 1 else name)
        self._step = name
        self._step_named = False

    def output(self, stream: OutputStream, text: str) -> None:
        with self._lock:
            if not self._step_named:
                self._step_named = True
                self._say(f"▸ {clean(self._step)}", style="dim")
            if stream == "widgets":
                self._widgets = lines_of_widgets(text)
            elif stream == "log":  # above a bar that is still drawn, not after it
                self._take_log(self._log.feed(text))
            else:
                self._waiting += self._screen.feed(text)
            if time.monotonic() - self._printed_at > _PRINT_EVERY_S:
                self._print_waiting()

    def step_ended(self, step: StepRecord, error: str | None) -> None:
        self._drain()
        for line in step_lines(step, error, self._width):
            self._say(line, style="red" if error else None)

    def warn(self, text: str) -> None:
        self._say(f"! {clean(text)}", style="yellow")

    def suspend(self) -> None:
        """Leave the terminal as it was: no line that moves, and a cursor."""
        with self._lock:
            self._print_waiting()
            self._live.stop()

    def resume(self) -> None:
        with self._lock:
            self._live.start(refresh=True)

    def finish(self, outcome: Outcome) -> None:
        from rich.style import Style
        from rich.text import Text

        self._drain()
        *lines, last = ending(outcome, self._width)
        for line in lines:
            self._say(line)
        path = shown_path(outcome)
        text = self._own(last.removesuffix(path))
        if last.endswith(path):
            link = _page_url(outcome) if can_link(self._out) else None
            text.append_text(Text(plain(path, self._out), style=Style(link=link)))
        self._print(text)

    @property
    def _width(self) -> int:
        """Of a line that has the time at its end."""
        return min(LINE_WIDTH, self._live.console.width)

    def _drain(self) -> None:
        with self._lock:
            self._take_log(self._log.drain())
            self._waiting += [*self._screen.drain(), *self._widgets]
            self._widgets = []
            self._print_waiting()

    def _take_log(self, lines: Sequence[str]) -> None:
        if self._has_colour:
            lines = [f"\x1b[0;2m{line}\x1b[0m{self._colours}" for line in lines]
        self._waiting += lines

    def _print_waiting(self) -> None:
        """Print the lines of the experiment as they are: their colours are all that steers the terminal in them."""
        if not self._waiting:
            return
        text = "\n".join(self._waiting)
        self._waiting.clear()
        if not self._has_colour:
            text = without_colour(text)
        elif self._colours or "\x1b" in text:
            text = self._colours + text
            self._colours = colours_at_end(text)
            text += "\x1b[0m"
        self._live.console.print(_Lines(text), soft_wrap=True)
        self._printed_at = time.monotonic()

    def _say(self, line: str, style: str | None = None) -> None:
        self._print(self._own(line, style))

    def _own(self, line: str, style: str | None = None) -> Text:
        from rich.text import Text

        text = Text(plain(line, self._out), style=style or "")
        if style is None:
            text.highlight_regex(r"^[✓+] ", "green")
            text.highlight_regex(r"^[✗x] ", "red")
        return text

    def _print(self, text: Text) -> None:
        """Print above the line that moves."""
        with self._lock:
            self._print_waiting()
            self._live.console.print(text, soft_wrap=True)

    def __rich__(self) -> object:
        """What moves: what is printed and can still change, and a line that says what goes on, and since when."""
        from rich.console import Group
        from rich.text import Text

        elapsed = time.monotonic() - self._phase_begun
        marks = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏" if can_show_unicode(self._out) else "|/-\\"
        mark = marks[int(elapsed * _REFRESHES_PER_S) % len(marks)]
        phase = plain(clean(self._phase), self._out)
        line = Text(f"{mark} {phase}  {duration(elapsed)}", style="cyan", no_wrap=True, overflow="crop")
        rows = [part for row in self._screen.rows for part in self._parts(row)]
        while rows and not rows[-1].plain.strip():
            rows.pop()
        rows += [Text.from_ansi(row, no_wrap=True, overflow="crop") for row in self._widgets[-_WIDGET_ROWS:]]
        return Group(*rows, line)

    def _parts(self, row: Row) -> Sequence[Text]:
        """A line that can still change, as it is shown: only the end of one that goes on and on."""
        from rich.text import Text

        text = Text.from_ansi(row.text, no_wrap=True, overflow="crop")
        if row.is_redrawn or text.cell_len <= self._live.console.width:
            return [text]
        text.no_wrap, text.overflow = False, "fold"
        return text.wrap(self._live.console, self._live.console.width)[-_BEGUN_ROWS:]


class _Lines:
    """Text that is written as it is."""

    def __init__(self, text: str) -> None:
        self._text = text

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        from rich.segment import Segment

        yield Segment(f"{self._text}\n")


class _Terminal:
    """A terminal that may go away: then what is written to it is lost, and nothing else."""

    def __init__(self, stream: IO[str]) -> None:
        self._stream = stream

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        with contextlib.suppress(OSError, ValueError):
            self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        with contextlib.suppress(OSError, ValueError):
            self._stream.flush()


@contextlib.contextmanager
def _live_progress(out: IO[str]) -> Iterator[TrialProgress]:
    from rich.console import Console
    from rich.live import Live

    console = Console(
        file=cast("IO[str]", _Terminal(out)),
        force_terminal=True,
        highlight=False,
        markup=False,
        emoji=False,
        # The terminal knows its size, and may change it; these say what it was, or what somebody would like it to be.
        _environ={name: value for name, value in os.environ.items() if name not in ("COLUMNS", "LINES")},
    )
    live = Live(console=console, transient=True, auto_refresh=False, redirect_stdout=False, redirect_stderr=False)
    progress = LiveProgress(live, out)
    live.update(progress)  # type: ignore[arg-type]
    ended = threading.Event()

    def beat() -> None:
        while not ended.wait(1 / _REFRESHES_PER_S):
            progress.beat()

    thread = threading.Thread(target=beat, name="mitosis-progress", daemon=True)
    with live:
        thread.start()
        try:
            yield progress
        finally:
            ended.set()
            thread.join()
            progress.beat()


def lines_of_widgets(text: str) -> list[str]:
    """What widgets show, as lines without control characters but colours."""
    return Screen().feed(f"{text}\n") if text else []


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


def status_line(mark: str, name: str, text: str, seconds: float | None = None, width: int = LINE_WIDTH) -> str:
    """One of the lines with a mark, the time at its end."""
    line = f"{mark} {name:<{_NAME_WIDTH}} {text}"
    return line if seconds is None else f"{line:<{width - 8}} {duration(seconds):>7}"


def step_lines(step: StepRecord, error: str | None, width: int = LINE_WIDTH) -> Iterator[str]:
    """How a step ended, and its metrics."""
    if error is not None:
        yield status_line("✗", clean(step.name), clean(error), step.duration_s, width)
    else:
        yield status_line("✓", clean(step.name), f"main = {result(step.main)}", step.duration_s, width)
    for name, value in step.metrics.items():
        yield status_line(" ", "", f"{clean(name)} = {result(value)}")


def ending(outcome: Outcome, width: int = LINE_WIDTH) -> Iterator[str]:
    """The last lines of a trial: where it failed, how long its steps took together, and where its page is."""
    record = outcome.record
    if record.failure is not None and record.failure.location is not None:
        yield f"  {clean(record.failure.location)}"
        digits = max((len(str(number)) for number, _ in outcome.context), default=1)
        for number, text in outcome.context:
            pointer = "❱" if number == outcome.failed_line else " "
            yield f"    {pointer} {number:>{digits}} │ {clean(text)}"
    count = len(record.steps)
    if count > 1:  # one step has said all of it
        mark, text = ("✓", f"{count} steps") if record.status == "finished" else ("✗", _place_in_chain(record))
        yield status_line(mark, record.status, text, record.duration_s, width)
    where = shown_path(outcome)
    if outcome.debug:
        yield status_line("✓", "written", f"debug, not recorded · {where}")
        return
    key = record.key[:KEY_DIGITS]
    how = "" if record.status == "finished" else f" as {record.status}"
    yield status_line("✓", "recorded", f"{key}{how} · {where}")


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
        what = record.failure.summary
    else:
        metrics = record.steps[-1].metrics.items() if record.steps else ()
        what = ", ".join(f"{name} = {result(value)}" for name, value in (("main", record.main), *metrics))
    how = f"debug, {record.status}" if outcome.debug else record.status
    return f"{record.experiment} {record.key[:KEY_DIGITS]} {how}", f"{what} ({duration(record.duration_s)})"


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
    import platform

    path = outcome.page or outcome.notebook or outcome.folder
    return path.absolute().as_uri().replace("file://", f"file://{platform.node()}", 1)
