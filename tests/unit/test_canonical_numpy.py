"""What counts as equal for values of numpy."""

from __future__ import annotations

import copy
import math
import operator
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.special

from mitosis.canonical.decode import decode_value
from mitosis.canonical.difference import compare_values
from mitosis.canonical.encode import INLINE_LIMIT, encode_value
from mitosis.canonical.nodes import write
from mitosis.canonical.numpy_types import plain_array
from mitosis.canonical.show import summarize_value
from support import canonical_samples as samples

GRID = np.arange(12.0).reshape(3, 4)
MOMENTS = np.array(["2026-03-01", "NaT", "1969-12-31T23:59:59"], dtype="datetime64[s]")


class Quantity(np.ndarray[Any, Any]):
    """An array with an attribute, which its copies have too."""

    def __array_finalize__(self, source: Any) -> None:
        self.__dict__.update(getattr(source, "__dict__", {}))

    def __reduce__(self) -> Any:
        reduced: Any = super().__reduce__()
        make, arguments, state = reduced
        return make, arguments, (state, self.__dict__)

    def __setstate__(self, state: Any) -> None:
        super().__setstate__(state[0])
        self.__dict__.update(state[1])


def quantity(unit: str) -> Quantity:
    value = GRID.view(Quantity)
    value.__dict__["unit"] = unit
    return value


def with_payload(dtype: str) -> np.ndarray[Any, Any]:
    """Two nans with sign and payload."""
    bits = {"float16": 0xFE01, "float32": 0xFFC00001, "float64": 0xFFF8000000000001}[dtype]
    return np.array([bits, bits], dtype=f"uint{8 * np.dtype(dtype).itemsize}").view(dtype)


def padded(garbage: int) -> np.ndarray[Any, Any]:
    """A structured array with some bytes between its fields."""
    dtype = np.dtype({"names": ["x", "y"], "formats": ["i1", "f8"], "offsets": [0, 8]})
    value = np.frombuffer(bytearray([garbage]) * (3 * dtype.itemsize), dtype=dtype).copy()
    value["x"], value["y"] = [1, 2, 3], [1.5, 2.5, 3.5]
    return value


def extended_with_garbage(garbage: int) -> np.ndarray[Any, Any]:
    """Extended floats whose unused bytes hold something."""
    value = np.array([1, 2, 3], dtype=np.longdouble) / 3
    if np.finfo(np.longdouble).nmant == 63:
        value.view(np.uint8).reshape(3, -1)[:, 10:] = garbage
    return value


GLOBAL_NORMAL = np.random.normal
DTYPES = ["?", "i1", "u1", "f2", "f4", "f8", "c8", "c16", "U1", "U2", "S1", "V1", "M8[s]", "M8[D]", "m8[s]", "O"]


EQUAL: dict[str, tuple[Any, Any]] = {
    "a view": (GRID[::-1, ::2], GRID[::-1, ::2].copy()),
    "a transposed view": (GRID.T, np.array(GRID.T.tolist())),
    "a broadcast view": (np.broadcast_to(1.5, (3, 4)), np.full((3, 4), 1.5)),
    "byte order of fields": (
        np.array([(1, 2.5)], dtype=[("x", "<i4"), ("y", "<f8")]),
        np.array([(1, 2.5)], dtype=[("x", ">i4"), ("y", ">f8")]),
    ),
    "byte order of texts": (np.array(["a", "bc"], dtype="<U2"), np.array(["a", "bc"], dtype=">U2")),
    "float16 nans": (np.full(2, np.nan, "float16"), with_payload("float16")),
    "float32 nans": (np.full(2, np.nan, "float32"), with_payload("float32")),
    "complex nans": (np.full(1, complex(np.nan, np.nan)), with_payload("float64").view("complex128")),
    "padding of fields": (padded(0), padded(255)),
    "padding of extended floats": (extended_with_garbage(0), extended_with_garbage(255)),
    "truths": (np.array([True, False]), np.array([7, 0], dtype=np.uint8).view(bool)),
    "arrays of objects": (np.array([1, "a", None], dtype=object), np.array([1, "a", None], dtype=object)),
    "a big array in another memory order": (
        np.arange(600_000.0).reshape(600, 1000),
        np.asfortranarray(np.arange(600_000.0).reshape(600, 1000)),
    ),
    "a big array in another byte order": (np.arange(600_000.0), np.arange(600_000.0).astype(">f8")),
    "fields under a mask": (
        np.ma.array([(1, 2)], mask=[(True, False)], dtype=[("x", int), ("y", int)]),
        np.ma.array([(5, 2)], mask=[(True, False)], dtype=[("x", int), ("y", int)]),
    ),
    "generators": (np.random.default_rng(5), np.random.default_rng(np.random.SeedSequence(5))),
    "nan scalars": (np.float64("nan"), with_payload("float64")[0]),
    "texts with the same width": (np.array(["a", "bc"]), np.array(["a", "bc"], dtype="U2")),
}

