"""Many processes that append to one journal at once."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.faults import Nursery
from support.journal import Desk, Git, make_variant
from support.kills import records_of

VARIANTS = {"slow": 1, "middle": 2, "fast": 10, "faster": 100}


@pytest.mark.parametrize(("writers", "trials"), [(6, 10), pytest.param(32, 50, marks=pytest.mark.slow)])
def test_processes_that_write_at_once_record_all_their_trials(
    repository_folder: Path, git: Git, processes: Nursery, writers: int, trials: int
) -> None:
    job = {"do": "append", "folder": str(repository_folder), "count": trials, "variants": VARIANTS}
    told = [facts for outcome in processes.run(*[job] * writers) for facts in outcome.check().told]
    started = {facts["started"]: (facts["variant"], facts["iteration"]) for facts in told if "started" in facts}
    assert len(started) == writers * trials

    records = records_of(repository_folder)
    assert records.keys() == started.keys()
    assert {record.status for record in records.values()} == {"finished"}
    assert all((record.parameters[0].text, record.iteration) == started[key] for key, record in records.items())
    for name in VARIANTS:
        iterations = sorted(iteration for variant, iteration in started.values() if variant == name)
        assert iterations == list(range(len(iterations)))
    assert git("rev-list", "--count", "refs/mitosis/journal").strip() == str(2 * writers * trials)
    lines = git("notes", "--ref=mitosis", "show", "HEAD").splitlines()
    assert lines[-1] == f"... and {writers * trials - 50} more"
    assert not list((repository_folder / ".git").rglob("*.lock"))


@pytest.mark.parametrize("do", ["append", "lock"])
def test_of_processes_that_give_one_name_two_meanings_at_once_one_meaning_wins(
    repository_folder: Path, processes: Nursery, do: str
) -> None:
    jobs = [{"do": do, "folder": str(repository_folder), "variants": {"slow": number % 2}} for number in range(12)]
    errors = [outcome.check_no_crash().error for outcome in processes.run(*jobs)]
    [locked] = Desk(repository_folder).iter_variants()
    won = [make_variant("slow", number).digest for number in (0, 1)].index(locked.digest)
    for number, error in enumerate(errors):
        if number % 2 == won:
            assert error is None
        else:
            assert error is not None and error.startswith("VariantRedefined")
