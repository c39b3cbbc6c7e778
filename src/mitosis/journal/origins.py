"""Where variant locks come from, read from the journal's history."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from mitosis.git.repository import Repository
from mitosis.journal import layout
from mitosis.journal.locks import digest_of_file
from mitosis.variants import LockOrigin, VariantLock, VariantName

_FIELDS = ("%an", "%ae", "%aI", *(f"%(trailers:key={key},valueonly,separator=%x20)" for key in ("Commit", "Trial")))
_LOCK_DEPTH = 5
_START = "\x01"


def read_origins(
    repository: Repository, commit: str | None, path: str = layout.VARIANTS
) -> dict[VariantLock, LockOrigin]:
    """The first appearance of each lock in a journal's history.

    Where two people took the same lock before they merged, the earlier one counts.

    Args:
        repository: where the journal is.
        commit: the journal's tip; None while there is no journal.
        path: the file or folder of the tree to look at.

    Raises:
        GitError: git cannot read the history.
    """
    if commit is None:
        return {}
    # Every option that a user's configuration could set otherwise is given.
    output = repository.git(
        "-c", "log.showRoot=true",
        "log", "--full-history", "--no-renames", "--diff-filter=A", "--name-only", "-z", "--no-color", "--no-notes",
        "--no-show-signature", "--no-mailmap", "--encoding=UTF-8", f"--format={_START}" + "%x00".join(_FIELDS) + "%x00",
        commit, "--", path,
    )  # fmt: skip
    origins: dict[VariantLock, LockOrigin] = {}
    for name, origin in _parse(output):
        known = origins.get(name)
        if known is None or (origin.date, origin.author) < (known.date, known.author):
            origins[name] = origin
    return origins


@dataclass(frozen=True, slots=True)
class HistoryEntry:
    """A commit of the journal."""

    commit: str
    author: str
    """The name alone."""
    date: str
    """ISO 8601, with an offset."""
    summary: str


def read_history(repository: Repository, commit: str | None, variant: VariantName) -> list[HistoryEntry]:
    """The commits of a journal that are about a variant, newest first; see `Journal.variant_history`."""
    if commit is None:
        return []
    kinds = (layout.VARIANTS, *layout.REMARKS)
    output = repository.git(
        "-c", "log.showRoot=true",
        "log", "--full-history", "--no-renames", "--no-patch", "-z", "--no-color", "--no-notes", "--no-show-signature",
        "--no-mailmap", "--encoding=UTF-8", "--format=%H%x1f%an%x1f%aI%x1f%s",
        commit, "--", *(layout.remark_folder(kind, variant) for kind in kinds),
    )  # fmt: skip
    entries = []
    for line in output.split("\0"):
        words = line.split("\x1f", 3)
        if len(words) == 4:
            entries.append(HistoryEntry(*(_text(word) for word in words)))
    return entries


def _text(word: str) -> str:
    return word.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def _parse(output: str) -> Iterator[tuple[VariantLock, LockOrigin]]:
    """Each lock that a commit adds, with the commit's author, date and trailers."""
    words = iter(output.split("\0"))
    origin: LockOrigin | None = None
    for word in words:
        if word.startswith(_START):
            fields = [next(words, "") for _ in _FIELDS[1:]]
            origin = _origin(word.removeprefix(_START), *fields)
            continue
        name = _lock_at(word.removeprefix("\n"))
        if name is not None and origin is not None:
            yield name, origin


def _origin(name: str, email: str, date: str, commit: str, trial: str) -> LockOrigin:
    try:
        moment = datetime.fromisoformat(date)
    except ValueError:
        # git writes nothing for a date that it cannot make sense of.
        moment = datetime.fromtimestamp(0, UTC)
    name, email = (text.encode("utf-8", "surrogateescape").decode("utf-8", "replace") for text in (name, email))
    return LockOrigin(
        author=f"{name} <{email}>",
        name=name,
        date=moment,
        commit=commit if layout.COMMIT_PATTERN.fullmatch(commit) else None,
        trial=trial if layout.KEY_PATTERN.fullmatch(trial) else None,
    )


def _lock_at(path: str) -> VariantLock | None:
    """The lock that a path of the journal stands for; None if it is not a lock's."""
    parts = path.split("/")
    digest = digest_of_file(parts[-1])
    if len(parts) != _LOCK_DEPTH or parts[0] != layout.VARIANTS or digest is None:
        return None
    return VariantLock(VariantName(*map(layout.decode_name, parts[1:4])), digest)
