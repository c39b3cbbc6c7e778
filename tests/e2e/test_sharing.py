"""Sharing records as a user does it: at a terminal, and beside trials that run."""

from __future__ import annotations

import os
import pty
import re
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from support.e2e import PYPROJECT, SLOW, Git, Mitosis, Project, command
from support.http import serve
from support.journal import write_hook
from support.terminal import read_all
from support.waiting import TIMEOUT_S, wait_until

# Makes its standard input the controlling terminal, as a login does, and becomes the command.
AT_TERMINAL = (
    "import fcntl, os, sys, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0); os.execv(sys.argv[1], sys.argv[1:])"
)


@pytest.fixture
def hub(project: Project) -> Path:
    project.git("clone", "--quiet", "--bare", str(project), "../hub.git")
    project.git("remote", "add", "origin", "../hub.git")
    return project.parent / "hub.git"


def type_answers(words: list[str], folder: Path, answers: Mapping[str, str]) -> tuple[int, str]:
    """Run a command at a terminal, and type the answer when a question is there; its status, and what was shown."""
    terminal, other_end = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-c", AT_TERMINAL, *words],
        cwd=folder,
        env={key: value for key, value in os.environ.items() if key != "GIT_TERMINAL_PROMPT"},
        stdin=other_end,
        stdout=other_end,
        stderr=other_end,
        start_new_session=True,
    )
    os.close(other_end)
    left = dict(answers)
    shown = ""
    try:
        for piece in read_all(terminal):
            shown += piece.decode()
            for question in [question for question in left if question in shown]:
                os.write(terminal, f"{left.pop(question)}\n".encode())
        return process.wait(TIMEOUT_S), shown
    finally:
        process.kill()
        process.wait()
        os.close(terminal)


def test_password_is_asked_for_at_the_terminal(project: Project, hub: Path, git: Git) -> None:
    project.mitosis(*SLOW)
    with serve(hub.parent) as port:
        project.git("remote", "set-url", "origin", f"http://127.0.0.1:{port}/hub.git")
        # What a credential helper would do: otherwise git asks again for each connection.
        project.git("config", "credential.helper", f"store --file={project.parent}/store")
        status, shown = type_answers(command("push"), project, {"Username for": "ada", "Password for": "secret"})
    assert status == 0
    assert "secret" not in shown
    assert shown.splitlines()[-1] == "origin: 1 trial sent"
    assert git("rev-parse", "refs/mitosis/journal", cwd=hub) == project.git("rev-parse", "refs/mitosis/journal")


def test_trial_says_that_fetched_records_are_not_merged(
    project: Project, hub: Path, mitosis: Mitosis, git: Git, tmp_path: Path
) -> None:
    other = tmp_path / "other"
    git("clone", "--quiet", str(hub), str(other), cwd=tmp_path)
    mitosis(*SLOW, cwd=other)
    mitosis("push", cwd=other)
    project.mitosis("setup")
    project.git("fetch", "--quiet", "origin")
    notice = (
        "! origin has 1 trial that is not merged yet; to merge it, or to see why not: mitosis pull origin --no-fetch\n"
    )
    assert project.mitosis(*SLOW, "-q").stderr == notice
    assert notice not in project.mitosis(*SLOW, "--debug").stderr
    key = project.git("log", "-1", "--format=%(trailers:key=Trial,valueonly)", "refs/mitosis").strip()
    assert project.mitosis("show", key).stderr == notice
    assert project.mitosis("pull", "--no-fetch").stdout == "origin: 1 trial received\n"
    assert project.mitosis(*SLOW, "-q").stderr == ""


def test_interrupt_of_what_comes_after_a_trial_does_not_change_how_it_ended(project: Project, hub: Path) -> None:
    project.commit({"pyproject.toml": f"{PYPROJECT}\n[tool.mitosis]\nauto-push = true\n"})
    write_hook(project / ".git", "pre-push", "touch .git/began\nexec sleep 60\n")
    with project.start(*SLOW) as process:
        wait_until((project / ".git" / "began").exists)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=TIMEOUT_S)
    assert process.returncode == 0
    assert "✓ recorded" in out
    assert err.endswith("! not pushed to origin: interrupted; `mitosis push` sends it later\n")


def test_trials_that_run_side_by_side_are_all_pushed(project: Project, hub: Path, git: Git) -> None:
    project.commit({"pyproject.toml": f"{PYPROJECT}\n[tool.mitosis]\nauto-push = true\n"})
    for process in [project.start(*SLOW, stderr=subprocess.STDOUT) for _ in range(3)]:
        out, _ = process.communicate(timeout=TIMEOUT_S)
        assert process.returncode == 0
        assert re.search(r"^pushed to origin$", out, re.MULTILINE)
        assert "!" not in out
    tips = {git("rev-parse", "refs/mitosis/journal", cwd=folder) for folder in (project, hub)}
    assert len(tips) == 1
