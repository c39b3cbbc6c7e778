"""Several records of one trial in two journals that are merged: which of them stays in its place.

`journal.merge` says the rules, and `journal.ends` lets a person choose.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from mitosis.journal import layout
from mitosis.journal.ends import may_be_own, read_own
from mitosis.journal.index import Index
from mitosis.journal.reading import ALL_RECORDS
from mitosis.journal.reasons import Choices, describe_path, first_recorded, read_choices
from mitosis.journal.storage.store import Snapshot, Store
from mitosis.journal.storage.walking import iter_changes
from mitosis.records.trial import TrialRecord

_NO_CHOICES = Choices([], [])


@dataclass(frozen=True, slots=True)
class Contested:
    """Two records at one path."""

    base: str | None
    """Id of the one that both sides had, if a side must not have changed it so; None if one does not follow from it."""
    sides: tuple[str, str]
    """Ids of those that they have."""


def settled(
    store: Store, tree: str, contested: Mapping[str, Contested], tips: Sequence[str], bases: Sequence[str]
) -> str:
    """A merged tree with the record that stays of each trial that has several, and the others beside it.

    Args:
        store: of the journals.
        tree: the merged one, with either record.
        contested: the records, by path.
        tips: the commits of the two sides.
        bases: the commits that both have.

    Returns:
        The id of the tree, which is written.

    Raises:
        JournalError: a history has too much in it to be anybody's records, or a tree cannot be read or written.
        GitError: git cannot read the histories.
    """
    changed = {path for path, records in contested.items() if records.base is not None}
    since, ever = (read_choices(store, changed, tips, without) if changed else {} for without in (bases, ()))
    changes: dict[str, str | None] = {}
    for path, records in contested.items():
        read = functools.cache(functools.partial(read_own, store, path))
        others: set[str | None] = {*records.sides, records.base}
        if records.base is None:
            stays = min(records.sides, key=lambda oid: (_ended_at(read(oid)), oid))
        else:
            now, before = since.get(path, _NO_CHOICES), ever.get(path, _NO_CHOICES)
            stays = _authority(records.base, records.sides, now, before, read)
            if stays in now.chosen:
                others.remove(records.base)  # somebody has chosen between the two
        changes[path] = stays
        end, place = read(stays), layout.parse_record_path(path)
        for oid in others - {stays, None}:
            record = None if oid is None else read(oid)
            if record is not None and place is not None and not (end is not None and end.is_end_of(record)):
                changes[layout.disputed_path(place[2], str(oid))] = oid
    return store.edit_tree(tree, changes, make_way=True) if changes else tree


def _ended_at(record: TrialRecord | None) -> str:
    return "~" if record is None or record.ended is None else record.ended


def _authority(
    base: str, sides: Collection[str], since: Choices, ever: Choices, read: Callable[[str], TrialRecord | None]
) -> str:
    """The record of a trial that stays: see `journal.merge`.

    Both sides' histories count, so that it does not matter in which order several records met.

    Args:
        base: id of the record that both sides had.
        sides: those of the ones that they have.
        since: what they have written since then.
        ever: what they have ever written.
        read: gives the record of an id, if it is one of this trial.
    """
    chosen = [oid for oid in sides if oid in since.chosen and read(oid) is not None]
    if chosen:
        return min(chosen)
    for oid in ever.chosen:
        if read(oid) is not None:
            return oid
    starts = {after: record for before, after in ever.written if before is None and (record := read(after)) is not None}
    ends: list[tuple[str, str]] = []
    for before, after in ever.written:
        old, new = None if before is None else read(before), read(after)
        if old is not None and old.ended is not None and (new is None or new.ended is None):
            break  # an end that comes after one was taken away decides nothing
        if new is None or new.ended is None:
            continue
        was_running = old is not None and old.ended is None and any(map(new.is_end_of, starts.values()))
        if before is None or was_running:
            ends.append((new.ended, after))
    if ends:
        return min(ends)[1]
    return base if base in starts or not starts else min(starts)


# --- keys at several places -----------------------------------------------------------------------


def find_doubles(
    store: Store, index: Index, sides: Sequence[str | None], tree: str
) -> tuple[dict[str, str | None], list[str]]:
    """Leave each key that two journals have at different places that which both had.

    Args:
        store: of the journals.
        index: of this one.
        sides: the trees of the base, if there is one, of this journal and of the other.
        tree: the merged one.

    Returns:
        What has to change in that, and in words which records of this journal neither was the first to have.
    """
    written: dict[str, set[str]] = {}
    for side in sides[1:]:
        before, after = (store.folder_oid(root, layout.TRIALS) for root in (side, tree))
        for path, _, new in iter_changes(store, before, after, layout.TRIALS):
            place = layout.parse_record_path(path)
            if new is not None and place is not None:
                written.setdefault(place[2], set()).add(path)
    changes: dict[str, str | None] = {}
    rivals: list[str] = []
    for key, known in _paths_of(index, written).items():
        paths = sorted(written[key] | known)
        if len(paths) < 2:
            continue
        places = _records_at(store, tree, paths)
        base, ours, theirs = (_records_at(store, side, list(places)) for side in sides)
        stay = set(base or ours.keys() & theirs.keys())
        others = set(places) - stay
        if not stay and ours and theirs:
            stay, others = set(ours), set(theirs)
            rivals.append(f"{describe_path(min(ours))}, which it has as {describe_path(min(theirs))}")
        for path in others if stay else ():
            changes |= {path: None, layout.disputed_path(key, places[path]): places[path]}
    return changes, rivals


def _records_at(store: Store, tree: str | None, paths: Sequence[str]) -> dict[str, str]:
    """The ids of the records at some paths of a tree, by path."""
    found = [] if tree is None else [(path, store.find(tree, path)) for path in paths]
    return {path: entry.oid for path, entry in found if entry is not None and may_be_own(store, path, entry.oid)}


def was_double(store: Store, index: Index, before: Snapshot, tree: str, path: str) -> bool:
    """Whether a record that is gone was of no use, as this journal has had another one with its key before it."""
    place = layout.parse_record_path(path)
    paths = set() if place is None else _paths_of(index, [place[2]])[place[2]] | {path}
    if len(paths) < 2:
        return False
    first = first_recorded(store, before.commit, paths)
    return first != path and bool(_records_at(store, tree, [first]))


def _paths_of(index: Index, keys: Iterable[str]) -> dict[str, set[str]]:
    """Where this journal has records of some keys, by key."""
    found: dict[str, set[str]] = {key: set() for key in keys}
    question = f"SELECT key, path FROM {ALL_RECORDS} WHERE key IN (SELECT value FROM json_each(?))"
    for key, path in index.ask(question, (json.dumps(list(found)),)):
        found[key].add(path)
    return found
