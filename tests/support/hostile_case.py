"""One hostile journal: a clone that meets it, and what has to hold whatever is in it."""

from __future__ import annotations

import os
import random
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import pygit2

from fuzz.fuzz_decoders import HOSTILE_TEXTS
from mitosis.__main__ import run_command
from mitosis.errors.base import MitosisError
from mitosis.git.repository import find_repository
from mitosis.journal import layout
from mitosis.journal.journal import Journal
from mitosis.records.trial import TrialRecord
from support.hostile import MARKER, MISSING, Maker
from support.hostile_real import Found, Real
from support.journal import JOURNAL, NOTES, run_git

TIME_LIMIT_S = 20.0
"""Of the processor, for one command."""
MOST_OUTPUT = 2_000_000

OURS = re.compile(
    r"\.git/(mitosis/|(logs/)?refs/(refs/)?mitosis(/|$)|refs/refs/?$|(logs/)?refs/notes/mitosis|objects/|"
    r"(logs|refs|refs/notes|logs/refs|logs/refs/notes|mitosis|packed-refs)$)"
)
CONDITIONS = (
    "main < 1",
    "frequency == 'slow'",
    "started > '2026'",
    "'paper' in tags",
    "key == '05'",
    "not main is None",
)
UNSAFE = re.compile("[\x01-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]")
BROKEN = re.compile(
    "bad object|bad tree|bad revision|missing|unable to read|unable to parse|[Cc]ould not read|cannot parse|corrupt|"
    "not a tree|not a commit|not a valid|invalid|failed to|unknown revision|fatal: ambiguous|mismatch|"
    "Timestamp before"
)
"""What git says where the history itself is damaged, so that it cannot show more of it."""


