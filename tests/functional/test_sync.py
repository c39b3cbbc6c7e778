"""Pushing and pulling over remotes of every kind, with the git program."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from mitosis.__main__ import run_command
from mitosis.errors.journal import FetchFailed, NoRemote, PushFailed, UnknownRemote
from mitosis.errors.repository import NoIdentity
from mitosis.git.repository import find_repository
from mitosis.journal.journal import Journal
from mitosis.journal.notes import note_of
from mitosis.records.trial import TrialRecord
from mitosis.sync.exchange import Pulled, Pushed, pull, push
from mitosis.sync.remotes import find_remote
from mitosis.sync.transport import Transport
from mitosis.variants import Variant
from support.waiting import TIMEOUT_S, wait_until

RunTrial = Callable[..., TrialRecord]
MakeVariant = Callable[..., Variant]
Git = Callable[..., str]
Clone = Callable[..., Journal]

JOURNAL = "refs/mitosis/journal"


def transport(journal: Journal, said: list[bytes] | None = None) -> Transport:
    return Transport(journal.repository, (lambda _: None) if said is None else said.append)


def do_push(journal: Journal, word: str | None = None, *keys: str, with_commits: bool = True) -> Pushed:
    remote = find_remote(journal.repository, word)
    return push(journal.repository, remote, transport(journal), keys=keys, with_commits=with_commits)


def do_pull(journal: Journal, word: str | None = None) -> Pulled:
    return pull(journal.repository, find_remote(journal.repository, word), transport(journal))


def keys_of(journal: Journal) -> set[str]:
    return {record.key for record in journal.iter_trials()}


def refs_of(git: Git, folder: Path) -> dict[str, str]:
    lines = git("for-each-ref", "--format=%(refname) %(objectname)", cwd=folder).splitlines()
    return dict(line.split() for line in lines)


# --- what travels ---------------------------------------------------------------------------------


def test_trials_of_both_reach_both(ada: Journal, bob: Journal, hub: Path, run_trial: RunTrial, git: Git) -> None:
    one, two = run_trial(journal=ada), run_trial(journal=bob)
    assert do_push(ada).sent == 1
    pushed = do_push(bob)
    assert (pushed.pulled.received, pushed.sent) == (1, 1)
    pulled = do_pull(ada)
    assert (pulled.received, pulled.has_journal) == (1, True)
    assert keys_of(ada) == keys_of(bob) == {one.key, two.key}
    assert ada.tip() == bob.tip() == refs_of(git, hub)[JOURNAL]
    for folder in (ada.repository.root, bob.repository.root, hub):
        assert git("notes", "--ref=mitosis", "show", one.commit, cwd=folder) == note_of([one, two]).to_text()
        git("fsck", "--strict", cwd=folder)
    assert do_push(ada) == Pushed(Pulled("origin", True), 0, False)
    assert do_pull(bob) == Pulled("origin", True)


def test_only_the_refs_of_mitosis_are_pushed_whatever_the_user_has_set(
    ada: Journal, hub: Path, run_trial: RunTrial, git: Git
) -> None:
    root = ada.repository.root
    git("tag", "-a", "-m", "a tag", "v1", cwd=root)
    git("branch", "private", cwd=root)
    for name, value in [
        ("push.followTags", "true"),
        ("push.default", "matching"),
        ("remote.origin.mirror", "true"),
        ("remote.origin.push", "refs/heads/*:refs/heads/*"),
    ]:
        git("config", name, value, cwd=root)
    before = refs_of(git, hub)
    trial = run_trial(journal=ada)
    do_push(ada)
    new = refs_of(git, hub).keys() - before.keys()
    assert new == {JOURNAL, "refs/notes/mitosis", f"refs/mitosis/commits/{trial.commit}"}


def test_pinned_commits_travel_so_that_the_code_of_a_trial_is_there(
    ada: Journal, bob: Journal, hub: Path, run_trial: RunTrial, git: Git
) -> None:
    root = ada.repository.root
    git("commit", "--quiet", "--allow-empty", "-m", "Ada's, on no branch of the hub", cwd=root)
    trial = run_trial(journal=Journal(find_repository(root)))
    git("commit", "--quiet", "--amend", "--allow-empty", "-m", "amended", cwd=root)
    do_push(ada)
    do_pull(bob)
    assert git("log", "-1", "--format=%s", trial.commit, cwd=bob.repository.root) == "Ada's, on no branch of the hub\n"
    assert trial.commit in bob.pins()


def test_pinned_commits_can_be_left_out(ada: Journal, hub: Path, run_trial: RunTrial, git: Git) -> None:
    run_trial(journal=ada)
    do_push(ada, with_commits=False)
    assert not [name for name in refs_of(git, hub) if "commits" in name]
    assert JOURNAL in refs_of(git, hub)
    do_push(ada)
    assert [name for name in refs_of(git, hub) if "commits" in name]


def test_single_trials_can_be_pushed(
    ada: Journal, bob: Journal, run_trial: RunTrial, make_variant: MakeVariant, git: Git
) -> None:
    theirs = run_trial(journal=bob)
    do_push(bob)
    wanted, private = run_trial(journal=ada), run_trial(journal=ada)
    assert do_push(ada, None, wanted.key).sent == 1
    do_pull(bob)
    assert keys_of(bob) == {theirs.key, wanted.key}
    assert keys_of(ada) == {theirs.key, wanted.key, private.key}
    assert do_push(ada).sent == 1
    do_pull(bob)
    assert keys_of(bob) == keys_of(ada)


def test_remote_without_records_is_no_error(ada: Journal, hub: Path, git: Git) -> None:
    assert do_pull(ada) == Pulled("origin", False)
    assert do_push(ada) == Pushed(Pulled("origin", False))
    assert ada.tip() is None


def test_empty_remote_gets_its_first_records(ada: Journal, tmp_path: Path, run_trial: RunTrial, git: Git) -> None:
    git("init", "--quiet", "--bare", "new.git", cwd=tmp_path)
    trial = run_trial(journal=ada)
    do_push(ada, str(tmp_path / "new.git"))
    assert set(refs_of(git, tmp_path / "new.git")) == {
        JOURNAL,
        "refs/notes/mitosis",
        f"refs/mitosis/commits/{trial.commit}",
    }


def test_remote_can_be_a_normal_clone(ada: Journal, bob: Journal, run_trial: RunTrial, git: Git) -> None:
    one, two = run_trial(journal=ada), run_trial(journal=bob)
    status = git("status", "--porcelain", "--branch", cwd=bob.repository.root)
    do_push(ada, str(bob.repository.root))
    assert keys_of(bob) == {one.key, two.key}
    assert git("status", "--porcelain", "--branch", cwd=bob.repository.root) == status
    assert run_trial(journal=bob).iteration == 2
    assert do_pull(ada, str(bob.repository.root)).received == 1


def test_path_url_is_the_same_as_a_path(ada: Journal, hub: Path, run_trial: RunTrial) -> None:
    run_trial(journal=ada)
    assert do_push(ada, f"file://{hub}").sent == 1
    assert do_push(ada).sent == 0


def test_forced_pushes_are_never_needed(ada: Journal, bob: Journal, hub: Path, run_trial: RunTrial, git: Git) -> None:
    git("config", "receive.denyNonFastForwards", "true", cwd=hub)
    git("config", "receive.denyDeletes", "true", cwd=hub)
    for journal in (ada, bob, ada, bob):
        run_trial(journal=journal)
        do_push(journal)
    ada.forget(next(iter(keys_of(ada))), ada.repository.identity())
    do_push(ada)
    do_pull(bob)
    assert keys_of(ada) == keys_of(bob)
    assert ada.tip() == bob.tip()


def test_pruning_that_the_user_has_set_deletes_no_pin(ada: Journal, run_trial: RunTrial, git: Git) -> None:
    git("config", "fetch.prune", "true", cwd=ada.repository.root)
    git("config", "remote.origin.prune", "true", cwd=ada.repository.root)
    trial = run_trial(journal=ada)
    do_pull(ada)
    assert trial.commit in ada.pins()


def test_users_own_refs_do_not_move(ada: Journal, bob: Journal, run_trial: RunTrial, git: Git) -> None:
    git("commit", "--quiet", "--allow-empty", "-m", "new", cwd=ada.repository.root)
    git("tag", "v2", cwd=ada.repository.root)
    git("push", "--quiet", "origin", "HEAD", "v2", cwd=ada.repository.root)
    run_trial(journal=ada)
    do_push(ada)
    run_trial(journal=bob)
    before = {name: oid for name, oid in refs_of(git, bob.repository.root).items() if "mitosis" not in name}
    do_push(bob)
    after = {name: oid for name, oid in refs_of(git, bob.repository.root).items() if "mitosis" not in name}
    assert after == before
    assert not (bob.repository.git_dir / "FETCH_HEAD").exists()


# --- races and refusals ---------------------------------------------------------------------------


def test_push_between_fetch_and_push_is_taken_in(
    ada: Journal, bob: Journal, hub: Path, run_trial: RunTrial, git: Git
) -> None:
    mine, others = run_trial(journal=ada), run_trial(journal=bob)
    hook = ada.repository.common_dir / "hooks" / "pre-push"
    hook.parent.mkdir(exist_ok=True)
    # The first time, Bob pushes while Ada's push has begun.
    hook.write_text(
        "#!/bin/sh\n"
        f'[ -e "{hub}/raced" ] && exit 0\n'
        f'touch "{hub}/raced"\n'
        "unset $(git rev-parse --local-env-vars)\n"
        f'cd "{bob.repository.root}" && git push --quiet origin {JOURNAL}\n'
    )
    hook.chmod(0o755)
    said: list[bytes] = []
    remote = find_remote(ada.repository, None)
    pushed = push(ada.repository, remote, transport(ada, said))
    assert (hub / "raced").exists()
    assert (pushed.pulled.received, pushed.sent) == (1, 1)
    assert b"".join(said) == b""
    assert keys_of(ada) == {mine.key, others.key}
    assert refs_of(git, hub)[JOURNAL] == ada.tip()


@pytest.mark.parametrize("hook", ["pre-receive", "update"])
def test_remote_that_declines_is_told_in_its_own_words(
    ada: Journal, hub: Path, run_trial: RunTrial, git: Git, hook: str
) -> None:
    path = hub / "hooks" / hook
    path.parent.mkdir(exist_ok=True)
    path.write_text("#!/bin/sh\necho 'this repository is read-only, ask Grace' >&2\nexit 1\n")
    path.chmod(0o755)
    run_trial(journal=ada)
    tip = ada.tip()
    said: list[bytes] = []
    with pytest.raises(PushFailed, match="hook declined"):
        push(ada.repository, find_remote(ada.repository, None), transport(ada, said))
    assert b"this repository is read-only, ask Grace" in b"".join(said)
    assert ada.tip() == tip
    assert not [name for name in refs_of(git, hub) if "mitosis" in name]


def test_own_pre_push_hook_can_refuse(ada: Journal, run_trial: RunTrial) -> None:
    hook = ada.repository.common_dir / "hooks" / "pre-push"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text("#!/bin/sh\necho 'not on Sundays' >&2\nexit 1\n")
    hook.chmod(0o755)
    run_trial(journal=ada)
    said: list[bytes] = []
    with pytest.raises(PushFailed):
        push(ada.repository, find_remote(ada.repository, None), transport(ada, said))
    assert b"not on Sundays" in b"".join(said)


@pytest.mark.parametrize("url", ["https://127.0.0.1:1/x.git", "ssh://127.0.0.1:1/x.git", "/nowhere/x.git"])
def test_remote_that_cannot_be_reached_is_told_and_nothing_is_lost(
    ada: Journal, run_trial: RunTrial, git: Git, url: str
) -> None:
    trial = run_trial(journal=ada)
    git("remote", "set-url", "origin", url, cwd=ada.repository.root)
    said: list[bytes] = []
    for operation in (push, pull):
        with pytest.raises(FetchFailed, match="safe"):
            operation(ada.repository, find_remote(ada.repository, None), transport(ada, said))
    assert said
    assert keys_of(ada) == {trial.key}


def test_notes_that_the_remote_does_not_take_do_not_keep_the_journal_back(
    ada: Journal, hub: Path, run_trial: RunTrial, git: Git
) -> None:
    run_trial(journal=ada)
    git("update-ref", "refs/notes/mitosis/in-the-way", "HEAD", cwd=hub)
    pushed = do_push(ada)
    assert "the notes were not pushed" in pushed.warnings[0]
    assert refs_of(git, hub)[JOURNAL] == ada.tip()


def test_remote_that_cannot_push_atomically_gets_the_pins_first(
    ada: Journal, hub: Path, run_trial: RunTrial, git: Git
) -> None:
    git("config", "receive.advertiseAtomic", "false", cwd=hub)
    run_trial(journal=ada)
    assert do_push(ada).sent == 1
    assert refs_of(git, hub)[JOURNAL] == ada.tip()


# --- which remote ---------------------------------------------------------------------------------


def test_default_remote_is_that_of_git_push(ada: Journal, git: Git) -> None:
    root = ada.repository.root

    def chosen() -> str:
        return find_remote(find_repository(root), None).name

    assert chosen() == "origin"
    git("remote", "add", "second", "../second.git", cwd=root)
    git("remote", "add", "third", "../third.git", cwd=root)
    assert chosen() == "origin"
    git("config", "branch.main.remote", "third", cwd=root)
    assert chosen() == "third"
    git("config", "remote.pushDefault", "second", cwd=root)
    assert chosen() == "second"
    git("config", "branch.main.pushRemote", "third", cwd=root)
    assert chosen() == "third"
    assert find_remote(ada.repository, None, "origin").name == "origin"
    assert find_remote(ada.repository, "second", "origin").name == "second"
    git("checkout", "--quiet", "--detach", cwd=root)
    assert chosen() == "second"


def test_only_remote_is_taken_whatever_its_name(ada: Journal, git: Git) -> None:
    git("config", "--unset", "branch.main.remote", cwd=ada.repository.root)
    git("remote", "rename", "origin", "team/lab", cwd=ada.repository.root)
    assert find_remote(ada.repository, None).name == "team/lab"
    do_pull(ada)


def test_without_a_remote_it_is_said_how_to_add_one(repository_folder: Path) -> None:
    with pytest.raises(NoRemote, match="git remote add origin URL"):
        find_remote(find_repository(repository_folder), None)


@pytest.mark.parametrize("word", ["orgin", "--all", "-x/y"])
def test_word_that_names_no_remote_is_refused(ada: Journal, word: str) -> None:
    with pytest.raises(UnknownRemote, match="origin"):
        find_remote(ada.repository, word)


def test_place_that_is_pushed_to_is_the_one_that_is_merged(
    ada: Journal, bob: Journal, tmp_path: Path, run_trial: RunTrial, git: Git
) -> None:
    git("init", "--quiet", "--bare", "inbox.git", cwd=tmp_path)
    theirs = run_trial(journal=bob)
    do_push(bob, str(tmp_path / "inbox.git"))
    git("remote", "set-url", "--push", "origin", str(tmp_path / "inbox.git"), cwd=ada.repository.root)
    run_trial(journal=ada)
    assert do_push(ada).pulled.received == 1
    assert theirs.key in keys_of(ada)


def test_url_is_rewritten_as_the_user_has_set(ada: Journal, hub: Path, run_trial: RunTrial, git: Git) -> None:
    git("config", f"url.{hub.parent}/.insteadOf", "lab:", cwd=ada.repository.root)
    run_trial(journal=ada)
    assert do_push(ada, "lab:hub.git").sent == 1


# --- clones of every kind -------------------------------------------------------------------------


def test_shallow_clone_exchanges_records_and_stays_shallow(
    ada: Journal, hub: Path, clone: Clone, run_trial: RunTrial, git: Git
) -> None:
    root = ada.repository.root
    for number in range(3):
        git("commit", "--quiet", "--allow-empty", "-m", f"{number}", cwd=root)
    git("push", "--quiet", "origin", "HEAD~2:refs/heads/old", "HEAD:main", cwd=root)
    old = run_trial(journal=ada, commit=git("rev-parse", "HEAD~2", cwd=root).strip())
    do_push(ada)
    shallow = clone("shallow", "--depth=1", source=f"file://{hub}")
    assert do_pull(shallow).received == 1
    mine = run_trial(journal=shallow)
    assert do_push(shallow).sent == 1
    assert git("rev-list", "--count", "HEAD", cwd=shallow.repository.root) == "1\n"
    assert keys_of(shallow) == {old.key, mine.key}
    do_pull(ada)
    assert keys_of(ada) == keys_of(shallow)
    git("fsck", "--strict", cwd=hub)


@pytest.mark.parametrize("is_fetched_plainly", [False, True])
def test_partial_clone_gets_all_records(
    ada: Journal, hub: Path, clone: Clone, run_trial: RunTrial, git: Git, is_fetched_plainly: bool
) -> None:
    git("config", "uploadpack.allowFilter", "true", cwd=hub)
    git("config", "uploadpack.allowAnySHA1InWant", "true", cwd=hub)
    trials = {run_trial(journal=ada).key for _ in range(3)}
    do_push(ada)
    partial = clone("partial", "--filter=blob:none", source=f"file://{hub}")
    root = partial.repository.root
    if is_fetched_plainly:
        spec = f"+{JOURNAL}*:refs/mitosis/remotes/origin/journal*"
        git("fetch", "--quiet", "origin", spec, cwd=root)
    do_pull(partial)
    git("remote", "set-url", "origin", "/nowhere", cwd=root)
    assert keys_of(Journal(find_repository(root))) == trials


def test_worktrees_share_one_journal_and_submodules_have_their_own(
    ada: Journal, bob: Journal, hub: Path, tmp_path: Path, run_trial: RunTrial, git: Git
) -> None:
    root = ada.repository.root
    git("worktree", "add", "--quiet", "../tree", "-b", "side", cwd=root)
    tree = Journal(find_repository(tmp_path / "tree"))
    trial = run_trial(journal=tree)
    assert do_push(tree, "origin").sent == 1
    do_pull(bob)
    assert keys_of(bob) == keys_of(ada) == {trial.key}
    git("submodule", "--quiet", "add", str(hub), "inner", cwd=root)
    inner = Journal(find_repository(root / "inner"))
    assert inner.tip() is None
    assert do_pull(inner).received == 1
    run_trial(journal=inner)
    assert len(keys_of(ada)) == 1
    assert do_push(inner).sent == 1
    assert do_pull(ada).received == 1


def test_records_of_which_a_plain_fetch_brought_commits_alone_are_told_of(
    ada: Journal, hub: Path, clone: Clone, run_trial: RunTrial, git: Git
) -> None:
    git("config", "uploadpack.allowFilter", "true", cwd=hub)
    git("config", "uploadpack.allowAnySHA1InWant", "true", cwd=hub)
    trial = run_trial(journal=ada)
    do_push(ada)
    partial = clone("partial", "--filter=tree:0", source=f"file://{hub}")
    git("fetch", "--quiet", "origin", f"+{JOURNAL}*:refs/mitosis/remotes/origin/journal*", cwd=partial.repository.root)
    assert [(found.remote, found.trials) for found in partial.unmerged()] == [("origin", 0)]
    do_pull(partial)
    assert keys_of(partial) == {trial.key}
    assert partial.unmerged() == ()


# --- plain fetches --------------------------------------------------------------------------------


def test_plain_fetch_brings_records_after_setup(
    ada: Journal,
    bob: Journal,
    run_trial: RunTrial,
    git: Git,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(bob.repository.root)
    git("config", "fetch.prune", "true", cwd=bob.repository.root)
    assert run_command(["setup"]) == 0
    assert capfd.readouterr().out.count("wrote: remote.origin.fetch") == 3
    git("fetch", "--quiet", cwd=bob.repository.root)
    trial = run_trial(journal=ada)
    do_push(ada)
    git("fetch", "--quiet", cwd=bob.repository.root)
    for words in (["list"], ["variants"]):
        assert run_command(words) == 0
        assert "! origin has 1 trial that is not merged yet: mitosis pull origin --no-fetch\n" in capfd.readouterr().err
    git("remote", "set-url", "origin", "/nowhere", cwd=bob.repository.root)
    assert run_command(["pull", "--no-fetch"]) == 0
    assert capfd.readouterr().out == "origin: 1 trial received\n"
    assert keys_of(bob) == {trial.key}
    assert trial.commit in bob.pins()
    run_command(["list"])
    assert capfd.readouterr().err == ""
    run_command(["setup"])
    assert "wrote" not in capfd.readouterr().out


def test_setup_of_one_remote_leaves_the_others(
    ada: Journal, git: Git, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    root = ada.repository.root
    monkeypatch.chdir(root)
    git("remote", "add", "second", "../second.git", cwd=root)
    assert run_command(["setup", "second"]) == 0
    assert len(git("config", "--get-all", "remote.second.fetch", cwd=root).splitlines()) == 4
    assert len(git("config", "--get-all", "remote.origin.fetch", cwd=root).splitlines()) == 1
    assert run_command(["setup", "third"]) == 2
    assert "second" in capfd.readouterr().err


def test_setup_makes_the_short_name_work_in_a_clone_that_fetched_by_hand(
    ada: Journal, bob: Journal, run_trial: RunTrial, git: Git, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_trial(journal=ada)
    do_push(ada)
    git("fetch", "--quiet", "origin", "refs/mitosis/*:refs/mitosis/*", cwd=bob.repository.root)
    monkeypatch.chdir(bob.repository.root)
    run_command(["setup"])
    assert git("rev-parse", "refs/mitosis", cwd=bob.repository.root).strip() == ada.tip()


# --- what is printed ------------------------------------------------------------------------------


def test_commands_say_what_went_where(
    ada: Journal,
    bob: Journal,
    run_trial: RunTrial,
    make_variant: MakeVariant,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    def said(journal: Journal, *words: str) -> str:
        monkeypatch.chdir(journal.repository.root)
        assert run_command(list(words)) == 0
        return capfd.readouterr().out

    assert said(ada, "pull") == "origin: no records\n"
    assert said(ada, "push") == "origin: nothing new\n"
    adas = [run_trial(journal=ada, variants=[make_variant("slow", 1)]) for _ in range(2)]
    assert said(ada, "push") == "origin: 2 trials sent\n"
    assert said(ada, "push") == "origin: nothing new\n"
    run_trial(journal=bob)
    assert said(bob, "sync") == "origin: 2 trials received, 1 sent\n"
    assert said(ada, "pull", "origin") == "origin: 1 trial received\n"
    run_trial(journal=ada, key="abcdef012345")
    assert said(ada, "push", "abcdef") == "origin: 1 trial sent\n"
    ada.forget(adas[0].key, ada.repository.identity())
    assert said(ada, "sync") == "origin: records sent\n"
    assert said(bob, "pull") == "origin: 1 trial received, 1 trial forgotten elsewhere\n"


def test_conflict_is_shown_to_both(
    ada: Journal,
    bob: Journal,
    run_trial: RunTrial,
    make_variant: MakeVariant,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    run_trial(journal=ada, variants=[make_variant("slow", 1)])
    run_trial(journal=bob, variants=[make_variant("slow", 3)])
    for journal in (ada, bob, ada):
        monkeypatch.chdir(journal.repository.root)
        run_command(["sync"])
    said = capfd.readouterr().err
    assert said.count("! variant `slow` of `my_exp.frequency` has two recorded meanings") == 2
    assert "mitosis variants resolve my_exp.frequency=slow --keep" in said


def test_word_that_is_neither_remote_nor_key_is_told(
    ada: Journal, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(ada.repository.root)
    assert run_command(["push", "orgin"]) == 2
    said = capfd.readouterr().err
    assert "`orgin` is neither a remote nor the beginning of a trial's key" in said
    assert "Did you mean `origin`?" in said


def test_push_that_nobody_watches_ends_in_time_and_asks_nothing(
    ada: Journal, run_trial: RunTrial, git: Git, tmp_path: Path
) -> None:
    run_trial(journal=ada)
    script = tmp_path / "ssh"
    script.write_text("#!/bin/sh\nexec sleep 600\n")
    script.chmod(0o755)
    git("config", "core.sshCommand", str(script), cwd=ada.repository.root)
    git("remote", "set-url", "origin", "ssh://example.org/x.git", cwd=ada.repository.root)
    unattended = Transport(ada.repository, lambda _: None, unattended=True, deadline=time.monotonic() + 1)
    began = time.monotonic()
    with pytest.raises(FetchFailed, match="took longer than"):
        push(ada.repository, find_remote(ada.repository, None), unattended)
    assert time.monotonic() - began < TIMEOUT_S


def test_interrupt_of_a_push_ends_git_too(ada: Journal, run_trial: RunTrial, git: Git, tmp_path: Path) -> None:
    run_trial(journal=ada)
    script = tmp_path / "ssh"
    script.write_text(f"#!/bin/sh\necho $$ > {tmp_path}/pid\nexec sleep 600\n")
    script.chmod(0o755)
    git("config", "core.sshCommand", str(script), cwd=ada.repository.root)
    git("remote", "set-url", "origin", "ssh://example.org/x.git", cwd=ada.repository.root)
    command = [sys.executable, "-m", "mitosis", "push"]
    with subprocess.Popen(command, cwd=ada.repository.root, start_new_session=True, stderr=subprocess.PIPE) as process:
        wait_until(lambda: (tmp_path / "pid").exists() and (tmp_path / "pid").read_text().strip())
        os.killpg(process.pid, 2)
        assert process.wait(TIMEOUT_S) == 130
    pid = int((tmp_path / "pid").read_text())
    wait_until(lambda: not is_running(pid))


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def test_records_reach_a_clone_that_knows_no_identity(
    ada: Journal, bob: Journal, run_trial: RunTrial, git: Git, home: Path
) -> None:
    run_trial(journal=ada)
    do_push(ada)
    git("config", "--unset", "user.name", cwd=bob.repository.root)
    with (home / ".gitconfig").open("a") as file:
        file.write("[user]\n    useConfigOnly = true\n    name =\n    email =\n")
    assert do_pull(bob).received == 1
    assert do_pull(bob).received == 0
    assert keys_of(bob) == keys_of(ada)


def test_merge_needs_an_identity(ada: Journal, bob: Journal, run_trial: RunTrial, git: Git, home: Path) -> None:
    run_trial(journal=ada)
    do_push(ada)
    run_trial(journal=bob)
    tip = bob.tip()
    git("config", "--unset", "user.name", cwd=bob.repository.root)
    with (home / ".gitconfig").open("a") as file:
        file.write("[user]\n    useConfigOnly = true\n    name =\n    email =\n")
    with pytest.raises(NoIdentity):
        do_pull(bob)
    assert bob.tip() == tip
