"""The index of the journal: always equal to it, whatever happened to its file."""

from __future__ import annotations

import contextlib
import os
import shutil
import sqlite3
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import ClassVar

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from mitosis.errors.journal import JournalError
from mitosis.git.repository import Repository
from mitosis.journal import index as index_module
from mitosis.journal.index import Index, TooLate, is_index_right
from mitosis.journal.index_writer import IndexWriter
from mitosis.journal.lookup import Lookup
from mitosis.journal.storage.store import Store
from mitosis.records.codec import encode_trial
from mitosis.records.trial import ParameterRecord, TrialRecord
from support.journal import JOURNAL, Desk, Git, make_record, make_variant, record_path, run_git


@pytest.fixture
def applied(monkeypatch: pytest.MonkeyPatch) -> list[str | None]:
    """The trees from which the index catches up; None where it begins afresh."""
    found: list[str | None] = []
    apply = IndexWriter.apply

    def noted(self: IndexWriter, before: str | None, after: str | None) -> None:
        found.append(before)
        apply(self, before, after)

    monkeypatch.setattr(IndexWriter, "apply", noted)
    return found


def test_index_is_caught_up_and_not_rebuilt(journal: Desk, applied: list[str | None]) -> None:
    journal.run_trial()
    assert applied.pop(0) is None
    for iteration in range(1, 4):
        assert journal.again().run_trial().iteration == iteration
    assert None not in applied
    applied.clear()
    assert len(list(journal.again().iter_trials())) == 4
    assert applied == []


