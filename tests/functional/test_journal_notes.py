"""The notes that show trials under the commits they ran on."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest

from mitosis.journal.journal import Journal
from mitosis.journal.notes import LINES_LIMIT
from mitosis.records.trial import TrialRecord

Git = Callable[..., str]
RunTrial = Callable[..., TrialRecord]


def note(git: Git, commit: str = "HEAD") -> list[str]:
    return git("notes", "--ref=mitosis", "show", commit).splitlines()


def keys(git: Git, commit: str = "HEAD") -> list[str]:
    return [line.split()[0] for line in note(git, commit)]


def test_log_shows_ended_trials_under_their_commit(run_trial: RunTrial, start_trial: RunTrial, git: Git) -> None:
    run_trial(key="5f2c91d07a3b")
    start_trial()
    shown = git("log", "-1", "--notes=mitosis")
    assert shown.endswith(
        "\nNotes (mitosis):\n    5f2c91  my_exp  frequency=slow amplitude=4  finished  main = 3.17e-05  (0.6 s)\n"
    )
    assert len(note(git)) == 1


def test_newest_comes_first(run_trial: RunTrial, git: Git) -> None:
    records = [run_trial() for _ in range(3)]
    assert keys(git) == [record.key[:6] for record in reversed(records)]


def test_trials_are_shown_under_their_own_commit(run_trial: RunTrial, git: Git) -> None:
    first = run_trial()
    git("commit", "--quiet", "--allow-empty", "-m", "second")
    second = run_trial(commit=git("rev-parse", "HEAD").strip())
    assert keys(git, "HEAD~") == [first.key[:6]]
    assert keys(git, "HEAD") == [second.key[:6]]


def test_note_is_bounded(run_trial: RunTrial, git: Git) -> None:
    records = [run_trial() for _ in range(LINES_LIMIT + 2)]
    lines = note(git)
    assert len(lines) == LINES_LIMIT + 1
    assert lines[-1] == "... and 2 more"
    assert lines[0].startswith(records[-1].key[:6])


def times(number: int) -> dict[str, str]:
    return {"started": f"2026-03-01T12:00:{number:02}+00:00", "ended": f"2026-03-01T12:01:{number:02}+00:00"}


@pytest.mark.parametrize("damage", ["remove", "edit", "append", "empty", "binary"])
def test_lost_or_damaged_note_is_rebuilt_from_the_journal(
    run_trial: RunTrial, start_trial: RunTrial, git: Git, damage: str
) -> None:
    for number in range(LINES_LIMIT + 5):
        last = run_trial(**times(number))
    start_trial()
    before = note(git)
    if damage == "remove":
        git("notes", "--ref=mitosis", "remove", "HEAD")
    else:
        text = {"edit": "by hand", "append": "\n".join([*before, "by hand"]), "empty": "", "binary": "\udcff\n"}[damage]
        git("notes", "--ref=mitosis", "add", "--allow-empty", "-f", "-F", "-", "HEAD", stdin=text)
    newest = run_trial(**times(LINES_LIMIT + 5))
    after = note(git)
    assert after[0].startswith(newest.key[:6])
    assert after[1].startswith(last.key[:6])
    assert after[1:-1] == before[: LINES_LIMIT - 1]
    assert after[-1] == "... and 6 more"


def test_first_note_of_a_commit_tells_of_all_its_ended_trials(run_trial: RunTrial, git: Git) -> None:
    first = run_trial(**times(0))
    git("update-ref", "-d", "refs/notes/mitosis")
    second = run_trial(**times(1))
    assert keys(git) == [second.key[:6], first.key[:6]]


def test_trial_that_ends_again_is_shown_once(journal: Journal, run_trial: RunTrial, git: Git) -> None:
    first = run_trial(**times(0))
    second = run_trial(**times(1))
    journal.end(first.with_changes(status="failed", main=None), journal.repository.identity())
    assert keys(git) == [second.key[:6], first.key[:6]]
    assert "  failed  " in note(git)[1]


@pytest.mark.parametrize("count", [1, 300])
def test_notes_are_found_however_git_spread_them(run_trial: RunTrial, journal: Journal, git: Git, count: int) -> None:
    """git makes folders in the tree of notes when there are many, and takes them away when there are few."""
    run_trial(**times(0))
    who = "committer A <a@b> 0 +0000\ndata 1\nx\n"
    commits = "".join(f"commit refs/heads/many\nmark :{i}\n{who}" for i in range(1, count + 1))
    notes = "".join(f"N inline :{i}\ndata 5\ntext\n" for i in range(1, count + 1))
    stream = f"{commits}commit refs/notes/mitosis\n{who}from refs/notes/mitosis^0\n{notes}"
    git("fast-import", "--quiet", stdin=stream)
    second = run_trial(**times(1))
    assert len(keys(git)) == 2
    git("notes", "--ref=mitosis", "add", "-m", "by hand", "HEAD^{tree}")
    third = run_trial(**times(2))
    assert keys(git)[:2] == [third.key[:6], second.key[:6]]
    assert len(git("notes", "--ref=mitosis", "list").splitlines()) == count + 2
    paths = git("ls-tree", "-r", "--name-only", "refs/notes/mitosis").splitlines()
    assert len({path.replace("/", "") for path in paths}) == len(paths)


def test_note_in_two_places_becomes_one(run_trial: RunTrial, git: Git) -> None:
    first = run_trial(**times(0))
    head = git("rev-parse", "HEAD").strip()
    blob = git("rev-parse", f"refs/notes/mitosis:{head[:2]}/{head[2:]}").strip()
    inner = git("mktree", stdin=f"100644 blob {blob}\t{head[2:]}\n").strip()
    tree = git("mktree", stdin=f"100644 blob {blob}\t{head}\n040000 tree {inner}\t{head[:2]}\n").strip()
    git("update-ref", "refs/notes/mitosis", git("commit-tree", tree, "-m", "x").strip())
    second = run_trial(**times(1))
    assert keys(git) == [second.key[:6], first.key[:6]]
    assert len(git("ls-tree", "-r", "refs/notes/mitosis").splitlines()) == 1


def test_other_notes_are_left_alone(run_trial: RunTrial, git: Git) -> None:
    git("notes", "add", "-m", "mine", "HEAD")
    run_trial()
    assert git("notes", "show", "HEAD") == "mine\n"
    assert git("log", "-1", "--format=%N") == "mine\n\n"


def test_history_of_the_notes_names_who_and_which_trial(run_trial: RunTrial, git: Git) -> None:
    record = run_trial()
    assert git("log", "--format=%an: %s", "refs/notes/mitosis").strip() == (
        f"Ada Lovelace: Note on {record.commit[:7]}: my_exp {record.key} finished"
    )


def test_text_of_a_trial_cannot_forge_lines(run_trial: RunTrial, git: Git) -> None:
    run_trial(experiment="x\n000000  forged\x1b[2J")
    assert len(note(git)) == 1
    assert re.match(r"^[0-9a-f]{6}  x\\n000000  forged\\x1b\[2J  ", note(git)[0])


def test_missing_note_on_a_commit_of_many_trials_is_made_from_all_of_them(
    journal: Journal, run_trial: RunTrial, git: Git
) -> None:
    records = [run_trial(experiment=name) for name in ("one", "two", "one", "two", "three")]
    git("commit", "--quiet", "--allow-empty", "-m", "second")
    run_trial(commit=git("rev-parse", "HEAD").strip())
    git("update-ref", "-d", "refs/notes/mitosis")
    records.append(run_trial(commit=records[0].commit))
    assert sorted(keys(git, "HEAD~")) == sorted(record.key[:6] for record in records)
