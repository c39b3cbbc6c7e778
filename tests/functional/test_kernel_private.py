"""The kernel's sockets: for this user alone, and gone when it is."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import stat
import subprocess
import sys
import tempfile
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from mitosis import notebook
from mitosis.kernel import kernel_process
from mitosis.kernel.kernel import Kernel
from mitosis.kernel.kernel_process import KernelDied, KernelNotStarted, PrivateFolder, _start_guard
from mitosis.protocol import MeasureUsage

pytestmark = pytest.mark.skipif(os.name != "posix", reason="Windows has neither these modes nor these sockets")
NOBODY = 65534


@pytest.fixture
def short_folder(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A new folder for temporary files with a short name."""
    with tempfile.TemporaryDirectory(dir="/tmp") as name:
        monkeypatch.setattr(tempfile, "tempdir", name)
        yield Path(name)


def with_kernel(cwd: Path, use: Callable[[Kernel], Awaitable[Any]]) -> Any:
    async def run() -> Any:
        kernel = Kernel(lambda stream, text: None, cwd)
        try:
            await kernel.connect(notebook.new_notebook())
            return await use(kernel)
        finally:
            await kernel.close()

    return asyncio.run(run())


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def sockets(path: Path) -> list[Path]:
    return [entry for entry in path.iterdir() if stat.S_ISSOCK(entry.stat().st_mode)]


def test_only_this_user_can_reach_sockets_and_key(tmp_path: Path, short_folder: Path) -> None:
    async def use(kernel: Kernel) -> Any:
        (private,) = short_folder.iterdir()
        assert len(sockets(private)) == 5
        return mode(private), mode(private / "kernel.json"), json.loads((private / "kernel.json").read_text())

    folder_mode, file_mode, connection = with_kernel(tmp_path, use)
    assert (folder_mode, file_mode) == (0o700, 0o600)
    assert connection["transport"] == "ipc"
    assert len(connection["key"]) == 64


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root can become somebody else")
def test_another_user_can_neither_look_nor_connect(tmp_path: Path, short_folder: Path) -> None:
    short_folder.chmod(0o755)

    async def use(kernel: Kernel) -> Any:
        (private,) = short_folder.iterdir()
        socket = sockets(private)[0]
        return [
            subprocess.run([*map(str, command)], user=NOBODY, cwd="/", stderr=subprocess.PIPE, text=True, check=False)
            for command in (["ls", private], ["cat", private / "kernel.json"], ["stat", socket])
        ]

    for done in with_kernel(tmp_path, use):
        assert done.returncode != 0
        assert "Permission denied" in done.stderr


def test_kernel_listens_on_no_network(tmp_path: Path) -> None:
    async def use(kernel: Kernel) -> Any:
        assert kernel.process.group is not None
        process = psutil.Process(kernel.process.group)
        return [found for p in (process, *process.children()) for found in p.net_connections(kind="inet")]

    assert with_kernel(tmp_path, use) == []


def test_nothing_is_left_of_a_kernel(tmp_path: Path, short_folder: Path) -> None:
    async def use(kernel: Kernel) -> Any:
        return kernel.process.group

    group = with_kernel(tmp_path, use)
    assert list(short_folder.iterdir()) == []
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(ProcessLookupError):
        os.killpg(group, 0)


def test_nothing_is_left_of_a_kernel_that_was_killed(tmp_path: Path, short_folder: Path) -> None:
    async def use(kernel: Kernel) -> Any:
        assert kernel.process.group is not None
        os.kill(kernel.process.group, signal.SIGKILL)
        with pytest.raises(KernelDied):
            await kernel.ask(MeasureUsage())

    with_kernel(tmp_path, use)
    assert list(short_folder.iterdir()) == []


@pytest.mark.skipif(sys.platform != "linux", reason="`ps` tells sessions by other names")
def test_what_a_kernel_started_ends_with_the_runner_unless_it_has_a_session_of_its_own() -> None:
    code = (
        "import subprocess\n"
        "for how in ({}, {'process_group': 0}, {'start_new_session': True}):\n"
        "    print(subprocess.Popen(['sleep', '600'], **how).pid, flush=True)\n"
        "input()"
    )
    pipe = subprocess.PIPE
    with subprocess.Popen([sys.executable, "-c", code], stdin=pipe, stdout=pipe, start_new_session=True) as kernel:
        assert kernel.stdout is not None
        started = [psutil.Process(int(kernel.stdout.readline())) for _ in range(3)]
        guard = _start_guard(kernel.pid)
        assert guard is not None
        guard.communicate()  # its input ends, as it does with the runner
    assert [is_living(process) for process in started] == [False, False, True]
    started[2].kill()


def is_living(process: psutil.Process) -> bool:
    with contextlib.suppress(psutil.NoSuchProcess):
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    return False


def test_nothing_is_left_of_a_kernel_that_did_not_start(tmp_path: Path, short_folder: Path) -> None:
    with pytest.raises(KernelNotStarted, match="its process could not be started"):
        with_kernel(tmp_path / "missing", lambda kernel: asyncio.sleep(0))
    assert list(short_folder.iterdir()) == []


def test_folder_is_elsewhere_if_the_temporary_one_has_too_long_a_name(
    short_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    long = short_folder / ("x" * 100)
    long.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(long))
    private = PrivateFolder()
    assert private.path.parent == Path("/tmp")
    assert list(long.iterdir()) == []
    private.remove()


def test_folder_is_elsewhere_if_the_temporary_one_cannot_be_written(
    short_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(short_folder / "missing"))
    private = PrivateFolder()
    assert private.path.parent == Path("/tmp")
    private.remove()


def test_refusal_says_why_each_place_would_not_do(short_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kernel_process, "_places", lambda: iter([short_folder / "one", short_folder / "two"]))
    with pytest.raises(KernelNotStarted) as caught:
        PrivateFolder()
    assert f"{short_folder / 'one'}: No such file" in str(caught.value)
    assert f"{short_folder / 'two'}: No such file" in str(caught.value)
    private = PrivateFolder(short_folder)
    assert private.path.parent == short_folder
    private.remove()