def test_listing_from_the_index_reads_no_object(journal: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    slow = make_variant()
    lookup = ParameterRecord(*slow.name[:2], "lookup", slow.name.variant, True, slow.digest)
    record = journal.run_trial(variants=[slow], parameters=(lookup,))

    def refuse(self: Repository, oid: str, limit_bytes: int | None = None) -> None:
        raise AssertionError(oid)

    monkeypatch.setattr(Repository, "read_object", refuse)
    reader = journal.again()
    assert [found.key for found in reader.iter_trials(limit=20)] == [record.key]
    assert reader.present_meanings(record.parameters)[slow.lock].is_locked
    assert reader.uses()[slow.lock].trials == 1
    assert reader.unmerged() == ()


def test_trials_that_come_from_elsewhere_count(journal: Desk, tmp_path: Path) -> None:
    journal.run_trial()
    journal.git("clone", "--quiet", ".", str(tmp_path / "clone"))
    other = Desk(tmp_path / "clone")
    other.git("fetch", "--quiet", "origin", "refs/mitosis/*:refs/mitosis/*")
    assert [other.run_trial().iteration for _ in range(3)] == [1, 2, 3]
    journal.git("fetch", "--quiet", str(other.folder), f"{JOURNAL}:{JOURNAL}")
    assert journal.run_trial().iteration == 4


def test_removed_trials_do_not_count(journal: Desk) -> None:
    records = [journal.run_trial() for _ in range(3)]
    gone = records[1]
    journal.rewrite({record_path(gone): None})
    assert journal.run_trial().iteration == 2
    assert journal.run_trial(key=gone.key).iteration == 3


def test_trial_whose_record_changed_counts_as_it_is_now(journal: Desk) -> None:
    record = journal.run_trial()
    other = (ParameterRecord("my_exp", "amplitude", "eval", "5"),)
    path = record_path(record)
    journal.rewrite({path: encode_trial(record.with_changes(parameters=other))})
    assert journal.run_trial().iteration == 0
    assert journal.run_trial(parameters=other).iteration == 1


def test_damaged_records_do_not_count_but_keep_their_key(journal: Desk) -> None:
    journal.run_trial()
    journal.rewrite({"trials/my_exp/2026-03-01/aaaaaaaaaaaa.msgpack": b"\xc1"})
    assert journal.run_trial().iteration == 1
    with pytest.raises(JournalError, match="already a trial aaaaaaaaaaaa"):
        journal.run_trial(key="aaaaaaaaaaaa")


def test_journal_that_was_set_back_counts_as_it_is_now(journal: Desk) -> None:
    journal.run_trial()
    back = journal.tip()
    for _ in range(3):
        journal.run_trial()
    journal.git("update-ref", JOURNAL, str(back))
    journal.git("gc", "--quiet", "--prune=now")
    assert journal.again().tip() == back
    assert journal.again().run_trial().iteration == 1


def run_sql(path: Path, *statements: str) -> None:
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as connection:
        for statement in statements:
            connection.execute(statement)


def foreign(path: Path) -> None:
    path.unlink()
    run_sql(path, "CREATE TABLE trials (name)", "PRAGMA user_version=1")


def folder_instead(path: Path) -> None:
    path.unlink()
    path.mkdir()


DAMAGES: dict[str, Callable[[Path], object]] = {
    "removed": lambda path: path.unlink(),
    "empty": lambda path: path.write_bytes(b""),
    "cut": lambda path: path.write_bytes(path.read_bytes()[:5000]),
    "zeros": lambda path: path.write_bytes(bytes(path.stat().st_size)),
    "garbage": lambda path: path.write_bytes(path.read_bytes()[:4096] + b"\xff" * (path.stat().st_size - 4096)),
    "other version": lambda path: run_sql(path, "PRAGMA user_version=999"),
    "foreign": foreign,
    "without a table": lambda path: run_sql(path, "DROP TABLE entries"),
    "without a state": lambda path: run_sql(path, "DELETE FROM state"),
    "of two states": lambda path: run_sql(path, "INSERT INTO state SELECT * FROM state"),
    "no UTF-8": lambda path: run_sql(path, "UPDATE records SET path = CAST(x'ff' || path AS TEXT)"),
    "folder instead": folder_instead,
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_damaged_index_is_rebuilt(journal: Desk, damage: Callable[[Path], object]) -> None:
    keys = [journal.run_trial().key for _ in range(3)]
    journal.run_trial(experiment="other")
    journal.index.close()
    damage(journal.index.path)
    assert len(list(journal.again().iter_trials())) == 4
    with pytest.raises(JournalError, match="already a trial"):
        journal.again().run_trial(key=keys[0], experiment="third")
    assert journal.again().run_trial().iteration == 3
    assert is_index_right(Store(journal.repository)) or journal.index.path.is_dir()


@pytest.mark.parametrize("damage", [damage for name, damage in DAMAGES.items() if name != "removed"])
def test_damaged_index_is_not_right_and_stays_until_it_is_repaired(
    journal: Desk, damage: Callable[[Path], object]
) -> None:
    journal.run_trial()
    journal.index.close()
    damage(journal.index.path)
    assert not is_index_right(Store(journal.repository))
    assert journal.index.path.exists()


def test_index_of_another_repository_is_rebuilt(journal: Desk, tmp_path: Path, git: Git) -> None:
    journal.run_trial()
    journal.index.close()
    git("init", "--quiet", "other", cwd=tmp_path)
    git("commit", "--quiet", "--allow-empty", "-m", "first", cwd=tmp_path / "other")
    other = Desk(tmp_path / "other")
    other.index.path.parent.mkdir()
    shutil.copy(journal.index.path, other.index.path)
    assert list(other.iter_trials()) == []
    assert other.run_trial().iteration == 0
    assert len(list(other.again().iter_trials())) == 1


def test_index_that_was_put_back_is_caught_up(journal: Desk, tmp_path: Path) -> None:
    journal.run_trial()
    journal.run_trial()
    journal.index.close()
    shutil.copy(journal.index.path, tmp_path / "backup")
    journal.again().run_trial()
    shutil.copy(tmp_path / "backup", journal.index.path)
    assert journal.again().run_trial().iteration == 3


def test_old_state_that_is_gone_does_not_matter(journal: Desk) -> None:
    journal.run_trial()
    journal.run_trial()
    tree = journal.oid_of(f"{JOURNAL}~2:trials/my_exp")
    # Set back and forward, so that the index knows the old state and has to go on from it.
    tip = journal.tip()
    journal.git("update-ref", JOURNAL, f"{JOURNAL}~2")
    assert len(list(journal.iter_trials())) == 1
    journal.git("update-ref", JOURNAL, str(tip))
    journal.loose_file(tree).unlink()
    assert journal.again().run_trial().iteration == 2


def test_object_that_comes_later_is_read(journal: Desk) -> None:
    record = journal.run_trial()
    oid = journal.oid_of(f"{JOURNAL}:{record_path(record)}")
    journal.index.close()
    journal.index.path.unlink()
    loose = journal.loose_file(oid)
    data = loose.read_bytes()
    loose.unlink()
    assert journal.again().listed() == ([], [record_path(record)])
    loose.write_bytes(data)
    assert journal.again().listed() == ([record], [])
    journal.index.close()
    with contextlib.closing(sqlite3.connect(journal.index.path)) as connection:
        assert connection.execute("SELECT * FROM problems").fetchall() == []


# --- where it cannot be written -------------------------------------------------------------------


def test_what_sqlite_writes_ahead_is_cut_off_where_it_has_grown(journal: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(index_module, "_MOST_WAL_BYTES", 0)
    journal.run_trial()
    assert journal.index.path.with_name("index.sqlite-wal").stat().st_size == 0


def test_index_that_is_locked_makes_nobody_wait(journal: Desk) -> None:
    journal.run_trial()
    with contextlib.closing(sqlite3.connect(journal.index.path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        began = time.monotonic()
        assert journal.again().run_trial().iteration == 1
        assert len(list(journal.again().iter_trials())) == 2
        assert time.monotonic() - began < 5
        other.execute("ROLLBACK")
    assert journal.again().run_trial().iteration == 2
    assert is_index_right(Store(journal.repository))


def test_file_system_that_refuses_sqlite_is_no_error(journal: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    journal.run_trial()
    journal.index.close()
    connect = index_module._connect

    def refuse(name: str, *, uri: bool = False) -> sqlite3.Connection:
        if name != ":memory:":
            raise sqlite3.OperationalError("unable to open database file")
        return connect(name, uri=uri)

    monkeypatch.setattr(index_module, "_connect", refuse)
    assert journal.again().run_trial().iteration == 1
    assert len(list(journal.again().iter_trials())) == 2


def test_network_file_system_gets_no_shared_memory(journal: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(index_module, "is_on_network", lambda path: True)
    journal.run_trial()
    assert journal.again().run_trial().iteration == 1
    assert not journal.index.path.with_name("index.sqlite-wal").exists()
    assert is_index_right(Store(journal.repository))


def test_process_that_was_forked_off_has_a_connection_of_its_own(journal: Desk) -> None:
    journal.run_trial()
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(writing, str(len(list(journal.iter_trials()))).encode())
        os._exit(0)
    os.waitpid(child, 0)
    assert os.read(reading, 10) == b"1"
    assert journal.run_trial().iteration == 1


def test_patience_ends_before_everything_is_read(journal: Desk) -> None:
    journal.run_trial()
    journal.index.close()
    journal.index.path.unlink()
    with pytest.raises(TooLate):
        Index(Store(journal.repository), patience_s=-1).ask("SELECT 1")
    with Lookup(journal.repository) as lookup:
        assert len(lookup.newest_trials("", 5)) == 1


class IndexMachine(RuleBasedStateMachine):
    """Starts, removals, kills and lost files in any order: the count is that of the records."""

    parent: ClassVar[Path]
    """An existing folder to work in."""

    def __init__(self) -> None:
        super().__init__()
        folder = Path(tempfile.mkdtemp(dir=self.parent))
        run_git("init", "--quiet", cwd=folder)
        run_git("commit", "--quiet", "--allow-empty", "-m", "first", cwd=folder)
        self.journal = Desk(folder)
        self.present: dict[str, tuple[str, TrialRecord]] = {}

    @rule(value=st.sampled_from("ab"), experiment=st.sampled_from(["one", "two"]), day=st.integers(1, 2))
    def start(self, value: str, experiment: str, day: int) -> None:
        expected = Counter(name for name, _ in self.present.values())[experiment + value]
        started = self.journal.start_trial(
            experiment=experiment,
            started=f"2026-03-0{day}T00:00:00+00:00",
            parameters=(ParameterRecord("s", "p", "eval", value),),
        )
        assert started.iteration == expected
        self.present[started.key] = (experiment + value, started)

    @precondition(lambda self: self.present)
    @rule(data=st.data())
    def remove(self, data: st.DataObject) -> None:
        _, record = self.present.pop(data.draw(st.sampled_from(sorted(self.present))))
        self.journal.rewrite({record_path(record): None})

    @rule(how=st.sampled_from(list(DAMAGES.values())[:6]))
    def lose(self, how: Callable[[Path], object]) -> None:
        self.journal.index.close()
        if self.journal.index.path.exists():
            how(self.journal.index.path)

    @invariant()
    def listing_is_complete(self) -> None:
        assert self.journal.trial_keys() == set(self.present)


def test_index_equals_the_journal_after_anything(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(IndexMachine, "parent", tmp_path, raising=False)
    examples = max(8, settings().max_examples // 3)  # each is a repository
    chosen = settings(max_examples=examples, stateful_step_count=12, deadline=None)
    run_state_machine_as_test(IndexMachine, settings=chosen)


def test_index_that_is_made_anew_half_way_has_all_fields(journal: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    journal.run_trial()
    journal.listed()
    other = make_record(key="0" * 12)
    journal.rewrite({record_path(other): encode_trial(other)})
    answers = iter((False, True))
    monkeypatch.setattr(IndexWriter, "is_partial", property(lambda writer: next(answers, False)))
    reader = journal.again()
    reader.index.refresh()
    assert list(answers) == []
    assert is_index_right(reader.store)
