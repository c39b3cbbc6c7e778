"""Entries that reach a cycle: which of them unfold to the same infinite tree, and in what order they stand.

Such entries are equal when no walk along their items, however long, tells them apart. That is the coarsest stable
partition of a graph; it is found by splitting classes of entries that look alike until nothing splits any more. When
a class splits, all its parts but the largest get a new number, so that an entry changes its number at most log2(n)
times (the argument of Hopcroft's minimisation of automata).
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import Final

import msgpack

from mitosis.canonical.graph import MAPPING, SET, Entry, Item, Ref, pairs, ref_indices
from mitosis.canonical.wire import packer

_IN_CYCLE: Final = 3
"""The extension type that stands for an entry that reaches a cycle, in what is hashed and sorted."""

UNKNOWN: Final = msgpack.ExtType(_IN_CYCLE, b"")
"""Stands for any entry that reaches a cycle, as long as nothing is known that tells them apart."""

MAX_WORK: Final = 2_000_000
"""Items that may be hashed to bring the entries of cycles into order."""

_Pack = Callable[[object], bytes]
_Classes = Mapping[int, int]
_Signature = tuple[object, ...]


class TooTangled(Exception):
    """Cycles lead through so many sets or keys of mappings that ordering them would take too long."""


def unfold_alike(entries: Sequence[Entry], cyclic: Sequence[int], pack: _Pack) -> dict[int, int]:
    """The class of every entry that reaches a cycle; two have the same class when they unfold to the same tree.

    Args:
        entries: all entries.
        cyclic: indices of those that reach a cycle.
        pack: packs items; a reference to an entry of `cyclic` as `UNKNOWN`, any other by the digest of its entry.
    """
    inside = set(cyclic)
    parents: dict[int, list[int]] = defaultdict(list)
    for index in cyclic:
        for child in set(ref_indices(entries[index])) & inside:
            parents[child].append(index)
    looks: dict[bytes, int] = {}
    class_of = {index: looks.setdefault(_look(entries[index], pack), len(looks)) for index in cyclic}
    signature = {index: _signature(entries[index], inside, pack, class_of) for index in cyclic}
    members: dict[int, set[int]] = defaultdict(set)
    for index, number in class_of.items():
        members[number].add(index)

    next_class = len(looks)
    unsettled = set(cyclic)
    while unsettled:
        affected: dict[int, list[int]] = defaultdict(list)
        for index in unsettled:
            affected[class_of[index]].append(index)
        unsettled = set()
        for number, indices in affected.items():
            if len(members[number]) == 1:
                continue
            parts: dict[_Signature, set[int]] = defaultdict(set)
            for index in indices:
                parts[signature[index]()].add(index)
            # Members none of whose children changed class still look alike, and unlike all that did change.
            members[number].difference_update(indices)
            smaller = [*parts.values(), members[number]]
            members[number] = smaller.pop(max(range(len(smaller)), key=lambda at: len(smaller[at])))
            for part in filter(None, smaller):
                members[next_class] = part
                for index in part:
                    class_of[index] = next_class
                    unsettled.update(parents[index])
                next_class += 1
    return class_of


def _look(entry: Entry, pack: _Pack) -> bytes:
    """What an entry is when no entries of cycles are told apart."""
    if entry.kind == SET:
        parts = sorted(pack(item) for item in entry.items)
    elif entry.kind == MAPPING:
        parts = sorted(pack(key) + pack(value) for key, value in pairs(entry.items))
    else:
        parts = [pack(entry.items)]
    return hashlib.sha256(pack([entry.kind, entry.label]) + b"".join(parts)).digest()


def _signature(entry: Entry, inside: set[int], pack: _Pack, class_of: _Classes) -> Callable[[], _Signature]:
    """A function that gives the present classes of an entry's children, so that equal entries give equal ones."""
    if entry.kind == MAPPING:
        rows = []
        for pair in pairs(entry.items):
            cells = [item.index if type(item) is Ref and item.index in inside else pack(item) for item in pair]
            if not all(isinstance(cell, bytes) for cell in cells):
                rows.append(cells)

        def of_cell(cell: int | bytes) -> tuple[int, bytes]:
            return (class_of[cell], b"") if isinstance(cell, int) else (-1, cell)

        return lambda: tuple(sorted(tuple(map(of_cell, row)) for row in rows))
    children = [index for index in ref_indices(entry) if index in inside]
    if entry.kind == SET:
        return lambda: tuple(sorted(class_of[child] for child in children))
    return lambda: tuple(class_of[child] for child in children)


def need_order(entries: Sequence[Entry], standing: Sequence[int], pack: _Pack, classes: _Classes) -> bool:
    """Whether some set or mapping cannot be sorted while the entries of cycles are not told apart."""

    def told(item: Item) -> tuple[bytes, int]:
        return pack(item), classes.get(item.index, -1) if type(item) is Ref else -1

    for index in standing:
        entry = entries[index]
        if entry.kind == SET:
            items = {told(item) for item in entry.items}
            if len({packed for packed, _ in items}) < len(items):
                return True
        elif entry.kind == MAPPING:
            rows = {(told(key), told(value)) for key, value in pairs(entry.items)}
            if len({(key[0], value[0]) for key, value in rows}) < len(rows):
                return True
    return False


def rounds(
    entries: Sequence[Entry], standing: Sequence[int], tokens: Sequence[msgpack.ExtType | None], same: Sequence[int]
) -> dict[int, bytes]:
    """A digest of each entry that tells it from all others, the same in every process.

    An entry is hashed over and over, each time with the hashes of the time before for its children, until all
    differ. Since no two of the entries unfold alike, they differ in the end.

    Args:
        entries: all entries.
        standing: indices of one entry for each class of those that reach a cycle.
        tokens: what stands for each other entry.
        same: by index, the index of the entry that stands for its class.

    Raises:
        TooTangled: it takes too many times.
    """
    known: dict[int, bytes] = dict.fromkeys(standing, b"")

    def token(ref: Ref) -> msgpack.ExtType:
        return tokens[ref.index] or msgpack.ExtType(_IN_CYCLE, known[same[ref.index]])

    pack = packer(token)
    work = 0
    while len(set(known.values())) < len(standing):
        work += sum(len(entries[index].items) + 1 for index in standing)
        if work > MAX_WORK:
            raise TooTangled
        known = {index: _look(entries[index], pack) for index in standing}
    return known
