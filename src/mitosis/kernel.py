"""Drive the one Jupyter kernel that a trial runs in.

The kernel is this interpreter, whatever kernelspecs are installed; it talks over IPC sockets in a folder that only
this user can open (TCP with a secret key on Windows); it reads no profile of IPython's and keeps no history; and it
ends when the runner does, however that ends.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import queue
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Literal

import msgpack

from mitosis.errors import MitosisError

if TYPE_CHECKING:
    from nbformat import NotebookNode

OutputListener = Callable[[Literal["stdout", "stderr"], str], None]

_STARTUP_TIMEOUT_S = 60
_SHUTDOWN_TIMEOUT_S = 2.0
_TERMINAL_CODE = re.compile(r"\x1b\[[0-9;]*m")
_FOLDER_PREFIX = "mitosis-"
_OWNER = "owner"
_ABANDONED_S = 60
"""How old a folder without an owner must be: its owner may just be about to lock it."""
_LAST_OUTPUT_S = 0.2
"""How long after the kernel's death its last messages are waited for."""


class KernelDied(MitosisError):
    """The kernel ended in the middle of something. Attributes: returncode (None if unknown), said."""

    exit_status = 1

    def __init__(self, returncode: int | None, said: str) -> None:
        self.returncode = returncode
        self.said = said.strip()
        super().__init__(describe_death(returncode, self.said))


class KernelNotStarted(MitosisError):
    """No kernel could be started. Attributes: said (what it wrote to standard error)."""

    def __init__(self, reason: str, said: str) -> None:
        self.said = said.strip()
        tail = "\n".join(f"    {line}" for line in self.said.splitlines()[-15:])
        super().__init__(
            f"the Jupyter kernel did not start: {reason}\n{tail}\n"
            f"Try it alone: {sys.executable} -m ipykernel_launcher --help"
        )


class AnswerFailed(Exception):
    """An operation of `mitosis.in_kernel` raised: an error of mitosis, or the machine's.

    Attributes: operation, reason.
    """

    def __init__(self, operation: str, reason: str, traceback: str) -> None:
        self.operation = operation
        self.reason = reason
        super().__init__(f"the operation {operation} failed in the kernel: {reason}\n{traceback}")


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


@dataclass(frozen=True, slots=True)
class CellError:
    """What a cell raised, as the kernel tells it."""

    type: str
    message: str
    traceback: tuple[str, ...]
    """The lines that Jupyter shows, coloured for a terminal."""


