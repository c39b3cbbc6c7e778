"""Days with many trials, and journals with many records."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from mitosis.errors.journal import BadRecord
from mitosis.git.objects import read_blobs
from mitosis.git.repository import find_repository
from mitosis.journal import index_writer, layout
from mitosis.journal.journal import Journal
from mitosis.records.trial import TrialRecord
from mitosis.verify import verify

Git = Callable[..., str]
RunTrial = Callable[..., TrialRecord]


@pytest.fixture
def crowded(monkeypatch: pytest.MonkeyPatch) -> int:
    """So many trials make a day crowded."""
    monkeypatch.setattr(layout, "CROWDED", 3)
    return 3


def paths(git: Git) -> list[str]:
    return git("ls-tree", "-r", "--name-only", "refs/mitosis/journal", "trials").splitlines()


def test_records_of_a_crowded_day_go_to_folders(git: Git, run_trial: RunTrial, journal: Journal, crowded: int) -> None:
    records = [run_trial(key=f"{number}f2c91d07a3b") for number in range(crowded + 2)]
    day = "trials/my_exp/2026-03-01"
    few, many = records[:crowded], records[crowded:]
    assert paths(git) == sorted(
        [*(f"{day}/{record.key}.msgpack" for record in few)]
        + [f"{day}/{record.key[:2]}/{record.key}.msgpack" for record in many]
    )
    assert {trial.key for trial in journal.iter_trials()} == {record.key for record in records}
    assert all(trial.status == "finished" for trial in journal.iter_trials())
    for record in records:
        assert journal.read_trial(record.key[:3]) == record
    assert [record.iteration for record in records] == [0, 1, 2, 3, 4]


def test_trial_of_a_crowded_day_is_forgotten(git: Git, run_trial: RunTrial, journal: Journal, crowded: int) -> None:
    records = [run_trial() for _ in range(crowded + 1)]
    journal.forget(records[-1].key, journal.repository.identity())
    assert len(paths(git)) == crowded
    assert {trial.key for trial in journal.iter_trials()} == {record.key for record in records[:-1]}


def test_trials_of_a_crowded_day_are_in_their_places(run_trial: RunTrial, journal: Journal, crowded: int) -> None:
    for _ in range(crowded + 2):
        run_trial()
    findings = verify(journal.repository).findings
    assert [finding for finding in findings if finding.where.startswith("trials/")] == []


def test_many_records_are_read_alike(
    run_trial: RunTrial, journal: Journal, crowded: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(crowded + 3):
        run_trial()
    one_by_one = list(journal.iter_trials())
    monkeypatch.setattr(index_writer, "_MANY", 1)
    journal.index.close()
    journal.index.path.unlink()
    monkeypatch.setattr(index_writer, "_READ_AT_ONCE", 2)
    assert list(journal.iter_trials()) == one_by_one


def test_damaged_record_among_many_is_named_and_the_others_are_read(
    run_trial: RunTrial, journal: Journal, monkeypatch: pytest.MonkeyPatch, git: Git
) -> None:
    records = [run_trial(key=f"{number}f2c91d07a3b") for number in range(5)]
    bad = records[2]
    oid = git("rev-parse", f"refs/mitosis/journal:trials/my_exp/2026-03-01/{bad.key}.msgpack").strip()
    file = journal.repository.common_dir / "objects" / oid[:2] / oid[2:]
    file.chmod(0o644)
    file.write_bytes(file.read_bytes()[:40])
    monkeypatch.setattr(index_writer, "_MANY", 1)
    journal.index.close()
    journal.index.path.unlink()
    problems: list[BadRecord] = []
    found = list(Journal(find_repository(journal.repository.root)).iter_trials(problems=problems))
    assert {record.key for record in found} == {record.key for record in records} - {bad.key}
    [problem] = problems
    assert bad.key in problem.where


def test_blobs_are_read_in_order_and_what_is_odd_is_left_to_be_asked_for(repository_folder: Path, git: Git) -> None:
    def written(text: str) -> str:
        return git("hash-object", "-w", "--stdin", stdin=text).strip()

    small, large, other = written("small"), written("x" * 1000), written("other")
    tree = git("rev-parse", "HEAD^{tree}").strip()
    wanted = [small, "0" * 40, other, large, small, tree, other]
    found = list(read_blobs(wanted, 100, cwd=repository_folder))
    assert found == [b"small", None, b"other", None, b"small", None, b"other"]


def test_more_odd_blobs_than_git_is_started_for_are_all_left(repository_folder: Path, git: Git) -> None:
    large = git("hash-object", "-w", "--stdin", stdin="x" * 1000).strip()
    assert list(read_blobs([large] * 100, 100, cwd=repository_folder)) == [None] * 100


def test_blob_that_git_replaces_is_read_as_it_was_written(repository_folder: Path, git: Git) -> None:
    one, other = (git("hash-object", "-w", "--stdin", stdin=text).strip() for text in ("one", "other"))
    git("replace", one, other)
    assert list(read_blobs([one, other], 100, cwd=repository_folder)) == [b"one", b"other"]
