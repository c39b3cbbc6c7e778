"""However a trial ends, the record says so, and what there is of outputs is kept."""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import mitosis as package
from mitosis.journal.storage.queue import owner_text
from support.e2e import Mitosis, Project, command, make_project
from support.faults import can_mount
from support.waiting import TIMEOUT_S, wait_until

FAILED = 1
WAITING = """\
import pathlib, time
lookup_dict = {}
def run():
    print("begun", flush=True)
    pathlib.Path("begun").touch()
    time.sleep(60)
    return {"main": 1}
"""


def steps(first: str, second: str = "def run(data=None):\n    return {'main': 2}\n") -> dict[str, str]:
    """Two modules whose `run` are the steps `one` and `two`."""
    return {
        "pyproject.toml": '[tool.mitosis.steps]\none = ["one:run", "one:lookups"]\ntwo = ["two:run", "two:lookups"]\n',
        "one.py": f"lookups = {{}}\n{first}",
        "two.py": f"lookups = {{}}\n{second}",
    }


SHARED = "sizes = {'sizes': {'few': [1, 2]}}\n"


def test_step_that_changes_a_parameter_of_the_next_fails(project: Project) -> None:
    project.commit(
        {
            "pyproject.toml": '[tool.mitosis.steps]\none = ["one:run", "one:sizes"]\ntwo = ["two:run", "one:sizes"]\n'
            'warm = ["one:warm", "one:sizes"]\ncool = ["two:cool", "one:sizes"]\n',
            "one.py": f"{SHARED}def run(sizes):\n    sizes.append(3)\n    return {{'main': 1, 'data': 0}}\n"
            "RATES = {'rate': 1}\ndef warm(rates=RATES):\n    rates['rate'] += 1\n    return {'main': 1, 'data': 0}\n",
            "two.py": "import one\ndef run(data, sizes):\n    return {'main': sum(sizes)}\n"
            "def cool(*, rates=one.RATES):\n    return {'main': rates['rate']}\n",
        }
    )
    words = ("one", "two", "-p", "one.sizes=few", "-p", "two.sizes=few")
    done = project.mitosis(*words, status=FAILED)
    failure = project.record().failure
    assert failure is not None
    assert (failure.kind, failure.step) == ("parameter", "one")
    said = "it changed the value of `two.sizes` in place, which `two` would get; have it change a copy"
    assert failure.message == f"{said}\n[2]: added: 3"
    assert "  [2]: added: 3\n" in done.stdout
    page = project.page_of(project.record()).read_text()
    assert page.count("in place, which") == page.count("[2]: added: 3") == 1
    assert "✗ one" in done.stdout

    assert "! step `one`: it changed the value of `two.sizes`" in project.mitosis(*words, "--debug").stderr
    project.mitosis("one", "two", "-p", "one.sizes=few", "-p", "+two.sizes=few")

    # A default as well, and of a step after the next.
    done = project.mitosis("warm", "two", "cool", "-e", "two.sizes=[]", status=FAILED)
    assert re.search(r"✗ warm +it changed the value of `cool.rates` in place", done.stdout)
    assert "  rate: 1 → 2\n" in done.stdout


def test_exception_fails_the_trial_and_is_shown_everywhere(project: Project) -> None:
    project.commit(steps("def run():\n    print('so far')\n    raise ValueError('bad <shape>')\n"))
    done = project.mitosis("one", "two", status=FAILED)

    record = project.record()
    assert record.status == "failed"
    assert record.failure is not None
    assert (record.failure.kind, record.failure.type, record.failure.message) == (
        "exception",
        "ValueError",
        "bad <shape>",
    )
    assert (record.failure.step, record.failure.location) == ("one", "one.py:4 in run")
    assert record.main is None
    assert re.search(r"✗ one +ValueError: bad <shape> +\d\.\d s", done.stdout)
    assert "  one.py:4 in run" in done.stdout
    assert "❱ 4 │     raise ValueError('bad <shape>')" in done.stdout
    assert f"✓ recorded    {record.key[:6]} as failed · trials/{record.page}" in done.stdout
    assert "Traceback" not in done.stderr
    page = project.page_of(record).read_text()
    assert "bad &lt;shape&gt;" in page
    assert "so far" in page
    notebook = json.loads((project.folder_of(record) / "notebook.ipynb").read_text())
    assert notebook["cells"][-1]["outputs"][-1]["ename"] == "ValueError"
    assert project.git("log", "-1", "--format=%(trailers:key=Status,valueonly)", "refs/mitosis").strip() == "failed"
    assert "failed" in project.git("notes", "--ref=mitosis", "show")


