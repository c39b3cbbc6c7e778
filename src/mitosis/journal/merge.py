"""Merging two trees of the journal, three ways, as git merges.

The result is the union of both: what one side added, changed or removed since the merge base is so in the result. It
does not depend on which side is called ours, so everybody who merges the same two tips gets a tree of the same id. Only
folders that differ are read, so the cost is in proportion to what changed.

Where both sides changed the same file, one of the two is taken (git keeps the other in the history):

- of two records of a trial the one that tells its end, and of two that do, the later;
- anything else that belongs to the journal has a name that says its content, so that cannot happen;
- of foreign files, the one whose id is greater.

The meanings of a variant are never all removed by a merge: if each side took away the meaning that the other one kept,
both stay, and the variant is in conflict as before. Meanings that one side released are gone, unless a trial has used
them meanwhile on the other.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence

from mitosis.errors.journal import BadRecord, FormatTooNew, JournalError
from mitosis.errors.repository import GitError
from mitosis.git.repository import Repository
from mitosis.journal import layout
from mitosis.journal.objects import RawEntry, iter_changes
from mitosis.journal.standing import remark_file
from mitosis.journal.store import Store
from mitosis.records.codec import MAX_RECORD_BYTES, decode_trial
from mitosis.variants import VariantLock

_VARIANT_FOLDER_DEPTH = 4
"""variants, step, parameter, variant."""
_RECORD_DEPTHS = (4, 5)
_BASE_DEPTH_LIMIT = 10
_FORMAT_LIMIT_BYTES = 100

_Entries = dict[bytes, RawEntry]


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


def merge_trees(store: Store, ours: str, theirs: str) -> str:
    """Merge the trees of two journal commits; returns the id of the result, which is written.

    Raises:
        JournalError: a tree or commit cannot be read, or a tree not be written.
        GitError: git cannot read the histories.
    """
    merge = _Merge(store)
    base = merge.base(merge_bases(store.repository, ours, theirs), 0)
    trees = (store.read_commit_tree(commit, "the journal") for commit in (ours, theirs))
    return merge.trees(base, *trees)


class _Merge:
    def __init__(self, store: Store) -> None:
        self._store = store
        self._base: str | None = None
        self._sides: tuple[str, ...] = ()

    def base(self, commits: Sequence[str], depth: int) -> str | None:
        """The tree to compare both sides with: where histories have crossed, the merge of all best common ancestors."""
        if not commits:
            return None
        first, *rest = commits
        tree = self._store.read_commit_tree(first, "the journal")
        merged = [first]
        for commit in rest if depth < _BASE_DEPTH_LIMIT else ():
            below = self.base(merge_bases(self._store.repository, commit, *merged), depth + 1)
            tree = self.trees(below, tree, self._store.read_commit_tree(commit, "the journal"))
            merged.append(commit)
        return tree

    def trees(self, base: str | None, ours: str, theirs: str) -> str:
        if ours == theirs:
            return ours
        self._base, self._sides = base, (ours, theirs)
        read = self._store.read_raw_entries
        merged = self._entries({} if base is None else read(base, ""), read(ours, ""), read(theirs, ""), ())
        return self._store.write_tree(merged)

    def _entries(self, base: _Entries, ours: _Entries, theirs: _Entries, path: tuple[bytes, ...]) -> _Entries:
        merged: _Entries = {}
        for name in sorted(ours.keys() | theirs.keys()):
            entry = self._entry(base.get(name), ours.get(name), theirs.get(name), (*path, name))
            if entry is not None:
                merged[name] = entry
        if len(path) == _VARIANT_FOLDER_DEPTH and _is_of_variants(path):
            # Each side may have taken away what the other one kept. Then nobody has chosen what would be left.
            for side in (ours, theirs):
                if side and not side.keys() & merged.keys() and not self._are_released(side, path):
                    return {**ours, **theirs}
        return merged

    def _entry(
        self, base: RawEntry | None, ours: RawEntry | None, theirs: RawEntry | None, path: tuple[bytes, ...]
    ) -> RawEntry | None:
        if len(path) <= _VARIANT_FOLDER_DEPTH and _is_of_variants(path) and None in (ours, theirs):
            return self._remaining(base, ours or theirs, path)
        if ours == theirs or base == theirs:
            return ours
        if base == ours:
            return theirs
        sides = [side for side in (ours, theirs) if side is not None]
        folders = [side for side in sides if side.is_tree]
        if folders and len(folders) == len(sides):
            merged = self._entries(self._read(base, path), self._read(ours, path), self._read(theirs, path), path)
            return RawEntry.of_tree(self._store.write_tree(merged)) if merged else None
        if folders:
            return folders[0]  # a file where others have a folder is foreign
        return sides[0] if len(sides) == 1 else max(sides, key=lambda side: self._rank(side, path))

    def _remaining(self, base: RawEntry | None, side: RawEntry | None, path: tuple[bytes, ...]) -> RawEntry | None:
        """A folder of variants that only one side has: without what the other side has released since the base.

        Meanings are otherwise taken away one by one, and never with their folder.
        """
        if side is None or base is None or not side.is_tree:
            return side
        entries, before = self._read(side, path), self._read(base, path)
        if len(path) == _VARIANT_FOLDER_DEPTH:
            return None if base == side and self._are_released(entries, path) else side
        left = {name: self._remaining(before.get(name), entry, (*path, name)) for name, entry in entries.items()}
        kept = {name: entry for name, entry in left.items() if entry is not None}
        return RawEntry.of_tree(self._store.write_tree(kept)) if kept else None

    def _are_released(self, meanings: _Entries, path: tuple[bytes, ...]) -> bool:
        """Whether one of the sides has released all these meanings of a variant, and no side uses them."""
        locks = []
        for file in meanings:
            found = layout.parse_variant_path(b"/".join((*path, file)).decode("utf-8", "surrogateescape"))
            remark = None if found is None else remark_file(layout.RELEASED, *found)[0]
            if found is None or not any(self._store.find(side, str(remark)) for side in self._sides):
                return False
            locks.append(VariantLock(*found))
        return not any(key for side in self._sides for key in iter_users(self._store, self._base, side, locks))

    def _read(self, entry: RawEntry | None, path: tuple[bytes, ...]) -> _Entries:
        if entry is None or not entry.is_tree:
            return {}
        return self._store.read_raw_entries(entry.oid, b"/".join(path).decode("utf-8", "surrogateescape"))

    def _rank(self, entry: RawEntry, path: tuple[bytes, ...]) -> tuple[int, str, str, bytes]:
        """Of two files in the same place, that of the greater rank is taken."""
        where = b"/".join(path).decode("utf-8", "surrogateescape")
        if path == (layout.FORMAT_FILE.encode(),):
            text = self._store.read_blob(entry.oid, where, _FORMAT_LIMIT_BYTES).strip()
            return (int(text) if text.isdigit() else 0, "", entry.oid, entry.mode)
        if len(path) not in _RECORD_DEPTHS or path[0] != layout.TRIALS.encode():
            return (0, "", entry.oid, entry.mode)
        try:
            record = decode_trial(self._store.read_blob(entry.oid, where, MAX_RECORD_BYTES), where)
        except FormatTooNew:
            return (2, "", entry.oid, entry.mode)
        except BadRecord:
            return (0, "", entry.oid, entry.mode)
        return (1, record.ended or "", entry.oid, entry.mode)


def iter_users(store: Store, base: str | None, tree: str, locks: Collection[VariantLock]) -> Iterator[str]:
    """The keys of trials that use one of the locks, and are in a journal's tree otherwise than in the base's.

    Raises:
        BadRecord: the trees cannot be read.
    """
    trees = [None if root is None else store.find(root, layout.TRIALS) for root in (base, tree)]
    before, after = (entry.oid if entry is not None and entry.is_tree else None for entry in trees)
    for path, _, new in iter_changes(store, before, after, layout.TRIALS):
        if new is None or layout.parse_record_path(path) is None:
            continue
        try:
            record = decode_trial(store.read_blob(new, path, MAX_RECORD_BYTES), path)
        except (BadRecord, FormatTooNew):
            continue  # listings name it
        if any(parameter.lock in locks for parameter in record.parameters):
            yield record.key


def _is_of_variants(path: tuple[bytes, ...]) -> bool:
    return path[0] == layout.VARIANTS.encode()


def refuse_unsafe_name(path: str, source: str) -> None:
    """Refuse to take in a name that git itself would refuse in a working tree.

    Raises:
        JournalError: it is one.
    """
    if any(name in ("", ".", "..") or _is_git_folder(name) for name in path.split("/")):
        raise JournalError(
            f"the journal of {source} has a file {path!r}, a name that mitosis never writes; none of it was merged"
        )


_IGNORED_BY_HFS = re.compile("[\u200c-\u200f\u202a-\u202e\u206a-\u206f\ufeff]")
"""Characters that file systems of macOS leave out of account, see `git fsck` on hasDotgit."""
_GIT_FOLDERS = (".git", "git~1")


def _is_git_folder(name: str) -> bool:
    """Whether a file system may take a name for that of git's own folder."""
    plain = _IGNORED_BY_HFS.sub("", name).partition(":")[0].rstrip(" .")
    return plain.lower() in _GIT_FOLDERS
