"""What a kernel prints and broadcasts, put into the order in which it came."""

from __future__ import annotations

import asyncio
import codecs
import math
import os
import queue
import sys
import threading
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any

from mitosis.marks import BEGIN, END, FENCE, FENCED, LOG, ORDER, Marks, Stream
from mitosis.screen import OutputStream

_READ_BYTES = 2**18
_SAID_CHARACTERS = 20_000
"""So much of the end of standard error is kept to tell how the kernel died."""
_STALLED_S = 5.0
"""How long to wait for a mark that is overdue."""
_QUIET_S = 0.05
_LONGEST_END_S = 2.0
"""How long what a dead kernel has written is read, while more of it comes."""


class KernelOutput:
    """The kernel's standard output, standard error and messages, as one sequence of messages.

    Reading begins at once, where an event loop runs, and never waits for anybody: whoever writes is not held up.

    Args:
        pipes: descriptors to read from, which are closed by this.
        marks: finds what keeps the order, see `mitosis.marks`.

    Attributes:
        parent: id of the request that the text which comes now belongs to; None before the first cell, when it belongs
            to none.
    """

    def __init__(self, pipes: Mapping[Stream, int], marks: Marks) -> None:
        self.parent: str | None = None
        self._pipes = {name: _Pipe(name, marks, self._take_text) for name in pipes}
        self._messages: deque[dict[str, Any]] = deque()
        self._ready: deque[dict[str, Any]] = deque()
        self._news = asyncio.Event()
        self._ended: float = 0
        self._is_dead = False
        self._said: deque[str] = deque()
        self._said_characters = 0
        self._stop_reading = [
            _read(descriptor, lambda data, name=name: self._take_data(name, data))  # type: ignore[misc]
            for name, descriptor in pipes.items()
        ]

    @property
    def said(self) -> str:
        """The end of what was written to standard error."""
        return "".join(self._said)[-_SAID_CHARACTERS:]

    def take_message(self, message: dict[str, Any]) -> None:
        """A message of the kernel's came."""
        self._messages.append(message)
        self._go_on()

    async def next_message(self, timeout_s: float | None) -> dict[str, Any]:
        """The next in order, text as a message `stream`.

        Raises:
            queue.Empty: none came in time.
        """
        while not self._ready:
            self._news.clear()
            is_held = self._messages or any(pipe.begins > self._ended for pipe in self._pipes.values())
            try:
                await asyncio.wait_for(self._news.wait(), _STALLED_S if is_held else timeout_s)
            except TimeoutError:
                if not is_held:
                    raise queue.Empty from None
                self._let_pass()
        message = self._ready.popleft()
        if message["msg_type"] == "stream":
            message["parent_header"] = {"msg_id": self.parent}
        return message

    def take_text(self) -> list[tuple[OutputStream, str]]:
        """The rest of the text that nobody has asked for, each with the name of its stream."""
        texts = [message["content"] for message in self._ready if message["msg_type"] == "stream"]
        self._ready.clear()
        return [(content["name"], content["text"]) for content in texts]

    async def read_to_end(self) -> None:
        """Read what a kernel that is dead has written. Programs that it has started may go on and write more."""
        self._is_dead = True
        self._ended = math.inf
        deadline = asyncio.get_running_loop().time() + _LONGEST_END_S
        self._go_on()
        while not all(pipe.is_closed for pipe in self._pipes.values()) and asyncio.get_running_loop().time() < deadline:
            self._news.clear()
            try:
                await asyncio.wait_for(self._news.wait(), _QUIET_S)
            except TimeoutError:
                break

    def close(self) -> None:
        """Stop reading."""
        for stop in self._stop_reading:
            stop()
        self._stop_reading.clear()

    def _take_data(self, name: Stream, data: bytes) -> None:
        self._pipes[name].take(data)
        self._go_on()

    def _take_text(self, name: str, text: str) -> None:
        if name == "stderr":
            self._said.append(text)
            self._said_characters += len(text)
            while self._said_characters - len(self._said[0]) > _SAID_CHARACTERS:
                self._said_characters -= len(self._said.popleft())
        if self.parent is None:
            return
        last = self._ready[-1] if self._ready else None
        if last is not None and last["msg_type"] == "stream" and last["content"]["name"] == name:
            last["content"]["text"] += text
        else:
            content = {"name": name, "text": text}
            header = {"msg_type": "stream"}
            self._ready.append({"msg_type": "stream", "header": header, "metadata": {}, "content": content})

    def _go_on(self) -> None:
        """Pass on what has its turn."""
        is_going = True
        while is_going:
            is_going = False
            for pipe in self._pipes.values():
                while (ended := pipe.go_on(self._ended)) is not None:
                    self._ended = max(self._ended, ended)
                    is_going = True
            while self._messages and self._has_turn(self._messages[0]):
                message = self._messages.popleft()
                self._ended = max(self._ended, message["metadata"].get(ORDER, -1) + 1)
                self._ready.append(message)
                is_going = True
        self._news.set()

    def _let_pass(self) -> None:
        """Pass on what waits although what it waits for does not come: the experiment has closed the kernel's pipes."""
        numbers = [pipe.begins for pipe in self._pipes.values()]
        numbers += [message["metadata"].get(ORDER, 0) for message in self._messages]
        waiting = [number for number in numbers if number > self._ended]
        if waiting:
            self._ended = min(waiting)
        elif self._messages:  # what was waited for may have come at the last moment
            self._ready.append(self._messages.popleft())
        self._go_on()

    def _has_turn(self, message: dict[str, Any]) -> bool:
        number, fence = message["metadata"].get(ORDER, 0), message["metadata"].get(FENCED, 0)
        return self._is_dead or (number <= self._ended and all(pipe.has_passed(fence) for pipe in self._pipes.values()))


