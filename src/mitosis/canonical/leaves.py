"""What differs between two leaves whose short texts do not tell it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, cast

from mitosis.canonical.content import (
    DIGEST_SIZE,
    TEXT_LABELS,
    chunk_digests,
    chunk_elements,
    differing,
    element_text,
    unravel,
)
from mitosis.canonical.names import dotted, short_name
from mitosis.canonical.nodes import ARRAY, ARRAYS, ArrayHeader, Item, Node, array_header
from mitosis.canonical.show import array_text, brief
from mitosis.text import one_line

_SHOWN: Final = 3
"""Elements or ranges of an array that are named."""

_CONTEXT: Final = 12
"""Characters shown on each side of the place where two texts part."""


@dataclass(frozen=True, slots=True)
class Detail:
    """What differs between two leaves, where their short texts do not say it."""

    text: str
    is_place: bool = False
    """Whether it says where in an array or a text they part."""


def detail_of(before: Item, after: Item) -> Detail | None:
    """What differs between two leaves; None where their short texts say so themselves."""
    left = before if isinstance(before, Node) else None
    right = after if isinstance(after, Node) else None
    if left is not None and right is not None and left.kind in ARRAYS and right.kind in ARRAYS:
        detail = _array_detail(left, right)
        if detail is not None:
            return detail
    left_text, right_text = brief(before), brief(after)
    if isinstance(before, str | bytes) and type(before) is type(after) and _same_beginning(left_text, right_text):
        return _text_detail(before, after)
    if left_text != right_text:
        return None
    if left is None or right is None:
        return Detail(f"{_type_text(before)} → {_type_text(after)}")
    if left.label != right.label:
        return Detail(f"{dotted(left.label)} → {dotted(right.label)}")
    return Detail(f"another {short_name(left.label)}, which looks the same")


def _same_beginning(left: str, right: str) -> bool:
    """Whether two short texts, both cut, show nothing of what differs but perhaps a length."""
    if "…" not in left or "…" not in right:
        return False
    before, after = left.partition("…")[0], right.partition("…")[0]
    return before.startswith(after) or after.startswith(before)


def _type_text(item: Item) -> str:
    return dotted(item.label) if isinstance(item, Node) else type(item).__name__


def _text_detail(before: str | bytes, after: str | bytes) -> Detail:
    """Where two texts part."""
    at = _first_difference(before, after)
    start = max(0, at - _CONTEXT)
    left, right = before[start : at + _CONTEXT], after[start : at + _CONTEXT]
    unit = "byte" if isinstance(before, bytes) else "character"
    return Detail(one_line(f"differs from {unit} {at}: …{left!r} → …{right!r}"), is_place=True)


def _first_difference(before: str | bytes, after: str | bytes) -> int:
    """How much two texts have in common, found by halving, since comparing slices is quick."""
    low, high = 0, min(len(before), len(after))
    while low < high:
        middle = (low + high + 1) // 2
        if before[low:middle] == after[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low


def _array_detail(left: Node, right: Node) -> Detail | None:
    before, after = array_header(left), array_header(right)
    old, new = left.items[-1], right.items[-1]
    whole = left.kind == ARRAY and right.kind == ARRAY and isinstance(old, bytes) and isinstance(new, bytes)
    if before.label in TEXT_LABELS:
        if whole and before.label == after.label:
            if before.label == "str":
                return _text_detail(_decoded(old), _decoded(new))
            return _text_detail(cast(bytes, old), cast(bytes, new))
        if before.label == after.label and before.count == after.count:
            ranges = _ranges(before, left, right, "bytes")
            return Detail(f"{before.label}({before.count} bytes) differs in {ranges}", is_place=True)
        return None
    if before != after:
        return None
    name = one_line(array_text(left))
    if whole:
        elements = _elements(before, cast(bytes, old), cast(bytes, new))
    else:
        elements = _ranges(before, left, right, "elements")
    return Detail(f"{name} differs in {elements}", is_place=True)


def _decoded(content: object) -> str:
    return cast(bytes, content).decode("utf-8", "surrogatepass")


def _elements(header: ArrayHeader, old: bytes, new: bytes) -> str:
    count, first = differing(header, old, new, _SHOWN)
    shown = [
        f"{unravel(at, header.shape)}: {one_line(element_text(header, old, at))}"
        f" → {one_line(element_text(header, new, at))}"
        for at in first
    ]
    more = ", …" if count > len(first) else ""
    return f"{count} element{'' if count == 1 else 's'}: {', '.join(shown)}{more}"


def _ranges(header: ArrayHeader, left: Node, right: Node, unit: str) -> str:
    """The chunks that differ, neighbours joined, as ranges of flat indices."""
    old, new, step = chunk_digests(left), chunk_digests(right), chunk_elements(header)
    spans: list[list[int]] = []
    for at in range(0, len(old), DIGEST_SIZE):
        if old[at : at + DIGEST_SIZE] != new[at : at + DIGEST_SIZE]:
            start = at // DIGEST_SIZE * step
            stop = min(start + step, header.count)
            if spans and spans[-1][1] == start:
                spans[-1][1] = stop
            else:
                spans.append([start, stop])
    shown = ", ".join(f"{_place(header, start)} to {_place(header, stop - 1)}" for start, stop in spans[:_SHOWN])
    return f"{unit} {shown}{', …' if len(spans) > _SHOWN else ''}"


def _place(header: ArrayHeader, index: int) -> str:
    return str(unravel(index, header.shape)) if len(header.shape) > 1 else str(index)
