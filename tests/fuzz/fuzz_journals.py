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
import io
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
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).parents[1]))

import pygit2

from mitosis import verify as verification
from mitosis.__main__ import run_command
from mitosis.journal import layout, reasons
from mitosis.records.codec import decode_trial
from mitosis.records.trial import ParameterRecord
from mitosis.variants import VariantName
from support.hostile import HUGE_BYTES, MARKER, MISSING, Maker
from support.journal import JOURNAL, NOTES, Desk, make_variant, run_git

TIME_LIMIT_S = 20.0
"""Of the processor, for one command."""
HANG_LIMIT_S = 60.0
MEMORY_LIMIT_BYTES = 2**30
"""Of one command, beside what is loaded already."""
MOST_OUTPUT = 2_000_000

CONFIG = '[tool.mitosis.steps]\nmy_exp = ["lab:run", "lab:lookup_dict"]\n'
LAB = 'lookup_dict = {"frequency": {"fast": 10, "slow": 1}}\n\n\ndef run(frequency):\n    return {"main": frequency}\n'
EVIL = ("diff.evil.textconv", "diff.evil.command", "filter.evil.smudge", "merge.evil.driver", "core.fsmonitor")
"""What git would run if a file of the journal could ask for it, or it ran where the journal is."""
OURS = re.compile(
    r"\.git/(mitosis/|(logs/)?refs/(refs/)?mitosis(/|$)|refs/refs/?$|(logs/)?refs/notes/mitosis|objects/|"
    r"(logs|refs|refs/notes|logs/refs|logs/refs/notes|mitosis|packed-refs)$)"
)
UNSAFE = re.compile("[\x01-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]")
BROKEN = re.compile("bad object|bad tree|missing|unable to read|[Cc]ould not read|corrupt|not a tree|invalid|failed to|"
                    "not a commit|unknown revision|bad revision|fatal: ambiguous|unable to parse|cannot parse|not a valid|mismatch")  # fmt: skip


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


# --- what is real ---------------------------------------------------------------------------------


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
    """Record trials, locks, remarks and disputes in two clones, in `folder`."""
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
    bob.merge_from(ada)
    tip = bob.tip() or ""
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
    run_git("update-ref", "-d", JOURNAL, cwd=there)
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
        self.read = 0
        shutil.copytree(real.here, self.here, symlinks=True)
        (self.there / "objects" / "info").mkdir(parents=True)
        (self.there / "refs").mkdir()
        (self.there / "HEAD").write_text("ref: refs/heads/main\n")
        (self.there / "config").write_text(
            f'[core]\n bare = true\n fsmonitor = touch {self.marker}\n[uploadpack]\n packObjectsHook = touch {self.marker}\n'
        )
        (self.there / "objects" / "info" / "alternates").write_text(f"{real.there}/.git/objects\n")
        maker = Maker(self.random, pygit2.Repository(real.there), self.there / "objects", real.huge)
        base = self.random.choice(real.tips)
        self.tip = maker.ref(maker.journal(base, self.random.choice(real.tips), real.names))
        self.tell(f"made on {('ahead', 'diverged', 'own', 'base')[real.tips.index(base)]}: {' '.join(maker.done)}")
        self.set_refs(self.there, self.there, JOURNAL)
        git_dir = self.here / ".git"
        self.is_near = self.random.random() < 0.6
        run_git("config", "remote.origin.url", str(self.there), cwd=self.here)
        run_git("config", "remote.origin.fetch", "+refs/heads/*:refs/remotes/origin/*", cwd=self.here)
        if self.is_near:
            # git fetches nothing that has no parents and children, so it is there already.
            (git_dir / "objects" / "info").mkdir(exist_ok=True)
            (git_dir / "objects" / "info" / "alternates").write_text(f"{self.there}/objects\n")
            self.set_refs(self.there, git_dir, layout.remote_journal_ref("origin"))

    def set_refs(self, source: Path, git_dir: Path, journal: str) -> None:
        """Let a ref point to the hostile journal, and others to what they should not."""
        refs = {journal: self.tip}
        odd = (self.tip, MISSING, self.real.huge[0], self.real.tip)
        prefix = journal.removesuffix("journal")
        for name in ("commits/" + "a" * 40, f"commits/{self.real.tip}", "commits/x", "notes" if prefix != "refs/mitosis/" else ""):
            if name and self.random.random() < 0.1:
                refs[prefix + name] = self.random.choice(odd)
        if prefix == "refs/mitosis/" and self.random.random() < 0.2:
            refs[NOTES] = self.random.choice(odd)
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
        if "! index: " in text:
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
            is_told = any(f"{word}: " in said for word in ("Forgotten", "Chosen", "Settled", "Dropped", "Released", "Unretired"))
            if (path in self.real.running and present[path]) or self.entries([disputed]) == [recorded[path]]:
                continue
            if not is_told or (name not in said and path.split("/")[-2] not in said) or path.startswith("environments"):
                raise Found(f"lost: {path}, now {present[path]}; {said[:2000]!r}")

    def pull(self) -> None:
        words = ["pull", "origin", *(["--no-fetch"] if self.is_near else [])]
        for extra in ([], ["--keep"]):
            status, _ = self.run(*words, *extra)
            self.tell(f"= pull {'--keep ' if extra else ''}{'refused' if status else 'done'}")
            if status and run_git("rev-parse", JOURNAL, cwd=self.here).strip() != self.real.tip:
                raise Found("a pull that was refused has changed the journal")
            self.check_kept()
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
        for words in (["show", ""], ["variants", "show", "my_exp.frequency="], ["settle", ""], ["variants", "resolve", ""]):
            if self.random.random() < 0.3:
                self.run("__complete", *words)

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
            if worse and not any("pull" in command or "fetch" in command for command in commands):
                raise Found(f"worse than before: {sorted(worse)[:5]}; before: {sorted(problems)[:5]}")
            if after == problems:
                return
            problems = after
        self.tell("= still changing")

    def do(self, command: str) -> None:
        if any(word in command for word in ("CLONE", "COMMIT", "upgrade mitosis", "\\x")) or command.startswith("rm "):
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
            self.is_near = True
            (self.here / ".git/objects/info").mkdir(exist_ok=True)
            (self.here / ".git/objects/info/alternates").write_text(f"{self.there}/objects\n")
            self.set_refs(self.there, self.here / ".git", JOURNAL)
            before = self.files()
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


