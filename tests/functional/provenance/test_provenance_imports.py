"""Whether the imported code is the committed code."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Sequence
from pathlib import Path

import pytest

from mitosis.errors.repository import UncommittedImports
from mitosis.files import blob_id
from mitosis.git.program import run_git
from mitosis.git.repository import find_repository
from mitosis.protocol import ImportedFile
from mitosis.provenance.imported_code import check_imports, imported_elsewhere
from support.e2e import Project


def imported(path: Path, module: str = "m") -> ImportedFile:
    """The record that is made when the file is imported as it is now."""
    return ImportedFile(module, str(path), blob_id(path.read_bytes()))


def check(root: Path, *files: ImportedFile, environment: Sequence[Path] = ()) -> tuple[str, ...]:
    repository = find_repository(root)
    assert repository.head is not None
    return check_imports(repository, repository.head, files, [str(folder) for folder in environment])


def reasons(root: Path, *files: ImportedFile, environment: Sequence[Path] = ()) -> dict[str, str]:
    with pytest.raises(UncommittedImports) as caught:
        check(root, *files, environment=environment)
    str(caught.value).encode()
    return {path: reason for _, path, reason in caught.value.imports}


def count_git_processes(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Have git write a line to a file whenever it starts."""
    trace = folder / "trace"
    trace.touch()
    monkeypatch.setenv("GIT_TRACE2_EVENT", str(trace))
    return trace


def git_processes(trace: Path) -> list[str]:
    return [line for line in trace.read_text().splitlines() if '"event":"start"' in line and '"argv":["git"' in line]


# --- the working tree ---


