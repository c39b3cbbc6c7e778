"""A trial ends when its time is over, whatever its step does."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from mitosis.records import TrialRecord
from support.e2e import Mitosis

Commit = Callable[[Mapping[str, str]], str]
TIMED_OUT = 124

SLEEPING = "    time.sleep(60)\n"
SWALLOWING = """\
    while True:
        try:
            time.sleep(60)
        except KeyboardInterrupt:
            print("not now", flush=True)
"""
IN_NATIVE_CODE = """\
    import numpy
    a = numpy.random.default_rng(0).random((3000, 3000))
    while True:
        try:
            numpy.linalg.svd(a)
        except KeyboardInterrupt:
            pass
"""
MASKED = """\
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    time.sleep(60)
"""


def step(body: str) -> dict[str, str]:
    return {
        "lab/__init__.py": "import signal, time\nlookup_dict = {}\n"
        f"def run():\n    print('begun', flush=True)\n{body}    return {{'main': 1}}\n"
    }


def test_step_that_takes_too_long_is_interrupted(
    mitosis: Mitosis, commit: Commit, project: Path, only_record: Callable[[], TrialRecord], git: Callable[..., str]
) -> None:
    commit(step(SLEEPING))
    done = mitosis("my_exp", "--timeout", "0.5", status=TIMED_OUT)

    record = only_record()
    assert record.status == "interrupted"
    assert record.failure is not None
    assert (record.failure.kind, record.failure.message) == ("timeout", "timed out after 0.5 s")
    assert record.failure.step == "my_exp"
    assert record.duration_s is not None and 0.5 <= record.duration_s < 10
    assert "✗ my_exp      timed out after 0.5 s" in done.stdout
    assert f"recorded    {record.key[:6]} as interrupted" in done.stdout
    assert "the timeout of 0.5 s is over" in done.stderr
    page = (project / "trials" / str(record.page)).read_text()
    assert "begun" in page and "Timed out after 0.5 s" in page and "--timeout 0.5" in page
    assert "timed out after 0.5 s" in mitosis("list").stdout
    assert "interrupted" in git("log", "-1", "--format=%s", "refs/mitosis", cwd=project)


@pytest.mark.parametrize("body", [SWALLOWING, MASKED, IN_NATIVE_CODE], ids=["swallowing", "masked", "native"])
def test_step_that_ignores_interrupts_is_killed(
    mitosis: Mitosis, commit: Commit, project: Path, only_record: Callable[[], TrialRecord], body: str
) -> None:
    commit(step(body))
    begun = time.monotonic()
    mitosis("my_exp", "--timeout", "1", status=TIMED_OUT, environment={"OPENBLAS_NUM_THREADS": "1"})
    assert time.monotonic() - begun < 15
    record = only_record()
    assert record.status == "interrupted"
    assert record.failure is not None
    assert (record.failure.kind, record.failure.message) == ("timeout", "timed out after 1 s, and killed")
    assert "begun" in (project / "trials" / str(record.page)).read_text()


def test_time_is_that_of_all_steps(mitosis: Mitosis, commit: Commit, only_record: Callable[[], TrialRecord]) -> None:
    commit(
        {
            "pyproject.toml": "[tool.mitosis.steps]\n"
            'one = ["one:run", "one:lookups"]\ntwo = ["one:more", "one:lookups"]\n',
            "one.py": "import time\nlookups = {}\ndef run():\n    time.sleep(0.8)\n    return {'main': 1, 'data': 1}\n"
            "def more(data):\n    time.sleep(0.8)\n    return {'main': 2}\n",
        }
    )
    mitosis("one", "two", "--timeout", "1.2", status=TIMED_OUT)
    record = only_record()
    assert record.failure is not None and record.failure.step == "two"
    assert record.steps[0].main == 1


def test_trial_that_keeps_to_its_time_is_as_ever(mitosis: Mitosis, only_record: Callable[[], TrialRecord]) -> None:
    done = mitosis("my_exp", "-p", "my_exp.frequency=slow", "-e", "my_exp.amplitude=4", "--timeout", "50")
    assert only_record().status == "finished"
    assert "timeout" not in done.stderr


def test_json_says_that_the_time_was_over(mitosis: Mitosis, commit: Commit) -> None:
    commit(step(SLEEPING))
    found = json.loads(mitosis("my_exp", "--timeout", ".3", "--json", status=TIMED_OUT).stdout)
    assert (found["status"], found["exit_status"], found["failure"]["kind"]) == ("interrupted", TIMED_OUT, "timeout")


@pytest.mark.parametrize("given", ["0", "-1", "nan", "inf"])
def test_time_that_is_none_is_refused(mitosis: Mitosis, given: str) -> None:
    done = mitosis("my_exp", f"--timeout={given}", status=2)
    assert "is no time that steps could take" in done.stderr
