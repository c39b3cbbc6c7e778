"""The canonical bytes of a value, and the digest that names them."""

from __future__ import annotations

import hashlib
from typing import Final

from mitosis.canonical.cycles import TooTangled
from mitosis.canonical.order import canonical
from mitosis.canonical.walk import INLINE_TOTAL, build, compact
from mitosis.canonical.wire import MAX_BYTES, write
from mitosis.errors.values import UnstableValue

DIGEST_DIGITS: Final = 40


def encode_value(value: object) -> bytes:
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


def digest_value(data: bytes) -> str:
    """The name of a canonical value: 40 hexadecimal digits of the SHA-256 of its bytes."""
    return hashlib.sha256(data).hexdigest()[:DIGEST_DIGITS]
