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
from mitosis.files import TemporaryFolder
from mitosis.variants import Variant, VariantName

TIME_LIMIT_S = 30.0

_OUTPUT_LIMIT_BYTES = 20_000
"""What is kept of the beginning and of the end of what user code writes to its standard output and error."""
_DRAIN_S = 1.0
"""How long to wait for the rest of the output when the process has ended."""
_TRACEBACK_S = 0.5
"""How long to wait for what the process says of where it was at the time limit."""
_START = "import sys; from mitosis.dictionaries.evaluator import main; main(*sys.argv[1:])"

_KEPT_OF_GIT = (
    *("GIT_PYTHON_", "GIT_SSH", "GIT_ASKPASS", "GIT_TERMINAL_PROMPT"),
    *("GIT_CONFIG_GLOBAL", "GIT_CONFIG_SYSTEM", "GIT_CONFIG_NOSYSTEM"),
)
"""Beginnings of variables that user code may need, or git where that calls it. What else git sets for its hooks is
about the commit at hand."""


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
    is_late: bool = False
    """Whether it was the time limit that kept it from being evaluated."""


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
    left = [step for name, step in config.steps.items() if steps is None or name in steps]
    collected = _Collected({step.name: step for step in left}, checkout, source_folders(config), time_limit_s)
    deadline = time.monotonic() + time_limit_s
    while left:
        with TemporaryFolder() as folder:
            # From the second time on, for the steps that a crash of another's module has kept from being evaluated.
            _write_request(folder.path, checkout, config, left)
            end = _run(folder.path, checkout.root, max(deadline - time.monotonic(), 0.0))
            done = collected.take(folder.path / "replies", left, end)
        left = [step for step in left if step.name not in done]
        if end.is_late and left:
            reason = f"not evaluated, because others had used up the {time_limit_s:g} s"
            collected.add_trouble([step.name for step in left], reason, "", is_late=True)
            break
    return collected.evaluation()


def _write_request(folder: Path, checkout: Checkout, config: Config, steps: Sequence[StepConfig]) -> None:
    import msgpack

    request = {
        "root": str(checkout.root),
        "top": str(checkout.top),
        "pythonpath": [str(path) for path in config.pythonpath],
        "steps": [(step.name, step.lookup) for step in steps],
    }
    (folder / "request").write_bytes(msgpack.packb(request, unicode_errors="surrogatepass"))


@dataclass(frozen=True, slots=True)
class _End:
    """How the process ended."""

    status: int
    """Its exit status; negative for a signal."""
    is_late: bool
    output: str
    """What it wrote, the middle left out where that was long."""


def _run(folder: Path, root: Path, time_limit_s: float) -> _End:
    """Run the process in the root of a checkout, to its end or to the time limit."""
    ours, theirs = os.pipe()
    is_posix = os.name == "posix"
    lifeline = [str(ours)] if is_posix else []
    try:
        process = subprocess.Popen(
            [sys.executable, "-P", "-c", _START, str(folder / "request"), str(folder / "replies"), *lifeline],
            cwd=root,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env={n: value for n, value in os.environ.items() if not n.startswith("GIT_") or n.startswith(_KEPT_OF_GIT)},
            start_new_session=is_posix,
            pass_fds=[ours] if is_posix else [],
        )
        os.close(ours)
        output = _Output(process.stdout)
        try:
            # A thread that waits tells at once; subprocess's own wait with a timeout looks now and then.
            waiting = threading.Thread(target=process.wait, daemon=True)
            waiting.start()
            waiting.join(time_limit_s)
            is_late = waiting.is_alive()
            if is_late and is_posix:
                process.send_signal(signal.SIGUSR1)
                waiting.join(_TRACEBACK_S)
        finally:
            _kill(process)
    finally:
        os.close(theirs)
    return _End(process.wait(), is_late, output.text())


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

    def __init__(self, pipe: Any) -> None:
        self._start = bytearray()
        self._end = bytearray()
        self._left_out_bytes = 0
        self._reader = threading.Thread(target=self._read, args=(pipe,), daemon=True)
        self._reader.start()

    def _read(self, pipe: Any) -> None:
        with pipe:
            while data := os.read(pipe.fileno(), 2**16):
                room = _OUTPUT_LIMIT_BYTES - len(self._start)
                self._start += data[:room]
                self._end += data[room:]
                excess = max(len(self._end) - _OUTPUT_LIMIT_BYTES, 0)
                del self._end[:excess]
                self._left_out_bytes += excess

    def text(self) -> str:
        """What was written. What a process that got away holds open is not waited for."""
        self._reader.join(_DRAIN_S)
        middle = f"\n[{self._left_out_bytes:,} bytes left out]\n" if self._left_out_bytes else ""
        return self._start.decode(errors="replace") + middle + self._end.decode(errors="replace")


