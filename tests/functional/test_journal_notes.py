"""The notes that show trials under the commits they ran on."""

from __future__ import annotations

import re

import pytest

from mitosis.journal import notes
from support.journal import Desk

FEW = 6


@pytest.fixture(autouse=True)
def few_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have a note be full soon."""
    monkeypatch.setattr(notes, "LINES_LIMIT", FEW)


def note(journal: Desk, commit: str = "HEAD") -> list[str]:
    return journal.git("notes", "--ref=mitosis", "show", commit).splitlines()


def keys(journal: Desk, commit: str = "HEAD") -> list[str]:
    return [line.split()[0] for line in note(journal, commit)]


def test_log_shows_ended_trials_under_their_commit(journal: Desk) -> None:
    journal.run_trial(key="5f2c91d07a3b")
    journal.start_trial()
    shown = journal.git("log", "-1", "--notes=mitosis")
    assert shown.endswith(
        "\nNotes (mitosis):\n    5f2c91  my_exp  frequency=slow amplitude=4  finished  main = 3.17e-05  (0.6 s)\n"
    )
    assert len(note(journal)) == 1


def test_newest_comes_first(journal: Desk) -> None:
    records = [journal.run_trial() for _ in range(3)]
    assert keys(journal) == [record.key[:6] for record in reversed(records)]


def test_trials_are_shown_under_their_own_commit(journal: Desk) -> None:
    first = journal.run_trial()
    journal.git("commit", "--quiet", "--allow-empty", "-m", "second")
    second = journal.run_trial(commit=journal.oid_of("HEAD"))
    assert keys(journal, "HEAD~") == [first.key[:6]]
    assert keys(journal, "HEAD") == [second.key[:6]]


def test_note_is_bounded(journal: Desk) -> None:
    records = [journal.run_trial() for _ in range(FEW + 2)]
    lines = note(journal)
    assert len(lines) == FEW + 1
    assert lines[-1] == "... and 2 more"
    assert lines[0].startswith(records[-1].key[:6])


def times(number: int) -> dict[str, str]:
    return {"started": f"2026-03-01T12:00:{number:02}+00:00", "ended": f"2026-03-01T12:01:{number:02}+00:00"}


@pytest.mark.parametrize("damage", ["remove", "edit", "append", "empty", "binary"])
def test_lost_or_damaged_note_is_rebuilt_from_the_journal(journal: Desk, damage: str) -> None:
    for number in range(FEW + 5):
        last = journal.run_trial(**times(number))
    journal.start_trial()
    before = note(journal)
    if damage == "remove":
        journal.git("notes", "--ref=mitosis", "remove", "HEAD")
    else:
        text = {"edit": "by hand", "append": "\n".join([*before, "by hand"]), "empty": "", "binary": "\udcff\n"}[damage]
        journal.git("notes", "--ref=mitosis", "add", "--allow-empty", "-f", "-F", "-", "HEAD", stdin=text)
    newest = journal.run_trial(**times(FEW + 5))
    after = note(journal)
    assert after[0].startswith(newest.key[:6])
    assert after[1].startswith(last.key[:6])
    assert after[1:-1] == before[: FEW - 1]
    assert after[-1] == "... and 6 more"


def test_first_note_of_a_commit_tells_of_all_its_ended_trials(journal: Desk) -> None:
    first = journal.run_trial(**times(0))
    journal.git("update-ref", "-d", "refs/notes/mitosis")
    second = journal.run_trial(**times(1))
    assert keys(journal) == [second.key[:6], first.key[:6]]


def test_trial_that_ends_again_is_shown_once(journal: Desk) -> None:
    first = journal.run_trial(**times(0))
    second = journal.run_trial(**times(1))
    journal.end(first.with_changes(status="failed", main=None), journal.identity)
    assert keys(journal) == [second.key[:6], first.key[:6]]
    assert "  failed  " in note(journal)[1]


@pytest.mark.parametrize("count", [1, 300])
def test_notes_are_found_however_git_spread_them(journal: Desk, count: int) -> None:
    """git makes folders in the tree of notes when there are many, and takes them away when there are few."""
    journal.run_trial(**times(0))
    who = "committer A <a@b> 0 +0000\ndata 1\nx\n"
    commits = "".join(f"commit refs/heads/many\nmark :{i}\n{who}" for i in range(1, count + 1))
    notes = "".join(f"N inline :{i}\ndata 5\ntext\n" for i in range(1, count + 1))
    stream = f"{commits}commit refs/notes/mitosis\n{who}from refs/notes/mitosis^0\n{notes}"
    journal.git("fast-import", "--quiet", stdin=stream)
    second = journal.run_trial(**times(1))
    assert len(keys(journal)) == 2
    journal.git("notes", "--ref=mitosis", "add", "-m", "by hand", "HEAD^{tree}")
    third = journal.run_trial(**times(2))
    assert keys(journal)[:2] == [third.key[:6], second.key[:6]]
    assert len(journal.git("notes", "--ref=mitosis", "list").splitlines()) == count + 2
    paths = journal.git("ls-tree", "-r", "--name-only", "refs/notes/mitosis").splitlines()
    assert len({path.replace("/", "") for path in paths}) == len(paths)


def test_note_in_two_places_becomes_one(journal: Desk) -> None:
    first = journal.run_trial(**times(0))
    head = journal.oid_of("HEAD")
    blob = journal.oid_of(f"refs/notes/mitosis:{head[:2]}/{head[2:]}")
    inner = journal.git("mktree", stdin=f"100644 blob {blob}\t{head[2:]}\n").strip()
    tree = journal.git("mktree", stdin=f"100644 blob {blob}\t{head}\n040000 tree {inner}\t{head[:2]}\n").strip()
    journal.git("update-ref", "refs/notes/mitosis", journal.git("commit-tree", tree, "-m", "x").strip())
    second = journal.run_trial(**times(1))
    assert keys(journal) == [second.key[:6], first.key[:6]]
    assert len(journal.git("ls-tree", "-r", "refs/notes/mitosis").splitlines()) == 1


def test_other_notes_are_left_alone(journal: Desk) -> None:
    journal.git("notes", "add", "-m", "mine", "HEAD")
    journal.run_trial()
    assert journal.git("notes", "show", "HEAD") == "mine\n"
    assert journal.git("log", "-1", "--format=%N") == "mine\n\n"


def test_history_of_the_notes_names_who_and_which_trial(journal: Desk) -> None:
    record = journal.run_trial()
    assert journal.git("log", "--format=%an: %s", "refs/notes/mitosis").strip() == (
        f"Ada Lovelace: Note on {record.commit[:7]}: my_exp {record.key} finished"
    )


def test_text_of_a_trial_cannot_forge_lines(journal: Desk) -> None:
    journal.run_trial(experiment="x\n000000  forged\x1b[2J")
    assert len(note(journal)) == 1
    assert re.match(r"^[0-9a-f]{6}  x\\n000000  forged\\x1b\[2J  ", note(journal)[0])


def test_missing_note_on_a_commit_of_many_trials_is_made_from_all_of_them(journal: Desk) -> None:
    records = [journal.run_trial(experiment=name) for name in ("one", "two", "one", "two", "three")]
    journal.git("commit", "--quiet", "--allow-empty", "-m", "second")
    journal.run_trial(commit=journal.oid_of("HEAD"))
    journal.git("update-ref", "-d", "refs/notes/mitosis")
    records.append(journal.run_trial(commit=records[0].commit))
    assert sorted(keys(journal, "HEAD~")) == sorted(record.key[:6] for record in records)
