"""Completion in a real zsh and a real fish, through their line editors."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from support.shells import HOSTILE, UNPRINTABLE, LineEditor

LINES = [
    ("mitosis my", "mitosis my_exp "),
    ("mitosis data fi", "mitosis data fit "),
    ("mitosis variants reti", "mitosis variants retire "),
    ("mitosis my_exp --eval", "mitosis my_exp --eval-param "),
    ("mitosis my_exp -p my", "mitosis my_exp -p my_exp.frequency="),
    ("mitosis my_exp -p my_exp.frequency=s", "mitosis my_exp -p my_exp.frequency=slow "),
    ("mitosis my_exp -p +my_exp.frequency=s", "mitosis my_exp -p +my_exp.frequency=slow "),
    ("mitosis my_exp --param=my_exp.frequency=s", "mitosis my_exp --param=my_exp.frequency=slow "),
    ("mitosis my_exp -e my_exp.a", "mitosis my_exp -e my_exp.amplitude="),
    ("mitosis run my_exp -p my_exp.frequency=s", "mitosis run my_exp -p my_exp.frequency=slow "),
    ("mitosis lock my", "mitosis lock my_exp "),
    ("mitosis check mai", "mitosis check main "),
    ("mitosis variants show my_exp.frequency=s", "mitosis variants show my_exp.frequency=slow "),
    ("mitosis variants diff my_exp.frequency=s", "mitosis variants diff my_exp.frequency=slow "),
]


@pytest.fixture(params=["zsh", "fish"])
def shell(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def editor(request: pytest.FixtureRequest, shell: str) -> LineEditor:
    found: LineEditor = request.getfixturevalue(shell)
    return found


def words_of(shell: str, line: str, environment: dict[str, str], cwd: Path) -> list[str]:
    """The words that a shell makes of a line."""
    show = {
        "zsh": "mitosis() { printf '%s\\0' \"$@\" }",
        "fish": "function mitosis; printf '%s\\0' $argv; end",
    }[shell]
    quiet = {"zsh": "-f", "fish": "--no-config"}[shell]
    done = subprocess.run(
        [shell, quiet, "-c", f"{show}\n{line}"], cwd=cwd, env=environment, capture_output=True, text=True, check=True
    )
    return done.stdout.split("\0")[:-1]


def test_lines_are_completed_in_the_line_editor(editor: LineEditor) -> None:
    completed = [(typed, editor.complete(typed)) for typed, _ in LINES]
    assert completed == LINES


def test_steps_that_are_named_like_a_command_are_completed_after_run(editor: LineEditor, project: Path) -> None:
    table = (
        '[tool.mitosis.steps]\nvariety = ["lab:run", "lab:lookup_dict"]\nvariants = ["lab:run", "lab:lookup_dict"]\n'
    )
    (project / "pyproject.toml").write_text(table)
    lines = [
        ("mitosis run varian", "mitosis run variants "),
        ("mitosis variety varian", "mitosis variety variants "),
        ("mitosis varie", "mitosis variety "),
    ]
    assert [(typed, editor.complete(typed)) for typed, _ in lines] == lines


def test_keys_are_completed(editor: LineEditor, lock: Callable[..., str]) -> None:
    key = lock("slow")
    assert editor.complete(f"mitosis show {key[:3]}") == f"mitosis show {key} "


def test_hostile_names_are_typed_as_they_are_and_never_run(
    editor: LineEditor, shell: str, lock: Callable[..., str], project: Path, environment: dict[str, str]
) -> None:
    names = {str(number): f"{number}{name}" for number, name in enumerate((*HOSTILE, *UNPRINTABLE), start=10)}
    lock(*names.values())
    offered = []
    for number, name in names.items():
        start = f"mitosis my_exp -p my_exp.frequency={number}"
        line = editor.complete(start)
        if line != start:
            assert words_of(shell, line, environment, project) == ["my_exp", "-p", f"my_exp.frequency={name}"]
            offered.append(name.removeprefix(number))
    assert not (project / "ran").exists()
    assert offered == list(HOSTILE)


def test_hostile_descriptions_are_never_run(editor: LineEditor, project: Path, git: Callable[..., str]) -> None:
    text = "lookup_dict = {'frequency': {'aa': '$(touch ran)', 'ab': '`touch ran`', 'ac': '(touch ran)%F{red}'}}\n"
    (project / "lab" / "__init__.py").write_text(text + 'def run(frequency):\n    "$(touch ran); (touch ran)"\n')
    editor.complete("mitosis my_exp -p my_exp.frequency=a\t")
    editor.complete("mitosis \t")
    assert not (project / "ran").exists()
