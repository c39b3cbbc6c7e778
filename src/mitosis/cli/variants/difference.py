"""`mitosis variants diff`: two values, or the dictionaries of two commits, part by part."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from mitosis.cli import completers
from mitosis.cli.table import print_conflicts, print_line, print_warning
from mitosis.cli.text import clean, value_summary
from mitosis.cli.variants.names import locked_names, parameter_name

if TYPE_CHECKING:
    from mitosis.dictionaries.evaluation import Evaluation, Meaning
    from mitosis.errors.values import Conflict
    from mitosis.git.repository import Repository
    from mitosis.journal.journal import Journal
    from mitosis.variants import Variant

_DIFFERENCES_SHOWN = 100

_OptionalVariant = Annotated[str | None, Parameter(completer=completers.variants_of_parameter)]


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
    from mitosis.errors.usage import UsageError
    from mitosis.git.repository import find_repository
    from mitosis.journal.journal import Journal

    repository = find_repository(Path.cwd())
    step, parameter = ("", "") if target is None else parameter_name(target, needs_parameter=rev is None)
    if rev is not None:
        if first is not None:
            raise UsageError("--rev compares whole dictionaries, so no variant can be named with it")
        return _diff_revisions(repository, rev, step or None, parameter or None)
    if not step or not parameter or first is None:
        raise UsageError("name the parameter and a variant: mitosis variants diff STEP.PARAM VARIANT [VARIANT]")
    journal = Journal(repository)
    if second is None:
        meanings = _locked_meanings(journal, step, parameter, first)
        if len(meanings) > 1:
            _print_meanings(journal, meanings)
        else:
            _print_difference(*_locked_and_present(repository, journal, step, parameter, first, meanings))
    else:
        one = _value_of(repository, journal, step, parameter, first)
        other = _value_of(repository, journal, step, parameter, second)
        _print_difference(one, other)
    return 0


def _value_of(repository: Repository, journal: Journal, step: str, parameter: str, variant: str) -> bytes:
    """What a variant is locked to, or else what the dictionary says.

    Raises:
        VariantConflict: several meanings of it are recorded.
    """
    from mitosis.errors.values import VariantConflict

    meanings = _locked_meanings(journal, step, parameter, variant)
    if len(meanings) > 1:
        raise VariantConflict([_conflict(journal, meanings[0])])
    return meanings[0].value if meanings else _present_meaning(repository, step, parameter, variant).value


def _print_meanings(journal: Journal, meanings: Sequence[Variant]) -> None:
    """Of a variant that has several recorded meanings, how the others differ from the first, and how to choose one."""
    digits = _conflict(journal, meanings[0]).digits
    first, *others = meanings
    for other in others:
        print_line(f"{first.digest[:digits]}… → {other.digest[:digits]}…")
        _print_difference(first.value, other.value, indent="    ")
    print_conflicts([_conflict(journal, first)])


def _conflict(journal: Journal, meaning: Variant) -> Conflict:
    """All meanings of a variant that has several."""
    count = len(journal.locks())
    return next(conflict for conflict in journal.conflicts(count) if conflict.name == meaning.name)


def _locked_and_present(
    repository: Repository, journal: Journal, step: str, parameter: str, variant: str, locked: Sequence[Variant]
) -> tuple[bytes, bytes, tuple[str, ...]]:
    """What a variant is locked to, what the dictionary says, and the functions of it that have changed since."""
    from mitosis.errors.usage import UnknownName
    from mitosis.journal.standing import Remarks, same_names
    from mitosis.variants import VariantName

    if not locked:
        reason = "is not locked, so there is nothing to compare"
        raise UnknownName(f"{step}.{parameter}={variant}", reason, locked_names(journal, step, parameter))
    name = VariantName(step, parameter, variant)
    remarks = journal.remarks()
    others = sorted(same_names(remarks).get(name, ()))
    present = _present_meaning(repository, step, parameter, variant, is_locked=True, other_names=others)
    return locked[0].value, present.value, remarks.get(name, Remarks()).changed_functions(present.functions)


def _locked_meanings(journal: Journal, step: str, parameter: str, variant: str) -> list[Variant]:
    """The recorded meanings of a variant, by digest.

    Raises:
        BadRecord: one of them cannot be read.
    """
    from mitosis.errors.journal import BadRecord
    from mitosis.variants import VariantName

    name = VariantName(step, parameter, variant)
    names = {lock for lock in journal.locks() if lock.name == name}
    problems: list[BadRecord] = []
    found = dict(journal.read_locks(names, problems=problems)) if names else {}
    for problem in problems:
        if any(lock.digest in problem.where for lock in names):
            raise problem
    return [locked for _, locked in sorted(found.items(), key=lambda item: item[0])]


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
    from mitosis.check.states import working_state
    from mitosis.errors.experiment import LookupTrouble
    from mitosis.errors.usage import UnknownName

    name = f"{step}.{parameter}={variant}"
    with working_state(repository) as state:
        evaluation = None
        if state.config is not None and step in state.config.steps:
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
    renamed = [f"{step}.{parameter}={name}" for name in other_names]
    there = [name for name in known if name in renamed]
    raise UnknownName(name, f"is locked, but the lookup dictionary does not have it any more{other}", there or known)


def _print_difference(one: bytes, other: bytes, functions: Sequence[str] = (), indent: str = "") -> None:
    from mitosis.canonical.difference import compare_values

    comparison = compare_values(one, other)
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
            print_line(clean(f"{word:8} {full_name}   {value_summary(meaning.value)}"))
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
            print_warning(f"{where}: {refused.full_name}: {refused.reason}")
