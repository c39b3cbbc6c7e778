"""A lookup dictionary as a team has it: all of it locks, is the same in any process, and every change is named.

The digests are recorded in `tests/formats/canonical-lookup.txt`, so that all versions of Python and numpy with which
the tests run are held to the same ones.
"""

from __future__ import annotations

import copy
import datetime
import decimal
import fractions
import functools
import os
import pathlib
import pickle
import re
import subprocess
import sys
import uuid
import zoneinfo
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
import scipy.stats
from sklearn.base import clone
from sklearn.linear_model import Ridge

from mitosis.canonical.decode import decode_value
from mitosis.canonical.difference import compare_values
from mitosis.canonical.encode import digest_value, encode_value
from mitosis.canonical.full_text import render_value
from mitosis.canonical.nodes import write
from mitosis.canonical.show import summarize_value
from support.canonical_lookup import (
    Box,
    Level,
    Scheme,
    Solver,
    damping,
    growth,
    make_lookup,
    objects,
)
from support.canonical_samples import seeded

TESTS = Path(__file__).parents[1]
RECORDED = TESTS / "formats" / "canonical-lookup.txt"

VARIANTS = [(name, variant) for name, variants in make_lookup().items() for variant in variants]

PRINT_DIGESTS = """
import sys
sys.path.insert(0, sys.argv[1])
from support.canonical_lookup import make_lookup
from mitosis.canonical.encode import digest_value, encode_value
lookup = make_lookup()
for name in sorted(lookup, reverse="reversed" in sys.argv):
    for variant in reversed(lookup[name]) if "reversed" in sys.argv else lookup[name]:
        print(name, variant, digest_value(encode_value(lookup[name][variant])))
print("all", "all", digest_value(encode_value(lookup)))
"""


def recorded_lines() -> set[str]:
    return {line for line in RECORDED.read_text(encoding="utf-8").splitlines() if not line.startswith("#")}


@pytest.mark.parametrize(
    ("seed", "words"),
    [
        ("1", ["reversed"]),
        pytest.param("0", [], marks=pytest.mark.slow),
        pytest.param("random", [], marks=pytest.mark.slow),
    ],
)
def test_fresh_process_has_the_recorded_digests(seed: str, words: list[str]) -> None:
    environment = {**os.environ, "PYTHONHASHSEED": seed}
    command = [sys.executable, "-c", PRINT_DIGESTS, str(TESTS), *words]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert set(done.stdout.splitlines()) == recorded_lines()


def test_this_process_has_the_recorded_digests() -> None:
    lookup = make_lookup()
    here = {f"{name} {variant} {digest_value(encode_value(lookup[name][variant]))}" for name, variant in VARIANTS}
    assert {*here, f"all all {digest_value(encode_value(lookup))}"} == recorded_lines()


def reordered(value: Any) -> Any:
    """The value with the keys of all its dictionaries the other way round."""
    if type(value) is dict:
        return {key: reordered(part) for key, part in reversed(value.items())}
    return [reordered(part) for part in value] if type(value) is list else value


@pytest.fixture
def unseeded() -> Iterator[None]:
    """Nobody has seeded the global generator: a copy of a seeded one has a state that somebody chose."""
    bit_generator: Any = np.random.mtrand._rand._bit_generator
    before = bit_generator.__reduce__()[2]
    bit_generator.__setstate__(np.random.MT19937().__reduce__()[2])
    yield
    bit_generator.__setstate__(before)


keeps_seeds = pytest.mark.skipif(np.__version__.startswith("1."), reason="copies lose the seed before numpy 2.0")


@keeps_seeds
@pytest.mark.parametrize(("name", "variant"), VARIANTS)
@pytest.mark.usefixtures("unseeded")
def test_copies_of_a_variant_are_the_same_value(name: str, variant: str) -> None:
    value = make_lookup()[name][variant]
    data = encode_value(value)
    copies = [copy.deepcopy(value), pickle.loads(pickle.dumps(value)), reordered(value)]
    if (name, variant) != ("object", "schedule"):  # it contains itself, and a shallow copy contains another one
        copies.append(copy.copy(value))
    for other in [*copies, make_lookup()[name][variant], copy.deepcopy(copies[1])]:
        assert compare_values(data, encode_value(other)).differences == ()
        assert encode_value(other) == data


