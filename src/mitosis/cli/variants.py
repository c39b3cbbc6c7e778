"""`mitosis variants` and `mitosis lock`: what names mean, and changes to that."""

from __future__ import annotations

import contextlib
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import App, Parameter

from mitosis.cli import completers
from mitosis.cli.table import (
    print_columns,
    print_conflicts,
    print_line,
    print_problems,
    print_unmerged,
    print_warning,
)
from mitosis.cli.text import clean, is_terminal, moment, result

if TYPE_CHECKING:
    from mitosis.check.states import State
    from mitosis.check.survey import Survey, VariantStatus
    from mitosis.git import Repository
    from mitosis.journal import Journal, LockOrigin
    from mitosis.lookups import Evaluation, Meaning, Trouble

_VALUE_WIDTH = 60
_NAME_WIDTH = 100
_LEAST_WIDTHS = {"value": 16, "by": 8, "last used": 9}
_FULL_VALUE_LINES = 200
_MOST_LOCKS = 10_000
_TRIALS_SHOWN = 20
_DIFFERENCES_SHOWN = 100

_OptionalVariant = Annotated[str | None, Parameter(completer=completers.variants_of_parameter)]
_Flag = Annotated[bool, Parameter(negative=(), show_default=False)]

app = App(name="variants", help="List variants, what they mean and whether that has changed.", help_format="plaintext")


@app.default
def variants(
    what: Annotated[str | None, Parameter(completer=completers.steps_and_parameters)] = None,
    /,
    *,
    changed: _Flag = False,
    locked: _Flag = False,
) -> int:
    """List all variants that are locked or in a lookup dictionary, with their states, values and uses.

    The dictionaries are those of the working tree; their modules are imported by a process of their own.

    Args:
        what: STEP or STEP.PARAM, to list those variants alone.
        changed: Only those with a problem, and what is different; the exit status is 1 if there are any.
        locked: Look at the locks alone, and import nothing.
    """
    from mitosis.check.survey import survey
    from mitosis.check.texts import change_lines, remedies
    from mitosis.errors import UsageError
    from mitosis.git import find_repository
    from mitosis.journal import Journal

    if changed and locked:
        raise UsageError("--changed compares the dictionaries with the locks, and --locked leaves the dictionaries out")
    if what is not None and "=" in what:
        raise UsageError(
            f"`{what}` names one variant, and those of a step or parameter are listed\n"
            f"Show that one: mitosis variants show {shlex.quote(what)}"
        )
    step, _, parameter = (what or "").partition(".")
    repository = find_repository(Path.cwd())
    journal = Journal(repository)
    with _working_state(repository) if not locked else contextlib.nullcontext() as state:
        if what is not None:
            _check_step(journal, state, step)
        found = survey(journal, state, step=step or None, parameter=parameter or None)
        if what is not None and not (found.statuses or found.unlisted or found.troubles):
            _refuse_unknown(what, survey(journal, state, step=step or None).statuses)
    statuses = [status for status in found.statuses if status.is_problem or not changed]
    if statuses:
        _print_statuses(journal, statuses)
    elif changed:
        print_line(_nothing_changed(found.troubles, state))
    else:
        print_line(_nothing_found(what, found.troubles, state))
    if changed:
        for status in statuses:
            for line in change_lines(status.change) if status.change is not None else ():
                print_line(line)
        for line in remedies([status.change for status in statuses if status.change is not None]):
            print_line(line)
    for trouble in found.troubles:
        print_warning(trouble.reason)
    for text in found.unlisted:
        print_warning(text)
    print_problems(found.problems)
    conflicts = journal.conflicts()
    print_conflicts([c for c in conflicts if step in ("", c.step) and parameter in ("", c.parameter)])
    print_unmerged(journal)
    return 1 if changed and (statuses or found.troubles) else 0


def _refuse_unknown(what: str, statuses: Sequence[VariantStatus]) -> None:
    """Refuse a parameter that has no variants, if others of its step have.

    Raises:
        UnknownName: naming those.
    """
    from mitosis.errors import UnknownName

    known = list(dict.fromkeys(f"{status.step}.{status.parameter}" for status in statuses))
    if known:
        raise UnknownName(what, "is no parameter that has variants", known)


