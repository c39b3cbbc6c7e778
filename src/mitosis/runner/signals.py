"""What ends or stops a trial from outside: signals, Ctrl-Z, and the time that its steps may take."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import Iterator
from types import FrameType
from typing import Any

from mitosis.kernel.kernel import Kernel
from mitosis.records.trial import Failure
from mitosis.runner.request import Progress

INTERRUPT_GRACE_S = 10.0
"""How long an interrupted step may take to end before its kernel is killed."""
_ENDING = ("SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT")


class Signals:
    """Passes on to the kernel what comes from outside, and knows what that was.

    Before the start of a trial is recorded, a signal cancels the task that runs the trial; later, it interrupts the
    experiment, and a second one kills it.

    Args:
        progress: is told.

    Attributes:
        kernel: the trial's; None before it was started.
        is_recorded: whether the start of the trial is recorded.
        received: the signal that came last.
        noted: the same, known also while the event loop stands still.
    """

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._task: asyncio.Task[Any] | None = None
        self._timeout_s = 0.0
        self._has_timed_out = False
        self._is_killed = False
        self._killing: asyncio.TimerHandle | None = None
        self.noted: int | None = None
        self.kernel: Kernel | None = None
        self.is_recorded = False
        self.received: int | None = None

    @contextlib.contextmanager
    def handled(self) -> Iterator[None]:
        """Have SIGINT, SIGTERM, SIGHUP and SIGQUIT end the trial in good order; a signal that is ignored stays so."""
        self._task = asyncio.current_task()
        loop = asyncio.get_running_loop()
        numbers = [number for name in _ENDING if (number := getattr(signal, name, None))]
        before = {number: signal.getsignal(number) for number in numbers}
        handled = [number for number in numbers if before[number] != signal.SIG_IGN]
        for number in handled:
            try:
                loop.add_signal_handler(number, self._on_signal, number)
                signal.signal(number, self._note)  # in place of one that does nothing: the event loop wakes up anyway
                signal.siginterrupt(number, False)
            except NotImplementedError:  # Windows
                signal.signal(number, lambda n, _: loop.call_soon_threadsafe(self._on_signal, n))
        can_suspend = hasattr(signal, "SIGTSTP") and signal.getsignal(signal.SIGTSTP) == signal.SIG_DFL
        if can_suspend:
            loop.add_signal_handler(signal.SIGTSTP, self._on_suspension)
        try:
            yield
        finally:
            if can_suspend:
                loop.remove_signal_handler(signal.SIGTSTP)
            for number in handled:
                with contextlib.suppress(NotImplementedError):
                    loop.remove_signal_handler(number)
                signal.signal(number, before[number])

    @contextlib.contextmanager
    def time_limited(self, timeout_s: float | None) -> Iterator[None]:
        """Have the steps end when they have taken as long as they may; None is for ever.

        What is still to be killed after that has ended by itself: its exit functions have a time of their own.
        """
        self._timeout_s = timeout_s or 0.0
        loop = asyncio.get_running_loop()
        timer = None if timeout_s is None else loop.call_later(timeout_s, self._on_timeout)
        try:
            yield
        finally:
            for pending in (timer, self._killing):
                if pending is not None:
                    pending.cancel()

    def _note(self, number: int, _: FrameType | None) -> None:
        self.noted = number

    async def catch_up(self) -> None:
        """Handle what came while this process did something else: a kernel that does nothing ignores an interrupt."""
        for _ in range(3):  # the event loop sees that there is a signal, reads which, and calls the handler
            await asyncio.sleep(0)

    def interruption(self, step: str) -> Failure | None:
        """Why the trial ends although nothing in it failed; None if it goes on."""
        if self.received is not None:
            kind, text = "interrupt", f"interrupted by {signal.Signals(self.received).name}"
        elif self._has_timed_out:
            kind, text = "timeout", f"timed out after {self._timeout_s:g} s"
        else:
            return None
        return Failure(kind, f"{text}, and killed" if self._is_killed else text, step=step)

    def _on_signal(self, number: int) -> None:
        again = self.received is not None
        self.received = number
        if again:
            self._kill()
        elif not self.is_recorded:
            assert self._task is not None
            self._task.cancel()
        elif number == getattr(signal, "SIGQUIT", None):  # Ctrl-\, for whom Ctrl-C is not enough
            self._progress.warn("killing the experiment")
            self._kill()
        elif self.kernel is not None:
            self._progress.warn("interrupting; interrupt again to kill the experiment at once")
            self.kernel.process.interrupt()
            self._kill_after(INTERRUPT_GRACE_S)

    def _on_suspension(self) -> None:
        """Ctrl-Z: have the experiment stop along with this process, and go on along with it.

        The kernel is in a session of its own, so that the terminal's signals do not reach it.
        """
        loop = asyncio.get_running_loop()
        self._progress.suspend()
        if self.kernel is not None:
            self.kernel.process.suspend()
        loop.remove_signal_handler(signal.SIGTSTP)  # what is left is what the system does: stop here
        signal.raise_signal(signal.SIGTSTP)
        loop.add_signal_handler(signal.SIGTSTP, self._on_suspension)
        if self.kernel is not None:
            self.kernel.process.resume()
        self._progress.resume()

    def _on_timeout(self) -> None:
        timeout_s = self._timeout_s
        if self.received is not None or self.kernel is None:
            return
        self._has_timed_out = True
        grace_s = min(timeout_s, INTERRUPT_GRACE_S)
        self._progress.warn(f"the timeout of {timeout_s:g} s is over; interrupting, and killing in {grace_s:g} s")
        self.kernel.process.interrupt()
        self._kill_after(grace_s)

    def _kill_after(self, grace_s: float) -> None:
        if self._killing is not None:
            self._killing.cancel()
        self._killing = asyncio.get_running_loop().call_later(grace_s, self._kill)

    def _kill(self) -> None:
        self._is_killed = True
        if self.kernel is not None and self.kernel.process.is_alive:
            self.kernel.process.kill()
