"""The index of the journal: always equal to it, whatever happened to its file."""

from __future__ import annotations

import contextlib
import itertools
import os
import shutil
import sqlite3
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from mitosis.errors.journal import BadRecord, JournalError
from mitosis.git.repository import Repository, find_repository
from mitosis.journal import index as index_module
from mitosis.journal.index import Index, TooLate, is_index_right
from mitosis.journal.index_writer import IndexWriter
from mitosis.journal.journal import Journal
from mitosis.journal.store import Store
from mitosis.journal.variants import Lookup
from mitosis.records.codec import encode_trial
from mitosis.records.trial import ParameterRecord, TrialRecord
from mitosis.variants import Variant
from support.journal import record_path

Git = Callable[..., str]
MakeRecord = Callable[..., TrialRecord]
RunTrial = Callable[..., TrialRecord]
Rewrite = Callable[[dict[str, bytes | str | None]], None]


def index_path(journal: Journal) -> Path:
    return journal.repository.common_dir / "mitosis" / "index.sqlite"


def again(journal: Journal) -> Journal:
    """The same journal for another process."""
    return Journal(find_repository(journal.repository.root))


@pytest.fixture
def applied(monkeypatch: pytest.MonkeyPatch) -> list[str | None]:
    """The trees from which the index catches up; None where it begins anew."""
    found: list[str | None] = []
    apply = IndexWriter.apply

    def noted(self: IndexWriter, before: str | None, after: str | None) -> None:
        found.append(before)
        apply(self, before, after)

    monkeypatch.setattr(IndexWriter, "apply", noted)
    return found


def test_index_is_caught_up_and_not_made_anew(journal: Journal, run_trial: RunTrial, applied: list[str | None]) -> None:
    run_trial()
    assert applied.pop(0) is None
    for iteration in range(1, 4):
        assert run_trial(journal=again(journal)).iteration == iteration
    assert None not in applied
    applied.clear()
    assert len(list(again(journal).iter_trials())) == 4
    assert applied == []


def test_listing_from_the_index_reads_no_object(
    journal: Journal, run_trial: RunTrial, make_variant: Callable[..., Variant], monkeypatch: pytest.MonkeyPatch
) -> None:
    slow = make_variant()
    lookup = ParameterRecord(*slow.name[:2], "lookup", slow.name.variant, True, slow.digest)
    record = run_trial(variants=[slow], parameters=(lookup,))

    def refuse(self: Repository, oid: str, limit_bytes: int | None = None) -> None:
        raise AssertionError(oid)

    monkeypatch.setattr(Repository, "read_object", refuse)
    reader = again(journal)
    assert [found.key for found in reader.iter_trials(limit=20)] == [record.key]
    assert reader.present_meanings(record.parameters)[slow.lock].is_locked
    assert reader.uses()[slow.lock].trials == 1
    assert reader.unmerged() == ()


def test_first_start_in_a_new_clone_counts_all(journal: Journal, run_trial: RunTrial, tmp_path: Path, git: Git) -> None:
    for _ in range(3):
        run_trial()
    git("clone", "--quiet", str(journal.repository.root), "clone", cwd=tmp_path)
    git("fetch", "--quiet", "origin", "refs/mitosis/*:refs/mitosis/*", cwd=tmp_path / "clone")
    assert run_trial(journal=Journal(find_repository(tmp_path / "clone"))).iteration == 3


def test_trials_that_come_from_elsewhere_count(journal: Journal, run_trial: RunTrial, tmp_path: Path, git: Git) -> None:
    run_trial()
    git("clone", "--quiet", str(journal.repository.root), "clone", cwd=tmp_path)
    git("fetch", "--quiet", "origin", "refs/mitosis/*:refs/mitosis/*", cwd=tmp_path / "clone")
    other = Journal(find_repository(tmp_path / "clone"))
    for _ in range(3):
        run_trial(journal=other)
    git("fetch", "--quiet", str(tmp_path / "clone"), "refs/mitosis/journal:refs/mitosis/journal")
    assert run_trial().iteration == 4


def test_removed_trials_do_not_count(run_trial: RunTrial, rewrite: Rewrite) -> None:
    records = [run_trial() for _ in range(3)]
    gone = records[1]
    rewrite({record_path(gone): None})
    assert run_trial().iteration == 2
    assert run_trial(key=gone.key).iteration == 3


def test_trial_whose_record_changed_counts_as_it_is_now(
    run_trial: RunTrial, rewrite: Rewrite, make_record: MakeRecord
) -> None:
    record = run_trial()
    other = (ParameterRecord("my_exp", "amplitude", "eval", "5"),)
    path = record_path(record)
    rewrite({path: encode_trial(record.with_changes(parameters=other))})
    assert run_trial().iteration == 0
    assert run_trial(parameters=other).iteration == 1


