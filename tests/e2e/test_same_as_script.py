"""Programs of many kinds, run by Python and run by mitosis: the same results, output, and nothing left behind.

They run as the steps of one trial, one after the other, and so in one script. Its end is compared as well.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import nbformat
import psutil
import pytest
from bs4 import BeautifulSoup

from support.e2e import Project, command
from support.waiting import TIMEOUT_S, wait_until

PROGRAMS = {
    "asyncio": """\
import asyncio
async def work():
    async with asyncio.TaskGroup() as group:
        group.create_task(asyncio.to_thread(print, "in a thread"))
        process = await asyncio.create_subprocess_exec("echo", "from a program")
        await process.wait()
    return 5
def run():
    loop = asyncio.get_event_loop()
    print(loop.is_running(), loop.run_until_complete(asyncio.sleep(0, "own loop")))
    loop.close()
    with asyncio.Runner() as runner:
        return runner.run(work())
""",
    "processes": """\
import multiprocessing, sys
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import shared_memory
def work(number):
    print("out", number, flush=True)
    print("err", number, file=sys.stderr, flush=True)
    return number + 1
def fail(number):
    raise ValueError("in a worker")
def run():
    total = 0
    for method in ("fork", "spawn", "forkserver"):
        context = multiprocessing.get_context(method)
        with context.Pool(2) as pool:
            total += sum(pool.map(work, range(3)))
        process = context.Process(target=sys.exit, args=(3,))
        process.start()
        process.join()
        print(method, process.exitcode)
    try:
        with ProcessPoolExecutor(1) as pool, ThreadPoolExecutor(2) as threads:
            total += sum(threads.map(abs, range(3)))
            pool.submit(fail, 1).result()
    except ValueError as error:
        print(error, type(error.__cause__).__name__)
    with context.Manager() as manager:
        print(list(manager.list([1, 2])))
    shared_memory.SharedMemory(create=True, size=100)  # is left to the resource tracker
    return total
""",
    "arguments": """\
import argparse
def run():
    parser = argparse.ArgumentParser()
    parser.add_argument("--number", type=int, default=4)
    try:
        parser.parse_args(["--other"])
    except SystemExit as ending:
        print(ending.code)
    return parser.parse_args().number
""",
    "logs": """\
import logging, logging.config, sys, warnings
def run():
    logging.basicConfig(format="FIRST %(message)s", stream=sys.stdout)
    logging.warning("one")
    logging.getLogger("own").addHandler(logging.StreamHandler())
    logging.getLogger("own").error("twice")
    logging.basicConfig(format="FORCED %(message)s", force=True)
    logging.warning("two")
    logging.captureWarnings(True)
    warnings.warn("captured")
    logging.captureWarnings(False)
    handler = {"class": "logging.StreamHandler", "stream": "ext://sys.stdout", "level": "WARNING"}
    root = {"handlers": ["h"], "level": "DEBUG"}
    logging.config.dictConfig({"version": 1, "handlers": {"h": handler}, "root": root})
    logging.warning("three")
    return len(logging.getLogger().handlers)
""",
    "streams": """\
import contextlib, ctypes, io, os, subprocess, sys
def run():
    inner = io.StringIO()
    with contextlib.redirect_stdout(inner), contextlib.redirect_stderr(sys.stdout):
        print("hidden")
        print("too", file=sys.stderr)
    print(repr(inner.getvalue()), flush=True)
    ctypes.CDLL(None).puts(b"of C")
    ctypes.CDLL(None).fflush(None)
    os.write(2, b"to a descriptor\\n")
    subprocess.run(["sh", "-c", "echo of a program; echo its error >&2; cat"])
    kept = os.dup(1)
    with open("told", "w") as file:
        os.dup2(file.fileno(), 1)
        print("led elsewhere", flush=True)
        os.system("echo that too")
        os.dup2(kept, 1)
    os.close(kept)
    print(open("told").read(), sys.stdin.read(), sys.stdout.isatty(), sys.stdout.encoding, sys.stderr.fileno())
    return sys.stdout.name
""",
    "signals": """\
import faulthandler, os, signal, sys, threading, time, warnings
def handle(number, frame):
    print("got", signal.Signals(number).name)
def fail():
    raise ValueError("in a thread")
