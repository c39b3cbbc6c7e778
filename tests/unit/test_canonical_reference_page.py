"""The table in the reference page `values` says of each type what counts as equal; each row is held to it here."""

from __future__ import annotations

import array
import asyncio
import collections
import dataclasses
import datetime
import decimal
import enum
import fractions
import functools
import importlib.resources
import inspect
import math
import pathlib
import re
import socket
import struct
import sys
import threading
import types
import uuid
import weakref
import zoneinfo
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
import scipy.stats
from sklearn.linear_model import Ridge
from sklearn.preprocessing import FunctionTransformer

from mitosis.canonical.encode import encode_value
from mitosis.canonical.full_text import render_value
from mitosis.canonical.show import summarize_value
from mitosis.errors.values import UnstableValue
from support import canonical_samples as samples
from support.canonical_lookup import categories, damping, growth, objects

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "values.md"


class Row:
    """What a row of the table promises, as functions so that the values are made when they are needed."""

    def __init__(
        self,
        equal: Callable[[], list[tuple[Any, Any]]] = list,
        different: Callable[[], list[tuple[Any, ...]]] = list,
        refused: Callable[[], list[Any]] | None = None,
    ) -> None:
        self.equal = equal
        """Pairs that differ only in what the row says is ignored, or in nothing."""
        self.different = different
        """Groups whose values all differ in what the row says is compared."""
        self.refused = refused
        """Values that the row says are refused; None where it names none."""


@dataclasses.dataclass
class Fields:
    scale: float
    note: str = dataclasses.field(default="", compare=False)


@dataclasses.dataclass(eq=False)
class Uncompared:
    note: str = dataclasses.field(default="", compare=False)


def extended(value: Any, **more: Any) -> Any:
    """The value with more attributes."""
    vars(value).update(more)
    return value


def local(base: type = object, *arguments: Any, **attributes: Any) -> Any:
    """An object of a class that is defined inside a function."""
    names = {"__module__": __name__, "__qualname__": "local.<locals>.Local", **attributes}
    return type("Local", (base,), names)(*arguments)


def local_member() -> enum.Enum:
    class Local(enum.Enum):
        ONE = 1

    return Local.ONE


class Tagged(np.ndarray[Any, Any]):
    """An array with an attribute."""


def other_nan() -> float:
    value: float = struct.unpack(">d", bytes.fromhex("fff8000000000123"))[0]
    return value


def addressed() -> dict[int, samples.Plain]:
    value = samples.Plain()
    return {id(value): value}


def keyless() -> zoneinfo.ZoneInfo:
    with (importlib.resources.files("tzdata.zoneinfo") / "UTC").open("rb") as file:
        return zoneinfo.ZoneInfo.from_file(file)


def pending() -> Any:
    async def wait() -> None:
        await asyncio.sleep(0)

    coroutine = wait()
    coroutine.close()
    return coroutine


def frame(**columns: Any) -> pd.DataFrame:
    return pd.DataFrame({"a": [1, 2], "b": [0.5, np.nan], **columns})


def with_state(distribution: Any, seed: Any) -> Any:
    return samples.seeded(distribution, seed)


def used(value: Any, *calls: Callable[[Any], Any]) -> Any:
    for call in calls:
        call(value)
    return value


BERLIN = zoneinfo.ZoneInfo("Europe/Berlin")
NOON = datetime.datetime(2026, 3, 1, 12)
ONE_LIST = [1]
GRID = np.arange(12.0).reshape(3, 4)
RECORD = [("x", "i4"), ("y", "f8")]

