"""`mitosis list`, `fields` and `sql`: ask the journal about many trials."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from mitosis.cli import completers
from mitosis.cli.opening import open_journal
from mitosis.cli.options import Filters, Format
from mitosis.cli.output.streams import is_terminal
from mitosis.cli.output.table import (
    print_columns,
    print_line,
    print_lines,
    print_problems,
    print_unmerged,
    print_warning,
    screen_width,
)
from mitosis.cli.output.trial_text import Meanings, print_trials
from mitosis.errors.base import suggestion
from mitosis.errors.usage import UsageError
from mitosis.records.view import Field as Value
from mitosis.records.view import Scalar, kind_of
from mitosis.text import broken, clean, format_number

if TYPE_CHECKING:
    from mitosis.journal.journal import Journal
    from mitosis.query.fields import Field
    from mitosis.query.groups import Group
    from mitosis.query.search import Search

_DEFAULT_COUNT = 20
_COMPLETE = ("csv", "json", "jsonl", "parquet")
"""What is read by programs, which would not notice that something is left out."""
_MOST_TRIALS = 10**9
_MOST_DIGITS = 17
_Words = tuple[str, ...]
_Digits = Annotated[int | None, Parameter(show_default=False)]
_Fields = Parameter(completer=completers.fields, allow_leading_hyphen=True)


def list_trials(
    condition: str | None = None,
    /,
    *,
    filters: Filters | None = None,
    sort: Annotated[_Words, _Fields] = (),
    reverse: bool = False,
    number: Annotated[int | None, Parameter(name=["--number", "-n"])] = None,
    columns: Annotated[_Words, _Fields] = (),
    group_by: Annotated[_Words, _Fields] = (),
    of: Annotated[str | None, _Fields] = None,
    best: Annotated[str | None, _Fields] = None,
    format: Format = "table",
    digits: _Digits = None,
) -> int:
    """List trials, newest first.

    A condition compares fields in Python's syntax: "main < 0.1 and params.noise == 'low'". `mitosis fields` lists them.

    Args:
        condition: Only trials that meet this condition.
        filters: Which trials.
        sort: Fields to sort by, such as main,-started; after a - the highest comes first.
        reverse: Turn the order around.
        number: How many to list at most; by default 20, and all for csv, json, jsonl and parquet; 0 for all.
        columns: Fields to show, such as key,main,'metrics.*'.
        group_by: Count the trials that have the same values of these fields, and say how good they are.
        of: The number that is said of each group, main by default; after a - the highest is the best.
        best: Only the trial with the lowest value of this field, after a - the highest; of each group with --group-by.
        format: How to print them. All but table, markdown and latex have all digits of all fields.
        digits: How many digits of numbers to show in these three.
    """
    from mitosis.query.search import Search

    if number is not None and not 0 <= number <= _MOST_TRIALS:
        raise UsageError(f"-n {number}: pass the number of trials to list, or 0 for all")
    if digits is not None and not 1 <= digits <= _MOST_DIGITS:
        raise UsageError(f"--digits {digits}: pass a number from 1 to {_MOST_DIGITS}")
    journal = open_journal()
    filters = filters or Filters()
    where = [*([] if condition is None else [condition]), *filters.conditions(journal.repository)]
    count = 0 if format in _COMPLETE else _DEFAULT_COUNT
    limit = (count if number is None else number) or None
    search = Search(journal, where, _names(sort), reverse=reverse, limit=limit)
    if group_by or best or of:
        everything = Search(journal, where)
        if best is None:
            _print_groups(everything, _names(group_by), of, format, digits)
            return 0
        groups = _groups(everything, _names(group_by), best)
        search = search.among([group.best_key for group in groups if group.best_key is not None], limit)
    fields = [field for word in _names(columns) for field in search.fields.match(word)]
    if fields or format != "table":
        from mitosis.cli.output.formats import write_rows

        fields = fields or search.fields.shown()
        headings = _short_names(fields) if is_terminal() or format != "table" else None
        names = [field.name for field in fields]
        write_rows(format, names, lambda: search.rows(fields), digits=digits, headings=headings)
        if format == "table":
            _print_count(search, limit)
        return 0
    _print_trials(journal, search, filters.experiment, limit, is_narrowed=bool(where or best))
    return 0


def _names(words: Sequence[str]) -> list[str]:
    """The names in words that may each have several, after commas."""
    return [name for word in words for name in map(str.strip, word.split(",")) if name]


def _print_trials(
    journal: Journal, search: Search, experiment: str | None, limit: int | None, *, is_narrowed: bool
) -> None:
    from mitosis.journal import layout
    from mitosis.journal.reading import read_problems
    from mitosis.journal.unrecorded import find_ends

    views = list(search.views())
    problems = read_problems(journal.index, layout.TRIALS)
    meanings = journal.present_meanings(parameter for view in views for parameter in view.parameters)
    if views:
        print_trials(views, meanings)
        _print_count(search, limit)
    elif is_narrowed and journal.count_experiments():
        _refuse_unknown_experiment(journal, experiment)
        print_line("no trial meets that")
    else:
        print_line(f"no trials {'can be read' if problems else 'are recorded'} in this repository")
    print_problems(problems)
    print_meanings_in_conflict(meanings)
    for end, folder in find_ends(journal):
        print_warning(f"trial {end.key} {end.status}, but that is not recorded yet: its end is kept in {folder}")
        print_warning("The next trial in this repository will record it, or `mitosis sync` will.")
    print_unmerged(journal)


def _refuse_unknown_experiment(journal: Journal, experiment: str | None) -> None:
    known = journal.count_experiments()
    if experiment is None or experiment in known:
        return
    named = ", ".join(f"{name} ({count})" for name, count in known.items())
    raise UsageError(
        f"no trials of `{experiment}` are recorded in this repository\n    experiments: {named}\n"
        f"{suggestion(experiment, known)}".rstrip()
    )


def print_meanings_in_conflict(meanings: Meanings) -> None:
    """Say, on standard error, which names that were shown have several meanings."""
    names = {str(u.name): m.meanings for u, m in meanings.items() if m.meanings > 1}
    for name, count in names.items():
        print_warning(f"{name} has {count} recorded meanings, so it cannot be run: see `mitosis variants`")


def _print_count(search: Search, limit: int | None) -> None:
    """Say on a terminal how many there are, if not all are shown."""
    if limit is None or not is_terminal():
        return
    count = search.count()
    if count > limit:
        print_line(f"{limit:,} of {count:,}; -n 0 lists all")


# --- groups ---------------------------------------------------------------------------------------


def _groups(search: Search, by: Sequence[str], word: str) -> list[Group]:
    from mitosis.query.groups import group

    of = search.fields.find(word.removeprefix("-"))
    return group(search, [search.fields.find(name) for name in by], of, is_higher_better=word.startswith("-"))


def _print_groups(search: Search, by: Sequence[str], of: str | None, format: Format, digits: int | None) -> None:
    from mitosis.cli.output.formats import write_rows

    word = of or ("-main" if _is_higher_better(search) else "main")
    groups = _groups(search, by, word)
    fields = [search.fields.find(name) for name in by]
    if format in ("table", "markdown", "latex"):
        headings = [*_short_names(fields), "trials", "best", "mean ± sd", "median", "best trial"]
        texts = [_group_texts(fields, found, digits or 3) for found in groups]
        write_rows(format, headings, lambda: texts)
        return
    names = [*(field.name for field in fields), "trials", "best", "mean", "sd", "median", "best_key"]
    rows: list[tuple[Scalar, ...]] = [
        (*found.values, found.trials, found.best, found.mean, found.deviation, found.median, found.best_key)
        for found in groups
    ]
    write_rows(format, names, lambda: rows)


def _group_texts(fields: Sequence[Field], group: Group, digits: int) -> list[str]:
    def number(value: float | None) -> str:
        return "–" if value is None else format_number(value, digits)

    spread = number(group.mean) + ("" if group.deviation is None else f" ± {number(group.deviation)}")
    values = (
        "–" if value is None else Value(value, kind_of(field.name)).text
        for field, value in zip(fields, group.values, strict=True)
    )
    numbers = (number(group.best), spread, number(group.median))
    return [*values, f"{group.trials:,}", *numbers, (group.best_key or "–")[:6]]


def _is_higher_better(search: Search) -> bool:
    """Whether the registration of the steps says so, for all trials where it says anything."""
    return {better for (better,) in search.rows([search.fields.find("main.better")]) if better} == {"higher"}


def _short_names(fields: Sequence[Field]) -> list[str]:
    """What to call fields where there is little room: parameters and metrics by their own names, if that is enough."""
    labels = [
        field.name.rpartition(".")[2] if field.name.startswith(("params.", "metrics.")) else "" for field in fields
    ]
    counts = Counter([*labels, *(field.name for field in fields)])
    return [
        clean(label if label and counts[label] == 1 else field.name)
        for field, label in zip(fields, labels, strict=True)
    ]


# --- fields and SQL -------------------------------------------------------------------------------


def list_fields(pattern: str | None = None, /) -> int:
    """List the fields that trials can be asked for, each with an example.

    Args:
        pattern: Only those that match this, such as 'metrics.*'; packages are listed for 'package.*' alone.
    """
    from mitosis.query.fields import Fields

    fields = Fields(open_journal().index)
    names = [name for name in fields.names() if not name.startswith("package.")]
    found = [fields.find(name) for name in names] if pattern is None else fields.match(pattern)
    rows = []
    for field in found:
        example = fields.example(field)
        rows.append({"": "", "field": field.name, "example": "–" if example is None else _literal(example)})
    print_columns(("field", "example"), rows)
    return 0


def _literal(value: Scalar) -> str:
    """A value as it is written in a condition."""
    return repr(value) if isinstance(value, str) else Value(value, kind_of("")).exact


def sql(query: str | None = None, /, *, format: Format = "table") -> int:
    """Ask the index of the journal in SQL, which cannot change anything; without a query, print what there is to ask.

    Args:
        query: One SELECT statement of SQLite's.
        format: How to print the answer.
    """
    from mitosis.cli.output.formats import write_rows
    from mitosis.query.statements import answer, describe

    index = open_journal().index
    if query is None:
        print_lines(line for text in describe(index) for line in broken(text, screen_width(), 4))
        return 0
    rows = answer(index, query)
    names = list(map(str, next(rows)))
    found = list(rows) if format == "parquet" else rows  # which is read twice
    write_rows(format, names, lambda: found)
    return 0
