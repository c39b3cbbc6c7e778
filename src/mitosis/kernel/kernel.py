"""The kernel of a trial, as the runner sees it."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, overload

from mitosis.kernel.kernel_process import (
    AnswerFailed,
    CellError,
    KernelDied,
    KernelNotStarted,
    KernelProcess,
    PrivateFolder,
    describe_death,
)
from mitosis.kernel.output import KernelOutput
from mitosis.marks import Marks
from mitosis.protocol import Question, Setup, pack, unpack
from mitosis.screen import OutputListener, without_escapes

if TYPE_CHECKING:
    from nbformat import NotebookNode

    from mitosis.kernel.client import Client

A = TypeVar("A")
B = TypeVar("B")
C = TypeVar("C")


_STARTUP_TIMEOUT_S = 60
_SHUTDOWN_TIMEOUT_S = 2.0
_LEFT_TIMEOUT_S = 1.0
"""How long processes that the kernel has started may outlive it: those that clean up after it."""
_LAST_OUTPUT_S = 0.2
"""How long after the kernel's death its last messages are waited for."""


class Kernel:
    """One running kernel and the notebook that it executes.

    It is started in the folder `cwd`, where an event loop runs, and not waited for: `connect` does that. What is done
    before goes on beside its start.

    Args:
        listener: called with each piece of text that a cell prints, as it comes.
        cwd: its working directory.
        setup: how the kernel sets itself up before all else; None to leave that out.

    Attributes:
        process: of the kernel; to interrupt or kill it, and to stop it for a while.
        has_late_output: whether the last cell has got outputs after it was through: of threads and exit functions.

    Raises:
        KernelNotStarted: there is no place for its sockets, or it cannot be started.
    """

    notebook: NotebookNode

    def __init__(self, listener: OutputListener, cwd: Path, setup: Setup | None = None) -> None:
        self._listener = listener
        self._folder = PrivateFolder(cwd)
        try:
            self.process = KernelProcess(self._folder, cwd, setup)
        except OSError as error:
            self._folder.remove()
            raise KernelNotStarted(f"its process could not be started ({error})", "") from error
        self._output = KernelOutput(self.process.pipes, Marks(self.process.connection["key"]))
        self._numbers = itertools.count()
        self._client: Client | None = None
        self._is_closing = False
        self.has_late_output = False

    async def connect(self, notebook: NotebookNode) -> None:
        """Wait until the kernel answers.

        Args:
            notebook: cells are executed in it and get their outputs.

        Raises:
            KernelNotStarted: it did not, with what it wrote to standard error.
        """
        from mitosis.kernel.client import Client

        self.notebook = notebook
        self._client = Client(notebook, self.process.connection, self._output, self._listener)
        ready = asyncio.create_task(self._client.wait_until_ready(_STARTUP_TIMEOUT_S))
        pending: set[asyncio.Future[Any]] = {ready, self.process.death}
        try:
            await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
        finally:
            if not ready.done():
                ready.cancel()  # also when this is interrupted: it must not ask on sockets that are closed by then
        if not ready.done():
            await self._output.read_to_end()
            raise KernelNotStarted(describe_death(self.process.death.result()), self._output.said)
        try:
            ready.result()
        except TimeoutError as error:
            raise KernelNotStarted(str(error), self._output.said) from error

    async def run_cell(self, cell: NotebookNode, printed_file: Path | None = None) -> CellError | None:
        """Append a cell to the notebook and execute it; returns what it raised.

        Args:
            cell: to execute.
            printed_file: where all that it prints goes if that is more than a notebook should hold; None to have it
                in the notebook whatever it is.

        Raises:
            KernelDied: the kernel did, before the cell was through. What it had output until then is kept.
        """
        self.notebook.cells.append(cell)
        return await self.run_cell_again(cell, printed_file)

    async def run_cell_again(self, cell: NotebookNode, printed_file: Path | None = None) -> CellError | None:
        """Execute a cell of the notebook once more, forgetting its outputs."""
        index = next(i for i, known in enumerate(self.notebook.cells) if known is cell)
        assert self._client is not None
        error: CellError | None = await self._unless_dead(self._client.execute_cell_at(index, printed_file))
        return error

    @property
    def troubles(self) -> Sequence[str]:
        """What of what the last cell printed or sent could not be kept, and why, in words."""
        return self._client.troubles if self._client is not None else ()

    async def ask(self, question: Question[A]) -> A:
        """Have the kernel answer a question, unseen by the notebook; see `ask_all`."""
        return (await self.ask_all(question))[0]

    @overload
    async def ask_all(self, first: Question[A], /) -> tuple[A]: ...

    @overload
    async def ask_all(self, first: Question[A], second: Question[B], /) -> tuple[A, B]: ...

    @overload
    async def ask_all(self, first: Question[A], second: Question[B], third: Question[C], /) -> tuple[A, B, C]: ...

    async def ask_all(self, *questions: Question[Any]) -> tuple[Any, ...]:
        """Have the kernel answer several questions, one after the other, for one message there and back.

        Raises:
            KernelDied: the kernel did.
            AnswerFailed: one of them failed, and what follows it was not looked at.
        """
        assert self._client is not None
        number = next(self._numbers)
        request = self._folder.write(f"request-{number}", pack(questions))
        reply = self._folder.path / f"reply-{number}"
        words = (str(request), str(reply))
        code = f"__import__('mitosis.in_kernel.answering', fromlist=['answer']).answer(*{words!r})"
        content = await self._unless_dead(self._client.execute_hidden(code))
        asked = " or ".join(type(question).__name__ for question in questions)
        if content["status"] != "ok" or not reply.exists():
            reason = f"{content.get('ename', 'no answer')}: {content.get('evalue', '')}"
            raise AnswerFailed(asked, reason, without_escapes("\n".join(content.get("traceback", []))))
        answers: tuple[Any, ...] = unpack(reply.read_bytes())
        request.unlink()
        reply.unlink()
        return answers

    async def _unless_dead(self, work: Any) -> Any:
        death = self.process.death
        task = asyncio.ensure_future(work)
        try:
            await asyncio.wait({task, death}, return_when=asyncio.FIRST_COMPLETED)
            if not task.done():
                await self._output.read_to_end()
                await asyncio.wait({task}, timeout=_LAST_OUTPUT_S)
            if task.done() and not task.cancelled() and task.exception() is None:
                return task.result()
            if death.done():
                raise KernelDied(death.result(), self._output.said)
            return await task
        finally:
            # What nbclient makes of a kernel that is gone does not matter then, but has to be fetched.
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError, Exception):
                await task

    def begin_close(self) -> None:
        """Ask the kernel to end, and do not wait for it."""
        if self._client is not None and self.process.is_alive and not self._is_closing:
            self._is_closing = True
            self._client.kc.shutdown()

    async def close(self, timeout_s: float = _SHUTDOWN_TIMEOUT_S) -> list[str]:
        """End the kernel, politely at first, and what it has started, and remove its folder.

        Args:
            timeout_s: how long its exit functions and threads may take.

        Returns:
            What had to be killed, in words.
        """
        killed: list[str] = []
        try:
            self.begin_close()
            if self._is_closing:
                await asyncio.wait({self.process.death}, timeout=timeout_s)
            if self.process.is_alive:
                killed.append(f"the kernel did not end within {timeout_s:.0f} s and was killed")
                self.process.kill()
                await asyncio.wait({self.process.death}, timeout=_SHUTDOWN_TIMEOUT_S)
            left = await self.process.end_others(_LEFT_TIMEOUT_S)
            if left:
                killed.append(f"still running after the end of the kernel, and killed: {', '.join(left)}")
            await self._output.read_to_end()
            self._output.close()
            if self._client is not None:
                self.has_late_output = self._client.take_late_output()
                self._client.disconnect()
        finally:
            self._folder.remove()
        return killed