class Kernel:
    """One running kernel and the notebook that it executes.

    Args:
        notebook: cells are executed in it and get their outputs.
        listener: called with each piece of text that a cell prints, as it comes.
    """

    def __init__(self, notebook: NotebookNode, listener: OutputListener) -> None:
        self.notebook = notebook
        self._listener = listener
        try:
            self._folder, self._ownership = _make_private_folder()
        except OSError as error:
            raise KernelNotStarted(f"there is no folder to be had for its sockets ({error})", "") from error
        self._stderr = self._folder / "stderr"
        self._numbers = itertools.count()
        self._client: Any = None
        self._manager: Any = None
        self._death: asyncio.Future[int | None] | None = None
        self._is_closing = False
        self.group: int | None = None
        """Process group of the kernel, on POSIX."""

    async def start(self, cwd: Path) -> None:
        """Start the kernel in the folder `cwd` and wait until it answers.

        Raises:
            KernelNotStarted: it did not, with what it wrote to standard error.
        """
        from jupyter_client.kernelspec import KernelSpec
        from jupyter_client.manager import AsyncKernelManager

        arguments = [
            *(sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"),
            "--HistoryManager.enabled=False",
            "--IPKernelApp.quiet=True",
        ]
        spec = KernelSpec(argv=arguments, display_name="Python 3", language="python")
        self._manager = AsyncKernelManager(
            transport="ipc" if os.name == "posix" else "tcp",
            connection_file=str(self._folder / "kernel.json"),
        )
        self._manager._kernel_spec = spec
        variables = {name: value for name, value in os.environ.items() if name != "MPLBACKEND"}
        variables["IPYTHONDIR"] = str(self._folder / "ipython")
        variables["PYDEVD_DISABLE_FILE_VALIDATION"] = "1"
        with self._stderr.open("wb") as stderr:
            await self._manager.start_kernel(cwd=str(cwd), env=variables, stderr=stderr, stdout=stderr)
        process = self._manager.provisioner.process
        self.group = self._manager.provisioner.pgid
        self._death = _when_ended(process)
        self._client = _make_client(self.notebook, self._manager, self._listener)
        ready = asyncio.create_task(self._client.connect(_STARTUP_TIMEOUT_S))
        await asyncio.wait({ready, self._death}, return_when=asyncio.FIRST_COMPLETED)
        if not ready.done():
            ready.cancel()
            raise KernelNotStarted(describe_death(self._death.result()), self._said())
        try:
            ready.result()
        except (RuntimeError, TimeoutError) as error:
            raise KernelNotStarted(str(error), self._said()) from error

    async def run_cell(self, cell: NotebookNode) -> CellError | None:
        """Append a cell to the notebook and execute it; returns what it raised.

        Raises:
            KernelDied: the kernel did, before the cell was through. What it had output until then is kept.
        """
        self.notebook.cells.append(cell)
        return await self._execute(cell)

    async def run_cell_again(self, cell: NotebookNode) -> CellError | None:
        """Execute a cell of the notebook once more, forgetting its outputs."""
        return await self._execute(cell)

    async def _execute(self, cell: NotebookNode) -> CellError | None:
        index = next(i for i, known in enumerate(self.notebook.cells) if known is cell)
        error: CellError | None = await self._unless_dead(self._client.execute(cell, index))
        return error

    async def ask(self, operation: str, **arguments: Any) -> Any:
        """Have the kernel carry out an operation of `mitosis.in_kernel`, unseen by the notebook.

        Raises:
            KernelDied: the kernel did.
            AnswerFailed: the operation itself failed.
        """
        number = next(self._numbers)
        request = self._folder / f"request-{number}"
        reply = self._folder / f"reply-{number}"
        request.write_bytes(msgpack.packb(arguments, use_bin_type=True, unicode_errors="surrogatepass"))
        words = (operation, str(request), str(reply))
        code = f"__import__('mitosis.in_kernel', fromlist=['answer']).answer(*{words!r})"
        content = await self._unless_dead(self._client.execute_hidden(code))
        if content["status"] != "ok" or not reply.exists():
            reason = f"{content.get('ename', 'no answer')}: {content.get('evalue', '')}"
            traceback = _TERMINAL_CODE.sub("", "\n".join(content.get("traceback", [])))
            raise AnswerFailed(operation, reason, traceback)
        data = reply.read_bytes()
        request.unlink()
        reply.unlink()
        return msgpack.unpackb(data, raw=False, unicode_errors="surrogatepass")

    async def _unless_dead(self, work: Any) -> Any:
        assert self._death is not None
        task = asyncio.ensure_future(work)
        try:
            await asyncio.wait({task, self._death}, return_when=asyncio.FIRST_COMPLETED)
            if not task.done():
                await asyncio.wait({task}, timeout=_LAST_OUTPUT_S)
            if task.done() and not task.cancelled() and task.exception() is None:
                return task.result()
            if self._death.done():
                raise KernelDied(self._death.result(), self._said())
            return await task
        finally:
            # What nbclient makes of a kernel that is gone is of no interest then, but has to be fetched.
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError, Exception):
                await task

    @property
    def is_alive(self) -> bool:
        return self._death is not None and not self._death.done()

    def interrupt(self) -> None:
        """Raise KeyboardInterrupt in the kernel, as Ctrl-C does; also in the processes that it started."""
        self._signal(signal.SIGINT)

    def kill(self) -> None:
        """End the kernel and the processes that it started, at once."""
        self._signal(signal.SIGKILL if os.name == "posix" else signal.SIGTERM)

    def _signal(self, number: int) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            if self.group is not None:
                os.killpg(self.group, number)
            elif self._manager is not None and self._manager.provisioner.process is not None:
                self._manager.provisioner.process.send_signal(number)

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
            if self._is_closing and self._death is not None:
                await asyncio.wait({self._death}, timeout=timeout_s)
                ended = self._death.done()
            self.kill()
            if self._death is not None:
                await asyncio.wait({self._death}, timeout=_SHUTDOWN_TIMEOUT_S)
            if self._client is not None:
                self._client.disconnect()
            if self._manager is not None and self._manager.has_kernel:
                await self._manager.cleanup_resources()
        finally:
            shutil.rmtree(self._folder, ignore_errors=True)
            self._ownership.close()
        return ended

    def _said(self) -> str:
        try:
            return self._stderr.read_text(errors="replace")
        except OSError:
            return ""


def _when_ended(process: subprocess.Popen[bytes]) -> asyncio.Future[int | None]:
    """A future that has the process's return code as soon as it ended.

    A thread waits for it, so that nothing has to poll; a daemon, so that it never keeps the runner alive.
    """
    loop = asyncio.get_running_loop()
    ended: asyncio.Future[int | None] = loop.create_future()

    def tell(returncode: int | None) -> None:
        if not ended.done():
            ended.set_result(returncode)

    def wait() -> None:
        returncode = process.wait()
        with contextlib.suppress(RuntimeError):  # the loop was closed meanwhile
            loop.call_soon_threadsafe(tell, returncode)

    threading.Thread(target=wait, name="mitosis-kernel-watch", daemon=True).start()
    return ended


