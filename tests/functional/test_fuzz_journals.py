"""A slice of what `tests/fuzz/fuzz_journals.py` does at length, and what it has found."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from mitosis.errors.journal import JournalError
from mitosis.errors.repository import GitError
from mitosis.journal import git_log, layout
from mitosis.journal.index import is_index_right
from mitosis.journal.layout import parse_variant_path
from mitosis.journal.reasons import read_taken
from mitosis.journal.storage import walking
from mitosis.records.codec import encode_trial
from mitosis.verify import history, verify
from support.journal import JOURNAL, Desk, make_variant, record_path

FUZZER = Path(__file__).parents[1] / "fuzz" / "fuzz_journals.py"
SLOW_JOURNALS = os.environ.get("MITOSIS_JOURNALS", "20000")


def run_fuzzer(journals: str, *words: str) -> None:
    done = subprocess.run(
        [sys.executable, str(FUZZER), "--journals", journals, *words], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-2000:]
    assert f"held {int(journals):,}" in done.stdout


def test_commands_keep_their_promises_whatever_the_journal_is() -> None:
    run_fuzzer("9", "--seed", "11", "--jobs", "2")


@pytest.mark.slow
def test_commands_keep_their_promises_for_very_many_journals() -> None:
    run_fuzzer(SLOW_JOURNALS, "--seed", "1000000", "--jobs", str(os.cpu_count()))


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a journal hold fewer files than it may, so that these tests are quick."""
    monkeypatch.setattr(walking, "_ALWAYS_READ", 300)


def write_endless(desk: Desk, path: str) -> None:
    """Let the journal have a folder with more files than can be counted, in place of what it has there."""
    blob = desk.git("hash-object", "-w", "--stdin", stdin="x").strip()
    tree = desk.write_tree(b"100644 x\0" + bytes.fromhex(blob))
    for _ in range(30):
        tree = desk.write_tree(b"".join(b"40000 %02x\0" % n + bytes.fromhex(tree) for n in range(40)))
    write_folder(desk, path, tree)


def write_folder(desk: Desk, path: str, tree: str) -> None:
    """Commit another tree at a path, whose folders are there."""
    *above, name = path.split("/")
    while name:
        folder = f"{JOURNAL}:{'/'.join(above)}"
        lines = [line for line in desk.git("ls-tree", folder).splitlines() if not line.endswith(f"\t{name}")]
        tree = desk.git("mktree", stdin="\n".join([*lines, f"040000 tree {tree}\t{name}"])).strip()
        name = above.pop() if above else ""
    desk.commit_tree(tree)


def take_back(desk: Desk) -> None:
    """Commit the state before the last commit again."""
    desk.commit_tree(desk.oid_of(f"{JOURNAL}~^{{tree}}"))


@pytest.mark.usefixtures("few")
def test_git_is_not_sent_into_a_folder_without_end(journal: Desk) -> None:
    journal.run_trial(variants=[make_variant()])
    write_endless(journal, layout.VARIANTS)
    take_back(journal)
    found = [finding for finding in verify(journal.repository).problems if finding.kind == "history"]
    assert ["more files than anybody can have recorded" in finding.what for finding in found] == [True]
    with pytest.raises(JournalError, match="more files than anybody can have recorded"):
        journal.variant_origins()


@pytest.mark.usefixtures("few")
def test_git_is_not_sent_to_a_record_that_was_a_folder_without_end(ada: Desk, bob: Desk) -> None:
    slow = make_variant()
    record = ada.run_trial(variants=[slow])
    bob.merge_from(ada)
    tip = ada.tip()
    write_endless(bob, record_path(record))
    take_back(bob)
    bob.rewrite({record_path(record): encode_trial(record.with_changes(main=9))})
    with pytest.raises(JournalError, match="more files than anybody can have recorded"):
        ada.merge_from(bob)
    assert ada.tip() == tip
    # Whoever has taken it in already is not kept from choosing, and told what cannot be looked for.
    bob.rewrite({record_path(record): encode_trial(record)})
    data = encode_trial(record.with_changes(main=9))
    path = layout.disputed_path(record.key, str(bob.repository.objects.create_blob(data)))
    bob.rewrite({path: data})
    assert [end.author for end in bob.read_ends(record.key)] == ["somebody"] * 2
    with pytest.raises(JournalError, match="more files than anybody can have recorded"):
        bob.bring_back("abc", bob.identity)
    write_endless(bob, layout.variant_folder(slow.name))
    with pytest.raises(JournalError, match="more files than anybody can have recorded"):
        bob.variant_history(slow.name)


