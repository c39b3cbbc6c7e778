"""`mitosis variants diff`: two values, or the dictionaries of two commits, part by part."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from mitosis.check.texts import value_summary
from mitosis.cli import completers
from mitosis.cli.configuration import ConfigFile
from mitosis.cli.output.table import print_conflicts, print_line, print_warning
from mitosis.cli.variants.showing import locked_names
from mitosis.dictionaries.evaluation import Evaluation
from mitosis.dictionaries.states import commit_state, resolve_range, working_state
from mitosis.errors.base import ExitStatus
from mitosis.errors.experiment import LookupTrouble
from mitosis.errors.journal import BadRecord
from mitosis.errors.usage import UnknownName, UsageError
from mitosis.errors.values import Conflict, VariantConflict
from mitosis.git.repository import Repository, find_repository
from mitosis.journal.journal import Journal
from mitosis.journal.standing import Remarks, same_names
from mitosis.parameters import parse_variant
from mitosis.variants import Variant, VariantName, changed_functions

_DIFFERENCES_SHOWN = 100

_Variant = Annotated[str | None, Parameter(completer=completers.compared_variants)]


def diff(
    first: _Variant = None, second: _Variant = None, /, *, rev: str | None = None, config: ConfigFile = None
) -> int:
    """Show how values differ, part by part.

    With two variants, compare them with each other. With one, compare its locked value with the dictionary's.

    With --rev, compare the dictionaries of two commits: what was added, removed and changed.

    Args:
        first: STEP.PARAM=VARIANT, as `mitosis variants` lists it; with --rev STEP or STEP.PARAM, or nothing for all.
        second: Another variant.
        rev: A..B, two commits as git names them; B may be left out for HEAD.
    """
    repository = find_repository(Path.cwd())
    if rev is not None:
        step, _, parameter = (first or "").partition(".")
        if "=" in parameter or "=" in step or second is not None:
            raise UsageError("--rev compares whole dictionaries, so no variant can be named with it")
        return _diff_revisions(repository, rev, step, parameter, config)
    if first is None:
        raise UsageError("name a variant: mitosis variants diff STEP.PARAM=VARIANT [STEP.PARAM=VARIANT]")
    journal = Journal(repository)
    name = parse_variant(first)
    if second is not None:
        other = parse_variant(second)
        _print_difference(_value_of(journal, name, config), _value_of(journal, other, config))
        return 0
    meanings = _locked_meanings(journal, name)
    if len(meanings) > 1:
        _print_meanings(journal, meanings)
    else:
        _print_change(journal, name, meanings, config)
    return 0


def _value_of(journal: Journal, name: VariantName, config: str | None) -> bytes:
    """What a variant is locked to, or else what the dictionary says.

    Raises:
        VariantConflict: several meanings of it are recorded.
    """
    meanings = _locked_meanings(journal, name)
    if len(meanings) > 1:
        raise VariantConflict([_conflict(journal, name)])
    return meanings[0].value if meanings else _present_meaning(journal, name, config).value


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
    return next(conflict for conflict in journal.conflicts(len(journal.locks())) if conflict.name == name)


def _print_change(journal: Journal, name: VariantName, locked: Sequence[Variant], config: str | None) -> None:
    """What a variant is locked to, what the dictionary says, and the functions of it that have changed since."""
    if not locked:
        reason = "is not locked, so there is nothing to compare"
        raise UnknownName(str(name), reason, locked_names(journal, name.of_parameter))
    remarks = journal.remarks()
    others = sorted(same_names(remarks).get(name, ()))
    present = _present_meaning(journal, name, config, is_locked=True, other_names=others)
    functions = remarks.get(name, Remarks()).changed_functions(present.functions)
    _print_difference(locked[0].value, present.value, functions)


def _locked_meanings(journal: Journal, name: VariantName) -> list[Variant]:
    """The recorded meanings of a variant, by digest.

    Raises:
        BadRecord: one of them cannot be read.
    """
    problems: list[BadRecord] = []
    found = list(journal.read_locks([lock for lock in journal.locks() if lock.name == name], problems=problems))
    if problems:
        raise problems[0]
    return [variant for _, variant in found]


def _present_meaning(
    journal: Journal,
    name: VariantName,
    config: str | None,
    *,
    is_locked: bool = False,
    other_names: Sequence[str] = (),
) -> Variant:
    """What the dictionary of the working tree says.

    Args:
        journal: of the repository.
        name: of the variant.
        config: the configuration in place of pyproject.toml.
        is_locked: whether it is locked, for messages.
        other_names: what it is or was called besides, for messages.

    Raises:
        LookupTrouble: the dictionary cannot be evaluated, or not the value.
        UnknownName: it is not there.
    """
    state = working_state(journal.repository, config)
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
    there = [str(name.renamed(other)) for other in other_names if str(name.renamed(other)) in known]
    raise UnknownName(str(name), f"is locked, but the lookup dictionary no longer has it{other}", there or known)


def _print_difference(one: bytes, other: bytes, functions: Sequence[str] = (), indent: str = "") -> None:
    from mitosis.canonical.difference import compare_values

    comparison = compare_values(one, other)
    for function in functions:
        print_line(f"{indent}{function} has a different body")
    if not comparison.differences:
        print_line(f"{indent}(the value is the same)" if functions else f"{indent}no difference")
        return
    for difference in comparison.differences[:_DIFFERENCES_SHOWN]:
        print_line(f"{indent}{difference.path or 'value'}: {difference.text}")
    more = comparison.more + max(len(comparison.differences) - _DIFFERENCES_SHOWN, 0)
    if more:
        print_line(f"{indent}... and {more} more")
    if comparison.same:
        same = "1 other leaf is" if comparison.same == 1 else f"{comparison.same} other leaves are"
        print_line(f"{indent}({same} the same)")


def _diff_revisions(repository: Repository, rev: str, step: str, parameter: str, config: str | None) -> int:
    commits = resolve_range(repository, rev)
    one, other = (_dictionaries_at(repository, commit, step, parameter, config) for commit in commits)
    unknown = {name for found in (one, other) for trouble in found.troubles for name in trouble.steps}
    refused = {refused.name for found in (one, other) for refused in found.refused}
    before, after = ({meaning.name: meaning for meaning in found.meanings} for found in (one, other))
    is_any = False
    for name in sorted(before.keys() | after.keys()):
        # Of a parameter that is refused as a whole, the variant is left out in the name.
        if name.step in unknown or name in refused or name.renamed("") in refused:
            continue
        if parameter not in ("", name.parameter):
            continue
        was, now = before.get(name), after.get(name)
        if was is None or now is None:
            word, meaning = ("added", after[name]) if was is None else ("removed", was)
            print_line(f"{word:8} {name}   {value_summary(meaning)}")
            is_any = True
            continue
        functions = changed_functions(was.functions, now.functions)
        if was.value != now.value or functions:
            print_line(f"changed  {name}")
            _print_difference(was.value, now.value, functions, "    ")
            is_any = True
    if unknown:
        print_warning(f"not compared: {', '.join(sorted(unknown))}")
    elif not is_any:
        print_line("the dictionaries say the same")
    return ExitStatus.FAILED if unknown else ExitStatus.DONE


def _dictionaries_at(repository: Repository, commit: str, step: str, parameter: str, config: str | None) -> Evaluation:
    """What the lookup dictionaries of a commit say; what cannot be told is said on standard error."""
    with commit_state(repository, commit, config) as state:
        if step and step not in state.steps:
            return Evaluation()
        evaluation = state.evaluate([step] if step else None)
    for trouble in evaluation.troubles:
        print_warning(f"{state.label}: {trouble.reason}")
    for refused in evaluation.refused:
        if parameter in ("", refused.name.parameter):
            print_warning(f"{state.label}: {refused.full_name}: {refused.reason}")
    return evaluation