def _nothing_found(what: str | None, troubles: Sequence[Trouble], state: State | None) -> str:
    of = "" if what is None else f" of {clean(what)}"
    if state is None:
        return f"no variants{of} are locked in this repository"
    if troubles:
        return f"no variants{of} are locked, and what the dictionaries have could not be found out"
    return f"there are no variants{of}"


def _nothing_changed(troubles: Sequence[Trouble], state: State | None) -> str:
    if state is None or state.config is None:
        return "no steps are registered in pyproject.toml, so there is nothing to compare"
    return "nothing is known to have changed" if troubles else "every locked variant means what it did"


def _print_statuses(journal: Journal, statuses: Sequence[VariantStatus]) -> None:
    # Nobody locks so many. git would look for where each comes from, and never end.
    origins = journal.variant_origins() if len(statuses) <= _MOST_LOCKS else {}
    relative = is_terminal()
    rows = []
    for status in statuses:
        origin = origins.get((status.step, status.parameter, status.variant, status.digest))
        rows.append(
            {
                "": "!" if status.is_problem else " ",
                "variant": _cut(clean(status.full_name)),
                "state": status.state,
                "value": clean(_short_value(status)),
                "locked": moment(origin.date.isoformat(), relative=relative) if origin is not None else "",
                "by": clean(origin.name) if origin is not None else "",
                "trials": str(status.uses.trials) if status.is_locked else "",
                "last used": moment(status.uses.last, relative=relative) if status.uses.last else "",
                "commit": clean((origin.commit or "")[:7]) if origin is not None else "",
            }
        )
    columns = ["", "variant", "state", "value", "locked", "by", "trials", "last used", "commit"]
    left_out = print_columns(
        columns,
        rows,
        optional=["value", "trials", "locked", "by", "last used", "commit"],
        whole=("variant",),
        least=_LEAST_WIDTHS,
    )
    if left_out:
        print_line(f"No room for {', '.join(left_out)}; `mitosis variants show` has them.")


def _cut(name: str) -> str:
    return name if len(name) <= _NAME_WIDTH else name[: _NAME_WIDTH - 1] + "…"


def _short_value(status: VariantStatus) -> str:
    if status.summary is None:
        return status.reason or "cannot be read"
    redefinition = None if status.change is None else status.change.redefinition
    if redefinition is not None and redefinition.is_whole:
        return f"{redefinition.locked.summary} → {redefinition.now_summary}"
    shown = status.summary
    if status.remarks.new_names:
        shown += f", now called {' or '.join(sorted(status.remarks.new_names))}"
    if status.old_names:
        shown += f", was called {' or '.join(sorted(status.old_names))}"
    return shown


@app.command
def show(variant: Annotated[str, Parameter(completer=completers.full_variants)], /) -> int:
    """Show all of a variant: its value, where it comes from, its history, and the trials that used it.

    Args:
        variant: STEP.PARAM=VARIANT, as `mitosis variants` lists it.
    """
    from mitosis.check.survey import survey
    from mitosis.check.texts import change_lines
    from mitosis.errors import UnknownName
    from mitosis.git import find_repository
    from mitosis.journal import Journal, recorded_name
    from mitosis.parameters import parse_variant

    step, parameter, name = parse_variant(variant)
    repository = find_repository(Path.cwd())
    journal = Journal(repository)
    recorded = recorded_name(step, parameter, name)
    with _working_state(repository) as state:
        found = survey(journal, state, step=recorded[0])
    statuses = [status for status in found.statuses if (status.step, status.parameter, status.variant) == recorded]
    for trouble in found.troubles:
        print_warning(trouble.reason)
    print_problems(found.problems)
    if not statuses:
        known = [status.full_name for status in found.statuses] or _locked_names(journal)
        raise UnknownName(variant, "is neither locked nor in a lookup dictionary", known)
    origins = journal.variant_origins()
    for status in statuses:
        print_line(f"{clean(status.full_name)}   {status.state}")
        for line in _facts(status, origins.get((*recorded, status.digest))):
            print_line(f"    {line}")
        for line in change_lines(status.change) if status.change is not None else ():
            print_line(line)
        print_line("value")
        for line in _full_value(journal, found, status):
            print_line(f"    {line}")
    history = journal.variant_history(step, parameter, name)
    if history:
        print_line("history")
        for entry in history:
            when = moment(entry.date, relative=is_terminal())
            print_line(f"    {entry.commit[:7]}  {when}  {clean(entry.author)}  {clean(entry.summary)}")
    _print_trials(journal, recorded)
    print_conflicts([conflict for conflict in journal.conflicts() if conflict.full_name == statuses[0].full_name])
    return 0


