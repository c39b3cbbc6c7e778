"""Who waits for the lock gets it in turn, and nobody is in the way of the others for ever."""

from __future__ import annotations

import contextlib
import functools
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from mitosis.errors.journal import JournalError
from mitosis.journal.journal import Journal
from mitosis.journal.storage import locking, queue
from mitosis.journal.storage.locking import RefLock
from mitosis.records.trial import ProcessRecord
from support.journal import Desk
from support.waiting import wait_until

REF = "refs/mitosis/journal"


@pytest.fixture
def waiting(journal: Journal) -> Path:
    """The folder of the tickets."""
    folder = journal.repository.common_dir / "mitosis" / "waiting"
    folder.mkdir(parents=True)
    return folder


def tickets(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if not path.name.startswith("new-"))


def has_tickets(folder: Path, count: int) -> bool:
    return len(tickets(folder)) == count


@contextlib.contextmanager
def ticket_of_another(folder: Path) -> Iterator[str]:
    """The name of a ticket that is older than all others, and of a process that runs until the block ends."""
    importing = "import os\nfrom mitosis.journal.storage.queue import owner_text\n"
    program = f"{importing}print(owner_text(os.getpid()), flush=True)\ninput()"
    words = [sys.executable, "-c", program]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        text = "".join(process.stdout.readline() for _ in range(4))
        name = f"{REF.replace('/', '-')}.{0:020}-00ff"
        (folder / name).write_text(text)
        yield name
        process.kill()


def test_the_lock_goes_to_who_waits_longest_and_no_newcomer_overtakes(journal: Journal, waiting: Path) -> None:
    held = RefLock(journal.repository, REF, durable=False)
    held.acquire()
    order: list[int] = []

    def take_turn(number: int) -> None:
        lock = RefLock(journal.repository, REF, durable=False)
        lock.acquire()
        order.append(number)
        lock.release()

    threads = [threading.Thread(target=take_turn, args=(number,)) for number in range(6)]
    for number, thread in enumerate(threads):
        thread.start()
        wait_until(functools.partial(has_tickets, waiting, number + 1))
    held.release()
    take_turn(6)
    for thread in threads:
        thread.join()
    assert order == list(range(7))
    assert tickets(waiting) == []


def test_ticket_of_a_process_that_is_gone_is_removed(journal: Journal, waiting: Path) -> None:
    with ticket_of_another(waiting) as name:
        pass
    lock = RefLock(journal.repository, REF, durable=False)
    lock.acquire(0)
    lock.release()
    assert name not in tickets(waiting)


def test_who_does_not_take_its_turn_is_passed_by(
    journal: Journal, waiting: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queue, "TURN_TIMEOUT_S", 0.2)
    with ticket_of_another(waiting) as name:
        lock = RefLock(journal.repository, REF, durable=False)
        lock.acquire()
        lock.release()
        assert tickets(waiting) == [name]


def test_lock_that_is_released_while_its_holder_is_looked_at_is_taken(
    journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(locking, "LOCK_TIMEOUT_S", 0.0)
    held = RefLock(journal.repository, REF, durable=False)
    held.acquire()

    def release_and_read(path: Path) -> ProcessRecord | None:
        held.release()
        return queue.read_holder(path)

    monkeypatch.setattr(RefLock, "_remove_if_stale", lambda lock: False)
    monkeypatch.setattr(locking, "read_holder", release_and_read)
    RefLock(journal.repository, REF, durable=False).acquire()


def test_holder_that_runs_is_waited_for_longer_than_one_that_may_be_gone(
    journal: Journal, waiting: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(locking, "LOCK_TIMEOUT_S", 0.01)
    held = RefLock(journal.repository, REF, durable=False)
    held.acquire()
    timer = threading.Timer(0.3, held.release)
    timer.start()
    lock = RefLock(journal.repository, REF, durable=False)
    lock.acquire()
    lock.release()
    timer.join()
    assert tickets(waiting) == []


def test_who_has_lost_the_lock_changes_nothing(journal: Desk) -> None:
    first, other = journal.run_trial(), journal.again()
    path = locking.lock_path(journal.repository, REF)
    lost = pytest.raises(JournalError, match="its lock, was deleted while this process held it")
    with lost, journal.store.locked(REF) as ref:
        before = journal.store.snapshot()
        path.unlink()  # as it is told to whoever has waited for too long
        second = other.run_trial()
        journal.store.append(ref, before, {"foo": b"1"}, "x", journal.identity)
    assert journal.again().trial_keys() == {first.key, second.key}
    assert not path.exists()
    theirs = "locked by mitosis\nelsewhere\n7\n\n"
    tip = journal.tip()
    with lost, journal.store.locked(REF) as ref:
        path.unlink()
        path.write_text(theirs)
        journal.store.append(ref, journal.store.snapshot(), {"foo": b"1"}, "x", journal.identity)
    assert path.read_text() == theirs
    assert journal.tip() == tip
    path.unlink()
    with lost, journal.store.locked(REF) as ref:
        before = journal.store.snapshot()
        (journal.folder / ".git" / REF).write_text(f"{journal.oid_of(f'{REF}~')}\n")  # by what minds no lock
        journal.store.append(ref, before, {"foo": b"1"}, "x", journal.identity)
