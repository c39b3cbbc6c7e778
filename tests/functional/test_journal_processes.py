"""Many processes on one journal: nothing is lost, and nothing is seen half."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from mitosis.errors.journal import BadRecord
from mitosis.git.repository import find_repository
from mitosis.journal.journal import Journal
from mitosis.records.trial import TrialRecord
from support.waiting import TIMEOUT_S

Git = Callable[..., str]
RunTrial = Callable[..., TrialRecord]

WORKER = """
import json, secrets, sys
from pathlib import Path
from mitosis.git.repository import find_repository
from mitosis.journal.journal import Journal
from mitosis.variants import Variant, VariantName
from mitosis.errors.values import VariantRedefined
from mitosis.records.trial import ParameterRecord, ProcessRecord, StepRecord, TrialRecord
from mitosis.canonical.encode import digest_value, encode_value

folder, worker, count = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
repository = find_repository(folder)
identity = repository.identity()
journal = Journal(repository)
told = []
print("ready", flush=True)
sys.stdin.readline()
for number in range(count):
    value = encode_value(number)
    variant = Variant(VariantName("my_exp", "seed", f"v{number}"), digest_value(value), value)
    mine = encode_value(worker)
    contested = Variant(VariantName("my_exp", "owner", f"v{number}"), digest_value(mine), mine)
    record = TrialRecord(
        key=secrets.token_hex(6),
        experiment="my_exp",
        steps=(StepRecord("my_exp", "m:f"),),
        parameters=(ParameterRecord("my_exp", "seed", "lookup", f"v{number}", True, variant.digest),),
        commit=repository.head,
        status="running",
        iteration=0,
        started="2026-03-01T12:00:00+00:00",
        author=str(identity),
        process=ProcessRecord("engine", 1),
        environment="e" * 40,
    )
    started = journal.start(record, [variant], "", identity)
    ended = started.record.with_changes(status="finished", main=number, ended="2026-03-01T12:00:01+00:00")
    journal.end(ended, identity)
    try:
        journal.start(record.with_changes(key=secrets.token_hex(6), experiment="contested"), [contested], "", identity)
        owner = True
    except VariantRedefined:
        owner = False
    told.append([ended.key, number, ended.iteration, owner])
    print("done", flush=True)
print(json.dumps(told))
"""


def start_worker(folder: Path, worker: int, count: int) -> subprocess.Popen[str]:
    words = [sys.executable, "-c", WORKER, str(folder), str(worker), str(count)]
    return subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def let_go(process: subprocess.Popen[str]) -> None:
    assert process.stdin is not None
    process.stdin.write("\n")
    process.stdin.flush()


@pytest.mark.parametrize(
    ("workers", "packing"),
    [(4, False), (4, True), *(pytest.param(16, p, marks=pytest.mark.slow) for p in (False, True))],
)
def test_processes_at_once_lose_nothing(repository_folder: Path, git: Git, workers: int, packing: bool) -> None:
    count = 3
    processes = [start_worker(repository_folder, worker, count) for worker in range(workers)]
    for process in processes:
        assert process.stdout is not None and process.stdout.readline() == "ready\n"
    for process in processes:
        let_go(process)
    while packing and any(process.poll() is None for process in processes):
        git("gc", "--quiet")
        git("pack-refs", "--all", "--prune")
    told = []
    for process in processes:
        output, errors = process.communicate(timeout=TIMEOUT_S)
        assert process.returncode == 0, errors
        told += json.loads(output.splitlines()[-1])

    journal = Journal(find_repository(repository_folder))
    problems: list[BadRecord] = []
    mine = {record.key: record for record in journal.iter_trials(experiment="my_exp", problems=problems)}
    assert set(mine) == {key for key, *_ in told}
    assert all(record.status == "finished" for record in mine.values())
    for number in range(count):
        iterations = [iteration for _, n, iteration, _ in told if n == number]
        assert sorted(iterations) == list(range(workers))
        # Of all who wanted to give the name a meaning of their own, one did.
        assert sum(owner for _, n, _, owner in told if n == number) == 1
    assert problems == []
    assert len(list(journal.iter_variants())) == 2 * count
    assert git("rev-list", "--count", "refs/mitosis/journal").strip() == str(workers * count * 2 + count)
    lines = git("notes", "--ref=mitosis", "show", "HEAD").splitlines()
    assert len({line.split()[0] for line in lines}) == workers * count
    assert git("fsck", "--strict", "--no-dangling") == ""


def test_killed_process_leaves_the_old_or_the_new_journal(repository_folder: Path, git: Git) -> None:
    """The pause before each kill differs, so that it meets different moments of an append."""
    recorded = 0
    for attempt in range(4):
        process = start_worker(repository_folder, attempt, 1000)
        assert process.stdout is not None and process.stdout.readline() == "ready\n"
        let_go(process)
        assert process.stdout.readline() == "done\n"
        time.sleep(0.004 * attempt)
        process.kill()
        process.communicate()
        lock = repository_folder / ".git" / "refs" / "mitosis" / "journal.lock"
        notes_lock = repository_folder / ".git" / "refs" / "notes" / "mitosis.lock"
        lock.unlink(missing_ok=True)
        notes_lock.unlink(missing_ok=True)
        problems: list[BadRecord] = []
        journal = Journal(find_repository(repository_folder))
        found = len(list(journal.iter_trials(problems=problems)))
        assert found > recorded
        assert problems == []
        recorded = found
    assert git("fsck", "--strict", "--no-dangling") == ""
    iterations = Counter(
        (record.parameters[0].text, record.iteration) for record in journal.iter_trials(experiment="my_exp")
    )
    assert set(iterations.values()) == {1}


def test_waiting_process_goes_on_when_the_lock_is_released(
    journal: Journal, repository_folder: Path, run_trial: RunTrial
) -> None:
    run_trial()
    lock = repository_folder / ".git" / "refs" / "mitosis" / "journal.lock"
    lock.touch()
    process = start_worker(repository_folder, 0, 1)
    assert process.stdout is not None and process.stdout.readline() == "ready\n"
    let_go(process)
    time.sleep(0.3)
    assert process.poll() is None
    assert len(list(journal.iter_trials())) == 1
    lock.unlink()
    _, errors = process.communicate(timeout=TIMEOUT_S)
    assert process.returncode == 0, errors
    assert len(list(journal.iter_trials())) == 3


def test_interrupted_process_leaves_no_lock(repository_folder: Path) -> None:
    for attempt in range(5):
        process = start_worker(repository_folder, attempt, 1000)
        assert process.stdout is not None and process.stdout.readline() == "ready\n"
        let_go(process)
        assert process.stdout.readline() == "done\n"
        time.sleep(0.001 * attempt)
        os.kill(process.pid, signal.SIGINT)
        process.communicate()
        assert not list((repository_folder / ".git").rglob("*.lock"))
