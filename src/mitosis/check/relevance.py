"""Can what is staged change what a lookup dictionary says? Answered without evaluating any, in milliseconds.

It can if a file is staged that the lookup modules import or read, or pyproject.toml. Which files those are is found by
reading the modules, and learnt from each evaluation. It is kept in `<common git dir>/mitosis/lookup-files`, which is
derived: it says the ids of the files that it was found from, and is not believed where one of them is another now.
"""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

import msgpack

from mitosis.config import CONFIG_NAME
from mitosis.errors import ConfigError
from mitosis.git import Repository, run_git

_FORMAT = 1
_MAX_BYTES = 16 * 2**20
_MOST_PATHS_ASKED = 500
"""So many paths are named to git; for more it lists all files."""


@dataclass(frozen=True, slots=True)
class Known:
    """Files that lookup dictionaries depend on."""

    sources: Mapping[str, str]
    """The ids of the files that were looked at to find that out, pyproject.toml among them; empty if it is missing."""
    files: frozenset[str]
    """The files that matter."""


def can_matter(repository: Repository) -> bool:
    """Whether what is staged can change what a lookup dictionary says.

    Raises:
        GitError: git cannot read the index.
    """
    touched, added = _staged(repository)
    if not touched:
        return False
    if CONFIG_NAME in touched:
        return True
    known = _read(repository)
    is_fresh = known is not None and not _adds_module(added) and _ids(repository, known.sources) == known.sources
    if known is None or not is_fresh:
        found = _find(repository)
        if found is None:
            return True
        learnt = frozenset() if known is None else known.files
        known = Known(found.sources, found.files | learnt)
        _write(repository, known)
    # A submodule stands for all that is in it.
    return not touched.isdisjoint(known.files) or not touched.isdisjoint(_folders(known.files))


def learn(repository: Repository, files: Collection[str]) -> None:
    """Remember the files that an evaluation of what is staged has read.

    Args:
        repository: whose index it was.
        files: relative to the top.
    """
    found = _find(repository)
    if found is not None:
        _write(repository, Known(found.sources, found.files | frozenset(files)))


def _staged(repository: Repository) -> tuple[frozenset[str], frozenset[str]]:
    """The files that a commit would change, and those of them that it would add."""
    output = run_git(
        *("diff", "--cached", "--name-status", "--no-renames", "--no-ext-diff", "--ignore-submodules=none", "-z"),
        cwd=repository.root,
    )
    words = output.split(b"\0")
    touched = {os.fsdecode(name): status for status, name in zip(words[::2], words[1::2], strict=False)}
    return frozenset(touched), frozenset(name for name, status in touched.items() if status == b"A")


def _folders(names: Collection[str]) -> set[str]:
    return {name[:at] for name in names for at, letter in enumerate(name) if letter == "/"}


def _adds_module(added: Collection[str]) -> bool:
    """Whether a module is new, which may be one that was imported from elsewhere before."""
    return any(name.endswith(".py") for name in added)


def _ids(repository: Repository, names: Collection[str]) -> dict[str, str]:
    """The ids that files have in the index; empty for those that are not there."""
    asked = [f":(top,literal){name}" for name in names] if len(names) <= _MOST_PATHS_ASKED else []
    output = run_git("ls-files", "--stage", "-z", "--", *asked, cwd=repository.root)
    found = dict.fromkeys(names, "")
    for line in output.split(b"\0"):
        facts, _, name = line.partition(b"\t")
        path = os.fsdecode(name)
        if path in found:
            found[path] = facts.split(b" ")[1].decode()
    return found


def _find(repository: Repository) -> Known | None:
    """What can be found by reading the modules as they are staged; None if every file may matter."""
    from mitosis.check.states import staged_state
    from mitosis.lookups.selection import select_files

    try:
        with staged_state(repository) as state:
            assert state.index is not None
            config_id = state.index.files[CONFIG_NAME].oid if CONFIG_NAME in state.names else ""
            if state.config is None:
                return Known({CONFIG_NAME: config_id}, frozenset({CONFIG_NAME}))
            files = select_files(state.index, state.config)
            if files is None:
                return None
            sources = {name: state.index.files[name].oid for name in files if name.endswith(".py")}
            return Known({**sources, CONFIG_NAME: config_id}, files | {CONFIG_NAME})
    except ConfigError:
        return None


def _path(repository: Repository) -> Path:
    return repository.common_dir / "mitosis" / "lookup-files"


def _read(repository: Repository) -> Known | None:
    try:
        data = _path(repository).read_bytes()
        if len(data) > _MAX_BYTES:
            return None
        fields = msgpack.unpackb(data, unicode_errors="surrogateescape")
        if fields["format"] != _FORMAT:
            return None
        return Known(dict(fields["sources"]), frozenset(fields["files"]))
    except Exception:  # it is derived: whatever is wrong with it, it is made anew
        return None


def _write(repository: Repository, known: Known) -> None:
    fields = {"format": _FORMAT, "sources": dict(known.sources), "files": sorted(known.files)}
    path = _path(repository)
    partial = path.with_name(f"{path.name}-{secrets.token_hex(4)}")
    # It only saves time. A repository that cannot be written to has none.
    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        partial.write_bytes(msgpack.packb(fields, unicode_errors="surrogateescape"))
        partial.replace(path)
