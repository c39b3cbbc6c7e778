"""Getting started: `demo`, `init`, `--version`, `--help`."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest

from mitosis import __version__
from mitosis.cli.app import app
from mitosis.parameters import COMMANDS
from support.e2e import Mitosis, Project


def test_demo_runs_a_real_trial_in_a_new_repository(mitosis: Mitosis, tmp_path: Path, git: Callable[..., str]) -> None:
    done = mitosis("demo", "here", cwd=tmp_path)
    folder = tmp_path / "here"
    assert "✓ recorded" in done.stdout
    assert "$ mitosis list" in done.stdout
    shown = mitosis("show", cwd=folder).stdout
    assert "mitosis my_exp -p my_exp.frequency=slow -e my_exp.amplitude=4\n" in shown
    (page,) = folder.glob("trials/*.html")
    assert "data:image/png;base64," in page.read_text()
    assert git("status", "--porcelain", cwd=folder) == ""
    assert len(git("log", "--oneline", "refs/mitosis", cwd=folder).splitlines()) == 2
    assert git("fsck", "--strict", cwd=folder) == ""


def test_demo_works_where_git_knows_nobody(mitosis: Mitosis, tmp_path: Path, home: Path) -> None:
    (home / ".gitconfig").write_text("[user]\n    useConfigOnly = true\n")
    mitosis("demo", cwd=tmp_path)
    assert list(tmp_path.glob("mitosis-demo/trials/*.html"))


def test_demo_leaves_a_folder_with_files_alone(mitosis: Mitosis, tmp_path: Path) -> None:
    (tmp_path / "here").mkdir()
    (tmp_path / "here" / "mine").write_text("x")
    assert "not empty" in mitosis("demo", "here", cwd=tmp_path, status=2).stderr
    assert [path.name for path in (tmp_path / "here").iterdir()] == ["mine"]


def test_init_adds_the_table_and_keeps_the_rest(project: Project) -> None:
    path = project / "pyproject.toml"
    text = '# mine\n[project]\nname   =  "x"  # spaced\n'
    path.write_text(text)
    assert "added [tool.mitosis.steps]" in project.mitosis("init", cwd=project / "lab").stdout
    changed = path.read_text()
    assert changed.startswith(text)
    assert tomllib.loads(changed)["tool"]["mitosis"]["steps"] == {}
    assert "already" in project.mitosis("init").stdout
    assert path.read_text() == changed


def test_version_and_help(mitosis: Mitosis, tmp_path: Path) -> None:
    assert mitosis("--version", cwd=tmp_path).stdout == f"mitosis {__version__}\n"
    text = mitosis("--help", cwd=tmp_path).stdout
    for word in (
        "--param",
        "--eval-param",
        "--debug",
        "--trials-folder",
        "--config",
        "--module",
        "list",
        "show",
        "demo",
    ):
        assert word in text
    assert mitosis(cwd=tmp_path, status=2).stdout == text


HEAVY = ("IPython", "jupyter_client", "nbclient", "nbconvert", "nbformat", "numpy", "tornado", "zmq")
LIBGIT2 = ("pygit2", "_cffi_backend")


@pytest.mark.parametrize(
    ("words", "heavy"),
    [
        (["--version"], (*HEAVY, *LIBGIT2, "cyclopts", "dataclasses", "pathlib", "rich", "mitosis.errors.usage")),
        (["--help"], (*HEAVY, *LIBGIT2, "msgpack", "mitosis.git", "mitosis.errors.values")),
        (["list"], (*HEAVY, "rich.console", "mitosis.provenance")),
        (["__complete", "my_exp", "-p", "my_exp."], (*HEAVY, *LIBGIT2, "rich.console", "mitosis.journal.journal")),
        (["__complete", "show", ""], (*HEAVY, *LIBGIT2, "rich.console", "mitosis.journal.journal")),
    ],
)
def test_light_commands_import_nothing_heavy(project: Project, words: list[str], heavy: tuple[str, ...]) -> None:
    # What Python has loaded by itself does not count.
    program = (
        "import sys\nbefore = set(sys.modules)\nfrom mitosis.__main__ import run_command\n"
        f"status = run_command({words!r})\n"
        f"print(status, sorted(set({heavy!r}) & set(sys.modules) - before))\n"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=project, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "0 []"


def test_commands_that_the_runner_knows_are_those_of_the_command_line() -> None:
    assert {name for name in app if not name.startswith("-")} | {"textconv"} == COMMANDS


def test_files_that_cannot_be_written_are_named(project: Project) -> None:
    assert "cannot be written" in project.mitosis("demo", "/proc/nowhere", status=2).stderr
    assert "cannot be written" in project.mitosis("init", "--config", "nowhere/x.toml", status=2).stderr
    assert "cannot be read" in project.mitosis("textconv", "nowhere", status=2).stderr
