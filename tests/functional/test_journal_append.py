"""What a start and an end write, read with the git program."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from mitosis.errors.journal import FormatTooNew, JournalBusy, JournalError, NoteNotWritten, TrialNotFound
from mitosis.git.repository import Identity, find_repository
from mitosis.journal import layout, locking
from mitosis.journal import store as store_module
from mitosis.journal.journal import Journal
from mitosis.records.codec import decode_trial
from mitosis.records.trial import ParameterRecord, StepRecord, TrialRecord
from mitosis.variants import Variant

Git = Callable[..., str]
MakeRecord = Callable[..., TrialRecord]
MakeVariant = Callable[..., Variant]
RunTrial = Callable[..., TrialRecord]
Rewrite = Callable[[dict[str, bytes | str | None]], None]


def read_blob(folder: Path, path: str) -> bytes:
    repository = find_repository(folder)
    return repository.objects[repository.git("rev-parse", f"refs/mitosis/journal:{path}").strip()].read_raw()


def test_trial_lock_and_environment_are_one_commit(
    repository_folder: Path, git: Git, start_trial: RunTrial, make_variant: MakeVariant
) -> None:
    slow = make_variant()
    record = start_trial(variants=[slow], key="5f2c91d07a3b", environment="abc123")
    assert git("log", "--format=%P", "refs/mitosis/journal") == "\n"
    assert git("ls-tree", "-r", "--name-only", "refs/mitosis/journal").splitlines() == [
        "environments/abc123.txt",
        "format",
        "trials/my_exp/2026-03-01/5f2c91d07a3b.msgpack",
        f"variants/my_exp/frequency/slow/{slow.digest}.msgpack",
    ]
    assert git("cat-file", "-p", "refs/mitosis/journal:format") == f"{layout.FORMAT}\n"
    assert git("cat-file", "-p", "refs/mitosis/journal:environments/abc123.txt") == "numpy==2.0.0\npandas==2.2.0\n"
    assert read_blob(repository_folder, f"variants/my_exp/frequency/slow/{slow.digest}.msgpack") == slow.value
    data = read_blob(repository_folder, "trials/my_exp/2026-03-01/5f2c91d07a3b.msgpack")
    assert decode_trial(data, "x") == record


def test_end_replaces_the_record_by_a_second_commit(git: Git, run_trial: RunTrial, journal: Journal) -> None:
    record = run_trial()
    changed = git("log", "-1", "--format=", "--name-status", "refs/mitosis/journal").split()
    assert changed == ["M", f"trials/my_exp/2026-03-01/{record.key}.msgpack"]
    assert journal.read_trial(record.key) == record
    assert git("rev-list", "--count", "refs/mitosis/journal").strip() == "2"


def test_history_reads_as_told(git: Git, run_trial: RunTrial, make_variant: MakeVariant, journal: Journal) -> None:
    record = run_trial(variants=[make_variant()], key="5f2c91d07a3b")
    head = record.commit[:7]
    assert git("log", "--format=%s", "refs/mitosis").splitlines() == [
        "my_exp 5f2c91d07a3b finished: main = 3.17e-05 (0.6 s)",
        f"my_exp 5f2c91d07a3b started at {head}: frequency=slow (locked) amplitude=4",
    ]
    assert git("log", "--format=%(trailers:key=Main,valueonly)", "refs/mitosis").split() == ["3.1706776324915e-05"]
    trailers = git("log", "-1", "--format=%(trailers:only)", "refs/mitosis").strip().splitlines()
    assert trailers == [
        "Trial: 5f2c91d07a3b",
        "Experiment: my_exp",
        f"Commit: {record.commit}",
        "Variant: my_exp.frequency=slow",
        "Parameter: my_exp.amplitude=4",
        "Status: finished",
        "Main: 3.1706776324915e-05",
    ]


def test_trailers_survive_hostile_texts(git: Git, run_trial: RunTrial) -> None:
    hostile = "x\n\nTrial: 000000000000\n"
    record = run_trial(experiment=hostile, steps=(StepRecord(hostile, hostile, metrics={hostile: hostile}),))
    assert git("log", "--format=%(trailers:key=Trial,valueonly,separator=%x2C)", "refs/mitosis").split() == [
        record.key,
        record.key,
    ]


def test_author_and_committer_are_the_identity(journal: Journal, make_record: MakeRecord, git: Git) -> None:
    identity = Identity("Émilie du Châtelet", "emilie@example.org", 1_700_000_000, -210)
    record = make_record(commit=journal.repository.head)
    journal.start(record, [], "", identity)
    line = "Émilie du Châtelet <emilie@example.org> 2023-11-14T18:43:20-03:30"
    assert git("log", "--format=%an <%ae> %aI%n%cn <%ce> %cI", "refs/mitosis").splitlines() == [line, line]


def test_name_that_is_no_utf8_gives_a_valid_commit(journal: Journal, make_record: MakeRecord, git: Git) -> None:
    identity = Identity("Ren\udce9", "rene@example.org", 1_700_000_000, 0)
    journal.start(make_record(commit=journal.repository.head, author=str(identity)), [], "", identity)
    assert git("log", "--format=%an", "refs/mitosis").strip() == "Ren\ufffd"
    git("fsck", "--strict")


def test_iteration_counts_the_same_experiment_and_variants(start_trial: RunTrial, make_record: MakeRecord) -> None:
    both = make_record().parameters
    other = tuple(p if p.name != "frequency" else make_record().parameters[1] for p in both)
    assert start_trial(iteration=17).iteration == 0
    assert start_trial().iteration == 1
    assert start_trial(parameters=both[::-1]).iteration == 2
    assert start_trial(parameters=other).iteration == 0
    assert start_trial(experiment="other").iteration == 0
    assert start_trial(started="2026-04-01T00:00:00+00:00").iteration == 3


def test_untracked_parameters_do_not_count_for_the_iteration(start_trial: RunTrial, make_record: MakeRecord) -> None:
    parameters = make_record().parameters

    def gpu(text: str) -> TrialRecord:
        untracked = ParameterRecord("my_exp", "gpu", "eval", text, tracked=False)
        return start_trial(parameters=(*parameters, untracked))

    assert [gpu("0").iteration, gpu("1").iteration] == [0, 1]


def test_key_that_is_taken_is_refused(start_trial: RunTrial, git: Git) -> None:
    record = start_trial()
    tip = git("rev-parse", "refs/mitosis/journal")
    for fields in ({}, {"experiment": "other"}, {"started": "2026-05-01T00:00:00+00:00"}):
        with pytest.raises(JournalError, match=f"already a trial {record.key}"):
            start_trial(key=record.key, **fields)
    assert git("rev-parse", "refs/mitosis/journal") == tip


def test_environment_is_stored_once(start_trial: RunTrial, git: Git) -> None:
    start_trial(environment="abc123")
    start_trial(environment="abc123")
    start_trial(environment="abc124")
    assert git("ls-tree", "--name-only", "refs/mitosis/journal", "environments/").split() == [
        "environments/abc123.txt",
        "environments/abc124.txt",
    ]
    added = git("log", "--format=", "--diff-filter=AM", "--name-only", "refs/mitosis/journal", "--", "environments")
    assert sorted(added.split()) == ["environments/abc123.txt", "environments/abc124.txt"]


def test_commit_of_a_trial_survives_amend_and_gc(start_trial: RunTrial, journal: Journal, git: Git) -> None:
    record = start_trial()
    git("commit", "--quiet", "--amend", "-m", "amended")
    git("reflog", "expire", "--expire=now", "--all")
    git("gc", "--quiet", "--prune=now")
    assert git("rev-parse", "HEAD").strip() != record.commit
    assert git("cat-file", "-p", f"{record.commit}:experiment.py").startswith("def run")
    assert git("for-each-ref", "--format=%(refname)", "refs/mitosis/commits").split() == [
        f"refs/mitosis/commits/{record.commit}"
    ]
    assert journal.read_trial(record.key) == record


def test_short_name_of_the_journal_survives_packing(run_trial: RunTrial, git: Git) -> None:
    run_trial()
    before = git("log", "refs/mitosis")
    git("pack-refs", "--all", "--prune")
    assert git("log", "refs/mitosis") == before
    git("gc", "--quiet")
    assert git("log", "refs/mitosis") == before
    run_trial()
    assert len(git("rev-list", "refs/mitosis").split()) == 4


def test_nothing_of_the_users_is_touched(repository_folder: Path, run_trial: RunTrial, git: Git) -> None:
    (repository_folder / "experiment.py").write_text("changed\n")
    git("add", ".")
    (repository_folder / "new.txt").write_text("new\n")
    before = [git("status", "--porcelain=v2", "--branch"), git("branch", "-a"), git("tag"), git("reflog")]
    run_trial()
    assert [git("status", "--porcelain=v2", "--branch"), git("branch", "-a"), git("tag"), git("reflog")] == before


def test_repository_is_sound_after_everything(run_trial: RunTrial, make_variant: MakeVariant, git: Git) -> None:
    for name in ["a/b", ".git", "..", "", "ünï", "x" * 200, "git~1", "CON", "a\x00b"]:
        run_trial(experiment=name, variants=[make_variant(name, step=name, parameter=name)])
    assert git("fsck", "--strict", "--no-dangling") == ""
    git("gc", "--quiet", "--prune=now")
    assert git("fsck", "--strict", "--no-dangling") == ""


def test_experiment_of_a_hundred_steps(run_trial: RunTrial, journal: Journal) -> None:
    steps = tuple(StepRecord(f"a_step_with_a_long_name_{i}", "m:f") for i in range(100))
    record = run_trial(experiment="+".join(step.name for step in steps), steps=steps)
    assert journal.read_trial(record.key) == record
    assert list(journal.iter_trials(experiment=record.experiment)) == [record]


def test_end_of_an_unknown_trial_is_refused(journal: Journal, make_record: MakeRecord, run_trial: RunTrial) -> None:
    stranger = make_record(ended="2026-03-01T12:00:01Z", status="finished")
    for _ in range(2):
        with pytest.raises(TrialNotFound, match="no start of trial"):
            journal.end(stranger, journal.repository.identity())
        run_trial()


def test_end_without_an_end_is_a_mistake_of_the_caller(journal: Journal, start_trial: RunTrial) -> None:
    with pytest.raises(ValueError, match="when it ended"):
        journal.end(start_trial(), journal.repository.identity())


def test_commit_that_is_missing_is_refused(start_trial: RunTrial, journal: Journal) -> None:
    with pytest.raises(JournalError, match="refs/mitosis/commits"):
        start_trial(commit="c" * 40)
    assert journal.tip() is None


def test_locked_journal_is_waited_for(journal: Journal, start_trial: RunTrial, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(locking, "LOCK_TIMEOUT_S", 0.2)
    lock = journal.repository.common_dir / "refs" / "mitosis" / "journal.lock"
    lock.parent.mkdir(parents=True)
    lock.touch()
    with pytest.raises(JournalBusy) as caught:
        start_trial()
    assert caught.value.lock_path == lock
    assert caught.value.waited_s >= 0.2
    assert str(lock) in str(caught.value)
    assert lock.exists()
    lock.unlink()
    start_trial()


def test_journal_of_a_newer_format_is_refused(journal: Journal, start_trial: RunTrial, rewrite: Rewrite) -> None:
    start_trial()
    rewrite({"format": f"{layout.FORMAT + 1}\n"})
    for use in (start_trial, lambda: list(journal.iter_trials()), lambda: journal.check([]), journal.variant_origins):
        with pytest.raises(FormatTooNew, match="Upgrade mitosis"):
            use()


@pytest.mark.parametrize("text", ["one\n", "", "\xb2\n", "9" * 200])
def test_journal_of_a_nonsense_format_is_refused(
    journal: Journal, start_trial: RunTrial, rewrite: Rewrite, text: str
) -> None:
    start_trial()
    rewrite({"format": text})
    with pytest.raises(JournalError, match="format"):
        start_trial()


def test_ref_that_is_no_journal_is_refused(journal: Journal, start_trial: RunTrial, git: Git) -> None:
    for target in (git("rev-parse", "HEAD:experiment.py"), git("rev-parse", "HEAD^{tree}"), git("rev-parse", "HEAD")):
        git("update-ref", "refs/mitosis/journal", target.strip())
        with pytest.raises(JournalError, match=r"refs/mitosis/journal points to"):
            start_trial()
        with pytest.raises(JournalError, match=r"refs/mitosis/journal points to"):
            list(journal.iter_trials())


def test_symbolic_journal_is_refused(journal: Journal, start_trial: RunTrial, git: Git) -> None:
    git("symbolic-ref", "refs/mitosis/journal", "refs/heads/main")
    with pytest.raises(JournalError, match="symbolic ref to refs/heads/main"):
        start_trial()


def test_missing_tip_is_told(journal: Journal, start_trial: RunTrial, git: Git) -> None:
    start_trial()
    tip = journal.tip()
    assert tip is not None
    (journal.repository.common_dir / "objects" / tip[:2] / tip[2:]).unlink()
    with pytest.raises(JournalError, match="missing from the repository"):
        Journal(find_repository(journal.repository.root)).check_tip()


def test_file_where_a_folder_should_be_is_not_overwritten(start_trial: RunTrial, rewrite: Rewrite, git: Git) -> None:
    start_trial()
    rewrite({"trials/other": "a file\n"})
    with pytest.raises(JournalError, match="trials/other"):
        start_trial(experiment="other")
    assert git("cat-file", "-p", "refs/mitosis/journal:trials/other") == "a file\n"


def test_foreign_files_stay(start_trial: RunTrial, rewrite: Rewrite, git: Git) -> None:
    start_trial()
    rewrite({"README": "hello\n", "trials/my_exp/notes.txt": "hello\n"})
    start_trial()
    assert git("cat-file", "-p", "refs/mitosis/journal:README") == "hello\n"
    assert git("cat-file", "-p", "refs/mitosis/journal:trials/my_exp/notes.txt") == "hello\n"


def test_what_other_processes_write_and_pack_is_seen(
    repository_folder: Path, journal: Journal, run_trial: RunTrial, git: Git
) -> None:
    other = Journal(find_repository(repository_folder))
    keys = set()
    for _ in range(3):
        keys.add(run_trial(journal=other).key)
        git("gc", "--quiet", "--prune=now")
        keys.add(run_trial(journal=journal).key)
        git("pack-refs", "--all", "--prune")
        git("repack", "--quiet", "-a", "-d")
        assert {record.key for record in journal.iter_trials()} == keys
        assert {record.key for record in other.iter_trials()} == keys


def test_damaged_notes_do_not_lose_the_end(journal: Journal, start_trial: RunTrial, git: Git) -> None:
    started = start_trial()
    git("update-ref", "refs/notes/mitosis", git("rev-parse", "HEAD:experiment.py").strip())
    ended = started.with_changes(status="finished", ended="2026-03-01T12:00:01+00:00")
    with pytest.raises(NoteNotWritten, match="Nothing is lost") as caught:
        journal.end(ended, journal.repository.identity())
    assert caught.value.key == started.key
    assert journal.read_trial(started.key) == ended


def test_interrupt_leaves_no_lock(journal: Journal, start_trial: RunTrial, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(store_module.Store, "write_commit", interrupt)
        with pytest.raises(KeyboardInterrupt):
            start_trial()
    assert not list((journal.repository.common_dir / "refs").rglob("*.lock"))
    start_trial()


def test_object_that_was_cut_off_is_written_again(
    repository_folder: Path, journal: Journal, start_trial: RunTrial, git: Git
) -> None:
    environment = "numpy==2.0.0\npandas==2.2.0\n"
    oid = git("hash-object", "-w", "--stdin", stdin=environment).strip()
    file = repository_folder / ".git" / "objects" / oid[:2] / oid[2:]
    file.chmod(0o644)
    file.write_bytes(file.read_bytes()[:10])
    start_trial()
    assert git("cat-file", "-p", oid) == environment
    git("fsck", "--strict")
