"""What a trial shows while it runs: live on a terminal, plain lines elsewhere."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from typing import IO

from mitosis.cli.output.progress_live import live_progress
from mitosis.cli.output.progress_plain import PlainProgress, QuietProgress
from mitosis.cli.output.streams import can_move
from mitosis.runner.request import Progress


@contextlib.contextmanager
def make_progress(out: IO[str], *, quiet: bool = False) -> Iterator[Progress]:
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