@pytest.mark.parametrize(("name", "variant"), VARIANTS)
def test_variant_is_shown_in_bounds(name: str, variant: str) -> None:
    data = encode_value(make_lookup()[name][variant])
    assert write(decode_value(data)) == data
    for limit in (60, 200):
        assert 0 < len(summarize_value(data, limit=limit)) <= limit
    assert "object at 0x" not in render_value(data)


def test_using_values_that_are_only_read_does_not_change_them() -> None:
    lookup = make_lookup()
    before = encode_value(lookup)
    lookup["distribution"]["normal"].cdf([0.5])
    lookup["distribution"]["joint"].pdf([0.5, 0.5])
    lookup["distribution"]["histogram"].ppf(0.5)
    lookup["distribution"]["table"].mean()
    lookup["estimator"]["fitted"].transform([[1.0, 2.0]])
    lookup["frame"]["pandas"]["a"].sum()
    lookup["function"]["method"](1)
    repr(lookup)
    assert encode_value(lookup) == before


Change = Callable[[Any], Any]
"""Takes the value of a variant; returns what stands in its place, or None where it changed the value itself."""


def follow(owner: Any, step: Any) -> Any:
    return getattr(owner, step[1:]) if isinstance(step, str) and step.startswith(".") else owner[step]


def put(new: Any, *steps: Any) -> Change:
    """A change that puts another value at a place in the value; the last step may be an attribute `.name`."""

    def change(value: Any) -> Any:
        if not steps:
            return new
        *way, last = steps
        owner = functools.reduce(follow, way, value)
        if isinstance(last, str) and last.startswith("."):
            object.__setattr__(owner, last[1:], new)
        else:
            owner[last] = new
        return None

    return change


def draw(*steps: Any) -> Change:
    """A change that draws a number from a generator in the value."""

    def change(value: Any) -> None:
        functools.reduce(follow, steps, value).random()

    return change


def times(start: str, zone: str) -> pd.DatetimeIndex:
    return pd.date_range(start, periods=3, tz=zone).as_unit("ns")


