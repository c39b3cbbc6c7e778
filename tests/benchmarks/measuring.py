"""What the benchmarks share: repositories to measure in, and whole processes that are timed."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

MITOSIS = (sys.executable, "-m", "mitosis")
NOTHING = (sys.executable, "-c", "pass")


def make_repository(folder: Path, files: Mapping[str, str]) -> None:
    """Make a repository in which these files are committed, and which git does not tidy up by itself."""
    folder.mkdir(exist_ok=True)
    git(folder, "init", "--quiet")
    configure(folder)
    for name, text in files.items():
        write(folder / name, text)
    git(folder, "add", ".")
    git(folder, "commit", "--quiet", "-m", "first")


def configure(folder: Path) -> None:
    for name, value in (("user.name", "Ada Lovelace"), ("user.email", "ada@example.org"), ("gc.auto", "0")):
        git(folder, "config", name, value)


def git(folder: Path, *words: str) -> str:
    return subprocess.run(["git", *words], cwd=folder, check=True, capture_output=True, text=True).stdout


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def time_command(command: Sequence[str], folder: Path) -> float:
    """Seconds that a whole process takes, which has to succeed."""
    return time_call(lambda: subprocess.run(command, cwd=folder, check=True, capture_output=True))


def time_call(work: Callable[[], object]) -> float:
    """Seconds that a call takes."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began