def _facts(status: VariantStatus, origin: LockOrigin | None) -> Iterator[str]:
    if status.digest:
        yield f"digest {status.digest}"
    if origin is not None:
        when = moment(origin.date.isoformat(), relative=is_terminal())
        at = f", commit {origin.commit[:7]}" if origin.commit else ""
        by = f", by trial {origin.trial}" if origin.trial else ""
        yield clean(f"locked {when} by {origin.author}{at}{by}")
    for new in status.remarks.new_names:
        yield clean(f"called {new} now")
    for old in status.old_names:
        yield clean(f"was called {old}")
    for reason in status.remarks.reasons:
        yield clean(f"retired: {reason}" if reason else "retired")
    functions = dict.fromkeys(name for source in status.remarks.sources for name in source)
    if functions:
        yield clean(f"names {', '.join(functions)}")


def _full_value(journal: Journal, found: Survey, status: VariantStatus) -> list[str]:
    from mitosis import canonical
    from mitosis.errors import MitosisError
    from mitosis.journal import VariantUse

    name = (status.step, status.parameter, status.variant)
    if status.is_locked:
        values = [locked.value for _, locked in journal.read_locks({VariantUse(*name, status.digest)}, problems=[])]
    else:
        values = [found.present[name].value] if name in found.present else []
    if not values:
        return [clean(status.reason or "it cannot be read: see `mitosis verify`")]
    try:
        lines = canonical.render(values[0]).splitlines()
    except MitosisError as error:
        return [clean(f"it cannot be read: {error}")]
    shown = [clean(line) for line in lines[:_FULL_VALUE_LINES]]
    return [*shown, f"... and {len(lines) - len(shown)} more lines"] if len(lines) > len(shown) else shown


def _print_trials(journal: Journal, name: tuple[str, str, str]) -> None:
    from mitosis.journal import recorded_name, variant_use

    used = [
        (trial, use.digest)
        for trial in journal.iter_trials()
        for use in map(variant_use, trial.parameters)
        if use is not None and recorded_name(*use[:3]) == name
    ]
    if not used:
        print_line("no trial has used it")
        return
    print_line(f"used by {len(used)} trial{'' if len(used) == 1 else 's'}")
    rows = [
        {
            "": " ",
            "key": trial.key[:6],
            "experiment": clean(trial.experiment),
            "status": trial.status,
            "main": result(trial.main),
            "when": moment(trial.started, relative=is_terminal()),
            "meaning": (digest or "")[:6],
        }
        for trial, digest in used[:_TRIALS_SHOWN]
    ]
    columns = ["", "key", "experiment", "status", "main", "when"]
    if len({digest for _, digest in used}) > 1:
        columns.append("meaning")
    print_columns(columns, rows)
    if len(used) > _TRIALS_SHOWN:
        print_line(f"  ... and {len(used) - _TRIALS_SHOWN} more")


@app.command
def diff(
    target: Annotated[str | None, Parameter(completer=completers.parameter_names)] = None,
    first: _OptionalVariant = None,
    second: _OptionalVariant = None,
    /,
    *,
    rev: str | None = None,
) -> int:
    """Show how values differ, part by part.

    With two variants, the one from the other. With one, what it is locked to from what the dictionary says now.

    With --rev, the dictionaries of two commits: what was added, removed and changed.

    Args:
        target: STEP.PARAM; with --rev also STEP, or nothing for all.
        first: A variant.
        second: Another one.
        rev: A..B, two commits as git names them; B may be left out for HEAD.
    """
    from mitosis.errors import UsageError
    from mitosis.git import find_repository
    from mitosis.journal import Journal

    repository = find_repository(Path.cwd())
    step, parameter = ("", "") if target is None else _parameter_name(target, needs_parameter=rev is None)
    if rev is not None:
        if first is not None:
            raise UsageError("--rev compares whole dictionaries, so no variant can be named with it")
        return _diff_revisions(repository, rev, step or None, parameter or None)
    if not step or not parameter or first is None:
        raise UsageError("name the parameter and a variant: mitosis variants diff STEP.PARAM VARIANT [VARIANT]")
    journal = Journal(repository)
    functions: tuple[str, ...] = ()
    if second is None:
        one, other, functions = _locked_and_present(repository, journal, step, parameter, first)
    else:
        one = _value_of(repository, journal, step, parameter, first)
        other = _value_of(repository, journal, step, parameter, second)
    _print_difference(one, other, functions)
    return 0


