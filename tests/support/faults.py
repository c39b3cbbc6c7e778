"""Processes that use a journal, and are killed, cut short of disk space, or simply many.

A `Nursery` is a warm interpreter that forks a child for each job, so that a child costs milliseconds. This file is also
the program that it runs: it reads a list of jobs a line, forks them all, and answers with what became of them.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

TIMEOUT_S = 300

Job = dict[str, Any]
Tell = Callable[..., None]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one job."""

    was_killed: bool
    told: list[dict[str, Any]]
    """What the job said before it ended, in order."""

    def values(self, name: str) -> list[Any]:
        """All that was told under a name."""
        return [facts[name] for facts in self.told if name in facts]

    @property
    def error(self) -> str | None:
        """Class and message of the `MitosisError` that ended it."""
        return next(iter(self.values("error")), None)

    @property
    def events(self) -> int:
        """At how many moments the job could have been killed."""
        [events] = self.values("events")
        return int(events)

    def check(self) -> Outcome:
        """Fail unless the job came to its end."""
        assert not self.was_killed, "the process was killed"
        assert self.error is None, self.error
        self.check_no_crash()
        return self

    def check_no_crash(self) -> Outcome:
        """Fail if the job ended with what is no `MitosisError`."""
        assert not self.values("crash"), self.values("crash")[0]
        return self


class Nursery:
    """Runs jobs, each in a process of its own."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-W", "error", __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self._is_busy = False

    def start(self, *jobs: Job) -> None:
        """Let jobs begin all at once; `finish` has to follow."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(jobs) + "\n")
        self._process.stdin.flush()
        self._is_busy = True

    def finish(self) -> list[Outcome]:
        """Wait for the jobs that were started."""
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line, "the nursery has died"
        self._is_busy = False
        return [Outcome(was_killed, told) for was_killed, told in json.loads(line)]

    def run(self, *jobs: Job) -> list[Outcome]:
        self.start(*jobs)
        return self.finish()

    def run_one(self, **job: Any) -> Outcome:
        [outcome] = self.run(job)
        return outcome

    def close(self) -> None:
        assert self._process.stdin is not None and self._process.stdout is not None
        if self._is_busy:
            self._process.kill()
        self._process.stdin.close()
        self._process.stdout.close()
        self._process.wait(TIMEOUT_S)


@contextlib.contextmanager
def nursery() -> Iterator[Nursery]:
    """A nursery that is closed at the end."""
    made = Nursery()
    try:
        yield made
    finally:
        made.close()


