"""Telling whether the process of a record still runs."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from mitosis.process import command_line, is_alive, this_process
from mitosis.records.trial import ProcessRecord
from support.waiting import wait_until

linux_only = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")

REPORT = """
from mitosis.process import this_process
record = this_process()
print(record.host, record.pid, record.started, sep="\\t", flush=True)
input()
"""


@pytest.fixture
def child() -> Iterator[tuple[subprocess.Popen[str], ProcessRecord]]:
    """Another process, which runs until it is told to end, and its own record of itself."""
    with subprocess.Popen(
        [sys.executable, "-c", REPORT], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        host, pid, started = process.stdout.readline().rstrip("\n").split("\t")
        yield process, ProcessRecord(host, int(pid), started)
        process.kill()


def marked(record: ProcessRecord, **changes: str) -> ProcessRecord:
    """The record with some of its marks changed."""
    marks = dict(word.split("=") for word in str(record.started).split())
    return replace(record, started=" ".join(f"{key}={value}" for key, value in {**marks, **changes}.items()))


def test_process_that_runs_is_alive(child: tuple[subprocess.Popen[str], ProcessRecord]) -> None:
    assert is_alive(this_process()) is True
    assert is_alive(child[1]) is True


def test_record_of_a_process_stays_the_same() -> None:
    first = this_process()
    assert this_process() == first
    assert first.pid == os.getpid()


def test_process_that_was_killed_is_not_alive(child: tuple[subprocess.Popen[str], ProcessRecord]) -> None:
    process, record = child
    process.kill()
    process.wait()
    assert is_alive(record) is False


@linux_only
def test_process_that_ended_and_was_not_waited_for_is_not_alive(
    child: tuple[subprocess.Popen[str], ProcessRecord],
) -> None:
    process, record = child
    process.kill()
    stat = Path(f"/proc/{record.pid}/stat")
    wait_until(lambda: b") Z " in stat.read_bytes())
    assert is_alive(record) is False


def test_later_process_with_the_same_number_is_not_taken_for_it(
    child: tuple[subprocess.Popen[str], ProcessRecord],
) -> None:
    assert is_alive(marked(child[1], start="1")) is False


def test_process_of_another_host_cannot_be_told() -> None:
    assert is_alive(replace(this_process(), host="gpu-2")) is None


@linux_only
def test_process_of_another_container_cannot_be_told() -> None:
    assert is_alive(marked(this_process(), pids="4026532999")) is None


@linux_only
def test_process_of_another_machine_of_the_same_name_cannot_be_told() -> None:
    assert is_alive(marked(this_process(), boot="other", machine="other")) is None
    assert is_alive(marked(this_process(), boot="other", pids="4026532999")) is None


@linux_only
def test_process_from_before_a_restart_of_the_machine_is_not_alive() -> None:
    record = this_process()
    marks = dict(word.split("=") for word in str(record.started).split())
    certain = marks["pids"] == "4026531836" and marks["machine"] != ""
    assert is_alive(marked(record, boot="another-boot")) is (False if certain else None)


@linux_only
def test_machine_id_itself_is_not_recorded() -> None:
    path = Path("/etc/machine-id")
    if path.exists() and (text := path.read_text().strip()):
        assert text not in str(this_process().started)


@pytest.mark.parametrize("started", ["", "x", "created=1", "boot=", "= = ="])
def test_record_with_marks_of_another_kind_cannot_be_told(started: str) -> None:
    assert is_alive(replace(this_process(), started=started)) is None


@pytest.mark.parametrize("pid", [0, -1])
def test_number_that_no_process_has_cannot_be_told(pid: int) -> None:
    assert is_alive(replace(this_process(), pid=pid)) is None


@pytest.mark.parametrize("pid", [2**22 + 1, 2**31, 2**63, 2**70])
def test_number_beyond_those_of_the_system_is_not_alive(pid: int) -> None:
    assert is_alive(replace(this_process(), pid=pid)) is False


def test_process_without_a_start_is_only_told_when_it_is_gone(
    child: tuple[subprocess.Popen[str], ProcessRecord],
) -> None:
    process, record = child
    record = replace(record, started=None)
    assert is_alive(record) is None
    process.kill()
    process.wait()
    assert is_alive(record) is False


def test_command_line_names_the_program_without_its_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["/opt/venv/bin/mitosis", "my_exp", "-e", "my_exp.a=\udcff"])
    assert command_line() == ("mitosis", "my_exp", "-e", "my_exp.a=\N{REPLACEMENT CHARACTER}")


@pytest.mark.parametrize("program", ["/x/mitosis/__main__.py", ""])
def test_command_line_of_python_m_is_that_of_mitosis(program: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", [program, "list"])
    assert command_line() == ("mitosis", "list")


def test_process_that_proc_does_not_show_is_not_taken_for_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    """As with hidepid, where /proc hides the processes of others (proc(5))."""
    from mitosis import process as module

    monkeypatch.setattr(module, "_proc_stat", lambda pid: None)
    assert module._is_running(os.getpid(), "1") is None
    with subprocess.Popen([sys.executable, "-c", ""]) as child:
        child.wait()
    assert module._is_running(child.pid, "1") is False
