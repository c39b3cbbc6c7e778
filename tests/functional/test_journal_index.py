"""The derived index of trials: always equal to the journal, whatever happened to its files."""

from __future__ import annotations

import itertools
import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from mitosis.errors.journal import JournalError
from mitosis.git.repository import find_repository
from mitosis.journal.index import TrialIndex
from mitosis.journal.journal import Journal
from mitosis.journal.store import Store
from mitosis.records.codec import encode_trial
from mitosis.records.trial import ParameterRecord, TrialRecord
from support.journal import record_path

Git = Callable[..., str]
MakeRecord = Callable[..., TrialRecord]
RunTrial = Callable[..., TrialRecord]
Rewrite = Callable[[dict[str, bytes | str | None]], None]


def index_folder(journal: Journal) -> Path:
    return journal.repository.common_dir / "mitosis" / "trials"


def open_index(journal: Journal) -> TrialIndex:
    store = Store(journal.repository)
    entry = store.find(f"{journal.repository.git('rev-parse', 'refs/mitosis/journal^{tree}').strip()}", "trials")
    return TrialIndex(store, None if entry is None else entry.oid)


def count_rebuilds(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    calls: list[int] = []
    rebuild = TrialIndex._rebuild

    def counted(self: TrialIndex) -> None:
        calls.append(1)
        rebuild(self)

    monkeypatch.setattr(TrialIndex, "_rebuild", counted)
    return calls


def test_index_is_caught_up_and_not_rebuilt(
    start_trial: RunTrial, run_trial: RunTrial, monkeypatch: pytest.MonkeyPatch
) -> None:
    start_trial()
    rebuilds = count_rebuilds(monkeypatch)
    for iteration in range(1, 5):
        assert run_trial().iteration == iteration
    assert rebuilds == []


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


def shards(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.name != "state")


def remove_all(folder: Path) -> None:
    shutil.rmtree(folder)


def remove_state(folder: Path) -> None:
    (folder / "state").unlink()


def empty_state(folder: Path) -> None:
    (folder / "state").write_bytes(b"")


def flip_state(folder: Path) -> None:
    data = bytearray((folder / "state").read_bytes())
    data[len(data) // 2] ^= 1
    (folder / "state").write_bytes(data)


def other_format(folder: Path) -> None:
    data = (folder / "state").read_bytes()
    (folder / "state").write_bytes(data.replace(b"index 1", b"index 9"))


def remove_shards(folder: Path) -> None:
    for path in shards(folder):
        path.unlink()


def cut_shards(folder: Path) -> None:
    for path in shards(folder):
        path.write_bytes(path.read_bytes()[:-1])


def flip_shards(folder: Path) -> None:
    for path in shards(folder):
        path.write_bytes(path.read_bytes().swapcase())


def zero_shards(folder: Path) -> None:
    for path in shards(folder):
        path.write_bytes(bytes(path.stat().st_size))


def garbage_shards(folder: Path) -> None:
    for path in shards(folder):
        path.write_bytes(b"\xff" * path.stat().st_size)


def file_instead(folder: Path) -> None:
    shutil.rmtree(folder)
    folder.mkdir()
    (folder / "state").mkdir()


@pytest.mark.parametrize(
    "damage",
    [
        remove_all,
        remove_state,
        empty_state,
        flip_state,
        other_format,
        remove_shards,
        cut_shards,
        flip_shards,
        zero_shards,
        garbage_shards,
        file_instead,
    ],
)
def test_damaged_index_is_rebuilt(journal: Journal, run_trial: RunTrial, damage: Callable[[Path], None]) -> None:
    keys = [run_trial().key for _ in range(3)]
    run_trial(experiment="other")
    damage(index_folder(journal))
    assert run_trial().iteration == 3
    damage(index_folder(journal))
    with pytest.raises(JournalError, match="already a trial"):
        run_trial(key=keys[0], experiment="third")
    damage(index_folder(journal))
    assert set(keys) < set(open_index(journal).keys_on(str(journal.repository.head)))
    assert run_trial().iteration == 4


def test_what_a_killed_process_left_in_a_shard_does_not_count(journal: Journal, run_trial: RunTrial) -> None:
    run_trial()
    run_trial()
    for path in shards(index_folder(journal)):
        lines = path.read_bytes()
        path.write_bytes(lines + lines.replace(b"+", b"-"))
    assert run_trial().iteration == 2
    assert run_trial().iteration == 3


def test_index_that_was_put_back_is_caught_up(journal: Journal, run_trial: RunTrial, tmp_path: Path) -> None:
    run_trial()
    run_trial()
    shutil.copytree(index_folder(journal), tmp_path / "backup")
    run_trial()
    shutil.rmtree(index_folder(journal))
    shutil.copytree(tmp_path / "backup", index_folder(journal))
    assert run_trial().iteration == 3


@pytest.mark.parametrize("what", ["tree", "record"])
def test_old_state_that_is_damaged_does_not_matter(journal: Journal, run_trial: RunTrial, git: Git, what: str) -> None:
    record = run_trial()
    run_trial()
    path = record_path(record)
    oid = git("rev-parse", f"refs/mitosis/journal~2:{path if what == 'record' else 'trials/my_exp'}").strip()
    # Set back and forward, so that the index knows the old state and has to go on from it.
    tip = journal.tip()
    git("update-ref", "refs/mitosis/journal", "refs/mitosis/journal~2")
    open_index(journal)
    git("update-ref", "refs/mitosis/journal", str(tip))
    file = journal.repository.common_dir / "objects" / oid[:2] / oid[2:]
    file.chmod(0o644)
    file.write_bytes(file.read_bytes()[:20])
    assert run_trial(journal=Journal(find_repository(journal.repository.root))).iteration == 2


def test_index_that_cannot_be_written_is_told(journal: Journal, run_trial: RunTrial) -> None:
    folder = journal.repository.common_dir / "mitosis"
    folder.write_text("not a folder")
    with pytest.raises(JournalError, match="derived, so deleting it is safe"):
        run_trial()
    assert journal.tip() is None
    folder.unlink()
    assert run_trial().iteration == 0


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

    @rule(how=st.sampled_from([remove_all, flip_state, remove_shards, cut_shards]))
    def lose(self, how: Callable[[Path], None]) -> None:
        if index_folder(self.journal).exists():
            how(index_folder(self.journal))

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

    chosen = settings(max_examples=10, stateful_step_count=20, deadline=None)
    run_state_machine_as_test(Machine, settings=chosen)
