"""Rows for other programs and for papers: CSV, JSON, Markdown, LaTeX, Parquet. They are written as they come."""

from __future__ import annotations

import json
import re
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Sequence

from mitosis.cli.options import Format
from mitosis.cli.output.as_json import as_plain
from mitosis.cli.output.streams import is_terminal
from mitosis.cli.output.table import print_columns
from mitosis.errors.usage import UsageError
from mitosis.records.view import Field, Scalar, kind_of
from mitosis.text import clean, format_number

Rows = Iterable[Sequence[Scalar]]

_LATEX = {
    **{char: f"\\{char}" for char in "&%$#_{}"},
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': r"\char34{}",
    # At the beginning of a row they would belong to the end of the one before it.
    "[": "{[}",
    "*": "{*}",
}
_MARKDOWN = re.compile(r"([\\`*_{}\[\]<>#|~])")


def write_rows(
    form: Format,
    names: Sequence[str],
    rows: Callable[[], Rows],
    *,
    digits: int | None = None,
    headings: Sequence[str] | None = None,
) -> None:
    """Write rows on standard output.

    Args:
        form: how. Numbers have all their digits in `csv`, `json`, `jsonl` and `parquet`.
        names: of the columns.
        rows: gives the rows, of which each has a value for every name.
        digits: of numbers in the other formats; three by default.
        headings: of the columns in these formats; by default the names.

    Raises:
        UsageError: a terminal would get bytes, or pyarrow is not installed.
    """
    if form == "parquet":
        from mitosis.dataframes import write_parquet

        if is_terminal():
            raise UsageError(
                "Parquet is no text: send it to a file, as in `mitosis list --format parquet > trials.parquet`"
            )
        write_parquet(names, rows, sys.stdout.buffer)
    elif form in _EXACT:
        _EXACT[form](names if form == "csv" else _distinct(names), rows())
    else:
        texts = ([_text(name, value, digits) for name, value in zip(names, row, strict=True)] for row in rows())
        _FOR_PEOPLE[form](headings or names, texts)


def _distinct(names: Sequence[str]) -> list[str]:
    """The names, numbered where several are the same."""
    counts: Counter[str] = Counter()
    numbered = []
    for name in names:
        counts[name] += 1
        numbered.append(f"{name}_{counts[name]}" if counts[name] > 1 else name)
    return numbered


def _text(name: str, value: Scalar, digits: int | None) -> str:
    """A value for people, harmless."""
    if value is None:
        return ""
    if digits is not None and isinstance(value, float):
        return format_number(value, digits)
    return Field(value, kind_of(name)).text


def _write_table(headings: Sequence[str], texts: Iterable[Sequence[str]]) -> None:
    columns = [str(number) for number in range(len(headings))]  # several may have one name
    missing = "" if is_terminal() else "–"
    rows = [{"": "", **{name: text or missing for name, text in zip(columns, row, strict=True)}} for row in texts]
    print_columns(columns, rows, headings=dict(zip(columns, headings, strict=True)))


def _write_csv(names: Sequence[str], rows: Rows) -> None:
    import csv

    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(map(_shown, names))
    writer.writerows(map(_shown, row) for row in rows) if is_terminal() else writer.writerows(rows)


def _shown(value: Scalar) -> Scalar:
    return clean(value) if isinstance(value, str) and is_terminal() else value


def _write_json(names: Sequence[str], rows: Rows) -> None:
    before = "[\n"
    for row in rows:
        sys.stdout.write(f"{before}{_object(names, row)}")
        before = ",\n"
    sys.stdout.write("[]\n" if before == "[\n" else "\n]\n")


def _write_json_lines(names: Sequence[str], rows: Rows) -> None:
    sys.stdout.writelines(f"{_object(names, row)}\n" for row in rows)


def _object(names: Sequence[str], row: Sequence[Scalar]) -> str:
    return json.dumps(as_plain(dict(zip(names, row, strict=True))), allow_nan=False)


def _write_markdown(headings: Sequence[str], texts: Iterable[Sequence[str]]) -> None:
    def line(cells: Iterable[str]) -> str:
        escaped = (_MARKDOWN.sub(r"\\\1", cell) for cell in cells)
        return f"| {' | '.join(escaped)} |\n"

    sys.stdout.write(line(headings))
    sys.stdout.write(f"|{' --- |' * len(headings)}\n")
    sys.stdout.writelines(map(line, texts))


def _write_latex(headings: Sequence[str], texts: Iterable[Sequence[str]]) -> None:
    def line(cells: Iterable[str]) -> str:
        escaped = ("".join(_LATEX.get(char, char) for char in cell) for cell in cells)
        return f"  {' & '.join(escaped)} \\\\\n"

    sys.stdout.write(f"\\begin{{tabular}}{{{'l' * len(headings)}}}\n  \\toprule\n{line(headings)}  \\midrule\n")
    sys.stdout.writelines(map(line, texts))
    sys.stdout.write("  \\bottomrule\n\\end{tabular}\n")


_EXACT: dict[str, Callable[[Sequence[str], Rows], None]] = {
    "csv": _write_csv,
    "json": _write_json,
    "jsonl": _write_json_lines,
}
_FOR_PEOPLE: dict[str, Callable[[Sequence[str], Iterable[Sequence[str]]], None]] = {
    "table": _write_table,
    "markdown": _write_markdown,
    "latex": _write_latex,
}
