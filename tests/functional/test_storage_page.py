"""The reference page on storage tells the truth: its commands work, and its lists are complete."""

from __future__ import annotations

import dataclasses
import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mitosis.git import find_repository
from mitosis.journal import Journal, VariantValue
from mitosis.records import Output, ParameterRecord, StepRecord, TrialRecord

Git = Callable[..., str]
RunTrial = Callable[..., TrialRecord]

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "storage.md"
TEXT = PAGE.read_text(encoding="utf-8")
COMMANDS = [
    line.removeprefix("$ ")
    for block in re.findall(r"^```console\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)
    for line in block.splitlines()
]

READING, TAKING = COMMANDS[:-2], COMMANDS[-2:]
"""Those that read the journal, and those that bring it to another clone."""


@pytest.fixture
def clone(
    repository_folder: Path, tmp_path: Path, git: Git, run_trial: RunTrial, make_variant: Callable[..., VariantValue]
) -> Path:
    """A clone that has fetched the journal of two trials, by the commands of the page."""
    run_trial(key="5f2c91d07a3b", variants=[make_variant()])
    run_trial(key="81aa03000000", variants=[make_variant()])
    git("clone", "--quiet", str(repository_folder), "clone", cwd=tmp_path)
    folder = tmp_path / "clone"
    for command in TAKING:
        run(command, folder)
    return folder


def run(command: str, folder: Path) -> list[str]:
    done = subprocess.run(command, shell=True, cwd=folder, check=True, capture_output=True, text=True)
    return done.stdout.splitlines()


def test_commands_of_the_page_tell_what_it_says(clone: Path, repository_folder: Path) -> None:
    said = [run(command, clone) for command in READING]
    history, one, results, uses, lock, locks, environments, notes, pins = said
    assert [line.split()[2] for line in history] == ["81aa03000000"] * 2 + ["5f2c91d07a3b"] * 2
    assert sum(line.startswith("commit ") for line in one) == 2
    assert results == ["81aa03000000 3.1706776324915e-05", "5f2c91d07a3b 3.1706776324915e-05"]
    assert [line.split()[2] for line in uses] == ["81aa03000000", "5f2c91d07a3b"]
    assert sum(line.startswith("commit ") for line in lock) == 1
    assert any("5f2c91d07a3b started" in line for line in lock)
    assert len(locks) == 1 and locks[0].startswith("variants/my_exp/frequency/slow/")
    assert environments[-1].endswith(".txt")
    assert [line.split()[0] for line in notes if "finished" in line] == ["81aa03", "5f2c91"]
    assert len(pins) == 1 and pins[0].endswith(str(find_repository(repository_folder).head))


def test_reader_of_the_page_reads_all_trials(clone: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(clone)
    space: dict[str, Any] = {}
    [program] = re.findall(r"^```python\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)
    exec(compile(program, PAGE, "exec"), space)  # noqa: S102
    known = {record.key: record for record in Journal(find_repository(clone)).iter_trials()}
    assert {trial["key"]: trial["main"] for trial in space["trials"]} == {key: r.main for key, r in known.items()}


@pytest.mark.parametrize("record", [TrialRecord, StepRecord, ParameterRecord, Output])
def test_every_field_is_told(record: type) -> None:
    told = set(re.findall(r"`(\w+)`", "\n".join(line for line in TEXT.splitlines() if line.startswith("|"))))
    assert {field.name for field in dataclasses.fields(record)} - {"extra"} <= told
