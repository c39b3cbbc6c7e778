"""Rows of trials as data frames of other libraries, one column a field, each of one type.

Times are times in UTC, and what is missing is missing. A column in which trials have values of several kinds is text.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from typing import Any

from mitosis.errors.usage import UsageError
from mitosis.records.view import Kind, Scalar, kind_of
from mitosis.text import exact_value, parse_moment

Rows = Iterable[Sequence[Scalar]]
_AT_ONCE = 10_000


def column_types(names: Sequence[str], rows: Rows) -> list[type]:
    """The type of each column: `bool`, `int`, `float`, `str` or `datetime`."""
    found: list[set[type]] = [set() for _ in names]
    for row in rows:
        for types, value in zip(found, row, strict=True):
            if value is not None:
                is_huge = isinstance(value, int) and not -(2**63) <= value < 2**63
                types.add(str if is_huge else type(value))
    return [_type(name, types) for name, types in zip(names, found, strict=True)]


def _type(name: str, types: set[type]) -> type:
    kind = kind_of(name)
    if kind is Kind.MOMENT:
        return datetime
    if not types:
        return {Kind.TEXT: str, Kind.ID: str, Kind.COUNT: int, Kind.BYTES: int}.get(kind, float)
    if types == {int, float}:
        return float
    return next(iter(types)) if len(types) == 1 else str


def convert(value: Scalar, to: type) -> Any:
    """A value of a column of that type."""
    if value is None:
        return None
    if to is datetime:
        return parse_moment(str(value))
    return exact_value(value) if to is str else to(value)


def columns(names: Sequence[str], rows: Rows) -> dict[str, tuple[type, list[Any]]]:
    """Of each column its type and its values."""
    kept = list(rows)
    types = column_types(names, kept)
    turned = zip(*kept, strict=True) if kept else itertools.repeat((), len(names))
    return {
        name: (to, [convert(value, to) for value in values])
        for name, to, values in zip(names, types, turned, strict=True)
    }


def to_pandas(names: Sequence[str], rows: Rows) -> Any:
    """A `pandas.DataFrame`. Truth values and integers have the types of pandas that know missing values."""
    import pandas as pd

    dtypes = {bool: "boolean", int: "Int64", float: "float64", str: "string", datetime: "datetime64[us, UTC]"}
    found = columns(names, rows)
    return pd.DataFrame({name: pd.Series(values, dtype=dtypes[to]) for name, (to, values) in found.items()})


def to_polars(names: Sequence[str], rows: Rows) -> Any:
    """A `polars.DataFrame`."""
    import polars as pl

    dtypes: dict[type, Any] = {
        bool: pl.Boolean,
        int: pl.Int64,
        float: pl.Float64,
        str: pl.String,
        datetime: pl.Datetime("us", "UTC"),
    }
    found = columns(names, rows)
    return pl.DataFrame([pl.Series(name, values, dtype=dtypes[to]) for name, (to, values) in found.items()])


def to_arrow(names: Sequence[str], rows: Rows) -> Any:
    """A `pyarrow.Table`."""
    import pyarrow as pa

    kept = list(rows)
    schema = _arrow_schema(names, kept)
    return pa.Table.from_batches(_batches(schema, kept), schema)


def write_parquet(names: Sequence[str], rows: Callable[[], Rows], file: Any) -> None:
    """Write a Parquet file, a part of the rows at a time.

    Args:
        names: of the columns.
        rows: gives the rows, which are read twice.
        file: a binary file.

    Raises:
        UsageError: pyarrow is not installed.
    """
    try:
        from pyarrow import parquet
    except ImportError as error:
        raise UsageError("Parquet is written by pyarrow, which is not installed\nRun: pip install pyarrow") from error
    schema = _arrow_schema(names, rows())
    with parquet.ParquetWriter(file, schema) as writer:
        for batch in _batches(schema, rows()):
            writer.write_batch(batch)


def _arrow_schema(names: Sequence[str], rows: Rows) -> Any:
    import pyarrow as pa

    types = {
        bool: pa.bool_(),
        int: pa.int64(),
        float: pa.float64(),
        str: pa.string(),
        datetime: pa.timestamp("us", "UTC"),
    }
    return pa.schema([(name, types[to]) for name, to in zip(names, column_types(names, rows), strict=True)])


def _batches(schema: Any, rows: Rows) -> Iterator[Any]:
    import pyarrow as pa

    pythons = {pa.bool_(): bool, pa.int64(): int, pa.float64(): float, pa.string(): str}
    waiting = iter(rows)
    while chunk := list(itertools.islice(waiting, _AT_ONCE)):
        arrays = []
        for field, values in zip(schema, zip(*chunk, strict=True), strict=True):
            to = pythons.get(field.type, datetime)
            arrays.append(pa.array([convert(value, to) for value in values], field.type))
        yield pa.RecordBatch.from_arrays(arrays, schema=schema)
