"""Canonical bytes read back as a tree. Nothing is run or imported, so they may be anybody's."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, NoReturn, cast

import msgpack

from mitosis.canonical import nodes
from mitosis.canonical.content import DIGEST_SIZE, chunk_count, item_size
from mitosis.canonical.nodes import ArrayHeader, Back, Item, Node, Scalar, distinct_nodes, sorted_items, write
from mitosis.errors.journal import BadRecord, FormatTooNew

_WHERE: Final = "the canonical value"
_MAX_DIMENSIONS: Final = 64
_MAX_SIZE: Final = 2**63


@dataclass(slots=True)
class _Reference:
    """An item that leads to the entry at `index`."""

    index: int


_Token = Scalar | _Reference | Back
_Entry = tuple[int, str, list[_Token]]


def decode_value(data: bytes) -> Item:
    """The tree that canonical bytes hold: a scalar, or a node.

    Time and memory are proportional to the length of the data, whatever is in it.

    Raises:
        FormatTooNew: a newer mitosis wrote them.
        BadRecord: they are not what `encode_value` gives for any value.
    """
    root = read(data)
    # Written again, since msgpack has several forms for one number or text, and entries several orders.
    if not all(map(_is_sorted, distinct_nodes(root))) or write(root) != data:
        raise BadRecord(_WHERE, "it is not in canonical form")
    return root


def _is_sorted(node: Node) -> bool:
    """Whether a node has its items in canonical order."""
    in_order = sorted_items(node.kind, node.items)
    return in_order is node.items or all(one is other for one, other in zip(in_order, node.items, strict=True))


def read(data: bytes) -> Item:
    """As `decode_value`, but it is not checked whether the bytes are in canonical form.

    Raises:
        FormatTooNew: a newer mitosis wrote them.
        BadRecord: they hold no tree whose nodes are well formed.
    """
    if len(data) > nodes.MAX_BYTES:
        raise BadRecord(_WHERE, f"it has {len(data)} bytes, more than {nodes.MAX_BYTES}")
    try:
        root, entries = _read_entries(_Reader(data))
    except (msgpack.UnpackException, ValueError, TypeError) as error:
        raise BadRecord(_WHERE, f"it is not msgpack ({type(error).__name__}: {error})") from error
    return _Tree(entries).root(root)


class _Reader:
    """Reads msgpack token by token, so that no header makes it allocate what the data does not hold."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self._items_left = nodes.MAX_ITEMS
        # With the default, a reader that is fed refuses a buffer of more than 100 MiB and keeps room for it.
        self._unpacker = msgpack.Unpacker(
            raw=False, ext_hook=_read_extension, max_buffer_size=max(1, len(data)), strict_map_key=False
        )
        self._unpacker.feed(data)

    def array_header(self, *, checked: bool = True) -> int:
        count: int = self._unpacker.read_array_header()
        if checked and count > len(self.data) - self._unpacker.tell():
            _bad("it is cut short")
        return count

    def items(self, count: int) -> list[_Token]:
        """The next `count` tokens, none of them a container."""
        self._items_left -= count
        if self._items_left < 0:
            _bad(f"it has more than {nodes.MAX_ITEMS} items")
        data, tell, unpack = self.data, self._unpacker.tell, self._unpacker.unpack
        items: list[_Token] = []
        for _ in range(count):
            at = tell()
            if at < len(data) and (0x80 <= data[at] < 0xA0 or (data[at] >= 0xDC and data[at] < 0xE0)):
                _bad("it has a container where a scalar should be")
            item = unpack()
            if type(item) not in nodes.SCALARS and type(item) not in (_Reference, Back):
                _bad(f"it holds an extension of msgpack ({type(item).__name__})")
            items.append(nodes.NAN if item != item else item)
        return items

    def at_end(self) -> bool:
        return bool(self._unpacker.tell() == len(self.data))


def _read_extension(code: int, data: bytes) -> _Reference | Back:
    if code not in (nodes.REFERENCE, nodes.BACK) or not 1 <= len(data) <= 5:
        raise ValueError(f"extension {code} of {len(data)} bytes")
    number = int.from_bytes(data, "big")
    if code == nodes.BACK and not number:
        raise ValueError("a value inside itself zero levels up")
    return _Reference(number) if code == nodes.REFERENCE else Back(number)


