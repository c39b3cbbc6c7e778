"""Repositories that several users write to, each with a umask of their own."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.faults import Nursery
from support.journal import JOURNAL
from support.kills import git, make_repository, statuses

UMASKS = (0o077, 0o027, 0o022, 0o002)


@pytest.mark.parametrize(
    ("setting", "bits"), [("group", 0o060), ("all", 0o064), ("0660", 0o060), ("false", None)], ids=str
)
def test_umask_of_one_user_keeps_no_other_out(
    tmp_path: Path, processes: Nursery, setting: str, bits: int | None
) -> None:
    repository = make_repository(tmp_path / "repository")
    git(tmp_path, "clone", "--quiet", "repository", "other")
    processes.run_one(do="append", folder=str(tmp_path / "other")).check()
    git(repository, "fetch", "--quiet", "../other", f"{JOURNAL}:refs/mitosis/remotes/other/journal")
    commit = git(repository, "rev-parse", "refs/mitosis/remotes/other/journal").strip()
    git(repository, "config", "core.sharedRepository", setting)
    known = set((repository / ".git").rglob("*"))
    for umask in UMASKS:
        job = {"folder": str(repository), "umask": umask}
        processes.run_one(**job, do="append", variants={f"v{umask}": 1}).check()
        processes.run_one(**job, do="merge", commit=commit).check()
        new = set((repository / ".git").rglob("*")) - known
        for path in new:
            mode = path.stat().st_mode & 0o077
            if bits is None:
                assert not mode & umask, path
                continue
            wanted = bits & 0o044 if "objects" in path.parts and path.is_file() else bits
            wanted |= (wanted & 0o044) >> 2 if path.is_dir() else 0
            assert mode & wanted == wanted, f"{path}: {mode:o} with umask {umask:o}"
        if bits is None:
            known |= new
    assert len(statuses(repository)) == len(UMASKS) + 1
