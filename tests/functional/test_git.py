"""Finding the repository and asking git who is at work, in every kind of place that one can stand in."""

from __future__ import annotations

import os
import subprocess
import sys
import tracemalloc
import zlib
from pathlib import Path

import pygit2
import pytest

from mitosis.confidential import without_password
from mitosis.errors.repository import (
    BareRepository,
    GitError,
    GitMissing,
    NoIdentity,
    NotARepository,
    NotInWorkTree,
    ObjectMissing,
    UnreadableObject,
    UnsupportedRepository,
)
from mitosis.git.program import run_git
from mitosis.git.repository import Repository, find_repository
from support.journal import Git, write_hook


@pytest.fixture
def repository(repository_folder: Path) -> Repository:
    return find_repository(repository_folder)


def commit_file(git: Git, folder: Path) -> str:
    (folder / "a.txt").write_text("a\n")
    git("add", ".", cwd=folder)
    git("commit", "--quiet", "-m", "one", cwd=folder)
    return git("rev-parse", "HEAD", cwd=folder).strip()


def test_repository_is_found_from_a_folder_below(repository_folder: Path, git: Git) -> None:
    below = repository_folder / "deep" / "down"
    below.mkdir(parents=True)
    repository = find_repository(below)
    assert repository.root == repository_folder
    assert repository.git_dir == repository.common_dir == repository_folder / ".git"
    assert repository.head == git("rev-parse", "HEAD").strip()
    assert str(repository.objects[repository.head].id) == repository.head


def test_repository_without_a_commit_has_no_head(tmp_path: Path, git: Git) -> None:
    git("init", "--quiet", ".", cwd=tmp_path)
    assert find_repository(tmp_path).head is None


def test_detached_head_is_a_commit(repository_folder: Path, git: Git) -> None:
    git("checkout", "--quiet", "--detach")
    assert find_repository(repository_folder).head == git("rev-parse", "main").strip()


def test_outside_a_repository_is_refused(tmp_path: Path) -> None:
    with pytest.raises(NotARepository, match="is not inside a git repository") as caught:
        find_repository(tmp_path)
    assert caught.value.folder == tmp_path


