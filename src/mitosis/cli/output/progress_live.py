"""The progress of a trial on a terminal: lines as they come, above one line that moves."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from typing import IO, TYPE_CHECKING, Any, cast

from mitosis.cli.output.progress import LineProgress, PlainProgress, QuietProgress, lines_of_widgets
from mitosis.cli.output.streams import can_move, can_show_unicode, has_colour, plain
from mitosis.runner.request import Progress
from mitosis.screen import MOVES_UP, OutputStream, Row, Screen, colours_at_end, without_colour
from mitosis.text import clean, format_duration

if TYPE_CHECKING:
    from rich.live import Live
    from rich.text import Text

_REFRESHES_PER_S = 8
_PRINT_EVERY_S = 0.05
"""Lines that come faster are printed together: each time, what moves below them is drawn again."""
_WIDGET_ROWS = 10
"""This many lines of bars that are widgets are shown at most, the last ones."""
_BEGUN_ROWS = 3
"""This many lines on the screen has one that has not ended and is wider than the terminal."""
_SHOW_CURSOR = b"\r\x1b[K\x1b[?25h"
"""Takes away the line that moves, and gives back the cursor (DECTCEM)."""


class LiveProgress(LineProgress):
    """Lines as they come, above one line that moves.

    The runner calls it in one thread, and in another `beat` is called some times a second.

    Args:
        live: the display of rich that keeps the line at the bottom.
        out: the terminal.
    """

    def __init__(self, live: Live, out: IO[str]) -> None:
        super().__init__(out)
        self._live = live
        self._phase = "starting"
        self._phase_begun = time.monotonic()
        self._screen = Screen()
        self._log = Screen()
        self._prints_bars = False
        self._widgets: list[str] = []
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

    def step_started(self, name: str, number: int, count: int) -> None:
        self.phase(f"{name} · step {number} of {count}" if count > 1 else name)
        super().step_started(name, number, count)

    def output(self, stream: OutputStream, text: str) -> None:
        with self._lock:
            super().output(stream, text)
            if stream == "widgets":
                self._widgets = lines_of_widgets(text)
            elif stream == "log":  # above a bar that is still drawn, not after it
                self._waiting += self._screen.take_said()
                self._take_log(self._log.feed(text))
            else:
                # Bars that are printed move up in lines that were printed.
                self._prints_bars |= stream == "stdout" and MOVES_UP.search(text) is not None
                self._waiting += self._screen.feed(text, is_said=stream == "stdout" and not self._prints_bars)
            if time.monotonic() - self._printed_at > _PRINT_EVERY_S:
                self._print_waiting()

    def suspend(self) -> None:
        """Leave the terminal as it was: no line that moves, and a cursor."""
        with self._lock:
            self._print_waiting()
            self._live.stop()

    def resume(self) -> None:
        with self._lock:
            self._live.start(refresh=True)

    @property
    def columns(self) -> int | None:
        return self._live.console.width

    def print(self, line: str) -> None:
        with self._lock:
            self._print_waiting()
            self._print_above(line)

    def drain(self) -> None:
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
        self._print_above(text)
        self._printed_at = time.monotonic()

    def _print_above(self, text: str) -> None:
        """Print text as it is above the line that moves."""
        from rich.segment import Segment, Segments

        self._live.console.print(Segments([Segment(f"{text}\n")]), soft_wrap=True)

    def __rich__(self) -> object:
        """What moves: what is printed and can still change, and a line that says what goes on, and since when."""
        from rich.console import Group
        from rich.text import Text

        elapsed = time.monotonic() - self._phase_begun
        marks = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏" if can_show_unicode(self._out) else "|/-\\"
        mark = marks[int(elapsed * _REFRESHES_PER_S) % len(marks)]
        phase = plain(clean(self._phase), self._out)
        line = Text(f"{mark} {phase}  {format_duration(elapsed)}", style="cyan", no_wrap=True, overflow="crop")
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
def _cursor_given_back(out: IO[str]) -> Iterator[None]:
    """Have signals that end this process at once leave the terminal with a cursor.

    While the trial runs, the runner makes something else of them.
    """
    names = ("SIGTERM", "SIGQUIT", "SIGHUP")
    found = [number for name in names if (number := getattr(signal, name, None)) is not None]
    numbers = [number for number in found if signal.getsignal(number) == signal.SIG_DFL]
    if threading.current_thread() is not threading.main_thread():
        numbers = []

    def end(number: int, _: object) -> None:
        with contextlib.suppress(OSError, ValueError):
            os.write(out.fileno(), _SHOW_CURSOR)
        signal.signal(number, signal.SIG_DFL)
        signal.raise_signal(number)

    for number in numbers:
        signal.signal(number, end)
    try:
        yield
    finally:
        for number in numbers:
            signal.signal(number, signal.SIG_DFL)


@contextlib.contextmanager
def live_progress(out: IO[str]) -> Iterator[LiveProgress]:
    """The progress on a terminal. Its line moves as long as the context lasts, and is gone afterwards.

    Args:
        out: the terminal.
    """
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
    with _cursor_given_back(out), live:
        thread.start()
        try:
            yield progress
        finally:
            ended.set()
            thread.join()
            progress.beat()


@contextlib.contextmanager
def make_progress(out: IO[str], *, quiet: bool = False) -> Iterator[Progress]:
    """The progress for where a trial's lines go.

    Args:
        out: standard output, or standard error where standard output is for something else.
        quiet: say nothing but how it ended.
    """
    if quiet:
        yield QuietProgress(out)
    elif can_move(out):
        with live_progress(out) as progress:
            yield progress
    else:
        yield PlainProgress(out, sys.stderr)
