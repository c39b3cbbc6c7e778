"""Long texts and long sequences of scalars: what a value holds too much of to keep item by item."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from mitosis.canonical.content import (
    array_entry,
    chunk_elements,
    digest_chunks,
    digested_entry,
    join_digests,
    pack_numbers,
    range_of,
)
from mitosis.canonical.graph import NAN, ArrayHeader, Entry
from mitosis.canonical.names import encodable
from mitosis.canonical.wire import packer, reference_to

LONG_SCALAR: Final = 1024
"""A text or bytes longer than this is an entry of its own, like an array of bytes."""

_NOMINAL_SIZE: Final = 8
"""Bytes that an item of a sequence counts for, whatever it is, when the sequence is measured and cut into chunks."""

_SCALARS: Final = frozenset((type(None), bool, int, float, str, bytes))
_INT64: Final = (-(2**63), 2**63 - 1)


def is_short(text: str) -> bool:
    """Whether a text is kept where it stands: few bytes, and allowed in UTF-8."""
    return len(text) <= LONG_SCALAR and (text.isascii() or (encodable(text) and len(text.encode()) <= LONG_SCALAR))


def fits_64_bits(value: int) -> bool:
    """Whether an integer is kept where it stands: it is one of msgpack."""
    return -(2**63) <= value < 2**64


def long_text(value: str | bytes, limit: int) -> Entry:
    """A long text or long bytes, or a text that UTF-8 does not allow."""
    label, data = ("str", value.encode("utf-8", "surrogatepass")) if isinstance(value, str) else ("bytes", value)
    header = ArrayHeader(label, "uint8", 1, (len(data),))
    if len(data) <= limit:
        return array_entry(header, data)
    return digested_entry(header, None, None, digest_chunks(header, data))


def packed_sequence(label: str, values: Sequence[Any], limit: int) -> Entry | None:
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
    if kinds <= _SCALARS and all(map(_is_inline, values)):
        return _packed_items(label, values)
    return None


def _packed_numbers(label: str, dtype: str, values: Sequence[int | float]) -> Entry:
    header = ArrayHeader(label, dtype, _NOMINAL_SIZE, (len(values),))
    low, high = range_of(values)
    return digested_entry(header, low, high, digest_chunks(header, pack_numbers(dtype, values)))


def _packed_items(label: str, values: Sequence[Any]) -> Entry:
    """Scalars of several types, or texts: a chunk is the msgpack array of its items."""
    header = ArrayHeader(label, "items", _NOMINAL_SIZE, (len(values),))
    pack = packer(lambda ref: reference_to(ref.index))
    step = chunk_elements(header)
    chunks = (
        pack([NAN if value != value else value for value in values[start : start + step]])
        for start in range(0, len(values), step)
    )
    return digested_entry(header, None, None, join_digests(chunks))


def _is_inline(value: Any) -> bool:
    kind = type(value)
    if kind is str:
        return is_short(value)
    if kind is int:
        return fits_64_bits(value)
    return kind is not bytes or len(value) <= LONG_SCALAR