def test_outside_is_recognised_in_any_language(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LANGUAGE", "de")
    monkeypatch.setenv("LC_ALL", "de_DE.UTF-8")
    with pytest.raises(NotARepository):
        find_repository(tmp_path)


@pytest.mark.parametrize("is_file", [True, False])
def test_path_that_is_no_folder_is_refused(tmp_path: Path, is_file: bool) -> None:
    path = tmp_path / "thing"
    if is_file:
        path.touch()
    with pytest.raises(NotARepository):
        find_repository(path)


def test_bare_repository_is_refused(tmp_path: Path, git: Git) -> None:
    git("init", "--quiet", "--bare", "bare.git", cwd=tmp_path)
    with pytest.raises(BareRepository, match="git worktree add"):
        find_repository(tmp_path / "bare.git")


@pytest.mark.parametrize("below", ["", "objects"])
def test_inside_of_the_git_directory_is_refused(repository_folder: Path, below: str) -> None:
    with pytest.raises(NotInWorkTree) as caught:
        find_repository(repository_folder / ".git" / below)
    assert caught.value.git_dir == repository_folder / ".git"


def test_linked_worktree_shares_the_common_directory(repository_folder: Path, tmp_path: Path, git: Git) -> None:
    git("worktree", "add", "--quiet", "-b", "other", str(tmp_path / "linked"))
    commit = commit_file(git, tmp_path / "linked")
    repository = find_repository(tmp_path / "linked")
    assert repository.root == tmp_path / "linked"
    assert repository.git_dir == repository_folder / ".git" / "worktrees" / "linked"
    assert repository.common_dir == repository_folder / ".git"
    assert repository.head == commit
    assert str(repository.objects.lookup_reference("refs/heads/other").target) == commit


def test_worktree_of_a_bare_repository_is_found(tmp_path: Path, repository_folder: Path, git: Git) -> None:
    git("clone", "--quiet", "--bare", str(repository_folder), "bare.git", cwd=tmp_path)
    git("worktree", "add", "--quiet", "../tree", "main", cwd=tmp_path / "bare.git")
    repository = find_repository(tmp_path / "tree")
    assert repository.root == tmp_path / "tree"
    assert repository.common_dir == tmp_path / "bare.git"


def test_submodule_is_a_repository_of_its_own(repository_folder: Path, tmp_path: Path, git: Git) -> None:
    git("clone", "--quiet", str(repository_folder), "outer", cwd=tmp_path)
    outer = tmp_path / "outer"
    git("submodule", "--quiet", "add", str(repository_folder), "inner", cwd=outer)
    repository = find_repository(outer / "inner")
    assert repository.root == outer / "inner"
    assert repository.git_dir == repository.common_dir == outer / ".git" / "modules" / "inner"
    assert find_repository(outer).root == outer


def test_sha256_repository_is_refused(tmp_path: Path, git: Git) -> None:
    git("init", "--quiet", "--object-format=sha256", ".", cwd=tmp_path)
    with pytest.raises(UnsupportedRepository, match="the object format sha256") as caught:
        find_repository(tmp_path)
    assert caught.value.root == tmp_path


def test_reftable_repository_is_refused(repository_folder: Path) -> None:
    # What git makes for it, whose present version here may be older than that.
    (repository_folder / ".git" / "reftable").mkdir()
    with pytest.raises(UnsupportedRepository, match="git refs migrate"):
        find_repository(repository_folder)


def test_extension_unknown_to_libgit2_is_refused(repository: Repository, git: Git) -> None:
    git("config", "core.repositoryFormatVersion", "1")
    git("config", "extensions.newfangled", "true")
    with pytest.raises(UnsupportedRepository, match="newfangled"):
        _ = repository.objects


def test_extensions_that_change_nothing_are_taken(repository: Repository, git: Git) -> None:
    git("config", "core.repositoryFormatVersion", "1")
    git("config", "extensions.partialClone", "origin")
    git("config", "extensions.refStorage", "files")
    assert repository.objects.path


NAMES = ["with space", "new\nline", "trailing\n", "ünïcödé", "quote\"'$", os.fsdecode(b"latin\xe9"), "-dash", "tab\t"]


@pytest.mark.parametrize("name", NAMES)
def test_unusual_path_is_found_whole(tmp_path: Path, git: Git, name: str) -> None:
    folder = tmp_path / name
    folder.mkdir()
    git("init", "--quiet", ".", cwd=folder)
    commit = commit_file(git, folder)
    (folder / name).mkdir()
    repository = find_repository(folder / name)
    assert repository == Repository(folder, folder / ".git", folder / ".git", commit)
    assert str(repository.objects.head.target) == commit


def test_output_that_is_no_utf8_is_kept(repository_folder: Path) -> None:
    (repository_folder / os.fsdecode(b"latin\xe9")).touch()
    output = find_repository(repository_folder).git("ls-files", "-z", "--others")
    assert os.fsencode(output) == b"latin\xe9\0"


def test_git_dir_of_the_environment_counts(
    repository_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    work_tree = tmp_path / "elsewhere"
    work_tree.mkdir()
    monkeypatch.setenv("GIT_DIR", str(repository_folder / ".git"))
    monkeypatch.setenv("GIT_WORK_TREE", str(work_tree))
    repository = find_repository(work_tree)
    assert repository.root == work_tree
    assert repository.git_dir == repository_folder / ".git"
    assert repository.git("rev-parse", "--show-toplevel").strip() == str(work_tree)
    with pytest.raises(NotInWorkTree):
        find_repository(tmp_path)


def test_relative_git_dir_counts_from_the_folder_of_the_process(
    repository_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    below = repository_folder / "below"
    below.mkdir()
    monkeypatch.chdir(repository_folder)
    monkeypatch.setenv("GIT_DIR", ".git")
    monkeypatch.setenv("GIT_WORK_TREE", ".")
    repository = find_repository(below)
    assert repository.root == repository_folder
    assert repository.git_dir == repository_folder / ".git"


def test_hook_finds_the_repository_that_is_committed_to(repository_folder: Path, tmp_path: Path, git: Git) -> None:
    git("worktree", "add", "--quiet", "-b", "other", str(tmp_path / "linked"))
    program = (
        "from pathlib import Path; from mitosis.git.repository import find_repository; r = find_repository(Path.cwd())"
    )
    script = f"'{sys.executable}' -c '{program}; print(r.root, r.git_dir, sep=chr(10))' > ../found\n"
    write_hook(repository_folder / ".git", "pre-commit", script)
    for folder, git_dir in [
        (repository_folder, repository_folder / ".git"),
        (tmp_path / "linked", repository_folder / ".git" / "worktrees" / "linked"),
    ]:
        commit_file(git, folder)
        assert (tmp_path / "found").read_text().splitlines() == [str(folder), str(git_dir)]


def test_identity_is_what_git_says(repository: Repository, git: Git, monkeypatch: pytest.MonkeyPatch) -> None:
    assert str(repository.identity()) == "Ada Lovelace <ada@example.org>"
    git("config", "user.name", "Grace Hopper")
    assert repository.identity().name == "Grace Hopper"
    monkeypatch.setenv("GIT_AUTHOR_NAME", "Émilie du Châtelet")
    monkeypatch.setenv("GIT_AUTHOR_DATE", "1700000000 -0330")
    identity = repository.identity()
    assert identity.name == "Émilie du Châtelet"
    assert (identity.time_s, identity.offset_minutes) == (1700000000, -210)


def test_conditional_configuration_counts(repository_folder: Path, home: Path) -> None:
    (home / "lab").write_text("[user]\n    email = ada@lab.example\n")
    with (home / ".gitconfig").open("a") as file:
        file.write(f'[includeIf "gitdir:{repository_folder}/"]\n    path = lab\n')
    assert find_repository(repository_folder).identity().email == "ada@lab.example"


def test_missing_identity_is_refused(repository_folder: Path, home: Path) -> None:
    (home / ".gitconfig").write_text("[user]\n    useConfigOnly = true\n")
    with pytest.raises(NoIdentity, match=r'git config user\.name "Your Name"'):
        find_repository(repository_folder).identity()


@pytest.mark.parametrize("part", ["name", "email"])
def test_identity_without_a_part_is_refused(repository_folder: Path, git: Git, part: str) -> None:
    git("config", f"user.{part}", "")
    with pytest.raises(NoIdentity):
        find_repository(repository_folder).identity()


def test_failing_command_says_what_git_said(repository_folder: Path) -> None:
    with pytest.raises(GitError) as caught:
        find_repository(repository_folder).git("rev-parse", "--verify", "nonsense")
    assert caught.value.command == ["git", "rev-parse", "--verify", "nonsense"]
    assert caught.value.status == 128
    assert "Needed a single revision" in str(caught.value)


def test_foreign_owner_is_told_as_git_tells_it(repository_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")
    with pytest.raises(GitError, match=r"safe\.directory"):
        find_repository(repository_folder)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
@pytest.mark.parametrize("trusted", ["FOLDER", "*"])
def test_folder_that_the_environment_trusts_is_trusted(
    repository_folder: Path, trusted: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for path in (repository_folder, *repository_folder.rglob("*")):
        os.chown(path, 1234, -1, follow_symlinks=False)
    with pytest.raises(GitError, match=r"safe\.directory"):
        find_repository(repository_folder)
    value = trusted.replace("FOLDER", str(repository_folder.resolve()))
    for name, text in (("COUNT", "1"), ("KEY_0", "safe.directory"), ("VALUE_0", value)):
        monkeypatch.setenv(f"GIT_CONFIG_{name}", text)
    assert find_repository(repository_folder).objects.path
    assert pygit2.settings.owner_validation


def test_missing_git_program_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(GitMissing):
        run_git("version", cwd=tmp_path)


def test_command_reads_its_standard_input_and_nobody_elses(repository: Repository, repository_folder: Path) -> None:
    assert repository.git("hash-object", "--stdin", stdin=b"1\n").strip() == "d00491fd7e5bb6fa28c517a0bb32b8b506539d4d"
    program = (
        "from pathlib import Path; from mitosis.git.program import run_git\n"
        "print(run_git('hash-object', '--stdin', cwd=Path.cwd()).decode(), input())"
    )
    words = [sys.executable, "-c", program]
    done = subprocess.run(words, cwd=repository_folder, input="mine\n", capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["e69de29bb2d1d6434b8b29ae775ad8c2e48c5391", "mine"]


# --- objects --------------------------------------------------------------------------------------


def loose_file(repository: Repository, oid: str) -> Path:
    """The file of an object that is not packed; it can be written to."""
    path = repository.common_dir / "objects" / oid[:2] / oid[2:]
    path.chmod(0o644)
    return path


def write_loose(repository: Repository, data: bytes) -> str:
    return repository.git("hash-object", "-w", "--stdin", stdin=data).strip()


@pytest.mark.parametrize("packed", [False, True])
def test_objects_are_read_as_git_reads_them(repository_folder: Path, git: Git, packed: bool) -> None:
    (repository_folder / "folder").mkdir()
    (repository_folder / "folder" / "tool.sh").write_text("#!/bin/sh\n")
    (repository_folder / "folder" / "tool.sh").chmod(0o755)
    (repository_folder / "ünï").symlink_to("experiment.py")
    git("add", ".")
    git("commit", "--quiet", "-m", "second")
    git("tag", "-a", "-m", "a tag", "v1")
    if packed:
        git("gc", "--quiet", "--prune=now")
    repository = find_repository(repository_folder)
    assert repository.head is not None
    tree = repository.tree_of(repository.head)
    assert tree == git("rev-parse", "HEAD^{tree}").strip()
    listed = {name: (f"{entry.mode:06o}", entry.oid) for name, entry in repository.read_tree(tree).items()}
    lines = [line.split("\t") for line in git("ls-tree", "-z", "HEAD").rstrip("\0").split("\0")]
    assert listed == {name: (facts.split()[0], facts.split()[2]) for facts, name in lines}
    assert repository.read_blob(git("rev-parse", "HEAD:folder/tool.sh").strip()) == b"#!/bin/sh\n"
    for name, kind in [("HEAD", "commit"), ("HEAD^{tree}", "tree"), ("HEAD:experiment.py", "blob"), ("v1", "tag")]:
        oid = git("rev-parse", name).strip()
        found = repository.read_object(oid)
        assert found.kind == kind
        assert len(found.data) == int(git("cat-file", "-s", oid))
        assert repository.has_object(oid)


def test_objects_of_a_borrowed_repository_are_read(repository_folder: Path, tmp_path: Path, git: Git) -> None:
    git("clone", "--quiet", "--shared", str(repository_folder), "second", cwd=tmp_path)
    git("clone", "--quiet", "--shared", "second", "third", cwd=tmp_path)
    repository = find_repository(tmp_path / "third")
    blob = git("rev-parse", "HEAD:experiment.py").strip()
    assert repository.read_blob(blob).startswith(b"def run")
    lender = find_repository(repository_folder)
    loose_file(lender, blob).write_bytes(loose_file(lender, blob).read_bytes()[:-10])
    with pytest.raises(UnreadableObject, match="damaged"):
        find_repository(tmp_path / "third").read_blob(blob)


def test_objects_that_git_packs_meanwhile_are_found(repository: Repository, repository_folder: Path, git: Git) -> None:
    blob = git("rev-parse", "HEAD:experiment.py").strip()
    for command in (("gc", "--quiet"), ("repack", "-a", "-d", "-f", "--quiet"), ("gc", "--quiet", "--prune=now")):
        assert repository.read_blob(blob).startswith(b"def run")
        (repository_folder / "other.py").write_text(" ".join(command))
        git("add", ".")
        git("commit", "--quiet", "-m", "another")
        git(*command)
        assert repository.tree_of(git("rev-parse", "HEAD").strip()) == git("rev-parse", "HEAD^{tree}").strip()


def test_damaged_object_is_refused(repository: Repository) -> None:
    content = bytes(range(256)) * 4
    oid = write_loose(repository, content)
    file = loose_file(repository, oid)
    whole = file.read_bytes()
    others = (zlib.compress(b"blob %d\0hello" % size) for size in (5, 4, 9))
    for bad in (*(whole[:size] for size in range(len(whole))), whole + b"x", b"\0" * len(whole), *others):
        file.write_bytes(bad)
        with pytest.raises(UnreadableObject, match="damaged") as caught:
            repository.read_blob(oid)
        assert caught.value.oid == oid
    file.write_bytes(whole)
    assert repository.read_blob(oid) == content


def test_missing_object_is_refused(repository: Repository) -> None:
    assert not repository.has_object("a" * 40)
    assert repository.tree_of("a" * 40) is None
    with pytest.raises(UnreadableObject, match="missing"):
        repository.read_blob("a" * 40)


def test_object_of_another_kind_is_refused(repository: Repository, git: Git) -> None:
    assert repository.head is not None
    with pytest.raises(UnreadableObject, match="a commit, but should be a blob"):
        repository.read_blob(repository.head)
    with pytest.raises(UnreadableObject, match="a blob, but should be a commit"):
        repository.tree_of(git("rev-parse", "HEAD:experiment.py").strip())


@pytest.mark.parametrize("packed", [False, True])
def test_object_that_is_too_large_costs_no_memory(repository: Repository, git: Git, packed: bool) -> None:
    oid = write_loose(repository, b"\0" * (64 * 2**20))
    if packed:
        git("gc", "--quiet")
        git("repack", "-a", "-d", "--quiet", "--keep-unreachable")
        assert git("count-objects").startswith("0 objects")
    tracemalloc.start()
    try:
        with pytest.raises(UnreadableObject, match="more than the 1000 that are read"):
            repository.read_blob(oid, 1000)
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak_bytes < 2**20


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://ada:secret@example.org/x.git", "https://example.org/x.git"),
        ("https://ada:se@cret@example.org/x.git", "https://example.org/x.git"),
        ("https://example.org/a@b.git", "https://example.org/a@b.git"),
        ("origin", "origin"),
    ],
)
def test_no_part_of_a_password_is_shown(url: str, shown: str) -> None:
    assert without_password(url) == shown


def test_object_that_was_packed_between_two_looks_is_found(repository_folder: Path, git: Git) -> None:
    """As `git gc` may do it: it was not in a pack yet when those were looked at, and not loose any more afterwards."""
    repository = find_repository(repository_folder)
    oid = git("rev-parse", "HEAD^{tree}").strip()
    whole = repository.read_object(oid)

    class Stale:
        def read(self, oid: str) -> tuple[int, bytes]:
            raise KeyError(oid)

    for remembered, stale in (("_loose_folders", {}), ("_database", Stale())):
        repository.__dict__[remembered] = stale
    assert repository.read_object(oid) == whole
    with pytest.raises(ObjectMissing):
        repository.read_object("1" * 40)
