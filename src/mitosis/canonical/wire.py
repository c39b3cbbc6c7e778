"""Canonical graphs as bytes.

One msgpack array: the format's number, the root, then the entries, each an array of its kind, its label and its
items. A reference is the extension type 1 with the entry's index as a big-endian number without leading zeros.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, NoReturn

import msgpack

from mitosis.canonical.content import DIGEST_SIZE, chunk_count, item_size
from mitosis.canonical.graph import (
    ARRAY,
    ATOM,
    DIGESTED,
    KINDS,
    MAPPING,
    MAX_ENTRIES,
    MAX_ITEMS,
    NAN,
    ORDERED_MAPPING,
    RECORD,
    ArrayHeader,
    Entry,
    Graph,
    Item,
    Ref,
    ref_indices,
)
from mitosis.errors.journal import BadRecord, FormatTooNew

FORMAT: Final = 1
"""The format of canonical values. Bytes of one format never change for a value that it can hold."""

MAX_BYTES: Final = 64 * 2**20
"""Neither written nor read is a canonical value with more bytes."""

WHERE: Final = "the canonical value"

_REF: Final = 1
_SCALARS: Final = frozenset((type(None), bool, int, float, str, bytes))
_MAX_DIMENSIONS: Final = 64
_MAX_SIZE: Final = 2**63


def packer(reference: Callable[[Ref], msgpack.ExtType]) -> Callable[[object], bytes]:
    """A function that packs an item or a list of items.

    Args:
        reference: what stands for a reference.
    """
    pack: Callable[[object], bytes] = msgpack.Packer(default=reference, use_bin_type=True).pack
    return pack


def reference_to(index: int) -> msgpack.ExtType:
    """How a reference to the entry at `index` is written."""
    return msgpack.ExtType(_REF, index.to_bytes(max(1, (index.bit_length() + 7) // 8), "big"))


def write(graph: Graph) -> bytes:
    """The bytes of a graph whose entries are in canonical order."""
    pack = packer(lambda ref: reference_to(ref.index))
    header: bytes = msgpack.Packer().pack_array_header(len(graph.entries) + 2)
    parts = [header, pack(FORMAT), pack(graph.root)]
    parts.extend(pack([entry.kind, entry.label, *entry.items]) for entry in graph.entries)
    return b"".join(parts)


def read(data: bytes) -> Graph:
    """The graph that `data` holds, each entry well formed; whether it is in canonical order is not checked.

    Memory and time are proportional to the length of the data, whatever is in it.

    Raises:
        FormatTooNew: a newer mitosis wrote it.
        BadRecord: it is no graph.
    """
    if len(data) > MAX_BYTES:
        raise BadRecord(WHERE, f"it has {len(data)} bytes, more than {MAX_BYTES}")
    reader = _Reader(data)
    try:
        return _read_graph(reader)
    except (msgpack.UnpackException, ValueError, TypeError) as error:
        raise BadRecord(WHERE, f"it is no msgpack ({type(error).__name__}: {error})") from error


class _Reader:
    """Reads msgpack token by token, so that no header makes it allocate what the data does not hold."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self._items_left = MAX_ITEMS
        # With the default, a reader that is fed refuses a buffer of more than 100 MiB and keeps room for it.
        self._unpacker = msgpack.Unpacker(
            raw=False, ext_hook=_read_reference, max_buffer_size=max(1, len(data)), strict_map_key=False
        )
        self._unpacker.feed(data)

    def array_header(self, *, checked: bool = True) -> int:
        count: int = self._unpacker.read_array_header()
        if checked and count > len(self.data) - self._unpacker.tell():
            _bad("it is cut short")
        return count

    def items(self, count: int) -> list[Item]:
        """The next `count` tokens, none of them a container."""
        self._items_left -= count
        if self._items_left < 0:
            _bad(f"it has more than {MAX_ITEMS} items")
        data, tell, unpack = self.data, self._unpacker.tell, self._unpacker.unpack
        items: list[Item] = []
        for _ in range(count):
            at = tell()
            if at < len(data) and (0x80 <= data[at] < 0xA0 or (data[at] >= 0xDC and data[at] < 0xE0)):
                _bad("a container stands where a scalar should")
            item = unpack()
            if type(item) not in _SCALARS and type(item) is not Ref:
                _bad(f"it holds an extension of msgpack ({type(item).__name__})")
            items.append(NAN if item != item else item)
        return items

    def at_end(self) -> bool:
        return bool(self._unpacker.tell() == len(self.data))


