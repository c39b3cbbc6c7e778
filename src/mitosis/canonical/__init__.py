"""Canonical values: what a lock compares.

`encode` turns a Python value into bytes that are equal for equal values in any process on any machine; what has no
meaning that lasts is refused. The other functions read such bytes back as something that can be shown and compared.
They run nothing and import nothing, so they are safe on bytes that somebody else wrote.

What counts as equal for each type, and the format itself, are in the reference page `values`.
"""

from __future__ import annotations

import hashlib

from mitosis.canonical.cycles import TooTangled
from mitosis.canonical.difference import Comparison, Difference, compare
from mitosis.canonical.full_text import render
from mitosis.canonical.nodes import Node, decode, encode_node
from mitosis.canonical.order import canonical
from mitosis.canonical.show import summary
from mitosis.canonical.sources import changed_functions, source_digests
from mitosis.canonical.walk import INLINE_LIMIT, INLINE_TOTAL, build, compact
from mitosis.canonical.wire import FORMAT, MAX_BYTES, write
from mitosis.errors.values import UnstableValue

__all__ = [
    "DIGEST_DIGITS",
    "FORMAT",
    "INLINE_LIMIT",
    "INLINE_TOTAL",
    "MAX_BYTES",
    "Comparison",
    "Difference",
    "Node",
    "changed_functions",
    "compare",
    "decode",
    "digest",
    "encode",
    "encode_node",
    "render",
    "source_digests",
    "summary",
]

DIGEST_DIGITS = 40


def encode(value: object) -> bytes:
    """The canonical bytes of a value.

    Raises:
        UnstableValue: it, or a part of it, has no stable meaning, or it is too large.
    """
    graph, crowded = build(value)
    try:
        if not crowded:
            data = write(canonical(graph))
            if len(data) <= INLINE_TOTAL:
                return data
        data = write(canonical(compact(graph)))
    except TooTangled as error:
        raise UnstableValue("", "its cycles lead through too many sets and keys to bring into order") from error
    if len(data) > MAX_BYTES:
        raise UnstableValue("", f"its canonical form would have {len(data):,} bytes, more than {MAX_BYTES:,}")
    return data


def digest(data: bytes) -> str:
    """The name of a canonical value: 40 hexadecimal digits of the SHA-256 of its bytes."""
    return hashlib.sha256(data).hexdigest()[:DIGEST_DIGITS]
