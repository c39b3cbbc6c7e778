"""The line that stands in a notebook where more was printed than a notebook can hold."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

_LINE = re.compile(
    r"^\[(?P<lines>\d+) lines, (?P<size_bytes>\d+) bytes left out here; (?P<file>output_\d+\.txt) has all of it\]$",
    re.MULTILINE,
)


@dataclass(frozen=True, slots=True)
class Omission:
    """What is left out of a cell's output."""

    lines: int
    size_bytes: int
    file: str
    """Name of the file of the trial's folder that has all that the cell printed."""

    def __str__(self) -> str:
        return f"[{self.lines} lines, {self.size_bytes} bytes left out here; {self.file} has all of it]"


def output_file(number: int) -> str:
    """Name of the file that has what a step printed, where that is too much for the notebook; steps count from 0."""
    return f"output_{number}.txt"


def find_omissions(text: str) -> Iterator[Omission]:
    """The omissions that lines of `text` tell of."""
    for match in _LINE.finditer(text):
        yield Omission(int(match["lines"]), int(match["size_bytes"]), match["file"])
