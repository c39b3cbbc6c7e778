"""The git program, and where the repository is.

Everything that must obey the user's own set-up of git (filters, submodules, credentials, hooks, identity) goes
through `Repository.git`, the only place that starts the git program.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import itertools
import os
import queue
import re
import signal
import subprocess
import tempfile
import threading
import time
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, NamedTuple

from mitosis.errors import (
    BareRepository,
    GitError,
    GitMissing,
    NoIdentity,
    NotARepository,
    NotInWorkTree,
    ObjectMissing,
    ObjectTooLarge,
    UnreadableObject,
    UnsupportedRepository,
)

if TYPE_CHECKING:
    import pygit2


def without_password(url: str) -> str:
    """The name of a remote, or a URL without what it says before the host, which may be a password."""
    return re.sub(r"(?<=://)[^/@]*@", "", url)


def run_git(
    *command: str,
    cwd: Path,
    stdin: bytes | None = None,
    environment: Mapping[str, str] | None = None,
) -> bytes:
    """Run the git program and return what it wrote to standard output.

    Args:
        command: the words after `git`.
        cwd: the folder to run in.
        stdin: bytes for its standard input; nothing by default.
        environment: variables to set on top of the present ones.

    Raises:
        GitMissing: there is no git program.
        GitError: it ended with another status than 0.
    """
    variables = {**os.environ, **_absolute_locations(), **_FIXED_VARIABLES, **(environment or {})}
    try:
        done = subprocess.run(
            ["git", *command],
            cwd=cwd,
            input=stdin,
            stdin=subprocess.DEVNULL if stdin is None else None,
            capture_output=True,
            env=variables,
            check=False,
        )
    except OSError as error:
        if not os.access(cwd, os.X_OK) or not cwd.is_dir():
            raise NotARepository(cwd) from error
        if isinstance(error, FileNotFoundError):
            raise GitMissing() from error
        raise GitError(["git", *command], -1, f"it could not be started: {error}") from error
    if done.returncode != 0:
        raise GitError(["git", *command], done.returncode, done.stderr.decode(errors="replace"))
    return done.stdout


class Streamed(NamedTuple):
    """How a git program ended whose messages were handed on while it ran."""

    status: int
    output: str
    """What it wrote to standard output."""
    messages: str
    """What it wrote to standard error."""


def stream_git(
    *command: str,
    cwd: Path,
    tell: Callable[[bytes], None],
    tell_output: Callable[[bytes], None] | None = None,
    unattended: bool = False,
    timeout_s: float | None = None,
) -> Streamed:
    """Run the git program, and hand on what it says to people while it says it.

    It may ask for a password on the terminal, unless it runs unattended.

    Args:
        command: the words after `git`.
        cwd: the folder to run in.
        tell: is given what git writes to standard error, as it comes.
        tell_output: is given what git and its hooks write to standard output, as it comes.
        unattended: whether nobody is there to answer: git then has no terminal and no input, so that it fails instead
            of asking.
        timeout_s: after so long git and what it started are ended.

    Raises:
        GitMissing: there is no git program.
        GitError: it could not be started, or took longer than `timeout_s`.
    """
    variables = {**os.environ, **_absolute_locations(), **_FIXED_VARIABLES}
    if unattended:
        variables["GIT_TERMINAL_PROMPT"] = "0"
        # Windows that ask would wait for somebody. Whoever has set these has a program that answers by itself.
        for name, value in (("GIT_ASKPASS", ""), ("SSH_ASKPASS_REQUIRE", "never"), ("GCM_INTERACTIVE", "never")):
            variables.setdefault(name, value)
    try:
        process = subprocess.Popen(
            ["git", *command],
            cwd=cwd,
            stdin=subprocess.DEVNULL if unattended else None,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=variables,
            start_new_session=unattended,
        )
    except FileNotFoundError as error:
        raise GitMissing() from error
    except OSError as error:
        raise GitError(["git", *command], -1, f"it could not be started: {error}") from error
    assert process.stdout is not None and process.stderr is not None
    output, messages = bytearray(), bytearray()
    said: queue.SimpleQueue[_Part] = queue.SimpleQueue()
    began = time.monotonic()
    try:
        _read_in_background(process.stdout, said, is_message=False)
        _read_in_background(process.stderr, said, is_message=True)
        for part in _until_ended(process, said, None if timeout_s is None else began + timeout_s):
            if part.is_message:
                messages += part.data
                tell(part.data)
            else:
                output += part.data
                if tell_output is not None:
                    tell_output(part.data)
        is_late = process.poll() is None
    except BaseException:
        _end(process, unattended)
        raise
    if is_late:
        _end(process, unattended)
        raise GitError(["git", *command], process.returncode, f"it took longer than {timeout_s:.0f} s and was ended")
    return Streamed(process.returncode, output.decode(errors="surrogateescape"), messages.decode(errors="replace"))


_TICK_S = 0.2
_LEFT_OPEN_S = 1.0
"""How long to wait for the rest of what git has said when it has ended: what it left running may hold the pipe open."""
_END_S = 2.0
"""How long a program may take to end in good order."""


class _Part(NamedTuple):
    """Something that a program wrote."""

    is_message: bool
    """Whether to standard error."""
    data: bytes
    """Empty at the end."""


def _read_in_background(pipe: IO[bytes], said: queue.SimpleQueue[_Part], *, is_message: bool) -> None:
    """Read a pipe to its end in a thread of its own."""

    def read() -> None:
        with pipe:
            while data := os.read(pipe.fileno(), 65536):
                said.put(_Part(is_message, data))
        said.put(_Part(is_message, b""))

    threading.Thread(target=read, daemon=True).start()


def _until_ended(
    process: subprocess.Popen[bytes], said: queue.SimpleQueue[_Part], deadline: float | None
) -> Iterator[_Part]:
    """What a program says in its two pipes, until it has ended, or it is later than `deadline`."""
    ended: float | None = None
    open_pipes = 2
    while True:
        now = time.monotonic()
        if ended is not None and (not open_pipes or now - ended > _LEFT_OPEN_S):
            return
        if ended is None and deadline is not None and now > deadline:
            return
        try:
            if open_pipes:
                part = said.get(timeout=_TICK_S)
                open_pipes -= not part.data
                yield part
            else:
                process.wait(_TICK_S)
        except (queue.Empty, subprocess.TimeoutExpired):
            pass
        if ended is None and process.poll() is not None:
            ended = time.monotonic()


def _end(process: subprocess.Popen[bytes], has_session: bool) -> None:
    """End a program and, if they are in a session of their own, what it started."""
    for number in (signal.SIGTERM, getattr(signal, "SIGKILL", signal.SIGTERM)):
        with contextlib.suppress(ProcessLookupError, PermissionError):  # macOS refuses where only zombies are left
            if has_session and hasattr(os, "killpg"):
                os.killpg(process.pid, number)
            else:
                process.send_signal(number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(_END_S)


def start_git(*command: str, cwd: Path) -> None:
    """Start the git program in the background, and leave it alone: it may outlive this process, and nobody is told.

    Args:
        command: the words after `git`.
        cwd: the folder to run in.

    Raises:
        GitMissing: there is no git program.
        GitError: it could not be started.
    """
    variables = {**os.environ, **_absolute_locations(), "GIT_TERMINAL_PROMPT": "0"}
    try:
        started = subprocess.Popen(
            ["git", *command],
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=variables,
            start_new_session=True,
        )
    except FileNotFoundError as error:
        raise GitMissing() from error
    except OSError as error:
        raise GitError(["git", *command], -1, f"it could not be started: {error}") from error
    _left_alone.append(started)


def read_blobs(oids: Sequence[str], limit_bytes: int, *, cwd: Path) -> Iterator[bytes | None]:
    """The bytes of many blobs, in order, while the git program reads ahead.

    Args:
        oids: their full ids.
        limit_bytes: of a larger one nothing is read.
        cwd: a folder of the repository, which is no partial clone: git would fetch what is missing.

    Yields:
        The bytes; None for whatever has to be asked for by itself to know what is wrong with it.
    """
    done = 0
    for _ in range(_BATCH_ATTEMPTS):
        with tempfile.TemporaryFile() as wanted:
            wanted.write("".join(f"{oid}\n" for oid in oids[done:]).encode())
            wanted.seek(0)
            with _reading_git("cat-file", "--batch", "--buffer", cwd=cwd, stdin=wanted) as answers:
                for oid in oids[done:]:
                    words = answers.readline(_LONGEST_ANSWER_BYTES).split()
                    if words == [oid.encode(), b"missing"]:
                        yield None
                        done += 1
                        continue
                    is_blob = len(words) == 3 and words[:2] == [oid.encode(), b"blob"]
                    size_bytes = int(words[2]) if is_blob else limit_bytes + 1
                    data = answers.read(size_bytes + 1) if size_bytes <= limit_bytes else b""
                    if len(data) != size_bytes + 1:
                        break
                    yield data[:-1]
                    done += 1
        if done == len(oids):
            return
        # git has stopped at what it cannot read, or has begun to give something too large.
        yield None
        done += 1
    yield from itertools.repeat(None, len(oids) - done)


_BATCH_ATTEMPTS = 20
_LONGEST_ANSWER_BYTES = 200
_READ_AHEAD_BYTES = 2**18


@contextlib.contextmanager
def _reading_git(*command: str, cwd: Path, stdin: IO[bytes]) -> Iterator[IO[bytes]]:
    """What a git program writes to standard output; it is ended when nobody wants more."""
    # Objects are read by their ids, as libgit2 does, whatever `git replace` has put in their places.
    variables = {**os.environ, **_absolute_locations(), **_FIXED_VARIABLES, "GIT_NO_REPLACE_OBJECTS": "1"}
    try:
        process = subprocess.Popen(
            ["git", *command],
            cwd=cwd,
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=variables,
            bufsize=_READ_AHEAD_BYTES,
        )
    except FileNotFoundError as error:
        raise GitMissing() from error
    except OSError as error:
        raise GitError(["git", *command], -1, f"it could not be started: {error}") from error
    assert process.stdout is not None
    try:
        with process.stdout:
            yield process.stdout
    finally:
        process.kill()
        process.wait()


def _start_asking_git(*command: str, cwd: Path) -> subprocess.Popen[bytes]:
    """A git program that answers on its standard output what it is asked on its standard input."""
    variables = {**os.environ, **_absolute_locations(), **_FIXED_VARIABLES, "GIT_NO_REPLACE_OBJECTS": "1"}
    try:
        return subprocess.Popen(
            ["git", *command],
            cwd=cwd,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=variables,
        )
    except FileNotFoundError as error:
        raise GitMissing() from error
    except OSError as error:
        raise GitError(["git", *command], -1, f"it could not be started: {error}") from error


def _end_asked_git(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    process.wait()
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            with contextlib.suppress(BrokenPipeError):
                pipe.close()


_left_alone: list[subprocess.Popen[bytes]] = []
"""Processes that are not waited for; what forgets a process that runs is warned."""


# LANGUAGE would still choose the language of messages, some of which are recognised.
_FIXED_VARIABLES = {"GIT_OPTIONAL_LOCKS": "0", "LC_ALL": "C.UTF-8", "LANGUAGE": "C"}
_LOCATIONS = ("GIT_DIR", "GIT_WORK_TREE", "GIT_COMMON_DIR", "GIT_INDEX_FILE", "GIT_OBJECT_DIRECTORY")


def _absolute_locations() -> dict[str, str]:
    """Where git is told to look, made absolute: inside a hook it is relative to the folder that this process is in."""
    return {name: str(Path(os.environ[name]).absolute()) for name in _LOCATIONS if os.environ.get(name)}


@dataclass(frozen=True, slots=True)
class Identity:
    """Who git says is at work, and the moment it was asked."""

    name: str
    email: str
    time_s: int
    """Seconds since the epoch."""
    offset_minutes: int
    """Of the time zone, east of UTC."""

    def __str__(self) -> str:
        return f"{self.name} <{self.email}>"


@dataclass(frozen=True, slots=True)
class TreeEntry:
    """One entry of a tree: a file, a symbolic link, a folder or the commit of a submodule."""

    mode: int
    """As git has it: 0o100644, 0o100755, 0o120000, 0o040000 or 0o160000."""
    oid: str


class GitObject(NamedTuple):
    """An object as git stores it."""

    kind: str
    """`commit`, `tree`, `blob` or `tag`."""
    data: bytes


class Objects:
    """Trees and blobs, for whatever can read an object."""

    def read_object(self, oid: str, limit_bytes: int | None = None) -> GitObject:
        """An object's kind and bytes.

        Args:
            oid: its full id.
            limit_bytes: refuse a larger one.

        Raises:
            UnreadableObject: it is missing, damaged or too large.
        """
        raise NotImplementedError

    def read_tree(self, oid: str) -> dict[str, TreeEntry]:
        """The entries of a tree by name, in git's order.

        Raises:
            UnreadableObject: it is missing, damaged, or no tree.
        """
        return {os.fsdecode(name): TreeEntry(int(mode, 8), raw.hex()) for name, mode, raw in self.read_entries(oid)}

    def read_entries(self, oid: str, limit_bytes: int | None = None) -> list[tuple[bytes, bytes, bytes]]:
        """Name, mode (octal digits) and id (20 bytes) of each entry of a tree, in git's order.

        Args:
            oid: its full id.
            limit_bytes: refuse a larger one; that costs no memory.

        Raises:
            UnreadableObject: it is missing, damaged, too large, no tree, or has a name with a slash.
        """
        data = self._read_kind(oid, "tree", limit_bytes)
        entries = _TREE_ENTRY.findall(data)
        if sum(len(mode) + len(name) + _TREE_ENTRY_FIXED_BYTES for mode, name, _ in entries) != len(data):
            raise UnreadableObject(oid, "it is damaged: its entries do not add up")
        return [(name, mode, raw) for mode, name, raw in entries]

    def read_blob(self, oid: str, limit_bytes: int | None = None) -> bytes:
        """The bytes of a blob.

        Args:
            oid: its full id.
            limit_bytes: refuse a larger one; that costs no memory.

        Raises:
            UnreadableObject: it is missing, damaged, too large, or no blob.
        """
        return self._read_kind(oid, "blob", limit_bytes)

    def _read_kind(self, oid: str, kind: str, limit_bytes: int | None = None) -> bytes:
        found = self.read_object(oid, limit_bytes)
        if found.kind != kind:
            raise UnreadableObject(oid, f"it is a {found.kind}, where a {kind} should be")
        return found.data


@dataclass(frozen=True)
class Repository(Objects):
    """A git repository with a working tree, as seen from one of its worktrees."""

    root: Path
    """Top of this working tree."""
    git_dir: Path
    """Of this worktree."""
    common_dir: Path
    """Shared by all worktrees: objects, refs and configuration are here."""
    head: str | None
    """Full id of the commit at HEAD; None before the first."""

    def git(self, *command: str, stdin: bytes | None = None) -> str:
        """Run the git program at the top of the working tree; see `run_git`."""
        return run_git(*command, cwd=self.root, stdin=stdin).decode(errors="surrogateescape")

    def identity(self) -> Identity:
        """Who git would name as the author of a commit made now.

        git itself is asked, so environment variables and conditional configuration count.

        Raises:
            NoIdentity: git does not know, or was told not to guess.
        """
        try:
            text = self.git("var", "GIT_AUTHOR_IDENT").strip()
        except GitError as error:
            raise NoIdentity(error.output) from error
        name, _, rest = text.rpartition(" <")
        email, _, when = rest.partition("> ")
        seconds, _, zone = when.partition(" ")
        sign = -1 if zone.startswith("-") else 1
        offset = sign * (int(zone[1:3]) * 60 + int(zone[3:5]))
        if not name.strip():
            raise NoIdentity("the name is empty")
        return Identity(name.strip(), email, int(seconds), offset)

    def is_shallow(self) -> bool:
        """Whether its history is cut off somewhere: gitrepository-layout(5) names the file that says where."""
        with contextlib.suppress(FileNotFoundError):
            return bool((self.common_dir / "shallow").read_bytes())
        return False

    def is_partial(self) -> bool:
        """Whether it leaves out objects until they are needed: a partial clone, with a promisor remote.

        Raises:
            GitError: git cannot read its configuration.
        """
        try:
            return "true" in self.git("config", "--type=bool", "--get-regexp", r"^remote\..*\.promisor$").split()
        except GitError as error:
            if error.status != 1:  # 1: there is none
                raise
            return False

    @functools.cached_property
    def objects(self) -> pygit2.Repository:
        """The repository opened by libgit2, for reading and writing objects and refs."""
        import pygit2

        try:
            return pygit2.Repository(str(self.git_dir))
        except pygit2.GitError as error:
            raise UnsupportedRepository(
                self.root, f"a feature unknown to libgit2 ({error})", "Try a clone of it in git's default format."
            ) from error

    @functools.cached_property
    def _database(self) -> pygit2.Odb:
        return self.objects.odb

    @functools.cached_property
    def _loose_folders(self) -> dict[str, list[_LooseFolder]]:
        """The folders of loose objects, by the two digits that the objects begin with.

        Those of this repository come first, then those that it borrows from. A folder that is made later is missing;
        its objects are read by libgit2.
        """
        found: dict[str, list[_LooseFolder]] = {}
        seen: set[Path] = set()
        left = [self.common_dir / "objects"]
        while left:
            folder = left.pop(0)
            if folder in seen:
                continue
            seen.add(folder)
            with contextlib.suppress(FileNotFoundError, NotADirectoryError):
                for path in folder.iterdir():
                    found.setdefault(path.name, []).append(_LooseFolder(str(path)))
            with contextlib.suppress(FileNotFoundError, NotADirectoryError):
                lines = (folder / "info" / "alternates").read_bytes().splitlines()
                left += [folder / os.fsdecode(line) for line in lines if line and not line.startswith(b"#")]
        return found

    def read_object(self, oid: str, limit_bytes: int | None = None) -> GitObject:
        """An object's kind and bytes.

        Loose objects are read here and not by libgit2, which goes on for ever when a file is cut off (seen with 1.9.7).
        A crash of the machine leaves such files, and nothing else does, so those are seen that were there at first.

        Args:
            oid: its full id.
            limit_bytes: refuse a larger one; that costs no memory.

        Raises:
            UnreadableObject: it is missing, damaged or too large.
        """
        for folder in self._loose_folders.get(oid[:2], ()):
            if oid[2:] not in folder.names:
                continue
            try:
                compressed = _read_file(f"{folder.path}/{oid[2:]}")
            except (FileNotFoundError, NotADirectoryError):
                continue
            except OSError as error:
                raise UnreadableObject(oid, str(error)) from error
            return _inflate(compressed, oid, limit_bytes)
        try:
            if limit_bytes is not None:
                _check_size(oid, self._database.read_header(oid)[1], limit_bytes)
            number, data = self._database.read(oid)
        except KeyError as error:
            raise ObjectMissing(oid, "it is missing") from error
        except _libgit2_errors() as error:
            raise UnreadableObject(oid, f"it is damaged ({error})") from error
        return GitObject(_KINDS.get(number, ""), data)

    def has_object(self, oid: str) -> bool:
        """Whether there is an object of that id. It may be damaged."""
        return oid in self._database

    def tree_of(self, commit: str) -> str | None:
        """The id of a commit's tree; None where the commit is not in the repository.

        Raises:
            UnreadableObject: it is damaged, or no commit.
        """
        if not self.has_object(commit):
            return None
        line, _, _ = self._read_kind(commit, "commit").partition(b"\n")
        return line.removeprefix(b"tree ").decode("ascii")


class ObjectReader(Objects):
    """Reads objects through one git program. For a few of them that is done before libgit2 has been loaded.

    Args:
        repository: where they are. It is no partial clone: git would fetch what is missing.
    """

    def __init__(self, repository: Repository) -> None:
        self._root = repository.root
        self._process: subprocess.Popen[bytes] | None = None

    def find(self, name: str) -> str | None:
        """The id of what git calls so, such as a ref; None if there is nothing of that name, or it cannot be read."""
        words = self._ask(name)
        if len(words) != 3:
            self.close()
            return None
        # What it is follows.
        size_bytes = int(words[2])
        if size_bytes > _READ_AHEAD_BYTES or self._process is None or self._process.stdout is None:
            self.close()
        else:
            self._process.stdout.read(size_bytes + 1)
        return words[0]

    def read_object(self, oid: str, limit_bytes: int | None = None) -> GitObject:
        """See `Objects`."""
        words = self._ask(oid)
        if words[:1] != [oid] or len(words) != 3:
            self.close()
            if words == [oid, "missing"]:
                raise ObjectMissing(oid, "it is missing")
            raise UnreadableObject(oid, "git cannot read it")
        size_bytes = int(words[2])
        if limit_bytes is not None and size_bytes > limit_bytes:
            self.close()
            _check_size(oid, size_bytes, limit_bytes)
        pipe = None if self._process is None else self._process.stdout
        data = b"" if pipe is None else pipe.read(size_bytes + 1)
        if len(data) != size_bytes + 1:
            self.close()
            raise UnreadableObject(oid, "it is damaged")
        return GitObject(words[1], data[:-1])

    def _ask(self, name: str) -> list[str]:
        """What the git program answers to a name: id, kind and size, or that it has nothing."""
        process = self._process
        if process is None:
            process = self._process = _start_asking_git("cat-file", "--batch", cwd=self._root)
        if process.stdin is None or process.stdout is None:
            return []
        try:
            process.stdin.write(f"{name}\n".encode())
            process.stdin.flush()
        except BrokenPipeError:  # it has stopped at what it cannot read
            return []
        return process.stdout.readline(_LONGEST_ANSWER_BYTES).decode("ascii", "replace").split()

    def close(self) -> None:
        """End the git program. The next object is read by a new one."""
        if self._process is not None:
            _end_asked_git(self._process)
            self._process = None


_KINDS = {1: "commit", 2: "tree", 3: "blob", 4: "tag"}
_TREE_ENTRY = re.compile(rb"([0-7]{5,6}) ([^\0/]+)\0(.{20})", re.DOTALL)
_TREE_ENTRY_FIXED_BYTES = 22
"""A space, a NUL and the id."""
_LOOSE_HEADER = re.compile(rb"(commit|tree|blob|tag) ([0-9]{1,19})\0")
_LONGEST_LOOSE_HEADER_BYTES = 28


def _libgit2_errors() -> tuple[type[Exception], ...]:
    """What libgit2 raises for a damaged object."""
    import pygit2

    return (pygit2.GitError, ValueError)


class _LooseFolder:
    """A folder of loose objects. What is in it is looked up once: opening a file that is not there takes longer than
    reading a packed object."""

    def __init__(self, path: str) -> None:
        self.path = path

    @functools.cached_property
    def names(self) -> frozenset[str]:
        """The files in it when it was first asked for one."""
        # If it cannot be listed, libgit2 says what it makes of that.
        with contextlib.suppress(OSError), os.scandir(self.path) as entries:
            return frozenset(entry.name for entry in entries)
        return frozenset()


def _read_file(path: str) -> bytes:
    with os.fdopen(os.open(path, os.O_RDONLY), "rb") as file:
        return file.read()


def _inflate(compressed: bytes, oid: str, limit_bytes: int | None) -> GitObject:
    """The object in the file of a loose one."""
    inflating = zlib.decompressobj()
    try:
        start = inflating.decompress(compressed, _LONGEST_LOOSE_HEADER_BYTES)
        header = _LOOSE_HEADER.match(start)
        if header is None:
            raise UnreadableObject(oid, "it is damaged: it does not say what it is")
        size_bytes = int(header[2])
        if limit_bytes is not None:
            _check_size(oid, size_bytes, limit_bytes)
        # One byte more than there should be, so that the end of the stream is reached, or an excess noticed.
        left_bytes = max(header.end() + size_bytes - len(start), 0) + 1
        whole = start + inflating.decompress(inflating.unconsumed_tail, left_bytes)
    except zlib.error as error:
        raise UnreadableObject(oid, f"it is damaged ({error})") from error
    is_whole = inflating.eof and not inflating.unused_data and len(whole) == header.end() + size_bytes
    if not is_whole or hashlib.sha1(whole, usedforsecurity=False).hexdigest() != oid:
        raise UnreadableObject(oid, "it is damaged: its file is cut off or changed")
    return GitObject(header[1].decode(), whole[header.end() :])


def _check_size(oid: str, size_bytes: int, limit_bytes: int) -> None:
    if size_bytes > limit_bytes:
        raise ObjectTooLarge(oid, f"it has {size_bytes} bytes, more than the {limit_bytes} that are read")


def find_repository(folder: Path) -> Repository:
    """The repository that `folder` is in.

    Raises:
        NotARepository: there is none.
        BareRepository: it has no working tree.
        NotInWorkTree: `folder` is inside the git directory, or outside a working tree that the environment names.
        UnsupportedRepository: its objects or refs have a format that libgit2 cannot write.
        GitError: git refuses, for instance since somebody else owns the folder.
    """
    facts = ("--is-bare-repository", "--is-inside-work-tree", "--show-object-format")
    places = ("--absolute-git-dir", "--show-toplevel", "--git-common-dir", "HEAD^{commit}")
    with contextlib.suppress(GitError):
        # One process where all is as it should be; each takes milliseconds.
        lines = _rev_parse(folder, *facts, *places).split("\n")
        if len(lines) == len(facts) + len(places) and lines[:3] == ["false", "true", "sha1"]:
            git_dir, root, common_dir = Path(lines[3]), Path(lines[4]), (folder / lines[5]).resolve()
            _refuse_reftable(root, common_dir)
            return Repository(root, git_dir, common_dir, lines[6])
    # A path may hold line breaks, so at most one is asked for at the end of each answer.
    try:
        answer = _rev_parse(folder, *facts, "--absolute-git-dir")
    except GitError as error:
        if "not a git repository" in error.output:
            raise NotARepository(folder) from error
        raise
    bare, inside, object_format, git_dir_text = answer.split("\n", len(facts))
    git_dir = Path(git_dir_text)
    if inside != "true":
        raise BareRepository(folder) if bare == "true" else NotInWorkTree(folder, git_dir)
    root = Path(_rev_parse(folder, "--show-toplevel"))
    common_dir = (folder / _rev_parse(folder, "--git-common-dir")).resolve()
    if object_format != "sha1":
        raise UnsupportedRepository(
            root, f"the object format {object_format}", "Use a repository with git's default object format, sha1."
        )
    _refuse_reftable(root, common_dir)
    return Repository(root, git_dir, common_dir, _head(root))


def _refuse_reftable(root: Path, common_dir: Path) -> None:
    if (common_dir / "reftable").exists():
        raise UnsupportedRepository(
            root,
            "the ref format reftable",
            "Convert it with `git refs migrate --ref-format=files` (git 2.46 or newer).",
        )


def _rev_parse(folder: Path, *words: str) -> str:
    return os.fsdecode(run_git("rev-parse", *words, cwd=folder)).removesuffix("\n")


def _head(root: Path) -> str | None:
    try:
        return _rev_parse(root, "--verify", "--quiet", "HEAD^{commit}")
    except GitError:
        return None
