"""Frames, and arrays of objects, by their size, for people."""

from __future__ import annotations

from typing import Final

from mitosis.canonical import nodes
from mitosis.canonical.nodes import Back, Item, Node, array_header

_SHOWN_COLUMNS: Final = 8
_NAME: Final = 30


def frame_size(node: Node) -> str | None:
    """Rows and columns of a frame, `3×6`; None for anything else."""
    columns = _columns(node)
    if columns is None:
        return None
    rows = _length(columns.items[1] if columns.items else node.parts.get(".index"))
    return f"{rows}×{len(columns.items) // 2}"


def _columns(node: Node) -> Node | None:
    """The columns of a frame; None for anything else."""
    if node.label not in ("pandas.DataFrame", "polars.DataFrame") or node.kind != nodes.RECORD:
        return None
    items = node.parts.get("items")
    return items if isinstance(items, Node) and items.kind in nodes.MAPPINGS else None


def frame_text(node: Node, room: int) -> str | None:
    """Frames by their size and as many names of columns as there is room for, arrays of objects by their size.

    None for other records.
    """
    size, columns = frame_size(node), _columns(node)
    if size is not None and columns is not None:
        keys = [key for key in columns.items[::2] if not isinstance(key, Node | Back)]
        names = [(key if isinstance(key, str) else repr(key))[:_NAME] for key in keys[:_SHOWN_COLUMNS]]
        text = f"DataFrame({size})"
        for count in range(1, len(names) + 1):
            longer = f"DataFrame({size}: {', '.join(names[:count])}{', …' if count < len(keys) else ''})"
            if len(longer) <= room:
                text = longer
        return text
    if node.label == "numpy.ndarray":
        shape = node.parts.get("shape")
        fields = [step[1:] for step in node.parts if step.startswith(".")]
        if isinstance(shape, Node):
            sizes = "×".join(str(size) for size in shape.items) or "0-d"
            return f"array({sizes} {'{' + ', '.join(fields) + '}' if fields else 'object'})"
    return None


def _length(item: Item) -> str:
    """The number of rows of a column."""
    for _ in range(3):
        if not isinstance(item, Node):
            break
        if item.kind in nodes.ARRAYS:
            return str(array_header(item).count)
        if item.kind == nodes.SEQUENCE:
            return str(len(item.items))
        item = item.parts.get("items") if item.kind == nodes.RECORD else None
    return "?"