def run():
    print(signal.signal(signal.SIGUSR1, handle))
    os.kill(os.getpid(), signal.SIGUSR1)
    try:
        signal.raise_signal(signal.SIGINT)
    except KeyboardInterrupt:
        print("interrupted")
    signal.signal(signal.SIGALRM, handle)
    signal.setitimer(signal.ITIMER_REAL, 0.01)
    time.sleep(0.05)
    faulthandler.enable()
    threading.excepthook = lambda args: print(args.exc_value)
    thread = threading.Thread(target=fail)
    thread.start()
    thread.join()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            warnings.warn("as an error")
        except UserWarning as warning:
            print("raised", warning)
    try:
        exit(5)
    except SystemExit as ending:
        return ending.code
""",
    "fork": """\
import os, signal, sys
def run():
    pid = os.fork()
    if pid == 0:
        print("child", signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGHUP), flush=True)
        sys.exit(4)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
""",
    "environment": """\
import hashlib, os, subprocess, sys
OURS = ("IPYTHONDIR", "JPY_PARENT_PID", "MPLBACKEND", "PYTHONPATH")
SHOW = "import os; print('MPLBACKEND' in os.environ)"
def run():
    subprocess.run([sys.executable, "-c", SHOW])
    variables = {name: value for name, value in sorted(os.environ.items()) if name not in OURS}
    print(*variables)
    return hashlib.sha256(repr(variables).encode()).hexdigest()
""",
    "threads": """\
