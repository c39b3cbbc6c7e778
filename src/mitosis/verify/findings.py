"""What a check has found."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Literal

Severity = Literal["error", "warning", "info"]

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
    """The command that repairs it, or shows more; empty where nothing has to be done."""


@dataclass(frozen=True, slots=True)
class Report:
    """What was checked, and what was found."""

    findings: tuple[Finding, ...]
    left_out: dict[str, int]
    """How many more findings of a kind there are than are kept."""
    counts: dict[str, int]
    """How many of what was checked, such as `trials`."""

    @property
    def problems(self) -> tuple[Finding, ...]:
        """The findings that something is wrong."""
        return tuple(finding for finding in self.findings if finding.severity != "info")

    @property
    def is_sound(self) -> bool:
        return not self.problems


class Findings:
    """Collects findings, no more than a bounded number of each kind."""

    def __init__(self) -> None:
        self._kept: list[Finding] = []
        self._seen: Counter[str] = Counter()
        self.counts: dict[str, int] = {}

    def error(self, kind: str, where: str, what: str, remedy: str) -> None:
        self._add(Finding("error", kind, where, what, remedy))

    def warning(self, kind: str, where: str, what: str, remedy: str) -> None:
        self._add(Finding("warning", kind, where, what, remedy))

    def info(self, kind: str, where: str, what: str, remedy: str = "") -> None:
        self._add(Finding("info", kind, where, what, remedy))

    def _add(self, finding: Finding) -> None:
        name = f"{finding.severity}: {finding.kind}"
        self._seen[name] += 1
        if self._seen[name] <= FINDINGS_LIMIT:
            self._kept.append(finding)

    def report(self) -> Report:
        """All that was found, what is worst first."""
        order = ("error", "warning", "info")
        left_out = {name: count - FINDINGS_LIMIT for name, count in self._seen.items() if count > FINDINGS_LIMIT}
        findings = sorted(self._kept, key=lambda finding: order.index(finding.severity))
        return Report(tuple(findings), left_out, dict(self.counts))
