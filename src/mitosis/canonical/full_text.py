"""A canonical value in full, line by line, so that an ordinary diff of two of them says what changed."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Final

from mitosis.canonical import nodes
from mitosis.canonical.content import TEXT_LABELS, content_name
from mitosis.canonical.decode import read
from mitosis.canonical.frames import frame_size
from mitosis.canonical.nodes import Back, Item, Node, array_header
from mitosis.canonical.show import WHOLE, array_text, brackets, brief, elements, rows_for_people
from mitosis.text import one_line

_LINE: Final = 100
"""Characters up to which a compound value stands on one line."""

_LEAF: Final = 300
"""Characters of one leaf that are shown."""

_KEY: Final = 60
_MAX_LINES: Final = 20_000
_MAX_INDENT: Final = 40
"""Levels of which each is indented; deeper ones are not indented further."""


def render_value(data: bytes) -> str:
    """A canonical value in full, over several lines, without a line end after the last.

    An item has a line of its own unless the whole fits on one. Arrays are shown by shape, dtype, range and a digest
    of the content, the smallest by their elements. At most 20,000 lines are written.

    Raises:
        FormatTooNew: a newer mitosis wrote it.
        BadRecord: it is not a canonical value.
    """
    lines = list(itertools.islice(_lines(read(data)), _MAX_LINES + 1))
    if len(lines) > _MAX_LINES:
        lines[-1] = "…"
    return "\n".join(lines)


def _lines(item: Item, prefix: str = "", level: int = 0) -> Iterator[str]:
    """The lines of an item that is that many levels down and has something before it."""
    indent = "  " * min(level, _MAX_INDENT)
    end = "," if level else ""
    if not isinstance(item, Node) or _fits(item, prefix):
        yield f"{indent}{prefix}{_leaf(item)}{end}"
        return
    opening, closing = brackets(item)
    size = frame_size(item)
    if size is not None:
        opening += f"{size}:"
    yield indent + prefix + one_line(opening[-_LEAF:])
    for before, part in _parts(item):
        yield from _lines(part, before, level + 1)
    yield f"{indent}{one_line(closing)}{end}"


def _fits(node: Node, prefix: str) -> bool:
    """Whether a node stands on one line, with nothing of it left out."""
    if node.is_leaf or not node.items:
        return True
    return _is_flat(node) and len(prefix) + len(brief(node, _LEAF)) <= _LINE


def _is_flat(node: Node) -> bool:
    """Whether it holds nothing but scalars and atoms, or compound values of these, and few of them."""
    if len(node.items) > _LINE or node.reach >= 0:
        return False
    parts = [item for item in node.items if isinstance(item, Node)]
    return all(
        part.kind == nodes.ATOM or (part.kind not in nodes.ARRAYS and part.height == 1 and part.reach < 0)
        for part in parts
    )


def _parts(node: Node) -> Iterator[tuple[str, Item]]:
    """What stands before each item of a compound value, and the item."""
    if node.kind in nodes.MAPPINGS:
        return ((f"{brief(key, _KEY)}: ", value) for key, value in rows_for_people(node))
    if node.kind == nodes.RECORD:
        return ((_part_prefix(step), value) for step, value in node.parts.items())
    return (("", item) for item in elements(node))


def _part_prefix(step: str) -> str:
    if step in nodes.TRANSPARENT or step in nodes.ARGUMENTS:
        return ""
    return f"{one_line(step.removeprefix('.')[:_KEY])}="


def _leaf(item: Item) -> str:
    if isinstance(item, Back):
        return f"<the value {item.levels} level{'' if item.levels == 1 else 's'} up>"
    if not isinstance(item, Node) or item.kind not in nodes.ARRAYS:
        return brief(item, _LEAF)
    return one_line(array_in_full(item)[: 2 * _LEAF])


def array_in_full(array: Node) -> str:
    """An array by shape, dtype and all elements if these are few, else their range and a digest."""
    if array_header(array).label in TEXT_LABELS:
        text = array_text(array, _LEAF)
        return f"{text[:-1]}, sha256 {content_name(array)})" if text.endswith(")") else text
    return array_text(array, _LEAF, WHOLE)
