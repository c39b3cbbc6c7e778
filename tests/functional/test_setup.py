"""`mitosis setup`: what it tells git to fetch, and what it leaves alone."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from mitosis import __version__
from mitosis.__main__ import run_command
from support.journal import JOURNAL, PINS, Clone, Desk, Git


def call(folder: Path, *words: str) -> int:
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        return run_command(list(words))


def set_up(folder: Path, *words: str) -> None:
    assert call(folder, "setup", *words) == 0


def fetched(git: Git, folder: Path, remote: str) -> list[str]:
    return git("config", "--get-all", f"remote.{remote}.fetch", cwd=folder).splitlines()


def test_without_a_remote_the_rest_is_set_up(
    repository_folder: Path, git: Git, capfd: pytest.CaptureFixture[str]
) -> None:
    set_up(repository_folder)
    assert "This repository has no remote." in capfd.readouterr().out
    assert git("config", "diff.mitosis.textconv").endswith(f" -X mitosis={__version__} -P -m mitosis textconv\n")


def test_git_shows_records_at_once_and_runs_nothing_of_the_working_tree(
    journal: Desk, capfd: pytest.CaptureFixture[str]
) -> None:
    trial = journal.run_trial()
    journal.git("config", "diff.mitosis.textconv", f"{sys.executable} -m mitosis textconv")
    call(journal.folder, "verify")
    assert "! setting: diff.mitosis.textconv" in capfd.readouterr().out
    journal.git("config", "diff.mitosis.textconv", f"{sys.executable} -X mitosis=0.1 -P -m mitosis textconv")
    call(journal.folder, "verify")
    assert "texts of records that another version" in capfd.readouterr().out
    set_up(journal.folder)
    for name in ("mitosis.py", "msgpack.py", "enum.py"):
        (journal.folder / name).write_text("raise SystemExit('code of the working tree')\n")
    shown = journal.git("log", "-p", "refs/mitosis")
    assert f"+key: {trial.key}" in shown
    cache = journal.oid_of("refs/notes/textconv/mitosis")
    assert journal.git("log", "-p", "refs/mitosis") == shown
    assert journal.oid_of("refs/notes/textconv/mitosis") == cache
    call(journal.folder, "verify")
    assert "setting" not in capfd.readouterr().out


def test_git_shows_records_where_it_does_not_know_who_looks(journal: Desk, home: Path) -> None:
    journal.run_trial()
    (home / ".gitconfig").write_text("[user]\n    useConfigOnly = true\n")
    set_up(journal.folder)
    assert "+key: " in journal.git("log", "-p", "refs/mitosis")


def test_what_was_there_stays_and_nothing_is_written_twice(hub: Path, tmp_path: Path, git: Git) -> None:
    git("clone", "--quiet", str(hub), "ada", cwd=tmp_path)
    folder = tmp_path / "ada"
    git("remote", "rename", "origin", "my.lab/one", cwd=folder)
    before = fetched(git, folder, "my.lab/one")
    for _ in range(2):
        set_up(folder)
    after = fetched(git, folder, "my.lab/one")
    assert after[: len(before)] == before
    assert after[len(before) :] == [
        f"+{JOURNAL}*:refs/mitosis/remotes/my.lab/one/journal*",
        f"+{PINS}/*:refs/mitosis/remotes/my.lab/one/commits/*",
        "+refs/notes/mitosis*:refs/mitosis/remotes/my.lab/one/notes*",
    ]


def test_what_was_set_up_for_a_remote_follows_its_name(ada: Desk, git: Git, capfd: pytest.CaptureFixture[str]) -> None:
    ada.run_trial()
    set_up(ada.folder)
    wanted = [line.replace("origin", "my.lab") for line in fetched(git, ada.folder, "origin")]
    ada.git("config", "--add", "remote.origin.fetch", "+refs/mitosis/journal:refs/mine")
    ada.git("remote", "rename", "origin", "my.lab")
    call(ada.folder, "verify")
    assert capfd.readouterr().out.count("! setting: remote.my.lab.fetch: with +refs/") == 3
    set_up(ada.folder)
    assert capfd.readouterr().out.count("removed: remote.my.lab.fetch = +refs/") == 3
    assert sorted(fetched(git, ada.folder, "my.lab")) == sorted([*wanted, "+refs/mitosis/journal:refs/mine"])
    call(ada.folder, "verify")
    assert "setting" not in capfd.readouterr().out


def test_plain_fetch_that_prunes_takes_nothing_of_this_clone_away(ada: Desk, hub: Path, git: Git) -> None:
    trial = ada.run_trial()
    ada.git("push", "--quiet", "origin", JOURNAL, f"{PINS}/{trial.commit}")
    set_up(ada.folder)
    ada.git("fetch", "--quiet", "--prune")
    assert ada.oid_of("refs/mitosis/remotes/origin/journal") == ada.tip()
    git("update-ref", "-d", JOURNAL, cwd=hub)
    git("update-ref", "-d", f"{PINS}/{trial.commit}", cwd=hub)
    ada.git("fetch", "--quiet", "--prune")
    assert ada.git("for-each-ref", "refs/mitosis/remotes") == ""
    left = ada.git("for-each-ref", "--format=%(refname)", "refs/mitosis").split()
    assert left == [f"{PINS}/{trial.commit}", JOURNAL]


def test_plain_fetch_of_a_shallow_clone_brings_no_history(ada: Desk, clone: Clone) -> None:
    for _ in range(3):
        ada.git("commit", "--quiet", "--allow-empty", "-m", "next")
    trial = ada.run_trial(commit=ada.oid_of("HEAD~1"))
    ada.git("push", "--quiet", "origin", "main", JOURNAL, f"{PINS}/{trial.commit}")
    shallow = clone("shallow", "--depth=1")
    set_up(shallow.folder)
    shallow.git("fetch", "--quiet")
    [found] = shallow.unmerged()
    assert found.trials == 1
    assert shallow.git("rev-list", "--count", "HEAD") == "1\n"
    assert ada.git("cat-file", "-t", trial.commit) == "commit\n"
    with pytest.raises(AssertionError):
        shallow.git("cat-file", "-e", trial.commit)
