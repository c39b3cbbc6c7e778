"""Shared parts, values that contain themselves, and deep ones."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mitosis.canonical import difference, encode
from mitosis.canonical.decode import decode_value
from mitosis.canonical.difference import compare_values
from mitosis.canonical.encode import encode_value
from mitosis.canonical.full_text import render_value
from mitosis.canonical.nodes import MAX_DEPTH, write
from mitosis.canonical.show import summarize_value
from mitosis.errors.journal import BadRecord
from mitosis.errors.values import UnstableValue
from support import canonical_samples as samples

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
    assert write(decode_value(data)) == data
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
    data = encode_value([doubled(1, 100), 1])
    assert compare_values(data, encode_value([doubled(1, 100), 2])).same == 2**62


def test_pairs_that_are_compared_have_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(difference, "MAX_PAIRS", 50)
    before, after = ([[at, [at + start]] for at in range(100)] for start in (0, 1000))
    comparison = compare_values(encode_value(before), encode_value(after))
    assert len(comparison.differences) == 100


# --- values that contain themselves ---------------------------------------------------------------

links = st.lists(st.tuples(st.sampled_from(["list", "dict", "object", "set"]), st.lists(st.integers(0, 4), max_size=3)))


def network(plan: list[tuple[str, list[int]]]) -> Any:
    """Containers that hold each other as the plan says."""
    made: list[Any] = [
        {"list": list, "dict": dict, "object": samples.Plain, "set": samples.Keyed}[kind]() for kind, _ in plan
    ]
    for container, (kind, targets) in zip(made, plan, strict=True):
        parts = [made[at] if at < len(made) else at for at in targets]
        if kind == "list":
            container.extend(parts)
        elif kind == "dict":
            container.update(enumerate(parts))
        elif kind == "object":
            container.__dict__.update({f"a{at}": part for at, part in enumerate(parts)})
        else:
            container.value = {samples.Keyed(part) for part in parts}
    return made


@given(links, links)
def test_networks_are_encoded_alike_read_compared_and_shown(one: Any, other: Any) -> None:
    before, after = encode_value(network(one)), encode_value(network(other))
    assert encode_value(network(one)) == before
    assert write(decode_value(before)) == before
    comparison = compare_values(before, after)
    assert (comparison.differences == ()) == (before == after)
    assert len(summarize_value(before)) <= 60
    assert render_value(before)


def test_value_that_contains_itself_says_how_many_levels_up() -> None:
    value: dict[str, Any] = {"a": 1}
    value["self"] = value
    data = encode_value(value)
    assert msgpack.unpackb(data)[2:] == [[3, "dict", "a", 1, "self", msgpack.ExtType(3, b"\1")]]
    assert render_value(data) == "{\n  'a': 1,\n  'self': <the value 1 level up>,\n}"
    assert summarize_value(data) == "{'a': 1, 'self': {…}}"
    twice: dict[str, Any] = {"a": 1, "self": {"a": 1}}
    twice["self"]["self"] = twice
    assert list(map(str, compare_values(data, encode_value(twice)).differences)) == ["self: … → {'a': 1, 'self': …}"]


def test_copy_of_a_value_that_contains_itself_is_equal_wherever_it_stands() -> None:
    def tree() -> samples.Plain:
        root = samples.Plain(parent=None)
        root.__dict__["children"] = [samples.Plain(parent=root, at=at) for at in range(3)]
        return root

    one = tree()
    assert encode_value([one, one]) == encode_value([tree(), tree()])
    assert write(decode_value(encode_value([one])).values[0]) == encode_value(one)  # type: ignore[union-attr]


def test_sets_and_keys_of_a_network_are_in_one_order() -> None:
    def graph(order: int) -> dict[Any, Any]:
        nodes = [samples.Keyed(at) for at in range(4)][::order]
        found = {node: {other for other in nodes if (other.value + node.value) % 3} for node in nodes}
        for node in nodes:
            node.__dict__["graph"] = found
        return found

    data = encode_value(graph(1))
    assert encode_value(graph(-1)) == data
    assert write(decode_value(data)) == data


def test_network_with_too_many_ways_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(encode, "MAX_CYCLIC", 1000)
    found = [samples.Plain(at=at) for at in range(12)]
    for one in found:
        one.__dict__["others"] = [other for other in found if other is not one]
    with pytest.raises(UnstableValue, match="1,000 paths through parts that refer back") as caught:
        encode_value({"agents": found})
    assert caught.value.path.startswith("agents[0].others[0].others[1]")


# --- depth ----------------------------------------------------------------------------------------


def nest(wrap: Callable[[Any], Any], leaf: Any, levels: int = MAX_DEPTH) -> Any:
    value = leaf
    for _ in range(levels):
        value = wrap(value)
    return value


def ring_around(inner: Any) -> list[Any]:
    value = [inner]
    value.append(value)
    return value


WRAPS: dict[str, Callable[[Any], Any]] = {
    "list": lambda inner: [inner],
    "object": lambda inner: samples.Plain(a=inner),
    "set": lambda inner: samples.Keyed(frozenset({inner})),
    "cycle": ring_around,
}


def frames_up() -> int:
    frame, count = sys._getframe(), 0
    while frame.f_back is not None:
        frame, count = frame.f_back, count + 1
    return count


@pytest.mark.parametrize("name", WRAPS)
def test_values_of_200_levels_leave_half_of_the_stack_to_others(name: str) -> None:
    levels = MAX_DEPTH // 2 if name == "set" else MAX_DEPTH
    value, other = nest(WRAPS[name], 1, levels), nest(WRAPS[name], 2, levels)
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(frames_up() + 500)
    try:
        data, changed = encode_value(value), encode_value(other)
        assert write(decode_value(data)) == data
        assert compare_values(data, changed).differences
        assert len(summarize_value(data)) <= 60
        assert render_value(data)
    finally:
        sys.setrecursionlimit(limit)
    with pytest.raises(UnstableValue, match="nested more than 200 levels deep; pass"):
        encode_value(WRAPS[name](value))


def test_refusal_of_a_deep_value_names_the_place_and_a_remedy() -> None:
    value = {"a": nest(WRAPS["list"], 1)}
    with pytest.raises(UnstableValue) as caught:
        encode_value(value)
    assert caught.value.path == "a" + "[0]" * 199
    assert caught.value.reason.endswith("; pass a flatter one, or what it is made from")


def test_shared_parts_count_at_every_place() -> None:
    half = nest(WRAPS["list"], 1, MAX_DEPTH // 2)
    with pytest.raises(UnstableValue, match="200 levels"):
        encode_value([half, nest(WRAPS["list"], half, MAX_DEPTH // 2)])


def test_caller_without_room_gets_a_refusal() -> None:
    value = nest(WRAPS["list"], 1)
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(frames_up() + 50)
    try:
        with pytest.raises(UnstableValue):
            encode_value(value)
    finally:
        sys.setrecursionlimit(limit)


def test_deep_difference_has_a_bounded_path() -> None:
    one, other = (encode_value(nest(lambda inner: {"a_long_key": inner}, leaf)) for leaf in (1, 2))
    (difference,) = compare_values(one, other).differences
    assert len(difference.path) == 1001
    assert "…" in difference.path
    assert difference.text == "1 → 2"


# --- bytes of somebody else -----------------------------------------------------------------------


def reference(index: int) -> msgpack.ExtType:
    return msgpack.ExtType(1, bytes([index // 256, index % 256] if index > 255 else [index]))


def table(*entries: list[Any]) -> bytes:
    data: bytes = msgpack.packb([1, reference(0), *entries])
    return data


BAD: dict[str, bytes] = {
    "a reference to what holds it": table([1, "list", reference(1)], [1, "list", reference(0)]),
    "a reference to itself": table([1, "list", reference(0)]),
    "201 levels": table(*([1, "list", reference(at + 1)] for at in range(200)), [1, "list"]),
    "201 levels along shared parts": table(
        *([1, "list", reference(min(at + 2, 250)), reference(at + 1)] for at in range(250)), [1, "list"]
    ),
    "what is above the root": table([1, "list", msgpack.ExtType(3, b"\2")]),
    "what is far above the root": table([1, "list", msgpack.ExtType(3, b"\xff" * 5)]),
    "itself no level up": table([1, "list", msgpack.ExtType(3, b"\0")]),
    "a level in two bytes": table([1, "list", msgpack.ExtType(3, b"\0\1")]),
    "a root above itself": msgpack.packb([1, msgpack.ExtType(3, b"\1")]),
}


@pytest.mark.parametrize("data", BAD.values(), ids=BAD.keys())
def test_bytes_that_lead_nowhere_or_on_for_ever_are_refused(data: bytes) -> None:
    with pytest.raises(BadRecord):
        decode_value(data)


def test_bytes_with_as_many_paths_as_can_be_are_read_in_proportion() -> None:
    wide = table(*([1, "list", reference(at + 1), reference(at + 1), at] for at in range(199)), [1, "list"])
    assert write(decode_value(wide)) == wide
    assert compare_values(wide, encode_value(1)).differences
