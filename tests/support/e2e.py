"""The little lab that end-to-end tests run experiments of, and the command that runs them."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

PYPROJECT = """\
[tool.mitosis.steps]
my_exp = ["lab:run", "lab:lookup_dict"]
data = ["lab.chain:make", "lab.chain:lookups"]
fit = ["lab.chain:Fit.run", "lab.chain:Fit.lookups"]
"""

LAB = '''\
"""A little lab."""
import logging

lookup_dict = {"frequency": {"fast": 10, "slow": 1}}


def run(amplitude, frequency):
    """Multiply."""
    print("multiplying")
    logging.getLogger(__name__).info("told to multiply")
    logging.getLogger(__name__).debug("in great detail")
    return {"main": amplitude * frequency, "data": [amplitude]}
'''

CHAIN = '''\
"""Two steps."""
lookups = {"noise": {"low": {"scale": 0.01, "seed": 3}, "high": {"scale": 1.0, "seed": 3}}}


def make(noise, length=4):
    return {"main": length, "data": [noise["scale"]] * length, "metrics": {"length": length}}


class Fit:
    lookups = {"kind": {"sum": sum, "max": max}}

    @staticmethod
    def run(data, kind):
        return {"main": kind(data), "metrics": {"size": {"count": len(data)}, "name": "fit"}}
'''


class Mitosis(Protocol):
    """Runs the command; `status` is what it has to end with, None for whatever."""

    def __call__(
        self,
        *words: str,
        cwd: Path | None = None,
        status: int | None = 0,
        environment: Mapping[str, str] | None = None,
    ) -> subprocess.CompletedProcess[str]: ...


def write(folder: Path, files: Mapping[str, str]) -> None:
    """Write text files below a folder."""
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def command(*words: str) -> list[str]:
    """The words that start mitosis in the interpreter that runs the tests."""
    return [sys.executable, "-m", "mitosis", *words]
