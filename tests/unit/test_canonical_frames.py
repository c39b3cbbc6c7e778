"""What counts as equal for values of pandas and polars."""

from __future__ import annotations

import copy
import datetime
import decimal
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest

from mitosis.canonical.decode import decode_value
from mitosis.canonical.difference import compare_values
from mitosis.canonical.encode import encode_value
from mitosis.canonical.full_text import render_value
from mitosis.canonical.nodes import write
from mitosis.canonical.show import summarize_value
from mitosis.errors.values import UnstableValue
from support import canonical_samples as samples


def frame(**changes: Any) -> pd.DataFrame:
    """A frame with columns of many types, some of them changed."""
    columns: dict[str, Any] = {
        "number": [1.5, np.nan, -0.0],
        "count": [1, 2, 3],
        "name": ["a", "b", None],
        "when": pd.date_range("2026-03-01", periods=3, tz="Europe/Berlin"),
        "kind": pd.Categorical(["u", "v", "u"]),
        "maybe": pd.array([1, None, 3], dtype="Int64"),
        "truth": pd.array([True, None, False], dtype="boolean"),
        "mixed": [1, "a", None],
        "span": pd.period_range("2026-01", periods=3, freq="M"),
        "between": pd.interval_range(0, 3),
        "sparse": pd.arrays.SparseArray([0, 0, 1]),
        "text": pd.array(["x", None, "z"], dtype="string"),
        "wait": pd.to_timedelta([1, 2, 3], unit="s"),
    }
    return pd.DataFrame({**columns, **changes})


def indexed(index: Any) -> pd.Series[Any]:
    return pd.Series([1.0, 2.0, 3.0], index=index)


def flagged() -> pd.DataFrame:
    return pd.DataFrame({"a": [1]}).set_flags(allows_duplicate_labels=False)


def with_attrs(**attrs: Any) -> pd.DataFrame:
    made = pd.DataFrame({"a": [1]})
    made.attrs.update(attrs)
    return made


EQUAL: dict[str, Callable[[], tuple[Any, Any]]] = {
    "frames": lambda: (frame(), frame()),
    "a frame of slices": lambda: (frame(), pd.concat([frame()[:1], frame()[1:]])),
    "blocks in another order": lambda: (frame(), frame()[sorted(frame())][list(frame())]),
    "columns that count": lambda: (pd.DataFrame(np.eye(2)), pd.DataFrame(np.eye(2), columns=[0, 1])),
    "codes of a multi-index": lambda: (
        pd.MultiIndex.from_tuples([(1, "a"), (2, "b")]),
        pd.MultiIndex.from_product([[1, 2], ["a", "b"]])[[0, 3]],
    ),
    "storage of texts": lambda: (
        pd.array(["a", None], dtype=pd.StringDtype("python")),
        pd.array(["a", pd.NA], dtype=pd.StringDtype("python")),
    ),
    "polars frames": lambda: (polars_frame(), polars_frame()),
    "polars chunks": lambda: (polars_frame(), pl.concat([polars_frame()[:1], polars_frame()[1:]], rechunk=False)),
    "polars nans": lambda: (pl.Series([float("nan")]), pl.Series([-float("nan")])),
}

