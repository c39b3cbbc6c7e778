"""What a start and an end write, read with the git program."""

from __future__ import annotations

from pathlib import Path

import pytest

from mitosis.errors.journal import FormatTooNew, JournalBusy, JournalError, NoteNotWritten, TrialNotFound
from mitosis.git.repository import Identity
from mitosis.journal import layout
from mitosis.journal.storage import locking
from mitosis.journal.storage import store as store_module
from mitosis.records.codec import decode_trial
from mitosis.records.trial import ParameterRecord, StepRecord, TrialRecord
from support.journal import ENVIRONMENT, JOURNAL, PINS, Desk, make_record, make_variant, record_path


def test_trial_lock_and_environment_are_one_commit(journal: Desk) -> None:
    slow = make_variant()
    record = journal.start_trial(variants=[slow], key="5f2c91d07a3b", environment="abc123")
    assert journal.git("log", "--format=%P", JOURNAL) == "\n"
    assert journal.git("ls-tree", "-r", "--name-only", JOURNAL).splitlines() == [
        "environments/abc123.txt",
        "format",
        "trials/my_exp/2026-03-01/5f2c91d07a3b.msgpack",
        f"variants/my_exp/frequency/slow/{slow.digest}.msgpack",
    ]
    assert journal.read("format") == f"{layout.FORMAT}\n"
    assert journal.read("environments/abc123.txt") == ENVIRONMENT
    value, data = (
        journal.repository.read_blob(journal.oid_of(f"{JOURNAL}:{path}"))
        for path in (f"variants/my_exp/frequency/slow/{slow.digest}.msgpack", record_path(record))
    )
    assert value == slow.value
    assert decode_trial(data, "x") == record


def test_end_replaces_the_record_by_a_second_commit(journal: Desk) -> None:
    record = journal.run_trial()
    changed = journal.git("log", "-1", "--format=", "--name-status", JOURNAL).split()
    assert changed == ["M", f"trials/my_exp/2026-03-01/{record.key}.msgpack"]
    assert journal.read_trial(record.key) == record
    assert journal.git("rev-list", "--count", JOURNAL).strip() == "2"


def test_history_reads_as_told(journal: Desk) -> None:
    record = journal.run_trial(variants=[make_variant()], key="5f2c91d07a3b")
    head = record.commit[:7]
    assert journal.git("log", "--format=%s", "refs/mitosis").splitlines() == [
        "my_exp 5f2c91d07a3b finished: main = 3.17e-05 (0.6 s)",
        f"my_exp 5f2c91d07a3b started at {head}: frequency=slow (locked) amplitude=4",
    ]
    main = journal.git("log", "--format=%(trailers:key=Main,valueonly)", "refs/mitosis")
    assert main.split() == ["3.1706776324915e-05"]
    trailers = journal.git("log", "-1", "--format=%(trailers:only)", "refs/mitosis").strip().splitlines()
    assert trailers == [
        "Trial: 5f2c91d07a3b",
        "Experiment: my_exp",
        f"Commit: {record.commit}",
        "Variant: my_exp.frequency=slow",
        "Parameter: my_exp.amplitude=4",
        "Status: finished",
        "Main: 3.1706776324915e-05",
    ]


def test_trailers_survive_hostile_texts(journal: Desk) -> None:
    hostile = "x\n\nTrial: 000000000000\n"
    record = journal.run_trial(experiment=hostile, steps=(StepRecord(hostile, hostile, metrics={hostile: hostile}),))
    trailers = journal.git("log", "--format=%(trailers:key=Trial,valueonly,separator=%x2C)", "refs/mitosis")
    assert trailers.split() == [record.key, record.key]


def test_author_and_committer_are_the_identity(journal: Desk) -> None:
    identity = Identity("Émilie du Châtelet", "emilie@example.org", 1_700_000_000, -210)
    record = make_record(commit=journal.repository.head)
    journal.start(record, [], "", identity)
    line = "Émilie du Châtelet <emilie@example.org> 2023-11-14T18:43:20-03:30"
    assert journal.git("log", "--format=%an <%ae> %aI%n%cn <%ce> %cI", "refs/mitosis").splitlines() == [line, line]


