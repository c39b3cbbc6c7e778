"""The examples of a page of the documentation, and whether they do what the page shows.

A page is Markdown. What counts in it are its fenced blocks, in their order:

console: commands behind `$ `, continued on lines behind `> `, each followed by what it prints. They are run by bash
    on a terminal of 80 columns. In a block without any output the commands only have to succeed.
pycon: Python behind `>>> ` and `... `, likewise, one session a block.
python, toml, text: a file, where the first line is a comment that names it: `# sine_experiment/__init__.py`, or of a
    template `{# house/index.html.j2 #}`. It is written to the working directory, first line and all. Without such a
    line the block is no example.

Other blocks are not looked at. Shown output has to be what is printed, except that

- a line `...` stands for any lines;
- what differs from run to run or from machine to machine (times, durations, ids, sizes, versions) has to be of the
  same kind, and an id that is shown again has to be the same again, also where a command uses it;
- of a number with many digits the last ones do not count;
- the home folder is `/home/ada`.
"""

from __future__ import annotations

import fcntl
import json
import math
import os
import pty
import re
import signal
import struct
import subprocess
import sys
import sysconfig
import termios
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from support.terminal import read_all
from support.waiting import TIMEOUT_S

COLUMNS = 80
SHOWN_HOME = "/home/ada"
ANYTHING = "..."

_FENCE = re.compile(r"^```(?P<language>\w+)\n(?P<body>.*?)^```$", re.MULTILINE | re.DOTALL)
_FILE_LINE = re.compile(r"# (?P<path>(?:[\w-]+/)*[\w-]*\.\w+)|\{# (?P<template>(?:[\w-]+/)*[\w-]+\.html\.j2) #\}")
_PROMPTS = {"console": ("$ ", "> "), "pycon": (">>> ", "... ")}
_FILE_LANGUAGES = ("python", "toml", "text")


@dataclass(frozen=True, slots=True)
class File:
    """A file that a page shows."""

    line: int
    path: str
    text: str


@dataclass(frozen=True, slots=True)
class Command:
    """What is typed, and what that prints."""

    source: str
    shown: str


@dataclass(frozen=True, slots=True)
class Transcript:
    """A block of commands."""

    line: int
    language: str
    commands: tuple[Command, ...]

    @property
    def shows_output(self) -> bool:
        return any(command.shown for command in self.commands)


def read_examples(page: str) -> list[File | Transcript]:
    """The examples of a page, in their order."""
    examples: list[File | Transcript] = []
    for match in _FENCE.finditer(page):
        line = page.count("\n", 0, match.start()) + 1
        language, body = match["language"], match["body"]
        if language in _PROMPTS and body.startswith(_PROMPTS[language][0]):
            examples.append(Transcript(line, language, tuple(_read_commands(body, *_PROMPTS[language]))))
        elif language in _FILE_LANGUAGES and (name := _FILE_LINE.fullmatch(body.partition("\n")[0])):
            examples.append(File(line, name["path"] or name["template"], body))
    return examples


def _read_commands(body: str, prompt: str, continuation: str) -> Iterable[Command]:
    source: list[str] = []
    shown: list[str] = []
    for line in body.splitlines():
        if line.startswith(prompt):
            if source:
                yield Command("\n".join(source), "\n".join(shown).strip("\n"))
            source, shown = [line.removeprefix(prompt)], []
        elif not shown and line.startswith(continuation.rstrip()) and line.rstrip() != ANYTHING:
            source.append(line.removeprefix(continuation))
        else:
            shown.append(line.rstrip())
    yield Command("\n".join(source), "\n".join(shown).strip("\n"))


# --- what may differ ------------------------------------------------------------------------------

_KINDS = {
    "moment": r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[+-]\d\d:\d\d",
    "git_date": r"[A-Z][a-z]{2} [A-Z][a-z]{2} [ \d]?\d \d\d:\d\d:\d\d \d{4} [+-]\d{4}",
    "date": r"\d{4}-\d\d-\d\d",
    "clock": r"\d\d:\d\d:\d\d,\d{3}",
    "number": r"\d+\.\d{8,}(?:e[+-]\d+)?",
    "duration": r"\d+ min \d+ s\b|\d+(?:\.\d)? s\b",
    "ago": r"just now|\d+ (?:min|h|d|mo|y) ago",
    "size": r"(?m:^) +[\d,]+(?=  [0-9a-f]{12}  )|\d+ MB",
    "address": r"0x[0-9a-f]+",
    "cpus": r"\d+ CPUs?",
    "interpreter": r"(?<= )/\S+/bin/python[\d.]*",
    "python": r"CPython \d+\.\d+\.\d+",
    "platform": r"Linux-\S+",
    "blanks": r"(?<=\S) {2,}",
}
_SHOWN_ID = r"(?<![0-9A-Za-z.])(?=[a-f]*[0-9])(?:[0-9a-f]{12}(?=debug)|[0-9a-f]{6,40}(?![0-9A-Za-z]))"
_TOKEN = re.compile("|".join(f"(?P<{kind}>{pattern})" for kind, pattern in {**_KINDS, "id": _SHOWN_ID}.items()))
_TYPED_ID = re.compile(r"(?<![0-9A-Za-z])[0-9a-f]{4,40}(?![0-9A-Za-z])")


class Ids:
    """Which ids of this run stand for those that a page shows."""

    def __init__(self) -> None:
        self._known: dict[str, str] = {}

    def note(self, shown: str, actual: str) -> bool:
        """Take note of a pair; returns whether it fits those before. An id is the same as what abbreviates it."""
        for known_shown, known_actual in self._known.items():
            if _abbreviates(shown, known_shown) != _abbreviates(actual, known_actual):
                return False
        self._known[shown] = actual
        return True

    def translate(self, typed: str) -> str:
        """What is typed on a page, with the ids of this run."""

        def actual(match: re.Match[str]) -> str:
            found = (known for shown, known in self._known.items() if shown.startswith(match[0]))
            return next(found, match[0])[: len(match[0])]

        return _TYPED_ID.sub(actual, typed)


