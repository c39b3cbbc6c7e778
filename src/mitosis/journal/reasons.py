"""Histories of the journal: what their commits take away or change of what was there before, and whether they say so.

A journal grows: an ordinary commit adds. One that takes away a trial, or a meaning of a variant, says in its trailers
what it takes away (`Forgotten`, `Dropped`, `Released`, `Unretired`, `Chosen`, `Settled`, `Removed`). What is gone
without one of these was not taken away by mitosis.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from mitosis.errors.journal import BadRecord, JournalError
from mitosis.errors.repository import GitError, UnreadableObject
from mitosis.git.program import reading_git
from mitosis.git.repository import Repository
from mitosis.journal import layout
from mitosis.journal.storage.objects import TREE_LIMIT_BYTES, Entry, ReadOnlyStore
from mitosis.journal.storage.walking import Sizes
from mitosis.text import one_line, recordable
from mitosis.variants import VariantName

TRAILER_LIMIT = 500
"""Characters of a trailer's value in messages of the journal."""
_MOST_BYTES = 2**28
"""So much of what git says of a history is read."""
_READ_BYTES = 2**16
_TEXT_LIMIT = 200
_HEAD = "\x01"
_FIELDS = ("%H", "%P", "%an", "%ae", "%at", "%s", "%(trailers:only,unfold)")
_FORM = _HEAD + "%x1f".join(_FIELDS) + "%x00"
# Every option that a user's configuration could set otherwise is given.
_LOG = (
    "-c", "log.showRoot=true", "log", "--full-history", "--no-renames", "-z", "--no-color", "--no-notes",
    "--no-show-signature", "--no-mailmap", "--encoding=UTF-8", "--no-ext-diff", "--no-textconv",
)  # fmt: skip
_GONE = "0" * 40


def moment_of(seconds: str) -> datetime:
    """The time that git gives for `%at`; 1970 for one that it cannot make sense of.

    Of some times in some zones it gives no date, but ends, and with it what it tells of the history.
    """
    try:
        return datetime.fromtimestamp(int(seconds), UTC)
    except (ValueError, OverflowError, OSError):
        return datetime.fromtimestamp(0, UTC)


def merge_bases(repository: Repository, one: str, *others: str) -> list[str]:
    """The best common ancestors of a commit and a merge of others, sorted; none for unrelated histories.

    Raises:
        GitError: git cannot read the histories.
    """
    try:
        return sorted(repository.git("merge-base", "--all", one, *others).split())
    except GitError as error:
        if error.status == 1 and not error.output:
            return []
        raise


@dataclass(frozen=True, slots=True)
class Commit:
    """A commit of the journal, and what it says of itself."""

    oid: str
    parents: int
    """How many it has."""
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


@dataclass(frozen=True, slots=True)
class Taken:
    """A file of the journal that a commit took away, or changed."""

    path: str
    before: str
    """Id of the blob that was there."""
    after: str | None
    """Id of the blob that is there since; None if it is gone."""
    commit: Commit

    @property
    def is_explained(self) -> bool:
        """Whether the commit says that it takes this away."""
        return self.commit.says(*_reasons(self.path, self.before, self.after))


def _reasons(path: str, before: str, after: str | None) -> Iterator[tuple[str, str]]:
    """The trailers by which a commit may say that it takes a file away, or changes it."""
    if after is None:
        yield "Removed", path
    place, disputed, variant = _parse(path)
    if place is not None:
        yield ("Forgotten", place[2]) if after is None else ("Chosen", f"{after} {place[2]}")
    elif disputed is not None and after is None:
        yield "Settled", disputed
        yield "Forgotten", disputed
    elif variant is not None and after is None:
        name, digest = variant
        if path.startswith(f"{layout.RETIRED}/"):
            yield "Unretired", str(name)
        else:
            yield "Dropped", f"{digest} {name}"
        yield "Released", f"{digest} {name}"


