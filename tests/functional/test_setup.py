"""`mitosis setup`: what it tells git to fetch, and what it leaves alone."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from mitosis.__main__ import run_command
from mitosis.git.repository import find_repository
from mitosis.journal.journal import Journal
from mitosis.records.trial import TrialRecord

RunTrial = Callable[..., TrialRecord]
Git = Callable[..., str]

JOURNAL = "refs/mitosis/journal"
PINS = "refs/mitosis/commits"


@pytest.fixture
def hub(repository_folder: Path, tmp_path: Path, git: Git) -> Path:
    """A bare repository with the commit of `repository_folder`."""
    git("clone", "--quiet", "--bare", str(repository_folder), "hub.git", cwd=tmp_path)
    return tmp_path / "hub.git"


def set_up(folder: Path, *words: str) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        assert run_command(["setup", *words]) == 0


def fetched(git: Git, folder: Path, remote: str) -> list[str]:
    return git("config", "--get-all", f"remote.{remote}.fetch", cwd=folder).splitlines()


def test_without_a_remote_the_rest_is_set_up(
    repository_folder: Path, git: Git, capfd: pytest.CaptureFixture[str]
) -> None:
    set_up(repository_folder)
    assert "This repository has no remote." in capfd.readouterr().out
    assert git("config", "diff.mitosis.textconv").endswith("-m mitosis textconv\n")


def test_what_was_there_stays_and_nothing_is_written_twice(hub: Path, tmp_path: Path, git: Git) -> None:
    git("clone", "--quiet", str(hub), "ada", cwd=tmp_path)
    folder = tmp_path / "ada"
    git("remote", "rename", "origin", "my.lab/one", cwd=folder)
    before = fetched(git, folder, "my.lab/one")
    for _ in range(2):
        set_up(folder)
    after = fetched(git, folder, "my.lab/one")
    assert after[: len(before)] == before
    assert after[len(before) :] == [
        f"+{JOURNAL}*:refs/mitosis/remotes/my.lab/one/journal*",
        f"+{PINS}/*:refs/mitosis/remotes/my.lab/one/commits/*",
        "+refs/notes/mitosis*:refs/mitosis/remotes/my.lab/one/notes*",
    ]


def test_plain_fetch_that_prunes_takes_nothing_of_this_clone_away(
    hub: Path, tmp_path: Path, run_trial: RunTrial, git: Git
) -> None:
    git("clone", "--quiet", str(hub), "ada", cwd=tmp_path)
    folder = tmp_path / "ada"
    trial = run_trial(journal=Journal(find_repository(folder)))
    git("push", "--quiet", "origin", JOURNAL, f"{PINS}/{trial.commit}", cwd=folder)
    set_up(folder)
    git("fetch", "--quiet", "--prune", cwd=folder)
    assert git("rev-parse", "refs/mitosis/remotes/origin/journal", cwd=folder) == git("rev-parse", JOURNAL, cwd=folder)
    git("update-ref", "-d", JOURNAL, cwd=hub)
    git("update-ref", "-d", f"{PINS}/{trial.commit}", cwd=hub)
    git("fetch", "--quiet", "--prune", cwd=folder)
    assert git("for-each-ref", "refs/mitosis/remotes", cwd=folder) == ""
    left = git("for-each-ref", "--format=%(refname)", "refs/mitosis", cwd=folder).split()
    assert left == [f"{PINS}/{trial.commit}", JOURNAL]


def test_plain_fetch_of_a_shallow_clone_brings_no_history(
    hub: Path, tmp_path: Path, run_trial: RunTrial, git: Git
) -> None:
    git("clone", "--quiet", str(hub), "ada", cwd=tmp_path)
    ada = tmp_path / "ada"
    for _ in range(3):
        git("commit", "--quiet", "--allow-empty", "-m", "next", cwd=ada)
    trial = run_trial(journal=Journal(find_repository(ada)), commit=git("rev-parse", "HEAD~1", cwd=ada).strip())
    git("push", "--quiet", "origin", "main", JOURNAL, f"{PINS}/{trial.commit}", cwd=ada)
    git("clone", "--quiet", "--depth=1", f"file://{hub}", "shallow", cwd=tmp_path)
    set_up(tmp_path / "shallow")
    git("fetch", "--quiet", cwd=tmp_path / "shallow")
    [found] = Journal(find_repository(tmp_path / "shallow")).unmerged()
    assert found.trials == 1
    assert git("rev-list", "--count", "HEAD", cwd=tmp_path / "shallow") == "1\n"
    assert git("cat-file", "-t", trial.commit, cwd=ada) == "commit\n"
    with pytest.raises(AssertionError):
        git("cat-file", "-e", trial.commit, cwd=tmp_path / "shallow")