DIFFERENT: dict[str, Callable[[], tuple[Any, ...]]] = {
    "frames": lambda: (
        frame(),
        frame(number=[1.5, 0.0, -0.0]),
        frame(number=[1.5, np.nan, 0.0]),
        frame(count=np.array([1, 2, 3], dtype="int32")),
        frame(name=["a", "b", "c"]),
        frame(name=pd.Categorical(["a", "b", None])),
        frame(when=pd.date_range("2026-03-01", periods=3, tz="Europe/Paris")),
        frame(when=pd.date_range("2026-03-01", periods=3)),
        frame(kind=pd.Categorical(["u", "v", "u"], ordered=True)),
        frame(kind=pd.Categorical(["u", "v", "u"], categories=["v", "u"])),
        frame(kind=pd.Categorical(["u", "v", "u"], categories=["u", "v", "w"])),
        frame(maybe=pd.array([1, 2, 3], dtype="Int64")),
        frame(maybe=pd.array([1, 0, 3], dtype="Int64")),
        frame(maybe=pd.array([1, None, 3], dtype="Int32")),
        frame(mixed=[1.0, "a", None]),
        frame(span=pd.period_range("2026-01", periods=3, freq="D")),
        frame(between=pd.interval_range(0, 3, closed="left")),
        frame(sparse=pd.arrays.SparseArray([0, 1, 1])),
        frame(sparse=pd.arrays.SparseArray([0, 0, 1], fill_value=1)),
        frame(text=pd.array(["x", "y", "z"], dtype="string")),
        frame(text=["x", None, "z"]),
        frame(wait=pd.to_timedelta([1, 2, 4], unit="s")),
        frame(extra=1),
        frame().drop(columns="extra", errors="ignore").drop(columns="count"),
        frame().rename(columns={"count": "counts"}),
        frame()[list(frame())[::-1]],
        frame().set_index("count"),
        frame().iloc[::-1],
        frame()[:2],
        frame()[:0],
    ),
    "shapes": lambda: (
        pd.DataFrame(),
        pd.DataFrame(index=[0]),
        pd.DataFrame(columns=["a"]),
        pd.DataFrame({"a": [1]}),
        pd.Series([1], name="a"),
        pd.Series([1]),
        pd.Series([1.0]),
        pd.Index([1]),
        np.array([1]),
        [1],
    ),
    "columns of one name": lambda: (
        pd.DataFrame([[1, 2]], columns=["a", "a"]),
        pd.DataFrame([[2, 1]], columns=["a", "a"]),
        pd.DataFrame([[1, 2]], columns=["a", "b"]),
    ),
    "indexes": lambda: (
        indexed([0, 1, 2]),
        indexed([0, 1, 3]),
        indexed([0.0, 1.0, 2.0]),
        indexed(["0", "1", "2"]),
        indexed(pd.Index([0, 1, 2], name="i")),
        indexed(pd.CategoricalIndex(["a", "b", "c"])),
        indexed(pd.date_range("2026", periods=3)),
        indexed(pd.DatetimeIndex(pd.date_range("2026", periods=3), freq=None)),
        indexed(pd.MultiIndex.from_tuples([(1, "a"), (2, "b"), (3, "c")])),
        indexed(pd.MultiIndex.from_tuples([(1, "a"), (2, "b"), (3, "c")], names=["x", None])),
    ),
    "what is carried along": lambda: (
        with_attrs(),
        with_attrs(unit="m"),
        with_attrs(unit="s"),
        flagged(),
    ),
    "scalars": lambda: (
        pd.NaT,
        pd.NA,
        None,
        np.nan,
        pd.Timestamp("2026-03-01"),
        pd.Timestamp("2026-03-01", tz="UTC"),
        pd.Timestamp("2026-03-01", tz="Europe/Berlin"),
        pd.Timestamp("2026-03-01").to_pydatetime(),
        pd.Timestamp("2026-03-01 00:00:00.000000001"),
        pd.Timedelta(1, "s"),
        pd.Timedelta(1, "ns"),
        pd.Period("2026-03", freq="M"),
        pd.Period("2026-03-01", freq="D"),
        pd.Interval(0, 1),
        pd.Interval(0, 1, closed="both"),
        pd.offsets.MonthEnd(1),
        pd.offsets.MonthEnd(2),
        pd.offsets.MonthEnd(1, normalize=True),
        pd.offsets.Week(weekday=1),
        pd.offsets.Week(weekday=2),
        pd.offsets.Day(1),
        pd.DateOffset(days=1),
        pd.DateOffset(days=2),
    ),
    "dtypes": lambda: (
        pd.CategoricalDtype(["a", "b"]),
        pd.CategoricalDtype(["b", "a"]),
        pd.CategoricalDtype(["a", "b"], ordered=True),
        pd.CategoricalDtype(),
        pd.Int64Dtype(),
        pd.StringDtype("python"),
        pd.StringDtype("python", na_value=np.nan),
        pd.DatetimeTZDtype(tz="UTC"),
        pd.DatetimeTZDtype(unit="s", tz="UTC"),
        pd.PeriodDtype("M"),
        pd.IntervalDtype("int64", "left"),
        pd.SparseDtype("float64"),
        np.dtype("int64"),
    ),
    "polars frames": lambda: (
        polars_frame(),
        polars_frame(number=[1.5, None, float("nan")]),
        polars_frame(number=[1.5, 0.0, None]),
        polars_frame(count=pl.Series([1, 2, 3], dtype=pl.Int32)),
        polars_frame(name=["a", "b", "c"]),
        polars_frame(moment=pl.Series([datetime.datetime(2026, 3, 1), None, None], dtype=pl.Datetime("ns"))),
        polars_frame(list=[[1], [2], None]),
        polars_frame(record=[{"x": 1, "y": "a"}, None, {"x": 2, "y": ""}]),
        polars_frame(truth=[True, False, False]),
        polars_frame(kind=["u", "v", "u"]),
        polars_frame(level=pl.Series(["low", "high", None], dtype=pl.Enum(["high", "low"]))),
        polars_frame(extra=[1, 2, 3]),
        polars_frame().select(pl.all().reverse()),
        polars_frame().select(sorted(polars_frame().columns)),
        polars_frame()[:0],
        pl.DataFrame(),
    ),
    "polars series": lambda: (
        pl.Series("a", [1]),
        pl.Series("b", [1]),
        pl.Series("a", [1.0]),
        pl.Series("a", [1], dtype=pl.UInt8),
        pl.Series("a", [1], dtype=pl.Int128),
        pl.Series("a", [2], dtype=pl.Int128),
        pl.Series("a", [None]),
        pl.DataFrame({"a": [1]}),
        pl.Int64,
        pl.Float64,
        pl.Datetime("ns"),
        pl.Datetime("us"),
        pl.List(pl.Int64),
        pl.Enum(["a"]),
        pl.Enum(["b"]),
    ),
}