def test_committed_files_pass_without_any_git_process(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    repository = find_repository(project)
    assert repository.head is not None
    files = [imported(path) for path in sorted((project / "pkg").iterdir())]
    trace = count_git_processes(tmp_path, monkeypatch)
    check_imports(repository, repository.head, files, [])
    assert len(files) == 2
    assert git_processes(trace) == []


def test_file_outside_the_repository_passes(project: Project, tmp_path: Path) -> None:
    (tmp_path / "other.py").write_text("x")
    check(project, imported(tmp_path / "other.py"))


def test_folder_whose_name_continues_that_of_the_repository_is_outside(project: Project) -> None:
    other = project.parent / "project-2"
    other.mkdir()
    (other / "a.py").write_text("x")
    check(project, imported(other / "a.py"))


def test_committed_file_without_known_bytes_is_read_from_disk(project: Project) -> None:
    model = project / "pkg" / "model.py"
    check(project, ImportedFile("pkg.model", str(model), None))
    model.write_text("A = 5\n")
    assert reasons(project, ImportedFile("pkg.model", str(model), None)) == {"pkg/model.py": "differs from the commit"}


def test_untracked_file_is_named_with_its_module(project: Project) -> None:
    (project / "pkg" / "noise.py").write_text("x = 1\n")
    with pytest.raises(UncommittedImports) as caught:
        check(project, imported(project / "pkg" / "noise.py", "pkg.noise"), imported(project / "pkg" / "__init__.py"))
    assert caught.value.imports == [("pkg.noise", "pkg/noise.py", "untracked")]
    assert "pkg/noise.py  untracked (module pkg.noise)" in str(caught.value)
    assert "--debug" in str(caught.value)


def test_ignored_file_is_told_from_an_untracked_one(project: Project) -> None:
    (project / "build").mkdir()
    for name in ("build/gen.py", "free.py"):
        (project / name).write_text("x = 1\n")
    found = reasons(project, imported(project / "build" / "gen.py"), imported(project / "free.py"))
    assert found == {"build/gen.py": "ignored by git", "free.py": "untracked"}


def test_file_that_is_staged_only_is_named(project: Project) -> None:
    (project / "new.py").write_text("x = 1\n")
    project.git("add", "new.py")
    assert reasons(project, imported(project / "new.py")) == {"new.py": "added but not committed"}


def test_edited_file_is_named(project: Project) -> None:
    model = project / "pkg" / "model.py"
    model.write_text("A = 3\n")
    assert reasons(project, imported(model)) == {"pkg/model.py": "differs from the commit"}


@pytest.mark.parametrize("mark", ["assume-unchanged", "skip-worktree"])
def test_edited_file_that_status_hides_is_named_with_its_mark(project: Project, mark: str) -> None:
    model = project / "pkg" / "model.py"
    project.git("update-index", f"--{mark}", "pkg/model.py")
    model.write_text("A = 3\n")
    assert project.git("status", "--porcelain") == ""
    found = reasons(project, imported(model))
    assert mark in found["pkg/model.py"]


def test_file_edited_after_its_import_counts_as_it_was_imported(project: Project) -> None:
    model = project / "pkg" / "model.py"
    committed = imported(model)
    model.write_text("A = 3\n")
    edited = imported(model)
    check(project, committed)
    project.git("checkout", "--", "pkg/model.py")
    assert reasons(project, edited) == {"pkg/model.py": "changed on disk after it was imported"}


def test_file_that_is_gone_counts_as_it_was_imported(project: Project) -> None:
    model = project / "pkg" / "model.py"
    committed = imported(model)
    model.unlink()
    check(project, committed)
    assert "can no longer be read" in reasons(project, ImportedFile("m", str(model), None))["pkg/model.py"]


def test_commit_and_not_index_or_head_is_compared(project: Project) -> None:
    repository = find_repository(project)
    assert repository.head is not None
    model = project / "pkg" / "model.py"
    model.write_text("A = 3\n")
    project.commit({})
    check(project, imported(model))
    with pytest.raises(UncommittedImports):
        check_imports(repository, repository.head, [imported(model)], [])


def test_message_shows_ten_files_and_lists_all(project: Project) -> None:
    files = []
    for number in range(14):
        path = project / f"f{number:02}.py"
        path.write_text("x")
        files.append(imported(path))
    with pytest.raises(UncommittedImports) as caught:
        check(project, *files)
    assert len(caught.value.imports) == 14
    assert "f09.py" in str(caught.value)
    assert "f10.py" not in str(caught.value)
    assert "and 4 more" in str(caught.value)


def test_git_is_started_few_times_however_many_files_differ(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = []
    for number in range(300):
        path = project / f"f{number}.py"
        path.write_text("committed\n")
        files.append(path)
    project.commit({})
    for number, path in enumerate(files):
        path.write_text("edited\n")
        (project / f"new{number}.py").write_text("x\n")
    records = [imported(path) for path in files] + [imported(project / f"new{number}.py") for number in range(300)]
    repository = find_repository(project)
    assert repository.head is not None
    trace = count_git_processes(tmp_path, monkeypatch)
    with pytest.raises(UncommittedImports) as caught:
        check_imports(repository, repository.head, records, [])
    assert len(caught.value.imports) == 600
    assert 0 < len(git_processes(trace)) <= 3


@pytest.mark.parametrize(
    "name", ["with blank.py", "größe.py", "new\nline.py", '"quoted".py', "tab\t.py", os.fsdecode(b"lat\xe9.py"), "r\r"]
)
def test_odd_names_are_compared_and_shown_on_one_line(project: Project, name: str) -> None:
    path = project / name
    (project / ".gitattributes").write_text("* text=auto\n")
    path.write_bytes(b"x = 1\n")
    project.commit({})
    path.write_bytes(b"x = 1\r\n")
    check(project, imported(path))
    path.write_bytes(b"x = 2\r\n")
    assert list(reasons(project, imported(path)).values()) == ["differs from the commit"]
    with pytest.raises(UncommittedImports) as caught:
        check(project, imported(path))
    assert len(str(caught.value).splitlines()) == 3


# --- what git changes between commit and working tree ---


def test_line_endings_of_the_working_tree_are_no_difference(project: Project) -> None:
    project.commit({".gitattributes": "*.py text eol=crlf\n"})
    model = project / "pkg" / "model.py"
    model.write_bytes(b"A = 1\r\nB = 2\r\n")
    check(project, imported(model))
    model.write_bytes(b"A = 1\r\nB = 3\r\n")
    assert reasons(project, imported(model)) == {"pkg/model.py": "differs from the commit"}


def test_cleaned_content_is_no_difference(project: Project) -> None:
    project.git("config", "filter.strip.clean", "sed s/secret/public/")
    project.commit({".gitattributes": "*.py filter=strip\n"})
    project.commit({"key.py": "k = 'secret'\n"})
    assert project.git("show", "HEAD:key.py") == "k = 'public'\n"
    check(project, imported(project / "key.py"))


def test_file_in_another_encoding_is_no_difference(project: Project) -> None:
    (project / ".gitattributes").write_text("*.py text working-tree-encoding=UTF-16LE\n")
    (project / "wide.py").write_bytes("x = 1\n".encode("utf-16-le"))
    project.commit({})
    check(project, imported(project / "wide.py"))


# --- installed code ---


def test_code_of_an_environment_inside_the_repository_does_not_count(project: Project) -> None:
    site = project / ".venv" / "lib" / "site-packages"
    site.mkdir(parents=True)
    (site / "numpy.py").write_text("x")
    check(project, imported(site / "numpy.py"), environment=[project / ".venv"])
    assert reasons(project, imported(site / "numpy.py")) == {".venv/lib/site-packages/numpy.py": "untracked"}


def test_environment_that_holds_the_repository_takes_nothing_away(project: Project) -> None:
    (project / "free.py").write_text("x")
    for folder in (project, project.parent, Path("/")):
        assert reasons(project, imported(project / "free.py"), environment=[folder]) == {"free.py": "untracked"}


def test_environment_behind_a_symbolic_link_does_not_count(project: Project, tmp_path: Path) -> None:
    site = tmp_path / "venvs" / "x" / "site-packages"
    site.mkdir(parents=True)
    (site / "numpy.py").write_text("x")
    (project / ".venv").symlink_to(tmp_path / "venvs" / "x")
    used = imported(project / ".venv" / "site-packages" / "numpy.py")
    check(project, used, environment=[project / ".venv"])
    assert "leads out" in reasons(project, used)[".venv/site-packages/numpy.py"]


def test_code_of_the_repository_linked_into_an_environment_counts(project: Project, tmp_path: Path) -> None:
    for site in (tmp_path / "venv", project / ".venv"):
        site.mkdir()
        (site / "pkg").symlink_to(project / "pkg")
        check(project, imported(site / "pkg" / "model.py"), environment=[site])
    (project / "pkg" / "free.py").write_text("x")
    for site in (tmp_path / "venv", project / ".venv"):
        found = reasons(project, imported(site / "pkg" / "free.py"), environment=[site])
        assert found == {"pkg/free.py": "untracked"}


# --- symbolic links ---


def test_repository_reached_through_a_symbolic_link_is_the_same(project: Project, tmp_path: Path) -> None:
    (tmp_path / "short").symlink_to(project)
    (project / "free.py").write_text("x")
    check(project, imported(tmp_path / "short" / "pkg" / "model.py"))
    assert reasons(project, imported(tmp_path / "short" / "free.py")) == {"free.py": "untracked"}


@pytest.mark.parametrize("target", ["pkg", "sub/../pkg", "./pkg"])
def test_committed_link_to_committed_code_passes(project: Project, target: str) -> None:
    (project / "sub").mkdir()
    (project / "sub" / "keep").touch()
    (project / "alias").symlink_to(target)
    project.commit({})
    check(project, imported(project / "alias" / "model.py"))


def test_link_that_is_not_committed_is_named(project: Project) -> None:
    (project / "alias").symlink_to("pkg")
    assert reasons(project, imported(project / "alias" / "model.py")) == {"alias": "untracked"}


def test_link_that_leads_elsewhere_than_the_committed_one_is_named(project: Project) -> None:
    (project / "alias.py").symlink_to("pkg/__init__.py")
    project.commit({})
    (project / "alias.py").unlink()
    (project / "alias.py").symlink_to("pkg/model.py")
    assert "symbolic link" in reasons(project, imported(project / "alias.py"))["alias.py"]


def test_file_in_place_of_a_committed_link_is_named(project: Project) -> None:
    (project / "alias.py").symlink_to("pkg/model.py")
    project.commit({})
    (project / "alias.py").unlink()
    (project / "alias.py").write_text("A = 1\nB = 2\n")
    assert reasons(project, imported(project / "alias.py")) == {"alias.py": "differs from the commit"}


def test_untracked_target_of_a_committed_link_is_named(project: Project) -> None:
    (project / "free.py").write_text("x")
    (project / "alias.py").symlink_to("free.py")
    project.git("add", "alias.py")
    project.git("commit", "--quiet", "-m", "alias")
    assert reasons(project, imported(project / "alias.py")) == {"free.py": "untracked"}


def test_committed_link_that_leads_out_is_named(project: Project, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "x.py").write_text("x")
    (project / "lib").symlink_to(tmp_path / "elsewhere")
    project.commit({})
    found = reasons(project, imported(project / "lib" / "x.py"))
    assert found == {"lib/x.py": "reached through the symbolic link lib, which leads out of the repository"}


# --- submodules and other repositories inside ---


def test_code_of_a_submodule_is_compared_with_the_pinned_commit(with_submodule: Project) -> None:
    tool = with_submodule / "lib" / "tool.py"
    check(with_submodule, imported(tool))
    tool.write_text("T = 2\n")
    assert reasons(with_submodule, imported(tool)) == {"lib/tool.py": "differs from the commit"}
    Project(with_submodule / "lib").commit({})
    assert reasons(with_submodule, imported(tool)) == {"lib/tool.py": "differs from the commit"}
    with_submodule.commit({})
    check(with_submodule, imported(tool))


def test_what_of_the_commit_was_imported_is_told(with_submodule: Project, tmp_path: Path) -> None:
    (tmp_path / "other.py").write_text("x")
    (with_submodule / ".venv").mkdir()
    (with_submodule / ".venv" / "installed.py").write_text("x")
    (with_submodule / "alias").symlink_to("pkg")
    with_submodule.git("add", "alias")
    with_submodule.commit({})
    paths = ["lib/tool.py", "alias/model.py", "pkg/__init__.py", ".venv/installed.py", "../other.py"]
    found = check(
        with_submodule, *(imported(with_submodule / path) for path in paths), environment=[with_submodule / ".venv"]
    )
    assert found == ("alias", "lib", "pkg/__init__.py", "pkg/model.py")


def test_untracked_code_of_a_submodule_is_named(with_submodule: Project) -> None:
    (with_submodule / "lib" / "free.py").write_text("x")
    assert reasons(with_submodule, imported(with_submodule / "lib" / "free.py")) == {"lib/free.py": "untracked"}


def test_submodule_of_a_submodule_is_compared(with_submodule: Project, tmp_path: Path) -> None:
    outer = tmp_path / "outer"
    outer.mkdir()
    run_git("init", "--quiet", cwd=outer)
    run_git("submodule", "--quiet", "add", str(with_submodule), "mid", cwd=outer)
    run_git("submodule", "--quiet", "update", "--init", "--recursive", cwd=outer)
    Project(outer).commit({})
    tool = outer / "mid" / "lib" / "tool.py"
    check(outer, imported(tool), imported(outer / "mid" / "pkg" / "model.py"))
    tool.write_text("T = 2\n")
    assert reasons(outer, imported(tool)) == {"mid/lib/tool.py": "differs from the commit"}


def test_pinned_commit_that_the_submodule_lacks_is_named(with_submodule: Project) -> None:
    missing = "1" * 40
    with_submodule.git("update-index", "--cacheinfo", f"160000,{missing},lib")
    with_submodule.git("commit", "--quiet", "-m", "pin what is not there")
    found = reasons(with_submodule, imported(with_submodule / "lib" / "tool.py"))
    assert "1111111" in found["lib/tool.py"]


def test_code_in_the_place_of_a_submodule_that_is_not_there_is_named(with_submodule: Project, tmp_path: Path) -> None:
    clone = tmp_path / "clone"
    run_git("clone", "--quiet", str(with_submodule), str(clone), cwd=tmp_path)
    (clone / "lib" / "tool.py").write_text("T = 1\n")
    assert "not initialized" in reasons(clone, imported(clone / "lib" / "tool.py"))["lib/tool.py"]


def test_code_of_another_repository_inside_is_named_with_it(project: Project) -> None:
    inner = project / "vendor" / "inner"
    inner.mkdir(parents=True)
    run_git("init", "--quiet", cwd=inner)
    (inner / "x.py").write_text("x")
    Project(inner).commit({})
    found = reasons(project, imported(inner / "x.py"))
    assert found == {"vendor/inner/x.py": "untracked: it is in another repository, vendor/inner"}


# --- other set-ups ---


def test_linked_worktree_is_compared_with_its_own_files(project: Project, tmp_path: Path) -> None:
    linked = tmp_path / "linked"
    project.git("worktree", "add", "--quiet", str(linked))
    check(linked, imported(linked / "pkg" / "model.py"), imported(project / "pkg" / "model.py"))
    (linked / "pkg" / "model.py").write_text("A = 3\n")
    assert list(reasons(linked, imported(linked / "pkg" / "model.py"))) == ["pkg/model.py"]


def test_case_of_a_name_counts_unless_the_file_system_ignores_it(project: Project) -> None:
    (project / "pkg" / "MODEL.py").write_text("A = 1\nB = 2\n")
    used = imported(project / "pkg" / "MODEL.py")
    assert reasons(project, used) == {"pkg/MODEL.py": "untracked"}
    project.git("config", "core.ignoreCase", "true")
    check(project, used)


def test_module_in_an_archive_counts_as_the_archive(project: Project) -> None:
    archive = project / "lib.zip"
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("inner.py", "x = 1\n")
    used = ImportedFile("inner", str(archive / "inner.py"), blob_id(b"x = 1\n"))
    assert reasons(project, used) == {"lib.zip": "untracked"}
    project.commit({})
    check(project, used)


def test_module_imported_from_an_installed_copy_is_told(project: Project, tmp_path: Path) -> None:
    site = tmp_path / "site-packages"
    (site / "pkg").mkdir(parents=True)
    for name in ("__init__.py", "model.py"):
        (site / "pkg" / name).write_text("old = 1\n")
    (project / "src" / "deep").mkdir(parents=True)
    (project / "src" / "deep" / "__init__.py").touch()
    project.commit({})
    repository = find_repository(project)
    assert repository.head is not None

    def elsewhere(module: str, path: Path, environment: Sequence[str] = ()) -> str | None:
        return imported_elsewhere(repository, str(repository.head), ImportedFile(module, str(path), None), environment)

    assert elsewhere("pkg", site / "pkg" / "__init__.py") == "pkg/__init__.py"
    assert elsewhere("pkg.model", site / "pkg" / "model.py") == "pkg/model.py"
    assert elsewhere("deep", site / "deep" / "__init__.py") == "src/deep/__init__.py"
    assert elsewhere("numpy", site / "numpy" / "__init__.py") is None
    assert elsewhere("pkg.model", project / "pkg" / "model.py") is None
    inner = project / ".venv" / "pkg" / "model.py"
    assert elsewhere("pkg.model", inner, [str(project / ".venv")]) == "pkg/model.py"
