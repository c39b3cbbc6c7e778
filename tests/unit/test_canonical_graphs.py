"""Shared parts, cycles and depth: equality is what values unfold to, and nothing recurses."""

from __future__ import annotations

import random
import sys
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mitosis.canonical import cycles, difference
from mitosis.canonical.decode import decode_value, encode_node
from mitosis.canonical.difference import compare_values
from mitosis.canonical.encode import encode_value
from mitosis.canonical.full_text import render_value
from mitosis.canonical.graph import MAPPING, ORDERED_MAPPING, RECORD, SEQUENCE, SET, Entry, Graph, Ref
from mitosis.canonical.order import canonical
from mitosis.canonical.show import summarize_value
from mitosis.canonical.wire import write
from mitosis.errors.journal import BadRecord
from mitosis.errors.values import UnstableValue
from support import canonical_samples as samples

SLOW = settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])

# --- random graphs --------------------------------------------------------------------------------

COUNT = 6


@st.composite
def entries(draw: st.DrawFn) -> Entry:
    kind = draw(st.sampled_from([SEQUENCE, SET, MAPPING, ORDERED_MAPPING, RECORD]))
    item = st.one_of(st.integers(0, COUNT - 1).map(Ref), st.integers(0, COUNT - 1).map(Ref), st.integers(0, 1))
    size = draw(st.integers(0, 3))
    if kind in (SEQUENCE, SET):
        return Entry(kind, "x", [draw(item) for _ in range(size)])
    if kind == RECORD:
        return Entry(kind, "x", [part for name in "abc"[:size] for part in (f".{name}", draw(item))])
    return Entry(kind, "x", [draw(item) for _ in range(2 * size)])


tables = st.lists(entries(), min_size=COUNT, max_size=COUNT)


def classes(table: Sequence[Entry]) -> list[int]:
    """The class of each entry, by splitting until nothing splits: the definition, in its simplest form."""
    found = [0] * len(table)
    while True:
        signatures = []
        for entry in table:
            parts: list[Any] = [("ref", found[i.index]) if isinstance(i, Ref) else ("scalar", i) for i in entry.items]
            if entry.kind == SET:
                parts.sort()
            elif entry.kind == MAPPING:
                parts = sorted(zip(parts[::2], parts[1::2], strict=True))
            signatures.append((entry.kind, tuple(parts)))
        numbers = {signature: at for at, signature in enumerate(dict.fromkeys(signatures))}
        following = [numbers[signature] for signature in signatures]
        if len(set(following)) == len(set(found)):
            return following
        found = following


def bytes_of(table: Sequence[Entry], root: int) -> bytes:
    return write(canonical(Graph(list(table), Ref(root))))


@SLOW
@given(tables)
def test_entries_are_equal_exactly_when_they_unfold_alike(table: list[Entry]) -> None:
    encoded = [bytes_of(table, index) for index in range(COUNT)]
    expected = classes(table)
    for one in range(COUNT):
        for other in range(one):
            assert (encoded[one] == encoded[other]) == (expected[one] == expected[other])


@SLOW
@given(tables, st.randoms(use_true_random=False))
def test_sharing_order_and_unrolling_make_no_difference(table: list[Entry], rng: random.Random) -> None:
    before = bytes_of(table, 0)
    # Two copies of every entry in another order; each reference leads to either of them.
    places = rng.sample(range(2 * COUNT), 2 * COUNT)
    doubled: list[Entry] = [None] * (2 * COUNT)  # type: ignore[list-item]
    for index, entry in enumerate(table):
        for half in (0, 1):
            items = [Ref(places[i.index + COUNT * rng.randrange(2)]) if isinstance(i, Ref) else i for i in entry.items]
            if entry.kind == SET:
                rng.shuffle(items)
            if entry.kind == MAPPING:
                rows = list(zip(items[::2], items[1::2], strict=True))
                rng.shuffle(rows)
                items = [item for row in rows for item in row]
            doubled[places[index + COUNT * half]] = Entry(entry.kind, entry.label, items)
    assert bytes_of(doubled, places[rng.choice([0, COUNT])]) == before


