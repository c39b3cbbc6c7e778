"""A repository that cannot be written to: what only reads works, and what writes says why it does not."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Callable, Iterator

import pytest

from support.e2e import SLOW, Project, command
from support.faults import can_mount
from support.waiting import TIMEOUT_S

WAYS = ["permissions", *(["mount"] if can_mount() else [])]

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(params=WAYS)
def read_only(request: pytest.FixtureRequest, project: Project) -> Iterator[Run]:
    """Run the command in the project, which has a trial, after it has been made unwritable."""
    project.mitosis(*SLOW)
    prefix: list[str] = []
    if request.param == "mount":
        subprocess.run(["mount", "--bind", str(project), str(project)], check=True)
        subprocess.run(["mount", "-o", "remount,bind,ro", str(project)], check=True)
    else:
        subprocess.run(["chmod", "-R", "a-w", str(project)], check=True)
        if os.geteuid() == 0:
            # The superuser may write where permissions say that nobody may, unless that privilege is given up.
            prefix = ["setpriv", "--bounding-set=-dac_override,-dac_read_search", "--"]

    def run(*words: str, status: int = 0) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [*prefix, *command(*words)],
            cwd=project,
            capture_output=True,
            text=True,
            timeout=TIMEOUT_S,
            stdin=subprocess.DEVNULL,
            check=False,
        )
        assert done.returncode == status, f"exit status {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done

    yield run
    if request.param == "mount":
        subprocess.run(["umount", "--lazy", str(project)], check=True)
    else:
        subprocess.run(["chmod", "-R", "u+w", str(project)], check=True)


def test_reading_works_and_writing_says_why_not(read_only: Run, project: Project) -> None:
    record = project.record()
    assert record.key[:6] in read_only("list").stdout
    assert record.key in read_only("show", record.key[:4]).stdout
    assert "slow" in read_only("variants").stdout
    read_only("verify")

    for words in (
        ("my_exp", "-p", "my_exp.frequency=slow", "-e", "my_exp.amplitude=5"),
        ("forget", record.key),
        ("push", "."),
    ):
        refused = read_only(*words, status=2).stderr
        assert re.search("Read-only file system|Permission denied|unable to create", refused), refused
        assert "Traceback" not in refused
    assert project.record() == record
