"""`auto-push = true`: records leave after each trial, and a missing network only warns."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.e2e import PYPROJECT, SLOW, Git, Project
from support.journal import JOURNAL, refs_of


@pytest.fixture
def hub(project: Project) -> Path:
    """A bare repository that the project pushes its records to."""
    project.git("init", "--quiet", "--bare", "../hub.git")
    project.git("remote", "add", "lab", "../hub.git")
    project.git("remote", "add", "other", "../other.git")
    project.commit({"pyproject.toml": f'{PYPROJECT}\n[tool.mitosis]\nremote = "lab"\nauto-push = true\n'})
    return project.parent / "hub.git"


def test_records_are_pushed_after_a_trial(project: Project, hub: Path, git: Git) -> None:
    done = project.mitosis(*SLOW)
    assert done.stdout.endswith("pushed to lab\n")
    assert refs_of(hub)[JOURNAL] == refs_of(project)[JOURNAL]
    assert "finished" in git("log", "-1", "--format=%s", "refs/mitosis/journal", cwd=hub)


def test_failed_trial_is_pushed_and_debug_is_not(project: Project, hub: Path, git: Git) -> None:
    project.mitosis(*SLOW, "--debug")
    assert JOURNAL not in refs_of(hub)
    project.mitosis("my_exp", "-p", "my_exp.frequency=slow", "-e", "my_exp.amplitude=None", status=1)
    assert "failed" in git("log", "-1", "--format=%s", "refs/mitosis/journal", cwd=hub)


def test_missing_network_only_warns(project: Project, hub: Path) -> None:
    project.git("remote", "set-url", "lab", "https://127.0.0.1:1/x.git")
    done = project.mitosis(*SLOW)
    [line] = [line for line in done.stderr.splitlines() if "not pushed" in line]
    assert line.startswith("! not pushed to lab: fatal: unable to access")
    assert line.endswith("; `mitosis push` sends it later")
    project.git("remote", "set-url", "lab", str(hub))
    assert project.mitosis("push").stdout == "lab: 1 trial sent\n"


def test_remote_that_is_configured_and_not_there_only_warns(project: Project, hub: Path) -> None:
    project.commit({"pyproject.toml": f'{PYPROJECT}\n[tool.mitosis]\nremote = "lap"\nauto-push = true\n'})
    done = project.mitosis(*SLOW)
    why = "`lap`, which [tool.mitosis] names as `remote`, is not a remote of this repository"
    said = f"! not pushed to lap: {why}; `mitosis push` sends it later"
    assert done.stderr.splitlines()[-1] == said
