"""Values of polars, by their public attributes. Imported only when a value's process has imported polars itself."""

from __future__ import annotations

from typing import Final

import polars as pl

from mitosis.canonical.expansion import Handler, Part, atom, mapping, record
from mitosis.canonical.names import Refusal


def handler(cls: type) -> Handler | None:
    """How to take apart values of this class; None if it is not a class of polars."""
    for base, found in _BY_BASE.items():
        if issubclass(cls, base):
            return found
    if issubclass(type(cls), type(pl.DataType)) and issubclass(cls, pl.DataType):
        return expand_dtype
    return None


def expand_frame(value: pl.DataFrame, limit: int) -> Part:
    """A frame: columns in their order."""
    rows = [(column.name, _values(column, limit)) for column in value.iter_columns()]
    return record("polars.DataFrame", {"items": mapping("columns", rows, ordered=True), ".height": value.height})


def expand_series(value: pl.Series, limit: int) -> Part:
    return record("polars.Series", {".name": value.name, "items": _values(value, limit)})


def _values(series: pl.Series, limit: int) -> Part:
    """The values of a series: numbers as an array and where there are none, others one by one."""
    dtype = series.dtype
    if not isinstance(dtype, _NUMBERS) and not dtype.is_temporal():
        return record("polars.array", {".dtype": str(dtype), "items": series.to_list()})
    from mitosis.canonical import numpy_types

    numbers = series.to_physical()
    parts: dict[str, object] = {
        ".dtype": str(dtype),
        "items": numpy_types.plain_array(numbers.fill_null(0).to_numpy(), limit),
    }
    if numbers.null_count():
        parts[".missing"] = numpy_types.plain_array(numbers.is_null().to_numpy(), limit)
    return record("polars.array", parts)


def expand_dtype(value: pl.DataType, limit: int) -> Part:
    return atom("polars.dtype", str(value))


def refuse_query(value: object, limit: int) -> Part:
    raise Refusal("a polars query is not a value yet; pass the frame that `.collect()` gives")


def refuse_expression(value: object, limit: int) -> Part:
    raise Refusal("a polars expression has no form that is stable between versions; pass a function")


_NUMBERS: Final = (
    *(pl.Int8, pl.Int16, pl.Int32, pl.Int64, pl.UInt8, pl.UInt16, pl.UInt32, pl.UInt64),
    *(pl.Float32, pl.Float64),
)
"""Types that numpy has as well."""

_BY_BASE: Final[dict[type, Handler]] = {
    pl.DataFrame: expand_frame,
    pl.Series: expand_series,
    pl.LazyFrame: refuse_query,
    pl.Expr: refuse_expression,
}
