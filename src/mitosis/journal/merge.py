"""Merging two trees of the journal, three ways, as git merges.

The result is the union of both: what one side added, changed or removed since the merge base is so in the result. It
does not depend on which side is called ours, so everybody who merges the same two tips gets a tree of the same id. Only
folders that differ are read, so the cost is in proportion to what differs.

The record of a trial changes once, when it ends, and its end then says what its start has said. Of other records of it,
one stays at its place, and the others are kept under `disputed/`, for a person to choose:

- one that somebody chose stays;
- else, of the ends that were not made by changing another end, the first one;
- else the start.

A key has one place. A record of it at another one than that which both sides had is kept in the same way. Where none
had it before, each of the sides takes the place from the other's.

Where both sides changed the same file otherwise, one of the two is taken (git keeps the other in the history):

- of the start of a trial and its end the end;
- of anything else that belongs to the journal the one whose content is what its name says, even if one side alone has
  changed it;
- of foreign files, the one whose id is greater.

The meanings of a variant are never all removed by a merge: if each side took away the meaning that the other one kept,
both stay, and the variant is in conflict as before. Meanings that one side released are gone, unless a trial has used
them meanwhile on the other.
"""

from __future__ import annotations

import functools
from collections.abc import Collection, Iterable, Iterator, Sequence, Set
from dataclasses import dataclass

from mitosis.errors.journal import BadRecord, FormatTooNew, JournalRewritten
from mitosis.journal import layout
from mitosis.journal.disputes import Contested, find_doubles, settled, was_double
from mitosis.journal.ends import read_own
from mitosis.journal.index import Index
from mitosis.journal.reading import read_record_at
from mitosis.journal.reasons import describe_file, is_kept, merge_bases, read_taken
from mitosis.journal.removing import is_sound, read_file, telling_unusable
from mitosis.journal.standing import remark_file
from mitosis.journal.storage.objects import RawEntry
from mitosis.journal.storage.store import Snapshot, Store
from mitosis.journal.storage.walking import Change, iter_changes
from mitosis.records.codec import MAX_RECORD_BYTES, decode_trial
from mitosis.records.trial import TrialRecord
from mitosis.variants import VariantLock

_VARIANT_FOLDER_DEPTH = 4
"""variants, step, parameter, variant."""
_RECORD_DEPTHS = (4, 5)
_RANK_OF_NEWER = 3
"""Of a record that a newer mitosis has written."""
_MOST_BASES = 1_000
_FORMAT_LIMIT_BYTES = 100

_Entries = dict[bytes, RawEntry]


@dataclass(frozen=True, slots=True)
class Union:
    """Two journals together."""

    tip: str | None
    """The commit; None if it has yet to be made."""
    tree: str
    trials: tuple[Change, ...] = ()
    """The records that differ from those of this journal."""
    taken: tuple[str, ...] = ()
    """What others have taken away or changed of what this journal had: who, and what their commit says."""
    disputes: tuple[str, ...] = ()
    """Keys of the trials that have several records since."""
    unexplained: tuple[str, ...] = ()
    """What was taken away without a reason, in words, and has stayed."""


def unite(store: Store, index: Index, before: Snapshot | None, theirs: Snapshot, source: str, *, keep: bool) -> Union:
    """What a journal will be once another one is merged. No ref moves.

    Args:
        store: of the journal.
        index: of the journal.
        before: its present state.
        theirs: the state of the other one.
        source: what to call the other one.
        keep: whether what it has taken away without saying so stays, instead of being an error.

    Raises:
        JournalRewritten: the other one has taken away what this one has, and does not say why.
        UnusableJournal: the other journal has what no mitosis writes.
        GitError: git cannot read the histories.
    """
    if before is not None and before.commit == theirs.commit:
        return Union(before.commit, before.tree)
    bases = [] if before is None else merge_bases(store.repository, before.commit, theirs.commit)
    if before is not None and theirs.commit in bases:
        return Union(before.commit, before.tree)
    _refuse_foreign(store, None if before is None else before.tree, theirs.tree, source)
    tree = theirs.tree
    taken: tuple[str, ...] = ()
    unexplained: tuple[str, ...] = ()
    if before is not None:
        base, tree, disputed = _merge_trees(store, bases, before.commit, theirs.commit)
        with telling_unusable(source):
            taken, lost = _explain(store, index, before, theirs, tree, disputed)
        tree = store.edit_tree(tree, lost, make_way=True) if lost else tree
        moved, rivals = find_doubles(store, index, [base, before.tree, theirs.tree], tree)
        tree = store.edit_tree(tree, moved, make_way=True) if moved else tree
        unexplained = (*(describe_file(store, path, oid) for path, oid in lost.items()), *rivals)
        if unexplained and not keep:
            raise JournalRewritten(source, before.commit, theirs.commit, unexplained)
    changes = list(iter_changes(store, None if before is None else before.tree, tree))
    trials = tuple(change for change in changes if layout.parse_record_path(change[0]) is not None)
    keys = (layout.parse_disputed_path(path) for path, _, new in changes if new is not None)
    disputes = tuple(dict.fromkeys(key for key in keys if key is not None))
    is_ahead = before is None or (before.commit in bases and tree == theirs.tree)
    return Union(theirs.commit if is_ahead else None, tree, trials, taken, disputes, unexplained)


