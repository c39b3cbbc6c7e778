"""The git program. It is started nowhere else.

Everything that must obey the user's own set-up of git (filters, submodules, credentials, hooks, identity) goes through
it.
"""

from __future__ import annotations

import contextlib
import math
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, NamedTuple

from mitosis.errors.base import of_signal
from mitosis.errors.repository import GitError, GitMissing, NotARepository
from mitosis.files import temporary_place


def run_git(
    *command: str,
    cwd: Path,
    stdin: bytes | None = None,
    environment: Mapping[str, str] | None = None,
) -> bytes:
    """Run the git program and return what it wrote to standard output.

    Args:
        command: the words after `git`.
        cwd: the folder to run in.
        stdin: bytes for its standard input; nothing by default.
        environment: variables to set on top of the present ones.

    Raises:
        GitMissing: there is no git program.
        GitError: it ended with another status than 0.
    """
    variables = {**os.environ, **_absolute_locations(), **_FIXED_VARIABLES, **(environment or {})}
    with _starting(command, cwd):
        done = subprocess.run(
            ["git", *command],
            cwd=cwd,
            input=stdin,
            stdin=subprocess.DEVNULL if stdin is None else None,
            capture_output=True,
            env=variables,
            check=False,
        )
    if done.returncode != 0:
        raise GitError(["git", *command], done.returncode, done.stderr.decode(errors="replace"))
    return done.stdout


class Streamed(NamedTuple):
    """How a git program ended whose messages were handed on while it ran."""

    status: int
    output: str
    """What it wrote to standard output."""
    messages: str
    """What it wrote to standard error."""


def stream_git(
    *command: str,
    cwd: Path,
    tell: Callable[[bytes], None],
    unattended: bool = False,
    timeout_s: float | None = None,
    stdin: IO[bytes] | None = None,
    environment: Mapping[str, str] | None = None,
) -> Streamed:
    """Run the git program, and hand on what it says to people while it says it.

    It may ask for a password on the terminal, unless it runs unattended.

    Args:
        command: the words after `git`.
        cwd: the folder to run in.
        tell: is given what git writes to standard error, as it comes.
        unattended: whether nobody is there to answer: git then has no terminal and no input, so that it fails instead
            of asking.
        timeout_s: after so long git and what it started are ended.
        stdin: a file for its standard input; None for that of this process.
        environment: variables to set on top of the present ones.

    Raises:
        GitMissing: there is no git program.
        GitError: it could not be started, or took longer than `timeout_s`.
    """
    import tempfile

    variables = {**os.environ, **_absolute_locations(), **_FIXED_VARIABLES, **(environment or {})}
    if unattended:
        variables["GIT_TERMINAL_PROMPT"] = "0"
        # Windows that ask would wait for somebody. Whoever has set these has a program that answers by itself.
        for name, value in (("GIT_ASKPASS", ""), ("SSH_ASKPASS_REQUIRE", "never"), ("GCM_INTERACTIVE", "never")):
            variables.setdefault(name, value)
    messages = bytearray()
    said: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    deadline = math.inf if timeout_s is None else time.monotonic() + timeout_s
    with _outlived_by_nothing(), tempfile.TemporaryFile(dir=temporary_place()) as output:
        with _starting(command, cwd):
            process = subprocess.Popen(
                ["git", *command],
                cwd=cwd,
                stdin=subprocess.DEVNULL if unattended and stdin is None else stdin,
                stdout=output,
                stderr=subprocess.PIPE,
                env=variables,
                start_new_session=unattended,
            )
        assert process.stderr is not None
        try:
            threading.Thread(target=_read, args=(process.stderr, said), daemon=True).start()
            for data in _until_ended(process, said, deadline):
                messages += data
                tell(data)
            is_late = process.poll() is None
        except BaseException:
            _end(process, unattended)
            raise
        if is_late:
            _end(process, unattended)
            problem = f"it took longer than {timeout_s:.0f} s and was stopped"
            raise GitError(["git", *command], process.returncode, problem)
        output.seek(0)
        written = output.read().decode(errors="surrogateescape")
    return Streamed(process.returncode, written, messages.decode(errors="replace"))


def show_git(*command: str, cwd: Path) -> None:
    """Run the git program for a person: it has the streams of this process, and pages as it is set up.

    Args:
        command: the words after `git`.
        cwd: the folder to run in.

    Raises:
        GitMissing: there is no git program.
        GitError: it ended with another status than 0, having said why.
    """
    sys.stdout.flush()
    with _starting(command, cwd), _interrupting_only_programs():
        status = subprocess.run(["git", *command], cwd=cwd, env={**os.environ, **_absolute_locations()}, check=False)
    if status.returncode > 0:
        raise GitError(["git", *command], status.returncode, "what it said stands above")


@contextlib.contextmanager
def _interrupting_only_programs() -> Iterator[None]:
    """Let Ctrl-C be for the program at the terminal, such as a pager, which may live on."""
    is_main = threading.current_thread() is threading.main_thread()
    # A handler that does nothing: programs would inherit that a signal is ignored.
    before = signal.signal(signal.SIGINT, lambda *_: None) if is_main else None
    try:
        yield
    finally:
        if before is not None:
            signal.signal(signal.SIGINT, before)


@contextlib.contextmanager
def _outlived_by_nothing() -> Iterator[None]:
    """While this process waits for a program, a signal that would just end it lets it end the program first.

    Where somebody handles these signals, they decide. Nothing can be done about SIGKILL.
    """

    def stop(number: int, frame: object) -> None:
        sys.exit(of_signal(number))

    is_main = threading.current_thread() is threading.main_thread()
    numbers = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name) and is_main]
    ours = [number for number in numbers if signal.getsignal(number) is signal.SIG_DFL]
    try:
        for number in ours:
            signal.signal(number, stop)
        yield
    finally:
        for number in ours:
            signal.signal(number, signal.SIG_DFL)


