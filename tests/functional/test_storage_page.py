"""The reference page on storage tells the truth: its commands work, and its lists are complete."""

from __future__ import annotations

import dataclasses
import hashlib
import re
import subprocess
from pathlib import Path
from typing import Any

import msgpack
import pytest

from mitosis.journal.annotations import annotation_file
from mitosis.journal.messages import annotated_message, locked_message, renamed_message, retired_message
from mitosis.journal.standing import remark_file
from mitosis.records.trial import Output, ParameterRecord, StepRecord, TrialRecord
from mitosis.variants import VariantLock, VariantName
from support.journal import Desk, make_variant

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "storage.md"
TEXT = PAGE.read_text(encoding="utf-8")
COMMANDS = [
    line.removeprefix("$ ")
    for block in re.findall(r"^```console\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)
    for line in block.splitlines()
]

SLOW = VariantName("my_exp", "frequency", "slow")
READING, TAKING = COMMANDS[:-2], COMMANDS[-2:]
"""Those that read the journal, and those that bring it to another clone."""


@pytest.fixture
def clone(journal: Desk, tmp_path: Path) -> Path:
    """A clone that has fetched the journal of two trials, by the commands of the page."""
    for key in ("5f2c91d07a3b", "81aa03000000"):
        journal.run_trial(key=key, variants=[make_variant()])
    folder = tmp_path / "clone"
    journal.git("clone", "--quiet", ".", str(folder))
    for command in TAKING:
        run(command, folder)
    return folder


def run(command: str, folder: Path) -> list[str]:
    done = subprocess.run(command, shell=True, cwd=folder, check=True, capture_output=True, text=True)
    return done.stdout.splitlines()


def test_commands_of_the_page_tell_what_it_says(clone: Path, journal: Desk) -> None:
    said = [run(command, clone) for command in READING]
    history, one, results, uses, lock, naming, locks, retired, noted, tagged, environments, notes, pins = said
    assert [line.split()[2] for line in history] == ["81aa03000000"] * 2 + ["5f2c91d07a3b"] * 2
    assert sum(line.startswith("commit ") for line in one) == 2
    assert results == ["81aa03000000 3.1706776324915e-05", "5f2c91d07a3b 3.1706776324915e-05"]
    assert [line.split()[2] for line in uses] == ["81aa03000000", "5f2c91d07a3b"]
    assert sum(line.startswith("commit ") for line in lock) == 1
    assert any("5f2c91d07a3b started" in line for line in lock)
    assert [line.split()[2] for line in naming] == ["5f2c91d07a3b"]
    assert retired == noted == tagged == []
    assert len(locks) == 1 and locks[0].startswith("variants/my_exp/frequency/slow/")
    assert environments[-1].endswith(".txt")
    assert [line.split()[0] for line in notes if "finished" in line] == ["81aa03", "5f2c91"]
    assert len(pins) == 1 and pins[0].endswith(str(journal.repository.head))


def test_git_tells_how_the_page_says_that_a_variant_was_renamed_and_retired(clone: Path) -> None:
    journal = Desk(clone)
    journal.rename(SLOW, "one", journal.identity)
    journal.retire(SLOW, "too slow", journal.identity)
    naming, _, retired = (run(command, clone) for command in READING[5:8])
    assert [line.partition(" ")[2] for line in naming[:2]] == [
        "retire my_exp.frequency=slow: too slow",
        "rename my_exp.frequency=slow to one",
    ]
    assert len(naming) == 3
    assert [line.rpartition("/")[0] for line in retired] == ["retired/my_exp/frequency/slow"]


def test_git_tells_how_the_page_says_what_was_said_of_trials(clone: Path) -> None:
    journal = Desk(clone)
    journal.note("5f2c", "read me first", journal.identity)
    journal.tag(["5f2c", "81aa"], "paper", journal.identity)
    noted, tagged = (run(command, clone) for command in READING[8:10])
    assert noted[4:5] == ["    note 5f2c91d07a3b my_exp: read me first"]
    assert tagged == ["5f2c91d07a3b,81aa03000000"]


@pytest.mark.parametrize(
    "fields", [{"tag": "paper"}, {"untag": "paper", "of": ["1f" * 20]}, {"note": "read me first"}], ids=str
)
def test_annotations_are_written_as_the_page_says(fields: dict[str, object]) -> None:
    section = TEXT.partition("### Tags and notes")[2].partition("###")[0]
    told = {
        names.replace("`", ""): types for names, types in re.findall(r"^\| (`[^|]*) \| (text[^|]*) \|", section, re.M)
    }
    [when] = re.findall(r"`(2026-\S+)`", section)
    path, data = annotation_file("5f2c91d07a3b", fields, "Ada <ada@example.org>", when)
    assert msgpack.unpackb(data) == {**fields, "author": "Ada <ada@example.org>", "when": when}
    assert told[", ".join(fields)] == ", ".join(
        "text" if isinstance(v, str) else "list of text" for v in fields.values()
    )
    assert path == f"annotations/5f/5f2c91d07a3b/{hashlib.sha256(data).hexdigest()[:40]}.msgpack"


@pytest.mark.parametrize(("kind", "content"), [("renamed", "one"), ("retired", ""), ("sources", {"lab:f": "00" * 20})])
def test_remarks_are_written_as_the_page_says(kind: str, content: object) -> None:
    section = TEXT.partition("### Remarks on variants")[2].partition("###")[0]
    [entry] = re.findall(rf"^\| `{kind}` \| `(\w+)` \|", section, re.MULTILINE)
    path, data = remark_file(kind, SLOW, content)
    assert msgpack.unpackb(data) == {entry: content}
    assert path == f"{kind}/my_exp/frequency/slow/{hashlib.sha256(data).hexdigest()[:40]}.msgpack"
    if kind == "retired":
        assert f"`{data.hex(' ')}`" in section


@pytest.mark.parametrize(
    ("summary", "message"),
    [
        ("lock my_exp.frequency=slow at 8c1d2e0", locked_message([VariantLock(SLOW, "1f")], "8c1d2e0f3b")),
        ("record the sources of functions", locked_message([], "8c1d2e0f3b")),
        (
            "accept the functions of smooth.window=late",
            locked_message([], "8c1d2e0f3b", [VariantName("smooth", "window", "late")]),
        ),
        ("rename my_exp.frequency=slow to one", renamed_message(SLOW, SLOW.renamed("one"), "1f")),
        ("retire my_exp.frequency=slow: too slow", retired_message(SLOW, "too slow", is_undone=False)),
        ("tag 12 trials: paper", annotated_message("tag", "paper", dict.fromkeys(map(str, range(12)), "my_exp"))),
        (
            "untag 5f2c91d07a3b my_exp: paper",
            annotated_message("untag", "paper", {"5f2c91d07a3b": "my_exp"}),
        ),
        (
            "note 5f2c91d07a3b my_exp: read me first",
            annotated_message("note", "read me first", {"5f2c91d07a3b": "my_exp"}),
        ),
        ("let my_exp.frequency=slow be used again", retired_message(SLOW, "", is_undone=True)),
    ],
)
def test_commits_that_are_about_names_are_told_with_their_trailers(summary: str, message: str) -> None:
    [row] = [line for line in TEXT.splitlines() if line.startswith("|") and f"`{summary}`" in line]
    first, *rest = message.splitlines()
    assert first == summary
    assert set(re.findall(r"`(\w+)`", row.split("|")[2])) == {line.partition(":")[0] for line in rest if line}


def test_reader_of_the_page_reads_all_trials(clone: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(clone)
    space: dict[str, Any] = {}
    [program] = re.findall(r"^```python\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)
    exec(compile(program, PAGE, "exec"), space)  # noqa: S102
    known = {record.key: record for record in Desk(clone).iter_trials()}
    assert {trial["key"]: trial["main"] for trial in space["trials"]} == {key: r.main for key, r in known.items()}


@pytest.mark.parametrize("record", [TrialRecord, StepRecord, ParameterRecord, Output])
def test_every_field_is_told(record: type) -> None:
    told = set(re.findall(r"`(\w+)`", "\n".join(line for line in TEXT.splitlines() if line.startswith("|"))))
    assert {field.name for field in dataclasses.fields(record)} - {"extra"} <= told