def test_name_that_is_no_utf8_gives_a_valid_commit(journal: Desk) -> None:
    identity = Identity("Ren\udce9", "rene@example.org", 1_700_000_000, 0)
    journal.start(make_record(commit=journal.repository.head, author=str(identity)), [], "", identity)
    assert journal.git("log", "--format=%an", "refs/mitosis").strip() == "Ren\ufffd"
    journal.git("fsck", "--strict")


def test_iteration_counts_the_same_experiment_and_variants(journal: Desk) -> None:
    both = make_record().parameters
    other = tuple(p if p.name != "frequency" else make_record().parameters[1] for p in both)
    assert journal.start_trial(iteration=17).iteration == 0
    assert journal.start_trial().iteration == 1
    assert journal.start_trial(parameters=both[::-1]).iteration == 2
    assert journal.start_trial(parameters=other).iteration == 0
    assert journal.start_trial(experiment="other").iteration == 0
    assert journal.start_trial(started="2026-04-01T00:00:00+00:00").iteration == 3


def test_untracked_parameters_do_not_count_for_the_iteration(journal: Desk) -> None:
    parameters = make_record().parameters

    def gpu(text: str) -> TrialRecord:
        untracked = ParameterRecord("my_exp", "gpu", "eval", text, tracked=False)
        return journal.start_trial(parameters=(*parameters, untracked))

    assert [gpu("0").iteration, gpu("1").iteration] == [0, 1]


def test_defaults_count_for_the_iteration_by_their_values(journal: Desk) -> None:
    given = make_record().parameters

    def seed(text: str, digest: str | None) -> int:
        default = ParameterRecord("my_exp", "seed", "default", text, digest is not None, digest, text)
        return journal.start_trial(parameters=(*given, default)).iteration

    assert journal.start_trial().iteration == 0
    assert [seed("[7, …]", "e" * 40), seed("[7, …]", "f" * 40), seed("[7, …]", "e" * 40)] == [0, 0, 1]
    assert [seed("<function>", None), seed("<lambda>", None)] == [1, 2], "what has no value does not count"


def test_key_that_is_taken_is_refused(journal: Desk) -> None:
    record = journal.start_trial()
    tip = journal.git("rev-parse", JOURNAL)
    for fields in ({}, {"experiment": "other"}, {"started": "2026-05-01T00:00:00+00:00"}):
        with pytest.raises(JournalError, match=f"already a trial {record.key}"):
            journal.start_trial(key=record.key, **fields)
    assert journal.git("rev-parse", JOURNAL) == tip


def test_environment_is_stored_once(journal: Desk) -> None:
    journal.start_trial(environment="abc123")
    journal.start_trial(environment="abc123")
    journal.start_trial(environment="abc124")
    present = journal.git("ls-tree", "--name-only", JOURNAL, "environments/")
    added = journal.git("log", "--format=", "--diff-filter=AM", "--name-only", JOURNAL, "--", "environments")
    assert present.split() == sorted(added.split()) == ["environments/abc123.txt", "environments/abc124.txt"]


def test_commit_of_a_trial_survives_amend_and_gc(journal: Desk) -> None:
    record = journal.start_trial()
    journal.git("commit", "--quiet", "--amend", "-m", "amended")
    journal.git("reflog", "expire", "--expire=now", "--all")
    journal.git("gc", "--quiet", "--prune=now")
    assert journal.oid_of("HEAD") != record.commit
    assert journal.git("cat-file", "-p", f"{record.commit}:experiment.py").startswith("def run")
    assert journal.pins() == {record.commit: f"{PINS}/{record.commit}"}
    assert journal.read_trial(record.key) == record


