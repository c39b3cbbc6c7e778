"""What user code does while its dictionaries are evaluated, and how that is survived and told."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from mitosis.canonical.encode import encode_value
from mitosis.config import Config, StepConfig
from mitosis.dictionaries.checkouts import Checkout
from mitosis.dictionaries.evaluation import Evaluation, Trouble, evaluate
from support.e2e import write
from support.waiting import LIMITS_S, TIMEOUT_S, wait_until

GOOD = "lookup_dict = {'p': {'v': 1}}\n"


@pytest.fixture
def run(tmp_path: Path) -> Callable[..., Evaluation]:
    """Evaluate modules that are given as texts: each is a step of its own name with a `lookup_dict`."""

    def evaluated(*, time_limit_s: float = TIMEOUT_S, steps: Sequence[str] | None = None, **modules: str) -> Evaluation:
        folder = tmp_path / "project"
        folder.mkdir(exist_ok=True)
        write(folder, {f"{name}.py": text for name, text in modules.items()})
        config = Config(
            path=folder / "pyproject.toml",
            steps={name: StepConfig(name, f"{name}:run", f"{name}:lookup_dict") for name in modules},
            trials_folder=None,
            pythonpath=(folder,),
        )
        return evaluate(Checkout(folder, folder), config, steps=steps, time_limit_s=time_limit_s)

    return evaluated


def only_trouble(found: Evaluation) -> Trouble:
    (trouble,) = found.troubles
    assert "\n" not in trouble.reason
    return trouble


def variants(found: Evaluation) -> list[str]:
    return [str(meaning.name) for meaning in found.meanings]


FAILURES = [
    ("import missing_thing", "`bad` cannot be imported: ModuleNotFoundError: No module named 'missing_thing'"),
    ("1 / 0", "`bad` cannot be imported: ZeroDivisionError: division by zero"),
    ("lookup_dict = {", "`bad` cannot be imported: SyntaxError: '{' was never closed (bad.py, line 1)"),
    ("import sys; sys.exit('no licence')", "`bad` cannot be imported: SystemExit: no licence"),
    ("raise KeyboardInterrupt", "`bad` cannot be imported: KeyboardInterrupt"),
    ("x = 1", "`bad:lookup_dict`: `bad` has no attribute `lookup_dict`"),
    ("lookup_dict = 3", "`bad:lookup_dict`: it is an int, not a dictionary; a step without variants needs none"),
    (
        "class D(dict):\n    def keys(self): raise OSError('no disk')\nlookup_dict = D()",
        "`bad:lookup_dict`: listing its parameters raised OSError: no disk",
    ),
    (
        "def __getattr__(name):\n    raise ValueError(name)",
        "`bad:lookup_dict`: getting `lookup_dict` of `bad` raised ValueError: lookup_dict",
    ),
    (
        "import itertools as i\nclass D(dict):\n    def keys(self): return map(str, i.count())\nlookup_dict = D()",
        "`bad:lookup_dict`: it has more than 1,000,000 keys",
    ),
    (
        "class E(Exception):\n    def __str__(self): raise self\nraise E",
        "`bad` cannot be imported: E: (its message cannot be shown)",
    ),
    ("raise ValueError('a\\nb' * 1000)", "`bad` cannot be imported: ValueError: a"),
]
"""The text of a module, and the reason that is told."""


def test_each_way_to_fail_gives_one_line(run: Callable[..., Evaluation]) -> None:
    modules = {f"bad{at}": code for at, (code, _) in enumerate(FAILURES)}
    found = run(**modules, good=GOOD)
    assert [trouble.steps for trouble in found.troubles] == [(name,) for name in modules]
    assert [trouble.reason for trouble in found.troubles] == [
        f"step `bad{at}`: {reason.replace('bad', f'bad{at}')}" for at, (_, reason) in enumerate(FAILURES)
    ]
    assert variants(found) == ["good.p=v"], "other steps are evaluated all the same"


@pytest.mark.parametrize(
    ("code", "manner"),
    [
        ("import os; os._exit(3)", "with exit status 3"),
        ("import os; os._exit(0)", "with exit status 0"),
        ("import os; os.abort()", "by SIGABRT"),
        ("import ctypes; ctypes.string_at(0)", "by SIGSEGV"),
    ],
)
def test_crash_keeps_the_steps_after_it_from_being_evaluated(
    run: Callable[..., Evaluation], code: str, manner: str
) -> None:
    found = run(good=GOOD, bad=code, last=GOOD)
    assert [trouble.reason for trouble in found.troubles] == [
        f"step `bad`: importing `bad` ended the process {manner}",
        f"step `last`: not evaluated, because importing `bad` ended the process {manner}",
    ]
    assert variants(found) == ["good.p=v"], "what was done before counts"


def test_details_show_where_it_happened(run: Callable[..., Evaluation]) -> None:
    details = only_trouble(run(bad="def f():\n    1 / 0\n\nf()\n")).details
    assert 'bad.py", line 4, in <module>' in details
    assert details.splitlines()[-1] == "ZeroDivisionError: division by zero"
    assert "evaluator" not in details
    assert "most recent call first" in only_trouble(run(bad="import os; os.abort()")).details


@pytest.mark.parametrize(
    "code",
    ["while True: pass", "import time, signal\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\ntime.sleep(600)"],
)
def test_time_limit_ends_it_and_says_where_it_hung(run: Callable[..., Evaluation], code: str) -> None:
    began = time.monotonic()
    for limit_s in LIMITS_S:
        found = run(good=GOOD, bad=code, last=GOOD, time_limit_s=limit_s)
        if found.meanings and "bad.py" in found.troubles[0].details:
            break
    assert time.monotonic() - began < 2 * TIMEOUT_S
    late, left = found.troubles
    assert late.reason == f"step `bad`: importing `bad` took longer than {limit_s:g} s and was stopped"
    assert left.reason == f"step `last`: not evaluated, because {late.reason.partition(': ')[2]}"
    assert late.is_late and left.is_late
    assert "bad.py" in late.details
    assert variants(found) == ["good.p=v"], "what was done before counts"


def test_time_limit_holds_while_a_value_is_made(run: Callable[..., Evaluation]) -> None:
    code = (
        "import time\nclass D(dict):\n    def __getitem__(self, name):\n"
        "        return time.sleep(600) if name == 'w' else 1\nlookup_dict = {'p': D(v=1, w=1)}\n"
    )
    for limit_s in LIMITS_S:
        found = run(bad=code, time_limit_s=limit_s)
        if found.meanings:
            break
    late = f"step `bad`: evaluating `bad:lookup_dict` took longer than {limit_s:g} s and was stopped"
    assert only_trouble(found).reason == late
    assert variants(found) == ["bad.p=v"]


def test_output_is_kept_apart_and_bounded(run: Callable[..., Evaluation], capfd: pytest.CaptureFixture[str]) -> None:
    code = "import sys\nsys.stdout.write('first' + 'x' * 10**8)\nsys.stdout.flush()\nprint('last', file=sys.stderr)\n"
    assert variants(run(loud=code + GOOD)) == ["loud.p=v"]
    details = only_trouble(run(bad=code + "import os\nos._exit(1)\n")).details
    assert details.endswith("xxxlast") and len(details) < 50_000
    assert capfd.readouterr() == ("", "")


def test_endless_output_ends_at_the_time_limit(run: Callable[..., Evaluation]) -> None:
    trouble = only_trouble(run(bad="while True: print('x' * 10000)", time_limit_s=1.0))
    assert trouble.is_late
    assert len(trouble.details) < 50_000


def test_there_is_nothing_to_read_on_standard_input(run: Callable[..., Evaluation]) -> None:
    ours, theirs = os.pipe()
    os.write(theirs, b"typed\n")
    before = os.dup(0)
    os.dup2(ours, 0)
    try:
        trouble = only_trouble(run(bad="input()"))
    finally:
        os.dup2(before, 0)
        for number in (before, ours, theirs):
            os.close(number)
    assert trouble.reason.endswith("EOFError: EOF when reading a line")


def test_warnings_threads_forks_and_exit_functions_change_nothing(run: Callable[..., Evaluation]) -> None:
    code = (
        "import atexit, os, sys, threading, time, warnings\nwarnings.warn('beware')\n"
        "threading.Thread(target=time.sleep, args=(600,)).start()\natexit.register(time.sleep, 600)\n"
        "sys.stdout.close()\nos.closerange(3, 50)\n"
    )
    began = time.monotonic()
    assert variants(run(odd=code + GOOD)) == ["odd.p=v"]
    forking = "import os\nchild = os.fork()\nif child: os.waitpid(child, 0)\n"
    found = run(forking=forking + GOOD)
    assert variants(found) == ["forking.p=v"] and not found.troubles
    assert time.monotonic() - began < TIMEOUT_S


def is_running(process: int) -> bool:
    state = Path(f"/proc/{process}/stat")
    try:
        return state.read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


CHILD = "import subprocess\nchild = subprocess.Popen(['sleep', '600'])\nopen({file!r}, 'w').write(str(child.pid))\n"


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
@pytest.mark.parametrize("end", ["", "import os; os._exit(1)\n", "while True: pass\n"])
def test_what_it_started_is_ended_with_it(run: Callable[..., Evaluation], tmp_path: Path, end: str) -> None:
    file = tmp_path / "child"
    for limit_s in LIMITS_S if "while" in end else (TIMEOUT_S,):
        run(starter=CHILD.format(file=str(file)) + GOOD + end, time_limit_s=limit_s)
        if file.exists() and file.read_text():
            break
    wait_until(lambda: not is_running(int(file.read_text())))


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT, signal.SIGTERM])
def test_all_is_ended_when_the_asking_process_is(tmp_path: Path, number: int) -> None:
    write(
        tmp_path,
        {
            "stuck.py": f"import os\nopen('own', 'w').write(str(os.getpid()))\n{CHILD.format(file='child')}"
            "child.wait()\n",
            "ask.py": (
                # It is ignored in what a shell has started in the background, and what that starts.
                "import signal\nsignal.signal(signal.SIGINT, signal.default_int_handler)\n"
                "from pathlib import Path\nfrom mitosis.config import Config, StepConfig\n"
                "from mitosis.dictionaries.checkouts import Checkout\n"
                "from mitosis.dictionaries.evaluation import evaluate\n"
                "here = Path.cwd()\nsteps = {'stuck': StepConfig('stuck', 'stuck:run', 'stuck:lookup_dict')}\n"
                "evaluate(Checkout(here, here), Config(here / 'pyproject.toml', steps, None, (here,)))\n"
            ),
        },
    )
    asking = subprocess.Popen([sys.executable, "ask.py"], cwd=tmp_path, stderr=subprocess.DEVNULL)
    wait_until(lambda: (tmp_path / "child").exists() and (tmp_path / "child").read_text() != "")
    os.kill(asking.pid, number)
    assert asking.wait(TIMEOUT_S) != 0
    for name in ("own", "child"):
        wait_until(lambda name=name: not is_running(int((tmp_path / name).read_text())))  # type: ignore[misc]


@pytest.mark.skipif(sys.platform == "win32", reason="has no such locks")
def test_folders_of_killed_processes_are_removed_and_those_in_use_are_not(
    run: Callable[..., Evaluation], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import fcntl

    temporary = tmp_path / "temporary"
    monkeypatch.setattr("tempfile.tempdir", str(temporary))
    for name in ("abandoned", "new", "used", "foreign"):
        write(temporary / f"mitosis-{name}", {"owner" if name != "foreign" else "file": "", "tree/file": ""})
        if name != "new":
            os.utime(temporary / f"mitosis-{name}", (1, 1))
    with (temporary / "mitosis-used/owner").open() as owner:
        fcntl.flock(owner, fcntl.LOCK_EX)
        run(my=GOOD)
        assert {path.name for path in temporary.iterdir()} == {"mitosis-new", "mitosis-used", "mitosis-foreign"}


@pytest.mark.skipif(sys.platform == "win32", reason="has no process groups")
@pytest.mark.parametrize("closed", ["before", "after"])
def test_closed_lifeline_ends_the_process(closed: str) -> None:
    ours, theirs = os.pipe()
    code = (
        "import sys, time\nfrom mitosis.dictionaries.evaluator import _die_with\n"
        "input()\n_die_with(int(sys.argv[1]))\nprint('ready', flush=True)\ntime.sleep(100)\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code, str(ours)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        pass_fds=[ours],
        start_new_session=True,
    )
    os.close(ours)
    assert process.stdin is not None and process.stdout is not None
    if closed == "before":
        os.close(theirs)
    with process.stdin, process.stdout:
        process.stdin.write(b"\n")
        process.stdin.flush()
        if closed == "after":
            assert process.stdout.readline() == b"ready\n"
            os.close(theirs)
        assert process.wait(10) != 0


def test_database_counts_as_a_file_that_is_read(run: Callable[..., Evaluation], tmp_path: Path) -> None:
    sqlite3 = pytest.importorskip("sqlite3")
    (tmp_path / "project").mkdir()
    sqlite3.connect(tmp_path / "project/values.db").close()
    code = "import sqlite3\nsqlite3.connect('values.db').close()\n"
    assert run(my=code + GOOD).usage.files == {"my.py", "values.db"}


def test_entries_that_have_no_meaning_are_refused_and_the_others_are_not(run: Callable[..., Evaluation]) -> None:
    code = """\
