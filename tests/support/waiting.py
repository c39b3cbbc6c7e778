"""Waiting for what has to come, however busy the machine is: nothing is expected within a moment."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

TIMEOUT_S = 180
"""So long everything may take that has to come. What is broken is told late, and a slow machine breaks nothing."""
LIMITS_S = (1.0, 5.0, 30.0, 90.0)
"""Time limits for what hangs: a machine that is too busy to get to that place within one is given the next."""


def wait_until(condition: Callable[[], object], timeout_s: float = TIMEOUT_S) -> None:
    """Wait until a condition holds; fails the test when it never does."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "it did not come"
        time.sleep(0.02)


def held_back(folder: Path, source: str) -> str:
    """The source of an experiment that can wait, by `wait_for("name")`, until `let_go(folder, "name")` is called.

    Args:
        folder: where both find the sign.
        source: what follows the function.
    """
    return (
        f"import pathlib\nimport time\n\n\ndef wait_for(name):\n"
        f'    while not (pathlib.Path({str(folder)!r}) / f"ignored {{name}}").exists():\n'
        f"        time.sleep(0.01)\n\n\n{source}"
    )


def let_go(folder: Path, name: object) -> None:
    """Have an experiment go on that waits, see `held_back`."""
    (folder / f"ignored {name}").touch()
