"""Values, and the locks on variants."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from mitosis.errors.base import SHOWN_LIMIT, MitosisError, few, shell_words
from mitosis.variants import VariantName


class UnstableValue(MitosisError):
    """A value without a meaning that lasts.

    Attributes:
        path: where it is inside the value, such as `solver.tol` or `kernel[3]`; empty for the value itself.
        reason: why it has no stable meaning, a clause such as `a lambda has no name to find it by`.
    """

    def __init__(self, path: str, reason: str) -> None:
        self.path = path
        self.reason = reason
        super().__init__(f"{path or 'the value'}: {reason}")


class UntrackableParameter(MitosisError):
    """A tracked parameter of the command line whose value cannot be locked or compared."""

    def __init__(self, parameter: str, option: str, path: str, reason: str) -> None:
        self.parameter = parameter
        self.path = path
        self.reason = reason
        where = f" (at {path})" if path else ""
        super().__init__(
            f"the value of {parameter} has no stable meaning{where}: {reason}\n"
            f"Put a + before it to record it without tracking: {option}"
        )


@dataclass(frozen=True, slots=True)
class Meaning:
    """A value that is recorded for a variant, in texts for people."""

    digest: str
    summary: str
    author: str
    """Name of who locked it; empty if the journal does not tell."""
    date: str
    """The day it was locked, `YYYY-MM-DD`; empty if the journal does not tell."""
    commit: str | None
    """The experiment's commit that it was locked at."""
    used_by: int
    """How many trials used it."""
    is_readable: bool = True
    """Whether its value could be read; one that could not is not a choice."""

    @property
    def uses(self) -> str:
        return f"{self.used_by} trial{'' if self.used_by == 1 else 's'}"

    @property
    def origin(self) -> str:
        """Such as `by Ada Lovelace on 2026-03-01, commit 8c1d2e0, used by 14 trials`."""
        parts = [f"by {self.author} on {self.date}"] if self.author else []
        parts += [f"commit {self.commit[:7]}"] if self.commit else []
        return ", ".join([*parts, f"used by {self.uses}"])


@dataclass(frozen=True, slots=True)
class Redefinition:
    """A variant that is locked to another value than the one at hand."""

    name: VariantName
    locked: Meaning
    now_digest: str
    now_summary: str
    differences: tuple[tuple[str, str], ...]
    """Path of each leaf that differs, empty for the value itself, and in what."""
    same_count: int
    """How many leaves do not differ."""
    source: str
    """Where the value at hand comes from, such as `sine_experiment:lookup_dict`."""
    more_count: int = 0
    """How many leaves differ beyond `differences`."""
    shows_place: bool = False
    """Whether a difference says where in an array or a text it is."""

    @property
    def is_whole(self) -> bool:
        """Whether the values differ as such, and their summaries show how, rather than in parts of them."""
        # Summaries of two arrays differ in their ranges or digests, those of two long texts in their lengths: where
        # they part is only in the difference.
        whole = all(not path for path, _ in self.differences)
        return whole and not self.shows_place and self.locked.summary != self.now_summary

    def lines(self) -> list[str]:
        head = f"{self.name.phrase} is locked to another value"
        return [head, *(self._whole_lines() if self.is_whole else self._part_lines())]

    def _whole_lines(self) -> list[str]:
        texts = (self.locked.summary, self.now_summary)
        width = max(map(len, texts))
        notes = (self.locked.origin, self.source)
        return [
            f"    {name} {text:{width}}    {note}".rstrip()
            for name, text, note in zip(("locked:", "now:   "), texts, notes, strict=True)
        ]

    def _part_lines(self) -> list[str]:
        shown = self.differences[:SHOWN_LIMIT]
        named = [(path or "value", text) for path, text in shown]
        width = max(len(path) for path, _ in named) + 1
        lines = [f"    {f'{path}:':{width}}  {text}" for path, text in named]
        more = self.more_count + len(self.differences) - len(shown)
        if more:
            lines.append(f"    ... and {more} more")
        if self.same_count:
            same = "1 other leaf is" if self.same_count == 1 else f"{self.same_count} other leaves are"
            lines.append(f"    ({same} the same)")
        return lines


class VariantRedefined(MitosisError):
    """Variants are locked to other values than those at hand.

    Attributes:
        redefinitions: all of them, in the order in which the variants were given.
    """

    def __init__(self, redefinitions: Sequence[Redefinition]) -> None:
        self.redefinitions = tuple(redefinitions)
        first = self.redefinitions[0]
        if len(self.redefinitions) == 1:
            origin = "" if first.is_whole else f" (locked {first.locked.origin})"
            lines = first.lines()
            lines.append(f"Give the new value a name of its own, or restore the locked one{origin}.")
            if not first.locked.used_by:
                command = shell_words("mitosis", "variants", "release", str(first.name), "--reason")
                lines.append(f"If it was locked by mistake, as no trial has used it yet: {command} TEXT")
        else:
            lines = []
            for redefinition in self.redefinitions:
                lines += redefinition.lines()
                if not redefinition.is_whole:
                    lines.append(f"    locked {redefinition.locked.origin}")
            lines.append("Give each new value a name of its own, or restore the locked ones.")
        super().__init__("\n".join(lines))


