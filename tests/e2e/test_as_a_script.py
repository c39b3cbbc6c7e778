"""A step runs as a script would: its output, its end, and what it finds."""

from __future__ import annotations

import compileall
import contextlib
import os
import re
import subprocess
import sys

import nbformat
import psutil
import pytest

from support.e2e import Project

PRINTING = """\
import ctypes, subprocess, sys
def run():
    print("a")
    subprocess.run(["echo", "b"], stdout=sys.stdout)
    sys.stdout.buffer.write(b"c\\n")
    sys.stdout.flush()
    sys.stdout.reconfigure(encoding="ascii", errors="replace")
    print(sys.stdout.encoding, sys.stdout.fileno(), "\\xe4")
    ctypes.PyDLL(None).write(1, (b"1" * 99 + b"\\n") * 1000, 100_000)  # nothing else of Python runs meanwhile
    return {"main": 1}
"""
ALTERNATING = """\
import sys
from IPython.display import HTML, display
def run():
    for number in range(100):
        print("out", number)
        print("err", number, file=sys.stderr)
        display(HTML(f"<b>{number}</b>"))
    return {"main": 1}
"""
ENDING = """\
import atexit, multiprocessing, subprocess, sys, tempfile, threading, time
from concurrent.futures import ProcessPoolExecutor
kept = None
def late():
    time.sleep(0.2)
    print("late")
def run():
    global kept
    kept = tempfile.TemporaryDirectory()
    atexit.register(print, "exit function")
    threading.Thread(target=late).start()
    subprocess.Popen(["true"])
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        print(pool.submit(abs, -3).result())
    print(kept.name)
    return {"main": 1}
"""
LOOKUPS = "lookup_dict = {}\n"


def printed(project: Project, source: str, *words: str, status: int = 0) -> str:
    """What a step prints, all of it, as the terminal shows it."""
    project.commit_lab(LOOKUPS + source)
    done = project.mitosis("my_exp", *words, status=status)
    assert done.stderr == ""
    return re.sub(r"(?s)\A.*?✓ checked [^\n]*\n|[✓✗] my_exp .*", "", done.stdout)


def test_streams_are_files(project: Project) -> None:
    assert printed(project, PRINTING) == "a\nb\nc\nascii 1 ?\n" + ("1" * 99 + "\n") * 1000


def test_streams_and_displays_keep_their_order(project: Project) -> None:
    project.commit_lab(LOOKUPS + ALTERNATING)
    project.mitosis("my_exp")
    notebook = nbformat.read(project.folder_of(project.record()) / "notebook.ipynb", 4)
    outputs = next(cell for cell in notebook.cells if cell.metadata["mitosis"]["kind"] == "step").outputs
    texts = [output.get("text") or output.data["text/html"] for output in outputs]
    assert texts == [text for n in range(100) for text in (f"out {n}\n", f"err {n}\n", f"<b>{n}</b>")]


@pytest.mark.parametrize("stream", ["stdout", "stderr"])
@pytest.mark.parametrize("left", ["None", "open('x', 'w')\n    sys.{0}.close()"])
def test_a_stream_that_is_left_dead_is_put_back(project: Project, stream: str, left: str) -> None:
    project.commit_lab(
        f"import sys\n{LOOKUPS}def run():\n    sys.{stream} = {left.format(stream)}\n    return {{'main': 7}}\n"
    )
    done = project.mitosis("my_exp")
    assert project.record().main == 7
    assert done.stderr == f"! step `my_exp`: it left sys.{stream} unusable, which was put back\n"


def test_an_exception_where_a_stream_is_closed_is_told(project: Project) -> None:
    source = "import sys\ndef run():\n    with open('x', 'w') as sys.stderr:\n        raise ValueError('inside')\n"
    project.commit_lab(LOOKUPS + source)
    assert "ValueError: inside" in project.mitosis("my_exp", status=1).stdout


def test_last_words_before_a_crash_are_kept(project: Project) -> None:
    source = "import os\ndef run():\n    print('last words')\n    os._exit(3)\n"
    assert printed(project, source, status=1) == "last words\n"


