"""What lookup dictionaries say, compared with the locks."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from mitosis.canonical.show import summarize_value
from mitosis.dictionaries.evaluation import Evaluation
from mitosis.dictionaries.modules import Modules
from mitosis.dictionaries.source import Place, SourceReader
from mitosis.dictionaries.states import State
from mitosis.errors.journal import BadRecord
from mitosis.errors.values import Conflict, Redefinition
from mitosis.journal.history import Uses
from mitosis.journal.journal import Journal
from mitosis.journal.locks import is_whole
from mitosis.journal.standing import Remarks, same_names
from mitosis.variants import Variant, VariantLock, VariantName

Kind = Literal["changed", "unlockable", "conflict", "removed", "function"]
"""`changed`: the value is another one. `unlockable`: the value cannot be compared, or getting it raises. `conflict`:
the dictionary has the variant, and several meanings of it are recorded. `removed`: the dictionary does not have the
variant any more, or its step is no longer registered. `function`: the value names a function whose body has
changed."""

BREAKING: frozenset[Kind] = frozenset({"changed", "unlockable", "conflict"})
"""Kinds of changes after which a trial with the variant is refused, although the name is there."""


@dataclass(frozen=True, slots=True)
class Change:
    """A locked variant that a dictionary does not agree with."""

    kind: Kind
    name: VariantName
    trials: int
    """How many trials used what is locked; if several meanings are recorded, one of them."""
    state: str
    """Where it was seen, in words."""
    commit: str | None
    """The commit where it was seen, if it was one."""
    redefinition: Redefinition | None = None
    """What is different, if it has changed."""
    conflict: Conflict | None = None
    """The recorded meanings, if there are several."""
    reason: str = ""
    """Why it is unlockable, or removed where it is not the dictionary that lacks it."""
    functions: tuple[str, ...] = ()
    """`module:qualified.name` of each function or class whose body has changed."""
    locked: str = ""
    """The locked value as a short text."""
    digest: str = ""
    """Of the value at hand; empty where there is none."""
    is_flaky: bool = False
    """Whether evaluating the dictionary once more gave yet another value."""
    place: Place | None = None

    @property
    def is_breaking(self) -> bool:
        return self.kind in BREAKING


@dataclass(frozen=True, slots=True)
class Recorded:
    """What the journal says about variants."""

    meanings: Mapping[VariantName, Sequence[str]]
    """The digests of the recorded meanings; several are a conflict."""
    remarks: Mapping[VariantName, Remarks]
    problems: list[BadRecord]
    """What could not be read."""

    def is_in_use(self, name: VariantName) -> bool:
        """Whether a variant is locked, and not retired: nobody may use that, so what it is now is its own affair."""
        return name in self.meanings and not (name in self.remarks and self.remarks[name].is_retired)


@dataclass(frozen=True, slots=True)
class Comparison:
    """The dictionaries of a state beside the locks."""

    recorded: Recorded
    changes: tuple[Change, ...]
    """By step, parameter and variant."""
    missing: frozenset[VariantName] = frozenset()
    """Locked variants that are not in their dictionaries, where those could be evaluated."""
    evaluation: Evaluation = field(default_factory=Evaluation)
    not_compared: tuple[str, ...] = ()
    """Modules that `mitosis -m` has run, whose variants are locked: they are registered nowhere."""


_Difference = tuple[Kind, VariantName, dict[str, Any]]
"""What does not agree, before it is described: its kind, and what is known of it, as `Change` has it."""


def read_recorded(journal: Journal) -> Recorded:
    """What the journal says about variants; no value is read."""
    problems: list[BadRecord] = []
    meanings: dict[VariantName, list[str]] = {}
    for lock in journal.locks(problems=problems):
        meanings.setdefault(lock.name, []).append(lock.digest)
    return Recorded(meanings, journal.remarks(problems=problems), problems)


def compare(journal: Journal, state: State, *, step: str | None = None, repeats: bool = False) -> Comparison:
    """Compare what the dictionaries of a state say with the locks.

    Variants of steps that could not be evaluated are left out.

    Args:
        journal: whose locks.
        state: whose dictionaries.
        step: evaluate only the dictionary of this step.
        repeats: find out whether values that have changed are flaky, by evaluating their dictionaries once more.

    Raises:
        JournalError: the journal cannot be read.
    """
    recorded = read_recorded(journal)
    evaluation = state.evaluate(None if step is None else [step])
    evaluated = [name for name in state.steps if step in (None, name)]
    sound = frozenset(evaluated).difference(*(trouble.steps for trouble in evaluation.troubles))
    modules = _module_steps(journal, recorded, state.steps)
    present = {meaning.name: meaning for meaning in evaluation.meanings}
    refused = {entry.name: entry.reason for entry in evaluation.refused}
    found = list(_differences(recorded, present, refused, sound, {*state.steps, *modules}))
    changes = _described(journal, recorded, found, present, state) if found else ()
    if repeats:
        changes = with_flaky_marked(changes, state)
    missing = frozenset(name for name in recorded.meanings if name.step in sound and name not in present)
    return Comparison(recorded, changes, missing, evaluation, tuple(sorted(modules)))


def _differences(
    recorded: Recorded,
    present: Mapping[VariantName, Variant],
    refused: Mapping[VariantName, str],
    sound: Collection[str],
    known: Collection[str],
) -> Iterator[_Difference]:
    """What does not agree.

    Args:
        recorded: the locks.
        present: what the dictionaries say.
        refused: what of them has no meaning, and why.
        sound: the steps whose dictionaries could be evaluated.
        known: these and all other steps whose variants are not missing, evaluated or not.
    """
    others = same_names(recorded.remarks)
    for name, digests in recorded.meanings.items():
        if not recorded.is_in_use(name):
            continue
        meaning = present.get(name)
        if meaning is not None:
            remarks = recorded.remarks.get(name, Remarks())
            if meaning.digest not in digests:
                yield "changed", name, {"digest": meaning.digest}
            elif functions := remarks.changed_functions(meaning.functions):
                yield "function", name, {"digest": meaning.digest, "functions": functions}
            if len(digests) > 1:
                yield "conflict", name, {}
        elif reason := refused.get(name) or refused.get(name.renamed("")):
            yield "unlockable", name, {"reason": reason}
        elif name.step not in known:
            yield "removed", name, {"reason": "its step is no longer registered"}
        elif name.step in sound and not any(name.renamed(other) in present for other in others.get(name, ())):
            yield "removed", name, {}


def _described(
    journal: Journal,
    recorded: Recorded,
    differences: Sequence[_Difference],
    present: Mapping[VariantName, Variant],
    state: State,
) -> tuple[Change, ...]:
    """What does not agree, with what is recorded of it and where it is in the source."""
    uses = journal.uses()
    conflicts = {}
    if any(kind == "conflict" for kind, _, _ in differences):
        count = sum(len(digests) > 1 for digests in recorded.meanings.values())
        conflicts = {found.name: found for found in journal.conflicts(count)}
    shown = _shown(journal, recorded, differences)
    changed = {
        VariantLock(name, recorded.meanings[name][0]): present[name]
        for kind, name, _ in differences
        if kind == "changed"
    }
    # Of what has changed, only one locked value is in memory.
    locks = journal.read_locks(changed, problems=[]) if changed else ()
    pairs = ((changed[use], lock) for use, lock in locks if is_whole(lock))
    redefinitions = {found.name: found for found in journal.describe(pairs, uses)}
    steps = {} if state.config is None else state.config.steps
    source = None if state.config is None else SourceReader(Modules(state.config, state.read))
    changes = []
    for kind, name, facts in differences:
        if kind == "changed" and name in redefinitions:
            facts |= {"redefinition": redefinitions[name], "locked": redefinitions[name].locked.summary}
        elif kind == "changed":
            kind = "unlockable"
            facts = {"reason": "its locked value cannot be read: see `mitosis verify`"}
        elif kind == "conflict":
            facts["conflict"] = conflicts.get(name)
        else:
            facts["locked"] = shown.get(name, "")
        lookup = steps[name.step].lookup if name.step in steps else None
        if source is not None and lookup is not None:
            facts["place"] = source.place(lookup, name.parameter, name.variant)
        trials = sum(uses.get(VariantLock(name, one), Uses()).trials for one in recorded.meanings[name])
        changes.append(Change(kind, name, trials, state.label, state.commit, **facts))
    return tuple(sorted(changes, key=lambda change: change.name))


def _shown(journal: Journal, recorded: Recorded, differences: Sequence[_Difference]) -> dict[VariantName, str]:
    """The locked values, as short texts, of what is gone."""
    gone = (name for kind, name, _ in differences if kind in ("unlockable", "removed"))
    names = {VariantLock(name, recorded.meanings[name][0]) for name in gone}
    found = journal.read_locks(names, problems=[]) if names else ()
    whole = ((use.name, locked) for use, locked in found if is_whole(locked))
    return {name: locked.text or summarize_value(locked.value, limit=60) for name, locked in whole}


def with_flaky_marked(changes: Sequence[Change], state: State) -> tuple[Change, ...]:
    """The changes, those of them marked that have yet another value when their dictionaries are evaluated once more.

    Args:
        changes: that were found.
        state: where; it must not have been closed.
    """
    flaky = flaky_names({change.name: change.digest for change in changes if change.kind == "changed"}, state)
    return tuple(replace(change, is_flaky=change.name in flaky) for change in changes)


def flaky_names(digests: Mapping[VariantName, str], state: State) -> frozenset[VariantName]:
    """Those variants that have another value when their dictionaries are evaluated once more.

    Args:
        digests: of the values that they had.
        state: where; it must not have been closed.
    """
    if not digests:
        return frozenset()
    again = state.evaluate(sorted({name.step for name in digests}))
    now = {meaning.name: meaning.digest for meaning in again.meanings}
    return frozenset(name for name, digest in digests.items() if now.get(name, digest) != digest)


def _module_steps(journal: Journal, recorded: Recorded, registered: Collection[str]) -> frozenset[str]:
    """The steps that have variants in use, and are not registered ones but modules that `mitosis -m` has run.

    No registered step has a dot or a colon in its name. Of another name, only its trials tell; they are read.
    """
    steps = {name.step for name in recorded.meanings if recorded.is_in_use(name)} - set(registered)
    found = {step for step in steps if "." in step or ":" in step}
    left = steps - found
    if left:
        for trial in journal.iter_trials():
            if any(word.startswith(("-m", "--module")) for word in trial.command[1:]):
                found.update(left.intersection(step.name for step in trial.steps))
    return frozenset(found)
