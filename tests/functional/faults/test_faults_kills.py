"""Processes that are killed in the middle of an append, a merge or a push, at moments spread over all of it.

`tests/faults/sweep_kills.py` goes through every moment.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from support.faults import Nursery, spread
from support.kills import Append, Merge, Push, Scenario, Sweep

KILLS = 4
SCENARIOS = [Append(0), Append(3), Merge(), Push()]


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)
def test_killed_process_leaves_the_old_or_the_new_journal(
    scenario: Scenario, tmp_path: Path, processes: Nursery
) -> None:
    sweep = Sweep(scenario, tmp_path, processes)
    for moment in spread(KILLS, sweep.events):
        sweep.kill_at(moment)
    # Keys are random, so one trial takes a few calls fewer than another, and may be over before the last moment.
    assert sweep.kills >= KILLS - 1