@pytest.mark.parametrize(
    ("leave", "status"),
    [("sys.exit(3)", 3), ("sys.stdout = 0; return {'main': 2}", 0), ("raise ValueError('in child')", 1)],
)
def test_a_fork_that_leaves_the_step_ends(project: Project, leave: str, status: int) -> None:
    body = f"    print('once', end=' ')\n    pid = os.fork()\n    if pid == 0:\n        {leave}\n"
    body += "    return {'main': os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])}\n"
    project.commit_lab(f"import os, sys\n{LOOKUPS}def run():\n{body}")
    done = project.mitosis("my_exp")
    assert project.record().main == status
    assert done.stdout.count("once") == 1
    assert ("ValueError: in child" in done.stderr) == (status == 1)


def test_lines_of_several_processes_stay_whole(project: Project) -> None:
    source = "import multiprocessing\ndef tell(x):\n    print('child', x, flush=True)\ndef run():\n"
    source += "    with multiprocessing.get_context('fork').Pool(2) as pool:\n        pool.map(tell, range(200), 1)\n"
    lines = printed(project, f"{source}    return {{'main': 1}}\n").splitlines()
    assert sorted(lines) == sorted(f"child {x}" for x in range(200))


def test_logging_is_configured_as_in_a_script(project: Project) -> None:
    source = "import logging\ndef run():\n    logging.getLogger('lab').info('kept')\n"
    source += "    logging.basicConfig(filename='own.log', format='OWN %(message)s', level=logging.INFO)\n"
    source += "    logging.info('told')\n    logging.basicConfig(force=True)\n    logging.warning('late')\n"
    project.commit_lab(f"{LOOKUPS}{source}    return {{'main': open('own.log').read()}}\n")
    project.mitosis("my_exp")
    assert project.record().main == "OWN told\n"
    log = (project.folder_of(project.record()) / "experiment.log").read_text()
    assert [line.rpartition(":")[2] for line in log.splitlines()] == ["kept", "told", "late"]


def test_a_closed_descriptor_is_opened_again(project: Project) -> None:
    project.commit_lab(f"import os\n{LOOKUPS}def run():\n    os.close(1)\n    print('lost')\n")
    assert "OSError: [Errno 9]" in project.mitosis("my_exp", status=1).stdout


def test_the_kernel_ends_as_a_script_ends(project: Project) -> None:
    (project / "script.py").write_text(f"{ENDING}if __name__ == '__main__':\n    run()\n")
    script = subprocess.run([sys.executable, "script.py"], cwd=project, capture_output=True, text=True, check=True)
    (project / "script.py").unlink()
    lines = {"3", "late", "exit function"}
    assert lines < set(script.stdout.splitlines())
    project.commit_lab(LOOKUPS + ENDING)
    done = project.mitosis("my_exp")
    assert lines < set(done.stdout.splitlines()) and done.stderr == "" and "!" not in done.stdout
    (folder,) = (line for line in done.stdout.splitlines() if line.startswith("/"))
    assert not (project / folder).exists()
    page = project.page_of(project.record()).read_text()
    assert "late" in page and "exit function" in page


def test_what_is_left_running_is_ended_and_named(project: Project) -> None:
    project.commit_lab(
        f"import subprocess\n{LOOKUPS}def run():\n    return {{'main': subprocess.Popen(['sleep', '600']).pid}}\n"
    )
    done = project.mitosis("my_exp")
    pid = project.record().main
    assert isinstance(pid, int)
    with contextlib.suppress(psutil.NoSuchProcess):
        assert psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    assert done.stderr == f"! still running after the end of the kernel, and killed: {pid} (sleep 600)\n"


PLACED = """\
import os, sys
from pathlib import Path
lookup_dict = {"where": {"data": Path("data").resolve(), "own": [entry for entry in sys.path if "trials" in entry]}}
def run(where):
    Path("written").touch()
    return {"main": f"{where} {os.getcwd()}"}
"""


