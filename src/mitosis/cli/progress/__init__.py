"""What a trial shows while it runs: live on a terminal, plain lines elsewhere.

lines   what mitosis itself says of a trial, line by line
plain   prints lines one by one
live    prints them above one that moves
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from typing import IO, Protocol

from mitosis.cli.progress.lines import notification
from mitosis.cli.progress.live import live_progress
from mitosis.cli.progress.plain import PlainProgress, QuietProgress
from mitosis.cli.text import can_move
from mitosis.runner import Outcome, Progress

__all__ = ["TrialProgress", "make_progress", "notification"]


class TrialProgress(Progress, Protocol):
    """Progress that also says how it ended."""

    def finish(self, outcome: Outcome) -> None:
        """The trial ended and its outputs are written."""


@contextlib.contextmanager
def make_progress(out: IO[str], *, quiet: bool = False) -> Iterator[TrialProgress]:
    """The progress for where a trial's lines go.

    Args:
        out: standard output, or standard error where standard output is for something else.
        quiet: say nothing but how it ended.
    """
    if quiet:
        yield QuietProgress(out, sys.stderr)
    elif can_move(out):
        with live_progress(out) as progress:
            yield progress
    else:
        yield PlainProgress(out, sys.stderr)
