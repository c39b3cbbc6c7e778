"""What commands say of names with several meanings, and of trials that are forgotten."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from mitosis.records.trial import ParameterRecord, ProcessRecord
from support.variants import LAB, STEPS, Lab, variant

ADAS, BOBS = variant("slow", 1), variant("slow", 3)
RESOLVE = ("variants", "resolve", "my_exp.frequency=slow", "--keep")


@pytest.fixture
def lab(repository_folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Lab:
    monkeypatch.chdir(repository_folder)
    return Lab(repository_folder, capsys)


@pytest.fixture
def two_meanings(lab: Lab) -> tuple[str, str]:
    """A journal as a merge leaves it: `slow` means 1 to one trial and 3 to the other; their keys."""
    first = lab.use("slow", 1)
    lab.give_meaning("slow", 3)
    parameter = ParameterRecord("my_exp", "frequency", "lookup", "slow", digest=BOBS.digest, summary="3")
    return first, lab.journal.run_trial(parameters=(parameter,)).key


@pytest.mark.parametrize("words", ["list", "show KEY", "variants"])
def test_every_command_that_shows_a_name_with_two_meanings_says_so(
    lab: Lab, two_meanings: tuple[str, str], words: str
) -> None:
    said = lab.mitosis(*words.replace("KEY", two_meanings[0]).split()).err
    assert said.startswith("! ")
    assert "slow" in said
    assert "variants" in said


@pytest.mark.usefixtures("two_meanings")
def test_variants_names_the_command_that_resolves(lab: Lab) -> None:
    lines = lab.mitosis("variants").err.splitlines()
    assert lines[0].startswith("! variant `slow` of `my_exp.frequency` has two recorded meanings")
    assert f"    {ADAS.digest[:4]}…  1    Ada Lovelace" in lines[1]
    assert f"    {BOBS.digest[:4]}…  3" in lines[2]
    name = f"slow-{BOBS.digest[:4]}"
    command = f"mitosis variants resolve my_exp.frequency=slow --keep {ADAS.digest[:4]} --rename-other {name}"
    assert lines[3] == f"    {command}"
    assert lab.mitosis(*command.replace(name, "bobs-slow").split()[1:]).lines == [
        "my_exp.frequency=slow now means 1",
        "    3 is now my_exp.frequency=bobs-slow; call it that in the lookup dictionary",
        "Let others know: mitosis push",
    ]
    shown = lab.mitosis("variants")
    assert shown.err == ""
    assert "my_exp.frequency=bobs-slow" in shown.out


def test_command_of_a_name_with_a_line_break_can_be_typed(lab: Lab) -> None:
    name = "it's\nslow\\\x07é"
    lab.use(name, 1)
    lab.give_meaning(name, 3)
    command = lab.mitosis("variants").err.splitlines()[-1].strip()
    words = subprocess.run(["bash", "-c", f"printf '%s\\0' {command}"], capture_output=True, check=True).stdout
    lab.mitosis(*words.decode().split("\0")[1:-1])
    assert lab.journal.conflicts() == ()


def test_trial_keeps_showing_what_it_used(lab: Lab, two_meanings: tuple[str, str]) -> None:
    first, second = two_meanings
    lab.mitosis(*RESOLVE, ADAS.digest, "--rename-other", "bobs-slow")
    rows = {line.split()[0]: line for line in lab.mitosis("list").lines}
    assert rows[second[:6]].endswith(" slow (now bobs-slow)")
    assert rows[first[:6]].endswith(" slow")
    line = "  my_exp.frequency  slow = 3  (`slow` now means another value; this one is `bobs-slow`)"
    assert line in lab.mitosis("show", second).lines


def test_meanings_that_are_long_are_told_apart_by_their_digests(lab: Lab) -> None:
    values = [{"scale": scale, "kernel": list(range(9))} for scale in (0.01, 0.02)]
    keys = [lab.use("slow", value) for value in values[:1]]
    lab.give_meaning("slow", values[1])
    used = variant("slow", values[1])
    parameter = ParameterRecord("my_exp", "frequency", "lookup", "slow", digest=used.digest, summary=str(values[1]))
    keys.append(lab.journal.run_trial(parameters=(parameter,)).key)
    rows = {line.split()[0]: line for line in lab.mitosis("list").lines}
    assert rows[keys[1][:6]].endswith(f" slow ({used.digest[:6]})")
    assert rows[keys[0][:6]].endswith(f" slow ({variant('slow', values[0]).digest[:6]})")


def test_meaning_can_be_dropped(lab: Lab, two_meanings: tuple[str, str]) -> None:
    assert "    1 is dropped; trials that used it keep saying so" in lab.mitosis(*RESOLVE, BOBS.digest).lines
    assert "slow = 1  (`slow` now means another value)" in lab.mitosis("show", two_meanings[0]).out


@pytest.mark.parametrize("word", ["slow", "my_exp=slow", "my_exp.frequency", ".frequency=slow"])
def test_resolve_says_how_a_variant_is_written(lab: Lab, word: str) -> None:
    assert "step.param=variant" in lab.mitosis("variants", "resolve", word, "--keep", "1f", status=2).err


def test_forgotten_trial_is_not_listed_and_stays_in_the_history(lab: Lab) -> None:
    gone, kept = lab.journal.run_trial(), lab.journal.run_trial()
    assert lab.mitosis("forget", gone.key[:8]).out.startswith(f"forgot {gone.key}, my_exp")
    listed = lab.mitosis("list").out
    assert gone.key[:6] not in listed
    assert kept.key[:6] in listed
    shown = lab.mitosis("show", gone.key[:7], status=2).err.splitlines()
    assert shown[0] == f"mitosis: `{gone.key[:7]}` is a trial that was forgotten"
    assert shown[1].startswith(f"    {gone.key}  my_exp  forgotten 2026-") and shown[1].endswith(" by Ada Lovelace")
    assert shown[2] == f"To list it again: mitosis forget --undo {gone.key[:7]}"
    assert lab.mitosis("forget", "--undo").lines == [shown[1]]
    subjects = lab.git("log", "--format=%s", "--grep", gone.key, "refs/mitosis").splitlines()
    assert subjects[0] == f"forget my_exp {gone.key}"
    assert len(subjects) == 3
    assert gone.key[:6] not in lab.journal.git_note()
    lab.git("fsck", "--strict")


def test_forgotten_trial_is_listed_again_as_it_was(lab: Lab) -> None:
    used, other = lab.journal.run_trial(), lab.journal.run_trial()
    before = lab.journal.read_trial(used.key), lab.journal.git_note()
    said = lab.mitosis("forget", used.key).lines[-1]
    assert said.endswith(f"mitosis forget --undo {used.key}")
    assert lab.mitosis("forget", "--undo", used.key[:8]).lines == [f"{used.key} is listed again"]
    assert lab.mitosis("forget", "--undo").lines == ["no trials were forgotten in this repository"]
    assert lab.journal.read_trial(used.key) == before[0]
    assert sorted(lab.journal.git_note().splitlines()) == sorted(before[1].splitlines())
    assert lab.git("log", "-1", "--format=%s", "refs/mitosis") == f"list my_exp {used.key} again\n"
    for key in (used.key, other.key, "0123456789ab"):
        assert "no trial was forgotten" in lab.mitosis("forget", "--undo", key, status=2).err
    lab.mitosis("forget", used.key, other.key)
    if used.key[0] == other.key[0]:
        assert "several trials" in lab.mitosis("forget", "--undo", used.key[0], status=2).err
    lab.mitosis("forget", "--undo", used.key, other.key)
    assert len(lab.journal.trial_keys()) == 2
    assert "--undo cannot bring any back" in lab.mitosis("forget", "--undo", "--outputs", used.key, status=2).err


def test_without_a_key_it_is_the_newest_trial(lab: Lab) -> None:
    for command in ("show", "open"):
        assert "no trials are recorded" in lab.mitosis(command, status=2).err
    lab.journal.run_trial()
    newest = lab.journal.run_trial(started="2026-03-02T12:00:00+00:00")
    said = lab.mitosis("show")
    assert said.lines[0].startswith(newest.key)
    assert said.err.startswith(f"the newest trial, {newest.key[:6]}, started ")
    assert f"the page of trial {newest.key} is not here" in lab.mitosis("open", status=2).err


def test_place_of_a_page_that_is_not_here_stays_on_its_line(lab: Lab) -> None:
    key = lab.journal.run_trial(page="a\nb.html", trials_folder="/x\ny", process=ProcessRecord("host\nz", 1)).key
    assert "    it was written on host\\nz, to /x\\ny/a\\nb.html\n" in lab.mitosis("open", key, status=2).err


def test_experiments_that_there_are_are_named_where_one_has_no_trials(lab: Lab) -> None:
    lab.journal.run_trial(experiment="data+fit")
    said = lab.mitosis("list", "--experiment", "data+ft", status=2).err.splitlines()
    assert said[0] == "mitosis: no trials of `data+ft` are recorded in this repository"
    assert said[1:] == ["    experiments: data+fit (1)", "Did you mean `data+fit`?"]


def test_key_of_a_debug_trial_leads_to_its_page(lab: Lab) -> None:
    page = lab.folder / "trials" / "trial_my_exp-4_0_0123456789abdebug.html"
    (page.parent / "2026-03-01_0123456789abdebug").mkdir(parents=True)
    page.touch()
    (page.parent / "2026-03-01_abcdef123456").mkdir()
    assert "no trial is recorded" in lab.mitosis("show", "abcd", status=2).err
    for command in ("show", "open"):
        said = lab.mitosis(command, "0123", status=2).err
        assert "`0123` is a debug trial, and those are not recorded" in said and str(page) in said


def test_resolving_what_is_no_conflict_says_so_and_a_conflict_is_shown_until_one_is_chosen(lab: Lab) -> None:
    lab.lock({"slow": 1})
    said = lab.mitosis("variants", "resolve", "my_exp.frequency=slow")
    assert said.lines == ["my_exp.frequency=slow has one meaning, so there is nothing to resolve"]
    lab.give_meaning("slow", 3)
    assert "mitosis variants resolve my_exp.frequency=slow --keep" in lab.mitosis(*RESOLVE[:-1]).err


def test_name_that_is_right_is_not_taken_for_another(lab: Lab) -> None:
    lab.write({"pyproject.toml": STEPS, "lab.py": LAB})
    lab.lock({"slow": 1})
    for words in (["retire"], ["release", "--reason", "x"], ["rename", "my_exp.frequency=fast"]):
        said = lab.mitosis("variants", *words[:1], "my_exp.frequency=fast", *words[1:], status=2).err
        assert "is not locked, so it cannot be" in said and "change it in the lookup dictionary" in said
        assert "Did you mean" not in said
    said = lab.mitosis("variants", "retire", "my_exp.frequency=quick", status=2).err
    assert "There is: my_exp.frequency=slow" in said
    lab.journal.run_trial(parameters=(ParameterRecord("my_exp", "frequency", "lookup", "slov", tracked=False),))
    assert (
        "trials that used it keep saying so" in lab.mitosis("variants", "retire", "my_exp.frequency=slov", status=2).err
    )
    lab.edit(('"slow"', '"slov"'))
    assert "1 trial used it untracked (+)" in lab.mitosis("variants", "show", "my_exp.frequency=slov").lines


def test_names_that_are_not_locked_are_refused_with_the_nearest(lab: Lab) -> None:
    lab.journal.run_trial(variants=[variant("slow", 1)])
    for words in (["retire"], ["retire", "--undo"], ["resolve", "--keep", "1f"]):
        said = lab.mitosis("variants", *words, "my_exp.frequency=slov", status=2).err
        assert "is not locked" in said and "Did you mean `my_exp.frequency=slow`?" in said


def test_outputs_are_deleted_where_asked_and_nothing_else(lab: Lab) -> None:
    trials, outside = lab.folder / "trials", lab.folder / "precious"
    outside.mkdir()
    record = lab.journal.run_trial(folder="../precious", page="../experiment.py", trials_folder=str(trials))
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
    assert lab.mitosis("forget", record.key, "--outputs").out.count("    deleted ") == 2
    assert sorted(path.name for path in trials.iterdir()) == [other.name, others_page.name]
    assert (outside / "file").exists()
    assert (lab.folder / "experiment.py").exists()


def test_outputs_of_another_machine_are_said_to_be_there(lab: Lab) -> None:
    record = lab.journal.run_trial(process=ProcessRecord("gpu-2", 12))
    said = lab.mitosis("forget", record.key, "--outputs").out
    assert "its outputs are not in this repository; they were written to " in said


def test_outputs_of_a_colleague_on_the_same_machine_are_left(lab: Lab, tmp_path: Path) -> None:
    trials = tmp_path / "colleague" / "trials"
    record = lab.journal.run_trial(key="0123456789ab", trials_folder=str(trials), folder="2026-03-01_0123456789ab")
    (trials / "2026-03-01_0123456789ab").mkdir(parents=True)
    lab.mitosis("forget", record.key, "--outputs")
    assert (trials / "2026-03-01_0123456789ab").exists()


def test_forget_without_a_key_says_what_to_give(lab: Lab) -> None:
    assert "mitosis forget KEY" in lab.mitosis("forget", status=2).err
