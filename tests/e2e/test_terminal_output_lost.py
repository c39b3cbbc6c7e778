"""Output that cannot be written: it changes nothing about a trial, and a listing that is lost is said to be."""

from __future__ import annotations

import os
import shlex
import subprocess
from pathlib import Path

import pytest

from support.e2e import SLOW, Project, command
from support.waiting import TIMEOUT_S

FULL = Path("/dev/full")

pytestmark = pytest.mark.skipif(not FULL.exists(), reason="there is no /dev/full here")


def onto_full_disk(folder: Path, *words: str, buffered: bool = True) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONUNBUFFERED": "" if buffered else "1"}
    with FULL.open("w") as full:
        return subprocess.run(
            command(*words), cwd=folder, env=environment, stdout=full, stderr=subprocess.PIPE, text=True, check=False
        )


@pytest.mark.parametrize("buffered", [True, False])
@pytest.mark.parametrize("words", [("list",), ("--help",), ("--version",)])
def test_output_that_is_lost_is_no_success(project: Project, words: tuple[str, ...], buffered: bool) -> None:
    done = onto_full_disk(project, *words, buffered=buffered)
    assert (done.returncode, done.stderr) == (2, "mitosis: the output cannot be written: No space left on device\n")


def test_trial_whose_lines_are_lost_keeps_its_status(project: Project) -> None:
    done = onto_full_disk(project, *SLOW)
    assert done.returncode == 0
    assert "mitosis:" not in done.stderr
    assert project.record().status == "finished"


@pytest.mark.parametrize("words", [("list",), ("--version",), SLOW])
def test_reader_that_has_enough_is_no_trouble(project: Project, words: tuple[str, ...]) -> None:
    script = f"{{ {shlex.join(command(*words))}; echo $? > ignored; }} | true"
    done = subprocess.run(
        ["sh", "-c", script], cwd=project, capture_output=True, text=True, check=True, timeout=TIMEOUT_S
    )
    assert (project / "ignored").read_text() == "0\n"
    assert "Error" not in done.stderr


def test_refusal_keeps_its_status_where_nothing_can_be_written(project: Project) -> None:
    script = f"{shlex.join(command('nothing'))} > {FULL} 2>&1"
    assert subprocess.run(["sh", "-c", script], cwd=project, check=False, timeout=TIMEOUT_S).returncode == 2
