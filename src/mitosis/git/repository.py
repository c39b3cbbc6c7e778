"""Where the repository is, and what it holds."""

from __future__ import annotations

import contextlib
import functools
import os
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from mitosis.errors.repository import (
    BareRepository,
    GitError,
    GitMissing,
    NoIdentity,
    NotARepository,
    NotInWorkTree,
    ObjectMissing,
    UnreadableObject,
    UnsupportedRepository,
)
from mitosis.git.objects import (
    KINDS,
    GitObject,
    LooseFolder,
    Objects,
    check_size,
    inflate,
    open_by_libgit2,
    read_file,
)
from mitosis.git.program import run_git, start_git
from mitosis.text import recordable

if TYPE_CHECKING:
    import pygit2
    from pygit2.config import Config

_REF_FILE = re.compile(rb"([0-9a-f]{40})\n")
_READ_ATTEMPTS = 2
_MAY_BE_PARTIAL = re.compile(rb"promisor|partialclone|\binclude", re.IGNORECASE)
"""What is in the configuration of a partial clone, or names a file where that may be."""

_PAUSE_S = 60.0
"""No two attempts to tidy up are closer: git may find nothing to do, or be at it still."""
_IN_ONE_PROCESS = ("-c", "gc.autoDetach=false", "-c", "maintenance.autoDetach=false")
"""It is in the background already."""
_SAMPLE = "17"
_FOLDERS = 256
_DEFAULT_OBJECTS = 6700
_DEFAULT_PACKS = 50


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

    @property
    def moment(self) -> str:
        """When git was asked, as it stores that: seconds and time zone."""
        hours, minutes = divmod(abs(self.offset_minutes), 60)
        return f"{self.time_s} {'-' if self.offset_minutes < 0 else '+'}{hours:02}{minutes:02}"

    def signature(self) -> pygit2.Signature:
        """The identity as libgit2 wants it; a commit says of itself that it is UTF-8, so other bytes are replaced."""
        import pygit2

        return pygit2.Signature(recordable(self.name), recordable(self.email), self.time_s, self.offset_minutes)


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

    @property
    def main_root(self) -> Path:
        """Top of the main working tree, which stays when a linked one is removed; of this one if there is no other."""
        is_linked = self.git_dir != self.common_dir and self.common_dir.name == ".git"
        return self.common_dir.parent if is_linked else self.root

    def git(self, *command: str, stdin: bytes | None = None) -> str:
        """Run the git program at the top of the working tree; see `run_git`."""
        return run_git(*command, cwd=self.root, stdin=stdin).decode(errors="surrogateescape")

    def ask(self, *command: str, stdin: bytes | None = None) -> str:
        """As `git`, but empty where git says by status 1 that there is no such thing."""
        try:
            return self.git(*command, stdin=stdin)
        except GitError as error:
            if error.status != 1:
                raise
            return ""

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
        offset = (int(zone[1:3]) * 60 + int(zone[3:5])) * (-1 if zone.startswith("-") else 1)
        for part, what in ((name, "name"), (email, "email address")):
            if not part.strip():
                raise NoIdentity(f"the {what} is empty")
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
        return "true" in self.ask("config", "--type=bool", "--get-regexp", r"^remote\..*\.promisor$").split()

    def may_be_partial(self) -> bool:
        """Whether git may fetch what is not here, as far as can be told without asking git."""
        try:
            return _MAY_BE_PARTIAL.search((self.common_dir / "config").read_bytes()) is not None
        except OSError:
            return True

    def plain_ref(self, name: str) -> str | None:
        """The id in the file of a ref, or in that of packed refs; None where there is none, or something else.

        It takes no program and no library.
        """
        with contextlib.suppress(OSError):
            try:
                found = _REF_FILE.fullmatch(read_file(f"{self.common_dir}/{name}"))
            except (FileNotFoundError, NotADirectoryError):
                # A ref that is packed now had been in a file before, so this order misses none.
                packed = read_file(f"{self.common_dir}/packed-refs")
                found = re.search(rb"^([0-9a-f]{40}) " + re.escape(name.encode()) + rb"$", packed, re.MULTILINE)
            return None if found is None else found[1].decode("ascii")
        return None

    def may_have_refs(self, prefix: str) -> bool:
        """Whether there may be refs below a prefix such as `refs/mitosis/remotes/`; it takes no program."""
        if (self.common_dir / prefix).is_dir():
            return True
        try:
            return f" {prefix}".encode() in read_file(f"{self.common_dir}/packed-refs")
        except FileNotFoundError:
            return False
        except OSError:
            return True

    @contextlib.contextmanager
    def sharing(self) -> Iterator[None]:
        """Let new files be as `core.sharedRepository` asks; libgit2 itself heeds it only when it makes a repository."""
        bits = _shared_bits(self.objects.config)
        if not bits:
            yield
            return
        before = os.umask(0o022)
        os.umask(before & ~bits)
        try:
            yield
        finally:
            os.umask(before)

    def tidy_up(self) -> None:
        """Have git pack what many appends leave, in the background, when there is enough that git would do so itself.

        How many loose objects or packs are enough, and whether at all, is what git's configuration says (`gc.auto`,
        `gc.autoPackLimit`, `maintenance.auto`). git decides what to do; this looks only whether to ask it.
        """
        stamp = self.common_dir / "mitosis" / "upkeep"
        # Tidying up is no reason to fail: whatever keeps it from working, git itself will say so when it is used.
        with contextlib.suppress(OSError, ValueError, GitError, GitMissing):
            if not self._has_much_to_pack():
                return
            if stamp.exists() and 0 <= time.time() - stamp.stat().st_mtime < _PAUSE_S:
                return
            stamp.parent.mkdir(exist_ok=True)
            stamp.touch()
            start_git(*_IN_ONE_PROCESS, "maintenance", "run", "--auto", "--quiet", cwd=self.root)

    def _has_much_to_pack(self) -> bool:
        """Whether git would pack; like git, this counts one of the 256 folders of loose objects (builtin/gc.c)."""
        config = self.objects.config
        limit = config.get_int("gc.auto") if "gc.auto" in config else _DEFAULT_OBJECTS
        if limit <= 0 or ("maintenance.auto" in config and not config.get_bool("maintenance.auto")):
            return False
        packs = config.get_int("gc.autopacklimit") if "gc.autopacklimit" in config else _DEFAULT_PACKS
        folder = self.common_dir / "objects"
        loose = sum(1 for _ in (folder / _SAMPLE).glob("?" * 38))
        return loose > -(-limit // _FOLDERS) or 0 < packs < sum(1 for _ in (folder / "pack").glob("*.pack"))

    @functools.cached_property
    def objects(self) -> pygit2.Repository:
        """The repository opened by libgit2, for reading and writing objects and refs."""
        import pygit2

        try:
            return open_by_libgit2(self.git_dir)
        except pygit2.GitError as error:
            raise UnsupportedRepository(
                self.root, f"what libgit2 does not know ({error})", "Try a clone of it in git's default format."
            ) from error

    @functools.cached_property
    def _database(self) -> pygit2.Odb:
        return open_by_libgit2(self.git_dir).odb if "objects" in self.__dict__ else self.objects.odb

    @functools.cached_property
    def _loose_folders(self) -> dict[str, list[LooseFolder]]:
        """The folders of loose objects, by the two digits that the objects begin with.

        Those of this repository come first, then those that it borrows from. A folder that is made later is missing;
        its objects are read by libgit2.
        """
        found: dict[str, list[LooseFolder]] = {}
        seen: set[Path] = set()
        left = [self.common_dir / "objects"]
        while left:
            folder = left.pop(0)
            if folder in seen:
                continue
            seen.add(folder)
            with contextlib.suppress(FileNotFoundError, NotADirectoryError):
                for path in folder.iterdir():
                    found.setdefault(path.name, []).append(LooseFolder(str(path)))
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
        for attempt in range(_READ_ATTEMPTS):
            try:
                return self._read_loose(oid, limit_bytes) or self._read_packed(oid, limit_bytes)
            except ObjectMissing:
                if attempt == _READ_ATTEMPTS - 1:
                    raise
                # `git gc` may have moved it to where it was not looked for yet, so everything is looked up again.
                for known in ("_loose_folders", "_database"):
                    self.__dict__.pop(known, None)
        raise AssertionError("the attempts are counted")

    def _read_loose(self, oid: str, limit_bytes: int | None) -> GitObject | None:
        for folder in self._loose_folders.get(oid[:2], ()):
            if oid[2:] not in folder.names:
                continue
            try:
                compressed = read_file(f"{folder.path}/{oid[2:]}")
            except (FileNotFoundError, NotADirectoryError):
                continue
            except OSError as error:
                raise UnreadableObject(oid, str(error)) from error
            return inflate(compressed, oid, limit_bytes)
        return None

    def _read_packed(self, oid: str, limit_bytes: int | None) -> GitObject:
        import pygit2

        try:
            if limit_bytes is not None:
                check_size(oid, self._database.read_header(oid)[1], limit_bytes)
            number, data = self._database.read(oid)
        except KeyError as error:
            raise ObjectMissing(oid, "it is missing") from error
        except (pygit2.GitError, ValueError) as error:
            raise UnreadableObject(oid, f"it is damaged ({error})") from error
        return GitObject(KINDS.get(number, ""), data)

    def has_object(self, oid: str) -> bool:
        """Whether there is an object of that id. It may be damaged."""
        return oid in self._database

    def tree_of(self, commit: str) -> str | None:
        """The id of a commit's tree; None where the commit is not in the repository.

        Raises:
            UnreadableObject: it is damaged, or no commit.
        """
        try:
            line, _, _ = self._read_kind(commit, "commit").partition(b"\n")
        except ObjectMissing:
            return None
        return line.removeprefix(b"tree ").decode("ascii")


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
    places = ("--absolute-git-dir", "--show-toplevel", "--git-common-dir")
    with contextlib.suppress(GitError):
        # One process where all is as it should be; each takes milliseconds.
        lines = _rev_parse(folder, *facts, *places, "HEAD^{commit}").split("\n")
        if len(lines) == len(facts) + len(places) + 1 and lines[:3] == ["false", "true", "sha1"]:
            return _repository(Path(lines[4]), Path(lines[3]), (folder / lines[5]).resolve(), lines[6])
    # A path may hold line breaks, so at most one is asked for at the end of each answer.
    try:
        answer = _rev_parse(folder, *facts, "--absolute-git-dir")
    except GitError as error:
        if "not a git repository" in error.output:
            raise NotARepository(folder) from error
        raise
    bare, inside, object_format, git_dir = answer.split("\n", len(facts))
    if inside != "true":
        raise BareRepository(folder) if bare == "true" else NotInWorkTree(folder, Path(git_dir))
    root = Path(_rev_parse(folder, "--show-toplevel"))
    if object_format != "sha1":
        raise UnsupportedRepository(
            root, f"the object format {object_format}", "Use a repository with git's default object format, sha1."
        )
    common_dir = (folder / _rev_parse(folder, "--git-common-dir")).resolve()
    head: str | None = None
    with contextlib.suppress(GitError):
        head = _rev_parse(root, "--verify", "--quiet", "HEAD^{commit}")
    return _repository(root, Path(git_dir), common_dir, head)


def _repository(root: Path, git_dir: Path, common_dir: Path, head: str | None) -> Repository:
    if (common_dir / "reftable").exists():
        raise UnsupportedRepository(
            root,
            "the ref format reftable",
            "Convert it with `git refs migrate --ref-format=files` (git 2.46 or newer).",
        )
    return Repository(root, git_dir, common_dir, head)


def _rev_parse(folder: Path, *words: str) -> str:
    return os.fsdecode(run_git("rev-parse", *words, cwd=folder)).removesuffix("\n")


def _shared_bits(config: Config) -> int:
    """The permission bits, besides those of their owner, that `core.sharedRepository` wants files to have."""
    if "core.sharedrepository" not in config:
        return 0
    value = (config["core.sharedrepository"] or "").lower()
    if value in ("group", "true", "1", "yes", "on", ""):
        return 0o070
    if value in ("all", "world", "everybody", "2"):
        return 0o075
    if value.startswith("0") and len(value) > 1 and all(digit in "01234567" for digit in value):
        bits = int(value, 8) & 0o077
        # A folder has to be entered by whoever may read it.
        return bits | (bits & 0o044) >> 2
    return 0
