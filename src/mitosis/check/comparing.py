"""What lookup dictionaries say, compared with the locks."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from mitosis.check.places import Place, PlaceFinder
from mitosis.errors.journal import BadRecord
from mitosis.errors.values import Conflict, Redefinition
from mitosis.journal.history import Uses
from mitosis.journal.journal import Journal
from mitosis.journal.locks import is_whole
from mitosis.journal.standing import Remarks, same_names
from mitosis.variants import Variant, VariantLock, VariantName

if TYPE_CHECKING:
    from mitosis.check.states import State
    from mitosis.dictionaries.evaluation import Evaluation, Meaning

Kind = Literal["changed", "unlockable", "conflict", "removed", "function"]
"""`changed`: the value is another one. `unlockable`: the value cannot be compared, or getting it raises. `conflict`:
the dictionary has the variant, and several meanings of it are recorded. `removed`: the dictionary does not have the
variant any more, or its step is not registered any more. `function`: the value names a function whose body has
changed."""

BREAKING: frozenset[Kind] = frozenset({"changed", "unlockable", "conflict"})
"""Kinds of changes after which a trial with the variant is refused, although the name is there."""


@dataclass(frozen=True, slots=True)
class Change:
    """A locked variant that a dictionary does not agree with."""

    kind: Kind
    step: str
    parameter: str
    variant: str
    trials: int
    """How many trials used what is locked; if several meanings are recorded, one of them."""
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
    def full_name(self) -> str:
        return f"{self.step}.{self.parameter}={self.variant}"

    @property
    def is_breaking(self) -> bool:
        return self.kind in BREAKING


@dataclass(slots=True)
class Recorded:
    """What the journal says about variants."""

    meanings: dict[VariantName, list[str]]
    """The digests of the recorded meanings, several are a conflict."""
    remarks: Mapping[VariantName, Remarks]
    problems: list[BadRecord]
    """What could not be read."""

    def is_in_use(self, name: VariantName) -> bool:
        """Whether a variant is locked, and not retired: nobody may use that, so what it is now is its own affair."""
        return name in self.meanings and not (name in self.remarks and self.remarks[name].is_retired)


def read_recorded(journal: Journal) -> Recorded:
    """What the journal says about variants; no value is read."""
    problems: list[BadRecord] = []
    meanings: dict[VariantName, list[str]] = {}
    for use in journal.locks(problems=problems):
        meanings.setdefault(use.name, []).append(use.digest)
    return Recorded(meanings, journal.remarks(problems=problems), problems)


def compare(
    journal: Journal,
    recorded: Recorded,
    evaluation: Evaluation,
    steps: Collection[str],
    finder: PlaceFinder | None,
    *,
    known: Collection[str],
) -> tuple[Change, ...]:
    """The locked variants that the dictionaries do not agree with, by step, parameter and variant.

    Variants of steps that could not be evaluated are left out, and so are those whose values cannot be told in a
    checkout.

    Args:
        journal: whose locks.
        recorded: what `read_recorded` gives of it.
        evaluation: what the dictionaries say.
        steps: the names of the steps that were evaluated.
        finder: tells where the entries are; None to leave that out.
        known: the names of these and of all other steps whose variants are not missing, evaluated or not.

    Raises:
        JournalError: the journal cannot be read.
    """
    found = _Found(journal, recorded, evaluation, steps, known)
    if not found.is_any:
        return ()
    return tuple(found.described(finder))


class _Found:
    """What does not agree, by name, before it is described."""

    def __init__(
        self,
        journal: Journal,
        recorded: Recorded,
        evaluation: Evaluation,
        steps: Collection[str],
        known: Collection[str],
    ) -> None:
        self._journal = journal
        self._recorded = recorded
        self.changed: list[tuple[Meaning, str]] = []
        self.functions: list[tuple[Meaning, tuple[str, ...]]] = []
        in_use = {name: digests for name, digests in recorded.meanings.items() if recorded.is_in_use(name)}
        present: set[VariantName] = set()
        for meaning in evaluation.meanings:
            name = meaning_name(meaning)
            present.add(name)
            digests = in_use.get(name)
            if digests is not None and meaning.digest not in digests:
                self.changed.append((meaning, digests[0]))
            elif digests is not None and name in recorded.remarks:
                functions = recorded.remarks[name].changed_functions(meaning.functions)
                if functions:
                    self.functions.append((meaning, functions))
        refused = {
            VariantName(r.step, r.parameter, r.variant): r.reason for r in evaluation.refused if not r.is_undecided
        }
        self.unlockable = {
            name: reason
            for name in in_use
            if (reason := refused.get(name) or refused.get(name.renamed(""))) and name not in present
        }
        sound = sound_steps(evaluation, steps)
        undecided = undecided_names(evaluation)
        self._other_names = same_names(recorded.remarks)
        gone = [name for name in in_use if name[0] in sound and name not in present and name not in undecided]
        self.removed = [name for name in gone if name not in self.unlockable and not self._is_expected(name, present)]
        self.unregistered = [name for name in in_use if name[0] not in known]
        self.conflicts = [name for name, digests in in_use.items() if len(digests) > 1 and name in present]

    def _is_expected(self, name: VariantName, present: Collection[VariantName]) -> bool:
        """Whether a variant may be gone, since another of its names is there."""
        return any(name.renamed(other) in present for other in self._other_names.get(name, ()))

    @property
    def is_any(self) -> bool:
        return bool(
            self.changed or self.functions or self.unlockable or self.conflicts or self.removed or self.unregistered
        )

    def described(self, finder: PlaceFinder | None) -> Sequence[Change]:
        uses = self._journal.uses()
        shown = self._shown()
        changes: list[Change] = []

        def add(kind: Kind, name: VariantName, **facts: object) -> None:
            trials = sum(uses.get(VariantLock(name, digest), Uses()).trials for digest in self._recorded.meanings[name])
            place = None if finder is None else finder.find(*name)
            changes.append(Change(kind, *name, trials=trials, place=place, **facts))  # type: ignore[arg-type]

        readable: set[VariantName] = set()
        for redefinition in self._journal.describe(self._pairs(), uses):
            name = redefinition.name
            readable.add(name)
            summary = redefinition.locked.summary
            add("changed", name, redefinition=redefinition, locked=summary, digest=redefinition.now_digest)
        for meaning, _ in self.changed:
            if meaning_name(meaning) not in readable:
                reason = "what it is locked to cannot be read: see `mitosis verify`"
                add("unlockable", meaning_name(meaning), reason=reason)
        for meaning, functions in self.functions:
            add("function", meaning_name(meaning), functions=functions, digest=meaning.digest)
        for name, reason in self.unlockable.items():
            add("unlockable", name, reason=reason, locked=shown.get(name, ""))
        conflicts = self._described_conflicts()
        for name in self.conflicts:
            add("conflict", name, conflict=conflicts.get(name))
        for name in self.removed:
            add("removed", name, locked=shown.get(name, ""))
        for name in self.unregistered:
            add("removed", name, locked=shown.get(name, ""), reason="its step is not registered any more")
        return sorted(changes, key=lambda change: (change.step, change.parameter, change.variant))

    def _pairs(self) -> Iterator[tuple[Variant, Variant]]:
        """What has changed, each with what it is locked to; only one locked value is in memory."""
        changed = {VariantLock(meaning_name(meaning), digest): meaning for meaning, digest in self.changed}
        for use, lock in self._journal.read_locks(changed, problems=[]) if changed else ():
            if is_whole(lock):
                yield as_variant(changed[use]), lock

    def _described_conflicts(self) -> dict[VariantName, Conflict]:
        if not self.conflicts:
            return {}
        count = sum(len(digests) > 1 for digests in self._recorded.meanings.values())
        return {found.name: found for found in self._journal.conflicts(count)}

    def _shown(self) -> dict[VariantName, str]:
        """The locked values, as short texts, of what is gone."""
        from mitosis.canonical.show import summarize_value

        gone = (*self.unlockable, *self.removed, *self.unregistered)
        names = {VariantLock(name, self._recorded.meanings[name][0]) for name in gone}
        found = self._journal.read_locks(names, problems=[]) if names else ()
        return {use.name: summarize_value(locked.value, limit=60) for use, locked in found if is_whole(locked)}


def with_flaky_marked(changes: Sequence[Change], state: State) -> tuple[Change, ...]:
    """The changes, those of them marked that have yet another value when their dictionaries are evaluated once more.

    Args:
        changes: that were found.
        state: where; it must not have been closed.
    """
    digests = {
        VariantName(change.step, change.parameter, change.variant): change.digest
        for change in changes
        if change.kind == "changed"
    }
    flaky = flaky_names(digests, state)
    return tuple(
        replace(change, is_flaky=(change.step, change.parameter, change.variant) in flaky) for change in changes
    )


def flaky_names(digests: Mapping[VariantName, str], state: State) -> frozenset[VariantName]:
    """Those variants that have another value when their dictionaries are evaluated once more.

    Args:
        digests: of the values that they had, by step, parameter and variant.
        state: where; it must not have been closed.
    """
    steps = {step for step, _, _ in digests}
    if not steps or state.config is None:
        return frozenset()
    again = {meaning_name(meaning): meaning.digest for meaning in state.evaluate(state.config, sorted(steps)).meanings}
    return frozenset(name for name, digest in digests.items() if again.get(name, digest) != digest)


def module_steps(journal: Journal, recorded: Recorded, registered: Collection[str]) -> frozenset[str]:
    """The steps that have variants in use, and are no registered ones but modules that `mitosis -m` has run.

    No registered step has a dot or a colon in its name. Of another name, only its trials tell; they are read.
    """
    steps = {name[0] for name in recorded.meanings if recorded.is_in_use(name)} - set(registered)
    found = {step for step in steps if "." in step or ":" in step}
    left = steps - found
    if left:
        for trial in journal.iter_trials():
            if any(word.startswith(("-m", "--module")) for word in trial.command[1:]):
                found.update(left.intersection(step.name for step in trial.steps))
    return frozenset(found)


def sound_steps(evaluation: Evaluation, steps: Collection[str]) -> frozenset[str]:
    """Those of the steps whose dictionaries could be evaluated."""
    return frozenset(steps).difference(*(trouble.steps for trouble in evaluation.troubles))


def undecided_names(evaluation: Evaluation) -> dict[VariantName, str]:
    """The variants whose values cannot be told in a checkout, and why."""
    return {VariantName(r.step, r.parameter, r.variant): r.reason for r in evaluation.refused if r.is_undecided}


def as_variant(meaning: Meaning) -> Variant:
    """What a dictionary says, as the journal takes it."""
    return Variant(
        meaning_name(meaning),
        meaning.digest,
        meaning.value,
        source=meaning.source,
        functions=meaning.functions,
    )


def meaning_name(meaning: Meaning) -> VariantName:
    """The name of the variant that this is the meaning of."""
    return VariantName(meaning.step, meaning.parameter, meaning.variant)
