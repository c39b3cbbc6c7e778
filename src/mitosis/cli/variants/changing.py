"""`mitosis variants resolve`, `rename`, `retire` and `release`: changes to what names mean, for everybody."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from mitosis.check.survey import Survey, survey
from mitosis.cli import completers
from mitosis.cli.output.table import print_conflicts, print_line
from mitosis.cli.variants.showing import iter_uses, locked_names
from mitosis.dictionaries.states import working_state
from mitosis.errors.usage import ConfigError, UnknownName, UsageError
from mitosis.git.repository import find_repository
from mitosis.journal.journal import Journal
from mitosis.parameters import parse_variant
from mitosis.variants import Variant, VariantName

_NOT_IN_CONFLICT = "{} has one meaning, so there is nothing to resolve"
_TELL_OTHERS = "Let others know: mitosis push"


def resolve(
    variant: Annotated[str, Parameter(completer=completers.conflicting_variants)],
    /,
    *,
    keep: Annotated[str | None, Parameter(completer=completers.meanings)] = None,
    rename_other: tuple[str, ...] = (),
) -> int:
    """Show the recorded meanings of a variant, if there are several, or choose one for all who share the repository.

    Trials that used another meaning keep saying what they used.

    Args:
        variant: STEP.PARAM=VARIANT, as `mitosis variants` lists it.
        keep: Digest of the meaning that the name keeps, or any unique prefix of it.
        rename_other: A new name for the other meaning, which is otherwise dropped; for several, in order of digests.
    """
    repository = find_repository(Path.cwd())
    journal = Journal(repository)
    name = _find_locked(journal, variant, "resolved")
    if keep is None:
        conflicts = [conflict for conflict in journal.conflicts(len(journal.locks())) if conflict.name == name]
        print_conflicts(conflicts)
        if not conflicts:
            print_line(_NOT_IN_CONFLICT.format(name))
        return 0
    for new in rename_other:
        _check_new(name, new)
    found = _survey(journal, name)
    resolution = journal.resolve(name, keep, repository.identity(), rename_others=rename_other)
    if not resolution.others:
        print_line(_NOT_IN_CONFLICT.format(name))
        return 0
    print_line(f"{name} now means {_text(found, resolution.kept)}")
    for other, new_name in resolution.others:
        if new_name is None:
            print_line(f"    {_text(found, other)} is dropped; trials that used it keep saying so")
        else:
            print_line(f"    {_text(found, other)} is now {new_name}; call it that in the lookup dictionary")
    print_line(_TELL_OTHERS)
    return 0


def rename(variant: Annotated[str, Parameter(completer=completers.full_variants)], new: str, /) -> int:
    """Record a new name for the value of a locked variant. The old name keeps its meaning.

    Args:
        variant: STEP.PARAM=VARIANT, as `mitosis variants` lists it.
        new: Its new name, without step and parameter.
    """
    repository = find_repository(Path.cwd())
    journal = Journal(repository)
    name = _find_locked(journal, variant, "renamed")
    _check_new(name, new)
    found = _survey(journal, name)
    renamed = journal.rename(name, new, repository.identity())
    print_line(f"{name.renamed(new)} means {_text(found, renamed)}, as {name.variant} does")
    print_line("    Trials keep the name that they were run with, and show both.")
    if name.renamed(new) in found.present and name not in found.present:
        print_line(f"    The lookup dictionary calls it `{new}` already.")
    else:
        print_line(f"    Now change the name in the lookup dictionary: `{name.variant}` to `{new}`.")
    print_line(_TELL_OTHERS)
    return 0


def _find_locked(journal: Journal, word: str, done: str) -> VariantName:
    """The locked variant that a word names.

    Raises:
        UnknownName: it is not locked.
    """
    name = parse_variant(word)
    names = locked_names(journal, name.of_parameter)
    if word in names:
        return name
    reason = f"is not locked, so it cannot be {done}"
    if any(status.name == name for status in _survey(journal, name).statuses):
        raise UnknownName(word, f"{reason}: change it in the lookup dictionary", [])
    if any(parameter.text == name.variant for _, parameter in iter_uses(journal, name)):
        raise UnknownName(word, f"{reason}; trials that used it keep saying so", [])
    raise UnknownName(word, reason, names)


def _survey(journal: Journal, name: VariantName) -> Survey:
    """What is known of the variants of a parameter, also from the dictionary if it can be evaluated."""
    try:
        state = working_state(journal.repository)
    except ConfigError:  # what it says only makes messages better
        state = None
    return survey(journal, state, step=name.step, parameter=name.parameter)


def _text(found: Survey, meaning: Variant) -> str:
    """A locked value as trials have recorded it, or as the dictionary has it."""
    return next((s.summary for s in found.statuses if (s.name, s.digest) == meaning.lock and s.summary), "its value")


def _check_new(name: VariantName, new: str) -> None:
    """Refuse a new name that is written as if it were one that there is."""
    if new.startswith(f"{name.of_parameter}="):
        bare = new.removeprefix(f"{name.of_parameter}=")
        raise UsageError(f"a new name is given alone, since step and parameter stay the same: {shlex.quote(bare)}")


def retire(
    variant: Annotated[str, Parameter(completer=completers.usable_variants)],
    /,
    *,
    reason: str = "",
    undo: bool = False,
) -> int:
    """Stop trials from using a variant, for everybody who shares the repository. Its meaning stays recorded.

    Args:
        variant: STEP.PARAM=VARIANT, as `mitosis variants` lists it.
        reason: Why; shown to anybody who tries to use it.
        undo: Let a retired variant be used again.
    """
    repository = find_repository(Path.cwd())
    journal = Journal(repository)
    name = _find_locked(journal, variant, "retired")
    if undo:
        if reason:
            raise UsageError("--reason is for retiring a variant, and --undo lets one be used again")
        journal.unretire(name, repository.identity())
        print_line(f"{variant} can be used again")
    else:
        journal.retire(name, reason, repository.identity())
        print_line(f"{variant} is retired: no trial can use it any more")
    print_line(_TELL_OTHERS)
    return 0


def release(variant: Annotated[str, Parameter(completer=completers.locked_variants)], /, *, reason: str) -> int:
    """Release a lock that was taken by mistake, for everybody who shares the repository. Its next use locks it anew.

    That is possible as long as no trial has used the variant, apart from those that were forgotten.

    Args:
        variant: STEP.PARAM=VARIANT, as `mitosis variants` lists it.
        reason: Why; recorded in the journal's history.
    """
    repository = find_repository(Path.cwd())
    journal = Journal(repository)
    name = _find_locked(journal, variant, "released")
    found = _survey(journal, name)
    for meaning in journal.release(name, reason, repository.identity()):
        print_line(f"{name} is released; it meant {_text(found, meaning)}")
    print_line("    Its next use locks it to the value that the dictionary has then.")
    print_line(_TELL_OTHERS)
    return 0
