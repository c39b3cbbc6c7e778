"""The table in the reference page `values` says of each type what counts as equal; each row is held to it here."""

from __future__ import annotations

import array
import asyncio
import collections
import dataclasses
import datetime
import enum
import fractions
import functools
import inspect
import math
import pathlib
import re
import socket
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
from support import made_callables as made
from support.canonical_lookup import categories, damping, objects

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "values.md"


@dataclasses.dataclass(frozen=True)
class Row:
    """What a row of the table promises, as functions so that the values are made when they are needed.

    What the row says is compared is shown by the tests of these types.
    """

    equal: Callable[[], list[tuple[Any, Any]]] = list
    """Pairs that differ only in what the row says is ignored, or in nothing."""
    refused: Callable[[], list[Any]] | None = None
    """Values that the row says are refused; None where it names none."""


@dataclasses.dataclass
class Fields:
    scale: float
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


def pending() -> Any:
    async def wait() -> None:
        await asyncio.sleep(0)

    coroutine = wait()
    coroutine.close()
    return coroutine


def frame(**columns: Any) -> pd.DataFrame:
    return pd.DataFrame({"a": [1, 2], "b": [0.5, np.nan], **columns})


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
        lambda: [(2**70, 2**70), ("\ud800", "\ud800"), (b"a" * 2000, bytes(bytearray(b"a" * 2000)))]
    ),
    "`float`, `complex`": Row(
        lambda: [(math.nan, samples.nan_with_payload()), (complex(1, math.nan), complex(1, samples.nan_with_payload()))]
    ),
    "`list`, `tuple`, `deque`": Row(
        lambda: [([[1], [1]], [ONE_LIST] * 2), (collections.deque([1]), collections.deque([1]))]
    ),
    "`set`, `frozenset`": Row(lambda: [({1, "a", None}, {None, "a", 1})]),
    "`dict`, `Counter`, `mappingproxy`": Row(
        lambda: [({"a": 1, "b": 2}, {"b": 2, "a": 1}), (collections.Counter("aab"), collections.Counter("baa"))],
        refused=lambda: [samples.by_address()],
    ),
    "`OrderedDict`": Row(lambda: [(collections.OrderedDict(a=1), collections.OrderedDict(a=1))]),
    "`defaultdict`, `ChainMap`": Row(
        lambda: [(collections.defaultdict(list, a=1, b=2), collections.defaultdict(list, b=2, a=1))],
        refused=lambda: [collections.defaultdict(lambda: 0)],
    ),
    "`range`": Row(lambda: [(range(0), range(5, 3)), (range(0, 5, 2), range(0, 6, 2))]),
    "`slice`, `...`, `NotImplemented`": Row(lambda: [(slice(1, 2), slice(1, 2, None))]),
    "enums and flags": Row(
        lambda: [
            (samples.Color.RED, samples.Color.CRIMSON),
            (samples.Mode.READ | samples.Mode.WRITE, samples.Mode.WRITE | samples.Mode.READ),
        ],
        refused=lambda: [local_member()],
    ),
    "dataclasses": Row(
        lambda: [(Fields(1.0, "a"), Fields(1.0, "b")), (Fields(1.0), extended(Fields(1.0), other=2))],
        refused=lambda: [local(Fields, 1.0)],
    ),
    "named tuples, `SimpleNamespace`": Row(
        lambda: [(types.SimpleNamespace(a=1, b=2), types.SimpleNamespace(b=2, a=1))],
        refused=lambda: [local(samples.Point, 1, 2)],
    ),
    "`datetime`, `time`": Row(lambda: [(NOON, NOON.replace())]),
    "`date`, `timedelta`, `timezone`, `ZoneInfo`": Row(
        lambda: [
            (datetime.timedelta(hours=24), datetime.timedelta(days=1)),
            (BERLIN, zoneinfo.ZoneInfo.no_cache(BERLIN.key)),
        ],
        refused=lambda: [samples.zone_without_key()],
    ),
    "`Decimal`, `Fraction`": Row(lambda: [(fractions.Fraction(2, 4), fractions.Fraction(1, 2))]),
    "paths": Row(
        lambda: [(pathlib.PureWindowsPath("a\\b"), pathlib.PureWindowsPath("a/b")), (Path("a//b"), Path("a/b"))]
    ),
    "`UUID`, regular expressions": Row(
        lambda: [(uuid.UUID(int=5), uuid.UUID("{00000000-0000-0000-0000-000000000005}"))]
    ),
    "`array.array`": Row(
        lambda: [(array.array("q", [1]), array.array("l", [1]))] if array.array("l").itemsize == 8 else []
    ),
    "functions and builtins": Row(
        lambda: [(damping, damping), (math.sin, math.sin), (samples.decorated, samples.decorated)],
        refused=lambda: [lambda x: x, samples.closure, samples.misnamed_original, main_function()],
    ),
    "classes and modules": Row(lambda: [(Fields, Fields)], refused=lambda: [samples.make_local_class()]),
    "bound methods": Row(
        lambda: [(samples.Plain(a=1).method, samples.Plain(a=1).method)], refused=lambda: [local(samples.Plain).method]
    ),
    "`functools.partial`": Row(
        lambda: [(functools.partial(damping, x=1, rate=2), functools.partial(damping, rate=2, x=1))],
        refused=lambda: [functools.partial(lambda x: x, 1)],
    ),
    "`list[int]`, `int | None`": Row(lambda: [(int | None, None | int)]),
    "numpy arrays": Row(
        lambda: [
            (GRID, np.asfortranarray(GRID)),
            (GRID, GRID.astype(">f8")),
            (GRID[:, ::2], GRID[:, ::2].copy()),
            (np.array([1], np.longlong), np.array([1], np.int64)),
            (np.array([math.nan]), np.array([samples.nan_with_payload()])),
        ]
    ),
    "structured arrays": Row(lambda: [(np.zeros(2, RECORD), np.zeros(2, np.dtype(RECORD, align=True)))]),
    "arrays of objects, and of texts of variable width": Row(
        lambda: [(objects([1], "a"), objects([1], "a"))], refused=lambda: [objects(lambda x: x)]
    ),
    "masked arrays": Row(
        lambda: [
            (np.ma.array([1.0, 2.0], mask=[True, False]), np.ma.array([5.0, 2.0], mask=[True, False])),
            (np.ma.array([1.0]), np.ma.array([1.0], mask=[False])),
            (np.ma.array([1.0], mask=[True]), np.ma.array([1.0], mask=[True], hard_mask=True)),
        ]
    ),
    "subclasses of `ndarray`, `numpy.memmap`": Row(
        lambda: [(extended(GRID.view(Tagged), tag=1), extended(GRID.view(Tagged), tag=1))]
    ),
    "numpy scalars and dtypes": Row(lambda: [(np.longlong(1), np.int64(1)), (np.dtype("=f8"), np.dtype(float))]),
    "numpy `Generator` and bit generators": Row(
        lambda: [
            (
                used(np.random.default_rng(1), *[lambda g: g.integers(9, dtype="i4")] * 2),
                used(np.random.default_rng(1), lambda g: g.bit_generator.random_raw()),
            )
        ]
    ),
    "`RandomState`, `SeedSequence`": Row(
        lambda: [(np.random.mtrand._rand, used(np.random.mtrand._rand, lambda g: g.random()))]
    ),
    "universal functions, and functions of the global generator": Row(
        lambda: [(np.sin, np.sin), (np.random.normal, used(np.random.normal, lambda draw: draw()))],
        refused=lambda: [np.frompyfunc(damping, 2, 1)],
    ),
    "pandas `DataFrame`": Row(
        lambda: [(frame(), pd.concat([frame()[["a"]], frame()[["b"]]], axis=1))],
        refused=lambda: [frame(c=[lambda x: x, 1])],
    ),
    "pandas `Series`, `Index`, `MultiIndex`": Row(
        lambda: [(pd.RangeIndex(3), pd.Index([0, 1, 2])), (pd.Series([1]), pd.Series([1], index=[0]))]
    ),
    "nullable and text columns": Row(
        lambda: [
            (
                pd.arrays.IntegerArray(np.array([1, 5]), np.array([False, True])),
                pd.arrays.IntegerArray(np.array([1, 7]), np.array([False, True])),
            )
        ]
    ),
    "categoricals": Row(lambda: [(categories("lo", "hi"), categories("lo", "hi"))]),
    "`Timestamp`, `Timedelta`": Row(
        lambda: [
            (pd.Timestamp("2026-03-01").as_unit("s"), pd.Timestamp("2026-03-01").as_unit("ns")),
            (pd.Timedelta("1h"), pd.Timedelta("60min")),
        ]
    ),
    "`Period`, `Interval`, offsets, dtypes of pandas": Row(
        lambda: [(pd.Interval(0, 1), pd.Interval(0, 1, closed="right"))]
    ),
    "polars `DataFrame`, `Series`": Row(
        lambda: [(pl.concat([pl.Series([1]), pl.Series([2])], rechunk=False), pl.Series([1, 2]))],
        refused=lambda: [pl.DataFrame({"a": [1]}).lazy(), pl.col("a") + 1],
    ),
    "frozen distributions of scipy": Row(
        lambda: [
            (scipy.stats.norm(0, 2), used(scipy.stats.norm(0, 2), lambda d: d.cdf(1), lambda d: d.rvs(2))),
            (samples.seeded(scipy.stats.norm(), 5), samples.seeded(scipy.stats.norm(), 5)),
        ]
    ),
    "other distributions of scipy": Row(
        lambda: [
            (
                scipy.stats.multivariate_normal([0, 1]),
                used(scipy.stats.multivariate_normal([0, 1]), lambda d: d.rvs(), lambda d: d.pdf([0, 0])),
            )
        ],
        refused=lambda: [local(scipy.stats.rv_continuous)],
    ),
    "estimators of scikit-learn": Row(
        lambda: [(Ridge(alpha=0.5), Ridge(alpha=0.5, max_iter=None))],
        refused=lambda: [FunctionTransformer(lambda x: x)],
    ),
    "tensors of torch, arrays of jax and others with `__dlpack__`": Row(
        lambda: [(made.Tensor(GRID[:, ::2]), made.Tensor(GRID[:, ::2].copy()))]
    ),
    "models of pydantic": Row(
        lambda: [(made.Config(), made.Config(is_given=True))], refused=lambda: [made.Config(n=local())]
    ),
    "callables that a decorator or a compiler made": Row(
        lambda: [(made.fast, made.fast)], refused=lambda: [functools.lru_cache(made.slow)]
    ),
    "other objects": Row(
        lambda: [
            (made.KeptHash("a"), made.KeptHash("a", is_used=True)),
            (samples.Plain(a=1, b=2), samples.Plain(b=2, a=1)),
            (samples.Slotted(1, 2), samples.Slotted(1, 2)),
        ],
        refused=lambda: [local(), samples.Reduced((samples.make, (repr(object()),))), property(lambda self: 1)],
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
    _, _, remedy = table()[name]
    row = ROWS[name]
    for before, after in row.equal():
        assert encode_value(before) == encode_value(after)
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
