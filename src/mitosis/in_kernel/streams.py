"""What an experiment prints and logs, sent to the runner in the order in which it comes.

ipykernel gathers standard output and standard error apart, and sends each some five times a second. What was written to
one is therefore sent before anything is taken for another.
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable, Sequence
from typing import Any

from ipykernel.iostream import OutStream
from IPython.core.getipython import get_ipython

from mitosis.files import is_installed

LOG_STREAM = "log"
"""The name of the stream of log lines, which the runner shows and does not put into the notebook: it has the log."""

_MESSAGE_CHARACTERS = 2_000_000
"""So much is sent at once at most, as far as it was not written at once: the runner has to hold a message thrice."""

_FORMAT = "{levelname} {name}: {message}"


class _Order:
    """Has each stream sent before another one takes over, and before it has gathered very much.

    Args:
        streams: those that take part.
    """

    def __init__(self, streams: Sequence[Any]) -> None:
        self._streams = streams
        self._last: Any = None
        self._gathered = 0
        self._pid = os.getpid()
        self._written: set[Any] = set()

    def keep(self) -> None:
        """Have writing keep the order: IPython replaces `write` of its streams for each cell that it runs."""
        for stream in self._streams:
            write = stream.write
            if write not in self._written:
                stream.write = self._in_order(stream, write)
        self._written = {stream.write for stream in self._streams}

    def _in_order(self, stream: Any, write: Callable[..., Any]) -> Callable[..., Any]:
        def write_in_order(text: str) -> Any:
            # A forked process has no thread that sends: there, what its parent has not sent must not be sent again.
            if (self._last is not stream or self._gathered > _MESSAGE_CHARACTERS) and os.getpid() == self._pid:
                last, self._last = self._last, stream
                self._gathered = 0
                if last is not None:
                    last.flush()
            self._gathered += len(text)
            return write(_encodable(text))

        return write_in_order


def _encodable(text: Any) -> Any:
    """The text with escapes in place of lone surrogates: no message could carry it, and all with it would be lost."""
    if not isinstance(text, str) or text.isascii():
        return text
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-8", "backslashreplace").decode()
    return text


def _sent_by(flush: Callable[[], None]) -> Callable[[], None]:
    """A `flush` that returns when the text is on its way.

    ipykernel's has only put the message into a queue by then, which its own thread works off. What is called next may
    be code that lets no other thread run until the kernel is killed: the second call waits for the queue.
    """

    def flush_and_send() -> None:
        flush()
        flush()

    return flush_and_send


class _LogStream(OutStream):
    """A third stream beside standard output and standard error, whose text belongs to the cell that they are in."""

    def __init__(self, like: Any) -> None:
        self._like = like
        super().__init__(like.session, like.pub_thread, LOG_STREAM, watchfd=False)  # type: ignore[no-untyped-call]

    @property
    def parent_header(self) -> Any:
        return self._like.parent_header

    @parent_header.setter
    def parent_header(self, value: Any) -> None:
        pass


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


def send_in_order() -> None:
    """Send what is printed in its order, and what is logged along with it."""
    streams: list[Any] = [stream for stream in (sys.stdout, sys.stderr) if isinstance(stream, OutStream)]
    if not streams:
        return
    log = _LogStream(streams[0])
    for stream in streams:
        stream.flush = _sent_by(stream.flush)
    order = _Order((*streams, log))
    shell: Any = get_ipython()
    shell.events.register("pre_execute", order.keep)
    handler = _ShownHandler(log)
    handler.setFormatter(logging.Formatter(_FORMAT, style="{"))
    logging.getLogger().addHandler(handler)
