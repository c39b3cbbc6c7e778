"""Loose objects do not pile up."""

from __future__ import annotations

import pytest

from mitosis.git import program as git_module
from support.journal import Desk
from support.waiting import TIMEOUT_S, wait_until


@pytest.fixture(autouse=True)
def waited_for() -> object:
    """Wait for what was started in the background."""
    yield
    for process in git_module._left_alone:
        process.wait(TIMEOUT_S)
    git_module._left_alone.clear()


def test_many_loose_objects_are_packed_in_the_background(journal: Desk) -> None:
    journal.git("config", "gc.auto", "50")
    journal.git("config", "maintenance.auto", "true")
    keys = {journal.run_trial().key for _ in range(12)}

    def is_packed_after_one_more() -> bool:
        keys.add(journal.run_trial().key)
        return any((journal.repository.common_dir / "objects" / "pack").glob("*.pack"))

    wait_until(is_packed_after_one_more)
    for process in git_module._left_alone:
        process.wait(TIMEOUT_S)
    assert journal.trial_keys() == keys
    journal.git("fsck", "--strict")


@pytest.mark.parametrize(("name", "value"), [("gc.auto", "0"), ("maintenance.auto", "false")])
def test_who_told_git_not_to_tidy_up_is_obeyed(journal: Desk, name: str, value: str) -> None:
    journal.git("config", "gc.auto", "1")
    journal.git("config", "maintenance.auto", "true")
    journal.git("config", name, value)
    for _ in range(8):
        journal.run_trial()
    assert git_module._left_alone == []
    assert not (journal.repository.common_dir / "mitosis" / "upkeep").exists()


def test_git_is_not_asked_again_and_again(journal: Desk) -> None:
    journal.git("config", "gc.auto", "1")
    journal.git("config", "maintenance.auto", "true")
    sample = journal.repository.common_dir / "objects" / "17"
    sample.mkdir(exist_ok=True)
    for number in range(3):
        (sample / f"{number:038}").touch()
    for _ in range(5):
        journal.run_trial()
    assert len(git_module._left_alone) == 1


def test_setting_that_git_refuses_does_not_keep_an_end_from_being_recorded(journal: Desk) -> None:
    with (journal.repository.common_dir / "config").open("a") as file:
        file.write("[gc]\n\tauto = many\n")
    journal.run_trial()