class _Pipe:
    """What was read from one pipe.

    Args:
        name: of the stream.
        marks: finds the marks in it.
        listener: is told text, and the name of its stream, when it is its turn.
    """

    def __init__(self, name: Stream, marks: Marks, listener: Callable[[str, str], None]) -> None:
        self._name = name
        self._marks = marks
        self._listener = listener
        self._data = b""
        self.begins: float = 0
        """Number of the end that what was read waits for."""
        self._fence = 0
        self.is_closed = False
        decoder = codecs.getincrementaldecoder("utf-8")
        self._decoders = {kind: decoder("replace") for kind in (name, "log")}

    def take(self, data: bytes) -> None:
        """More was read; nothing if it was closed."""
        self._data += data
        self.is_closed = not data

    def has_passed(self, fence: int) -> bool:
        """Whether all was read that was written before a fence."""
        return self._fence >= fence or (self.is_closed and not self._data)

    def go_on(self, ended: float) -> float | None:
        """Pass on the text up to the next mark, if it is its turn; returns a number that ended with it.

        Returns:
            `ended` if a mark of another kind was passed; None if no mark was.
        """
        if self.begins > ended:
            return None
        text, mark, self._data = self._marks.split(self._data)
        if self.is_closed and mark is None:
            text, self._data = text + self._data, b""
        self._tell(self._name, text)
        if mark is None:
            return None
        if mark.kind == BEGIN:
            self.begins = mark.number
        elif mark.kind == FENCE:
            self._fence = mark.number
        elif mark.kind == LOG:
            self._tell("log", mark.text)
        return mark.number if mark.kind == END else ended

    def _tell(self, kind: str, data: bytes) -> None:
        if text := self._decoders[kind].decode(data):
            self._listener(kind, text)


def _read(descriptor: int, listener: Callable[[bytes], None]) -> Callable[[], None]:
    """Have a listener told all that comes from a pipe, and b"" at its end; returns what stops that."""
    loop = asyncio.get_running_loop()
    if sys.platform == "win32":
        return _read_in_thread(loop, descriptor, listener)
    os.set_blocking(descriptor, False)
    is_open = True

    def stop() -> None:
        nonlocal is_open
        if is_open:
            is_open = False
            loop.remove_reader(descriptor)
            os.close(descriptor)

    def read() -> None:
        try:
            data = os.read(descriptor, _READ_BYTES)
        except BlockingIOError:
            return
        if not data:
            stop()
        listener(data)

    loop.add_reader(descriptor, read)
    return stop


def _read_in_thread(
    loop: asyncio.AbstractEventLoop, descriptor: int, listener: Callable[[bytes], None]
) -> Callable[[], None]:
    """The same where an event loop cannot wait for a pipe."""
    is_stopped = threading.Event()

    def read() -> None:
        data = b"-"
        while data and not is_stopped.is_set():
            data = os.read(descriptor, _READ_BYTES)
            try:
                loop.call_soon_threadsafe(listener, data)
            except RuntimeError:  # the loop was closed meanwhile
                break
        os.close(descriptor)

    threading.Thread(target=read, name="mitosis-output", daemon=True).start()
    return is_stopped.set
