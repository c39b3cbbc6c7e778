"""Values whose canonical bytes are kept in `tests/formats/canonical` and must never change.

Run it as `python tests/support/canonical_golden.py` from the repository's root to write the files of values that are
new here. It never changes a file: bytes of one format that no longer fit are a broken lock in somebody's journal, and
need a new format instead.
"""

from __future__ import annotations

import collections
import datetime
import decimal
import fractions
import functools
import math
import pathlib
import re
import sys
import types
import uuid
import zoneinfo
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import scipy.stats

from mitosis.canonical.encode import INLINE_LIMIT, encode_value

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[1]))

from support import canonical_samples as samples

FOLDER = Path(__file__).parents[1] / "formats" / "canonical"


def _cycle() -> list[Any]:
    value: list[Any] = [1]
    value.append({"back": value})
    return value


def _network() -> dict[Any, Any]:
    """A cycle through keys and sets."""
    nodes = [samples.Keyed(at) for at in range(3)]
    graph = {node: {other for other in nodes if other is not node} for node in nodes}
    for node in nodes:
        node.__dict__["graph"] = graph
    return graph


def _shared() -> list[Any]:
    value: list[Any] = [1]
    for _ in range(20):
        value = [value, value]
    return value


def _drawn() -> np.random.Generator:
    generator = np.random.Generator(np.random.PCG64(np.random.SeedSequence(7)))
    generator.integers(10)
    return generator


