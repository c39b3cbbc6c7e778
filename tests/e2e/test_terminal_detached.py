"""Trials that nobody watches: in the background, without a terminal, as a service, as a job that is told to end."""

from __future__ import annotations

import os
import select
import shlex
import signal
import subprocess
import time
from collections.abc import Iterator

import pexpect
import psutil
import pytest

from support.e2e import SLOW, Project, command
from support.waiting import TIMEOUT_S, wait_until

WAITING = """\
import pathlib, time
lookup_dict = {}
def run():
    print("begun", flush=True)
    pathlib.Path("begun").touch()
    try:
        while not pathlib.Path("enough").exists():
            time.sleep(0.02)
    except KeyboardInterrupt:
        pathlib.Path("checkpoint").write_text("saved")
        raise
    return {"main": 1}
"""


UNSEEN = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}


def read_all(terminal: int) -> bytes:
    """What was written to a terminal and not read so far; it comes in pieces."""
    found = b""
    while select.select([terminal], [], [], 0.2)[0]:
        found += os.read(terminal, 65536)
    return found


def finish(project: Project) -> None:
    """Have the step that waits come to its end."""
    (folder,) = (path.parent for path in project.glob("trials/*/begun"))
    (folder / "enough").touch()


@pytest.fixture
def waiting(project: Project) -> Iterator[subprocess.Popen[str]]:
    """A trial in the background whose step has begun and waits."""
    project.commit_lab(WAITING)
    process = project.start("my_exp", **UNSEEN, start_new_session=True)
    project.wait_until_begun()
    yield process
    if process.poll() is None:
        process.kill()
    process.wait()


