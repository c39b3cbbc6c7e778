"""How long questions about many trials take. Run as `python tests/benchmarks/bench_queries.py [TRIALS ...]`.

Without numbers it asks journals of 10,000 and 100,000 trials, each with four parameters and three metrics. Times are
medians of whole processes, but for what says that it is not; behind each is the same as a multiple of `python -c pass`,
which machines have in common, and what is aimed at.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from journal_builder import build_journal
from measuring import MITOSIS, NOTHING, make_repository, time_call, time_command

from mitosis.git.repository import find_repository
from mitosis.journal.journal import Journal

SIZES = (10_000, 100_000)
WHERE = ("list", "main < 0.1 and params.noise == 'low'", "--sort", "main", "-n", "20")
FRAME = "import pandas, time, mitosis\nbegan = time.perf_counter()\nmitosis.trials().to_pandas()\n"
FRAME += "print(time.perf_counter() - began)"
AIMS = {
    "list WHERE --sort main -n 20": (0.15, 0.25),
    "list --group-by params.noise": (0.2, 0.5),
    "list --format csv -n 0": (0.5, 4.0),
    "compare of two": (0.25, 0.3),
    "to_pandas() of all, after imports": (0.4, 4.0),
    "start of a trial, in a process that runs": (0.003, 0.005),
    "index of a fresh clone, in a process that runs": (1.0, 8.0),
}
_REPETITIONS = 5


def main(sizes: Sequence[int]) -> None:
    for trials in sizes:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            make_repository(folder, {"experiment.py": "", "pyproject.toml": "[tool.mitosis.steps]\n"})
            commit = find_repository(folder).head
            assert commit is not None
            records = build_journal(folder, trials, commit=commit, experiments=1)
            keys = [records[-1].key, records[-2].key]
            del records
            print(f"{trials:,} trials", flush=True)
            Bench(folder, trials).run(keys)


class Bench:
    """Asks the journal in a folder, and prints how long that takes."""

    def __init__(self, folder: Path, trials: int) -> None:
        self._folder = folder
        self._aim = trials > SIZES[0]

    def run(self, keys: Sequence[str]) -> None:
        self._print("index of a fresh clone, in a process that runs", self._rebuild, repetitions=3)
        self._print("list WHERE --sort main -n 20", lambda: self._time(*WHERE))
        self._print("list --group-by params.noise", lambda: self._time("list", "--group-by", "params.noise"))
        self._print("list --format csv -n 0", lambda: self._time("list", "--format", "csv", "-n", "0"))
        self._print("compare of two", lambda: self._time("compare", *keys))
        self._print("to_pandas() of all, after imports", self._frame)
        self._starts()

    def _time(self, *words: str) -> float:
        return time_command((*MITOSIS, *words), self._folder)

    def _frame(self) -> float:
        return float(subprocess.check_output((sys.executable, "-c", FRAME), cwd=self._folder, text=True))

    def _rebuild(self) -> float:
        journal = Journal(find_repository(self._folder))
        journal.index.remove()
        took_s = time_call(journal.index.refresh)
        journal.index.close()
        return took_s

    def _starts(self) -> None:
        """Start trials one after the other, as a sweep does."""
        journal = Journal(find_repository(self._folder))
        identity = journal.repository.identity()
        [newest] = journal.iter_trials(limit=1)
        numbers = iter(range(1_000))

        def start() -> float:
            key = f"{next(numbers):012x}"
            record = newest.with_changes(key=key, status="running", ended=None, outputs=(), page=None)
            return time_call(lambda: journal.start(record, [], "", identity))

        start()
        self._print("start of a trial, in a process that runs", start, repetitions=50)

    def _print(self, what: str, run: Callable[[], float], *, repetitions: int = _REPETITIONS) -> None:
        times = [(run(), time_command(NOTHING, self._folder)) for _ in range(repetitions)]
        took_s = statistics.median(ours for ours, _ in times)
        ratio = statistics.median(ours / nothing for ours, nothing in times)
        print(f"  {what:48} {took_s:7.3f} s  {ratio:7.1f} x   aim {AIMS[what][self._aim]:g} s", flush=True)


if __name__ == "__main__":
    main([int(word) for word in sys.argv[1:]] or SIZES)
