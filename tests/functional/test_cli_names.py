"""What commands say of names with several meanings, and of trials that are forgotten."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from mitosis.__main__ import run_command
from mitosis.canonical.encode import encode_value
from mitosis.journal.journal import Journal
from mitosis.records.trial import ParameterRecord, ProcessRecord, TrialRecord
from mitosis.variants import Variant

RunTrial = Callable[..., TrialRecord]
MakeVariant = Callable[..., Variant]
Rewrite = Callable[[dict[str, bytes | str | None]], None]


def frequency(value: Variant, summary: str) -> tuple[ParameterRecord, ...]:
    return (ParameterRecord("my_exp", "frequency", "lookup", value.name.variant, digest=value.digest, summary=summary),)


@pytest.fixture
def adas(make_variant: MakeVariant) -> Variant:
    return make_variant("slow", 1)


@pytest.fixture
def bobs(make_variant: MakeVariant) -> Variant:
    return make_variant("slow", 3)


@pytest.fixture
def two_meanings(
    repository_folder: Path,
    run_trial: RunTrial,
    adas: Variant,
    bobs: Variant,
    rewrite: Rewrite,
    monkeypatch: pytest.MonkeyPatch,
) -> tuple[TrialRecord, TrialRecord]:
    """A journal as a merge leaves it: `slow` means 1 to one trial and 3 to the other."""
    first = run_trial(variants=[adas], parameters=frequency(adas, "1"))
    rewrite({f"variants/my_exp/frequency/slow/{bobs.digest}.msgpack": encode_value(3)})
    second = run_trial(parameters=frequency(bobs, "3"))
    monkeypatch.chdir(repository_folder)
    return first, second


@pytest.mark.parametrize("words", [["list"], ["show", "KEY"], ["variants"]])
def test_every_command_that_shows_a_name_with_two_meanings_says_so(
    two_meanings: tuple[TrialRecord, TrialRecord], capsys: pytest.CaptureFixture[str], words: list[str]
) -> None:
    assert run_command([two_meanings[0].key if word == "KEY" else word for word in words]) == 0
    said = capsys.readouterr().err
    assert said.startswith("! ")
    assert "slow" in said
    assert "variants" in said


def test_variants_names_the_command_that_resolves(
    two_meanings: tuple[TrialRecord, TrialRecord],
    adas: Variant,
    bobs: Variant,
    capsys: pytest.CaptureFixture[str],
) -> None:
    run_command(["variants"])
    lines = capsys.readouterr().err.splitlines()
    assert lines[0].startswith("! variant `slow` of `my_exp.frequency` has two recorded meanings")
    assert f"    {adas.digest[:4]}…  1    Ada Lovelace" in lines[1]
    assert f"    {bobs.digest[:4]}…  3" in lines[2]
    name = f"slow-{bobs.digest[:4]}"
    command = f"mitosis variants resolve my_exp.frequency=slow --keep {adas.digest[:4]} --rename-other {name}"
    assert lines[3] == f"    {command}"
    words = command.replace(name, "bobs-slow").split()[1:]
    assert run_command(words) == 0
    assert capsys.readouterr().out.splitlines() == [
        "my_exp.frequency=slow now means 1",
        "    3 is my_exp.frequency=bobs-slow now",
        "Let others know: mitosis push",
    ]
    run_command(["variants"])
    shown = capsys.readouterr()
    assert shown.err == ""
    assert "my_exp.frequency=bobs-slow" in shown.out


def test_trial_keeps_showing_what_it_used(
    two_meanings: tuple[TrialRecord, TrialRecord], adas: Variant, capsys: pytest.CaptureFixture[str]
) -> None:
    first, second = two_meanings
    run_command(["variants", "resolve", "my_exp.frequency=slow", "--keep", adas.digest, "--rename-other", "bobs-slow"])
    run_command(["list"])
    rows = {line.split()[0]: line for line in capsys.readouterr().out.splitlines()}
    assert " slow (3) " in rows[second.key[:6]]
    assert " slow  " in rows[first.key[:6]]
    run_command(["show", second.key])
    line = "  my_exp.frequency  slow = 3  (`slow` now means another value; this one is `bobs-slow`)"
    assert line in capsys.readouterr().out.splitlines()


def test_meaning_can_be_dropped(
    two_meanings: tuple[TrialRecord, TrialRecord], bobs: Variant, capsys: pytest.CaptureFixture[str]
) -> None:
    run_command(["variants", "resolve", "my_exp.frequency=slow", "--keep", bobs.digest])
    assert "    1 is dropped; trials that used it keep saying so\n" in capsys.readouterr().out
    run_command(["show", two_meanings[0].key])
    assert "slow = 1  (`slow` now means another value)" in capsys.readouterr().out


@pytest.mark.parametrize("word", ["slow", "my_exp=slow", "my_exp.frequency", ".frequency=slow"])
def test_resolve_says_how_a_variant_is_written(
    two_meanings: tuple[TrialRecord, TrialRecord], capsys: pytest.CaptureFixture[str], word: str
) -> None:
    assert run_command(["variants", "resolve", word, "--keep", "1f"]) == 2
    assert "step.param=variant" in capsys.readouterr().err


def test_forgotten_trial_is_not_listed_and_stays_in_the_history(
    repository_folder: Path,
    journal: Journal,
    run_trial: RunTrial,
    git: Callable[..., str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(repository_folder)
    gone, kept = run_trial(), run_trial()
    assert run_command(["forget", gone.key[:8]]) == 0
    assert capsys.readouterr().out.startswith(f"forgot {gone.key}, my_exp")
    run_command(["list"])
    listed = capsys.readouterr().out
    assert gone.key[:6] not in listed
    assert kept.key[:6] in listed
    assert run_command(["show", gone.key]) == 2
    subjects = git("log", "--format=%s", "--grep", gone.key, "refs/mitosis").splitlines()
    assert subjects[0] == f"forget my_exp {gone.key}"
    assert len(subjects) == 3
    assert gone.key[:6] not in git("notes", "--ref=mitosis", "show")
    git("fsck", "--strict")


def test_outputs_are_deleted_where_asked_and_nothing_else(
    repository_folder: Path, run_trial: RunTrial, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(repository_folder)
    trials = repository_folder / "trials"
    outside = repository_folder / "precious"
    outside.mkdir()
    record = run_trial(folder="../precious", page="../experiment.py", trials_folder=str(trials))
    mine = trials / f"2026-03-01_{record.key}"
    other = trials / "2026-03-01_0123456789ab"
    for folder in (mine, other):
        folder.mkdir(parents=True)
        (folder / "notebook.ipynb").touch()
    (mine / "link").symlink_to(outside)
    (outside / "file").touch()
    page, others_page = trials / f"trial_my_exp_0_{record.key}.html", trials / "trial_my_exp_0_0123456789ab.html"
    page.touch()
    others_page.touch()
    run_command(["forget", record.key, "--outputs"])
    assert capsys.readouterr().out.count("    deleted ") == 2
    assert sorted(path.name for path in trials.iterdir()) == [other.name, others_page.name]
    assert (outside / "file").exists()
    assert (repository_folder / "experiment.py").exists()


def test_outputs_of_another_machine_are_said_to_be_there(
    repository_folder: Path, run_trial: RunTrial, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(repository_folder)
    record = run_trial(process=ProcessRecord("gpu-2", 12))
    run_command(["forget", record.key, "--outputs"])
    assert "its outputs are not in this repository; they were written to " in capsys.readouterr().out


def test_outputs_of_a_colleague_on_the_same_machine_are_left(
    repository_folder: Path, tmp_path: Path, run_trial: RunTrial, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(repository_folder)
    trials = tmp_path / "colleague" / "trials"
    record = run_trial(key="0123456789ab", trials_folder=str(trials), folder="2026-03-01_0123456789ab")
    (trials / "2026-03-01_0123456789ab").mkdir(parents=True)
    run_command(["forget", record.key, "--outputs"])
    assert (trials / "2026-03-01_0123456789ab").exists()


def test_forget_without_a_key_says_what_to_give(
    repository_folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(repository_folder)
    assert run_command(["forget"]) == 2
    assert "mitosis forget KEY" in capsys.readouterr().err
