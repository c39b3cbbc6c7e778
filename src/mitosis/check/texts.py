"""What a check found, in lines for people."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from mitosis.canonical.show import summarize_value
from mitosis.errors.base import MitosisError
from mitosis.journal.locks import ACCEPT_FUNCTIONS
from mitosis.text import counted

if TYPE_CHECKING:
    from mitosis.check.comparing import Change
    from mitosis.variants import Variant

_REMOVED = "Add the variants to the dictionary, or rename or retire them: mitosis variants rename, or retire"

FLAKY = "each evaluation gives a different value: make it the same every time, or use it untracked (-p +...)"
_INDENT = "    "
_DIFFERENCES_SHOWN = 6
_SUMMARY_LETTERS = 60


def not_compared(step: str) -> str:
    """What is to be said of a module that `mitosis -m` has run and whose variants are locked."""
    return f"the variants of `{step}` are not compared: it is not registered, and runs as `mitosis -m {step}`"


def value_summary(variant: Variant) -> str:
    """A value as a short text; why not where it cannot be read."""
    try:
        return variant.text or summarize_value(variant.value, limit=_SUMMARY_LETTERS)
    except MitosisError as error:
        return f"cannot be read: {error}"


def change_lines(change: Change) -> Iterator[str]:
    """A change: one line, or one and its differences."""
    name = change.name
    if change.kind in ("removed", "unlockable"):
        reason = change.reason or "not in the dictionary"
        yield f"{_INDENT}{name}   {change.locked or 'its value'} → {reason}{_used(change)}"
    elif change.kind == "conflict":
        yield from _conflict_lines(change)
    elif change.kind == "function":
        functions = ", ".join(change.functions)
        yield f"{_INDENT}{name}   {functions}{_used(change)}"
    else:
        yield from _changed_lines(change)
        if change.is_flaky:
            yield f"{_INDENT * 2}{FLAKY}"


def remedies(changes: Sequence[Change]) -> Iterator[str]:
    """What to do about changes that break nothing, a line for each kind of them that is there."""
    kinds = {change.kind for change in changes}
    if "removed" in kinds:
        yield _REMOVED
    if "function" in kinds:
        yield ACCEPT_FUNCTIONS


def _conflict_lines(change: Change) -> Iterator[str]:
    conflict = change.conflict
    meanings = () if conflict is None else conflict.meanings
    values = " or ".join(meaning.summary for meaning in meanings) or "several values"
    yield f"{_INDENT}{change.name}   {values}{_used(change, 'one of them')}"
    yield f"{_INDENT * 2}{'`mitosis variants` shows them' if conflict is None else conflict.resolve_command}"


def _changed_lines(change: Change) -> Iterator[str]:
    redefinition = change.redefinition
    assert redefinition is not None
    if redefinition.is_whole:
        value = redefinition.locked.summary
        values = f"{value} → {redefinition.now_summary}"
        yield f"{_INDENT}{change.name}   {values}{_used(change, value)}"
        return
    yield f"{_INDENT}{change.name}{_used(change)}"
    differences = redefinition.differences
    for path, text in differences[:_DIFFERENCES_SHOWN]:
        yield f"{_INDENT * 2}{path or 'value'}: {text}"
    more = redefinition.more_count + max(len(differences) - _DIFFERENCES_SHOWN, 0)
    if more:
        yield f"{_INDENT * 2}... and {more} more"


def _used(change: Change, value: str = "") -> str:
    """Such as `   (14 trials used 1)`."""
    if change.kind == "removed" and not change.trials:
        return ""  # a new name of another one, as a rule, which trials used
    return f"   ({counted(change.trials, 'trial')} used {value or 'the locked value'})"


def headed(changes: Sequence[Change], subject: str) -> Iterator[str]:
    """All changes, those of a kind under a line that says what they are.

    Args:
        changes: what was found.
        subject: what brings them, such as `this commit`.
    """
    for head, kinds in (
        (f"{subject} changes what locked variants mean", ("changed", "unlockable")),
        (f"{subject} has variants with several recorded meanings", ("conflict",)),
        (f"{subject} lacks variants that are locked", ("removed",)),
        (f"{subject} changes functions that locked variants name", ("function",)),
    ):
        some = [change for change in changes if change.kind in kinds]
        if some:
            yield head
            for change in some:
                yield from change_lines(change)
