"""A disk that fills up in the middle of an append or a merge."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.faults import Nursery, can_mount, spread
from support.kills import Append, Merge, Scenario, Statuses, Sweep, git, locks, make_repository, statuses

MOMENTS = 3
SCENARIOS = [Append(0), Append(3), Merge()]
SMALL_DISK_KIB = 1024


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)
def test_full_disk_is_told_and_the_journal_goes_on_when_there_is_room(
    scenario: Scenario, tmp_path: Path, processes: Nursery
) -> None:
    """No file can be written to from some moment on: what the system says then is `File too large`."""
    sweep = Sweep(scenario, tmp_path, processes)
    # The last calls of all write nothing more.
    for moment in spread(MOMENTS, sweep.events * 9 // 10):
        outcome = sweep.fill_at(moment)
        assert "File too large" in (outcome.error or str(outcome.values("problem")))


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A folder whose file system has little room."""
    folder = tmp_path / "disk"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={SMALL_DISK_KIB}k", "none", str(folder)], check=True)
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def fill(folder: Path, left_kib: int) -> Path:
    """Use up the room in a file system but for so much; returns the file that does."""
    filler = folder / "filler"
    room = os.statvfs(folder)
    left_bytes = room.f_bavail * room.f_frsize - left_kib * 1024
    with filler.open("wb") as file:
        file.write(b"\0" * max(left_bytes, 0))
    return filler


if can_mount():  # elsewhere the test above has to do

    def test_disk_without_room_is_told_by_name(small_disk: Path, processes: Nursery) -> None:
        repository = make_repository(small_disk / "repository")
        expected: Statuses = {}
        refused = 0
        for left_kib in (0, 8, 24, 40):
            filler = fill(small_disk, left_kib)
            outcome = processes.run_one(do="append", folder=str(repository)).check_no_crash()
            after = statuses(repository)
            started = outcome.values("started")
            if not started:
                assert after == expected
            elif not outcome.values("ended") and not (outcome.error or "").startswith("NoteNotWritten"):
                assert after == {**expected, started[0]: "running"}
            else:
                assert after == {**expected, started[0]: "finished"}
            if outcome.error is not None:
                refused += 1
                assert "No space left on device" in outcome.error
            assert locks(repository) == []
            filler.unlink()
            ended = processes.run_one(do="append", folder=str(repository)).check().values("ended")
            expected = {**after, ended[0]: "finished"}
            assert statuses(repository) == expected
            git(repository, "gc", "--quiet", "--prune=now")
        assert refused > 1
