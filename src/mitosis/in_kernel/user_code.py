"""What the user's code holds and raises, whatever its objects do when they are looked at."""

from __future__ import annotations

import linecache
import re
import sys
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from traceback import walk_tb
from typing import Any

from mitosis.files import is_installed, real_path
from mitosis.protocol import DescribedFailure, DescribeFailure
from mitosis.text import cut

_CONTEXT_LINES = 2
_MORE_LINES = 20
_REMOTE_FRAME = re.compile(r'^ *File "(.+)", line (\d+), in (.+)$', re.MULTILINE)
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
    message = message_of(error).strip()
    name = type(error).__name__
    first = message.splitlines()[0] if message else ""
    return f"{name}: {first}" if first else name


def message_of(error: BaseException) -> str:
    """What it says, or that it cannot."""
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
    message = message_of(error)[:MESSAGE_LIMIT]
    if isinstance(error, SystemExit):
        message = f"{0 if error.code is None else message} (the step exited, so it has returned no result)"
    more = tuple(islice(_more_of(error, question), _MORE_LINES))
    place = _innermost(_frames_of(error), question)
    if place is None:
        return DescribedFailure(kind, message, more=more)
    path, line, _ = place
    numbers = range(max(1, line - _CONTEXT_LINES), line + _CONTEXT_LINES + 1)
    context = tuple((number, text.rstrip()) for number in numbers if (text := linecache.getline(path, number)))
    return DescribedFailure(kind, message, _shown(place, question.root), line, context, more)


def iter_causes(error: BaseException) -> Iterator[tuple[str, BaseException]]:
    """What led to an exception, as Python's traceback has it: in what way, and what."""
    seen = {id(error)}
    while True:
        how, cause = "caused by", error.__cause__
        if cause is None and not error.__suppress_context__:
            how, cause = "while handling", error.__context__
        if cause is None or id(cause) in seen:
            return
        yield how, cause
        seen.add(id(cause))
        error = cause


def _more_of(error: BaseException, question: DescribeFailure) -> Iterator[str]:
    """What belongs to an exception beside its message: a line for each note, cause and part."""
    notes = getattr(error, "__notes__", ())
    for note in notes if isinstance(notes, list | tuple) else ():
        yield from str(note).splitlines() if isinstance(note, str) else ()
    for how, cause in iter_causes(error):
        remote = getattr(cause, "tb", None)
        if isinstance(remote, str):  # as concurrent.futures and multiprocessing bring it from another process
            frames = [(real_path(m[1]), int(m[2]), m[3], "") for m in _REMOTE_FRAME.finditer(remote)]
            place = _innermost(frames, question)
            yield f"in a worker process{f': {_shown(place, question.root)}' if place else ''}"
        else:
            yield f"{how} {_described(cause, question)}"
    if isinstance(error, BaseExceptionGroup):
        for part in error.exceptions:
            yield f"- {_described(part, question)}"
            yield from (f"  {line}" for line in _more_of(part, question))


def _described(error: BaseException, question: DescribeFailure) -> str:
    place = _innermost(_frames_of(error), question)
    return f"{describe_exception(error)}{f' ({_shown(place, question.root)})' if place else ''}"


def _frames_of(error: BaseException) -> Iterator[tuple[str, int, str, str]]:
    """File, line, function and package of each frame, the outermost first."""
    for frame, line in walk_tb(error.__traceback__):
        package = str(frame.f_globals.get("__name__")).partition(".")[0]
        yield real_path(frame.f_code.co_filename), line, frame.f_code.co_name, package


def _innermost(frames: Iterable[tuple[str, int, str, str]], question: DescribeFailure) -> tuple[str, int, str] | None:
    places: dict[int, tuple[str, int, str]] = {}
    for path, line, function, package in frames:
        if not Path(path).is_file():
            continue
        rank = 2 if is_installed(path) else 1 if not Path(path).is_relative_to(question.root) else 0
        if rank < 2 or package == question.package:
            places[rank] = (path, line, function)
    return places[min(places)] if places else None


def _shown(place: tuple[str, int, str], root: str) -> str:
    path, line, function = place
    shown = Path(path).relative_to(root) if Path(path).is_relative_to(root) and not is_installed(path) else Path(path)
    return f"{shown.as_posix()}:{line} in {function}"
