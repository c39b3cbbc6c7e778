"""Which parts of two values belong together."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from typing import Final, NamedTuple

from mitosis.canonical import paths
from mitosis.canonical.graph import (
    ARRAY,
    ATOM,
    DIGESTED,
    MAPPING,
    ORDERED_MAPPING,
    RECORD,
    SEQUENCE,
    SET,
    Entry,
    Graph,
    Item,
    Ref,
    Scalar,
    named,
    pairs,
    ref_indices,
)
from mitosis.canonical.order import Merged
from mitosis.canonical.show import brief, elements, natural
from mitosis.canonical.wire import packer

COUNT_LIMIT: Final = 2**62
"""Counts go no further: the leaves of a value that shares its parts can be more than there are atoms."""


class Absent:
    """Stands for a part that one of the values does not have."""


ABSENT: Final = Absent()

Place = Item | Absent


class Pair(NamedTuple):
    """Two parts that belong together, one of them perhaps absent."""

    before: Place
    after: Place
    kind: int
    """Of the values that they are parts of."""
    where: Item | tuple[int, int]
    """The index of both in sequences, the key in mappings, the step in records, the element itself in sets."""


class Side:
    """One of two values that are compared."""

    def __init__(self, graph: Graph, merged: Merged) -> None:
        self.graph = graph
        self.digests = merged.digests
        self.token: Callable[[object], bytes] = packer(merged.token)
        self.leaves = _leaf_counts(graph)

    def entry(self, ref: Ref) -> Entry:
        return self.graph.entries[ref.index]

    def count(self, item: Place) -> int:
        """The number of leaves of an item."""
        if isinstance(item, Absent):
            return 0
        return self.leaves[item.index] if isinstance(item, Ref) else 1

    def brief(self, item: Item, *, detailed: bool = False) -> str:
        return brief(self.graph, item, detailed=detailed)


def _leaf_counts(graph: Graph) -> list[int]:
    """The number of leaves of each entry: its scalars but for keys, its atoms, its arrays, its empty containers."""
    counts = [-1] * len(graph.entries)
    stack: list[tuple[int, Iterator[int]]] = []
    for start in range(len(graph.entries)):
        if counts[start] < 0:
            stack.append(_open(graph.entries, counts, start))
        while stack:
            index, children = stack[-1]
            for child in children:
                if counts[child] < 0:
                    stack.append(_open(graph.entries, counts, child))
                    break
            else:
                stack.pop()
                entry = graph.entries[index]
                total = counts[index] + sum(counts[child] for child in ref_indices(_values(entry)))
                counts[index] = min(total, COUNT_LIMIT)
    return counts


def _open(entries: Sequence[Entry], counts: list[int], index: int) -> tuple[int, Iterator[int]]:
    """Count the scalars of an entry, so that a cycle that leads back to it finds a count."""
    values = _values(entries[index])
    refs = ref_indices(values)
    counts[index] = 1 if not values.items else len(values.items) - len(refs)
    return index, iter(refs)


def _values(entry: Entry) -> Entry:
    """The entry with nothing but what counts as leaves or has some."""
    if entry.kind in (ATOM, ARRAY, DIGESTED):
        return Entry(entry.kind, entry.label, [])
    if entry.kind in (MAPPING, ORDERED_MAPPING, RECORD):
        return Entry(entry.kind, entry.label, entry.items[1::2])
    return entry


def same_scalar(before: Scalar, after: Scalar) -> bool:
    """Whether two scalars are the same value of the same type."""
    if type(before) is not type(after):
        return False
    if isinstance(before, float) and isinstance(after, float):
        if before != before:
            return after != after
        return before == after and math.copysign(1, before) == math.copysign(1, after)
    return before == after


def surely_same(before_side: Side, before: Item, after_side: Side, after: Item) -> bool:
    """Whether two items are the same and in no cycle."""
    if isinstance(before, Ref) or isinstance(after, Ref):
        if not (isinstance(before, Ref) and isinstance(after, Ref)):
            return False
        digest = before_side.digests[before.index]
        return digest is not None and digest == after_side.digests[after.index]
    return same_scalar(before, after)


def aligned(before_side: Side, before: Entry, after_side: Side, after: Entry) -> Iterator[Pair]:
    """The parts of two compound values of one kind and label, side by side."""
    if before.kind == SEQUENCE:
        return _aligned_sequences(before_side, before, after_side, after)
    if before.kind == RECORD:
        return _aligned_records(before, after)
    return _aligned_by_token(before_side, before, after_side, after)


def _aligned_sequences(before_side: Side, before: Entry, after_side: Side, after: Entry) -> Iterator[Pair]:
    """By index; when one is longer, by index from the end as well, so that what was put in between is found."""
    old, new = before.items, after.items
    start = end = 0
    shorter = min(len(old), len(new))
    if len(old) != len(new):
        while start < shorter and surely_same(before_side, old[start], after_side, new[start]):
            start += 1
        while end < shorter - start and surely_same(before_side, old[-1 - end], after_side, new[-1 - end]):
            end += 1
    old_stop, new_stop = len(old) - end, len(new) - end
    for at in range(start):
        yield Pair(old[at], new[at], SEQUENCE, (at, at))
    for at in range(start, max(old_stop, new_stop)):
        left: Place = old[at] if at < old_stop else ABSENT
        right: Place = new[at] if at < new_stop else ABSENT
        yield Pair(left, right, SEQUENCE, (at, at))
    for at in range(end):
        yield Pair(old[old_stop + at], new[new_stop + at], SEQUENCE, (old_stop + at, new_stop + at))


def _aligned_records(before: Entry, after: Entry) -> Iterator[Pair]:
    old, new = dict(named(before)), dict(named(after))
    for step, value in old.items():
        yield Pair(value, new.get(step, ABSENT), RECORD, step)
    for step, value in new.items():
        if step not in old:
            yield Pair(ABSENT, value, RECORD, step)


def _aligned_by_token(before_side: Side, before: Entry, after_side: Side, after: Entry) -> Iterator[Pair]:
    """By key or element. Those that reach a cycle have no digest and are taken in order."""
    rows = _rows(after)
    places: dict[bytes, list[int]] = defaultdict(list)
    for at in reversed(range(len(rows))):
        places[after_side.token(rows[at][0])].append(at)
    left = set(range(len(rows)))
    for key, value in _rows(before):
        found = places[before_side.token(key)]
        if found:
            left.remove(found[-1])
            yield Pair(value, rows[found.pop()][1], before.kind, key)
        else:
            yield Pair(value, ABSENT, before.kind, key)
    for at in sorted(left):
        yield Pair(ABSENT, rows[at][1], before.kind, rows[at][0])


def _rows(entry: Entry) -> list[tuple[Item, Item]]:
    """Keys and values, of a set each element twice, in the order in which people read them."""
    if entry.kind == SET:
        return [(item, item) for item in elements(entry)]
    return natural(entry) if entry.kind == MAPPING else list(pairs(entry.items))


def reordered(before_side: Side, before: Entry, after_side: Side, after: Entry) -> bool:
    """Whether keys or steps that both have stand in another order, where order counts."""
    if before.kind not in (ORDERED_MAPPING, RECORD):
        return False
    old = [before_side.token(key) for key in before.items[::2]]
    new = [after_side.token(key) for key in after.items[::2]]
    shared = set(old) & set(new)
    return [key for key in old if key in shared] != [key for key in new if key in shared]


def step_text(before_side: Side, after_side: Side, pair: Pair) -> str:
    """The step of a path that leads to the parts of a pair."""
    side = after_side if isinstance(pair.before, Absent) else before_side
    where = pair.where
    if isinstance(where, tuple):
        return paths.index_step(where[0] if isinstance(pair.after, Absent) else where[1])
    if pair.kind == RECORD:
        return paths.record_step(str(where))
    if pair.kind == SET:
        return paths.element_step(side.brief(where))
    return paths.key_step(where, side.brief(where))
