"""All variants, locked or in a dictionary, and the state of each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from mitosis.check.comparing import Change, Comparison, compare, read_recorded
from mitosis.check.texts import value_summary
from mitosis.dictionaries.evaluation import Trouble
from mitosis.dictionaries.states import State
from mitosis.errors.journal import BadRecord
from mitosis.journal.history import Uses
from mitosis.journal.journal import Journal
from mitosis.journal.standing import Remarks
from mitosis.variants import Variant, VariantLock, VariantName

VariantState = Literal[
    "locked", "not used yet", "conflict", "retired", "renamed", "changed", "unlockable", "removed", "function changed"
]
"""`not used yet`: only the dictionary has it. `conflict`: several meanings are recorded. `renamed`: the dictionary has
it under another of its names only. `unlockable`: what the dictionary has cannot be compared. The others are the
kinds of `Change`."""

PROBLEMS: frozenset[VariantState] = frozenset({"conflict", "changed", "unlockable", "removed", "function changed"})
"""But `unlockable` only where the variant is locked."""


@dataclass(frozen=True, slots=True)
class VariantStatus:
    """A variant, or one of several recorded meanings of one."""

    name: VariantName
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
    def is_locked(self) -> bool:
        return self.state != "not used yet" and not self.reason

    @property
    def is_problem(self) -> bool:
        # What is in a dictionary that nobody can lock is untracked for good, and harms nobody.
        return self.state in PROBLEMS and (self.is_locked or self.state != "unlockable")


@dataclass(frozen=True, slots=True)
class Survey:
    """All variants."""

    statuses: Sequence[VariantStatus]
    """By step, parameter, variant and digest."""
    troubles: Sequence[Trouble] = ()
    """Why dictionaries could not be evaluated; the states of their variants are those that the journal tells."""
    unlisted: Sequence[str] = ()
    """Parameters that have something else than variants, and why, in words."""
    problems: Sequence[BadRecord] = ()
    """What of the journal cannot be read."""
    warnings: tuple[str, ...] = ()
    """What makes the states of less worth, such as that another copy of a module is installed."""
    not_compared: tuple[str, ...] = ()
    """Modules that `mitosis -m` has run, whose variants are locked: they are registered nowhere."""
    present: Mapping[VariantName, Variant] = field(default_factory=dict)
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
    if state is None:
        compared = Comparison(read_recorded(journal), ())
    else:
        compared = compare(journal, state, step=step, repeats=repeats)
    recorded, evaluation = compared.recorded, compared.evaluation
    changes = {change.name: change for change in compared.changes}
    present = {meaning.name: meaning for meaning in evaluation.meanings}

    def is_wanted(name: VariantName) -> bool:
        return step in (None, name.step) and parameter in (None, name.parameter)

    old_names: dict[VariantName, list[str]] = {}
    for old, remarks in recorded.remarks.items():
        for new in remarks.new_names:
            old_names.setdefault(old.renamed(new), []).append(old.variant)
    wanted = {VariantLock(name, d) for name, digests in recorded.meanings.items() if is_wanted(name) for d in digests}
    locked = journal.read_locks(wanted, problems=recorded.problems) if wanted else ()
    summaries = {}
    for use, variant in locked:
        meaning = present.get(use.name, variant)
        summaries[use] = value_summary(meaning if meaning.lock == use and meaning.text else variant)
    uses = journal.uses() if wanted else {}
    statuses = []
    for use in wanted:
        name = use.name
        remarks = recorded.remarks.get(name, Remarks())
        change = changes.get(name)
        # What is gone, without that being a change, has another name.
        is_renamed = name in compared.missing and change is None
        state_of = _state(recorded.meanings[name], remarks, change, is_renamed=is_renamed)
        statuses.append(
            VariantStatus(
                name,
                state_of,
                use.digest,
                summaries.get(use),
                uses.get(use, Uses()),
                remarks,
                None if state_of == "conflict" else change,
                old_names=tuple(old_names.get(name, ())),
            )
        )
    for name, meaning in present.items():
        if name not in recorded.meanings and is_wanted(name):
            remarks = recorded.remarks.get(name, Remarks())
            summary = value_summary(meaning)
            statuses.append(VariantStatus(name, "not used yet", meaning.digest, summary, Uses(), remarks))
    unlisted = []
    for refused in evaluation.refused:
        name = refused.name
        if not name.variant and is_wanted(name):
            unlisted.append(f"{name.of_parameter} has no variants: {refused.reason}")
        elif name not in recorded.meanings and is_wanted(name):
            statuses.append(VariantStatus(name, "unlockable", "", None, Uses(), Remarks(), reason=refused.reason))
    return Survey(
        sorted(statuses, key=lambda status: (status.name, status.digest)),
        evaluation.troubles,
        unlisted,
        recorded.problems,
        () if state is None else state.warnings(evaluation),
        tuple(name for name in compared.not_compared if step in (None, name)),
        present,
    )


def _state(digests: Sequence[str], remarks: Remarks, change: Change | None, *, is_renamed: bool) -> VariantState:
    if len(digests) > 1:
        return "conflict"
    if remarks.is_retired:
        return "retired"
    if change is not None:
        return "function changed" if change.kind == "function" else change.kind
    return "renamed" if is_renamed else "locked"
