"""Looking at trials: `list`, `show`, `variants`, `open`, plain git, and loading from Python."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import dill
import pytest

import mitosis as package
from mitosis.errors.journal import AmbiguousKey, TrialNotFound
from mitosis.records.trial import TrialRecord
from support.e2e import SLOW, Commit, Mitosis


@pytest.mark.usefixtures("slow_trial")
def test_list_has_a_row_a_trial_newest_first(mitosis: Mitosis, records: Callable[[], list[TrialRecord]]) -> None:
    mitosis("data", "fit", "-p", "data.noise=low", "-p", "fit.kind=sum")
    header, first, second = mitosis("list").stdout.splitlines()
    newest, oldest = records()
    assert header.split()[:3] == ["key", "status", "experiment"]
    assert "frequency" in header and "noise" in header
    assert first.split()[:3] == [newest.key[:6], "finished", "data+fit"]
    assert second.split()[:3] == [oldest.key[:6], "finished", "my_exp"]
    assert "slow" in second
    assert len(mitosis("list", "-n", "1").stdout.splitlines()) == 2
    assert oldest.key[:6] in mitosis("list", "--experiment", "my_exp").stdout
    assert newest.key[:6] not in mitosis("list", "--experiment", "my_exp").stdout


@pytest.mark.usefixtures("slow_trial")
def test_list_says_once_what_is_the_same_in_all_rows(mitosis: Mitosis) -> None:
    mitosis("my_exp", "-p", "my_exp.frequency=fast", "-e", "my_exp.amplitude=4")
    lines = mitosis("list").stdout.splitlines()
    assert lines[0] == "all: experiment my_exp · amplitude 4"
    assert "amplitude" not in lines[1]
    assert "frequency" in lines[1]


def test_reading_commands_without_any_trial(mitosis: Mitosis) -> None:
    assert "no trials" in mitosis("list").stdout
    assert "no variants" in mitosis("variants", "--locked").stdout
    assert "no trial is recorded" in mitosis("show", "abc", status=2).stderr


@pytest.mark.usefixtures("slow_trial")
def test_show_tells_everything(mitosis: Mitosis, only_record: Callable[[], TrialRecord]) -> None:
    record = only_record()
    shown = mitosis("show", record.key[:5]).stdout
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
def test_unknown_and_ambiguous_keys(mitosis: Mitosis, project: Path, records: Callable[[], list[TrialRecord]]) -> None:
    key = records()[0].key
    missing = "0" * 12 if not key.startswith("0") else "f" * 12
    assert missing in mitosis("show", missing, status=2).stderr
    assert "not a trial key" in mitosis("show", "xyz", status=2).stderr
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
    mitosis: Mitosis, project: Path, tmp_path: Path, git: Callable[..., str], only_record: Callable[[], TrialRecord]
) -> None:
    key = only_record().key[:6]
    git("worktree", "add", "--quiet", str(tmp_path / "worktree"), "HEAD", cwd=project)
    git("clone", "--quiet", "--mirror", str(project), str(tmp_path / "clone" / ".git"), cwd=tmp_path)
    git("config", "core.bare", "false", cwd=tmp_path / "clone")
    git("reset", "--quiet", "--hard", cwd=tmp_path / "clone")
    for folder in (project / "lab", tmp_path / "worktree", tmp_path / "clone"):
        assert key in mitosis("list", cwd=folder).stdout
        assert key in mitosis("show", key, cwd=folder).stdout
        assert "my_exp.frequency=slow" in mitosis("variants", cwd=folder).stdout
        assert str(project / "trials") in mitosis("open", key, cwd=folder).stdout
    mitosis(*SLOW, cwd=tmp_path / "worktree")
    assert len(mitosis("list", cwd=project).stdout.splitlines()) == 4


@pytest.mark.usefixtures("slow_trial")
def test_open_prints_the_path_without_a_browser(
    mitosis: Mitosis, project: Path, only_record: Callable[[], TrialRecord]
) -> None:
    record = only_record()
    assert mitosis("open", record.key[:6]).stdout.strip() == str(project / "trials" / str(record.page))
    shutil.rmtree(project / "trials")
    message = mitosis("open", record.key[:6], status=2).stderr
    assert "is not here" in message and record.process.host in message


@pytest.mark.usefixtures("slow_trial")
def test_commit_of_a_trial_survives_amend_and_gc(mitosis: Mitosis, project: Path, git: Callable[..., str]) -> None:
    commit = git("rev-parse", "HEAD", cwd=project).strip()
    git("commit", "--quiet", "--amend", "-m", "amended", cwd=project)
    git("reflog", "expire", "--expire=now", "--all", cwd=project)
    git("gc", "--quiet", "--prune=now", cwd=project)
    assert git("cat-file", "-t", commit, cwd=project).strip() == "commit"
    assert "my_exp" in mitosis("list").stdout
    assert git("fsck", "--strict", cwd=project) == ""
    mitosis(*SLOW)


@pytest.mark.usefixtures("slow_trial")
def test_setup_makes_git_show_records_as_text(mitosis: Mitosis, project: Path, git: Callable[..., str]) -> None:
    assert "diff.mitosis" not in git("config", "--list", cwd=project)
    first = mitosis("setup").stdout
    assert "diff.mitosis.textconv" in first
    assert str(project / ".git" / "info" / "attributes") in first
    history = git("log", "-p", "refs/mitosis", cwd=project)
    assert "Binary files" not in history
    assert "amplitude" in history
    state = (project / ".git/config").read_bytes(), (project / ".git/info/attributes").read_bytes()
    assert mitosis("setup").stdout.count("already there") == 2
    assert state == ((project / ".git/config").read_bytes(), (project / ".git/info/attributes").read_bytes())


def test_setup_keeps_other_attributes(mitosis: Mitosis, project: Path) -> None:
    path = project / ".git/info/attributes"
    path.write_text("*.png binary")
    mitosis("setup")
    assert path.read_text() == "*.png binary\n*.msgpack diff=mitosis\n"


@pytest.mark.usefixtures("slow_trial")
def test_git_alone_shows_history_and_notes(
    mitosis: Mitosis, project: Path, git: Callable[..., str], only_record: Callable[[], TrialRecord]
) -> None:
    key = only_record().key
    ended, started = git("log", "--format=%s", "refs/mitosis", cwd=project).splitlines()
    assert ended.startswith(f"my_exp {key} finished: main = 4 (")
    assert started.startswith(f"my_exp {key} started at ")
    assert "frequency=slow (locked) amplitude=4" in started
    assert f"{key[:6]}  my_exp  frequency=slow amplitude=4  finished  main = 4" in git(
        "log", "--notes=mitosis", cwd=project
    )
    log = git("log", "--format=%an %s", "refs/mitosis", "--", "variants/my_exp/frequency/slow", cwd=project)
    assert log.startswith("Ada Lovelace my_exp")


def test_folders_without_a_record_load_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "trials" / "2023-04-05_abc123"
    folder.mkdir(parents=True)
    for number in range(12):
        (folder / f"results_{number}.dill").write_bytes(dill.dumps({"main": number}))
    monkeypatch.chdir(tmp_path)
    for results in (package.load_trial_data("abc1"), package.load_trial_data("abc123", trials_folder="trials")):
        assert [result["main"] for result in results] == list(range(12))


def test_parameters_load_by_step(
    mitosis: Mitosis, project: Path, only_record: Callable[[], TrialRecord], monkeypatch: pytest.MonkeyPatch
) -> None:
    mitosis("data", "fit", "-p", "data.noise=low", "-p", "fit.kind=sum")
    key = only_record().key
    monkeypatch.chdir(project)
    assert package.load_trial_params(key, 1) == {"kind": sum}
    assert package._load_trial_params(hexstr=key, step=0) == {"noise": {"scale": 0.01, "seed": 3}}
    with pytest.raises(ValueError, match="step 7"):
        package.load_trial_params(key, step=7)


@pytest.mark.usefixtures("slow_trial")
def test_recorded_trial_without_outputs_here_says_where_they_are(
    mitosis: Mitosis, project: Path, only_record: Callable[[], TrialRecord], monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.rmtree(project / "trials")
    monkeypatch.chdir(project)
    with pytest.raises(TrialNotFound) as caught:
        package.load_trial_data(only_record().key)
    assert only_record().process.host in str(caught.value)


def test_recorded_escapes_do_not_reach_the_terminal(
    mitosis: Mitosis, commit: Commit, only_record: Callable[[], TrialRecord]
) -> None:
    commit({"lab/__init__.py": "lookup_dict = {}\ndef run(x):\n    raise ValueError('\\x1b[2Jgone')\n"})
    done = mitosis("my_exp", "-e", "my_exp.x='\x1b]0;title\x07'", status=1)
    shown = done.stdout + mitosis("list").stdout + mitosis("show", only_record().key).stdout
    assert "\x1b" not in shown


def test_list_marks_untracked_parameters_and_names_steps_where_needed(mitosis: Mitosis, commit: Commit) -> None:
    steps = """[tool.mitosis.steps]\none = ["lab:run", "lab:lookup_dict"]\ntwo = ["lab:run", "lab:lookup_dict"]\n"""
    commit({"pyproject.toml": steps})
    mitosis("one", "-p", "one.frequency=slow", "-e", "+one.amplitude=4")
    mitosis("two", "-p", "+two.frequency=slow", "-e", "two.amplitude=5")
    header, two, one = mitosis("list").stdout.splitlines()
    for name in ("one.frequency", "two.frequency", "one.amplitude", "two.amplitude"):
        assert name in header
    assert "+slow" in two and "+slow" not in one
    assert "+4" in one and "+5" not in two
