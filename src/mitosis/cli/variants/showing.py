"""`mitosis variants show`: all of one variant."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from mitosis.check.survey import survey
from mitosis.check.texts import change_lines, not_compared
from mitosis.cli import completers
from mitosis.cli.configuration import ConfigFile
from mitosis.cli.output.streams import is_terminal
from mitosis.cli.output.table import (
    print_columns,
    print_conflicts,
    print_line,
    print_lines,
    print_problems,
    print_warning,
)
from mitosis.dictionaries.states import working_state
from mitosis.errors.base import MitosisError, few, shell_words
from mitosis.errors.usage import UnknownName
from mitosis.git.repository import find_repository
from mitosis.journal.journal import Journal
from mitosis.journal.standing import same_names
from mitosis.parameters import parse_variant
from mitosis.text import clean, counted, format_moment, format_value
from mitosis.variants import VariantLock, VariantName

if TYPE_CHECKING:
    from mitosis.check.survey import Survey, VariantStatus
    from mitosis.records.trial import ParameterRecord, TrialRecord
    from mitosis.variants import LockOrigin

_FULL_VALUE_LINES = 200
_TRIALS_SHOWN = 20
_HISTORY_SHOWN = 100
_FACTS_SHOWN = 5
_FACT_WIDTH = 10_000


def show(
    variant: Annotated[str, Parameter(completer=completers.full_variants)], /, *, config: ConfigFile = None
) -> int:
    """Show all of a variant: its value, where it comes from, its history, and the trials that used it.

    Args:
        variant: STEP.PARAM=VARIANT, as `mitosis variants` lists it.
    """
    name = parse_variant(variant)
    repository = find_repository(Path.cwd())
    journal = Journal(repository)
    found = survey(journal, working_state(repository, config), step=name.step, repeats=True)
    statuses = [status for status in found.statuses if status.name == name]
    print_warning(*(trouble.reason for trouble in found.troubles), *found.warnings)
    print_warning(*map(not_compared, found.not_compared))
    print_problems(found.problems)
    if not statuses:
        known = [str(status.name) for status in found.statuses] or locked_names(journal)
        raise UnknownName(variant, "is neither locked nor in a lookup dictionary", known)
    origins = journal.variant_origins()
    for status in statuses:
        print_line(f"{status.name}   {status.state}")
        print_lines(f"    {fact}" for fact in _facts(status, origins.get(VariantLock(name, status.digest))))
        if status.change is not None:
            print_lines(change_lines(status.change))
        print_line("value")
        print_lines(f"    {line}" for line in _full_value(journal, found, status))
    history = journal.variant_history(name)
    if history:
        print_line("history")
        for entry in history[:_HISTORY_SHOWN]:
            when = format_moment(entry.date, relative=is_terminal())
            print_line(f"    {entry.oid[:7]}  {when}  {entry.author}  {entry.summary}")
        if len(history) > _HISTORY_SHOWN:
            print_line(f"    ... and {len(history) - _HISTORY_SHOWN} before these: git log refs/mitosis")
    _print_trials(journal, name)
    print_conflicts([conflict for conflict in journal.conflicts() if conflict.name == name])
    return 0


def _facts(status: VariantStatus, origin: LockOrigin | None) -> Iterator[str]:
    if status.digest:
        yield f"digest {status.digest}"
    if origin is not None:
        when = format_moment(origin.date.isoformat(), relative=is_terminal())
        at = f", commit {origin.commit[:7]}" if origin.commit else ""
        by = f", by trial {origin.trial}" if origin.trial else ""
        yield f"locked {when} by {origin.author}{at}{by}"
    for what, texts in (
        ("now called", status.remarks.new_names),
        ("was called", status.old_names),
        ("retired:", status.remarks.reasons),
    ):
        yield from (f"{what} {clean(text, _FACT_WIDTH)}".rstrip(": ") for text in texts[:_FACTS_SHOWN])
        if len(texts) > _FACTS_SHOWN:
            yield f"{what} ... and {len(texts) - _FACTS_SHOWN} more"
    functions = dict.fromkeys(name for source in status.remarks.sources for name in source)
    if functions:
        yield f"names {few(list(functions), ', ', limit=_TRIALS_SHOWN)}"


def _full_value(journal: Journal, found: Survey, status: VariantStatus) -> list[str]:
    from mitosis.canonical.full_text import render_value

    name = status.name
    if status.is_locked:
        values = [locked.value for _, locked in journal.read_locks({VariantLock(name, status.digest)}, problems=[])]
    else:
        values = [found.present[name].value] if name in found.present else []
    if not values:
        return [status.reason or "it cannot be read: see `mitosis verify`"]
    try:
        lines = render_value(values[0]).splitlines()
    except MitosisError as error:
        return [f"it cannot be read: {error}"]
    more = len(lines) - _FULL_VALUE_LINES
    return lines[:_FULL_VALUE_LINES] + ([f"... and {more} more lines"] if more > 0 else [])


def _print_trials(journal: Journal, name: VariantName) -> None:
    others = same_names(journal.remarks()).get(name, ())
    used = []
    untracked = 0
    elsewhere: Counter[str] = Counter()
    for trial, parameter in iter_uses(journal, name):
        if parameter.text == name.variant and parameter.tracked:
            used.append((trial, parameter.digest))
        elif parameter.text == name.variant:
            untracked += 1
        elif parameter.text in others and parameter.tracked:
            elsewhere[parameter.text] += 1
    if untracked:
        print_line(f"{counted(untracked, 'trial')} used it untracked (+)")
    if not used and not untracked:
        print_line("no trial has used it")
    elif used:
        _print_uses(used)
    for other, count in sorted(elsewhere.items()):
        shown = shell_words(str(name.renamed(other)))
        print_line(f"{counted(count, 'trial')} used it as {other}: mitosis variants show {shown}")


def iter_uses(journal: Journal, name: VariantName) -> Iterator[tuple[TrialRecord, ParameterRecord]]:
    """Each trial that looked up a variant of the parameter of this one, and what it recorded of that."""
    for trial in journal.iter_trials():
        for parameter in trial.parameters:
            if parameter.kind == "lookup" and (parameter.step, parameter.name) == name[:2]:
                yield trial, parameter


def _print_uses(used: Sequence[tuple[TrialRecord, str | None]]) -> None:
    print_line(f"used by {counted(len(used), 'trial')}")
    rows = [
        {
            "": " ",
            "key": trial.key[:6],
            "experiment": trial.experiment,
            "status": trial.status,
            "main": format_value(trial.main),
            "when": format_moment(trial.started, relative=is_terminal()),
            "meaning": (digest or "")[:6],
        }
        for trial, digest in used[:_TRIALS_SHOWN]
    ]
    columns = ["", "key", "experiment", "status", "main", "when"]
    results = {trial.main_name for trial, _ in used}
    headings = {"main": clean(results.pop())} if len(results) == 1 else {}
    if len({digest for _, digest in used}) > 1:
        columns.append("meaning")
    print_columns(columns, rows, headings=headings)
    if len(used) > _TRIALS_SHOWN:
        print_line(f"  ... and {len(used) - _TRIALS_SHOWN} more")


def locked_names(journal: Journal, parameter: str = "") -> list[str]:
    """The full names of the locked variants of a parameter, `step.param`; of all if it has none."""
    locks = journal.locks()
    chosen = [lock for lock in locks if lock.name.of_parameter == parameter] or locks
    return list(dict.fromkeys(str(lock.name) for lock in chosen))