def _read_reference(code: int, data: bytes) -> Ref:
    if code != _REF or not 1 <= len(data) <= 5:
        raise ValueError(f"extension {code} of {len(data)} bytes")
    return Ref(int.from_bytes(data, "big"))


def _read_graph(reader: _Reader) -> Graph:
    count = reader.array_header(checked=False)
    if count < 1:
        _bad("it is empty")
    (version,) = reader.items(1)
    if type(version) is not int or version < 1:
        _bad("it does not say its format")
    if version > FORMAT:
        raise FormatTooNew(WHERE, version, FORMAT)
    if count - 2 > MAX_ENTRIES:
        _bad(f"it has more than {MAX_ENTRIES} entries")
    if count < 2 or count > len(reader.data):
        _bad("it has no root" if count < 2 else "it is cut short")
    (root,) = reader.items(1)
    entries: list[Entry] = []
    for _ in range(count - 2):
        length = reader.array_header()
        if length < 2:
            _bad("an entry has no kind and label")
        kind, label, *items = reader.items(length)
        if kind not in KINDS or type(kind) is not int:
            _bad(f"it holds an entry of kind {kind!r}")
        if type(label) is not str:
            _bad("an entry has no label")
        entries.append(Entry(kind, label, items))
    if not reader.at_end():
        _bad("something follows its end")
    for entry in entries:
        _check(entry, len(entries))
    if type(root) is Ref and root.index >= len(entries):
        _bad("its root is missing")
    return Graph(entries, root)


def _check(entry: Entry, count: int) -> None:
    refs = ref_indices(entry)
    if refs and max(refs) >= count:
        _bad("a reference leads nowhere")
    if entry.kind == ATOM and refs:
        _bad("an atom refers to another entry")
    if entry.kind in (MAPPING, ORDERED_MAPPING, RECORD) and len(entry.items) % 2:
        _bad("a key has no value")
    if entry.kind == RECORD:
        steps = entry.items[::2]
        if not all(type(step) is str for step in steps) or len(set(steps)) < len(steps):
            _bad("the steps of a record are no different texts")
    if entry.kind in (ARRAY, DIGESTED):
        _check_array(entry)


def _check_array(entry: Entry) -> None:
    items: list[Any] = entry.items
    if len(items) < 4 or type(items[0]) is not str or type(items[1]) is not int or type(items[2]) is not int:
        _bad("an array has no header")
    tail = 1 if entry.kind == ARRAY else 3
    if not 0 <= items[2] <= _MAX_DIMENSIONS or len(items) != 3 + items[2] + tail:
        _bad("an array has not the dimensions that it says")
    shape = items[3 : 3 + items[2]]
    if not 0 <= items[1] < 2**31 or not all(type(size) is int and 0 <= size < _MAX_SIZE for size in shape):
        _bad("an array has an impossible shape")
    header = ArrayHeader(entry.label, items[0], items[1], tuple(shape))
    if items[1] != item_size(items[0], items[1]):
        _bad(f"an array's elements have not the size of {items[0]!r}")
    if header.size_bytes >= _MAX_SIZE or type(items[-1]) is not bytes:
        _bad("an array has an impossible size")
    length = header.size_bytes if entry.kind == ARRAY else chunk_count(header) * DIGEST_SIZE
    if len(items[-1]) != length:
        _bad("an array's content has not the size that its shape gives")
    if entry.kind == ARRAY and entry.label == "str":
        _check_text(items[-1])
    if entry.kind == DIGESTED:
        for bound in items[-3:-1]:
            if bound is not None and (type(bound) not in (int, float) or bound != bound):
                _bad("an array's range is no number")


def _check_text(content: bytes) -> None:
    try:
        content.decode("utf-8", "surrogatepass")
    except UnicodeDecodeError as error:
        raise BadRecord(WHERE, f"a text in it is no UTF-8 ({error.reason})") from error


def _bad(reason: str) -> NoReturn:
    raise BadRecord(WHERE, reason)