def test_failing_second_step_keeps_the_first_result(project: Project) -> None:
    odd = "class Odd(Exception):\n    def __str__(self):\n        raise TypeError\n\n"
    project.commit(
        steps("def run():\n    return {'main': 1, 'data': 5}\n", f"{odd}def run(data):\n    raise Odd(data)\n")
    )
    project.mitosis("one", "two", status=FAILED)
    record = project.record()
    assert record.failure is not None and record.failure.step == "two"
    assert record.failure.summary == "Odd: (its message cannot be shown)", "not of what its text raises"
    assert record.steps[0].main == 1
    assert package.load_trial_data(record.key, trials_folder=project / "trials") == [{"main": 1, "data": 5}]


@pytest.mark.parametrize(
    ("first", "told"),
    [
        ("def run():\n    return 1, map\n", "it returned tuple, not a dictionary; load_trial_data gives it (2"),
        ("def run():\n    return (n for n in [])\n", "it returned generator, not a dictionary"),
        ("def run():\n    return {'metrics': {}}\n", 'without "main" (it has: metrics)'),
        ("def run():\n    return {'main': map(abs, [1])}\n", 'its "main" is a map object, which has no value yet'),
    ],
)
def test_result_that_is_no_result_fails_the_trial(project: Project, first: str, told: str) -> None:
    project.commit(steps(first))
    done = project.mitosis("one", status=FAILED)
    assert told in done.stdout
    if "load_trial_data" in told:
        assert package.load_trial_data(project.record().key, trials_folder=project / "trials") == [(1, map)]
    record = project.record()
    assert record.failure is not None and record.failure.kind == "result"
    assert told in record.failure.message
    assert ("load_trial_data" in record.failure.message) == ("load_trial_data" in told), "only what could be saved"


@pytest.mark.parametrize(
    ("first", "second", "main", "told"),
    [
        (
            "{'main': 1, 'data': None}",
            "def run(data=5):\n    return {'main': data}\n",
            5,
            ['its "data" is None: `two` is called without it, with its default data=5'],
        ),
        ("{'main': 1, 'data': None}", "def run(data):\n    return {'main': data}\n", None, []),
        (
            "{'main': 1, 'data': 2}",
            "def run(*, k=3):\n    return {'main': k}\n",
            3,
            ["its data is not used: `two` has no positional argument left for it"],
        ),
        (
            "{'other': 1}",
            "def run(data=None):\n    return {'main': 2}\n",
            2,
            [
                'step `one`: its result has no "data": `two` is called without it',
                'step `one`: its result has no "main"',
            ],
        ),
    ],
    ids=["None", "None that is needed", "no room", "no data"],
)
def test_data_is_handed_on_where_it_can_be(
    project: Project, first: str, second: str, main: int | None, told: list[str]
) -> None:
    project.commit(steps(f"def run():\n    return {first}\n", second))
    done = project.mitosis("one", "two")
    assert [part for part in told if part not in done.stderr] == []
    record = project.record()
    assert (record.main, len(record.warnings)) == (main, len(told))
    # What stood in place of the data is recorded. As it is known at the end alone, it tells no iterations apart.
    instead = [(p.full_name, p.text, p.tracked, bool(p.digest)) for p in record.parameters if p.full_name == "two.data"]
    assert instead == ([("two.data", "5", False, True)] if main == 5 else [])


