"""The journal in every kind of repository."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from mitosis.git.repository import find_repository
from mitosis.journal.journal import Journal
from mitosis.records.trial import TrialRecord
from mitosis.variants import Variant

Git = Callable[..., str]
MakeVariant = Callable[..., Variant]
RunTrial = Callable[..., TrialRecord]


def use(journal: Journal, run_trial: RunTrial, make_variant: MakeVariant, git: Git) -> None:
    """Append and read, and let git check the result."""
    folder = journal.repository.root
    slow = make_variant()
    first = run_trial(journal=journal, variants=[slow])
    second = run_trial(journal=journal, variants=[slow])
    assert (first.iteration, second.iteration) == (0, 1)
    assert journal.read_trial(first.key) == first
    assert {record.key for record in journal.iter_trials()} == {first.key, second.key}
    assert [lock.digest for lock in journal.iter_variants()] == [slow.digest]
    assert len(journal.variant_origins()) == 1
    assert len(git("log", "--format=%H", "refs/mitosis", cwd=folder).split()) == 4
    assert len(git("notes", "--ref=mitosis", "show", "HEAD", cwd=folder).splitlines()) == 2
    assert git("fsck", "--strict", "--no-dangling", cwd=folder) == ""


def test_linked_worktrees_share_the_journal(
    repository_folder: Path, tmp_path: Path, git: Git, run_trial: RunTrial, make_variant: MakeVariant
) -> None:
    git("worktree", "add", "--quiet", "-b", "other", str(tmp_path / "linked"))
    linked = Journal(find_repository(tmp_path / "linked"))
    use(linked, run_trial, make_variant, git)
    main = Journal(find_repository(repository_folder))
    assert run_trial(journal=main).iteration == 2
    assert len(list(linked.iter_trials())) == 3
    assert not (linked.repository.git_dir / "refs").exists() or not list(linked.repository.git_dir.glob("refs/mitosis"))


def test_worktree_of_a_bare_repository(
    repository_folder: Path, tmp_path: Path, git: Git, run_trial: RunTrial, make_variant: MakeVariant
) -> None:
    git("clone", "--quiet", "--bare", str(repository_folder), "bare.git", cwd=tmp_path)
    git("worktree", "add", "--quiet", "../tree", "main", cwd=tmp_path / "bare.git")
    use(Journal(find_repository(tmp_path / "tree")), run_trial, make_variant, git)


def test_submodule_has_a_journal_of_its_own(
    repository_folder: Path, tmp_path: Path, git: Git, run_trial: RunTrial, make_variant: MakeVariant
) -> None:
    git("clone", "--quiet", str(repository_folder), "outer", cwd=tmp_path)
    outer = tmp_path / "outer"
    git("submodule", "--quiet", "add", str(repository_folder), "inner", cwd=outer)
    use(Journal(find_repository(outer / "inner")), run_trial, make_variant, git)
    assert Journal(find_repository(outer)).tip() is None
    use(Journal(find_repository(outer)), run_trial, make_variant, git)


@pytest.mark.parametrize("option", ["--shared", "--depth=1", "--filter=blob:none"])
def test_clone_that_lacks_objects(
    repository_folder: Path, tmp_path: Path, git: Git, run_trial: RunTrial, make_variant: MakeVariant, option: str
) -> None:
    git("config", "uploadpack.allowFilter", "true")
    git("commit", "--quiet", "--allow-empty", "-m", "second")
    url = str(repository_folder) if option == "--shared" else repository_folder.as_uri()
    git("clone", "--quiet", option, url, "clone", cwd=tmp_path)
    use(Journal(find_repository(tmp_path / "clone")), run_trial, make_variant, git)


def test_repository_at_an_unusual_path(
    repository_folder: Path, tmp_path: Path, git: Git, run_trial: RunTrial, make_variant: MakeVariant
) -> None:
    folder = tmp_path / os.fsdecode("with space\n ünï \xe9".encode("latin-1"))
    git("clone", "--quiet", str(repository_folder), str(folder), cwd=tmp_path)
    use(Journal(find_repository(folder)), run_trial, make_variant, git)


def test_everything_packed(repository_folder: Path, git: Git, run_trial: RunTrial, make_variant: MakeVariant) -> None:
    git("gc", "--quiet", "--prune=now")
    use(Journal(find_repository(repository_folder)), run_trial, make_variant, git)
    git("gc", "--quiet", "--prune=now")
    journal = Journal(find_repository(repository_folder))
    assert len(list(journal.iter_trials())) == 2
    assert run_trial(journal=journal).iteration == 2


def test_refs_that_log_everything(
    repository_folder: Path, git: Git, run_trial: RunTrial, make_variant: MakeVariant
) -> None:
    git("config", "core.logAllRefUpdates", "always")
    use(Journal(find_repository(repository_folder)), run_trial, make_variant, git)
    logged = git("reflog", "show", "--format=%gn <%ge> %gs", "refs/mitosis/journal").splitlines()
    assert logged[0].startswith("Ada Lovelace <ada@example.org> my_exp ")
    assert len(logged) == 4


def test_detached_head_and_dirty_tree_do_not_matter(
    repository_folder: Path, git: Git, run_trial: RunTrial, make_variant: MakeVariant
) -> None:
    git("checkout", "--quiet", "--detach")
    (repository_folder / "experiment.py").write_text("dirty\n")
    use(Journal(find_repository(repository_folder)), run_trial, make_variant, git)


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
    repository_folder: Path, git: Git, run_trial: RunTrial, setting: str, bits: int
) -> None:
    git("config", "core.sharedRepository", setting)
    before = set(repository_folder.rglob("*"))
    run_trial(journal=Journal(find_repository(repository_folder)))
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
    repository_folder: Path, git: Git, run_trial: RunTrial, setting: str | None
) -> None:
    if setting is not None:
        git("config", "core.sharedRepository", setting)
    before = set(repository_folder.rglob("*"))
    run_trial(journal=Journal(find_repository(repository_folder)))
    for path in set(repository_folder.rglob("*")) - before:
        assert not path.stat().st_mode & (stat.S_IWGRP | stat.S_IWOTH), path


def test_reading_writes_nothing_but_the_index(
    repository_folder: Path, run_trial: RunTrial, make_variant: MakeVariant, git: Git, tmp_path: Path
) -> None:
    record = run_trial(variants=[make_variant()])
    git("clone", "--quiet", "--mirror", str(repository_folder), str(tmp_path / "clone" / ".git"), cwd=tmp_path)
    git("config", "core.bare", "false", cwd=tmp_path / "clone")
    for folder in (repository_folder, tmp_path / "clone"):

        def state(folder: Path = folder) -> dict[Path, tuple[int, int]]:
            index = folder / ".git" / "mitosis"
            kept = (path for path in folder.rglob("*") if index not in (path, *path.parents) and path != index.parent)
            return {path: (path.stat().st_mtime_ns, path.stat().st_size) for path in kept}

        before = state()
        journal = Journal(find_repository(folder))
        assert journal.read_trial(record.key) == record
        assert list(journal.iter_trials(limit=1)) == list(journal.iter_trials()) == [record]
        assert len(list(journal.iter_variants())) == len(journal.variant_origins()) == 1
        assert journal.check([make_variant()]) == ()
        journal.read_environment(record.environment)
        assert state() == before
