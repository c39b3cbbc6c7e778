"""How long whole commands take. Run as `python tests/benchmarks/bench_commands.py [REPETITIONS]`.

Each figure is the median of whole processes, and where there is another command to compare with, the median of the
ratios of pairs that ran one after the other.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from journal_builder import build_journal

from mitosis.git import find_repository

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
MITOSIS = (sys.executable, "-m", "mitosis")
TRIALS = 10_000


def main(repetitions: int) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        _make_repository(folder)
        nothing = [sys.executable, "-c", "pass"]
        _compare("mitosis --version", [*MITOSIS, "--version"], "python -c pass", nothing, folder, repetitions)
        _compare("mitosis --help", [*MITOSIS, "--help"], "python -c pass", nothing, folder, repetitions)
        (folder / "number.py").write_text(f"{EXPERIMENT}# changed\n")
        refused = [*MITOSIS, "number", "-p", "number.frequency=slow"]
        _compare("refusal of a changed tree", refused, "python -c pass", nothing, folder, repetitions, status=2)
        (folder / "number.py").write_text(EXPERIMENT)
        for step in ("number", "figure"):
            trial = [*MITOSIS, step, "-p", f"{step}.frequency=slow"]
            _run(trial, folder)
            notebook = max(folder.glob("trials/*/notebook.ipynb"), key=lambda path: path.stat().st_mtime)
            (folder / f"{step}.ipynb").write_bytes(notebook.read_bytes())
            convert = [
                sys.executable,
                "-m",
                "nbconvert",
                "--to",
                "html",
                "--execute",
                f"{step}.ipynb",
                "--log-level=50",
            ]
            _compare(f"trial: a {step}", trial, "nbconvert --execute", convert, folder, repetitions)
        repository = find_repository(folder)
        assert repository.head is not None
        build_journal(folder, TRIALS, commit=repository.head)
        listing = [*MITOSIS, "list", "-n", "20"]
        _compare(f"mitosis list -n 20 of {TRIALS:,}", listing, "python -c pass", nothing, folder, repetitions)
        for what, words in [("variants", ["number", "-p", "number.frequency="]), ("keys", ["show", ""])]:
            asked = [*MITOSIS, "__complete", *words]
            _compare(f"completion of {what}", asked, "python -c pass", nothing, folder, repetitions)


def _make_repository(folder: Path) -> None:
    _git(folder, "init", "--quiet")
    for name, value in [("user.name", "Ada Lovelace"), ("user.email", "ada@example.org"), ("gc.auto", "0")]:
        _git(folder, "config", name, value)
    for name, text in [("number.py", EXPERIMENT), ("figure.py", FIGURE), ("pyproject.toml", PYPROJECT)]:
        (folder / name).write_text(text)
    _git(folder, "add", ".")
    _git(folder, "commit", "--quiet", "-m", "first")


def _git(folder: Path, *words: str) -> None:
    subprocess.run(["git", *words], cwd=folder, check=True, stdout=subprocess.DEVNULL)


def _compare(
    name: str,
    command: Sequence[str],
    other_name: str,
    other: Sequence[str],
    folder: Path,
    repetitions: int,
    *,
    status: int = 0,
) -> None:
    """Time two commands in turn and print the medians, and the median of the ratios pair by pair."""
    _run(command, folder, status)
    _run(other, folder)
    pairs = [(_run(command, folder, status), _run(other, folder)) for _ in range(repetitions)]
    ours, theirs = (statistics.median(times) for times in zip(*pairs, strict=True))
    ratio = statistics.median(a / b for a, b in pairs)
    print(f"{name:<32} {ours:7.3f} s   {other_name:<20} {theirs:7.3f} s   ratio {ratio:6.2f}", flush=True)


def _run(command: Sequence[str], folder: Path, status: int = 0) -> float:
    """Seconds that one run takes."""
    began = time.perf_counter()
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    duration_s = time.perf_counter() - began
    if done.returncode != status:
        raise SystemExit(f"{' '.join(command)} ended with {done.returncode}\n{done.stdout}{done.stderr}")
    return duration_s


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 9)
