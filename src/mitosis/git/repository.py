"""Where the repository is, and what it holds."""

from __future__ import annotations

import contextlib
import functools
import os
import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from mitosis.errors import (
    BareRepository,
    GitError,
    NoIdentity,
    NotARepository,
    NotInWorkTree,
    ObjectMissing,
    ObjectTooLarge,
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
    read_file,
)
from mitosis.git.program import LONGEST_ANSWER_BYTES, READ_AHEAD_BYTES, end_asked_git, run_git, start_asking_git

if TYPE_CHECKING:
    import pygit2


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

    def may_be_partial(self) -> bool:
        """Whether git may fetch what is not here, as far as can be told without asking git."""
        try:
            return b"promisor" in (self.common_dir / "config").read_bytes()
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
        return self._read_packed(oid, limit_bytes)

    def _read_packed(self, oid: str, limit_bytes: int | None) -> GitObject:
        try:
            if limit_bytes is not None:
                check_size(oid, self._database.read_header(oid)[1], limit_bytes)
            number, data = self._database.read(oid)
        except KeyError as error:
            raise ObjectMissing(oid, "it is missing") from error
        except _libgit2_errors() as error:
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
        # The object itself follows, and would be taken for the next answer.
        size_bytes = int(words[2])
        if size_bytes > READ_AHEAD_BYTES or self._process is None or self._process.stdout is None:
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
            check_size(oid, size_bytes, limit_bytes)
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
            process = self._process = start_asking_git("cat-file", "--batch", cwd=self._root)
        if process.stdin is None or process.stdout is None:
            return []
        try:
            process.stdin.write(f"{name}\n".encode())
            process.stdin.flush()
        except BrokenPipeError:  # it has stopped at what it cannot read
            return []
        return process.stdout.readline(LONGEST_ANSWER_BYTES).decode("ascii", "replace").split()

    def close(self) -> None:
        """End the git program. The next object is read by a new one."""
        if self._process is not None:
            end_asked_git(self._process)
            self._process = None


class BriefRepository(Repository):
    """A repository of which little is read: a git program does that sooner than libgit2 is loaded.

    libgit2 is loaded by whatever needs more than objects, when many objects are read, and to tell what is wrong with
    one that git cannot read.
    """

    @functools.cached_property
    def _asked(self) -> _Asked:
        return _Asked(None if self.may_be_partial() else ObjectReader(self))

    def close(self) -> None:
        """End the git program."""
        self._asked.close()

    def _read_packed(self, oid: str, limit_bytes: int | None) -> GitObject:
        asked = self._asked
        if asked.reader is not None and asked.left > 0:
            asked.left -= 1
            try:
                return asked.reader.read_object(oid, limit_bytes)
            except ObjectTooLarge:
                raise
            except UnreadableObject:
                pass  # libgit2 knows why
        asked.close()
        return super()._read_packed(oid, limit_bytes)


_MOST_ASKED = 500
"""With so many objects, a git program has taken as long as libgit2 takes to be loaded and to read them."""


class _Asked:
    """The git program that is asked for objects, and how many more it will be asked for."""

    def __init__(self, reader: ObjectReader | None) -> None:
        self.reader = reader
        self.left = _MOST_ASKED

    def close(self) -> None:
        if self.reader is not None:
            self.reader.close()
            self.reader = None


@contextlib.contextmanager
def open_briefly(folder: Path) -> Iterator[Repository]:
    """The repository that `folder` is in, for reading a few objects of it; see `BriefRepository`.

    Raises:
        as `find_repository`.
    """
    found = find_repository(folder)
    with contextlib.closing(BriefRepository(found.root, found.git_dir, found.common_dir, found.head)) as repository:
        yield repository


_REF_FILE = re.compile(rb"([0-9a-f]{40})\n")


def _libgit2_errors() -> tuple[type[Exception], ...]:
    """What libgit2 raises for a damaged object."""
    import pygit2

    return (pygit2.GitError, ValueError)


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
