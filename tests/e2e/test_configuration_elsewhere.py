"""`--config FILE`: every command that reads the configuration takes it, before its name and behind it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from mitosis.cli.app import app
from mitosis.cli.configuration import with_config_in_place
from support.variants import STEPS, Lab, make_lab

FILE = "conf/mitosis.toml"
CONFIG = ("--config", FILE)


@pytest.fixture
def lab(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Lab:
    """A lab whose steps are registered in `FILE`, with what their dictionaries say locked."""
    table = f'[tool.mitosis]\npythonpath = [".."]\ntrials-folder = "elsewhere"\n{STEPS}'
    made = make_lab(tmp_path / "lab", capsys, {"pyproject.toml": "", FILE: table}, prepare=use)
    monkeypatch.chdir(made.folder)
    return made


def use(lab: Lab) -> None:
    lab.lock({"fast": 10, "slow": 1})
    lab.use("slow", 1)


def test_every_command_that_reads_it_is_told_where_it_is(lab: Lab) -> None:
    assert lab.mitosis("check").lines[-1].endswith("If another file has them: mitosis check --config FILE")
    for words in (["check"], ["check", "--staged"], ["check", "HEAD"], ["variants", "--changed"]):
        assert lab.mitosis(*words, *CONFIG).lines[-1].endswith("every locked variant still means the same"), words
        assert lab.mitosis(*CONFIG, *words).lines[-1].endswith("every locked variant still means the same"), words
    first = lab.git("rev-parse", "HEAD").strip()
    lab.edit(('"slow": 1', '"slow": 2'))
    lab.commit({}, "slower")
    assert "1 → 2" in lab.mitosis("check", f"{first}..", *CONFIG, status=1).out
    assert lab.mitosis("variants", "diff", "--rev", f"{first}..", *CONFIG).lines[0] == "changed  my_exp.frequency=slow"
    assert lab.mitosis("variants", "diff", "my_exp.frequency=slow", *CONFIG).lines == ["value: 1 → 2"]
    assert "1 → 2" in lab.mitosis("variants", "show", "my_exp.frequency=slow", *CONFIG).out
    assert "locked to another value" in lab.mitosis("lock", *CONFIG, status=2).err
    lab.git("revert", "--no-edit", "HEAD")
    assert "locked my_exp.noise=low" in lab.mitosis("lock", *CONFIG).out
    path = lab.folder / FILE
    path.write_text(path.read_text().replace("[tool.mitosis.steps]", 'remote = "hub"\n[tool.mitosis.steps]'))
    lab.git("init", "--quiet", "--bare", "../hub")
    for name in ("origin", "hub"):
        lab.git("remote", "add", name, "../hub")
    for words in (["push"], ["pull"], ["sync"]):
        assert lab.mitosis(*words, *CONFIG).out.startswith("hub: ")
        assert lab.mitosis(*words).out.startswith("origin: ")
    [key] = lab.journal.trial_keys()
    page = lab.folder / "elsewhere" / f"trial_my_exp_0_{key}.html"
    page.parent.mkdir()
    page.write_text("")
    lab.mitosis("list", *CONFIG)
    lab.mitosis("verify", "--outputs", *CONFIG)
    lab.mitosis("forget", key, "--outputs", *CONFIG)
    assert not page.exists()


def test_file_that_is_not_there_is_named(lab: Lab) -> None:
    assert "conf/other: there is no such file" in lab.mitosis("check", "--config", "conf/other", status=2).err
    said = lab.mitosis("check", "HEAD", "--config", "conf/other", status=3).err
    assert "conf/other: there is no such file in commit" in said
    assert "there is no such file" in lab.mitosis("hook", "install", "--config", "conf/other", status=2).err
    assert "hook" not in lab.git("config", "--list")


def test_hook_goes_on_with_the_file_that_it_was_installed_with(lab: Lab) -> None:
    assert f"    configuration: {FILE}" in lab.mitosis("hook", "install", *CONFIG).lines
    lab.edit(('"slow": 1', '"slow": 2'))
    said = subprocess.run(["git", "commit", "-qam", "slower"], cwd=lab.folder, capture_output=True, text=True).stderr
    assert "my_exp.frequency=slow   1 → 2   (1 trial used 1)" in said
    # What was learnt with one file says nothing about another.
    lab.write({"other.toml": STEPS.replace("lab:lookup_dict", "lab2:lookup_dict"), "lab2.py": "lookup_dict = {}"})
    lab.commit({})
    lab.mitosis("hook", "install", "--config", "other.toml")
    lab.commit({"README": "x"})
    by_hand = [sys.executable, "-m", "mitosis.hook", "--strict", *CONFIG]
    lab.write({"lab.py": (lab.folder / "lab.py").read_text().replace('"fast": 10', '"fast": 11')})
    lab.git("add", ".")
    done = subprocess.run(by_hand, cwd=lab.folder, capture_output=True, text=True, check=False)
    assert done.returncode == 1 and "10 → 11" in done.stderr
    lab.mitosis("hook", "uninstall")
    assert "mitosis." not in lab.git("config", "--list")


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("--config x run fit", "run --config x fit"),
        ("--config=x check HEAD", "check --config=x HEAD"),
        ("--config x variants show a.b=c", "variants show --config x a.b=c"),
        ("--config x variants", "variants --config x"),
        ("--config x hook status", "hook status"),
        ("--config x list -n 3 --config=y", "list -n 3"),
        ("list --config x -n 3", "list -n 3"),
        ("show k -- --config x", "show k -- --config x"),
        ("--config x fit -p fit.noise=--config", "--config x fit -p fit.noise=--config"),
        ("--config x -m list", "--config x -m list"),
        ("__complete --config x lock ", "__complete lock --config x "),
        ("--config", "--config"),
    ],
)
def test_option_goes_where_the_command_takes_it(words: str, expected: str) -> None:
    assert with_config_in_place(app, words.split(" ")) == expected.split(" ")
