"""What differs between two canonical values, named leaf by leaf."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from mitosis.canonical import paths
from mitosis.canonical.alignment import (
    COUNT_LIMIT,
    Absent,
    Pair,
    Side,
    aligned,
    reordered,
    step_text,
    surely_same,
)
from mitosis.canonical.content import chunk_digests
from mitosis.canonical.decode import read_canonical
from mitosis.canonical.graph import ARRAY, ATOM, DIGESTED, SEQUENCE, Ref, array_header
from mitosis.canonical.leaves import detail_of

MAX_DIFFERENCES: Final = 1000
"""Differences that are named; more are counted."""

MAX_PAIRS: Final = 1_000_000
"""Pairs of compound parts that are compared part by part. Two cycles can have as many pairs as the product of their
lengths; beyond this number a pair that is not known to be equal counts as one difference."""

_MAX_STEPS: Final = 1_000_000
"""Pairs of parts that are visited to list differences: more could be met only in cycles made for that."""

_ARRAYS: Final = (ARRAY, DIGESTED)


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
        BadRecord: one of them is no canonical value.
    """
    old = Side(*read_canonical(before))
    new = old if before == after else Side(*read_canonical(after))
    root = Pair(old.graph.root, new.graph.root, SEQUENCE, (0, 0))
    counter = _Counter(old, new)
    same, different = counter.count(root)
    found = []
    for difference in _differences(old, new, root, counter):
        found.append(difference)
        if len(found) == MAX_DIFFERENCES:
            break
    if not found and before != after:
        # Equal content that one keeps whole and the other as digests: never made by one version of `encode_value`.
        text = old.brief(old.graph.root)
        found.append(Difference("", text, text, "the same value, recorded in another form"))
    return Comparison(tuple(found), same, max(0, different - len(found)))


_Counts = tuple[int, int]
"""Leaves that are the same, and differences."""


class _Counter:
    """Counts what is the same and what differs in pairs of entries, each pair once."""

    def __init__(self, old: Side, new: Side) -> None:
        self._old = old
        self._new = new
        self._known: dict[tuple[int, int], _Counts] = {}

    def known(self, pair: Pair) -> _Counts | None:
        """The counts of a pair that need no look at parts, or were counted before."""
        before, after = pair.before, pair.after
        if isinstance(before, Absent) or isinstance(after, Absent):
            return 0, 1
        if surely_same(self._old, before, self._new, after):
            return self._old.count(before), 0
        if not (isinstance(before, Ref) and isinstance(after, Ref)):
            return 0, 1
        left, right = self._old.entry(before), self._new.entry(after)
        if left.kind in _ARRAYS and right.kind in _ARRAYS and array_header(left) == array_header(right):
            return (1, 0) if chunk_digests(left) == chunk_digests(right) else (0, 1)
        if left.kind != right.kind or left.label != right.label or left.kind in (ATOM, *_ARRAYS):
            return 0, 1
        return self._known.get((before.index, after.index))

    def count(self, root: Pair) -> _Counts:
        """The counts of a pair, those of all pairs of parts having been counted first."""
        stack: list[_Counting] = []
        waiting: Pair | None = root
        while True:
            if waiting is not None:
                counts = self.known(waiting)
                if counts is None and len(self._known) >= MAX_PAIRS:
                    counts = 0, 1
                if counts is None:
                    stack.append(self._open(waiting))
                    waiting = None
                    continue
            if waiting is None:
                waiting = next(stack[-1].pairs, None)
                if waiting is not None:
                    continue
                done = stack.pop()
                counts = self._known[done.key] = (min(done.same, COUNT_LIMIT), min(done.different, COUNT_LIMIT))
            waiting = None
            assert counts is not None
            if not stack:
                return counts
            stack[-1].same += counts[0]
            stack[-1].different += counts[1]

    def _open(self, pair: Pair) -> _Counting:
        assert isinstance(pair.before, Ref) and isinstance(pair.after, Ref)
        left, right = self._old.entry(pair.before), self._new.entry(pair.after)
        key = (pair.before.index, pair.after.index)
        # On the way through a cycle back to this pair nothing new can differ.
        self._known[key] = (0, 0)
        different = 1 if reordered(self._old, left, self._new, right) else 0
        return _Counting(key, aligned(self._old, left, self._new, right), different)


class _Counting:
    """A pair of entries some of whose parts have been counted."""

    __slots__ = ("different", "key", "pairs", "same")

    def __init__(self, key: tuple[int, int], pairs: Iterator[Pair], different: int) -> None:
        self.key = key
        self.pairs = pairs
        self.same = 0
        self.different = different


def _differences(old: Side, new: Side, root: Pair, counter: _Counter) -> Iterator[Difference]:
    """The differences below a pair, in the order of their paths."""
    steps: list[str] = []
    stack: list[tuple[tuple[int, int], Iterator[Pair]]] = []
    on_the_way: set[tuple[int, int]] = set()
    waiting: Pair | None = root
    if not (counter.known(root) or (0, 1))[1]:
        return
    for _ in range(_MAX_STEPS):
        if waiting is None:
            if not stack:
                return
            key, rest = stack[-1]
            waiting = next((pair for pair in rest if (counter.known(pair) or (0, 1))[1]), None)
            if waiting is None:
                stack.pop()
                on_the_way.discard(key)
                if steps:
                    steps.pop()
                continue
            steps.append(step_text(old, new, waiting))
        before, after = waiting.before, waiting.after
        waiting = None
        if isinstance(before, Ref) and isinstance(after, Ref):
            left, right = old.entry(before), new.entry(after)
            if left.kind == right.kind and left.label == right.label and left.kind not in (ATOM, *_ARRAYS):
                key = (before.index, after.index)
                if key in on_the_way:
                    steps.pop()
                    continue
                if reordered(old, left, new, right):
                    text = "the same keys in another order"
                    yield Difference(paths.join(steps), old.brief(before), new.brief(after), text)
                on_the_way.add(key)
                stack.append((key, aligned(old, left, new, right)))
                continue
        path = paths.join(steps)
        if isinstance(before, Absent):
            assert not isinstance(after, Absent)
            yield Difference(path, None, new.brief(after, detailed=True))
        elif isinstance(after, Absent):
            yield Difference(path, old.brief(before), None)
        else:
            detail = detail_of(old, before, new, after)
            texts = old.brief(before), new.brief(after)
            yield Difference(path, *texts) if detail is None else Difference(path, *texts, detail.text, detail.is_place)
        if steps:
            steps.pop()
