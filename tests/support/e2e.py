"""The little lab that end-to-end tests run experiments of, and the command that runs them."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from mitosis.records.trial import TrialRecord

Commit = Callable[[Mapping[str, str]], str]
"""Writes files and commits them; returns the commit's id."""
Git = Callable[..., str]
Records = Callable[[], list[TrialRecord]]
"""Reads the records in the journal, newest first."""

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

    folder: Path
    done: subprocess.CompletedProcess[str]


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


def make_project(folder: Path, git: Git) -> Path:
    """A new repository with the lab, committed."""
    folder.mkdir()
    git("init", "--quiet", cwd=folder)
    files = {"pyproject.toml": PYPROJECT, "lab/__init__.py": LAB, "lab/chain.py": CHAIN, ".gitignore": "ignored*\n"}
    write(folder, files)
    git("add", ".", cwd=folder)
    git("commit", "--quiet", "-m", "first", cwd=folder)
    return folder


def command(*words: str) -> list[str]:
    """The words that start mitosis in the interpreter that runs the tests."""
    return [sys.executable, "-m", "mitosis", *words]
