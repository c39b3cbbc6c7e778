"""`mitosis compare` as a user runs it: on a terminal, in a pipe, for programs, and what it opens."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from mitosis.records.trial import TrialRecord
from support.e2e import CHAIN, SLOW, Project
from support.journal import Desk, make_record, write_script
from support.terminal import on_terminal

LOW = ("data", "fit", "-p", "data.noise=low", "-p", "fit.kind=sum")
HIGH = ("data", "fit", "-p", "data.noise=high", "-p", "fit.kind=sum")


@pytest.fixture
def trials(project: Project) -> list[TrialRecord]:
    """Two trials of a chain: with another variant, after an imported file and one that is not were changed."""
    project.mitosis(*LOW)
    project.commit({"lab/chain.py": CHAIN.replace('main": kind(data)', 'main": 0.1 + kind(data)'), "README": "new\n"})
    project.mitosis(*HIGH)
    return project.records()[::-1]


def test_comparison_in_a_pipe_is_whole(project: Project, trials: list[TrialRecord]) -> None:
    first, other = trials
    done = project.mitosis("compare", first.key[:6], other.key[:6])
    lines = [re.split("  +", line.strip()) for line in done.stdout.splitlines()]
    assert lines[0][0].startswith("same: experiment data+fit · kind sum · length 4 · size.count 4 · name fit · ")
    assert lines[1] == [first.key[:6], other.key[:6]]
    assert [line for line in lines[2:-1] if line[0] not in ("started", "took", "cpu", "memory")] == [
        ["noise", "low", "high"],
        ["scale", "0.01", "1.0"],
        ["main", "0.04", "4.1", "+4.06 (×102)"],
        ["commit", first.commit[:7], other.commit[:7], "1 commit later"],
        ["imported files", "1 differs"],
        ["lab/chain.py", "+1 −1"],
    ]
    assert lines[-1] == ["Differs in one parameter and in code."]
    assert done.stderr == ""
    plain = project.mitosis("compare", first.key, other.key, environment={"PYTHONIOENCODING": "ascii"}).stdout
    assert plain.isascii() and "+1 -1" in plain and "?" not in plain


@pytest.mark.parametrize("columns", [80, 120])
def test_comparison_fits_on_a_terminal(project: Project, trials: list[TrialRecord], columns: int) -> None:
    long = "'" + "a long text " * 12
    for end in ("one'", "other'"):
        project.mitosis("my_exp", "-p", "my_exp.frequency=slow", "-e", f"my_exp.amplitude={long}{end}")
    other, first = project.records()[:2]
    seen = on_terminal(project, "compare", first.key, other.key, columns=columns)
    assert seen.status == 0
    written = re.sub(r"\x1b\[[0-9;]*m", "", seen.raw).replace("\r", "").splitlines()
    assert written == seen.lines and max(map(len, written)) <= columns
    assert seen.lines[0].startswith("same: experiment my_exp · ")
    [row] = [line for line in seen.lines if "amplitude" in line and not line.startswith("S")]
    assert re.fullmatch(r"  amplitude  …\S*.* one'\s+…\S*.* other'", row)
    several = on_terminal(project, "compare", *(record.key for record in project.records()), columns=columns)
    assert max(map(len, several.lines)) <= columns and several.status == 0


def test_comparison_leaves_out_trials_that_a_terminal_has_no_room_for(repository_folder: Path) -> None:
    desk = Desk(repository_folder)
    keys = [desk.run_trial(author="x" * 20 * (number + 1)).key for number in range(6)]
    seen = on_terminal(repository_folder, "compare", *keys, columns=60)
    assert max(map(len, seen.lines)) <= 60
    assert f"{keys[5][:6]}; widen the window." in " ".join(seen.lines)
    assert seen.lines[-1] == "Same code, parameters and packages, and the same result."


def test_comparison_for_programs(project: Project, trials: list[TrialRecord]) -> None:
    first, other = trials
    found = json.loads(project.mitosis("compare", first.key, other.key, "--format", "json").stdout)
    assert found.keys() == {"format", "trials", "same", "rows", "verdict", "problems"}
    assert (found["format"], found["trials"], found["problems"]) == (1, [first.key, other.key], [])
    assert found["same"]["params.fit.kind"] == "sum" and found["same"]["metrics.fit.size.count"] == 4
    assert isinstance(found["same"]["packages"], int)
    rows = {row["name"]: row for row in found["rows"]}
    assert rows["main"] == {"name": "main", "level": 0, "values": [0.04, 4.1], "differences": ["+4.06 (×102)"]}
    assert rows["params.data.noise"]["values"] == ["low", "high"]
    assert rows["values.data.noise.scale"]["values"] == ["0.01", "1.0"]
    assert rows["commit"]["values"] == [first.commit, other.commit]
    assert rows["files.lab/chain.py"] == {
        "name": "files.lab/chain.py",
        "level": 1,
        "values": [None, None],
        "differences": ["+1 −1"],
    }
    assert rows["started"]["values"] == [first.started, other.started]
    assert found["verdict"] == "Differs in one parameter and in code."


def test_json_holds_what_json_has_no_word_for(repository_folder: Path) -> None:
    desk = Desk(repository_folder)
    keys = []
    for value in (float("nan"), (1, float("inf"))):
        record = make_record(commit=desk.repository.head)
        desk.start(record, [], "", desk.identity)
        steps = (record.steps[0].__class__("my_exp", "a:b", metrics={"curve": value}),)
        desk.end(record.with_changes(status="finished", steps=steps, ended=record.started), desk.identity)
        keys.append(record.key)
    found = json.loads(Project(repository_folder).mitosis("compare", *keys, "--format", "json").stdout)
    [row] = [row for row in found["rows"] if row["name"] == "metrics.my_exp.curve"]
    assert row["values"] == ["nan", [1, "inf"]]


def test_comparison_for_a_pull_request(project: Project, trials: list[TrialRecord]) -> None:
    first, other = trials
    said = project.mitosis("compare", first.key, other.key, "--format", "markdown").stdout.splitlines()
    assert said[0].startswith("same: experiment data+fit · ")
    assert said[2:6] == [
        f"|  | {first.key[:6]} | {other.key[:6]} |  |",
        "|---|---|---|---|",
        "| noise | low | high |  |",
        "| scale | 0.01 | 1.0 |  |",
    ]
    assert said[-1] == "Differs in one parameter and in code."


def test_code_is_shown_as_git_shows_it(project: Project, trials: list[TrialRecord], tmp_path: Path) -> None:
    first, other = trials
    shown = project.mitosis("compare", first.key, other.key, "--code").stdout
    assert shown == project.git("diff", first.commit, other.commit, "--", "lab/chain.py")
    assert "+++ b/lab/chain.py" in shown and "README" not in shown
    pager = write_script(tmp_path / "pager", "sed 's/^/paged: /'\n")
    seen = on_terminal(project, "compare", first.key, other.key, "--code", environment={"GIT_PAGER": str(pager)})
    assert seen.status == 0
    assert seen.lines[0] == "paged: diff --git a/lab/chain.py b/lab/chain.py"


def test_interrupt_is_for_the_pager(project: Project, trials: list[TrialRecord], tmp_path: Path) -> None:
    pager = write_script(
        tmp_path / "pager", "trap 'echo caught; exit 0' INT\ncat > /dev/null\necho ready\nsleep 60 & wait\n"
    )
    words = ("compare", *(record.key for record in trials), "--code")
    seen = on_terminal(project, *words, environment={"GIT_PAGER": str(pager)}, press=("ready", "\x03"))
    assert seen.status == 0
    assert "caught" in seen.text and "interrupted" not in seen.text


def test_code_that_is_the_same_is_said_to_be(project: Project) -> None:
    project.mitosis(*SLOW)
    project.mitosis(*SLOW)
    project.commit({"README": "new\n"})
    project.mitosis(*SLOW)
    later, other, first = (record.key for record in project.records())
    done = project.mitosis("compare", first, other, later, "--code")
    assert done.stdout == ""
    assert done.stderr.splitlines() == [
        f"! {first}, {other}: the same commit",
        f"! {first}, {later}: no difference between the imported files",
    ]


def test_pages_are_opened_side_by_side(project: Project, trials: list[TrialRecord], tmp_path: Path) -> None:
    browser = write_script(tmp_path / "browser", f'printf %s "$1" > {tmp_path}/called\n')
    before = sorted((project / "trials").rglob("*"))
    words = ("compare", *(record.key for record in trials), "--page")
    done = project.mitosis(*words, environment={"BROWSER": f"{browser} %s"})
    path = project / ".git" / "mitosis" / "compare.html"
    assert done.stdout == f"{path}\n"
    assert (tmp_path / "called").read_text() == path.as_uri()
    frames = re.findall(r'<iframe title="(\w+)" src="([^"]+)">', path.read_text())
    assert frames == [(record.key, project.page_of(record).as_uri()) for record in trials]
    assert sorted((project / "trials").rglob("*")) == before
    project.page_of(trials[1]).unlink()
    missing = project.mitosis(*words, status=2).stderr
    assert f"the page of trial {trials[1].key} is not here" in missing and trials[1].process.host in missing


def test_comparison_that_makes_no_sense_is_refused(project: Project) -> None:
    project.mitosis(*SLOW)
    key = project.record().key
    assert "mitosis compare KEY KEY..." in project.mitosis("compare", key, status=2).stderr
    assert f"trial {key} is given twice" in project.mitosis("compare", key[:4], key, status=2).stderr
    assert "Use only one of them" in project.mitosis("compare", key, key, "--code", "--page", status=2).stderr
    assert "Use only one" in project.mitosis("compare", key, key, "--code", "--format", "json", status=2).stderr
    project.mitosis("--debug", *SLOW)
    [debug] = [path.name.partition("_")[2] for path in project.glob("trials/*debug")]
    assert "no trial is recorded" in project.mitosis("compare", key, debug.removesuffix("debug"), status=2).stderr
