"""All variants, locked or in a dictionary, and the state of each."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from mitosis.check.comparing import (
    Change,
    compare,
    meaning_name,
    module_steps,
    read_recorded,
    sound_steps,
    with_flaky_marked,
)
from mitosis.config import Config
from mitosis.errors.base import MitosisError
from mitosis.errors.journal import BadRecord
from mitosis.journal.history import Uses
from mitosis.journal.journal import Journal
from mitosis.journal.standing import Remarks
from mitosis.variants import VariantLock, VariantName

if TYPE_CHECKING:
    from mitosis.check.states import State
    from mitosis.dictionaries.evaluation import Evaluation, Meaning, Trouble

VariantState = Literal[
    "locked", "not used yet", "conflict", "retired", "renamed", "changed", "unlockable", "removed", "function changed"
]
"""`not used yet`: only the dictionary has it. `conflict`: several meanings are recorded. `renamed`: the dictionary has
it under another of its names only. `unlockable`: what the dictionary has cannot be compared. The others are the
kinds of `Change`."""

PROBLEMS: frozenset[VariantState] = frozenset({"conflict", "changed", "unlockable", "removed", "function changed"})
"""But `unlockable` only where the variant is locked."""

_SUMMARY_LETTERS = 60

_STATES: dict[str, VariantState] = {
    "changed": "changed",
    "unlockable": "unlockable",
    "removed": "removed",
    "function": "function changed",
}


@dataclass(frozen=True, slots=True)
class VariantStatus:
    """A variant, or one of several recorded meanings of one."""

    step: str
    parameter: str
    variant: str
    state: VariantState
    digest: str
    """Of the locked value; of the present one where none is locked; empty where there is neither."""
    summary: str | None
    """That value as a short text, or why it has none; None where it cannot be read."""
    uses: Uses
    remarks: Remarks
    change: Change | None = None
    reason: str = ""
    """Why a variant that is not locked has no value."""
    old_names: tuple[str, ...] = ()
    """The variants that were renamed to this one."""

    @property
    def full_name(self) -> str:
        return f"{self.step}.{self.parameter}={self.variant}"

    @property
    def is_locked(self) -> bool:
        return self.state != "not used yet" and not self.reason

    @property
    def is_problem(self) -> bool:
        # What is in a dictionary that nobody can lock is untracked for good, and harms nobody.
        return self.state in PROBLEMS and (self.is_locked or self.state != "unlockable")


@dataclass(slots=True)
class Survey:
    """All variants."""

    statuses: list[VariantStatus] = field(default_factory=list)
    """By step, parameter, variant and digest."""
    troubles: Sequence[Trouble] = ()
    """Why dictionaries could not be evaluated; the states of their variants are those that the journal tells."""
    unlisted: list[str] = field(default_factory=list)
    """Parameters that have something else than variants, and why, in words."""
    problems: list[BadRecord] = field(default_factory=list)
    """What of the journal cannot be read."""
    warnings: tuple[str, ...] = ()
    """What makes the states of less worth, such as that another copy of a module is installed."""
    not_compared: tuple[str, ...] = ()
    """Modules that `mitosis -m` has run, whose variants are locked: they are registered nowhere."""
    present: Mapping[VariantName, Meaning] = field(default_factory=dict)
    """What the dictionaries say, by step, parameter and variant."""


def survey(
    journal: Journal,
    state: State | None,
    *,
    step: str | None = None,
    parameter: str | None = None,
    repeats: bool = False,
) -> Survey:
    """Look at all variants.

    Args:
        journal: whose locks.
        state: whose dictionaries; None to look at the locks alone.
        step: only the variants of this step.
        parameter: only those of this parameter of it.
        repeats: find out whether values that have changed are flaky, by evaluating their dictionaries once more.

    Raises:
        JournalError: the journal cannot be read.
    """
    recorded = read_recorded(journal)
    evaluation: Evaluation | None = None
    changes: dict[VariantName, Change] = {}
    sound: frozenset[str] = frozenset()
    modules: frozenset[str] = frozenset()
    if state is not None:
        config = _scope(state, step)
        steps = () if config is None else config.steps
        modules = module_steps(journal, recorded, state.steps)
        known = {*state.steps, *modules}
        evaluation = state.evaluate_all(config)
        sound = sound_steps(evaluation, steps)
        differing = compare(journal, recorded, evaluation, steps, None, known=known)
        for change in with_flaky_marked(differing, state) if repeats else differing:
            changes[VariantName(change.step, change.parameter, change.variant)] = change
    present: dict[VariantName, Meaning] = {}
    if evaluation is not None:
        present = {meaning_name(meaning): meaning for meaning in evaluation.meanings}

    def is_wanted(name: VariantName) -> bool:
        return (step is None or name[0] == step) and (parameter is None or name[1] == parameter)

    troubles = () if evaluation is None else evaluation.troubles
    warnings = () if state is None or evaluation is None else state.warnings(evaluation)
    found = Survey(
        problems=recorded.problems,
        troubles=troubles,
        warnings=warnings,
        not_compared=tuple(sorted(name for name in modules if step in (None, name))),
        present=present,
    )
    wanted = {VariantLock(name, d) for name, digests in recorded.meanings.items() if is_wanted(name) for d in digests}
    old_names: dict[VariantName, list[str]] = {}
    for old, remarks in recorded.remarks.items():
        for new in remarks.new_names:
            old_names.setdefault(old.renamed(new), []).append(old.variant)
    locked = journal.read_locks(wanted, problems=recorded.problems) if wanted else ()
    summaries = {use: _summary(variant.value) for use, variant in locked}
    uses = journal.uses() if wanted else {}
    for use in sorted(wanted):
        name = use.name
        remarks = recorded.remarks.get(name, Remarks())
        is_gone = name[0] in sound and name not in present
        state_of = _state(recorded.meanings[name], remarks, changes.get(name), is_gone=is_gone)
        found.statuses.append(
            VariantStatus(
                *name,
                state_of,
                use.digest,
                summaries.get(use),
                uses.get(use, Uses()),
                remarks,
                _change(state_of, changes.get(name)),
                old_names=tuple(old_names.get(name, ())),
            )
        )
    for name, meaning in present.items():
        if name not in recorded.meanings and is_wanted(name):
            remarks = recorded.remarks.get(name, Remarks())
            summary = _summary(meaning.value)
            found.statuses.append(VariantStatus(*name, "not used yet", meaning.digest, summary, Uses(), remarks))
    for refused in () if evaluation is None else evaluation.refused:
        name = VariantName(refused.step, refused.parameter, refused.variant)
        if not refused.variant and is_wanted(name):
            found.unlisted.append(f"{refused.step}.{refused.parameter} has no variants: {refused.reason}")
        if refused.variant and name not in recorded.meanings and is_wanted(name):
            found.statuses.append(
                VariantStatus(*name, "unlockable", "", None, Uses(), Remarks(), reason=refused.reason)
            )
    found.statuses.sort(key=lambda status: (status.step, status.parameter, status.variant, status.digest))
    return found


def _summary(value: bytes) -> str:
    """A value as a short text; why not where it cannot be read."""
    from mitosis.canonical.show import summarize_value

    try:
        return summarize_value(value, limit=_SUMMARY_LETTERS)
    except MitosisError as error:
        return f"cannot be read: {error}"


def _scope(state: State, step: str | None) -> Config | None:
    """The steps whose dictionaries are wanted; None where none are registered at all."""
    if state.config is None or step is None:
        return state.config
    chosen = {name: config for name, config in state.config.steps.items() if name == step}
    return dataclasses.replace(state.config, steps=chosen)


def _state(digests: Sequence[str], remarks: Remarks, change: Change | None, *, is_gone: bool) -> VariantState:
    if len(digests) > 1:
        return "conflict"
    if remarks.is_retired:
        return "retired"
    if change is not None:
        return _STATES[change.kind]
    # What is gone, without that being a change, has another name.
    return "renamed" if is_gone else "locked"


def _change(state: VariantState, change: Change | None) -> Change | None:
    """The change, where it is what the state is about."""
    return change if state in _STATES.values() else None
