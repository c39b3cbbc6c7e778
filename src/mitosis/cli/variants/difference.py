"""`mitosis variants diff`: two values, or the dictionaries of two commits, part by part."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from mitosis.cli import completers
from mitosis.cli.output.table import print_conflicts, print_line, print_warning
from mitosis.cli.output.value_text import value_summary
from mitosis.cli.variants.showing import locked_names
from mitosis.errors.base import ExitStatus
from mitosis.text import clean
from mitosis.variants import Variant, VariantName

if TYPE_CHECKING:
    from mitosis.errors.values import Conflict
    from mitosis.git.repository import Repository
    from mitosis.journal.journal import Journal

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

    With two variants, compare them with each other. With one, compare its locked value with the dictionary's.

    With --rev, compare the dictionaries of two commits: what was added, removed and changed.

    Args:
        target: STEP.PARAM; with --rev also STEP, or nothing for all.
        first: A variant.
        second: Another one.
        rev: A..B, two commits as git names them; B may be left out for HEAD.
    """
    from mitosis.errors.usage import UsageError
    from mitosis.git.repository import find_repository
    from mitosis.journal.journal import Journal
    from mitosis.parameters import parse_parameter

    repository = find_repository(Path.cwd())
    step, parameter = ("", "") if target is None else parse_parameter(target, needs_parameter=rev is None)
    if rev is not None:
        if first is not None:
            raise UsageError("--rev compares whole dictionaries, so no variant can be named with it")
        return _diff_revisions(repository, rev, step, parameter)
    if not step or not parameter or first is None:
        raise UsageError("name the parameter and a variant: mitosis variants diff STEP.PARAM VARIANT [VARIANT]")
    journal = Journal(repository)
    name = VariantName(step, parameter, first)
    if second is not None:
        _print_difference(_value_of(journal, name), _value_of(journal, name.renamed(second)))
        return 0
    meanings = _locked_meanings(journal, name)
    if len(meanings) > 1:
        _print_meanings(journal, meanings)
    else:
        _print_change(journal, name, meanings)
    return 0


def _value_of(journal: Journal, name: VariantName) -> bytes:
    """What a variant is locked to, or else what the dictionary says.

    Raises:
        VariantConflict: several meanings of it are recorded.
    """
    from mitosis.errors.values import VariantConflict

    meanings = _locked_meanings(journal, name)
    if len(meanings) > 1:
        raise VariantConflict([_conflict(journal, name)])
    return meanings[0].value if meanings else _present_meaning(journal, name).value


def _print_meanings(journal: Journal, meanings: Sequence[Variant]) -> None:
    """Of a variant that has several recorded meanings, how the others differ from the first, and how to choose one."""
    first, *others = meanings
    conflict = _conflict(journal, first.name)
    for other in others:
        print_line(f"{first.digest[: conflict.digits]}… → {other.digest[: conflict.digits]}…")
        _print_difference(first.value, other.value, indent="    ")
    print_conflicts([conflict])


def _conflict(journal: Journal, name: VariantName) -> Conflict:
    """All meanings of a variant that has several."""
    count = len(journal.locks())
    return next(conflict for conflict in journal.conflicts(count) if conflict.name == name)


def _print_change(journal: Journal, name: VariantName, locked: Sequence[Variant]) -> None:
    """What a variant is locked to, what the dictionary says, and the functions of it that have changed since."""
    from mitosis.errors.usage import UnknownName
    from mitosis.journal.standing import Remarks, same_names

    if not locked:
        reason = "is not locked, so there is nothing to compare"
        raise UnknownName(str(name), reason, locked_names(journal, name.of_parameter))
    remarks = journal.remarks()
    others = sorted(same_names(remarks).get(name, ()))
    present = _present_meaning(journal, name, is_locked=True, other_names=others)
    functions = remarks.get(name, Remarks()).changed_functions(present.functions)
    _print_difference(locked[0].value, present.value, functions)


def _locked_meanings(journal: Journal, name: VariantName) -> list[Variant]:
    """The recorded meanings of a variant, by digest.

    Raises:
        BadRecord: one of them cannot be read.
    """
    from mitosis.errors.journal import BadRecord

    locks = {lock for lock in journal.locks() if lock.name == name}
    problems: list[BadRecord] = []
    found = dict(journal.read_locks(locks, problems=problems)) if locks else {}
    for problem in problems:
        if any(lock.digest in problem.where for lock in locks):
            raise problem
    return [found[lock] for lock in sorted(found)]