ROWS: dict[str, Row] = {
    "`None`, `bool`, `int`, `str`, `bytes`, `bytearray`": Row(
        lambda: [(2**70, 2**70), ("\ud800", "\ud800"), (b"a" * 2000, bytes(bytearray(b"a" * 2000)))],
        lambda: [
            (None, False, 0, 0.0, "", b"", bytearray()),
            (1, True, "1", b"1"),
            ("é", "e\u0301"),
            (2**70, -(2**70)),
        ],
    ),
    "`float`, `complex`": Row(
        lambda: [(math.nan, other_nan()), (complex(1, math.nan), complex(1, other_nan()))],
        lambda: [(0.0, -0.0, math.inf, -math.inf, math.nan), (0.1 + 0.2, 0.3), (1j, -1j, complex(0.0, -0.0))],
    ),
    "`list`, `tuple`, `deque`": Row(
        lambda: [([[1], [1]], [ONE_LIST] * 2), (collections.deque([1]), collections.deque([1]))],
        lambda: [
            ([1, 2], [2, 1], (1, 2), [1, 2, 2]),
            (collections.deque([1]), collections.deque([1], 5), collections.deque([2]), [1]),
        ],
    ),
    "`set`, `frozenset`": Row(
        lambda: [({1, "a", None}, {None, "a", 1})], lambda: [({1, 2}, {1, 3}, {1}, frozenset({1, 2}))]
    ),
    "`dict`, `Counter`, `mappingproxy`": Row(
        lambda: [({"a": 1, "b": 2}, {"b": 2, "a": 1}), (collections.Counter("aab"), collections.Counter("baa"))],
        lambda: [
            ({"a": 1}, {"a": 2}, {"b": 1}, {}, types.MappingProxyType({"a": 1}), collections.Counter({"a": 1})),
            (collections.Counter(a=0), collections.Counter()),
        ],
        lambda: [addressed()],
    ),
    "`OrderedDict`": Row(
        lambda: [(collections.OrderedDict(a=1), collections.OrderedDict(a=1))],
        lambda: [(collections.OrderedDict(a=1, b=2), collections.OrderedDict(b=2, a=1), {"a": 1, "b": 2})],
    ),
    "`defaultdict`, `ChainMap`": Row(
        lambda: [(collections.defaultdict(list, a=1, b=2), collections.defaultdict(list, b=2, a=1))],
        lambda: [
            (collections.defaultdict(list), collections.defaultdict(dict), collections.defaultdict(list, a=1), {}),
            (collections.ChainMap({"a": 1}, {}), collections.ChainMap({}, {"a": 1})),
        ],
        lambda: [collections.defaultdict(lambda: 0)],
    ),
    "`range`": Row(
        lambda: [(range(0), range(5, 3)), (range(0, 5, 2), range(0, 6, 2))],
        lambda: [(range(3), range(1, 3), [0, 1, 2])],
    ),
    "`slice`, `...`, `NotImplemented`": Row(
        lambda: [(slice(1, 2), slice(1, 2, None))],
        lambda: [(slice(1), slice(0, 1), slice(2), slice(None, 1, 1), ..., NotImplemented, None)],
    ),
    "enums and flags": Row(
        lambda: [
            (samples.Color.RED, samples.Color.CRIMSON),
            (samples.Mode.READ | samples.Mode.WRITE, samples.Mode.WRITE | samples.Mode.READ),
        ],
        lambda: [(samples.Color.RED, samples.Color.BLUE, 1), (samples.Mode.READ, samples.Mode.WRITE, samples.Mode(0))],
        lambda: [local_member()],
    ),
    "dataclasses": Row(
        lambda: [(Fields(1.0, "a"), Fields(1.0, "b")), (Fields(1.0), extended(Fields(1.0), other=2))],
        lambda: [(Fields(1.0), Fields(2.0)), (Uncompared("a"), Uncompared("b"))],
        lambda: [local(Fields, 1.0)],
    ),
    "named tuples, `SimpleNamespace`": Row(
        lambda: [(types.SimpleNamespace(a=1, b=2), types.SimpleNamespace(b=2, a=1))],
        lambda: [
            (samples.Point(1, 2), samples.Point(2, 1), (1, 2)),
            (types.SimpleNamespace(a=1), types.SimpleNamespace(a=2), types.SimpleNamespace(b=1)),
        ],
        lambda: [local(samples.Point, 1, 2)],
    ),
    "`datetime`, `time`": Row(
        lambda: [(NOON, NOON.replace())],
        lambda: [
            (NOON, NOON.replace(microsecond=1), NOON.replace(fold=1), NOON.replace(tzinfo=BERLIN), NOON.date()),
            (NOON.replace(tzinfo=BERLIN), NOON.replace(tzinfo=BERLIN).astimezone(datetime.UTC)),
            (datetime.time(12), datetime.time(12, fold=1)),
        ],
    ),
    "`date`, `timedelta`, `timezone`, `ZoneInfo`": Row(
        lambda: [
            (datetime.timedelta(hours=24), datetime.timedelta(days=1)),
            (BERLIN, zoneinfo.ZoneInfo.no_cache(BERLIN.key)),
        ],
        lambda: [
            (datetime.date(2026, 3, 1), datetime.date(2026, 3, 2)),
            (datetime.timedelta(1), datetime.timedelta(1, microseconds=1)),
            (
                datetime.UTC,
                datetime.timezone(datetime.timedelta(0), "zero"),
                datetime.timezone(datetime.timedelta(hours=1)),
            ),
            (BERLIN, zoneinfo.ZoneInfo("Europe/Rome")),
        ],
        lambda: [keyless()],
    ),
    "`Decimal`, `Fraction`": Row(
        lambda: [(fractions.Fraction(2, 4), fractions.Fraction(1, 2))],
        lambda: [
            (decimal.Decimal("1.0"), decimal.Decimal("1.00"), 1.0),
            (fractions.Fraction(1, 2), fractions.Fraction(1, 3), 0.5),
        ],
    ),
    "paths": Row(
        lambda: [(pathlib.PureWindowsPath("a\\b"), pathlib.PureWindowsPath("a/b")), (Path("a//b"), Path("a/b"))],
        lambda: [(Path("a"), Path("b"), "a", pathlib.PurePosixPath("a"), pathlib.PureWindowsPath("a"))],
    ),
    "`UUID`, regular expressions": Row(
        lambda: [(uuid.UUID(int=5), uuid.UUID("{00000000-0000-0000-0000-000000000005}"))],
        lambda: [
            (uuid.UUID(int=5), uuid.UUID(int=6)),
            (re.compile("a"), re.compile("b"), re.compile("a", re.I), re.compile(b"a")),
        ],
    ),
    "`array.array`": Row(
        lambda: [(array.array("q", [1]), array.array("l", [1]))] if array.array("l").itemsize == 8 else [],
        lambda: [(array.array("i", [1]), array.array("i", [2]), array.array("d", [1]), array.array("I", [1]), [1])],
    ),
    "functions and builtins": Row(
        lambda: [(damping, damping), (math.sin, math.sin)],
        lambda: [(damping, growth, len, math.sin, np.sin)],
        lambda: [lambda x: x, samples.closure, samples.misnamed_original, main_function()],
    ),
    "classes and modules": Row(
        lambda: [(Fields, Fields)],
        lambda: [(samples.Plain, samples.Slotted, int, math, np), (samples.Plain, samples.Plain(a=1))],
        lambda: [samples.make_local_class()],
    ),
    "bound methods": Row(
        lambda: [(samples.Plain(a=1).method, samples.Plain(a=1).method)],
        lambda: [(samples.Plain(a=1).method, samples.Plain(a=2).method, samples.Plain.method), ([].append, [1].append)],
        lambda: [local(samples.Plain).method],
    ),
    "`functools.partial`": Row(
        lambda: [(functools.partial(damping, x=1, rate=2), functools.partial(damping, rate=2, x=1))],
        lambda: [
            (
                functools.partial(damping, 1),
                functools.partial(damping, 2),
                functools.partial(damping, x=1),
                functools.partial(growth, 1),
            )
        ],
        lambda: [functools.partial(lambda x: x, 1)],
    ),
    "`list[int]`, `int | None`": Row(
        lambda: [(int | None, None | int)],
        lambda: [(list[int], list[float], tuple[int], list), (int | None, int | str, int)],
    ),
    "numpy arrays": Row(
        lambda: [
            (GRID, np.asfortranarray(GRID)),
            (GRID, GRID.astype(">f8")),
            (GRID[:, ::2], GRID[:, ::2].copy()),
            (np.array([1], np.longlong), np.array([1], np.int64)),
            (np.array([math.nan]), np.array([other_nan()])),
        ],
        lambda: [
            (GRID, GRID.astype("f4"), GRID.reshape(4, 3), GRID + (GRID == 11.0), GRID.tolist()),
            (np.array([0.0]), np.array([-0.0]), np.array([0])),
        ],
    ),
    "structured arrays": Row(
        lambda: [(np.zeros(2, RECORD), np.zeros(2, np.dtype(RECORD, align=True)))],
        lambda: [(np.zeros(2, RECORD), np.ones(2, RECORD), np.zeros(2, RECORD[::-1]), np.zeros(2, [("x", "i4")]))],
    ),
    "arrays of objects, and of texts of variable width": Row(
        lambda: [(objects([1], "a"), objects([1], "a"))],
        lambda: [
            (objects([1], "a"), objects([2], "a"), objects([1]), [[1], "a"]),
            (objects(1), objects(1.0), objects(True)),
        ],
        lambda: [objects(lambda x: x)],
    ),
    "masked arrays": Row(
        lambda: [
            (np.ma.array([1.0, 2.0], mask=[True, False]), np.ma.array([5.0, 2.0], mask=[True, False])),
            (np.ma.array([1.0]), np.ma.array([1.0], mask=[False])),
            (np.ma.array([1.0], mask=[True]), np.ma.array([1.0], mask=[True], hard_mask=True)),
        ],
        lambda: [
            (
                np.ma.array([1.0, 2.0]),
                np.ma.array([1.0, 3.0]),
                np.ma.array([1.0, 2.0], mask=[True, False]),
                np.ma.array([1.0, 2.0], fill_value=0),
                np.array([1.0, 2.0]),
            )
        ],
    ),
    "subclasses of `ndarray`, `numpy.memmap`": Row(
        lambda: [(extended(GRID.view(Tagged), tag=1), extended(GRID.view(Tagged), tag=1))],
        lambda: [(extended(GRID.view(Tagged), tag=1), extended(GRID.view(Tagged), tag=2), GRID)],
    ),
    "numpy scalars and dtypes": Row(
        lambda: [(np.longlong(1), np.int64(1)), (np.dtype("=f8"), np.dtype(float))],
        lambda: [
            (np.int64(1), np.int32(1), np.uint64(1), np.float64(1), np.bool_(True), 1),
            (np.dtype("<f8"), np.dtype(">f8"), np.dtype("f4")),
        ],
    ),
    "numpy `Generator` and bit generators": Row(
        lambda: [
            (
                used(np.random.default_rng(1), *[lambda g: g.integers(9, dtype="i4")] * 2),
                used(np.random.default_rng(1), lambda g: g.bit_generator.random_raw()),
            )
        ],
        lambda: [
            (
                np.random.default_rng(1),
                np.random.default_rng(2),
                used(np.random.default_rng(1), lambda g: g.random()),
                used(np.random.default_rng(1), lambda g: g.spawn(1)),
                np.random.Generator(np.random.Philox(1)),
                np.random.PCG64(1),
            )
        ],
    ),
    "`RandomState`, `SeedSequence`": Row(
        lambda: [(np.random.mtrand._rand, used(np.random.mtrand._rand, lambda g: g.random()))],
        lambda: [
            (np.random.RandomState(1), np.random.RandomState(2), used(np.random.RandomState(1), lambda g: g.random())),
            (
                np.random.SeedSequence(1),
                np.random.SeedSequence(2),
                used(np.random.SeedSequence(1), lambda g: g.spawn(1)),
            ),
        ],
    ),
    "universal functions, and functions of the global generator": Row(
        lambda: [(np.sin, np.sin), (np.random.normal, used(np.random.normal, lambda draw: draw()))],
        lambda: [(np.sin, np.cos, np.sin.reduce, np.random.normal, np.random.uniform)],
        lambda: [np.frompyfunc(damping, 2, 1)],
    ),
    "pandas `DataFrame`": Row(
        lambda: [(frame(), pd.concat([frame()[["a"]], frame()[["b"]]], axis=1))],
        lambda: [
            (
                frame(),
                frame()[["b", "a"]],
                frame().rename(columns={"a": "c"}),
                frame().astype({"a": "int32"}),
                frame(b=[0.5, 1.5]),
                frame().set_axis([1, 2]),
                used(frame(), lambda f: f.attrs.update(unit="m")),
            )
        ],
        lambda: [frame(c=[lambda x: x, 1])],
    ),
    "pandas `Series`, `Index`, `MultiIndex`": Row(
        lambda: [(pd.RangeIndex(3), pd.Index([0, 1, 2])), (pd.Series([1]), pd.Series([1], index=[0]))],
        lambda: [
            (pd.Series([1]), pd.Series([2]), pd.Series([1], name="s"), pd.Series([1.0]), pd.Series([1], index=[1])),
            (pd.date_range("2026-03-01", periods=3), pd.DatetimeIndex(list(pd.date_range("2026-03-01", periods=3)))),
        ],
    ),
    "nullable and text columns": Row(
        lambda: [
            (
                pd.arrays.IntegerArray(np.array([1, 5]), np.array([False, True])),
                pd.arrays.IntegerArray(np.array([1, 7]), np.array([False, True])),
            )
        ],
        lambda: [
            (
                pd.array([1, None], dtype="Int64"),
                pd.array([1, 0], dtype="Int64"),
                pd.array([1, None], dtype="Int32"),
                pd.array(["1", None], dtype="string"),
            )
        ],
    ),
    "categoricals": Row(
        lambda: [(categories("lo", "hi"), categories("lo", "hi"))],
        lambda: [
            (
                categories("lo", "hi"),
                categories("hi", "lo"),
                categories("lo", "hi", ordered=False),
                categories("lo", "hi", values="lo lo lo"),
                categories("lo", "hi", "unused"),
            )
        ],
    ),
    "`Timestamp`, `Timedelta`": Row(
        lambda: [
            (pd.Timestamp("2026-03-01").as_unit("s"), pd.Timestamp("2026-03-01").as_unit("ns")),
            (pd.Timedelta("1h"), pd.Timedelta("60min")),
        ],
        lambda: [
            (pd.Timestamp("2026-03-01"), pd.Timestamp("2026-03-01", tz="UTC"), pd.Timestamp("2026-03-02"), NOON),
            (pd.Timedelta(1, "ns"), pd.Timedelta(2, "ns")),
        ],
    ),
    "`Period`, `Interval`, offsets, dtypes of pandas": Row(
        lambda: [(pd.Interval(0, 1), pd.Interval(0, 1, closed="right"))],
        lambda: [
            (pd.Period("2026-03", "M"), pd.Period("2026-04", "M"), pd.Period("2026-03-01", "D")),
            (pd.Interval(0, 1), pd.Interval(0, 2), pd.Interval(0, 1, closed="left")),
            (pd.offsets.Day(1), pd.offsets.Day(2), pd.offsets.Hour(1)),
            (pd.Int64Dtype(), pd.Int32Dtype(), pd.CategoricalDtype(), pd.DatetimeTZDtype(tz="UTC")),
        ],
    ),
    "polars `DataFrame`, `Series`": Row(
        lambda: [(pl.concat([pl.Series([1]), pl.Series([2])], rechunk=False), pl.Series([1, 2]))],
        lambda: [
            (pl.DataFrame({"a": [1]}), pl.DataFrame({"b": [1]}), pl.DataFrame({"a": [2]}), pl.DataFrame({"a": [None]})),
            (pl.Series([1]), pl.Series([1.0]), pl.Series("s", [1]), pl.Series([1, 1])),
        ],
        lambda: [pl.DataFrame({"a": [1]}).lazy(), pl.col("a") + 1],
    ),
    "frozen distributions of scipy": Row(
        lambda: [
            (scipy.stats.norm(0, 2), used(scipy.stats.norm(0, 2), lambda d: d.cdf(1), lambda d: d.rvs(2))),
            (with_state(scipy.stats.norm(), 5), with_state(scipy.stats.norm(), 5)),
        ],
        lambda: [
            (
                scipy.stats.norm(0, 2),
                scipy.stats.norm(0, 3),
                scipy.stats.norm(0, scale=2),
                scipy.stats.cauchy(0, 2),
                with_state(scipy.stats.norm(0, 2), 5),
                with_state(scipy.stats.norm(0, 2), 6),
            )
        ],
    ),
    "other distributions of scipy": Row(
        lambda: [
            (
                scipy.stats.multivariate_normal([0, 1]),
                used(scipy.stats.multivariate_normal([0, 1]), lambda d: d.rvs(), lambda d: d.pdf([0, 0])),
            )
        ],
        lambda: [
            (scipy.stats.norm, scipy.stats.gamma, scipy.stats.norm()),
            (
                scipy.stats.multivariate_normal([0, 1]),
                scipy.stats.multivariate_normal([0, 2]),
                scipy.stats.multivariate_normal([0, 1], seed=5),
            ),
        ],
        lambda: [local(scipy.stats.rv_continuous)],
    ),
    "estimators of scikit-learn": Row(
        lambda: [(Ridge(alpha=0.5), Ridge(alpha=0.5, max_iter=None))],
        lambda: [(Ridge(), Ridge(alpha=0.5), Ridge(max_iter=5), Ridge().fit([[0.0], [1.0]], [0.0, 1.0]))],
        lambda: [FunctionTransformer(lambda x: x)],
    ),
    "other objects": Row(
        lambda: [(samples.Plain(a=1, b=2), samples.Plain(b=2, a=1)), (samples.Slotted(1, 2), samples.Slotted(1, 2))],
        lambda: [
            (samples.Plain(a=1), samples.Plain(a=2), samples.Plain(b=1), samples.Slotted(1, 2), samples.Made(1, 2)),
            (samples.Made(1, 2), samples.Made(1, 3)),
        ],
        lambda: [local(), samples.Reduced((samples.make, (repr(object()),))), property(lambda self: 1)],
    ),
    "generators, coroutines, iterators": Row(
        refused=lambda: [samples.count(), pending(), iter([1]), zip([1], [2], strict=True)]
    ),
    "open files": Row(refused=lambda: [sys.__stderr__, open(__file__)]),  # noqa: PTH123, SIM115
    "sockets, locks, threads, frames": Row(
        refused=lambda: [socket.socket(), threading.Lock(), threading.Thread(), inspect.currentframe()]
    ),
    "`memoryview`, weak references": Row(refused=lambda: [memoryview(b"a"), weakref.ref(samples.Plain)]),
    "a bare `object()`": Row(refused=lambda: [object()]),
}


