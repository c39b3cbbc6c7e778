"""A real kernel: how it starts, answers, dies and is ended."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from nbclient import NotebookClient

from mitosis import notebook
from mitosis.kernel.kernel import Kernel
from mitosis.kernel.kernel_process import AnswerFailed, KernelDied, KernelNotStarted, describe_death
from mitosis.omission import omissions_of, take_omissions
from mitosis.protocol import ListImports, MeasureUsage, Setup
from support.waiting import TIMEOUT_S

Told = list[tuple[str, str]]


def with_kernel(
    cwd: Path, use: Callable[[Kernel], Awaitable[Any]], setup: Setup | None = None, told: Told | None = None
) -> tuple[Any, Told, Kernel]:
    """Start a kernel, use it, and close it; returns what `use` did, what was printed, and the kernel."""
    told = [] if told is None else told

    async def run() -> tuple[Any, Kernel]:
        kernel = Kernel(lambda stream, text: told.append((stream, text)), cwd, setup)
        try:
            await kernel.connect(notebook.new_notebook())
            return await use(kernel), kernel
        finally:
            await kernel.close()

    result, kernel = asyncio.run(run())
    return result, told, kernel


def test_cells_run_in_the_folder_and_tell_what_they_print(tmp_path: Path) -> None:
    async def use(kernel: Kernel) -> Any:
        cell = notebook.code_cell(
            "import os, sys\nprint(os.getcwd())\nprint('oh', file=sys.stderr)\nsys.executable", "step"
        )
        error = await kernel.run_cell(cell)
        return error, cell

    (error, cell), told, _ = with_kernel(tmp_path, use)
    assert error is None
    assert "".join(text for stream, text in told if stream == "stdout") == f"{tmp_path}\n"
    assert "".join(text for stream, text in told if stream == "stderr") == "oh\n"
    assert cell.outputs[-1].data["text/plain"] == repr(sys.executable)


def test_output_of_forked_processes_is_told(tmp_path: Path) -> None:
    told: Told = []

    async def use(kernel: Kernel) -> Any:
        source = (
            "import multiprocessing, pathlib, time\n"
            "child = multiprocessing.get_context('fork').Process(target=lambda: (print('child'), display(3)))\n"
            "child.start()\nchild.join()\nwhile not pathlib.Path('seen').exists(): time.sleep(0.01)\nchild.exitcode"
        )
        cell = notebook.code_cell(source, "step")
        running = asyncio.ensure_future(kernel.run_cell(cell))
        async with asyncio.timeout(TIMEOUT_S):
            while "child\n3\n" not in "".join(text for stream, text in told if stream == "stdout"):
                await asyncio.sleep(0.01)
        (tmp_path / "seen").touch()
        await running
        return cell

    cell, _, _ = with_kernel(tmp_path, use, told=told)
    assert cell.outputs[-1].data["text/plain"] == "0"


def test_error_of_a_cell_is_returned(tmp_path: Path) -> None:
    async def use(kernel: Kernel) -> Any:
        return await kernel.run_cell(notebook.code_cell("{}['x']", "step"))

    error, _, _ = with_kernel(tmp_path, use)
    assert (error.type, error.message) == ("KeyError", "'x'")
    assert "KeyError" in error.traceback[-1]


def test_questions_leave_no_trace_in_the_notebook(tmp_path: Path) -> None:
    async def use(kernel: Kernel) -> Any:
        used = await kernel.ask(MeasureUsage())
        cell = notebook.code_cell("sorted(n for n in dir() if not n.startswith('_'))", "step")
        await kernel.run_cell(cell)
        return used, cell

    (used, cell), _, kernel = with_kernel(tmp_path, use)
    assert used.peak_memory_bytes > 10 * 2**20
    assert len(kernel.notebook.cells) == 1
    assert cell.outputs[0].execution_count == 1
    names = cell.outputs[0].data["text/plain"]
    assert "mitosis" not in names and "answer" not in names


def test_a_question_that_cannot_be_answered_is_named(tmp_path: Path) -> None:
    async def use(kernel: Kernel) -> Any:
        with pytest.raises(AnswerFailed) as caught:
            await kernel.ask(ListImports(7))  # type: ignore[arg-type]
        return caught.value

    error, _, _ = with_kernel(tmp_path, use)
    assert error.question == "ListImports"
    assert "AttributeError" in error.reason
    assert "\x1b" not in str(error)


def test_profile_of_the_user_is_not_read(tmp_path: Path, home: Path) -> None:
    startup = home / ".ipython" / "profile_default" / "startup"
    startup.mkdir(parents=True)
    (startup / "00.py").write_text("surprise = 1\n")

    async def use(kernel: Kernel) -> Any:
        return await kernel.run_cell(notebook.code_cell("surprise", "step"))

    error, _, _ = with_kernel(tmp_path, use)
    assert error.type == "NameError"
    assert not list((home / ".ipython").rglob("history.sqlite"))


def test_input_fails_at_once(tmp_path: Path) -> None:
    async def use(kernel: Kernel) -> Any:
        return await kernel.run_cell(notebook.code_cell("input('? ')", "step"))

    error, _, _ = with_kernel(tmp_path, use)
    assert "input" in error.message


def test_exit_functions_of_the_experiment_run(tmp_path: Path) -> None:
    async def use(kernel: Kernel) -> Any:
        code = f"import atexit, pathlib\natexit.register(pathlib.Path({str(tmp_path / 'left')!r}).touch)"
        return await kernel.run_cell(notebook.code_cell(code, "step"))

    with_kernel(tmp_path, use, Setup(str(tmp_path), (), str(tmp_path / "log"), debug=False))
    assert (tmp_path / "left").exists()


def test_processes_that_the_experiment_left_are_ended(tmp_path: Path) -> None:
    async def use(kernel: Kernel) -> Any:
        cell = notebook.code_cell("import subprocess\nsubprocess.Popen(['sleep', '60']).pid", "step")
        await kernel.run_cell(cell)
        return int(cell.outputs[0].data["text/plain"])

    pid, _, _ = with_kernel(tmp_path, use)
    state = Path(f"/proc/{pid}/stat")
    assert not state.exists() or state.read_text().split()[2] == "Z"


@pytest.mark.parametrize(
    ("returncode", "said", "told"),
    [
        (3, "", "the kernel ended with exit status 3"),
        (-9, "", "the kernel was killed by SIGKILL (did the machine run out of memory?)"),
        (-11, "Fatal Python error: Segmentation fault\n\nmore", "SIGSEGV: Fatal Python error: Segmentation fault"),
        (None, "", "the kernel died"),
    ],
)
def test_death_is_described(returncode: int | None, said: str, told: str) -> None:
    assert told in describe_death(returncode, said)


def test_death_in_a_cell_is_noticed_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And not when nbclient looks at the kernel, once a second."""

    async def never(client: NotebookClient) -> None:
        await asyncio.get_running_loop().create_future()

    monkeypatch.setattr(NotebookClient, "_async_poll_kernel_alive", never)

    async def use(kernel: Kernel) -> Any:
        cell = notebook.code_cell("import os; os._exit(5)", "step")
        with pytest.raises(KernelDied) as caught:
            await asyncio.wait_for(kernel.run_cell(cell), TIMEOUT_S)
        return caught.value

    death, _, _ = with_kernel(tmp_path, use)
    assert death.returncode == 5