def _parameter_name(text: str, *, needs_parameter: bool = True) -> tuple[str, str]:
    """The step and the parameter that a word names; the latter may be empty if it is not needed.

    Raises:
        UsageError: it names neither.
    """
    from mitosis.errors import UsageError

    step, _, parameter = text.partition(".")
    if not step or "=" in text or (needs_parameter and not parameter):
        words = "STEP.PARAM VARIANT, in two words" if needs_parameter else "STEP.PARAM"
        raise UsageError(f"`{text}` names no parameter: write {words}")
    return step, parameter


def _value_of(repository: Repository, journal: Journal, step: str, parameter: str, variant: str) -> bytes:
    """What a variant is locked to, or else what the dictionary says."""
    locked = _locked_values(journal, step, parameter, variant)
    return locked[0] if len(locked) == 1 else _present_meaning(repository, step, parameter, variant).value


def _locked_and_present(
    repository: Repository, journal: Journal, step: str, parameter: str, variant: str
) -> tuple[bytes, bytes, tuple[str, ...]]:
    """What a variant is locked to, what the dictionary says, and the functions of it that have changed since."""
    from mitosis.errors import UnknownName
    from mitosis.journal import Remarks, recorded_name, same_names

    locked = _locked_values(journal, step, parameter, variant)
    if not locked:
        reason = "is not locked, so there is nothing to compare"
        raise UnknownName(f"{step}.{parameter}={variant}", reason, _locked_names(journal, step, parameter))
    if len(locked) == 2:
        return locked[0], locked[1], ()
    name = recorded_name(step, parameter, variant)
    remarks = journal.remarks()
    others = sorted(same_names(remarks).get(name, ()))
    present = _present_meaning(repository, step, parameter, variant, is_locked=True, other_names=others)
    return locked[0], present.value, remarks.get(name, Remarks()).changed_functions(present.functions)


def _locked_names(journal: Journal, step: str | None = None, parameter: str | None = None) -> list[str]:
    locks = journal.locks()
    chosen = [lock for lock in locks if (lock.step, lock.parameter) == (step, parameter)] or locks
    return list(dict.fromkeys(f"{lock.step}.{lock.parameter}={lock.variant}" for lock in chosen))


def _locked_values(journal: Journal, step: str, parameter: str, variant: str) -> list[bytes]:
    from mitosis.errors import BadRecord
    from mitosis.journal import recorded_name

    name = recorded_name(step, parameter, variant)
    names = {lock for lock in journal.locks() if lock[:3] == name}
    problems: list[BadRecord] = []
    found = dict(journal.read_locks(names, problems=problems)) if names else {}
    for problem in problems:
        if any(lock.digest in problem.where for lock in names):
            raise problem
    return [locked.value for _, locked in sorted(found.items())]


