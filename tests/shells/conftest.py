"""A project, and shells that complete in it.

These tests are not part of the ordinary run: not every machine has these shells.

Fixtures to use:
    zsh, fish: the shell in the project, with the script for completion loaded.
    lock: starts a trial that locks variants of `my_exp.frequency`; returns its key.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from support.e2e import Project, command, make_project
from support.shells import LineEditor, in_terminal, lock_variants, shell_environment


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return make_project(tmp_path / "project")


@pytest.fixture
def lock(project: Project) -> Callable[..., str]:
    return partial(lock_variants, project)


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    return shell_environment(tmp_path / "bin")


def install(shell: str, home: Path) -> None:
    subprocess.run(command("completion", shell, "--install"), cwd=home, env=dict(os.environ), check=True)


@pytest.fixture
def zsh(project: Path, home: Path, environment: dict[str, str]) -> Iterator[LineEditor]:
    install("zsh", home)
    with (home / ".zshrc").open("a") as startup:
        startup.write(
            "PS1='$ '\nunsetopt beep prompt_sp bang_hist\nautoload -Uz compinit && compinit -u\n"
            f"show-line() {{ printf '{LineEditor.FORM}' \"$BUFFER\"; }}\nzle -N show-line\n"
            "bindkey -e\nbindkey '^T' show-line\nprintf 'rea%s' dy\n"
        )
    with in_terminal(["zsh", "-i"], project, environment) as terminal:
        terminal.wait_for("ready")
        yield LineEditor(terminal)


@pytest.fixture
def fish(project: Path, home: Path, environment: dict[str, str]) -> Iterator[LineEditor]:
    install("fish", home)
    settings = home / ".config" / "fish" / "config.fish"
    settings.write_text(
        "function fish_greeting; end\nfunction fish_prompt; printf 'rea%s ' dy; end\n"
        f"function show_line; printf '{LineEditor.FORM}' (commandline); end\nbind \\ct show_line\n"
    )
    with in_terminal(["fish", "-i"], project, environment) as terminal:
        terminal.wait_for("ready")
        yield LineEditor(terminal)