def _parse(path: str) -> tuple[tuple[str, str, str] | None, str | None, tuple[VariantName, str] | None]:
    """What a path is of, if it is one at which mitosis keeps something: a trial, a disputed end, or a variant."""
    kind = path.partition("/")[0]
    is_of_variants = kind in (layout.VARIANTS, layout.RETIRED)
    return (
        layout.parse_record_path(path),
        layout.parse_disputed_path(path),
        layout.parse_variant_path(path) if is_of_variants else None,
    )


def is_kept(path: str) -> bool:
    """Whether a path is one at which mitosis keeps what must not go or change without a reason."""
    return path.startswith(f"{layout.ENVIRONMENTS}/") or any(found is not None for found in _parse(path))


def read_taken(repository: Repository, *revisions: str) -> Iterator[Taken]:
    """What the commits of a range take away or change of what mitosis keeps, newest first.

    Merge commits are compared with each of their parents.

    Args:
        repository: where the journal is.
        revisions: as for `git log`; they have passed `refuse_endless`, or all their trees been read.

    Raises:
        JournalError: there is too much of it to be anybody's records.
        GitError: git cannot be started.
    """
    for commit, path, before, after in _read_log(repository, "-m", "--diff-filter=DMT", *revisions):
        if commit is not None and is_kept(path):
            yield Taken(path, before, None if after == _GONE else after, commit)


def refuse_endless(store: ReadOnlyStore, *revisions: str, path: str = "") -> None:
    """Refuse commits whose files git could look at for ever.

    Args:
        store: of the journal.
        revisions: as for `git log`.
        path: git is to look at this folder or file alone.

    Raises:
        JournalError: there is such a commit.
        GitError: git cannot read the history.
    """

    def read(oid: bytes, where: str) -> list[tuple[bytes, bytes, bytes]]:
        try:
            return store.repository.read_entries(oid.hex(), TREE_LIMIT_BYTES)
        except UnreadableObject:
            return []  # git stops there, too

    sizes = Sizes(read)
    words = ("--full-history", "--format=%H %T", "--no-show-signature", *revisions, *(["--", path] if path else []))
    for commit, tree in (line.split() for line in store.repository.git("log", *words).splitlines()):
        with contextlib.suppress(BadRecord):
            entry = store.find(tree, path) if path else Entry(True, tree)
            if entry is not None and entry.is_tree and sizes.is_endless(bytes.fromhex(entry.oid)):
                raise JournalError(f"commit {commit} of the journal has more files than anybody can have recorded")


@dataclass(frozen=True, slots=True)
class Choices:
    """What the commits of a history, but for merges, have written to the path of a trial's record."""

    written: tuple[tuple[str | None, str], ...]
    """Ids of the blobs before and after, oldest first; None where there was nothing. What was removed counts once."""
    chosen: tuple[str, ...]
    """Those that somebody chose of several, newest first."""


def read_choices(repository: Repository, path: str, key: str, tips: Sequence[str], without: Sequence[str]) -> Choices:
    """What the history of some commits, without that of others, had at the path of a record."""
    written: list[tuple[str | None, str]] = []
    chosen: list[str] = []
    was_removed = False
    log = _read_log(repository, "--topo-order", "--reverse", "--no-merges", *tips, "--not", *without, "--", path)
    for commit, _, before, after in log:
        was_removed = was_removed or after == _GONE
        if after != _GONE and not (was_removed and before == _GONE):
            written.append((None if before == _GONE else before, after))
        if commit.says(("Chosen", f"{after} {key}")):
            chosen.insert(0, after)
    return Choices(tuple(written), tuple(chosen))


def read_writers(repository: Repository, tip: str, *paths: str) -> dict[str, Commit]:
    """The first commit of a history that wrote each blob at some paths, files or folders, by the blob's id."""
    return {after: commit for commit, _, _, after in _read_log(repository, "--topo-order", "-m", tip, "--", *paths)}


def read_added(repository: Repository, tip: str, path: str) -> Iterator[tuple[Commit, str]]:
    """The commits of a history that add files at a path, or below it, with the path of each file."""
    for commit, added, _, _ in _read_log(repository, "--diff-filter=A", tip, "--", path):
        yield commit, added