def _present_meaning(
    repository: Repository,
    step: str,
    parameter: str,
    variant: str,
    *,
    is_locked: bool = False,
    other_names: Sequence[str] = (),
) -> Meaning:
    """What the dictionary of the working tree says.

    Args:
        repository: whose.
        step: name of the step.
        parameter: name of the parameter.
        variant: which.
        is_locked: whether it is locked, for messages.
        other_names: what it is or was called besides, for messages.

    Raises:
        LookupTrouble: the dictionary cannot be evaluated, or not the value.
        UnknownName: it is not there.
    """
    from mitosis.errors import LookupTrouble, UnknownName

    name = f"{step}.{parameter}={variant}"
    with _working_state(repository) as state:
        evaluation = None
        if state is not None and state.config is not None and step in state.config.steps:
            evaluation = state.evaluate(state.config, [step])
    if evaluation is None:
        reason = "is locked, but its step is not registered" if is_locked else ""
        raise UnknownName(name, reason or "is not locked, and its step is not registered", [])
    for trouble in evaluation.troubles:
        raise LookupTrouble(trouble.reason, trouble.details)
    for meaning in evaluation.meanings:
        if (meaning.parameter, meaning.variant) == (parameter, variant):
            return meaning
    for refused in evaluation.refused:
        if refused.parameter == parameter and refused.variant in ("", variant):
            raise LookupTrouble(f"{name} has no value that can be compared: {refused.reason}", "")
    known = [f"{step}.{parameter}={m.variant}" for m in evaluation.meanings if m.parameter == parameter]
    if not is_locked:
        raise UnknownName(name, "is neither locked nor in the lookup dictionary", known)
    other = f"; it has been called {' and '.join(f'`{name}`' for name in other_names)}, too" if other_names else ""
    raise UnknownName(name, f"is locked, but the lookup dictionary does not have it any more{other}", known)


def _print_difference(one: bytes, other: bytes, functions: Sequence[str] = (), indent: str = "") -> None:
    from mitosis import canonical

    comparison = canonical.compare(one, other)
    for function in functions:
        print_line(clean(f"{indent}{function} has another body"))
    if not comparison.differences:
        print_line(f"{indent}(the value is the same)" if functions else f"{indent}no difference")
        return
    for difference in comparison.differences[:_DIFFERENCES_SHOWN]:
        print_line(clean(f"{indent}{difference.path or 'value'}: {difference.text}"))
    more = comparison.more + max(len(comparison.differences) - _DIFFERENCES_SHOWN, 0)
    if more:
        print_line(f"{indent}... and {more} more")
    if comparison.same:
        same = "1 other leaf is" if comparison.same == 1 else f"{comparison.same} other leaves are"
        print_line(f"{indent}({same} the same)")


def _diff_revisions(repository: Repository, rev: str, step: str | None, parameter: str | None) -> int:
    from mitosis.canonical.sources import changed_functions
    from mitosis.check.revisions import resolve_range

    first, last = resolve_range(repository, rev)
    before = _dictionaries_at(repository, first, step, parameter)
    after = before if last == first else _dictionaries_at(repository, last, step, parameter)
    unknown = before.unknown_steps | after.unknown_steps
    refused = before.refused | after.refused
    is_any = False
    for name in sorted(before.meanings.keys() | after.meanings.keys()):
        if name[0] in unknown or not refused.isdisjoint((name, (*name[:2], ""))):
            continue
        full_name = f"{name[0]}.{name[1]}={name[2]}"
        one, other = before.meanings.get(name), after.meanings.get(name)
        if one is None or other is None:
            word = "added" if one is None else "removed"
            meaning = one or other
            assert meaning is not None
            print_line(clean(f"{word:8} {full_name}   {_summary(meaning.value)}"))
            is_any = True
            continue
        functions = changed_functions(one.functions, other.functions)
        if one.value != other.value or functions:
            print_line(clean(f"changed  {full_name}"))
            _print_difference(one.value, other.value, functions, "    ")
            is_any = True
    if unknown:
        print_warning(f"not compared: {', '.join(sorted(unknown))}")
    elif not is_any:
        print_line("the dictionaries say the same")
    return 1 if unknown else 0


@dataclass(frozen=True, slots=True)
class _Dictionaries:
    """What the lookup dictionaries of a commit say."""

    meanings: Mapping[tuple[str, str, str], Meaning]
    refused: frozenset[tuple[str, str, str]]
    """Names whose values cannot be compared, without a variant for whole parameters."""
    unknown_steps: frozenset[str]
    """Steps that could not be evaluated."""


def _dictionaries_at(repository: Repository, commit: str, step: str | None, parameter: str | None) -> _Dictionaries:
    from mitosis.check.states import commit_state

    with commit_state(repository, commit) as state:
        if state.config is None or (step is not None and step not in state.config.steps):
            return _Dictionaries({}, frozenset(), frozenset())
        evaluation = state.evaluate(state.config, None if step is None else [step])
    _warn_of(evaluation, state.label, parameter)
    return _Dictionaries(
        {
            (meaning.step, meaning.parameter, meaning.variant): meaning
            for meaning in evaluation.meanings
            if parameter is None or meaning.parameter == parameter
        },
        frozenset((refused.step, refused.parameter, refused.variant) for refused in evaluation.refused),
        frozenset(name for trouble in evaluation.troubles for name in trouble.steps),
    )


