"""One step of taking a value apart: what it is, and the Python values that it consists of."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mitosis.canonical.graph import (
    ATOM,
    MAPPING,
    ORDERED_MAPPING,
    RECORD,
    SEQUENCE,
    SET,
    Entry,
    Item,
    Scalar,
)
from mitosis.canonical.names import encodable


@dataclass(slots=True, eq=False)
class Expansion:
    """An entry to be, whose items are still Python values; an item may itself be an expansion or an entry."""

    kind: int
    label: str
    children: Sequence[object]


Part = Entry | Expansion
"""What an entry has no items to be made of it, and what has."""

Handler = Callable[[Any, int], Part]
"""Takes a value apart.

The second argument is how many bytes of content an array may have and still keep it. A handler raises `Refusal` for
a value without a stable meaning; whatever else it raises counts as the value's own fault.
"""


def text_scalar(text: str) -> Scalar:
    """The text, or its bytes if there are lone surrogates in it."""
    return text if encodable(text) else text.encode("utf-8", "surrogatepass")


def atom(label: str, *scalars: Scalar) -> Entry:
    """A value that consists of a few scalars."""
    items: list[Item] = [text_scalar(scalar) if type(scalar) is str else scalar for scalar in scalars]
    return Entry(ATOM, label, items)


def sequence(label: str, items: Sequence[object]) -> Expansion:
    """Items in order."""
    return Expansion(SEQUENCE, label, items)


def unordered(label: str, items: Sequence[object]) -> Expansion:
    """Items without order."""
    return Expansion(SET, label, items)


def mapping(label: str, rows: Sequence[tuple[object, object]], *, ordered: bool = False) -> Expansion:
    """Keys and values."""
    flat = [item for row in rows for item in row]
    return Expansion(ORDERED_MAPPING if ordered else MAPPING, label, flat)


def record(label: str, parts: Mapping[str, object]) -> Expansion:
    """Named parts, in this order."""
    return Expansion(RECORD, label, [item for row in parts.items() for item in row])


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
