"""Days with many trials, and journals with many records."""

from __future__ import annotations

from pathlib import Path

import pytest

from mitosis.git.objects import read_blobs
from mitosis.journal import index_writer, layout
from mitosis.verify import verify
from support.journal import JOURNAL, Desk


@pytest.fixture
def crowded(monkeypatch: pytest.MonkeyPatch) -> int:
    """So many trials make a day crowded."""
    monkeypatch.setattr(layout, "CROWDED", 3)
    return 3


def paths(journal: Desk) -> list[str]:
    return journal.git("ls-tree", "-r", "--name-only", JOURNAL, "trials").splitlines()


def test_records_of_a_crowded_day_go_to_folders(journal: Desk, crowded: int) -> None:
    records = [journal.run_trial(key=f"{number}f2c91d07a3b") for number in range(crowded + 2)]
    day = "trials/my_exp/2026-03-01"
    few, many = records[:crowded], records[crowded:]
    assert paths(journal) == sorted(
        [*(f"{day}/{record.key}.msgpack" for record in few)]
        + [f"{day}/{record.key[:2]}/{record.key}.msgpack" for record in many]
    )
    assert journal.trial_keys() == {record.key for record in records}
    assert all(trial.status == "finished" for trial in journal.iter_trials())
    for record in records:
        assert journal.read_trial(record.key[:3]) == record
    assert [record.iteration for record in records] == [0, 1, 2, 3, 4]


def test_trial_of_a_crowded_day_is_forgotten(journal: Desk, crowded: int) -> None:
    records = [journal.run_trial() for _ in range(crowded + 1)]
    journal.forget(records[-1].key, journal.identity)
    assert len(paths(journal)) == crowded
    assert journal.trial_keys() == {record.key for record in records[:-1]}


def test_trials_of_a_crowded_day_are_in_their_places(journal: Desk, crowded: int) -> None:
    for _ in range(crowded + 2):
        journal.run_trial()
    findings = verify(journal.repository).findings
    assert [finding for finding in findings if finding.where.startswith("trials/")] == []


def test_many_records_are_read_alike(journal: Desk, crowded: int, monkeypatch: pytest.MonkeyPatch) -> None:
    for _ in range(crowded + 3):
        journal.run_trial()
    one_by_one = list(journal.iter_trials())
    monkeypatch.setattr(index_writer, "_MANY", 1)
    journal.index.close()
    journal.index.path.unlink()
    monkeypatch.setattr(index_writer, "_READ_AT_ONCE", 2)
    assert list(journal.iter_trials()) == one_by_one


def test_damaged_record_among_many_is_named_and_the_others_are_read(
    journal: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    records = [journal.run_trial(key=f"{number}f2c91d07a3b") for number in range(5)]
    bad = records[2]
    oid = journal.oid_of(f"{JOURNAL}:trials/my_exp/2026-03-01/{bad.key}.msgpack")
    file = journal.repository.common_dir / "objects" / oid[:2] / oid[2:]
    file.chmod(0o644)
    file.write_bytes(file.read_bytes()[:40])
    monkeypatch.setattr(index_writer, "_MANY", 1)
    journal.index.close()
    journal.index.path.unlink()
    found, [problem] = journal.again().listed()
    assert {record.key for record in found} == {record.key for record in records} - {bad.key}
    assert bad.key in problem


def test_blobs_are_read_in_order_up_to_what_is_odd(journal: Desk, repository_folder: Path) -> None:
    def written(text: str) -> str:
        return journal.git("hash-object", "-w", "--stdin", stdin=text).strip()

    small, large, other = written("small"), written("x" * 1000), written("other")
    tree = journal.oid_of("HEAD^{tree}")
    for odd in (large, tree):
        wanted = [small, "0" * 40, other, odd, small]
        assert list(read_blobs(wanted, 100, cwd=repository_folder)) == [b"small", None, b"other", None, None]


def test_more_odd_blobs_than_git_is_started_for_are_all_left(journal: Desk, repository_folder: Path) -> None:
    large = journal.git("hash-object", "-w", "--stdin", stdin="x" * 1000).strip()
    assert list(read_blobs([large] * 100, 100, cwd=repository_folder)) == [None] * 100


def test_blob_that_git_replaces_is_read_as_it_was_written(journal: Desk, repository_folder: Path) -> None:
    one, other = (journal.git("hash-object", "-w", "--stdin", stdin=text).strip() for text in ("one", "other"))
    journal.git("replace", one, other)
    assert list(read_blobs([one, other], 100, cwd=repository_folder)) == [b"one", b"other"]