@SLOW
@given(tables, tables)
def test_graphs_are_read_compared_and_shown(one: list[Entry], other: list[Entry]) -> None:
    before, after = bytes_of(one, 0), bytes_of(other, 0)
    node = decode_value(before)
    assert encode_node(node) == before
    for child in node.children:
        assert encode_node(decode_value(encode_node(child))) == encode_node(child)
    comparison = compare_values(before, after)
    assert (comparison.differences == ()) == (before == after)
    assert len(summarize_value(before)) <= 60
    assert render_value(before)


# --- shared parts ---------------------------------------------------------------------------------


def doubled(leaf: Any, levels: int) -> Any:
    value = leaf
    for _ in range(levels):
        value = [value, value]
    return value


def test_value_that_shares_its_parts_many_levels_deep_is_as_small_as_it_is() -> None:
    value = doubled(1, 60)
    data = encode_value(value)
    assert len(data) < 1000
    copied = doubled(1, 30)
    for _ in range(30):
        copied = [copied, [*copied]]
    assert encode_value(copied) == data
    assert encode_node(decode_value(data)) == data
    assert len(summarize_value(data)) <= 60
    assert render_value(data).endswith("…")


def test_comparison_of_shared_parts_counts_what_it_does_not_list() -> None:
    comparison = compare_values(encode_value([doubled(1, 60), 5]), encode_value([doubled(2, 60), 5]))
    assert len(comparison.differences) == 1000
    assert comparison.more == 2**60 - 1000
    assert comparison.same == 1
    (difference,) = compare_values(encode_value([doubled(1, 60), 5]), encode_value([doubled(1, 60), 6])).differences
    assert str(difference) == "[1]: 5 → 6"


def test_counts_of_leaves_have_a_limit() -> None:
    data = encode_value([doubled(1, 5000), 1])
    assert compare_values(data, encode_value([doubled(1, 5000), 2])).same == 2**62


# --- cycles ---------------------------------------------------------------------------------------


def tangled(size: int) -> list[Any]:
    """Objects each of which knows all others: as many paths as there are orders of them."""
    found = [samples.Plain(at=at) for at in range(size)]
    for one in found:
        one.__dict__["others"] = found
    return found


def linked(size: int, *, closed: bool = False) -> samples.Plain:
    """A doubly linked list."""
    found = [samples.Plain(value=0) for _ in range(size)]
    for at, one in enumerate(found):
        one.__dict__["before"] = found[at - 1] if at or closed else None
        one.__dict__["after"] = found[(at + 1) % size] if at + 1 < size or closed else None
    return found[0]


def test_objects_that_all_know_each_other_are_encoded_in_proportion() -> None:
    assert encode_value(tangled(300)) == encode_value(tangled(300))
    changed = tangled(300)
    changed[200].__dict__["at"] = -1
    differences = compare_values(encode_value(tangled(300)), encode_value(changed)).differences
    assert "[200].at: 200 → -1" in map(str, differences)


def test_doubly_linked_lists_differ_by_length_unless_they_are_rings() -> None:
    assert encode_value(linked(2000)) != encode_value(linked(2001))
    assert encode_value(linked(2000, closed=True)) == encode_value(linked(3, closed=True))


def test_cycles_through_keys_and_sets_are_ordered() -> None:
    def network(order: int) -> dict[Any, Any]:
        nodes = [samples.Keyed(at) for at in range(6)][::order]
        graph = {node: {other for other in nodes if (other.value + node.value) % 3} for node in nodes}
        for node in nodes:
            node.__dict__["graph"] = graph
        return graph

    data = encode_value(network(1))
    assert encode_value(network(-1)) == data
    assert encode_node(decode_value(data)) == data
    assert compare_values(data, encode_value(network(-1))).differences == ()


def test_tangle_of_keys_that_would_take_too_long_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    def chain(size: int) -> set[samples.Keyed]:
        nodes = [samples.Keyed() for _ in range(size)]
        for at, node in enumerate(nodes):
            node.value = (nodes[at - 1] if at else None, nodes[at + 1] if at + 1 < size else None)
        return set(nodes)

    data = encode_value(chain(40))
    assert encode_value(chain(40)) == data
    monkeypatch.setattr(cycles, "MAX_WORK", 1000)
    with pytest.raises(UnstableValue, match="too many sets and keys"):
        encode_value(chain(40))
    with pytest.raises(BadRecord, match="too tangled"):
        decode_value(data)