def test_damaged_records_do_not_count_but_keep_their_key(run_trial: RunTrial, rewrite: Rewrite) -> None:
    run_trial()
    rewrite({"trials/my_exp/2026-03-01/aaaaaaaaaaaa.msgpack": b"\xc1"})
    assert run_trial().iteration == 1
    with pytest.raises(JournalError, match="already a trial aaaaaaaaaaaa"):
        run_trial(key="aaaaaaaaaaaa")


def test_journal_that_was_set_back_counts_as_it_is_now(journal: Journal, run_trial: RunTrial, git: Git) -> None:
    run_trial()
    back = journal.tip()
    for _ in range(3):
        run_trial()
    git("update-ref", "refs/mitosis/journal", str(back))
    git("gc", "--quiet", "--prune=now")
    assert Journal(find_repository(journal.repository.root)).tip() == back
    assert run_trial(journal=Journal(find_repository(journal.repository.root))).iteration == 1


def remove(path: Path) -> None:
    path.unlink()


def empty(path: Path) -> None:
    path.write_bytes(b"")


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:5000])


def zero(path: Path) -> None:
    path.write_bytes(bytes(path.stat().st_size))


def garbage(path: Path) -> None:
    data = path.read_bytes()
    path.write_bytes(data[:4096] + b"\xff" * (len(data) - 4096))


def other_version(path: Path) -> None:
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA user_version=999")


def foreign(path: Path) -> None:
    path.unlink()
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE trials (name)")
        connection.execute("PRAGMA user_version=1")
        connection.commit()


def without_a_table(path: Path) -> None:
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("DROP TABLE fields")
        connection.commit()


def folder_instead(path: Path) -> None:
    path.unlink()
    path.mkdir()


DAMAGES = [remove, empty, cut, zero, garbage, other_version, foreign, without_a_table, folder_instead]


@pytest.mark.parametrize("damage", DAMAGES)
def test_damaged_index_is_made_anew(journal: Journal, run_trial: RunTrial, damage: Callable[[Path], None]) -> None:
    keys = [run_trial().key for _ in range(3)]
    run_trial(experiment="other")
    journal.index.close()
    damage(index_path(journal))
    assert len(list(again(journal).iter_trials())) == 4
    with pytest.raises(JournalError, match="already a trial"):
        run_trial(journal=again(journal), key=keys[0], experiment="third")
    assert run_trial(journal=again(journal)).iteration == 3
    assert is_index_right(Store(journal.repository)) or index_path(journal).is_dir()


def test_index_of_another_repository_is_made_anew(
    journal: Journal, run_trial: RunTrial, tmp_path: Path, git: Git
) -> None:
    run_trial()
    journal.index.close()
    git("init", "--quiet", "other", cwd=tmp_path)
    git("commit", "--quiet", "--allow-empty", "-m", "first", cwd=tmp_path / "other")
    other = Journal(find_repository(tmp_path / "other"))
    index_path(other).parent.mkdir()
    shutil.copy(index_path(journal), index_path(other))
    assert list(other.iter_trials()) == []
    assert run_trial(journal=other).iteration == 0
    assert len(list(again(other).iter_trials())) == 1


def test_index_that_was_put_back_is_caught_up(journal: Journal, run_trial: RunTrial, tmp_path: Path) -> None:
    run_trial()
    run_trial()
    journal.index.close()
    shutil.copy(index_path(journal), tmp_path / "backup")
    run_trial(journal=again(journal))
    shutil.copy(tmp_path / "backup", index_path(journal))
    assert run_trial(journal=again(journal)).iteration == 3


def test_old_state_that_is_gone_does_not_matter(journal: Journal, run_trial: RunTrial, git: Git) -> None:
    run_trial()
    run_trial()
    tree = git("rev-parse", "refs/mitosis/journal~2:trials/my_exp").strip()
    # Set back and forward, so that the index knows the old state and has to go on from it.
    tip = journal.tip()
    git("update-ref", "refs/mitosis/journal", "refs/mitosis/journal~2")
    assert len(list(journal.iter_trials())) == 1
    git("update-ref", "refs/mitosis/journal", str(tip))
    (journal.repository.common_dir / "objects" / tree[:2] / tree[2:]).unlink()
    assert run_trial(journal=again(journal)).iteration == 2


def test_object_that_comes_later_is_read(journal: Journal, run_trial: RunTrial, git: Git) -> None:
    record = run_trial()
    oid = git("rev-parse", f"refs/mitosis/journal:{record_path(record)}").strip()
    journal.index.close()
    index_path(journal).unlink()
    loose = journal.repository.common_dir / "objects" / oid[:2] / oid[2:]
    data = loose.read_bytes()
    loose.unlink()
    problems: list[BadRecord] = []
    assert list(again(journal).iter_trials(problems=problems)) == []
    assert [problem.where for problem in problems] == [record_path(record)]
    loose.write_bytes(data)
    problems.clear()
    assert [found.key for found in again(journal).iter_trials(problems=problems)] == [record.key]
    assert problems == []


# --- where it cannot be written -------------------------------------------------------------------


