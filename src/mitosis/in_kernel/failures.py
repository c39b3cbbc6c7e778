"""Where the user's code failed."""

from __future__ import annotations

import linecache
import sys
from pathlib import Path
from types import TracebackType
from typing import Any

from mitosis.in_kernel import describe_exception, let_interrupts_pass
from mitosis.installed import is_installed, real_path

_CONTEXT_LINES = 2
MESSAGE_LIMIT = 2000


def describe_failure(*, root: str) -> dict[str, Any]:
    """What the cell that failed last raised, and where in the user's code.

    Args:
        root: top of the working tree; the innermost frame below it is the place that counts, else the innermost
            frame outside the installed packages.

    Returns:
        `type` and `message` (None and empty where nothing is known), and, where a frame of the user's was found,
        `location` (`file:line in function`, relative to `root`), `line`, and `context`: lists of line number and text
        around it.
    """
    answer: dict[str, Any] = {"type": None, "message": "", "location": None, "line": None, "context": []}
    error = getattr(sys, "last_value", None)
    if not isinstance(error, BaseException):
        return answer
    answer["type"] = type(error).__name__
    try:
        answer["message"] = str(error)[:MESSAGE_LIMIT]
    except BaseException as message_error:
        let_interrupts_pass(message_error)
        answer["message"] = f"(its message cannot be shown: {describe_exception(message_error)})"
    place = _innermost(error.__traceback__, root)
    if place is not None:
        path, line, function = place
        shown = Path(path)
        if shown.is_relative_to(root):
            shown = shown.relative_to(root)
        answer["location"] = f"{shown.as_posix()}:{line} in {function}"
        answer["line"] = line
        last = line + _CONTEXT_LINES
        numbered = (
            (number, linecache.getline(path, number)) for number in range(max(1, line - _CONTEXT_LINES), last + 1)
        )
        answer["context"] = [[number, text.rstrip()] for number, text in numbered if text]
    return answer


def _innermost(traceback: TracebackType | None, root: str) -> tuple[str, int, str] | None:
    inside: tuple[str, int, str] | None = None
    outside: tuple[str, int, str] | None = None
    while traceback is not None:
        code = traceback.tb_frame.f_code
        path = real_path(code.co_filename)
        if Path(path).is_file() and not is_installed(path):
            place = (path, traceback.tb_lineno, code.co_name)
            if path.startswith(root.rstrip("/") + "/"):
                inside = place
            else:
                outside = place
        traceback = traceback.tb_next
    return inside or outside
