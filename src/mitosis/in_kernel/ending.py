"""Signals that ask to end are the runner's: it interrupts the step, and records why."""

from __future__ import annotations

import os
import signal
from types import FrameType

_NAMES = ("SIGTERM", "SIGHUP")


def leave_signals_to_runner() -> None:
    """Let signals pass that ask this process to end. Whoever runs jobs sends them to all processes of a job at once.

    A process that the experiment forks ends by them, as ever, and so does a program that it starts. Signals that are
    ignored stay so: somebody used `nohup`.
    """
    pid = os.getpid()

    def handle(number: int, frame: FrameType | None) -> None:
        if os.getpid() != pid:
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)

    for name in _NAMES:
        number = getattr(signal, name, None)
        if number is not None and signal.getsignal(number) == signal.SIG_DFL:
            signal.signal(number, handle)
