"""How long the journal takes, and how large it is, by the number of trials.

Run as `python tests/benchmarks/bench_journal.py [TRIALS ...]`; without numbers, for 1,000, 10,000 and 100,000. Each
figure is a median of the repetitions that it names, on a journal that `git gc` has packed. Those of whole processes
contain the start of Python.
"""

from __future__ import annotations

import gc
import os
import secrets
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from journal_builder import VARIANTS, build_journal
from measuring import MITOSIS, NOTHING, git, make_repository, time_call, time_command

from mitosis.canonical.encode import digest_value, encode_value
from mitosis.git.repository import find_repository
from mitosis.journal.journal import Journal
from mitosis.records.trial import TrialRecord
from mitosis.variants import Variant, VariantName

SIZES = (1_000, 10_000, 100_000)
_MEASURE = "--measure"


def main(sizes: list[int]) -> None:
    for trials in sizes:
        with tempfile.TemporaryDirectory() as folder:
            _measure(Path(folder), trials)


def _measure(folder: Path, trials: int) -> None:
    make_repository(folder, {"experiment.py": "", "pyproject.toml": "[tool.mitosis.steps]\n"})
    repository = find_repository(folder)
    assert repository.head is not None
    commit = repository.head
    took_s = time_call(lambda: build_journal(folder, trials, commit=commit))
    print(f"{trials:,} trials, built and packed in {took_s:.1f} s", flush=True)
    # What was built is still being written out, and its records would fill the memory of this process.
    os.sync()
    subprocess.run([sys.executable, __file__, _MEASURE, str(folder)], check=True)


def _measure_journal(folder: Path) -> None:
    """Measure a journal that is there already. It is written to."""
    records = list(Journal(find_repository(folder)).iter_trials())
    newest, some_key, count = records[0], records[len(records) // 2].key, len(records)
    del records
    print(f"  {'.git after gc, a trial':44}  {_size_bytes(folder) / count:9.0f} bytes", flush=True)
    _measure_reading(folder, some_key)
    _measure_writing(folder, newest)


def _measure_reading(folder: Path, some_key: str) -> None:
    _report("mitosis list -n 20, whole process", 9, lambda: time_command((*MITOSIS, "list", "-n", "20"), folder))
    _report("python -c pass, whole process", 9, lambda: time_command(NOTHING, folder))
    journal = Journal(find_repository(folder))
    _report("all trials", 5, lambda: list(journal.iter_trials()))
    _report("newest 20 trials", 10, lambda: list(journal.iter_trials(limit=20)))
    _report("one trial by its key", 20, lambda: journal.read_trial(some_key))
    _report("one trial by 8 digits", 20, lambda: journal.read_trial(some_key[:8]))
    _report("where all locks come from", 3, journal.variant_origins)


def _measure_writing(folder: Path, newest: TrialRecord) -> None:
    repository = find_repository(folder)
    identity = repository.identity()
    journal = Journal(repository)

    def fresh() -> TrialRecord:
        return newest.with_changes(key=secrets.token_hex(6), status="running", ended=None, outputs=())

    lookup = newest.parameters[0]
    meaning = encode_value(VARIANTS[lookup.text])
    variant = Variant(VariantName(lookup.step, lookup.name, lookup.text), lookup.digest or "", meaning)
    _report("first start, which makes the index", 1, lambda: journal.start(fresh(), [variant], "", identity))
    gc.collect()
    gc.freeze()

    def append(journal: Journal, repetitions: int, remark: str) -> None:
        started: list[TrialRecord] = []

        def start() -> None:
            started.append(journal.start(fresh(), [variant], "", identity).record)

        _report(f"start{remark}", repetitions, start)
        ended = iter([record.with_changes(status="finished", ended=record.started) for record in started])
        _report(f"end, with its note{remark}", repetitions, lambda: journal.end(next(ended), identity))

    append(journal, 20, "")
    append(journal, 200, ", many in a row")
    git(folder, "config", "mitosis.fsync", "false")
    append(Journal(find_repository(folder)), 200, ", mitosis.fsync false")
    git(folder, "config", "--unset", "mitosis.fsync")
    _report("nine small files written durably", 20, lambda: _write_durably(folder, 9))
    values = [encode_value(number) for number in range(1000)]
    many = [Variant(VariantName("fit", f"p{i % 10}", f"v{i}"), digest_value(v), v) for i, v in enumerate(values)]
    _report("start that locks 1,000 variants", 1, lambda: journal.start(fresh(), many, "", identity))
    _report("check of 1,000 variants", 10, lambda: journal.check(many))
    print(f"  loose objects now: {git(folder, 'count-objects').strip()}")


def _write_durably(folder: Path, count: int) -> None:
    for _ in range(count):
        with (folder / ".git" / "mitosis" / secrets.token_hex(8)).open("wb") as file:
            file.write(b"x" * 500)
            file.flush()
            os.fsync(file.fileno())


def _report(what: str, repetitions: int, run: Callable[[], object]) -> None:
    times_s = []
    for _ in range(repetitions):
        gc.collect()
        times_s.append(time_call(run))
    spread = f", slowest {max(times_s) * 1000:.2f}" if repetitions > 1 else ""
    print(
        f"  {what:44}  {statistics.median(times_s) * 1000:9.2f} ms    (median of {repetitions}{spread})",
        flush=True,
    )


def _size_bytes(folder: Path) -> int:
    return sum(path.stat().st_size for path in (folder / ".git").rglob("*") if path.is_file())


if __name__ == "__main__":
    if sys.argv[1:2] == [_MEASURE]:
        _measure_journal(Path(sys.argv[2]))
    else:
        main([int(word.replace(",", "")) for word in sys.argv[1:]] or list(SIZES))
