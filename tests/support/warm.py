"""The command as a process of its own, which starts in a tenth of the time because everything is imported already.

Run as a program, this is a process that has imported what a trial needs, and forks for each command that it is asked
for. The fork is what `python -m mitosis` is once its imports are done: a process with its own working directory,
environment, standard streams, signals and exit status. The kernel of a trial is a fork as well, of the command. That
both start without help is shown by the tests that run `support.e2e.command`.
"""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import fcntl
import functools
import gc
import importlib
import json
import os
import pkgutil
import runpy
import select
import signal
import socket
import subprocess
import sys
import tempfile
import termios
import threading
import traceback
import warnings
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from mitosis.files import TemporaryFolder

_IMPORTED_LATE = (
    "bs4",
    "ipykernel.kernelapp",
    "nbclient",
    "nbconvert.exporters.html",
    "nbformat",
    "rich.live",
    "rich.table",
)
"""What mitosis and its kernel import when they need it, and what takes long."""
_FOR_OTHERS = ("mitosis.__main__", "mitosis.example", "mitosis.in_kernel")
"""Modules that the command does not import."""
_AT_START = ("PYTHON", "LANG", "LC_")
"""How variables begin that count when Python starts."""
_MESSAGE_BYTES = 200_000
_PROGRAM = """\
#!{python} -IS
import json, os, socket, sys
request = {{"words": sys.argv[1:], "cwd": os.getcwd(), "environment": dict(os.environ), "on_terminal": False}}
connection = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
connection.connect({address!r})
socket.send_fds(connection, [json.dumps(request).encode()], [0, 1, 2])
status = int(connection.recv(100))
sys.exit(status if status >= 0 else 128 - status)
"""


class Started(Protocol):
    """A command that runs."""

    def wait(self, timeout: float) -> int:
        """Wait until it ends; returns its exit status as `subprocess.Popen` does.

        Raises:
            subprocess.TimeoutExpired: it did not end in so many seconds.
        """


def start(
    words: Sequence[str],
    cwd: Path,
    environment: Mapping[str, str],
    streams: tuple[int, int, int],
    on_terminal: bool = False,
) -> Started:
    """Start `mitosis`; in a process that is warm if a Python that has started is as good with this environment.

    It is killed where nobody waits for its end.

    Args:
        words: what stands after `mitosis`.
        cwd: working directory.
        environment: all variables.
        streams: its standard streams, as file descriptors of this process.
        on_terminal: have the terminal that its standard input is become its own, as a login does.
    """
    warm = _warm_start()
    if _at_start(environment) == warm.at_start:
        return warm.start(words, cwd, environment, streams, on_terminal)
    return subprocess.Popen(
        [sys.executable, "-m", "mitosis", *words],
        cwd=cwd,
        env=environment,
        stdin=streams[0],
        stdout=streams[1],
        stderr=streams[2],
        preexec_fn=_take_terminal if on_terminal else None,
    )


def run_warm(words: Sequence[str], cwd: Path, environment: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    """Run `mitosis` to its end, with nothing on its standard input and files for what it writes; see `start`.

    Raises:
        subprocess.TimeoutExpired: it did not end.
    """
    # Imported here, as the process that forks has none of the tests' modules on its path.
    from support.waiting import TIMEOUT_S

    with Path(os.devnull).open("rb") as empty, tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        started = start(words, cwd, environment, (empty.fileno(), out.fileno(), err.fileno()))
        status = started.wait(TIMEOUT_S)
        out.seek(0)
        err.seek(0)
        texts = (stream.read().decode() for stream in (out, err))
        return subprocess.CompletedProcess(["mitosis", *words], status, *texts)


def make_program(folder: Path) -> None:
    """Write a program `mitosis` that has the command run in a process that is warm, with its own standard streams.

    Signals do not reach it, and a terminal is not its own.
    """
    program = folder / "mitosis"
    program.write_text(_PROGRAM.format(python=sys.executable, address=str(_warm_start().address)))
    program.chmod(0o755)


@functools.cache
def _warm_start() -> _WarmStart:
    return _WarmStart()


def _at_start(environment: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in environment.items() if name.startswith(_AT_START)}


class _WarmStart:
    """The process that forks, seen from the tests."""

    def __init__(self) -> None:
        self.at_start = _at_start(os.environ)
        folder = TemporaryFolder()  # which others remove if this process is killed
        self.address = folder.path / "socket"
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listener:
            listener.bind(str(self.address))
            listener.listen(100)
            self._server = subprocess.Popen(
                [sys.executable, __file__, str(listener.fileno())],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                pass_fds=[listener.fileno()],
            )
        atexit.register(folder.remove)
        atexit.register(self._server.communicate)

    def start(
        self,
        words: Sequence[str],
        cwd: Path,
        environment: Mapping[str, str],
        streams: tuple[int, int, int],
        on_terminal: bool,
    ) -> _Warm:
        request = {"words": words, "cwd": str(cwd), "environment": dict(environment), "on_terminal": on_terminal}
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        try:
            connection.connect(str(self.address))
            socket.send_fds(connection, [json.dumps(request).encode()], streams)
        except OSError:
            connection.close()
            raise
        return _Warm(words, connection)


class _Warm:
    def __init__(self, words: Sequence[str], connection: socket.socket) -> None:
        self._words = words
        self._connection = connection

    def wait(self, timeout: float) -> int:
        self._connection.settimeout(timeout)
        try:
            with self._connection:
                return int(self._connection.recv(100))
        except TimeoutError as error:
            raise subprocess.TimeoutExpired(["mitosis", *self._words], timeout) from error


# --- the process that forks -----------------------------------------------------------------------


def _serve(listener: socket.socket) -> None:
    """Fork for each request until nobody can ask any more; returns in the fork, as the command that was asked for."""
    _import_all()
    gc.freeze()
    while listener in select.select([listener, sys.stdin], [], [])[0]:
        connection, _ = listener.accept()
        if os.fork() == 0:
            listener.close()
            _attend(connection)
            return
        connection.close()
        with contextlib.suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
    os._exit(0)


def _import_all() -> None:
    import mitosis

    for name in _IMPORTED_LATE:
        importlib.import_module(name)
    for module in pkgutil.walk_packages(mitosis.__path__, "mitosis."):
        if not module.name.startswith(_FOR_OTHERS):
            importlib.import_module(module.name)
    import nbformat

    nbformat.validate(nbformat.v4.new_notebook())  # what it checks by is made at the first use
    _set_home_of_git("/nowhere")  # the first use of libgit2 reads all certificates of the machine


def _attend(connection: socket.socket) -> None:
    """Fork once more, and tell whoever asks how that ends; returns in the fork."""
    message, streams, _, _ = socket.recv_fds(connection, _MESSAGE_BYTES, 3)
    pid = os.fork()
    if pid == 0:
        connection.close()
        _become(json.loads(message), streams)
        return
    for stream in streams:
        os.close(stream)
    awaited: list[Any] = [os.pidfd_open(pid), connection]
    if connection in select.select(awaited, [], [])[0]:
        os.kill(pid, signal.SIGKILL)  # nobody waits any more
    _, status = os.waitpid(pid, 0)
    with contextlib.suppress(OSError):
        connection.send(b"%d" % os.waitstatus_to_exitcode(status))
    os._exit(0)


def _become(request: dict[str, Any], streams: Sequence[int]) -> None:
    os.environ.clear()
    os.environ.update(request["environment"])
    _set_home_of_git(os.environ.get("HOME", "/nowhere"))
    os.chdir(request["cwd"])
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    sys.stdin, sys.stdout, sys.stderr = _open_streams()
    if request["on_terminal"]:
        _take_terminal()
    sys.path[0] = request["cwd"]
    sys.argv[1:] = request["words"]
    from mitosis.kernel import kernel_process

    kernel_process._start = _start_kernel  # type: ignore[assignment]


class _Kernel:
    """A forked kernel, as far as `KernelProcess` asks for `subprocess.Popen`."""

    def __init__(self, pid: int) -> None:
        self.pid = pid

    def wait(self) -> int:
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])


