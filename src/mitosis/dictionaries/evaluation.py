"""Evaluate lookup dictionaries in a process of their own, with a time limit."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mitosis.config import Config, StepConfig
from mitosis.dictionaries.checkouts import Checkout
from mitosis.dictionaries.modules import source_folders
from mitosis.dictionaries.usage import MODULE, Usage
from mitosis.temporary import TemporaryFolder
from mitosis.variants import Variant, VariantName

TIME_LIMIT_S = 30.0

_OUTPUT_LIMIT_BYTES = 20_000
"""What is kept of the beginning and of the end of what user code writes to its standard output and error."""
_REPLY_LIMIT_BYTES = 600 * 2**20
"""A longer file of replies was not written by the process alone."""
_DRAIN_S = 1.0
"""How long to wait for the rest of the output when the process has ended."""
_START = "import sys; from mitosis.dictionaries.evaluator import main; main(*sys.argv[1:])"

_HOOK_VARIABLES = frozenset(
    (
        # As `git rev-parse --local-env-vars` lists them.
        *("GIT_ALTERNATE_OBJECT_DIRECTORIES", "GIT_CONFIG", "GIT_CONFIG_PARAMETERS", "GIT_CONFIG_COUNT"),
        *("GIT_OBJECT_DIRECTORY", "GIT_DIR", "GIT_WORK_TREE", "GIT_IMPLICIT_WORK_TREE", "GIT_GRAFT_FILE"),
        *("GIT_INDEX_FILE", "GIT_NO_REPLACE_OBJECTS", "GIT_REPLACE_REF_BASE", "GIT_PREFIX", "GIT_SHALLOW_FILE"),
        *("GIT_COMMON_DIR", "GIT_INTERNAL_SUPER_PREFIX"),
        # What `git commit` sets for its hooks besides.
        *("GIT_EDITOR", "GIT_EXEC_PATH", "GIT_REFLOG_ACTION", "GIT_QUARANTINE_PATH"),
        *("GIT_AUTHOR_NAME", "GIT_AUTHOR_EMAIL", "GIT_AUTHOR_DATE"),
    )
)


@dataclass(frozen=True, slots=True)
class Refused:
    """An entry of a dictionary that has no meaning that lasts, or that raises."""

    name: VariantName
    """Without a variant where what the parameter has is not a mapping of variants, or cannot be listed."""
    reason: str
    """A clause, on one line."""
    has_raised: bool = False
    """Whether the user's code raised something, so that it is not the value that is at fault."""
    is_undecided: bool = False
    """Whether the value cannot be told in a temporary checkout, and nothing is wrong with it in the working tree."""

    @property
    def full_name(self) -> str:
        """`step.parameter=variant`, or `step.parameter`."""
        return str(self.name) if self.name.variant else self.name.of_parameter


