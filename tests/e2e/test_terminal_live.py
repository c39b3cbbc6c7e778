"""What a trial shows while it runs and in the end: on terminals of several widths and kinds, and on pipes."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pexpect
import pyte
import pytest

from support.e2e import SLOW, Project, command
from support.terminal import on_terminal
from support.waiting import TIMEOUT_S, held_back, let_go

CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")

MIXED = """\
import logging, sys, time
lookup_dict = {}
log = logging.getLogger("lab")
def run():
    print("out 1")
    print("err 1", file=sys.stderr)
    log.info("log 1")
    print("out 2")
    log.warning("log 2")
    print("err 2", file=sys.stderr)
    print("out 3")
    return {"main": 1.5, "metrics": {"error": 0.25}}
"""
IN_ORDER = ["out 1", "err 1", "INFO lab: log 1", "out 2", "WARNING lab: log 2", "err 2", "out 3"]

BARS = """\
import logging, sys, time
lookup_dict = {}
def run():
    write = sys.stderr.write
    def draw(text):
        write(text)
        sys.stderr.flush()
    for i in range(4):
        draw(f"\\r\\x1b[32mouter {i}\\x1b[0m")
        for j in range(3):
            draw("\\n")
            draw(f"\\rinner {j}")
            draw("\\x1b[A")
            time.sleep(0.05)
        if i == 1:
            print("between")
            logging.getLogger("lab").info("told")
    draw("\\n\\n")
    print("\\x1b[31mred\\x1b[0m \\x1b]0;title\\x07after")
    print("no end", end="", flush=True)
    return {"main": 2}