@pytest.mark.parametrize("data", [None, 2])
def test_a_first_parameter_that_is_given_stands_for_data(project: Project, data: int | None) -> None:
    source = f"def run():\n    return {{'main': 1, 'data': {data}}}\n"
    project.commit(steps(source, "def run(data):\n    return {'main': data}\n"))
    done = project.mitosis("one", "two", "-e", "two.data=7")
    assert project.record().main == 7
    assert ("its data is not used" in done.stderr) == (data is not None)


@pytest.mark.parametrize(
    ("first", "told"),
    [
        ("return {'main': 1}", 'its result has no "data", and the next step, `two`, needs it'),
        ("raise SystemExit(0)", "SystemExit: 0 (the step exited, so it has returned no result)"),
    ],
)
def test_step_that_gives_the_next_one_nothing_fails_the_trial(project: Project, first: str, told: str) -> None:
    project.commit(steps(f"def run():\n    {first}\n", "def run(data):\n    return {'main': data}\n"))
    assert told in project.mitosis("one", "two", status=FAILED).stdout
    assert project.record().status == "failed"


def test_metrics_that_are_no_mapping_are_recorded_as_text(project: Project) -> None:
    project.commit(steps("def run():\n    return {'main': 1, 'metrics': [0.5, 'x']}\n"))
    project.mitosis("one")
    assert project.record().steps[0].metrics == {"metrics": "[0.5, 'x']"}


@pytest.mark.parametrize(
    ("ending", "told"),
    [
        ("import os; os._exit(3)", "the kernel ended with exit status 3"),
        ("import os; os.kill(os.getpid(), 9)", "the kernel was killed by SIGKILL"),
    ],
)
def test_kernel_that_dies_fails_the_trial(project: Project, ending: str, told: str) -> None:
    # What is printed the moment before may be lost with the process: sockets send in the background.
    first = "def run():\n    print('last words')\n    return {'main': 1, 'data': 2}\n"
    project.commit(steps(first, f"def run(data):\n    {ending}\n"))
    done = project.mitosis("one", "two", status=FAILED)
    assert told in done.stdout
    record = project.record()
    assert record.failure is not None and record.failure.kind == "kernel"
    assert record.peak_memory_bytes is not None
    assert "last words" in project.page_of(record).read_text()


@pytest.fixture
def waiting(project: Project) -> Iterator[subprocess.Popen[str]]:
    """A trial whose step has begun and waits."""
    project.commit_lab(WAITING)
    process = project.start("my_exp", start_new_session=True)
    project.wait_until_begun()
    yield process
    if process.poll() is None:
        process.kill()
    process.communicate()


def test_signal_interrupts_the_trial_in_good_order(waiting: subprocess.Popen[str], project: Project) -> None:
    waiting.send_signal(signal.SIGTERM)
    out, err = waiting.communicate(timeout=TIMEOUT_S)

    assert waiting.returncode == 128 + signal.SIGTERM
    record = project.record()
    assert record.status == "interrupted"
    assert "interrupted by SIGTERM" in out
    assert "Traceback" not in err
    page = project.page_of(record).read_text()
    assert "begun" in page
    assert "interrupted" in project.git("log", "-1", "--format=%s", "refs/mitosis")
    assert not kernels_of(project)


def test_interrupt_that_the_experiment_swallows_still_counts(project: Project) -> None:
    project.commit_lab(
        WAITING.replace(
            "    time.sleep(60)\n",
            "    try:\n        time.sleep(60)\n    except KeyboardInterrupt:\n        pass\n",
        )
    )
    process = project.start("my_exp")
    project.wait_until_begun()
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=TIMEOUT_S)
    assert process.returncode == 130
    assert project.record().status == "interrupted"
    assert project.record().steps[0].main == 1


