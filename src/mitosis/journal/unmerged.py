"""What other journals have that this one lacks, as it was last fetched, and the reverse."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from mitosis.errors.base import shell_words
from mitosis.errors.journal import BadRecord, JournalError, JournalGone
from mitosis.errors.repository import GitError, ObjectMissing
from mitosis.files import write_whole
from mitosis.journal import layout
from mitosis.journal.reasons import merge_bases
from mitosis.journal.storage.store import Snapshot, Store
from mitosis.journal.storage.walking import iter_changes

_REMEMBERED_TIPS = 100
_ATTEMPTS = 5
"""So often a merge is computed anew since the journal has grown meanwhile. Then it has to wait."""
_COUNTED_CHANGES = 100_000
"""A command that only tells of unmerged records looks at no more."""


@dataclass(frozen=True, slots=True)
class Unmerged:
    """A remote whose journal, as it was last fetched, holds what this one does not."""

    remote: str
    trials: int
    """How many trials this journal does not have; 0 if it lacks something else."""


def missing_keys(store: Store, other: str | None) -> set[str]:
    """The trials that this journal has and the one at the commit `other` (None: an empty one) lacks."""
    ours = store.snapshot()
    theirs = None if other is None else store.snapshot_of(other, "the other journal")
    return set(_new_keys(store, theirs, ours))


def _new_keys(store: Store, before: Snapshot | None, after: Snapshot | None, limit: int | None = None) -> Iterator[str]:
    old = None if before is None else store.folder_oid(before.tree, layout.TRIALS)
    new = None if after is None else store.folder_oid(after.tree, layout.TRIALS)
    changes = iter_changes(store, old, new, layout.TRIALS, limit=limit)
    places = (layout.parse_record_path(path) for path, old, _ in changes if old is None)
    return (place[2] for place in places if place is not None)


def find_unmerged(store: Store) -> tuple[Unmerged, ...]:
    """The remotes whose fetched journal holds what this one does not; those that cannot be read are left out.

    One of which a partial clone has fetched no more than commits counts as having no trials that can be counted.
    """
    tips = remote_tips(store)
    ours = store.tip()
    if tips:
        # A remote that was renamed or removed leaves its refs; nobody could pull from it.
        remotes = set(store.repository.git("remote").splitlines())
        tips = {remote: commit for remote, commit in tips.items() if remote in remotes}
    if all(commit == ours for commit in tips.values()):
        return ()
    known = _remembered(store)
    found = []
    for remote, commit in tips.items():
        if commit == ours or (ours, commit) in known:
            continue
        with contextlib.suppress(JournalError, GitError):
            try:
                theirs = store.snapshot_of(commit, layout.remote_journal_ref(remote))
            except BadRecord as error:
                # A partial clone may have left out everything but commits. Then pull fetches the rest.
                if isinstance(error.__cause__, ObjectMissing) and store.repository.is_partial():
                    found.append(Unmerged(remote, 0))
                continue
            if ours is not None and merge_bases(store.repository, commit, ours) == [commit]:
                remember(store, ours, commit)
                continue
            found.append(Unmerged(remote, _count_unmerged(store, theirs)))
    return tuple(found)


def _count_unmerged(store: Store, theirs: Snapshot) -> int:
    """How many trials another journal has that this one lacks; 0 where that takes too long to find out."""
    try:
        return len(set(_new_keys(store, store.snapshot(), theirs, _COUNTED_CHANGES)))
    except BadRecord:
        return 0


def remote_tips(store: Store) -> dict[str, str]:
    """The fetched journals' commits by remote."""
    start, end = layout.REMOTES_PREFIX, "/journal"
    if not store.repository.may_have_refs(start):
        return {}
    patterns = [f"{start}*{end}", f"{start}*/*{end}"]
    refs = list_refs(store, *patterns)
    return {name.removeprefix(start).removesuffix(end): commit for name, commit in refs.items()}


def refuse_gone(store: Store) -> None:
    """Refuse to begin a journal where there was one. Where there is one, a look at its ref is all that this takes.

    Raises:
        JournalGone: there are notes, or the short name, and nothing that they belong to. A pin is nothing to go by: a
            first trial that was killed while it was recorded may have left one.
    """
    if store.tip() is not None:
        return
    commands = {
        layout.NOTES_REF: f"git update-ref -d {layout.NOTES_REF}",
        layout.SYMBOLIC_REF: f"git symbolic-ref --delete {layout.SYMBOLIC_REF}",
    }
    files = {name: os.path.lexists(store.repository.common_dir / name) for name in commands}
    left = [name for name, is_file in files.items() if is_file or store.read_ref(name) is not None]
    if left:
        raise JournalGone(left, commands_for_gone(store), " && ".join(commands[name] for name in left))


def commands_for_gone(store: Store) -> list[str]:
    """The commands of which each brings back a journal that is gone: from what was fetched last, or else a remote."""
    commands = []
    for remote, commit in remote_tips(store).items():
        copy = layout.remote_journal_ref(remote)
        with contextlib.suppress(JournalError):
            store.snapshot_of(commit, copy)
            commands.append(shell_words("git", "update-ref", layout.JOURNAL_REF, copy))
    remotes = store.repository.git("remote").splitlines()
    return commands or [shell_words("mitosis", "pull", remote) for remote in remotes or ["CLONE"]]


def list_refs(store: Store, *patterns: str) -> dict[str, str]:
    """What refs point to, by their names."""
    lines = store.repository.git("for-each-ref", "--format=%(objectname) %(refname)", *patterns).splitlines()
    return {name: oid for oid, _, name in (line.partition(" ") for line in lines)}


def _memory(store: Store) -> Path:
    return store.repository.common_dir / "mitosis" / "merged"


def _remembered(store: Store) -> set[tuple[str, ...]]:
    """Tips of this journal, each with a commit of another one that is known to be in its history.

    It spares asking git again at every listing; without the file, git is asked.
    """
    try:
        return {tuple(line.split()) for line in _memory(store).read_text("ascii").splitlines()}
    except (OSError, UnicodeDecodeError):
        return set()


def remember(store: Store, ours: str, commit: str) -> None:
    """Note that a journal at `ours` holds all of the one at `commit`, which takes a while to find out."""
    known = _remembered(store)
    if (ours, commit) in known:
        return
    kept = [(ours, commit), *sorted(pair for pair in known if pair[:1] == (ours,))][:_REMEMBERED_TIPS]
    with store.repository.sharing(), contextlib.suppress(OSError):  # it is only to save time
        _memory(store).parent.mkdir(exist_ok=True)
        write_whole(_memory(store), "".join(f"{' '.join(pair)}\n" for pair in kept))
