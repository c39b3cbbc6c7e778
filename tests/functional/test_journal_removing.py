"""What is in a journal and of no use: named, passed over, and taken away for everybody by the command that is named."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import msgpack
import pytest

from mitosis.__main__ import run_command
from mitosis.canonical.encode import digest_value, encode_value
from mitosis.errors.journal import BadRecord, JournalError, TrialNotFound
from mitosis.errors.values import VariantConflict, VariantRetired
from mitosis.git.repository import find_repository
from mitosis.journal import layout
from mitosis.journal.reading import MAX_ENVIRONMENT_BYTES
from mitosis.journal.standing import remark_file
from mitosis.records.codec import encode_trial
from mitosis.variants import VariantName
from mitosis.verify import verify
from support.journal import JOURNAL, Desk, make_variant, record_path

SLOW = make_variant("slow", 1)
SLOW_PATH = layout.variant_path(*SLOW.lock)
HUGE = bytes(70_000_000)
HUGE_PATH = layout.variant_path(SLOW.name, "1" * 40)


def remedies(desk: Desk) -> dict[str, str]:
    """The commands of what `verify` finds, by where it is."""
    return {finding.where: finding.remedy for finding in verify(find_repository(desk.folder)).findings}


def run(desk: Desk, command: str, monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.chdir(desk.folder)
    return run_command(shlex.split(command)[1:])


def test_a_value_that_is_too_large_is_removed_for_everybody(
    ada: Desk, bob: Desk, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    ada.start_trial(variants=[SLOW])
    bob.merge_from(ada)
    ada.rewrite({HUGE_PATH: HUGE, layout.variant_path(VariantName("my_exp", "frequency", "fast"), "1" * 40): HUGE})
    bob.merge_from(ada)
    assert run(bob, "mitosis variants", monkeypatch) == 0
    said = capsys.readouterr().err
    assert re.search(f"{HUGE_PATH} .*; what can be done: mitosis verify\n", said)
    with pytest.raises(VariantConflict, match=r"(?s)cannot be read.*--keep"):
        bob.again().start_trial(variants=[SLOW])
    with pytest.raises(BadRecord, match=r"variants/my_exp/frequency/fast/.*: mitosis verify"):
        bob.again().start_trial(variants=[make_variant("fast", 2)])
    (conflict,) = bob.conflicts()
    assert [meaning.is_readable for meaning in conflict.meanings] == [False, True]
    other = ada.again()
    other.resolve(SLOW.name, SLOW.digest, ada.identity)
    other.start_trial(variants=[SLOW])
    command = remedies(bob)[HUGE_PATH]
    assert command == f"mitosis forget {HUGE_PATH}"
    assert run(bob, command, monkeypatch) == 0
    assert "more than the 67108864" in capsys.readouterr().out
    assert run(bob, "mitosis forget variants/my_exp/frequency/fast/", monkeypatch) == 0
    bob.again().start_trial(variants=[SLOW, make_variant("fast", 2)])
    assert not [where for where in remedies(bob) if where.startswith("variants/")]
    # Others are told, and it does not come back; the history explains it.
    merged = ada.merge_from(bob)
    assert any("remove variants/my_exp/frequency/fast" in line for line in merged.taken)
    bob.merge_from(ada)
    assert ada.tree() == bob.tree()
    assert HUGE_PATH not in ada.git("ls-tree", "-r", "--name-only", JOURNAL)
    assert not [f for f in verify(find_repository(ada.folder)).problems if f.kind in ("history", "object", "index")]


def test_commands_for_a_meaning_that_cannot_be_read_can_be_typed_one_after_the_other(
    journal: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal.start_trial(variants=[SLOW])
    journal.rewrite({layout.variant_path(SLOW.name, "1" * 40): b"\xc1"})
    commands = [command for command in remedies(journal).values() if command.startswith("mitosis ")]
    assert [command.split()[1] for command in commands] == ["forget", "variants"]
    for command in commands:
        assert run(journal, command, monkeypatch) == 0
    assert run(journal, "mitosis variants resolve my_exp.frequency=slow --keep 1111", monkeypatch) == 2


def test_another_spelling_of_a_name_is_nobodys(journal: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    journal.start_trial(variants=[SLOW])
    other = encode_value(2)
    misspelt = f"variants/my_exp/frequency/%73low/{digest_value(other)}.msgpack"
    journal.rewrite({misspelt: other})
    problems: list[BadRecord] = []
    assert [lock.name for lock in journal.locks(problems=problems)] == [SLOW.name]
    assert [problem.where for problem in problems] == [misspelt]
    assert journal.conflicts() == ()
    assert run(journal, remedies(journal)[misspelt], monkeypatch) == 0
    assert misspelt not in remedies(journal)


def test_the_second_record_of_a_key_is_passed_over(
    journal: Desk, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    record = journal.run_trial()
    second = record.with_changes(experiment="other", parameters=())
    copy = record_path(record).replace("my_exp/2026-03-01", "another/2026-03-01")
    journal.rewrite({record_path(second): encode_trial(second), copy: encode_trial(record)})
    assert journal.listed() == ([record], [copy, record_path(second)])
    assert run(journal, "mitosis list", monkeypatch) == 0
    remedy = f"mitosis forget {record_path(second)}"
    told = f"{record_path(second)} is passed over: trial {record.key} has another record; to remove it: {remedy}\n"
    assert told in capsys.readouterr().err
    assert run(journal, f"mitosis show {record.key[:6]}", monkeypatch) == 0
    found = remedies(journal)
    assert run(journal, found[copy], monkeypatch) == 0
    with pytest.raises(TrialNotFound, match=r"begins with `000000000000`$"):
        journal.again().read_trial("0" * 12)
    assert run(journal, found[record_path(second)], monkeypatch) == 0
    assert f": trial {record.key} has another record: {record_path(record)}\n" in capsys.readouterr().out
    assert journal.again().listed() == ([record], [])
    assert not [where for where in remedies(journal) if "index" in where or "note" in where]
    journal.forget(record.key, journal.identity)
    assert journal.listed() == ([], [])


@pytest.mark.parametrize("is_elsewhere", [True, False])
def test_of_two_records_of_a_key_the_first_stays(
    journal: Desk, monkeypatch: pytest.MonkeyPatch, is_elsewhere: bool
) -> None:
    record = journal.run_trial()
    path = record_path(record)
    forged = record.with_changes(main=999, **({"experiment": "aaa"} if is_elsewhere else {}))
    copy = layout.record_paths(layout.trial_folder(forged.experiment, forged.started), record.key)[not is_elsewhere]
    assert copy < path
    journal.rewrite({copy: encode_trial(forged)})
    found = {finding.where: finding for finding in verify(journal.repository).problems if finding.kind == "key"}
    assert set(found) == {copy}
    assert found[copy].what == f"{path} has the same key, and was there before it"
    with pytest.raises(JournalError, match="was there before any other with its key, so it stays"):
        journal.remove(path, journal.identity)
    assert run(journal, found[copy].remedy, monkeypatch) == 0
    assert journal.again().listed() == ([record], [])


def test_all_that_is_of_no_use_can_be_removed(journal: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    record = journal.run_trial()
    day = "trials/my_exp/2026-03-01"
    bad = [
        "README", "notes/a/b", "notes/evil\nname.txt", "notes/it's\t\udcff", f"{day}/README",
        f"{day}/5f2c91d07a3b.msgpack", "trials/a b/\x1b[2J\n",
        f"retired/my_exp/frequency/slow/{'2' * 40}.msgpack", f"environments/{'3' * 40}.txt", f"disputed/{'4' * 12}/x",
    ]  # fmt: skip
    journal.rewrite(dict.fromkeys(bad, b"\xc1"))
    journal.rewrite({f"environments/{'5' * 40}.txt": bytes(MAX_ENVIRONMENT_BYTES + 1)})
    for where, command in remedies(journal).items():
        if command.startswith("mitosis forget "):
            assert command.isprintable()
            assert run(journal, command, monkeypatch) == 0, where
    left = journal.git("ls-tree", "-r", "--name-only", JOURNAL).splitlines()
    # What these tests record as an environment has another digest, but the trial names it.
    assert left == [layout.environment_path(record.environment), "format", record_path(record)]


@pytest.mark.parametrize(
    ("path", "named"),
    [
        ("RECORD", "mitosis forget KEY"),
        ("trials/my_exp", "mitosis forget KEY"),
        (SLOW_PATH, "mitosis variants release my_exp.frequency=slow --reason TEXT"),
        (remark_file(layout.RETIRED, SLOW.name, "bad")[0], "mitosis variants retire my_exp.frequency=slow --undo"),
        ("./format", "sound"),
        ("trials/no such", "has no file"),
    ],
)
def test_what_is_sound_stays(journal: Desk, path: str, named: str) -> None:
    record = journal.run_trial(variants=[SLOW])
    journal.retire(SLOW.name, "bad", journal.identity)
    before = journal.tree()
    with pytest.raises(JournalError) as caught:
        journal.remove(path.replace("RECORD", record_path(record)), journal.identity)
    assert named.replace("KEY", record.key) in str(caught.value)
    assert journal.tree() == before


def test_what_is_only_damaged_here_stays(journal: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    record = journal.run_trial()
    assert run(journal, "mitosis forget --undo trials/x", monkeypatch) == 2
    journal.loose_file(journal.oid_of(f"{JOURNAL}:{record_path(record)}")).unlink()
    for path in (record_path(record), "trials"):
        with pytest.raises(JournalError, match="Another clone may have it whole"):
            journal.again().remove(path, journal.identity)


def test_what_others_wrote_at_length_is_told_in_short(
    journal: Desk, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    journal.start_trial(variants=[SLOW])
    reasons = (f"{number} " + 10_000 * "x" for number in range(60))
    journal.rewrite(dict(remark_file(layout.RETIRED, SLOW.name, reason) for reason in reasons))
    with pytest.raises(VariantRetired) as caught:
        journal.start_trial(variants=[SLOW])
    assert len(str(caught.value)) < 5_000
    assert "(and 55 more)" in str(caught.value)
    Path(journal.folder, "message").write_text("s" * 15_000_000)
    monkeypatch.setenv("GIT_AUTHOR_NAME", "A" * 100_000)
    tree, parent = f"{JOURNAL}^{{tree}}", (JOURNAL, "-p")[::-1]
    value = encode_value(2)
    journal.rewrite({layout.variant_path(SLOW.name, digest_value(value)): value})
    journal.git("update-ref", JOURNAL, journal.git("commit-tree", tree, *parent, "-F", "message").strip())
    journal.rewrite({f"released/my_exp/frequency/slow/{'1' * 40}.msgpack": msgpack.packb({"lock": ""})})
    assert run(journal, "mitosis variants show my_exp.frequency=slow", monkeypatch) == 0
    out = capsys.readouterr().out
    assert "retired: ... and 55 more" in out
    assert max(map(len, out.splitlines())) < 11_000
    assert "A" * 300 not in out


def test_a_tip_with_a_malformed_author_is_merged(ada: Desk, bob: Desk) -> None:
    record = ada.run_trial()
    other = bob.run_trial()
    lines = f"tree {bob.tree()}\nparent {bob.oid_of(JOURNAL)}\nauthor x\ncommitter x\n\nby hand\n"
    file = Path(bob.folder, "commit")
    file.write_text(lines)
    bob.git("update-ref", JOURNAL, bob.git("hash-object", "-t", "commit", "-w", "--literally", str(file)).strip())
    ada.merge_from(bob)
    assert ada.trial_keys() == {record.key, other.key}
    bob.merge_from(ada)
    assert bob.again().run_trial().key in bob.trial_keys()
