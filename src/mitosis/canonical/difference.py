"""What differs between two canonical values, named leaf by leaf."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, NamedTuple, cast

from mitosis.canonical import nodes
from mitosis.canonical.content import (
    DIGEST_SIZE,
    TEXT_LABELS,
    chunk_digests,
    chunk_elements,
    differing,
    element_text,
    unravel,
)
from mitosis.canonical.decode import decode_value
from mitosis.canonical.names import dotted, short_name
from mitosis.canonical.nodes import (
    ArrayHeader,
    Item,
    Node,
    are_same,
    array_header,
    element_step,
    index_step,
    join_steps,
    key_step,
    record_step,
    sort_key,
)
from mitosis.canonical.show import array_text, brief, elements, rows_for_people
from mitosis.text import one_line

MAX_DIFFERENCES: Final = 1000
"""Differences that are named; more are counted."""

MAX_PAIRS: Final = 1_000_000
"""Pairs of nodes that are compared part by part. Beyond this number a pair of different ones is one difference."""

_COUNT_LIMIT: Final = 2**62
"""Counts go no further: the leaves of a value that shares its parts can be more than there are atoms."""

_SHOWN: Final = 3
"""Elements or ranges of an array that are named."""

_CONTEXT: Final = 12
"""Characters shown on each side of the place where two texts part."""


@dataclass(frozen=True, slots=True)
class Difference:
    """One part in which two values differ. `str` gives all of it, such as `scale: 0.01 → 0.05`."""

    path: str
    """Where it is, such as `solver.tol` or `kernel[3]`; empty for the value itself."""
    before: str | None
    """The part as a short text; None when it was added."""
    after: str | None
    """The part as a short text; None when it was removed."""
    detail: str | None = None
    """What differs in it, where the two texts do not say that."""
    shows_place: bool = False
    """Whether `detail` says where in an array or a text that is."""

    @property
    def text(self) -> str:
        """What happened, without the path."""
        if self.before is None:
            return f"added: {self.after}"
        if self.after is None:
            return "removed"
        return f"{self.before} → {self.after}" if self.detail is None else self.detail

    def __str__(self) -> str:
        return f"{self.path}: {self.text}" if self.path else self.text


@dataclass(frozen=True, slots=True)
class Comparison:
    """What two values have in common and what not."""

    differences: tuple[Difference, ...]
    same: int
    """The number of leaves that are equal: scalars, arrays, empty containers."""
    more: int = 0
    """Differences beyond those that are listed."""


def compare_values(before: bytes, after: bytes) -> Comparison:
    """The differences between two canonical values; none if and only if their bytes are equal.

    Raises:
        FormatTooNew: a newer mitosis wrote one of them.
        BadRecord: one of them is not a canonical value.
    """
    old = decode_value(before)
    new = old if before == after else decode_value(after)
    comparer = _Comparer()
    root = _Pair(old, new, nodes.SEQUENCE, (0, 0))
    same, different = comparer.count(root)
    if different:
        comparer.name_differences(root, [])
    found = comparer.differences
    if not found and before != after:
        # Equal content that one keeps whole and the other as digests: never made by one version of `encode_value`.
        text = brief(old)
        found.append(Difference("", text, text, "the same value, recorded in another form"))
    return Comparison(tuple(found), same, max(0, different - len(found)))


class _Absent:
    """Stands for a part that one of the values does not have."""


_ABSENT: Final = _Absent()

_Place = Item | _Absent


class _Pair(NamedTuple):
    """Two parts that belong together, one of them perhaps absent."""

    before: _Place
    after: _Place
    kind: int
    """Of the values that they are parts of."""
    where: Item | tuple[int, int]
    """The index of both in sequences, the key in mappings, the step in records, the element itself in sets."""

    @property
    def step(self) -> str:
        """The step of a path that leads to the parts."""
        if isinstance(self.where, tuple):
            return index_step(self.where[0] if isinstance(self.after, _Absent) else self.where[1])
        if self.kind == nodes.RECORD:
            return record_step(str(self.where))
        if self.kind == nodes.SET:
            return element_step(brief(self.where))
        return key_step(self.where, brief(self.where))


_Detail = tuple[str, bool]
"""What differs between two leaves, and whether that says where in an array or a text they part."""

_Counts = tuple[int, int]
"""Leaves that are the same, and differences."""


class _Comparer:
    """Compares two values, each pair of nodes once, wherever it is met."""

    def __init__(self) -> None:
        self.differences: list[Difference] = []
        self._counts: dict[tuple[int, int], _Counts] = {}
        self._leaves: dict[int, int] = {}

    def count(self, pair: _Pair) -> _Counts:
        """What is the same and what differs in a pair."""
        before, after = pair.before, pair.after
        if isinstance(before, _Absent) or isinstance(after, _Absent):
            return 0, 1
        if are_same(before, after):
            return self._leaf_count(before), 0
        if not (isinstance(before, Node) and isinstance(after, Node)):
            return 0, 1
        if before.kind in nodes.ARRAYS and after.kind in nodes.ARRAYS and array_header(before) == array_header(after):
            return (1, 0) if chunk_digests(before) == chunk_digests(after) else (0, 1)
        if not _have_parts_alike(before, after):
            return 0, 1
        key = (id(before), id(after))
        if key not in self._counts:
            if len(self._counts) >= MAX_PAIRS:
                return 0, 1
            counts = [self.count(part) for part in _aligned(before, after)]
            same = sum(one for one, _ in counts)
            different = sum(one for _, one in counts) + _is_reordered(before, after)
            self._counts[key] = min(same, _COUNT_LIMIT), min(different, _COUNT_LIMIT)
        return self._counts[key]

    def _leaf_count(self, item: Item) -> int:
        """Leaves of an item: scalars but for keys, atoms, arrays, empty containers."""
        if not isinstance(item, Node) or item.is_leaf or not item.items:
            return 1
        if id(item) not in self._leaves:
            count = sum([self._leaf_count(part) for part in item.values])
            self._leaves[id(item)] = min(count, _COUNT_LIMIT)
        return self._leaves[id(item)]

    def name_differences(self, pair: _Pair, steps: list[str]) -> None:
        """Name the differences below a pair that has some, in the order of their paths, until there are enough."""
        before, after = pair.before, pair.after
        if not (isinstance(before, Node) and isinstance(after, Node) and _have_parts_alike(before, after)):
            self._name(pair, join_steps(steps))
            return
        if _is_reordered(before, after):
            text = "the same keys in a different order"
            self.differences.append(Difference(join_steps(steps), brief(before), brief(after), text))
        for part in _aligned(before, after):
            if len(self.differences) >= MAX_DIFFERENCES:
                return
            if self.count(part)[1]:
                self.name_differences(part, [*steps, part.step])

    def _name(self, pair: _Pair, path: str) -> None:
        before, after = pair.before, pair.after
        if isinstance(before, _Absent):
            assert not isinstance(after, _Absent)
            found = Difference(path, None, brief(after, detailed=True))
        elif isinstance(after, _Absent):
            found = Difference(path, brief(before), None)
        else:
            found = Difference(path, brief(before), brief(after), *(_detail_of(before, after) or ()))
        self.differences.append(found)


def _have_parts_alike(before: Node, after: Node) -> bool:
    """Whether two nodes are of one type whose parts can be compared one by one."""
    return before.kind == after.kind and before.label == after.label and not before.is_leaf


def _aligned(before: Node, after: Node) -> Iterator[_Pair]:
    """The parts of two compound values of one kind and label, side by side."""
    if before.kind == nodes.SEQUENCE:
        return _aligned_sequences(before.items, after.items)
    return _aligned_by_key(before, after)


def _aligned_sequences(old: list[Item], new: list[Item]) -> Iterator[_Pair]:
    """By index; when one is longer, by index from the end as well, so that what was put in between is found."""
    start = end = 0
    shorter = min(len(old), len(new))
    if len(old) != len(new):
        while start < shorter and are_same(old[start], new[start]):
            start += 1
        while end < shorter - start and are_same(old[-1 - end], new[-1 - end]):
            end += 1
    old_stop, new_stop = len(old) - end, len(new) - end
    for at in range(max(old_stop, new_stop)):
        left: _Place = old[at] if at < old_stop else _ABSENT
        right: _Place = new[at] if at < new_stop else _ABSENT
        yield _Pair(left, right, nodes.SEQUENCE, (at, at))
    for at in range(end):
        yield _Pair(old[old_stop + at], new[new_stop + at], nodes.SEQUENCE, (old_stop + at, new_stop + at))


def _aligned_by_key(before: Node, after: Node) -> Iterator[_Pair]:
    """By key, step or element; the same key may be there more than once."""
    rows = _rows(after)
    places: dict[bytes, list[int]] = defaultdict(list)
    for at in reversed(range(len(rows))):
        places[sort_key(rows[at][0])].append(at)
    left = set(range(len(rows)))
    for key, value in _rows(before):
        found = places[sort_key(key)]
        if found:
            left.remove(found[-1])
            yield _Pair(value, rows[found.pop()][1], before.kind, key)
        else:
            yield _Pair(value, _ABSENT, before.kind, key)
    for at in sorted(left):
        yield _Pair(_ABSENT, rows[at][1], before.kind, rows[at][0])


def _rows(node: Node) -> list[tuple[Item, Item]]:
    """Keys and values, of a set each element twice, in the order in which people read them."""
    return [(item, item) for item in elements(node)] if node.kind == nodes.SET else rows_for_people(node)


def _is_reordered(before: Node, after: Node) -> bool:
    """Whether keys or steps that both have stand in another order, where order counts."""
    if before.kind not in (nodes.ORDERED_MAPPING, nodes.RECORD):
        return False
    old, new = list(map(sort_key, before.items[::2])), list(map(sort_key, after.items[::2]))
    shared = set(old) & set(new)
    return [key for key in old if key in shared] != [key for key in new if key in shared]


# --- leaves ---------------------------------------------------------------------------------------


def _detail_of(before: Item, after: Item) -> _Detail | None:
    """What differs between two leaves; None where their short texts say so themselves."""
    left = before if isinstance(before, Node) else None
    right = after if isinstance(after, Node) else None
    if left is not None and right is not None and left.kind in nodes.ARRAYS and right.kind in nodes.ARRAYS:
        detail = _array_detail(left, right)
        if detail is not None:
            return detail
    left_text, right_text = brief(before), brief(after)
    if isinstance(before, str | bytes) and type(before) is type(after) and _same_beginning(left_text, right_text):
        return _text_detail(before, after)
    if left_text != right_text:
        return None
    if left is None or right is None:
        return f"{_type_text(before)} → {_type_text(after)}", False
    if left.label != right.label:
        return f"{dotted(left.label)} → {dotted(right.label)}", False
    return f"another {short_name(left.label)}, which looks the same", False


def _same_beginning(left: str, right: str) -> bool:
    """Whether two short texts, both cut, show nothing of what differs but perhaps a length."""
    if "…" not in left or "…" not in right:
        return False
    before, after = left.partition("…")[0], right.partition("…")[0]
    return before.startswith(after) or after.startswith(before)


def _type_text(item: Item) -> str:
    return dotted(item.label) if isinstance(item, Node) else type(item).__name__


def _text_detail(before: str | bytes, after: str | bytes) -> _Detail:
    """Where two texts part."""
    at = _first_difference(before, after)
    start = max(0, at - _CONTEXT)
    left, right = before[start : at + _CONTEXT], after[start : at + _CONTEXT]
    unit = "byte" if isinstance(before, bytes) else "character"
    return one_line(f"differs from {unit} {at}: …{left!r} → …{right!r}"), True


def _first_difference(before: str | bytes, after: str | bytes) -> int:
    """How much two texts have in common, found by halving, since comparing slices is quick."""
    low, high = 0, min(len(before), len(after))
    while low < high:
        middle = (low + high + 1) // 2
        if before[low:middle] == after[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low


def _array_detail(left: Node, right: Node) -> _Detail | None:
    header, other = array_header(left), array_header(right)
    old, new = cast(bytes, left.items[-1]), cast(bytes, right.items[-1])
    is_whole = left.kind == nodes.ARRAY and right.kind == nodes.ARRAY
    is_text = header.label in TEXT_LABELS
    if is_text and is_whole and header.label == other.label:
        if header.label == "bytes":
            return _text_detail(old, new)
        return _text_detail(old.decode("utf-8", "surrogatepass"), new.decode("utf-8", "surrogatepass"))
    if header != other:
        return None
    if is_text:
        return f"{header.label}({header.count} bytes) differs in {_ranges(header, left, right, 'bytes')}", True
    where = _elements(header, old, new) if is_whole else _ranges(header, left, right, "elements")
    return f"{one_line(array_text(left))} differs in {where}", True


def _elements(header: ArrayHeader, old: bytes, new: bytes) -> str:
    count, first = differing(header, old, new, _SHOWN)
    shown = [
        f"{unravel(at, header.shape)}: {one_line(element_text(header, old, at))}"
        f" → {one_line(element_text(header, new, at))}"
        for at in first
    ]
    more = ", …" if count > len(first) else ""
    return f"{count} element{'' if count == 1 else 's'}: {', '.join(shown)}{more}"


def _ranges(header: ArrayHeader, left: Node, right: Node, unit: str) -> str:
    """The chunks that differ, neighbours joined, as ranges of flat indices."""
    old, new, step = chunk_digests(left), chunk_digests(right), chunk_elements(header)
    spans: list[list[int]] = []
    for at in range(0, len(old), DIGEST_SIZE):
        if old[at : at + DIGEST_SIZE] != new[at : at + DIGEST_SIZE]:
            start = at // DIGEST_SIZE * step
            stop = min(start + step, header.count)
            if spans and spans[-1][1] == start:
                spans[-1][1] = stop
            else:
                spans.append([start, stop])
    shown = ", ".join(f"{_place(header, start)} to {_place(header, stop - 1)}" for start, stop in spans[:_SHOWN])
    return f"{unit} {shown}{', …' if len(spans) > _SHOWN else ''}"


def _place(header: ArrayHeader, index: int) -> str:
    return str(unravel(index, header.shape)) if len(header.shape) > 1 else str(index)
