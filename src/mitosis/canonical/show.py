"""Canonical values on a line, for people."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta, timezone
from typing import Any, Final

from mitosis.canonical import paths
from mitosis.canonical.content import TEXT_LABELS, content_name, element_text, number_text, range_text, time_text
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
    array_header,
    named,
    pairs,
)
from mitosis.canonical.wire import read

_DEPTHS: Final = (6, 4, 3, 2, 1)
"""How many levels of a value a line tries to show, until one fits."""

_SHAPE: Final = 0
_RANGE: Final = 1
WHOLE: Final = 2
"""How much is told of an array: shape and dtype; range too; a digest too, or all elements if these are few."""

_SHOWN_ELEMENTS: Final = 12
"""Elements up to which an array is shown whole."""

_SHOWN_COLUMNS: Final = 8
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
        BadRecord: it is no canonical value.
    """
    graph = read(data)
    return brief(graph, graph.root, limit, detailed=True)


def brief(graph: Graph, item: Item, limit: int = 60, *, detailed: bool = False) -> str:
    """As `summarize_value`, of any item of a graph; arrays by shape and dtype alone unless `detailed`."""
    line = _Line(graph, limit)
    text = ""
    for depth in _DEPTHS:
        # Escapes only make a text longer, so what is cut off here would be cut off anyway.
        text = printable(line.write(item, depth)[: limit + 1])
        if len(text) > limit:
            continue
        for detail in (WHOLE, _RANGE) if detailed and line.has_array else ():
            richer = printable(line.write(item, depth, detail)[: limit + 1])
            if len(richer) <= limit:
                return richer
        return text
    return text[: max(0, limit - 1)] + "…"