class Raising(dict):
    def __getitem__(self, name):
        raise SystemExit("gone")

lookup_dict = {
    "function": {"bad": {"deep": [lambda: 1]}, "good": len},
    "raising": Raising(v=1),
    "text": "no mapping",
    "broken": type("Broken", (), {"keys": None, "__getitem__": None})(),
}
"""
    found = run(my=code)
    assert variants(found) == ["my.function=good"]
    refused = [(r.name.parameter, r.name.variant, r.reason, r.has_raised) for r in found.refused]
    assert refused == [
        (
            "function",
            "bad",
            "at deep[0]: a lambda has no name to find it by; define it as a module-level function",
            False,
        ),
        ("raising", "v", "getting its value raised SystemExit: gone", True),
        ("text", "", "this is a str, but should be a dictionary", False),
        ("broken", "", "looking it up raised TypeError: 'NoneType' object is not callable", True),
    ]
    assert not found.troubles


def test_names_count_that_the_command_line_can_say(run: Callable[..., Evaluation]) -> None:
    code = """\
import collections, enum

class Name(enum.StrEnum):
    LOW = "low"

mixed = {"é x=": 1, 2: 1, None: 1, Name.LOW: 2, ("a",): 4}
lookup_dict = collections.ChainMap({"p": collections.UserDict(mixed), 7: {}})
"""
    found = run(my=code)
    assert variants(found) == ["my.p=é x=", "my.p=low"]
    assert not found.refused and not found.troubles


def test_wrapped_value_counts_as_the_value(run: Callable[..., Evaluation]) -> None:
    code = "from mitosis._typing import Parameter\nlookup_dict = {'p': {'v': Parameter('v', 'p', [1])}}\n"
    (meaning,) = run(my=code).meanings
    assert meaning.value == encode_value([1])


def test_dictionary_of_a_class_is_found(tmp_path: Path) -> None:
    write(tmp_path, {"lab.py": "class Fit:\n    class Inner:\n        lookups = {'p': {'v': 1}}\n"})
    steps = {"fit": StepConfig("fit", "lab:Fit.run", "lab:Fit.Inner.lookups")}
    config = Config(tmp_path / "pyproject.toml", steps, None, (tmp_path,))
    assert variants(evaluate(Checkout(tmp_path, tmp_path), config)) == ["fit.p=v"]


def test_shared_module_is_imported_once(tmp_path: Path) -> None:
    write(tmp_path, {"lab.py": "open('count', 'a').write('x')\na = {'p': {'v': 1}}\nb = {'q': {'v': 1}}\n"})
    names = {"one": "a", "two": "b", "three": "a", "four": "missing"}
    steps = {step: StepConfig(step, "lab:run", f"lab:{name}") for step, name in names.items()}
    config = Config(tmp_path / "pyproject.toml", steps, None, (tmp_path,))
    found = evaluate(Checkout(tmp_path, tmp_path), config)
    assert variants(found) == ["one.p=v", "two.q=v", "three.p=v"]
    assert only_trouble(found).steps == ("four",)
    assert (tmp_path / "count").read_text() == "x"


def test_only_the_steps_asked_for_are_evaluated(run: Callable[..., Evaluation]) -> None:
    found = run(one=GOOD, two="1 / 0", steps=["one", "no such step"])
    assert variants(found) == ["one.p=v"]
    assert not found.troubles and found.usage.files == {"one.py"}


def test_modules_of_the_project_do_not_stand_for_pythons_own(run: Callable[..., Evaluation]) -> None:
    found = run(my="import json\n" + GOOD, json="1 / 0", msgpack="1 / 0", steps=["my"])
    assert variants(found) == ["my.p=v"]


def test_functions_that_values_name_have_their_digests(run: Callable[..., Evaluation]) -> None:
    code = "def f():\n    return {}\nlookup_dict = {{'p': {{'v': f, 'w': 1}}}}\n"
    digests = [run(my=code.format(body)).meanings[0].functions for body in ("1", "1  # one", "2")]
    assert list(digests[0]) == ["my:f"]
    assert digests[0] == digests[1] != digests[2]


def test_importing_the_package_imports_nothing_heavy() -> None:
    code = (
        "import sys, mitosis.dictionaries.evaluator, mitosis.dictionaries\n"
        "print([m for m in ('pygit2', 'rich', 'cyclopts', 'subprocess', 'mitosis.git', 'numpy')"
        " if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
