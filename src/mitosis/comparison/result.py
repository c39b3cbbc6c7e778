"""The result of a comparison: rows of cells, and these as plain text, Markdown and HTML."""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from mitosis.records.trial import Metric
from mitosis.records.view import KEY_DIGITS
from mitosis.text import clean, cut, for_page

MISSING = "–"
_SAID_ONCE = 20
"""Facts that all trials have in common which a line says at most."""
_GAP = 2
_LEAST = 12
"""Characters of a cell that a terminal shows at least."""
_MARKDOWN = re.compile(r"[\\`*_\[\]<>#|~&@$]")


class Cell(NamedTuple):
    """What a trial has in a row."""

    value: Metric
    text: str
    """The value for a person, harmless."""


@dataclass(frozen=True, slots=True)
class Row:
    """One thing that all trials have in common, or that differs."""

    name: str
    """As `records.view` names fields; below them are `values.STEP.PARAMETER.PATH`, `files.PATH`, `packages.NAME`,
    `variables.NAME` and `warnings`."""
    label: str
    """The name for a person, no longer than it has to be; empty where the cells say it."""
    cells: tuple[Cell | None, ...]
    """One a trial; None for a trial that has no such thing."""
    differences: tuple[str, ...] = ()
    """Of each trial but the first, how it differs from that one; empty where the cells say it themselves."""
    level: int = 0
    """1 for a part of the row above; of what is the same, for what a person hardly wants to know."""
    cause: str = ""
    """What kind of cause for another result this may be, as `verdict` names them; empty for none."""

    @property
    def texts(self) -> tuple[str, ...]:
        """The cells as texts."""
        missing = MISSING if any(self.cells) else ""
        return tuple(missing if cell is None else cell.text for cell in self.cells)


@dataclass(frozen=True, slots=True)
class Comparison:
    """What trials have in common, and how the others differ from the first. `str` gives it as a table."""

    trials: tuple[str, ...]
    """Their keys."""
    same: tuple[Row, ...]
    rows: tuple[Row, ...]
    """What differs, in the order in which it is shown."""
    verdict: str
    """A sentence."""
    problems: tuple[str, ...] = ()
    """What could not be read, so that it was not compared."""

    @property
    def headings(self) -> tuple[str, ...]:
        """What the trials are called above the columns."""
        return headings(self.trials)

    @property
    def said_once(self) -> str:
        """A line of what is the same; empty if nothing is."""
        facts = [f"{row.label} {row.texts[0]}".strip() for row in self.same if not row.level]
        more = [f"and {len(facts) - _SAID_ONCE} more"] if len(facts) > _SAID_ONCE else []
        return f"same: {' · '.join([*facts[:_SAID_ONCE], *more])}" if facts else ""

    def table(self, width: int | None = None) -> list[tuple[str, ...]]:
        """The headings and rows as texts: a label, a cell a trial, and the difference where that is one and is said.

        Args:
            width: characters of a line, in which texts are cut; None for no limit.
        """
        is_pair = len(self.trials) == 2
        has_differences = is_pair and any(row.differences[0] for row in self.rows)
        lines: list[tuple[str, ...]] = [("", *self.headings, *([""] if has_differences else []))]
        for row in self.rows:
            first, *others = row.texts
            if not is_pair:
                others = [f"{text}  {more}".strip() for text, more in zip(others, row.differences, strict=True)]
            ends = row.differences if has_differences else ()
            lines.append((f"{'  ' * row.level}{row.label}", first, *others, *ends))
        return lines if width is None else _fitted(lines, width, has_differences)

    def __str__(self) -> str:
        lines = self.table() if self.rows else []
        widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
        cells = [(" " * _GAP).join(text.ljust(w) for text, w in zip(line, widths, strict=True)) for line in lines]
        return "\n".join(filter(None, [self.said_once, *(f"  {line}".rstrip() for line in cells), self.verdict]))

    def _repr_html_(self) -> str:
        import html

        def escaped(text: str) -> str:
            return html.escape(for_page(text))

        head, *rows = self.table() if self.rows else [()]
        lines = [f"<p>{escaped(self.said_once)}</p>" * bool(self.same), "<table>"]
        lines.append(f"<tr>{''.join(f'<th>{escaped(text)}</th>' for text in head)}</tr>")
        for row, (label, *texts) in zip(self.rows, rows, strict=True):
            cells = "".join(f"<td>{escaped(text)}</td>" for text in texts)
            lines.append(f'<tr><th style="padding-left: {row.level + 1}em">{escaped(label.strip())}</th>{cells}</tr>')
        return "\n".join([*lines, "</table>", f"<p>{escaped(self.verdict)}</p>"])

    def markdown(self) -> str:
        """The same as Markdown that GitHub and others show as a table."""

        def escaped(text: str) -> str:
            return _MARKDOWN.sub(r"\\\g<0>", clean(text.strip()))

        lines = self.table() if self.rows else []
        rows = [f"| {' | '.join(map(escaped, line))} |" for line in lines]
        rows[1:1] = ["|" + "---|" * len(line) for line in lines[:1]]
        return "\n\n".join(filter(None, [escaped(self.said_once), "\n".join(rows), escaped(self.verdict)]))


def headings(keys: Sequence[str]) -> tuple[str, ...]:
    """Keys as they are shown: whole where their beginnings are the same."""
    short = tuple(clean(key[:KEY_DIGITS]) for key in keys)
    return short if len(set(short)) == len(keys) else tuple(map(clean, keys))


def _fitted(lines: Sequence[tuple[str, ...]], width: int, has_differences: bool) -> list[tuple[str, ...]]:
    """The lines in so many characters, for as many trials as there is room for."""
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    label = min(widths[0], width // 3)
    end = min(widths[-1], 2 * width // 5) if has_differences else 0
    count = len(widths) - 1 - has_differences
    left = width - label - end - _GAP * len(widths)
    fitted = []
    for line in lines:
        cells = line[1 : count + 1]
        ends = [cut(text, end) for text in line[count + 1 :]]
        fitted.append((cut(line[0], label), *_parted(cells, _rooms(widths[1 : count + 1], left)), *ends))
    return fitted


def _rooms(widths: Sequence[int], left: int) -> list[int]:
    """How wide each column may be: what narrow ones leave is for the wide ones."""
    rooms: dict[int, int] = {}
    for done, at in enumerate(sorted(range(len(widths)), key=lambda at: widths[at])):
        rooms[at] = min(widths[at], max(left // (len(widths) - done), _LEAST))
        left -= rooms[at]
    return [rooms[at] for at in range(len(widths))]


def _parted(texts: Sequence[str], rooms: Sequence[int]) -> list[str]:
    """Texts in so much room each; from shortly before the place where they part, if the end of the room hides it."""
    columns = zip(*(text for text in texts if text != MISSING), strict=False)
    shared = sum(1 for _ in itertools.takewhile(lambda letters: len(set(letters)) == 1, columns))
    room = min(rooms)
    is_hidden = shared > room - 2 and len({*texts} - {MISSING}) > 1
    start = max(shared - room // 2, 0) if is_hidden else 0
    shown = [f"…{text[start + 1 :]}" if start and text != MISSING else text for text in texts]
    return [cut(text, room) for text, room in zip(shown, rooms, strict=True)]
