"""Several clones in any order of appends, merges, pushes, prunings and kills: nothing is lost, and all converge."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from support.clones import Clones
from support.faults import Nursery


@pytest.mark.parametrize(("examples", "steps"), [(2, 30), pytest.param(20, 50, marks=pytest.mark.slow)])
def test_clones_lose_nothing_and_converge(tmp_path: Path, processes: Nursery, examples: int, steps: int) -> None:
    class Here(Clones):
        pass

    Here.processes, Here.parent = processes, tmp_path
    run_state_machine_as_test(
        Here,
        settings=settings(
            max_examples=examples,
            stateful_step_count=steps,
            derandomize=True,
            database=None,
            # To make a failing example smaller takes many minutes; it is told as it is.
            phases=(Phase.generate,),
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
