"""Readers of a journal that others append to, merge into, pack and prune meanwhile."""

from __future__ import annotations

from pathlib import Path

from support.faults import Nursery, nursery
from support.journal import JOURNAL
from support.kills import git, records_of

ROUNDS = 3
WRITERS = 3
TRIALS = 10


def merge_job(ada: Path) -> dict[str, str]:
    git(ada, "fetch", "--quiet", "../bob", f"+{JOURNAL}:refs/mitosis/remotes/bob/journal")
    commit = git(ada, "rev-parse", "refs/mitosis/remotes/bob/journal").strip()
    return {"do": "merge", "folder": str(ada), "commit": commit, "source": "bob"}


def test_readers_see_a_growing_journal_and_no_error(
    repository_folder: Path, tmp_path: Path, processes: Nursery
) -> None:
    ada, bob, stop = repository_folder, tmp_path / "bob", tmp_path / "stop"
    git(tmp_path, "clone", "--quiet", str(ada), "bob")
    appending = {"do": "append", "folder": str(ada), "count": TRIALS, "variants": {"slow": 1, "fast": 2}}
    keys = set()
    with nursery() as readers:
        readers.start(*[{"do": "read", "folder": str(ada), "stop": str(stop)}] * 2)
        for number in range(ROUNDS):
            appended = processes.run_one(**{**appending, "folder": str(bob), "variants": {f"bobs-{number}": number}})
            keys |= set(appended.check().values("ended"))
            # What runs beside the writers must not prune what they have not yet tied to the ref.
            processes.start(*[appending] * WRITERS, merge_job(ada))
            git(ada, "pack-refs", "--all", "--prune")
            git(ada, "repack", "-adfq")
            git(ada, "gc", "--quiet")
            for outcome in processes.finish():
                keys |= set(outcome.check().values("ended"))
            git(ada, "gc", "--quiet", "--prune=now")
            git(ada, "pack-refs", "--all", "--prune")
            git(ada, "repack", "-adfq")
        stop.touch()
        seen = readers.finish()
    for reader in seen:
        assert reader.check().values("bad") == []
        assert reader.values("seen") == [len(keys)]
        assert reader.values("rounds")[0] > ROUNDS
    assert records_of(ada).keys() == keys
