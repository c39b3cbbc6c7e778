"""A slice of what `tests/fuzz/fuzz_journals.py` does at length, and what it has found."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from mitosis.errors.journal import JournalError
from mitosis.journal import layout
from mitosis.journal.index import is_index_right
from mitosis.journal.layout import parse_variant_path
from mitosis.journal.storage import walking
from mitosis.records.codec import encode_trial
from mitosis.verify import verify
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


def write_endless(desk: Desk, folder: str) -> None:
    """Let the journal have a folder with more files than can be counted."""
    blob = desk.git("hash-object", "-w", "--stdin", stdin="x").strip()
    tree = desk.write_tree(b"100644 x\0" + bytes.fromhex(blob))
    for _ in range(30):
        tree = desk.write_tree(b"".join(b"40000 %02x\0" % n + bytes.fromhex(tree) for n in range(40)))
    desk.replace_folder(folder, tree)


@pytest.mark.usefixtures("few")
def test_git_is_not_sent_into_a_folder_without_end(journal: Desk) -> None:
    journal.run_trial(variants=[make_variant()])
    write_endless(journal, layout.VARIANTS)
    journal.commit_tree(journal.oid_of(f"{JOURNAL}~^{{tree}}"))
    found = [finding for finding in verify(journal.repository).problems if finding.kind == "history"]
    assert ["more files than anybody can have recorded" in finding.what for finding in found] == [True]
    with pytest.raises(JournalError, match="more files than anybody can have recorded"):
        journal.variant_origins()


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
    assert [end.record for end in journal.read_ends(record.key)] == [record, others[1]]
    problems = {finding.where: finding.remedy for finding in verify(journal.repository).problems}
    assert problems[record.key] == f"mitosis settle {record.key}"
    assert "git log" in problems[paths[0]]
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
