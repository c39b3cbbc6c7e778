"""`auto-push = true`: records leave after each trial, and a missing network only warns."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.e2e import PYPROJECT, SLOW, Commit, Git, Mitosis


@pytest.fixture
def hub(project: Path, commit: Commit, git: Git) -> Path:
    """A bare repository that the project pushes its records to."""
    git("init", "--quiet", "--bare", "../hub.git", cwd=project)
    git("remote", "add", "lab", "../hub.git", cwd=project)
    git("remote", "add", "other", "../other.git", cwd=project)
    commit({"pyproject.toml": f'{PYPROJECT}\n[tool.mitosis]\nremote = "lab"\nauto-push = true\n'})
    return project.parent / "hub.git"


def journal_of(hub: Path, git: Git) -> str:
    return git("for-each-ref", "--format=%(refname)", "refs/mitosis/journal", cwd=hub).strip()


def test_records_are_pushed_after_a_trial(project: Path, hub: Path, mitosis: Mitosis, git: Git) -> None:
    done = mitosis(*SLOW)
    assert done.stdout.endswith("pushed to lab\n")
    assert git("rev-parse", "refs/mitosis/journal", cwd=hub) == git("rev-parse", "refs/mitosis/journal", cwd=project)
    assert "finished" in git("log", "-1", "--format=%s", "refs/mitosis/journal", cwd=hub)


def test_failed_trial_is_pushed_and_debug_is_not(hub: Path, mitosis: Mitosis, git: Git) -> None:
    mitosis(*SLOW, "--debug")
    assert journal_of(hub, git) == ""
    mitosis("my_exp", "-p", "my_exp.frequency=slow", "-e", "my_exp.amplitude=None", status=1)
    assert "failed" in git("log", "-1", "--format=%s", "refs/mitosis/journal", cwd=hub)


def test_missing_network_only_warns(project: Path, hub: Path, mitosis: Mitosis, git: Git) -> None:
    git("remote", "set-url", "lab", "https://127.0.0.1:1/x.git", cwd=project)
    done = mitosis(*SLOW)
    [line] = [line for line in done.stderr.splitlines() if "not pushed" in line]
    assert line.startswith("! not pushed to lab: fatal: unable to access")
    assert line.endswith("; `mitosis push` sends it later")
    git("remote", "set-url", "lab", str(hub), cwd=project)
    assert mitosis("push").stdout == "lab: 1 trial sent\n"


def test_remote_that_is_configured_and_not_there_only_warns(hub: Path, commit: Commit, mitosis: Mitosis) -> None:
    commit({"pyproject.toml": f'{PYPROJECT}\n[tool.mitosis]\nremote = "lap"\nauto-push = true\n'})
    done = mitosis(*SLOW)
    said = "! not pushed to lap: `lap` is not a remote of this repository; `mitosis push` sends it later"
    assert done.stderr.splitlines()[-1] == said
