"""A lookup dictionary as a team has it: every kind of value that a parameter may have."""

from __future__ import annotations

import collections
import datetime
import decimal
import enum
import fractions
import functools
import pathlib
import re
import uuid
import zoneinfo
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import polars as pl
import scipy.stats
from sklearn.ensemble import RandomForestRegressor
from sklearn.linear_model import Ridge
from sklearn.model_selection import RandomizedSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from support.canonical_samples import seeded


class Scheme(enum.Enum):
    EULER = "euler"
    RK4 = "rk4"


class Options(enum.Flag):
    VERBOSE = 1
    CHECKED = 2


@dataclass
class Kernel:
    name: str
    width: float
    weights: np.ndarray[Any, Any] = field(default_factory=lambda: np.ones(3))


@dataclass(frozen=True, slots=True)
class Solver:
    tol: float
    scheme: Scheme = Scheme.RK4
    options: Options = Options.VERBOSE | Options.CHECKED


class Box(NamedTuple):
    low: float
    high: float


class Schedule:
    """An object with attributes, one of which leads back to it."""

    def __init__(self, rates: list[float]) -> None:
        self.rates = rates
        self.first = Step(self, 0)

    def rate(self, step: int) -> float:
        return self.rates[step]


class Step:
    __slots__ = ("at", "schedule")

    def __init__(self, schedule: Schedule, at: int) -> None:
        self.schedule = schedule
        self.at = at


class Point:
    """A class as attrs makes it: slots, comparison by attributes, `__getstate__` and `__setstate__`."""

    __slots__ = ("label", "x")

    def __init__(self, x: float, label: str) -> None:
        self.x = x
        self.label = label

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Point) and (self.x, self.label) == (other.x, other.label)

    def __hash__(self) -> int:
        return hash((self.x, self.label))

    def __getstate__(self) -> dict[str, Any]:
        return {"x": self.x, "label": self.label}

    def __setstate__(self, state: dict[str, Any]) -> None:
        for name, value in state.items():
            setattr(self, name, value)


class Level(enum.IntEnum):
    LOW = 1
    HIGH = 2


def damping(x: float, rate: float) -> float:
    return x * rate


def growth(x: float, rate: float) -> float:
    return x * (1 + rate)


def objects(*values: Any) -> np.ndarray[Any, Any]:
    """An array of objects."""
    array = np.empty(len(values), object)
    array[:] = values
    return array


def categories(*names: str, values: str = "lo hi lo", ordered: bool = True) -> pd.Categorical:
    """A column of categories that are kept in the same way by all versions of pandas."""
    return pd.Categorical(values.split(), categories=pd.Index(names, dtype=object), ordered=ordered)


def fitted() -> StandardScaler:
    """A fitted estimator whose numbers are exact, so that they are the same on all machines."""
    return StandardScaler().fit(np.array([[1.0, 4.0], [3.0, 8.0]]))


