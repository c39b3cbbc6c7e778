"""Remotes that refuse a part, that change, that are several, or that are reached in other ways."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from mitosis.__main__ import run_command
from mitosis.errors.journal import FetchFailed, NotFetchedWhole, PushFailed
from mitosis.journal.journal import Journal
from mitosis.records.trial import TrialRecord
from mitosis.sync import exchange
from mitosis.sync.exchange import Pulled, Pushed, pull, push
from mitosis.sync.remotes import find_remote
from mitosis.sync.transport import Transport
from support.http import serve

RunTrial = Callable[..., TrialRecord]
Git = Callable[..., str]
Clone = Callable[..., Journal]

JOURNAL = "refs/mitosis/journal"
NOTES = "refs/notes/mitosis"
PINS = "refs/mitosis/commits"


@pytest.fixture
def bare(tmp_path: Path, git: Git) -> Callable[[str], Path]:
    """Make an empty bare repository."""

    def make(name: str) -> Path:
        git("init", "--quiet", "--bare", name, cwd=tmp_path)
        return tmp_path / name

    return make


def ignore(data: bytes) -> None:
    pass


def do_push(
    journal: Journal, *keys: str, word: str | None = None, said: list[bytes] | None = None, with_commits: bool = True
) -> Pushed:
    transport = Transport(journal.repository, ignore if said is None else said.append)
    remote = find_remote(journal.repository, word)
    return push(journal.repository, remote, transport, keys=keys, with_commits=with_commits)


def do_pull(journal: Journal, word: str | None = None) -> Pulled:
    return pull(journal.repository, find_remote(journal.repository, word), Transport(journal.repository, ignore))


def keys_of(journal: Journal) -> set[str]:
    return {record.key for record in journal.iter_trials()}


def refs_of(git: Git, folder: Path) -> dict[str, str]:
    lines = git("for-each-ref", "--format=%(refname) %(objectname)", cwd=folder).splitlines()
    return dict(line.split() for line in lines)


def decline(hub: Path, pattern: str) -> None:
    """Have the hub refuse the refs whose names match a pattern of the shell."""
    hook = hub / "hooks" / "update"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text(f'#!/bin/sh\ncase "$1" in {pattern}) echo "ask Grace about $1" >&2; exit 1;; esac\n')
    hook.chmod(0o755)


# --- what is refused ------------------------------------------------------------------------------


def test_notes_that_a_rule_of_the_remote_declines_do_not_keep_the_journal_back(
    ada: Journal, hub: Path, run_trial: RunTrial, git: Git
) -> None:
    run_trial(journal=ada)
    decline(hub, "refs/notes/*")
    said: list[bytes] = []
    pushed = do_push(ada, said=said)
    assert pushed.sent == 1
    assert pushed.warnings == (f"the notes were not pushed: {NOTES} [remote rejected] (hook declined)",)
    assert f"remote: ask Grace about {NOTES}".encode() in b"".join(said)
    assert b"failed to push" not in b"".join(said)
    assert refs_of(git, hub)[JOURNAL] == ada.tip()
    assert NOTES not in refs_of(git, hub)


def test_remote_that_declines_commits_is_told_with_the_way_around(
    ada: Journal, hub: Path, run_trial: RunTrial, git: Git
) -> None:
    run_trial(journal=ada)
    decline(hub, f"{PINS}/*")
    with pytest.raises(PushFailed, match=r"hook declined(.|\n)*mitosis push --no-commits"):
        do_push(ada)
    assert JOURNAL not in refs_of(git, hub)
    assert do_push(ada, with_commits=False).sent == 1


def test_other_refusals_do_not_speak_of_commits(ada: Journal, hub: Path, run_trial: RunTrial, git: Git) -> None:
    run_trial(journal=ada)
    git("config", "transfer.hideRefs", "refs/mitosis", cwd=hub)
    with pytest.raises(PushFailed, match="deny updating a hidden ref") as raised:
        do_push(ada)
    assert "--no-commits" not in str(raised.value)


def test_lock_that_stays_at_the_remote_is_no_race_and_is_told_once(
    ada: Journal, hub: Path, run_trial: RunTrial, git: Git, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exchange, "_LONGEST_PAUSE_S", 0.01)
    run_trial(journal=ada)
    (hub / "refs" / "mitosis").mkdir()
    lock = hub / "refs" / "mitosis" / "journal.lock"
    lock.touch()
    said: list[bytes] = []
    with pytest.raises(PushFailed, match=r"remote rejected\] \(.+\)\nEverything that is recorded here is safe"):
        do_push(ada, said=said)
    assert b"".join(said).count(b"journal.lock': File exists") == 1
    lock.unlink()
    assert do_push(ada).sent == 1


def test_what_a_hook_of_this_clone_prints_is_shown(ada: Journal, run_trial: RunTrial) -> None:
    run_trial(journal=ada)
    hook = ada.repository.common_dir / "hooks" / "pre-push"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text("#!/bin/sh\necho checking\nprintf '3 errors'\nexit 1\n")
    hook.chmod(0o755)
    said: list[bytes] = []
    with pytest.raises(PushFailed):
        do_push(ada, said=said)
    assert b"".join(said).startswith(b"checking\n")
    assert b"3 errors\n" in b"".join(said)


# --- what the remote has --------------------------------------------------------------------------


def test_what_a_remote_has_no_more_is_not_taken_for_its_own(
    ada: Journal, bare: Callable[[str], Path], run_trial: RunTrial, git: Git
) -> None:
    wanted, private = run_trial(journal=ada), run_trial(journal=ada)
    do_push(ada)
    git("remote", "set-url", "origin", str(bare("new.git")), cwd=ada.repository.root)
    assert do_pull(ada) == Pulled("origin", False)
    assert do_push(ada, wanted.key).sent == 1
    new = Path(git("remote", "get-url", "origin", cwd=ada.repository.root).strip())
    listed = git("ls-tree", "-r", "--name-only", JOURNAL, cwd=new)
    assert wanted.key in listed
    assert private.key not in listed
    assert do_push(ada).sent == 1
    assert wanted.commit in ada.pins()


def test_trial_that_the_remote_has_is_not_pushed_again(ada: Journal, hub: Path, run_trial: RunTrial, git: Git) -> None:
    trial = run_trial(journal=ada)
    do_push(ada)
    tip = refs_of(git, hub)[JOURNAL]
    assert do_push(ada, trial.key) == Pushed(Pulled("origin", True))
    assert refs_of(git, hub)[JOURNAL] == tip


def test_refs_that_are_only_called_alike_are_left_alone(
    ada: Journal, bob: Journal, hub: Path, run_trial: RunTrial, git: Git
) -> None:
    trial = run_trial(journal=ada)
    do_push(ada)
    git("update-ref", f"{JOURNAL}-old", "HEAD", cwd=hub)
    git("update-ref", f"{NOTES}-of-others", "HEAD", cwd=hub)
    assert do_pull(bob).received == 1
    assert keys_of(bob) == {trial.key}
    run_trial(journal=bob)
    do_push(bob)
    assert refs_of(git, hub)[f"{JOURNAL}-old"] == git("rev-parse", "HEAD", cwd=hub).strip()


def test_pin_that_does_not_hold_what_it_is_called_by_changes_none_here(
    ada: Journal, bob: Journal, hub: Path, run_trial: RunTrial, git: Git
) -> None:
    trial = run_trial(journal=ada)
    do_push(ada)
    other = git("commit-tree", "HEAD^{tree}", "-p", "HEAD", "-m", "newer", cwd=hub).strip()
    git("update-ref", f"{PINS}/{trial.commit}", other, cwd=hub)
    assert do_pull(ada).has_journal
    assert do_pull(bob).received == 1
    assert refs_of(git, ada.repository.root)[f"{PINS}/{trial.commit}"] == trial.commit
    assert bob.pins() == {}


def test_objects_are_checked_where_git_is_told_to(
    ada: Journal, bob: Journal, hub: Path, run_trial: RunTrial, git: Git
) -> None:
    for folder in (ada.repository.root, bob.repository.root, hub):
        git("config", "transfer.fsckObjects", "true", cwd=folder)
    one, two = run_trial(journal=ada), run_trial(journal=bob)
    do_push(ada)
    do_push(bob)
    do_pull(ada)
    assert keys_of(ada) == keys_of(bob) == {one.key, two.key}


# --- which places ---------------------------------------------------------------------------------


def test_all_push_urls_of_a_remote_get_the_records(
    ada: Journal, hub: Path, bare: Callable[[str], Path], run_trial: RunTrial, git: Git
) -> None:
    mirror = bare("mirror.git")
    for place in (hub, mirror):
        git("remote", "set-url", "--push", "--add", "origin", str(place), cwd=ada.repository.root)
    for _ in range(2):
        run_trial(journal=ada)
        assert do_push(ada).sent == 1
        assert refs_of(git, hub)[JOURNAL] == refs_of(git, mirror)[JOURNAL] == ada.tip()


def test_push_url_that_a_rule_makes_is_merged_and_pushed_to(
    ada: Journal, bob: Journal, bare: Callable[[str], Path], run_trial: RunTrial, git: Git
) -> None:
    inbox = bare("inbox.git")
    theirs = run_trial(journal=bob)
    do_push(bob, word=str(inbox))
    root = ada.repository.root
    git("remote", "set-url", "origin", f"file://{inbox.parent}/hub.git", cwd=root)
    git("config", f"url.{inbox}.pushInsteadOf", f"file://{inbox.parent}/hub.git", cwd=root)
    mine = run_trial(journal=ada)
    assert do_push(ada).pulled.received == 1
    assert keys_of(ada) == {mine.key, theirs.key}
    assert refs_of(git, inbox)[JOURNAL] == ada.tip()


def test_records_travel_over_ssh(ada: Journal, hub: Path, tmp_path: Path, run_trial: RunTrial, git: Git) -> None:
    script = tmp_path / "ssh"
    # What the real one does with its last word, on another machine.
    script.write_text('#!/bin/sh\nfor last; do :; done\nexec sh -c "$last"\n')
    script.chmod(0o755)
    git("config", "core.sshCommand", str(script), cwd=ada.repository.root)
    git("config", "ssh.variant", "simple", cwd=ada.repository.root)
    git("remote", "set-url", "origin", f"lab.example.org:{hub}", cwd=ada.repository.root)
    run_trial(journal=ada)
    assert do_push(ada).sent == 1
    assert refs_of(git, hub)[JOURNAL] == ada.tip()


def test_configuration_that_cannot_be_read_does_not_matter_where_the_remote_is_given(
    ada: Journal, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(ada.repository.root)
    (ada.repository.root / "pyproject.toml").write_text("[tool.mitosis")
    for words in (["pull"], ["push"], ["sync"]):
        assert run_command(words) == 2
        assert "not valid TOML" in capfd.readouterr().err
        assert run_command([*words, "origin"]) == 0


def test_relative_path_is_that_of_the_folder_where_it_was_typed(
    ada: Journal,
    bob: Journal,
    run_trial: RunTrial,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    trial = run_trial(journal=bob)
    (ada.repository.root / "a" / "b").mkdir(parents=True)
    monkeypatch.chdir(ada.repository.root / "a" / "b")
    assert run_command(["pull", "../../../bob"]) == 0
    assert capfd.readouterr().out == "../../../bob: 1 trial received\n"
    assert keys_of(ada) == {trial.key}


def test_remote_with_a_slash_in_its_name_is_like_any_other(
    ada: Journal, bob: Journal, run_trial: RunTrial, git: Git, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = bob.repository.root
    git("remote", "rename", "origin", "team/lab", cwd=root)
    trial = run_trial(journal=ada)
    do_push(ada)
    monkeypatch.chdir(root)
    run_command(["setup"])
    git("fetch", "--quiet", "team/lab", cwd=root)
    assert [(found.remote, found.trials) for found in bob.unmerged()] == [("team/lab", 1)]
    assert run_command(["pull", "--no-fetch"]) == 0
    assert keys_of(bob) == {trial.key}
    run_trial(journal=bob)
    assert do_push(bob, word="team/lab").sent == 1


# --- clones that are not whole --------------------------------------------------------------------


def test_shallow_clone_pushes_records_to_where_its_history_is_unknown(
    ada: Journal, clone: Clone, bare: Callable[[str], Path], run_trial: RunTrial, git: Git
) -> None:
    for _ in range(2):
        git("commit", "--quiet", "--allow-empty", "-m", "next", cwd=ada.repository.root)
    git("push", "--quiet", "origin", "main", cwd=ada.repository.root)
    shallow = clone("shallow", "--depth=1")
    run_trial(journal=shallow)
    new = bare("new.git")
    pushed = do_push(shallow, word=str(new))
    assert pushed.sent == 1
    assert pushed.warnings == (
        f"commits of experiments were not pushed: this clone is shallow, and {new} lacks their history",
    )
    assert set(refs_of(git, new)) == {JOURNAL, NOTES}
    git("fsck", "--strict", cwd=new)


def test_names_of_records_alone_are_not_merged(
    ada: Journal,
    hub: Path,
    clone: Clone,
    run_trial: RunTrial,
    git: Git,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    git("config", "uploadpack.allowFilter", "true", cwd=hub)
    trial = run_trial(journal=ada)
    do_push(ada)
    partial = clone("partial", "--filter=blob:none")
    monkeypatch.chdir(partial.repository.root)
    run_command(["setup"])
    git("fetch", "--quiet", cwd=partial.repository.root)
    run_command(["list"])
    assert capfd.readouterr().err.endswith("not merged yet: mitosis pull origin\n")
    with pytest.raises(NotFetchedWhole, match="mitosis pull origin"):
        pull(partial.repository, find_remote(partial.repository, None), None)
    assert partial.tip() is None
    do_pull(partial)
    assert keys_of(partial) == {trial.key}


# --- journals that cannot be read -----------------------------------------------------------------


@pytest.mark.parametrize("content", ["", "garbage\n", f"{'d' * 40}\n", "a blob"])
def test_remedy_of_a_journal_that_cannot_be_read_is_named_and_nothing_is_fetched(
    ada: Journal,
    bob: Journal,
    run_trial: RunTrial,
    git: Git,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    content: str,
) -> None:
    run_trial(journal=ada)
    do_push(ada)
    run_trial(journal=bob)
    root = bob.repository.root
    monkeypatch.chdir(root)
    text = git("rev-parse", "HEAD:experiment.py", cwd=root) if content == "a blob" else content
    (root / ".git" / JOURNAL).write_text(text)
    for words in (["pull"], ["push"], ["sync"], ["list"], ["variants"], ["show", "a"]):
        assert run_command(words) == 2
        out, err = capfd.readouterr()
        first, second = err.splitlines()
        assert out == ""
        assert first.startswith(("mitosis: the ref refs/mitosis/journal", "mitosis: refs/mitosis/journal points to"))
        assert second == "`mitosis verify` shows the command that repairs it."
    assert (root / ".git" / JOURNAL).read_text() == text
    assert git("for-each-ref", "refs/mitosis/remotes", cwd=root) == ""


# --- over http ------------------------------------------------------------------------------------


def test_records_travel_over_http_with_a_password(
    ada: Journal, bob: Journal, hub: Path, run_trial: RunTrial, git: Git
) -> None:
    one, two = run_trial(journal=ada), run_trial(journal=bob)
    with serve(hub.parent) as port:
        url = f"http://ada:secret@127.0.0.1:{port}/hub.git"
        for journal in (ada, bob):
            git("remote", "set-url", "origin", url, cwd=journal.repository.root)
        assert do_push(ada).sent == 1
        pushed = do_push(bob)
        assert (pushed.pulled.received, pushed.sent) == (1, 1)
        do_pull(ada)
        # Given as a URL, it is shown without the password.
        assert do_pull(ada, url).remote == f"http://127.0.0.1:{port}/hub.git"
    assert keys_of(ada) == keys_of(bob) == {one.key, two.key}
    assert refs_of(git, hub)[JOURNAL] == ada.tip()


def test_missing_password_is_told_and_not_waited_for(ada: Journal, hub: Path, git: Git) -> None:
    with serve(hub.parent) as port:
        git("remote", "set-url", "origin", f"http://127.0.0.1:{port}/hub.git", cwd=ada.repository.root)
        with pytest.raises(FetchFailed, match="terminal prompts disabled"):
            pull(ada.repository, find_remote(ada.repository, None), Transport(ada.repository, ignore, unattended=True))
