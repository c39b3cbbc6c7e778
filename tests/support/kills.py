"""What is killed in the fault tests, at every moment of it, and what has to hold afterwards.

Each scenario prepares repositories once. For each kill they are copied, the job runs in the copy until it is killed,
and then the copy is checked: the journal is the old one or the new one and holds what was said to be recorded, git
finds nothing wrong, the same job works when it is tried again without anybody's help, and leaves no lock behind.
"""

from __future__ import annotations

import shutil
import subprocess
import time
from pathlib import Path
from typing import Protocol

from mitosis.journal.notes import LINES_LIMIT, Note, note_of, parse_note
from mitosis.records.trial import TrialRecord
from support.faults import Job, Nursery, Outcome
from support.journal import JOURNAL, NOTES, Desk

Statuses = dict[str, str]
"""Status of each trial by its key."""


def git(folder: Path, *words: str, status: int | None = 0) -> str:
    """Run the git program; fails if it ends with another status."""
    done = subprocess.run(["git", *words], cwd=folder, capture_output=True, text=True, check=False)
    assert status is None or done.returncode == status, f"git {' '.join(words)}: {done.stderr}"
    return done.stdout + done.stderr if words[0] == "fsck" else done.stdout


def make_repository(folder: Path) -> Path:
    """A repository with one commit."""
    git(folder.parent, "init", "--quiet", folder.name)
    git(folder, "commit", "--quiet", "--allow-empty", "-m", "first")
    return folder


def records_of(folder: Path) -> dict[str, TrialRecord]:
    """The trials by key; fails if part of the journal cannot be read, or git finds anything wrong."""
    assert git(folder, "fsck", "--strict", "--no-dangling") == ""
    journal = Desk(folder)
    records, problems = journal.listed()
    assert problems == []
    found = {record.key: record for record in records}
    assert len(found) == len(records)
    locked = {(lock.name.variant, lock.digest) for lock in journal.iter_variants()}
    assert all((p.text, p.digest) in locked for record in records for p in record.parameters)
    return found


def statuses(folder: Path) -> Statuses:
    return {key: record.status for key, record in records_of(folder).items()}


def tree(folder: Path) -> str:
    return git(folder, "rev-parse", f"{JOURNAL}^{{tree}}").strip()


def locks(folder: Path) -> list[str]:
    """The lock files in a repository."""
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*.lock"))


def check_notes(folder: Path, *, complete: bool = False) -> None:
    """Check that the notes tell nothing that the journal does not; `complete`: and all that it does."""
    trials = list(Desk(folder).iter_trials())
    for commit in {trial.commit for trial in trials}:
        whole = note_of([trial for trial in trials if trial.commit == commit])
        text = git(folder, "notes", "--ref=mitosis", "show", commit, status=0 if complete else None)
        note = (parse_note(text) if text else None) or Note(())
        assert len(whole.lines) < LINES_LIMIT
        assert set(note.lines) <= set(whole.lines)
        assert not complete or note == whole


class Scenario(Protocol):
    """Something to kill."""

    name: str

    def prepare(self, folder: Path, processes: Nursery) -> None:
        """Make the repositories in a new folder."""

    def job(self, folder: Path) -> Job:
        """What is killed, in a copy of the prepared folder."""

    def check(self, folder: Path, killed: Outcome, processes: Nursery) -> None:
        """Check the copy after the kill."""


