"""Loose objects do not pile up."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from mitosis.git import program as git_module
from mitosis.git.repository import find_repository
from mitosis.journal.journal import Journal
from mitosis.records.trial import TrialRecord
from support.waiting import TIMEOUT_S

RunTrial = Callable[..., TrialRecord]
Git = Callable[..., str]


@pytest.fixture(autouse=True)
def waited_for() -> object:
    """Wait for what was started in the background."""
    yield
    for process in git_module._left_alone:
        process.wait(TIMEOUT_S)
    git_module._left_alone.clear()


def loose_objects(git: Git) -> int:
    return int(git("count-objects").split()[0])


def test_many_loose_objects_are_packed_in_the_background(run_trial: RunTrial, journal: Journal, git: Git) -> None:
    git("config", "gc.auto", "50")
    git("config", "maintenance.auto", "true")
    keys = {run_trial().key for _ in range(12)}
    deadline = time.monotonic() + TIMEOUT_S
    while not list((journal.repository.common_dir / "objects" / "pack").glob("*.pack")):
        assert time.monotonic() < deadline, "nothing was packed"
        keys.add(run_trial().key)
        time.sleep(0.05)
    for process in git_module._left_alone:
        process.wait(TIMEOUT_S)
    assert {record.key for record in journal.iter_trials()} == keys
    git("fsck", "--strict")


@pytest.mark.parametrize(("name", "value"), [("gc.auto", "0"), ("maintenance.auto", "false")])
def test_who_told_git_not_to_tidy_up_is_obeyed(
    repository_folder: Path, run_trial: RunTrial, git: Git, name: str, value: str
) -> None:
    git("config", "gc.auto", "1")
    git("config", "maintenance.auto", "true")
    git("config", name, value)
    journal = Journal(find_repository(repository_folder))
    for _ in range(8):
        run_trial(journal=journal)
    assert git_module._left_alone == []
    assert not (journal.repository.common_dir / "mitosis" / "upkeep").exists()


def test_git_is_not_asked_again_and_again(run_trial: RunTrial, journal: Journal, git: Git) -> None:
    git("config", "gc.auto", "1")
    git("config", "maintenance.auto", "true")
    sample = journal.repository.common_dir / "objects" / "17"
    sample.mkdir(exist_ok=True)
    for number in range(3):
        (sample / f"{number:038}").touch()
    for _ in range(5):
        run_trial()
    assert len(git_module._left_alone) == 1


def test_setting_that_git_refuses_does_not_keep_an_end_from_being_recorded(
    repository_folder: Path, run_trial: RunTrial
) -> None:
    with (repository_folder / ".git" / "config").open("a") as file:
        file.write("[gc]\n\tauto = many\n")
    run_trial(journal=Journal(find_repository(repository_folder)))
