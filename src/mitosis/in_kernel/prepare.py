"""Make the kernel ready: search path, log, end of life."""

from __future__ import annotations

import atexit
import logging
import os
import sys
from pathlib import Path

from mitosis.in_kernel.ending import leave_signals_to_runner
from mitosis.in_kernel.figures import set_up_figures
from mitosis.in_kernel.imports import watch_imports
from mitosis.in_kernel.no_input import close_input
from mitosis.in_kernel.streams import send_in_order

LOG_FORMAT = "{levelname}:{asctime}:{module}:{lineno}:{message}"


def prepare(
    *,
    root: str,
    pythonpath: list[str],
    log: str,
    debug: bool,
    figure_dpi: float | None = None,
    figure_format: str = "png",
) -> None:
    """Set up the kernel before any of the user's code runs.

    Args:
        root: top of the working tree, whose imports are watched.
        pythonpath: folders to append to the search path, after what is installed.
        log: file for the root logger's records.
        debug: whether to log from DEBUG instead of INFO.
        figure_dpi: pixels per inch of figures; None for what is sharp on any screen.
        figure_format: `png` or `svg`.
    """
    atexit.register(_end)
    leave_signals_to_runner()
    close_input()
    watch_imports(Path(root))
    sys.path.extend(folder for folder in pythonpath if folder not in sys.path)
    root_logger = logging.getLogger()
    root_logger.setLevel(logging.DEBUG if debug else logging.INFO)
    handler = logging.FileHandler(log, encoding="utf-8", errors="backslashreplace")
    handler.setFormatter(logging.Formatter(LOG_FORMAT, style="{"))
    root_logger.addHandler(handler)
    send_in_order()
    set_up_figures(figure_dpi, figure_format)


def _end() -> None:
    """End the process when the exit functions that user code registered have run, and before ipykernel's.

    Exit functions run last in, first out, so those of ipykernel would follow. They sometimes wait for ever for a
    thread that sends to a socket which is closed already, and there is nothing left that they could save.
    """
    logging.shutdown()
    os._exit(0)