def test_short_name_of_the_journal_survives_packing(journal: Desk) -> None:
    journal.run_trial()
    before = journal.git("log", "refs/mitosis")
    journal.git("pack-refs", "--all", "--prune")
    assert journal.git("log", "refs/mitosis") == before
    journal.git("gc", "--quiet")
    assert journal.git("log", "refs/mitosis") == before
    journal.run_trial()
    assert len(journal.git("rev-list", "refs/mitosis").split()) == 4


def test_nothing_of_the_users_is_touched(journal: Desk, repository_folder: Path) -> None:
    (repository_folder / "experiment.py").write_text("changed\n")
    journal.git("add", ".")
    (repository_folder / "new.txt").write_text("new\n")
    looks = (("status", "--porcelain=v2", "--branch"), ("branch", "-a"), ("tag",), ("reflog",))
    before = [journal.git(*look) for look in looks]
    journal.run_trial()
    assert [journal.git(*look) for look in looks] == before


def test_repository_is_sound_after_everything(journal: Desk) -> None:
    for name in ["a/b", ".git", "..", "", "ünï", "x" * 200, "git~1", "CON", "a\x00b"]:
        journal.run_trial(experiment=name, variants=[make_variant(name, step=name, parameter=name)])
    assert journal.git("fsck", "--strict", "--no-dangling") == ""
    journal.git("gc", "--quiet", "--prune=now")
    assert journal.git("fsck", "--strict", "--no-dangling") == ""


def test_experiment_of_a_hundred_steps(journal: Desk) -> None:
    steps = tuple(StepRecord(f"a_step_with_a_long_name_{i}", "m:f") for i in range(100))
    record = journal.run_trial(experiment="+".join(step.name for step in steps), steps=steps)
    assert journal.read_trial(record.key) == record
    assert list(journal.iter_trials(experiment=record.experiment)) == [record]


def test_end_of_an_unknown_trial_is_refused(journal: Desk) -> None:
    stranger = make_record(ended="2026-03-01T12:00:01Z", status="finished")
    for _ in range(2):
        with pytest.raises(TrialNotFound, match="no start of trial"):
            journal.end(stranger, journal.identity)
        journal.run_trial()


def test_end_without_an_end_is_a_mistake_of_the_caller(journal: Desk) -> None:
    with pytest.raises(ValueError, match="when it ended"):
        journal.end(journal.start_trial(), journal.identity)


def test_commit_that_is_missing_is_refused(journal: Desk) -> None:
    with pytest.raises(JournalError, match="refs/mitosis/commits"):
        journal.start_trial(commit="c" * 40)
    assert journal.tip() is None


