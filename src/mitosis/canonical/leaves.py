"""The parts of a canonical value that have none themselves, each with its path: `solver.tol`, `kernel[3]`."""

from __future__ import annotations

from collections.abc import Iterator

from mitosis.canonical import nodes
from mitosis.canonical.decode import read
from mitosis.canonical.nodes import Item, Node, index_step, join_steps, key_step, record_step
from mitosis.canonical.show import brief

_TEXT = 200


def iter_leaves(data: bytes) -> Iterator[tuple[str, bool | int | float | str | None]]:
    """The leaves of a canonical value in order, arrays and sets as one: their paths, and a short text of what is no
    number, truth value or text.

    A value without parts is its only leaf, and has an empty path.

    Raises:
        FormatTooNew: a newer mitosis wrote it.
        BadRecord: it is not a canonical value.
    """
    yield from _leaves(read(data), ())


def _leaves(item: Item, steps: tuple[str, ...]) -> Iterator[tuple[str, bool | int | float | str | None]]:
    if item is None or isinstance(item, bool | int | float | str):
        yield join_steps(steps), item
    elif not isinstance(item, Node) or item.is_leaf or item.kind == nodes.SET or not item.items:
        yield join_steps(steps), brief(item, _TEXT)
    elif item.kind == nodes.SEQUENCE:
        for at, part in enumerate(item.items):
            yield from _leaves(part, (*steps, index_step(at)))
    elif item.kind == nodes.RECORD:
        for step, part in item.parts.items():
            yield from _leaves(part, (*steps, record_step(step)))
    else:
        for key, part in item.pairs:
            yield from _leaves(part, (*steps, key_step(key, brief(key))))
