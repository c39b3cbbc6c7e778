"""Completion in a real bash: through its line editor, and by the function that it calls."""

from __future__ import annotations

import shlex
import shutil
import subprocess
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from mitosis.cli.completion import make_script
from support.e2e import Mitosis
from support.shells import HOSTILE, UNPRINTABLE, LineEditor, in_terminal, lock_variants, shell_environment

pytestmark = pytest.mark.skipif(shutil.which("bash") is None, reason="there is no bash")


LINES = [
    ("mitosis my", "mitosis my_exp "),
    ("mitosis data fi", "mitosis data fit "),
    ("mitosis my_exp --eval", "mitosis my_exp --eval-param "),
    ("mitosis my_exp -p my", "mitosis my_exp -p my_exp.frequency="),
    ("mitosis my_exp -p my_exp.frequency=s", "mitosis my_exp -p my_exp.frequency=slow "),
    ("mitosis my_exp -p +my_exp.frequency=s", "mitosis my_exp -p +my_exp.frequency=slow "),
    ("mitosis my_exp --param=my_exp.frequency=s", "mitosis my_exp --param=my_exp.frequency=slow "),
    ("mitosis my_exp -p 'my_exp.frequency=s", "mitosis my_exp -p 'my_exp.frequency=slow' "),
    ('mitosis my_exp -p "my_exp.frequency=s', 'mitosis my_exp -p "my_exp.frequency=slow" '),
    ("mitosis my_exp -p my_exp.frequency='s", "mitosis my_exp -p my_exp.frequency='slow' "),
    ("mitosis 'my_exp' -p my_exp.f", "mitosis 'my_exp' -p my_exp.frequency="),
    ("mitosis data fit -p data.noise=low -p ", "mitosis data fit -p data.noise=low -p fit.kind="),
    ("mitosis my_exp -e my_exp.a", "mitosis my_exp -e my_exp.amplitude="),
    ("mitosis data fit -e fit.", "mitosis data fit -e fit.kind="),
    ("mitosis -m lab -p frequency=s", "mitosis -m lab -p frequency=slow "),
    ("mitosis check main..mai", "mitosis check main..main "),
    ("mitosis variants show my_exp.frequency=s", "mitosis variants show my_exp.frequency=slow "),
    ("mitosis variants diff my_exp.frequency=s", "mitosis variants diff my_exp.frequency=slow "),
    ("mitosis --config pyproj", "mitosis --config pyproject.toml "),
]


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    return shell_environment(tmp_path / "bin")


@pytest.fixture
def bash(project: Path, tmp_path: Path, environment: dict[str, str]) -> Iterator[LineEditor]:
    script = tmp_path / "completion.bash"
    script.write_text(make_script("bash"))
    setup = tmp_path / "bashrc"
    setup.write_text(
        f"PS1='$ '\nset +H\nbind 'set bell-style none'\nbind 'set enable-bracketed-paste off'\nsource {script}\n"
        f'bind -x \'"\\C-t": printf "{LineEditor.FORM}" "$READLINE_LINE"\'\nprintf "rea%s" dy\n'
    )
    with in_terminal(["bash", "--noprofile", "--rcfile", str(setup), "-i"], project, environment) as terminal:
        terminal.wait_for("ready")
        yield LineEditor(terminal)


@pytest.fixture
def lock(project: Path) -> Callable[..., str]:
    """Start a trial that locks variants of `my_exp.frequency`; returns its key."""
    return partial(lock_variants, project)


def words_of(line: str, environment: dict[str, str], cwd: Path) -> list[str]:
    """The words that bash makes of a line."""
    script = f'show() {{ printf "%s\\0" "$@"; }}\nmitosis() {{ show "$@"; }}\n{line}'
    done = subprocess.run(["bash", "-c", script], cwd=cwd, env=environment, capture_output=True, text=True, check=True)
    return done.stdout.split("\0")[:-1]


def test_lines_are_completed_in_the_line_editor(bash: LineEditor) -> None:
    assert [(typed, bash.complete(typed)) for typed, _ in LINES] == LINES