def _warn_of(evaluation: Evaluation, where: str, parameter: str | None) -> None:
    for trouble in evaluation.troubles:
        print_warning(f"{where}: {trouble.reason}")
    for refused in evaluation.refused:
        if parameter is None or refused.parameter == parameter:
            name = f"{refused.step}.{refused.parameter}{'=' if refused.variant else ''}{refused.variant}"
            print_warning(f"{where}: {name}: {refused.reason}")


@app.command
def resolve(
    variant: Annotated[str, Parameter(completer=completers.conflicting_variants)],
    /,
    *,
    keep: Annotated[str, Parameter(completer=completers.meanings)],
    rename_other: Annotated[tuple[str, ...], Parameter(negative=(), show_default=False)] = (),
) -> int:
    """Choose one of several recorded meanings of a variant, for everybody who shares the repository.

    Trials that used another meaning keep saying what they used.

    Args:
        variant: STEP.PARAM=VARIANT, as `mitosis variants` lists it.
        keep: Digest of the meaning that the name keeps, or any unique beginning of it.
        rename_other: A new name for the other meaning, which is dropped without one; for several, in order of digests.
    """
    from mitosis.git import find_repository
    from mitosis.journal import Journal
    from mitosis.parameters import parse_variant

    step, parameter, name = parse_variant(variant)
    repository = find_repository(Path.cwd())
    resolution = Journal(repository).resolve(
        step, parameter, name, keep, repository.identity(), rename_others=rename_other
    )
    print_line(clean(f"{step}.{parameter}={name}") + f" means {_shown(resolution.kept.value)} now")
    for other, new_name in resolution.others:
        if new_name is None:
            print_line(f"    {_shown(other.value)} is dropped; trials that used it keep saying so")
        else:
            print_line(f"    {_shown(other.value)} is {clean(f'{step}.{parameter}={new_name}')} now")
    _tell_others()
    return 0


@app.command
def rename(
    parameter: Annotated[str, Parameter(completer=completers.parameter_names)],
    old: Annotated[str, Parameter(completer=completers.variants_of_parameter)],
    new: str,
    /,
) -> int:
    """Record a new name for the value of a locked variant. The old name keeps its meaning.

    Args:
        parameter: STEP.PARAM.
        old: The variant.
        new: Its new name.
    """
    from mitosis.git import find_repository
    from mitosis.journal import Journal

    step, name = _parameter_name(parameter)
    repository = find_repository(Path.cwd())
    renamed = Journal(repository).rename(step, name, old, new, repository.identity())
    print_line(clean(f"{parameter}={new} means {_summary(renamed.value)}, as {old} does"))
    print_line("    Trials keep the name that they were run with, and show both.")
    print_line(clean(f"    Now change the name in the lookup dictionary: `{old}` to `{new}`."))
    _tell_others()
    return 0


@app.command
def retire(
    variant: Annotated[str, Parameter(completer=completers.usable_variants)],
    /,
    *,
    reason: str = "",
    undo: _Flag = False,
) -> int:
    """Let no trial use a variant any more, for everybody who shares the repository. Its meaning stays recorded.

    Args:
        variant: STEP.PARAM=VARIANT, as `mitosis variants` lists it.
        reason: Why; whoever tries to use it is told.
        undo: Let a retired variant be used again.
    """
    from mitosis.errors import UsageError
    from mitosis.git import find_repository
    from mitosis.journal import Journal
    from mitosis.parameters import parse_variant

    step, parameter, name = parse_variant(variant)
    repository = find_repository(Path.cwd())
    journal = Journal(repository)
    if undo:
        if reason:
            raise UsageError("--reason is for retiring a variant, and --undo lets one be used again")
        journal.unretire(step, parameter, name, repository.identity())
        print_line(f"{clean(variant)} can be used again")
    else:
        journal.retire(step, parameter, name, reason, repository.identity())
        print_line(f"{clean(variant)} is retired: no trial can use it any more")
    _tell_others()
    return 0


