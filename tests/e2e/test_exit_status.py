"""The table of exit statuses in the reference, held against the code and against what commands end with."""

from __future__ import annotations

import ast
import re
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from mitosis.errors.base import ExitStatus
from support.e2e import Project, command
from support.waiting import TIMEOUT_S

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "reference" / "exit-status.md").read_text(encoding="utf-8")
CODE = """\
import os, pathlib, shutil, signal, time
lookup_dict = {}
def run(do):
    if do == "break the journal":
        shutil.rmtree("../../.git/mitosis")
        pathlib.Path("../../.git/mitosis").touch()
    elif do == "fail":
        raise ValueError("no")
    elif do == "wait":
        time.sleep(60)
    elif do:
        os.kill(os.getppid(), do)
        time.sleep(60)
    return {"main": 1}
"""
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)
EXERCISES: dict[ExitStatus, list[tuple[tuple[str, ...], int]]] = {
    ExitStatus.DONE: [(("my_exp", "-e", "my_exp.do=None"), 0)],
    ExitStatus.FAILED: [(("my_exp", "-e", "my_exp.do='fail'"), 1), (("hook", "status"), 1)],
    ExitStatus.REFUSED: [(("nothing",), 2), ((), 2), (("--nonsense",), 2), (("show", "0000"), 2)],
    ExitStatus.BUG: [(("my_exp", "-e", "my_exp.do='break the journal'"), 3)],
    ExitStatus.TIMED_OUT: [(("my_exp", "-e", "my_exp.do='wait'", "--timeout", "0.2"), 124)],
    ExitStatus.SIGNALLED: [(("my_exp", "-e", f"my_exp.do={int(number)}"), 128 + number) for number in SIGNALS],
}


def rows() -> dict[str, str]:
    """The first table of the page: what each status means."""
    return dict(re.findall(r"^\| (\d+(?: \+ n)?) \| (.+) \|$", PAGE, flags=re.MULTILINE))


def test_table_has_the_statuses_of_the_code_and_no_others() -> None:
    named = {"128 + n" if status is ExitStatus.SIGNALLED else str(int(status)) for status in ExitStatus}
    assert rows().keys() == named
    assert EXERCISES.keys() == set(ExitStatus)


def test_signals_that_the_table_names_are_those_exercised() -> None:
    told = re.findall(r"(\d+) after (?:[^,.]*\()?(SIG[A-Z]+)", rows()["128 + n"])
    assert {(int(number), name) for number, name in told} == {(128 + number, number.name) for number in SIGNALS}


def literal_statuses() -> Iterator[str]:
    """Where the code has a status as a number, in place of its name."""
    for path in (ROOT / "src" / "mitosis").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Assign | ast.AnnAssign) or not isinstance(node.value, ast.Constant):
                continue
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            names = [target.id.lower() for target in targets if isinstance(target, ast.Name)]
            if any(re.match("_?exit_", name) for name in names):
                yield f"{path.relative_to(ROOT)}:{node.lineno}"


def test_code_has_no_statuses_but_those_with_a_name() -> None:
    assert list(literal_statuses()) == []


@pytest.mark.parametrize(
    ("words", "status"),
    [exercise for exercises in EXERCISES.values() for exercise in exercises],
)
def test_commands_end_with_the_status_that_the_table_gives(
    project: Project, words: tuple[str, ...], status: int
) -> None:
    project.commit_lab(CODE)
    done = subprocess.run(command(*words), cwd=project, capture_output=True, text=True, timeout=TIMEOUT_S, check=False)
    assert done.returncode == status, done.stderr
