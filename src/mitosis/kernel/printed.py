"""What a cell prints, as far as the notebook keeps it."""

from __future__ import annotations

import dataclasses
from collections import deque
from pathlib import Path
from typing import IO

from nbformat import NotebookNode

from mitosis.omission import METADATA, Omission

HEAD_CHARACTERS = 1_000_000
"""Of what a cell prints, so much is kept as it comes."""
TAIL_CHARACTERS = 20_000
"""After that, so much is kept before each figure or table, and at the end."""


class Printed:
    """Keeps a cell's output small, and writes all that it prints to a file where that is too much.

    Args:
        cell: gets the outputs, and in its metadata what is left out of them.
        path: the file to write to then; its folder may be gone by that time.
    """

    def __init__(self, cell: NotebookNode, path: Path) -> None:
        self._cell = cell
        self._path = path
        self._kept = 0
        self._is_full = False
        self._waiting: deque[tuple[str, str]] = deque()
        self._waiting_characters = 0
        self._left_out_lines = 0
        self._left_out_bytes = 0
        self._file: IO[str] | None = None
        self._output: NotebookNode | None = None
        """The last output, if it is text and may go on."""
        self._pieces: list[str] = []
        self.trouble: OSError | None = None
        """Why the file does not have all."""

    def add(self, stream: str, text: str) -> None:
        """Take what was printed next."""
        room = HEAD_CHARACTERS - self._kept
        if not self._is_full and len(text) <= room:
            self._kept += len(text)
            if self._file is not None:
                self._write(text)
            self._append(stream, text)
            return
        self._write(text)
        if not self._is_full:
            self._is_full = True
            self._append(stream, text[:room])
            text = text[room:]
        self._waiting.append((stream, text))
        self._waiting_characters += len(text)
        self._leave_out()

    def flush(self) -> None:
        """Put the end of what waits into the cell's outputs, and before it how much is left out."""
        if self._left_out_bytes:
            stream, text = self._waiting.popleft()
            # The end begins with a whole line, unless all of it is one.
            broken, newline, kept = text.partition("\n")
            if kept or (newline and self._waiting):
                self._count(broken + newline)
                text = kept
            self._waiting.appendleft((stream, text))
            file = self._path.name if self.trouble is None else ""
            omission = Omission(self._left_out_lines, self._left_out_bytes, file)
            self._append("stdout", f"\n{omission}\n")
            about = self._cell.metadata.setdefault("mitosis", {})
            about[METADATA] = [*about.get(METADATA, ()), dataclasses.asdict(omission)]
        for stream, text in self._waiting:
            self._append(stream, text)
        self._forget_waiting()
        self._join()

    def clear(self) -> None:
        """The cell's outputs are cleared; the file keeps what it has."""
        self._is_full = False
        self._kept = 0
        self._forget_waiting()
        self._join()

    def close(self) -> None:
        """The cell is through."""
        self.flush()
        if self._file is not None:
            try:
                self._file.close()
            except OSError as error:
                self.trouble = error

    def _forget_waiting(self) -> None:
        self._waiting.clear()
        self._waiting_characters = self._left_out_lines = self._left_out_bytes = 0

    def _leave_out(self) -> None:
        """Have no more wait than is kept."""
        while self._waiting_characters > TAIL_CHARACTERS:
            stream, text = self._waiting.popleft()
            cut = min(len(text), self._waiting_characters - TAIL_CHARACTERS)
            self._count(text[:cut])
            self._waiting_characters -= cut
            if cut < len(text):
                self._waiting.appendleft((stream, text[cut:]))

    def _count(self, text: str) -> None:
        self._left_out_lines += text.count("\n")
        self._left_out_bytes += len(text.encode("utf-8", "replace"))

    def _append(self, stream: str, text: str) -> None:
        if not text:
            return
        if self._output is None or self._output.name != stream:
            self._join()
            # nbformat's own function validates each by a schema, which takes a third of a millisecond.
            self._output = NotebookNode(output_type="stream", name=stream, text="")
            self._cell.outputs.append(self._output)
        self._pieces.append(text)

    def _join(self) -> None:
        """Give the last output its text: to lengthen it by each piece would copy it each time."""
        if self._output is not None:
            self._output.text = "".join(self._pieces)
        self._output = None
        self._pieces.clear()

    def _write(self, text: str) -> None:
        if self.trouble is not None:
            return
        try:
            if self._file is None:
                # The experiment works in this folder, and may have a file of that name: it is not to be overwritten.
                self._file = self._path.open("x", encoding="utf-8", errors="backslashreplace", newline="")
                self._join()
                for output in self._cell.outputs:
                    if output.output_type == "stream":
                        self._file.write(output.text)
            self._file.write(text)
        except OSError as error:
            self.trouble = error