_TICK_S = 0.2

_LEFT_OPEN_S = 1.0
"""How long to wait for the rest of what git has said when it has ended: what it left running may hold the pipe open."""

_END_S = 2.0
"""How long a program may take to end in good order."""


def _read(pipe: IO[bytes], said: queue.SimpleQueue[bytes]) -> None:
    """Read a pipe to its end, which is empty."""
    with pipe:
        while data := os.read(pipe.fileno(), 65536):
            said.put(data)
    said.put(b"")


def _until_ended(process: subprocess.Popen[bytes], said: queue.SimpleQueue[bytes], deadline: float) -> Iterator[bytes]:
    """What a program says to people, until it has ended, or it is later than `deadline`."""
    is_open = True
    has_ended = False
    while (is_open or not has_ended) and time.monotonic() <= deadline:
        with contextlib.suppress(queue.Empty, subprocess.TimeoutExpired):
            if is_open:
                data = said.get(timeout=_TICK_S)
                is_open = bool(data)
                yield data
            else:
                process.wait(_TICK_S)
        if not has_ended and process.poll() is not None:
            has_ended = True
            deadline = time.monotonic() + _LEFT_OPEN_S


def _end(process: subprocess.Popen[bytes], has_session: bool) -> None:
    """End a program and, if they are in a session of their own, what it started."""
    for number in (signal.SIGTERM, getattr(signal, "SIGKILL", signal.SIGTERM)):
        with contextlib.suppress(ProcessLookupError, PermissionError):  # macOS refuses where only zombies are left
            if has_session and hasattr(os, "killpg"):
                os.killpg(process.pid, number)
            else:
                process.send_signal(number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(_END_S)


@contextlib.contextmanager
def _starting(command: Sequence[str], cwd: Path) -> Iterator[None]:
    """Say of a git program that cannot be started why not."""
    try:
        yield
    except OSError as error:
        if not os.access(cwd, os.X_OK) or not cwd.is_dir():
            raise NotARepository(cwd) from error
        if isinstance(error, FileNotFoundError):
            raise GitMissing() from error
        raise GitError(["git", *command], -1, f"it could not be started: {error}") from error


def start_git(*command: str, cwd: Path) -> None:
    """Start the git program in the background, and leave it alone: it may outlive this process, and nobody is told.

    Args:
        command: the words after `git`.
        cwd: the folder to run in.

    Raises:
        GitMissing: there is no git program.
        GitError: it could not be started.
    """
    variables = {**os.environ, **_absolute_locations(), "GIT_TERMINAL_PROMPT": "0"}
    with _starting(command, cwd):
        started = subprocess.Popen(
            ["git", *command],
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=variables,
            start_new_session=True,
        )
    _left_alone.append(started)


_left_alone: list[subprocess.Popen[bytes]] = []
"""Processes that are not waited for; what forgets a process that runs is warned."""


LONGEST_ANSWER_BYTES = 200
"""Of a line in which `git cat-file` says what follows."""
READ_AHEAD_BYTES = 2**18


@contextlib.contextmanager
def reading_git(*command: str, cwd: Path, stdin: IO[bytes], is_read_whole: bool = False) -> Iterator[IO[bytes]]:
    """What a git program writes to standard output; it is ended when nobody wants more.

    Args:
        command: the words after `git`.
        cwd: the folder to run in.
        stdin: a file for its standard input.
        is_read_whole: whether what is read to its end counts only if the program then ends well.

    Raises:
        GitMissing: there is no git program.
        GitError: it could not be started, or was to end well and did not.
    """
    import tempfile

    # Objects are read by their ids, as libgit2 does, whatever `git replace` has put in their places.
    variables = {**os.environ, **_absolute_locations(), **_FIXED_VARIABLES, "GIT_NO_REPLACE_OBJECTS": "1"}
    # A pipe for messages that nobody empties meanwhile could fill, and stop the program.
    with tempfile.TemporaryFile(dir=temporary_place()) if is_read_whole else Path(os.devnull).open("w+b") as messages:
        with _starting(command, cwd):
            process = subprocess.Popen(
                ["git", *command],
                cwd=cwd,
                stdin=stdin,
                stdout=subprocess.PIPE,
                stderr=messages,
                env=variables,
                bufsize=READ_AHEAD_BYTES,
            )
        assert process.stdout is not None
        try:
            with process.stdout:
                yield process.stdout
            if is_read_whole and process.wait() != 0:
                messages.seek(0)
                raise GitError(["git", *command], process.returncode, messages.read().decode(errors="replace"))
        finally:
            process.kill()
            process.wait()


# LANGUAGE would still choose the language of messages, some of which are recognised.
_FIXED_VARIABLES = {"GIT_OPTIONAL_LOCKS": "0", "LC_ALL": "C.UTF-8", "LANGUAGE": "C"}

_LOCATIONS = ("GIT_DIR", "GIT_WORK_TREE", "GIT_COMMON_DIR", "GIT_INDEX_FILE", "GIT_OBJECT_DIRECTORY")


def _absolute_locations() -> dict[str, str]:
    """Where git is told to look, made absolute: inside a hook it is relative to the folder that this process is in."""
    return {name: str(Path(os.environ[name]).absolute()) for name in _LOCATIONS if os.environ.get(name)}
