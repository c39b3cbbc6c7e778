"""How long pulling takes, by the size of the journal. Run as `python tests/benchmarks/bench_sync.py [TRIALS ...]`.

Whole processes of `mitosis pull` from a repository on the same disk, beside `git ls-remote` of it. The clone has a
trial that the remote does not have, so that there is something to merge. Each repetition starts from a new copy.
"""

from __future__ import annotations

import secrets
import shutil
import statistics
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from journal_builder import build_journal
from measuring import MITOSIS, configure, git, make_repository, time_command

from mitosis.git.repository import find_repository
from mitosis.journal.journal import Journal

NEW = 1_000
REPETITIONS = 5


def main(sizes: list[int]) -> None:
    for trials in sizes:
        with tempfile.TemporaryDirectory() as folder:
            _measure(Path(folder), trials)


def _measure(folder: Path, trials: int) -> None:
    clone, remote = folder / "clone", folder / "remote"
    make_repository(remote, {"experiment.py": ""})
    git(folder, "clone", "--quiet", str(remote), str(clone))
    configure(clone)
    head = find_repository(clone).head
    assert head is not None
    # Equal seeds: the remote has what the clone has, and more.
    records = build_journal(clone, trials, commit=head)
    build_journal(remote, trials + NEW, commit=head)
    journal = Journal(find_repository(clone))
    identity = journal.repository.identity()
    own = records[-1].with_changes(key=secrets.token_hex(6), status="running", ended=None, outputs=())
    started = journal.start(own, [], "", identity).record
    journal.end(started.with_changes(status="finished", ended=records[-1].ended), identity)
    print(f"{trials:,} trials, and {NEW:,} new ones at the remote")
    listing, first, again = [], [], []
    for number in range(REPETITIONS):
        copy = folder / f"copy-{number}"
        shutil.copytree(clone, copy)
        listing.append(time_command(["git", "ls-remote", "origin"], copy))
        first.append(time_command([*MITOSIS, "pull", "origin"], copy))
        again.append(time_command([*MITOSIS, "pull", "origin"], copy))
        beyond = len(list(Journal(find_repository(copy)).iter_trials())) - trials
        assert beyond == NEW + 1, beyond
        shutil.rmtree(copy)
    _report("git ls-remote", listing)
    _report(f"pull of {NEW:,} new trials", first)
    _report("pull with nothing new", again)
    _report("pull with nothing new, beyond ls-remote", [one - other for one, other in zip(again, listing, strict=True)])


def _report(what: str, times_s: Sequence[float]) -> None:
    print(f"  {what:40}  {statistics.median(times_s):9.3f} s    (median of {len(times_s)}, slowest {max(times_s):.3f})")


if __name__ == "__main__":
    main([int(word.replace(",", "")) for word in sys.argv[1:]] or [10_000, 100_000])
