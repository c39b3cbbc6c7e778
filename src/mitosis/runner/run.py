"""Run one trial, from what was asked for to its record in git.

`refusals` refuses what can be refused without running user code; `trial` starts the kernel, has the user's code
imported and the parameters resolved (`user_code`), records the start, runs the steps (`steps`), writes what there is
to look at (`documents`) and records the end.
"""

from __future__ import annotations

import asyncio

from mitosis.runner.refusals import settle
from mitosis.runner.request import Outcome, Progress, Request


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
    # Most of what is refused is refused by now, before 0.1 s of imports.
    from mitosis.runner.trial import Trial

    return asyncio.run(Trial(settled, progress).run())