"""


def between(lines: list[str]) -> list[str]:
    """The lines of the experiment: those after `checked` and the step's name, before the step's result."""
    first = next(i for i, line in enumerate(lines) if re.match(r"[✓+] checked", line)) + 1
    last = next(i for i, line in enumerate(lines) if re.match(r"[✓✗+x] my_exp", line))
    return [line for line in lines[first:last] if not re.match(r"[▸>] my_exp", line)]


def test_narrow_terminal_shows_all_in_order(project: Project) -> None:
    project.commit_lab(MIXED)
    seen = on_terminal(project, "my_exp", columns=40)

    record = project.record()
    assert seen.status == 0
    assert between(seen.lines) == IN_ORDER
    result = next(line for line in seen.lines if line.startswith("✓ my_exp"))
    assert re.fullmatch(r"✓ my_exp      main = 1\.5 +\d\.\d s", result)
    assert len(result) == 40
    assert "              error = 0.25" in seen.lines
    unwrapped = "".join(line.ljust(40) if len(line) == 40 else f"{line}\n" for line in seen.lines)
    assert f"✓ recorded    {record.key[:6]} · trials/{record.page}" in unwrapped
    assert not any("saving" in line for line in seen.lines)


def test_phases_move_at_the_bottom_with_their_time(project: Project) -> None:
    source = "lookup_dict = {}\ndef run():\n    wait_for('moving')\n    return {'main': 1}\n"
    project.commit_lab(held_back(project, source))
    times = set()

    def watch(frame: list[str]) -> None:
        if frame and (found := re.fullmatch(r"\S my_exp  (\d+\.\d s)", frame[-1])):
            times.add(found[1])
            if len(times) > 4:
                let_go(project, "moving")

    seen = on_terminal(project, "my_exp", watch=watch)
    last_lines = [frame[-1] for frame in seen.frames if frame]
    for phase in ("starting", "checking", "my_exp"):
        assert any(re.fullmatch(rf"\S {phase}  \d+\.\d s", line) for line in last_lines), phase
    assert seen.raw.count("\x1b[?25l") == seen.raw.count("\x1b[?25h"), "the cursor is left hidden"


def test_bars_are_live_on_a_terminal(project: Project) -> None:
    source = BARS.replace("time.sleep(0.05)", "j == 1 and wait_for(f'outer {i} inner 1')")
    project.commit_lab(held_back(project, source))

    def watch(frame: list[str]) -> None:
        if re.fullmatch(r"outer \d inner \d", bars := " ".join(frame[-3:-1])):
            let_go(project, bars)

    seen = on_terminal(project, "my_exp", columns=40, watch=watch)
    assert between(seen.lines) == ["between", "INFO lab: told", "outer 3", "inner 2", "red after", "no end"]
    assert "title" not in seen.raw


def test_quitting_kills_the_experiment_and_leaves_a_terminal_with_a_cursor(project: Project) -> None:
    """Ctrl-\\ also ends what takes no notice of Ctrl-C."""
    project.commit_lab(
        "import time\nlookup_dict = {}\ndef run():\n    print('begun')\n    while True:\n"
        "        try:\n            time.sleep(60)\n        except KeyboardInterrupt:\n            pass\n"
    )
    seen = on_terminal(project, "my_exp", press=("begun", "\x1c"))
    assert seen.status == 128 + signal.SIGQUIT
    assert "killing the experiment" in seen.text
    assert seen.raw.count("\x1b[?25l") == seen.raw.count("\x1b[?25h"), "the cursor is left hidden"
    record = project.record()
    assert record.status == "interrupted"
    assert record.failure is not None and record.failure.message == "interrupted by SIGQUIT, and killed"
    assert project.page_of(record).is_file()


@pytest.mark.parametrize("number", [signal.SIGQUIT, signal.SIGTERM, signal.SIGHUP], ids=lambda n: n.name)
def test_signals_before_the_trial_leave_a_terminal_with_a_cursor(tmp_path: Path, number: signal.Signals) -> None:
    program = (
        "import resource, sys, time\nfrom mitosis.cli.output.progress_live import make_progress\n"
        "resource.setrlimit(resource.RLIMIT_CORE, (0, 0))\n"
        "with make_progress(sys.stdout):\n    print('ready', flush=True)\n    time.sleep(600)\n"
    )
    child = pexpect.spawn(sys.executable, ["-c", program], cwd=str(tmp_path), env={**os.environ, "TERM": "xterm"})
    child.expect("ready", timeout=TIMEOUT_S)
    raw = child.before
    child.kill(number)
    child.expect(pexpect.EOF, timeout=TIMEOUT_S)
    raw += child.before
    child.close()
    assert child.signalstatus == number
    assert raw.count(b"\x1b[?25l") == 1
    assert raw.rindex(b"\x1b[?25h") > raw.rindex(b"\x1b[?25l"), "the cursor is left hidden"


def test_bars_are_lines_on_a_pipe(project: Project) -> None:
    project.commit_lab(BARS)
    done = project.mitosis("my_exp")
    assert done.stderr.splitlines() == ["INFO lab: told", "outer 3", "inner 2"]
    assert between(done.stdout.splitlines()) == ["between", "red after", "no end"]
    assert not CONTROL.search(done.stdout + done.stderr)


WIDGET = """\
import time, comm
from IPython.display import publish_display_data
lookup_dict = {}
def run():
    state = {"_model_name": "FloatProgressModel", "_model_module": "@jupyter-widgets/controls"}
    state |= {"min": 0, "max": 4, "value": 0, "description": "epochs"}
    bar = comm.create_comm(target_name="jupyter.widget", data={"state": state, "buffer_paths": []})
    publish_display_data({"application/vnd.jupyter.widget-view+json": {"model_id": bar.comm_id}})
    for epoch in range(1, 5):
        wait_for(epoch - 1)
        print("epoch", epoch)
        bar.send({"method": "update", "state": {"value": epoch}, "buffer_paths": []})
    return {"main": 1}
