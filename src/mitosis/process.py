"""Processes: a record that tells one from every other on its machine, whether it still runs, and this one's command."""

from __future__ import annotations

import contextlib
import hashlib
import os
import platform
import signal
import sys
from pathlib import Path

from mitosis.confidential import without_password
from mitosis.records.trial import ProcessRecord
from mitosis.text import cut, recordable

_INITIAL_PID_NAMESPACE = "4026531836"
"""Inode of the namespace that Linux starts with (PROC_PID_INIT_INO in include/linux/proc_ns.h): not a container's."""
_COMMAND_LIMIT = 80


def this_process() -> ProcessRecord:
    """A record of the process that calls."""
    marks = _marks_here()
    started = _start(os.getpid())
    if started:
        marks["start"] = started
    return ProcessRecord(
        host=platform.node(),
        pid=os.getpid(),
        started=" ".join(f"{name}={value}" for name, value in marks.items()) if started else None,
    )


def command_line() -> tuple[str, ...]:
    """The command line of this process, one word an item, the program without its folder and URLs without passwords."""
    program = Path(sys.argv[0]).name if sys.argv else ""
    if program in ("", "__main__.py"):
        program = "mitosis"
    return (program, *(recordable(without_password(word)) for word in sys.argv[1:]))


def signal_name(number: int) -> str:
    """Such as `SIGKILL`; `signal 40` for one that has no name."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def is_alive(process: ProcessRecord) -> bool | None:
    """Whether the process still runs; a later process with the same number is not taken for it.

    Returns:
        None where that cannot be told from here: it ran on another host, in another container, or on a
        host of the same name.
    """
    if process.host != platform.node() or process.pid <= 0:
        return None
    marks = dict(word.partition("=")[::2] for word in (process.started or "").split())
    here = _marks_here()
    if process.started is not None and marks.keys() - {"start"} != here.keys():
        return None  # another operating system under the same name, or a record that says less
    if process.started is not None and marks.get("boot") != here.get("boot"):
        outside_containers = marks.get("pids") == here.get("pids") == _INITIAL_PID_NAMESPACE
        same_machine = marks.get("machine", "") == here.get("machine", "") != ""
        return False if outside_containers and same_machine else None  # it was started again since
    if process.started is not None and marks.get("pids") != here.get("pids"):
        return None
    return _is_running(process.pid, marks.get("start"))


def living_in_group(group: int) -> list[str]:
    """The processes that run in a process group, each one's id and command line. On POSIX."""
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return []
    except PermissionError:  # what macOS says where all of them have ended, and nobody has taken note
        pass
    import psutil

    living = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, ProcessLookupError, PermissionError):
            if os.getpgid(process.pid) == group and process.status() != psutil.STATUS_ZOMBIE:
                command = " ".join(process.cmdline()) or process.name()
                living.append(f"{process.pid} ({recordable(cut(command, _COMMAND_LIMIT))})")
    return living


def _marks_here() -> dict[str, str]:
    """What tells this machine, its boot and its container from others. Empty where there is no /proc."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()
        pids = str(Path("/proc/self/ns/pid").readlink()).partition("[")[2].rstrip("]")
    except OSError:
        return {}
    return {"machine": _machine(), "boot": boot, "pids": pids}


def _machine() -> str:
    """A digest of the machine's id, since the id itself is to be kept private (machine-id(5))."""
    try:
        text = Path("/etc/machine-id").read_text("ascii").strip()
    except (OSError, UnicodeDecodeError):
        return ""
    return hashlib.sha256(f"mitosis {text}".encode()).hexdigest()[:16] if text else ""


def _start(pid: int) -> str | None:
    """When the process was started, as a text to compare; empty if it has ended, None where that cannot be seen."""
    if not Path("/proc/self").exists():
        import psutil

        try:
            return f"{psutil.Process(pid).create_time():.2f}"
        except (psutil.NoSuchProcess, OverflowError):
            return ""
        except psutil.Error:
            return None
    data = _proc_stat(pid)
    if data is None:
        return _hidden_or_gone(pid)
    # The second field, the program's name in parentheses, may itself hold blanks and parentheses. The third is the
    # state, of which Z and X say that only the parent has not taken note yet; the 22nd the start in clock ticks.
    fields = data[data.rindex(b")") + 2 :].split()
    return "" if fields[0] in (b"Z", b"X") else fields[19].decode()


def _proc_stat(pid: int) -> bytes | None:
    """What /proc says of a process (proc_pid_stat(5))."""
    try:
        return Path(f"/proc/{pid}/stat").read_bytes()
    except OSError:
        return None


def _is_running(pid: int, start: str | None) -> bool | None:
    found = _start(pid)
    if found is None or (found and start is None):
        return None
    return bool(found) and found == start


def _hidden_or_gone(pid: int) -> str | None:
    """What `_start` says of a process that /proc does not show: it may hide those of others (hidepid in proc(5))."""
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return ""
    except PermissionError:
        pass
    return None