def _present_meaning(
    journal: Journal, name: VariantName, *, is_locked: bool = False, other_names: Sequence[str] = ()
) -> Variant:
    """What the dictionary of the working tree says.

    Args:
        journal: of the repository.
        name: of the variant.
        is_locked: whether it is locked, for messages.
        other_names: what it is or was called besides, for messages.

    Raises:
        LookupTrouble: the dictionary cannot be evaluated, or not the value.
        UnknownName: it is not there.
    """
    from mitosis.dictionaries.states import working_state
    from mitosis.errors.experiment import LookupTrouble
    from mitosis.errors.usage import UnknownName

    state = working_state(journal.repository)
    if name.step not in state.steps:
        reason = "is locked, but its step is not registered" if is_locked else ""
        raise UnknownName(str(name), reason or "is not locked, and its step is not registered", [])
    evaluation = state.evaluate([name.step])
    for trouble in evaluation.troubles:
        raise LookupTrouble(trouble.reason, trouble.details)
    for meaning in evaluation.meanings:
        if meaning.name == name:
            return meaning
    for refused in evaluation.refused:
        if refused.name in (name, name.renamed("")):
            raise LookupTrouble(f"{name} has no value that can be compared: {refused.reason}", "")
    known = [str(m.name) for m in evaluation.meanings if m.name.parameter == name.parameter]
    if not is_locked:
        raise UnknownName(str(name), "is neither locked nor in the lookup dictionary", known)
    other = f"; it has been called {' and '.join(f'`{other}`' for other in other_names)}, too" if other_names else ""
    there = [renamed for renamed in map(str, map(name.renamed, other_names)) if renamed in known]
    reason = f"is locked, but the lookup dictionary no longer has it{other}"
    raise UnknownName(str(name), reason, there or known)


def _print_difference(one: bytes, other: bytes, functions: Sequence[str] = (), indent: str = "") -> None:
    from mitosis.canonical.difference import compare_values

    comparison = compare_values(one, other)
    for function in functions:
        print_line(clean(f"{indent}{function} has a different body"))
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


def _diff_revisions(repository: Repository, rev: str, step: str, parameter: str) -> int:
    from mitosis.dictionaries.states import resolve_range
    from mitosis.variants import changed_functions

    first, last = resolve_range(repository, rev)
    before = _dictionaries_at(repository, first, step, parameter)
    after = before if last == first else _dictionaries_at(repository, last, step, parameter)
    unknown = before.unknown_steps | after.unknown_steps
    refused = before.refused | after.refused
    is_any = False
    for name in sorted(before.meanings.keys() | after.meanings.keys()):
        if name.step in unknown or not refused.isdisjoint((name, name.renamed(""))):
            continue
        one, other = before.meanings.get(name), after.meanings.get(name)
        if one is None or other is None:
            word = "added" if one is None else "removed"
            meaning = one or other
            assert meaning is not None
            print_line(clean(f"{word:8} {name}   {value_summary(meaning.value)}"))
            is_any = True
            continue
        functions = changed_functions(one.functions, other.functions)
        if one.value != other.value or functions:
            print_line(clean(f"changed  {name}"))
            _print_difference(one.value, other.value, functions, "    ")
            is_any = True
    if unknown:
        print_warning(f"not compared: {', '.join(sorted(unknown))}")
    elif not is_any:
        print_line("the dictionaries say the same")
    return ExitStatus.FAILED if unknown else ExitStatus.DONE


@dataclass(frozen=True, slots=True)
class _Dictionaries:
    """What the lookup dictionaries of a commit say."""

    meanings: Mapping[VariantName, Variant] = field(default_factory=dict)
    refused: frozenset[VariantName] = frozenset()
    """Names whose values cannot be compared, without a variant for whole parameters."""
    unknown_steps: frozenset[str] = frozenset()
    """Steps that could not be evaluated."""


def _dictionaries_at(repository: Repository, commit: str, step: str, parameter: str) -> _Dictionaries:
    from mitosis.dictionaries.states import commit_state

    with commit_state(repository, commit) as state:
        if step and step not in state.steps:
            return _Dictionaries()
        evaluation = state.evaluate([step] if step else None)
    for trouble in evaluation.troubles:
        print_warning(f"{state.label}: {trouble.reason}")
    for refused in evaluation.refused:
        if parameter in ("", refused.name.parameter):
            print_warning(f"{state.label}: {refused.full_name}: {refused.reason}")
    return _Dictionaries(
        {meaning.name: meaning for meaning in evaluation.meanings if parameter in ("", meaning.name.parameter)},
        frozenset(refused.name for refused in evaluation.refused),
        frozenset(name for trouble in evaluation.troubles for name in trouble.steps),
    )
