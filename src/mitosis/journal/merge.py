"""Merging two trees of the journal, three ways, as git merges.

The result is the union of both: what one side added, changed or removed since the merge base is so in the result. It
does not depend on which side is called ours, so everybody who merges the same two tips gets a tree of the same id. Only
folders that differ are read, each once, so the cost is in proportion to the objects that differ.

A trial that has ended does not change any more. Of two records of it, one stays at its place, and the other is kept
under `disputed/`, for a person to choose:

- one that somebody chose stays;
- else, of those that were not made by changing another end, the one that ended first.

Where both sides changed the same file otherwise, one of the two is taken (git keeps the other in the history):

- of two records of a trial the one that tells its end;
- anything else that belongs to the journal has a name that says its content, so that cannot happen;
- of foreign files, the one whose id is greater.

The meanings of a variant are never all removed by a merge: if each side took away the meaning that the other one kept,
both stay, and the variant is in conflict as before. Meanings that one side released are gone, unless a trial has used
them meanwhile on the other.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from mitosis.errors.journal import BadRecord, FormatTooNew, JournalError, JournalRewritten
from mitosis.journal import layout
from mitosis.journal.ends import read_end_at
from mitosis.journal.reasons import describe_path, is_kept, merge_bases, read_choices, read_taken
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
_MOST_BASES = 1_000
_FORMAT_LIMIT_BYTES = 100

_Entries = dict[bytes, RawEntry]
_Folders = tuple[str | None, str | None, str | None, tuple[bytes, ...]]


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
    """Keys of the trials that have several ends since."""
    unexplained: tuple[str, ...] = ()
    """What was taken away without a reason, in words, and has stayed."""


def unite(store: Store, before: Snapshot | None, theirs: Snapshot, source: str, *, keep: bool) -> Union:
    """What a journal will be once another one is merged. No ref moves.

    Args:
        store: of the journal.
        before: its present state.
        theirs: the state of the other one.
        source: what to call the other one.
        keep: whether what it has taken away without saying so stays, instead of being an error.

    Raises:
        JournalRewritten: the other one has taken away what this one has, and does not say why.
        JournalError: the other journal has what no mitosis writes.
    """
    if before is not None and before.commit == theirs.commit:
        return Union(before.commit, before.tree)
    bases = [] if before is None else merge_bases(store.repository, before.commit, theirs.commit)
    if before is not None and theirs.commit in bases:
        return Union(before.commit, before.tree)
    old = None if before is None else before.tree
    _refuse_foreign(store, old, theirs.tree, source)
    tree, has_touched_ends = theirs.tree, False
    if before is not None:
        tree, has_touched_ends = _merge_trees(store, bases, before.commit, theirs.commit)
    changes = list(iter_changes(store, old, tree))
    changed = {path for path, _, new in changes if new is not None and layout.parse_record_path(path) is not None}
    gone = {path: oid for path, oid, _ in changes if oid is not None and is_kept(path)}
    if not has_touched_ends:
        gone = {path: oid for path, oid in gone.items() if path not in changed}
    taken: tuple[str, ...] = ()
    unexplained: tuple[str, ...] = ()
    if before is not None and gone:
        taken, missing = _explain(store, before, theirs, gone)
        # A record that is in the place of another one is told as a dispute.
        lost = {path: gone[path] for path in missing if path not in changed}
        unexplained = tuple(map(describe_path, lost))
        if lost and not keep:
            raise JournalRewritten(source, before.commit, theirs.commit, unexplained)
        if lost:
            tree = store.edit_tree(tree, lost)
            changes = list(iter_changes(store, old, tree))
    trials = tuple(change for change in changes if layout.parse_record_path(change[0]) is not None)
    disputed = (layout.parse_disputed_path(path) for path, _, new in changes if new is not None)
    disputes = tuple(dict.fromkeys(key for key in disputed if key is not None))
    is_ahead = before is None or (before.commit in bases and tree == theirs.tree)
    return Union(theirs.commit if is_ahead else None, tree, trials, taken, disputes, unexplained)


def _refuse_foreign(store: Store, before: str | None, theirs: str, source: str) -> None:
    """Refuse a journal that would bring what no mitosis writes.

    Raises:
        JournalError: it does.
    """
    try:
        for path, _, new in iter_changes(store, before, theirs):
            if new is not None:
                layout.refuse_unsafe_name(path, source)
    except BadRecord as error:
        raise JournalError(f"the journal of {source} was not merged: {error}") from error


def _explain(
    store: Store, before: Snapshot, theirs: Snapshot, gone: Mapping[str, str]
) -> tuple[tuple[str, ...], list[str]]:
    """What commits say that they take away, a clause each with who did it, and the paths of which none says so."""
    explained: dict[str, str] = {}
    for taken in read_taken(store, theirs.commit, f"^{before.commit}"):
        if taken.path in gone and taken.is_explained:
            explained.setdefault(taken.path, f"{taken.commit.author}: {taken.commit.summary}")
    return tuple(dict.fromkeys(explained.values())), [path for path in gone if path not in explained]


def _merge_trees(store: Store, bases: Sequence[str], ours: str, theirs: str) -> tuple[str, bool]:
    """Merge the trees of two journal commits.

    Args:
        store: of the journals.
        bases: their best common ancestors.
        ours: one of the commits.
        theirs: the other one.

    Returns:
        The id of the result, which is written, and whether trials that had ended were looked at.

    Raises:
        JournalError: a tree or commit cannot be read, or a tree not be written.
        GitError: git cannot read the histories.
    """
    trees = [store.read_commit_tree(commit, "the journal") for commit in (*bases[:_MOST_BASES], ours, theirs)]
    base: str | None = None
    for tree in trees[:-2]:
        # Whatever one of them has, both sides have had.
        base = tree if base is None else _Merge(store, (), ()).trees(None, base, tree)
    merge = _Merge(store, bases, (ours, theirs))
    tree = merge.with_disputed(merge.trees(base, *trees[-2:]))
    return _with_used(store, base, trees[-2:], tree), merge.has_touched_ends


def _with_used(store: Store, base: str | None, sides: Sequence[str], tree: str) -> str:
    """The tree of a merge with the meanings that one side has released and a trial of the other has used since."""
    before, after = (store.folder_oid(root, layout.VARIANTS) for root in (base, tree))
    used: dict[str, str | None] = {}
    for path, old, new in iter_changes(store, before, after, layout.VARIANTS) if before is not None else ():
        lock = _is_released(store, tree, path) if new is None else None
        if lock is not None and any(True for side in sides for _ in iter_users(store, base, side, [lock])):
            used[path] = old
    return store.edit_tree(tree, used) if used else tree


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
        bases: the commits that both sides have.
        tips: the commits of the two sides.
    """

    def __init__(self, store: Store, bases: Sequence[str], tips: Sequence[str]) -> None:
        self._store = store
        self._bases = bases
        self._tips = tips
        self._merged: dict[_Folders, _Entries] = {}
        self._disputed: dict[str, str | None] = {}
        self.has_touched_ends = False
        """Whether a trial that had ended in the base has another record on one of the sides."""

    def trees(self, base: str | None, ours: str, theirs: str) -> str:
        if ours == theirs:
            return ours
        return self._store.write_tree(self._entries(base, ours, theirs, ()))

    def with_disputed(self, tree: str) -> str:
        """The tree with the records that did not stay at their place."""
        return self._store.edit_tree(tree, self._disputed) if self._disputed else tree

    def _entries(self, base: str | None, ours: str | None, theirs: str | None, path: tuple[bytes, ...]) -> _Entries:
        """The entries of a folder. One that is met again, as in a tree that was made to have no end, is done once."""
        # What a file is depends on the first name and on how deep it is. A record that is repeated is foreign.
        key = (base, ours, theirs, (*path[:1], *(b"" for _ in path[1:])))
        if key not in self._merged:
            read = self._read
            self._merged[key] = self._merge_entries(read(base, path), read(ours, path), read(theirs, path), path)
        return self._merged[key]

    def _merge_entries(self, base: _Entries, ours: _Entries, theirs: _Entries, path: tuple[bytes, ...]) -> _Entries:
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
        if ours == theirs:
            return ours
        if ours is not None and theirs is not None and not ours.is_tree and not theirs.is_tree:
            return self._file(base, ours, theirs, path)
        is_of_trials = path[0] == layout.TRIALS.encode() and None not in map(_folder, (base, ours, theirs))
        # A side alone may add, or take away, whatever it likes, but the records of trials that have ended stay.
        if base in (ours, theirs) and not is_of_trials:
            return ours if base == theirs else theirs
        sides = [side for side in (ours, theirs) if side is not None]
        folders = [side for side in sides if side.is_tree]
        if len(folders) == len(sides) and (base is None or base.is_tree):
            merged = self._entries(_folder(base), _folder(ours), _folder(theirs), path)
            return RawEntry.of_tree(self._store.write_tree(merged)) if merged else None
        return folders[0] if folders else sides[0]  # a file where others have a folder is foreign

    def _are_released(self, meanings: Iterable[bytes], path: tuple[bytes, ...]) -> bool:
        """Whether one of the sides has released all these meanings of a variant."""
        store = self._store
        trees = [store.read_commit_tree(tip, "the journal") for tip in self._tips]
        return all(
            any(_is_released(store, tree, _text((*path, name))) is not None for tree in trees) for name in meanings
        )

    def _read(self, tree: str | None, path: tuple[bytes, ...]) -> _Entries:
        return {} if tree is None else self._store.read_raw_entries(tree, _text(path))

    def _file(self, base: RawEntry | None, ours: RawEntry, theirs: RawEntry, path: tuple[bytes, ...]) -> RawEntry:
        """Of two files in the same place, the one that stays."""
        if len(path) in _RECORD_DEPTHS and path[0] == layout.TRIALS.encode():
            first = self._ended(base, path)
            ends = {side: self._ended(side, path) for side in (ours, theirs)}
            if first is not None or None not in ends.values():
                return self._end(base if first is not None else None, ends, path)
        if base in (ours, theirs):
            return ours if base == theirs else theirs
        return max(ours, theirs, key=lambda side: self._rank(side, path))

    def _end(
        self, base: RawEntry | None, ends: dict[RawEntry, TrialRecord | None], path: tuple[bytes, ...]
    ) -> RawEntry:
        """Of two records of a trial that has ended, the one that stays; the others are disputed."""
        place = layout.parse_record_path(_text(path))
        stays: RawEntry | None = None
        if base is not None and place is not None:
            self.has_touched_ends = True
            stays = self._authority(base, list(ends), _text(path), place[2])
        if stays is None:
            stays = min(ends, key=lambda side: (_ended_at(ends[side]), side.oid))
        if place is not None:
            for other in {*ends, *(() if base is None else (base,))} - {stays}:
                if self._ended(other, path) is not None:
                    self._disputed[layout.disputed_path(place[2], other.oid)] = other.oid
        return stays

    def _authority(self, base: RawEntry, sides: list[RawEntry], path: str, key: str) -> RawEntry:
        """The record that stays: one that somebody chose, or else the earliest end that was not made of another end.

        Both sides' histories count, so that it does not matter in which order several ends met.
        """
        since = read_choices(self._store, path, key, self._tips, self._bases)
        chosen = {side for side in sides if side.oid in since.chosen}
        if chosen:
            return min(chosen, key=lambda side: side.oid)
        all_ = read_choices(self._store, path, key, self._tips, ())
        place = tuple(map(str.encode, path.split("/")))
        for oid in all_.chosen:
            if self._ended(RawEntry(base.mode, oid), place) is not None:
                return RawEntry(base.mode, oid)
        ends: list[tuple[str, str]] = []
        for before, after in all_.written:
            record = self._ended(RawEntry(base.mode, after), place)
            if record is not None and (before is None or self._ended(RawEntry(base.mode, before), place) is None):
                ends.append((_ended_at(record), after))
        return RawEntry(base.mode, min(ends)[1]) if ends else base

    def _ended(self, entry: RawEntry | None, path: tuple[bytes, ...]) -> TrialRecord | None:
        """The record, if it is one of this trial that has ended."""
        return None if entry is None or entry.is_tree else read_end_at(self._store, _text(path), entry.oid)

    def _rank(self, entry: RawEntry, path: tuple[bytes, ...]) -> tuple[int, str, bytes]:
        """Of two files in the same place, that of the greater rank is taken."""
        where = _text(path)
        rank = 0
        if path == (layout.FORMAT_FILE.encode(),):
            text = self._store.read_blob(entry.oid, where, _FORMAT_LIMIT_BYTES).strip()
            rank = int(text) if text.isdigit() else 0
        elif len(path) in _RECORD_DEPTHS and path[0] == layout.TRIALS.encode():
            try:
                record = decode_trial(self._store.read_blob(entry.oid, where, MAX_RECORD_BYTES), where)
                rank = 1 if record.ended is None else 2
            except FormatTooNew:
                rank = 3
            except BadRecord:
                rank = 0
        return (rank, entry.oid, entry.mode)


def _folder(entry: RawEntry | None) -> str | None:
    return entry.oid if entry is not None and entry.is_tree else None


def _ended_at(record: TrialRecord | None) -> str:
    return "" if record is None or record.ended is None else record.ended


def _text(path: tuple[bytes, ...]) -> str:
    return b"/".join(path).decode("utf-8", "surrogateescape")


def iter_users(store: Store, base: str | None, tree: str, locks: Collection[VariantLock]) -> Iterator[str]:
    """The keys of trials that use one of the locks, and are in a journal's tree otherwise than in the base's.

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
        if any(parameter.lock in locks for parameter in record.parameters):
            yield record.key


def _is_of_variants(path: tuple[bytes, ...]) -> bool:
    return path[0] == layout.VARIANTS.encode()
