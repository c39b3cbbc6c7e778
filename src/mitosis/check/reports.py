"""Checks of what lookup dictionaries say in some states of a repository."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from mitosis.check.comparing import (
    Change,
    compare,
    module_steps,
    read_recorded,
    undecided_names,
    with_flaky_marked,
)
from mitosis.check.places import PlaceFinder
from mitosis.check.revisions import resolve_commit, resolve_range
from mitosis.check.states import State, commit_state, staged_state, working_state
from mitosis.errors.repository import GitError, UnknownRevision
from mitosis.errors.usage import ConfigError
from mitosis.git.repository import Repository
from mitosis.journal.journal import Journal

if TYPE_CHECKING:
    from mitosis.dictionaries.evaluation import Evaluation

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

    warnings: tuple[str, ...] = ()
    """What makes the outcome of less worth, such as that another copy of a module is installed."""
    not_compared: tuple[str, ...] = ()
    """Modules that `mitosis -m` has run, whose variants are locked: they are registered nowhere."""

    def without(self, other: Report) -> Report:
        """What was found here, and not there as well. Two values of one that is flaky are no news, either."""
        known = {_identity(found.change) for found in other.found}
        names = {(found.change.kind, found.change.full_name) for found in other.found}
        return replace(
            self,
            found=tuple(
                found
                for found in self.found
                if _identity(found.change) not in known
                and not (found.change.is_flaky and (found.change.kind, found.change.full_name) in names)
            ),
        )

    def without_conflicts(self) -> Report:
        """What was found, but for what comes of the journal and not of the dictionaries."""
        return replace(self, found=tuple(found for found in self.found if found.change.kind != "conflict"))


def check_state(journal: Journal, state: State, *, with_places: bool = False, repeats: bool = True) -> Report:
    """Check one state.

    Args:
        journal: whose locks.
        state: what to check.
        with_places: find out where in the source the changes are, which takes time.
        repeats: find out whether values that have changed are flaky, as `mark_flaky` does.

    Raises:
        JournalError: the journal cannot be read.
    """
    evaluation = state.evaluate_all(state.config)
    finder = PlaceFinder(state.config, state.names, state.read) if with_places and state.config is not None else None
    recorded = read_recorded(journal)
    modules = module_steps(journal, recorded, state.steps)
    changes = compare(journal, recorded, evaluation, state.steps, finder, known={*state.steps, *modules})
    problems = tuple(
        Problem(state.label, trouble.steps, trouble.reason, trouble.details) for trouble in evaluation.troubles
    )
    problems += tuple(
        Problem(state.label, name[:1], f"{name[0]}.{name[1]}={name[2]}: {reason}; a check of the working tree tells")
        for name, reason in undecided_names(evaluation).items()
        if recorded.is_in_use(name)
    )
    if recorded.problems:
        first = str(recorded.problems[0]).partition("\n")[0]
        count = len(recorded.problems)
        reason = first if count == 1 else f"{first} ({count} such records: see `mitosis verify`)"
        problems += (Problem(state.label, (), reason),)
    found = tuple(Found(change, state.label, state.commit) for change in changes)
    report = Report(
        (state.label,),
        found,
        problems,
        has_steps=state.config is not None,
        evaluation=evaluation,
        warnings=state.warnings(evaluation),
        not_compared=tuple(sorted(modules)),
    )
    return mark_flaky(report, state) if repeats else report


def mark_flaky(report: Report, state: State) -> Report:
    """Evaluate the dictionaries of what has changed once more, and mark what has yet another value then.

    Args:
        report: of the state.
        state: which must not have been closed.
    """
    marked = with_flaky_marked([found.change for found in report.found], state)
    found = zip(report.found, marked, strict=True)
    return replace(report, found=tuple(replace(one, change=change) for one, change in found))


def check_staged(repository: Repository, *, with_places: bool = False) -> Report:
    """Check what git would commit now; see `check_state`.

    Raises:
        ConfigError: the staged pyproject.toml cannot be used.
        JournalError: the journal cannot be read.
        GitError: git cannot read the index.
    """
    with staged_state(repository) as state:
        return check_state(Journal(repository), state, with_places=with_places)


def check_working_tree(repository: Repository, *, with_places: bool = False) -> Report:
    """Check the working tree; see `check_state`.

    Raises:
        ConfigError: its pyproject.toml cannot be used.
        JournalError: the journal cannot be read.
    """
    with working_state(repository) as state:
        return check_state(Journal(repository), state, with_places=with_places)


def check_revisions(repository: Repository, text: str, *, with_places: bool = False) -> Report:
    """Check a commit, or what the commits of a range bring.

    Of a range, a change is told with the commit that brings it: one whose parents do not have it. So what the commits
    begin from has already is left out, and what a merge takes from one of its sides is told once.

    Args:
        repository: that has the commits.
        text: a commit, or a range `A..B`, as git takes them; `A..` ends at HEAD.
        with_places: as for `check_state`.

    Raises:
        UnknownRevision: git does not know it.
        JournalError: the journal cannot be read.
        GitError: git cannot read a commit.
    """
    journal = Journal(repository)
    if ".." not in text:
        return _check_commit(journal, repository, resolve_commit(repository, text), with_places)
    history = _History(journal, repository, _commits(repository, text), with_places)
    count = len(history.commits)
    total = Report((f"{count} commit{'' if count == 1 else 's'} of {text}",), (), ())
    for commit in history.commits:
        report = history.check(commit)
        if report is not None:
            found, problems = (*total.found, *report.found), (*total.problems, *report.problems)
            warnings = tuple(dict.fromkeys((*total.warnings, *report.warnings)))
            not_compared = tuple(dict.fromkeys((*total.not_compared, *report.not_compared)))
            total = replace(total, found=found, problems=problems, warnings=warnings, not_compared=not_compared)
    return total


class _History:
    """Commits, what each has, and so what each brings.

    Args:
        journal: whose locks.
        repository: that has the commits.
        commits: the parents of each commit to check, from the oldest commit on.
        with_places: as for `check_state`.
    """

    def __init__(
        self, journal: Journal, repository: Repository, commits: dict[str, list[str]], with_places: bool
    ) -> None:
        self._journal = journal
        self._repository = repository
        self.commits = commits
        self._with_places = with_places
        self._last = next(reversed(commits), None)
        self._known: dict[str, frozenset[tuple[str, ...]]] = {}
        """What was found at the commits that were evaluated."""

    def check(self, commit: str) -> Report | None:
        """What a commit brings; None if it touches no file that can matter."""
        if commit != self._last and not _can_matter(self._repository, commit):
            return None
        report = _check_commit(self._journal, self._repository, commit, self._with_places)
        identities = frozenset(_identity(found.change) for found in report.found)
        if report.found or report.problems:
            before = frozenset[tuple[str, ...]]().union(*map(self._at, self.commits[commit]))
            # What could not be looked at is taken to be as it was.
            self._known[commit] = identities | before if report.problems else identities
            new = tuple(found for found in report.found if _identity(found.change) not in before)
            return replace(report, found=new)
        self._known[commit] = identities
        return report

    def _at(self, commit: str) -> frozenset[tuple[str, ...]]:
        """What is found at a commit that was checked, or that the commits begin from."""
        found: set[tuple[str, ...]] = set()
        left, seen = [commit], {commit}
        while left:
            current = left.pop()
            if current not in self._known and current not in self.commits:
                report = _check_commit(self._journal, self._repository, current, with_places=False)
                self._known[current] = frozenset(_identity(found.change) for found in report.found)
            if current in self._known:
                found |= self._known[current]
                continue
            fresh = [parent for parent in self.commits[current] if parent not in seen]
            seen.update(fresh)
            left += fresh
        return frozenset(found)


def _can_matter(repository: Repository, commit: str) -> bool:
    """Whether a commit touches a file that can change what a dictionary says, so that evaluating it is worth while."""
    from mitosis.check.relevance import commit_can_matter

    try:
        with commit_state(repository, commit) as state:
            return commit_can_matter(state, _touched(repository, commit))
    except ConfigError:
        return True


def _check_commit(journal: Journal, repository: Repository, commit: str, with_places: bool) -> Report:
    label = f"commit {commit[:7]}"
    try:
        with commit_state(repository, commit) as state:
            return check_state(journal, state, with_places=with_places)
    except ConfigError as error:
        return Report((label,), (), (Problem(label, (), str(error).partition("\n")[0]),))
    except GitError as error:  # a filter of the user's fails, say
        return Report((label,), (), (Problem(label, (), error.summary, error.output),))


def _identity(change: Change) -> tuple[str, ...]:
    """What makes two changes that were seen at different commits the same."""
    digest = "" if change.is_flaky else change.digest
    return (change.kind, change.step, change.parameter, change.variant, digest, *change.functions)


def _commits(repository: Repository, text: str) -> dict[str, list[str]]:
    """The commits of a range, parents first, with the parents of each."""
    first, last = resolve_range(repository, text)
    lines = repository.git("rev-list", "--reverse", "--topo-order", "--parents", f"{first}..{last}").splitlines()
    if len(lines) > _MOST_COMMITS:
        raise UnknownRevision(text, f"it has {len(lines)} commits, more than the {_MOST_COMMITS} checked at once")
    return {commit: parents for commit, *parents in map(str.split, lines)}


def _touched(repository: Repository, commit: str) -> frozenset[str]:
    """The files that a commit changes, other than by taking what one of its parents has."""
    command = ("diff-tree", "--no-commit-id", "--name-only", "--no-renames", "-r", "--root", "-c", "-z", commit)
    return frozenset(name for name in repository.git(*command).split("\0") if name)