def lock(*steps: Annotated[str, Parameter(completer=completers.steps)], accept_functions: _Flag = False) -> int:
    """Lock all variants of the lookup dictionaries as they are committed, without running a trial.

    Either all of them are locked, or none, if one is locked to another value.

    Args:
        steps: Whose variants; by default those of all registered steps.
        accept_functions: Functions whose bodies have changed since they were locked are meant as they are now: nobody
            is warned of it any more.
    """
    from mitosis.check.comparing import as_variant
    from mitosis.check.states import commit_state
    from mitosis.config import select_steps
    from mitosis.errors import LookupTrouble, NoCommit, UsageError
    from mitosis.git import find_repository
    from mitosis.journal import Journal
    from mitosis.journal.locks import ACCEPT_FUNCTIONS

    repository = find_repository(Path.cwd())
    if repository.head is None:
        raise NoCommit(repository.root)
    identity = repository.identity()
    with commit_state(repository, repository.head) as state:
        if state.config is None:
            raise UsageError(
                f"no steps are registered in pyproject.toml as it is in commit {repository.head[:7]}\n"
                "Register your steps and commit them; `mitosis init` makes the table."
            )
        chosen = [step.name for step in select_steps(state.config, steps)] if steps else list(state.config.steps)
        evaluation = state.evaluate(state.config, chosen)
    for trouble in evaluation.troubles:
        raise LookupTrouble(f"nothing was locked: {trouble.reason}", trouble.details)
    for name, path in evaluation.elsewhere.items():
        raise LookupTrouble(
            f"nothing was locked: trials import `{name}` from {path}, and not from this repository\n"
            "Install the repository in editable mode (pip install -e .), uninstall the other copy, or give the package "
            "a name of its own.",
            "",
        )
    done = Journal(repository).lock(
        [as_variant(meaning) for meaning in evaluation.meanings],
        repository.head,
        identity,
        accept_functions=accept_functions,
    )
    for new in done.newly_locked:
        print_line(clean(f"locked {new.step}.{new.parameter}={new.variant}   {_summary(new.value)}"))
    before = len(evaluation.meanings) - len(done.newly_locked) - len(done.retired)
    already = f"; {before} {'was' if before == 1 else 'were'} locked already" if before else ""
    count = len(done.newly_locked)
    print_line(f"{count} variant{'' if count == 1 else 's'} newly locked at commit {repository.head[:7]}{already}")
    for retired in done.retired:
        print_line(clean(f"left out {retired.step}.{retired.parameter}={retired.variant}, which is retired"))
    for changed in done.changed:
        if accept_functions:
            name = f"{changed.step}.{changed.parameter}={changed.variant}"
            print_line(clean(f"accepted {', '.join(changed.names)} in {name}"))
        else:
            print_warning(str(changed))
    if done.changed and not accept_functions:
        print_warning(ACCEPT_FUNCTIONS)
    for refused in evaluation.refused:
        name = f"{refused.step}.{refused.parameter}{'=' if refused.variant else ''}{refused.variant}"
        print_warning(f"{name} cannot be locked: {refused.reason}")
    return 1 if evaluation.refused else 0


@contextlib.contextmanager
def _working_state(repository: Repository) -> Iterator[State | None]:
    from mitosis.check.states import working_state

    with working_state(repository) as state:
        yield state


def _check_step(journal: Journal, state: State | None, step: str) -> None:
    """Refuse a step that nobody knows.

    Raises:
        UnknownName: it is neither registered nor does it have locked variants.
    """
    from mitosis.errors import UnknownName

    known = {lock.step for lock in journal.locks()}
    if state is not None and state.config is not None:
        known |= state.config.steps.keys()
    if step not in known:
        raise UnknownName(step, "is no step that is registered or has locked variants", sorted(known))


def _summary(value: bytes) -> str:
    """A value as a short text; why not where it cannot be read."""
    from mitosis import canonical
    from mitosis.errors import MitosisError

    try:
        return canonical.summary(value, limit=_VALUE_WIDTH)
    except MitosisError as error:
        return f"cannot be read: {error}"


def _shown(value: bytes) -> str:
    return clean(_summary(value))


def _tell_others() -> None:
    print_line("Let others know: mitosis push")
