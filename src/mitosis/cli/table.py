"""Lines and tables on standard output."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from mitosis.cli.text import clean, is_terminal, plain

if TYPE_CHECKING:
    from mitosis.errors import BadRecord

_PROBLEMS_SHOWN = 10
_PIPE_WIDTH = 10_000
_WHOLE = ("", "key", "main", "when", "took", "state", "locked", "commit")
"""Columns that are never cut."""


def print_line(line: str) -> None:
    """Print one line on standard output."""
    sys.stdout.write(plain(line, sys.stdout) + "\n")


def print_problems(problems: Sequence[BadRecord]) -> None:
    """Name what could not be read, on standard error."""
    for problem in problems[:_PROBLEMS_SHOWN]:
        sys.stderr.write(plain(f"! {clean(str(problem))}\n", sys.stderr))
    if len(problems) > _PROBLEMS_SHOWN:
        sys.stderr.write(f"! ... and {len(problems) - _PROBLEMS_SHOWN} more that cannot be read\n")


def print_columns(columns: Sequence[str], rows: Sequence[Mapping[str, str]]) -> None:
    """Print a table without lines.

    Args:
        columns: the headings, which are also the keys in `rows`; the first holds a mark that colours its row.
        rows: what is missing in a row stays blank.
    """
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console(highlight=False, markup=False, emoji=False, width=None if is_terminal() else _PIPE_WIDTH)
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for name in columns:
        heading = Text(plain(name, sys.stdout), style="bold")
        least = max((len(row.get(name, "")) for row in rows), default=0) if name in _WHOLE else min(len(name), 8)
        table.add_column(heading, no_wrap=True, overflow="ellipsis", min_width=max(least, 1))
    for row in rows:
        style = {"✗": "red", "…": "cyan", "?": "yellow", "!": "yellow"}.get(row[""], "")
        table.add_row(*(Text(plain(row.get(name, ""), sys.stdout), style=style) for name in columns))
    with console.capture() as capture:
        console.print(table)
    for line in capture.get().splitlines():
        sys.stdout.write(line.rstrip() + "\n")