CHANGES: list[tuple[str, Change, list[str]]] = [
    # plain values
    ("frequency.slow", put(2), [": 1 → 2"]),
    ("frequency.fast", put(np.nextafter(10.0, 11)), [": 10.0 → float64(10.000000000000002)"]),
    ("other.large", put(2**100 + 1), [": 1267650600228229401496703205376 → 1267650600228229401496703205377"]),
    ("other.bytes", put(b"\x01\xff"), [": b'\\x00\\xff' → b'\\x01\\xff'"]),
    ("other.phase", put(1 - 2j), [": (1+2j) → (1-2j)"]),
    ("other.nothing", put(0), [": None → 0"]),
    ("other.flag", put(False), [": True → False"]),
    (
        "other.text",
        put("a line of a longer text that goes on\n" * 99),
        [
            ": differs from character 3663: …'hat goes on\\na line of a ' → …'hat goes on\\n'",
        ],
    ),
    ("other.price", put(decimal.Decimal("1.5")), [": Decimal('1.50') → Decimal('1.5')"]),
    ("other.share", put(fractions.Fraction(1, 4)), [".denominator: 3 → 4"]),
    (
        "other.id",
        put(uuid.UUID(int=6)),
        [
            ": UUID('00000000-0000-0000-0000-000000000005') → UUID('00000000-0000-0000-0000-000000000006')",
        ],
    ),
    ("other.window", put(slice(10, None, 3)), [".step: 2 → 3"]),
    ("other.range", put(range(0, 105, 5)), [".stop: 100 → 105"]),
    ("other.path", put(pathlib.Path("data/output.csv")), [": Path('data/input.csv') → Path('data/output.csv')"]),
    ("other.pattern", put(re.compile(r"run_(\d+)$", re.IGNORECASE)), [".pattern: 'run_(\\\\d+)' → 'run_(\\\\d+)$'"]),
    # containers
    ("noise.low", put(0.05, "scale"), [".scale: 0.01 → 0.05"]),
    ("other.set", put(frozenset({(1, 2), (3, 5)})), ["{(3, 4)}: removed", "{(3, 5)}: added: (3, 5)"]),
    ("table.counter", put(3, "aab"), [".aab: 2 → 3"]),
    ("table.ordered", lambda v: v.move_to_end("b"), [": the same keys in a different order"]),
    ("table.default", lambda v: v["a"].append(2), [".a[1]: added: 2"]),
    ("table.deque", lambda v: v.append(3), ["[2]: added: 3"]),
    # classes of the user
    ("kernel.wide", put(2.0, ".width"), [".width: 2.5 → 2.0"]),
    ("kernel.solver", put(Solver(1e-9, Scheme.EULER)), [".scheme: Scheme.RK4 → Scheme.EULER"]),
    ("kernel.box", put(Box(-1.0, 2.0)), [".high: 1.0 → 2.0"]),
    ("other.level", put(Level.LOW), [": Level.HIGH → Level.LOW"]),
    ("object.schedule", put(0.5, ".rates", 1), [".rates[1]: 0.2 → 0.5"]),
    ("object.point", put(2.5, ".x"), [".x: 1.5 → 2.5"]),
    # times
    (
        "time.start",
        put(datetime.datetime(2026, 3, 1, 1, tzinfo=zoneinfo.ZoneInfo("Europe/Berlin"))),
        [
            ": '2026-03-01T00:00:00' → '2026-03-01T01:00:00'",
        ],
    ),
    ("time.step", put(datetime.timedelta(minutes=6)), [": timedelta(0:05:00) → timedelta(0:06:00)"]),
    (
        "time.stamp",
        put(pd.Timestamp("2026-03-01 12:00:00.000000001")),
        [
            ": Timestamp('2026-03-01T12:00:00') → Timestamp('2026-03-01T12:00:00.000000001')",
        ],
    ),
    ("time.day", put(datetime.date(2026, 3, 2)), [": date('2026-03-01') → date('2026-03-02')"]),
    (
        "time.zone",
        put(datetime.timezone(datetime.timedelta(hours=2), "three")),
        [
            ": timezone(2:00:00, 'two') → timezone(2:00:00, 'three')",
        ],
    ),
    # functions and classes
    ("function.plain", put(growth), [": support.canonical_lookup.damping → support.canonical_lookup.growth"]),
    ("function.partial", put(0.6, ".keywords", "rate"), [".keywords.rate: 0.5 → 0.6"]),
    ("function.method", lambda v: v.__self__.rates.append(1.0), [".__self__.rates[2]: added: 1.0"]),
    ("function.universal", put(np.cos), [": numpy.sin → numpy.cos"]),
    ("function.class", put(Solver), [": support.canonical_lookup.Kernel → support.canonical_lookup.Solver"]),
    ("function.builtin", put(sum), [": len → sum"]),
    ("function.several", put(growth, 0), ["[0]: support.canonical_lookup.damping → support.canonical_lookup.growth"]),
    # numpy
    ("other.dtype", put(np.dtype("float64")), [": dtype('float32') → dtype('float64')"]),
    ("other.record", put(3, "x", 0), [".x: array(1 int32) differs in 1 element: [0]: 1 → 3"]),
    (
        "other.masked",
        put(np.ma.masked, 2),
        [
            ": array(3 float64) differs in 1 element: [2]: 3.0 → 0.0",
            ".mask: array(3 bool) differs in 1 element: [2]: False → True",
        ],
    ),
    ("other.complex", put(1, 0), [": array(2 complex64) differs in 1 element: [0]: (1+1j) → (1+0j)"]),
    ("other.big", put(-1.0, (999, 499)), [": array(1000×500 float64) differs in elements [999, 212] to [999, 499]"]),
    ("other.scalar", put(np.float64(np.float32(0.1))), [": float32(0.1) → float64(0.10000000149011612)"]),
    (
        "generator.new",
        draw(),
        [
            (
                ".bit_generator.state.state.state: 208745520555909116978795849195383758904 → "
                "202649823521392248019888743452465977457"
            ),
        ],
    ),
    (
        "generator.legacy",
        put(np.random.RandomState(8)),
        [
            (
                ".state.state.key: array(624 uint32) differs in 624 elements: [0]: 7 → 8, [1]: 4097098180 → "
                "1614564137, [2]: 3572822661 → 706350794, …"
            ),
        ],
    ),
    ("generator.seed", put(np.random.SeedSequence(8)), [".entropy: 7 → 8"]),
    # pandas and polars
    ("frame.pandas", put([1, 5, 3], "a"), [".a: array(3 int64) differs in 1 element: [1]: 2 → 5"]),
    ("frame.series", put(3.0, 1), [": array(2 float64) differs in 1 element: [1]: 2.0 → 3.0"]),
    (
        "frame.polars",
        lambda v: v.with_columns(a=pl.Series([1, 2, 3])),
        [
            ".a: array(3 int64) differs in 1 element: [1]: 0 → 2",
            ".a.missing: removed",
        ],
    ),
    (
        "frame.polars",
        lambda v: v.cast({"when": pl.Datetime}),
        [
            ".when.dtype: 'Date' → \"Datetime(time_unit='us', time_zone=None)\"",
            ".when: array(3 int32) → array(3 int64)",
        ],
    ),
    # scipy
    ("distribution.normal", put(scipy.stats.norm(0, 3)), [".args[1]: 2 → 3"]),
    ("distribution.normal", put(scipy.stats.norm(0, scale=2)), [".args[1]: removed", ".kwds.scale: added: 2"]),
    ("distribution.gamma", put(scipy.stats.gamma(2.5, scale=3)), [".args[0]: 2.0 → 2.5"]),
    ("distribution.poisson", put(scipy.stats.poisson(5)), [".args[0]: 4 → 5"]),
    (
        "distribution.joint",
        put(scipy.stats.multivariate_normal([0, 2], np.eye(2))),
        [
            ".mean: array(2 float64) differs in 1 element: [1]: 1.0 → 2.0",
        ],
    ),
    (
        "distribution.class",
        put(scipy.stats.gamma),
        [
            (
                ": norm_gen(_random_state=numpy.random.mtrand._rand, a=-inf, b… → "
                "gamma_gen(_random_state=numpy.random.mtrand._rand, a=0.0, b…"
            ),
        ],
    ),
    (
        "distribution.seeded",
        put(seeded(scipy.stats.norm(0, 1), 6)),
        [
            (
                ".random_state.state.state.key: array(624 uint32) differs in 624 elements: [0]: 5 → 6, [1]: "
                "472231674 → 2284664927, [2]: 2253902500 → 3012297139, …"
            ),
        ],
    ),
    (
        "distribution.generator",
        draw(".random_state"),
        [
            (
                ".random_state.bit_generator.state.state.state: 304397142111423816445458517940380168174 → "
                "46252351831906012273313324766457463411"
            ),
        ],
    ),
    (
        "distribution.histogram",
        put(scipy.stats.rv_histogram((np.array([1, 3, 1]), np.arange(4.0)))()),
        [
            ".dist.histogram[0]: array(3 int64) differs in 1 element: [1]: 2 → 3",
        ],
    ),
    (
        "distribution.table",
        put(scipy.stats.rv_discrete(values=([1, 2], [0.5, 0.5]))),
        [
            ".pk: array(2 float64) differs in 2 elements: [0]: 0.25 → 0.5, [1]: 0.75 → 0.5",
            ".qvals: array(2 float64) differs in 1 element: [0]: 0.25 → 0.5",
        ],
    ),
    # scikit-learn
    ("estimator.ridge", lambda v: v.set_params(alpha=0.7), [".alpha: 0.5 → 0.7"]),
    ("estimator.ridge", lambda v: v.set_params(max_iter=5), [".max_iter: added: 5"]),
    ("estimator.fitted", put(9.0, ".mean_", 1), [".mean_: array(2 float64) differs in 1 element: [1]: 6.0 → 9.0"]),
    ("estimator.forest", lambda v: v.set_params(max_depth=4), [".max_depth: added: 4"]),
    ("estimator.pipeline", lambda v: v.set_params(ridge__alpha=3.0), [".steps[1][1].alpha: 2.0 → 3.0"]),
    ("estimator.search", lambda v: v.set_params(n_iter=6), [".n_iter: 5 → 6"]),
]
"""Variant, change, and what the differences say behind the name of the variant."""


