"""What `git log` tells of the journal: bounded, whole, and the same whatever is configured."""

from __future__ import annotations

import contextlib
import functools
import os
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

from mitosis.errors.journal import BadRecord, JournalError
from mitosis.errors.repository import GitError, ObjectTooLarge, UnreadableObject
from mitosis.git.program import reading_git
from mitosis.journal.storage.objects import TREE_LIMIT_BYTES, ReadOnlyStore
from mitosis.journal.storage.walking import Sizes
from mitosis.text import one_line, recordable
from mitosis.variants import VariantName

TRAILER_LIMIT = 500
"""Characters of a trailer's value in messages of the journal."""
_MOST_BYTES = 2**28
"""So much of what git says of a history is read."""
_READ_BYTES = 2**16
_MOST_TOKEN_BYTES = 2**23
"""So much is kept of what a commit says: one that removes a folder names each of its files."""
_TEXT_LIMIT = 200
_HEAD = "\x01"
_FIELDS = ("%H", "%P", "%an", "%ae", "%at", "%s", "%(trailers:only,unfold)")
_FORM = _HEAD + "%x1f".join(_FIELDS) + "%x00"
# Every option that a user's configuration could set otherwise is given. Git before 2.33 has no log.diffMerges, and
# takes `-m` for that.
_LOG = (
    "-c", "log.showRoot=true", "-c", "log.diffMerges=separate", "-c", "trailer.separators=:", "log",
    f"-O{os.devnull}", "--full-history", "--no-renames", "-z", "--no-color", "--no-notes", "--no-show-signature",
    "--no-mailmap", "--encoding=UTF-8", "--no-ext-diff", "--no-textconv", "--no-relative",
)  # fmt: skip
GONE = "0" * 40
"""The id that stands for no blob."""


def moment_of(seconds: str) -> datetime:
    """The time that git gives for `%at`; 1970 for one that it cannot make sense of.

    Of some times in some zones it gives no date, but ends, and with it what it tells of the history.
    """
    try:
        return datetime.fromtimestamp(int(seconds), UTC)
    except (ValueError, OverflowError, OSError):
        return datetime.fromtimestamp(0, UTC)


@dataclass(frozen=True, slots=True)
class Commit:
    """A commit of the journal, and what it says of itself."""

    oid: str
    parents: tuple[str, ...]
    author: str
    """The name alone."""
    email: str
    date: str
    """ISO 8601, in UTC."""
    summary: str
    trailers: frozenset[tuple[str, str]]

    def says(self, *wanted: tuple[str, str]) -> bool:
        """Whether it has one of these trailers."""
        return any((name, one_line(value, TRAILER_LIMIT)) in self.trailers for name, value in wanted)

    def tells_of(self, variant: VariantName, wanted: Collection[str]) -> bool:
        """Whether it has one of these trailers about a variant, with whichever digest before its name."""
        digest = "0" * 40
        told = one_line(f"{digest} {variant}", TRAILER_LIMIT)[len(digest) :]
        return any(name in wanted and value[len(digest) :] == told for name, value in self.trailers)


def read_log(
    store: ReadOnlyStore, revisions: Sequence[str], *options: str, paths: Sequence[str] = ()
) -> Iterator[tuple[Commit, str, str, str]]:
    """Each file that a commit adds, takes away or changes: the commit, the path, and the ids before and after.

    Args:
        store: of the journal.
        revisions: as for `git log`.
        options: for it.
        paths: files or folders; none for all.

    Raises:
        JournalError: there is too much in it to be anybody's records.
        GitError: git cannot read the history.
    """
    _refuse_endless(store, revisions, paths)
    commit: Commit | None = None
    words = ("--raw", "--no-abbrev", f"--format={_FORM}", *options, *revisions, "--", *paths)
    tokens = _tokens(store, *words)
    for token in tokens:
        if token.startswith(_HEAD):
            commit = _commit(token.removeprefix(_HEAD))
        elif token.lstrip("\n").startswith(":") and commit is not None:
            fields = token.split()
            yield commit, next(tokens, ""), fields[2], fields[3]


def read_commits(store: ReadOnlyStore, *words: str, paths: Sequence[str] = ()) -> Iterator[Commit]:
    """The commits that `git log` finds by these words, of those that change one of the paths if there are some.

    Raises:
        JournalError: there is too much in them to be anybody's records.
        GitError: git cannot read the history.
    """
    if paths:
        _refuse_endless(store, words, paths)
    for token in _tokens(store, "--no-patch", f"--format={_FORM}", *words, "--", *paths):
        if token.startswith(_HEAD):
            yield _commit(token.removeprefix(_HEAD))


def _refuse_endless(store: ReadOnlyStore, revisions: Sequence[str], paths: Sequence[str]) -> None:
    """Refuse commits whose files git could look at for ever, be it at these paths alone."""

    def read(oid: bytes, where: str) -> list[tuple[bytes, bytes, bytes]] | None:
        try:
            return store.repository.read_entries(oid.hex(), TREE_LIMIT_BYTES)
        except ObjectTooLarge:
            return None
        except UnreadableObject:
            return []  # git stops there, too

    @functools.cache
    def is_endless(tree: str, path: str) -> bool:
        if not path:
            return sizes.is_endless(bytes.fromhex(tree))
        name, _, below = path.partition("/")
        with contextlib.suppress(BadRecord):
            entry = store.find(tree, name)
            return entry is not None and entry.is_tree and is_endless(entry.oid, below)
        return False  # git looks at nothing in what it cannot read, and at one name in what is too large

    sizes = Sizes(read)
    words = ("log", "--encoding=UTF-8", "--format=%H %T", "--no-show-signature", *revisions, "--")
    for commit, tree in (line.split() for line in store.repository.git(*words).splitlines()):
        if any(is_endless(tree, path) for path in paths or ("",)):
            raise JournalError(f"commit {commit} of the journal has more files than anybody can have recorded")


def _tokens(store: ReadOnlyStore, *words: str) -> Iterator[str]:
    """What `git log` writes between zero bytes, of each no more than anybody writes."""
    try:
        with (
            Path(os.devnull).open("rb") as stdin,
            reading_git(*_LOG, *words, cwd=store.repository.root, stdin=stdin, is_read_whole=True) as output,
        ):
            yield from _split(output)
    except GitError as error:  # without all the words that it was given
        raise GitError(["git", "log"], error.status, error.output) from error


def _split(output: IO[bytes]) -> Iterator[str]:
    parts: list[bytes] = []
    count = size = 0
    while data := output.read1(_READ_BYTES):  # type: ignore[attr-defined]
        count += len(data)
        if count > _MOST_BYTES:
            raise JournalError("the history of the journal changes more than anybody can have recorded")
        *ends, rest = data.split(b"\0")
        for end in ends:
            yield b"".join([*parts, end])[:_MOST_TOKEN_BYTES].decode("utf-8", "surrogateescape")
            parts, size = [], 0
        if size < _MOST_TOKEN_BYTES:
            parts.append(rest)
            size += len(rest)


def _commit(text: str) -> Commit:
    oid, parents, author, email, date, summary, trailers = [*text.split("\x1f", 6), *[""] * 6][:7]
    pairs = (line.partition(": ") for line in trailers.splitlines())
    found = frozenset((name, value) for name, _, value in pairs)
    # Anybody may have written them, at any length.
    shown = [one_line(recordable(text[:_TEXT_LIMIT]), _TEXT_LIMIT) for text in (author, email, summary)]
    who = shown[0] or "somebody"
    return Commit(oid, tuple(parents.split()), who, shown[1], moment_of(date).isoformat(), shown[2], found)