def _start_kernel(command: Sequence[str], cwd: Path, variables: Mapping[str, str], stdout: int, stderr: int) -> _Kernel:
    """What `mitosis.kernel.kernel_process` does, but for what a fork has imported already."""
    parent = os.getpid()
    with warnings.catch_warnings():
        # Later Pythons warn that threads of the command do not go on in the fork. None holds anything that it needs.
        warnings.simplefilter("ignore", DeprecationWarning)
        pid = os.fork()
    if pid:
        return _Kernel(pid)
    try:
        os.setsid()
        signal.set_wakeup_fd(-1)
        for number in signal.valid_signals():
            if callable(signal.getsignal(number)):
                signal.signal(number, signal.SIG_DFL)
        if signal.getsignal(signal.SIGINT) is signal.SIG_DFL:
            signal.signal(signal.SIGINT, signal.default_int_handler)
        os.environ.clear()
        os.environ.update({**variables, "JPY_PARENT_PID": str(parent)})
        os.chdir(cwd)
        with Path(os.devnull).open("rb") as empty:
            os.dup2(empty.fileno(), 0)
        os.dup2(stdout, 1)
        os.dup2(stderr, 2)
        os.closerange(3, 1000)
        sys.stdin, sys.stdout, sys.stderr = _open_streams()
        sys.__stdin__, sys.__stdout__, sys.__stderr__ = sys.stdin, sys.stdout, sys.stderr  # type: ignore[misc]
        atexit._clear()
        asyncio._set_running_loop(None)
        asyncio.set_event_loop_policy(None)
        sys.path[0] = str(cwd)
        _, _, module, *words = command
        sys.argv[1:] = words
        runpy.run_module(module, run_name="__main__", alter_sys=True)
    except SystemExit as ending:
        _end(int(ending.code or 0))
    except BaseException:
        traceback.print_exc()
    _end(1)
    raise AssertionError("not reached")


def _open_streams() -> Iterator[Any]:
    """Standard streams as Python opens them: whether they are a terminal decides how it writes to them."""
    for number, mode, buffering, errors in ((0, "r", -1, None), (1, "w", -1, None), (2, "w", 1, "backslashreplace")):
        yield open(number, mode, buffering, errors=errors, closefd=False)  # noqa: SIM115


def _take_terminal() -> None:
    os.setsid()
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


def _set_home_of_git(home: str) -> None:
    """Have libgit2 look there for configuration: it knows the folders since it was loaded."""
    import pygit2

    levels = pygit2.enums.ConfigLevel
    pygit2.settings.search_path[levels.GLOBAL] = home
    pygit2.settings.search_path[levels.XDG] = f"{home}/.config/git"


def _end(status: int) -> None:
    """End as Python does, without taking apart what was imported: that would touch all memory."""
    threading._shutdown()  # type: ignore[attr-defined]  # waits for threads that are no daemons
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:
            with contextlib.suppress(ValueError):  # closed
                stream.flush()
    os._exit(status)


if __name__ == "__main__":
    sys.path[0] = ""  # not the folder of this file
    _serve(socket.socket(fileno=int(sys.argv[1])))
    try:
        runpy.run_module("mitosis", run_name="__main__", alter_sys=True)
    except SystemExit as ending:
        _end(int(ending.code or 0))
