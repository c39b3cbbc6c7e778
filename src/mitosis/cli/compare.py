"""`mitosis compare`: what differs between two or more trials."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Parameter

from mitosis.cli import completers
from mitosis.cli.configuration import ConfigFile
from mitosis.cli.opening import open_journal
from mitosis.cli.options import Filters
from mitosis.cli.output.streams import is_terminal
from mitosis.cli.output.table import print_columns, print_line, print_lines, print_warning, screen_width
from mitosis.comparison.trials import compare_records, read_trials
from mitosis.errors.files import FileTrouble
from mitosis.errors.usage import UsageError
from mitosis.text import broken

if TYPE_CHECKING:
    from mitosis.comparison.result import Comparison, Row
    from mitosis.git.repository import Repository
    from mitosis.journal.journal import Journal
    from mitosis.records.trial import TrialRecord

_MOST_TRIALS = 50
_FORMAT = 1
"""Of the JSON: changes when a field goes or changes its meaning; new fields may come without."""


def compare(
    *keys: Annotated[str, Parameter(completer=completers.keys)],
    filters: Filters | None = None,
    code: bool = False,
    page: bool = False,
    format: Literal["table", "json", "markdown"] = "table",
    config: ConfigFile = None,
) -> int:
    """Say what differs between two or more trials, and what they have in common. All are compared to the first.

    Args:
        keys: The trials: keys, or words such as latest, best, @TAG, where:CONDITION, as for `show`.
        filters: Which trials, beside those.
        code: Show how the code differs, with git diff: the files that the experiments imported.
        page: Open the pages of the trials side by side in the browser, and print the path of that page.
        format: How to print the comparison.
    """
    if code + page + (format != "table") > 1:
        raise UsageError("--code, --page and --format each show something else\nUse only one of them.")
    journal = open_journal()
    repository = journal.repository
    records = read_trials(journal, _chosen(journal, keys, filters))
    if code:
        _show_code(repository, records)
    elif page:
        _show_pages(repository, records, config)
    else:
        comparison = compare_records(journal, records)
        if format == "json":
            import json

            sys.stdout.write(json.dumps(_as_json(comparison), indent=2, allow_nan=False) + "\n")
        elif format == "markdown":
            print_lines(comparison.markdown().split("\n"))
        else:
            _print_table(comparison)
        print_warning(*comparison.problems)
    return 0


def _chosen(journal: Journal, words: Sequence[str], filters: Filters | None) -> list[str]:
    """The keys of the trials that are meant, in the order of the words, and then newest first."""
    from mitosis.query.search import Search
    from mitosis.query.selection import select

    keys = [key for word in words for key in select(journal, word)]
    where = [] if filters is None else list(filters.conditions(journal.repository))
    found = Search(journal, where).keys() if where else ()
    keys += [key for key in found if key not in keys]
    if len(keys) > _MOST_TRIALS:
        raise UsageError(f"that is {len(keys):,} trials, and {_MOST_TRIALS} can be compared\nNarrow it down.")
    return keys


def _print_table(comparison: Comparison) -> None:
    width = screen_width()
    print_lines(broken(comparison.said_once, width, len("same: ")) if comparison.same else ())
    if comparison.rows:
        head, *rows = comparison.table(width if is_terminal() else None)
        columns = ["", *(str(number) for number in range(len(head)))]
        named = [dict(zip(columns, ("", *row), strict=True)) for row in rows]
        others = columns[3 : len(comparison.trials) + 2]
        headings = dict(zip(columns, ("", *head), strict=True))
        left_out = print_columns(columns, named, optional=others[1:], headings=headings)
        if left_out:
            print_line(f"Not shown: {', '.join(headings[name] for name in left_out)}; widen the window.")
    print_lines(broken(comparison.verdict, width, 0))


def _as_json(comparison: Comparison) -> dict[str, Any]:
    from mitosis.cli.output.as_json import as_plain

    def values(row: Row) -> list[Any]:
        return [cell and cell.value for cell in row.cells]

    found: dict[str, Any] = as_plain(
        {
            "format": _FORMAT,
            "trials": comparison.trials,
            "same": {row.name: values(row)[0] for row in comparison.same},
            "rows": [
                {"name": row.name, "level": row.level, "values": values(row), "differences": row.differences}
                for row in comparison.rows
            ],
            "verdict": comparison.verdict,
            "problems": comparison.problems,
        }
    )
    return found


def _show_code(repository: Repository, records: Sequence[TrialRecord]) -> None:
    from mitosis.comparison.code import compare_code, extent_of
    from mitosis.git.program import show_git

    first, *others = records
    for other in others:
        found = compare_code(repository, first, other)
        if not found.files:
            said = found.unknown or f"no difference between the {found.scope}"
            print_warning(f"{first.key}, {other.key}: {said if other.commit != first.commit else 'the same commit'}")
            continue
        paths = extent_of(first, other).paths
        show_git("--literal-pathspecs", "diff", first.commit, other.commit, "--", *paths, cwd=repository.root)


def _show_pages(repository: Repository, records: Sequence[TrialRecord], config: str | None) -> None:
    from html import escape

    from mitosis.cli.output.desktop import show_page
    from mitosis.files import write_whole
    from mitosis.results import require_page

    pages = {escape(record.key): require_page(record, config).absolute().as_uri() for record in records}
    frames = "".join(f'<iframe title="{key}" src="{escape(uri)}"></iframe>\n' for key, uri in pages.items())
    path = repository.common_dir / "mitosis" / "compare.html"
    try:
        path.parent.mkdir(exist_ok=True)
        write_whole(path, _PAGE.format(title=" and ".join(pages), frames=frames))
    except OSError as error:
        raise FileTrouble(path, "written", error) from error
    print_line(str(path))
    show_page(path)


_PAGE = """\
<!DOCTYPE html>
<html lang="en">
<meta charset="utf-8">
<title>{title}</title>
<style>
body {{ display: flex; margin: 0; height: 100vh; }}
iframe {{ flex: 1; border: 0; border-left: 1px solid gray; }}
</style>
{frames}</html>
"""
