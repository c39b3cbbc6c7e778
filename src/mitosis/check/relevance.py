"""Can what is staged change what a lookup dictionary says? Answered without evaluating any, in milliseconds.

When dictionaries are evaluated, it is noted what they import, read and look for. Another state in which all this is the
same says the same. So a commit need not be evaluated if it touches nothing of what was used by a state that was, and
that has the same files in all that was used. This is certain, but for what Python does not notice: a library that is
not written in Python may open files on its own. Whatever else is not known is found out by evaluating.

What was noted is kept in `<git dir>/mitosis/lookup-files`. It is derived, and may be deleted.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import msgpack

from mitosis.config import config_name
from mitosis.dictionaries.modules import Usage
from mitosis.errors.repository import GitError
from mitosis.files import write_whole
from mitosis.git.program import run_git
from mitosis.git.repository import Repository

_FORMAT = 2
_LINKS = frozenset(("160000", "120000"))
"""Modes of submodules and symbolic links: what is behind them is not in the index, or elsewhere."""
_MOVED = frozenset(("A", "D", "T"))
"""What git says of files that are new, gone, or of another type."""
_ATTRIBUTES = ".gitattributes"
"""It has a say in which bytes git writes."""

_RAW = ("--raw", "--no-abbrev", "--no-renames", "--no-ext-diff", "--ignore-submodules=none", "-z")

Changes = Mapping[str, str]
"""The files that differ between two states, each with modes, ids and status as `git diff --raw` tells them."""


@dataclass(frozen=True, slots=True)
class _Known:
    """A state that was evaluated, and what it used."""

    usage: Usage
    commit: str
    """What was at HEAD."""
    staged: Changes
    """What was staged then, and differed from it."""


def can_matter(repository: Repository, config: str | None = None) -> bool:
    """Whether what is staged can change what a lookup dictionary says.

    Args:
        repository: whose index.
        config: the configuration in place of pyproject.toml, relative to the top.

    Raises:
        GitError: git cannot read the index.
    """
    changes = _staged(repository)
    if not changes:
        return False
    known = _read(repository)
    if known is None or repository.head is None or is_touched(known.usage, changes):
        return True
    if config_name(Path(os.path.realpath(repository.root)), config) not in known.usage.files:
        return True  # it was another one
    since = changes
    if known.commit != repository.head:
        try:
            since = _staged(repository, known.commit)
        except GitError:  # git has forgotten a commit that was amended
            return True
    pairs = {name: (known.staged.get(name), since.get(name)) for name in {*known.staged, *since}}
    differing = {name: f"{old or ''} {new or ''}" for name, (old, new) in pairs.items() if old != new}
    if is_touched(known.usage, differing):
        return True
    if known.commit != repository.head:
        # Of a commit that is near, less is different.
        _write(repository, replace(known, commit=repository.head, staged=changes))
    return False


def is_touched(usage: Usage, changes: Changes) -> bool:
    """Whether what dictionaries used is among some changes."""
    moved = {}
    for name, facts in changes.items():
        words = facts.split(" ")
        moved[name] = not _MOVED.isdisjoint(words)
        if name.rpartition("/")[2] == _ATTRIBUTES:
            return True
        if moved[name] and not _LINKS.isdisjoint(words):
            return True
    return usage.is_touched_by(moved)


def learn(repository: Repository, usage: Usage) -> None:
    """Remember what evaluating what is staged has used."""
    if repository.head is not None and usage.is_complete:
        _write(repository, _Known(usage, repository.head, _staged(repository)))


def changes_of(repository: Repository, commit: str) -> Changes:
    """The files that a commit with one parent changes."""
    return _parsed(run_git("diff-tree", "--no-commit-id", "-r", *_RAW, commit, cwd=repository.root))


def _staged(repository: Repository, commit: str | None = None) -> Changes:
    """The files that a commit would change; or those that are different from another commit's than HEAD."""
    words = () if commit is None else (commit,)
    return _parsed(run_git("diff", "--cached", *_RAW, *words, "--", cwd=repository.root))


def _parsed(output: bytes) -> dict[str, str]:
    words = output.split(b"\0")
    pairs = zip(words[::2], words[1::2], strict=False)
    return {os.fsdecode(name): facts.lstrip(b":").decode("ascii") for facts, name in pairs}


def _path(repository: Repository) -> Path:
    return repository.git_dir / "mitosis" / "lookup-files"


def _read(repository: Repository) -> _Known | None:
    try:
        fields: dict[str, Any] = msgpack.unpackb(_path(repository).read_bytes(), unicode_errors="surrogateescape")
        if fields["format"] != _FORMAT:
            return None
        usage: dict[str, Any] = {name: frozenset(found) for name, found in fields["usage"].items()}
        return _Known(Usage(**usage), fields["commit"], fields["staged"])
    except Exception:  # whatever is wrong with it, it is rebuilt
        return None


def _write(repository: Repository, known: _Known) -> None:
    usage = {name: sorted(found) for name, found in asdict(known.usage).items() if isinstance(found, frozenset)}
    fields = {"format": _FORMAT, "usage": usage, "commit": known.commit, "staged": dict(known.staged)}
    path = _path(repository)
    # It only saves time. A repository that cannot be written to has none.
    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, msgpack.packb(fields, unicode_errors="surrogateescape"))
