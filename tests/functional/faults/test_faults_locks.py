"""Locks that git itself holds on the journal while somebody wants to append to it."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path

import pytest

from support.faults import Nursery
from support.journal import JOURNAL
from support.kills import git, locks, records_of

WAIT_S = 0.3
"""Long enough for an append that does not wait to be over."""


@pytest.mark.parametrize("outcome", ["abort", "commit"])
def test_lock_that_git_holds_is_waited_for(repository_folder: Path, processes: Nursery, outcome: str) -> None:
    job = {"do": "append", "folder": str(repository_folder)}
    [before] = processes.run_one(**job).check().values("ended")
    tip = git(repository_folder, "rev-parse", JOURNAL).strip()
    other = git(repository_folder, "commit-tree", f"{JOURNAL}^{{tree}}", "-p", tip, "-m", "by git").strip()
    with subprocess.Popen(
        ["git", "update-ref", "--stdin"],
        cwd=repository_folder,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as updating:
        assert updating.stdin is not None and updating.stdout is not None
        updating.stdin.write(f"start\nupdate {JOURNAL} {other} {tip}\nprepare\n")
        updating.stdin.flush()
        assert [updating.stdout.readline(), updating.stdout.readline()] == ["start: ok\n", "prepare: ok\n"]
        assert locks(repository_folder) == [f".git/{JOURNAL}.lock"]
        processes.start(job)
        time.sleep(WAIT_S)
        assert git(repository_folder, "rev-parse", JOURNAL).strip() == tip
        updating.stdin.write(f"{outcome}\n")
        updating.stdin.close()
        [appended] = processes.finish()
    [after] = appended.check().values("ended")
    assert records_of(repository_folder).keys() == {before, after}
    # Its parent is what the ref pointed to when the lock was free, not when the append began.
    parent = git(repository_folder, "rev-parse", f"{JOURNAL}~2").strip()
    assert parent == (other if outcome == "commit" else tip)
    assert locks(repository_folder) == []