def _refuse_foreign(store: Store, before: str | None, theirs: str, source: str) -> None:
    """Refuse a journal that would bring what no mitosis writes.

    Raises:
        UnusableJournal: it does.
    """
    with telling_unusable(source):
        for path, _, new in iter_changes(store, before, theirs):
            if new is not None:
                layout.refuse_unsafe_name(path)


def _explain(
    store: Store, index: Index, before: Snapshot, theirs: Snapshot, tree: str, disputed: Set[str]
) -> tuple[tuple[str, ...], dict[str, str]]:
    """What a merge would take away or change of what this journal has.

    Returns:
        What commits say of it, a clause each with who did it; and the ids, by path, of what none says so of.
    """
    gone = {
        path: old
        for path, old, new in iter_changes(store, before.tree, tree)
        if old is not None and is_kept(path)
        if new is None or path in disputed or not _may_change(store, tree, path, old)
    }
    told: dict[str, str] = {}
    lost = gone.keys() - disputed  # what is in dispute is told as that
    for taken in read_taken(store, theirs.commit, f"^{before.commit}") if gone else ():
        if taken.path in gone and (taken.is_explained or taken.is_removed):
            told.setdefault(taken.path, f"{taken.commit.author}: {taken.commit.summary}")
            # Theirs may have been of no use, and this one not.
            if taken.is_explained or is_sound(store, taken.path, gone[taken.path]) is None:
                lost.discard(taken.path)
    lost = {path for path in lost if is_sound(store, path, gone[path]) is not False}
    # Nobody can choose what is no record of an end.
    gone |= (spoiled := dict(_spoiled(store, before.tree, theirs.tree, tree, disputed)))
    lost |= spoiled.keys()
    return tuple(dict.fromkeys(told.values())), {
        path: gone[path] for path in sorted(lost) if not was_double(store, index, before, tree, path)
    }


def _may_change(store: Store, tree: str, path: str, oid: str) -> bool:
    """Whether the record of a trial may be another one: it had no end that can be read, or is kept beside it."""
    place, record = layout.parse_record_path(path), read_record_at(store, path, oid)
    if place is None or record is None:
        return place is not None
    return record.ended is None or store.find(tree, layout.disputed_path(place[2], oid)) is not None


def _spoiled(store: Store, before: str, theirs: str, tree: str, disputed: Iterable[str]) -> Iterator[tuple[str, str]]:
    """The records that stay, and that the other side has made into something which is no other record of the trial."""
    for path in disputed:
        ours, other, stays = (store.find(root, path) for root in (before, theirs, tree))
        if ours is None or other is None or not ours == stays != other:
            continue
        place = layout.parse_record_path(path)
        if place is not None and store.find(tree, layout.disputed_path(place[2], other.oid)) is None:
            yield path, ours.oid


def _merge_trees(store: Store, bases: Sequence[str], ours: str, theirs: str) -> tuple[str | None, str, Set[str]]:
    """Merge the trees of two journal commits.

    Args:
        store: of the journals.
        bases: their best common ancestors.
        ours: one of the commits.
        theirs: the other one.

    Returns:
        The id of their merge base's tree, if they have one; that of the result, which is written; and the paths of
        records of which that base did not decide which one stays.

    Raises:
        JournalError: a tree or commit cannot be read, or a tree not be written.
        GitError: git cannot read the histories.
    """
    trees = [store.read_commit_tree(commit, "the journal") for commit in (*bases[:_MOST_BASES], ours, theirs)]
    *others, one, other = trees
    base = others[0] if others else None
    for tree in others[1:]:
        for _ in iter_changes(store, base, tree):
            pass  # it ends where they differ in too much
        # Whatever one of them has, both sides have had.
        base = _Merge(store, ()).trees(None, str(base), tree)
    merge = _Merge(store, (one, other))
    tree = settled(store, merge.trees(base, one, other), merge.contested, (ours, theirs), bases)
    changed = {path for path, contested in merge.contested.items() if contested.base is not None}
    return base, _with_used(store, base, (one, other), tree), changed


