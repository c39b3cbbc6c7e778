"""What of a cell's output is in a file beside the notebook, because a notebook should not hold so much.

In the cell's text a line stands for it, for people. Anything can print such a line, so programs believe only what
stands in the cell's metadata: what an experiment outputs cannot reach that.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

METADATA = "left_out"
"""Key in `metadata.mitosis` of a cell: a list of what is left out of it, in the order of its output."""
PRINTED = "printed"
"""Key beside it: the name of the file that has all that the cell printed, where there is one in any case."""

_FILE = re.compile(r"output_\d+\.txt")


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
        lines = f"{self.lines} lines" if self.lines else "of a line"
        return f"[{lines}, {self.size_bytes} bytes left out here; {where}]"

    def to_metadata(self) -> dict[str, Any]:
        """An entry of the list in a cell's metadata, as `omissions_of` reads it."""
        return {"lines": self.lines, "size_bytes": self.size_bytes, "file": self.file}


def output_file(number: int) -> str:
    """Name of the file that has what a step printed, where that is too much for the notebook; steps count from 0."""
    return f"output_{number}.txt"


def omissions_of(metadata: Mapping[str, Any]) -> tuple[Omission, ...]:
    """What a cell's metadata says is left out of it; entries that are none of ours are passed over."""
    entries = _read(metadata, METADATA)
    return tuple(filter(None, map(_from_metadata, entries if isinstance(entries, list) else ())))


def printed_file(metadata: Mapping[str, Any]) -> str:
    """The name of the file that has all that a cell printed, as its metadata has it; empty if it names none."""
    name = _read(metadata, PRINTED)
    return name if isinstance(name, str) and _FILE.fullmatch(name) else ""


def _read(metadata: Mapping[str, Any], key: str) -> Any:
    about = metadata.get("mitosis")
    return about.get(key) if isinstance(about, Mapping) else None


def _from_metadata(entry: Any) -> Omission | None:
    if not isinstance(entry, Mapping):
        return None
    lines, size_bytes, file = (entry.get(name) for name in ("lines", "size_bytes", "file"))
    if not isinstance(lines, int) or not isinstance(size_bytes, int) or not isinstance(file, str):
        return None
    return Omission(lines, size_bytes, file) if not file or _FILE.fullmatch(file) else None


def take_omissions(text: str, known: Iterable[Omission]) -> tuple[str, list[Omission]]:
    """The text without the lines that stand for what is left out, and the omissions that these tell of.

    What stood before such a line and what stands after it are one text again, as far as they go.

    Args:
        text: that a cell has output.
        known: what is known to be left out of that cell. Each is found as often as it is known, however often its line
            was printed.
    """
    found, parts, end = [], [], 0
    for omission, match in _found(text, known):
        found.append(omission)
        parts.append(text[end : match.start()].removesuffix("\n"))
        end = min(match.end() + 1, len(text))
    return "".join([*parts, text[end:]]), found


def _found(text: str, known: Iterable[Omission]) -> Iterator[tuple[Omission, re.Match[str]]]:
    left = Counter(known)
    if not left:
        return
    lines = {str(omission): omission for omission in left}
    for match in re.finditer(rf"^(?:{'|'.join(map(re.escape, lines))})$", text, re.MULTILINE):
        omission = lines[match[0]]
        if left[omission]:
            left[omission] -= 1
            yield omission, match
