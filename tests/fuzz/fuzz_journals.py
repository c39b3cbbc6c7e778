"""Makes hostile journals, and holds the commands to what they promise.

    python tests/fuzz/fuzz_journals.py --journals 20000 --seed 1

Each journal goes on from a real one as `support.hostile` decides. A clone pulls it, reads it, checks it, and does what
`mitosis verify` advises; or it has no other journal, as after a first clone. Whatever the journal is: no command ends
in a traceback, takes long or much memory; nothing that came with the journal is run; nothing is written outside the
places of mitosis; nothing that the clone had recorded is gone or changed without a commit that says so; and what
`verify` advises can be typed, and makes nothing worse. A failure is printed with the seed that makes the journal again.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import random
import re
import resource
import select
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

import pygit2

from mitosis import verify as verification
from mitosis.__main__ import run_command
from mitosis.journal import layout
from mitosis.journal.storage import walking
from support.hostile import MARKER, MISSING, Maker
from support.hostile_real import Found, Real, isolate, made_real
from support.journal import JOURNAL, NOTES, run_git

TIME_LIMIT_S = 20.0
"""Of the processor, for one command."""
HANG_LIMIT_S = 60.0
MEMORY_LIMIT_BYTES = 2**30
"""Of one command, beside what is loaded already."""
MOST_OUTPUT = 2_000_000

OURS = re.compile(
    r"\.git/(mitosis/|(logs/)?refs/(refs/)?mitosis(/|$)|refs/refs/?$|(logs/)?refs/notes/mitosis|objects/|"
    r"(logs|refs|refs/notes|logs/refs|logs/refs/notes|mitosis|packed-refs)$)"
)
UNSAFE = re.compile("[\x01-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]")
BROKEN = re.compile(
    "bad object|bad tree|bad revision|missing|unable to read|unable to parse|[Cc]ould not read|cannot parse|corrupt|"
    "not a tree|not a commit|not a valid|invalid|failed to|unknown revision|fatal: ambiguous|mismatch|"
    "Timestamp before"
)
"""What git says where the history itself is damaged, so that it cannot show more of it."""


# --- one journal ----------------------------------------------------------------------------------


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
        self.here, self.there = folder / "here", folder / "there"
        self.marker = folder / MARKER
        self.touch = f"touch {self.marker}"
        self.read = 0
        shutil.copytree(real.here, self.here, symlinks=True)
        (self.there / "objects").mkdir(parents=True)
        (self.there / "refs").mkdir()
        (self.there / "HEAD").write_text("ref: refs/heads/main\n")
        (self.there / "config").write_text(
            f"[core]\n bare = true\n fsmonitor = {self.touch}\n[uploadpack]\n packObjectsHook = {self.touch}\n"
        )
        maker = Maker(self.random, pygit2.Repository(real.there), self.there / "objects", real.huge)
        base = self.random.choice(real.tips)
        self.tip = maker.ref(maker.journal(base, self.random.choice(real.tips), real.names))
        self.repeats = {"copy", "rename", "exchange", "bomb"} & set(maker.done)
        self.tell(f"made on {('ahead', 'diverged', 'own', 'base')[real.tips.index(base)]}: {' '.join(maker.done)}")
        self.set_refs(self.there, JOURNAL)
        self.is_near = self.random.random() < 0.6
        run_git("config", "remote.origin.url", str(self.there), cwd=self.here)
        run_git("config", "remote.origin.fetch", "+refs/heads/*:refs/remotes/origin/*", cwd=self.here)
        if self.is_near:
            # git fetches nothing of which a part is missing, so it is there already.
            self.set_refs(self.here / ".git", layout.remote_journal_ref("origin"))

    def set_refs(self, git_dir: Path, journal: str) -> None:
        """Let a ref point to the hostile journal, and others to what they should not."""
        (git_dir / "objects" / "info").mkdir(exist_ok=True)
        lender = self.real.there / ".git" if git_dir == self.there else self.there
        (git_dir / "objects" / "info" / "alternates").write_text(f"{lender}/objects\n")
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
        if unsafe and words[0] != "__complete":
            raise Found(f"{unsafe} in {text[max(0, unsafe.start() - 200) : unsafe.end() + 200]!r}")
        # Only what reads a whole tree knows that a folder is there twice.
        if "! index: " in text and not self.repeats:
            raise Found("the index is wrong")
        if len(text) > MOST_OUTPUT:
            raise Found(f"{len(text)} characters of output")
        return status, text

    # --- what has to hold -------------------------------------------------------------------------

    def files(self) -> dict[str, tuple[int, int]]:
        """What is outside the places of mitosis."""
        found = {}
        for root, folders, names in os.walk(self.here):
            for name in (*folders, *names):
                path = os.path.join(root, name)  # noqa: PTH118
                relative = os.path.relpath(path, self.here)
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
        said = run_git("log", "-z", "--format=%B", f"{self.real.tip}..{JOURNAL}", cwd=self.here)
        for path in lost:
            name = path.split("/")[-1].partition(".")[0]
            disputed = f"disputed/{name}/{recorded[path]}.msgpack"
            is_told = any(
                f"{word}: " in said for word in ("Forgotten", "Chosen", "Settled", "Dropped", "Released", "Unretired")
            )
            if (path in self.real.running and present[path]) or self.entries([disputed]) == [recorded[path]]:
                continue
            if not is_told or (name not in said and path.split("/")[-2] not in said) or path.startswith("environments"):
                raise Found(f"lost: {path}, now {present[path]}; {said[:2000]!r}")

    def pull(self) -> None:
        words = ["origin", *(["--no-fetch"] if self.is_near else [])]
        for how in (["pull"], ["pull", "--keep"]):
            status, text = self.run(*how, *words)
            self.tell(f"= {' '.join(how)} {'refused' if status else 'done'}")
            if status and run_git("rev-parse", JOURNAL, cwd=self.here).strip() != self.real.tip:
                raise Found("a pull that was refused has changed the journal")
            self.check_kept()
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
        ]
        for words in self.random.sample(options, 5):
            self.run(*words)
        words = self.random.choice((["show"], ["variants", "show"], ["settle"], ["variants", "resolve"]))
        self.run("__complete", *words, self.random.choice(("", "0", "my_exp.frequency=")))

    # --- what verify advises ----------------------------------------------------------------------

    def verify(self) -> tuple[set[str], list[str]]:
        """The problems, and the commands that are named for them."""
        _, text = self.run("verify")
        lines = text.split("\n")
        problems = {re.sub(r"\d+ (minutes?|seconds?|s) ", "", line) for line in lines if line.startswith(("✗", "! "))}
        named = [line[4:].partition("   (")[0] for line in lines if line.startswith("    ")]
        return problems, list(dict.fromkeys(re.split(", (?:once|or|and) ", line)[0] for line in named))

    def follow_advice(self) -> None:
        problems, commands = self.verify()
        for _ in range(4):
            for command in commands[:3] + self.random.sample(commands, min(3, len(commands))):
                self.do(command)
            after, commands = self.verify()
            worse = after - problems
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
        before = self.files()
        if self.random.random() < 0.7:
            self.pull()
        else:
            self.set_refs(self.here / ".git", JOURNAL)
        self.look()
        if self.random.random() < 0.4:
            self.follow_advice()
        after = self.files()
        changed = {path for path in before.keys() | after.keys() if before.get(path) != after.get(path)}
        if changed - {".git/FETCH_HEAD"}:
            raise Found(f"written: {sorted(changed)}")
        if self.marker.exists() or (self.here / MARKER).exists():
            raise Found("code of the journal was run")


def _in_child(real: Real, folder: Path, seed: int, pipe: int) -> None:
    """Hold one case, bounded."""
    os.setpgid(0, 0)
    if seed % 10:
        walking._ALWAYS_READ = 2_000  # what is said of a tree without end comes sooner
    with tempfile.TemporaryFile() as output:
        os.dup2(output.fileno(), 1)
        os.dup2(output.fileno(), 2)
        sys.stdout, sys.stderr = (open(number, "w", closefd=False, encoding="utf-8") for number in (1, 2))  # noqa: SIM115
        loaded = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        limit = loaded + MEMORY_LIMIT_BYTES
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
        try:
            Case(real, folder, seed, pipe).hold()
        except Found as error:
            text = f"FOUND {error}"
        except BaseException:
            text = f"FOUND in the fuzzer: {traceback.format_exc()}"
        else:
            text = "= held"
        os.write(pipe, text.encode(errors="replace") + b"\n")
    os._exit(0)


def hold(real: Real, seed: int) -> Counter[str]:
    """Make the journal of a seed, and hold the commands to their promises.

    Returns:
        What happened, counted.

    Raises:
        Found: what must not happen did.
    """
    readable, writable = os.pipe()
    with tempfile.TemporaryDirectory(prefix="journal-") as name:
        pid = os.fork()
        if pid == 0:
            os.close(readable)
            _in_child(real, Path(name), seed, writable)
        os.close(writable)
        said = b""
        reason = "the process died"
        while True:
            if not select.select([readable], [], [], HANG_LIMIT_S)[0]:
                reason = f"no end after {HANG_LIMIT_S:.0f} s"
                break
            data = os.read(readable, 2**16)
            if not data:
                break
            said += data
        os.close(readable)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    lines = said.decode(errors="replace").splitlines()
    if "= held" not in lines:
        found = next((number for number, line in enumerate(lines) if line.startswith("FOUND")), None)
        raise Found("\n".join([f"seed {seed}", *lines] if found is not None else [f"seed {seed}", *lines, reason]))
    return Counter(line[2:] for line in lines if line.startswith("= "))


def fuzz(journals: int, seed: int, *, keep_going: bool = False) -> tuple[Counter[str], list[Found]]:
    """Make so many journals; what happened, and what was found."""
    happened: Counter[str] = Counter()
    found = []
    verification._PAUSE_S = 0  # nobody else writes
    with made_real() as real:
        for number in range(seed, seed + journals):
            if keep_going and number % 100 == 0:
                sys.stdout.write(f"{number}\n")
                sys.stdout.flush()
            try:
                happened += hold(real, number)
            except Found as error:
                found.append(error)
                if not keep_going:
                    break
                sys.stdout.write(f"\n{error}\n")
                sys.stdout.flush()
    return happened, found


def main() -> int:
    """Run the fuzzer from the command line."""
    parser = argparse.ArgumentParser(description="Make hostile journals, and hold the commands to their promises.")
    parser.add_argument("--journals", type=int, default=1_000)
    parser.add_argument("--seed", type=int, default=0, help="of the first journal; the next ones have the next")
    parser.add_argument("--keep-going", action="store_true", help="do not stop at what is found first")
    given = parser.parse_args()
    began = time.perf_counter()
    with tempfile.TemporaryDirectory(prefix="home-") as name:
        isolate(Path(name))
        happened, found = fuzz(given.journals, given.seed, keep_going=given.keep_going)
    for error in [] if given.keep_going else found:
        sys.stdout.write(f"{error}\n")
    counts = ", ".join(f"{what} {count:,}" for what, count in sorted(happened.items()))
    sys.stdout.write(f"{counts}, found {len(found)}, in {time.perf_counter() - began:.0f} s\n")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