def test_cycles_of_different_lengths_are_compared_in_bounded_time(monkeypatch: pytest.MonkeyPatch) -> None:
    def ring(size: int) -> samples.Plain:
        found = [samples.Plain(at=at) for at in range(size)]
        for at, one in enumerate(found):
            one.__dict__["next"] = found[(at + 1) % size]
        return found[0]

    monkeypatch.setattr(difference, "MAX_PAIRS", 5000)
    comparison = compare_values(encode_value(ring(997)), encode_value(ring(991)))
    assert "next.next" in comparison.differences[0].path
    assert 1000 <= comparison.more + len(comparison.differences) <= 5000


def test_cycle_is_shown_as_one() -> None:
    value: dict[str, Any] = {"a": 1}
    value["self"] = value
    assert render_value(encode_value(value)) == "{\n  'a': 1,\n  'self': <the value 1 level up>,\n}"
    assert summarize_value(encode_value(value)) == "{'a': 1, 'self': {…}}"


def test_walk_through_a_cycle_goes_on_for_ever() -> None:
    value: list[Any] = []
    value.append(value)
    node = decode_value(encode_value(value))
    for _ in range(100):
        (node,) = node.children
    assert encode_node(node) == encode_value(value)


# --- depth ----------------------------------------------------------------------------------------

DEPTH = 10_000


def nest(wrap: Callable[[Any], Any], leaf: Any) -> Any:
    value = leaf
    for _ in range(DEPTH):
        value = wrap(value)
    return value


WRAPS: dict[str, Callable[[Any], Any]] = {
    "list": lambda inner: [inner],
    "object": lambda inner: samples.Plain(a=inner),
    "key": lambda inner: {samples.Keyed(inner): 1},
    "cycle": lambda inner: ring_around(inner),
}


def ring_around(inner: Any) -> list[Any]:
    value = [inner]
    value.append(value)
    return value


def in_small_stack(work: Callable[[], None]) -> None:
    """Run with little room for recursion, of Python or of C."""
    failures: list[BaseException] = []

    def guarded() -> None:
        limit = sys.getrecursionlimit()
        sys.setrecursionlimit(200)
        try:
            work()
        except BaseException as error:
            failures.append(error)
        finally:
            sys.setrecursionlimit(limit)

    previous = threading.stack_size(256 * 1024)
    try:
        thread = threading.Thread(target=guarded)
        thread.start()
        thread.join()
    finally:
        threading.stack_size(previous)
    if failures:
        raise failures[0]


@pytest.mark.parametrize("name", WRAPS)
def test_deep_nesting_is_encoded_read_compared_and_shown(name: str) -> None:
    value, other = nest(WRAPS[name], 1), nest(WRAPS[name], 2)

    def work() -> None:
        data, changed = encode_value(value), encode_value(other)
        node = decode_value(data)
        assert encode_node(node) == data
        assert compare_values(data, changed).differences
        assert len(summarize_value(data)) <= 60
        assert render_value(data)

    started = time.process_time()
    in_small_stack(work)
    assert time.process_time() - started < 30


def test_deep_difference_has_a_bounded_path() -> None:
    (difference,) = compare_values(
        encode_value(nest(WRAPS["list"], 1)), encode_value(nest(WRAPS["list"], 2))
    ).differences
    assert difference.path == "[0]" * 166 + "[0…0]" + "[0]" * 166
    assert difference.text == "1 → 2"


def test_unstable_part_deep_inside_is_refused() -> None:
    with pytest.raises(UnstableValue, match="a lambda"):
        encode_value(nest(WRAPS["list"], samples.nameless))


def test_text_of_deep_values_does_not_grow_with_the_square_of_the_depth() -> None:
    assert len(render_value(encode_value(nest(WRAPS["list"], 1)))) < DEPTH * 250
