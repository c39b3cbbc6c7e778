"""The journal in every kind of repository."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.journal import JOURNAL, Desk, Git, make_variant


def use(journal: Desk) -> None:
    """Append and read, and let git check the result."""
    slow = make_variant()
    first = journal.run_trial(variants=[slow])
    second = journal.run_trial(variants=[slow])
    assert (first.iteration, second.iteration) == (0, 1)
    assert journal.read_trial(first.key) == first
    assert journal.trial_keys() == {first.key, second.key}
    assert [lock.digest for lock in journal.iter_variants()] == [slow.digest]
    assert len(journal.variant_origins()) == 1
    assert len(journal.git("log", "--format=%H", "refs/mitosis").split()) == 4
    assert len(journal.git_note().splitlines()) == 2
    assert journal.git("fsck", "--strict", "--no-dangling") == ""


def test_linked_worktrees_share_the_journal(journal: Desk, repository_folder: Path, tmp_path: Path) -> None:
    journal.git("worktree", "add", "--quiet", "-b", "other", str(tmp_path / "linked"))
    linked = Desk(tmp_path / "linked")
    use(linked)
    main = Desk(repository_folder)
    assert main.run_trial().iteration == 2
    assert len(list(linked.iter_trials())) == 3
    assert not (linked.repository.git_dir / "refs").exists() or not list(linked.repository.git_dir.glob("refs/mitosis"))


def test_worktree_of_a_bare_repository(repository_folder: Path, tmp_path: Path, git: Git) -> None:
    git("clone", "--quiet", "--bare", str(repository_folder), "bare.git", cwd=tmp_path)
    git("worktree", "add", "--quiet", "../tree", "main", cwd=tmp_path / "bare.git")
    use(Desk(tmp_path / "tree"))


def test_submodule_has_a_journal_of_its_own(repository_folder: Path, tmp_path: Path, git: Git) -> None:
    git("clone", "--quiet", str(repository_folder), "outer", cwd=tmp_path)
    outer = tmp_path / "outer"
    git("submodule", "--quiet", "add", str(repository_folder), "inner", cwd=outer)
    use(Desk(outer / "inner"))
    assert Desk(outer).tip() is None
    use(Desk(outer))


@pytest.mark.parametrize("option", ["--shared", "--depth=1", "--filter=blob:none"])
def test_clone_that_lacks_objects(
    journal: Desk, repository_folder: Path, tmp_path: Path, git: Git, option: str
) -> None:
    journal.git("config", "uploadpack.allowFilter", "true")
    journal.git("commit", "--quiet", "--allow-empty", "-m", "second")
    url = str(repository_folder) if option == "--shared" else repository_folder.as_uri()
    git("clone", "--quiet", option, url, "clone", cwd=tmp_path)
    use(Desk(tmp_path / "clone"))


def test_repository_at_an_unusual_path(repository_folder: Path, tmp_path: Path, git: Git) -> None:
    folder = tmp_path / os.fsdecode("with space\n ünï \xe9".encode("latin-1"))
    git("clone", "--quiet", str(repository_folder), str(folder), cwd=tmp_path)
    use(Desk(folder))


def test_everything_packed(journal: Desk) -> None:
    journal.git("gc", "--quiet", "--prune=now")
    use(journal)
    journal.git("gc", "--quiet", "--prune=now")
    reader = journal.again()
    assert len(list(reader.iter_trials())) == 2
    assert reader.run_trial().iteration == 2


def test_refs_that_log_everything(journal: Desk) -> None:
    journal.git("config", "core.logAllRefUpdates", "always")
    use(journal)
    logged = journal.git("reflog", "show", "--format=%gn <%ge> %gs", JOURNAL).splitlines()
    assert logged[0].startswith("Ada Lovelace <ada@example.org> my_exp ")
    assert len(logged) == 4


def test_detached_head_and_dirty_tree_do_not_matter(journal: Desk, repository_folder: Path) -> None:
    journal.git("checkout", "--quiet", "--detach")
    (repository_folder / "experiment.py").write_text("dirty\n")
    use(Desk(repository_folder))


@pytest.fixture
def umask() -> Iterator[None]:
    before = os.umask(0o022)
    yield
    os.umask(before)


@pytest.mark.usefixtures("umask")
@pytest.mark.parametrize(
    ("setting", "bits"),
    [("group", 0o070), ("true", 0o070), ("1", 0o070), ("all", 0o075), ("2", 0o075), ("0660", 0o070)],
)
def test_shared_repository_stays_writable_for_all_who_share_it(
    journal: Desk, repository_folder: Path, setting: str, bits: int
) -> None:
    journal.git("config", "core.sharedRepository", setting)
    before = set(repository_folder.rglob("*"))
    journal.again().run_trial()
    new = set(repository_folder.rglob("*")) - before
    folders = [path for path in new if path.is_dir()]
    assert {path.name for path in folders} >= {"mitosis", "commits", "notes"}
    for path in folders:
        assert path.stat().st_mode & bits == bits, path
    for path in new - set(folders):
        wanted = bits & 0o066 if "objects" not in path.parts else bits & 0o044
        assert path.stat().st_mode & wanted == wanted, path
    assert os.umask(0o022) == 0o022


@pytest.mark.usefixtures("umask")
@pytest.mark.parametrize("setting", [None, "umask", "false", "0600"])
def test_repository_that_is_not_shared_keeps_the_umask(
    journal: Desk, repository_folder: Path, setting: str | None
) -> None:
    if setting is not None:
        journal.git("config", "core.sharedRepository", setting)
    before = set(repository_folder.rglob("*"))
    journal.again().run_trial()
    for path in set(repository_folder.rglob("*")) - before:
        assert not path.stat().st_mode & (stat.S_IWGRP | stat.S_IWOTH), path


def test_reading_writes_nothing_but_the_index(journal: Desk, repository_folder: Path, git: Git, tmp_path: Path) -> None:
    record = journal.run_trial(variants=[make_variant()])
    git("clone", "--quiet", "--mirror", str(repository_folder), str(tmp_path / "clone" / ".git"), cwd=tmp_path)
    git("config", "core.bare", "false", cwd=tmp_path / "clone")
    for folder in (repository_folder, tmp_path / "clone"):

        def state(folder: Path = folder) -> dict[Path, tuple[int, int]]:
            index = folder / ".git" / "mitosis"
            kept = (path for path in folder.rglob("*") if index not in (path, *path.parents) and path != index.parent)
            return {path: (path.stat().st_mtime_ns, path.stat().st_size) for path in kept}

        before = state()
        reader = Desk(folder)
        assert reader.read_trial(record.key) == record
        assert list(reader.iter_trials(limit=1)) == list(reader.iter_trials()) == [record]
        assert len(list(reader.iter_variants())) == len(reader.variant_origins()) == 1
        assert reader.check([make_variant()]) == ()
        reader.read_environment(record.environment)
        assert state() == before
