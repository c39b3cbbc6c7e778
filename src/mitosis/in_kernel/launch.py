"""The process of the kernel: IPython's kernel as Jupyter starts it, without what no trial needs.

Run as `python -m mitosis.in_kernel.launch CONNECTION_FILE [SETUP_FILE]`.

Python's garbage collector rests while some thousand modules and classes are made that stay, and they are set aside
from what it looks at later. The debugger of the Jupyter protocol is left out: nobody can attach one to a trial.
"""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import gc
import json
import logging
import os
import sys
import traceback
from pathlib import Path
from typing import Any

from mitosis.protocol import unpack

_WITHOUT = "debugpy"


def main(connection: str, setup: str | None) -> None:
    """Run a kernel until it is asked to end.

    Args:
        connection: path of the connection file.
        setup: path of a file with the packed `Setup`; None to leave that out.
    """
    atexit.register(_end)
    gc.disable()
    # Nothing of Jupyter's is to come from the working folder, which `python -m` puts first. ipykernel puts it back.
    if sys.path[0] == "" or Path(sys.path[0]) == Path.cwd():
        del sys.path[0]
    # None makes the import fail as if it were not installed, which ipykernel is prepared for.
    sys.modules[_WITHOUT] = None  # type: ignore[assignment]
    from ipykernel.iostream import IOPubThread
    from ipykernel.kernelapp import IPKernelApp

    # A forked process sends no messages: ipykernel would have it use a TCP port of the machine, which is open to all.
    IOPubThread._setup_pipe_in = lambda self: None  # type: ignore[method-assign]
    _lose_no_message()
    from mitosis.in_kernel import streams

    own = streams.streams = streams.Streams(json.loads(Path(connection).read_text())["key"])
    app: Any = IPKernelApp.instance()
    app.outstream_class = None
    app.exec_PYTHONSTARTUP = False
    app.initialize(["-f", connection, "--HistoryManager.enabled=False"])
    own.attach(app)
    _end_as_a_script(app)
    _hide_event_loop(app.shell)
    del sys.modules[_WITHOUT]
    if setup is not None:
        from mitosis.in_kernel.prepare import prepare

        prepare(unpack(Path(setup).read_bytes()), Path(connection).parent)
    import mitosis.in_kernel.answering  # noqa: F401  # or the first question would have to

    gc.freeze()
    gc.enable()
    app.start()


def _end() -> None:
    """End the process once all other exit functions have run: this is the first to be registered, so the last to run.

    What Python does after them may wait for threads of ZeroMQ's, and there is nothing left that they could save.
    """
    logging.shutdown()
    os._exit(0)


def _end_as_a_script(app: Any) -> None:
    """Have the exit functions of the experiment run and those of ipykernel not, and leave its processes alone.

    Those of ipykernel sometimes wait for ever for a thread that sends to a socket which is closed already. It would
    also end all child processes before exit functions could, and wait 14 s for those that ignore SIGTERM, such as the
    resource tracker of multiprocessing, which ends by itself after this process. The runner ends what is left then.
    """
    atexit.unregister(app.iopub_thread.stop)
    atexit.unregister(app.close)
    app.kernel._progressively_terminate_all_children = lambda: asyncio.sleep(0)


def _hide_event_loop(shell: Any) -> None:
    """Have plain cells run as a script does, where no event loop runs: `asyncio.run` refuses to work inside of one.

    Cells with `await` need the kernel's, and run in it.
    """
    run_cell, kernel = shell.run_cell, os.getpid()

    def run_cell_outside(*args: Any, **named: Any) -> Any:
        loop = asyncio._get_running_loop()
        asyncio._set_running_loop(None)
        try:
            result = run_cell(*args, **named)
        finally:
            asyncio._set_running_loop(loop)
            asyncio.set_event_loop(loop)
        if os.getpid() != kernel:
            _end_fork(result.error_in_exec)
        return result

    shell.run_cell = run_cell_outside


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
