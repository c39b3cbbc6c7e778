"""What the user's code holds and raises, whatever its objects do when they are looked at."""

from __future__ import annotations

import linecache
import sys
from pathlib import Path
from types import TracebackType
from typing import Any

from mitosis.files import is_installed, real_path
from mitosis.protocol import DescribedFailure, DescribeFailure
from mitosis.text import cut

_CONTEXT_LINES = 2
MESSAGE_LIMIT = 2000


def user_namespace() -> dict[str, Any]:
    """The notebook's variables."""
    from IPython.core.getipython import get_ipython

    shell = get_ipython()
    if shell is None:
        raise RuntimeError("there is no IPython shell: this code only runs inside a Jupyter kernel")
    namespace: dict[str, Any] = shell.user_ns
    return namespace


def let_interrupts_pass(error: BaseException) -> None:
    """Raise the error again if it is an interrupt; whatever else a user's object raises is an answer.

    The user's objects run their own code when they are shown, pickled or asked for an attribute, and may raise
    anything, also what derives from BaseException alone.
    """
    if isinstance(error, KeyboardInterrupt):
        raise error


def describe_exception(error: BaseException) -> str:
    """`Class: message` on one line, whatever the exception's own methods do."""
    message = _message_of(error).strip()
    name = type(error).__name__
    first = message.splitlines()[0] if message else ""
    return f"{name}: {first}" if first else name


def _message_of(error: BaseException) -> str:
    try:
        return str(error)
    except BaseException as message_error:
        let_interrupts_pass(message_error)
        return "(its message cannot be shown)"


def bounded_repr(value: object, limit: int) -> str:
    """The value's repr on one line, cut to `limit` characters; named when it raises."""
    try:
        text = repr(value)
    except BaseException as error:
        let_interrupts_pass(error)
        if type(value) is int:  # of more digits than Python writes
            return cut(hex(value), limit)
        return f"<{type(value).__name__} whose repr raised {describe_exception(error)}>"[:limit]
    text = " ".join(text[: 4 * limit].split())
    return cut(text, limit)


def describe_failure(question: DescribeFailure) -> DescribedFailure:
    """What the cell that failed last raised, and where in the user's code."""
    error = getattr(sys, "last_value", None)
    if not isinstance(error, BaseException):
        return DescribedFailure()
    kind = type(error).__name__
    message = _message_of(error)[:MESSAGE_LIMIT]
    place = _innermost(error.__traceback__, question.root)
    if place is None:
        return DescribedFailure(kind, message)
    path, line, function = place
    shown = Path(path)
    if shown.is_relative_to(question.root):
        shown = shown.relative_to(question.root)
    numbers = range(max(1, line - _CONTEXT_LINES), line + _CONTEXT_LINES + 1)
    context = tuple((number, text.rstrip()) for number in numbers if (text := linecache.getline(path, number)))
    return DescribedFailure(kind, message, f"{shown.as_posix()}:{line} in {function}", line, context)


def _innermost(traceback: TracebackType | None, root: str) -> tuple[str, int, str] | None:
    inside: tuple[str, int, str] | None = None
    outside: tuple[str, int, str] | None = None
    while traceback is not None:
        code = traceback.tb_frame.f_code
        path = real_path(code.co_filename)
        if Path(path).is_file() and not is_installed(path):
            place = (path, traceback.tb_lineno, code.co_name)
            if Path(path).is_relative_to(root):
                inside = place
            else:
                outside = place
        traceback = traceback.tb_next
    return inside or outside
