"""What an experiment prints and logs, on its way to the runner.

Standard output and standard error are those of a script: files on the descriptors 1 and 2, which are pipes that the
runner reads. So what C code and other programs write there comes along, whatever Python does meanwhile, and nothing
that was written is lost when the process dies. Marks keep the order, see `mitosis.marks`.
"""

from __future__ import annotations

import contextlib
import io
import logging
import os
import sys
import threading
from typing import Any

from IPython.core.getipython import get_ipython

from mitosis.files import is_installed
from mitosis.marks import BEGIN, END, FENCE, FENCED, LOG, MOST_LOGGED, ORDER, MarkKind, Marks, Stream

_DESCRIPTORS: dict[Stream, int] = {"stdout": 1, "stderr": 2}
_ORDERED = frozenset(
    {"clear_output", "comm_close", "comm_msg", "comm_open", "display_data", "error", "execute_result"}
    | {"update_display_data"}
)
"""The messages that take part in the order."""
_FORMAT = "{levelname} {name}: {message}"


class _Order:
    """Whose turn it is, of what writes: a stream, a message, or nobody."""

    def __init__(self, marks: Marks) -> None:
        self._marks = marks
        # Copies of the pipes: an experiment may lead its own descriptors elsewhere, where marks are not wanted.
        self._pipes = {name: os.dup(descriptor) for name, descriptor in _DESCRIPTORS.items()}
        self._turn: _Stream | str | None = None
        self._ended = 0
        self._fences = 0
        self.is_parent = True
        self.is_heard = False
        """Whether messages arrive: none does before the runner has subscribed to them, and one would be waited for."""
        self.lock: contextlib.AbstractContextManager[Any] = threading.RLock()
        if hasattr(os, "register_at_fork"):
            # What was not written yet, both would write.
            os.register_at_fork(before=self._flush, after_in_child=self._leave_to_parent)

    def _leave_to_parent(self) -> None:
        """A forked process writes to the same pipes, and knows nothing of the order any more."""
        self.is_parent = False
        self.lock = threading.RLock()

    def enter(self, stream: _Stream) -> None:
        """It is a stream's turn."""
        if self._turn is not stream and self.is_parent:
            self._end_turn()
            self._mark(stream.place, BEGIN, self._ended)
            self._turn = stream

    def enter_message(self, *, is_last: bool) -> dict[str, int]:
        """It is a message's turn, which is to be sent next; returns what its metadata has to say.

        Args:
            is_last: whether the cell is through, so that all that was written comes before it.
        """
        if not self.is_heard:
            return {}
        self._end_turn()
        self._turn = "message"
        if not is_last:
            return {ORDER: self._ended}
        self._fences += 1
        for place in self._pipes:
            self._mark(place, FENCE, self._fences)
        return {ORDER: self._ended, FENCED: self._fences}

    def _flush(self) -> None:
        with contextlib.suppress(OSError, ValueError):  # it was closed
            if isinstance(self._turn, _Stream):
                self._turn.flush()

    def reopen(self, place: Stream) -> None:
        """Lead the descriptor to the pipe again: the experiment may have closed it."""
        os.dup2(self._pipes[place], _DESCRIPTORS[place])

    def forget_message(self) -> None:
        """The message was not sent after all."""
        self._turn = None

    def log(self, text: bytes) -> None:
        """Have a text stand in the log of the terminal, after what standard output has so far."""
        for start in range(0, len(text), MOST_LOGGED):
            self._mark("stdout", LOG, 0, text[start : start + MOST_LOGGED])

    def _end_turn(self) -> None:
        self._flush()
        turn, self._turn = self._turn, None
        if turn is None:
            return
        self._ended += 1
        if isinstance(turn, _Stream):
            self._mark(turn.place, END, self._ended)

    def _mark(self, place: Stream, kind: MarkKind, number: int, text: bytes = b"") -> None:
        # An experiment may have closed them: the runner then does not wait for marks for long.
        with contextlib.suppress(OSError):
            os.write(self._pipes[place], self._marks.pack(kind, number, text))


class _Stream(io.TextIOWrapper):
    """Standard output or standard error, of which whole lines are written at once, as on a terminal."""

    def __init__(self, place: Stream, order: _Order) -> None:
        raw = io.FileIO(_DESCRIPTORS[place], "w", closefd=False)
        raw.name = f"<{place}>"
        super().__init__(io.BufferedWriter(raw), encoding="utf-8", errors="backslashreplace", line_buffering=True)
        self.place: Stream = place
        self._order = order

    def write(self, text: str) -> int:
        with self._order.lock:
            self._order.enter(self)
            return super().write(text)


