"""The process of the kernel: IPython's kernel as Jupyter starts it, without what no trial needs.

Run as `python -m mitosis.in_kernel.launch CONNECTION_FILE [SETUP_FILE]`.

Python's garbage collector rests while some thousand modules and classes are made that stay, and they are set aside
from what it looks at later. The debugger of the Jupyter protocol is left out: nobody can attach one to a trial.
"""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import ctypes
import gc
import json
import os
import signal
import sys
import traceback
from pathlib import Path
from typing import Any

from mitosis.in_kernel.user_code import iter_causes, let_interrupts_pass, message_of
from mitosis.protocol import unpack

_WITHOUT = "debugpy"


def main(connection: str, setup: str | None) -> None:
    """Run a kernel until it is asked to end.

    Args:
        connection: path of the connection file.
        setup: path of a file with the packed `Setup`; None to leave that out.
    """
    gc.disable()
    # Nothing of Jupyter's is to come from the working folder, which `python -m` puts first. ipykernel puts it back.
    if sys.path[0] == "" or Path(sys.path[0]) == Path.cwd():
        del sys.path[0]
    # None makes the import fail as if it were not installed, which ipykernel is prepared for.
    sys.modules[_WITHOUT] = None  # type: ignore[assignment]
    from ipykernel.iostream import IOPubThread
    from ipykernel.kernelapp import IPKernelApp
    from ipykernel.zmqshell import ZMQInteractiveShell

    # Programs that the experiment runs are to find the user's variables: Jupyter has them write colours, and more.
    ZMQInteractiveShell.init_environment = lambda self: None  # type: ignore[method-assign]
    # A forked process sends no messages: ipykernel would have it use a TCP port of the machine, which is open to all.
    IOPubThread._setup_pipe_in = lambda self: None  # type: ignore[method-assign]
    _lose_no_message()
    from mitosis.in_kernel import streams

    own = streams.streams = streams.Streams(json.loads(Path(connection).read_text())["key"])
    atexit.register(own.forget_threads)  # the first to be registered is the last to run
    gc.freeze()  # there are no sockets yet: `_keep_sockets` has less to look at
    app: Any = IPKernelApp.instance()
    app.outstream_class = None
    app.exec_PYTHONSTARTUP = False
    app.initialize(["-f", connection, "--HistoryManager.enabled=False"])
    own.attach(app)
    _end_as_a_script(app)
    _hide_event_loop(app.shell)
    _interrupt_code_alone(app)
    _show_whole_tracebacks(app.shell)
    del sys.modules[_WITHOUT]
    if setup is not None:
        from mitosis.in_kernel.prepare import prepare

        prepare(unpack(Path(setup).read_bytes()), Path(connection).parent)
    import mitosis.in_kernel.answering  # noqa: F401  # or the first question would have to

    _keep_sockets()
    gc.freeze()
    gc.enable()
    app.start()


def _keep_sockets() -> None:
    """Have the sockets that are there outlive all else: where one is freed, it waits for a thread that may be gone.

    So Python can take everything apart at its end, as it does for a script: files that were not closed are written out,
    and `__del__` is called.
    """
    import zmq

    kinds = (zmq.Context, zmq.Socket)
    for made in gc.get_objects():
        if isinstance(made, kinds):
            ctypes.pythonapi.Py_IncRef(ctypes.py_object(made))


def _end_as_a_script(app: Any) -> None:
    """Have the exit functions of the experiment run and those of ipykernel not, and leave its processes alone.

    Those of ipykernel sometimes wait for ever for a thread that sends to a socket which is closed already. It would
    also end all child processes before exit functions could, and wait 14 s for those that ignore SIGTERM, such as the
    resource tracker of multiprocessing, which ends by itself after this process. The runner ends what is left then.
    """
    atexit.unregister(app.iopub_thread.stop)
    atexit.unregister(app.close)
    app.kernel._progressively_terminate_all_children = lambda: asyncio.sleep(0)
    shut_down = app.kernel.do_shutdown

    async def shut_down_awaited(restart: bool) -> Any:
        """ipykernel warns of what is not awaited: an error, and no end, where the experiment has made warnings so."""
        return shut_down(restart)

    app.kernel.do_shutdown = shut_down_awaited