DIFFERENT: dict[str, tuple[Any, ...]] = {
    "scalars": (1.0, np.float64(1), np.float32(1), np.float16(1), np.longdouble(1), np.complex128(1), np.array(1.0)),
    "integers": tuple(
        dtype(1) for dtype in (int, np.int8, np.int16, np.int32, np.int64, np.uint8, np.uint16, np.uint32, np.uint64)
    ),
    "other scalars": (
        True,
        np.True_,
        np.False_,
        "a",
        np.str_("a"),
        np.bytes_(b"a"),
        b"a",
        np.datetime64("2026-03-01"),
        np.datetime64("2026-03-01", "s"),
        np.datetime64("NaT", "s"),
        np.timedelta64(1, "D"),
        np.timedelta64(1, "s"),
        np.timedelta64("NaT", "s"),
        np.array([(1, 2.5)], dtype=[("x", int), ("y", float)])[0],
        np.void(b"a"),
    ),
    "extended floats": (
        np.longdouble(1) / 3,
        np.longdouble(1.0 / 3),
        np.longdouble("inf"),
        -np.longdouble("inf"),
        np.longdouble("nan"),
        np.longdouble(0),
        -np.longdouble(0),
        np.finfo(np.longdouble).smallest_subnormal,
        np.finfo(np.longdouble).max,
        np.clongdouble(1 + 2j),
    ),
    "shapes": (GRID, GRID.T, GRID.ravel(), GRID.reshape(4, 3), GRID[None], GRID[:0], GRID[:, :0], GRID[:0, :0]),
    "dtypes": tuple(np.zeros(2, dtype) for dtype in DTYPES),
    "arrays and lists": (np.zeros(2), [0.0, 0.0], np.zeros(2, int), [0, 0]),
    "zeros": (np.zeros(1), -np.zeros(1)),
    "contents": (GRID, GRID + 0.0 * np.nan, np.where(GRID == 5, np.nextafter(5, 6), GRID)),
    "times": (MOMENTS, MOMENTS.astype("M8[ms]"), MOMENTS[::-1], MOMENTS.astype("M8[25s]")),
    "fields": (
        np.zeros(1, [("x", "f8"), ("y", "f8")]),
        np.zeros(1, [("y", "f8"), ("x", "f8")]),
        np.zeros(1, [("x", "f8"), ("z", "f8")]),
        np.zeros(1, [("x", "f8")]),
        np.zeros(1, [("x", "f8", (2,))]),
        np.zeros(1, [("x", [("y", "f8")])]),
        np.zeros(2, []),
        np.zeros(3, []),
    ),
    "objects": (
        np.array([1, None], dtype=object),
        np.array([[1], [None]], dtype=object),
        np.array([1.0, None], dtype=object),
        np.array([[1, None]], dtype=object),
    ),
    "kinds of arrays": (
        GRID,
        GRID.view(np.matrix),
        np.ma.array(GRID),
        np.ma.array(GRID, mask=GRID == 5),
        np.ma.array(GRID, fill_value=7),
        np.ma.masked,
        quantity("m"),
        quantity("s"),
    ),
    "dtypes by themselves": (
        np.dtype("f8"),
        np.dtype("f4"),
        np.dtype("f8").newbyteorder(),
        np.dtype("U3"),
        np.dtype("O"),
        np.dtype("M8[s]"),
        np.dtype("T"),
        np.dtype([("x", "f8")]),
        np.dtype([("x", np.dtype("f8").newbyteorder())]),
        np.dtype({"names": ["x"], "formats": ["f8"], "offsets": [8]}),
        np.dtype(("f8", (2,))),
        np.dtype((np.record, [("x", "f8")])),
        np.float64,
        "float64",
    ),
    "generators": (
        np.random.default_rng(1),
        np.random.default_rng(2),
        np.random.Generator(np.random.MT19937(1)),
        np.random.default_rng(1).bit_generator,
        np.random.SeedSequence(1),
        np.random.SeedSequence(1, spawn_key=(1,)),
        np.random.SeedSequence([1]),
        np.random.RandomState(1),
        np.random.RandomState(2),
        GLOBAL_NORMAL,
        np.random.RandomState(1).normal,
    ),
    "functions": (np.sin, np.cos, np.mean, np.linalg.norm, np.add.reduce, scipy.special.erf, math.sin, np.sin.reduce),
    "texts of variable width": (
        np.array(["a", "b"], dtype="T"),
        np.array(["a", "c"], dtype="T"),
        np.array(["a", "b"], dtype=np.dtypes.StringDType(na_object=None)),
        np.array(["a", None], dtype=np.dtypes.StringDType(na_object=None)),
        np.array(["a", "b"]),
    ),
}


