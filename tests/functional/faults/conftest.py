"""What the fault tests share.

Fixtures to use:
    tmp_path: as pytest's, but in memory where there is enough: the tests write some hundred thousand small files, and
        how fast the disk is has no part in what they show.
    processes: a `Nursery`.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.faults import Nursery, nursery

MEMORY = Path("/dev/shm")
NEEDED_BYTES = 2**30


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