def _abbreviates(one: str, other: str) -> bool:
    return one.startswith(other) or other.startswith(one)


def is_as_shown(shown: str, printed: str, ids: Ids) -> bool:
    """Whether something printed is what a page shows, but for what may differ."""
    pattern: list[str] = []
    tokens: list[tuple[str, str]] = []
    for line in shown.splitlines():
        if line == ANYTHING:
            pattern.append(r"(?:.*\n)*?")
            continue
        end = 0
        for match in _TOKEN.finditer(line):
            kind = str(match.lastgroup)
            pattern.append(re.escape(line[end : match.start()]))
            pattern.append(f"([0-9a-f]{{{len(match[0])}}})" if kind == "id" else f"({_KINDS[kind]})")
            tokens.append((kind, match[0]))
            end = match.end()
        pattern.append(re.escape(line[end:]) + r"\n")
    found = re.fullmatch("".join(pattern), printed + "\n" if printed else "")
    if found is None:
        return False
    return all(_is_same(kind, token, actual, ids) for (kind, token), actual in zip(tokens, found.groups(), strict=True))


def _is_same(kind: str, shown: str, actual: str, ids: Ids) -> bool:
    if kind == "id":
        return ids.note(shown, actual)
    if kind == "number":
        return math.isclose(float(shown), float(actual), rel_tol=1e-6)
    return True


# --- running --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Printed:
    """What a command of a page printed, and whether the page shows that."""

    command: Command
    text: str
    is_as_shown: bool


_PYTHON_SESSION = """\
import contextlib, io, json, sys, traceback
sys.path.insert(0, "")
namespace, printed = {"__name__": "__main__"}, []
for source in json.loads(sys.argv[1]):
    with contextlib.redirect_stdout(io.StringIO()) as out:
        try:
            exec(compile(source + "\\n", "<stdin>", "single"), namespace)
        except Exception as error:
            print("Traceback (most recent call last):\\n  ...")
            print("".join(traceback.format_exception_only(error)), end="")
    printed.append(out.getvalue())
json.dump(printed, sys.stdout)
"""


class Session:
    """Somebody who follows a page.

    Args:
        home: the home folder, which is where it starts.
        programs: the folder of programs to find first.
        variables: environment variables to add.
    """

    def __init__(self, home: Path, programs: Path, variables: Mapping[str, str]) -> None:
        self.home = home
        self.folder = home
        self.ids = Ids()
        self._where = home / ".where"
        scripts = sysconfig.get_path("scripts")
        self._environment = {
            **os.environ,
            **variables,
            "PATH": os.pathsep.join([str(programs), scripts, os.environ["PATH"]]),
            "TERM": "dumb",
            "GIT_PAGER": "cat",
        }

    def write(self, file: File) -> None:
        """Write a file that the page shows."""
        path = self.folder / file.path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(self.ids.translate(file.text), encoding="utf-8")

    def run(self, transcript: Transcript) -> list[Printed]:
        """Run the commands of a block.

        Raises:
            AssertionError: a command of a block without output did not succeed.
        """
        if transcript.language == "pycon":
            texts = self._run_python([command.source for command in transcript.commands])
            return [self._compare(command, text) for command, text in zip(transcript.commands, texts, strict=True)]
        printed = []
        for command in transcript.commands:
            text, status = self._run_shell(self.ids.translate(command.source))
            if transcript.shows_output:
                printed.append(self._compare(command, text))
            else:
                assert status == 0, f"$ {command.source}\n{text}"
        return printed

    def _compare(self, command: Command, text: str) -> Printed:
        return Printed(command, text, is_as_shown(command.shown, text, self.ids))

    def _run_shell(self, source: str) -> tuple[str, int]:
        terminal, other_end = pty.openpty()
        fcntl.ioctl(other_end, termios.TIOCSWINSZ, struct.pack("HHHH", 50, COLUMNS, 0, 0))
        process = subprocess.Popen(
            ["bash", "-c", 'trap "pwd > $WHERE" EXIT\n' + source],
            cwd=self.folder,
            env={**self._environment, "WHERE": str(self._where)},
            stdin=subprocess.DEVNULL,
            stdout=other_end,
            stderr=other_end,
            start_new_session=True,
        )
        os.close(other_end)
        deadline = threading.Timer(TIMEOUT_S, os.killpg, (process.pid, signal.SIGKILL))
        deadline.start()
        printed = b"".join(read_all(terminal))
        os.close(terminal)
        status = process.wait()
        deadline.cancel()
        self.folder = Path(self._where.read_text().rstrip("\n"))
        return self._as_on_a_page(printed.decode().replace("\r\n", "\n")), status

    def _run_python(self, sources: list[str]) -> list[str]:
        translated = json.dumps([self.ids.translate(source) for source in sources])
        done = subprocess.run(
            [sys.executable, "-c", _PYTHON_SESSION, translated],
            cwd=self.folder,
            env=self._environment,
            capture_output=True,
            text=True,
            timeout=TIMEOUT_S,
            check=False,
        )
        assert done.returncode == 0 and not done.stderr, done.stderr
        return [self._as_on_a_page(text) for text in json.loads(done.stdout)]

    def _as_on_a_page(self, printed: str) -> str:
        lines = [line.rstrip() for line in printed.replace(str(self.home), SHOWN_HOME).splitlines()]
        return "\n".join(lines).strip("\n")