def read_commits(repository: Repository, *words: str) -> Iterator[Commit]:
    """The commits that `git log` finds by these words."""
    for token in _tokens(repository, *_LOG, "--no-patch", f"--format={_FORM}", *words):
        if token.startswith(_HEAD):
            yield _commit(token.removeprefix(_HEAD))


def read_forgotten(repository: Repository, tip: str, prefix: str) -> dict[str, dict[str, str]]:
    """The files of trials whose keys begin so that a history forgot, by key: the ids of blobs by path."""
    places = (f":(glob){layout.TRIALS}/**/{prefix}*", f":(glob){layout.DISPUTED}/{prefix}*/*")
    forgotten: dict[str, tuple[Commit, dict[str, str]]] = {}
    for commit, path, before, _ in _read_log(repository, "--diff-filter=D", tip, "--", *places):
        place, key, _ = _parse(path)
        key = key if place is None else place[2]
        if key is not None and commit.says(("Forgotten", key)):
            newest, files = forgotten.setdefault(key, (commit, {}))
            if newest.oid == commit.oid:
                files[path] = before
    return {key: files for key, (_, files) in forgotten.items()}


def read_lost(repository: Repository, tip: str, *paths: str) -> dict[str, bool]:
    """Of files or folders at which a history had locks: the paths of these, and whether somebody meant to drop each."""
    dropped: dict[str, bool] = {}
    for commit, path, _, after in _read_log(repository, tip, "--", *paths):
        variant = _parse(path)[2]
        if variant is not None:
            reasons = (("Dropped", f"{variant[1]} {variant[0]}"), ("Removed", path))
            is_dropped = after == _GONE and commit.says(*reasons)
            dropped[path] = dropped.get(path, False) or is_dropped
    return dropped


def describe_path(path: str) -> str:
    """What is at a path of the journal, in words."""
    place, disputed, variant = _parse(path)
    if place is not None:
        return f"trial {place[2]} of {one_line(place[0], 100)}"
    if disputed is not None:
        return f"another end of trial {disputed}"
    if variant is not None:
        name = one_line(str(variant[0]), 200)
        is_lock = path.startswith(f"{layout.VARIANTS}/")
        return f"the lock of {name} to {variant[1][:6]}" if is_lock else f"the retirement of {name}"
    return f"the file {one_line(path, 200)}"


def _read_log(repository: Repository, *words: str) -> Iterator[tuple[Commit, str, str, str]]:
    """Each file that a commit adds, takes away or changes: the commit, the path, and the ids before and after."""
    commit: Commit | None = None
    tokens = _tokens(repository, *_LOG, "--raw", "--no-abbrev", f"--format={_FORM}", *words)
    for token in tokens:
        if token.startswith(_HEAD):
            commit = _commit(token.removeprefix(_HEAD))
        elif token.lstrip("\n").startswith(":") and commit is not None:
            fields = token.split()
            yield commit, next(tokens, ""), fields[2], fields[3]


def _tokens(repository: Repository, *words: str) -> Iterator[str]:
    """What git writes between zero bytes."""
    with Path(os.devnull).open("rb") as nothing, reading_git(*words, cwd=repository.root, stdin=nothing) as output:
        rest, count = b"", 0
        while data := output.read1(_READ_BYTES):  # type: ignore[attr-defined]
            count += len(data)
            if count > _MOST_BYTES:
                raise JournalError("the history of the journal changes more than anybody can have recorded")
            *whole, rest = (rest + data).split(b"\0")
            yield from (token.decode("utf-8", "surrogateescape") for token in whole)


def _commit(text: str) -> Commit:
    oid, parents, author, email, date, summary, trailers = [*text.split("\x1f", 6), *[""] * 6][:7]
    pairs = (line.partition(": ") for line in trailers.splitlines())
    found = frozenset((name, value) for name, _, value in pairs)
    # Anybody may have written them, at any length.
    shown = [one_line(recordable(text[:_TEXT_LIMIT]), _TEXT_LIMIT) for text in (author, email, summary)]
    return Commit(
        oid, len(parents.split()), shown[0] or "somebody", shown[1], moment_of(date).isoformat(), shown[2], found
    )
