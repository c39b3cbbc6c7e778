"""A real journal, from which hostile ones are made: trials, locks, remarks, annotations, a merge and disputed ends."""

from __future__ import annotations

import contextlib
import io
import os
from pathlib import Path
from typing import NamedTuple

import pygit2

from mitosis.__main__ import run_command
from mitosis.journal import reasons
from mitosis.records.codec import decode_trial
from mitosis.records.trial import ParameterRecord
from mitosis.variants import VariantName
from support.hostile import HUGE_BYTES, MARKER
from support.journal import JOURNAL, NOTES, Desk, make_variant, run_git

CONFIG = '[tool.mitosis.steps]\nmy_exp = ["lab:run", "lab:lookup_dict"]\n'
LAB = 'lookup_dict = {"frequency": {"fast": 10, "slow": 1}}\n\n\ndef run(frequency):\n    return {"main": frequency}\n'
EVIL = ("diff.evil.textconv", "diff.evil.command", "filter.evil.smudge", "merge.evil.driver", "core.fsmonitor")
"""What git would run if a file of the journal could ask for it, or it ran where the journal is."""


class Found(AssertionError):
    """Something that must not happen, happened."""


class Real(NamedTuple):
    """A real journal, and others that have to do with it."""

    here: Path
    there: Path
    tip: str
    tips: tuple[str, ...]
    """Of the others: ahead, diverged, and of its own."""
    huge: list[str]
    recorded: dict[str, str]
    """The blob at each path of `here` that must not change."""
    running: frozenset[str]
    """Paths of the records among these that have not ended."""
    names: list[str]
    """What trailers may say that explain what was taken away."""


def _trial(desk: Desk, number: int, *, ends: bool = True, name: str = "slow", value: object = 1) -> str:
    variant = make_variant(name, value)
    given = {
        "key": f"{number:02x}" * 6,
        "variants": [variant],
        "parameters": (ParameterRecord("my_exp", "frequency", "lookup", name, digest=variant.digest),),
        "started": f"2026-03-{number % 28 + 1:02}T12:00:00+00:00",
    }
    record = desk.run_trial(**given) if ends else desk.start_trial(**given)
    return record.key