def make_lookup() -> dict[str, Any]:
    """The dictionary; each call gives new but equal objects."""
    return {
        "frequency": {"slow": 1, "fast": 10.0},
        "noise": {
            "low": {
                "scale": 0.01,
                "kernel": [1, 2.5, None, np.zeros((32, 32))],
                "solver": {"tol": 1e-6, "steps": (10, 20), "tags": {"stiff", "implicit", "long"}},
            }
        },
        "kernel": {"wide": Kernel("rbf", 2.5), "solver": Solver(1e-9), "box": Box(-1.0, 1.0)},
        "distribution": {
            "normal": scipy.stats.norm(0, 2),
            "gamma": scipy.stats.gamma(2.0, scale=3),
            "poisson": scipy.stats.poisson(4),
            "joint": scipy.stats.multivariate_normal([0, 1], np.eye(2)),
            "class": scipy.stats.norm,
            "seeded": seeded(scipy.stats.norm(0, 1), 5),
            "generator": seeded(scipy.stats.uniform(loc=-1, scale=2), np.random.default_rng(5)),
            "histogram": scipy.stats.rv_histogram((np.array([1, 2, 1]), np.array([0.0, 1.0, 2.0, 3.0])))(),
            "table": scipy.stats.rv_discrete(values=([1, 2], [0.25, 0.75])),
        },
        "function": {
            "plain": damping,
            "partial": functools.partial(damping, rate=0.5),
            "method": Schedule([0.1, 0.2]).rate,
            "universal": np.sin,
            "class": Kernel,
            "builtin": len,
            "several": objects(damping, np.sin, functools.partial(damping, rate=0.25)),
        },
        "generator": {
            "new": np.random.default_rng(7),
            "legacy": np.random.RandomState(7),
            "seed": np.random.SeedSequence(7),
        },
        "frame": {
            "pandas": pd.DataFrame(
                {
                    "a": [1, 2, 3],
                    "b": np.array(["x", "y", None], object),
                    "when": pd.date_range("2026-03-01", periods=3, tz="UTC").as_unit("ns"),
                    "kind": categories("lo", "hi"),
                    "day": np.array(["2026-03-01", "2026-03-02", "NaT"], "M8[ns]"),
                    "count": pd.array([1, None, 3], dtype="Int64"),
                },
                index=pd.Index(np.array(["p", "q", "r"], object), name="key", dtype=object),
            ),
            "polars": pl.DataFrame(
                {"a": [1, None, 3], "b": ["x", "y", None], "when": [datetime.date(2026, 3, day) for day in (1, 2, 3)]}
            ),
            "series": pd.Series([1.0, 2.0], name="s"),
        },
        "estimator": {
            "ridge": Ridge(alpha=0.5),
            "fitted": fitted(),
            "forest": RandomForestRegressor(n_estimators=3, random_state=1),
            "pipeline": make_pipeline(StandardScaler(), Ridge(alpha=2.0)),
            "search": RandomizedSearchCV(
                Ridge(), {"alpha": scipy.stats.loguniform(1e-3, 1.0)}, n_iter=5, random_state=2
            ),
        },
        "object": {"schedule": Schedule([0.1, 0.2, 0.3]), "point": Point(1.5, "start")},
        "table": {
            "counter": collections.Counter(aab=2),
            "ordered": collections.OrderedDict(b=1, a=2),
            "default": collections.defaultdict(list, a=[1]),
            "deque": collections.deque([1, 2], maxlen=5),
        },
        "time": {
            "start": datetime.datetime(2026, 3, 1, tzinfo=zoneinfo.ZoneInfo("Europe/Berlin")),
            "step": datetime.timedelta(minutes=5),
            "stamp": pd.Timestamp("2026-03-01 12:00"),
            "day": datetime.date(2026, 3, 1),
            "zone": datetime.timezone(datetime.timedelta(hours=2), "two"),
        },
        "other": {
            "path": pathlib.Path("data/input.csv"),
            "pattern": re.compile(r"run_(\d+)", re.IGNORECASE),
            "price": decimal.Decimal("1.50"),
            "share": fractions.Fraction(1, 3),
            "id": uuid.UUID(int=5),
            "window": slice(10, None, 2),
            "range": range(0, 100, 5),
            "dtype": np.dtype("float32"),
            "record": np.array([(1, 2.5)], dtype=[("x", "i4"), ("y", "f8")]),
            "masked": np.ma.array([1.0, 2.0, 3.0], mask=[False, True, False]),
            "phase": 1 + 2j,
            "large": 2**100,
            "bytes": b"\x00\xff",
            "level": Level.HIGH,
            "set": frozenset({(1, 2), (3, 4)}),
            "complex": np.array([1 + 1j, 2 - 2j], "c8"),
            "big": np.arange(500_000, dtype="f8").reshape(1000, 500),
            "scalar": np.float32(0.1),
            "text": "a line of a longer text that goes on\n" * 100,
            "nothing": None,
            "flag": True,
        },
    }