class Append:
    """A trial that starts and ends in a journal of so many others."""

    def __init__(self, trials: int) -> None:
        self.name = f"append after {trials} trials"
        self._trials = trials
        self._before: Statuses = {}

    def prepare(self, folder: Path, processes: Nursery) -> None:
        repository = make_repository(folder / "repository")
        processes.run_one(do="append", folder=str(repository), count=self._trials).check()
        self._before = statuses(repository)

    def job(self, folder: Path) -> Job:
        return {"do": "append", "folder": str(folder / "repository")}

    def check(self, folder: Path, killed: Outcome, processes: Nursery) -> None:
        repository = folder / "repository"
        after = statuses(repository)
        new = {key: status for key, status in after.items() if key not in self._before}
        assert self._before.items() <= after.items()
        if killed.values("ended"):
            assert new == {killed.values("ended")[0]: "finished"}
        elif killed.values("started"):
            assert new in ({killed.values("started")[0]: status} for status in ("running", "finished"))
        elif not killed.was_killed:
            assert not new, "the start has failed, and yet it is recorded"
        else:
            assert not new or (set(new) == set(killed.values("trying")) and set(new.values()) == {"running"})
        check_notes(repository)
        again = processes.run_one(**self.job(folder)).check()
        assert statuses(repository) == {**after, again.values("ended")[0]: "finished"}
        iterations = [record.iteration for record in Desk(repository).iter_trials()]
        assert sorted(iterations) == list(range(len(iterations)))
        assert locks(repository) == []
        check_notes(repository)
        git(repository, "update-ref", "-d", NOTES)
        processes.run_one(**self.job(folder)).check()
        check_notes(repository, complete=True)


class Merge:
    """A merge of two journals that began apart, each with trials of its own."""

    name = "merge"

    def __init__(self) -> None:
        self._ours: Statuses = {}
        self._all: Statuses = {}
        self._tree = ""

    def prepare(self, folder: Path, processes: Nursery) -> None:
        ada = make_repository(folder / "ada")
        git(folder, "clone", "--quiet", "ada", "bob")
        bob = folder / "bob"
        processes.run_one(do="append", folder=str(ada), count=3, variants={"slow": 1, "fast": 2}).check()
        processes.run_one(do="append", folder=str(bob), count=3, variants={"slow": 1, "middle": 2}).check()
        processes.run_one(do="append", folder=str(bob), ends=False).check()
        git(ada, "fetch", "--quiet", "../bob", f"{JOURNAL}:refs/mitosis/remotes/bob/journal")
        git(ada, "fetch", "--quiet", "../bob", f"{NOTES}:refs/mitosis/remotes/bob/notes")
        self._ours = statuses(ada)
        self._all = {**self._ours, **statuses(bob)}
        trial = folder.parent / f"{folder.name}-merged"
        shutil.copytree(folder, trial, symlinks=True)
        processes.run_one(**self.job(trial)).check()
        self._tree = tree(trial / "ada")

    def job(self, folder: Path) -> Job:
        ada = folder / "ada"
        commit, notes = git(
            ada, "rev-parse", "refs/mitosis/remotes/bob/journal", "refs/mitosis/remotes/bob/notes"
        ).split()
        return {"do": "merge", "folder": str(ada), "commit": commit, "notes": notes, "source": "bob"}

    def check(self, folder: Path, killed: Outcome, processes: Nursery) -> None:
        ada = folder / "ada"
        after = statuses(ada)
        assert after in (self._ours, self._all)
        if killed.values("received"):
            assert after == self._all
        check_notes(ada)
        again = processes.run_one(**self.job(folder)).check()
        assert again.values("problem") == [None]
        assert statuses(ada) == self._all
        assert tree(ada) == self._tree
        assert locks(ada) == []
        added = processes.run_one(do="append", folder=str(ada)).check().values("ended")
        assert statuses(ada) == {**self._all, added[0]: "finished"}
        assert locks(ada) == []


