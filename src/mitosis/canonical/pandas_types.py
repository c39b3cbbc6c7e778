"""Values of pandas, by their public attributes. Imported only when a value's process has imported pandas itself."""

from __future__ import annotations

import datetime
import sys
from typing import Any, Final

import numpy as np
import pandas as pd

from mitosis.canonical import numpy_types
from mitosis.canonical.expansion import Expansion, Handler, Part, atom, mapping, record
from mitosis.canonical.names import class_label
from mitosis.canonical.plain import constant, of_attributes

_NANOSECONDS: Final = 10**9


def handler(cls: type) -> Handler | None:
    """How to take apart values of this class; None if it is not a class of pandas."""
    for base, found in _BY_BASE.items():
        if issubclass(cls, base):
            return found
    return None


def _label(value: object, known: type) -> str:
    return f"pandas.{known.__name__}" if type(value) is known else class_label(type(value))


def expand_frame(value: Any, limit: int) -> Part:
    """A frame: index, columns in their order, and what it carries along."""
    columns = value.columns
    rows = [(label, _values(value.iloc[:, at].array, limit)) for at, label in enumerate(columns)]
    parts: dict[str, object] = {
        "items": mapping("columns", rows, ordered=True),
        ".index": expand_index(value.index, limit),
        # The labels themselves are the keys of the items.
        ".columns": record("pandas.Index", {**_index_kind(columns), ".dtype": _dtype(columns.dtype)}),
    }
    return record(_label(value, pd.DataFrame), {**parts, **_carried(value)})


def expand_series(value: Any, limit: int) -> Part:
    """A series: index, name, values, and what it carries along."""
    parts = {"items": _values(value.array, limit), ".index": expand_index(value.index, limit), ".name": value.name}
    return record(_label(value, pd.Series), {**parts, **_carried(value)})


def _carried(value: Any) -> dict[str, object]:
    parts: dict[str, object] = {}
    if value.attrs:
        parts[".attrs"] = value.attrs
    if not value.flags.allows_duplicate_labels:
        parts[".flags"] = record("pandas.Flags", {".allows_duplicate_labels": False})
    for name in value._metadata:
        if name not in ("name", "_name"):
            parts[f".{name}"] = getattr(value, name, None)
    return parts


def expand_index(value: Any, limit: int) -> Expansion:
    """An index. One that counts (`RangeIndex`) equals one that lists the same numbers."""
    if isinstance(value, pd.MultiIndex):
        levels = [expand_index(value.get_level_values(at), limit) for at in range(value.nlevels)]
        return record("pandas.MultiIndex", {"levels": Expansion(1, "list", levels)})
    return record("pandas.Index", {**_index_kind(value), "items": _values(value.array, limit)})


def _index_kind(value: Any) -> dict[str, object]:
    if isinstance(value, pd.MultiIndex):
        return {".names": list(value.names)}
    kind: dict[str, object] = {".name": value.name}
    if isinstance(value, pd.DatetimeIndex | pd.TimedeltaIndex) and value.freq is not None:
        kind[".freq"] = value.freq
    return kind


def _values(array: Any, limit: int) -> Part:
    """The values of a column or an index, or an array of pandas's own."""
    dtype = array.dtype
    strings = isinstance(dtype, pd.StringDtype)
    if isinstance(dtype, np.dtype) or (isinstance(array, pd.arrays.NumpyExtensionArray) and not strings):
        found = np.asarray(array)
        if found.dtype.kind == "O":
            return record("pandas.array", {".dtype": "object", "items": found.tolist()})
        return numpy_types.plain_array(found, limit)
    parts: dict[str, object] = {".dtype": _dtype(dtype)}
    if isinstance(dtype, pd.CategoricalDtype):
        codes = np.asarray(array.codes).astype(np.int64)
        parts["items"] = numpy_types.plain_array(codes, limit)
    elif isinstance(dtype, pd.DatetimeTZDtype):
        # Times of a zone are kept as UTC.
        parts["items"] = numpy_types.plain_array(array.tz_convert("UTC").tz_localize(None).to_numpy(), limit)
    elif isinstance(dtype, pd.PeriodDtype):
        parts["items"] = numpy_types.plain_array(array.asi8, limit)
    elif isinstance(dtype, pd.IntervalDtype):
        parts[".left"] = _values(array.left.array, limit)
        parts[".right"] = _values(array.right.array, limit)
    elif isinstance(dtype, pd.SparseDtype):
        parts["items"] = np.asarray(array)
    elif _is_masked(dtype):
        missing = np.asarray(array.isna())
        plain = array.to_numpy(dtype.numpy_dtype, na_value=dtype.numpy_dtype.type(0))
        parts["items"] = numpy_types.plain_array(plain, limit)
        parts[".missing"] = numpy_types.plain_array(missing, limit)
    elif strings:
        parts["items"] = [None if text is pd.NA or text != text else text for text in array]
    else:
        parts["items"] = list(array)
    return record("pandas.array", parts)


