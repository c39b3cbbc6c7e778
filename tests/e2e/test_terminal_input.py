"""An experiment gets no input, whatever the terminal or the pipe that mitosis was started with holds."""

from __future__ import annotations

import subprocess

import pytest

from support.e2e import Project, command
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
def test_asking_fails_at_once_and_names_the_remedy(project: Project, call: str, told: str) -> None:
    project.commit(step(f"    {call}\n    return {{'main': 1}}\n"))
    done = project.mitosis("my_exp", "--timeout", "100", status=1)
    assert told in done.stdout
    assert "Make it a parameter of the step" in done.stdout
    assert "✗ my_exp      EOFError: " in done.stdout
    record = project.record()
    assert record.failure is not None
    assert (record.failure.kind, record.failure.location) == ("exception", "lab/__init__.py:4 in run")
    page = project.page_of(record).read_text()
    assert "a trial gets no input" in page
    assert "no_input.py" not in page


@pytest.mark.parametrize("call", ["breakpoint()", "__import__('IPython.core.debugger').core.debugger.set_trace()"])
def test_breakpoint_fails_at_once_where_it_is(project: Project, call: str) -> None:
    project.commit(step(f"    {call}\n    return {{'main': 1}}\n"))
    done = project.mitosis("my_exp", "--timeout", "100", status=1)
    assert "a debugger would stop here: a trial gets no input" in done.stdout
    failure = project.record().failure
    assert failure is not None and failure.location == "lab/__init__.py:4 in run"


def test_breakpoint_that_is_switched_off_stops_nothing(project: Project) -> None:
    project.commit(step("    breakpoint()\n    return {'main': 1}\n"))
    project.mitosis("my_exp", "--timeout", "100", environment={"PYTHONBREAKPOINT": "0"})


def test_code_that_copes_without_input_goes_on(project: Project) -> None:
    project.commit(step("    try:\n        input()\n    except EOFError:\n        return {'main': 'default'}\n"))
    project.mitosis("my_exp")
    assert project.record().main == "default"


def test_standard_input_is_at_its_end_also_for_programs_that_the_experiment_starts(project: Project) -> None:
    project.commit(
        step(
            "    done = subprocess.run(['cat'], capture_output=True, timeout=100)\n"
            "    return {'main': sys.stdin.read() + done.stdout.decode()}\n"
        )
    )
    words = command("my_exp", "--timeout", "100")
    subprocess.run(words, cwd=project, input="secret\n", text=True, capture_output=True, check=True, timeout=TIMEOUT_S)
    assert project.record().main == ""
