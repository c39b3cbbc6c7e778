"""Locked values on a line."""

from __future__ import annotations

from mitosis.canonical.show import summarize_value
from mitosis.errors.base import MitosisError

_VALUE_WIDTH = 60


def value_summary(value: bytes) -> str:
    """A canonical value as a short text; why not where it cannot be read."""
    try:
        return summarize_value(value, limit=_VALUE_WIDTH)
    except MitosisError as error:
        return f"cannot be read: {error}"
