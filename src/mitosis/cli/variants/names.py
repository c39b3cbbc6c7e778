"""The names that the commands about variants take, and those to offer in their place."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mitosis.journal.journal import Journal


def parameter_name(text: str, *, needs_parameter: bool = True) -> tuple[str, str]:
    """The step and the parameter that a word names; the latter may be empty if it is not needed.

    Raises:
        UsageError: it names neither.
    """
    from mitosis.errors.usage import UsageError

    step, _, parameter = text.partition(".")
    if not step or "=" in text or (needs_parameter and not parameter):
        words = "STEP.PARAM VARIANT, in two words" if needs_parameter else "STEP.PARAM"
        raise UsageError(f"`{text}` names no parameter: write {words}")
    return step, parameter


def locked_names(journal: Journal, step: str | None = None, parameter: str | None = None) -> list[str]:
    """The full names of the locked variants of a parameter; of all if it has none."""
    locks = journal.locks()
    chosen = [lock for lock in locks if lock.name[:2] == (step, parameter)] or locks
    return list(dict.fromkeys(str(lock.name) for lock in chosen))