def test_interrupt_before_the_steps_leaves_nothing(project: Project) -> None:
    sign = project / "ignored"
    project.commit_lab(f"import pathlib, time\npathlib.Path({str(sign)!r}).touch()\ntime.sleep(60)\n")
    process = project.start("my_exp")
    wait_until(sign.exists)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=TIMEOUT_S)
    assert process.returncode == 130
    assert "nothing is recorded" in err
    assert project.git("for-each-ref", "refs/mitosis") == ""
    assert not list(project.glob("trials/20*"))
    assert not kernels_of(project)


def test_interrupt_ends_the_wait_for_the_lock_of_the_journal(project: Project) -> None:
    lock = project / ".git/refs/mitosis/journal.lock"
    locking = (
        f"import pathlib\ndef run(at_end):\n    if at_end:\n        pathlib.Path({str(lock)!r}).write_text(at_end)\n"
    )
    project.commit_lab(f"lookup_dict = {{}}\n{locking}    return {{'main': 7}}\n")
    owner = owner_text(os.getpid())
    lock.parent.mkdir()
    for at_end in ("", owner):
        lock.unlink(missing_ok=True) if at_end else lock.write_text(owner)
        process = project.start("my_exp", "-e", f"my_exp.at_end={at_end!r}")
        wait_until(lambda: list(project.glob(".git/mitosis/waiting/refs*")))
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=TIMEOUT_S)
        assert process.returncode == 130
        assert ("nothing is recorded" in err) != bool(at_end)
        assert len(list(project.glob("trials/20*"))) == bool(at_end)
    assert "finished, but that could not be recorded" in err and "Its end is kept there" in err
    assert list(project.glob("trials/*/unrecorded.msgpack"))
    lock.unlink()
    project.mitosis("my_exp", "-e", "my_exp.at_end=''")
    assert [record.main for record in project.records()] == [7, 7]
    assert not kernels_of(project)


def test_killed_runner_takes_its_kernel_along_and_is_shown_as_lost(
    waiting: subprocess.Popen[str], project: Project
) -> None:
    assert kernels_of(project)
    assert "running" in project.mitosis("list").stdout
    waiting.kill()
    waiting.communicate()
    wait_until(lambda: not kernels_of(project))
    assert project.record().status == "running"
    listing = project.mitosis("list").stdout
    assert "lost" in listing
    assert "is gone" in listing
    assert "lost" in project.mitosis("show", project.record().key[:6]).stdout
    (room,) = project.glob("trials/*/.mitosis-room")
    project.mitosis("sync", status=None)
    assert not room.exists()


def test_late_import_of_what_is_not_committed_is_a_warning(project: Project) -> None:
    project.commit(steps("def run():\n    import ignored_late\n    return {'main': 1}\n"))
    (project / "ignored_late.py").write_text("x = 1\n")
    done = project.mitosis("one")
    assert "ignored_late.py" in done.stderr
    assert any("ignored_late.py" in warning for warning in project.record().warnings)


BREAKS_THE_JOURNAL = """
import pathlib, shutil

def run(git, breaks):
    journal = pathlib.Path(git, "refs/mitosis/journal")
    pathlib.Path(".room").write_text("the step's own")
    if breaks:
        shutil.move(journal, pathlib.Path(git, "saved"))
        journal.write_text("nonsense")
    return {"main": 7}
"""


def test_end_that_cannot_be_recorded_is_kept_and_recorded_by_the_next_trial(project: Project) -> None:
    git = project / ".git"
    words = ("one", "-e", f"one.git={str(git)!r}", "-e")
    project.commit(steps(BREAKS_THE_JOURNAL))
    done = project.mitosis(*words, "one.breaks=True", status=3)
    assert "could not be recorded" in done.stderr
    (folder,) = project.glob("trials/20*")
    assert str(folder) in done.stderr
    assert (folder / "results_0.dill").is_file()

    (git / "saved").replace(git / "refs/mitosis/journal")
    [record] = project.records()
    assert record.status == "running"
    assert f"trial {record.key} finished, but that is not recorded yet" in project.mitosis("list").stderr
    done = project.mitosis(*words, "one.breaks=False")
    assert f"the end of trial {record.key} is now recorded: finished" in done.stderr
    assert [(found.status, found.main) for found in project.records()] == [("finished", 7), ("finished", 7)]
    assert any(output.path.endswith("/.room") for output in project.records()[-1].outputs)
    assert "not recorded yet" not in project.mitosis("list").stderr
    assert not (folder / "unrecorded.msgpack").exists()
    assert not list(git.glob("mitosis/folders/*"))