def test_a_tree_that_is_too_large_to_be_read_is_one_without_end(
    ada: Desk, bob: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = ada.run_trial()
    bob.merge_from(ada)
    monkeypatch.setattr(git_log, "TREE_LIMIT_BYTES", 5_000)
    monkeypatch.setattr(history, "TREE_LIMIT_BYTES", 5_000)
    blob = bytes.fromhex(bob.git("hash-object", "-w", "--stdin", stdin="x").strip())
    bob.replace_folder("junk", bob.write_tree(b"".join(b"100644 %04d\0" % n + blob for n in range(200))))
    take_back(bob)
    found = [finding.what for finding in verify(bob.repository).problems if finding.kind == "history"]
    assert ["more files than anybody can have recorded" in what for what in found] == [True]
    bob.rewrite({record_path(record): None})
    with pytest.raises(JournalError, match="more files than anybody can have recorded"):
        ada.merge_from(bob)


def test_a_history_that_git_cannot_read_is_no_shorter_one(journal: Desk) -> None:
    first, second = journal.run_trial(), journal.run_trial()
    start, end = (journal.oid_of(f"{JOURNAL}~{n}") for n in (1, 0))
    journal.rewrite({record_path(second): None})
    journal.loose_file(journal.oid_of(f"{start}^{{tree}}")).unlink()
    with pytest.raises(GitError, match=r"`git log` failed with status 128\n.*(Could not|unable to) read"):
        list(read_taken(journal.store, JOURNAL))
    with pytest.raises(GitError, match="`git log` failed with status 128"):
        journal.variant_history(make_variant().name)
    assert [taken.path for taken in read_taken(journal.store, f"{end}..{JOURNAL}")] == [record_path(second)]
    assert journal.read_trial(first.key) == first


def test_what_a_commit_says_at_length_is_read_at_once(journal: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(git_log, "_MOST_TOKEN_BYTES", 2**22)
    record = journal.run_trial()
    base = journal.oid_of(JOURNAL)
    journal.rewrite({record_path(record): None})
    line = f"Forgotten: {'a' * 1000}\n"
    for lines in (4_000, 40_000):
        message = f"x\n\n{line * lines}Forgotten: {record.key}\n"
        commit = journal.git("commit-tree", journal.tree(), "-p", base, stdin=message).strip()
        began = time.process_time()
        taken = list(read_taken(journal.store, f"{base}..{commit}"))
        assert time.process_time() - began < 5
        assert [each.is_explained for each in taken] == [lines == 4_000]


def test_a_file_in_place_of_the_variants_is_no_variant() -> None:
    assert parse_variant_path(layout.VARIANTS) is None


def test_only_an_end_of_the_trial_can_be_chosen(journal: Desk) -> None:
    record = journal.run_trial()
    others = [record.with_changes(experiment="other"), record.with_changes(main=9)]
    paths = []
    for other in others:
        data = encode_trial(other)
        oid = journal.repository.objects.create_blob(data)
        paths.append(layout.disputed_path(record.key, str(oid)))
        journal.rewrite({paths[-1]: data})
    ends = journal.read_ends(record.key)
    assert {end.record.experiment: end.record for end in ends[1:]} == {"other": others[0], "my_exp": others[1]}
    with pytest.raises(JournalError, match=f"no record of trial {record.key} of my_exp"):
        journal.settle(record.key, next(end.oid for end in ends if end.record == others[0]), journal.identity)
    stray = layout.disputed_path(record.key, "a" * 40)
    journal.rewrite({paths[0]: None, stray: encode_trial(record.with_changes(key="a" * 12))})
    problems = {finding.where: finding.remedy for finding in verify(journal.repository).problems}
    assert problems[record.key] == f"mitosis settle {record.key}"
    assert "git log" in problems[stray]
    # Where the record in place cannot be read, the other one can still be chosen.
    journal.rewrite({record_path(record): b"\xc1"})
    journal.settle(record.key, journal.read_ends(record.key)[0].oid, journal.identity)
    assert journal.read_trial(record.key) == others[1]


def test_a_folder_with_two_entries_of_one_name_is_damaged(journal: Desk) -> None:
    record = journal.run_trial()
    blob = bytes.fromhex(journal.git("hash-object", "-w", "--stdin", stdin="x").strip())
    journal.replace_folder(layout.RETIRED, journal.write_tree((b"100644 x\0" + blob) * 2))
    assert journal.listed() == ([record], [])
    problems = {finding.where: finding.what for finding in verify(journal.repository).problems}
    assert "two entries of one name" in problems[layout.RETIRED]


@pytest.mark.usefixtures("few")
def test_the_index_does_not_depend_on_what_was_read_before(journal: Desk) -> None:
    journal.run_trial()
    assert journal.conflicts() == ()
    write_endless(journal, layout.VARIANTS)
    journal.run_trial()
    assert is_index_right(journal.again().store)
    journal.replace_folder(layout.VARIANTS, None)
    journal.listed()
    assert is_index_right(journal.again().store)


def test_a_pin_of_nothing_is_removed_as_verify_says(journal: Desk) -> None:
    journal.run_trial()
    pin = f"{layout.PIN_PREFIX}{'a' * 40}"
    journal.git("update-ref", pin, "HEAD")
    remedies = {finding.where: finding.remedy for finding in verify(journal.repository).problems}
    journal.git(*remedies[pin].split()[1:])
    assert pin not in {finding.where for finding in verify(journal.repository).problems}


def test_a_date_that_git_cannot_show_hides_nothing(journal: Desk) -> None:
    slow, fast = make_variant(), make_variant("fast", 10)
    paths = {record_path(journal.run_trial(variants=[slow])) for _ in range(2)}
    first, last = paths
    journal.rewrite({first: None})
    journal.rewrite({last: None, layout.variant_path(*fast.lock): fast.value})
    lines = [f"tree {journal.tree()}", f"parent {journal.oid_of(f'{JOURNAL}~')}"]
    lines += [f"{role} E <e> 1 -9999" for role in ("author", "committer")]
    tip = journal.git("hash-object", "-w", "-t", "commit", "--literally", "--stdin", stdin="\n".join([*lines, "", "x"]))
    journal.git("update-ref", JOURNAL, tip.strip())
    assert paths <= {finding.where for finding in verify(journal.repository).problems}
    assert [entry.oid for entry in journal.variant_history(fast.name)]
    assert {slow.lock, fast.lock} == set(journal.variant_origins())