def test_dictionaries_are_imported_at_the_root_and_steps_run_in_the_folder_of_the_trial(project: Project) -> None:
    project.commit_lab(PLACED)
    for _ in range(2):  # the second has to find the same value
        project.mitosis("my_exp", "-p", "my_exp.where=data")
    record = project.records()[0]
    assert record.main == f"{project / 'data'} {project.folder_of(record)}"
    assert (project.folder_of(record) / "written").exists()
    assert "still means the same" in project.mitosis("check").stdout


def test_a_value_with_the_folder_of_its_trial_is_refused(project: Project) -> None:
    project.commit_lab(PLACED)
    assert "the path of this trial's folder" in project.mitosis("my_exp", "-p", "my_exp.where=own", status=2).stderr


WORKING = """\
import multiprocessing, os, subprocess, sys
def look(_):
    import constant, ignored
    return constant.VALUE
def run(how):
    if how == "program":
        code = "import constant, ignored; print(constant.VALUE)"
        return {"main": int(subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True).stdout)}
    with multiprocessing.get_context(how).Pool(1) as pool:
        return {"main": pool.map(look, [0])[0]}
"""


@pytest.mark.parametrize("how", ["spawn", "forkserver", "fork", "program"])
def test_workers_run_the_committed_source_and_are_watched(project: Project, how: str) -> None:
    (project / ".git" / "info" / "exclude").write_text("ignored.py\n__pycache__\n")
    (project / "ignored.py").write_text("")
    project.commit({"constant.py": "VALUE = 1\n", "lab/__init__.py": f"{LOOKUPS}ROOT = {str(project)!r}\n{WORKING}"})
    os.utime(project / "constant.py", (1, 1))
    compileall.compile_file(project / "constant.py", quiet=1)
    project.commit({"constant.py": "VALUE = 2\n"})
    os.utime(project / "constant.py", (1, 1))  # as if it were written within the same second
    before = sorted(project.rglob("__pycache__/*"))
    done = project.mitosis("my_exp", "-e", f"my_exp.how={how!r}")
    assert project.record().main == 2
    assert "ignored.py  ignored by git" in done.stderr and "constant" not in done.stderr
    assert sorted(project.rglob("__pycache__/*")) == before


IN_WORKER = "subprocess.run([sys.executable, '-c', f'exec(open({FILE!r}).read())'], cwd=FILE[:-7], check=True)"


@pytest.mark.parametrize("code", ["exec(open(FILE).read())", "runpy.run_path(FILE)", IN_WORKER])
def test_files_that_are_executed_are_checked(project: Project, code: str) -> None:
    (project / "new.py").write_text("x = 1\n")
    file = repr(str(project / "new.py"))
    project.commit_lab(
        f"import runpy, subprocess, sys\n{LOOKUPS}FILE = {file}\ndef run():\n    {code}\n    return {{'main': 1}}\n"
    )
    project.git("rm", "--cached", "--quiet", "new.py")
    project.git("commit", "--quiet", "--message", "without")
    assert "new.py  untracked" in project.mitosis("my_exp").stderr


@pytest.mark.parametrize("kind", ["def", "async def"])
def test_asyncio_works(project: Project, kind: str) -> None:
    body = "    await wait()\n" if kind == "async def" else "    asyncio.run(wait())\n"
    source = f"import asyncio\nasync def wait():\n    await asyncio.sleep(0.01)\n    print('waited')\n{kind} run():\n"
    assert printed(project, f"{source}{body}    return {{'main': 1}}\n") == "waited\n"
    script = project.folder_of(project.record()) / "source.py"
    subprocess.run([sys.executable, script], env={**os.environ, "PYTHONPATH": str(project)}, check=True)


def test_arguments_are_those_of_a_script(project: Project) -> None:
    source = "import argparse, sys\nARGUMENTS = argparse.ArgumentParser().parse_args()\n"
    source += "def run():\n    print(sys.argv)\n    return {'main': 1}\n"
    assert printed(project, source) == f"['{project / 'lab' / '__init__.py'}']\n"