def test_index_that_is_locked_makes_nobody_wait(journal: Journal, run_trial: RunTrial) -> None:
    run_trial()
    with contextlib.closing(sqlite3.connect(index_path(journal), isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        began = time.monotonic()
        assert run_trial(journal=again(journal)).iteration == 1
        assert len(list(again(journal).iter_trials())) == 2
        assert time.monotonic() - began < 5
        other.execute("ROLLBACK")
    assert run_trial(journal=again(journal)).iteration == 2
    assert is_index_right(Store(journal.repository))


def test_file_system_that_refuses_sqlite_is_no_error(
    journal: Journal, run_trial: RunTrial, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_trial()
    journal.index.close()
    connect = index_module._connect

    def refuse(name: str, *, uri: bool = False) -> sqlite3.Connection:
        if name != ":memory:":
            raise sqlite3.OperationalError("unable to open database file")
        return connect(name, uri=uri)

    monkeypatch.setattr(index_module, "_connect", refuse)
    assert run_trial(journal=again(journal)).iteration == 1
    assert len(list(again(journal).iter_trials())) == 2


def test_network_file_system_gets_no_shared_memory(
    journal: Journal, run_trial: RunTrial, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(index_module, "_is_on_network", lambda path: True)
    run_trial()
    assert run_trial(journal=again(journal)).iteration == 1
    assert not index_path(journal).with_name("index.sqlite-wal").exists()
    assert is_index_right(Store(journal.repository))


def test_process_that_was_forked_off_has_a_connection_of_its_own(journal: Journal, run_trial: RunTrial) -> None:
    run_trial()
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(writing, str(len(list(journal.iter_trials()))).encode())
        os._exit(0)
    os.waitpid(child, 0)
    assert os.read(reading, 10) == b"1"
    assert run_trial().iteration == 1


def test_patience_ends_before_everything_is_read(journal: Journal, run_trial: RunTrial) -> None:
    run_trial()
    journal.index.close()
    index_path(journal).unlink()
    with pytest.raises(TooLate):
        Index(Store(journal.repository), patience_s=-1).ask("SELECT 1")
    with Lookup(journal.repository) as lookup:
        assert len(lookup.newest_trials("", 5)) == 1


class IndexMachine(RuleBasedStateMachine):
    """Starts, removals, kills and lost files in any order: the count is that of the records."""

    def __init__(
        self, folder: Path, git: Git, make_record: MakeRecord, remove_path: Callable[[Path, str], None]
    ) -> None:
        super().__init__()
        git("init", "--quiet", str(folder), cwd=folder.parent)
        git("commit", "--quiet", "--allow-empty", "-m", "first", cwd=folder)
        self.journal = Journal(find_repository(folder))
        self.make_record = make_record
        self.remove_path = remove_path
        self.present: dict[str, tuple[str, TrialRecord]] = {}

    @rule(value=st.sampled_from("ab"), experiment=st.sampled_from(["one", "two"]), day=st.integers(1, 2))
    def start(self, value: str, experiment: str, day: int) -> None:
        identity = self.journal.repository.identity()
        record = self.make_record(
            commit=self.journal.repository.head,
            experiment=experiment,
            started=f"2026-03-0{day}T00:00:00+00:00",
            parameters=(ParameterRecord("s", "p", "eval", value),),
        )
        expected = Counter(name for name, _ in self.present.values())[experiment + value]
        started = self.journal.start(record, [], "", identity).record
        assert started.iteration == expected
        self.present[started.key] = (experiment + value, started)

    @precondition(lambda self: self.present)
    @rule(data=st.data())
    def remove(self, data: st.DataObject) -> None:
        _, record = self.present.pop(data.draw(st.sampled_from(sorted(self.present))))
        path = record_path(record)
        self.remove_path(self.journal.repository.root, path)

    @rule(how=st.sampled_from(DAMAGES[:6]))
    def lose(self, how: Callable[[Path], None]) -> None:
        self.journal.index.close()
        if index_path(self.journal).exists():
            how(index_path(self.journal))

    @invariant()
    def listing_is_complete(self) -> None:
        assert {record.key for record in self.journal.iter_trials()} == set(self.present)


def test_index_equals_the_journal_after_anything(tmp_path: Path, git: Git, make_record: MakeRecord) -> None:
    def remove_path(folder: Path, path: str) -> None:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("GIT_INDEX_FILE", str(tmp_path / "journal-index"))
            git("read-tree", "refs/mitosis/journal", cwd=folder)
            git("update-index", "--force-remove", path, cwd=folder)
            tree = git("write-tree", cwd=folder).strip()
        commit = git("commit-tree", tree, "-p", "refs/mitosis/journal", "-m", "by hand", cwd=folder).strip()
        git("update-ref", "refs/mitosis/journal", commit, cwd=folder)

    numbers = itertools.count()

    class Machine(IndexMachine):
        def __init__(self) -> None:
            super().__init__(tmp_path / f"lab-{next(numbers)}", git, make_record, remove_path)

    chosen = settings(stateful_step_count=12, deadline=None)
    run_state_machine_as_test(Machine, settings=chosen)