"""


def test_bars_that_are_widgets_are_live_on_a_terminal(project: Project) -> None:
    """As tqdm.auto and rich have them in a notebook where ipywidgets is installed."""
    project.commit_lab(held_back(project, WIDGET))
    bars = [f"epochs |{'#' * (5 * epoch):20}|" for epoch in range(5)]
    epochs = [f"epoch {epoch}" for epoch in range(1, 5)]

    def watch(frame: list[str]) -> None:
        for line in frame:
            if line in bars:
                let_go(project, bars.index(line))

    seen = on_terminal(project, "my_exp", watch=watch)
    assert between(seen.lines) == [*epochs, bars[4]]
    done = project.mitosis("my_exp")
    assert between(done.stdout.splitlines()) == epochs
    assert done.stderr == f"{bars[4]}\n"
    assert project.mitosis("my_exp", "-q").stderr == ""


def test_pipe_for_both_streams_keeps_their_order(project: Project) -> None:
    project.commit_lab(MIXED)
    done = subprocess.run(
        command("my_exp"), cwd=project, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=True
    )
    assert between(done.stdout.splitlines()) == IN_ORDER
    assert not CONTROL.search(done.stdout)


def test_pipe_has_a_line_as_soon_as_it_is_printed(project: Project) -> None:
    project.commit_lab(
        "import time\nlookup_dict = {}\ndef run():\n    print('first')\n    time.sleep(0.3)\n"
        "    print('half a', end='')\n    time.sleep(60)\n"
    )
    process = subprocess.Popen(command("my_exp"), cwd=project, stdout=subprocess.PIPE)
    assert process.stdout is not None
    read = b""
    while not read.endswith(b"first\nhalf a"):
        piece = os.read(process.stdout.fileno(), 4096)
        assert piece, read
        read += piece
    process.send_signal(signal.SIGINT)
    out, _ = process.communicate(timeout=TIMEOUT_S)
    assert process.returncode == 130
    assert "\n✗ my_exp      interrupted by SIGINT" in out.decode()


def test_log_lines_are_in_the_notebook_only_once(project: Project) -> None:
    project.commit_lab(MIXED)
    done = project.mitosis("my_exp")
    assert done.stderr.splitlines() == ["err 1", "INFO lab: log 1", "WARNING lab: log 2", "err 2"]
    folder = project.folder_of(project.record())
    cells = json.loads((folder / "notebook.ipynb").read_text())["cells"]
    assert "log 1" not in json.dumps([cell.get("outputs") for cell in cells])
    assert "log 1" in (folder / "experiment.log").read_text()


def test_log_that_the_experiment_shows_itself_is_shown_once(project: Project) -> None:
    project.commit_lab(
        "import logging, sys\nlookup_dict = {}\nlog = logging.getLogger('lab')\n"
        "def run():\n    handler = logging.StreamHandler(sys.stdout)\n    log.addHandler(handler)\n"
        "    log.info('hello')\n    log.removeHandler(handler)\n    return {'main': 1}\n"
    )
    done = project.mitosis("my_exp")
    assert (done.stdout + done.stderr).count("hello") == 1


def test_forced_colour_and_no_colour(project: Project) -> None:
    project.commit_lab(BARS)
    forced = project.mitosis("my_exp", environment={"FORCE_COLOR": "1"})
    assert "\x1b[32m✓\x1b[0m my_exp" in forced.stdout
    assert "\x1b[31mred\x1b[0m after" in forced.stdout
    assert not CONTROL.search(re.sub(r"\x1b\[[0-9;]*m", "", forced.stdout + forced.stderr))
    neither = project.mitosis("my_exp", environment={"FORCE_COLOR": "1", "NO_COLOR": "1"})
    assert "\x1b" not in neither.stdout
    grey = on_terminal(project, "my_exp", environment={"NO_COLOR": "1"})
    assert not re.search(r"\x1b\[(?:\d+;)*(?:3\d|9\d)(?:;\d+)*m", grey.raw)
    assert "\x1b]8;" in grey.raw


def test_path_is_a_hyperlink_where_the_terminal_can(project: Project) -> None:
    seen = on_terminal(project, *SLOW, columns=40)
    page = str(project.records()[0].page)
    link = re.search(r"\x1b\]8;[^;]*;file://[^/]*(?P<path>/[^\x1b]*)\x1b\\(?P<text>[^\x1b]*)\x1b\]8;;\x1b\\", seen.raw)
    assert link is not None
    assert (link["path"], link["text"]) == (str(project / "trials" / page), f"trials/{page}")
    assert "\x1b]8;" not in on_terminal(project, *SLOW, environment={"TERM": "linux"}).raw


def test_dumb_terminal_gets_plain_lines(project: Project) -> None:
    seen = on_terminal(project, *SLOW, environment={"TERM": "dumb"})
    assert not CONTROL.search(seen.raw.replace("\r\n", "\n"))
    assert between(seen.lines) == ["multiplying", "INFO lab: told to multiply"]
    assert "▸ my_exp" in seen.lines


def test_terminal_without_unicode_gets_ascii(project: Project) -> None:
    environment = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "PYTHONIOENCODING": "ascii"}
    seen = on_terminal(project, *SLOW, environment=environment)
    assert seen.raw.isascii()
    assert re.search(r"^\+ my_exp      main = 4 +\d\.\d s$", seen.text, flags=re.MULTILINE)
    assert re.search(r"^\+ recorded    \w{6} - trials/", seen.text, flags=re.MULTILINE)


def test_lines_that_come_fast_are_printed_together(project: Project) -> None:
    project.commit_lab(
        "import logging, sys\nlookup_dict = {}\nlog = logging.getLogger('lab')\ndef run():\n"
        "    for n in range(300):\n        print('out', n)\n        print('err', n, file=sys.stderr)\n"
        "        log.info('%d', n)\n    return {'main': 1}\n"
    )
    seen = on_terminal(project, "my_exp")
    shown = re.findall(r"(?:out|err|INFO lab:) \d+", seen.raw)
    assert shown == [f"{name} {n}" for n in range(300) for name in ("out", "err", "INFO lab:")]
    assert seen.raw.count("\x1b[2K") < 300, "the line at the bottom is drawn for each line"


def test_line_that_goes_on_shows_its_end_on_the_terminal(project: Project) -> None:
    project.commit_lab(
        held_back(
            project,
            "lookup_dict = {}\ndef run():\n    for n in range(100):\n        print(f' {n}', end='', flush=True)\n"
            "        if n % 10 == 9:\n            wait_for(n)\n    return {'main': 1}\n",
        )
    )

    def watch(frame: list[str]) -> None:
        if len(frame) > 1 and "my_exp" in frame[-1] and (found := re.search(r"\b\d+$", frame[-2])):
            let_go(project, found[0])

    seen = on_terminal(project, "my_exp", columns=40, watch=watch)
    assert re.sub(r"\s+", " ", "".join(between(seen.lines))).startswith(" 0 1 2 3")


def test_colours_of_the_experiment_stay_out_of_the_lines_of_mitosis(project: Project) -> None:
    project.commit_lab(
        "import time\nlookup_dict = {}\ndef run():\n    print('\\x1b[31mred', flush=True)\n"
        "    time.sleep(0.3)\n    print('still red', flush=True)\n    return {'main': 1}\n"
    )
    raw = on_terminal(project, "my_exp").raw
    assert "\x1b[31mred\x1b[0m" in raw
    assert "\x1b[31mstill red\x1b[0m" in raw


def test_size_of_the_terminal_counts_and_not_the_variable(project: Project) -> None:
    seen = on_terminal(project, *SLOW, columns=40, environment={"COLUMNS": "200", "LINES": "3"})
    assert len(next(line for line in seen.lines if line.startswith("✓ my_exp"))) == 40


def test_failure_on_a_terminal_shows_its_place(project: Project) -> None:
    project.commit_lab("lookup_dict = {}\ndef run():\n    raise ValueError('bad shape')\n")
    seen = on_terminal(project, "my_exp", columns=40)
    assert seen.status == 1
    assert re.search(r"^✗ my_exp      ValueError: bad shape", seen.text, flags=re.MULTILINE)
    assert "  lab/__init__.py:3 in run" in seen.lines
    assert "    ❱ 3 │     raise ValueError(" in seen.text


def test_interrupt_from_the_keyboard(project: Project) -> None:
    project.commit_lab(
        "import time\nlookup_dict = {}\ndef run():\n    print('begun', flush=True)\n    time.sleep(60)\n"
    )
    seen = on_terminal(project, "my_exp", press=("begun", "\x03"))
    assert seen.status == 130
    assert "✗ my_exp      interrupted by SIGINT" in seen.text
    assert project.record().status == "interrupted"
    assert seen.raw.rstrip().endswith("\x1b[2K") or "\x1b[?25h" in seen.raw


@pytest.mark.parametrize(
    "wait_s", [pytest.param(0.2, marks=pytest.mark.slow), 0.5, pytest.param(0.8, marks=pytest.mark.slow)]
)
def test_interrupt_at_any_time_is_told_in_a_line(project: Project, wait_s: float) -> None:
    """Also while modules are imported, or the kernel starts."""
    project.commit_lab("import time\nlookup_dict = {}\ndef run():\n    time.sleep(60)\n")
    begun = "import runpy; print('begun', flush=True); runpy.run_module('mitosis', run_name='__main__', alter_sys=True)"
    process = subprocess.Popen(
        [sys.executable, "-c", begun, "my_exp"],
        cwd=project,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None and process.stdout.readline() == "begun\n"
    time.sleep(wait_s)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=TIMEOUT_S)
    if process.returncode == -signal.SIGINT:
        return  # nothing of mitosis was there yet
    assert process.returncode == 130
    assert "interrupt" in out + err
    assert "Traceback" not in err


def test_chain_says_how_long_all_of_it_took(project: Project) -> None:
    seen = on_terminal(project, "data", "fit", "-p", "data.noise=low", "-p", "fit.kind=sum", columns=120)
    at = next(i for i, line in enumerate(seen.lines) if line.startswith("✓ finished"))
    assert re.fullmatch(r"✓ finished    2 steps +\d\.\d s", seen.lines[at])
    assert len(seen.lines[at]) == 72
    assert re.match(r"✓ data +main = 4 +\d\.\d s", next(line for line in seen.lines if line.startswith("✓ data")))
    assert seen.lines[at - 1].strip() == "name = fit"
    assert seen.lines[at + 1].startswith("✓ recorded")


def test_chain_that_fails_says_in_which_step(project: Project) -> None:
    project.commit(
        {
            "lab/chain.py": "lookups = {}\ndef make():\n    return {'main': 1, 'data': 1}\n"
            "class Fit:\n    lookups = {}\n    @staticmethod\n    def run(data):\n        raise ValueError('no')\n"
        }
    )
    done = project.mitosis("data", "fit", status=1)
    assert re.search(r"^✗ fit         ValueError: no", done.stdout, flags=re.MULTILINE)
    assert re.search(r"^✗ failed      in step 2 of 2 +\d\.\d s$", done.stdout, flags=re.MULTILINE)


def test_json_on_a_terminal_leaves_the_live_lines_to_standard_error(project: Project) -> None:
    words = " ".join(f"'{word}'" for word in command(*SLOW, "--json"))
    import pexpect

    child = pexpect.spawn(
        "/bin/sh",
        ["-c", f"{words} > out.json"],
        cwd=str(project),
        encoding="utf-8",
        timeout=TIMEOUT_S,
        dimensions=(50, 80),
    )
    child.expect(pexpect.EOF)
    screen = pyte.Screen(80, 50)
    pyte.Stream(screen).feed(re.sub(r"\x1b\]8;[^\x1b]*\x1b\\", "", str(child.before)))
    assert any(line.startswith("✓ my_exp      main = 4") for line in screen.display)
    assert (project / "out.json").read_text().startswith('{"format": 1, "status": "finished"')


def test_text_that_no_message_can_carry_is_shown_with_escapes(project: Project) -> None:
    project.commit_lab(
        "lookup_dict = {}\ndef run():\n    print('before')\n    print('a \\ud800 b \\xe9')\n"
        "    print('after')\n    return {'main': 1}\n"
    )
    done = project.mitosis("my_exp")
    assert between(done.stdout.splitlines()) == ["before", "a \\ud800 b \xe9", "after"]
    assert done.stderr == ""