@dataclass(frozen=True, slots=True)
class Trouble:
    """Why steps could not be evaluated, or not to the end."""

    steps: tuple[str, ...]
    reason: str
    """One line, which names the steps and the module."""
    details: str
    """A traceback or what the code wrote; may be empty."""
    kind: str = "raised"
    """`raised`; `late` (the time limit); `died` (the process ended before it was done)."""


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What the lookup dictionaries of one state of the repository mean."""

    meanings: tuple[Variant, ...] = ()
    refused: tuple[Refused, ...] = ()
    troubles: tuple[Trouble, ...] = ()
    usage: Usage = field(default_factory=Usage)
    elsewhere: Mapping[str, str] = field(default_factory=dict)
    """Packages of lookup modules that the repository has, though trials import them from this path: another copy of
    them is installed, or something else has their name. They are evaluated as trials have them in the working tree, and
    as the repository has them in a checkout."""


def evaluate(
    checkout: Checkout, config: Config, *, steps: Sequence[str] | None = None, time_limit_s: float = TIME_LIMIT_S
) -> Evaluation:
    """Import the lookup modules from a checkout and encode every variant of their dictionaries.

    Another process does it, in a session of its own, which is ended with all that it started at the time limit or
    when this one ends. Whatever user code does, this returns.

    Args:
        checkout: the files.
        config: names the steps, and the folders to import from.
        steps: names of the steps to evaluate; all by default. Names without a step are left out.
        time_limit_s: for all of them.
    """
    chosen = [step for name, step in config.steps.items() if steps is None or name in steps]
    collected = _Collected({step.name: step for step in chosen}, checkout, source_folders(config))
    deadline = time.monotonic() + time_limit_s
    left = chosen
    while left:
        with TemporaryFolder() as folder:
            # From the second time on, for the steps that a crash of another's module has kept from being evaluated.
            end = _run(folder.path, _request(checkout, config, left), deadline - time.monotonic())
            done = collected.take(_read_replies(folder.path / "replies"), left, end, time_limit_s)
        left = [step for step in left if step.name not in done]
        if end.is_late and left:
            collected.give_up(left, time_limit_s)
            break
    return collected.evaluation()


def _request(checkout: Checkout, config: Config, steps: Sequence[StepConfig]) -> dict[str, Any]:
    root, top = str(checkout.root), str(checkout.top)
    pythonpath = [str(folder) for folder in config.pythonpath]
    folders = [_moved(folder, root, top) for folder in pythonpath]
    folders += [root, str(checkout.root / "src")]
    described = []
    for step in steps:
        module, _, qualified_name = step.lookup.partition(":")
        described.append({"name": step.name, "module": module, "qualified_name": qualified_name})
    return {
        "root": root,
        "top": top,
        "pythonpath": pythonpath,
        "steps": described,
        "own": sorted({step["module"].partition(".")[0] for step in described}),
        "folders": list(dict.fromkeys(folders)),
    }


def _moved(folder: str, root: str, top: str) -> str:
    real = os.path.realpath(folder)
    return root + real[len(top) :] if real == top or real.startswith(top.rstrip(os.sep) + os.sep) else folder


@dataclass(frozen=True, slots=True)
class _End:
    """How the process ended."""

    status: int | None
    """Its exit status; negative for a signal; None when it could not be started."""
    is_late: bool
    output: str
    """What it wrote, the middle left out where that was long."""


def _run(folder: Path, request: dict[str, Any], time_limit_s: float) -> _End:
    """Run the process to its end, or to the time limit."""
    import msgpack

    time_limit_s = max(time_limit_s, 0.0)
    ours, theirs = os.pipe()
    is_posix = os.name == "posix"
    request["lifeline"] = ours if is_posix else None
    # Early enough to be read before the process is ended, also where Python takes its time to start.
    request["dump_at"] = time.time() + time_limit_s - min(1.0, time_limit_s / 2)
    packed = msgpack.packb(request, use_bin_type=True, unicode_errors="surrogatepass")
    (folder / "request").write_bytes(packed)
    output = _Output()
    try:
        process = subprocess.Popen(
            [sys.executable, "-P", "-c", _START, str(folder / "request"), str(folder / "replies")],
            cwd=request["root"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env={name: value for name, value in os.environ.items() if not _is_of_hooks(name)},
            start_new_session=is_posix,
            pass_fds=[ours] if is_posix else [],
        )
    except OSError as error:
        os.close(ours)
        os.close(theirs)
        return _End(None, False, f"{sys.executable} could not be started: {error}")
    os.close(ours)
    try:
        output.read(process.stdout)
        # A thread that waits tells at once; subprocess's own wait with a timeout looks now and then.
        waiting = threading.Thread(target=process.wait, daemon=True)
        waiting.start()
        waiting.join(time_limit_s)
        is_late = waiting.is_alive()
    finally:
        _kill(process)
        os.close(theirs)
    waiting.join()
    return _End(process.returncode, is_late, output.text())


def _is_of_hooks(name: str) -> bool:
    return name in _HOOK_VARIABLES or name.startswith(("GIT_CONFIG_KEY_", "GIT_CONFIG_VALUE_"))


def _kill(process: subprocess.Popen[bytes]) -> None:
    """End the process, and on POSIX whatever it started and left in its group."""
    with contextlib.suppress(ProcessLookupError, PermissionError):  # macOS refuses where only zombies are left
        if hasattr(os, "killpg"):
            os.killpg(process.pid, signal.SIGKILL)
        else:
            process.kill()
    process.wait()


class _Output:
    """The beginning and the end of what a process writes. All of it is read, so that the process can go on."""

    def __init__(self) -> None:
        self._start = bytearray()
        self._end = bytearray()
        self._left_out_bytes = 0
        self._reader: threading.Thread | None = None

    def read(self, pipe: Any) -> None:
        """Read a pipe to its end, in a thread."""
        self._reader = threading.Thread(target=self._read, args=(pipe,), daemon=True)
        self._reader.start()

    def _read(self, pipe: Any) -> None:
        with pipe:
            while data := os.read(pipe.fileno(), 2**16):
                room = _OUTPUT_LIMIT_BYTES - len(self._start)
                self._start += data[:room]
                self._end += data[room:]
                excess = len(self._end) - _OUTPUT_LIMIT_BYTES
                if excess > 0:
                    del self._end[:excess]
                    self._left_out_bytes += excess

    def text(self) -> str:
        """What was written. What a process that got away holds open is not waited for."""
        if self._reader is not None:
            self._reader.join(_DRAIN_S)
        middle = f"\n[{self._left_out_bytes:,} bytes left out]\n" if self._left_out_bytes else ""
        return self._start.decode(errors="replace") + middle + self._end.decode(errors="replace")


def _read_replies(path: Path) -> Iterator[dict[str, Any]]:
    """The replies up to where the file ends, or stops being what the process writes."""
    import msgpack

    if not path.is_file() or path.stat().st_size > _REPLY_LIMIT_BYTES:
        return
    with path.open("rb") as file:
        unpacker = msgpack.Unpacker(file, raw=False, unicode_errors="surrogatepass", max_buffer_size=_REPLY_LIMIT_BYTES)
        while True:
            try:
                reply = unpacker.unpack()
            except (msgpack.OutOfData, msgpack.UnpackException, ValueError):  # cut off, or written to by user code
                return
            if not isinstance(reply, dict) or "kind" not in reply:
                return
            yield reply


class _Collected:
    """What the replies say, of one process after the other."""

    def __init__(self, steps: Mapping[str, StepConfig], checkout: Checkout, folders: Sequence[str]) -> None:
        self._steps = steps
        self._folders = folders
        self._root, self._top = str(checkout.root), str(checkout.top)
        self._meanings: list[Variant] = []
        self._refused: list[Refused] = []
        self._troubles: list[Trouble] = []
        self._files: set[str] = set()
        self._looked_for: dict[str, set[str]] = {kind: set() for kind in ("asked", "listed", "missing", "imported")}
        self._is_complete = True
        self._elsewhere: dict[str, str] = {}

    def take(
        self, replies: Iterator[dict[str, Any]], steps: Sequence[StepConfig], end: _End, time_limit_s: float
    ) -> set[str]:
        """Add what one process replied and how it ended; returns the steps that there is nothing left to do for."""
        done: set[str] = set()
        began: dict[str, Any] | None = None
        has_ended = False
        for reply in replies:
            kind = reply.pop("kind")
            if kind == "begin":
                began = reply
            elif kind == "meaning":
                name = VariantName(*reply.pop("name"))
                self._meanings.append(Variant(name, **reply, source=self._steps[name.step].lookup))
            elif kind == "refused":
                reason = self._in_place(reply.pop("reason"))
                self._refused.append(Refused(VariantName(*reply.pop("name")), reason, **reply))
            elif kind == "trouble":
                self._add_trouble(reply["steps"], reply["reason"], reply["details"] or end.output, "raised")
                done.update(reply["steps"])
            elif kind == "evaluated":
                done.add(reply["step"])
            elif kind == "files":
                self._files.update(reply["files"])
            elif kind == "end":
                has_ended = True
                for kind, found in self._looked_for.items():
                    found.update(reply[kind])
                self._elsewhere.update(reply["elsewhere"])
        if has_ended:
            return done | {step.name for step in steps}
        self._is_complete = False
        if began is not None and done.issuperset(began["steps"]):
            return done  # what a module has left running ended it; the other steps have had no chance yet
        names = began["steps"] if began is not None else [step.name for step in steps]
        what = began["what"] if began is not None else "starting Python"
        if end.is_late:
            self._add_trouble(names, f"{what} took longer than {time_limit_s:g} s and was stopped", end.output, "late")
        else:
            self._add_trouble(names, f"{what} {_manner(end.status)}", end.output, "died")
        return done | set(names)

    def give_up(self, steps: Sequence[StepConfig], time_limit_s: float) -> None:
        """Note that no time was left for these steps."""
        reason = f"not evaluated, because others had used up the {time_limit_s:g} s"
        self._add_trouble([step.name for step in steps], reason, "", "late")

    def _add_trouble(self, steps: Sequence[str], reason: str, details: str, kind: str) -> None:
        named = ", ".join(f"`{step}`" for step in steps)
        line = f"step{'' if len(steps) == 1 else 's'} {named}: {self._in_place(reason)}"
        self._troubles.append(Trouble(tuple(steps), line, self._in_place(details.strip()), kind))

    def _in_place(self, text: str) -> str:
        """The text with the files of a temporary checkout named as those of the working tree."""
        return text.replace(self._root, self._top)

    def evaluation(self) -> Evaluation:
        packages = {path.rpartition("/")[0] for path in self._files if path.endswith(MODULE)}
        usage = Usage(
            files=frozenset(self._files),
            packages=frozenset(packages.difference(self._folders)),
            is_complete=self._is_complete,
            **{kind: frozenset(found) for kind, found in self._looked_for.items()},
        )
        return Evaluation(tuple(self._meanings), tuple(self._refused), tuple(self._troubles), usage, self._elsewhere)


def _manner(status: int | None) -> str:
    """How a process ended that was not done, as the rest of a sentence."""
    if status is None:
        return "failed"
    if status >= 0:
        return f"ended the process with exit status {status}"
    try:
        name = signal.Signals(-status).name
    except ValueError:
        name = f"signal {-status}"
    memory = " (as the machine does when memory runs out)" if name == "SIGKILL" else ""
    return f"ended the process by {name}{memory}"