def _make_private_folder() -> tuple[Path, IO[bytes]]:
    """A folder that only this user can open, and the open file whose lock says that it is in use.

    Folders of runners that were killed are removed on the way: nobody holds their lock.
    """
    parent = Path(_short_temporary_folder() or tempfile.gettempdir())
    if os.name == "posix":
        for folder in parent.glob(f"{_FOLDER_PREFIX}*"):
            _remove_if_abandoned(folder)
    made = Path(tempfile.mkdtemp(prefix=_FOLDER_PREFIX, dir=parent))
    ownership = (made / _OWNER).open("wb")
    if os.name == "posix":
        import fcntl

        fcntl.flock(ownership, fcntl.LOCK_EX)
    return made, ownership


def _remove_if_abandoned(folder: Path) -> None:
    import fcntl

    with contextlib.suppress(OSError):  # another user's, somebody's who is about to lock it, or gone by now
        if folder.is_symlink() or folder.stat().st_uid != os.getuid():
            return
        with (folder / _OWNER).open("r+b") as ownership:
            fcntl.flock(ownership, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if time.time() - folder.stat().st_mtime > _ABANDONED_S:
                shutil.rmtree(folder, ignore_errors=True)


def _short_temporary_folder() -> str | None:
    """A folder for temporary files whose name leaves room for that of a socket (104 bytes on macOS)."""
    if len(os.fsencode(tempfile.gettempdir())) > 50 and Path("/tmp").is_dir():
        return "/tmp"
    return None


def _make_client(notebook: NotebookNode, manager: Any, listener: OutputListener) -> Any:
    """nbclient's notebook client, which also tells the listener what is printed."""
    from nbclient import NotebookClient
    from nbclient.exceptions import CellExecutionError

    class Client(NotebookClient):
        async def connect(self, timeout_s: int) -> None:
            self.allow_errors = False
            self.coalesce_streams = False
            self.record_timing = True
            client = manager.client()
            self.kc = client
            # No heartbeat: that the kernel's process ended is seen at once, and a thread less has to be ended.
            client.start_channels(hb=False)
            client.allow_stdin = False
            try:
                await asyncio.wait_for(self._wait_for_ready(client), timeout_s)
            except TimeoutError as error:
                raise TimeoutError(f"it did not answer within {timeout_s} s") from error

        async def _wait_for_ready(self, client: Any) -> None:
            """Ask what kernel it is until the answer comes, and the kernel's broadcast that goes with it.

            jupyter_client's own way of waiting goes on for 0.2 s after that, to see whether more is broadcast. Here
            that is of no interest: cells pass over whatever is not an answer to them.
            """
            asked = set()
            while True:
                asked.add(client.kernel_info())
                with contextlib.suppress(queue.Empty):
                    while (await client.shell_channel.get_msg(timeout=1))["parent_header"].get("msg_id") not in asked:
                        pass
                    # What was broadcast before this subscribed to it is lost: ask again then.
                    while (await client.iopub_channel.get_msg(timeout=0.2))["parent_header"].get("msg_id") not in asked:
                        pass
                    return

        async def execute(self, cell: NotebookNode, index: int) -> CellError | None:  # type: ignore[override]
            try:
                await self.async_execute_cell(cell, index)
            except CellExecutionError as error:
                return CellError(error.ename, error.evalue, tuple(_error_lines(cell)))
            return None

        async def execute_hidden(self, code: str) -> dict[str, Any]:
            assert self.kc is not None
            message_id = self.kc.execute(code, silent=True, store_history=False)
            while True:
                message = await self.kc.shell_channel.get_msg(timeout=None)
                if message["parent_header"].get("msg_id") == message_id:
                    content: dict[str, Any] = message["content"]
                    return content

        def process_message(self, msg: dict[str, Any], cell: NotebookNode, cell_index: int) -> Any:
            if msg["msg_type"] == "stream":
                listener(msg["content"]["name"], msg["content"]["text"])
            return super().process_message(msg, cell, cell_index)

        def request_shutdown(self) -> None:
            assert self.kc is not None
            self.kc.shutdown()

        def disconnect(self) -> None:
            if self.kc is not None:
                self.kc.stop_channels()

    return Client(notebook, km=manager)


def _error_lines(cell: NotebookNode) -> list[str]:
    for output in reversed(cell.outputs):
        if output.output_type == "error":
            return list(output.traceback)
    return []
