"""A repository with experiments, and the installed command run in it as a user runs it.

Fixtures to use:
    project: a repository with the package `lab` and steps registered in pyproject.toml, and what is done in it; see
        `support.e2e.Project`.
    slow_trial: has `project` be one in which a trial has finished: `support.e2e.SLOW`.
    mitosis: runs the command: `mitosis("my_exp", "-p", "my_exp.frequency=slow")`, in `project` unless told where.
    commit: writes files and commits them: `commit({"lab/__init__.py": "..."})`.
    lab: a lab that nothing is locked in yet, as the working directory; see `support.variants`.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from support.e2e import SLOW, Commit, Mitosis, Project, SlowTrial, make_project
from support.variants import Lab, make_lab
from support.warm import run_warm


@pytest.fixture
def project(request: pytest.FixtureRequest, tmp_path: Path) -> Project:
    """A committed repository with the experiments of `support.e2e`."""
    if "slow_trial" in request.fixturenames:
        made: SlowTrial = request.getfixturevalue("slow_trial")
        return made.folder
    return make_project(tmp_path / "project")


@pytest.fixture(scope="session")
def slow_trial_made() -> list[SlowTrial]:
    """The project of `slow_trial`, once a test needed it; beside its folder there is a copy, `pristine`."""
    return []


@pytest.fixture
def slow_trial(slow_trial_made: list[SlowTrial], tmp_path_factory: pytest.TempPathFactory) -> SlowTrial:
    """Have `project` be one in which `SLOW` has run: once for all tests, each of which finds it as it was then."""
    if not slow_trial_made:
        folder = make_project(tmp_path_factory.mktemp("slow") / "project")
        slow_trial_made.append(SlowTrial(folder, run_warm(SLOW, folder, os.environ)))
        shutil.copytree(folder, folder.with_name("pristine"), symlinks=True)
    made = slow_trial_made[0]
    shutil.rmtree(made.folder)
    shutil.copytree(made.folder.with_name("pristine"), made.folder, symlinks=True)
    return made


@pytest.fixture
def lab(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Lab:
    """A lab that nothing is locked in yet, as the working directory."""
    made = make_lab(tmp_path / "lab", capsys)
    monkeypatch.chdir(made.folder)
    return made


@pytest.fixture
def mitosis(request: pytest.FixtureRequest) -> Mitosis:
    """Run the command as its own process; see `Project.mitosis`."""

    def run(*words: str, cwd: Path | None = None, **how: Any) -> subprocess.CompletedProcess[str]:
        project: Project = request.getfixturevalue("project") if cwd is None else Project(cwd)
        return project.mitosis(*words, **how)

    return run


@pytest.fixture
def commit(project: Project) -> Commit:
    return project.commit
