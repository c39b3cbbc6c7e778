"""How long whole commands take. Run as `python tests/benchmarks/bench_commands.py [REPETITIONS]`.

Each time is the median of whole processes, and each comparison with another command the median of the ratios (or the
differences) of pairs that ran one after the other. Behind it stand the same of the shortest times, which other work of
the machine disturbs least, and what is aimed at. Where there is valgrind, it counts instructions as well.
"""

from __future__ import annotations

import operator
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from journal_builder import build_journal
from measuring import MITOSIS, NOTHING, make_repository

from mitosis.git.repository import find_repository

EXPERIMENT = "lookup_dict = {'frequency': {'slow': 1}}\ndef run(frequency):\n    return {'main': frequency}\n"
FIGURE = (
    "import matplotlib.pyplot as plt\nlookup_dict = {'frequency': {'slow': 1}}\n"
    "def run(frequency):\n    plt.plot([0, frequency])\n    return {'main': frequency}\n"
)
PYPROJECT = """\
[tool.mitosis.steps]
number = ["number:run", "number:lookup_dict"]
figure = ["figure:run", "figure:lookup_dict"]
"""
FILES = {"number.py": EXPERIMENT, "figure.py": FIGURE, "pyproject.toml": PYPROJECT}
JUPYTER_RUN = "from jupyter_client.runapp import RunApp; RunApp.launch_instance()"
EMPTY_NOTEBOOK = '{"cells": [], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}'
PEAK_MEMORY = (
    "import resource, sys\nfrom mitosis.__main__ import run_command\nstatus = run_command(sys.argv[1:])\n"
    "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, file=sys.stderr)\nsys.exit(status)"
)
"""A runner that says at its end how many KiB it took."""
TRIALS = 10_000


@dataclass(frozen=True, slots=True)
class Command:
    """A command to time."""

    name: str
    words: tuple[str, ...]
    status: int = 0


BARE = Command("python -c pass", NOTHING)


def main(repetitions: int) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name, "experiments")
        make_repository(folder, FILES)
        bench = Bench(folder, repetitions)
        bench.ratio(Command("mitosis --version", (*MITOSIS, "--version")), BARE, 6)
        bench.ratio(Command("mitosis --help", (*MITOSIS, "--help")), BARE, 12)
        for counted in (NOTHING, (*MITOSIS, "--version"), (*MITOSIS, "--help")):
            bench.instructions(counted)
        (folder / "number.py").write_text(f"{EXPERIMENT}# changed\n")
        refused = (*MITOSIS, "number", "-p", "number.frequency=slow")
        bench.ratio(Command("refusal of a changed tree", refused, status=2), BARE)
        (folder / "number.py").write_text(EXPERIMENT)
        for step, aim in (("number", 0.6), ("figure", 0.7)):
            trial = Command(f"trial: a {step}", (*MITOSIS, step, "-p", f"{step}.frequency=slow"))
            bench.run(trial)
            notebook = max(folder.glob("trials/*/notebook.ipynb"), key=lambda path: path.stat().st_mtime)
            (folder / f"{step}.ipynb").write_bytes(notebook.read_bytes())
            options = ("--to", "html", "--execute", f"{step}.ipynb", "--log-level=50")
            bench.ratio(trial, Command("nbconvert --execute", (sys.executable, "-m", "nbconvert", *options)), aim)
        trial = Command("trial: a number", (*MITOSIS, "number", "-p", "number.frequency=slow"))
        (folder / "empty.ipynb").write_text(EMPTY_NOTEBOOK)
        bench.difference(trial, Command("jupyter run", (sys.executable, "-c", JUPYTER_RUN, "empty.ipynb")), 0.35)
        bench.peak_memory(trial, 120)
        aims: dict[int, float | None] = {1_000: 20, TRIALS: None}
        for trials, most in aims.items():
            large = Path(name, str(trials))
            make_repository(large, FILES)
            head = find_repository(large).head
            assert head is not None
            first, *_, last = build_journal(large, trials, commit=head)
            bench = Bench(large, repetitions)
            comparing = (*MITOSIS, "compare", first.key, last.key)
            bench.ratio(Command(f"mitosis compare, of {trials:,}", comparing), BARE)
            listing = Command(f"mitosis list -n 20 of {trials:,}", (*MITOSIS, "list", "-n", "20"))
            bench.ratio(listing, BARE, most)
            bench.instructions(listing.words)
        for what, words in (("variants", ("number", "-p", "number.frequency=")), ("keys", ("show", ""))):
            bench.ratio(Command(f"completion of {what}", (*MITOSIS, "__complete", *words)), BARE)


