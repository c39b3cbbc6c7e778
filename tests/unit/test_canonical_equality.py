"""What counts as equal, type by type, for values of Python and its standard library."""

from __future__ import annotations

import array
import collections
import copy
import datetime
import decimal
import fractions
import functools
import math
import operator
import pathlib
import pickle
import re
import sys
import types
import typing
import uuid
import zoneinfo
from typing import Any

import pytest

from mitosis.canonical.decode import decode_value
from mitosis.canonical.encode import encode_value
from mitosis.canonical.nodes import write
from support import canonical_samples as samples

CHARACTERS = "w" if sys.version_info >= (3, 13) else "u"
"""Type code of arrays of characters: the older one is deprecated where there is a newer."""

UTC = datetime.UTC
NOON = datetime.datetime(2026, 3, 1, 12)


def ring(size: int, value: Any = 0) -> list[Any]:
    first: list[Any] = [value]
    last = first
    for _ in range(size - 1):
        last.append([value])
        last = last[1]
    last.append(first)
    return first


EQUAL: dict[str, tuple[Any, Any]] = {
    "nan in a list": ([float("nan")] * 3, [samples.nan_with_payload(), float("-nan"), math.nan]),
    "integers of any size": (10**40, int("1" + "0" * 40)),
    "interned texts": ("frequency", "".join(["freq", "uency"])),
    "a pattern twice": (re.compile("a+", re.I), re.compile("a+", re.IGNORECASE)),
    "a union of typing": (typing.Union[int, str], typing.Union[str, int]),  # noqa: UP007
    "objects that compare by identity": (samples.Plain(a=[1]), samples.Plain(a=[1])),
    "equal objects in a set": ({samples.Keyed(1), samples.Keyed(1)}, {samples.Keyed(1), samples.Keyed(1)}),
    "cycles": (ring(4), ring(4)),
    "arrays of array": (array.array("d", [math.nan, 1]), array.array("d", [samples.nan_with_payload(), 1])),
}