@contextlib.contextmanager
def made_real() -> Iterator[Real]:
    """Something real, in a folder of its own; all commands have been loaded."""
    with tempfile.TemporaryDirectory(prefix="journals-") as name:
        real = make_real(Path(name))
        with contextlib.chdir(real.here), contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            for words in (["list"], ["show", "05"], ["variants"], ["check"], ["verify", "--repair"], ["pull", str(real.here)]):
                if run_command(words) not in (0, 1):
                    raise Found(f"{words} fails for a real journal")
        yield real


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


def _isolate(home: Path) -> None:
    """Keep the configuration of the machine and the user out of git and libgit2."""
    for name in [name for name in os.environ if name.startswith(("GIT_", "XDG_", "EMAIL"))]:
        del os.environ[name]
    os.environ.update(HOME=str(home), GIT_CONFIG_NOSYSTEM="1", GIT_TERMINAL_PROMPT="0")
    (home / ".gitconfig").write_text(
        "[user]\n name = Ada Lovelace\n email = ada@example.org\n[init]\n defaultBranch = main\n[gc]\n auto = 0\n"
        "[maintenance]\n auto = false\n[mitosis]\n fsync = false\n[safe]\n directory = *\n"
    )
    levels = pygit2.enums.ConfigLevel
    for level in (levels.SYSTEM, levels.XDG, levels.PROGRAMDATA, levels.GLOBAL):
        pygit2.settings.search_path[level] = str(home if level == levels.GLOBAL else home / "nowhere")


def main() -> int:
    """Run the fuzzer from the command line."""
    parser = argparse.ArgumentParser(description="Make hostile journals, and hold the commands to their promises.")
    parser.add_argument("--journals", type=int, default=1_000)
    parser.add_argument("--seed", type=int, default=0, help="of the first journal; the next ones have the next")
    parser.add_argument("--keep-going", action="store_true", help="do not stop at what is found first")
    given = parser.parse_args()
    began = time.perf_counter()
    with tempfile.TemporaryDirectory(prefix="home-") as name:
        _isolate(Path(name))
        happened, found = fuzz(given.journals, given.seed, keep_going=given.keep_going)
    for error in [] if given.keep_going else found:
        sys.stdout.write(f"{error}\n")
    counts = ", ".join(f"{what} {count:,}" for what, count in sorted(happened.items()))
    sys.stdout.write(f"{counts}, found {len(found)}, in {time.perf_counter() - began:.0f} s\n")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
