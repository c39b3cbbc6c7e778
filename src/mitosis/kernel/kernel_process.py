"""The kernel's process, how it and what it does end other than well, and a private folder for its sockets.

Nothing of Jupyter's is imported here, except on Windows.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from mitosis.errors.base import ExitStatus, MitosisError, bulleted
from mitosis.errors.files import NoTemporaryPlace
from mitosis.files import TemporaryFolder, temporary_place
from mitosis.marks import Stream
from mitosis.process import living_in_group, signal_name
from mitosis.protocol import Setup, pack

if TYPE_CHECKING:
    from jupyter_client.connect import KernelConnectionInfo

_CONNECTION = "kernel.json"
_KEY_BYTES = 32
_ROOM_BYTES = 2**16
_LOOK_AGAIN_S = 0.01
_SAID_LINES = 15
_SOCKET = "ipc"
_PATH_LIMIT_BYTES = 100
"""Of a socket's path: unix(7) allows 107 on Linux, macOS 103, and ipykernel appends a number."""


class KernelDied(MitosisError):
    """The kernel ended in the middle of something. Attributes: returncode (None if unknown), said."""

    exit_status = ExitStatus.FAILED

    def __init__(self, returncode: int | None, said: str) -> None:
        self.returncode = returncode
        self.said = said.strip()
        super().__init__(describe_death(returncode, self.said))


class KernelNotStarted(MitosisError):
    """No kernel could be started. Attributes: said (what it wrote to standard error)."""

    def __init__(self, reason: str, said: str, remedy: str | None = None) -> None:
        self.said = said.strip()
        tail = "\n".join(f"    {line}" for line in self.said.splitlines()[-_SAID_LINES:])
        remedy = remedy or f"{tail}\nTry it alone: {sys.executable} -m ipykernel_launcher --help"
        super().__init__(f"the Jupyter kernel did not start: {reason}\n{remedy}")


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
        name = signal_name(-returncode)
        text = f"the kernel was killed by {name}"
        if name == "SIGKILL":
            text += " (did the machine run out of memory?)"
    else:
        text = f"the kernel ended with exit status {returncode}"
    last = [line.strip() for line in said.splitlines() if line.strip()]
    fatal = next((line for line in last if line.startswith("Fatal Python error")), None)
    return f"{text}: {fatal}" if fatal else text


class PrivateFolder:
    """A folder of mode 0700, removed when it is no longer needed.

    It is made where temporary files belong. If that place is not writable or full, or its path too long for that of a
    socket, or its file system has no sockets, another one is taken.

    Args:
        last: where to make it if no other place will do.

    Attributes:
        path: of the folder.

    Raises:
        KernelNotStarted: there is no place for it. It says of each that was tried why not.
    """

    def __init__(self, last: Path | None = None) -> None:
        passed_over: list[str] = []
        for parent in (*_places(), *filter(None, [last])):
            try:
                self._folder = _make_in(parent)
            except OSError as error:
                passed_over.append(f"{parent}: {error.strerror or error}")
                continue
            break
        else:
            reason = f"there is no usable folder for its sockets\n{bulleted(passed_over)}"
            raise KernelNotStarted(reason, "", "Make room in one of them, or set TMPDIR to a folder with a short path.")
        self.path = self._folder.path

    def write(self, name: str, data: bytes) -> Path:
        """Write a new file that only this user can read."""
        path = self.path / name
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(data)
        return path

    def remove(self) -> None:
        """Remove it with all that is in it. May be called again."""
        self._folder.remove()


def _places() -> Iterator[Path]:
    """Where the folder may be, best first."""
    names: list[str] = []
    with contextlib.suppress(NoTemporaryPlace):
        names.append(os.fspath(temporary_place()))
    if os.name == "posix":
        names += ["/tmp", "/var/tmp", os.environ.get("XDG_RUNTIME_DIR", "")]
    yield from (Path(name).absolute() for name in dict.fromkeys(names) if name)


def _make_in(parent: Path) -> TemporaryFolder:
    """A folder in `parent` in which there can be a socket: not every file system has them."""
    made = TemporaryFolder(parent)
    if os.name == "posix":
        room = made.path / "room"
        path = made.path / f"{_SOCKET}-0"
        try:
            if len(os.fsencode(path)) > _PATH_LIMIT_BYTES:
                raise OSError(f"the path of a socket in it would be longer than {_PATH_LIMIT_BYTES} bytes")
            with socket.socket(socket.AF_UNIX) as trial:
                trial.bind(str(path))
            path.unlink()
            room.write_bytes(bytes(_ROOM_BYTES))
            room.unlink()
        except OSError:
            made.remove()
            raise
    return made