@pytest.fixture(scope="module")
def locked() -> bytes:
    return encode_value(make_lookup())


def test_every_variant_is_changed_by_a_test() -> None:
    assert {f"{name}.{variant}" for name, variant in VARIANTS} == {variant for variant, _, _ in CHANGES}


@pytest.mark.parametrize("at", range(len(CHANGES)), ids=[variant for variant, _, _ in CHANGES])
def test_single_change_is_named_to_the_leaf(at: int, locked: bytes) -> None:
    place, change, expected = CHANGES[at]
    lookup = make_lookup()
    name, variant = place.split(".")
    new = change(lookup[name][variant])
    if new is not None:
        lookup[name][variant] = new
    comparison = compare_values(locked, encode_value(lookup))
    assert list(map(str, comparison.differences)) == [f"{place}{text}" for text in expected]
    assert comparison.same > 100


def test_function_of_an_array_of_objects_is_named_even_in_two_dimensions() -> None:
    before = objects(damping, growth, damping, growth).reshape(2, 2)
    after = before.copy()
    after[1, 0] = growth
    (difference,) = compare_values(encode_value(before), encode_value(after)).differences
    name = "support.canonical_lookup"
    assert str(difference) == f"[1][0]: {name}.damping → {name}.growth"


def test_estimator_is_the_same_when_a_version_adds_an_unset_parameter() -> None:
    """As an older version has it, which knows neither of the parameter nor of its own number."""
    older = Ridge(alpha=0.5)
    del older.max_iter
    assert encode_value(older) == encode_value(Ridge(alpha=0.5))
    assert encode_value(Ridge(max_iter=5)) != encode_value(Ridge())
    state = Ridge(alpha=0.5).__getstate__()
    other = Ridge.__new__(Ridge)
    vars(other).update({**state, "_sklearn_version": "0.1"})
    assert encode_value(other) == encode_value(Ridge(alpha=0.5))


