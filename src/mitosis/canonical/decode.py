"""Canonical bytes read back as a tree to look at. Nothing is run or imported."""

from __future__ import annotations

from mitosis.canonical.cycles import TooTangled
from mitosis.canonical.graph import Graph, Ref
from mitosis.canonical.nodes import Node
from mitosis.canonical.order import Merged, canonical
from mitosis.canonical.wire import WHERE, read, write
from mitosis.errors.journal import BadRecord


def decode_value(data: bytes) -> Node:
    """The tree that canonical bytes hold. Nothing is run or imported, and time and memory are bounded by the length.

    Raises:
        FormatTooNew: a newer mitosis wrote them.
        BadRecord: they are not what `encode_value` gives for any value.
    """
    graph, _ = read_canonical(data)
    return Node(graph, graph.root)


def encode_node(node: Node) -> bytes:
    """The canonical bytes of a node; for one that `decode_value` returned, what it was given."""
    return write(canonical(Graph(node.graph.entries, node.item)))


def read_canonical(data: bytes) -> tuple[Graph, Merged]:
    """The graph of bytes that are in canonical order, and the digests of its entries; see `decode_value`."""
    graph = read(data)
    # Written again, since msgpack has several forms for one number or text.
    if write(graph) != data:
        raise BadRecord(WHERE, "it is not in canonical form")
    try:
        merged = Merged(graph.entries)
    except TooTangled as error:
        raise BadRecord(WHERE, "its cycles are too tangled") from error
    compound = isinstance(graph.root, Ref) and graph.root.index == 0
    ordered = merged.are_canonical() if compound else not graph.entries
    if not ordered:
        raise BadRecord(WHERE, "it is not in canonical order")
    return graph, merged
