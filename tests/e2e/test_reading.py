"""Looking at trials: `list`, `show`, `variants`, `open`, plain git, and loading from Python."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import dill
import pytest

import mitosis as package
from mitosis.errors.journal import AmbiguousKey, TrialNotFound
from support.e2e import SLOW, Mitosis, Project


@pytest.mark.usefixtures("slow_trial")
def test_list_has_a_row_a_trial_newest_first(project: Project) -> None:
    project.mitosis("data", "fit", "-p", "data.noise=low", "-p", "fit.kind=sum")
    header, first, second = project.mitosis("list").stdout.splitlines()
    newest, oldest = project.records()
    assert header.split()[:3] == ["key", "status", "experiment"]
    assert "frequency" in header and "noise" in header
    assert first.split()[:3] == [newest.key[:6], "finished", "data+fit"]
    assert second.split()[:3] == [oldest.key[:6], "finished", "my_exp"]
    assert "slow" in second
    assert len(project.mitosis("list", "-n", "1").stdout.splitlines()) == 2
    assert oldest.key[:6] in project.mitosis("list", "--experiment", "my_exp").stdout
    assert newest.key[:6] not in project.mitosis("list", "--experiment", "my_exp").stdout


@pytest.mark.usefixtures("slow_trial")
def test_list_in_a_pipe_has_the_same_columns_whatever_the_rows(project: Project) -> None:
    long = "a long text that a terminal has no room for, however wide it may be"
    project.mitosis("my_exp", "-p", "my_exp.frequency=slow", "-e", f"my_exp.amplitude={long!r}")
    rows = [re.split("  +", line) for line in project.mitosis("list").stdout.splitlines()]
    fixed = ["key", "status", "experiment", "main", "when", "took", "note"]
    assert rows[0] == [*fixed, "my_exp.amplitude", "my_exp.frequency"]
    assert [row[6:] for row in rows[1:]] == [["–", long, "slow"], ["–", "4", "slow"]]
    assert [len(row) for row in rows] == [9, 9, 9]


def test_reading_commands_without_any_trial(project: Project) -> None:
    assert "no trials" in project.mitosis("list").stdout
    assert "no variants" in project.mitosis("variants", "--locked").stdout
    assert "no trial is recorded" in project.mitosis("show", "abc", status=2).stderr


@pytest.mark.usefixtures("slow_trial")
def test_show_tells_everything(project: Project) -> None:
    record = project.record()
    shown = project.mitosis("show", record.key[:5]).stdout
    for part in (
        record.key,
        "my_exp",
        "finished",
        record.commit,
        "slow = 1",
        "Ada Lovelace <ada@example.org>",
        "lab:run",
        record.interpreter,
        record.platform,
        record.process.host,
        "mitosis my_exp -p my_exp.frequency=slow",
        *(output.path for output in record.outputs),
    ):
        assert part in shown


@pytest.mark.usefixtures("slow_trial")
def test_unknown_and_ambiguous_keys(project: Project) -> None:
    key = project.records()[0].key
    missing = "0" * 12 if not key.startswith("0") else "f" * 12
    assert missing in project.mitosis("show", missing, status=2).stderr
    assert "not a trial key" in project.mitosis("show", "xyz", status=2).stderr
    with pytest.raises(FileNotFoundError) as caught:
        package.load_trial_data(missing, trials_folder=project / "trials")
    assert isinstance(caught.value, TrialNotFound)
    for name in (f"2026-01-01_{key[:3]}aaaaaaaaa", f"2026-01-01_{key[:3]}bbbbbbbbb"):
        (project / "trials" / name).mkdir()
    with pytest.raises(RuntimeError) as ambiguous:
        package.load_trial_data(key[:3], trials_folder=project / "trials")
    assert isinstance(ambiguous.value, AmbiguousKey)
    assert f"2026-01-01_{key[:3]}aaaaaaaaa" in str(ambiguous.value)


@pytest.mark.usefixtures("slow_trial")
def test_commands_work_from_a_folder_a_worktree_and_a_clone(
    mitosis: Mitosis, project: Project, tmp_path: Path, git: Callable[..., str]
) -> None:
    key = project.record().key[:6]
    project.git("worktree", "add", "--quiet", str(tmp_path / "worktree"), "HEAD")
    git("clone", "--quiet", "--mirror", str(project), str(tmp_path / "clone" / ".git"), cwd=tmp_path)
    git("config", "core.bare", "false", cwd=tmp_path / "clone")
    git("reset", "--quiet", "--hard", cwd=tmp_path / "clone")
    for folder in (project / "lab", tmp_path / "worktree", tmp_path / "clone"):
        assert key in mitosis("list", cwd=folder).stdout
        assert key in mitosis("show", key, cwd=folder).stdout
        assert "my_exp.frequency=slow" in mitosis("variants", cwd=folder).stdout
        assert str(project / "trials") in mitosis("open", key, cwd=folder).stdout
    mitosis(*SLOW, cwd=tmp_path / "worktree")
    assert len(project.mitosis("list").stdout.splitlines()) == 3


@pytest.mark.usefixtures("slow_trial")
def test_open_prints_the_path_without_a_browser(project: Project) -> None:
    record = project.record()
    assert project.mitosis("open", record.key[:6]).stdout.strip() == str(project.page_of(record))
    shutil.rmtree(project / "trials")
    message = project.mitosis("open", record.key[:6], status=2).stderr
    assert "is not here" in message and record.process.host in message


@pytest.mark.usefixtures("slow_trial")
def test_setup_makes_git_show_records_as_text(project: Project) -> None:
    assert "diff.mitosis" not in project.git("config", "--list")
    first = project.mitosis("setup").stdout
    assert "diff.mitosis.textconv" in first
    assert str(project / ".git" / "info" / "attributes") in first
    history = project.git("log", "-p", "refs/mitosis")
    assert "Binary files" not in history
    assert "amplitude" in history
    state = (project / ".git/config").read_bytes(), (project / ".git/info/attributes").read_bytes()
    assert project.mitosis("setup").stdout.count("already there") == 3
    assert state == ((project / ".git/config").read_bytes(), (project / ".git/info/attributes").read_bytes())


@pytest.mark.parametrize("before", [b"*.png binary\n", b"*.png binary\r\n*.x\x0b\xff -text\r\n"])
def test_setup_keeps_other_attributes(project: Project, before: bytes) -> None:
    path = project / ".git/info/attributes"
    for present in (before, before.rstrip()):
        path.write_bytes(present)
        project.mitosis("setup")
        assert path.read_bytes() == present + b"\n" * (present != before) + b"*.msgpack diff=mitosis\n"


def test_folders_without_a_record_load_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "trials" / "2023-04-05_abc123"
    folder.mkdir(parents=True)
    for number in range(12):
        (folder / f"results_{number}.dill").write_bytes(dill.dumps({"main": number}))
    monkeypatch.chdir(tmp_path)
    for results in (package.load_trial_data("abc1"), package.load_trial_data("abc123", trials_folder="trials")):
        assert [result["main"] for result in results] == list(range(12))


def test_results_that_are_not_all_there_are_not_returned(tmp_path: Path) -> None:
    folder = tmp_path / "2023-04-05_abc123"
    folder.mkdir()
    (folder / "results.dill").write_bytes(dill.dumps({"main": 1}))
    with pytest.raises(ValueError, match=r"results.dill was saved by a release up to 0\.4"):
        package.load_trial_data("abc123", trials_folder=tmp_path)
    for number in (0, 2):
        (folder / f"results_{number}.dill").write_bytes(dill.dumps({"main": number}))
    with pytest.raises(ValueError, match=r"has no results_1\.dill"):
        package.load_trial_data("abc123", trials_folder=tmp_path)


def test_parameters_load_by_step(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    project.mitosis("data", "fit", "-p", "data.noise=low", "-p", "fit.kind=sum")
    key = project.record().key
    monkeypatch.chdir(project)
    assert package.load_trial_params(key, 1) == {"kind": sum}
    assert package._load_trial_params(hexstr=key, step=0) == {"noise": {"scale": 0.01, "seed": 3}, "length": 4}
    with pytest.raises(ValueError, match="step 7"):
        package.load_trial_params(key, step=7)


@pytest.mark.usefixtures("slow_trial")
def test_recorded_trial_without_outputs_here_says_where_they_are(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.rmtree(project / "trials")
    monkeypatch.chdir(project)
    with pytest.raises(TrialNotFound) as caught:
        package.load_trial_data(project.record().key)
    assert project.record().process.host in str(caught.value)


def test_list_marks_untracked_parameters_and_names_steps_where_needed(project: Project) -> None:
    steps = """[tool.mitosis.steps]\none = ["lab:run", "lab:lookup_dict"]\ntwo = ["lab:run", "lab:lookup_dict"]\n"""
    project.commit({"pyproject.toml": steps})
    project.mitosis("one", "-p", "one.frequency=slow", "-e", "+one.amplitude=4")
    project.mitosis("two", "-p", "+two.frequency=slow", "-e", "two.amplitude=5")
    header, two, one = project.mitosis("list").stdout.splitlines()
    for name in ("one.frequency", "two.frequency", "one.amplitude", "two.amplitude"):
        assert name in header
    assert "+slow" in two and "+slow" not in one
    assert "+4" in one and "+5" not in two
