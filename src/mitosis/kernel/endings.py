"""How a kernel, an operation in it or a cell ended other than well."""

from __future__ import annotations

import signal
import sys
from dataclasses import dataclass

from mitosis.errors.base import ExitStatus, MitosisError

_SAID_LINES = 15


class KernelDied(MitosisError):
    """The kernel ended in the middle of something. Attributes: returncode (None if unknown), said."""

    exit_status = ExitStatus.FAILED

    def __init__(self, returncode: int | None, said: str) -> None:
        self.returncode = returncode
        self.said = said.strip()
        super().__init__(describe_death(returncode, self.said))


class KernelNotStarted(MitosisError):
    """No kernel could be started. Attributes: said (what it wrote to standard error)."""

    def __init__(self, reason: str, said: str) -> None:
        self.said = said.strip()
        tail = "\n".join(f"    {line}" for line in self.said.splitlines()[-_SAID_LINES:])
        super().__init__(
            f"the Jupyter kernel did not start: {reason}\n{tail}\n"
            f"Try it alone: {sys.executable} -m ipykernel_launcher --help"
        )


class AnswerFailed(Exception):
    """A question of the runner's could not be answered: an error of mitosis, or the machine's.

    Attributes: question (the name of its class), reason.
    """

    def __init__(self, question: str, reason: str, traceback: str) -> None:
        self.question = question
        self.reason = reason
        super().__init__(f"{question} could not be answered by the kernel: {reason}\n{traceback}")


@dataclass(frozen=True, slots=True)
class CellError:
    """What a cell raised, as the kernel tells it."""

    type: str
    message: str
    traceback: tuple[str, ...]
    """The lines that Jupyter shows, coloured for a terminal."""


def describe_death(returncode: int | None, said: str = "") -> str:
    """How a kernel ended, in words."""
    if returncode is None:
        text = "the kernel died"
    elif returncode < 0:
        try:
            name = signal.Signals(-returncode).name
        except ValueError:
            name = f"signal {-returncode}"
        text = f"the kernel was killed by {name}"
        if name == "SIGKILL":
            text += " (did the machine run out of memory?)"
    else:
        text = f"the kernel ended with exit status {returncode}"
    last = [line.strip() for line in said.splitlines() if line.strip()]
    fatal = next((line for line in last if line.startswith("Fatal Python error")), None)
    return f"{text}: {fatal}" if fatal else text