@dataclass(frozen=True, slots=True)
class Conflict:
    """A variant with several recorded meanings."""

    name: VariantName
    meanings: tuple[Meaning, ...]

    @property
    def digits(self) -> int:
        """How many leading digits tell the digests of the meanings apart."""
        return _telling_digits([meaning.digest for meaning in self.meanings])

    @property
    def resolve_command(self) -> str:
        """A command that resolves it and lets the first meaning keep the name, for people to change."""
        readable = [meaning for meaning in self.meanings if meaning.is_readable]
        kept = (readable or self.meanings)[0]
        words = ["mitosis", "variants", "resolve", str(self.name), "--keep", kept.digest[: self.digits]]
        if len(readable) == len(self.meanings) <= SHOWN_LIMIT:
            others = [meaning for meaning in self.meanings if meaning is not kept]
            words += [word for meaning in others for word in ("--rename-other", self._name_for(meaning))]
        return shell_words(*words)

    def _name_for(self, meaning: Meaning) -> str:
        """A name for one of the meanings: after who locked it, or what it is."""
        first = re.sub(r"[^a-z0-9]", "", meaning.author.partition(" ")[0].lower())
        authors = [other.author for other in self.meanings]
        distinct = first and authors.count(meaning.author) == 1
        return f"{self.name.variant}-{first if distinct else meaning.digest[: self.digits]}"

    def lines(self) -> list[str]:
        count = len(self.meanings)
        digits = self.digits
        width = max(len(meaning.summary) for meaning in self.meanings)
        lines = []
        for meaning in self.meanings[:SHOWN_LIMIT]:
            who = [text for text in (meaning.author, meaning.date, meaning.uses) if text]
            lines.append(f"    {meaning.digest[:digits]}…  {meaning.summary:{width}}    {', '.join(who)}")
        if count > SHOWN_LIMIT:
            lines.append(f"    ... and {count - SHOWN_LIMIT} more")
        number = "two" if count == 2 else str(count)
        return [f"{self.name.phrase} has {number} recorded meanings", *lines]


def _telling_digits(digests: Sequence[str]) -> int:
    """How many leading digits, at least four, tell these digests apart."""
    return next((n for n in range(4, 40) if len({digest[:n] for digest in digests}) == len(digests)), 40)


class VariantConflict(MitosisError):
    """Variants cannot be used, since several values are recorded under their name.

    Attributes:
        conflicts: all of them, in the order in which the variants were given.
    """

    def __init__(self, conflicts: Sequence[Conflict]) -> None:
        self.conflicts = tuple(conflicts)
        lines = [line for conflict in self.conflicts for line in conflict.lines()]
        super().__init__(
            "\n".join(lines) + "\nNobody can tell which one a trial with that name would mean, so it cannot be run.\n"
            "Keep one; the other gets a name of its own, or is dropped without --rename-other:\n"
            + "\n".join(f"    {conflict.resolve_command}" for conflict in self.conflicts)
        )


@dataclass(frozen=True, slots=True)
class Retirement:
    """A variant that may not be used any more."""

    name: VariantName
    reasons: tuple[str, ...]
    """Why; those of several people if they retired it apart. A reason may be empty."""
    new_names: tuple[str, ...] = ()
    """What it has been renamed to."""

    def lines(self) -> list[str]:
        reason = few([" ".join(reason.split()) for reason in self.reasons if reason.strip()], "; ")
        head = f"{self.name.phrase} is retired"
        lines = [f"{head}: {reason}" if reason else head]
        if self.new_names:
            lines.append(f"    it is now called {few([f'`{name}`' for name in self.new_names], ' or ')}")
        return lines


class VariantRetired(MitosisError):
    """Variants may not be used any more.

    Attributes:
        retirements: all of them, in the order in which the variants were given.
    """

    def __init__(self, retirements: Sequence[Retirement]) -> None:
        self.retirements = tuple(retirements)
        lines = [line for retirement in self.retirements for line in retirement.lines()]
        lines.append("Use another variant. To let it be used again:")
        lines += [
            "    " + shell_words("mitosis", "variants", "retire", str(retirement.name), "--undo")
            for retirement in self.retirements
        ]
        super().__init__("\n".join(lines))
