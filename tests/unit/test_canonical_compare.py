"""Differences are named leaf by leaf, in the words that people read."""

from __future__ import annotations

import collections
from typing import Any

import numpy as np
import pytest

from mitosis.canonical.difference import Comparison, Difference, compare_values
from mitosis.canonical.encode import INLINE_LIMIT, encode_value
from mitosis.canonical.nodes import Node, write
from mitosis.canonical.numpy_types import plain_array
from mitosis.errors.journal import BadRecord
from support import canonical_samples as samples


def differences(before: Any, after: Any) -> list[str]:
    return list(map(str, compare_values(encode_value(before), encode_value(after)).differences))


def test_values_of_a_variant_are_compared_as_in_a_refusal() -> None:
    kernel = np.zeros((512, 512))
    before = {"scale": 0.01, "kernel": [1, 2, 3, kernel], "solver": {"tol": 1e-6, "steps": 5}}
    changed = kernel.copy()
    changed[17, 240] = 1e-12
    after = {"scale": 0.05, "kernel": [1, 2, 3, changed], "solver": {"steps": 5}}
    comparison = compare_values(encode_value(before), encode_value(after))
    array = "array(512×512 float64)"
    assert comparison == Comparison(
        (
            Difference("kernel[3]", array, array, f"{array} differs in 1 element: [17, 240]: 0.0 → 1e-12", True),
            Difference("scale", "0.01", "0.05"),
            Difference("solver.tol", "1e-06", None),
        ),
        same=4,
    )
    assert list(map(str, comparison.differences)) == [
        "kernel[3]: array(512×512 float64) differs in 1 element: [17, 240]: 0.0 → 1e-12",
        "scale: 0.01 → 0.05",
        "solver.tol: removed",
    ]


CASES: dict[str, tuple[Any, Any, list[str]]] = {
    "equal": ([1, {"a": 2}], [1, {"a": 2}], []),
    "the value itself": (1, 2, ["1 → 2"]),
    "types": ([1, 1, "1"], [1.0, True, b"1"], ["[0]: 1 → 1.0", "[1]: 1 → True", "[2]: '1' → b'1'"]),
    "types that look the same": ([np.float64(1)], [np.float32(1)], ["[0]: float64(1.0) → float32(1.0)"]),
    "list and tuple": ({"a": [1]}, {"a": (1,)}, ["a: [1] → (1,)"]),
    "classes of one name": (
        type("Noise", (), {"__module__": "nowhere"}),
        samples.Noise,
        ["nowhere.Noise → support.canonical_samples.Noise"],
    ),
    "added and removed keys": ({"a": 1, "b": 2}, {"b": 2, "c": [3]}, ["a: removed", "c: added: [3]"]),
    "keys that are no names": (
        {1: 0, "not a name": 0, (1, "x"): 0, None: 0},
        {1: 1, "not a name": 1, (1, "x"): 1, None: 1},
        ["[1]: 0 → 1", "['not a name']: 0 → 1", "[None]: 0 → 1", "[(1, 'x')]: 0 → 1"],
    ),
    "keys of another type": ({1: 0}, {1.0: 0}, ["[1]: removed", "[1.0]: added: 0"]),
    "longer": ([1, 2], [1, 2, 3, 4], ["[2]: added: 3", "[3]: added: 4"]),
    "shorter": ([1, 2, 3], [1], ["[1]: removed", "[2]: removed"]),
    "put in between": ([1, 2, 3, 4], [1, 2, 9, 3, 4], ["[2]: added: 9"]),
    "taken out": ([1, 2, 3, 4], [1, 3, 4], ["[1]: removed"]),
    "put in and changed": ([1, 2, 3], [0, 1, 2, 5], ["[0]: 1 → 0", "[1]: 2 → 1", "[2]: 3 → 2", "[3]: added: 5"]),
    "sets": ({"a", "b"}, {"b", "c", 1}, ["{'a'}: removed", "{1}: added: 1", "{'c'}: added: 'c'"]),
    "attributes": (samples.Plain(a=1, b=[2]), samples.Plain(a=1, b=[3], c=4), ["b[0]: 2 → 3", "c: added: 4"]),
    "another class": (samples.Plain(a=1), samples.Slotted(1, 2), ["Plain(a=1) → Slotted(a=1, b=2)"]),
    "arguments": (samples.Made(1, 2), samples.Made(1, 3), ["()[1]: 2 → 3"]),
    "order": (
        {"a": collections.OrderedDict(x=1, y=2)},
        {"a": collections.OrderedDict(y=2, x=1)},
        ["a: the same keys in a different order"],
    ),
    "order and a value": (
        collections.OrderedDict(x=1, y=2),
        collections.OrderedDict(y=2, x=3),
        ["the same keys in a different order", "x: 1 → 3"],
    ),
    "long texts": (
        {"t": "a" * 100 + "b" * 100},
        {"t": "a" * 100 + "c" * 100},
        ["t: differs from character 100: …'aaaaaaaaaaaabbbbbbbbbbbb' → …'aaaaaaaaaaaacccccccccccc'"],
    ),
    "longer texts": (
        "a" * 5000 + "\n",
        "a" * 5000 + "\t",
        ["differs from character 5000: …'aaaaaaaaaaaa\\n' → …'aaaaaaaaaaaa\\t'"],
    ),
    "long bytes": (b"a" * 3000, b"a" * 2999 + b"b", ["differs from byte 2999: …b'aaaaaaaaaaaaa' → …b'aaaaaaaaaaaab'"]),
    "texts in front": ("abc", "xbc", ["'abc' → 'xbc'"]),
    "infinities": ([float("inf")], [float("-inf")], ["[0]: inf → -inf"]),
    "zeros": ([0.0], [-0.0], ["[0]: 0.0 → -0.0"]),
    "big integers": ([2**70], [2**70 + 1], ["[0]: 1180591620717411303424 → 1180591620717411303425"]),
    "empty": ({"a": []}, {"a": [[]]}, ["a[0]: added: []"]),
    "shapes": (np.zeros(3), np.zeros((3, 1)), ["array(3 float64) → array(3×1 float64)"]),
    "dtypes": (np.zeros(3), np.zeros(3, "f4"), ["array(3 float64) → array(3 float32)"]),
    "some elements": (
        np.arange(5),
        np.array([0, 9, 9, 9, 9]),
        ["array(5 int64) differs in 4 elements: [1]: 1 → 9, [2]: 2 → 9, [3]: 3 → 9, …"],
    ),
    "array without dimensions": (
        np.array(1.0),
        np.array(2.0),
        ["array(0-d float64) differs in 1 element: []: 1.0 → 2.0"],
    ),
}

