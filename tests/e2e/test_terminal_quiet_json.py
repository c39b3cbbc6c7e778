"""A trial for scripts: one line, or one JSON object."""

from __future__ import annotations

import json
import re
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest
from bs4 import BeautifulSoup

from support.e2e import SLOW, Project
from support.waiting import TIMEOUT_S

FAILING = "import sys\nlookup_dict = {}\ndef run():\n    print('noise')\n    raise ValueError('bad shape')\n"


def read_object(done: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    """The one line of standard output."""
    (line,) = done.stdout.splitlines()
    fields: dict[str, Any] = json.loads(line, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))
    assert fields["exit_status"] == done.returncode
    return fields


def test_quiet_trial_prints_one_line(project: Project) -> None:
    done = project.mitosis(*SLOW, "-q")
    record = project.record()
    assert re.fullmatch(
        rf"✓ my_exp {record.key[:6]} finished: main = 4 \(\d\.\d s\) · trials/{re.escape(str(record.page))}\n",
        done.stdout,
    )
    assert done.stderr == ""


def test_quiet_failure_says_why_in_its_one_line(project: Project) -> None:
    project.commit_lab(FAILING)
    done = project.mitosis("my_exp", "--quiet", status=1)
    assert done.stdout.startswith(f"✗ my_exp {project.record().key[:6]} failed: ValueError: bad shape (")
    assert done.stdout.count("\n") == 1
    assert done.stderr == ""


def test_quiet_keeps_warnings_and_refusals(project: Project) -> None:
    project.commit_lab("lookup_dict = {}\ndef run():\n    return {'main': 1, 'data': iter([1])}\n")
    assert project.mitosis("my_exp", "-q").stderr == ""
    project.commit_lab("lookup_dict = {}\ndef run():\n    return {'main': 1, 'f': (x for x in [1])}\n")
    assert "could not be saved" in project.mitosis("my_exp", "-q").stderr
    refused = project.mitosis("my_exp", "-q", "-e", "my_exp.nothing=1", status=2)
    assert refused.stdout == ""
    assert "takes no `nothing`" in refused.stderr


def test_json_of_a_finished_trial_agrees_with_its_record(project: Project) -> None:
    done = project.mitosis(
        "data", "fit", "-p", "data.noise=low", "-p", "fit.kind=sum", "-e", "+data.length=2", "--json"
    )
    found = read_object(done)

    record = project.record()
    assert found["format"] == 1
    assert (found["status"], found["recorded"], found["debug"], found["failure"]) == ("finished", True, False, None)
    assert (found["key"], found["experiment"], found["commit"]) == (record.key, "data+fit", record.commit)
    assert found["main"] == 0.02
    assert found["metrics"] == {"size.count": 2, "name": "fit"}
    assert [step["name"] for step in found["steps"]] == ["data", "fit"]
    assert found["steps"][0]["metrics"] == {"length": 2}
    assert {"step": "data", "name": "length", "kind": "eval", "text": "2", "value": "2", "tracked": False} in found[
        "parameters"
    ]
    assert found["page"] == str(project.page_of(record))
    assert found["folder"] == str(project.folder_of(record))
    assert (found["started"], found["ended"], found["duration_s"]) == (
        record.started,
        record.ended,
        record.duration_s,
    )


def test_quiet_json_is_the_object_alone(project: Project) -> None:
    done = project.mitosis(*SLOW, "--json", "-q")
    assert read_object(done)["main"] == 4
    assert done.stderr == ""


def test_json_of_a_failure_has_its_place(project: Project) -> None:
    project.commit_lab(FAILING)
    found = read_object(project.mitosis("my_exp", "--json", status=1))
    assert (found["status"], found["main"], found["metrics"]) == ("failed", None, {})
    assert found["failure"] == {
        "kind": "exception",
        "type": "ValueError",
        "message": "bad shape",
        "step": "my_exp",
        "location": "lab/__init__.py:5 in run",
    }
    assert Path(found["page"]).is_file()