def _hide_event_loop(shell: Any) -> None:
    """Have plain cells run as a script does, where no event loop runs: `asyncio.run` refuses to work inside of one.

    Cells with `await` need the kernel's, and run in it.
    """
    run_cell, kernel = shell.run_cell, os.getpid()
    policy: asyncio.AbstractEventLoopPolicy = asyncio.DefaultEventLoopPolicy()
    """The experiment's, by which it has a loop of its own outside of `asyncio.run` as well."""

    def run_cell_outside(*args: Any, **named: Any) -> Any:
        nonlocal policy
        loop, kernels = asyncio._get_running_loop(), asyncio.get_event_loop_policy()
        asyncio._set_running_loop(None)
        asyncio.set_event_loop_policy(policy)
        try:
            result = run_cell(*args, **named)
        finally:
            policy = asyncio.get_event_loop_policy()
            asyncio.set_event_loop_policy(kernels)
            asyncio._set_running_loop(loop)
        if os.getpid() != kernel:
            _end_fork(result.error_in_exec)
        return result

    shell.run_cell = run_cell_outside


def _interrupt_code_alone(app: Any) -> None:
    """Have SIGINT interrupt what a cell runs, and nothing of the kernel's own, which would say so on standard error.

    One that comes when a request is being prepared interrupts its code as soon as that begins. A kernel without a
    request ignores it.
    """
    run_code = app.shell.run_code
    interruption = compile("raise KeyboardInterrupt", "<interrupt>", "exec")
    has_come = False

    def note(*_: object) -> None:
        nonlocal has_come
        has_come = True

    def begin() -> None:
        nonlocal has_come
        has_come = False
        signal.signal(signal.SIGINT, note)

    async def run_interruptible(code: Any, result: Any = None, *, async_: bool = False) -> Any:
        if has_come:
            return await run_code(interruption, result)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        try:
            return await run_code(code, result, async_=async_)
        finally:
            signal.signal(signal.SIGINT, note)

    app.kernel.pre_handler_hook = begin
    app.kernel.post_handler_hook = lambda: signal.signal(signal.SIGINT, signal.SIG_IGN)
    app.shell.run_code = run_interruptible


def _show_whole_tracebacks(shell: Any) -> None:
    """Have the notebook show of every exception where it was raised, and leave what a script has where it is.

    IPython shows nothing of `sys.exit` but its status and how to leave a notebook, and of exception groups a text on
    standard error that begins with its own frames.
    """
    from IPython.core import interactiveshell

    interactiveshell.warn = lambda *_, **__: None  # type: ignore[attr-defined]
    for name in ("exit", "quit"):
        shell.builtin_trap.auto_builtins.pop(name, None)
    show = shell.showtraceback

    def show_whole(error: Any = None, *words: Any, exception_only: bool = False, **named: Any) -> Any:
        kind, value, traceback_ = shell._get_exc_info(error)
        _give_text(value)
        if not any(isinstance(one, BaseExceptionGroup) for one in (value, *(cause for _, cause in iter_causes(value)))):
            return show(error, *words, **named)
        frames = traceback_.tb_next if traceback_ is not None else None
        return shell._showtraceback(kind, value, ["".join(traceback.format_exception(kind, value, frames))])

    shell.showtraceback = show_whole


def _give_text(error: BaseException) -> None:
    """Have an exception whose text cannot be made say so: what shows it asks for the text, and fails if that raises."""
    try:
        str(error)
    except BaseException as text_error:
        let_interrupts_pass(text_error)
        kind, text = type(error), message_of(error)
        error.__class__ = type(
            kind.__name__, (kind,), {"__slots__": (), "__module__": kind.__module__, "__str__": lambda _: text}
        )


def _end_fork(error: BaseException | None) -> None:
    """End a forked process that has left the step as it leaves a script; it is not to go on as a second kernel."""
    status = 0
    if isinstance(error, SystemExit) and isinstance(error.code, int | None):
        status = error.code or 0
    elif error is not None:
        status = 1
        with contextlib.suppress(Exception):  # the streams are the experiment's, and may be anything
            sys.stderr.write(f"{error}\n") if isinstance(error, SystemExit) else traceback.print_exception(error)
    with contextlib.suppress(Exception):
        sys.stdout.flush()
    os._exit(status)


def _lose_no_message() -> None:
    """Have the socket for messages hold what the runner has not read yet, however much: it would drop some."""
    import zmq
    from ipykernel.kernelapp import IPKernelApp

    init_iopub: Any = IPKernelApp.init_iopub

    def init_without_limit(self: Any, context: Any) -> None:
        context.setsockopt(zmq.SNDHWM, 0)
        init_iopub(self, context)

    IPKernelApp.init_iopub = init_without_limit  # type: ignore[method-assign]


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2] if len(sys.argv) > 2 else None)
