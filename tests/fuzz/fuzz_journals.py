"""Makes hostile journals, and holds the commands to what they promise.

    python tests/fuzz/fuzz_journals.py --journals 20000 --seed 1 --jobs 2

Each journal goes on from a real one as `support.hostile` decides. A clone pulls it, and perhaps another one that has
grown from it, exchanges records, reads them, checks them, and does what `mitosis verify` advises; or it has no other
journal, as after a first clone. Whatever the journal is: no command ends in a traceback, takes long or much memory;
nothing that came with the journal is run; nothing is written outside the places of mitosis, nor in folders that
records name; nothing that the clone had recorded is gone, changed or told otherwise without a commit that says so; and
what `verify` advises can be typed, and makes nothing worse. A failure is printed with the seed that makes the journal
again. `support.hostile_case` does all this.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import resource
import select
import signal
import sys
import tempfile
import time
import traceback
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from mitosis import verify as verification
from mitosis.journal.storage import walking
from support.hostile_case import Case
from support.hostile_real import Found, Real, isolate, made_real

HANG_LIMIT_S = 60.0
MEMORY_LIMIT_BYTES = 2**30
"""Of one command, beside what is loaded already."""


def _in_child(real: Real, folder: Path, seed: int, pipe: int) -> None:
    """Hold one case, bounded."""
    os.setpgid(0, 0)
    if seed % 10:
        walking._ALWAYS_READ = 2_000  # what is said of a tree without end comes sooner
    with tempfile.TemporaryFile() as output:
        os.dup2(output.fileno(), 1)
        os.dup2(output.fileno(), 2)
        sys.stdout, sys.stderr = (open(number, "w", closefd=False, encoding="utf-8") for number in (1, 2))  # noqa: SIM115
        loaded = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        limit = loaded + MEMORY_LIMIT_BYTES
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
        try:
            Case(real, folder, seed, pipe).hold()
        except Found as error:
            text = f"FOUND {error}"
        except BaseException:
            text = f"FOUND in the fuzzer: {traceback.format_exc()}"
        else:
            text = "= held"
        os.write(pipe, text.encode(errors="replace") + b"\n")
    os._exit(0)


def hold(real: Real, seed: int) -> Counter[str]:
    """Make the journal of a seed, and hold the commands to their promises.

    Returns:
        What happened, counted.

    Raises:
        Found: what must not happen did.
    """
    readable, writable = os.pipe()
    with tempfile.TemporaryDirectory(prefix="journal-") as name:
        pid = os.fork()
        if pid == 0:
            os.close(readable)
            _in_child(real, Path(name), seed, writable)
        os.close(writable)
        said = b""
        reason = "the process died"
        while True:
            if not select.select([readable], [], [], HANG_LIMIT_S)[0]:
                reason = f"no end after {HANG_LIMIT_S:.0f} s"
                break
            data = os.read(readable, 2**16)
            if not data:
                break
            said += data
        os.close(readable)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    lines = said.decode(errors="replace").splitlines()
    if "= held" not in lines:
        found = next((number for number, line in enumerate(lines) if line.startswith("FOUND")), None)
        raise Found("\n".join([f"seed {seed}", *lines] if found is not None else [f"seed {seed}", *lines, reason]))
    return Counter(line[2:] for line in lines if line.startswith("= "))


_real: Real
"""What the journals of a process are made from; `_prepare` makes it."""


def _prepare(folder: Path) -> None:
    """Make what is real, once in each process."""
    global _real
    verification._PAUSE_S = 0  # nobody else writes
    place = folder / f"{os.getpid()}"
    place.mkdir()
    _real = made_real(place)


def _held(seed: int) -> tuple[Counter[str], str]:
    """What happened with the journal of a seed, and what was found."""
    try:
        return hold(_real, seed), ""
    except Found as error:
        return Counter(), str(error)


def fuzz(journals: int, seed: int, *, keep_going: bool = False, jobs: int = 1) -> tuple[Counter[str], list[str]]:
    """Make so many journals; what happened, and what was found."""
    happened: Counter[str] = Counter()
    found = []
    seeds = range(seed, seed + journals)
    with (
        tempfile.TemporaryDirectory(prefix="journals-") as name,
        ProcessPoolExecutor(jobs, initializer=_prepare, initargs=(Path(name),)) as pool,
    ):
        # In the order of the seeds, so that it does not matter how many do it.
        for number, (counts, error) in zip(seeds, pool.map(_held, seeds), strict=True):
            if keep_going and number % 100 == 0:
                sys.stdout.write(f"{number}\n")
                sys.stdout.flush()
            happened += counts
            if error:
                found.append(error)
                sys.stdout.write(f"\n{error}\n")
                sys.stdout.flush()
                if not keep_going:
                    pool.shutdown(cancel_futures=True)
                    break
    return happened, found


def main() -> int:
    """Run the fuzzer from the command line."""
    parser = argparse.ArgumentParser(description="Make hostile journals, and hold the commands to their promises.")
    parser.add_argument("--journals", type=int, default=1_000)
    parser.add_argument("--seed", type=int, default=0, help="of the first journal; the next ones have the next")
    parser.add_argument("--jobs", type=int, default=1, help="so many processes do it; what comes out is the same")
    parser.add_argument("--keep-going", action="store_true", help="do not stop at what is found first")
    given = parser.parse_args()
    began = time.perf_counter()
    with tempfile.TemporaryDirectory(prefix="home-") as name:
        isolate(Path(name))
        happened, found = fuzz(given.journals, given.seed, keep_going=given.keep_going, jobs=given.jobs)
    counts = ", ".join(f"{what} {count:,}" for what, count in sorted(happened.items()))
    sys.stdout.write(f"{counts}, found {len(found)}, in {time.perf_counter() - began:.0f} s\n")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