@pytest.mark.parametrize(
    ("words", "kind", "told"),
    [
        (("nothing",), "UnknownStep", "there is no step `nothing`"),
        (("my_exp", "-e", "my_exp.amplitude=("), "BadExpression", "is not valid Python"),
        (("my_exp",), "SignatureMismatch", "step `my_exp` needs `amplitude`, `frequency`"),
        (("my_exp", "--no-such-option"), "UsageError", "Unknown option"),
        ((), "NoStep", "no step was given"),
    ],
)
def test_json_of_a_refusal_says_what_standard_error_says(
    project: Project, words: tuple[str, ...], kind: str, told: str
) -> None:
    done = project.mitosis(*words, "--json", status=2)
    found = read_object(done)
    assert (found["status"], found["recorded"], found["key"]) == ("refused", False, None)
    assert (found["failure"]["kind"], found["failure"]["type"]) == ("refusal", kind)
    assert told in found["failure"]["message"]
    assert told in done.stderr


def test_json_has_the_same_fields_however_it_ends(project: Project) -> None:
    finished = read_object(project.mitosis(*SLOW, "--json"))
    refused = read_object(project.mitosis("nothing", "--json", status=2))
    assert list(finished) == list(refused)


def test_json_of_what_json_has_no_word_for(project: Project) -> None:
    project.commit_lab(
        "lookup_dict = {}\ndef run():\n"
        "    return {'main': float('nan'), 'metrics': {'up': float('inf'), 'text': 'é\\x1b[1m\\ud800'}}\n"
    )
    done = project.mitosis(
        "my_exp", "--json", environment={"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    )
    found = read_object(done)
    assert found["main"] == "nan"
    assert found["metrics"] == {"up": "inf", "text": "é\x1b[1m\\ud800"}
    assert done.stdout.isascii() and "\x1b" not in done.stdout


def test_json_of_a_debug_trial_is_not_recorded(project: Project) -> None:
    found = read_object(project.mitosis(*SLOW, "--debug", "--json"))
    assert (found["debug"], found["recorded"], found["main"]) == (True, False, 4)


def test_json_of_an_interrupted_trial(project: Project) -> None:
    project.commit_lab(
        "import pathlib, time\nlookup_dict = {}\ndef run():\n    pathlib.Path('begun').touch()\n    time.sleep(60)\n"
    )
    process = project.start("my_exp", "--json")
    project.wait_until_begun()
    process.send_signal(signal.SIGTERM)
    out, _ = process.communicate(timeout=TIMEOUT_S)
    found = read_object(subprocess.CompletedProcess([], process.returncode, out))
    assert (found["status"], found["exit_status"], found["recorded"]) == ("interrupted", 143, True)


def test_json_of_a_trial_that_could_not_be_recorded(project: Project) -> None:
    derived = str(project / ".git" / "mitosis")
    project.commit_lab(
        "import pathlib, shutil\nlookup_dict = {}\n"
        f"def run():\n    shutil.rmtree({derived!r})\n    pathlib.Path({derived!r}).touch()\n"
        "    return {'main': 1}\n"
    )
    found = read_object(project.mitosis("my_exp", "--json", status=3))
    assert (found["status"], found["recorded"]) == ("error", False)
    assert Path(found["folder"], "results_0.dill").is_file()
    assert found["key"] in found["folder"]


def test_a_result_is_shown_by_its_name_and_recorded_as_main(project: Project) -> None:
    named = 'my_exp = { action = "lab:run", lookup = "lab:lookup_dict", main = "product", better = "lower" }\n'
    project.commit({"pyproject.toml": f"[tool.mitosis.steps]\n{named}"})
    found = read_object(project.mitosis(*SLOW, "--json"))
    assert (found["main"], found["main_name"], found["better"]) == (4, "product", "lower")
    assert (found["steps"][0]["main_name"], found["steps"][0]["better"]) == ("product", "lower")
    assert "✓ my_exp      product = 4  " in project.mitosis(*SLOW).stdout

    shown = project.mitosis("show", found["key"]).stdout
    assert "\n  product       4\n" in shown and "\n    product = 4\n" in shown
    assert project.mitosis("list").stdout.split()[:4] == ["key", "status", "experiment", "main"]
    assert "finished: product = 4 (" in project.git("log", "-1", "--format=%s", "refs/mitosis")
    (page,) = (path for path in project.glob("trials/*.html") if found["key"] in path.name)
    results = BeautifulSoup(page.read_text(), "html.parser").select(".results tr")
    assert [row.get_text(" ", strip=True) for row in results] == ["product 4"]

    project.commit({"pyproject.toml": f"[tool.mitosis.steps]\n{named.replace('product', 'score')}"})
    assert " score = 4 (" in project.mitosis(*SLOW, "-q").stdout
