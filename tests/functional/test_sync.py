"""Pushing and pulling over remotes of every kind, with the git program."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from mitosis.__main__ import run_command
from mitosis.errors.journal import FetchFailed, NoRemote, PushFailed, UnknownRemote, UnusableJournal
from mitosis.errors.repository import NoIdentity
from mitosis.git.repository import find_repository
from mitosis.journal.notes import note_of
from mitosis.records.codec import encode_trial
from mitosis.sync.exchange import Pulled, Pushed, push
from mitosis.sync.remotes import find_remote
from mitosis.sync.transport import Transport
from mitosis.verify import compare
from mitosis.verify.findings import Report
from support.journal import (
    JOURNAL,
    NOTES,
    PINS,
    Clone,
    Desk,
    Git,
    make_variant,
    record_path,
    refs_of,
    run_git,
    write_hook,
    write_script,
)
from support.waiting import TIMEOUT_S, wait_until


def allow_partial_clones(hub: Path) -> None:
    for name in ("uploadpack.allowFilter", "uploadpack.allowAnySHA1InWant"):
        run_git("config", name, "true", cwd=hub)


def forget_identity(desk: Desk, home: Path) -> None:
    """Have git not know who works there."""
    desk.git("config", "--unset", "user.name")
    with (home / ".gitconfig").open("a") as file:
        file.write("[user]\n    useConfigOnly = true\n    name =\n    email =\n")


# --- what travels ---------------------------------------------------------------------------------


def test_trials_of_both_reach_both(ada: Desk, bob: Desk, hub: Path, git: Git) -> None:
    one, two = ada.run_trial(), bob.run_trial()
    assert ada.push().sent == 1
    pushed = bob.push()
    assert (pushed.pulled.received, pushed.sent) == (1, 1)
    pulled = ada.pull()
    assert (pulled.received, pulled.has_journal) == (1, True)
    assert ada.trial_keys() == bob.trial_keys() == {one.key, two.key}
    assert ada.tip() == bob.tip() == refs_of(hub)[JOURNAL]
    for folder in (ada.folder, bob.folder, hub):
        assert git("notes", "--ref=mitosis", "show", one.commit, cwd=folder) == note_of([one, two]).to_text()
        git("fsck", "--strict", cwd=folder)
    assert ada.push() == Pushed(Pulled("origin", True), 0, False)
    assert bob.pull() == Pulled("origin", True)


def test_only_the_refs_of_mitosis_are_pushed_whatever_the_user_has_set(ada: Desk, hub: Path) -> None:
    ada.git("tag", "-a", "-m", "a tag", "v1")
    ada.git("branch", "private")
    for name, value in [
        ("push.followTags", "true"),
        ("push.default", "matching"),
        ("remote.origin.mirror", "true"),
        ("remote.origin.push", "refs/heads/*:refs/heads/*"),
    ]:
        ada.git("config", name, value)
    before = refs_of(hub)
    trial = ada.run_trial()
    ada.push()
    new = refs_of(hub).keys() - before.keys()
    assert new == {JOURNAL, "refs/notes/mitosis", f"{PINS}/{trial.commit}"}


def test_pinned_commits_travel_so_that_the_code_of_a_trial_is_there(ada: Desk, bob: Desk, hub: Path) -> None:
    root = ada.folder
    ada.git("commit", "--quiet", "--allow-empty", "-m", "Ada's, on no branch of the hub")
    trial = Desk(root).run_trial()
    ada.git("commit", "--quiet", "--amend", "--allow-empty", "-m", "amended")
    ada.push()
    bob.pull()
    assert bob.git("log", "-1", "--format=%s", trial.commit) == "Ada's, on no branch of the hub\n"
    assert trial.commit in bob.pins()


def test_pinned_commits_can_be_left_out(ada: Desk, hub: Path) -> None:
    ada.run_trial()
    ada.push(with_commits=False)
    assert not [name for name in refs_of(hub) if "commits" in name]
    assert JOURNAL in refs_of(hub)
    ada.push()
    assert [name for name in refs_of(hub) if "commits" in name]


def test_single_trials_can_be_pushed(ada: Desk, bob: Desk) -> None:
    theirs = bob.run_trial()
    bob.push()
    wanted, private = ada.run_trial(), ada.run_trial()
    assert ada.push(wanted.key).sent == 1
    bob.pull()
    assert bob.trial_keys() == {theirs.key, wanted.key}
    assert ada.trial_keys() == {theirs.key, wanted.key, private.key}
    assert ada.push().sent == 1
    bob.pull()
    assert bob.trial_keys() == ada.trial_keys()


def test_remote_without_records_is_no_error(ada: Desk, hub: Path) -> None:
    assert ada.pull() == Pulled("origin", False)
    assert ada.push() == Pushed(Pulled("origin", False))
    assert ada.tip() is None


def test_empty_remote_gets_its_first_records(ada: Desk, tmp_path: Path, git: Git) -> None:
    git("init", "--quiet", "--bare", "new.git", cwd=tmp_path)
    trial = ada.run_trial()
    ada.push(word=str(tmp_path / "new.git"))
    assert set(refs_of(tmp_path / "new.git")) == {
        JOURNAL,
        "refs/notes/mitosis",
        f"{PINS}/{trial.commit}",
    }


def test_remote_can_be_a_normal_clone(ada: Desk, bob: Desk) -> None:
    one, two = ada.run_trial(), bob.run_trial()
    status = bob.git("status", "--porcelain", "--branch")
    ada.push(word=str(bob.folder))
    assert bob.trial_keys() == {one.key, two.key}
    assert bob.git("status", "--porcelain", "--branch") == status
    assert bob.run_trial().iteration == 2
    assert ada.pull(str(bob.folder)).received == 1


def test_forced_pushes_are_never_needed(ada: Desk, bob: Desk, hub: Path, git: Git) -> None:
    git("config", "receive.denyNonFastForwards", "true", cwd=hub)
    git("config", "receive.denyDeletes", "true", cwd=hub)
    for journal in (ada, bob, ada, bob):
        journal.run_trial()
        journal.push()
    ada.forget(next(iter(ada.trial_keys())), ada.identity)
    ada.push()
    bob.pull()
    assert ada.trial_keys() == bob.trial_keys()
    assert ada.tip() == bob.tip()


def test_pruning_that_the_user_has_set_deletes_no_pin(ada: Desk) -> None:
    ada.git("config", "fetch.prune", "true")
    ada.git("config", "remote.origin.prune", "true")
    trial = ada.run_trial()
    ada.pull()
    assert trial.commit in ada.pins()


def test_users_own_refs_do_not_move(ada: Desk, bob: Desk) -> None:
    ada.git("commit", "--quiet", "--allow-empty", "-m", "new")
    ada.git("tag", "v2")
    ada.git("push", "--quiet", "origin", "HEAD", "v2")
    ada.run_trial()
    ada.push()
    bob.run_trial()
    before = {name: oid for name, oid in bob.refs().items() if "mitosis" not in name}
    bob.push()
    after = {name: oid for name, oid in bob.refs().items() if "mitosis" not in name}
    assert after == before
    assert not (bob.repository.git_dir / "FETCH_HEAD").exists()


# --- races and refusals ---------------------------------------------------------------------------


def test_push_between_fetch_and_push_is_taken_in(ada: Desk, bob: Desk, hub: Path) -> None:
    mine, others = ada.run_trial(), bob.run_trial()
    # The first time, Bob pushes while Ada's push has begun.
    write_hook(
        ada.folder / ".git",
        "pre-push",
        f'[ -e "{hub}/raced" ] && exit 0\n'
        f'touch "{hub}/raced"\n'
        "unset $(git rev-parse --local-env-vars)\n"
        f'cd "{bob.folder}" && git push --quiet origin {JOURNAL}\n',
    )
    said: list[bytes] = []
    pushed = ada.push(said=said)
    assert (hub / "raced").exists()
    assert (pushed.pulled.received, pushed.sent) == (1, 1)
    assert b"".join(said) == b""
    assert ada.trial_keys() == {mine.key, others.key}
    assert refs_of(hub)[JOURNAL] == ada.tip()


@pytest.mark.parametrize("hook", ["pre-receive", "update"])
def test_remote_that_declines_is_told_in_its_own_words(ada: Desk, hub: Path, hook: str) -> None:
    write_hook(hub, hook, "echo 'this repository is read-only, ask Grace' >&2\nexit 1\n")
    ada.run_trial()
    tip = ada.tip()
    said: list[bytes] = []
    with pytest.raises(PushFailed, match="hook declined"):
        ada.push(said=said)
    assert b"this repository is read-only, ask Grace" in b"".join(said)
    assert ada.tip() == tip
    assert not [name for name in refs_of(hub) if "mitosis" in name]


@pytest.mark.parametrize("url", ["https://127.0.0.1:1/x.git", "ssh://127.0.0.1:1/x.git", "/nowhere/x.git"])
def test_remote_that_cannot_be_reached_is_told_and_nothing_is_lost(ada: Desk, url: str) -> None:
    trial = ada.run_trial()
    ada.git("remote", "set-url", "origin", url)
    said: list[bytes] = []
    for operation in (ada.push, ada.pull):
        with pytest.raises(FetchFailed, match="safe"):
            operation(said=said)
    assert said
    assert ada.trial_keys() == {trial.key}


def test_remote_that_hides_pins_has_taken_the_records(ada: Desk, hub: Path, git: Git) -> None:
    ada.run_trial()
    git("config", "receive.hideRefs", PINS, cwd=hub)
    pushed = ada.push()
    assert (pushed.sent, refs_of(hub)[JOURNAL]) == (1, ada.tip())
    (warning,) = pushed.warnings
    assert "commits of experiments were not pushed" in warning
    assert "hidden" in warning


def test_remote_that_cannot_push_atomically_gets_the_pins_first(ada: Desk, hub: Path, git: Git) -> None:
    git("config", "receive.advertiseAtomic", "false", cwd=hub)
    ada.run_trial()
    assert ada.push().sent == 1
    assert refs_of(hub)[JOURNAL] == ada.tip()


# --- which remote ---------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["blob", "tag", "other commit", "format", "double", "deep", "name"])
def test_journal_of_a_remote_that_is_none_is_replaced_as_the_message_says(
    ada: Desk, bob: Desk, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    ada.run_trial()
    ada.push()
    bob.pull()
    target = {"blob": f"{JOURNAL}:format", "tag": "tagged", "other commit": "HEAD"}.get(kind, JOURNAL)
    bob.git("tag", "-a", "-m", "x", "tagged", JOURNAL)
    blob = bob.oid_of(f"{JOURNAL}:format")
    if kind == "format":
        bob.rewrite({"format": None, "format/x": "1"})
    elif kind == "deep":
        bob.rewrite({f"trials/{'a/' * 30}x": "x"})
    elif kind in ("double", "name"):
        entry = b"100644 x\0" + bytes.fromhex(blob)
        folder = bob.write_tree(
            entry * 2 if kind == "double" else b"40000 .git\0" + bytes.fromhex(bob.write_tree(entry))
        )
        bob.replace_folder("sub", folder)
    bob.git("push", "--quiet", "--force", "origin", f"{target}:{JOURNAL}")
    record = ada.run_trial()
    command = "git push --force origin refs/mitosis/journal"
    for exchange in (ada.pull, ada.push):
        with pytest.raises(UnusableJournal, match=f"the journal of origin cannot be merged: .*\n.*\n    {command}"):
            exchange()
    report = Report()
    compare(ada.repository, "origin", "origin", report)
    assert [finding.remedy for finding in report.problems] == [command]
    ada.git(*command.split()[1:])
    ada.push()
    bob.git("update-ref", "-d", JOURNAL)
    bob.pull()
    assert bob.again().trial_keys() == ada.trial_keys() >= {record.key}


def test_default_remote_is_that_of_git_push(ada: Desk) -> None:
    root = ada.folder

    def chosen() -> str:
        return find_remote(find_repository(root), None).name

    assert chosen() == "origin"
    ada.git("remote", "add", "second", "../second.git")
    ada.git("remote", "add", "third", "../third.git")
    assert chosen() == "origin"
    ada.git("config", "branch.main.remote", "third")
    assert chosen() == "third"
    ada.git("config", "remote.pushDefault", "second")
    assert chosen() == "second"
    ada.git("config", "branch.main.pushRemote", "third")
    assert chosen() == "third"
    assert find_remote(ada.repository, None, "origin").name == "origin"
    assert find_remote(ada.repository, "second", "origin").name == "second"
    ada.git("checkout", "--quiet", "--detach")
    assert chosen() == "second"


def test_only_remote_is_taken_whatever_its_name(ada: Desk) -> None:
    ada.git("config", "--unset", "branch.main.remote")
    ada.git("remote", "rename", "origin", "team/lab")
    assert find_remote(ada.repository, None).name == "team/lab"
    ada.pull()


def test_without_a_remote_it_is_said_how_to_add_one(repository_folder: Path) -> None:
    with pytest.raises(NoRemote, match="git remote add origin URL"):
        find_remote(find_repository(repository_folder), None)


@pytest.mark.parametrize("word", ["orgin", "--all", "-x/y"])
def test_word_that_names_no_remote_is_refused(ada: Desk, word: str) -> None:
    with pytest.raises(UnknownRemote, match="origin"):
        find_remote(ada.repository, word)


def test_url_is_rewritten_as_the_user_has_set(ada: Desk, hub: Path) -> None:
    ada.git("config", f"url.{hub.parent}/.insteadOf", "lab:")
    ada.run_trial()
    assert ada.push(word="lab:hub.git").sent == 1


# --- clones of every kind -------------------------------------------------------------------------


def test_shallow_clone_exchanges_records_and_stays_shallow(ada: Desk, hub: Path, clone: Clone, git: Git) -> None:
    for number in range(3):
        ada.git("commit", "--quiet", "--allow-empty", "-m", f"{number}")
    ada.git("push", "--quiet", "origin", "HEAD~2:refs/heads/old", "HEAD:main")
    old = ada.run_trial(commit=ada.oid_of("HEAD~2"))
    ada.push()
    shallow = clone("shallow", "--depth=1", source=f"file://{hub}")
    assert shallow.pull().received == 1
    mine = shallow.run_trial()
    assert shallow.push().sent == 1
    assert shallow.git("rev-list", "--count", "HEAD") == "1\n"
    assert shallow.trial_keys() == {old.key, mine.key}
    ada.pull()
    assert ada.trial_keys() == shallow.trial_keys()
    git("fsck", "--strict", cwd=hub)


@pytest.mark.parametrize("is_fetched_plainly", [False, True])
def test_partial_clone_gets_all_records(ada: Desk, hub: Path, clone: Clone, is_fetched_plainly: bool) -> None:
    allow_partial_clones(hub)
    trials = {ada.run_trial().key for _ in range(3)}
    ada.push()
    partial = clone("partial", "--filter=blob:none", source=f"file://{hub}")
    if is_fetched_plainly:
        spec = f"+{JOURNAL}*:refs/mitosis/remotes/origin/journal*"
        partial.git("fetch", "--quiet", "origin", spec)
    partial.pull()
    partial.git("remote", "set-url", "origin", "/nowhere")
    assert partial.again().trial_keys() == trials


def test_worktrees_share_one_journal_and_submodules_have_their_own(
    ada: Desk, bob: Desk, hub: Path, tmp_path: Path
) -> None:
    root = ada.folder
    ada.git("worktree", "add", "--quiet", "../tree", "-b", "side")
    tree = Desk(tmp_path / "tree")
    trial = tree.run_trial()
    assert tree.push(word="origin").sent == 1
    bob.pull()
    assert bob.trial_keys() == ada.trial_keys() == {trial.key}
    ada.git("submodule", "--quiet", "add", str(hub), "inner")
    inner = Desk(root / "inner")
    assert inner.tip() is None
    assert inner.pull().received == 1
    inner.run_trial()
    assert len(ada.trial_keys()) == 1
    assert inner.push().sent == 1
    assert ada.pull().received == 1


def test_records_of_which_a_plain_fetch_brought_commits_alone_are_told_of(ada: Desk, hub: Path, clone: Clone) -> None:
    allow_partial_clones(hub)
    trial = ada.run_trial()
    ada.push()
    partial = clone("partial", "--filter=tree:0", source=f"file://{hub}")
    partial.git("fetch", "--quiet", "origin", f"+{JOURNAL}*:refs/mitosis/remotes/origin/journal*")
    assert [(found.remote, found.trials) for found in partial.unmerged()] == [("origin", 0)]
    partial.pull()
    assert partial.trial_keys() == {trial.key}
    assert partial.unmerged() == ()


def test_only_trials_that_can_be_listed_are_counted_as_received(
    ada: Desk, bob: Desk, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    trial = ada.run_trial()
    elsewhere = f"trials/other/2026-03-01/{trial.key}.msgpack"
    ada.rewrite({elsewhere: encode_trial(trial), "trials/my_exp/2026-03-01/5f2c91d07a3b.msgpack": b"junk"})
    ada.push()
    monkeypatch.chdir(bob.folder)
    assert run_command(["pull"]) == 0
    assert capfd.readouterr().out == "origin: 1 trial received\n"


def test_who_gives_no_name_is_somebody(
    ada: Desk, bob: Desk, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    trial = ada.run_trial()
    ada.push()
    bob.pull()
    ada.rewrite({record_path(trial): None})
    lines = ada.git("cat-file", "-p", JOURNAL).splitlines()[:2]
    who = " <> 1772366400 +0000"
    text = "\n".join([*lines, f"author{who}", f"committer{who}", "", "forget it", "", f"Forgotten: {trial.key}", ""])
    ada.git("update-ref", JOURNAL, ada.git("hash-object", "-t", "commit", "-w", "--stdin", stdin=text).strip())
    ada.push()
    monkeypatch.chdir(bob.folder)
    assert run_command(["pull"]) == 0
    assert capfd.readouterr().out == "origin: 1 trial forgotten elsewhere\n    somebody: forget it\n"


@pytest.mark.parametrize("how", ["forged", "forged with a count", "stale", "unreadable", "gone", "of a missing trial"])
@pytest.mark.parametrize("is_new", [True, False])
def test_notes_of_a_remote_are_taken_only_as_far_as_they_agree_with_the_journal(
    ada: Desk, bob: Desk, hub: Path, git: Git, how: str, is_new: bool
) -> None:
    first = ada.run_trial()
    ada.push()
    bob.pull()
    stale, text = refs_of(hub)[NOTES], ada.git_note()
    second = ada.run_trial() if is_new else first
    ada.push()
    texts = {
        "forged": ada.git_note().replace("main = 3.17e-05", "main = 99"),
        "forged with a count": f"{ada.git_note()}... and 2 more\n",
        "unreadable": "by hand",
        "gone": None,
        "of a missing trial": text.replace(first.key[:6], "abcdef"),
    }
    if how == "stale":
        git("update-ref", NOTES, stale, cwd=hub)
    elif texts[how] is None:
        git("notes", "--ref=mitosis", "remove", first.commit, cwd=hub)
    else:
        git("notes", "--ref=mitosis", "add", "-f", "-F", "-", first.commit, cwd=hub, stdin=texts[how])
    assert bob.pull().received == is_new
    trials = {trial.key: trial for trial in (first, second)}
    assert bob.git_note() == note_of(list(trials.values())).to_text()
    before = bob.refs()
    assert bob.pull() == Pulled("origin", True)
    assert bob.refs() == before
    assert bob.push().is_changed is False or how == "stale"
    assert refs_of(hub)[NOTES] == bob.refs()[NOTES]


def test_notes_that_only_differ_in_order_or_are_of_no_trial_are_taken_as_they_are(
    ada: Desk, bob: Desk, hub: Path
) -> None:
    times = [{"started": f"2026-03-01T12:00:0{n}+00:00", "ended": f"2026-03-01T12:01:0{n}+00:00"} for n in (2, 1)]
    for given in times:
        ada.run_trial(**given)
    ada.git("notes", "--ref=mitosis", "add", "-m", "my own", "HEAD^{tree}")
    ada.push()
    bob.pull()
    assert bob.refs()[NOTES] == refs_of(hub)[NOTES]
    assert sorted(bob.git_note().splitlines()) == sorted(ada.git_note().splitlines())


def test_record_that_names_no_commit_gets_no_note(ada: Desk, bob: Desk) -> None:
    trial = ada.run_trial()
    other = trial.with_changes(key="5f2c91d07a3b", commit=trial.commit[:2])
    ada.rewrite({record_path(other): encode_trial(other)})
    bob.run_trial()
    bob.merge_from(ada)
    bob.git("fsck", "--strict")
    assert len(bob.git_note().splitlines()) == 2


# --- plain fetches --------------------------------------------------------------------------------


def test_plain_fetch_brings_records_after_setup(
    ada: Desk, bob: Desk, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(bob.folder)
    bob.git("config", "fetch.prune", "true")
    assert run_command(["setup"]) == 0
    assert capfd.readouterr().out.count("wrote: remote.origin.fetch") == 3
    bob.git("fetch", "--quiet")
    trial = ada.run_trial()
    ada.push()
    bob.git("fetch", "--quiet")
    for words in (["list"], ["variants"]):
        assert run_command(words) == 0
        notice = "! origin has 1 trial that is not merged yet; to merge it, or to see why not: "
        assert f"{notice}mitosis pull origin --no-fetch\n" in capfd.readouterr().err
    bob.git("remote", "set-url", "origin", "/nowhere")
    assert run_command(["pull", "--no-fetch"]) == 0
    assert capfd.readouterr().out == "origin: 1 trial received\n"
    assert bob.trial_keys() == {trial.key}
    assert trial.commit in bob.pins()
    run_command(["list"])
    assert capfd.readouterr().err == ""
    run_command(["setup"])
    assert "wrote" not in capfd.readouterr().out


def test_setup_of_one_remote_leaves_the_others(
    ada: Desk, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    root = ada.folder
    monkeypatch.chdir(root)
    ada.git("remote", "add", "second", "../second.git")
    assert run_command(["setup", "second"]) == 0
    assert len(ada.git("config", "--get-all", "remote.second.fetch").splitlines()) == 4
    assert len(ada.git("config", "--get-all", "remote.origin.fetch").splitlines()) == 1
    assert run_command(["setup", "third"]) == 2
    assert "second" in capfd.readouterr().err


def test_setup_makes_the_short_name_work_in_a_clone_that_fetched_by_hand(
    ada: Desk, bob: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    ada.run_trial()
    ada.push()
    bob.git("fetch", "--quiet", "origin", "refs/mitosis/*:refs/mitosis/*")
    monkeypatch.chdir(bob.folder)
    run_command(["setup"])
    assert bob.oid_of("refs/mitosis") == ada.tip()


# --- what is printed ------------------------------------------------------------------------------


def test_commands_say_what_went_where(
    ada: Desk, bob: Desk, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def said(journal: Desk, *words: str) -> str:
        monkeypatch.chdir(journal.folder)
        assert run_command(list(words)) == 0
        return capfd.readouterr().out

    assert said(ada, "pull") == "origin: no records\n"
    assert said(ada, "push") == "origin: nothing new\n"
    adas = [ada.run_trial(variants=[make_variant("slow", 1)]) for _ in range(2)]
    assert said(ada, "push") == "origin: 2 trials sent\n"
    assert said(ada, "push") == "origin: nothing new\n"
    bob.run_trial()
    assert said(bob, "sync") == "origin: 2 trials received, 1 sent\n"
    assert said(ada, "pull", "origin") == "origin: 1 trial received\n"
    ada.run_trial(key="abcdef012345")
    assert said(ada, "push", "abcdef") == "origin: 1 trial sent\n"
    ada.forget(adas[0].key, ada.identity)
    assert said(ada, "sync") == "origin: records sent\n"
    forgotten = f"    ada: forget my_exp {adas[0].key}\n"
    assert said(bob, "pull") == f"origin: 1 trial received, 1 trial forgotten elsewhere\n{forgotten}"
    ada.bring_back(adas[0].key, ada.identity)
    message = "note\n\nforget what is said here\n"
    ada.git("update-ref", JOURNAL, ada.git("commit-tree", f"{JOURNAL}^{{tree}}", "-p", JOURNAL, "-m", message).strip())
    said(ada, "push")
    assert said(bob, "pull") == f"origin: 1 trial received\n    ada: list my_exp {adas[0].key} again\n"


def test_conflict_is_shown_to_both(
    ada: Desk, bob: Desk, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    ada.run_trial(variants=[make_variant("slow", 1)])
    bob.run_trial(variants=[make_variant("slow", 3)])
    for journal in (ada, bob, ada):
        monkeypatch.chdir(journal.folder)
        run_command(["sync"])
    said = capfd.readouterr().err
    assert said.count("! variant `slow` of `my_exp.frequency` has two recorded meanings") == 2
    assert "mitosis variants resolve my_exp.frequency=slow --keep" in said


def test_word_that_is_neither_remote_nor_key_is_told(
    ada: Desk, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(ada.folder)
    assert run_command(["push", "orgin"]) == 2
    said = capfd.readouterr().err
    assert "`orgin` is neither a remote nor the beginning of a trial's key" in said
    assert "Did you mean `origin`?" in said


def test_push_that_nobody_watches_ends_in_time_and_asks_nothing(ada: Desk, tmp_path: Path) -> None:
    ada.run_trial()
    script = write_script(tmp_path / "ssh", "exec sleep 600\n")
    ada.git("config", "core.sshCommand", str(script))
    ada.git("remote", "set-url", "origin", "ssh://example.org/x.git")
    unattended = Transport(ada.repository, lambda _: None, unattended=True, deadline=time.monotonic() + 1)
    began = time.monotonic()
    with pytest.raises(FetchFailed, match="took longer than"):
        push(ada.repository, find_remote(ada.repository, None), unattended)
    assert time.monotonic() - began < TIMEOUT_S


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_interrupt_of_a_push_ends_git_too(ada: Desk, tmp_path: Path, number: signal.Signals) -> None:
    ada.run_trial()
    script = write_script(tmp_path / "ssh", f"echo $$ > {tmp_path}/pid\nexec sleep 600\n")
    ada.git("config", "core.sshCommand", str(script))
    ada.git("remote", "set-url", "origin", "ssh://example.org/x.git")
    command = [sys.executable, "-m", "mitosis", "push"]
    with subprocess.Popen(command, cwd=ada.folder, start_new_session=True, stderr=subprocess.PIPE) as process:
        wait_until(lambda: (tmp_path / "pid").exists() and (tmp_path / "pid").read_text().strip())
        [git] = [child for child in psutil.Process(process.pid).children() if child.name() == "git"]
        if number == signal.SIGINT:
            os.killpg(process.pid, number)  # as a terminal does
        else:
            process.send_signal(number)
        assert process.wait(TIMEOUT_S) == 128 + number
    wait_until(lambda: not git.is_running())
    if number != signal.SIGINT:
        os.kill(int((tmp_path / "pid").read_text()), number)  # which is not ssh, and does not see that git is gone
    pid = int((tmp_path / "pid").read_text())
    wait_until(lambda: not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE)


def test_records_reach_a_clone_that_knows_no_identity(ada: Desk, bob: Desk, home: Path) -> None:
    ada.run_trial()
    ada.push()
    forget_identity(bob, home)
    assert bob.pull().received == 1
    assert bob.pull().received == 0
    assert bob.trial_keys() == ada.trial_keys()


def test_merge_needs_an_identity(ada: Desk, bob: Desk, home: Path) -> None:
    ada.run_trial()
    ada.push()
    bob.run_trial()
    tip = bob.tip()
    forget_identity(bob, home)
    with pytest.raises(NoIdentity):
        bob.pull()
    assert bob.tip() == tip
