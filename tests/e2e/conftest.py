"""A repository with experiments, and the installed command run in it as a user runs it.

Fixtures to use:
    project: a repository with the package `lab` and steps registered in pyproject.toml; see `support.e2e`.
    slow_trial: has `project` be one in which a trial has finished: `support.e2e.SLOW`.
    mitosis: runs the command: `mitosis("my_exp", "-p", "my_exp.frequency=slow")`, in `project` unless told where.
    commit: writes files and commits them: `commit({"lab/__init__.py": "..."})`.
    lab: a lab that nothing is locked in yet, as the working directory; see `support.variants`.
    only_record: reads the one record in the journal.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from mitosis.git.repository import find_repository
from mitosis.journal.journal import Journal
from mitosis.records.trial import TrialRecord
from support.e2e import SLOW, Mitosis, SlowTrial, make_project, write
from support.variants import Lab, make_lab
from support.warm import run_warm


@pytest.fixture
def project(request: pytest.FixtureRequest, tmp_path: Path, git: Callable[..., str]) -> Path:
    """A committed repository with the experiments of `support.e2e`."""
    if "slow_trial" in request.fixturenames:
        folder: Path = request.getfixturevalue("slow_trial").folder
        return folder
    return make_project(tmp_path / "project", git)


@pytest.fixture(scope="session")
def slow_trial_made() -> list[SlowTrial]:
    """The project of `slow_trial`, once a test needed it; beside its folder there is a copy, `pristine`."""
    return []


@pytest.fixture
def slow_trial(
    slow_trial_made: list[SlowTrial], tmp_path_factory: pytest.TempPathFactory, git: Callable[..., str]
) -> SlowTrial:
    """Have `project` be one in which `SLOW` has run: once for all tests, each of which finds it as it was then."""
    if not slow_trial_made:
        folder = tmp_path_factory.mktemp("slow") / "project"
        make_project(folder, git)
        slow_trial_made.append(SlowTrial(folder, run_warm(SLOW, folder, os.environ)))
        shutil.copytree(folder, folder.with_name("pristine"), symlinks=True)
    made = slow_trial_made[0]
    shutil.rmtree(made.folder)
    shutil.copytree(made.folder.with_name("pristine"), made.folder, symlinks=True)
    return made


@pytest.fixture
def lab(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    make_record: Callable[..., TrialRecord],
    monkeypatch: pytest.MonkeyPatch,
) -> Lab:
    """A lab that nothing is locked in yet, as the working directory."""
    made = make_lab(tmp_path / "lab", capsys, make_record)
    monkeypatch.chdir(made.folder)
    return made


@pytest.fixture
def commit(project: Path, git: Callable[..., str]) -> Callable[[Mapping[str, str]], str]:
    """Write files in the project and commit them; returns the commit's id."""

    def write_and_commit(files: Mapping[str, str]) -> str:
        write(project, files)
        git("add", "--all", cwd=project)
        git("commit", "--quiet", "-m", "change", cwd=project)
        return git("rev-parse", "HEAD", cwd=project).strip()

    return write_and_commit


@pytest.fixture
def mitosis(request: pytest.FixtureRequest) -> Mitosis:
    """Run the command as its own process."""

    def run(
        *words: str,
        cwd: Path | None = None,
        status: int | None = 0,
        environment: Mapping[str, str] | None = None,
    ) -> subprocess.CompletedProcess[str]:
        folder = request.getfixturevalue("project") if cwd is None else cwd
        done = run_warm(words, folder, {**os.environ, **(environment or {})})
        if status is not None:
            assert done.returncode == status, f"exit status {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done

    return run


@pytest.fixture
def records(project: Path) -> Callable[[], list[TrialRecord]]:
    """All records in the project's journal, newest first."""
    return lambda: list(Journal(find_repository(project)).iter_trials())


@pytest.fixture
def only_record(records: Callable[[], list[TrialRecord]]) -> Callable[[], TrialRecord]:
    """The one record in the project's journal."""

    def read() -> TrialRecord:
        (record,) = records()
        return record

    return read
