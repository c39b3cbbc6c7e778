"""Clones that push to one bare repository at once."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.faults import Nursery
from support.journal import NOTES
from support.kills import git, records_of, tree


@pytest.mark.parametrize(("count", "trials"), [(3, 4), pytest.param(8, 25, marks=pytest.mark.slow)])
def test_clones_that_push_at_once_send_all_their_trials(
    repository_folder: Path, tmp_path: Path, processes: Nursery, count: int, trials: int
) -> None:
    central = tmp_path / "central.git"
    git(tmp_path, "clone", "--quiet", "--bare", str(repository_folder), central.name)
    clones = [tmp_path / f"clone-{number}" for number in range(count)]
    for clone in clones:
        git(tmp_path, "clone", "--quiet", str(central), clone.name)
    jobs = [
        {"do": "append", "folder": str(clone), "count": trials, "variants": {"slow": 1, clone.name: 2}}
        for clone in clones
    ]
    keys = {key for outcome in processes.run(*jobs) for key in outcome.check().values("ended")}
    assert len(keys) == count * trials

    outcomes = processes.run(*[{"do": "push", "folder": str(clone)} for clone in clones])
    assert sum(sum(outcome.check().values("sent")) for outcome in outcomes) == count * trials
    assert [outcome.values("warnings") for outcome in outcomes] == [[[]]] * count
    at_central = git(central, "ls-tree", "-r", "--name-only", "refs/mitosis/journal", "trials/").splitlines()
    assert {Path(path).stem for path in at_central} == keys
    assert git(central, "fsck", "--strict", "--no-dangling") == ""

    for outcome in processes.run(*[{"do": "pull", "folder": str(clone)} for clone in clones]):
        outcome.check()
    assert {tree(clone) for clone in clones} == {tree(central)}
    assert records_of(clones[0]).keys() == keys
    assert {git(clone, "rev-parse", NOTES) for clone in clones} == {git(central, "rev-parse", NOTES)}


def test_processes_of_one_clone_push_at_once(repository_folder: Path, tmp_path: Path, processes: Nursery) -> None:
    """As trials do that run side by side and push when they end."""
    central = tmp_path / "central.git"
    git(tmp_path, "clone", "--quiet", "--bare", str(repository_folder), central.name)
    clones = [tmp_path / "ada", tmp_path / "bob"]
    for clone in clones:
        git(tmp_path, "clone", "--quiet", str(central), clone.name)
    for _ in range(2):
        appending = [{"do": "append", "folder": str(clone)} for clone in clones]
        pushing = [{"do": "push", "folder": str(clone)} for clone in (clones[0],) * 6 + (clones[1],) * 2]
        for outcome in [*processes.run(*appending), *processes.run(*pushing)]:
            outcome.check()
    for outcome in processes.run(*[{"do": "pull", "folder": str(clone)} for clone in clones * 3]):
        outcome.check()
    assert {tree(clone) for clone in clones} == {tree(central)}
    assert len(git(central, "ls-tree", "-r", "--name-only", "refs/mitosis/journal", "trials/").splitlines()) == 4
