"""The graph that a value is while it is neither a Python object nor bytes.

A `Graph` is a flat table of entries and a root. What an entry holds is an *item*: a scalar, or a `Ref` to another
entry. Nothing in it nests, so nothing that works on it recurses, however deep the value; shared parts and cycles
are references to the same entry.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final, cast

ATOM: Final = 0
"""Items are scalars that together are one value, such as the numerator and denominator of a fraction."""
SEQUENCE: Final = 1
"""Items in order."""
SET: Final = 2
"""Items without order."""
MAPPING: Final = 3
"""Items are key, value, key, value, ... without order."""
ORDERED_MAPPING: Final = 4
"""Items are key, value, key, value, ... in order."""
RECORD: Final = 5
"""Items are step, value, step, value, ...; a step is a text, and one that begins with `.` is an attribute."""
ARRAY: Final = 6
"""Items are dtype, item size in bytes, number of dimensions, the dimensions, and the content."""
DIGESTED: Final = 7
"""As an array, but minimum, maximum and the digests of chunks instead of the content."""

KINDS: Final = (ATOM, SEQUENCE, SET, MAPPING, ORDERED_MAPPING, RECORD, ARRAY, DIGESTED)

KIND_NAMES: Final = ("atom", "sequence", "set", "mapping", "ordered mapping", "record", "array", "digested array")

MAX_ENTRIES: Final = 1_000_000
"""A value with more compound parts, shared ones counted once, is neither written nor read."""

MAX_ITEMS: Final = 10_000_000
"""A value with more items, over all its entries, is neither written nor read."""

Scalar = None | bool | int | float | str | bytes
"""An `int` here fits 64 bits, signed or unsigned; a `str` encodes in UTF-8; a `float` that is nan is `NAN`."""

NAN: Final = float("nan")
"""The one nan: all nans are equal, whatever their sign and payload."""


class Ref:
    """A reference to the entry at `index`."""

    __slots__ = ("index",)

    def __init__(self, index: int) -> None:
        self.index = index

    def __repr__(self) -> str:
        return f"Ref({self.index})"


Item = Scalar | Ref


@dataclass(slots=True, eq=False)
class Entry:
    """One compound value. `label` names its type; what `items` are depends on `kind`."""

    kind: int
    label: str
    items: list[Item]


@dataclass(slots=True, eq=False)
class Graph:
    """A value. All entries can be reached from the root once the graph is canonical."""

    entries: list[Entry]
    root: Item


def ref_indices(entry: Entry) -> list[int]:
    """The entries that `entry` refers to, in order, with repetitions."""
    if Ref not in set(map(type, entry.items)):
        return []
    return [item.index for item in entry.items if type(item) is Ref]


def pairs(items: list[Item]) -> Iterator[tuple[Item, Item]]:
    """Keys and values of a mapping's items."""
    iterator = iter(items)
    return zip(iterator, iterator, strict=True)


def named(entry: Entry) -> list[tuple[str, Item]]:
    """Steps and values of a record's items."""
    return [(str(step), value) for step, value in pairs(entry.items)]


@dataclass(frozen=True, slots=True)
class ArrayHeader:
    """What an array's entry says about it, whether it keeps the content or not."""

    label: str
    dtype: str
    item_size: int
    """Bytes of one element."""
    shape: tuple[int, ...]

    @property
    def count(self) -> int:
        """Number of elements."""
        count = 1
        for size in self.shape:
            count *= size
        return count

    @property
    def size_bytes(self) -> int:
        return self.count * self.item_size

    def items(self) -> list[Item]:
        return [self.dtype, self.item_size, len(self.shape), *self.shape]


def array_header(entry: Entry) -> ArrayHeader:
    """The header of an entry of kind `ARRAY` or `DIGESTED` that is known to be well formed."""
    dtype, item_size, dimensions, *rest = cast("list[Any]", entry.items)
    return ArrayHeader(entry.label, dtype, item_size, tuple(rest[:dimensions]))
