"""What a check has found."""

from __future__ import annotations

from collections import Counter
from collections.abc import Set
from dataclasses import dataclass, replace
from typing import Literal

Severity = Literal["error", "warning", "info"]

REPAIR = "mitosis verify --repair"
FINDINGS_LIMIT = 1000
"""This many findings of one kind are kept; the others are counted, so that a hostile journal costs no memory."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is not as it should be, or that the reader should know of."""

    severity: Severity
    """`error`: something recorded is damaged or missing. `warning`: something that can be repaired here and now.
    `info`: nothing is wrong."""
    kind: str
    """What was checked, such as `record` or `pin`."""
    where: str
    """A path in the journal, a ref, a file, or the id of an object."""
    what: str
    """What is wrong with it, a clause."""
    remedy: str
    """The command that repairs it, or shows more, as it can be typed; empty where there is none."""
    hint: str = ""
    """A sentence on what else there is to do or to know; it is shown on a line of its own."""

    @property
    def severity_and_kind(self) -> str:
        return f"{self.severity}: {self.kind}"


class Report:
    """What was checked, and what was found: of each kind the first findings, and how many there are."""

    def __init__(self) -> None:
        self._kept: list[Finding] = []
        self.seen: Counter[str] = Counter()
        """How many findings there are of each kind, such as `error: record`."""
        self.counts: dict[str, int] = {}
        """How many of what was checked, such as `trials`."""

    def error(self, kind: str, where: str, what: str, remedy: str, hint: str = "") -> None:
        self._add(Finding("error", kind, where, what, remedy, hint))

    def warning(self, kind: str, where: str, what: str, remedy: str, hint: str = "") -> None:
        self._add(Finding("warning", kind, where, what, remedy, hint))

    def info(self, kind: str, where: str, what: str, remedy: str = "") -> None:
        self._add(Finding("info", kind, where, what, remedy))

    def _add(self, finding: Finding) -> None:
        self.seen[finding.severity_and_kind] += 1
        if self.seen[finding.severity_and_kind] <= FINDINGS_LIMIT:
            self._kept.append(finding)

    def advise(self, places: Set[str], remedy: str) -> None:
        """Name another remedy for what was found there."""
        for number, finding in enumerate(self._kept):
            if finding.where in places:
                self._kept[number] = replace(finding, remedy=remedy)

    @property
    def findings(self) -> tuple[Finding, ...]:
        """What was found, what is worst first."""
        order = ("error", "warning", "info")
        return tuple(sorted(self._kept, key=lambda finding: order.index(finding.severity)))

    @property
    def problems(self) -> tuple[Finding, ...]:
        """The findings that something is wrong."""
        return tuple(finding for finding in self.findings if finding.severity != "info")

    @property
    def is_sound(self) -> bool:
        return not self.problems
