"""A canonical value in full, line by line, so that an ordinary diff of two of them says what changed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from mitosis.canonical import paths
from mitosis.canonical.content import TEXT_LABELS, content_name
from mitosis.canonical.graph import (
    ARRAY,
    ATOM,
    DIGESTED,
    MAPPING,
    ORDERED_MAPPING,
    RECORD,
    Entry,
    Graph,
    Item,
    Ref,
    array_header,
    named,
    pairs,
)
from mitosis.canonical.show import WHOLE, array_text, brackets, brief, elements, frame_size, natural, printable
from mitosis.canonical.wire import read

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
        BadRecord: it is no canonical value.
    """
    graph = read(data)
    lines: list[str] = []
    for line in _lines(graph):
        if len(lines) == _MAX_LINES:
            lines.append("…")
            break
        lines.append(line)
    return "\n".join(lines)


class _Level:
    """A compound value of which some lines are written."""

    def __init__(self, index: int, closing: str, parts: Iterator[tuple[str, Item]]) -> None:
        self.index = index
        self.closing = closing
        self.parts = parts


def _lines(graph: Graph) -> Iterator[str]:
    levels: list[_Level] = []
    depth_of: dict[int, int] = {}
    waiting: tuple[str, Item] | None = ("", graph.root)
    while True:
        indent = "  " * min(len(levels), _MAX_INDENT)
        end = "," if levels else ""
        if waiting is not None:
            prefix, item = waiting
            waiting = None
            if isinstance(item, Ref) and item.index in depth_of:
                above = len(levels) - depth_of[item.index]
                yield f"{indent}{prefix}<the value {above} level{'' if above == 1 else 's'} up>{end}"
            elif isinstance(item, Ref) and not _fits(graph, item, prefix):
                entry = graph.entries[item.index]
                opening, closing = brackets(entry)
                size = frame_size(graph, entry)
                if size is not None:
                    opening += f"{size}:"
                opening, closing = printable(opening[-_LEAF:]), printable(closing)
                yield indent + prefix + opening
                depth_of[item.index] = len(levels)
                levels.append(_Level(item.index, closing, _parts(graph, entry)))
            else:
                yield f"{indent}{prefix}{_leaf(graph, item)}{end}"
        elif not levels:
            return
        else:
            waiting = next(levels[-1].parts, None)
            if waiting is None:
                done = levels.pop()
                del depth_of[done.index]
                yield f"{'  ' * min(len(levels), _MAX_INDENT)}{done.closing}{',' if levels else ''}"


def _fits(graph: Graph, ref: Ref, prefix: str) -> bool:
    """Whether an entry stands on one line, with nothing of it left out."""
    entry = graph.entries[ref.index]
    if entry.kind in (ATOM, ARRAY, DIGESTED) or not entry.items:
        return True
    return _is_flat(graph, entry) and len(prefix) + len(brief(graph, ref, _LEAF)) <= _LINE


def _is_flat(graph: Graph, entry: Entry) -> bool:
    """Whether it holds nothing but scalars and atoms, or compound values of these, and few of them."""
    if len(entry.items) > _LINE:
        return False
    entries = [graph.entries[item.index] for item in entry.items if isinstance(item, Ref)]
    return all(
        part.kind == ATOM or (part.kind not in (ARRAY, DIGESTED) and Ref not in set(map(type, part.items)))
        for part in entries
    )


def _parts(graph: Graph, entry: Entry) -> Iterator[tuple[str, Item]]:
    """What stands before each item of a compound value, and the item."""
    if entry.kind in (MAPPING, ORDERED_MAPPING):
        rows = natural(entry) if entry.kind == MAPPING else pairs(entry.items)
        return ((f"{brief(graph, key, _KEY)}: ", value) for key, value in rows)
    if entry.kind == RECORD:
        return ((_part_prefix(step), value) for step, value in named(entry))
    return (("", item) for item in elements(entry))


def _part_prefix(step: str) -> str:
    if step in paths.TRANSPARENT or step in paths.ARGUMENTS:
        return ""
    return f"{printable(step.removeprefix('.')[:_KEY])}="


def _leaf(graph: Graph, item: Item) -> str:
    entry = graph.entries[item.index] if isinstance(item, Ref) else None
    if entry is None or entry.kind not in (ARRAY, DIGESTED):
        return brief(graph, item, _LEAF)
    return printable(array_in_full(entry)[: 2 * _LEAF])


def array_in_full(entry: Entry) -> str:
    """An array by shape, dtype and all elements if these are few, else their range and a digest."""
    if array_header(entry).label in TEXT_LABELS:
        text = array_text(entry, _LEAF)
        return f"{text[:-1]}, sha256 {content_name(entry)})" if text.endswith(")") else text
    return array_text(entry, _LEAF, WHOLE)