def printable(text: str) -> str:
    """The text with control characters, line ends and the like escaped."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else repr(char)[1:-1] for char in text)


class _Line:
    """Writes an item on a line, and stops soon after `room` characters."""

    def __init__(self, graph: Graph, room: int) -> None:
        self._graph = graph
        self._room = room
        self._used = 0
        self._detail = _SHAPE
        self._arrays: dict[tuple[int, int], str] = {}
        """Texts of arrays, by index and detail, since a range takes a look at all of the content."""
        self.has_array = False
        """Whether what was written has an array of which more could be told."""
        self._open: set[int] = set()
        """Entries that enclose the one at hand."""
        self._rows: dict[int, list[tuple[Item, Item]]] = {}
        """Sorted rows of mappings, by index: they are the same for each depth that is tried."""

    def write(self, item: Item, depth: int, detail: int = 0) -> str:
        """The item with so many of its levels, and so much of its arrays."""
        self._used = 0
        self._detail = detail
        return self.text(item, depth)

    def _array(self, index: int) -> str:
        key = (index, self._detail)
        if key not in self._arrays:
            entry = self._graph.entries[index]
            self.has_array = self.has_array or entry.label not in TEXT_LABELS
            self._arrays[key] = array_text(entry, self._text_room(), self._detail)
        return self._arrays[key]

    def _text_room(self, opened: int = 0) -> int:
        """Characters that a text may have: all of the line, or half of it among other items.

        Args:
            opened: how many of the open entries are the one that the text is for.
        """
        return max(_MIN_TEXT, self._room // 2) if len(self._open) > opened else self._room

    def text(self, item: Item, depth: int) -> str:
        if not isinstance(item, Ref):
            text = scalar_text(item, self._text_room())
        else:
            entry = self._graph.entries[item.index]
            if entry.kind == ATOM:
                text = atom_text(entry)
            elif entry.kind in (ARRAY, DIGESTED):
                text = self._array(item.index)
            elif not entry.items:
                text = _wrap(entry, "")
            elif item.index in self._open:
                text = _wrap(entry, "…")
            elif depth == 0:
                text = _wrap(entry, _count_text(entry))
            else:
                self._open.add(item.index)
                text = self._record(entry, depth) if entry.kind == RECORD else self._items(item.index, depth)
                self._open.remove(item.index)
                return text
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

    def _items(self, index: int, depth: int) -> str:
        entry = self._graph.entries[index]
        if entry.kind in (MAPPING, ORDERED_MAPPING):
            if index not in self._rows:
                self._rows[index] = natural(entry) if entry.kind == MAPPING else list(pairs(entry.items))
            rows = self._rows[index]
            parts = (f"{self.text(key, depth - 1)}: {self.text(value, depth - 1)}" for key, value in rows)
        else:
            parts = (self.text(item, depth - 1) for item in elements(entry))
        return _wrap(entry, self._join(parts))

    def _record(self, entry: Entry, depth: int) -> str:
        parts = dict(named(entry))
        if entry.label == "method" and parts.keys() >= {".__self__", ".__name__"}:
            return f"{self.text(parts['.__self__'], depth - 1)}.{parts['.__name__']!s}"
        special = _frame_text(self._graph, entry, self._text_room(opened=1))
        if special is not None:
            self._used += len(special)
            return special
        if entry.label in _FROZEN:
            frozen = self._frozen(parts, depth)
            if frozen is not None:
                return frozen
        return _wrap(entry, self._join(filter(None, (self._part(step, value, depth) for step, value in named(entry)))))

    def _frozen(self, parts: dict[str, Item], depth: int) -> str | None:
        """A frozen distribution of scipy as it is made, `gamma(2.0, scale=3)`; None for a family that has no name."""
        family, arguments, keywords = (_entry(self._graph, parts.get(step)) for step in (".dist", ".args", ".kwds"))
        if family is None or family.label != "constant" or arguments is None or keywords is None:
            return None
        if arguments.kind != SEQUENCE or keywords.kind != MAPPING:
            return None
        given = [("", item) for item in arguments.items]
        given += [(f"{key!s}=", value) for key, value in natural(keywords)]
        given += [(f"{step[1:]}=", value) for step, value in parts.items() if step not in (".dist", ".args", ".kwds")]
        shown = (f"{prefix}{self.text(value, depth - 1)}" for prefix, value in given)
        return f"{short_name(atom_text(family))}({self._join(shown)})"

    def _part(self, step: str, value: Item, depth: int) -> str:
        if step in paths.ARGUMENTS and isinstance(value, Ref):
            entry = self._graph.entries[value.index]
            if entry.label == "tuple" and entry.kind == SEQUENCE:
                return self._join(self.text(item, depth - 1) for item in entry.items)
        if step in paths.TRANSPARENT or step in paths.ARGUMENTS:
            return self.text(value, depth - 1)
        return f"{step.removeprefix('.')}={self.text(value, depth - 1)}"


def _wrap(entry: Entry, inner: str) -> str:
    """The items in the brackets of their type."""
    if entry.kind == RECORD:
        return f"{short_name(entry.label)}({inner})"
    if entry.label == "set" and not entry.items:
        return "set()"
    if entry.label == "tuple" and len(entry.items) == 1 and not inner.endswith(" item"):
        inner += ","
    opening, closing = brackets(entry)
    return f"{opening}{inner}{closing}"


def brackets(entry: Entry) -> tuple[str, str]:
    """What stands before and after the items of a compound value."""
    if entry.label in _BRACKETS:
        return _BRACKETS[entry.label][0], _BRACKETS[entry.label][1]
    name = short_name(entry.label)
    if entry.kind == RECORD:
        return f"{name}(", ")"
    return (f"{name}([", "])") if entry.kind == SEQUENCE else (f"{name}({{", "})")


def _count_text(entry: Entry) -> str:
    if entry.kind == RECORD:
        return "…"
    count = len(entry.items) // (2 if entry.kind in (MAPPING, ORDERED_MAPPING) else 1)
    return f"{count} item" if count == 1 else f"{count} items"


def short_name(label: str) -> str:
    """The last part of a type's name."""
    return label.rpartition(":")[2].rpartition(".")[2] or label


def dotted(label: str) -> str:
    """The whole name of a class or function as people write it."""
    module, _, name = label.rpartition(":")
    return name if module in ("", "builtins") else f"{module}.{name}"


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


def atom_text(entry: Entry) -> str:
    """An atom as people write it."""
    scalars: list[Any] = entry.items
    writer = _ATOMS.get(entry.label)
    if writer is not None:
        try:
            return writer(*scalars)
        except (TypeError, ValueError, ArithmeticError, AttributeError):
            pass  # Bytes may hold an atom that no value has; it is shown as any other.
    inner = ", ".join(scalar_text(scalar, _SCALAR_ROOM) for scalar in scalars)
    return f"{short_name(entry.label)}({inner})"


