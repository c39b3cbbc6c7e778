"""What of a cell's output is in a file beside the notebook, because a notebook should not hold so much.

In the cell's text a line stands for it, for people. Anything can print such a line, so programs believe only what
stands in the cell's metadata: what an experiment outputs cannot reach that.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

METADATA = "left_out"
"""Key in `metadata.mitosis` of a cell: a list of what is left out of it, in the order of its output."""
PRINTED = "printed"
"""Key beside it: the name of the file that has all that the cell printed, where there is one in any case."""


@dataclass(frozen=True, slots=True)
class Omission:
    """What is left out of a cell's output."""

    lines: int
    """How many ends of lines are in it."""
    size_bytes: int
    file: str
    """Name of the file of the trial's folder that has all that the cell printed; empty if it could not be written."""

    def __str__(self) -> str:
        where = f"{self.file} has all of it" if self.file else "it could not be kept"
        lines = f"{self.lines} line{'' if self.lines == 1 else 's'}" if self.lines else "of a line"
        return f"[{lines}, {self.size_bytes} bytes left out here; {where}]"


def output_file(number: int) -> str:
    """Name of the file that has what a step printed, where that is too much for the notebook; steps count from 0."""
    return f"output_{number}.txt"


def omissions_of(metadata: Mapping[str, Any]) -> tuple[Omission, ...]:
    """What a cell's metadata says is left out of it."""
    return tuple(Omission(**entry) for entry in metadata.get("mitosis", {}).get(METADATA, ()))


def printed_file(metadata: Mapping[str, Any]) -> str:
    """The name of the file that has all that a cell printed, as its metadata has it; empty if it names none."""
    name: str = metadata.get("mitosis", {}).get(PRINTED, "")
    return name


def take_omissions(text: str, known: Iterable[Omission]) -> tuple[str, list[Omission]]:
    """The text without the lines that stand for what is left out, and the omissions that these tell of.

    What stood before such a line and what stands after it are one text again, as far as they go.

    Args:
        text: that a cell has output.
        known: what is known to be left out of that cell. Each is found as often as it is known, however often its line
            was printed.
    """
    found: list[Omission] = []
    parts: list[str] = []
    end = 0
    left = Counter(known)
    lines = {str(omission): omission for omission in left}
    pattern = re.compile(rf"^(?:{'|'.join(map(re.escape, lines))})$", re.MULTILINE)
    for match in pattern.finditer(text) if lines else ():
        omission = lines[match[0]]
        if left[omission]:
            left[omission] -= 1
            found.append(omission)
            parts.append(text[end : match.start()].removesuffix("\n"))
            end = min(match.end() + 1, len(text))
    return "".join([*parts, text[end:]]), found
