"""The flow of a trial, from the command line to the record in git.

`settle` refuses what can be refused without running user code; `trial` starts the kernel, checks what it imported
and resolved, records the start, runs the steps and records the end; `outputs` writes the files.
"""

from __future__ import annotations

import asyncio

from mitosis.runner.request import Announcement, Outcome, OutputFormat, OutputStream, Progress, Request
from mitosis.runner.settle import settle

__all__ = ["Announcement", "Outcome", "OutputFormat", "OutputStream", "Progress", "Request", "run"]


def run(request: Request, progress: Progress) -> Outcome:
    """Run one trial.

    Args:
        request: what was asked for.
        progress: is told what happens while it happens.

    Returns:
        How it ended, also when the experiment failed or was interrupted.

    Raises:
        MitosisError: the trial was refused, and nothing is recorded; or, `NotRecorded`, its end could not be.
        Interrupted: a signal came before the start was recorded.
    """
    settled = settle(request)
    from mitosis.runner.trial import Trial

    return asyncio.run(Trial(settled, progress).run())
