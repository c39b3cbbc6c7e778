"""Lines and tables on standard output."""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping, Sequence
from typing import IO, TYPE_CHECKING

from mitosis.cli.output.streams import has_colour, is_terminal, plain
from mitosis.errors.journal import BadRecord, JournalError
from mitosis.errors.repository import GitError
from mitosis.errors.values import Conflict
from mitosis.text import clean

if TYPE_CHECKING:
    from mitosis.journal.journal import Journal

_PROBLEMS_SHOWN = 10
_PIPE_WIDTH = 10_000
_GAP = 2
_LEAST_WIDTH = 8
_WHOLE = ("", "key", "main", "when", "took", "state", "locked", "commit")
"""Columns that are never cut."""
_NARROW = re.compile("[ -~\xa1-\u02ff✓✗…·–❱│→▸]*")
"""Texts in which every character takes one column."""
_BOLD = 1
_COLOURS = {"✗": 31, "…": 36, "?": 33, "!": 33}
"""Of a row with this mark, as a terminal numbers them: red, cyan and yellow."""


def print_line(line: str, out: IO[str] | None = None) -> None:
    """Print one line, on standard output unless told. Control characters in it are escaped, wherever they come from."""
    out = sys.stdout if out is None else out
    out.write(plain(clean(line), out) + "\n")


def print_warning(text: str) -> None:
    """Print one line on standard error. Control characters in it are escaped, wherever they come from."""
    sys.stderr.write(plain(f"! {clean(text)}\n", sys.stderr))


def print_problems(problems: Sequence[BadRecord]) -> None:
    """Name what could not be read, on standard error."""
    for problem in problems[:_PROBLEMS_SHOWN]:
        print_warning(str(problem))
    if len(problems) > _PROBLEMS_SHOWN:
        sys.stderr.write(f"! ... and {len(problems) - _PROBLEMS_SHOWN} more that cannot be read\n")


def print_unmerged(journal: Journal) -> None:
    """Say, on standard error, that a plain fetch has brought records which are not merged yet."""
    try:
        unmerged = journal.unmerged()
        # A partial clone has fetched what they are called, and not what they say.
        how = " --no-fetch" if unmerged and not journal.repository.is_partial() else ""
    except (GitError, JournalError):  # whatever is wrong, this is not what the user asked for
        return
    for found in unmerged:
        what = f"{found.trials} trial{'' if found.trials == 1 else 's'}" if found.trials else "records"
        verb = "is" if found.trials == 1 else "are"
        name = clean(found.remote)
        print_warning(f"{name} has {what} that {verb} not merged yet: mitosis pull {name}{how}")


def print_conflicts(conflicts: Sequence[Conflict]) -> None:
    """Name the variants that have several meanings, and how to choose one, on standard error."""
    for conflict in conflicts:
        head, *meanings = conflict.lines()
        print_warning(f"{clean(head)}; it cannot be run until one is chosen")
        for line in meanings:
            sys.stderr.write(plain(f"{clean(line)}\n", sys.stderr))
        sys.stderr.write(f"    {clean(conflict.resolve_command)}\n")


def print_columns(
    columns: Sequence[str],
    rows: Sequence[Mapping[str, str]],
    *,
    optional: Sequence[str] = (),
    whole: Sequence[str] = (),
    least: Mapping[str, int] | None = None,
) -> list[str]:
    """Print a table without lines.

    Args:
        columns: the headings, which are also the keys in `rows`; the first holds a mark that colours its row.
        rows: what is missing in a row stays blank.
        optional: columns that a terminal too narrow for all goes without, the last ones first.
        whole: columns that are never cut, besides those that never are.
        least: columns that are not cut below this width; optional ones are rather left out.

    Returns:
        The columns that there was no room for.
    """
    whole = (*_WHOLE, *whole)
    minimum = least or {}
    columns, left_out = _fitting(columns, rows, optional, whole, minimum)
    shown = [[plain(clean(row.get(name, "")), sys.stdout) for name in columns] for row in rows]
    headings = [plain(clean(name), sys.stdout) for name in columns]
    widths = [max(map(_width, texts)) for texts in zip(headings, *shown, strict=True)]
    narrowest = [_least_width(name, width, whole, minimum) for name, width in zip(columns, widths, strict=True)]
    screen = _screen_width()
    widths = _squeeze(widths, narrowest, screen - _GAP * (len(columns) - 1))
    colours = has_colour(sys.stdout)
    lines: list[tuple[str, int | None]] = [(_joined(headings, widths), _BOLD)]
    lines += [(_joined(texts, widths), _COLOURS.get(row[""])) for row, texts in zip(rows, shown, strict=True)]
    for line, colour in lines:
        sys.stdout.write(f"\x1b[{colour}m{line}\x1b[0m\n" if colours and colour is not None else f"{line}\n")
    return left_out


def _joined(texts: Sequence[str], widths: Sequence[int]) -> str:
    """The cells of a row side by side, each as wide as its column. rich's own tables take a millisecond for each."""
    return (" " * _GAP).join(_cell(text, width) for text, width in zip(texts, widths, strict=True)).rstrip()


def _cell(text: str, width: int) -> str:
    missing = width - _width(text)
    if missing >= 0:
        return text + " " * missing
    return _beginning(text, max(width - 1, 0)) + plain("…", sys.stdout)


def _width(text: str) -> int:
    """How many columns of a terminal a text takes."""
    if _NARROW.fullmatch(text):
        return len(text)
    # It takes a fifth of the time of `mitosis list` to load.
    from rich.cells import cell_len

    return cell_len(text)


def _beginning(text: str, width: int) -> str:
    """As much of a text as fits into that many columns."""
    if _NARROW.fullmatch(text):
        return text[:width]
    from rich.cells import set_cell_size

    return set_cell_size(text, width)


def _screen_width() -> int:
    if not is_terminal():
        return _PIPE_WIDTH
    # It loads the modules of all kinds of archives, which a pipe can do without.
    from shutil import get_terminal_size

    return get_terminal_size().columns


def _least_width(name: str, width: int, whole: Sequence[str], least: Mapping[str, int]) -> int:
    return width if name in whole else min(width, least.get(name, min(max(len(name), 1), _LEAST_WIDTH)))


def _fitting(
    columns: Sequence[str],
    rows: Sequence[Mapping[str, str]],
    optional: Sequence[str],
    whole: Sequence[str],
    minimum: Mapping[str, int],
) -> tuple[Sequence[str], list[str]]:
    """The columns that fit on the screen when they are squeezed, and those left out, in their order."""
    least = {
        name: _least_width(
            name, max(_width(text) for text in (name, *(row.get(name, "") for row in rows))), whole, minimum
        )
        for name in columns
    }
    kept = list(columns)
    candidates = [name for name in optional if name in kept]
    while candidates and sum(least[name] + _GAP for name in kept) - _GAP > _screen_width():
        kept.remove(candidates.pop())
    return kept, [name for name in columns if name not in kept]


def _squeeze(widths: Sequence[int], least: Sequence[int], room: int) -> list[int]:
    """Widths of columns that fit into `room` if they can, taken from the widest first, and from none below `least`."""
    squeezed = list(widths)
    while sum(squeezed) > room:
        cuttable = [i for i, width in enumerate(squeezed) if width > least[i]]
        if not cuttable:
            break
        squeezed[max(cuttable, key=lambda i: squeezed[i])] -= 1
    return squeezed
