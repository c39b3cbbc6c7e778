"""What a value is while it is neither a Python object nor bytes: a tree of nodes, and the bytes of such a tree.

A `Node` is a compound value. What it holds are *items*: scalars, other nodes, and where the value contains itself a
`Back`, which says how many levels up the value is that is meant. So every tree ends, at most `MAX_DEPTH` levels deep,
and what works on it simply recurses. Parts that are equal may be one node, so time and memory should grow with the
nodes and not with the paths to them.
"""

from __future__ import annotations

import hashlib
import itertools
import math
import operator
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final, cast

import msgpack

FORMAT: Final = 1
"""The format of canonical values. Bytes of one format never change for a value that it can hold."""

MAX_BYTES: Final = 64 * 2**20
"""A canonical value with more bytes is neither written nor read."""

MAX_DEPTH: Final = 200
"""A value that nests deeper is neither written nor read. The walk through a value takes two frames of Python a level,
which leaves more than half of the 1000 that Python allows by default to what calls it and to methods of the value."""

MAX_NODES: Final = 1_000_000
"""A value with more compound parts, shared ones counted once, is neither written nor read."""

MAX_ITEMS: Final = 10_000_000
"""A value with more items, over all its nodes, is neither written nor read."""

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
ARRAYS: Final = (ARRAY, DIGESTED)
MAPPINGS: Final = (MAPPING, ORDERED_MAPPING)

REFERENCE: Final = 1
"""The extension type of msgpack for a node, by its number."""
_DIGEST: Final = 2
"""The extension type that stands for a node in what is hashed and sorted, by its digest."""
BACK: Final = 3
"""The extension type for a `Back`, by its levels."""

Scalar = None | bool | int | float | str | bytes
"""An `int` here fits 64 bits, signed or unsigned; a `str` encodes in UTF-8; a `float` that is nan is `NAN`."""
SCALARS: Final = frozenset((type(None), bool, int, float, str, bytes))

NAN: Final = float("nan")
"""The one nan: all nans are equal, whatever their sign and payload."""


@dataclass(frozen=True, slots=True)
class Back:
    """The value that is that many levels further up: 1 is the one that holds this item."""

    levels: int

    @property
    def token(self) -> msgpack.ExtType:
        """What is written, hashed and sorted for it."""
        return msgpack.ExtType(BACK, _big_endian(self.levels))


class Node:
    """One compound value, not to be changed. `label` names its type; what `items` are depends on `kind`.

    Attributes:
        has_parts: whether it holds anything but scalars.
        height: levels of nodes, itself counted.
        reach: levels that the furthest `Back` below it leads up from here: 0 if to itself, negative if not even there.
    """

    __slots__ = ("_token", "has_parts", "height", "items", "kind", "label", "reach")

    def __init__(self, kind: int, label: str, items: list[Item]) -> None:
        self.kind = kind
        self.label = label
        self.items = items
        self.height = 1
        self.reach = -1
        self._token: msgpack.ExtType | None = None
        self.has_parts = has_parts(items)
        if self.has_parts:
            for item in items:
                if type(item) is Node:
                    self.height = max(self.height, item.height + 1)
                    self.reach = max(self.reach, item.reach - 1)
                elif type(item) is Back:
                    self.reach = max(self.reach, item.levels - 1)

    @property
    def token(self) -> msgpack.ExtType:
        """What stands for the node in what is hashed and sorted: the digest of all that it holds."""
        if self._token is None:
            tokens: list[Any] = self.items
            if self.has_parts:
                # A loop, since a comprehension is a frame of its own in Python 3.11, and this one recurses.
                tokens = []
                for item in self.items:
                    tokens.append(item.token if isinstance(item, Node | Back) else item)
            packed = msgpack.packb([self.kind, self.label, *tokens])
            self._token = msgpack.ExtType(_DIGEST, hashlib.sha256(packed).digest())
        return self._token

    @property
    def is_leaf(self) -> bool:
        """Whether it has no parts to look at one by one: an atom or an array."""
        return self.kind == ATOM or self.kind in ARRAYS

    @property
    def pairs(self) -> Iterator[tuple[Item, Item]]:
        """Keys and values of a mapping, steps and values of a record."""
        iterator = iter(self.items)
        return zip(iterator, iterator, strict=True)

    @property
    def parts(self) -> dict[str, Item]:
        """The values of a record by their steps."""
        return cast("dict[str, Item]", dict(self.pairs))

    @property
    def values(self) -> list[Item]:
        """The items of a sequence or set, the values of a mapping or record; nothing of a leaf."""
        if self.is_leaf:
            return []
        return self.items if self.kind in (SEQUENCE, SET) else self.items[1::2]

    def __repr__(self) -> str:
        return f"<Node {self.kind} {self.label}>"


Item = Scalar | Node | Back


def has_parts(items: list[Item]) -> bool:
    """Whether there is anything but scalars."""
    types = set(map(type, items))
    return Node in types or Back in types


def sort_key(item: Item) -> bytes:
    """Bytes that are equal for equal items, and that items without an order of their own are sorted by."""
    key: bytes = msgpack.packb(item.token if isinstance(item, Node | Back) else item)
    return key