class Bench:
    """Times commands in a folder, so many times each."""

    def __init__(self, folder: Path, repetitions: int) -> None:
        self._folder = folder
        self._repetitions = repetitions

    def ratio(self, command: Command, other: Command, aim: float | None = None) -> None:
        """Print how many times as long as another one a command takes."""
        self._compare(command, other, operator.truediv, "x", aim)

    def difference(self, command: Command, other: Command, aim_s: float) -> None:
        """Print how much longer than another one a command takes."""
        self._compare(command, other, operator.sub, "s", aim_s)

    def _compare(
        self, command: Command, other: Command, of: Callable[[float, float], float], unit: str, aim: float | None
    ) -> None:
        # Both run in turn, and once before that.
        pairs = [(self.run(command)[0], self.run(other)[0]) for _ in range(self._repetitions + 1)][1:]
        ours, theirs = zip(*pairs, strict=True)
        median = statistics.median(of(*pair) for pair in pairs)
        compared = f"{median:6.2f} {unit} (shortest {of(min(ours), min(theirs)):6.2f} {unit})"
        aimed = "" if aim is None else f"aim {aim:g} {unit}"
        both = f"{statistics.median(ours):7.3f} s    {other.name:<20} {statistics.median(theirs):7.3f} s"
        print(f"{command.name:<32} {both}   {compared}   {aimed}", flush=True)

    def peak_memory(self, trial: Command, aim_mb: int) -> None:
        """Print how much memory the runner of a trial takes at most, without its kernel."""
        words = (sys.executable, "-c", PEAK_MEMORY, *trial.words[len(MITOSIS) :])
        said = [self.run(Command(trial.name, words))[1] for _ in range(self._repetitions)]
        peak_mb = statistics.median(int(text.split()[-1]) * 1024 / 1e6 for text in said)
        print(f"{trial.name + ', its runner':<32} {peak_mb:7.0f} MB   {'':<74} aim {aim_mb} MB", flush=True)

    def instructions(self, words: tuple[str, ...]) -> None:
        """Print how many instructions a process takes, without those it starts; nothing where there is no valgrind.

        It tells of small changes what the time of whole processes does not.
        """
        if shutil.which("valgrind") is None:
            return
        counting = ("valgrind", "--tool=cachegrind", "--cache-sim=no", "--cachegrind-out-file=/dev/null")
        counts = []
        for _ in range(2):  # the first may have compiled modules
            _, said = self.run(Command("valgrind", (*counting, *words)))
            found = re.search(r"I +refs: +([0-9,]+)", said)
            if found is None:
                raise SystemExit(f"valgrind does not say how many instructions {' '.join(words)} took\n{said}")
            counts.append(int(found[1].replace(",", "")))
        print(f"{' '.join(words[1:]):<32} {min(counts) / 1e6:7.0f} million instructions", flush=True)

    def run(self, command: Command) -> tuple[float, str]:
        """Seconds that one run takes, and what it writes to standard error."""
        began = time.perf_counter()
        done = subprocess.run(command.words, cwd=self._folder, capture_output=True, text=True, check=False)
        duration_s = time.perf_counter() - began
        if done.returncode != command.status:
            raise SystemExit(f"{' '.join(command.words)} ended with {done.returncode}\n{done.stdout}{done.stderr}")
        return duration_s, done.stderr


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 9)