def test_hangup_does_not_end_a_trial_under_nohup(project: Project) -> None:
    project.commit_lab(WAITING)
    process = subprocess.Popen(
        ["nohup", *command("my_exp")],
        cwd=project,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    project.wait_until_begun()
    os.killpg(process.pid, signal.SIGHUP)
    for child in psutil.Process(process.pid).children(recursive=True):
        child.send_signal(signal.SIGHUP)
    finish(project)
    out, _ = process.communicate(timeout=TIMEOUT_S)
    assert process.returncode == 0
    assert project.record().status == "finished"
    assert "✓ my_exp" in out.decode()


def test_terminal_that_goes_away_interrupts_the_trial(project: Project) -> None:
    """As when ssh drops: SIGHUP, and a terminal that takes nothing more."""
    project.commit_lab(WAITING)
    program, *rest = command("my_exp")
    child = pexpect.spawn(program, rest, cwd=str(project), encoding="utf-8", timeout=TIMEOUT_S)
    child.expect("begun")
    kernels = psutil.Process(child.pid).children()
    os.close(child.fileno())
    child.fileobj = None
    _, status = os.waitpid(child.pid, 0)
    child.closed = True
    child.terminated = True
    assert os.waitstatus_to_exitcode(status) == 128 + signal.SIGHUP
    record = project.record()
    assert (record.status, record.failure and record.failure.message) == ("interrupted", "interrupted by SIGHUP")
    assert project.page_of(record).is_file()
    assert (project.folder_of(record) / "checkpoint").read_text() == "saved"
    assert kernels and not any(kernel.is_running() for kernel in kernels)


def test_closed_standard_streams_do_no_harm(project: Project) -> None:
    words = f"{shlex.join(command(*SLOW))} <&- >&- 2>&-"
    done = subprocess.run(words, shell=True, cwd=project, capture_output=True, check=False, timeout=TIMEOUT_S)
    assert done.returncode == 0
    assert project.record().status == "finished"
    assert project.git("fsck", "--strict") == ""


def test_closed_standard_streams_leave_the_exit_status_right(project: Project) -> None:
    words = f"{shlex.join(command('nothing'))} >&- 2>&-"
    done = subprocess.run(words, shell=True, cwd=project, capture_output=True, check=False, timeout=TIMEOUT_S)
    assert done.returncode == 2


def test_trial_needs_neither_home_nor_terminal(project: Project) -> None:
    """As from cron or a service: next to nothing in the environment."""
    project.git("config", "user.name", "Ada Lovelace")
    project.git("config", "user.email", "ada@example.org")
    process = project.start(*SLOW, env={"PATH": os.environ["PATH"], "GIT_CONFIG_NOSYSTEM": "1"})
    _, err = process.communicate(timeout=TIMEOUT_S)
    assert process.returncode == 0, err
    assert project.record().status == "finished"


def test_job_whose_processes_are_all_told_to_end(waiting: subprocess.Popen[str], project: Project) -> None:
    """As SLURM and systemd do it: SIGTERM to every process of the job, the kernel before the runner."""
    for process in psutil.Process(waiting.pid).children(recursive=True):
        process.terminate()
    time.sleep(0.2)
    waiting.terminate()
    assert waiting.wait(TIMEOUT_S) == 143
    record = project.record()
    assert (record.status, record.failure and record.failure.message) == ("interrupted", "interrupted by SIGTERM")
    assert (project.folder_of(record) / "checkpoint").read_text() == "saved"


def test_job_that_is_killed_after_its_grace_is_lost(waiting: subprocess.Popen[str], project: Project) -> None:
    """SIGKILL to all: nothing can be recorded, and what is there says so."""
    processes = psutil.Process(waiting.pid).children(recursive=True)
    for process in [*processes, waiting]:
        process.kill()
    waiting.wait(TIMEOUT_S)
    assert project.record().status == "running"
    assert "lost" in project.mitosis("list").stdout
    assert project.mitosis("verify", status=None).returncode in (0, 1)


def test_processes_of_the_experiment_can_still_be_told_to_end(project: Project) -> None:
    project.commit_lab(
        "import multiprocessing, os, subprocess, time\nlookup_dict = {}\n"
        "def wait(descriptor):\n"
        "    os.write(descriptor, b'begun')\n"
        "    time.sleep(600)\n"
        "def run():\n"
        "    ours, theirs = os.pipe()\n"
        "    forked = multiprocessing.get_context('fork').Process(target=wait, args=(theirs,))\n"
        "    forked.start()\n"
        "    started = subprocess.Popen(['sleep', '600'])\n"
        "    os.read(ours, 5)\n"
        "    forked.terminate()\n"
        "    started.terminate()\n"
        "    forked.join(60)\n"
        "    return {'main': str([forked.exitcode, started.wait(60)])}\n"
    )
    project.mitosis("my_exp", "--timeout", "100")
    assert project.record().main == "[-15, -15]"


def test_suspended_trial_stops_with_its_experiment_and_goes_on(project: Project) -> None:
    """Ctrl-Z and `fg`, on a terminal that somebody else has meanwhile."""
    project.commit_lab(WAITING)
    terminal, end = os.openpty()
    variables = {**os.environ, "TERM": "xterm"}
    # As a shell starts a job.
    process = project.start("my_exp", env=variables, stdout=end, stderr=end, process_group=0)
    project.wait_until_begun()
    runner = psutil.Process(process.pid)
    (kernel,) = (child for child in runner.children() if child.name() != "sh")
    process.send_signal(signal.SIGTSTP)
    _, status = os.waitpid(process.pid, os.WUNTRACED)
    assert os.WIFSTOPPED(status)
    wait_until(lambda: kernel.status() == psutil.STATUS_STOPPED)
    shown = read_all(terminal)
    assert shown.count(b"\x1b[?25h") == shown.count(b"\x1b[?25l"), "the cursor is left hidden"
    process.send_signal(signal.SIGCONT)
    wait_until(lambda: kernel.status() != psutil.STATUS_STOPPED)
    finish(project)
    assert process.wait(TIMEOUT_S) == 0
    assert project.record().status == "finished"
    assert b"main = 1" in read_all(terminal)
    os.close(end)
    os.close(terminal)


def test_suspended_trial_that_is_killed_leaves_nothing_stopped(project: Project) -> None:
    """What is stopped cannot see for itself that the runner is gone: neither the kernel nor what it has started."""
    project.commit_lab(
        "import pathlib, subprocess, time\nlookup_dict = {}\ndef run():\n"
        "    subprocess.Popen(['sleep', '600'])\n    pathlib.Path('begun').touch()\n    time.sleep(60)\n"
    )
    process = project.start("my_exp", **UNSEEN, process_group=0)
    project.wait_until_begun()
    started = psutil.Process(process.pid).children(recursive=True)
    experiment = [child for child in started if child.name() != "sh"]
    assert len(experiment) == 2
    process.send_signal(signal.SIGTSTP)
    os.waitpid(process.pid, os.WUNTRACED)
    wait_until(lambda: all(child.status() == psutil.STATUS_STOPPED for child in experiment))
    process.kill()
    process.wait()
    gone, left = psutil.wait_procs(started, timeout=TIMEOUT_S)
    for child in left:
        child.kill()
    assert len(gone) == 3, "what looks after them ends as well"


def test_suspended_trial_can_be_told_to_end(waiting: subprocess.Popen[str], project: Project) -> None:
    waiting.send_signal(signal.SIGSTOP)
    os.waitpid(waiting.pid, os.WUNTRACED)
    waiting.terminate()
    waiting.send_signal(signal.SIGCONT)
    assert waiting.wait(TIMEOUT_S) == 143
    assert project.record().status == "interrupted"