ELEMENTS: dict[str, tuple[Any, Any, str]] = {
    "bool": (False, True, "False → True"),
    "int8": (-1, 1, "-1 → 1"),
    "uint64": (2**64 - 1, 1, "18446744073709551615 → 1"),
    "float16": (0.1, 0.2, "0.1 → 0.2"),
    "float32": (0.1, np.nan, "0.1 → nan"),
    "complex64": (1 + 2j, 1, "(1+2j) → (1+0j)"),
    "U3": ("a\n", "bc", "'a\\n' → 'bc'"),
    "S3": (b"a", b"b", "b'a' → b'b'"),
    "V2": (b"\x01\x02", b"\x01\x03", "0x0102 → 0x0103"),
    "M8[D]": ("2026-03-01", "NaT", "2026-03-01 → NaT"),
    "M8[ns]": ("2026-03-01T12:00:00.000000005", "1969-12-31", "2026-03-01T12:00:00.000000005 → 1969-12-31T00:00:00"),
    "M8[M]": ("2026-03", "1969-12", "2026-03 → 1969-12"),
    "M8[Y]": ("2026", "1000", "2026 → 1000"),
    "M8[25s]": ("2026-03-01T00:00:25", "1970-01-01", "2026-03-01T00:00:25 → 1970-01-01T00:00:00"),
    "m8[s]": (5, -5, "5 s → -5 s"),
}


@pytest.mark.parametrize(("before", "after", "expected"), CASES.values(), ids=CASES.keys())
def test_differences_read_so(before: Any, after: Any, expected: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    if isinstance(before, type) and before.__module__ == "nowhere":
        monkeypatch.setitem(__import__("sys").modules, "nowhere", samples.Plain(Noise=before))
    assert differences(before, after) == expected


@pytest.mark.parametrize("dtype", ELEMENTS)
def test_elements_of_every_dtype_are_shown_without_numpy(dtype: str) -> None:
    before, after, expected = ELEMENTS[dtype]
    (shown,) = differences(np.array([before, before], dtype), np.array([before, after], dtype))
    assert shown.endswith(f" differs in 1 element: [1]: {expected}")


def test_range_of_a_big_array_is_named_by_its_indices() -> None:
    before = np.zeros((1000, 1000))
    after = before.copy()
    after[0, 5] = after[999, 999] = 1
    (shown,) = differences(before, after)
    assert shown == ("array(1000×1000 float64) differs in elements [0, 0] to [8, 191], [999, 424] to [999, 999]")


def test_range_of_long_bytes_is_named() -> None:
    before = bytes(INLINE_LIMIT + 1)
    after = bytearray(before)
    after[70_000] = 1
    assert differences(before, bytes(after)) == ["bytes(2097153 bytes) differs in bytes 65536 to 131071"]
    assert differences("a" * (INLINE_LIMIT + 1), "a" * INLINE_LIMIT + "b") == [
        "str(2097153 bytes) differs in bytes 2097152 to 2097152"
    ]


def test_content_that_only_one_side_keeps_is_compared() -> None:
    crowd = [np.arange(INLINE_LIMIT // 8) + at for at in range(10)]
    before, after = encode_value({"a": np.arange(1000), "b": 1}), encode_value({"a": np.arange(1000), "b": crowd})
    comparison = compare_values(before, after)
    assert [difference.path for difference in comparison.differences] == ["b"]
    assert comparison.same == 1


def test_leaves_are_counted() -> None:
    value = {"a": [1, 2, [], {}], "b": np.zeros(5), "c": samples.Color.RED, "d": {"e": "x"}, "f": {1, 2}}
    assert compare_values(encode_value(value), encode_value(value)).same == 9
    assert compare_values(encode_value(value), encode_value({**value, "d": {"e": "y"}})).same == 8
    assert compare_values(encode_value(1), encode_value(2)).same == 0


def test_many_differences_are_counted_beyond_those_that_are_listed() -> None:
    comparison = compare_values(encode_value(list(range(5000))), encode_value(list(range(1, 5001))))
    assert len(comparison.differences) == 1000
    assert comparison.more == 4000


def test_equal_content_kept_in_two_ways_is_still_a_difference() -> None:
    array = np.arange(1000)
    digested = plain_array(array, 0)
    assert isinstance(digested, Node)
    (difference,) = compare_values(encode_value(array), write(digested)).differences
    assert difference.text == "the same value, recorded in another form"


def test_what_is_no_canonical_value_is_refused() -> None:
    for before, after in ((b"", encode_value(1)), (encode_value(1), b"\xc1")):
        with pytest.raises(BadRecord, match="the canonical value cannot be read"):
            compare_values(before, after)