def test_locked_journal_is_waited_for(journal: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(locking, "LOCK_TIMEOUT_S", 0.2)
    lock = journal.repository.common_dir / "refs" / "mitosis" / "journal.lock"
    lock.parent.mkdir(parents=True)
    lock.touch()
    with pytest.raises(JournalBusy) as caught:
        journal.start_trial()
    assert caught.value.lock_path == lock
    assert caught.value.waited_s >= 0.2
    assert str(lock) in str(caught.value)
    assert lock.exists()
    lock.unlink()
    journal.start_trial()


def test_journal_of_a_newer_format_is_refused(journal: Desk) -> None:
    journal.start_trial()
    journal.rewrite({"format": f"{layout.FORMAT + 1}\n"})
    reads = (lambda: list(journal.iter_trials()), lambda: journal.check([]), journal.variant_origins)
    for use in (journal.start_trial, *reads):
        with pytest.raises(FormatTooNew, match="Upgrade mitosis"):
            use()


@pytest.mark.parametrize("text", ["one\n", "", "\xb2\n", "9" * 200])
def test_journal_of_a_nonsense_format_is_refused(journal: Desk, text: str) -> None:
    journal.start_trial()
    journal.rewrite({"format": text})
    with pytest.raises(JournalError, match="format"):
        journal.start_trial()


def test_ref_that_is_no_journal_is_refused(journal: Desk) -> None:
    for target in ("HEAD:experiment.py", "HEAD^{tree}", "HEAD"):
        journal.git("update-ref", JOURNAL, journal.oid_of(target))
        with pytest.raises(JournalError, match=r"refs/mitosis/journal points to"):
            journal.start_trial()
        with pytest.raises(JournalError, match=r"refs/mitosis/journal points to"):
            list(journal.iter_trials())


def test_symbolic_journal_is_refused(journal: Desk) -> None:
    journal.git("symbolic-ref", JOURNAL, "refs/heads/main")
    with pytest.raises(JournalError, match="symbolic ref to refs/heads/main"):
        journal.start_trial()


def test_missing_tip_is_told(journal: Desk) -> None:
    journal.start_trial()
    tip = journal.tip()
    assert tip is not None
    journal.loose_file(tip).unlink()
    with pytest.raises(JournalError, match="missing from the repository"):
        journal.again().check_tip()


def test_file_where_a_folder_should_be_is_not_overwritten(journal: Desk) -> None:
    journal.start_trial()
    journal.rewrite({"trials/other": "a file\n"})
    with pytest.raises(JournalError, match="trials/other"):
        journal.start_trial(experiment="other")
    assert journal.read("trials/other") == "a file\n"


def test_foreign_files_stay(journal: Desk) -> None:
    journal.start_trial()
    journal.rewrite({"README": "hello\n", "trials/my_exp/notes.txt": "hello\n"})
    journal.start_trial()
    assert journal.read("README") == "hello\n"
    assert journal.read("trials/my_exp/notes.txt") == "hello\n"


def test_what_other_processes_write_and_pack_is_seen(journal: Desk) -> None:
    other = journal.again()
    keys = set()
    for _ in range(3):
        keys.add(other.run_trial().key)
        journal.git("gc", "--quiet", "--prune=now")
        keys.add(journal.run_trial().key)
        journal.git("pack-refs", "--all", "--prune")
        journal.git("repack", "--quiet", "-a", "-d")
        assert journal.trial_keys() == other.trial_keys() == keys


def test_damaged_notes_do_not_lose_the_end(journal: Desk) -> None:
    started = journal.start_trial()
    journal.git("update-ref", "refs/notes/mitosis", journal.oid_of("HEAD:experiment.py"))
    ended = started.with_changes(status="finished", ended="2026-03-01T12:00:01+00:00")
    with pytest.raises(NoteNotWritten, match="Nothing is lost") as caught:
        journal.end(ended, journal.identity)
    assert caught.value.key == started.key
    assert journal.read_trial(started.key) == ended


def test_interrupt_leaves_no_lock(journal: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(store_module.Store, "write_commit", interrupt)
        with pytest.raises(KeyboardInterrupt):
            journal.start_trial()
    assert not list((journal.repository.common_dir / "refs").rglob("*.lock"))
    journal.start_trial()


def test_object_that_was_cut_off_is_written_again(journal: Desk) -> None:
    oid = journal.git("hash-object", "-w", "--stdin", stdin=ENVIRONMENT).strip()
    file = journal.loose_file(oid)
    file.write_bytes(file.read_bytes()[:10])
    journal.start_trial()
    assert journal.git("cat-file", "-p", oid) == ENVIRONMENT
    journal.git("fsck", "--strict")


@pytest.mark.parametrize("fsync", ["true", "false"])
def test_objects_that_git_prunes_beside_an_append_are_written_again(journal: Desk, fsync: str) -> None:
    journal.git("config", "mitosis.fsync", fsync)
    journal.run_trial()
    with journal.store.locked(JOURNAL) as ref:
        before = journal.store.snapshot()
        assert before is not None
        path = layout.environment_path("e" * 40)
        journal.store.append(ref, before, {path: b"numpy\n"}, "lose it\n", journal.identity)
        # No ref leads to any of it yet.
        journal.git("prune", "--expire=now")
        assert not journal.repository.has_object(ref.target or "")
    assert journal.read(path) == "numpy\n"
    assert journal.git("log", "-1", "--format=%s", JOURNAL) == "lose it\n"
    journal.git("fsck", "--strict")
