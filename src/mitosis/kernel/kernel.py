"""The kernel of a trial, as the runner sees it."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import msgpack

from mitosis.kernel.endings import AnswerFailed, CellError, KernelDied, KernelNotStarted, describe_death
from mitosis.kernel.folder import NoPrivateFolder, PrivateFolder
from mitosis.kernel.process import KernelProcess

if TYPE_CHECKING:
    from nbformat import NotebookNode

    from mitosis.kernel.client import Client

OutputListener = Callable[[Literal["stdout", "stderr", "log", "widgets"], str], None]

_STARTUP_TIMEOUT_S = 60
_SHUTDOWN_TIMEOUT_S = 2.0
_TERMINAL_CODE = re.compile(r"\x1b\[[0-9;]*m")
_LAST_OUTPUT_S = 0.2
"""How long after the kernel's death its last messages are waited for."""


class Kernel:
    """One running kernel and the notebook that it executes.

    `launch` starts it, `load_client` imports what speaks to it, `connect` waits until it answers. What is done before
    the last of them goes on beside its start.

    Args:
        listener: called with each piece of text that a cell prints, as it comes.

    Raises:
        KernelNotStarted: there is no place for its sockets.
    """

    def __init__(self, listener: OutputListener) -> None:
        self._listener = listener
        try:
            self._folder = PrivateFolder()
        except NoPrivateFolder as error:
            raise KernelNotStarted(f"there is no folder to be had for its sockets ({error})", "") from error
        self._numbers = itertools.count()
        self._process: KernelProcess | None = None
        self._client: Client | None = None
        self._is_closing = False

    def launch(self, cwd: Path, setup: Mapping[str, Any] | None = None) -> None:
        """Start the kernel's process in the folder `cwd`, and do not wait for it. Called where an event loop runs.

        Args:
            cwd: its working directory.
            setup: arguments for `mitosis.in_kernel.prepare.prepare`, which the kernel calls before all else.

        Raises:
            KernelNotStarted: it cannot be started.
        """
        try:
            self._process = KernelProcess(self._folder, cwd, None if setup is None else _pack(setup))
        except OSError as error:
            raise KernelNotStarted(f"its process could not be started ({error})", "") from error

    def load_client(self) -> None:
        """Import what speaks to the kernel, as `connect` would: 0.1 s of work."""
        import mitosis.kernel.client  # noqa: F401

    async def connect(self, notebook: NotebookNode) -> None:
        """Wait until the kernel answers.

        Args:
            notebook: cells are executed in it and get their outputs.

        Raises:
            KernelNotStarted: it did not, with what it wrote to standard error.
        """
        from mitosis.kernel.client import Client

        assert self._process is not None
        process = self._process
        self.notebook = notebook
        self._client = Client(notebook, process.connection, self._listener)
        ready = asyncio.create_task(self._client.wait_until_ready(_STARTUP_TIMEOUT_S))
        pending: set[asyncio.Future[Any]] = {ready, process.death}
        try:
            await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
        finally:
            if not ready.done():
                ready.cancel()  # also when this is interrupted: it must not ask on sockets that are closed by then
        if not ready.done():
            raise KernelNotStarted(describe_death(process.death.result()), process.said)
        try:
            ready.result()
        except TimeoutError as error:
            raise KernelNotStarted(str(error), process.said) from error

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
    def print_trouble(self) -> OSError | None:
        """Why not all that the last cell printed is in its file; None if it is, or needed none."""
        return self._client.print_trouble if self._client is not None else None

    @property
    def message_trouble(self) -> str:
        """Why a message that the last cell sent was passed over, such as that of a widget; empty if none was."""
        return self._client.message_trouble if self._client is not None else ""

    async def ask(self, operation: str, **arguments: Any) -> Any:
        """Have the kernel carry out an operation of `mitosis.in_kernel`, unseen by the notebook.

        Raises:
            KernelDied: the kernel did.
            AnswerFailed: the operation itself failed.
        """
        (answer,) = await self.ask_all((operation, arguments))
        return answer

    async def ask_all(self, *operations: tuple[str, Mapping[str, Any]]) -> list[Any]:
        """Have the kernel carry out several operations, one after the other, for one message there and back.

        Args:
            operations: names and arguments.

        Raises:
            KernelDied: the kernel did.
            AnswerFailed: one of them failed, and what follows it was not carried out.
        """
        assert self._client is not None
        number = next(self._numbers)
        request = self._folder.write(f"request-{number}", _pack(operations))
        reply = self._folder.path / f"reply-{number}"
        words = (str(request), str(reply))
        code = f"__import__('mitosis.in_kernel', fromlist=['answer']).answer(*{words!r})"
        content = await self._unless_dead(self._client.execute_hidden(code))
        if content["status"] != "ok" or not reply.exists():
            reason = f"{content.get('ename', 'no answer')}: {content.get('evalue', '')}"
            traceback = _TERMINAL_CODE.sub("", "\n".join(content.get("traceback", [])))
            raise AnswerFailed(" or ".join(name for name, _ in operations), reason, traceback)
        data = reply.read_bytes()
        request.unlink()
        reply.unlink()
        answers: list[Any] = msgpack.unpackb(data, raw=False, unicode_errors="surrogatepass")
        return answers

    async def _unless_dead(self, work: Any) -> Any:
        assert self._process is not None
        death = self._process.death
        task = asyncio.ensure_future(work)
        try:
            await asyncio.wait({task, death}, return_when=asyncio.FIRST_COMPLETED)
            if not task.done():
                await asyncio.wait({task}, timeout=_LAST_OUTPUT_S)
            if task.done() and not task.cancelled() and task.exception() is None:
                return task.result()
            if death.done():
                raise KernelDied(death.result(), self._process.said)
            return await task
        finally:
            # What nbclient makes of a kernel that is gone is of no interest then, but has to be fetched.
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError, Exception):
                await task

    @property
    def is_alive(self) -> bool:
        return self._process is not None and self._process.is_alive

    @property
    def group(self) -> int | None:
        """Process group of the kernel, on POSIX."""
        return None if self._process is None else self._process.group

    def interrupt(self) -> None:
        """Raise KeyboardInterrupt in the kernel, as Ctrl-C does; also in the processes that it started."""
        if self._process is not None:
            self._process.interrupt()

    def suspend(self) -> None:
        """Stop the kernel and the processes that it started, until `resume`."""
        if self._process is not None:
            self._process.suspend()

    def resume(self) -> None:
        """Let the kernel and the processes that it started go on."""
        if self._process is not None:
            self._process.resume()

    def kill(self) -> None:
        """End the kernel and the processes that it started, at once."""
        if self._process is not None:
            self._process.kill()

    def begin_close(self) -> None:
        """Ask the kernel to end, and do not wait for it."""
        if self._client is not None and self.is_alive and not self._is_closing:
            self._is_closing = True
            self._client.request_shutdown()

    async def close(self, timeout_s: float = _SHUTDOWN_TIMEOUT_S) -> bool:
        """End the kernel, politely at first, and remove its folder.

        Args:
            timeout_s: how long its exit functions and threads may take.

        Returns:
            False if it had to be killed.
        """
        ended = True
        try:
            self.begin_close()
            if self._process is not None:
                if self._is_closing:
                    await asyncio.wait({self._process.death}, timeout=timeout_s)
                    ended = not self._process.is_alive
                self._process.kill()
                await asyncio.wait({self._process.death}, timeout=_SHUTDOWN_TIMEOUT_S)
            if self._client is not None:
                self._client.disconnect()
        finally:
            self._folder.remove()
        return ended


def _pack(value: Any) -> bytes:
    data: bytes = msgpack.packb(value, use_bin_type=True, unicode_errors="surrogatepass")
    return data