def _with_used(store: Store, base: str | None, sides: Sequence[str], tree: str) -> str:
    """The tree of a merge with the meanings that one side has released and a trial of the other has used since."""
    before, after = (store.folder_oid(root, layout.VARIANTS) for root in (base, tree))
    released: dict[VariantLock, tuple[str, str | None]] = {}
    for path, old, new in iter_changes(store, before, after, layout.VARIANTS) if before is not None else ():
        lock = _is_released(store, tree, path) if new is None else None
        if lock is not None:
            released[lock] = path, old
    uses = (use for side in sides for use in iter_uses(store, base, side, released)) if released else ()
    used = dict(released[lock] for lock in {lock for _, lock in uses})
    return store.edit_tree(tree, used, make_way=True) if used else tree


def _is_released(store: Store, tree: str, path: str) -> VariantLock | None:
    """The lock at a path, if somebody has released it."""
    found = layout.parse_variant_path(path)
    if found is None or store.find(tree, remark_file(layout.RELEASED, *found)[0]) is None:
        return None
    return VariantLock(*found)


class _Merge:
    """One merge.

    Args:
        store: of the journals.
        sides: the trees of the tips.
    """

    def __init__(self, store: Store, sides: Sequence[str]) -> None:
        self._store = store
        self._sides = sides
        self.contested: dict[str, Contested] = {}
        """Records of which both sides, or one against the rules, have another one, by path."""

    def trees(self, base: str | None, ours: str, theirs: str) -> str:
        if ours == theirs:
            return ours
        return self._store.write_tree(self._entries(base, ours, theirs, ()))

    def _entries(self, base: str | None, ours: str | None, theirs: str | None, path: tuple[bytes, ...]) -> _Entries:
        """The entries of a folder. How often one may be met again was looked at before."""
        read = self._read
        return self._merge_entries(read(base, path), read(ours, path), read(theirs, path), path)

    def _merge_entries(self, base: _Entries, ours: _Entries, theirs: _Entries, path: tuple[bytes, ...]) -> _Entries:
        merged: _Entries = {}
        for name in sorted(ours.keys() | theirs.keys()):
            entry = self._entry(base.get(name), ours.get(name), theirs.get(name), (*path, name))
            if entry is not None:
                merged[name] = entry
        if base not in (ours, theirs) and len(path) == _VARIANT_FOLDER_DEPTH and _is_of_variants(path):
            # Each side may have taken away what the other one kept. Then nobody has chosen what would be left.
            for side in (ours, theirs):
                if side and not side.keys() & merged.keys() and not self._are_released(side, path):
                    return {**ours, **theirs}
        return merged

    def _entry(
        self, base: RawEntry | None, ours: RawEntry | None, theirs: RawEntry | None, path: tuple[bytes, ...]
    ) -> RawEntry | None:
        if ours == theirs:
            return ours
        if ours is not None and theirs is not None and not ours.is_tree and not theirs.is_tree:
            return self._file(base, ours, theirs, path)
        # A side alone may add, or take away, whatever it likes, but not every file may change.
        if base in (ours, theirs) and None in map(_folder, (base, ours, theirs)):
            return ours if base == theirs else theirs
        sides = [side for side in (ours, theirs) if side is not None]
        folders = [side for side in sides if side.is_tree]
        if len(folders) == len(sides) and (base is None or base.is_tree):
            merged = self._entries(_folder(base), _folder(ours), _folder(theirs), path)
            return RawEntry.of_tree(self._store.write_tree(merged)) if merged else None
        return folders[0] if folders else sides[0]  # a file where others have a folder is foreign

    def _are_released(self, meanings: Iterable[bytes], path: tuple[bytes, ...]) -> bool:
        """Whether one of the sides has released all these meanings of a variant."""
        return all(
            any(_is_released(self._store, side, _text((*path, name))) is not None for side in self._sides)
            for name in meanings
        )

    def _read(self, tree: str | None, path: tuple[bytes, ...]) -> _Entries:
        return {} if tree is None else self._store.read_raw_entries(tree, _text(path))

    def _file(self, base: RawEntry | None, ours: RawEntry, theirs: RawEntry, path: tuple[bytes, ...]) -> RawEntry:
        """Of two files in the same place, the one that stays; of records that are contested, either."""
        if len(path) in _RECORD_DEPTHS and path[0] == layout.TRIALS.encode():
            record, one, other = (self._record(entry, path) for entry in (base, ours, theirs))
            sides = (ours.oid, theirs.oid)
            if base is None or record is None:
                is_known = one is None or other is None or one.is_end_of(other) or other.is_end_of(one)
                if not is_known:
                    self.contested[_text(path)] = Contested(None, sides)
            elif not all(self._may_follow(side, base, record, path) for side in (ours, theirs)):
                self.contested[_text(path)] = Contested(base.oid, sides)
            elif base not in (ours, theirs):
                self.contested[_text(path)] = Contested(None, sides)
        rank = functools.partial(self._rank, path=path)
        is_mended = _is_named_by_content(path) and rank(ours)[0] != rank(theirs)[0]
        if base in (ours, theirs) and not is_mended:
            return ours if base == theirs else theirs
        return max(ours, theirs, key=rank)

    def _may_follow(self, entry: RawEntry, base: RawEntry, start: TrialRecord, path: tuple[bytes, ...]) -> bool:
        """Whether a trial's record can have become this one."""
        record = self._record(entry, path)
        if record is None:
            return start.ended is None and self._rank(entry, path)[0] == _RANK_OF_NEWER
        return entry == base or record.is_end_of(start)

    def _record(self, entry: RawEntry | None, path: tuple[bytes, ...]) -> TrialRecord | None:
        """The record, if it is one of this trial."""
        return None if entry is None or entry.is_tree else read_own(self._store, _text(path), entry.oid)

    def _rank(self, entry: RawEntry, path: tuple[bytes, ...]) -> tuple[int, str, bytes]:
        """Of two files in the same place, that of the greater rank is taken."""
        where = _text(path)
        rank = int(_is_named_by_content(path) and is_sound(self._store, where, entry.oid) is not False)
        if path == (layout.FORMAT_FILE.encode(),):
            text = self._store.read_blob(entry.oid, where, _FORMAT_LIMIT_BYTES).strip()
            rank = int(text) if text.isdigit() else 0
        elif len(path) in _RECORD_DEPTHS and path[0] == layout.TRIALS.encode():
            try:
                record = read_file(self._store, where, entry.oid)
                rank = 1 if record is None or record.ended is None else 2
            except FormatTooNew:
                rank = _RANK_OF_NEWER
            except BadRecord:
                rank = 0
        return (rank, entry.oid, entry.mode)


