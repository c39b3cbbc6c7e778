"""Canonical bytes as a tree to look at."""

from __future__ import annotations

from dataclasses import dataclass

from mitosis.canonical.content import content_name
from mitosis.canonical.graph import (
    ARRAY,
    DIGESTED,
    KIND_NAMES,
    MAPPING,
    ORDERED_MAPPING,
    RECORD,
    ArrayHeader,
    Entry,
    Graph,
    Item,
    Ref,
    Scalar,
    array_header,
    named,
    pairs,
)


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Node:
    """A value or a part of one. Where a value contains itself the tree goes on for ever, made as it is looked at.

    Nodes are compared by `encode_node`, which needs no recursion.
    """

    graph: Graph
    item: Item

    @property
    def entry(self) -> Entry | None:
        """The compound value; None for a scalar."""
        return self.graph.entries[self.item.index] if isinstance(self.item, Ref) else None

    @property
    def kind(self) -> str:
        """`scalar`, `atom`, `sequence`, `set`, `mapping`, `ordered mapping`, `record`, `array` or `digested array`."""
        return "scalar" if self.entry is None else KIND_NAMES[self.entry.kind]

    @property
    def label(self) -> str:
        """The value's type: a name of this format such as `list`, or `module:qualified.name` of a class."""
        return type(self.item).__name__ if self.entry is None else self.entry.label

    @property
    def scalars(self) -> tuple[Scalar, ...]:
        """The scalar itself, or those that an atom consists of; empty for anything else."""
        if isinstance(self.item, Ref):
            entry = self.graph.entries[self.item.index]
            return tuple(item for item in entry.items if not isinstance(item, Ref)) if not entry.kind else ()
        return (self.item,)

    @property
    def array(self) -> ArrayHeader | None:
        """What is known of an array; None for anything else."""
        return array_header(self.entry) if self.entry is not None and self.entry.kind in (ARRAY, DIGESTED) else None

    @property
    def content_name(self) -> str | None:
        """A short name of an array's content, equal for equal contents; None for anything else."""
        return content_name(self.entry) if self.entry is not None and self.array is not None else None

    @property
    def children(self) -> tuple[Node, ...]:
        """The items of a sequence or set, the values of a mapping, the parts of a record."""
        entry = self.entry
        if entry is None or self.scalars or self.array is not None:
            return ()
        compound = entry.kind in (MAPPING, ORDERED_MAPPING, RECORD)
        return tuple(Node(self.graph, item) for item in (entry.items[1::2] if compound else entry.items))

    @property
    def keys(self) -> tuple[Node, ...]:
        """The keys of a mapping, in the order of `children`."""
        entry = self.entry
        if entry is None or entry.kind not in (MAPPING, ORDERED_MAPPING):
            return ()
        return tuple(Node(self.graph, key) for key, _ in pairs(entry.items))

    @property
    def steps(self) -> tuple[str, ...]:
        """The names of a record's parts, in the order of `children`; attributes begin with a dot."""
        entry = self.entry
        return tuple(step for step, _ in named(entry)) if entry is not None and entry.kind == RECORD else ()

    def __repr__(self) -> str:
        return f"<Node {self.kind} {self.label}>"
