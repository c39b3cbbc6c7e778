"""Canonical values on a line, for people."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta, timezone
from typing import Any, Final

from mitosis.canonical import nodes
from mitosis.canonical.content import (
    TENSORS,
    TEXT_LABELS,
    content_name,
    element_text,
    number_text,
    range_text,
    tensor_elements,
    time_text,
)
from mitosis.canonical.decode import read
from mitosis.canonical.frames import frame_text
from mitosis.canonical.names import dotted, short_name
from mitosis.canonical.nodes import Back, Item, Node, Scalar, array_header
from mitosis.text import one_line

_DEPTHS: Final = (6, 4, 3, 2, 1)
"""How many levels of a value a line tries to show, until one fits."""

_SHAPE: Final = 0
_RANGE: Final = 1
WHOLE: Final = 2
"""How much is told of an array: shape and dtype; range too; a digest too, or all elements if these are few."""

_SHOWN_ELEMENTS: Final = 12
"""Elements up to which an array is shown whole."""

_MIN_TEXT: Final = 20
_SCALAR_ROOM: Final = 300
_NAME: Final = 30
_MAX_BITS: Final = 4000
"""Larger integers are shown in hexadecimal: Python refuses to write very long ones in decimal."""

_FROZEN: Final = frozenset(f"scipy.stats._distn_infrastructure:rv_{kind}_frozen" for kind in ("continuous", "discrete"))

_BRACKETS: Final = {"list": "[]", "tuple": "()", "set": "{}", "dict": "{}", "columns": "{}"}


def summarize_value(data: bytes, *, limit: int = 60) -> str:
    """A canonical value on one line of at most `limit` characters.

    As many levels are shown as fit, deeper ones by the number of their items. Arrays are shown by shape and dtype, and,
    where there is room, by their range and a digest of their content, or all elements if these are few; long texts by
    their beginning and their length.

    Raises:
        FormatTooNew: a newer mitosis wrote it.
        BadRecord: it is not a canonical value.
    """
    return brief(read(data), limit, detailed=True)


def brief(
    item: Item, limit: int = 60, *, detailed: bool = False, parts_of: Mapping[int, dict[str, Item]] | None = None
) -> str:
    """As `summarize_value`, of any item.

    Args:
        item: what to show.
        limit: characters of the line.
        detailed: whether more is told of arrays than shape and dtype.
        parts_of: by the `id` of a record, what to show of it in place of all its parts.
    """
    line = _Line(limit, parts_of or {})
    text = ""
    for depth in _DEPTHS:
        # Escapes only make a text longer, so what is cut off here would be cut off anyway.
        text = one_line(line.write(item, depth)[: limit + 1])
        if len(text) > limit:
            continue
        for detail in (WHOLE, _RANGE) if detailed and line.has_array else ():
            richer = one_line(line.write(item, depth, detail)[: limit + 1])
            if len(richer) <= limit:
                return richer
        return text
    return text[: max(0, limit - 1)] + "…"


class _Line:
    """Writes an item on a line, and stops soon after `room` characters."""

    def __init__(self, room: int, parts_of: Mapping[int, dict[str, Item]]) -> None:
        self._room = room
        self._parts_of = parts_of
        self._used = 0
        self._detail = _SHAPE
        self._arrays: dict[tuple[int, int], str] = {}
        """Texts of arrays, by `id` and detail, since a range takes a look at all of the content."""
        self.has_array = False
        """Whether what was written has an array of which more could be told."""
        self._open: list[Node] = []
        """The nodes that enclose the one at hand."""
        self._rows: dict[int, list[tuple[Item, Item]]] = {}
        """Sorted rows of mappings, by `id`: they are the same for each depth that is tried."""

    def write(self, item: Item, depth: int, detail: int = 0) -> str:
        """The item with that many of its levels, and that much of its arrays."""
        self._used = 0
        self._detail = detail
        return self.text(item, depth)

    def _array(self, node: Node) -> str:
        key = (id(node), self._detail)
        if key not in self._arrays:
            self.has_array = self.has_array or node.label not in TEXT_LABELS
            self._arrays[key] = array_text(node, self._text_room(), self._detail)
        return self._arrays[key]

    def _text_room(self, opened: int = 0) -> int:
        """Characters that a text may have: all of the line, or half of it among other items.

        Args:
            opened: how many of the open nodes are the one that the text is for.
        """
        return max(_MIN_TEXT, self._room // 2) if len(self._open) > opened else self._room

    def text(self, item: Item, depth: int) -> str:
        if isinstance(item, Node) and not item.is_leaf and item.items and depth > 0:
            self._open.append(item)
            text = self._record(item, depth) if item.kind == nodes.RECORD else self._items(item, depth)
            self._open.pop()
            return text
        if isinstance(item, Back):
            text = _wrap(self._open[-item.levels], "…") if item.levels <= len(self._open) else "…"
        elif not isinstance(item, Node):
            text = scalar_text(item, self._text_room())
        elif item.kind == nodes.ATOM:
            text = atom_text(item)
        elif item.kind in nodes.ARRAYS:
            text = self._array(item)
        else:
            text = _wrap(item, _count_text(item) if item.items and self._parts_of.get(id(item)) != {} else "")
        self._used += len(text)
        return text

    def _join(self, parts: Iterator[str]) -> str:
        texts = []
        for part in parts:
            texts.append(part)
            self._used += 2
            if self._used > self._room:
                break
        return ", ".join(texts)

    def _items(self, node: Node, depth: int) -> str:
        if node.kind in nodes.MAPPINGS:
            if id(node) not in self._rows:
                self._rows[id(node)] = rows_for_people(node)
            rows = self._rows[id(node)]
            parts = (f"{self.text(key, depth - 1)}: {self.text(value, depth - 1)}" for key, value in rows)
        else:
            parts = (self.text(item, depth - 1) for item in elements(node))
        return _wrap(node, self._join(parts))

    def _record(self, node: Node, depth: int) -> str:
        parts = self._parts_of.get(id(node), node.parts)
        if node.label == "method" and parts.keys() >= {".__self__", ".__name__"}:
            return f"{self.text(parts['.__self__'], depth - 1)}.{parts['.__name__']!s}"
        special = frame_text(node, self._text_room(opened=1))
        if special is not None:
            self._used += len(special)
            return special
        if node.label in _FROZEN:
            frozen = self._frozen(parts, depth)
            if frozen is not None:
                return frozen
        array = parts.get("array")
        if node.label in TENSORS and isinstance(array, Node) and array.kind in nodes.ARRAYS:
            inner = self._array(array).partition("(")[2][:-1]
            if self._detail == WHOLE and array.kind == nodes.ARRAY and array_header(array).count <= _SHOWN_ELEMENTS:
                inner = tensor_elements(node.label, array)
            rest = (f"{step[1:]}={self.text(value, depth - 1)}" for step, value in parts.items() if value is not array)
            return f"{TENSORS[node.label]}({', '.join([inner, *rest])})"
        return _wrap(node, self._join(filter(None, (self._part(step, value, depth) for step, value in parts.items()))))

    def _frozen(self, parts: dict[str, Item], depth: int) -> str | None:
        """A frozen distribution of scipy as it is made, `gamma(2.0, scale=3)`; None for a family that has no name."""
        family, arguments, keywords = (parts.get(step) for step in (".dist", ".args", ".kwds"))
        if not (isinstance(family, Node) and isinstance(arguments, Node) and isinstance(keywords, Node)):
            return None
        if family.label != "constant" or arguments.kind != nodes.SEQUENCE or keywords.kind != nodes.MAPPING:
            return None
        given = [("", item) for item in arguments.items]
        given += [(f"{key!s}=", value) for key, value in rows_for_people(keywords)]
        given += [(f"{step[1:]}=", value) for step, value in parts.items() if step not in (".dist", ".args", ".kwds")]
        shown = (f"{prefix}{self.text(value, depth - 1)}" for prefix, value in given)
        return f"{short_name(atom_text(family))}({self._join(shown)})"

    def _part(self, step: str, value: Item, depth: int) -> str:
        if (
            step in nodes.ARGUMENTS
            and isinstance(value, Node)
            and value.label == "tuple"
            and value.kind == nodes.SEQUENCE
        ):
            return self._join(self.text(item, depth - 1) for item in value.items)
        if step in nodes.TRANSPARENT or step in nodes.ARGUMENTS:
            return self.text(value, depth - 1)
        return f"{step.removeprefix('.')}={self.text(value, depth - 1)}"


def _wrap(node: Node, inner: str) -> str:
    """The items in the brackets of their type."""
    if node.kind == nodes.RECORD:
        return f"{short_name(node.label)}({inner})"
    if node.label == "set" and not node.items:
        return "set()"
    if node.label == "tuple" and len(node.items) == 1 and not inner.endswith(" item"):
        inner += ","
    opening, closing = brackets(node)
    return f"{opening}{inner}{closing}"


def brackets(node: Node) -> tuple[str, str]:
    """What stands before and after the items of a compound value."""
    if node.label in _BRACKETS:
        return _BRACKETS[node.label][0], _BRACKETS[node.label][1]
    name = short_name(node.label)
    if node.kind == nodes.RECORD:
        return f"{name}(", ")"
    return (f"{name}([", "])") if node.kind == nodes.SEQUENCE else (f"{name}({{", "})")


def _count_text(node: Node) -> str:
    if node.kind == nodes.RECORD:
        return "…"
    count = len(node.items) // (2 if node.kind in nodes.MAPPINGS else 1)
    return f"{count} item" if count == 1 else f"{count} items"


def scalar_text(value: Scalar, room: int) -> str:
    """A scalar as Python writes it; a text that is longer than `room` by its beginning and its length."""
    if isinstance(value, str | bytes):
        return _cut(value, len(value), "bytes" if isinstance(value, bytes) else "characters", room)
    return repr(value)


def _cut(start: str | bytes, length: int, unit: str, room: int) -> str:
    """A text of which `start` is known and that has `length` units: whole, or its beginning and how long it is."""
    text = repr(start[: room + 1])
    if len(start) == length and len(text) <= room:
        return text
    ending = f"… ({length:,} {unit})"
    left = max(0, room - len(ending))
    start = start[:left]
    while len(text := repr(start)) > left and start:
        start = start[: -max(1, (len(text) - left) // 10)]
    return f"{text[:-1]}…{text[-1]} ({length:,} {unit})"


def _number(value: str) -> str:
    number = int(value, 16)
    return str(number) if number.bit_length() <= _MAX_BITS else f"{number:#x}"


def _count(number: Any) -> int:
    """A number that is one: bytes may hold a text in its place, and a text times a number can be very long."""
    if type(number) is not int:
        raise TypeError(number)
    return number


def _nanoseconds(seconds: Any, nanoseconds: Any) -> int:
    return _count(seconds) * 10**9 + _count(nanoseconds)


def _time(family: str, count: Any, step: Any, unit: Any) -> str:
    return time_text(family, _count(count), _count(step), str(unit))


def _zone(offset: timedelta, name: Any) -> str:
    return str(name) if name == timezone(offset).tzname(None) else f"timezone({offset}, {name!r})"


_ATOMS: Final[dict[str, Callable[..., str]]] = {
    "int": _number,
    "complex": lambda real, imaginary: repr(complex(real, imaginary)),
    "constant": lambda name: str(name),
    "function": lambda label: dotted(label),
    "class": lambda label: dotted(label),
    "module": lambda name: str(name),
    "enum": lambda label, *names: f"{short_name(label)}.{'|'.join(map(str, names)) or 0}",
    "datetime.timezone": lambda days, seconds, microseconds, name: _zone(timedelta(days, seconds, microseconds), name),
    "datetime.timedelta": lambda *parts: f"timedelta({timedelta(*parts)})",
    "numpy.float16": lambda value: f"float16({number_text('float16', value)})",
    "numpy.float32": lambda value: f"float32({number_text('float32', value)})",
    "numpy.datetime64": lambda count, step, unit: f"datetime64('{_time('datetime64', count, step, unit)}')",
    "numpy.timedelta64": lambda count, step, unit: f"timedelta64({_time('timedelta64', count, step, unit)})",
    "pandas.Timestamp": lambda *parts: f"Timestamp('{_time('datetime64', _nanoseconds(*parts), 1, 'ns')}')",
    "pandas.Timedelta": lambda *parts: f"Timedelta({_nanoseconds(*parts)} ns)",
}


def atom_text(node: Node) -> str:
    """An atom as people write it."""
    scalars: list[Any] = node.items
    writer = _ATOMS.get(node.label)
    if writer is not None:
        try:
            return writer(*scalars)
        except (TypeError, ValueError, ArithmeticError, AttributeError):
            pass  # Bytes may hold an atom that no value has; it is shown as any other.
    inner = ", ".join(scalar_text(scalar, _SCALAR_ROOM) for scalar in scalars)
    return f"{short_name(node.label)}({inner})"


def array_text(node: Node, room: int = 60, detail: int = 0) -> str:
    """An array by shape and dtype, and as much more as `detail` says; a long text by its beginning and its length."""
    header = array_header(node)
    content = node.items[-1]
    if header.label in TEXT_LABELS:
        if node.kind == nodes.DIGESTED or not isinstance(content, bytes):
            return f"{header.label}({header.count:,} bytes)"
        if header.label == "bytes":
            return _cut(content, header.count, "bytes", room)
        text = content.decode("utf-8", "replace")
        return _cut(text, len(text), "characters", room)
    name = "array" if header.label == "numpy.ndarray" else short_name(header.label)
    parts = [f"{shape_text(header.shape)} {header.dtype}"]
    if detail == WHOLE and node.kind == nodes.ARRAY and header.count <= _SHOWN_ELEMENTS and isinstance(content, bytes):
        elements_text = ", ".join(element_text(header, content, index) for index in range(header.count))
        return f"{name}({parts[0]}{': ' if elements_text else ''}{elements_text})"
    if detail != _SHAPE:
        parts.extend(filter(None, [range_text(node)]))
    if detail == WHOLE:
        parts.append(f"sha256 {content_name(node)}")
    return f"{name}({', '.join(parts)})"


def shape_text(shape: tuple[int, ...]) -> str:
    """`512×512`; for an array without dimensions `0-d`."""
    return "×".join(map(str, shape)) if shape else "0-d"


def rows_for_people(node: Node) -> list[tuple[Item, Item]]:
    """The rows of a mapping; where they have no order, numbers come first, then texts, then the rest."""
    return sorted(node.pairs, key=lambda row: _rank(row[0])) if node.kind == nodes.MAPPING else list(node.pairs)


def elements(node: Node) -> list[Item]:
    """The items of a sequence in their order, those of a set as `rows_for_people` has keys."""
    return sorted(node.items, key=_rank) if node.kind == nodes.SET else node.items


def _rank(item: Item) -> tuple[int, float | int, str]:
    if isinstance(item, int | float):
        return (0, item if item == item else float("inf"), "")
    if isinstance(item, str):
        return (1, 0, item)
    return (2, 0, item[:_NAME].hex() if isinstance(item, bytes) else "")