@pytest.mark.parametrize(("one", "other"), EQUAL.values(), ids=EQUAL.keys())
def test_equal_values_encode_equally(one: Any, other: Any) -> None:
    assert encode_value(one) == encode_value(other)


@pytest.mark.parametrize("values", DIFFERENT.values(), ids=DIFFERENT.keys())
def test_different_values_encode_differently(values: tuple[Any, ...]) -> None:
    samples.assert_all_differ(values)


@pytest.mark.parametrize("values", (EQUAL | DIFFERENT).values(), ids=(EQUAL | DIFFERENT).keys())
def test_copied_and_decoded_values_encode_equally(values: tuple[Any, ...]) -> None:
    for value in values:
        data = encode_value(value)
        assert write(decode_value(data)) == data
        assert len(summarize_value(data)) <= 60
        if value is not GLOBAL_NORMAL:  # a copy of which draws from a generator of its own
            assert encode_value(copy.deepcopy(value)) == data, value
            assert encode_value(pickle.loads(pickle.dumps(value))) == data, value


def test_taking_a_generator_apart_does_not_advance_it() -> None:
    one, other = np.random.default_rng(1), np.random.default_rng(1)
    encode_value(one)
    assert one.random() == other.random()


def test_mapped_file_is_told_by_its_content(tmp_path: Path) -> None:
    for name in ("one", "other"):
        mapped = np.memmap(tmp_path / name, dtype="f8", mode="w+", shape=(3, 4))
        mapped[:] = GRID
        mapped.flush()
    one, other = (np.memmap(tmp_path / name, dtype="f8", mode="r", shape=(3, 4)) for name in ("one", "other"))
    assert encode_value(one) == encode_value(other)
    assert encode_value(one) != encode_value(GRID)


def test_change_of_one_element_in_ten_million_is_seen_and_placed() -> None:
    array = np.zeros(10_000_000)
    before = encode_value(array)
    array[5_000_000] = 5e-324
    after = encode_value(array)
    (difference,) = compare_values(before, after).differences
    start, stop = map(
        int, str(difference.detail).removeprefix("array(10000000 float64) differs in elements ").split(" to ")
    )
    assert start <= 5_000_000 <= stop
    assert stop - start < 10_000_000 / 100
    assert len(after) < 10_000