DAY = datetime.date(2026, 3, 1)


def polars_frame(**changes: Any) -> pl.DataFrame:
    columns: dict[str, Any] = {
        "number": [1.5, float("nan"), None],
        "count": [1, 2, 3],
        "name": ["a", None, "c"],
        "when": [DAY, None, DAY],
        "moment": [datetime.datetime(2026, 3, 1), None, None],
        "list": [[1], [2, 3], None],
        "record": [{"x": 1, "y": "a"}, None, {"x": 2, "y": None}],
        "truth": [True, None, False],
        "price": [decimal.Decimal("1.50"), None, decimal.Decimal("0.25")],
        "kind": pl.Series(["u", "v", "u"], dtype=pl.Categorical),
        "level": pl.Series(["low", "high", None], dtype=pl.Enum(["low", "high"])),
        "bytes": [b"a", None, b"b"],
    }
    return pl.DataFrame({**columns, **changes})


@pytest.mark.parametrize("make", EQUAL.values(), ids=EQUAL.keys())
def test_equal_values_encode_equally(make: Callable[[], tuple[Any, Any]]) -> None:
    one, other = make()
    assert encode_value(one) == encode_value(other)


@pytest.mark.parametrize("make", DIFFERENT.values(), ids=DIFFERENT.keys())
def test_different_values_encode_differently(make: Callable[[], tuple[Any, ...]]) -> None:
    samples.assert_all_differ(make())


@pytest.mark.parametrize("make", (EQUAL | DIFFERENT).values(), ids=(EQUAL | DIFFERENT).keys())
def test_copied_and_decoded_values_encode_equally(make: Callable[[], tuple[Any, ...]]) -> None:
    for value in make():
        data = encode_value(value)
        assert encode_value(copy.deepcopy(value)) == data, value
        assert encode_value(pickle.loads(pickle.dumps(value))) == data, value
        assert write(decode_value(data)) == data
        assert len(summarize_value(data)) <= 60
        assert render_value(data)


def test_cell_that_differs_is_named() -> None:
    one, other = frame(), frame(count=[1, 2, 4], name=["a", "c", None])
    shown = list(map(str, compare_values(encode_value(one), encode_value(other)).differences))
    assert shown == [
        "count: array(3 int64) differs in 1 element: [2]: 3 → 4",
        "name[1]: 'b' → 'c'",
    ]


def test_columns_that_come_and_go_and_move_are_named() -> None:
    one = pd.DataFrame({"a": [1], "b": [2], "c": [3]})
    gone = compare_values(encode_value(one), encode_value(one.drop(columns="b"))).differences
    assert [(d.path, d.after) for d in gone] == [("b", None)]
    moved = compare_values(encode_value(one), encode_value(one[["b", "a", "c"]])).differences
    assert [d.text for d in moved] == ["the same keys in a different order"]


def test_big_column_keeps_digests() -> None:
    big = pd.DataFrame({"a": np.arange(1_000_000.0), "b": np.arange(1_000_000)})
    data = encode_value(big)
    assert len(data) < 20_000
    big.loc[777_777, "b"] = 0
    (difference,) = compare_values(data, encode_value(big)).differences
    assert difference.path == "b"
    assert "int64) differs in elements 7" in difference.text


def test_summary_shows_size_and_columns() -> None:
    assert summarize_value(encode_value(pd.DataFrame({"a": [1, 2], "b": ["x", "y"]}))) == "DataFrame(2×2: a, b)"
    assert summarize_value(encode_value(pl.DataFrame({"a": [1, 2], "b": ["x", "y"]}))) == "DataFrame(2×2: a, b)"
    assert summarize_value(encode_value(pd.DataFrame(index=[1, 2, 3]))) == "DataFrame(3×0)"


def test_queries_of_polars_are_refused() -> None:
    with pytest.raises(UnstableValue, match="collect"):
        encode_value({"a": pl.LazyFrame({"a": [1]})})
    with pytest.raises(UnstableValue, match="pass a function"):
        encode_value(pl.col("a") + 1)


def test_unstable_cell_is_refused_with_its_column() -> None:
    with pytest.raises(UnstableValue) as caught:
        encode_value({"data": pd.DataFrame({"a": [1], "f": [lambda x: x]})})
    assert caught.value.path == "data.f[0]"


class Measured(pd.DataFrame):  # type: ignore[misc]
    """A frame that carries something along."""

    _metadata = ["unit"]  # noqa: RUF012

    @property
    def _constructor(self) -> type[Measured]:
        return Measured


def test_subclass_and_its_metadata_count() -> None:
    one, other = Measured({"a": [1]}), Measured({"a": [1]})
    one.unit, other.unit = "m", "s"
    assert encode_value(one) != encode_value(other)
    assert encode_value(one) != encode_value(pd.DataFrame({"a": [1]}))
    other.unit = "m"
    assert encode_value(one) == encode_value(other)
