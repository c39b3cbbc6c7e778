"""Ends of trials that could not be recorded: found again where the trial has kept them, and nowhere else."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from mitosis.journal.unrecorded import FILE, ROOM, keep_end, remember_folder
from mitosis.process import this_process
from mitosis.records.trial import ProcessRecord, TrialRecord
from support.journal import Desk
from support.waiting import TIMEOUT_S


def run(journal: Desk, *words: str) -> str:
    """Run a command as its own process; returns all that it prints."""
    done = subprocess.run(
        [sys.executable, "-m", "mitosis", *words],
        cwd=journal.folder,
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )
    assert done.returncode in (0, 1, 2), done.stderr
    return done.stdout + done.stderr


def lose_trial(journal: Desk, trials_folder: str, folder: str) -> TrialRecord:
    """A trial of this machine whose process is gone, as its record says."""
    here = this_process()
    return journal.start_trial(
        process=ProcessRecord(here.host, 3_999_999, here.started), trials_folder=trials_folder, folder=folder
    )


def leave_end(folder: Path, record: TrialRecord) -> dict[Path, bytes]:
    """What a trial leaves that could not record its end."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / ROOM).write_text("room")
    assert keep_end(folder, record.with_changes(status="finished", main=1, ended="2026-03-01T13:00:00+00:00"))
    return {path: path.read_bytes() for path in folder.iterdir()}


def test_records_do_not_decide_which_ends_are_recorded(journal: Desk, tmp_path: Path) -> None:
    kept: dict[Path, bytes] = {}
    for trials_folder in (tmp_path / "of another repository", journal.folder / "trials"):
        record = lose_trial(journal, str(trials_folder), "running")
        kept |= leave_end(trials_folder / "running", record)
    (tmp_path / "pipe" / "x").mkdir(parents=True)
    os.mkfifo(tmp_path / "pipe" / "x" / FILE)
    for place in (str(tmp_path / "pipe"), "/a\0b", "x" * 5000, "", "/proc/self/cwd"):
        lose_trial(journal, place, "x")
    lose_trial(journal, str(tmp_path), "x\0")
    for words in (["list"], ["sync"], ["verify", "--outputs", "--repair"]):
        assert "not recorded yet" not in run(journal, *words)
    assert {path: path.read_bytes() for path in kept} == kept
    assert {record.status for record in journal.iter_trials()} == {"running"}


@pytest.mark.parametrize("how", ["own", "tracked", "linked", "linked folder", "pipe", "other trial", "damaged"])
def test_only_the_end_that_the_trial_itself_has_kept_is_recorded(journal: Desk, tmp_path: Path, how: str) -> None:
    folder = (journal.folder if how == "tracked" else tmp_path) / "elsewhere" / "running"
    record = lose_trial(journal, "not where it says", "x")
    end = record.with_changes(key="0" * 12) if how == "other trial" else record
    leave_end(folder, end)
    remember_folder(journal, record.key, folder)
    path = folder / FILE
    if how == "tracked":
        journal.git("add", "--force", str(path))
    elif how == "linked":
        path.rename(tmp_path / "other")
        path.symlink_to(tmp_path / "other")
    elif how == "linked folder":
        folder.rename(tmp_path / "other")
        folder.symlink_to(tmp_path / "other")
    elif how == "pipe":
        path.unlink()
        os.mkfifo(path)
    elif how == "damaged":
        path.write_bytes(b"\xc1")
    told = f"trial {record.key} finished, but that is not recorded yet: its end is kept in {folder}"
    assert (told in run(journal, "list")) == (how == "own")
    said = run(journal, "sync")
    assert (f"the end of trial {record.key} is now recorded: finished" in said) == (how == "own")
    assert journal.again().read_trial(record.key).status == ("finished" if how == "own" else "running")
    if how == "own":
        assert list(folder.iterdir()) == list((journal.repository.common_dir / "mitosis" / "folders").iterdir()) == []
    assert (tmp_path / "other" / ROOM).exists() == (how == "linked folder")