@keeps_seeds
@pytest.mark.usefixtures("unseeded")
def test_copies_that_scikit_learn_makes_are_the_same_value() -> None:
    search = make_lookup()["estimator"]["search"]
    assert encode_value(clone(search)) == encode_value(search)


def test_seeds_of_copied_distributions_count() -> None:
    """Also where the copy of a generator has lost its seed, as with numpy before 2.0."""
    five, six = (copy.deepcopy(seeded(scipy.stats.norm(0, 1), seed)) for seed in (5, 6))
    assert encode_value(five) != encode_value(six)
    assert encode_value(five) != encode_value(scipy.stats.norm(0, 1))


def test_copy_of_a_seeded_global_generator_is_a_state_that_somebody_chose() -> None:
    before = np.random.get_state()
    try:
        np.random.seed(5)
        copied = copy.deepcopy(scipy.stats.norm(0, 1))
        assert (
            encode_value(scipy.stats.norm(0, 1))
            != encode_value(copied)
            == encode_value(seeded(scipy.stats.norm(0, 1), 5))
        )
    finally:
        np.random.set_state(before)


@pytest.mark.skipif(not hasattr(scipy.stats, "Uniform"), reason="scipy before 1.15 has no such classes")
def test_distributions_of_the_new_kind_are_the_same_when_copied_and_used() -> None:
    value = scipy.stats.Uniform(a=0.0, b=2.0)
    before = encode_value(value)
    value.cdf(0.5), value.mean(), value.moment(3), value.sample(2), value.support()
    assert encode_value(value) == encode_value(copy.deepcopy(value)) == before
    differences = compare_values(before, encode_value(scipy.stats.Uniform(a=0.0, b=3.0))).differences
    assert list(map(str, differences)) == ["_original_parameters.b: float64(2.0) → float64(3.0)"]


@pytest.mark.usefixtures("unseeded")
def test_family_of_the_user_is_an_object_with_its_attributes() -> None:
    def frozen(bound: float = 2.0, **attributes: Any) -> Any:
        value = Triangle(b=bound, name="triangle")(1.0)
        vars(value.dist).update(attributes)
        return value

    before = encode_value(frozen())
    assert encode_value(frozen()) == encode_value(copy.deepcopy(frozen())) == before
    changes = {
        "dist.b: 2.0 → 3.0": frozen(3.0),
        "dist.slope: added: 2": frozen(slope=2),
        "dist._random_state: numpy.random.mtrand._rand → RandomState(state={4 items})": seeded(frozen(), 5),
    }
    for text, after in changes.items():
        assert [str(difference) for difference in compare_values(before, encode_value(after)).differences] == [text]


class Triangle(scipy.stats.rv_continuous):  # type: ignore[misc]
    def _pdf(self, x: Any) -> Any:
        return 2 - x


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (scipy.stats.norm(), "norm()"),
        (scipy.stats.gamma(2.0, scale=3), "gamma(2.0, scale=3)"),
        (
            seeded(scipy.stats.norm(0, 1), np.random.default_rng(1)),
            "norm(0, 1, random_state=Generator(bit_generator=PCG64(…)))",
        ),
    ],
)
def test_value_reads_as_it_is_written(value: Any, text: str) -> None:
    assert summarize_value(encode_value(value)) == text