def spread(count: int, events: int) -> list[int]:
    """So many moments out of 1 to `events`, evenly spread."""
    return sorted({1 + index * (events - 1) // max(count - 1, 1) for index in range(count)})


def can_mount() -> bool:
    """Whether this process may mount file systems."""
    if os.geteuid() != 0:
        return False
    with tempfile.TemporaryDirectory() as folder:
        if subprocess.run(["mount", "-t", "tmpfs", "none", folder], capture_output=True, check=False).returncode != 0:
            return False
        subprocess.run(["umount", folder], check=True)
    return True


# --- the children --------------------------------------------------------------------------------


_CHANGING = frozenset(
    ("open", "write", "flush", "close", "__exit__", "truncate", "fsync", "link", "unlink", "replace", "rename")
) | frozenset(("mkdir", "rmdir", "chmod", "utime", "create_commit", "fork_exec", "read", "waitpid"))
"""Calls that may change what is on the disk, or wait for git to do so. What comes before one of them is the same as
what comes after the one before it."""


class _Fault:
    """What goes wrong right before the n-th call that may change what is on the disk.

    Args:
        job: `kill_at`: the number of the call at which this process is killed, and the git program with it unless
            `spares_git`; `fill_at`: that from which on no file can be written to any more.
    """

    def __init__(self, job: Job) -> None:
        self._kill_at = job.get("kill_at")
        self._fill_at = job.get("fill_at")
        self._spares_git = job.get("spares_git", False)
        self.events = 0

    def __call__(self, frame: FrameType, event: str, called: Any) -> None:
        if event != "c_call" or getattr(called, "__name__", "") not in _CHANGING or not _is_outward(called):
            return
        self.events += 1
        if self.events == self._kill_at:
            os.kill(os.getpid(), signal.SIGKILL) if self._spares_git else os.killpg(0, signal.SIGKILL)
            signal.pause()
        if self.events == self._fill_at:
            import resource

            resource.setrlimit(resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))


def _is_outward(called: Any) -> bool:
    """Whether a function written in C belongs to the system's interface, to files or to libgit2."""
    module = getattr(called, "__module__", None) or type(getattr(called, "__self__", None)).__module__
    return module in ("posix", "_io", "_posixsubprocess") or module.startswith(("pygit2", "_pygit2"))


def _append(job: Job, tell: Tell) -> None:
    """Run `count` trials; each locks one of `variants`."""
    from mitosis.process import this_process
    from mitosis.records.trial import ParameterRecord
    from support.journal import Desk, make_variant

    journal = Desk(Path(job["folder"]))
    variants = job.get("variants", {"slow": 1})
    for number in range(job.get("count", 1)):
        name = sorted(variants)[number % len(variants)]
        variant = make_variant(name, variants[name])
        key = secrets.token_hex(6)
        tell(trying=key)
        record = journal.start_trial(
            variants=[variant],
            key=key,
            parameters=(ParameterRecord("my_exp", "frequency", "lookup", name, digest=variant.digest),),
            author=str(journal.identity),
            process=this_process(),
        )
        tell(started=record.key, iteration=record.iteration, variant=name)
        if job.get("ends", True):
            ended = record.with_changes(status="finished", main=number, ended="2026-03-01T12:00:01+00:00")
            journal.end(ended, journal.identity)
            tell(ended=record.key)


def _lock(job: Job, tell: Tell) -> None:
    """Lock `variants` without a trial."""
    from support.journal import Desk, make_variant

    journal = Desk(Path(job["folder"]))
    variants = [make_variant(name, value) for name, value in job["variants"].items()]
    journal.lock(variants, journal.repository.head or "", journal.identity)


def _merge(job: Job, tell: Tell) -> None:
    """Merge a commit that has been fetched."""
    from support.journal import Desk

    journal = Desk(Path(job["folder"]))
    merged = journal.merge(job["commit"], journal.identity, job.get("source", "origin"), job.get("notes"))
    tell(received=merged.received, problem=merged.notes_problem)


def _push(job: Job, tell: Tell) -> None:
    """Push, as `mitosis push` does."""
    from support.journal import Desk

    said: list[bytes] = []
    try:
        pushed = Desk(Path(job["folder"])).push(said=said)
    finally:
        tell(git=b"".join(said).decode(errors="replace"))
    tell(sent=pushed.sent, received=pushed.pulled.received, warnings=[*pushed.warnings, *pushed.pulled.warnings])


def _pull(job: Job, tell: Tell) -> None:
    """Pull, as `mitosis pull` does."""
    from support.journal import Desk

    pulled = Desk(Path(job["folder"])).pull()
    tell(received=pulled.received, warnings=list(pulled.warnings))


def _read(job: Job, tell: Tell) -> None:
    """List trials and variants again and again until the file `stop` is there, by a reader that stays and by new ones.

    It tells how many times it read, and what it saw that must not be: an error, or a trial that had been there and is
    not any more.
    """
    from mitosis.errors.journal import BadRecord
    from support.journal import Desk

    lasting = Desk(Path(job["folder"]))
    seen: set[str] = set()
    rounds = 0
    is_last = False
    parent = os.getppid()
    while not is_last and os.getppid() == parent:
        is_last = Path(job["stop"]).exists()
        for journal in (lasting, lasting.again()):
            problems: list[BadRecord] = []
            records = list(journal.iter_trials(problems=problems))
            newest = list(journal.iter_trials(limit=5, problems=problems))
            variants = list(journal.iter_variants(problems=problems))
            keys = {record.key for record in records}
            lost = sorted(seen - keys)
            if problems or lost or len(keys) != len(records):
                tell(bad=f"lost {lost}, {len(records) - len(keys)} twice, problems: {[str(p) for p in problems]}")
                return
            locked = {lock.name for lock in variants}
            used = {(p.step, p.name, p.text) for r in records for p in r.parameters if p.kind == "lookup"}
            if not used <= locked or (records and not newest):
                tell(bad=f"trials without their locks: {used - locked}")
                return
            for record in newest[:1]:
                journal.read_trial(record.key)
            seen = keys
        rounds += 1
    tell(rounds=rounds, seen=len(seen))


_JOBS: dict[str, Callable[[Job, Tell], None]] = {
    "append": _append,
    "lock": _lock,
    "merge": _merge,
    "push": _push,
    "pull": _pull,
    "read": _read,
}


def _do(job: Job, pipe: int) -> None:
    def tell(**facts: Any) -> None:
        os.write(pipe, json.dumps(facts).encode() + b"\n")

    os.setpgid(0, 0)
    fault = _Fault(job)
    try:
        from mitosis.errors.base import MitosisError

        if "umask" in job:
            os.umask(job["umask"])
        if job.get("is_swept"):
            sys.setprofile(fault)
        try:
            _JOBS[job["do"]](job, tell)
        finally:
            sys.setprofile(None)
        tell(events=fault.events)
    except MitosisError as error:
        tell(error=f"{type(error).__name__}: {error}", events=fault.events)
    except BaseException:
        tell(crash=traceback.format_exc())


def _adopt_orphans() -> None:
    """Become the parent of the children of children that die, so as to wait for them (prctl(2))."""
    import ctypes

    set_child_subreaper = 36
    ctypes.CDLL(None).prctl(set_child_subreaper, 1, 0, 0, 0)


def _serve() -> None:
    # Everything that a job needs is imported once, and no repository is opened before the fork.
    import resource  # noqa: F401

    import pygit2  # noqa: F401

    from support.journal import make_variant

    make_variant()
    _adopt_orphans()
    for line in sys.stdin:
        children = []
        for job in json.loads(line):
            readable, writable = os.pipe()
            pid = os.fork()
            if pid == 0:
                os.close(readable)
                _do(job, writable)
                os._exit(0)
            os.close(writable)
            children.append((pid, readable, job))
        answers = []
        for pid, readable, job in children:
            if "kill_after_s" in job:
                time.sleep(job["kill_after_s"])
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(pid, signal.SIGKILL)
            with os.fdopen(readable) as told:
                lines = [json.loads(text) for text in told if text.endswith("\n")]
            _, status = os.waitpid(pid, 0)
            # git may still be at work for a process that was killed.
            with contextlib.suppress(ChildProcessError):
                while True:
                    os.waitpid(-pid, 0)
            answers.append([os.WIFSIGNALED(status), lines])
        sys.stdout.write(json.dumps(answers) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    sys.path[0] = str(Path(__file__).parents[1])
    _serve()
