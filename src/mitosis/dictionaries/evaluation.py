"""Evaluate lookup dictionaries in a process of their own, with a time limit."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgpack

from mitosis.config import Config
from mitosis.dictionaries.checkouts import Checkout
from mitosis.dictionaries.modules import MODULE, Usage, source_folders
from mitosis.files import TemporaryFolder
from mitosis.process import signal_name
from mitosis.variants import Variant, VariantName

TIME_LIMIT_S = 30.0

_OUTPUT_LIMIT_BYTES = 20_000
"""What is kept of the end of what user code writes to its standard output and error."""
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
    named = config.steps if steps is None else {name: step for name, step in config.steps.items() if name in steps}
    wanted = {name: step.lookup for name, step in named.items() if step.lookup is not None}
    if not wanted:
        return Evaluation()
    request = {
        "root": str(checkout.root),
        "top": str(checkout.top),
        "pythonpath": [str(path) for path in config.pythonpath],
        "steps": list(wanted.items()),
    }
    with TemporaryFolder() as folder:
        (folder.path / "request").write_bytes(msgpack.packb(request, unicode_errors="surrogatepass"))
        end = _run(folder.path, checkout.root, time_limit_s)
        return _collected(folder.path / "replies", wanted, checkout, source_folders(config), end)


@dataclass(frozen=True, slots=True)
class _End:
    """How the process ended."""

    manner: str
    """In words, as the rest of a sentence."""
    is_late: bool
    output: str
    """What it wrote, of a long text the end."""


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
    manner = f"took longer than {time_limit_s:g} s and was stopped" if is_late else _manner(process.wait())
    return _End(manner, is_late, output.text())


def _manner(status: int) -> str:
    """How a process ended that was not done; of a signal the status is the negative number."""
    if status >= 0:
        return f"ended the process with exit status {status}"
    name = signal_name(-status)
    memory = " (as the machine does when memory runs out)" if name == "SIGKILL" else ""
    return f"ended the process by {name}{memory}"


def _kill(process: subprocess.Popen[bytes]) -> None:
    """End the process, and on POSIX whatever it started and left in its group."""
    with contextlib.suppress(ProcessLookupError, PermissionError):  # macOS refuses where only zombies are left
        if hasattr(os, "killpg"):
            os.killpg(process.pid, signal.SIGKILL)
        else:
            process.kill()
    process.wait()


class _Output:
    """The end of what a process writes. All of it is read, so that the process can go on."""

    def __init__(self, pipe: Any) -> None:
        self._kept = b""
        self._reader = threading.Thread(target=self._read, args=(pipe,), daemon=True)
        self._reader.start()

    def _read(self, pipe: Any) -> None:
        with pipe:
            while data := os.read(pipe.fileno(), 2**16):
                self._kept = (self._kept + data)[-_OUTPUT_LIMIT_BYTES:]

    def text(self) -> str:
        """What was written. What a process that got away holds open is not waited for."""
        self._reader.join(_DRAIN_S)
        return self._kept.decode(errors="replace")


def _collected(
    replies: Path, lookups: Mapping[str, str], checkout: Checkout, folders: Sequence[str], end: _End
) -> Evaluation:
    """What the process replied, and what became of the steps that it did not come to.

    Args:
        replies: the file that it appended to.
        lookups: references of the dictionaries that it was to evaluate, by step.
        checkout: where it was. Texts name the files of a temporary one as those of the working tree.
        folders: that modules are imported from.
        end: how it ended.
    """
    meanings: list[Variant] = []
    refused: list[Refused] = []
    troubles: list[Trouble] = []
    done: set[str] = set()
    names, what = list(lookups), "starting Python"

    def in_place(text: str) -> str:
        return text.replace(str(checkout.root), str(checkout.top))

    def add_trouble(steps: Sequence[str], reason: str, details: str, *, is_late: bool = False) -> None:
        named = ", ".join(f"`{step}`" for step in steps)
        line = f"step{'' if len(steps) == 1 else 's'} {named}: {in_place(reason)}"
        troubles.append(Trouble(tuple(steps), line, in_place(details.strip()), is_late))
        done.update(steps)

    for kind, facts in _read_replies(replies):
        if kind == "begin":
            names, what = facts["steps"], facts["what"]
        elif kind == "meaning":
            name = VariantName(*facts.pop("name"))
            meanings.append(Variant(name, **facts, source=lookups[name.step]))
        elif kind == "refused":
            reason = in_place(facts.pop("reason"))
            refused.append(Refused(VariantName(*facts.pop("name")), reason, **facts))
        elif kind == "trouble":
            add_trouble(facts["steps"], facts["reason"], facts["details"] or end.output)
        elif kind == "evaluated":
            done.add(facts["step"])
        elif kind == "end":
            elsewhere = facts.pop("elsewhere")
            used: dict[str, Any] = {name: frozenset(found) for name, found in facts.items()}
            packages = {path.rpartition("/")[0] for path in used["files"] if path.endswith(MODULE)}
            usage = Usage(packages=frozenset(packages.difference(folders)), **used)
            return Evaluation(tuple(meanings), tuple(refused), tuple(troubles), usage, elsewhere)
    if not done.issuperset(names):
        add_trouble(names, f"{what} {end.manner}", end.output, is_late=end.is_late)
    left = [name for name in lookups if name not in done]
    if left:
        add_trouble(left, f"not evaluated, because {what} {end.manner}", "", is_late=end.is_late)
    return Evaluation(tuple(meanings), tuple(refused), tuple(troubles), Usage(is_complete=False))


def _read_replies(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """The replies by kind, up to the one in which the process was ended."""
    if path.exists():
        with path.open("rb") as file:
            yield from msgpack.Unpacker(file, unicode_errors="surrogatepass", use_list=True, max_buffer_size=0)
