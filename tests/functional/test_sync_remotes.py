"""Remotes that refuse a part, that change, that are several, or that are reached in other ways."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mitosis.__main__ import run_command
from mitosis.errors.journal import FetchFailed, JournalGone, NotFetchedWhole, PushFailed, UnknownRemote
from mitosis.records.codec import encode_trial
from mitosis.sync import exchange
from mitosis.sync.exchange import Pulled, Pushed, pull
from mitosis.sync.remotes import find_remote
from mitosis.sync.transport import Transport
from mitosis.verify import verify
from support.http import serve
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
    write_hook,
    write_script,
)


@pytest.fixture
def bare(tmp_path: Path, git: Git) -> Callable[[str], Path]:
    """Make an empty bare repository."""

    def make(name: str) -> Path:
        git("init", "--quiet", "--bare", name, cwd=tmp_path)
        return tmp_path / name

    return make


def decline(hub: Path, pattern: str) -> None:
    """Have the hub refuse the refs whose names match a pattern of the shell."""
    write_hook(hub, "update", f'case "$1" in {pattern}) echo "ask Grace about $1" >&2; exit 1;; esac\n')


def test_pull_says_what_it_has_kept_and_what_is_in_dispute(
    ada: Desk, bob: Desk, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    gone, altered = ada.run_trial(), ada.run_trial()
    ada.push()
    bob.pull()
    copy = record_path(altered).replace("my_exp", "aaa")
    forged = altered.with_changes(experiment="aaa", main=999)
    bob.rewrite({record_path(gone): None, copy: encode_trial(forged)})
    bob.git("push", "--quiet", "origin", JOURNAL)
    monkeypatch.chdir(ada.folder)
    assert run_command(["pull"]) != 0
    assert f"trial {gone.key} of my_exp" in capfd.readouterr().err
    assert run_command(["pull", "--keep"]) == 0
    said = capfd.readouterr()
    assert said.out.startswith("origin: records received\n")
    for line in (
        f"kept, though origin has taken it away or changed it without a reason: trial {gone.key} of my_exp",
        f"trial {altered.key} has several records, one of them by bob: mitosis settle {altered.key}",
    ):
        assert line in " ".join(said.err.split())
    assert run_command(["settle", altered.key]) == 0
    assert "recorded by bob" in capfd.readouterr().out
    assert ada.again().listed() == ([altered, gone] if altered.key > gone.key else [gone, altered], [])


def test_what_was_fetched_while_pushing_stays_fetched(ada: Desk, bob: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    ada.run_trial()
    push = Transport.push

    def push_and_lag(transport: Transport, *words: Any) -> Any:
        done = push(transport, *words)
        monkeypatch.undo()
        bob.run_trial()
        bob.push()
        ada.transport(None).fetch(find_remote(ada.repository, None), "origin")
        return done

    monkeypatch.setattr(Transport, "push", push_and_lag)
    ada.push()
    assert [found.trials for found in ada.again().unmerged()] == [1]


# --- what is refused ------------------------------------------------------------------------------


def test_notes_that_a_rule_of_the_remote_declines_do_not_keep_the_journal_back(ada: Desk, hub: Path) -> None:
    ada.run_trial()
    decline(hub, "refs/notes/*")
    said: list[bytes] = []
    pushed = ada.push(said=said)
    assert pushed.sent == 1
    assert pushed.warnings == (f"the notes were not pushed: {NOTES} [remote rejected] (hook declined)",)
    assert f"remote: ask Grace about {NOTES}".encode() in b"".join(said)
    assert b"failed to push" not in b"".join(said)
    assert refs_of(hub)[JOURNAL] == ada.tip()
    assert NOTES not in refs_of(hub)


def test_remote_that_declines_commits_is_told_with_the_way_around(ada: Desk, hub: Path) -> None:
    ada.run_trial()
    decline(hub, f"{PINS}/*")
    with pytest.raises(PushFailed, match=r"hook declined(.|\n)*mitosis push --no-commits"):
        ada.push()
    assert JOURNAL not in refs_of(hub)
    assert ada.push(with_commits=False).sent == 1


def test_other_refusals_do_not_speak_of_commits(ada: Desk, hub: Path, git: Git) -> None:
    ada.run_trial()
    git("config", "transfer.hideRefs", "refs/mitosis", cwd=hub)
    with pytest.raises(PushFailed, match="deny updating a hidden ref") as raised:
        ada.push()
    assert "--no-commits" not in str(raised.value)


def test_lock_that_stays_at_the_remote_is_no_race_and_is_told_once(
    ada: Desk, hub: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exchange, "_LONGEST_PAUSE_S", 0.01)
    ada.run_trial()
    (hub / "refs" / "mitosis").mkdir()
    lock = hub / "refs" / "mitosis" / "journal.lock"
    lock.touch()
    said: list[bytes] = []
    with pytest.raises(PushFailed, match=r"remote rejected\] \(.+\)\nEverything that is recorded here is safe"):
        ada.push(said=said)
    assert b"".join(said).count(b"journal.lock': File exists") == 1
    lock.unlink()
    assert ada.push().sent == 1


def test_what_a_hook_of_this_clone_prints_is_shown(ada: Desk) -> None:
    ada.run_trial()
    write_hook(ada.folder / ".git", "pre-push", "echo checking\nprintf '3 errors'\nexit 1\n")
    said: list[bytes] = []
    with pytest.raises(PushFailed):
        ada.push(said=said)
    assert b"".join(said).startswith(b"checking\n")
    assert b"3 errors\n" in b"".join(said)


# --- what the remote has --------------------------------------------------------------------------


def test_what_a_remote_has_no_more_is_not_taken_for_its_own(ada: Desk, bare: Callable[[str], Path], git: Git) -> None:
    wanted, private = ada.run_trial(), ada.run_trial()
    ada.push()
    ada.git("remote", "set-url", "origin", str(bare("new.git")))
    assert ada.pull() == Pulled("origin", False)
    assert ada.push(wanted.key).sent == 1
    new = Path(ada.git("remote", "get-url", "origin").strip())
    listed = git("ls-tree", "-r", "--name-only", JOURNAL, cwd=new)
    assert wanted.key in listed
    assert private.key not in listed
    assert ada.push().sent == 1
    assert wanted.commit in ada.pins()


def test_trial_that_the_remote_has_is_not_pushed_again(ada: Desk, hub: Path) -> None:
    trial = ada.run_trial()
    ada.push()
    tip = refs_of(hub)[JOURNAL]
    assert ada.push(trial.key) == Pushed(Pulled("origin", True))
    assert refs_of(hub)[JOURNAL] == tip


def test_refs_that_are_only_called_alike_are_left_alone(ada: Desk, bob: Desk, hub: Path, git: Git) -> None:
    trial = ada.run_trial()
    ada.push()
    git("update-ref", f"{JOURNAL}-old", "HEAD", cwd=hub)
    git("update-ref", f"{NOTES}-of-others", "HEAD", cwd=hub)
    assert bob.pull().received == 1
    assert bob.trial_keys() == {trial.key}
    bob.run_trial()
    bob.push()
    assert refs_of(hub)[f"{JOURNAL}-old"] == git("rev-parse", "HEAD", cwd=hub).strip()


def test_pin_that_does_not_hold_what_it_is_called_by_changes_none_here(
    ada: Desk, bob: Desk, hub: Path, git: Git
) -> None:
    trial = ada.run_trial()
    ada.push()
    other = git("commit-tree", "HEAD^{tree}", "-p", "HEAD", "-m", "newer", cwd=hub).strip()
    git("update-ref", f"{PINS}/{trial.commit}", other, cwd=hub)
    assert ada.pull().has_journal
    assert bob.pull().received == 1
    assert ada.refs()[f"{PINS}/{trial.commit}"] == trial.commit
    assert bob.pins() == {}


@pytest.mark.parametrize("is_atomic", [True, False])
@pytest.mark.parametrize("with_key", [True, False])
def test_pin_of_a_remote_that_points_elsewhere_is_named_and_the_command_sets_it_right(
    ada: Desk,
    clone: Clone,
    hub: Path,
    git: Git,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    is_atomic: bool,
    with_key: bool,
) -> None:
    git("config", "receive.advertiseAtomic", str(is_atomic).lower(), cwd=hub)
    ada.git("commit", "--quiet", "--allow-empty", "-m", "on no branch of the hub")
    trial = ada.again().run_trial()
    ada.push()
    other = git("commit-tree", "HEAD^{tree}", "-m", "unrelated", cwd=hub).strip()
    pin = f"{PINS}/{trial.commit}"
    git("update-ref", pin, other, cwd=hub)
    later = ada.again().run_trial(commit=trial.commit)
    monkeypatch.chdir(ada.folder)
    for sent in ("1 trial sent", "nothing new"):
        assert run_command(["push", "origin", *([later.key] if with_key else [])]) == 1
        out, err = capfd.readouterr()
        assert out == f"origin: {sent}\n"
        assert f"! origin's {pin} points to something else; the experiment's commit was not pushed\n" in err
        assert "notes" not in err
    command = f"git push --force origin {pin}:{pin}"
    assert err.splitlines()[-1] == f"    {command}"
    assert run_command(["verify", "--against", "origin"]) == 1
    said = capfd.readouterr().out.splitlines()
    assert said[said.index(f"✗ remote: origin: its {pin} points to {other}") + 1] == f"    {command}"

    bob = clone("bob")
    bob.pull()
    (finding,) = [finding for finding in verify(bob.repository).problems if finding.kind == "commit"]
    assert f"`{command}`" in finding.hint
    ada.git(*command.split()[1:])
    monkeypatch.chdir(bob.folder)
    assert run_command(finding.remedy.split()[1:]) == 0
    assert not [finding for finding in verify(bob.repository).problems if finding.kind in ("commit", "pin")]
    assert ada.push().misleading_pins == ()


def test_objects_are_checked_where_git_is_told_to(ada: Desk, bob: Desk, hub: Path, git: Git) -> None:
    for folder in (ada.folder, bob.folder, hub):
        git("config", "transfer.fsckObjects", "true", cwd=folder)
    one, two = ada.run_trial(), bob.run_trial()
    ada.push()
    bob.push()
    ada.pull()
    assert ada.trial_keys() == bob.trial_keys() == {one.key, two.key}


# --- which places ---------------------------------------------------------------------------------


def test_all_push_urls_of_a_remote_get_the_records(ada: Desk, hub: Path, bare: Callable[[str], Path]) -> None:
    mirror = bare("mirror.git")
    for place in (hub, mirror):
        ada.git("remote", "set-url", "--push", "--add", "origin", str(place))
    for _ in range(2):
        ada.run_trial()
        assert ada.push().sent == 1
        assert refs_of(hub)[JOURNAL] == refs_of(mirror)[JOURNAL] == ada.tip()


def test_push_url_that_a_rule_makes_is_merged_and_pushed_to(ada: Desk, bob: Desk, bare: Callable[[str], Path]) -> None:
    inbox = bare("inbox.git")
    theirs = bob.run_trial()
    bob.push(word=str(inbox))
    ada.git("remote", "set-url", "origin", f"file://{inbox.parent}/hub.git")
    ada.git("config", f"url.{inbox}.pushInsteadOf", f"file://{inbox.parent}/hub.git")
    mine = ada.run_trial()
    assert ada.push().pulled.received == 1
    assert ada.trial_keys() == {mine.key, theirs.key}
    assert refs_of(inbox)[JOURNAL] == ada.tip()


def test_records_travel_over_ssh(ada: Desk, hub: Path, tmp_path: Path) -> None:
    # What the real one does with its last word, on another machine.
    script = write_script(tmp_path / "ssh", 'for last; do :; done\nexec sh -c "$last"\n')
    ada.git("config", "core.sshCommand", str(script))
    ada.git("config", "ssh.variant", "simple")
    ada.git("remote", "set-url", "origin", f"lab.example.org:{hub}")
    ada.run_trial()
    assert ada.push().sent == 1
    assert refs_of(hub)[JOURNAL] == ada.tip()


def test_configuration_that_cannot_be_read_does_not_matter_where_the_remote_is_given(
    ada: Desk, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(ada.folder)
    (ada.folder / "pyproject.toml").write_text("[tool.mitosis")
    for words in (["pull"], ["push"], ["sync"]):
        assert run_command(words) == 2
        assert "not valid TOML" in capfd.readouterr().err
        assert run_command([*words, "origin"]) == 0


def test_relative_path_is_that_of_the_folder_where_it_was_typed(
    ada: Desk, bob: Desk, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    trial = bob.run_trial()
    (ada.folder / "a" / "b").mkdir(parents=True)
    monkeypatch.chdir(ada.folder / "a" / "b")
    assert run_command(["pull", "../../../bob"]) == 0
    assert capfd.readouterr().out == "../../../bob: 1 trial received\n"
    assert ada.trial_keys() == {trial.key}


@pytest.mark.parametrize("word", ["./evil.git", "ssh://lab.example.org/x", "orign"])
def test_configuration_names_a_remote_and_no_place(ada: Desk, word: str) -> None:
    (ada.folder / "evil.git").mkdir()
    with pytest.raises(UnknownRemote, match=r"which \[tool.mitosis\] names as `remote`, is not a remote") as caught:
        find_remote(ada.repository, None, word)
    assert "git remote add NAME URL" in str(caught.value)
    assert find_remote(ada.repository, None, "origin").place == "origin"


def test_remote_with_a_slash_in_its_name_is_like_any_other(
    ada: Desk, bob: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = bob.folder
    bob.git("remote", "rename", "origin", "team/lab")
    trial = ada.run_trial()
    ada.push()
    monkeypatch.chdir(root)
    run_command(["setup"])
    bob.git("fetch", "--quiet", "team/lab")
    assert [(found.remote, found.trials) for found in bob.unmerged()] == [("team/lab", 1)]
    assert run_command(["pull", "--no-fetch"]) == 0
    assert bob.trial_keys() == {trial.key}
    bob.run_trial()
    assert bob.push(word="team/lab").sent == 1


# --- clones that are not whole --------------------------------------------------------------------


def test_shallow_clone_pushes_records_to_where_its_history_is_unknown(
    ada: Desk, clone: Clone, bare: Callable[[str], Path], git: Git
) -> None:
    for _ in range(2):
        ada.git("commit", "--quiet", "--allow-empty", "-m", "next")
    ada.git("push", "--quiet", "origin", "main")
    shallow = clone("shallow", "--depth=1")
    shallow.run_trial()
    new = bare("new.git")
    pushed = shallow.push(word=str(new))
    assert pushed.sent == 1
    assert pushed.warnings == (
        f"commits of experiments were not pushed: this clone is shallow, and {new} lacks their history",
    )
    assert set(refs_of(new)) == {JOURNAL, NOTES}
    git("fsck", "--strict", cwd=new)


def test_names_of_records_alone_are_not_merged(
    ada: Desk, hub: Path, clone: Clone, git: Git, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    git("config", "uploadpack.allowFilter", "true", cwd=hub)
    trial = ada.run_trial()
    ada.push()
    partial = clone("partial", "--filter=blob:none")
    monkeypatch.chdir(partial.folder)
    run_command(["setup"])
    partial.git("fetch", "--quiet")
    run_command(["list"])
    assert capfd.readouterr().err.endswith("not merged yet; to merge it, or to see why not: mitosis pull origin\n")
    with pytest.raises(NotFetchedWhole, match="mitosis pull origin"):
        pull(partial.repository, find_remote(partial.repository, None), None)
    assert str(NotFetchedWhole("../my lab")).endswith("mitosis pull '../my lab'")
    assert partial.tip() is None
    partial.pull()
    assert partial.trial_keys() == {trial.key}


# --- journals that cannot be read -----------------------------------------------------------------


@pytest.mark.parametrize("content", ["", "garbage\n", f"{'d' * 40}\n", "a blob"])
def test_remedy_of_a_journal_that_cannot_be_read_is_named_and_nothing_is_fetched(
    ada: Desk, bob: Desk, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], content: str
) -> None:
    ada.run_trial()
    ada.push()
    bob.run_trial()
    root = bob.folder
    monkeypatch.chdir(root)
    text = bob.git("rev-parse", "HEAD:experiment.py") if content == "a blob" else content
    (root / ".git" / JOURNAL).write_text(text)
    for words in (["pull"], ["push"], ["sync"], ["list"], ["variants"], ["show", "a"]):
        assert run_command(words) == 2
        out, err = capfd.readouterr()
        first, second = err.splitlines()
        assert out == ""
        assert first.startswith(("mitosis: the ref refs/mitosis/journal", "mitosis: refs/mitosis/journal points to"))
        assert second == "`mitosis verify` shows the command that repairs it."
    assert (root / ".git" / JOURNAL).read_text() == text
    assert bob.git("for-each-ref", "refs/mitosis/remotes") == ""


# --- compared with what is here -------------------------------------------------------------------


def test_what_one_side_lacks_is_counted(
    ada: Desk, bob: Desk, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(bob.folder)
    for _ in range(2):
        ada.run_trial()
    ada.push()
    bob.run_trial()
    run_command(["verify", "--against", "origin"])
    lines = capfd.readouterr().out.splitlines()
    assert "· remote: origin: 1 trial is not there yet" in lines
    assert "· remote: origin: 2 trials of it are not here yet" in lines
    assert bob.trial_keys() != ada.trial_keys()


def test_journal_of_a_remote_that_cannot_be_read_is_called_that_of_the_remote(
    bob: Desk, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(bob.folder)
    bob.run_trial()
    broken = bob.git("commit-tree", bob.write_tree(b"x"), "-p", JOURNAL, "-m", "x").strip()
    bob.git("update-ref", "refs/mitosis/remotes/origin/journal", broken)
    assert run_command(["pull", "--no-fetch"]) == 2
    assert "the tree of refs/mitosis/remotes/origin/journal cannot be read" in capfd.readouterr().err


@pytest.mark.parametrize("how", ["copy", "remote"])
def test_no_other_journal_begins_where_one_is_gone(
    ada: Desk, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], how: str
) -> None:
    slow = make_variant("slow", 1)
    trial = ada.run_trial(variants=[slow])
    ada.push()
    if how == "copy":
        ada.git("remote", "remove", "origin")
    else:
        ada.git("update-ref", "-d", "refs/mitosis/remotes/origin/journal")
    ada.git("update-ref", "-d", JOURNAL)
    before = ada.refs()
    with pytest.raises(JournalGone) as caught:
        ada.again().start_trial(variants=[make_variant("slow", 2)])
    with pytest.raises(JournalGone):
        ada.again().lock([slow], trial.commit, ada.identity)
    assert ada.refs() == before
    monkeypatch.chdir(ada.folder)
    run_command(["verify"])
    [command] = caught.value.restoring
    assert command in capfd.readouterr().out
    assert (command == f"git update-ref {JOURNAL} refs/mitosis/remotes/origin/journal") == (how == "copy")
    subprocess.run([sys.executable, "-m", *command.split()] if how == "remote" else command.split(), check=True)
    assert ada.again().trial_keys() == {trial.key}
    ada.git("update-ref", "-d", JOURNAL)
    subprocess.run(caught.value.anew, shell=True, check=True)
    assert ada.again().run_trial(variants=[make_variant("slow", 2)]).key != trial.key


# --- over http ------------------------------------------------------------------------------------


def test_records_travel_over_http_with_a_password(ada: Desk, bob: Desk, hub: Path) -> None:
    one, two = ada.run_trial(), bob.run_trial()
    with serve(hub.parent) as port:
        url = f"http://ada:secret@127.0.0.1:{port}/hub.git"
        for journal in (ada, bob):
            journal.git("remote", "set-url", "origin", url)
        assert ada.push().sent == 1
        pushed = bob.push()
        assert (pushed.pulled.received, pushed.sent) == (1, 1)
        ada.pull()
        # Given as a URL, it is shown without the password.
        assert ada.pull(url).remote == f"http://127.0.0.1:{port}/hub.git"
    assert ada.trial_keys() == bob.trial_keys() == {one.key, two.key}
    assert refs_of(hub)[JOURNAL] == ada.tip()


def test_missing_password_is_told_and_not_waited_for(ada: Desk, hub: Path) -> None:
    with serve(hub.parent) as port:
        ada.git("remote", "set-url", "origin", f"http://127.0.0.1:{port}/hub.git")
        with pytest.raises(FetchFailed, match="terminal prompts disabled"):
            pull(
                ada.repository,
                find_remote(ada.repository, None),
                Transport(ada.repository, lambda _: None, unattended=True),
            )
