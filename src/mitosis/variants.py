"""What a variant is: its name, its value, its lock, where the lock comes from, and what the name means now."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

MAX_NAME_BYTES = 200
"""Of the name of a step, a parameter or a variant, in UTF-8. Longer ones are refused where they are first met."""


SUMMARY_LIMIT = 200
"""Characters of a short text of a value that was made beside the object."""


def is_too_long(name: str) -> bool:
    """Whether a name of a step, parameter or variant is longer than any that is recorded."""
    return len(name.encode("utf-8", "surrogatepass")) > MAX_NAME_BYTES


class VariantName(NamedTuple):
    """The name of a variant: it is one only together with its step and parameter."""

    step: str
    parameter: str
    variant: str
    """What is spoken of, such as `slow`."""

    def __str__(self) -> str:
        """As on a command line: `step.parameter=variant`."""
        return f"{self.step}.{self.parameter}={self.variant}"

    @property
    def of_parameter(self) -> str:
        """`step.parameter`."""
        return f"{self.step}.{self.parameter}"

    @property
    def phrase(self) -> str:
        """For a sentence: "variant `slow` of `step.parameter`"."""
        return f"variant `{self.variant}` of `{self.of_parameter}`"

    def renamed(self, variant: str) -> VariantName:
        """Another variant of the same parameter."""
        return self._replace(variant=variant)


class VariantLock(NamedTuple):
    """The promise that a variant means the value of this digest. A variant with several of them is in conflict."""

    name: VariantName
    digest: str


@dataclass(frozen=True, slots=True)
class Variant:
    """A variant with a value that it has: in a dictionary, or as it is locked."""

    name: VariantName
    digest: str
    value: bytes
    """Canonical bytes."""
    source: str = ""
    """Where the value comes from, such as `sine_experiment:lookup_dict`; for messages. Empty for a locked one."""
    functions: Mapping[str, str] = field(default_factory=dict)
    """Digests of the source of the functions and classes that the value names; see `mitosis.canonical.sources`. Empty
    for a locked one."""
    text: str = field(default="", compare=False)
    """The value as a short text that was made beside the object; empty where only the bytes are known."""

    @property
    def lock(self) -> VariantLock:
        """The lock that has this value."""
        return VariantLock(self.name, self.digest)


@dataclass(frozen=True, slots=True)
class LockOrigin:
    """How a lock came into the journal."""

    author: str
    """`Name <email>`."""
    name: str
    """The author's name alone."""
    date: datetime
    """With an offset."""
    commit: str | None
    """The experiment's commit; None if the journal does not say."""
    trial: str | None
    """Key of the trial that took the lock; None if the journal does not say."""


@dataclass(frozen=True, slots=True)
class PresentMeaning:
    """What the name of a variant means now, beside what it meant when a trial used it."""

    is_locked: bool
    """Whether the value that the trial used is a recorded meaning of that name."""
    meanings: int
    """How many recorded meanings the name has."""
    other_names: tuple[str, ...]
    """Other variants of the parameter that are locked to the value that the trial used."""
    new_names: tuple[str, ...] = ()
    """What the name has been renamed to, if the value that the trial used has that name now."""
    is_retired: bool = False
    """Whether no trial may use the name any more."""
    reasons: tuple[str, ...] = ()
    """Why; a reason may be empty."""


def changed_functions(recorded: Mapping[str, str], now: Mapping[str, str]) -> tuple[str, ...]:
    """The functions whose digest was another one before, sorted by name; those that both have."""
    return tuple(sorted(name for name in recorded.keys() & now.keys() if recorded[name] != now[name]))
