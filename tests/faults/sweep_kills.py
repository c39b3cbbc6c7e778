"""Kill appends, merges and pushes at every moment of each, fill the disk there, and check what is left.

    python tests/faults/sweep_kills.py              every call that changes something: some 2,500 kills
    python tests/faults/sweep_kills.py --every 10   a tenth of them

Moments inside libgit2 and git are met by kills from without, after random times. What has to hold is in
`support.kills`; the ordinary tests do the same at a few moments.
"""

from __future__ import annotations

import argparse
import os
import random
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from conftest import GITCONFIG
from support.faults import nursery
from support.kills import Append, Merge, Push, Scenario, Sweep

SCENARIOS: tuple[Scenario, ...] = (Append(0), Append(3), Merge(), Push())


def tries(sweep: Sweep, every: int, at_random: int, generator: random.Random) -> Iterator[Callable[[], object]]:
    """What to do to a scenario."""
    moments = range(1, sweep.events + 1, every)
    for moment in moments:
        yield partial(sweep.kill_at, moment)
        yield partial(sweep.kill_at, moment, spares_git=True)
        yield partial(sweep.fill_at, moment)
    for _ in range(at_random):
        yield partial(sweep.kill_after, generator.uniform(0, sweep.duration_s))


def main() -> int:
    parser = argparse.ArgumentParser(description="Kill appends, merges and pushes at every moment of each.")
    parser.add_argument("--every", type=int, default=1, help="leave out all moments but one of so many")
    parser.add_argument("--random", type=int, default=50, help="how many kills of each from without")
    parser.add_argument("--seed", type=int, default=0, help="of the times at which those kill")
    chosen = parser.parse_args()
    generator = random.Random(chosen.seed)
    failures = kills = fills = 0
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        (work / ".gitconfig").write_text(GITCONFIG)
        os.environ.update(HOME=name, GIT_CONFIG_NOSYSTEM="1")
        with nursery() as processes:
            for number, scenario in enumerate(SCENARIOS):
                began = time.monotonic()
                folder = work / str(number)
                folder.mkdir()
                sweep = Sweep(scenario, folder, processes)
                for hurt in tries(sweep, chosen.every, chosen.random, generator):
                    try:
                        hurt()
                    except AssertionError as error:
                        failures += 1
                        tell(f"FAILED {error}: {error.__cause__}")
                kills += sweep.kills
                fills += sweep.fills
                tell(
                    f"{scenario.name}: {sweep.events} moments, {sweep.kills} kills, {sweep.fills} full disks, "
                    f"{time.monotonic() - began:.0f} s"
                )
    tell(f"{kills} kills and {fills} full disks, {failures} failures")
    return 1 if failures else 0


def tell(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