class Case:
    """A clone and a remote with a hostile journal. Everything is done in a process of its own.

    Args:
        real: what they are made from.
        folder: an empty one.
        seed: decides everything.
        tell: is told what is being done.
    """

    def __init__(self, real: Real, folder: Path, seed: int, tell: int) -> None:
        self.real = real
        self.random = random.Random(seed)
        self.pipe = tell
        self.here, self.there, self.bait = folder / "here", folder / "there", folder / "elsewhere"
        self.marker = folder / MARKER
        self.touch = f"touch {self.marker}"
        self.read = 0
        self.cut: set[str] = set()
        """The kinds of findings of which not all were shown, so that one may only seem to be new."""
        shutil.copytree(real.here, self.here, symlinks=True)
        self.bait.mkdir()
        (self.there / "refs").mkdir(parents=True)
        self.borrow(self.there, real.there / ".git")
        (self.there / "HEAD").write_text("ref: refs/heads/main\n")
        (self.there / "config").write_text(
            f"[core]\n bare = true\n fsmonitor = {self.touch}\n[uploadpack]\n packObjectsHook = {self.touch}\n"
        )
        run_git("config", "remote.origin.url", str(self.there), cwd=self.here)
        run_git("config", "remote.origin.fetch", "+refs/heads/*:refs/remotes/origin/*", cwd=self.here)
        self.maker = Maker(self.random, pygit2.Repository(self.there), self.there / "objects", real.huge, self.bait)
        self.is_near = self.random.random() < 0.6
        base = self.random.choice(real.tips)
        self.tell(f"made on {('ahead', 'diverged', 'own', 'base')[real.tips.index(base)]}")
        self.offer(self.maker.journal(base, self.random.choice(real.tips), real.names))

    def offer(self, tip: str) -> None:
        """Let the remote have a hostile journal, and perhaps this clone, as if it was fetched."""
        self.commit, self.tip = tip, self.maker.ref(tip)
        self.tell(f"made: {' '.join(self.maker.done)}")
        self.baits = self.files(self.bait)
        self.set_refs(self.there, JOURNAL)
        if self.is_near:
            # git fetches nothing of which a part is missing, so it is there already.
            self.borrow(self.here / ".git", self.there)
            self.set_refs(self.here / ".git", layout.remote_journal_ref("origin"))

    def borrow(self, git_dir: Path, lender: Path) -> None:
        """Let a repository have the objects of another one."""
        (git_dir / "objects" / "info").mkdir(parents=True, exist_ok=True)
        (git_dir / "objects" / "info" / "alternates").write_text(f"{lender}/objects\n")

    def set_refs(self, git_dir: Path, journal: str) -> None:
        """Let a ref point to the hostile journal, and others to what they should not."""
        refs = {journal: self.tip}
        odd = (self.tip, MISSING, self.real.huge[0], self.real.tip)
        prefix = journal.removesuffix("journal")
        notes = NOTES if prefix == "refs/mitosis/" else f"{prefix}notes"
        for name in (notes, *(f"{prefix}commits/{pin}" for pin in ("a" * 40, self.real.tip, "x"))):
            if self.random.random() < 0.1:
                refs[name] = self.random.choice(odd)
        for name, oid in refs.items():
            (git_dir / name).parent.mkdir(parents=True, exist_ok=True)
            (git_dir / name).write_text(f"{oid}\n")

    def tell(self, text: str) -> None:
        os.write(self.pipe, f"{text}\n".encode(errors="replace"))

    def run(self, *words: str) -> tuple[int, str]:
        """Run a command of mitosis as a user would; its status and all that it prints."""
        self.tell(f"$ mitosis {shlex.join(words)}")
        variables = dict(os.environ)
        began = sum(os.times()[:4])
        status = run_command(list(words))
        took_s = sum(os.times()[:4]) - began
        if took_s > TIME_LIMIT_S:
            raise Found(f"it took {took_s:.0f} s")
        os.environ.clear()
        os.environ.update(variables)
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        with open(1, "rb", closefd=False) as file:
            file.seek(self.read)
            data = file.read()
        self.read += len(data)
        text = data.decode(errors="replace")
        if "Traceback (most" in text or "error in mitosis itself" in text:
            raise Found(text[-3000:])
        if status not in (0, 1, 2) and words[0] != "check":
            raise Found(f"status {status}: {text[-3000:]}")
        unsafe = UNSAFE.search(text)
        if unsafe and words[0] != "__complete" and "csv" not in words:  # which is exact, for programs
            raise Found(f"{unsafe} in {text[max(0, unsafe.start() - 200) : unsafe.end() + 200]!r}")
        # Only what reads a whole tree knows that a folder is there twice.
        if "! index: " in text and not {"copy", "twin", "rename", "exchange", "bomb"} & set(self.maker.done):
            raise Found("the index is wrong")
        if len(text) > MOST_OUTPUT:
            raise Found(f"{len(text)} characters of output")
        return status, text

    # --- what has to hold -------------------------------------------------------------------------

    def files(self, top: Path) -> dict[str, tuple[int, int]]:
        """What is in a folder outside the places of mitosis."""
        found = {}
        for root, folders, names in os.walk(top):
            for name in (*folders, *names):
                path = os.path.join(root, name)  # noqa: PTH118
                relative = os.path.relpath(path, top)
                if not OURS.match(relative):
                    about = os.lstat(path)
                    is_file = name in names
                    found[relative] = (about.st_size, about.st_mtime_ns) if is_file else (0, 0)
        return found

    def entries(self, paths: Sequence[str]) -> list[str]:
        """The ids that the journal has at these paths."""
        lines = "".join(f"{JOURNAL}:{path}\n" for path in paths)
        output = run_git("cat-file", "--batch-check=%(objectname)", cwd=self.here, stdin=lines)
        return [line if len(line) == 40 else "" for line in output.splitlines()]

    def check_kept(self) -> None:
        """Nothing that the clone has recorded is gone or changed, but as a commit says."""
        recorded = self.real.recorded
        lost = [path for path, oid in zip(recorded, self.entries(list(recorded)), strict=True) if oid != recorded[path]]
        if not lost:
            return
        present = dict(zip(lost, self.entries(lost), strict=True))
        said = self.said()
        for path in lost:
            if path in self.real.running and present[path]:
                continue
            key = path.split("/")[-1].partition(".")[0]
            disputed = f"disputed/{key}/{recorded[path]}.msgpack"
            if self.entries([disputed]) != [recorded[path]] and not said & _reasons(path, present[path]):
                raise Found(f"lost: {path}, now {present[path]}; {sorted(said)!r:.2000}")

    def said(self) -> set[str]:
        """The lines of the messages of commits that have come."""
        return set(run_git("log", "--format=%B", f"{self.real.tip}..{JOURNAL}", cwd=self.here).split("\n"))

    def trials(self) -> dict[str, TrialRecord]:
        """The trials that the clone has, by key."""
        return {record.key: record for record in Journal(find_repository(self.here)).iter_trials()}

    def check_told(self, had: Mapping[str, TrialRecord]) -> None:
        """Of each trial that the clone had, the same is told as before, but as a commit says."""
        journal = Journal(find_repository(self.here))
        said = "\n".join(self.said())
        for key, before in had.items():
            names = ("author", "parameters", *(("main", "status") if before.ended is not None else ()))
            try:
                after = journal.read_trial(key)
                changed = [name for name in names if repr(getattr(before, name)) != repr(getattr(after, name))]
            except MitosisError as error:
                changed = [str(error)]
            reason = rf"^(Forgotten: {key}|Chosen: [0-9a-f]{{40}} {key}|Removed: trials/.*/{key}\.msgpack)$"
            if changed and not re.search(reason, said, re.MULTILINE):
                raise Found(f"trial {key} is told otherwise than before: {changed}")

    def check(self, had: Mapping[str, TrialRecord]) -> None:
        """All of it, and that nothing was done where others have left something."""
        self.check_kept()
        self.check_told(had)
        if self.files(self.bait) != self.baits:
            raise Found("something was done in a folder that a record names")

    def pull(self) -> None:
        words = ["origin", *(["--no-fetch"] if self.is_near else [])]
        for how in (["pull"], ["pull", "--keep"]):
            tip, had = run_git("rev-parse", JOURNAL, cwd=self.here), self.trials()
            status, text = self.run(*how, *words)
            self.tell(f"= {' '.join(how)} {'refused' if status else 'done'}")
            if status and run_git("rev-parse", JOURNAL, cwd=self.here) != tip:
                raise Found("a pull that was refused has changed the journal")
            self.check(had)
            for command in re.findall("^    (git .*)", text, re.MULTILINE) if status else ():
                self.do(command)
            if not status:
                break

    def look(self) -> None:
        keys = ["", "a" * 12, "05" * 6, "01", "0c" * 6, self.random.choice(self.real.names)]
        variants = ["my_exp.frequency=slow", "my_exp.frequency=both", "my_exp.frequency", "my_exp"]
        options = [
            *(["list"], ["list", "-n", "0"], ["variants"], ["check"], ["verify"], ["verify", "--against", "origin"]),
            *(["show", self.random.choice(keys[1:])], ["settle", "05" * 6], ["variants", "--locked"]),
            ["variants", "show", self.random.choice(variants)],
            ["variants", "diff", self.random.choice(variants)],
            [self.random.choice(("tag", "untag")), self.random.choice(("paper", *HOSTILE_TEXTS)), "02", "05" * 6],
            ["note", self.random.choice(keys), "-m", self.random.choice(HOSTILE_TEXTS)],
            ["list", self.random.choice(CONDITIONS), "--format", self.random.choice(("csv", "json", "markdown"))],
            *(["fields"], ["compare", "02", "03"], ["show", self.random.choice(("latest", "best", "@paper"))]),
        ]
        for words in self.random.sample(options, 5):
            self.run(*words)
        words = self.random.choice((["show"], ["variants", "show"], ["settle"], ["variants", "resolve"]))
        self.run("__complete", *words, self.random.choice(("", "0", "my_exp.frequency=")))

    # --- what verify advises ----------------------------------------------------------------------

    def verify(self) -> tuple[set[str], list[str]]:
        """The problems, and the commands that are named for them."""
        _, text = self.run("verify")
        self.cut |= set(re.findall(r"more findings of the kind \w+: (.+)", text))
        lines = text.split("\n")
        # Neither how long ago something was counts, nor which of several trials is named.
        varying = re.compile(r"\d+ (minutes?|seconds?|s) |(?<=lock: trial )[0-9a-f]{12}( and \d+ more)?")
        problems = {varying.sub("", line) for line in lines if line.startswith(("✗", "! "))}
        named = [line[4:].partition("   (")[0] for line in lines if line.startswith("    ")]
        return problems, list(dict.fromkeys(re.split(", (?:once|or|and) ", line)[0] for line in named))

    def follow_advice(self) -> None:
        problems, commands = self.verify()
        for _ in range(4):
            for command in commands[:3] + self.random.sample(commands, min(3, len(commands))):
                self.do(command)
            after, commands = self.verify()
            worse = {problem for problem in after - problems if problem[2:].partition(":")[0] not in self.cut}
            if any(re.search("no more are read|it is the same folder as", problem) for problem in problems):
                pass  # there was more than could be told
            elif worse and not any("pull" in command or "fetch" in command for command in commands):
                raise Found(f"worse than before: {sorted(worse)[:5]}; before: {sorted(problems)[:5]}")
            if after == problems:
                return
            problems = after
        if not any(re.search("no more are read|it is the same folder as", problem) for problem in problems):
            raise Found("what verify finds does not come to rest")

    def do(self, command: str) -> None:
        if any(word in command for word in ("CLONE", "COMMIT", "\\x")) or command.startswith("rm "):
            return
        if command.startswith("mitosis "):
            words = shlex.split(command)[1:]
            _, text = self.run(*words)
            ends = re.findall(r"^([0-9a-f]+)  recorded by.*\(listed\)", text, re.MULTILINE)
            if ends:
                self.run(*words, "--keep", self.random.choice(ends))
            return
        self.tell(f"$ {command}")
        done = subprocess.run(["bash", "-c", command], cwd=self.here, capture_output=True, text=True, errors="replace")
        if done.returncode and command != "git fsck" and not BROKEN.search(done.stderr):
            raise Found(f"{command}: {done.returncode}: {done.stderr[-500:]}")

    def hold(self) -> None:
        """Do it all."""
        os.chdir(self.here)
        before = self.files(self.here)
        if self.random.random() < 0.7:
            self.pull()
            if self.random.random() < 0.5:
                self.offer(self.maker.grow(self.commit, self.random.choice(self.real.tips), self.real.names))
                self.pull()
            had = self.trials()
            self.run("sync", *self.random.choice(([], ["nowhere"])))
            self.check(had)
        else:
            self.borrow(self.here / ".git", self.there)
            self.set_refs(self.here / ".git", JOURNAL)
        self.look()
        if self.random.random() < 0.4:
            self.follow_advice()
        after = self.files(self.here)
        changed = {path for path in before.keys() | after.keys() if before.get(path) != after.get(path)}
        if changed - {".git/FETCH_HEAD"}:
            raise Found(f"written: {sorted(changed)}")
        if self.marker.exists() or (self.here / MARKER).exists():
            raise Found("code of the journal was run")


def _reasons(path: str, present: str) -> set[str]:
    """The lines of messages of which each explains that a file is gone, or another one is there now."""
    kind, *parts, name = path.partition(".msgpack")[0].split("/")
    if kind == "trials":
        return {f"Chosen: {present} {name}"} if present else {f"Forgotten: {name}", f"Removed: {path}"}
    reasons = {f"Removed: {path}"}
    if kind == "disputed":
        reasons |= {f"Settled: {parts[0]}", f"Forgotten: {parts[0]}"}
    elif kind in ("variants", "retired"):
        variant = "{}.{}={}".format(*parts)
        reasons |= {f"Released: {name} {variant}"}
        reasons |= {f"Unretired: {variant}"} if kind == "retired" else {f"Dropped: {name} {variant}"}
    return set() if present else reasons