def main_function() -> Any:
    def run() -> None: ...

    run.__module__, run.__qualname__ = "__main__", "run"
    return run


def table() -> dict[str, list[str]]:
    """The cells of the table's rows after the first, by the first."""
    lines = PAGE.read_text(encoding="utf-8").splitlines()
    start = lines.index("| Type | Compared | Ignored | Refused, and what to do instead |") + 2
    rows = {}
    for line in lines[start:]:
        if not line.startswith("|"):
            break
        first, *rest = (cell.strip().replace("\\|", "|") for cell in re.split(r"(?<!\\)\|", line)[1:-1])
        rows[first] = rest
    return rows


def test_table_has_the_types_that_are_tested() -> None:
    assert list(table()) == list(ROWS)


@pytest.mark.parametrize("name", ROWS)
def test_row_of_the_table_holds(name: str) -> None:
    compared, _, remedy = table()[name]
    row = ROWS[name]
    for before, after in row.equal():
        assert encode_value(before) == encode_value(after)
    groups = row.different()
    assert bool(groups) == bool(compared)
    for group in groups:
        assert len({encode_value(value) for value in group}) == len(group) > 1
    assert bool(remedy) == (row.refused is not None)
    assert not remedy or ";" in remedy or "for" in remedy
    for value in row.refused() if row.refused else ():
        with pytest.raises(UnstableValue):
            encode_value(value)
        if hasattr(value, "close") and value is not sys.__stderr__:
            value.close()


def test_ignored_is_named_only_where_equal_values_show_it() -> None:
    assert [name for name, (_, ignored, _) in table().items() if ignored and not ROWS[name].equal()] == []


def test_examples_of_lines_are_what_is_shown() -> None:
    page = PAGE.read_text(encoding="utf-8")
    frame = pd.DataFrame({name: [0, 1, 2] for name in ("a", "b", "when", "kind", "day", "count")})
    for value in (np.arange(256.0).reshape(16, 16), frame, "a line of a longer text\n" * 100):
        line = summarize_value(encode_value(value))
        assert f"\n{line}\n" in page
        assert render_value(encode_value(value))