DIFFERENT: dict[str, tuple[Any, ...]] = {
    "types of scalars": (1, 1.0, True, "1", b"1", 1 + 0j, decimal.Decimal(1), fractions.Fraction(1), None),
    "zeros": (0, 0.0, -0.0, False, "", None, b"", [], (), set(), {}, complex(0, 0), complex(0, -0.0)),
    "large integers": (2**63, 2**64, -(2**63), -(2**64), 2**64 + 1, float(2**64), "10000000000000000", 2.0**63),
    "floats by an ulp": (0.1 + 0.2, 0.3, math.nextafter(0.3, 0)),
    "sequences": ([1, 2], (1, 2), [2, 1], {1, 2}, frozenset({1, 2}), collections.deque([1, 2]), range(1, 3)),
    "nesting": ([[1], 2], [[1, 2]], [1, [2]], [1, 2], [[[1]], 2]),
    "mappings": (
        {1: 2},
        collections.OrderedDict({1: 2}),
        collections.defaultdict(None, {1: 2}),
        collections.defaultdict(int, {1: 2}),
        collections.Counter({1: 2}),
        collections.ChainMap({1: 2}),
        types.MappingProxyType({1: 2}),
        samples.Table({1: 2}),
        {1: 3},
        {2: 1},
        {"1": 2},
        {1.0: 2},
        {1: 2, 2: 1},
    ),
    "order of an ordered dictionary": (
        collections.OrderedDict([("a", 1), ("b", 2)]),
        collections.OrderedDict([("b", 2), ("a", 1)]),
    ),
    "texts": ("a", "A", "a ", "a\0", "\ud800", "\udfff", "é", "e\u0301", b"a", bytearray(b"a"), "a" * 2000, "a" * 2001),
    "a text and its form in bytes": ("\ud800", b"\xed\xa0\x80", "a" * 2000, b"a" * 2000, bytearray(b"a" * 2000)),
    "deques": (collections.deque([1]), collections.deque([1], maxlen=1), collections.deque([1], maxlen=2)),
    "slices": (slice(1), slice(0, 1), slice(None, 1, 1), slice(None), (None, 1, None)),
    "ranges": (range(3), range(0, 3, 2), range(1, 3), range(3, 0, -1), range(0, 6, 2)),
    "constants": (None, ..., NotImplemented, type(None), type(...), "Ellipsis"),
    "enums": (samples.Color.RED, samples.Color.BLUE, samples.Level.LOW, samples.Level.HIGH, 1, "RED"),
    "flags": (samples.Mode.READ, samples.Mode.WRITE, samples.Mode.READ | samples.Mode.WRITE, samples.Mode(0)),
    "records": (
        samples.Point(1, 2),
        samples.Pair(1, 2),
        (1, 2),
        samples.Point(2, 1),
        samples.Point(1, 2.0),
        types.SimpleNamespace(x=1, y=2),
        samples.Plain(x=1, y=2),
        {"x": 1, "y": 2},
    ),
    "dataclasses": (
        samples.Noise(1.0),
        samples.Noise(1),
        samples.Noise(1.0, 1),
        samples.Solver(1.0),
        samples.Solver(1),
    ),
    "fields of a dataclass that does not compare": (samples.Handle("a"), samples.Handle("b")),
    "objects": (samples.Plain(), samples.Plain(a=1), samples.Plain(b=1), samples.Slotted(1, 2), samples.Slotted(2, 1)),
    "states": (samples.Stateful(1), samples.Stateful({"a": 1}), samples.Stateful((1, 2)), samples.Stateful([1, 2])),
    "arguments": (samples.Made(), samples.Made(1), samples.Made(1, 2), samples.Made((1, 2)), samples.Registered(1)),
    "subclasses": (
        1.5,
        samples.Celsius(1.5),
        samples.Celsius(2.5),
        [1],
        samples.Names([1]),
        samples.Names([1, 2]),
        {1},
        samples.Tags({1}),
        samples.Tags({2}),
    ),
    "equal members of a set": ({samples.Keyed(1)}, {samples.Keyed(1), samples.Keyed(1)}, {samples.Keyed(2)}),
    "code": (
        samples.drift,
        samples.make,
        samples.Plain,
        samples.Plain.method,
        samples.Plain.helper,
        samples.Plain.make,
        samples.Outer,
        samples.Outer.Inner,
        samples.Outer.Inner.method,
        samples.Plain().method,
        samples.Plain(a=1).method,
        samples,
        len,
        str.upper,
        "a".upper,
        "b".upper,
        dict.fromkeys,
        math.sin,
        math,
        operator.itemgetter(1),
        operator.itemgetter(2),
        int.__add__,
        (1).__add__,
        functools.partial(samples.drift),
        functools.partial(samples.drift, 1),
        functools.partial(samples.drift, rate=1),
        functools.partial(samples.make, 1),
        samples.cached,
    ),
    "types of typing": (list[int], list[str], tuple[int, ...], int | str, int | None, list, typing.Any, typing.List),  # noqa: UP006
    "decimals": tuple(map(decimal.Decimal, ("1", "1.0", "1E+1", "10", "-0", "0", "NaN", "Infinity"))),
    "times": (
        NOON,
        NOON.replace(fold=1),
        NOON.replace(tzinfo=UTC),
        NOON.replace(tzinfo=zoneinfo.ZoneInfo("Europe/Berlin")),
        NOON.replace(tzinfo=datetime.timezone(datetime.timedelta(hours=1))),
        NOON.replace(tzinfo=datetime.timezone(datetime.timedelta(hours=1), "CET")),
        NOON.replace(microsecond=1),
        NOON.date(),
        NOON.time(),
        NOON.isoformat(),
        datetime.timedelta(1),
        datetime.timedelta(seconds=1),
        UTC,
        zoneinfo.ZoneInfo("UTC"),
    ),
    "paths": (
        pathlib.Path("a"),
        pathlib.PurePosixPath("a"),
        pathlib.PureWindowsPath("a"),
        pathlib.Path("b"),
        pathlib.Path("/a"),
        "a",
    ),
    "identifiers": (uuid.UUID(int=1), uuid.UUID(int=2), str(uuid.UUID(int=1)), 1),
    "patterns": (re.compile("a"), re.compile(b"a"), re.compile("a", re.I), re.compile("b"), "a"),
    "unlike cycles": (ring(1), ring(4), ring(1, 1), [0, ring(1)], [0, [0, [0]]], [0, [1, ring(1)]], tuple(ring(1))),
    "arrays": (array.array("d", [1]), array.array("f", [1]), array.array("i", [1]), array.array("b", [1]), [1.0]),
    "characters": (array.array(CHARACTERS, "ab"), array.array(CHARACTERS, "ba")),
    "exceptions": (ValueError("a"), ValueError("b"), TypeError("a"), ValueError("a", 1)),
}


