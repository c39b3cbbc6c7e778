"""What the fault tests share.

Fixtures to use:
    tmp_path: as pytest's, but in memory where there is enough: the tests write some hundred thousand small files, and
        how fast the disk is has no part in what they show.
    processes: a `Nursery`.
    check_whole: has git check a repository, and looks for locks that were left.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from mitosis.errors.journal import BadRecord
from mitosis.git.repository import find_repository
from mitosis.journal.journal import Journal
from mitosis.records.trial import TrialRecord
from support.faults import Nursery, nursery

MEMORY = Path("/dev/shm")
NEEDED_BYTES = 2**30

Git = Callable[..., str]
CheckWhole = Callable[[Path], dict[str, TrialRecord]]


@pytest.fixture
def tmp_path(tmp_path: Path) -> Iterator[Path]:
    if not MEMORY.is_dir() or shutil.disk_usage(MEMORY).free < NEEDED_BYTES:
        yield tmp_path
        return
    with tempfile.TemporaryDirectory(dir=MEMORY) as folder:
        yield Path(folder)


@pytest.fixture
def processes(home: Path) -> Iterator[Nursery]:
    with nursery() as made:
        yield made


@pytest.fixture
def check_whole(git: Git) -> CheckWhole:
    """Check that a repository is whole to git, and its journal to mitosis; returns the trials by key."""

    def check(folder: Path) -> dict[str, TrialRecord]:
        assert git("fsck", "--strict", "--no-dangling", cwd=folder) == ""
        problems: list[BadRecord] = []
        records = list(Journal(find_repository(folder)).iter_trials(problems=problems))
        assert problems == []
        keys = {record.key: record for record in records}
        assert len(keys) == len(records)
        return keys

    return check
