"""Locks that killed processes leave, and writes that survive a loss of power."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mitosis.errors.journal import JournalBusy, JournalError
from mitosis.journal.storage import locking
from mitosis.journal.storage.queue import read_holder
from support.journal import JOURNAL, NOTES, PINS, Desk

HOLD = """
import sys, time
from pathlib import Path
from mitosis.git.repository import find_repository
from mitosis.journal.storage.locking import RefLock
RefLock(find_repository(Path.cwd()), sys.argv[1], durable=False).acquire()
print("held", flush=True)
time.sleep(100)
"""


@contextlib.contextmanager
def locked_by_another(journal: Desk, ref: str) -> Iterator[int]:
    """Have another process, whose pid is given, hold the lock of a ref; it is killed at the end."""
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, ref], cwd=journal.folder, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        yield process.pid
        process.kill()


def leave_lock(journal: Desk, ref: str) -> None:
    """Leave the lock of a ref as a process does that is killed."""
    with locked_by_another(journal, ref):
        pass


@pytest.mark.parametrize("trials_before", [0, 1])
@pytest.mark.parametrize("ref", [JOURNAL, NOTES, "refs/refs/mitosis", f"{PINS}/{{head}}"])
def test_lock_of_a_killed_process_is_removed(journal: Desk, ref: str, trials_before: int) -> None:
    ref = ref.format(head=journal.repository.head)
    for _ in range(trials_before):
        journal.run_trial()
    leave_lock(journal, ref)
    lock = locking.lock_path(journal.repository, ref)
    assert lock.exists()
    record = journal.run_trial()
    assert not lock.exists()
    assert journal.read_trial(record.key).status == "finished"
    assert record.key[:6] in journal.git_note()
    assert journal.oid_of("refs/mitosis") == journal.tip()
    assert journal.oid_of(f"{PINS}/{record.commit}") == record.commit


def test_lock_of_a_living_process_is_waited_for_and_named(journal: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(locking, "LOCK_TIMEOUT_S", 0.1)
    monkeypatch.setattr(locking, "LIVE_HOLDER_TIMEOUT_S", 0.2)
    with (
        locked_by_another(journal, JOURNAL) as pid,
        pytest.raises(JournalBusy, match=f"process {pid} on .*, which is still running"),
    ):
        journal.start_trial()


def test_lock_from_another_machine_is_named_and_kept(journal: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(locking, "LOCK_TIMEOUT_S", 0.2)
    journal.start_trial()
    lock = locking.lock_path(journal.repository, JOURNAL)
    lock.write_text("locked by mitosis\ngpu-2.example\n12\nboot=x start=3\n")
    with pytest.raises(JournalBusy, match=r"process 12 on gpu-2\.example, which cannot be seen from here"):
        journal.start_trial()
    assert lock.exists()


def test_waiting_goes_on_while_the_lock_changes_hands(journal: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(locking, "LOCK_TIMEOUT_S", 1.0)
    lock = locking.lock_path(journal.repository, JOURNAL)
    lock.parent.mkdir(parents=True, exist_ok=True)
    script = (
        "import os, sys, time\n"
        "path = sys.argv[1]\n"
        "for number in range(6):\n"
        "    open(f'{path}.{number}', 'x').close()\n"
        "    os.replace(f'{path}.{number}', path)\n"
        "    if number == 0: print('held', flush=True)\n"
        "    time.sleep(0.25)\n"
        "os.unlink(path)\n"
    )
    with subprocess.Popen([sys.executable, "-c", script, str(lock)], stdout=subprocess.PIPE) as holders:
        assert holders.stdout is not None
        holders.stdout.readline()
        journal.start_trial()
    assert holders.returncode == 0


def test_leftovers_beside_a_stale_lock_are_removed(journal: Desk) -> None:
    folder = journal.repository.common_dir / "mitosis"
    folder.mkdir(exist_ok=True)
    old, new = folder / "lock-00ff", folder / "ref-00ff"
    old.touch()
    new.touch()
    os.utime(old, (0, 0))
    leave_lock(journal, JOURNAL)
    journal.run_trial()
    assert not old.exists()
    assert new.exists()


def test_file_system_without_hard_links_is_locked_too(journal: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    journal.start_trial()
    lock = locking.RefLock(journal.repository, JOURNAL, durable=False)
    lock.acquire()
    assert read_holder(lock.path) is not None
    monkeypatch.setattr(locking, "LOCK_TIMEOUT_S", 0.1)
    monkeypatch.setattr(locking, "LIVE_HOLDER_TIMEOUT_S", 0.1)
    with pytest.raises(JournalBusy):
        journal.start_trial()
    lock.release()
    journal.start_trial()


@pytest.mark.parametrize(("value", "is_synced"), [(None, True), ("true", True), ("false", False)])
def test_everything_is_on_the_disk_before_the_ref_moves(
    journal: Desk, monkeypatch: pytest.MonkeyPatch, value: str | None, is_synced: bool
) -> None:
    if value is not None:
        journal.git("config", "mitosis.fsync", value)
    journal.start_trial()
    reader = journal.again()
    events: list[tuple[str, str]] = []
    sync, replace = os.fsync, Path.replace

    def note_sync(descriptor: int) -> None:
        events.append(("sync", str(Path(f"/proc/self/fd/{descriptor}").readlink())))
        sync(descriptor)

    def note_replace(self: Path, target: Any) -> Path:
        events.append(("move", str(target)))
        return replace(self, target)

    monkeypatch.setattr(os, "fsync", note_sync)
    monkeypatch.setattr(Path, "replace", note_replace)
    before = reader.oid_of(JOURNAL)
    reader.start_trial()
    new = reader.git("rev-list", "--objects", JOURNAL, f"^{before}").split("\n")
    objects = {line.split()[0] for line in new if line}
    moved = next(i for i, (kind, path) in enumerate(events) if kind == "move" and path.endswith(JOURNAL))
    synced = {path[-41:].replace("/", "") for kind, path in events[:moved] if kind == "sync"}
    assert objects
    assert (objects <= synced) == is_synced
    assert any(kind == "sync" for kind, _ in events) == is_synced
    assert (events[-1] == ("sync", str(reader.folder / ".git/refs/mitosis"))) == is_synced


def test_fsync_that_is_no_boolean_is_refused(journal: Desk) -> None:
    journal.git("config", "mitosis.fsync", "maybe")
    with pytest.raises(JournalError, match=r"mitosis\.fsync"):
        journal.start_trial()


@pytest.mark.parametrize("setting", ["always", "true"])
def test_reflog_is_kept_where_git_is_told_to(journal: Desk, repository_folder: Path, setting: str) -> None:
    journal.git("config", "core.logAllRefUpdates", setting)
    first = journal.start_trial()
    second = journal.start_trial()
    logged = journal.git("log", "-g", "--format=%gs", JOURNAL) if setting == "always" else ""
    assert logged.count("started at") == (2 if setting == "always" else 0)
    if setting == "always":
        assert [line.split()[1] for line in logged.splitlines()] == [second.key, first.key]
        assert journal.git("rev-parse", "refs/mitosis/journal@{1}") == journal.git("rev-parse", f"{JOURNAL}~1")
    assert (repository_folder / ".git/logs/refs/mitosis").exists() == (setting == "always")
