"""The little lab that end-to-end tests run experiments of, and the command that runs them."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path, PosixPath
from typing import Any, Protocol

from mitosis.git.repository import find_repository
from mitosis.journal.journal import Journal
from mitosis.records.trial import TrialRecord
from support.journal import run_git
from support.waiting import wait_until
from support.warm import run_warm

Commit = Callable[[Mapping[str, str]], str]
"""Writes files and commits them; returns the commit's id."""
Git = Callable[..., str]

PYPROJECT = """\
[tool.mitosis.steps]
my_exp = ["lab:run", "lab:lookup_dict"]
data = ["lab.chain:make", "lab.chain:lookups"]
fit = ["lab.chain:Fit.run", "lab.chain:Fit.lookups"]
"""

LAB = '''\
"""A little lab."""
import logging

lookup_dict = {"frequency": {"fast": 10, "slow": 1}}


def run(amplitude, frequency):
    """Multiply."""
    print("multiplying")
    logging.getLogger(__name__).info("told to multiply")
    logging.getLogger(__name__).debug("in great detail")
    return {"main": amplitude * frequency, "data": [amplitude]}
'''

CHAIN = '''\
"""Two steps."""
lookups = {"noise": {"low": {"scale": 0.01, "seed": 3}, "high": {"scale": 1.0, "seed": 3}}}


def make(noise, length=4):
    return {"main": length, "data": [noise["scale"]] * length, "metrics": {"length": length}}


class Fit:
    lookups = {"kind": {"sum": sum, "max": max}}

    @staticmethod
    def run(data, kind):
        return {"main": kind(data), "metrics": {"size": {"count": len(data)}, "name": "fit"}}
'''


SLOW = ("my_exp", "-p", "my_exp.frequency=slow", "-e", "my_exp.amplitude=4")
"""A trial that finishes at once, with `main` = 4."""


@dataclass(frozen=True, slots=True)
class SlowTrial:
    """A project in which `SLOW` has run."""

    folder: Project
    done: subprocess.CompletedProcess[str]


class Project(PosixPath):
    """The repository of the lab, and what is done in it."""

    def mitosis(
        self,
        *words: str,
        cwd: Path | None = None,
        status: int | None = 0,
        environment: Mapping[str, str] | None = None,
    ) -> subprocess.CompletedProcess[str]:
        """Run the command as its own process, which has to end with this status, None for whatever."""
        done = run_warm(words, cwd or self, {**os.environ, **(environment or {})})
        if status is not None:
            assert done.returncode == status, f"exit status {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done

    def start(self, *words: str, **how: Any) -> subprocess.Popen[str]:
        """Start the command in the background, with pipes for what it writes."""
        chosen = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **how}
        return subprocess.Popen(command(*words), cwd=self, text=True, **chosen)

    def wait_until_begun(self) -> None:
        """Wait until a step has made the file `begun`."""
        wait_until(lambda: list(self.glob("trials/*/begun")))

    def git(self, *words: str, stdin: str | None = None) -> str:
        return run_git(*words, cwd=self, stdin=stdin)

    def write(self, files: Mapping[str, str]) -> None:
        write(self, files)

    def stage(self, files: Mapping[str, str]) -> None:
        """Write files and stage all that has changed."""
        self.write(files)
        self.git("add", "--all")

    def commit(self, files: Mapping[str, str], message: str = "change") -> str:
        """Write files and commit all that has changed; returns the commit's id."""
        self.stage(files)
        self.git("commit", "--quiet", "-m", message)
        return self.git("rev-parse", "HEAD").strip()

    def commit_lab(self, text: str) -> None:
        """Commit another text of the module `lab`, whose `run` is the step `my_exp`."""
        self.commit({"lab/__init__.py": text})

    def records(self) -> list[TrialRecord]:
        """All records in the journal, newest first."""
        return list(Journal(find_repository(self)).iter_trials())

    def record(self) -> TrialRecord:
        """The one record in the journal."""
        (record,) = self.records()
        return record

    def page_of(self, record: TrialRecord) -> Path:
        return self / "trials" / str(record.page)

    def folder_of(self, record: TrialRecord) -> Path:
        return self / "trials" / str(record.folder)


class Mitosis(Protocol):
    """Runs the command; `status` is what it has to end with, None for whatever."""

    def __call__(
        self,
        *words: str,
        cwd: Path | None = None,
        status: int | None = 0,
        environment: Mapping[str, str] | None = None,
    ) -> subprocess.CompletedProcess[str]: ...


def write(folder: Path, files: Mapping[str, str]) -> None:
    """Write text files below a folder."""
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def make_project(folder: Path) -> Project:
    """A new repository with the lab, committed."""
    folder.mkdir()
    project = Project(folder)
    project.git("init", "--quiet")
    files = {"pyproject.toml": PYPROJECT, "lab/__init__.py": LAB, "lab/chain.py": CHAIN, ".gitignore": "ignored*\n"}
    project.commit(files, "first")
    return project


def command(*words: str) -> list[str]:
    """The words that start mitosis in the interpreter that runs the tests."""
    return [sys.executable, "-m", "mitosis", *words]
