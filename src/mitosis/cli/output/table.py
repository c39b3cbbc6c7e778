"""Lines and tables on standard output."""

from __future__ import annotations

import itertools
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import IO, TYPE_CHECKING

from mitosis.cli.output.streams import has_colour, is_terminal, plain
from mitosis.errors.journal import BadRecord, JournalError
from mitosis.errors.repository import GitError
from mitosis.errors.values import Conflict
from mitosis.text import clean, counted

if TYPE_CHECKING:
    from mitosis.journal.journal import Journal

_PROBLEMS_SHOWN = 10
_PIPE_WIDTH = 10**9
_GAP = 2
_LEAST_WIDTH = 24
_LEAST_WIDTHS = {"value": 16, "main": 16, "by": 8, "last used": 9}
"""Columns are not cut below this width; optional ones are rather left out."""
_WHOLE = ("", "key", "when", "took", "variant", "state", "locked", "commit")
"""Columns that are never cut."""
_NARROW = re.compile("[ -~\xa1-\u02ff✓✗…·–−❱│→▸]*")
"""Texts in which every character takes one column."""
_BOLD = 1
_COLOURS = {"✗": 31, "…": 36, "?": 33, "!": 33}
"""Of a row with this mark, as a terminal numbers them: red, cyan and yellow."""


def print_line(line: str, out: IO[str] | None = None) -> None:
    """Print one line, on standard output unless told. Control characters in it are escaped, wherever they come from."""
    out = sys.stdout if out is None else out
    out.write(plain(clean(line), out) + "\n")


def print_lines(lines: Iterable[str]) -> None:
    """Print lines on standard output, as `print_line` does."""
    for line in lines:
        print_line(line)


def print_warning(*texts: str) -> None:
    """Print a line for each text on standard error. Control characters are escaped, wherever they come from."""
    for text in texts:
        sys.stderr.write(plain(f"! {clean(text)}\n", sys.stderr))


def print_problems(problems: Sequence[BadRecord]) -> None:
    """Name what could not be read, on standard error."""
    print_warning(*map(str, problems[:_PROBLEMS_SHOWN]))
    if len(problems) > _PROBLEMS_SHOWN:
        print_warning(f"... and {len(problems) - _PROBLEMS_SHOWN} more that cannot be read")


def print_unmerged(journal: Journal) -> None:
    """Say, on standard error, that a plain fetch has brought records which are not merged yet."""
    try:
        unmerged = journal.unmerged()
        # A partial clone has fetched what they are called, and not what they say.
        how = " --no-fetch" if unmerged and not journal.repository.is_partial() else ""
    except (GitError, JournalError):  # whatever is wrong, this is not what the user asked for
        return
    for found in unmerged:
        what = counted(found.trials, "trial") if found.trials else "records"
        verb, them = ("is", "it") if found.trials == 1 else ("are", "them")
        name = clean(found.remote)
        # Whether that would be refused is not known before the histories are read.
        print_warning(
            f"{name} has {what} that {verb} not merged yet; to merge {them}, or to see why not: "
            f"mitosis pull {name}{how}"
        )


def print_conflicts(conflicts: Sequence[Conflict]) -> None:
    """Name the variants that have several meanings, and how to choose one, on standard error."""
    for conflict in conflicts:
        head, *meanings = conflict.lines()
        print_warning(f"{head}; it cannot be run until one is chosen")
        for line in meanings:
            sys.stderr.write(plain(f"{clean(line)}\n", sys.stderr))
        sys.stderr.write(f"    {clean(conflict.resolve_command)}\n")


def print_columns(
    columns: Sequence[str],
    rows: Sequence[Mapping[str, str]],
    *,
    optional: Sequence[str] = (),
    headings: Mapping[str, str] | None = None,
) -> list[str]:
    """Print a table without lines. rich's own tables take a millisecond for each row.

    Args:
        columns: the headings, which are also the keys in `rows`; the first holds a mark that colours its row.
        rows: what is missing in a row stays blank.
        optional: columns that a terminal too narrow for all goes without; the first ones get the room first.
        headings: of those columns that have another one than their key.

    Returns:
        The columns that there was no room for.
    """
    named = headings or {}
    texts = {
        name: [plain(clean(row.get(name, "")), sys.stdout) for row in ({name: named.get(name, name)}, *rows)]
        for name in columns
    }
    widths = {name: max(map(_width, column)) for name, column in texts.items()}
    least = {name: min(width, _least_width(name, texts[name])) for name, width in widths.items()}
    room = screen_width() + _GAP
    chosen = [name for name in columns if name not in optional]
    for name in optional:
        if sum(least[other] + _GAP for other in (*chosen, name)) <= room:
            chosen.append(name)
    kept = [name for name in columns if name in chosen]
    while sum(widths[name] + _GAP for name in kept) > room:
        cuttable = [name for name in kept if widths[name] > least[name]]
        if not cuttable:
            break
        widths[max(cuttable, key=lambda name: widths[name])] -= 1
    for number, colour in enumerate((_BOLD, *(_COLOURS.get(row[""]) for row in rows))):
        line = (" " * _GAP).join(_cell(texts[name][number], widths[name]) for name in kept).rstrip()
        is_coloured = colour is not None and has_colour(sys.stdout)
        sys.stdout.write(f"\x1b[{colour}m{line}\x1b[0m\n" if is_coloured else f"{line}\n")
    return [name for name in columns if name not in kept]


def _least_width(name: str, texts: Sequence[str]) -> int:
    """The columns of a terminal that a column of the table has at least, unless all of it is narrower.

    What differs has to differ where it is cut as well.
    """
    if name in _WHOLE:
        return _PIPE_WIDTH
    if name in _LEAST_WIDTHS:
        return _LEAST_WIDTHS[name]
    least = _LEAST_WIDTH
    for one, other in itertools.pairwise(sorted(set(texts))):
        shared = next((at for at, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), len(one))
        least = max(least, _width(one[:shared]) + 2)
    return least


def _cell(text: str, width: int) -> str:
    """The text, or its beginning, in that many columns of a terminal."""
    missing = width - _width(text)
    if missing >= 0:
        return text + " " * missing
    room = max(width - 1, 0)
    if _NARROW.fullmatch(text):
        beginning = text[:room]
    else:
        from rich.cells import set_cell_size

        beginning = set_cell_size(text, room)
    return beginning + plain("…", sys.stdout)


def _width(text: str) -> int:
    """How many columns of a terminal a text takes."""
    if _NARROW.fullmatch(text):
        return len(text)
    # It takes a fifth of the time of `mitosis list` to load.
    from rich.cells import cell_len

    return cell_len(text)


def screen_width() -> int:
    """How wide a line may be: the terminal's columns, or very many where there is none."""
    if not is_terminal():
        return _PIPE_WIDTH
    # It loads the modules of all kinds of archives, which a pipe can do without.
    from shutil import get_terminal_size

    return get_terminal_size().columns
