"""An experiment gets no input, whatever the terminal or the pipe that mitosis was started with holds."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from mitosis.records.trial import TrialRecord
from support.e2e import Commit, Mitosis, command
from support.waiting import TIMEOUT_S


def step(body: str) -> dict[str, str]:
    return {"lab/__init__.py": f"import getpass, subprocess, sys\nlookup_dict = {{}}\ndef run():\n{body}"}


@pytest.mark.parametrize(
    ("call", "told"),
    [
        ("input('How many? ')", "input('How many?'): a trial gets no input"),
        ("getpass.getpass()", "getpass(): a trial gets no input"),
    ],
)
def test_asking_fails_at_once_and_names_the_remedy(
    mitosis: Mitosis, commit: Commit, project: Path, only_record: Callable[[], TrialRecord], call: str, told: str
) -> None:
    commit(step(f"    {call}\n    return {{'main': 1}}\n"))
    done = mitosis("my_exp", "--timeout", "100", status=1)
    assert told in done.stdout
    assert "Make it a parameter of the step: -e STEP.PARAM=VALUE" in done.stdout
    record = only_record()
    assert record.failure is not None
    assert (record.failure.kind, record.failure.location) == ("exception", "lab/__init__.py:4 in run")
    page = (project / "trials" / str(record.page)).read_text()
    assert "a trial gets no input" in page
    assert "no_input.py" not in page


@pytest.mark.parametrize("call", ["breakpoint()", "__import__('IPython.core.debugger').core.debugger.set_trace()"])
def test_breakpoint_fails_at_once_where_it_is(
    mitosis: Mitosis, commit: Commit, only_record: Callable[[], TrialRecord], call: str
) -> None:
    commit(step(f"    {call}\n    return {{'main': 1}}\n"))
    done = mitosis("my_exp", "--timeout", "100", status=1)
    assert "a debugger is to stop here: a trial gets no input" in done.stdout
    failure = only_record().failure
    assert failure is not None and failure.location == "lab/__init__.py:4 in run"


def test_breakpoint_that_is_switched_off_stops_nothing(mitosis: Mitosis, commit: Commit) -> None:
    commit(step("    breakpoint()\n    return {'main': 1}\n"))
    mitosis("my_exp", "--timeout", "100", environment={"PYTHONBREAKPOINT": "0"})


def test_code_that_copes_without_input_goes_on(
    mitosis: Mitosis, commit: Commit, only_record: Callable[[], TrialRecord]
) -> None:
    commit(step("    try:\n        input()\n    except EOFError:\n        return {'main': 'default'}\n"))
    mitosis("my_exp")
    assert only_record().main == "default"


def test_standard_input_is_at_its_end_also_for_programs_that_the_experiment_starts(
    commit: Commit, project: Path, only_record: Callable[[], TrialRecord]
) -> None:
    commit(
        step(
            "    done = subprocess.run(['cat'], capture_output=True, timeout=100)\n"
            "    return {'main': sys.stdin.read() + done.stdout.decode()}\n"
        )
    )
    words = command("my_exp", "--timeout", "100")
    subprocess.run(words, cwd=project, input="secret\n", text=True, capture_output=True, check=True, timeout=TIMEOUT_S)
    assert only_record().main == ""
