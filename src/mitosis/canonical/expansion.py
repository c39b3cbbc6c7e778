"""One step of taking a value apart: what it is, and the Python values that it consists of.

Long texts, and long sequences of scalars, are too much to keep item by item; they become arrays.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import msgpack

from mitosis.canonical import nodes
from mitosis.canonical.content import (
    chunk_elements,
    content_node,
    digest_chunks,
    digested_node,
    join_digests,
    pack_numbers,
    range_of,
)
from mitosis.canonical.names import encodable
from mitosis.canonical.nodes import ArrayHeader, Item, Node, Scalar

LONG_SCALAR: Final = 1024
"""A text or bytes longer than this is a node of its own, like an array of bytes."""

_NOMINAL_SIZE: Final = 8
"""Bytes that an item of a sequence counts for, whatever it is, when the sequence is measured and cut into chunks."""

_INT64: Final = (-(2**63), 2**63 - 1)


@dataclass(slots=True, eq=False)
class Expansion:
    """A node to be, whose items are still Python values; an item may itself be an expansion or a node."""

    kind: int
    label: str
    children: Sequence[object]


Part = Node | Expansion
"""What is a node already, and what has items to be taken apart."""

Handler = Callable[[Any, int], Part]
"""Takes a value apart.

The second argument is how many bytes of content an array may have and still keep it. A handler raises `Refusal` for
a value without a stable meaning; whatever else it raises counts as the value's own fault.
"""


def text_scalar(text: str) -> Scalar:
    """The text, or its bytes if there are lone surrogates in it."""
    return text if encodable(text) else text.encode("utf-8", "surrogatepass")


def atom(label: str, *scalars: Scalar) -> Node:
    """A value that consists of a few scalars."""
    items: list[Item] = [text_scalar(scalar) if type(scalar) is str else scalar for scalar in scalars]
    return Node(nodes.ATOM, label, items)


def sequence(label: str, items: Sequence[object]) -> Expansion:
    """Items in order."""
    return Expansion(nodes.SEQUENCE, label, items)


def unordered(label: str, items: Sequence[object]) -> Expansion:
    """Items without order."""
    return Expansion(nodes.SET, label, items)


def mapping(label: str, rows: Sequence[tuple[object, object]], *, ordered: bool = False) -> Expansion:
    """Keys and values."""
    flat = [item for row in rows for item in row]
    return Expansion(nodes.ORDERED_MAPPING if ordered else nodes.MAPPING, label, flat)


def record(label: str, parts: Mapping[str, object]) -> Expansion:
    """Named parts, in this order."""
    return Expansion(nodes.RECORD, label, [item for row in parts.items() for item in row])


def attributes(values: Mapping[str, object]) -> dict[str, object]:
    """Attributes as parts of a record, by name in alphabetical order."""
    return {f".{name}": values[name] for name in sorted(values)}


def instance_attributes(value: object) -> dict[str, object]:
    """What is stored in an object of a subclass of a builtin type beside the builtin's own content."""
    found: dict[str, object] = dict(getattr(value, "__dict__", None) or {})
    for base in type(value).__mro__:
        slots = vars(base).get("__slots__", ())
        for slot in [slots] if isinstance(slots, str) else slots:
            name = f"_{base.__name__.lstrip('_')}{slot}" if slot.startswith("__") and not slot.endswith("__") else slot
            if slot not in ("__dict__", "__weakref__") and hasattr(value, name):
                found[name] = getattr(value, name)
    return found


def is_short(text: str) -> bool:
    """Whether a text is kept where it stands: few bytes, and allowed in UTF-8."""
    return len(text) <= LONG_SCALAR and (text.isascii() or (encodable(text) and len(text.encode()) <= LONG_SCALAR))


def fits_64_bits(value: int) -> bool:
    """Whether an integer is kept where it stands: it is one of msgpack."""
    return -(2**63) <= value < 2**64


def long_text(value: str | bytes, limit: int) -> Node:
    """A long text or long bytes, or a text that UTF-8 does not allow."""
    label, data = ("str", value.encode("utf-8", "surrogatepass")) if isinstance(value, str) else ("bytes", value)
    header = ArrayHeader(label, "uint8", 1, (len(data),))
    return content_node(header, data, limit)


def packed_sequence(label: str, values: Sequence[Any], limit: int) -> Node | None:
    """Many plain scalars as an array that keeps digests; None for fewer items, or if there are others among them.

    Args:
        label: the type of the sequence.
        values: its items.
        limit: bytes up to which it is kept item by item, each counting for 8.
    """
    if len(values) * _NOMINAL_SIZE <= limit:
        return None
    kinds = set(map(type, values))
    if kinds == {float}:
        return _packed_numbers(label, "float64", values)
    if kinds == {int} and _INT64[0] <= min(values) and max(values) <= _INT64[1]:
        return _packed_numbers(label, "int64", values)
    if kinds <= nodes.SCALARS and all(map(_is_inline, values)):
        return _packed_items(label, values)
    return None


def _packed_numbers(label: str, dtype: str, values: Sequence[int | float]) -> Node:
    header = ArrayHeader(label, dtype, _NOMINAL_SIZE, (len(values),))
    low, high = range_of(values)
    return digested_node(header, low, high, digest_chunks(header, pack_numbers(dtype, values)))


def _packed_items(label: str, values: Sequence[Any]) -> Node:
    """Scalars of several types, or texts: a chunk is the msgpack array of its items."""
    header = ArrayHeader(label, "items", _NOMINAL_SIZE, (len(values),))
    pack = msgpack.Packer().pack
    step = chunk_elements(header)
    chunks = (
        pack([nodes.NAN if value != value else value for value in values[start : start + step]])
        for start in range(0, len(values), step)
    )
    return digested_node(header, None, None, join_digests(chunks))


def _is_inline(value: Any) -> bool:
    kind = type(value)
    if kind is str:
        return is_short(value)
    if kind is int:
        return fits_64_bits(value)
    return kind is not bytes or len(value) <= LONG_SCALAR