def are_same(one: Item, other: Item) -> bool:
    """Whether two items are equal: of the same type, nan as good as nan, the two zeros told apart."""
    if type(one) is not type(other):
        return False
    if isinstance(one, float) and isinstance(other, float):
        if one != one:
            return other != other
        return one == other and math.copysign(1, one) == math.copysign(1, other)
    if isinstance(one, Node) and isinstance(other, Node):
        return one is other or one.token == other.token
    return one == other


def sorted_items(kind: int, items: list[Item]) -> list[Item]:
    """The items in canonical order, by their bytes: elements of a set; rows of a mapping by keys and then values."""
    if kind not in (SET, MAPPING):
        return items
    key: Callable[[Item], bytes] = sort_key if has_parts(items) else msgpack.Packer().pack
    if kind == SET:
        return sorted(items, key=key)
    rows = [(key(items[at]), items[at], items[at + 1]) for at in range(0, len(items), 2)]
    rows.sort(key=operator.itemgetter(0))
    if any(left[0] == right[0] for left, right in itertools.pairwise(rows)):
        rows.sort(key=lambda row: (row[0], key(row[2])))
    return [item for row in rows for item in row[1:]]


def distinct_nodes(root: Item) -> Iterator[Node]:
    """All nodes of a tree, those that stand at several places once."""
    known: dict[int, Node] = {}

    def visit(node: Node) -> None:
        if id(node) not in known:
            known[id(node)] = node
            for item in node.items if node.has_parts else ():
                if type(item) is Node:
                    visit(item)

    if type(root) is Node:
        visit(root)
    return iter(known.values())


def changed(root: Node, change: Callable[[Node], Node]) -> Node:
    """The tree with something else for some nodes.

    Args:
        root: the tree.
        change: gives what shall stand for a node, whose parts have been changed already.
    """
    done: dict[int, Node] = {}

    def visit(node: Node) -> Node:
        found = done.get(id(node))
        if found is None:
            items = node.items
            if node.has_parts:
                items = [visit(item) if type(item) is Node else item for item in items]
            found = change(Node(node.kind, node.label, items))
            if found.kind in (SET, MAPPING):
                found = Node(found.kind, found.label, sorted_items(found.kind, found.items))
            done[id(node)] = found
        return found

    return visit(root)


def write(root: Item) -> bytes:
    """The bytes of a tree: format, root, and every node once, numbered as they are first met on the way down."""
    nodes: list[Node] = []
    references: dict[msgpack.ExtType, msgpack.ExtType] = {}

    def number(node: Node) -> None:
        if node.token in references:
            return
        references[node.token] = msgpack.ExtType(REFERENCE, _big_endian(len(nodes)))
        nodes.append(node)
        for item in node.items if node.has_parts else ():
            if type(item) is Node:
                number(item)

    if type(root) is Node:
        number(root)
    packer = msgpack.Packer(default=lambda part: references[part.token] if type(part) is Node else part.token)
    parts = [packer.pack_array_header(len(nodes) + 2), packer.pack(FORMAT), packer.pack(root)]
    parts.extend(packer.pack([node.kind, node.label, *node.items]) for node in nodes)
    return b"".join(parts)


def _big_endian(number: int) -> bytes:
    return number.to_bytes(max(1, (number.bit_length() + 7) // 8), "big")


@dataclass(frozen=True, slots=True)
class ArrayHeader:
    """What an array's node says about it, whether it keeps the content or not."""

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


def array_header(node: Node) -> ArrayHeader:
    """The header of a node of kind `ARRAY` or `DIGESTED` that is known to be well formed."""
    dtype, item_size, dimensions, *rest = cast("list[Any]", node.items)
    return ArrayHeader(node.label, dtype, item_size, tuple(rest[:dimensions]))


# --- paths ----------------------------------------------------------------------------------------

# Where a part is inside a value, as text: `scale`, `kernel[3]`, `solver.tol`, `""` for the value itself.

_MAX_PATH: Final = 1000

TRANSPARENT: Final = frozenset(("items", "mapping", "value", "array"))
"""Steps of records that are not part of a path: what they lead to is what the record is about."""

ARGUMENTS: Final = frozenset(("()", "new()", "**"))
"""Steps of records that lead to what the object was made with."""


def index_step(index: int) -> str:
    """The step to an item of a sequence."""
    return f"[{index}]"


def element_step(text: str) -> str:
    """The step to an element of a set, which has no place, only a value."""
    return f"{{{text}}}"


def key_step(key: object, text: str) -> str:
    """The step to a mapping's value: `.tol` for a key that could be a name, else `[text]`."""
    return f".{key}" if type(key) is str and key.isidentifier() else f"[{text}]"


def record_step(step: str) -> str:
    """The step to a part of an object."""
    if step.startswith("."):
        return step if step[1:].isidentifier() else f"[{step[1:]!r}]"
    if step in TRANSPARENT:
        return ""
    if step in ARGUMENTS:
        return "()"
    return f"<{step}>" if step.isprintable() else f"<{step!r}>"


def join_steps(steps: Iterable[str]) -> str:
    """The path of the steps, its middle left out when it is very long."""
    path = "".join(steps).removeprefix(".")
    if len(path) > _MAX_PATH:
        half = _MAX_PATH // 2
        path = f"{path[:half]}…{path[-half:]}"
    return path
