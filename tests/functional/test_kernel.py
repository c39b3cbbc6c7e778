"""A real kernel: how it starts, answers, dies and is ended."""

from __future__ import annotations

import asyncio
import os
import stat
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from mitosis import kernel as kernels
from mitosis import notebook
from mitosis.kernel import AnswerFailed, Kernel, KernelDied, KernelNotStarted

Told = list[tuple[str, str]]


def with_kernel(cwd: Path, use: Callable[[Kernel], Awaitable[Any]]) -> tuple[Any, Told, Kernel]:
    """Start a kernel, use it, and close it; returns what `use` did, what was printed, and the closed kernel."""
    told: Told = []

    async def run() -> tuple[Any, Kernel]:
        kernel = Kernel(notebook.new_notebook(), lambda stream, text: told.append((stream, text)))
        try:
            await kernel.start(cwd)
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
    assert ("stdout", f"{tmp_path}\n") in told
    assert ("stderr", "oh\n") in told
    assert cell.outputs[-1].data["text/plain"] == repr(sys.executable)


def test_error_of_a_cell_is_returned(tmp_path: Path) -> None:
    async def use(kernel: Kernel) -> Any:
        return await kernel.run_cell(notebook.code_cell("{}['x']", "step"))

    error, _, _ = with_kernel(tmp_path, use)
    assert (error.type, error.message) == ("KeyError", "'x'")
    assert "KeyError" in error.traceback[-1]


def test_hidden_operations_leave_no_trace_in_the_notebook(tmp_path: Path) -> None:
    async def use(kernel: Kernel) -> Any:
        used = await kernel.ask("measure_usage")
        cell = notebook.code_cell("sorted(n for n in dir() if not n.startswith('_'))", "step")
        await kernel.run_cell(cell)
        return used, cell

    (used, cell), _, kernel = with_kernel(tmp_path, use)
    assert used["peak_memory_bytes"] > 10 * 2**20
    assert len(kernel.notebook.cells) == 1
    assert cell.outputs[0].execution_count == 1
    names = cell.outputs[0].data["text/plain"]
    assert "mitosis" not in names and "answer" not in names


def test_failing_operation_says_what_it_was(tmp_path: Path) -> None:
    async def use(kernel: Kernel) -> Any:
        with pytest.raises(AnswerFailed) as caught:
            await kernel.ask("measure_usage", surplus=1)
        return caught.value

    error, _, _ = with_kernel(tmp_path, use)
    assert error.operation == "measure_usage"
    assert "surplus" in error.reason
    assert "\x1b" not in str(error)


def test_kernel_is_private_and_leaves_nothing(tmp_path: Path) -> None:
    async def use(kernel: Kernel) -> Any:
        folder = kernel._folder
        sockets = [path.name for path in folder.iterdir() if stat.S_ISSOCK(path.stat().st_mode)]
        return folder, stat.S_IMODE(folder.stat().st_mode), sockets, kernel.group

    (folder, mode, sockets, group), _, _ = with_kernel(tmp_path, use)
    assert mode & 0o777 == 0o700
    assert len(sockets) == 5
    assert not folder.exists()
    with pytest.raises(ProcessLookupError):
        os.killpg(group, 0)
    assert list(tmp_path.iterdir()) == []


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
        await kernel.ask("prepare", root=str(tmp_path), pythonpath=[], log=str(tmp_path / "log"), debug=False)
        code = f"import atexit, pathlib\natexit.register(pathlib.Path({str(tmp_path / 'left')!r}).touch)"
        return await kernel.run_cell(notebook.code_cell(code, "step"))

    with_kernel(tmp_path, use)
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
    assert told in kernels.describe_death(returncode, said)


def test_death_in_a_cell_is_noticed_at_once(tmp_path: Path) -> None:
    async def use(kernel: Kernel) -> Any:
        loop = asyncio.get_running_loop()
        begun = loop.time()
        with pytest.raises(KernelDied) as caught:
            await kernel.run_cell(notebook.code_cell("import os; os._exit(5)", "step"))
        return caught.value, loop.time() - begun

    (death, waited_s), _, _ = with_kernel(tmp_path, use)
    assert death.returncode == 5
    assert waited_s < 0.9  # nbclient's own look at the kernel comes once a second


def test_kernel_that_cannot_start_says_what_it_wrote(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "ipykernel_launcher.py"
    package.write_text("raise SystemExit('broken on purpose')\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with pytest.raises(KernelNotStarted) as caught:
        with_kernel(tmp_path, lambda kernel: asyncio.sleep(0))
    assert "broken on purpose" in str(caught.value)


def test_folders_of_killed_runners_are_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kernels, "_short_temporary_folder", lambda: str(tmp_path))
    abandoned = tmp_path / "mitosis-abandoned"
    foreign = tmp_path / "mitosis-demo"
    for folder in (abandoned, foreign):
        folder.mkdir()
    (abandoned / "owner").touch()
    os.utime(abandoned, (0, 0))
    folder, ownership = kernels._make_private_folder()
    os.utime(folder, (0, 0))
    other, other_ownership = kernels._make_private_folder()
    assert not abandoned.exists()
    assert foreign.exists()
    assert folder.exists() and other.exists()
    ownership.close()
    other_ownership.close()