def test_experiment_that_removes_its_own_folder_keeps_its_outputs(project: Project) -> None:
    project.commit(steps("import os, shutil\ndef run():\n    shutil.rmtree(os.getcwd())\n    return {'main': 1}\n"))
    project.mitosis("one")
    folder = project.folder_of(project.record())
    assert (folder / "notebook.ipynb").is_file()
    assert package.load_trial_data(project.record().key, trials_folder=project / "trials") == [{"main": 1}]


def test_experiment_that_breaks_mitosis_in_its_kernel_is_recorded(project: Project) -> None:
    code = (
        "def run():\n    from mitosis.in_kernel import answering\n    answering.pack = lambda answers: 1 / 0\n"
        "    return {'main': 1}\n"
    )
    project.commit(steps(code))
    project.mitosis("one", status=FAILED)
    failure = project.record().failure
    assert failure is not None and failure.kind == "mitosis"
    assert "ZeroDivisionError" in failure.message


def test_full_disk_is_a_refusal(project: Project) -> None:
    """Files that may not grow stand in for a disk that is full."""
    project.commit_lab("lookup_dict = {}\ndef run():\n    return {'main': 1}\n")
    limit = (
        "import os, resource, sys\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (900, 900))\n"
        "os.execv(sys.argv[1], sys.argv[1:])\n"
    )
    words = [sys.executable, "-c", limit, *command("my_exp")]
    done = subprocess.run(words, cwd=project, capture_output=True, text=True, check=False, timeout=TIMEOUT_S)
    assert done.returncode == 2
    assert "no usable folder for its sockets\n    /tmp: File too large\n" in done.stderr
    assert "set TMPDIR to" in done.stderr and "Traceback" not in done.stderr
    assert project.git("for-each-ref", "refs/mitosis") == ""


if can_mount():

    def test_the_end_of_a_trial_that_fills_the_disk_is_recorded(tmp_path: Path) -> None:
        (tmp_path / "disk").mkdir()
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=3m", "none", str(tmp_path / "disk")], check=True)
        try:
            project = make_project(tmp_path / "disk" / "project")
            filling = "    try:\n        with open('big', 'wb', 0) as big:\n            while big.write(bytes(4096)):\n"
            filling += "                pass\n    except OSError:\n        return {'main': 7}\n"
            project.commit_lab(f"lookup_dict = {{}}\ndef run():\n{filling}")
            done = project.mitosis("my_exp", status=None)
            assert f"could not be written to {project / 'trials'}" in done.stderr
            assert "No space left on device" in done.stderr
            (big,) = project.glob("trials/*/big")
            big.unlink()
            project.mitosis("sync", status=None)
            assert (project.record().status, project.record().main) == ("finished", 7)
            assert not list(project.glob("trials/*/.mitosis-room"))
        finally:
            subprocess.run(["umount", "--lazy", str(tmp_path / "disk")], check=True)


def test_debug_checks_nothing_records_nothing_and_makes_the_page(project: Project) -> None:
    (project / "lab/__init__.py").write_text((project / "lab/__init__.py").read_text() + "# changed\n")
    done = project.mitosis("my_exp", "-p", "my_exp.frequency=slow", "-e", "my_exp.amplitude=4", "--debug")
    assert "debug" in done.stdout
    assert "not recorded" in done.stdout
    assert project.git("for-each-ref", "refs/mitosis", "refs/notes") == ""
    (page,) = project.glob("trials/*debug*.html")
    (folder,) = (path for path in project.glob("trials/*debug*") if path.is_dir())
    assert "debug" in page.read_text()
    assert package.load_trial_data(folder.name[11:23], trials_folder=project / "trials")[0]["main"] == 4