class Push:
    """A push to a bare repository that has the trials of somebody else."""

    name = "push"

    def __init__(self) -> None:
        self._ours: Statuses = {}
        self._all: Statuses = {}
        self._trees: set[str] = set()
        """What the central repository may have: what it had, and all."""
        self.named_locks = 0
        """How often a lock of git itself had been left, which git named and somebody had to remove."""

    def prepare(self, folder: Path, processes: Nursery) -> None:
        first = make_repository(folder / "first")
        git(folder, "clone", "--quiet", "--bare", "first", "central.git")
        for name in ("ada", "bob"):
            git(folder, "clone", "--quiet", "central.git", name)
            git(folder / name, "remote", "set-url", "origin", "../central.git")
            job = {"do": "append", "folder": str(folder / name), "count": 3}
            processes.run_one(**job, variants={"slow": 1, name: 2}).check()
        shutil.rmtree(first)
        processes.run_one(do="push", folder=str(folder / "bob")).check()
        self._ours = statuses(folder / "ada")
        self._all = {**self._ours, **statuses(folder / "bob")}
        trial = folder.parent / f"{folder.name}-pushed"
        shutil.copytree(folder, trial, symlinks=True)
        processes.run_one(**self.job(trial)).check()
        self._trees = {tree(folder / "central.git"), tree(trial / "central.git")}

    def job(self, folder: Path) -> Job:
        return {"do": "push", "folder": str(folder / "ada")}

    def check(self, folder: Path, killed: Outcome, processes: Nursery) -> None:
        ada, central = folder / "ada", folder / "central.git"
        assert statuses(ada) in (self._ours, self._all)
        assert git(central, "fsck", "--strict", "--no-dangling") == ""
        assert tree(central) in self._trees
        again = processes.run_one(**self.job(folder)).check_no_crash()
        if again.error is not None:
            text = again.error + "".join(again.values("git"))
            named = [lock for lock in (*ada.rglob("*.lock"), *central.rglob("*.lock")) if lock.name in text]
            assert named, text
            self.named_locks += 1
            for lock in named:
                lock.unlink()
            again = processes.run_one(**self.job(folder))
        assert again.check().values("warnings") == [[]]
        assert statuses(ada) == self._all
        assert tree(central) == tree(ada)
        assert tree(ada) in self._trees
        assert locks(ada) == locks(central) == []
        bob = folder / "bob"
        processes.run_one(do="pull", folder=str(bob)).check()
        assert statuses(bob) == self._all
        pins = git(ada, "for-each-ref", "--format=%(refname)", "refs/mitosis/commits")
        assert pins == git(central, "for-each-ref", "--format=%(refname)", "refs/mitosis/commits")
        assert git(central, "rev-parse", NOTES) == git(ada, "rev-parse", NOTES)


class Sweep:
    """Kills a scenario again and again.

    Args:
        scenario: what.
        folder: an empty folder to work in.
        processes: where jobs run.
    """

    def __init__(self, scenario: Scenario, folder: Path, processes: Nursery) -> None:
        self._scenario = scenario
        self._folder = folder
        self._processes = processes
        self._copies = 0
        self.kills = 0
        self.fills = 0
        (folder / "prepared").mkdir()
        scenario.prepare(folder / "prepared", processes)
        self.events = processes.run_one(**scenario.job(self._copy()), is_swept=True).check().events
        """At how many moments the job can be killed."""
        job = scenario.job(self._copy())
        began = time.monotonic()
        processes.run_one(**job).check()
        self.duration_s = time.monotonic() - began
        """How long the job takes if nobody kills it."""

    def kill_at(self, moment: int, *, spares_git: bool = False) -> None:
        """Kill at one moment and check what is left; `spares_git`: what git is doing then goes on."""
        self._hurt(is_swept=True, kill_at=moment, spares_git=spares_git)

    def kill_after(self, seconds: float) -> None:
        """Kill from without after some time and check what is left."""
        self._hurt(kill_after_s=seconds)

    def fill_at(self, moment: int) -> Outcome:
        """Let the disk be full from one moment on and check what is left."""
        self.fills += 1
        return self._hurt(is_swept=True, fill_at=moment)

    def _hurt(self, **how: object) -> Outcome:
        copy = self._copy()
        hurt = self._processes.run_one(**self._scenario.job(copy), **how).check_no_crash()
        self.kills += hurt.was_killed
        try:
            self._scenario.check(copy, hurt, self._processes)
        except AssertionError as error:
            raise AssertionError(f"{self._scenario.name}, {how} of {self.events}; see {copy}") from error
        shutil.rmtree(copy)
        return hurt

    def _copy(self) -> Path:
        self._copies += 1
        copy = self._folder / f"copy-{self._copies}"
        shutil.copytree(self._folder / "prepared", copy, symlinks=True)
        return copy
