"""Where a part is inside a value, as text: `scale`, `kernel[3]`, `solver.tol`, `""` for the value itself."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

_MAX_LENGTH: Final = 1000

TRANSPARENT: Final = frozenset(("items", "mapping", "value", "array"))
"""Steps of records that are not part of a path: what they lead to is what the record is about."""

ARGUMENTS: Final = frozenset(("()", "new()", "**"))
"""Steps of records that lead to what the object was made with."""


def index_step(index: int) -> str:
    """The step to an item of a sequence."""
    return f"[{index}]"


def element_step(text: str) -> str:
    """The step to an element of a set, which has no place, only a value."""
    return f"{{{text}}}"


def key_step(key: object, text: str) -> str:
    """The step to a mapping's value: `.tol` for a key that could be a name, else `[text]`."""
    return f".{key}" if type(key) is str and key.isidentifier() else f"[{text}]"


def record_step(step: str) -> str:
    """The step to a part of an object."""
    if step.startswith("."):
        return step if step[1:].isidentifier() else f"[{step[1:]!r}]"
    if step in TRANSPARENT:
        return ""
    if step in ARGUMENTS:
        return "()"
    return f"<{step}>" if step.isprintable() else f"<{step!r}>"


def join(steps: Iterable[str]) -> str:
    """The path of the steps, its middle left out when it is very long."""
    path = "".join(steps).removeprefix(".")
    if len(path) > _MAX_LENGTH:
        half = _MAX_LENGTH // 2
        path = f"{path[:half]}…{path[-half:]}"
    return path
