"""How the code of two trials differs: the commits between, and the files that the experiments imported."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from mitosis.errors.repository import GitError
from mitosis.git.repository import Repository
from mitosis.records.trial import MOST_IMPORTED, TrialRecord
from mitosis.records.view import COMMIT_DIGITS
from mitosis.text import counted

_COMMIT = re.compile("[0-9a-f]{40}")
_MOST_LETTERS = 100_000
"""Of the paths on a command line, which the system limits."""

Scope = Literal["imported files", "files of the steps", "files"]
"""Which files are compared: what either trial imported; those of their steps, where no more is recorded; or all."""


@dataclass(frozen=True, slots=True)
class Code:
    """How the code at a trial's commit differs from that at the first trial's."""

    earlier: int = 0
    """Commits that only the first one's history has."""
    later: int = 0
    """Commits that only this one's history has."""
    files: Mapping[str, tuple[int, int] | None] = field(default_factory=dict)
    """Lines added and removed of each file that differs; None of one that is no text."""
    scope: Scope = "imported files"
    unknown: str = ""
    """Why they cannot be compared, as a clause."""

    @property
    def place(self) -> str:
        """Where the commit is, seen from the first one."""
        if self.unknown:
            return self.unknown
        if self.earlier and self.later:
            return f"diverged: +{self.later} −{self.earlier} commits"
        return f"{counted(self.earlier or self.later, 'commit')} {'earlier' if self.earlier else 'later'}"


class Extent(NamedTuple):
    """The files of two commits that are compared; none is named where all of them are."""

    scope: Scope
    paths: tuple[str, ...]


def extent_of(*records: TrialRecord) -> Extent:
    """The files that make out the code of trials."""
    paths = {path for record in records for path in record.imported}
    scope: Scope = "imported files"
    if not all(record.imported for record in records):
        paths |= {step.source for record in records for step in record.steps if step.source}
        scope = "files of the steps"
    is_cut = any(len(record.imported) >= MOST_IMPORTED for record in records)
    if is_cut or not paths or sum(map(len, paths)) > _MOST_LETTERS:
        return Extent("files", ())
    return Extent(scope, tuple(sorted(paths)))


def compare_code(repository: Repository, first: TrialRecord, other: TrialRecord) -> Code:
    """How the code of a trial differs from that of the first one. git is asked only where the commits differ."""
    commits = (first.commit, other.commit)
    if first.commit == other.commit:
        return Code()
    if not all(map(_COMMIT.fullmatch, commits)):  # git could take anything else for an option
        return Code(unknown="it is no commit")
    scope, paths = extent_of(first, other)
    try:
        counts = repository.git("rev-list", "--left-right", "--count", "...".join(commits), "--")
        numbers = ("diff-tree", "-r", "-z", "--numstat", "--no-renames", *commits)
        changed = repository.git("--literal-pathspecs", *numbers, "--", *paths)
    except GitError as error:
        return Code(unknown=_missing(repository, commits) or f"not compared: {error.summary}")
    earlier, later = map(int, counts.split())
    lines = (line.split("\t", 2) for line in changed.split("\0")[:-1])
    files = {path: None if added == "-" else (int(added), int(removed)) for added, removed, path in lines}
    return Code(earlier, later, files, scope)


def _missing(repository: Repository, commits: Sequence[str]) -> str:
    """Which of the commits is not there, as a clause; empty if all are."""
    answers = repository.git("cat-file", "--batch-check", stdin="".join(f"{oid}\n" for oid in commits).encode())
    missing = [line[:COMMIT_DIGITS] for line in answers.splitlines() if line.endswith(" missing")]
    return f"{' and '.join(missing)} {'are' if len(missing) > 1 else 'is'} not in this clone" if missing else ""
