"""Finding and listing trials, in a sound journal and in a damaged one."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from mitosis.errors.journal import AmbiguousKey, BadRecord, JournalError, TrialNotFound
from mitosis.records.codec import MAX_RECORD_BYTES, encode_trial
from mitosis.records.trial import ParameterRecord, TrialRecord
from support.journal import ENVIRONMENT, JOURNAL, Desk, make_record, make_variant


@pytest.fixture
def calendar(journal: Desk) -> list[TrialRecord]:
    """Trials of two experiments on three days, newest first."""
    starts = [
        ("my_exp", "2026-03-01T09:00:00+00:00"),
        ("other", "2026-03-01T09:00:00.500000+00:00"),
        ("my_exp", "2026-03-01T10:00:00+00:00"),
        ("my_exp", "2026-03-02T09:00:00+00:00"),
        ("other", "2026-03-02T10:00:00+00:00"),
        ("my_exp", "2026-03-02T11:00:00+00:00"),
        ("other", "2026-12-31T09:00:00+00:00"),
    ]
    order = [3, 0, 6, 1, 5, 2, 4]
    records = {i: journal.start_trial(experiment=starts[i][0], started=starts[i][1]) for i in order}
    return [records[i] for i in sorted(records, reverse=True)]


def fresh(journal: Desk) -> Desk:
    """The same journal, as a new process sees it that finds no index."""
    journal.index.close()
    journal.index.path.unlink()
    return journal.again()


def test_trials_come_newest_first(journal: Desk, calendar: list[TrialRecord]) -> None:
    assert journal.listed() == (calendar, [])


@pytest.mark.parametrize("limit", range(9))
def test_limit_keeps_the_newest(journal: Desk, calendar: list[TrialRecord], limit: int) -> None:
    assert list(journal.iter_trials(limit=limit)) == calendar[:limit]
    mine = [record for record in calendar if record.experiment == "my_exp"]
    assert list(journal.iter_trials(limit=limit, experiment="my_exp")) == mine[:limit]


def test_experiment_that_nobody_ran_has_no_trials(journal: Desk, calendar: list[TrialRecord]) -> None:
    assert journal.listed(experiment="my") == ([], [])


def test_iteration_reads_the_journal_as_it_was(journal: Desk, calendar: list[TrialRecord]) -> None:
    reading = journal.iter_trials()
    first = next(reading)
    journal.start_trial(started="2026-03-01T09:30:00+00:00")
    assert [first, *reading] == calendar


def test_no_journal_is_an_empty_one(journal: Desk) -> None:
    assert journal.tip() is None
    assert list(journal.iter_trials()) == []
    assert list(journal.iter_variants()) == []
    assert journal.variant_origins() == {}
    assert journal.check([]) == ()
    with pytest.raises(TrialNotFound, match="no trial is recorded"):
        journal.read_trial("5f")


def test_tip_is_the_newest_commit(journal: Desk, calendar: list[TrialRecord]) -> None:
    assert journal.tip() == journal.oid_of(JOURNAL)


def test_any_unique_prefix_finds_a_trial(journal: Desk) -> None:
    one = journal.start_trial(key="5f2c91d07a3b")
    two = journal.start_trial(key="5f2c00000000", experiment="other")
    three = journal.start_trial(key="a00000000000", started="2026-04-01T00:00:00+00:00")
    assert journal.read_trial("5f2c91d07a3b") == one
    assert journal.read_trial("5f2c9") == one
    assert journal.read_trial(" 5F2C0") == two
    assert journal.read_trial("a") == three


def test_ambiguous_prefix_lists_its_matches(journal: Desk) -> None:
    journal.start_trial(key="5f2c91d07a3b")
    journal.start_trial(key="5f2c00000000", experiment="other")
    journal.start_trial(key="500000000000", started="2026-04-01T00:00:00+00:00")
    with pytest.raises(AmbiguousKey, match="5f2c91d07a3b") as caught:
        journal.read_trial("5f2c")
    assert sorted(caught.value.matches) == ["5f2c00000000", "5f2c91d07a3b"]
    assert isinstance(caught.value, RuntimeError)
    with pytest.raises(AmbiguousKey) as caught:
        journal.read_trial("5")
    assert len(caught.value.matches) == 3


@pytest.mark.parametrize("key", ["", " ", "xyz", "../..", "5f2c91d07a3b0", "5f2c*", "5f\n2c", "5f2c91d07a3b\x00"])
def test_what_is_no_key_is_told(journal: Desk, key: str) -> None:
    journal.start_trial(key="5f2c91d07a3b")
    with pytest.raises(TrialNotFound, match="is not a trial key"):
        journal.read_trial(key)


def test_unknown_key_is_also_a_missing_file(journal: Desk) -> None:
    journal.start_trial(key="5f2c91d07a3b")
    with pytest.raises(FileNotFoundError, match="begins with `5f2d`"):
        journal.read_trial("5f2d")


def test_trial_that_may_be_in_a_damaged_part_is_told_so(journal: Desk, calendar: list[TrialRecord]) -> None:
    journal.loose_file(journal.oid_of(f"{JOURNAL}:trials/other/2026-03-01")).unlink()
    with pytest.raises(TrialNotFound, match=r"cannot be read: trials/other/2026-03-01"):
        fresh(journal).read_trial(calendar[-2].key)


def test_damaged_records_are_named_and_skipped(journal: Desk) -> None:
    good = [journal.start_trial(started=f"2026-03-01T0{i}:00:00+00:00") for i in range(3)][::-1]
    folder = "trials/my_exp/2026-03-01"
    fields = {"garbage": "aaaaaaaaaaaa", "newer": "bbbbbbbbbbbb", "huge": "cccccccccccc", "lost": "dddddddddddd"}
    paths = {what: f"{folder}/{key[:2]}/{key}.msgpack" for what, key in fields.items()}
    journal.rewrite(
        {
            paths["garbage"]: b"\xc1garbage",
            paths["newer"]: b"\x81\xa6format\x7f",
            paths["huge"]: b"\0" * (MAX_RECORD_BYTES + 1),
            paths["lost"]: encode_trial(make_record(key="dddddddddddd", subject="lost")),
            f"{folder}/zz/README": "hello\n",
            f"{folder}/aa/README": "hello\n",
            f"{folder}/aa/aaaaaaaaaaaa.txt": "hello\n",
            "trials/my_exp/yesterday/aa/aaaaaaaaaaaa.msgpack": "hello\n",
            "trials/README": "hello\n",
        }
    )
    journal.loose_file(journal.oid_of(f"{JOURNAL}:{paths['lost']}")).unlink()
    for limit in (None, 2):
        problems: list[BadRecord] = []
        reader = fresh(journal)
        assert list(reader.iter_trials(limit=limit, problems=problems)) == good[:limit]
        told = {problem.where: problem.reason for problem in problems}
        assert set(told) == {
            *paths.values(),
            f"{folder}/zz/README",
            f"{folder}/aa/README",
            f"{folder}/aa/aaaaaaaaaaaa.txt",
            "trials/my_exp/yesterday/aa/aaaaaaaaaaaa.msgpack",
            "trials/README",
        }
        assert told[paths["newer"]].startswith("it has format 127,")
        assert "upgrade mitosis" in told[paths["newer"]]
        assert "more than" in told[paths["huge"]]
        assert "missing" in told[paths["lost"]]
        assert list(reader.iter_trials(limit=limit)) == good[:limit]
    with pytest.raises(BadRecord, match="aaaaaaaaaaaa"):
        journal.read_trial("aaaaaaaaaaaa")


def test_truncated_object_is_named_and_skipped(journal: Desk) -> None:
    good = journal.start_trial()
    bad = journal.start_trial(subject="long " * 1000)
    path = f"trials/my_exp/2026-03-01/{bad.key}.msgpack"
    oid = journal.oid_of(f"{JOURNAL}:{path}")
    file = journal.loose_file(oid)
    data = file.read_bytes()
    file.write_bytes(data[: len(data) // 2])
    assert fresh(journal).listed() == ([good], [path])


def test_trials_that_are_a_file_are_named(journal: Desk) -> None:
    record = journal.start_trial()
    journal.rewrite({f"trials/my_exp/2026-03-01/{record.key}.msgpack": None, "trials": "hello\n"})
    assert journal.listed() == ([], [])
    with pytest.raises(JournalError, match="trials in the journal is a file"):
        journal.start_trial()


def test_symbolic_links_and_submodules_are_foreign(journal: Desk, tmp_path: Path) -> None:
    record = journal.start_trial()
    day = "trials/my_exp/2026-03-01"
    link = journal.git("hash-object", "-w", "--stdin", stdin="/etc/passwd").strip()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GIT_INDEX_FILE", str(tmp_path / "index"))
        journal.git("read-tree", JOURNAL)
        journal.git("update-index", "--add", "--cacheinfo", f"120000,{link},{day}/aa")
        journal.git("update-index", "--add", "--cacheinfo", f"160000,{record.commit},trials/my_exp/2026-03-02")
        tree = journal.git("write-tree").strip()
    journal.git("update-ref", JOURNAL, journal.git("commit-tree", tree, "-m", "by hand").strip())
    assert journal.listed() == ([record], ["trials/my_exp/2026-03-01/aa", "trials/my_exp/2026-03-02"])


def test_environment_is_read(journal: Desk) -> None:
    record = journal.start_trial()
    assert journal.read_environment(record.environment) == ENVIRONMENT


@pytest.mark.parametrize("digest", ["abc123", "../trials", ""])
def test_unknown_environment_is_told(journal: Desk, digest: str) -> None:
    journal.start_trial()
    with pytest.raises(JournalError, match="environment"):
        journal.read_environment(digest)


def test_one_trial_with_its_values_and_packages_is_read_without_libgit2(journal: Desk) -> None:
    """Loading it takes longer than all the rest."""
    slow = make_variant()
    parameter = ParameterRecord("my_exp", "frequency", "lookup", "slow", digest=slow.digest, summary="1")
    record = journal.run_trial(variants=[slow], parameters=(parameter,))
    journal.git("gc", "--quiet")
    program = (
        "import sys, pathlib\n"
        "from mitosis.git.repository import find_repository\n"
        "from mitosis.journal.journal import Journal\n"
        "journal = Journal(find_repository(pathlib.Path.cwd()))\n"
        f"record = journal.read_trial({record.key!r})\n"
        "[(lock, variant)] = journal.read_locks([record.parameters[0].lock])\n"
        "print(variant.value, journal.read_environment(record.environment).split(), 'pygit2' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=journal.folder, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == f"{slow.value!r} {ENVIRONMENT.split()} False"
