"""Whether the working tree is as in its commit, told by git itself."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from mitosis.config import Config
from mitosis.errors.repository import DirtyRepository
from mitosis.git.program import run_git
from mitosis.git.repository import find_repository
from mitosis.runner.refusals import HeadDescription, check_clean, describe_head
from support.e2e import Project


def changes(root: Path) -> list[str]:
    with pytest.raises(DirtyRepository) as caught:
        check_clean(find_repository(root))
    str(caught.value).encode()
    return caught.value.changes


def test_clean_tree_has_no_untracked_files(project: Project) -> None:
    assert check_clean(find_repository(project)) == (0, ())


def test_each_untracked_file_is_counted_and_no_ignored_one(project: Project) -> None:
    for name in ("notes.txt", "data/a.csv", "data/b.csv", "build/out.o"):
        (project / name).parent.mkdir(exist_ok=True)
        (project / name).write_text("x")
    assert check_clean(find_repository(project)) == (3, ())


def test_untracked_files_are_counted_although_status_hides_them(project: Project) -> None:
    project.git("config", "status.showUntrackedFiles", "no")
    (project / "notes.txt").write_text("x")
    assert check_clean(find_repository(project)) == (1, ())


def test_every_kind_of_change_is_listed(project: Project) -> None:
    for name in ("staged", "edited", "deleted", "removed"):
        (project / name).write_text("x\n" * 20)
    project.commit({})
    (project / "staged").write_text("y")
    project.git("add", "staged")
    (project / "edited").write_text("y")
    (project / "deleted").unlink()
    project.git("rm", "--quiet", "removed")
    (project / "added").write_text("new")
    project.git("add", "added")
    assert sorted(changes(project)) == [" D deleted", " M edited", "A  added", "D  removed", "M  staged"]


def test_rename_is_one_line_with_both_names(project: Project) -> None:
    project.git("mv", "pkg/model.py", "pkg/a model.py")
    assert changes(project) == ["R  pkg/model.py -> pkg/a model.py"]


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        (b"with blank", " M with blank"),
        ("größe".encode(), " M größe"),
        (b"new\nline", r' M "new\nline"'),
        (b'quo"te', ' M quo"te'),
        (b"latin-\xe9", r' M "latin-\351"'),
        (b"-dash", " M -dash"),
        (b"a -> b", " M a -> b"),
    ],
)
def test_odd_names_are_one_printable_line(project: Project, name: bytes, shown: str) -> None:
    path = project / os.fsdecode(name)
    path.write_text("x")
    project.commit({})
    path.write_text("yy")
    assert changes(project) == [shown]


@pytest.mark.parametrize(
    ("path", "refused"),
    [
        ("notes.md", []),
        ("pkg/notes.md", []),
        ("pkg/model.py", [" M pkg/model.py"]),
        ("mitosis.toml", [" M mitosis.toml"]),
    ],
)
def test_changes_that_are_allowed_are_returned(project: Project, path: str, refused: list[str]) -> None:
    project.commit({"notes.md": "a\n", "pkg/notes.md": "a\n", "mitosis.toml": ""})
    config = Config(project / "mitosis.toml", {}, None, (), allow_changes=("*.md", "*.toml"))
    (project / path).write_text("b\n")
    if not refused:
        assert check_clean(find_repository(project), config) == (0, (f" M {path}",))
        return
    with pytest.raises(DirtyRepository) as caught:
        check_clean(find_repository(project), config)
    assert caught.value.changes == refused


def test_message_shows_ten_changes_and_lists_all(project: Project) -> None:
    for number in range(14):
        (project / f"f{number:02}").write_text("x")
    project.git("add", "--all")
    with pytest.raises(DirtyRepository) as caught:
        check_clean(find_repository(project))
    assert len(caught.value.changes) == 14
    assert "A  f09" in str(caught.value)
    assert "A  f10" not in str(caught.value)
    assert "and 4 more" in str(caught.value)


def test_conflict_is_listed_as_unmerged(project: Project) -> None:
    project.git("checkout", "--quiet", "-b", "other")
    project.commit({"pkg/model.py": "A = 2\n"})
    project.git("checkout", "--quiet", "main")
    project.commit({"pkg/model.py": "A = 3\n"})
    with pytest.raises(Exception, match="merge"):
        project.git("merge", "other")
    assert changes(project) == ["UU pkg/model.py"]


def test_touched_file_is_no_change_and_the_index_stays(project: Project) -> None:
    index = project / ".git" / "index"
    before = index.read_bytes()
    os.utime(project / "pkg" / "model.py", (1, 1))
    assert check_clean(find_repository(project)) == (0, ())
    assert index.read_bytes() == before


def test_line_endings_that_git_converts_are_no_change(project: Project) -> None:
    project.commit({".gitattributes": "*.py text eol=crlf\n"})
    (project / "pkg" / "model.py").unlink()
    project.git("checkout", "--", "pkg/model.py")
    assert (project / "pkg" / "model.py").read_bytes() == b"A = 1\r\nB = 2\r\n"
    os.utime(project / "pkg" / "model.py", (1, 1))
    assert check_clean(find_repository(project)) == (0, ())


def test_content_that_a_filter_cleans_is_no_change(project: Project) -> None:
    project.git("config", "filter.upper.clean", "tr a-z A-Z")
    project.git("config", "filter.upper.smudge", "tr A-Z a-z")
    (project / ".gitattributes").write_text("*.dat filter=upper\n")
    project.commit({"x.dat": "abc\n"})
    (project / "x.dat").write_text("aBc\n")
    assert check_clean(find_repository(project)) == (0, ())


def test_files_left_out_by_a_sparse_checkout_are_no_change(project: Project) -> None:
    (project / "other").mkdir()
    project.commit({"other/x": "x"})
    project.git("sparse-checkout", "set", "pkg")
    assert not (project / "other").exists()
    assert check_clean(find_repository(project)) == (0, ())


def test_linked_worktree_has_its_own_state(project: Project, tmp_path: Path) -> None:
    linked = tmp_path / "linked"
    project.git("worktree", "add", "--quiet", str(linked))
    (project / "pkg" / "model.py").write_text("A = 2\n")
    assert check_clean(find_repository(linked)) == (0, ())
    assert changes(project) == [" M pkg/model.py"]


def test_clean_submodule_is_no_change(with_submodule: Project) -> None:
    assert check_clean(find_repository(with_submodule)) == (0, ())


@pytest.mark.parametrize("ignore", ["none", "all"])
def test_submodule_with_modified_files_is_listed_even_where_it_is_ignored(with_submodule: Project, ignore: str) -> None:
    with_submodule.git("config", "submodule.lib.ignore", ignore)
    (with_submodule / "lib" / "tool.py").write_text("T = 2\n")
    assert changes(with_submodule) == [" M lib"]


def test_submodule_at_another_commit_is_listed(with_submodule: Project) -> None:
    (with_submodule / "lib" / "tool.py").write_text("T = 2\n")
    Project(with_submodule / "lib").commit({})
    assert changes(with_submodule) == [" M lib"]


def test_submodule_with_untracked_files_is_no_change(with_submodule: Project) -> None:
    (with_submodule / "lib" / "notes.txt").write_text("x")
    assert check_clean(find_repository(with_submodule)) == (0, ())


def test_head_is_described_with_subject_and_branch(project: Project) -> None:
    project.git("checkout", "--quiet", "-b", "topic/größe")
    project.git("commit", "--quiet", "--allow-empty", "--message", "Try é\n\nBody.")
    repository = find_repository(project)
    assert repository.head is not None
    assert describe_head(repository) == HeadDescription(repository.head, "Try é", "topic/größe")


def test_detached_head_has_no_branch(project: Project) -> None:
    project.git("checkout", "--quiet", "--detach")
    head = describe_head(find_repository(project))
    assert head is not None
    assert (head.branch, head.subject) == (None, "first")


def test_subject_in_another_encoding_can_be_recorded(project: Project) -> None:
    message = project / ".git" / "message"
    message.write_bytes(b"caf\xe9\n")
    project.git("-c", "i18n.commitEncoding=latin-1", "commit", "--quiet", "--allow-empty", "-F", str(message))
    head = describe_head(find_repository(project))
    assert head is not None and head.subject == "café"


def test_empty_subject_is_described(project: Project) -> None:
    project.git("commit", "--quiet", "--allow-empty", "--allow-empty-message", "--message", "")
    head = describe_head(find_repository(project))
    assert head is not None and head.subject == ""


def test_repository_without_a_commit_has_no_head_to_describe(tmp_path: Path) -> None:
    run_git("init", "--quiet", cwd=tmp_path)
    assert describe_head(find_repository(tmp_path)) is None