def test_kernel_that_cannot_start_says_what_it_wrote(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "ipykernel" / "__init__.py"
    package.parent.mkdir()
    package.write_text("raise SystemExit('broken on purpose')\n")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")]))
    with pytest.raises(KernelNotStarted) as caught:
        with_kernel(tmp_path, lambda kernel: asyncio.sleep(0))
    assert "broken on purpose" in str(caught.value)


def test_experiment_finds_python_as_it_is(tmp_path: Path) -> None:
    """What is left out or at rest while the kernel starts is there for the experiment."""

    async def use(kernel: Kernel) -> Any:
        source = "import debugpy, gc, sys\ngc.isenabled(), gc.get_threshold(), debugpy.__name__, sys.path.count('')"
        cell = notebook.code_cell(source, "step")
        return await kernel.run_cell(cell), cell

    (error, cell), _, _ = with_kernel(tmp_path, use)
    assert error is None
    fresh = subprocess.run(
        [sys.executable, "-c", "import gc; print(gc.get_threshold())"], capture_output=True, text=True, check=True
    )
    assert cell.outputs[0].data["text/plain"] == f"(True, {fresh.stdout.strip()}, 'debugpy', 1)"


def test_several_questions_are_answered_in_order(tmp_path: Path) -> None:
    async def use(kernel: Kernel) -> Any:
        return await kernel.ask_all(ListImports(str(tmp_path)), MeasureUsage())

    (imports, used), _, _ = with_kernel(tmp_path, use)
    assert imports.files == ()
    assert used.cpu_s > 0


WIDGETS = """\
from comm import create_comm
VIEW = "application/vnd.jupyter.widget-view+json"
def widget(model, **state):
    state |= {"_model_name": model, "_model_module": "@jupyter-widgets/output"}
    return create_comm(target_name="jupyter.widget", comm_id=model, data={"state": state})
bar = widget("IntProgressModel", min=0, max=4, value=1)
display({VIEW: {"model_id": bar.comm_id}, "text/plain": "25 %"}, raw=True)
bar.close()
box = widget("OutputModel", msg_id="", outputs=[])
box.send({"method": "update", "state": {"msg_id": get_ipython().get_parent()["header"]["msg_id"]}})
get_ipython().showtraceback((ValueError, ValueError("caught"), None))
box.send({"method": "update", "state": {"msg_id": ""}})
print("on")
"""


def test_a_closed_widget_shows_nothing_and_what_a_widget_catches_is_told(tmp_path: Path) -> None:
    async def use(kernel: Kernel) -> Any:
        cell = notebook.code_cell(WIDGETS, "step")
        assert await kernel.run_cell(cell) is None
        return cell.outputs, list(kernel.troubles)

    (outputs, troubles), _, _ = with_kernel(tmp_path, use)
    assert [output.get("data", output.get("text")) for output in outputs] == [{}, "on\n"]
    assert troubles == ["an Output widget has caught an exception, and the step went on: ValueError: caught"]


def test_what_a_cell_prints_too_much_of_goes_to_its_file_before_and_after_a_figure(tmp_path: Path) -> None:
    source = (
        "for number in range(12_000):\n    print('line', number, '.' * 90)\n"
        "display('a picture')\n"
        "for number in range(2_000):\n    print('line', number, '.' * 90)\n"
        "1 / 0"
    )

    async def use(kernel: Kernel) -> Any:
        cell = notebook.code_cell(source, "step")
        await kernel.run_cell(cell, tmp_path / "output_0.txt")
        return cell

    cell, told, _ = with_kernel(tmp_path, use)
    expected = "".join(f"line {number} {'.' * 90}\n" for count in (12_000, 2_000) for number in range(count))
    assert (tmp_path / "output_0.txt").read_text() == expected
    assert "".join(text for _, text in told) == expected, "the terminal has all of it"
    assert [output.output_type for output in cell.outputs] == ["stream"] * (len(cell.outputs) - 3) + [
        "display_data",
        "stream",
        "error",
    ]
    before = "".join(output.text for output in cell.outputs[:-3])
    assert before.startswith("line 0 ") and "\nline 11999 ." in before
    assert "\nline 1999 ." in cell.outputs[-2].text
    assert len(before) + len(cell.outputs[-2].text) < 1_100_000
    known = omissions_of(cell.metadata)
    assert len(known) == 2
    found = [take_omissions(text, known)[1] for text in (before, cell.outputs[-2].text)]
    assert [len(omissions) for omissions in found] == [1, 1]


def test_much_that_is_printed_at_once_comes_in_pieces(tmp_path: Path) -> None:
    async def use(kernel: Kernel) -> Any:
        await kernel.run_cell(notebook.code_cell("for _ in range(100): print('x' * 99_999)", "step"))

    _, told, _ = with_kernel(tmp_path, use, Setup(str(tmp_path), (), str(tmp_path / "log"), debug=False))
    assert sum(len(text) for _, text in told) == 10_000_000
    assert max(len(text) for _, text in told) < 3_000_000


@pytest.mark.slow
def test_output_that_comes_long_after_the_cell_is_through_is_not_lost(tmp_path: Path) -> None:
    begun: list[str] = []

    def slow_reader(stream: str, text: str) -> None:
        # ZeroMQ drops messages when too many wait, and nbclient gives up 4 s after the cell is through.
        time.sleep(0.0004 if begun else 5)
        begun.append(text)

    async def run() -> Any:
        kernel = Kernel(slow_reader, tmp_path)
        try:
            await kernel.connect(notebook.new_notebook())
            source = "import sys\nfor number in range(10_000):\n    print(number)\n    sys.stdout.flush()"
            cell = notebook.code_cell(source, "step")
            await asyncio.wait_for(kernel.run_cell(cell), TIMEOUT_S)
            return cell
        finally:
            await kernel.close()

    cell = asyncio.run(run())
    assert "".join(output.text for output in cell.outputs) == "".join(f"{number}\n" for number in range(10_000))