class KernelProcess:
    """A kernel that runs, or ran.

    Args:
        folder: where its sockets are to be.
        cwd: its working directory.
        setup: how it sets itself up before all else; None to leave that out.

    Attributes:
        connection: what a client has to know to speak to it, in the manner of Jupyter's connection files
            (https://jupyter-client.readthedocs.io/en/stable/kernels.html#connection-files).
        group: its process group, on POSIX.
        pipes: where what it writes to its standard streams can be read.
        death: has its return code as soon as it ended.

    Raises:
        OSError: it cannot be started.
    """

    def __init__(self, folder: PrivateFolder, cwd: Path, setup: Setup | None) -> None:
        self.connection = _write_connection(folder)
        command = [sys.executable, "-m", "mitosis.in_kernel.launch", str(folder.path / _CONNECTION)]
        if setup is not None:
            command.append(str(folder.write("setup", pack(setup))))
        # What chooses a backend of matplotlib's for the terminal is not meant for a notebook.
        variables = {name: value for name, value in os.environ.items() if name != "MPLBACKEND"}
        variables["IPYTHONDIR"] = str(folder.path / "ipython")
        stdout, stdout_end = os.pipe()
        stderr, stderr_end = os.pipe()
        self.pipes: dict[Stream, int] = {"stdout": stdout, "stderr": stderr}
        try:
            self._popen = _start(command, cwd, variables, stdout_end, stderr_end)
        except OSError:
            os.close(stdout)
            os.close(stderr)
            raise
        finally:
            os.close(stdout_end)
            os.close(stderr_end)
        self.group = self._popen.pid if os.name == "posix" else None
        self.death = _when_ended(self._popen)
        self._guard = _start_guard(self.group) if self.group is not None else None

    @property
    def is_alive(self) -> bool:
        return not self.death.done()

    def interrupt(self) -> None:
        """Raise KeyboardInterrupt in the kernel, as Ctrl-C does; also in the processes that it started."""
        if sys.platform == "win32":
            from jupyter_client.win_interrupt import send_interrupt

            send_interrupt(self._popen.win32_interrupt_event)
        else:
            self._signal_group(signal.SIGINT)

    def suspend(self) -> None:
        """Stop the kernel and the processes that it started, until `resume`, or this process ends. On POSIX."""
        if sys.platform != "win32":
            self._signal_group(signal.SIGSTOP)

    def resume(self) -> None:
        """Let the kernel and the processes that it started go on."""
        if sys.platform != "win32":
            self._signal_group(signal.SIGCONT)

    def kill(self) -> None:
        """End the kernel and the processes that it started, at once."""
        if sys.platform == "win32":
            self._popen.terminate()
        else:
            self._signal_group(signal.SIGKILL)

    async def end_others(self, timeout_s: float) -> list[str]:
        """End what the dead kernel has started and left.

        Args:
            timeout_s: how long they may take to end by themselves, as those do that see the end of their parent.

        Returns:
            Those that had to be ended: each one's id and command line.
        """
        left: list[str] = []
        if self.group is not None:
            deadline = time.monotonic() + timeout_s
            while (left := living_in_group(self.group)) and time.monotonic() < deadline:
                await asyncio.sleep(_LOOK_AGAIN_S)
            self.kill()
        if self._guard is not None:
            self._guard.communicate(b"\n")
            self._guard = None
        return left

    def _signal_group(self, number: int) -> None:
        assert self.group is not None
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.group, number)


def _write_connection(folder: PrivateFolder) -> KernelConnectionInfo:
    """Choose a key and sockets, and write both to the file that the kernel reads them from."""
    key = secrets.token_hex(_KEY_BYTES)
    if sys.platform == "win32":
        from jupyter_client.connect import write_connection_file

        _, connection = write_connection_file(str(folder.path / _CONNECTION), key=key.encode())
        return connection
    connection: KernelConnectionInfo = {
        "transport": "ipc",
        "ip": str(folder.path / _SOCKET),  # a number comes behind it
        "signature_scheme": "hmac-sha256",
        "key": key,
        "shell_port": 1,
        "iopub_port": 2,
        "stdin_port": 3,
        "control_port": 4,
        "hb_port": 5,
    }
    folder.write(_CONNECTION, json.dumps(connection).encode())
    return connection


def _start(
    command: list[str], cwd: Path, variables: dict[str, str], stdout: int, stderr: int
) -> subprocess.Popen[bytes]:
    if sys.platform == "win32":
        # It passes on the handles by which the kernel is interrupted and sees the end of this process.
        from jupyter_client.launcher import launch_kernel

        return launch_kernel(command, stdout=stdout, stderr=stderr, cwd=str(cwd), env=variables)
    # By this ipykernel looks whether this process is there, once a second.
    variables["JPY_PARENT_PID"] = str(os.getpid())
    return subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=stdout,
        stderr=stderr,
        cwd=cwd,
        env=variables,
        start_new_session=True,
    )


def _start_guard(group: int) -> subprocess.Popen[bytes] | None:
    """Start a process that kills a process group if this process ends before it has told it not to.

    What the kernel has started does not see for itself that this process is gone, and what is stopped sees nothing.
    What has begun a session of its own (setsid) is left: nothing tells it from a daemon that is to stay.

    Returns:
        What ends as soon as it gets a line on standard input; None where it could not be started.
    """
    # The group first, then what has a group of its own in the kernel's session, where `ps` tells sessions.
    others = 'ps -A -o pid= -o sid= | while read -r p s; do [ "$s" = "$0" ] && kill -s KILL "$p"; done'
    script = f'read -r line || {{ kill -s KILL -- "-$0"; {others}; }}'
    try:
        return subprocess.Popen(
            ["/bin/sh", "-c", script, str(group)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd="/",
            start_new_session=True,  # or what the terminal sends would reach it
        )
    except OSError:
        return None


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