import queue, sys, threading
from concurrent.futures import ThreadPoolExecutor
def run():
    results, local = queue.Queue(), threading.local()
    local.name = "main"
    def work(number):
        sys.stdout.write(f"thread {number} {hasattr(local, 'name')}\\n")
        results.put(number)
    threads = [threading.Thread(target=work, args=(n,), daemon=n == 2) for n in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    timer = threading.Timer(0.01, print, ["timer"])
    timer.start()
    timer.join()
    with ThreadPoolExecutor(2) as pool:
        return sum(pool.map(lambda n: n * 2, range(3))) + results.qsize()
""",
    "programs_started": """\
import subprocess, sys
def run():
    print(subprocess.check_output([sys.executable, "-c", "import sys; print(sys.argv)", "a"], text=True).strip())
    piped = subprocess.Popen(["cat"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    print(piped.communicate("through a pipe")[0])
    subprocess.run(["sh", "-c", "echo here"], stdout=sys.stdout, stderr=sys.stderr)
    subprocess.Popen(["true"])  # nobody waits for it
    return subprocess.run(["sh", "-c", "kill -9 $$"]).returncode
""",
    "temporary_files": """\
import os, pathlib, shutil, tempfile
def run():
    with tempfile.TemporaryDirectory() as folder:
        pathlib.Path(folder, "a").write_text("x")
        size = shutil.disk_usage(folder).total > 0
    handle, name = tempfile.mkstemp()
    os.close(handle)
    os.unlink(name)
    with tempfile.SpooledTemporaryFile(10) as spooled:
        spooled.write(b"x" * 20)
    pathlib.Path("own").mkdir(exist_ok=True)
    os.chdir("own")
    print(os.path.basename(os.getcwd()), os.listdir())
    os.chdir("..")
    return str([size, os.path.exists(folder)])
""",
    "sockets": """\
import socket, socketserver, threading, urllib.request
from http.server import BaseHTTPRequestHandler
class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"served")
    def log_message(self, *_):
        print("asked for", self.path)
def run():
    one, other = socket.socketpair()
    one.sendall(b"x")
    print(other.recv(1))
    one.close(), other.close()
    with socketserver.TCPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.handle_request).start()
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        return opener.open(f"http://127.0.0.1:{server.server_address[1]}/it").read().decode()
""",
    "database": """\
import sqlite3
def run():
    with sqlite3.connect("lab.sqlite") as connection:
        connection.execute("CREATE TABLE results (value REAL)")
        connection.executemany("INSERT INTO results VALUES (?)", [(n,) for n in range(4)])
    return sqlite3.connect("lab.sqlite").execute("SELECT sum(value) FROM results").fetchone()[0]
""",
    "pickles": """\
import copy, dataclasses, inspect, pickle
@dataclasses.dataclass
class Point:
    x: int = 1
def run():
    print(pickle.loads(pickle.dumps(Point(3))), copy.deepcopy([Point()]), Point.__module__, __name__)
    return inspect.getsource(Point)
""",
    "bars": """\
import sys, time
def run():
    for number in range(3):
        print(f"\\r{number}/3", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    sys.stdout.write("no line break yet")
    sys.stdout.flush()
    print(", now")
    return sys.stdout.write("x\\n")
""",
    "contexts": """\
import asyncio, contextvars, gc
name = contextvars.ContextVar("name", default="default")
def numbers():
    try:
        yield 1
    finally:
        print("closed")
async def work():
    name.set("inner")
    async def given():
        yield name.get()
    return [value async for value in given()]
def run():
    for number in numbers():
        break
    gc.collect()
    print(asyncio.run(work()))
    return name.get()
""",
    "times": """\
import datetime, decimal, locale, os, random, time
def run():
    os.environ["TZ"] = "Asia/Tokyo"
    time.tzset()
    print(datetime.datetime.fromtimestamp(0), time.tzname, locale.setlocale(locale.LC_NUMERIC), decimal.getcontext())
    random.seed(3)
    return random.random()
""",
    "end": """\
import atexit, ctypes, sys, tempfile, threading, time, weakref
class Told:
    def __init__(self, name):
        self.name = name
        self.itself = self
    def __del__(self):
        print("deleted", self.name)
kept = [Told("of the module"), tempfile.NamedTemporaryFile(), tempfile.TemporaryDirectory(), open("unclosed", "w")]
def fail():
    raise ValueError("in an exit function")
def late():
    threading.main_thread().join()
    print("late")
def run():
    kept[-1].write("written")
    ctypes.CDLL(None).puts(b"of C, at the end")
    atexit.register(print, "exit function")
    atexit.register(print, "its error", file=sys.stderr)
    threading.Thread(target=late).start()
    threading.Thread(target=time.sleep, args=(600,), daemon=True).start()
    weakref.finalize(kept[0], print, "finalized")
    return 1
""",
}
SLOW_PROGRAMS = {
    "joblib": """\
from joblib import Parallel, delayed
def work(number):
    print("in loky", number, flush=True)
    return number + 1
def run():
    return sum(Parallel(2)(delayed(work)(number) for number in range(5)))
""",
    "numbers": """\
import decimal, random, sys
import numpy, pandas
def run():
    print(numpy.geterr(), numpy.array([1.5]), decimal.getcontext().prec, sys.getrecursionlimit())
    print(pandas.DataFrame({"a": [1]}))
    random.seed(1)
    return random.random()
""",
}
ADDED = "\ndef step():\n    return {'main': run(), 'data': None}\n"
SCRIPT = """\
import importlib, json, sys
if __name__ == "__main__":
    results = {}
    sys.path.insert(0, sys.argv.pop(1))
    names = sys.argv.pop(1).split(",")
    for name in names:
        for stream in (sys.stdout, sys.stderr):
            print("=====", file=stream, flush=True)
        module = importlib.import_module(f"programs.{name}_")
        sys.argv[:] = [module.__file__]
        results[name] = module.run()
        sys.stdout.flush()
    for stream in (sys.stdout, sys.stderr):
        print("=====", file=stream, flush=True)
    with open("results.json", "w") as file:
        json.dump(results, file)
"""
Told = dict[str, tuple[object, list[str], list[str]]]
"""Name of a program, or `at the end` -> its result, and the lines on its standard output and standard error."""


def as_script(project: Project, folder: Path, names: list[str], environment: dict[str, str]) -> Told:
    """What the programs do in one script."""
    (folder / "script.py").write_text(SCRIPT)
    words = [sys.executable, "-B", str(folder / "script.py"), str(project), ",".join(names)]
    done = subprocess.run(
        words, cwd=folder, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    results = json.loads((folder / "results.json").read_text())
    assert (folder / "unclosed").read_text() == "written" if "end" in names else True
    parts = [text.split("=====\n")[1:] for text in (done.stdout, done.stderr)]
    return {
        name: (results.get(name), sorted(out.splitlines()), sorted(err.splitlines()))
        for name, out, err in zip([*names, "at the end"], *parts, strict=True)
    }


def as_trial(project: Project, names: list[str], environment: dict[str, str]) -> Told:
    """What they do as the steps of one trial."""
    done = subprocess.run(
        command(*names), cwd=project, env=environment, capture_output=True, text=True, check=False, timeout=TIMEOUT_S
    )
    assert done.returncode == 0, done.stdout + done.stderr
    record = project.record()
    assert record.warnings == ()
    notebook = nbformat.read(project.folder_of(record) / "notebook.ipynb", 4)
    cells = [cell for cell in notebook.cells if cell.metadata["mitosis"]["kind"] in ("step", "result")]
    told: Told = {}
    for index, (name, cell) in enumerate(zip([*names, "at the end"], cells, strict=True)):
        texts = {
            stream: "".join(o.text for o in cell.outputs if o.output_type == "stream" and o.name == stream)
            for stream in ("stdout", "stderr")
        }
        result = record.steps[index].main if index < len(names) else None
        told[name] = (result, sorted(texts["stdout"].splitlines()), sorted(texts["stderr"].splitlines()))
    if "end" in names:
        assert (project / "unclosed").read_text() == "written"
    return told


def processes_of(mark: str) -> Iterator[psutil.Process]:
    for process in psutil.process_iter():
        try:
            if process.environ().get("MARK") == mark and process.status() != psutil.STATUS_ZOMBIE:
                yield process
        except psutil.Error:
            continue


@pytest.fixture
def temporary() -> Iterator[Path]:
    """A folder whose path is short enough for sockets in it."""
    with tempfile.TemporaryDirectory(dir="/tmp") as name:
        yield Path(name)


@pytest.mark.parametrize("programs", [PROGRAMS, pytest.param(SLOW_PROGRAMS, marks=pytest.mark.slow)], ids=["", "slow"])
def test_programs_do_the_same_as_in_a_script(
    project: Project, tmp_path: Path, temporary: Path, programs: dict[str, str]
) -> None:
    names = list(programs)
    files = {f"programs/{name}_.py": source + ADDED for name, source in programs.items()}
    steps = "\n".join(f'{name} = ["programs.{name}_:step", "programs:lookups"]' for name in names)
    files |= {"pyproject.toml": f"[tool.mitosis.steps]\n{steps}\n", "programs/__init__.py": "lookups = {}\n"}
    project.commit(files)
    (tmp_path / "script").mkdir()
    mark = str(tmp_path)
    environment = {**os.environ, "TMPDIR": str(temporary), "MARK": mark}
    environment.pop("PYTHONUNBUFFERED", None)
    shared = set(Path("/dev/shm").glob("psm_*"))
    expected = as_script(project, tmp_path / "script", names, environment)
    told = as_trial(project, names, environment)
    for name in expected:
        assert told[name] == expected[name], name
    assert list(temporary.iterdir()) == []
    # Other processes have some as well, but not for ever.
    left = set(Path("/dev/shm").glob("psm_*")) - shared
    wait_until(lambda: not any(path.exists() for path in left))
    assert not list(processes_of(mark))


EXITING = "import sys\ndef leave():\n    sys.exit(0)\ndef run():\n    leave()\n"
STRICT = "import sys, warnings\ndef run():\n    warnings.simplefilter('error')\n    sys.exit('no data')\n"
GROUP = """\
import multiprocessing
from concurrent.futures import ProcessPoolExecutor
def work(number):
    return 1 / number
def part():
    raise ValueError("part")
def run():
    try:
        part()
    except ValueError as error:
        group = ExceptionGroup("several", [error])
    group.add_note("at sample 17")
    try:
        with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
            pool.submit(work, 0).result()
    except ZeroDivisionError as error:
        raise group from error
"""
TOLD_OF_GROUP = """\
✗ my_exp      ExceptionGroup: several (1 sub-exception)
  lab/__init__.py:17 in run
  at sample 17
  caused by ZeroDivisionError: division by zero (lab/__init__.py:15 in run)
  in a worker process: lab/__init__.py:4 in work
  - ValueError: part (lab/__init__.py:6 in part)
"""


@pytest.mark.parametrize(
    ("source", "status", "told", "on_page"),
    [
        (EXITING, 0, "SystemExit: 0 (the step exited, so it has returned no result)", "in leave()"),
        (STRICT, 1, "SystemExit: no data (the step exited, so it has returned no result)", "no data"),
        (GROUP, 1, TOLD_OF_GROUP, "+---------------- 1 ----------------"),
    ],
    ids=["exit", "exit where warnings are errors", "group"],
)
def test_what_a_script_ends_by_is_told(project: Project, source: str, status: int, told: str, on_page: str) -> None:
    project.commit_lab(f"{source}lookup_dict = {{}}\n")
    script = subprocess.run([sys.executable, "-c", "import lab; lab.run()"], cwd=project, capture_output=True)
    assert script.returncode == status
    done = project.mitosis("my_exp", status=1)
    shown = re.sub(r" +\d+\.\d s$|^ +❱? *\d+ │.*\n", "", done.stdout, flags=re.MULTILINE)
    assert told in shown
    assert done.stderr == "" and "not end within" not in done.stdout
    page = BeautifulSoup(project.page_of(project.record()).read_text(), "html.parser")
    (traceback,) = page.select(".trouble pre")
    assert on_page in traceback.text and "IPython" not in traceback.text
