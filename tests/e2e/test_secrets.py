"""Secrets: the step gets them, and nothing that mitosis writes holds them."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from mitosis.results import load_trial_params
from mitosis.typing import NotSaved
from support.e2e import Project

LAB = """\
import os

lookup_dict = {}


def run(password, n, url="", hf_token=os.environ.get("HF"), token=None):
    assert len(password) + len(hf_token) == 22, "the step did not get them"
    return {"main": len(password) / n}
"""
VALUES = ("pw-tr0ub4dor", "hf-s3same!")
ENVIRONMENT = {"PW": VALUES[0], "HF": VALUES[1], "TORCH_PROXY": "http://ada:u-r1@proxy/"}


def everything_in(project: Project) -> bytes:
    """All files and their names, and all objects of git without their compression."""
    files = [path for path in project.rglob("*") if ".git/objects" not in str(path)]
    names = [str(path).encode() for path in files]
    words = ("git", "cat-file", "--batch", "--batch-all-objects")
    objects = subprocess.run(words, cwd=project, capture_output=True, check=True).stdout
    return b"\n".join([*names, *(path.read_bytes() for path in files if path.is_file()), objects])


def test_value_of_a_secret_reaches_the_step_and_no_file(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    project.commit_lab(LAB)
    given = ("my_exp", "-e", "my_exp.password=env:PW")
    done = project.mitosis(*given, "-e", "my_exp.n=2", "-e", "my_exp.url='file://ada:u-r1@x'", environment=ENVIRONMENT)
    assert "my_exp.url has a password in a URL" in done.stderr
    record = project.record()
    password = next(p for p in record.parameters if p.name == "password")
    assert (password.text, password.tracked, password.digest, password.summary) == ("env:PW", False, None, "")
    default = next(p for p in record.parameters if p.name == "hf_token")
    assert "not recorded" in default.text and not default.tracked
    assert record.variables["TORCH_PROXY"] == "http://proxy/"
    assert not any("u-r1" in word for word in record.command)
    assert '"password": os.environ["PW"],' in (project.folder_of(record) / "source.py").read_text()
    monkeypatch.chdir(project)
    assert load_trial_params(record.key) == {
        "n": 2,
        "url": "file://ada:u-r1@x",
        "token": None,
        "password": NotSaved("it is a secret: env:PW"),
    }
    project.mitosis("forget", record.key)

    # Its traceback, another variable that is recorded otherwise, and a name that says nothing.
    words = ("-e", "my_exp.n=0", "-e", "my_exp.url=env:TORCH_PIN")
    project.mitosis(*given, *words, status=1, environment={**ENVIRONMENT, "TORCH_PIN": "t-h0rch"})
    page = project.page_of(project.record())
    assert "ZeroDivisionError" in page.read_text() and "env:PW" in page.read_text()
    written = everything_in(project)
    assert [value for value in (*VALUES, "t-h0rch") if value.encode() in written] == []


def test_secret_without_its_variable_is_refused_before_anything_runs(project: Project) -> None:
    done = project.mitosis("my_exp", "-e", "my_exp.amplitude=env:NO_SUCH", "-p", "my_exp.frequency=slow", status=2)
    assert "the environment variable NO_SUCH, which has the value of my_exp.amplitude, is not set" in done.stderr
    assert not Path(project, "trials").exists()
    done = project.mitosis("my_exp", "-e", "my_exp.amplitude=env:1", status=2)
    assert "Write it as -e my_exp.amplitude=env:NAME." in done.stderr


def test_secret_given_as_a_variant_is_refused_with_the_expression(project: Project) -> None:
    project.commit_lab(LAB)
    done = project.mitosis("my_exp", "-p", "my_exp.token=env:TOK", status=2, environment={"TOK": "hf-1"})
    assert done.stderr.endswith("To pass the value itself, write an expression: -e my_exp.token=env:TOK\n")
    assert "secrets have" not in done.stderr


def test_secret_in_the_open_is_warned_of_before_the_experiment_is_imported(project: Project) -> None:
    project.commit({"lab/__init__.py": LAB + 'raise ValueError("imported")\n'})
    done = project.mitosis("my_exp", "-e", 'my_exp.token="abc"', status=2)
    warning, error = done.stderr.index("! my_exp.token has a name that secrets have"), done.stderr.index("imported")
    assert warning < error
    table = '[tool.mitosis]\nsecrets = ["!token"]\n'
    project.commit({"pyproject.toml": table + (project / "pyproject.toml").read_text()})
    assert "secrets have" not in project.mitosis("my_exp", "-e", 'my_exp.token="abc"', status=2).stderr
