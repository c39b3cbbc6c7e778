"""The content of arrays and long texts: its bytes, its chunks, and its elements without numpy.

Content is little-endian, in C order, without padding, every nan of floats being the same nan. It is kept whole up to
a limit; beyond it is kept as digests of chunks, which still tell where two contents differ.
"""

from __future__ import annotations

import array
import hashlib
import math
import re
import struct
import sys
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any, Final, cast

from mitosis.canonical.nodes import ARRAY, DIGESTED, ArrayHeader, Node, Scalar, array_header

TEXT_LABELS: Final = ("bytes", "str")
"""Labels of long scalars that are kept as arrays of bytes; a text is its UTF-8, lone surrogates passing through."""

DIGEST_SIZE: Final = 20
"""Bytes of one chunk's digest: SHA-256, truncated."""

_CHUNK_BYTES: Final = 2**16
_MAX_CHUNKS: Final = 256

_CODES: Final = {
    "bool": "?",
    "int8": "b",
    "int16": "h",
    "int32": "i",
    "int64": "q",
    "uint8": "B",
    "uint16": "H",
    "uint32": "I",
    "uint64": "Q",
    "float16": "e",
    "float32": "f",
    "float64": "d",
    "complex64": "ff",
    "complex128": "dd",
}
"""How `struct` reads one element."""

_TIME: Final = re.compile(r"(datetime64|timedelta64)(?:\[([1-9]\d{0,9})?([a-zA-Z]{1,2})\])?", re.ASCII)
_WIDTH: Final = re.compile(r"(str|bytes|void)([0-9]{1,10})")
_TIME_UNITS_NS: Final = {
    **{unit: seconds * 10**9 for unit, seconds in {"W": 604800, "D": 86400, "h": 3600, "m": 60, "s": 1}.items()},
    "ms": 10**6,
    "us": 10**3,
    "ns": 1,
}
_NOT_A_TIME: Final = -(2**63)


def has_range(dtype: str) -> bool:
    """Whether minimum and maximum are kept of arrays of this dtype: integers and floats."""
    return dtype.startswith(("int", "uint", "float")) and dtype in _CODES


def item_size(dtype: str, size_bytes: int) -> int:
    """The bytes that an element of this dtype has; `size_bytes`, what is claimed, where the name does not tell."""
    if dtype in _CODES:
        return struct.calcsize("<" + _CODES[dtype])
    if _TIME.fullmatch(dtype):
        return 8
    width = _WIDTH.fullmatch(dtype)
    if width:
        return int(width[2]) * (4 if width[1] == "str" else 1)
    return size_bytes


