"""The canonical order of a graph: equal values get the same entries at the same places.

Equality is structural. Two entries are the same when they unfold to the same tree, finite or not, so it plays no
part whether two equal lists are one object or two, and a value that shares its parts 60 levels deep has 60 entries,
not 2**60. Entries that reach no cycle are told apart by the digest of their content; the others, which have no such
digest, by `mitosis.canonical.cycles`. Entries are then numbered as they are first met on the way from the root,
depth first, the items of sets and mappings being sorted by their bytes.
"""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Callable, Mapping, Sequence
from typing import Final

import msgpack

from mitosis.canonical import cycles
from mitosis.canonical.graph import MAPPING, SET, Entry, Graph, Item, Ref, pairs, ref_indices
from mitosis.canonical.wire import packer

_BY_DIGEST: Final = 2
"""The extension type that stands for an entry by its digest, in what is hashed and sorted."""


def canonical(graph: Graph) -> Graph:
    """The same value in canonical order: without repeated entries, and without those that the root does not reach.

    Raises:
        cycles.TooTangled: its cycles would take too long to bring into order.
    """
    if not isinstance(graph.root, Ref):
        return Graph([], graph.root)
    reached = _reached(graph)
    return Merged(reached.entries).numbered(0)


def _reached(graph: Graph) -> Graph:
    """The graph with nothing but what the root, which is a reference, leads to."""
    assert isinstance(graph.root, Ref)
    number: dict[int, int] = {graph.root.index: 0}
    order = [graph.root.index]
    for index in order:
        for child in ref_indices(graph.entries[index]):
            if child not in number:
                number[child] = len(order)
                order.append(child)
    return Graph([renumbered(graph.entries[index], number) for index in order], Ref(0))


def renumbered(entry: Entry, number: Mapping[int, int]) -> Entry:
    """The entry with other numbers in its references."""
    if Ref not in set(map(type, entry.items)):
        return entry
    items = [Ref(number[item.index]) if type(item) is Ref else item for item in entry.items]
    return Entry(entry.kind, entry.label, items)


class Merged:
    """The entries of a graph with equal ones made one.

    Attributes:
        digests: by index of an entry, the digest of what it unfolds to; None for one that reaches a cycle.
        same: by index of an entry, the index of the one that stands for all that are equal to it.
    """

    def __init__(self, entries: Sequence[Entry]) -> None:
        self._entries = entries
        self._tokens: list[msgpack.ExtType | None] = [None] * len(entries)
        self.digests: list[bytes | None] = [None] * len(entries)
        self.same = list(range(len(entries)))
        self._pack = packer(self.token)
        self._sorted: dict[int, list[Item]] = {}
        self._merge_finite()
        self._cyclic = [index for index, digest in enumerate(self.digests) if digest is None]
        if self._cyclic:
            self._merge_cyclic()

    def numbered(self, root: int) -> Graph:
        """The graph below `root`, its entries numbered in the order in which they are met."""
        order = self._order(root)
        number = {index: at for at, index in enumerate(order)}
        standing = {index: number[same] for index, same in enumerate(self.same) if same in number}
        return Graph([renumbered(self._in_order(index), standing) for index in order], Ref(0))

    def are_canonical(self) -> bool:
        """Whether the entries are as `numbered` leaves them, the first being the root."""
        if self.same != list(range(len(self.same))):
            return False
        for index, items in self._sorted.items():
            if any(one is not other for one, other in zip(items, self._entries[index].items, strict=True)):
                return False
        return self._order(0) == self.same

    def _order(self, root: int) -> list[int]:
        """The entries below `root` as they are first met, depth first; equal ones once."""
        met: set[int] = set()
        order: list[int] = []
        waiting = [self.same[root]]
        while waiting:
            index = waiting.pop()
            if index in met:
                continue
            met.add(index)
            order.append(index)
            children = [self.same[child] for child in reversed(ref_indices(self._in_order(index)))]
            waiting.extend(child for child in children if child not in met)
        return order

    def _in_order(self, index: int) -> Entry:
        """The entry with its items sorted, where they have no order of their own."""
        entry = self._entries[index]
        items = self._sorted.get(index)
        return entry if items is None else Entry(entry.kind, entry.label, items)

    def token(self, ref: Ref) -> msgpack.ExtType:
        """What stands for an entry in what is hashed and sorted."""
        token = self._tokens[ref.index]
        return cycles.UNKNOWN if token is None else token

    def _merge_finite(self) -> None:
        """Digest every entry all of whose children have a digest, from the leaves up."""
        waits_for = [0] * len(self._entries)
        parents: list[list[int]] = [[] for _ in self._entries]
        ready = []
        for index, entry in enumerate(self._entries):
            children = set(ref_indices(entry))
            waits_for[index] = len(children)
            for child in children:
                parents[child].append(index)
            if not children:
                ready.append(index)
        first: dict[bytes, int] = {}
        while ready:
            index = ready.pop()
            digest = self._digest(index)
            self.digests[index] = digest
            self._tokens[index] = msgpack.ExtType(_BY_DIGEST, digest)
            self.same[index] = first.setdefault(digest, index)
            for parent in parents[index]:
                waits_for[parent] -= 1
                if not waits_for[parent]:
                    ready.append(parent)

    def _digest(self, index: int) -> bytes:
        entry = self._entries[index]
        items = entry.items
        if entry.kind in (SET, MAPPING):
            items = self._sorted[index] = sorted_items(entry, self._pack)
        return hashlib.sha256(self._pack([entry.kind, entry.label, *items])).digest()

    def _merge_cyclic(self) -> None:
        """Make entries that reach a cycle one where they unfold alike, and sort their items."""
        classes = cycles.unfold_alike(self._entries, self._cyclic, self._pack)
        first: dict[int, int] = {}
        for index in self._cyclic:
            self.same[index] = first.setdefault(classes[index], index)
        standing = list(first.values())
        if cycles.need_order(self._entries, standing, self._pack, classes):
            for index, digest in cycles.rounds(self._entries, standing, self._tokens, self.same).items():
                self._tokens[index] = msgpack.ExtType(_BY_DIGEST, digest)
            for index in self._cyclic:
                self._tokens[index] = self._tokens[self.same[index]]
        for index in standing:
            entry = self._entries[index]
            if entry.kind in (SET, MAPPING):
                self._sorted[index] = sorted_items(entry, self._pack)


def sorted_items(entry: Entry, pack: Callable[[object], bytes]) -> list[Item]:
    """The items of a set or mapping sorted by their bytes: elements, or keys and then values."""
    if entry.kind == SET:
        return sorted(entry.items, key=pack)
    keyed = [(pack(key), key, value) for key, value in pairs(entry.items)]
    keyed.sort(key=lambda triple: triple[0])
    if any(left[0] == right[0] for left, right in itertools.pairwise(keyed)):
        keyed.sort(key=lambda triple: (triple[0], pack(triple[2])))
    return [item for _, key, value in keyed for item in (key, value)]
