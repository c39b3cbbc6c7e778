"""What is asked of the runner, and what it tells."""

from __future__ import annotations

import signal
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from mitosis.errors.base import ExitStatus, MitosisError, of_signal
from mitosis.git.repository import Repository
from mitosis.parameters import COMMANDS
from mitosis.records.trial import StepRecord, TrialRecord
from mitosis.screen import OutputStream

OutputFormat = Literal["html", "ipynb", "both"]
"""The page, the notebook, or both."""


@dataclass(frozen=True, slots=True)
class Request:
    """One invocation."""

    folder: Path
    """The working directory."""
    steps: tuple[str, ...]
    lookups: tuple[str, ...] = ()
    """`[+]step.param=variant`, as given."""
    evaluated: tuple[str, ...] = ()
    """`[+]step.param=expression`, as given."""
    module: str | None = None
    """`package.module[:Class]` in place of steps."""
    debug: bool = False
    trials_folder: str | None = None
    """Relative to `folder`; None for the configured one."""
    config: str | None = None
    """Relative to the top of the working tree; None for pyproject.toml."""
    timeout_s: float | None = None
    """How long the steps may take together."""
    output: OutputFormat = "both"
    """Which of page and notebook to write."""


@dataclass(frozen=True, slots=True)
class Announcement:
    """A trial that is about to run its steps."""

    record: TrialRecord
    debug: bool
    newly_locked: int
    checked_s: float
    """Seconds since the command began."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """A trial that ended."""

    record: TrialRecord
    debug: bool
    trials_folder: Path
    page: Path | None
    """The HTML page; None if none was asked for, or it could not be written."""
    folder: Path
    notebook: Path | None = None
    """The notebook; None if none was asked for, or it could not be written."""
    context: tuple[tuple[int, str], ...] = ()
    """Lines of the user's code around the failure: numbers and texts."""
    failed_line: int | None = None
    more: tuple[str, ...] = ()
    """Notes, causes and parts of the exception, a line each."""
    signal: int | None = None
    """The signal that interrupted it."""
    recorded_in: Repository | None = None
    """The repository whose journal has its record; None if nothing was recorded."""
    is_to_be_pushed: bool = False
    """Whether the records are to be pushed now."""
    remote: str | None = None
    """The remote to push to, where the configuration names one."""

    @property
    def exit_status(self) -> int:
        """0 finished, 1 failed, 124 timed out, 128 + the number of the signal that interrupted it."""
        if self.record.status == "finished":
            return ExitStatus.DONE
        if self.record.failure is not None and self.record.failure.kind == "timeout":
            return ExitStatus.TIMED_OUT
        if self.record.status == "interrupted":
            return of_signal(self.signal or signal.SIGINT)
        return ExitStatus.FAILED


class Interrupted(MitosisError):
    """A signal came before anything was recorded. Attributes: number."""

    def __init__(self, number: int) -> None:
        self.number = number
        super().__init__("interrupted before any step ran; nothing is recorded")

    @property
    def exit_status(self) -> int:  # type: ignore[override]
        return of_signal(self.number)


class Progress:
    """Who is told what happens, and does nothing with what it has no method for. All is called from one thread."""

    def phase(self, text: str) -> None:
        """Something begins that takes a moment, such as `checking`."""

    def announce(self, announcement: Announcement) -> None:
        """All checks passed, and the start is recorded."""

    def step_started(self, name: str, number: int, count: int) -> None:
        """A step begins, the `number`th (from 1) of `count`."""

    def output(self, stream: OutputStream, text: str) -> None:
        """The experiment's code printed or logged something."""

    def step_ended(self, step: StepRecord, error: str | None) -> None:
        """A step ended; `error` says why if it did not finish."""

    def warn(self, text: str) -> None:
        """Something that the user should know, and that stops nothing."""

    def suspend(self) -> None:
        """This process is about to be stopped, and the terminal is somebody else's until `resume`."""

    def resume(self) -> None:
        """This process goes on."""

    def finish(self, outcome: Outcome) -> None:
        """The trial ended, and its outputs are written. Called by who asked for the trial."""


def rerun_command(request: Request) -> Sequence[str]:
    """The words of the command that runs the same again, and leaves the same."""
    words = ["mitosis"]
    if request.steps and request.steps[0] in COMMANDS:
        words.append("run")
    words += request.steps
    if request.module is not None:
        words += ["-m", request.module]
    for flag, values in (("-p", request.lookups), ("-e", request.evaluated)):
        for value in values:
            words += [flag, value]
    options = {
        "--config": request.config,
        "-F": request.trials_folder,
        "--timeout": None if request.timeout_s is None else f"{request.timeout_s:.15g}",
        "--output": None if request.output == "both" else request.output,
    }
    for flag, option in options.items():
        if option is not None:
            words += [flag, option]
    if request.debug:
        words.append("--debug")
    return words
