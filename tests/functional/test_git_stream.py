"""The git program with what it says handed on while it runs."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest

from mitosis.errors.repository import GitError
from mitosis.git.program import Streamed, stream_git
from support.waiting import TIMEOUT_S, wait_until


def ignore(data: bytes) -> None:
    pass


def run(folder: Path, script: str, told: list[bytes], *, unattended: bool = False) -> Streamed:
    return stream_git("-c", f"alias.go=!{script}", "go", cwd=folder, tell=told.append, unattended=unattended)


def test_messages_are_handed_on_while_git_runs(repository_folder: Path) -> None:
    told: list[bytes] = []

    def tell(data: bytes) -> None:
        told.append(data)
        (repository_folder / "heard").touch()

    script = "!echo first >&2; until [ -e heard ]; do sleep 0.02; done; echo second >&2; echo out; exit 3"
    done = stream_git("-c", f"alias.go={script}", "go", cwd=repository_folder, tell=tell)
    assert done == Streamed(3, "out\n", "first\nsecond\n")
    assert b"".join(told) == b"first\nsecond\n"


def test_what_git_leaves_running_is_not_waited_for(repository_folder: Path) -> None:
    """As ssh does, which may keep a connection and with it the standard error of git."""
    told: list[bytes] = []
    done = run(repository_folder, "sleep 600 & echo $! >&2", told)
    assert done.status == 0
    pid = done.messages.strip()
    assert is_running(pid)
    os.kill(int(pid), signal.SIGKILL)


def test_program_that_does_not_want_to_end_is_ended(repository_folder: Path) -> None:
    began = time.monotonic()
    script = "!trap '' TERM; echo $$ > pid; while :; do sleep 0.1; done"
    with pytest.raises(GitError, match="took longer than 1 s"):
        stream_git("-c", f"alias.go={script}", "go", cwd=repository_folder, tell=ignore, unattended=True, timeout_s=1)
    assert time.monotonic() - began < TIMEOUT_S
    pid = (repository_folder / "pid").read_text().strip()
    wait_until(lambda: not is_running(pid))


def test_talkative_program_is_ended_in_time_too(repository_folder: Path) -> None:
    began = time.monotonic()
    script = "!while :; do echo more >&2; sleep 0.01; done"
    with pytest.raises(GitError, match="took longer than 1 s"):
        stream_git("-c", f"alias.go={script}", "go", cwd=repository_folder, tell=ignore, unattended=True, timeout_s=1)
    assert time.monotonic() - began < TIMEOUT_S


def test_nobody_is_asked_when_nobody_is_there(repository_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("GIT_TERMINAL_PROMPT", "SSH_ASKPASS", "SSH_ASKPASS_REQUIRE", "GCM_INTERACTIVE"):
        monkeypatch.delenv(name, raising=False)
    ask = 'printf "protocol=https\\nhost=example.org\\n\\n" | git credential fill; : < /dev/tty; cat'
    done = run(repository_folder, ask, [], unattended=True)
    assert "terminal prompts disabled" in done.messages
    assert "/dev/tty" in done.messages
    shown = run(repository_folder, "echo $SSH_ASKPASS_REQUIRE $GCM_INTERACTIVE", [], unattended=True)
    assert shown.output == "never never\n"


def test_program_that_answers_for_the_user_is_asked(
    repository_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "askpass"
    program.write_text("#!/bin/sh\necho a-token\n")
    program.chmod(0o755)
    monkeypatch.setenv("GIT_ASKPASS", str(program))
    ask = 'printf "protocol=https\\nhost=example.org\\n\\n" | git credential fill'
    assert "password=a-token\n" in run(repository_folder, ask, [], unattended=True).output


def is_running(pid: str) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False