def _is_masked(dtype: Any) -> bool:
    """Whether it is one of the nullable numbers or booleans, such as `Int64`."""
    library = type(dtype).__module__.partition(".")[0]
    return library == "pandas" and isinstance(getattr(dtype, "numpy_dtype", None), np.dtype)


def expand_dtype(value: Any, limit: int) -> Part:
    described = _dtype(value)
    return atom("pandas.dtype", described) if isinstance(described, str) else described


def _dtype(dtype: Any) -> str | Expansion:
    if isinstance(dtype, pd.CategoricalDtype):
        categories = None if dtype.categories is None else expand_index(dtype.categories, sys.maxsize)
        return record("pandas.CategoricalDtype", {".categories": categories, ".ordered": bool(dtype.ordered)})
    if isinstance(dtype, pd.DatetimeTZDtype):
        return record("pandas.DatetimeTZDtype", {".unit": dtype.unit, ".tz": _zone(dtype.tz)})
    if isinstance(dtype, pd.PeriodDtype):
        return record("pandas.PeriodDtype", {".freq": dtype.freq})
    if isinstance(dtype, pd.IntervalDtype):
        return record("pandas.IntervalDtype", {".subtype": _dtype(dtype.subtype), ".closed": dtype.closed})
    if isinstance(dtype, pd.SparseDtype):
        return record("pandas.SparseDtype", {".subtype": _dtype(dtype.subtype), ".fill_value": dtype.fill_value})
    if isinstance(dtype, pd.StringDtype):
        # Python objects or Arrow memory: which it is depends on what else is installed.
        return "string" if dtype.na_value is pd.NA else "str"
    if isinstance(dtype, np.dtype):
        return numpy_types.dtype_name(dtype)
    return str(dtype)


def _zone(zone: Any) -> object:
    """A time zone: the same whether it is one of pytz, as pandas made them before 3.0, or of Python."""
    name = getattr(zone, "zone", None)
    if type(name) is not str or not type(zone).__module__.startswith("pytz"):
        return zone
    return datetime.UTC if name == "UTC" else atom("zoneinfo.ZoneInfo", name)


def expand_timestamp(value: Any, limit: int) -> Part:
    """A moment to the nanosecond. The unit in which it is kept does not count."""
    naive = value.tz_convert("UTC").tz_localize(None) if value.tzinfo is not None else value
    seconds, nanoseconds = _count(naive.to_datetime64())
    if value.tzinfo is None:
        return atom("pandas.Timestamp", seconds, nanoseconds)
    return record(
        "pandas.Timestamp", {".seconds": seconds, ".nanoseconds": nanoseconds, ".tzinfo": _zone(value.tzinfo)}
    )


def expand_timedelta(value: Any, limit: int) -> Part:
    return atom("pandas.Timedelta", *_count(value.to_timedelta64()))


def _count(time: Any) -> tuple[int, int]:
    """Whole seconds and nanoseconds of a numpy time with one of the units that pandas uses."""
    unit, _ = np.datetime_data(time.dtype)
    per_second = {"s": 1, "ms": 10**3, "us": 10**6, "ns": _NANOSECONDS}[unit]
    seconds, part = divmod(int(time.view(np.int64)), per_second)
    return seconds, part * (_NANOSECONDS // per_second)


def expand_offset(value: Any, limit: int) -> Part:
    """A frequency or offset: by class and numbers, since its short name changes between versions of pandas."""
    parts: dict[str, object] = {".n": value.n, ".normalize": value.normalize}
    for name, part in sorted(value.kwds.items()):
        parts[f".{name}"] = part
    cls = type(value)
    known = getattr(pd.offsets, cls.__name__, None) is cls
    return record(f"pandas.offsets.{cls.__name__}" if known else class_label(cls), parts)


_BY_BASE: Final[dict[type, Handler]] = {
    pd.DataFrame: expand_frame,
    pd.Series: expand_series,
    pd.Index: expand_index,
    type(pd.NaT): constant("pandas.NaT"),
    type(pd.NA): constant("pandas.NA"),
    pd.Timestamp: expand_timestamp,
    pd.Timedelta: expand_timedelta,
    pd.Period: of_attributes("pandas.Period", "ordinal", "freq"),
    pd.Interval: of_attributes("pandas.Interval", "left", "right", "closed"),
    pd.offsets.BaseOffset: expand_offset,
    pd.api.extensions.ExtensionArray: _values,
    pd.api.extensions.ExtensionDtype: expand_dtype,
}
"""Handlers by base class, the first that fits."""