VALUES: dict[str, Callable[[], Any]] = {
    "none": lambda: None,
    "booleans": lambda: [True, False],
    "integers": lambda: [0, -1, 127, 128, -33, 2**31, 2**63, 2**64 - 1, -(2**63), 2**64, -(2**200)],
    "floats": lambda: [0.0, -0.0, 0.1, 1e300, 5e-324, math.inf, -math.inf, math.nan],
    "complex": lambda: [1 + 2j, complex(0.0, -0.0), complex(math.nan, 1)],
    "texts": lambda: ["", "slow", "é", "\U0001f600", "\ud800", "a" * 1024, "a" * 1025],
    "bytes": lambda: [b"", b"\x00\xff", bytearray(b"a"), b"a" * 1025],
    "sequences": lambda: [[], (), [1, [2, (3,)]], collections.deque([1], maxlen=2), range(1, 10, 3), slice(1, None)],
    "sets": lambda: [set(), {"b", "a", 1, None, 2.5}, frozenset({(1, 2), "x"})],
    "mappings": lambda: {
        "b": 1,
        "a": {"nested": [1, 2]},
        3: "three",
        (1, "x"): None,
        "ordered": collections.OrderedDict([("z", 1), ("a", 2)]),
        "default": collections.defaultdict(list, {"k": [1]}),
        "counter": collections.Counter("abracadabra"),
        "proxy": types.MappingProxyType({"k": 1}),
    },
    "constants": lambda: [..., NotImplemented, type(None)],
    "enums": lambda: [samples.Color.RED, samples.Mode.READ, samples.Mode.READ | samples.Mode.WRITE, samples.Level.HIGH],
    "dataclasses": lambda: [samples.Noise(0.5, [1, 2], note="not compared"), samples.Solver(1e-6, (1, 2))],
    "named-tuples": lambda: [samples.Point(1.0, 2.0), samples.Pair("l", "r"), types.SimpleNamespace(b=1, a=2)],
    "objects": lambda: [
        samples.Plain(b=1, a=[2]),
        samples.Slotted(1, 2),
        samples.Celsius(1.5),
        samples.Names([1, 2]),
        samples.Table({"k": 1}),
        samples.Tags({"t"}),
        samples.Made(1, 2),
        samples.Registered(3),
        samples.Stateful([1]),
    ],
    "code": lambda: [
        len,
        math.sin,
        samples.drift,
        samples.Plain,
        samples.Outer.Inner.method,
        samples.Plain(a=1).method,
        samples.Plain.make,
        functools.partial(samples.drift, 1.0, rate=2.0),
        math,
        list[int],
        int | None,
    ],
    "times": lambda: [
        datetime.date(2026, 3, 1),
        datetime.datetime(2026, 3, 1, 12, 30, 0, 5),
        datetime.datetime(2026, 3, 1, tzinfo=zoneinfo.ZoneInfo("Europe/Berlin"), fold=1),
        datetime.time(12, 30, tzinfo=datetime.UTC),
        datetime.timedelta(days=-1, seconds=5, microseconds=7),
        datetime.timezone(datetime.timedelta(hours=-5), "EST"),
    ],
    "numbers": lambda: [decimal.Decimal("1.50"), decimal.Decimal("-Infinity"), fractions.Fraction(2, 6)],
    "names": lambda: [
        pathlib.Path("data/x.csv"),
        pathlib.PureWindowsPath("C:/x"),
        uuid.UUID(int=5),
        re.compile(r"a(b)+", re.IGNORECASE),
        re.compile(b"a"),
    ],
    "cycle": _cycle,
    "network": _network,
    "shared": _shared,
    "long-lists": lambda: [[at / 4 for at in range(INLINE_LIMIT // 8 + 1)], tuple(range(INLINE_LIMIT // 8 + 1))],
    "numpy-scalars": lambda: [
        np.float64(0.1),
        np.float32(0.1),
        np.int8(-1),
        np.uint64(2**64 - 1),
        np.True_,
        np.complex64(1 + 2j),
        np.str_("a"),
        np.bytes_(b"a"),
        np.datetime64("2026-03-01", "D"),
        np.timedelta64(5, "ms"),
        np.dtype("float32"),
        np.dtype([("x", "f8"), ("y", "i4", (2,))]),
    ],
    "numpy-arrays": lambda: [
        np.arange(6.0).reshape(2, 3),
        np.array([1, -1], dtype="int8"),
        np.array([np.nan, -0.0], dtype="float16"),
        np.array([1 + 2j], dtype="complex64"),
        np.array([True, False]),
        np.array(["a", "bcd"]),
        np.array([b"a", b"bc"]),
        np.array(["2026-03-01", "NaT"], dtype="datetime64[s]"),
        np.array(5, dtype="uint16"),
        np.zeros((0, 3)),
        np.array([1, "a", None], dtype=object),
        np.array([(1, 2.5)], dtype=[("x", "i4"), ("y", "f8")]),
        np.ma.array([1.0, 2.0], mask=[True, False]),
    ],
    "numpy-large": lambda: np.arange(INLINE_LIMIT // 8 + 1, dtype="float64") / 4,
    "numpy-crowded": lambda: [np.arange(INLINE_LIMIT // 8) + at for at in range(9)],
    "numpy-generators": lambda: [_drawn(), np.random.RandomState(7), np.random.SeedSequence([1, 2]), np.sin, np.mean],
    "pandas": lambda: [
        pd.DataFrame(
            {
                "a": [1.5, np.nan],
                "b": pd.array(["x", None], dtype="string"),
                "c": pd.Categorical(["u", "v"], categories=pd.Index(["u", "v"], dtype=object), ordered=True),
                "d": pd.array([1, None], dtype="Int64"),
                "e": pd.DatetimeIndex(["2026-03-01", "2026-03-02"], tz="UTC").as_unit("ns"),
            },
            index=pd.Index([10, 20], name="key"),
        ),
        pd.Series([1, 2], name="s", dtype="int64"),
        pd.MultiIndex.from_tuples([(1, 2.5), (2, 3.5)], names=["i", None]),
        pd.Timestamp("2026-03-01", tz="Europe/Berlin"),
        pd.Timedelta(5, "s"),
        pd.Period("2026-03", freq="M"),
        pd.NaT,
        pd.NA,
    ],
    "scipy": lambda: [
        scipy.stats.norm(0, 2),
        scipy.stats.gamma(2.0, scale=3),
        scipy.stats.poisson(4),
        samples.seeded(scipy.stats.norm(), 5),
        scipy.stats.rv_histogram((np.array([1, 2, 1]), np.array([0.0, 1.0, 2.0, 3.0])))(loc=1),
    ],
    "polars": lambda: pl.DataFrame({"a": [1, None], "b": ["x", None], "c": [[1.5], []]}),
}


def mismatches() -> list[str]:
    """The values that no longer have the bytes that their file holds, or have none."""
    found = []
    for name, make in VALUES.items():
        path = FOLDER / f"{name}.msgpack"
        if not path.exists() or path.read_bytes() != encode_value(make()):
            found.append(name)
    return found


def write_missing() -> list[str]:
    """Write the files of values that have none, and return their names."""
    written = []
    for name, make in VALUES.items():
        path = FOLDER / f"{name}.msgpack"
        if not path.exists():
            path.write_bytes(encode_value(make()))
            written.append(name)
    return written


if __name__ == "__main__":
    print("written:", *write_missing())  # noqa: T201
    print("different:", *mismatches())  # noqa: T201