def _folder(entry: RawEntry | None) -> str | None:
    return entry.oid if entry is not None and entry.is_tree else None


def _text(path: tuple[bytes, ...]) -> str:
    return b"/".join(path).decode("utf-8", "surrogateescape")


def iter_uses(
    store: Store, base: str | None, tree: str, locks: Collection[VariantLock]
) -> Iterator[tuple[str, VariantLock]]:
    """The keys of trials that use one of the locks, with it, and are in a journal's tree otherwise than in the base's.

    Raises:
        BadRecord: the trees cannot be read.
    """
    before, after = (store.folder_oid(root, layout.TRIALS) for root in (base, tree))
    for path, _, new in iter_changes(store, before, after, layout.TRIALS):
        if new is None or layout.parse_record_path(path) is None:
            continue
        try:
            record = decode_trial(store.read_blob(new, path, MAX_RECORD_BYTES), path)
        except (BadRecord, FormatTooNew):
            continue  # listings name it
        for parameter in record.parameters:
            if parameter.lock is not None and parameter.lock in locks:
                yield record.key, parameter.lock


def _is_named_by_content(path: tuple[bytes, ...]) -> bool:
    return path[0] not in (layout.TRIALS.encode(), layout.DISPUTED.encode()) and is_kept(_text(path))


def _is_of_variants(path: tuple[bytes, ...]) -> bool:
    return path[0] == layout.VARIANTS.encode()