def test_steps_that_are_named_like_a_command_are_completed_after_run(bash: LineEditor, project: Path) -> None:
    steps = (f'{name} = ["lab:run", "lab:lookup_dict"]\n' for name in ("variety", "variants"))
    (project / "pyproject.toml").write_text("[tool.mitosis.steps]\n" + "".join(steps))
    lines = [
        ("mitosis run varian", "mitosis run variants "),
        ("mitosis variety varian", "mitosis variety variants "),
        ("mitosis varie", "mitosis variety "),
    ]
    assert [(typed, bash.complete(typed)) for typed, _ in lines] == lines


def test_keys_are_completed_and_not_twice(bash: LineEditor, lock: Callable[..., str]) -> None:
    key = lock("slow")
    assert bash.complete(f"mitosis show {key[:3]}") == f"mitosis show {key} "
    line = f"mitosis forget {key} {key[:3]}"
    assert bash.complete(line) == line


@pytest.mark.parametrize(
    ("quote", "names", "expected"),
    [
        ("", (*HOSTILE, *UNPRINTABLE), HOSTILE),
        # In quotes, a name is offered only if it needs none.
        ("'", ("'; touch ran; '", "$(touch ran)", "naïve", ":colon:"), ("naïve", ":colon:")),
        ('"', ('"; touch ran; "', "$(touch ran)", "`touch ran`", "naïve", "=equal="), ("naïve", "=equal=")),
    ],
    ids=["plain", "single quotes", "double quotes"],
)
def test_hostile_names_are_typed_as_they_are_and_never_run(
    bash: LineEditor,
    lock: Callable[..., str],
    project: Path,
    environment: dict[str, str],
    quote: str,
    names: tuple[str, ...],
    expected: tuple[str, ...],
) -> None:
    numbered = {str(number): f"{number}{name}" for number, name in enumerate(names, start=10)}
    lock(*numbered.values())
    offered = []
    for number, name in numbered.items():
        start = f"mitosis my_exp -p {quote}my_exp.frequency={number}"
        line = bash.complete(start)
        if line != start:
            assert words_of(line, environment, project) == ["my_exp", "-p", f"my_exp.frequency={name}"]
            offered.append(name.removeprefix(number))
    assert not (project / "ran").exists()
    assert offered == list(expected)


@pytest.mark.parametrize("name", ["$(touch ran)", "-v"])
def test_hostile_names_alone_are_never_run(
    bash: LineEditor, lock: Callable[..., str], project: Path, environment: dict[str, str], name: str
) -> None:
    lock(name)
    line = bash.complete("mitosis variants rename my_exp.frequency=" + {"-v": "-"}.get(name, ""))
    words_of(line, environment, project)
    assert not (project / "ran").exists()


def test_a_quoted_beginning_goes_on(bash: LineEditor, lock: Callable[..., str]) -> None:
    lock("two words", "two worlds")
    line = bash.complete("mitosis my_exp -p my_exp.frequency=tw")
    assert line == r"mitosis my_exp -p my_exp.frequency=two\ wor"
    assert shlex.split(bash.complete(line + "l"))[-1] == "my_exp.frequency=two worlds"


@pytest.mark.parametrize("shell", ["bash", "fish"])
def test_install_says_what_it_did_and_how_to_take_it_away(mitosis: Mitosis, home: Path, shell: str) -> None:
    startup = {"bash": home / ".bashrc", "zsh": home / ".zshrc"}.get(shell)
    if startup is not None:
        startup.write_text("echo mine\n")
    said = mitosis("completion", shell, "--install").stdout
    script = Path(said.splitlines()[0].removeprefix("installed: "))
    assert script.is_relative_to(home)
    assert script.read_text() == mitosis("completion", shell).stdout
    if startup is not None:
        assert f"the lines that load it in ~/{startup.name}" in said and str(script) in startup.read_text()
        # Once is enough.
        before = startup.read_text()
        mitosis("completion", shell, "--install")
        assert startup.read_text() == before


def test_a_home_that_cannot_be_written_is_an_error_with_its_path(mitosis: Mitosis, home: Path) -> None:
    (home / ".local").write_text("a file")
    done = mitosis("completion", "bash", "--install", status=2)
    assert str(home / ".local") in done.stderr
    assert "Traceback" not in done.stderr