def chunk_count(header: ArrayHeader) -> int:
    """The number of chunks, each of `chunk_elements` elements, the last perhaps shorter."""
    return -(-header.count // chunk_elements(header))


def chunk_elements(header: ArrayHeader) -> int:
    """Elements of one chunk: as many as fit in the smallest power of two of bytes that gives at most 256 chunks."""
    size = _CHUNK_BYTES
    while size * _MAX_CHUNKS < header.size_bytes:
        size *= 2
    return max(1, size // max(1, header.item_size))


def join_digests(chunks: Iterable[bytes | memoryview]) -> bytes:
    """The digests of the chunks of one content, which follow each other, joined."""
    return b"".join(hashlib.sha256(chunk).digest()[:DIGEST_SIZE] for chunk in chunks)


def digest_chunks(header: ArrayHeader, content: bytes) -> bytes:
    """The digests of all chunks, joined."""
    step = chunk_elements(header) * header.item_size
    view = memoryview(content)
    return join_digests(view[start : start + step] for start in range(0, len(content), step)) if step else b""


def chunk_digests(node: Node) -> bytes:
    """The joined digests of an array's chunks, whichever way the node keeps the content."""
    last = cast(bytes, node.items[-1])
    return last if node.kind == DIGESTED else digest_chunks(array_header(node), last)


def content_name(node: Node) -> str:
    """A short name of an array's content: equal contents have equal names, however they are kept."""
    return hashlib.sha256(chunk_digests(node)).hexdigest()[:12]


def value_range(node: Node) -> tuple[Scalar, Scalar]:
    """Minimum and maximum of an array, nan aside; None where there is none."""
    if node.kind == DIGESTED:
        low, high = cast("list[Scalar]", node.items[-3:-1])
        return low, high
    return _range_of_content(node)


def array_node(header: ArrayHeader, content: bytes) -> Node:
    """The node of an array that keeps its content."""
    return Node(ARRAY, header.label, [*header.items(), content])


def content_node(header: ArrayHeader, content: bytes, limit: int) -> Node:
    """The node of an array that keeps its content up to `limit` bytes, and digests of more."""
    node = array_node(header, content)
    return node if len(content) <= limit else without_content(node)


def digested_node(header: ArrayHeader, low: Scalar, high: Scalar, digests: bytes) -> Node:
    """The node of an array that keeps the digests of its chunks instead of the content."""
    return Node(DIGESTED, header.label, [*header.items(), low, high, digests])


def without_content(node: Node) -> Node:
    """The node of the same array that keeps digests instead of the content."""
    header = array_header(node)
    low, high = _range_of_content(node)
    return digested_node(header, low, high, chunk_digests(node))


def normal_zero(number: Scalar) -> Scalar:
    """`number`, with zero for negative zero, since which of two zeros is the smaller depends on the machine."""
    return number + 0.0 if isinstance(number, float) else number


def numbers(dtype: str, content: bytes | memoryview) -> Sequence[int | float]:
    """The elements of integers or floats.

    Args:
        dtype: one for which `has_range` holds.
        content: little-endian elements.
    """
    code = _CODES[dtype]
    if code == "e":
        return struct.unpack(f"<{len(content) // 2}e", content)
    values: array.array[Any] = array.array(code)
    values.frombytes(content)
    if sys.byteorder == "big":
        values.byteswap()
    return values


def pack_numbers(dtype: str, values: Iterable[int | float]) -> bytes:
    """The content of `int64` or `float64` elements; nans come out as the one nan."""
    packed: array.array[Any] = array.array(_CODES[dtype], values)
    if dtype == "float64" and any(map(math.isnan, packed)):
        packed = array.array("d", [math.nan if math.isnan(value) else value for value in packed])
    if sys.byteorder == "big":
        packed.byteswap()
    return packed.tobytes()


def range_of(values: Sequence[int | float]) -> tuple[Scalar, Scalar]:
    """Minimum and maximum, nan aside; None where there is none."""
    if not values:
        return None, None
    if isinstance(values[0], float):
        values = [value for value in values if value == value]
        if not values:
            return None, None
    return normal_zero(min(values)), normal_zero(max(values))


def _range_of_content(node: Node) -> tuple[Scalar, Scalar]:
    header = array_header(node)
    if not has_range(header.dtype) or header.label in TEXT_LABELS:
        return None, None
    return range_of(numbers(header.dtype, cast(bytes, node.items[-1])))


def range_text(node: Node) -> str | None:
    """Minimum and maximum of an array as text, nan aside; None where there is none, or it is not known."""
    header = array_header(node)
    if header.label in TEXT_LABELS:
        return None
    low, high = value_range(node)
    if isinstance(low, int | float) and isinstance(high, int | float):
        return f"{number_text(header.dtype, low)} to {number_text(header.dtype, high)}"
    time = _TIME.fullmatch(header.dtype)
    content = node.items[-1]
    if time is None or node.kind == DIGESTED or not isinstance(content, bytes):
        return None
    counts = [count for count in numbers("int64", content) if count != _NOT_A_TIME]
    if not counts:
        return None
    ends = (time_text(time[1], int(count), int(time[2] or 1), time[3] or "") for count in (min(counts), max(counts)))
    return " to ".join(ends)


def element_text(header: ArrayHeader, content: bytes, index: int) -> str:
    """The element at the flat `index`, as text."""
    raw = content[index * header.item_size : (index + 1) * header.item_size]
    code = _CODES.get(header.dtype)
    if code is not None:
        values = struct.unpack("<" + code, raw)
        return repr(complex(*values)) if len(values) == 2 else number_text(header.dtype, values[0])
    time = _TIME.fullmatch(header.dtype)
    if time:
        return time_text(time[1], int.from_bytes(raw, "little", signed=True), int(time[2] or 1), time[3] or "")
    if header.dtype.endswith("bfloat16") and len(raw) == 2:
        # The upper half of a float32.
        return number_text("float64", float(f"{struct.unpack('<f', bytes(2) + raw)[0]:.4g}"))
    if header.dtype.startswith("str"):
        return repr(raw.decode("utf-32-le", "replace").rstrip("\0"))
    if header.dtype.startswith("bytes"):
        return repr(raw.rstrip(b"\0"))
    return f"0x{raw.hex()}"


TENSORS: Final = {"torch.Tensor": "tensor", "torch.nn.Parameter": "Parameter", "jax.Array": "Array"}
"""Labels of tensors, and what they are called where their library prints them."""

_UNSAID: Final = ("float32", "int64", "bool", "complex64")
"""The dtypes that torch does not print, since they are what numbers have unasked."""


def tensor_elements(label: str, array: Node) -> str:
    """The elements of a tensor that keeps them, and its dtype, about as its library prints them."""
    header, content = array_header(array), cast(bytes, array.items[-1])
    texts = [element_text(header, content, index) for index in range(header.count)]
    texts = [text.removesuffix("0") if text.endswith(".0") else text for text in texts]
    for size in reversed(header.shape):
        texts = [f"[{', '.join(texts[start : start + size])}]" for start in range(0, len(texts), max(1, size))]
    text = texts[0] if texts else "[]"
    if label == "jax.Array":
        return f"{text}, dtype={header.dtype.removeprefix('ml_dtypes.')}"
    return text if header.dtype in _UNSAID else f"{text}, dtype=torch.{header.dtype}"


def time_text(family: str, count: int, step: int, unit: str) -> str:
    """A count of numpy's time units as text: a date for `datetime64` where the calendar has it."""
    if count == _NOT_A_TIME:
        return "NaT"
    count *= step
    if family == "datetime64":
        if unit in _TIME_UNITS_NS:
            whole, nanoseconds = divmod(count * _TIME_UNITS_NS[unit], 10**9)
            try:
                moment = datetime(1970, 1, 1) + timedelta(seconds=whole)
            except OverflowError:
                return f"{count} {unit}"
            text = str(moment.date()) if unit in "DW" else moment.isoformat()
            return f"{text}.{nanoseconds:09d}".rstrip("0") if nanoseconds else text
        if unit == "Y":
            return str(1970 + count)
        if unit == "M":
            return f"{1970 + count // 12}-{count % 12 + 1:02d}"
    return f"{count} {unit}".rstrip()


def number_text(dtype: str, value: int | float | bool) -> str:
    """A number as numpy shows one of this dtype."""
    if dtype in ("float16", "float32") and math.isfinite(value):
        # The shortest text that reads back as the same element, as numpy shows it.
        for digits in range(1, 10):
            text = f"{value:.{digits}g}"
            if _round(dtype, float(text)) == value:
                return repr(float(text))
    return repr(value)


def _round(dtype: str, value: float) -> float:
    code = _CODES[dtype]
    try:
        rounded: float = struct.unpack("<" + code, struct.pack("<" + code, value))[0]
    except OverflowError:
        return math.inf
    return rounded


def differing(header: ArrayHeader, before: bytes, after: bytes, limit: int) -> tuple[int, list[int]]:
    """How many elements differ between two contents under one header, and the flat indices of the first `limit`."""
    size = header.item_size
    count = 0
    first: list[int] = []
    block = max(1, 4096 // size)
    for start in range(0, header.count, block):
        stop = min(start + block, header.count)
        if before[start * size : stop * size] == after[start * size : stop * size]:
            continue
        for index in range(start, stop):
            if before[index * size : (index + 1) * size] != after[index * size : (index + 1) * size]:
                count += 1
                if len(first) < limit:
                    first.append(index)
    return count, first


def unravel(index: int, shape: tuple[int, ...]) -> list[int]:
    """The index in each dimension of the element at a flat index, in C order."""
    position = []
    for size in reversed(shape):
        index, rest = divmod(index, size)
        position.append(rest)
    return position[::-1]
