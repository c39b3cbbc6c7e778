"""Python values as graphs: the walk through a value."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Iterator
from typing import Any, Final, cast

from mitosis.canonical import paths
from mitosis.canonical.content import without_content
from mitosis.canonical.expansion import Expansion, Handler, Part
from mitosis.canonical.graph import (
    ARRAY,
    MAX_ENTRIES,
    MAX_ITEMS,
    NAN,
    RECORD,
    SEQUENCE,
    SET,
    Entry,
    Graph,
    Item,
    Ref,
    Scalar,
    array_header,
)
from mitosis.canonical.names import MISSING, Refusal, ancestors, find, raw_name, type_name
from mitosis.canonical.packed import LONG_SCALAR, fits_64_bits, is_short, packed_sequence
from mitosis.canonical.plain import (
    BY_NAME,
    BY_TYPE,
    big_integer,
    expand_class,
    expand_dataclass,
    expand_enum,
    expand_namedtuple,
)
from mitosis.canonical.reduce import expand_object, said
from mitosis.errors.values import UnstableValue

INLINE_LIMIT: Final = 2 * 2**20
"""Bytes of content up to which an array keeps it, so that a comparison can name the elements that differ."""

INLINE_TOTAL: Final = 16 * 2**20
"""Bytes of an encoding beyond which no array keeps its content."""

COMPACT_LIMIT: Final = LONG_SCALAR
"""Bytes of content up to which an array keeps it when the whole would be too large otherwise."""

MAX_DEPTH: Final = 100_000
"""A value that nests deeper is refused."""

_HEAP_TYPE: Final = 1 << 9
_SCALARS: Final = (type(None), bool, int, float, str, bytes)
_KEY: Final = 60
_KEY_PARTS: Final = 5


def build(value: object) -> tuple[Graph, bool]:
    """The graph of a value, and whether its arrays together have too much content to keep it.

    Raises:
        UnstableValue: it, or a part of it, has no stable meaning.
    """
    builder = _Builder()
    return Graph(builder.entries, builder.walk(value)), builder.content_bytes > INLINE_TOTAL


def compact(graph: Graph) -> Graph:
    """The graph with digests in place of all content but the shortest."""
    return Graph([_compact_entry(entry) for entry in graph.entries], graph.root)


def _compact_entry(entry: Entry) -> Entry:
    if entry.kind == ARRAY and array_header(entry).size_bytes > COMPACT_LIMIT:
        return without_content(entry)
    if entry.kind == SEQUENCE and entry.label in ("list", "tuple"):
        return packed_sequence(entry.label, entry.items, COMPACT_LIMIT) or entry
    return entry


class _Frame:
    """A value whose parts are being looked at."""

    __slots__ = ("children", "expansion", "items")

    def __init__(self, expansion: Expansion, items: list[Item]) -> None:
        self.expansion = expansion
        self.items = items
        self.children: Iterator[object] = iter(expansion.children)

    def step(self, position: int) -> str:
        """The step of a path that leads to the child at `position`."""
        kind, children = self.expansion.kind, self.expansion.children
        if kind == SEQUENCE:
            return paths.index_step(position)
        if kind == SET:
            return paths.element_step("…")
        if kind == RECORD:
            return paths.record_step(str(children[position - 1]))
        if position % 2 == 0:
            return "<key>"
        return paths.key_step(children[position - 1], _key_text(children[position - 1]))


def _key_text(key: object) -> str:
    cls: type = type(key)
    plain: Any = key
    if any(cls is scalar for scalar in _SCALARS):
        text = f"{plain:#x}" if cls is int and not fits_64_bits(plain) else repr(plain)
        return text if len(text) <= _KEY else text[: _KEY - 1] + "…"
    if cls is tuple and len(plain) <= _KEY_PARTS and not any(type(part) is tuple for part in plain):
        return f"({', '.join(map(_key_text, plain))})"
    return f"<{type_name(cls)}>"


class _Builder:
    """Walks through a value with a stack of its own, so that depth is no matter of Python's."""

    def __init__(self) -> None:
        self.entries: list[Entry] = []
        self.content_bytes = 0
        """Bytes of the different contents that arrays keep."""
        self._frames: list[_Frame] = []
        self._index: dict[int, int] = {}
        # Parts that the reduce protocol made up must outlive the walk: another one may not get the same id.
        self._alive: list[object] = []
        self._handlers: dict[type, Handler] = {}
        self._contents: dict[bytes, bytes] = {}
        self._item_count = 0

    def walk(self, value: object) -> Item:
        """The item that stands for `value`, its parts being among `entries`."""
        frames = self._frames
        root = self._item(value)
        while frames:
            frame = frames[-1]
            items = frame.items
            depth = len(frames)
            for child in frame.children:
                items.append(self._item(child))
                if len(frames) > depth:
                    break
            else:
                frames.pop()
        return root

    def _item(self, value: object) -> Item:
        """A scalar, or a reference to an entry; a new one's parts are on top of the stack."""
        # Nothing but its type may be asked of a value here: even isinstance would run code of a hostile one.
        cls: type = type(value)
        plain: Any = value
        if plain is None or cls is bool:
            return cast(Scalar, plain)
        if cls is int:
            return cast(int, plain) if fits_64_bits(plain) else self._add(big_integer(plain))
        if cls is float:
            return cast(float, plain) if plain == plain else NAN
        if cls is str:
            if is_short(plain):
                return cast(str, plain)
        elif cls is bytes:
            if len(plain) <= LONG_SCALAR:
                return cast(bytes, plain)
        elif cls is Expansion or cls is Entry:
            return self._add(plain)
        known = self._index.get(id(value))
        if known is None:
            part = self._take_apart(value)
            known = self._index[id(value)] = len(self.entries)
            self._alive.append(value)
            self._add(part)
        return Ref(known)

    def _add(self, part: Part) -> Ref:
        index = len(self.entries)
        if index >= MAX_ENTRIES:
            self._refuse(f"the value has more than {MAX_ENTRIES:,} parts")
        if isinstance(part, Entry):
            self._item_count += len(part.items)
            if part.kind == ARRAY:
                self._share_content(part)
            self.entries.append(part)
        else:
            items: list[Item] = []
            self._item_count += len(part.children)
            self.entries.append(Entry(part.kind, part.label, items))
            self._frames.append(_Frame(part, items))
            if len(self._frames) > MAX_DEPTH:
                self._frames.pop()
                self._refuse(f"the value is nested more than {MAX_DEPTH:,} levels deep")
        if self._item_count > MAX_ITEMS:
            self._refuse(f"the value has more than {MAX_ITEMS:,} items")
        return Ref(index)

    def _share_content(self, entry: Entry) -> None:
        """Keep equal contents once, and count them once."""
        content = entry.items[-1]
        if isinstance(content, bytes) and len(content) > COMPACT_LIMIT:
            digest = hashlib.sha256(content).digest()
            if digest not in self._contents:
                self._contents[digest] = content
                self.content_bytes += len(content)
            entry.items[-1] = self._contents[digest]

    def _take_apart(self, value: object) -> Part:
        limit = INLINE_LIMIT if self.content_bytes <= INLINE_TOTAL else COMPACT_LIMIT
        try:
            cls = type(value)
            handler = self._handlers.get(cls)
            if handler is None:
                handler = self._handlers[cls] = _handler(cls)
            return handler(value, limit)
        except Refusal as refusal:
            raise UnstableValue(self._path(), str(refusal)) from refusal.__cause__
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            raise UnstableValue(
                self._path(), f"taking apart this {type_name(type(value))} raised {said(error)}"
            ) from error

    def _path(self) -> str:
        """The path to the value that is being looked at."""
        steps = [frame.step(len(frame.items) - 1) for frame in self._frames[:-1]]
        steps += [frame.step(len(frame.items)) for frame in self._frames[-1:]]
        return paths.join(steps)

    def _refuse(self, reason: str) -> None:
        raise UnstableValue(self._path(), reason)