def array_text(entry: Entry, room: int = 60, detail: int = 0) -> str:
    """An array by shape and dtype, and as much more as `detail` says; a long text by its beginning and its length."""
    header = array_header(entry)
    content = entry.items[-1]
    if header.label in TEXT_LABELS:
        if entry.kind == DIGESTED or not isinstance(content, bytes):
            return f"{header.label}({header.count:,} bytes)"
        if header.label == "bytes":
            return _cut(content, header.count, "bytes", room)
        text = content.decode("utf-8", "replace")
        return _cut(text, len(text), "characters", room)
    name = "array" if header.label == "numpy.ndarray" else short_name(header.label)
    parts = [f"{shape_text(header.shape)} {header.dtype}"]
    if detail == WHOLE and entry.kind == ARRAY and header.count <= _SHOWN_ELEMENTS and isinstance(content, bytes):
        elements_text = ", ".join(element_text(header, content, index) for index in range(header.count))
        return f"{name}({parts[0]}{': ' if elements_text else ''}{elements_text})"
    if detail != _SHAPE:
        parts.extend(filter(None, [range_text(entry)]))
    if detail == WHOLE:
        parts.append(f"sha256 {content_name(entry)}")
    return f"{name}({', '.join(parts)})"


def shape_text(shape: tuple[int, ...]) -> str:
    """`512×512`; for an array without dimensions `0-d`."""
    return "×".join(map(str, shape)) if shape else "0-d"


def frame_size(graph: Graph, entry: Entry) -> str | None:
    """Rows and columns of a frame, `3×6`; None for anything else."""
    columns = _columns(graph, entry)
    if columns is None:
        return None
    index = dict(named(entry)).get(".index")
    rows = _length(graph, columns.items[1]) if columns.items else _length(graph, index)
    return f"{rows}×{len(columns.items) // 2}"


def _columns(graph: Graph, entry: Entry) -> Entry | None:
    """The columns of a frame; None for anything else."""
    if entry.label not in ("pandas.DataFrame", "polars.DataFrame") or entry.kind != RECORD:
        return None
    items = _entry(graph, dict(named(entry)).get("items"))
    return items if items is not None and items.kind in (MAPPING, ORDERED_MAPPING) else None


def _frame_text(graph: Graph, entry: Entry, room: int) -> str | None:
    """Frames by their size and as many names of columns as there is room for, arrays of objects by their size.

    None for other records.
    """
    size = frame_size(graph, entry)
    columns = _columns(graph, entry)
    if size is not None and columns is not None:
        keys = [key for key in columns.items[::2] if not isinstance(key, Ref)]
        names = [(key if isinstance(key, str) else repr(key))[:_NAME] for key in keys[:_SHOWN_COLUMNS]]
        text = f"DataFrame({size})"
        for count in range(1, len(names) + 1):
            longer = f"DataFrame({size}: {', '.join(names[:count])}{', …' if count < len(keys) else ''})"
            if len(longer) <= room:
                text = longer
        return text
    if entry.label == "numpy.ndarray":
        parts = dict(named(entry))
        shape = _entry(graph, parts.get("shape"))
        fields = [step[1:] for step in parts if step.startswith(".")]
        if shape is not None:
            sizes = "×".join(str(size) for size in shape.items) or "0-d"
            return f"array({sizes} {'{' + ', '.join(fields) + '}' if fields else 'object'})"
    return None


def _entry(graph: Graph, item: Item | None) -> Entry | None:
    return graph.entries[item.index] if isinstance(item, Ref) else None


def _length(graph: Graph, item: Item) -> str:
    """The number of rows of a column."""
    for _ in range(3):
        entry = _entry(graph, item)
        if entry is None:
            break
        if entry.kind in (ARRAY, DIGESTED):
            return str(array_header(entry).count)
        if entry.kind == SEQUENCE:
            return str(len(entry.items))
        item = dict(named(entry)).get("items") if entry.kind == RECORD else None
    return "?"


def natural(entry: Entry) -> list[tuple[Item, Item]]:
    """The rows of a mapping in the order in which people look for them: numbers, then texts, then the rest."""
    return sorted(pairs(entry.items), key=lambda row: _rank(row[0]))


def elements(entry: Entry) -> list[Item]:
    """The items of a sequence in their order, those of a set as `natural` has them."""
    return sorted(entry.items, key=_rank) if entry.kind == SET else entry.items


def _rank(item: Item) -> tuple[int, float | int, str]:
    if isinstance(item, int | float):
        return (0, item if item == item else float("inf"), "")
    if isinstance(item, str):
        return (1, 0, item)
    return (2, 0, item[:_NAME].hex() if isinstance(item, bytes) else "")