def _read_entries(reader: _Reader) -> tuple[_Token, list[_Entry]]:
    """The root and the table of entries."""
    count = reader.array_header(checked=False)
    if count < 1:
        _bad("it is empty")
    (version,) = reader.items(1)
    if type(version) is not int or version < 1:
        _bad("it does not say its format")
    if version > nodes.FORMAT:
        raise FormatTooNew(_WHERE, version, nodes.FORMAT)
    if count - 2 > nodes.MAX_NODES:
        _bad(f"it has more than {nodes.MAX_NODES} entries")
    if count < 2 or count > len(reader.data):
        _bad("it has no root" if count < 2 else "it is cut short")
    (root,) = reader.items(1)
    entries: list[_Entry] = []
    for _ in range(count - 2):
        length = reader.array_header()
        if length < 2:
            _bad("an entry has no kind and label")
        kind, label, *items = reader.items(length)
        if kind not in nodes.KINDS or type(kind) is not int:
            _bad(f"it holds an entry of kind {kind!r}")
        if type(label) is not str:
            _bad("an entry has no label")
        entries.append((kind, label, items))
    if not reader.at_end():
        _bad("something follows its end")
    return root, entries


class _Tree:
    """Puts entries together, each once."""

    def __init__(self, entries: list[_Entry]) -> None:
        self._entries = entries
        self._nodes: dict[int, Node] = {}

    def root(self, token: _Token) -> Item:
        """What the root leads to."""
        if type(token) is Back:
            _bad("its root refers outside it")
        if type(token) is not _Reference:
            return cast(Scalar, token)
        root = self._node(token.index, 1)
        if len(self._nodes) < len(self._entries):
            _bad("it holds entries that nothing refers to")
        if root.height > nodes.MAX_DEPTH:
            _bad(f"it is nested more than {nodes.MAX_DEPTH} levels deep")
        if root.reach > 0:
            _bad("it contains something further up than its root")
        return root

    def _node(self, index: int, depth: int) -> Node:
        """The node of the entry at `index`, `depth` levels down. A reference to an entry above it never ends."""
        found = self._nodes.get(index)
        if found is not None:
            return found
        if index >= len(self._entries):
            _bad("a reference refers to nothing")
        if depth > nodes.MAX_DEPTH:
            _bad(f"it is nested more than {nodes.MAX_DEPTH} levels deep")
        kind, label, tokens = self._entries[index]
        items = cast("list[Item]", tokens)
        if _Reference in set(map(type, tokens)):
            items = [self._node(token.index, depth + 1) if isinstance(token, _Reference) else token for token in tokens]
        node = self._nodes[index] = Node(kind, label, items)
        _check(node)
        return node


def _check(node: Node) -> None:
    if node.kind == nodes.ATOM and not nodes.SCALARS.issuperset(map(type, node.items)):
        _bad("an atom refers to another entry")
    if node.kind in (*nodes.MAPPINGS, nodes.RECORD) and len(node.items) % 2:
        _bad("a key has no value")
    if node.kind == nodes.RECORD:
        steps = node.items[::2]
        if not all(type(step) is str for step in steps) or len(set(steps)) < len(steps):
            _bad("the steps of a record are not distinct strings")
    if node.kind in nodes.ARRAYS:
        _check_array(node)


def _check_array(node: Node) -> None:
    items: list[Any] = node.items
    if len(items) < 4 or type(items[0]) is not str or type(items[1]) is not int or type(items[2]) is not int:
        _bad("an array has no header")
    tail = 1 if node.kind == nodes.ARRAY else 3
    if not 0 <= items[2] <= _MAX_DIMENSIONS or len(items) != 3 + items[2] + tail:
        _bad("an array does not have the dimensions that it states")
    shape = items[3 : 3 + items[2]]
    if not 0 <= items[1] < 2**31 or not all(type(size) is int and 0 <= size < _MAX_SIZE for size in shape):
        _bad("an array has an impossible shape")
    header = ArrayHeader(node.label, items[0], items[1], tuple(shape))
    if items[1] != item_size(items[0], items[1]):
        _bad(f"an array's elements do not have the size of {items[0]!r}")
    if header.size_bytes >= _MAX_SIZE or type(items[-1]) is not bytes:
        _bad("an array has an impossible size")
    length = header.size_bytes if node.kind == nodes.ARRAY else chunk_count(header) * DIGEST_SIZE
    if len(items[-1]) != length:
        _bad("an array's content does not have the size that its shape implies")
    if node.kind == nodes.ARRAY and node.label == "str":
        _check_text(items[-1])
    if node.kind == nodes.DIGESTED:
        for bound in items[-3:-1]:
            if bound is not None and (type(bound) not in (int, float) or bound != bound):
                _bad("an array's range is not a number")


def _check_text(content: bytes) -> None:
    try:
        content.decode("utf-8", "surrogatepass")
    except UnicodeDecodeError as error:
        raise BadRecord(_WHERE, f"a string in it is not UTF-8 ({error.reason})") from error


def _bad(reason: str) -> NoReturn:
    raise BadRecord(_WHERE, reason)