def test_debug_works_outside_any_repository(mitosis: Mitosis, tmp_path: Path) -> None:
    folder = tmp_path / "nowhere"
    folder.mkdir()
    (folder / "alone.py").write_text("lookup_dict = {}\ndef run(a):\n    return {'main': a}\n")
    mitosis("-m", "alone", "-e", "a=3", "-d", cwd=folder)
    assert list(folder.glob("trials/trial_*debug*.html"))


def test_debug_works_without_a_commit_and_an_identity(
    mitosis: Mitosis, tmp_path: Path, git: Callable[..., str], home: Path
) -> None:
    (home / ".gitconfig").write_text("[user]\n    useConfigOnly = true\n")
    folder = tmp_path / "new"
    git("init", "--quiet", str(folder), cwd=tmp_path)
    (folder / "alone.py").write_text("lookup_dict = {}\ndef run():\n    return {'main': lambda: 0}\n")
    mitosis("-m", "alone", "-d", cwd=folder)


def test_closed_output_does_not_end_the_trial(project: Project) -> None:
    project.commit(
        steps("def run():\n    for n in range(200):\n        print(n, flush=True)\n    return {'main': 1}\n")
    )
    words = f"{shlex.join(command('one'))} | head -2"
    subprocess.run(words, shell=True, cwd=project, capture_output=True, check=False, timeout=TIMEOUT_S)
    wait_until(lambda: project.record().status != "running")
    assert project.record().status == "finished"


def test_objects_that_raise_anything_are_named(project: Project) -> None:
    project.commit(
        steps(
            "class Wild(BaseException): pass\n"
            "class Odd:\n"
            "    def __reduce__(self): raise Wild('reduce')\n"
            "    def __repr__(self): raise Wild('repr')\n"
            "    def __float__(self): raise Wild('float')\n"
            "def run(v=None):\n    return {'main': Odd(), 'metrics': {'m': Odd()}}\n"
        )
    )
    done = project.mitosis("one", "-e", "+one.v=one.Odd()")
    assert "Wild: reduce" in done.stderr
    assert project.record().status == "finished"
    assert "whose repr raised Wild" in str(project.record().main)


def test_second_signal_before_the_steps_leaves_nothing_either(project: Project) -> None:
    sign = project / "ignored"
    stubborn = "import signal, time, pathlib\nsignal.signal(signal.SIGINT, signal.SIG_IGN)\n"
    project.commit_lab(f"{stubborn}pathlib.Path({str(sign)!r}).touch()\ntime.sleep(60)\n")
    process = project.start("my_exp")
    wait_until(sign.exists)
    process.terminate()
    time.sleep(0.3)
    process.terminate()
    _, err = process.communicate(timeout=TIMEOUT_S)
    assert process.returncode == 143
    assert "Traceback" not in err
    assert not list(project.glob("trials/20*"))
    assert not kernels_of(project)


def test_command_to_run_again_names_run_where_a_step_is_called_like_a_command(project: Project) -> None:
    project.commit({"pyproject.toml": '[tool.mitosis.steps]\nlist = ["lab:run", "lab:lookup_dict"]\n'})
    project.mitosis("run", "list", "-p", "list.frequency=slow", "-e", "list.amplitude=3")
    page = project.page_of(project.record()).read_text()
    assert "mitosis run list -p list.frequency=slow" in page


def kernels_of(project: Project) -> list[int]:
    """Processes whose working directory is a trial's folder of the project."""
    found = []
    for process in Path("/proc").iterdir():
        if process.name.isdigit() and int(process.name) != os.getpid():
            try:
                cwd = (process / "cwd").readlink()
            except OSError:
                continue
            if cwd.is_relative_to(project / "trials"):
                found.append(int(process.name))
    return found