def _handler(cls: type) -> Handler:
    """How to take apart values of exactly this type."""
    if cls in BY_TYPE:
        return BY_TYPE[cls]
    module, name = raw_name(cls)
    handler = BY_NAME.get((module, name))
    if handler is not None:
        found = find(module, name)
        if found is cls or found is MISSING:
            return handler
    for library in ("numpy", "pandas", "polars", "scipy.stats"):
        if library in sys.modules:
            handler = _library_handler(library, cls)
            if handler is not None:
                return handler
    if issubclass(cls, type):
        return expand_class
    enum = sys.modules.get("enum")
    if enum is not None and issubclass(cls, enum.Enum):
        return expand_enum
    if _is_namedtuple(cls):
        return expand_namedtuple
    if "__dataclass_fields__" in vars(cls) and all(base.__flags__ & _HEAP_TYPE for base in ancestors(cls)[:-1]):
        return expand_dataclass
    return expand_object


def _is_namedtuple(cls: type) -> bool:
    """Whether it is a class as `collections.namedtuple` makes it, or a subclass of one."""
    if not issubclass(cls, tuple):
        return False
    fields = getattr(cls, "_fields", None)
    return type(fields) is tuple and all(type(field) is str for field in fields)


def _library_handler(library: str, cls: type) -> Handler | None:
    if library == "numpy":
        from mitosis.canonical import numpy_types

        return numpy_types.handler(cls)
    if library == "pandas":
        from mitosis.canonical import pandas_types

        return pandas_types.handler(cls)
    if library == "scipy.stats":
        from mitosis.canonical import scipy_types

        return scipy_types.handler(cls)
    from mitosis.canonical import polars_types

    return polars_types.handler(cls)
