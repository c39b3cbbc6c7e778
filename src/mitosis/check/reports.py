"""Checks of what lookup dictionaries say in some states of a repository."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from mitosis.check.comparing import Change, compare, read_recorded
from mitosis.check.places import PlaceFinder
from mitosis.check.revisions import resolve_commit, resolve_range
from mitosis.check.states import State, commit_state, staged_state, working_state
from mitosis.errors import ConfigError, UnknownRevision
from mitosis.git import Repository
from mitosis.journal import Journal

if TYPE_CHECKING:
    from mitosis.lookups import Evaluation

_MOST_COMMITS = 1000
"""Of a range, so many are looked at."""


@dataclass(frozen=True, slots=True)
class Problem:
    """Why a dictionary could not be checked."""

    state: str
    steps: tuple[str, ...]
    reason: str
    """One line."""
    details: str = ""


@dataclass(frozen=True, slots=True)
class Found:
    """A change, and where it was first seen."""

    change: Change
    state: str
    commit: str | None


@dataclass(frozen=True, slots=True)
class Report:
    """What a check found."""

    states: tuple[str, ...]
    """What was checked, in words."""
    found: tuple[Found, ...]
    problems: tuple[Problem, ...]
    has_steps: bool = True
    """Whether any step is registered there, without which there is nothing to check."""
    evaluation: Evaluation | None = None
    """What the dictionaries of the one state say; None where there are none, or several states."""

    @property
    def breaks(self) -> bool:
        """Whether a trial with some variant would be refused."""
        return any(found.change.is_breaking for found in self.found)

    def without(self, other: Report) -> Report:
        """What was found here, and not there as well."""
        known = {_identity(found.change) for found in other.found}
        return replace(self, found=tuple(found for found in self.found if _identity(found.change) not in known))


def check_state(journal: Journal, state: State) -> Report:
    """Check one state."""
    if state.config is None:
        return Report((state.label,), (), (), has_steps=False)
    evaluation = state.evaluate(state.config, None)
    finder = PlaceFinder(state.config, state.names, state.read)
    recorded = read_recorded(journal)
    changes = compare(journal, recorded, evaluation, state.config, finder)
    problems = tuple(
        Problem(state.label, trouble.steps, trouble.reason, trouble.details) for trouble in evaluation.troubles
    )
    if recorded.problems:
        first = str(recorded.problems[0]).partition("\n")[0]
        count = len(recorded.problems)
        reason = first if count == 1 else f"{first} ({count} such records: see `mitosis verify`)"
        problems += (Problem(state.label, (), reason),)
    found = tuple(Found(change, state.label, state.commit) for change in changes)
    return Report((state.label,), found, problems, evaluation=evaluation)


def check_staged(repository: Repository) -> Report:
    """Check what git would commit now.

    Raises:
        ConfigError: the staged pyproject.toml cannot be used.
        JournalError: the journal cannot be read.
        GitError: git cannot read the index.
    """
    with staged_state(repository) as state:
        return check_state(Journal(repository), state)


def check_working_tree(repository: Repository) -> Report:
    """Check the working tree.

    Raises:
        ConfigError: its pyproject.toml cannot be used.
        JournalError: the journal cannot be read.
    """
    with working_state(repository) as state:
        return check_state(Journal(repository), state)


def check_revisions(repository: Repository, text: str) -> Report:
    """Check a commit, or what the commits of a range bring.

    Of a range, each change is told once, with the commit that brings it; what its beginning has already is left out.

    Args:
        repository: that has the commits.
        text: a commit, or a range `A..B`, as git takes them; `A..` ends at HEAD.

    Raises:
        UnknownRevision: git does not know it.
        JournalError: the journal cannot be read.
        GitError: git cannot read a commit.
    """
    journal = Journal(repository)
    commits, base = _commits(repository, text)
    known: set[tuple[str, ...]] = set()
    if base is not None:
        known.update(_identity(found.change) for found in _check_commit(journal, repository, base).found)
    label = f"{len(commits)} commit{'' if len(commits) == 1 else 's'} of {text}" if ".." in text else ""
    total = Report((label,) if label else (), (), ())
    for commit in commits:
        touched = _touched(repository, commit) if label and commit != commits[-1] else None
        report = _check_commit(journal, repository, commit, touched)
        new = [found for found in report.found if _identity(found.change) not in known]
        known.update(_identity(found.change) for found in new)
        total = replace(
            total,
            states=total.states or report.states,
            found=(*total.found, *new),
            problems=(*total.problems, *report.problems),
            has_steps=bool(label) or report.has_steps,
        )
    return total


def _check_commit(
    journal: Journal, repository: Repository, commit: str, touched: frozenset[str] | None = None
) -> Report:
    """Check a commit; without evaluating anything if the files that it touches, unless None, cannot matter."""
    from mitosis.lookups.selection import select_files

    label = f"commit {commit[:7]}"
    try:
        with commit_state(repository, commit) as state:
            if touched is not None and state.config is not None and state.index is not None:
                needed = select_files(state.index, state.config)
                if needed is not None and touched.isdisjoint(needed):
                    return Report((label,), (), ())
            return check_state(journal, state)
    except ConfigError as error:
        return Report((label,), (), (Problem(label, (), str(error).partition("\n")[0]),))


def _identity(change: Change) -> tuple[str, ...]:
    """What makes two changes that were seen at different commits the same."""
    return (change.kind, change.step, change.parameter, change.variant, change.digest, *change.functions)


def _commits(repository: Repository, text: str) -> tuple[list[str], str | None]:
    """The commits to check, oldest first, and the one that the range begins at, if that is one."""
    if ".." not in text:
        return [resolve_commit(repository, text)], None
    first, last = resolve_range(repository, text)
    listed = repository.git("rev-list", "--reverse", "--topo-order", f"{first}..{last}").split()
    if len(listed) > _MOST_COMMITS:
        raise UnknownRevision(text, f"it has {len(listed)} commits, more than the {_MOST_COMMITS} checked at once")
    return listed, first


def _touched(repository: Repository, commit: str) -> frozenset[str]:
    """The files that a commit changes, other than by taking what one of its parents has."""
    command = ("diff-tree", "--no-commit-id", "--name-only", "--no-renames", "-r", "--root", "-c", "-z", commit)
    return frozenset(name for name in repository.git(*command).split("\0") if name)