def test_arrays_that_share_their_content_keep_it_once() -> None:
    array = np.arange(INLINE_LIMIT // 8)
    assert len(encode_value([array.copy() for _ in range(20)])) < INLINE_LIMIT + 1000


def test_content_is_left_out_when_all_of_it_is_too_much() -> None:
    arrays = [np.arange(INLINE_LIMIT // 8) + at for at in range(20)]
    data = encode_value(arrays)
    assert len(data) < 100_000
    assert data == encode_value(arrays[::-1][::-1])
    changed = [array.copy() for array in arrays]
    changed[3][77] = -1
    (difference,) = compare_values(data, encode_value(changed)).differences
    assert difference.path == "[3]"
    assert "differs in elements 0 to" in str(difference)


def test_where_content_is_left_out_does_not_depend_on_the_order_of_keys() -> None:
    rows = {f"k{at}": np.arange(INLINE_LIMIT // 8) + at for at in range(12)}
    assert encode_value(rows) == encode_value(dict(reversed(rows.items())))


@pytest.mark.parametrize("dtype", ["int8", "uint64", "float16", "float32", "float64"])
@pytest.mark.parametrize("special", [[], [np.nan], [np.inf, -np.inf], [-0.0, 0.0], [0.0, -0.0]])
def test_range_is_the_same_with_and_without_numpy(dtype: str, special: list[float]) -> None:
    from mitosis.canonical.content import value_range, without_content
    from mitosis.canonical.nodes import Node

    if special and not dtype.startswith("float"):
        special = [3, 1]
    array = np.array(special, dtype=dtype)
    whole, digested = plain_array(array, 10**6), plain_array(array, 0)
    assert isinstance(whole, Node) and isinstance(digested, Node)
    if special:
        assert value_range(whole) == value_range(digested)
        assert str(value_range(whole)) == str(value_range(digested)).replace("-0.0", "0.0")
        assert without_content(whole).items == digested.items


@pytest.mark.parametrize("count", [0, 1, 2, 1000])
def test_only_as_much_is_copied_as_one_chunk(count: int) -> None:
    """A view that repeats one row needs no memory of its size."""
    array = np.broadcast_to(np.arange(1000.0), (count, 1000))
    assert encode_value(array) == encode_value(array.copy())


def test_lists_of_plain_numbers_keep_digests_when_they_are_long() -> None:
    numbers = [at / 3 for at in range(300_000)]
    data = encode_value(numbers)
    assert len(data) < 10_000
    assert encode_value(tuple(numbers)) != data
    numbers[150_000] = math.nextafter(numbers[150_000], math.inf)
    assert encode_value(numbers) != data
    assert encode_value([*numbers, None]) != encode_value(numbers)
    assert encode_value(list(range(300_000))) != encode_value(list(map(float, range(300_000))))


def test_lists_of_texts_and_of_mixed_scalars_keep_digests_when_they_are_long() -> None:
    items = [None, "a", 1, 2.5, math.nan, True] * 50_000
    data = encode_value(items)
    assert len(data) < 10_000
    assert encode_value(copy.copy(items)) == data
    items[250_003] = 1.0
    (difference,) = compare_values(data, encode_value(items)).differences
    assert difference.text == "list(300000 items) differs in elements 245760 to 253951"
    assert len(encode_value([*items, "a" * 2000])) > 1_000_000
    assert len(encode_value([*items, 2**70])) > 1_000_000


def test_method_of_an_array_is_told_by_the_array() -> None:
    assert encode_value(GRID.mean) == encode_value(GRID.copy().mean)
    assert encode_value(GRID.mean) != encode_value((GRID + 1).mean)
    assert encode_value(operator.methodcaller("mean")) != encode_value(GRID.mean)


def test_vectorized_function_is_told_by_the_function() -> None:
    used = np.vectorize(samples.drift, cache=True)
    used(np.arange(3))
    assert encode_value(used) == encode_value(np.vectorize(samples.drift, cache=True))
    assert encode_value(np.vectorize(samples.drift)) == encode_value(np.vectorize(samples.drift))
    assert encode_value(np.vectorize(samples.drift)) != encode_value(np.vectorize(samples.make))