class _Collected:
    """What the replies say, of one process after the other."""

    def __init__(
        self, steps: Mapping[str, StepConfig], checkout: Checkout, folders: Sequence[str], time_limit_s: float
    ) -> None:
        self._steps = steps
        self._folders = folders
        self._time_limit_s = time_limit_s
        self._root, self._top = str(checkout.root), str(checkout.top)
        self._meanings: list[Variant] = []
        self._refused: list[Refused] = []
        self._troubles: list[Trouble] = []
        self._used: dict[str, set[str]] = {}
        self._is_complete = True
        self._elsewhere: dict[str, str] = {}

    def take(self, replies: Path, steps: Sequence[StepConfig], end: _End) -> set[str]:
        """Add what one process replied and how it ended; returns the steps that there is nothing left to do for."""
        done: set[str] = set()
        names, what = [step.name for step in steps], "starting Python"
        for kind, facts in _read_replies(replies):
            if kind == "begin":
                names, what = facts["steps"], facts["what"]
            elif kind == "meaning":
                name = VariantName(*facts.pop("name"))
                self._meanings.append(Variant(name, **facts, source=self._steps[name.step].lookup))
            elif kind == "refused":
                reason = self._in_place(facts.pop("reason"))
                self._refused.append(Refused(VariantName(*facts.pop("name")), reason, **facts))
            elif kind == "trouble":
                self.add_trouble(facts["steps"], facts["reason"], facts["details"] or end.output)
                done.update(facts["steps"])
            elif kind == "evaluated":
                done.add(facts["step"])
            elif kind == "end":
                self._elsewhere.update(facts.pop("elsewhere"))
                for used, paths in facts.items():
                    self._used.setdefault(used, set()).update(paths)
                return {step.name for step in steps}
        self._is_complete = False
        if done.issuperset(names):
            return done  # what a module has left running ended it; the other steps have had no chance yet
        if end.is_late:
            reason = f"{what} took longer than {self._time_limit_s:g} s and was stopped"
        else:
            reason = f"{what} {_manner(end.status)}"
        self.add_trouble(names, reason, end.output, is_late=end.is_late)
        return done.union(names)

    def add_trouble(self, steps: Sequence[str], reason: str, details: str, *, is_late: bool = False) -> None:
        """Note why steps are not evaluated."""
        named = ", ".join(f"`{step}`" for step in steps)
        line = f"step{'' if len(steps) == 1 else 's'} {named}: {self._in_place(reason)}"
        self._troubles.append(Trouble(tuple(steps), line, self._in_place(details.strip()), is_late))

    def _in_place(self, text: str) -> str:
        """The text with the files of a temporary checkout named as those of the working tree."""
        return text.replace(self._root, self._top)

    def evaluation(self) -> Evaluation:
        used = {kind: frozenset(paths) for kind, paths in self._used.items()}
        packages = {path.rpartition("/")[0] for path in used.get("files", ()) if path.endswith(MODULE)}
        usage = Usage(packages=frozenset(packages.difference(self._folders)), is_complete=self._is_complete, **used)
        return Evaluation(tuple(self._meanings), tuple(self._refused), tuple(self._troubles), usage, self._elsewhere)


def _read_replies(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """The replies by kind, up to the one in which the process was ended."""
    import msgpack

    if path.exists():
        with path.open("rb") as file:
            yield from msgpack.Unpacker(file, unicode_errors="surrogatepass", use_list=True, max_buffer_size=0)


def _manner(status: int) -> str:
    """How a process ended that was not done, as the rest of a sentence."""
    if status >= 0:
        return f"ended the process with exit status {status}"
    try:
        name = signal.Signals(-status).name
    except ValueError:
        name = f"signal {-status}"
    memory = " (as the machine does when memory runs out)" if name == "SIGKILL" else ""
    return f"ended the process by {name}{memory}"
