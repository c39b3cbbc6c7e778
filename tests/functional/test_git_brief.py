"""Reading little of a repository, without libgit2."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from mitosis.errors.repository import ObjectTooLarge, UnreadableObject, UnsupportedRepository
from mitosis.git import brief as brief_module
from mitosis.git.brief import open_briefly
from mitosis.git.repository import Repository, find_repository
from mitosis.journal.journal import Journal
from mitosis.records.trial import TrialRecord

Git = Callable[..., str]


@pytest.fixture
def packed_blob(repository_folder: Path, git: Git) -> str:
    """The id of a blob in a pack."""
    (repository_folder / "a.txt").write_text("a\n" * 100)
    git("add", ".")
    git("commit", "--quiet", "-m", "one")
    git("gc", "--quiet")
    return git("rev-parse", "HEAD:a.txt").strip()


def has_loaded_libgit2(found: Repository) -> bool:
    return "objects" in vars(found)


def test_objects_are_those_that_libgit2_reads(repository_folder: Path, packed_blob: str) -> None:
    whole = find_repository(repository_folder)
    with open_briefly(repository_folder) as brief:
        assert brief.read_blob(packed_blob) == b"a\n" * 100
        assert brief.head is not None
        tree = brief.tree_of(brief.head)
        assert tree == whole.tree_of(brief.head)
        assert tree is not None
        assert brief.read_tree(tree) == whole.read_tree(tree)
        assert not has_loaded_libgit2(brief)


def test_objects_that_are_too_large_are_refused(repository_folder: Path, packed_blob: str) -> None:
    with open_briefly(repository_folder) as brief:
        with pytest.raises(ObjectTooLarge):
            brief.read_blob(packed_blob, 199)
        assert brief.read_blob(packed_blob, 200)
        assert not has_loaded_libgit2(brief)


def test_what_cannot_be_read_is_told_as_ever(repository_folder: Path, packed_blob: str) -> None:
    missing = "1" * 40
    for pack in (repository_folder / ".git" / "objects" / "pack").glob("*.pack"):
        pack.chmod(0o644)
        pack.write_bytes(pack.read_bytes()[:20] + b"\xff" * 200)
    whole = find_repository(repository_folder)
    for oid in (missing, packed_blob):
        with pytest.raises(UnreadableObject) as expected:
            whole.read_blob(oid)
        with open_briefly(repository_folder) as brief, pytest.raises(UnreadableObject) as told:
            brief.read_blob(oid)
        assert (type(told.value), str(told.value)) == (type(expected.value), str(expected.value))
    with open_briefly(repository_folder) as brief:
        assert brief.tree_of(missing) is None


def test_many_objects_are_read_by_libgit2(
    repository_folder: Path, packed_blob: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(brief_module, "_MOST_ASKED", 3)
    with open_briefly(repository_folder) as brief:
        for number in range(5):
            assert has_loaded_libgit2(brief) == (number > 3)
            assert brief.read_blob(packed_blob)


@pytest.mark.parametrize(("name", "value"), [("remote.origin.promisor", "true"), ("remote.origin.Promisor", "1")])
def test_partial_clones_fetch_nothing(
    name: str, value: str, repository_folder: Path, packed_blob: str, git: Git
) -> None:
    git("config", name, value)
    git("config", "remote.origin.url", "ext::false")
    with open_briefly(repository_folder) as brief:
        assert brief.is_partial()
        assert brief.read_blob(packed_blob)
        assert has_loaded_libgit2(brief)


def test_a_partial_clone_of_old_that_libgit2_refuses_is_refused(
    repository_folder: Path, packed_blob: str, git: Git
) -> None:
    git("config", "core.repositoryFormatVersion", "1")
    git("config", "extensions.partialClone", "origin")
    with open_briefly(repository_folder) as brief, pytest.raises(UnsupportedRepository):
        brief.read_blob(packed_blob)


def test_configuration_elsewhere_may_make_a_clone_a_partial_one(
    tmp_path: Path, repository_folder: Path, packed_blob: str, git: Git
) -> None:
    git("config", "--file", str(tmp_path / "settings"), "remote.origin.promisor", "true")
    git("config", "include.path", str(tmp_path / "settings"))
    with open_briefly(repository_folder) as brief:
        assert brief.is_partial()
        assert brief.read_blob(packed_blob)
        assert has_loaded_libgit2(brief)


def test_objects_that_another_repository_lends_are_read(
    tmp_path: Path, repository_folder: Path, packed_blob: str, git: Git
) -> None:
    git("clone", "--quiet", "--shared", str(repository_folder), str(tmp_path / "clone"))
    with open_briefly(tmp_path / "clone") as brief:
        assert brief.read_blob(packed_blob) == b"a\n" * 100
        assert not has_loaded_libgit2(brief)


def test_another_worktree_has_the_same_objects_and_refs(
    tmp_path: Path, repository_folder: Path, packed_blob: str, git: Git
) -> None:
    git("worktree", "add", "--quiet", "--detach", str(tmp_path / "other"))
    git("update-ref", "refs/mitosis/journal", "HEAD")
    with open_briefly(tmp_path / "other") as brief:
        assert brief.head is not None and brief.plain_ref("refs/mitosis/journal") == brief.head
        assert brief.may_have_refs("refs/mitosis/")
        assert brief.read_blob(packed_blob) == b"a\n" * 100
        assert not has_loaded_libgit2(brief)


def test_refs_are_read_where_git_keeps_them(repository_folder: Path, git: Git) -> None:
    head = git("rev-parse", "HEAD").strip()
    found = find_repository(repository_folder)
    git("update-ref", "refs/mitosis/a.b", head)
    assert found.plain_ref("refs/mitosis/a.b") == head
    git("pack-refs", "--all")
    assert found.plain_ref("refs/mitosis/a.b") == head
    assert found.plain_ref("refs/mitosis/axb") is None
    assert found.plain_ref("mitosis/a.b") is None
    git("symbolic-ref", "refs/mitosis/symbolic", "refs/mitosis/a.b")
    assert found.plain_ref("refs/mitosis/symbolic") is None


def test_refs_below_a_prefix_are_noticed_loose_or_packed(repository_folder: Path, git: Git) -> None:
    found = find_repository(repository_folder)
    prefix = "refs/mitosis/remotes/"
    assert not found.may_have_refs(prefix)
    git("update-ref", f"{prefix}origin/journal", "HEAD")
    assert found.may_have_refs(prefix)
    git("pack-refs", "--all")
    assert not (repository_folder / ".git" / prefix).exists()
    assert found.may_have_refs(prefix)


@pytest.mark.parametrize("command", [["list"], ["show", "KEY"]])
def test_recorded_trials_are_shown_without_libgit2_and_the_console_of_rich(
    command: list[str], journal: Journal, run_trial: Callable[..., TrialRecord], git: Git
) -> None:
    key = run_trial().key
    git("gc", "--quiet")
    words = [key if word == "KEY" else word for word in command]
    heavy = {"pygit2", "rich.console", "IPython", "jupyter_client", "nbconvert", "numpy", "psutil"}
    program = (
        f"import sys\nfrom mitosis.__main__ import run_command\nstatus = run_command({words!r})\n"
        f"print(status, *sorted({heavy!r} & set(sys.modules)))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=journal.repository.root, capture_output=True, text=True, check=True
    )
    assert key[:6] in done.stdout
    assert done.stdout.splitlines()[-1] == "0"
