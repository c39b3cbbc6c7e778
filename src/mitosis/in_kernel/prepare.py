"""Make the kernel ready: search path, log, signals, no input, end of life."""

from __future__ import annotations

import bdb
import logging
import os
import signal
import sys
import threading
import warnings
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn

from IPython.core.getipython import get_ipython

from mitosis.in_kernel import streams
from mitosis.in_kernel.figures import set_up_figures
from mitosis.in_kernel.imports import run_as_script, watch_imports, watch_workers
from mitosis.protocol import Setup

LOG_FORMAT = "{levelname}:{asctime}:{module}:{lineno}:{message}"
_SIGNALS = ("SIGTERM", "SIGHUP")
_PROMPT_LIMIT = 60
_ENDING = "a trial gets no input."
_NO_WARNING = "IProgress not found"
"""How a warning of tqdm's begins that is meant for whoever sits at a notebook."""


def prepare(setup: Setup, folder: Path) -> None:
    """Set up the kernel before any of the user's code runs.

    Args:
        setup: how.
        folder: that of the connection file.
    """
    _leave_signals_to_runner()
    _close_input()
    log = folder / "imported"
    log.touch()
    watch_imports(setup.root, str(log), str(Path.cwd()))
    watch_workers(setup.root, folder / "workers")
    # Dictionaries are evaluated at the root everywhere: a relative path has to lead to the same file in each trial.
    sys.path[:] = [entry or str(Path.cwd()) for entry in sys.path]
    os.chdir(setup.root)
    sys.path.extend(folder for folder in setup.pythonpath if folder not in sys.path)
    run_as_script(setup.module)
    logging.getLogger().setLevel(logging.DEBUG if setup.debug else logging.INFO)
    handler = logging.FileHandler(setup.log, encoding="utf-8", errors="backslashreplace")
    handler.setFormatter(logging.Formatter(LOG_FORMAT, style="{"))
    assert streams.streams is not None
    _log_besides(handler, streams.streams.log_handler())
    set_up_figures(setup.figure_dpi, setup.figure_format)
    warnings.filterwarnings("ignore", _NO_WARNING)


def _log_besides(*handlers: logging.Handler) -> None:
    """Have handlers get the records that the root logger gets, whatever the experiment does to that.

    If they were its own, `basicConfig` would do nothing, and other ways to configure logging would remove them.
    """
    call_handlers = logging.Logger.callHandlers

    def call_all_handlers(logger: logging.Logger, record: logging.LogRecord) -> None:
        above = logger
        while above.parent is not None and above.propagate:
            above = above.parent
        for handler in handlers if above.parent is None else ():
            handler.handle(record)
        call_handlers(logger, record)

    logging.Logger.callHandlers = call_all_handlers  # type: ignore[method-assign, assignment]
    logging.lastResort = logging.NullHandler()  # or it would show again what these have shown


def _leave_signals_to_runner() -> None:
    """Let signals pass that ask this process to end: the runner interrupts the step, and records why.

    Whoever runs jobs sends them to all processes of a job at once. A process that the experiment forks ends by them, as
    ever, and so does a program that it starts. Signals that are ignored stay so: somebody used `nohup`.
    """
    left = [n for name in _SIGNALS if (n := getattr(signal, name, None)) and signal.getsignal(n) == signal.SIG_DFL]

    def handle(number: int, frame: FrameType | None) -> None:
        """Do nothing; a signal that is ignored would be ignored by programs that the experiment starts, too."""

    for number in left:
        signal.signal(number, handle)
    if not hasattr(os, "register_at_fork"):
        return
    masks = threading.local()

    def hold_back() -> None:
        masks.before = signal.pthread_sigmask(signal.SIG_BLOCK, left)

    def let_come() -> None:
        signal.pthread_sigmask(signal.SIG_SETMASK, masks.before)

    def end_by_signals() -> None:
        for number in left:
            if signal.getsignal(number) is handle:
                signal.signal(number, signal.SIG_DFL)
        let_come()

    # Python forgets a signal that reaches a new process before it has a handler of its own.
    os.register_at_fork(before=hold_back, after_in_parent=let_come, after_in_child=end_by_signals)


def _close_input() -> None:
    """Have `input`, `getpass` and debuggers raise what Python does where there is no input, with more to say.

    Who runs the trial again would have to type the same.
    """
    shell: Any = get_ipython()
    # ipykernel replaces `input` and `getpass` while a cell runs, by these.
    shell.kernel.raw_input = _input
    shell.kernel.getpass = _getpass
    # Where pdb and IPython's debugger begin. They take an end of input for a wish to quit, and say nothing of why.
    bdb.Bdb.set_trace = _set_trace  # type: ignore[method-assign, assignment]


def _input(prompt: object = "", /) -> NoReturn:
    _refuse("input", prompt)


def _getpass(prompt: str = "", stream: object = None, **_: object) -> NoReturn:
    _refuse("getpass", prompt)


def _refuse(name: str, prompt: object) -> NoReturn:
    asked = str(prompt).strip()[:_PROMPT_LIMIT]
    call = f"{name}({asked!r})" if asked else f"{name}()"
    raise EOFError(f"{call}: {_ENDING} Make it a parameter of the step")


def _set_trace(debugger: bdb.Bdb, *_: object, **__: object) -> NoReturn:
    raise EOFError(f"a debugger would stop here: {_ENDING} Remove the breakpoint, or run the notebook in Jupyter")