@pytest.mark.parametrize(("one", "other"), EQUAL.values(), ids=EQUAL.keys())
def test_equal_values_encode_equally(one: Any, other: Any) -> None:
    assert encode_value(one) == encode_value(other)


@pytest.mark.parametrize("values", DIFFERENT.values(), ids=DIFFERENT.keys())
def test_different_values_encode_differently(values: tuple[Any, ...]) -> None:
    samples.assert_all_differ(values)


def _can_be_copied(value: Any) -> bool:
    return not isinstance(value, types.ModuleType | types.MappingProxyType) and value is not samples.cached


@pytest.mark.parametrize("values", (EQUAL | DIFFERENT).values(), ids=(EQUAL | DIFFERENT).keys())
def test_decoded_copied_and_pickled_values_encode_equally(values: tuple[Any, ...]) -> None:
    for value in values:
        data = encode_value(value)
        assert write(decode_value(data)) == data, value
        if _can_be_copied(value):
            assert encode_value(copy.deepcopy(value)) == data, value
            if not isinstance(value, typing._SpecialForm):
                assert encode_value(pickle.loads(pickle.dumps(value))) == data, value


def test_type_of_none_is_found_though_it_has_no_name_among_builtins() -> None:
    assert encode_value([type(None), types.FunctionType, types.GeneratorType]) == encode_value(
        [types.NoneType, types.FunctionType, types.GeneratorType]
    )


def test_integers_beyond_the_limit_of_decimal_digits_are_encoded() -> None:
    huge = 1 << 100_000
    assert huge.bit_length() > sys.get_int_max_str_digits() * 4
    assert encode_value(huge) != encode_value(huge + 1)
    assert write(decode_value(encode_value(-huge))) == encode_value(-huge)


def test_state_of_an_object_does_not_depend_on_slots_or_dictionary_order() -> None:
    one, other = samples.Slotted(1, 2), samples.Slotted.__new__(samples.Slotted)
    other.b, other.a = 2, 1
    assert encode_value(one) == encode_value(other)


def test_what_a_decorator_has_made_of_a_function_is_found_by_its_name() -> None:
    before = encode_value(samples.decorated)
    samples.decorated(1)
    assert encode_value(samples.decorated) == before
    assert b"support.canonical_samples:decorated" in before
    assert encode_value(samples.Decorated(samples.decorated)) != before


def test_what_a_property_has_computed_does_not_count() -> None:
    one, other = samples.Plain(a=1), samples.Plain(a=1)
    assert other.size == 1 and "size" in vars(other)
    assert encode_value(one) == encode_value(other)


def test_object_may_be_made_by_a_method_or_a_partial_function() -> None:
    one = operator.methodcaller("f", 1, b=2)
    assert encode_value(one) == encode_value(operator.methodcaller("f", 1, b=2))
    assert encode_value(one) != encode_value(operator.methodcaller("f", 1, b=3))
    assert encode_value(samples.Reduced((samples.Plain.make, ()))) == encode_value(
        samples.Reduced((samples.Plain.make, ()))
    )
    assert encode_value(samples.Reduced((samples.Plain.make, ()))) != encode_value(
        samples.Reduced((samples.Plain.make, (1,)))
    )


def test_attributes_of_container_subclasses_count() -> None:
    for cls in (samples.Names, samples.Table, samples.Tags):
        one, other = cls(), cls()
        other.__dict__["unit"] = "m"
        assert encode_value(one) != encode_value(other), cls
