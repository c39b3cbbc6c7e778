"""Checks of what lookup dictionaries say in some states of a repository."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from mitosis.check.comparing import Change, compare
from mitosis.check.relevance import changes_of, is_touched
from mitosis.dictionaries.evaluation import Evaluation
from mitosis.dictionaries.modules import Usage
from mitosis.dictionaries.states import (
    State,
    commit_state,
    resolve_commit,
    resolve_range,
    staged_state,
    working_state,
)
from mitosis.errors.repository import GitError, UnknownRevision
from mitosis.errors.usage import ConfigError
from mitosis.git.repository import Repository
from mitosis.journal.journal import Journal

_MOST_COMMITS = 1000
"""Of a range, this many are looked at."""


@dataclass(frozen=True, slots=True)
class Problem:
    """Why a dictionary could not be checked."""

    state: str
    steps: tuple[str, ...]
    reason: str
    """One line."""
    details: str = ""


@dataclass(frozen=True, slots=True)
class Report:
    """What a check found."""

    states: tuple[str, ...]
    """What was checked, in words."""
    changes: tuple[Change, ...] = ()
    problems: tuple[Problem, ...] = ()
    warnings: tuple[str, ...] = ()
    """What makes the outcome of less worth, such as that another copy of a module is installed."""
    not_compared: tuple[str, ...] = ()
    """Modules that `mitosis -m` has run, whose variants are locked: they are registered nowhere."""
    has_steps: bool = True
    """Whether any step is registered there, without which there is nothing to check."""
    evaluation: Evaluation | None = None
    """What the dictionaries of the one state say; None of several states."""

    @property
    def breaks(self) -> bool:
        """Whether a trial with some variant would be refused."""
        return any(change.is_breaking for change in self.changes)

    @property
    def usage(self) -> Usage | None:
        """What the dictionaries used; None where one could not be evaluated, and might have used more."""
        return None if self.evaluation is None or self.evaluation.troubles else self.evaluation.usage

    def without(self, other: Report) -> Report:
        """What was found here, and not there as well. Two values of one that is flaky are not news, either."""
        known = {_identity(change) for change in other.changes}
        names = {(change.kind, change.name) for change in other.changes}
        new = [change for change in self.changes if _identity(change) not in known]
        left = [change for change in new if not (change.is_flaky and (change.kind, change.name) in names)]
        return replace(self, changes=tuple(left))

    def without_conflicts(self) -> Report:
        """What was found, but for what comes of the journal and not of the dictionaries."""
        return replace(self, changes=tuple(change for change in self.changes if change.kind != "conflict"))


def check_state(journal: Journal, state: State, *, repeats: bool = True) -> Report:
    """Check one state.

    Args:
        journal: whose locks.
        state: what to check.
        repeats: find out whether values that have changed are flaky, by evaluating their dictionaries once more.

    Raises:
        JournalError: the journal cannot be read.
    """
    found = compare(journal, state, repeats=repeats)
    problems = [
        Problem(state.label, trouble.steps, trouble.reason, trouble.details) for trouble in found.evaluation.troubles
    ]
    unread = found.recorded.problems
    if unread:
        first = str(unread[0]).partition("\n")[0]
        reason = first if len(unread) == 1 else f"{first} ({len(unread)} such records: see `mitosis verify`)"
        problems.append(Problem(state.label, (), reason))
    return Report(
        (state.label,),
        found.changes,
        tuple(problems),
        warnings=state.warnings(found.evaluation),
        not_compared=found.not_compared,
        has_steps=state.config is not None,
        evaluation=found.evaluation,
    )


def check_staged(repository: Repository, config: str | None = None) -> Report:
    """Check what git would commit now, with a configuration as `staged_state` takes it; see `check_state`.

    Raises:
        ConfigError: the staged configuration cannot be used.
        JournalError: the journal cannot be read.
        GitError: git cannot read the index.
    """
    with staged_state(repository, config) as state:
        return check_state(Journal(repository), state)


def check_working_tree(repository: Repository, config: str | None = None) -> Report:
    """Check the working tree, with a configuration as `working_state` takes it; see `check_state`.

    Raises:
        ConfigError: its configuration cannot be used.
        JournalError: the journal cannot be read.
    """
    return check_state(Journal(repository), working_state(repository, config))


def check_revisions(repository: Repository, text: str, config: str | None = None) -> Report:
    """Check a commit, or what the commits of a range bring.

    Of a range, a change is told with the commit that brings it: one whose parents do not have it. So what the commits
    begin from has already is left out, and what a merge takes from one of its sides is told once.

    Args:
        repository: that has the commits.
        text: a commit, or a range `A..B`, as git takes them; `A..` ends at HEAD.
        config: the configuration in place of pyproject.toml, relative to the top.

    Raises:
        UnknownRevision: git does not know it.
        JournalError: the journal cannot be read.
        GitError: git cannot read a commit.
    """
    journal = Journal(repository)
    if ".." not in text:
        return _check_commit(journal, repository, resolve_commit(repository, text), config)
    history = _History(journal, repository, _commits(repository, text), config)
    count = len(history.commits)
    reports = [report for commit in history.commits if (report := history.check(commit)) is not None]
    return Report(
        (f"{count} commit{'' if count == 1 else 's'} of {text}",),
        changes=tuple(change for report in reports for change in report.changes),
        problems=tuple(problem for report in reports for problem in report.problems),
        warnings=tuple(dict.fromkeys(warning for report in reports for warning in report.warnings)),
        not_compared=tuple(dict.fromkeys(module for report in reports for module in report.not_compared)),
    )


class _History:
    """Commits, what each has, and so what each brings.

    Args:
        journal: whose locks.
        repository: that has the commits.
        commits: the parents of each commit to check, from the oldest commit on.
        config: the configuration in place of pyproject.toml, relative to the top.
    """

    def __init__(
        self, journal: Journal, repository: Repository, commits: Mapping[str, list[str]], config: str | None
    ) -> None:
        self._config = config
        self._journal = journal
        self._repository = repository
        self.commits = commits
        self._known: dict[str, frozenset[tuple[str, ...]]] = {}
        """What was found at the commits."""
        self._usages: dict[str, Usage | None] = {}
        """What the dictionaries of the commits use."""

    def check(self, commit: str) -> Report | None:
        """What a commit brings; None if it touches nothing that the dictionaries of its parent used.

        The parents of it must have been checked before, unless the commits begin from them.
        """
        parents = self.commits[commit]
        usage = self._usages.get(parents[0]) if len(parents) == 1 else None
        if usage is not None and not is_touched(usage, changes_of(self._repository, commit)):
            self._usages[commit] = usage
            self._known[commit] = self._known[parents[0]]
            return None
        report = _check_commit(self._journal, self._repository, commit, self._config)
        self._usages[commit] = report.usage
        self._known[commit] = frozenset(map(_identity, report.changes))
        if report.changes or report.problems:
            before = frozenset[tuple[str, ...]]().union(*map(self._at, parents))
            if report.problems:  # what could not be looked at is taken to be as it was
                self._known[commit] |= before
            report = replace(report, changes=tuple(one for one in report.changes if _identity(one) not in before))
        return replace(report, evaluation=None)

    def _at(self, commit: str) -> frozenset[tuple[str, ...]]:
        """What is found at a commit that was checked, or that the commits begin from."""
        if commit not in self._known:
            report = _check_commit(self._journal, self._repository, commit, self._config)
            self._known[commit] = frozenset(map(_identity, report.changes))
        return self._known[commit]


def _check_commit(journal: Journal, repository: Repository, commit: str, config: str | None) -> Report:
    label = f"commit {commit[:7]}"
    try:
        with commit_state(repository, commit, config) as state:
            return check_state(journal, state)
    except ConfigError as error:
        return Report((label,), problems=(Problem(label, (), str(error).partition("\n")[0]),))
    except GitError as error:  # a filter of the user's fails, say
        return Report((label,), problems=(Problem(label, (), error.summary, error.output),))


def _identity(change: Change) -> tuple[str, ...]:
    """What makes two changes that were seen at different commits the same."""
    digest = "" if change.is_flaky else change.digest
    return (change.kind, *change.name, digest, *change.functions)


def _commits(repository: Repository, text: str) -> dict[str, list[str]]:
    """The commits of a range, parents first, with the parents of each."""
    first, last = resolve_range(repository, text)
    lines = repository.git("rev-list", "--reverse", "--topo-order", "--parents", f"{first}..{last}").splitlines()
    if len(lines) > _MOST_COMMITS:
        raise UnknownRevision(text, f"it has {len(lines)} commits, more than the {_MOST_COMMITS} checked at once")
    return {commit: parents for commit, *parents in map(str.split, lines)}