def make_real(folder: Path) -> Real:
    """Record trials, locks, remarks, annotations and disputes in two clones, in `folder`."""
    here, there = folder / "here", folder / "there"
    run_git("init", "--quiet", "--template=", str(here), cwd=folder)
    (here / "pyproject.toml").write_text(CONFIG)
    (here / "lab.py").write_text(LAB)
    run_git("add", ".", cwd=here)
    run_git("commit", "--quiet", "-m", "first", cwd=here)
    run_git("clone", "--quiet", "--template=", str(here), str(there), cwd=folder)
    ada, bob = Desk(here), Desk(there)
    slow, fast = VariantName("my_exp", "frequency", "slow"), VariantName("my_exp", "frequency", "fast")
    for number in range(1, 5):
        _trial(ada, number)
    running = _trial(ada, 5, ends=False)
    _trial(ada, 6, name="fast", value=10)
    ada.rename(slow, "gentle", ada.identity)
    ada.retire(fast, "wrong", ada.identity)
    ada.lock([make_variant("typo", 7)], ada.repository.head or "", ada.identity)
    ada.release(VariantName("my_exp", "frequency", "typo"), "a typing error", ada.identity)
    ada.tag(["02" * 6, "03" * 6], "paper", ada.identity)
    ada.note("02" * 6, "wrong sensor\nsee 03", ada.identity)
    bob.merge_from(ada)
    tip = bob.tip() or ""
    bob.untag(["03" * 6], "paper", bob.identity)
    ada.tag(["05" * 6], "to read", ada.identity)
    for number, desk in ((8, ada), (9, bob)):
        _trial(desk, number, name="both", value=number)
    for desk, main in ((ada, 1), (bob, 2)):
        record = desk.read_trial(running)
        desk.end(record.with_changes(status="finished", main=main, ended="2026-03-09T12:00:00+00:00"), desk.identity)
    bob.forget("01" * 6, bob.identity)
    diverged = bob.tip() or ""
    _trial(ada, 10, ends=False)
    ada.merge_from(bob)
    bob.merge_from(ada)
    _trial(bob, 11)
    ahead = bob.tip() or ""
    for ref in (JOURNAL, NOTES, "refs/refs/mitosis"):
        run_git("update-ref", "--no-deref", "-d", ref, cwd=there)
    _trial(bob.again(), 12, name="own", value=12)
    own = bob.again().tip() or ""
    for number, commit in enumerate((tip, diverged, ahead, own)):
        run_git("update-ref", f"refs/kept/{number}", commit, cwd=there)
    for clone in (here, there):
        run_git("gc", "--quiet", cwd=clone)
    huge = [run_git("hash-object", "-w", "--stdin", cwd=there, stdin="0" * size).strip() for size in HUGE_BYTES]
    lines = run_git("ls-tree", "-r", "-z", JOURNAL, cwd=here).split("\0")
    files = {path: words.split()[2] for words, _, path in (line.partition("\t") for line in lines if line)}
    recorded = {path: oid for path, oid in files.items() if reasons.is_kept(path)}
    repository = pygit2.Repository(here)
    texts = {path: repository[oid].read_raw() for path, oid in recorded.items() if path.startswith("trials/")}
    unended = frozenset(path for path, data in texts.items() if decode_trial(data, path).ended is None)
    names = [f"{number:02x}" * 6 for number in range(1, 12)] + [str(slow), str(fast)]
    names += [f"{path.split('/')[-1][:40]} {slow}" for path in recorded if "/slow/" in path]
    for name in EVIL:
        run_git("config", name, f"touch {here.parent / MARKER}", cwd=here)
    run_git("config", "--unset", "core.fsmonitor", cwd=here)
    return Real(here, there, ada.tip() or "", (ahead, diverged, own, tip), huge, recorded, unended, names)


def isolate(home: Path) -> None:
    """Keep the configuration of the machine and the user, and the time, out of git and libgit2."""
    for name in [name for name in os.environ if name.startswith(("GIT_", "XDG_", "EMAIL"))]:
        del os.environ[name]
    os.environ.update(HOME=str(home), GIT_CONFIG_NOSYSTEM="1", GIT_TERMINAL_PROMPT="0")
    # What is real then has the same ids each time, which decide some merges.
    os.environ.update(dict.fromkeys(("GIT_AUTHOR_DATE", "GIT_COMMITTER_DATE"), "2026-03-10T12:00:00+00:00"))
    (home / ".gitconfig").write_text(
        "[user]\n name = Ada Lovelace\n email = ada@example.org\n[init]\n defaultBranch = main\n[gc]\n auto = 0\n"
        "[maintenance]\n auto = false\n[mitosis]\n fsync = false\n[safe]\n directory = *\n"
    )
    levels = pygit2.enums.ConfigLevel
    for level in (levels.SYSTEM, levels.XDG, levels.PROGRAMDATA, levels.GLOBAL):
        pygit2.settings.search_path[level] = str(home if level == levels.GLOBAL else home / "nowhere")


def made_real(folder: Path) -> Real:
    """Something real, in an empty folder, once all commands have been loaded."""
    real = make_real(folder)
    with (
        contextlib.chdir(real.here),
        contextlib.redirect_stdout(io.StringIO()),
        contextlib.redirect_stderr(io.StringIO()),
    ):
        for words in (
            ["list"],
            ["show", "05"],
            ["variants"],
            ["check"],
            ["verify", "--repair"],
            ["pull", str(real.here)],
        ):
            if run_command(words) not in (0, 1):
                raise Found(f"{words} fails for a real journal")
    return real
