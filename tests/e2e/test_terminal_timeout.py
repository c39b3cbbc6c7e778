"""A trial ends when its time is over, whatever its step does."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable

import pytest

from mitosis.records.trial import TrialRecord
from support.e2e import Project
from support.waiting import LIMITS_S

TimeOut = Callable[..., tuple[subprocess.CompletedProcess[str], TrialRecord, float]]
TIMED_OUT = 124

SLEEPING = "    hangs()\n    time.sleep(600)\n"
SWALLOWING = """\
    while True:
        try:
            hangs()
            time.sleep(600)
        except KeyboardInterrupt:
            print("not now", flush=True)
"""
IN_NATIVE_CODE = """\
    import ctypes
    native = ctypes.PyDLL(None)
    while True:
        try:
            hangs()
            while native.sleep(600):  # no other thread of Python runs meanwhile
                pass
        except KeyboardInterrupt:
            pass
"""
MASKED = """\
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    hangs()
    time.sleep(600)
"""


def step(body: str) -> dict[str, str]:
    return {
        "lab/__init__.py": "import pathlib, signal, time\nlookup_dict = {}\n"
        "def hangs():\n    pathlib.Path('hangs').touch()\n"
        f"def run():\n    print('begun', flush=True)\n{body}    return {{'main': 1}}\n"
    }


@pytest.fixture
def time_out(project: Project) -> TimeOut:
    """Run `my_exp` with a timeout within which it gets to where it hangs; returns also its record and the timeout."""

    def run(*words: str) -> tuple[subprocess.CompletedProcess[str], TrialRecord, float]:
        for limit_s in LIMITS_S:
            done = project.mitosis("my_exp", "--timeout", f"{limit_s:g}", *words, status=TIMED_OUT)
            record = project.records()[0]
            if (project.folder_of(record) / "hangs").exists():
                break
        return done, record, limit_s

    return run


def test_step_that_takes_too_long_is_interrupted(project: Project, time_out: TimeOut) -> None:
    project.commit(step(SLEEPING))
    done, record, limit_s = time_out()

    assert record.status == "interrupted"
    assert record.failure is not None
    assert (record.failure.kind, record.failure.message) == ("timeout", f"timed out after {limit_s:g} s")
    assert record.failure.step == "my_exp"
    assert record.duration_s is not None and limit_s <= record.duration_s < 300
    assert f"✗ my_exp      timed out after {limit_s:g} s" in done.stdout
    assert f"recorded    {record.key[:6]} as interrupted" in done.stdout
    assert f"the timeout of {limit_s:g} s is over" in done.stderr
    page = project.page_of(record).read_text()
    assert "begun" in page and f"Timed out after {limit_s:g} s" in page and f"--timeout {limit_s:g}" in page
    assert f"timed out after {limit_s:g} s" in project.mitosis("list").stdout
    assert "interrupted" in project.git("log", "-1", "--format=%s", "refs/mitosis")


@pytest.mark.parametrize("body", [SWALLOWING, MASKED, IN_NATIVE_CODE], ids=["swallowing", "masked", "native"])
def test_step_that_ignores_interrupts_is_killed(project: Project, time_out: TimeOut, body: str) -> None:
    project.commit(step(body))
    _, record, limit_s = time_out()
    assert record.status == "interrupted"
    assert record.failure is not None
    assert (record.failure.kind, record.failure.message) == ("timeout", f"timed out after {limit_s:g} s, and killed")
    assert "begun" in project.page_of(record).read_text()


def test_time_is_that_of_all_steps(project: Project) -> None:
    project.commit(
        {
            "pyproject.toml": "[tool.mitosis.steps]\n"
            'one = ["one:run", "one:lookups"]\ntwo = ["one:more", "one:lookups"]\n',
            "one.py": "import time\nlookups = {}\n"
            "def run(limit):\n    time.sleep(limit / 10)\n    return {'main': 1, 'data': limit}\n"
            "def more(data):\n    time.sleep(data * 0.95)\n    return {'main': 2}\n",
        }
    )
    for limit_s in (2.0, *LIMITS_S[1:]):
        project.mitosis("one", "two", "-e", f"+one.limit={limit_s}", "--timeout", f"{limit_s:g}", status=TIMED_OUT)
        failure = project.records()[0].failure
        if failure is not None and failure.step == "two":
            break
    assert failure is not None and failure.step == "two"
    assert project.records()[0].steps[0].main == 1


def test_json_says_that_the_time_was_over(project: Project, time_out: TimeOut) -> None:
    project.commit(step(SLEEPING))
    found = json.loads(time_out("--json")[0].stdout)
    assert (found["status"], found["exit_status"], found["failure"]["kind"]) == ("interrupted", TIMED_OUT, "timeout")


@pytest.mark.parametrize("given", ["0", "nan"])
def test_time_that_is_none_is_refused(project: Project, given: str) -> None:
    done = project.mitosis("my_exp", f"--timeout={given}", status=2)
    assert "is not a time that steps can take" in done.stderr