class _LogStream:
    """Where the log goes that the runner shows on the terminal, and does not put into the notebook."""

    def __init__(self, order: _Order, stdout: _Stream) -> None:
        self._order = order
        self._stdout = stdout

    def write(self, text: str) -> None:
        with self._order.lock:
            self._order.enter(self._stdout)
            self._order.log(text.encode("utf-8", "backslashreplace"))


class _ShownHandler(logging.StreamHandler[Any]):
    """Shows the records of the user's own code, and of installed packages those that warn."""

    def filter(self, record: logging.LogRecord) -> Any:
        if record.levelno < logging.WARNING and is_installed(record.pathname):
            return False
        return super().filter(record) and not _is_shown_already(record)


def _is_shown_already(record: logging.LogRecord) -> bool:
    """Whether a handler of the experiment's writes the record to standard output or standard error."""
    shown = (sys.stdout, sys.stderr, sys.__stdout__, sys.__stderr__)
    logger: logging.Logger | None = logging.getLogger(record.name)
    while logger is not None:
        for handler in logger.handlers:
            if not isinstance(handler, _ShownHandler) and getattr(handler, "stream", None) in shown:
                return True
        logger = logger.parent if logger.propagate else None
    return False


class Streams:
    """The standard streams of this process.

    Args:
        secret: see `Marks`.
    """

    def __init__(self, secret: str) -> None:
        self._order = _Order(Marks(secret))
        self._revived: list[str] = []
        for name in _DESCRIPTORS:
            self._open(name)

    def _open(self, name: Stream) -> None:
        stream = _Stream(name, self._order)
        setattr(sys, name, stream)
        setattr(sys, f"__{name}__", stream)

    def forget_threads(self) -> None:
        """Only one thread is left: those that Python ends now may hold the lock for ever."""
        self._order.lock = contextlib.nullcontext()

    def attach(self, app: Any) -> None:
        """Have the messages of ipykernel's application keep the order, and have streams survive each cell."""
        send = app.session.send

        def send_in_order(stream: Any, message: Any, content: Any = None, *args: Any, **named: Any) -> Any:
            kind = message if isinstance(message, str) else message["header"]["msg_type"]
            is_last = kind == "status" and (content or message["content"])["execution_state"] == "idle"
            if kind not in _ORDERED and not is_last:
                return send(stream, message, content, *args, **named)
            if not self._order.is_parent:
                text = (content or message["content"]).get("data", {}).get("text/plain")
                return sys.stdout.write(f"{text}\n") if text is not None else None
            with self._order.lock:
                about = self._order.enter_message(is_last=is_last)
                if isinstance(message, str):
                    named["metadata"] = {**(named.get("metadata") or {}), **about}
                else:
                    message["metadata"] = {**message.get("metadata", {}), **about}
                try:
                    return send(stream, message, content, *args, **named)
                except BaseException:
                    self._order.forget_message()
                    raise

        app.session.send = send_in_order
        shell: Any = get_ipython()
        # They flush what may be closed by then, or None. Nothing is left to be flushed.
        shell.display_pub._flush_streams = lambda: None
        show_traceback = shell._showtraceback

        def show_traceback_after_revival(*args: Any, **named: Any) -> None:
            self._revive()
            show_traceback(*args, **named)

        shell._showtraceback = show_traceback_after_revival
        shell.events.register("post_execute", self._revive)
        shell.events.register("pre_run_cell", self._expect_messages)

    def _expect_messages(self, *_: Any) -> None:
        self._order.is_heard = True

    def _revive(self) -> None:
        """Put the standard streams back that cannot be written to any more: all that follows would fail."""
        for name, descriptor in _DESCRIPTORS.items():
            try:
                getattr(sys, name).flush()
                os.fstat(descriptor)
            except Exception:
                self._order.reopen(name)
                self._open(name)
                self._revived.append(name)

    def take_revived(self) -> list[str]:
        """The names of the streams that had to be put back, since this was asked last."""
        revived, self._revived = self._revived, []
        return revived

    def log_handler(self) -> logging.Handler:
        """Shows on the terminal what is logged."""
        stdout = sys.stdout
        assert isinstance(stdout, _Stream)
        handler = _ShownHandler(_LogStream(self._order, stdout))
        handler.setFormatter(logging.Formatter(_FORMAT, style="{"))
        return handler


streams: Streams | None = None
"""Those of this process, once they are set up."""
