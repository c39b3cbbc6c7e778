"""Equal in any process: whatever the hash seed, the order of writing, the modules that happen to be imported."""

from __future__ import annotations

import copy
import os
import pickle
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from mitosis.canonical import compare, decode, digest, encode, encode_node, render, summary
from support.canonical_lookup import Box, Kernel, Options, Scheme, Solver, make_lookup

TESTS = Path(__file__).parents[1]

PRINT_DIGESTS = """
import sys
sys.path.insert(0, sys.argv[1])
from support.canonical_lookup import make_lookup
from mitosis.canonical import digest, encode
lookup = make_lookup()
for name in sorted(lookup, reverse="reversed" in sys.argv):
    for variant in reversed(lookup[name]) if "reversed" in sys.argv else lookup[name]:
        print(name, variant, digest(encode(lookup[name][variant])))
print("all", "all", digest(encode(lookup)))
"""

IMPORT_ONLY = """
import sys
before = set(sys.modules)
import mitosis.canonical
print(*sorted({name.partition(".")[0] for name in set(sys.modules) - before}))
"""


def reordered(value: Any) -> Any:
    """The value with the keys of all its dictionaries the other way round."""
    if type(value) is dict:
        return {key: reordered(part) for key, part in reversed(value.items())}
    return [reordered(part) for part in value] if type(value) is list else value


def python(*arguments: str, seed: str = "random") -> str:
    environment = {**os.environ, "PYTHONHASHSEED": seed}
    done = subprocess.run(
        [sys.executable, "-c", *arguments], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_lookup_dictionary_has_the_same_digests_in_fresh_processes() -> None:
    here = {
        f"{name} {variant} {digest(encode(value))}"
        for name, variants in make_lookup().items()
        for variant, value in variants.items()
    }
    here.add(f"all all {digest(encode(make_lookup()))}")
    for seed, words in (("0", []), ("1", ["reversed"]), ("random", [])):
        assert set(python(PRINT_DIGESTS, str(TESTS), *words, seed=seed).splitlines()) == here


@pytest.mark.parametrize("name", sorted(set(make_lookup()) - {"distribution"}))
def test_lookup_dictionary_survives_copying_pickling_and_decoding(name: str) -> None:
    value = make_lookup()[name]
    data = encode(value)
    for other in (make_lookup()[name], copy.deepcopy(value), pickle.loads(pickle.dumps(value)), reordered(value)):
        assert encode(other) == data
    assert encode_node(decode(data)) == data
    assert compare(data, data).differences == ()
    assert len(summary(data)) <= 60
    assert "object at 0x" not in render(data)


def test_copied_distribution_draws_from_a_generator_of_its_own() -> None:
    """What scipy copies or pickles with a distribution is the state of numpy's global generator."""
    value = make_lookup()["distribution"]["normal"]
    assert encode(value) == encode(make_lookup()["distribution"]["normal"])
    differences = compare(encode(value), encode(copy.deepcopy(value))).differences
    assert [difference.path for difference in differences] == ["dist._random_state"]


def test_using_values_that_are_only_read_does_not_change_them() -> None:
    lookup = make_lookup()
    before = encode(lookup)
    lookup["distribution"]["normal"].cdf([0.5])
    lookup["distribution"]["joint"].pdf([0.5, 0.5])
    lookup["estimator"]["fitted"].transform([[1.0, 2.0]])
    lookup["frame"]["pandas"]["a"].sum()
    lookup["function"]["method"](1)
    repr(lookup)
    assert encode(lookup) == before


CHANGES: dict[str, tuple[Callable[[dict[str, Any]], Any], list[str]]] = {
    "number": (lambda d: d["noise"]["low"].update(scale=0.05), ["noise.low.scale: 0.01 → 0.05"]),
    "type of a number": (lambda d: d["frequency"].update(slow=1.0), ["frequency.slow: 1 → 1.0"]),
    "element of an array": (
        lambda d: d["noise"]["low"]["kernel"][3].__setitem__((17, 24), 1e-12),
        ["noise.low.kernel[3]: array(32×32 float64) differs in 1 element: [17, 24]: 0.0 → 1e-12"],
    ),
    "key": (lambda d: d["noise"]["low"]["solver"].pop("tol"), ["noise.low.solver.tol: removed"]),
    "new key": (lambda d: d["noise"]["low"]["solver"].update(max=3), ["noise.low.solver.max: added: 3"]),
    "element of a set": (
        lambda d: d["noise"]["low"]["solver"]["tags"].remove("long"),
        ["noise.low.solver.tags{'long'}: removed"],
    ),
    "field": (lambda d: d["kernel"].update(wide=Kernel("rbf", 2.0)), ["kernel.wide.width: 2.5 → 2.0"]),
    "enum": (
        lambda d: d["kernel"].update(solver=Solver(1e-9, Scheme.EULER)),
        ["kernel.solver.scheme: Scheme.RK4 → Scheme.EULER"],
    ),
    "flag": (
        lambda d: d["kernel"].update(solver=Solver(1e-9, options=Options.VERBOSE)),
        ["kernel.solver.options: Options.VERBOSE|CHECKED → Options.VERBOSE"],
    ),
    "named tuple": (lambda d: d["kernel"].update(box=Box(-1.0, 2.0)), ["kernel.box.high: 1.0 → 2.0"]),
    "distribution": (
        lambda d: d["distribution"].update(gamma=__import__("scipy.stats").stats.gamma(2.5, scale=3)),
        ["distribution.gamma.args[0]: 2.0 → 2.5"],
    ),
    "partial": (
        lambda d: d["function"]["partial"].keywords.update(rate=0.6),
        ["function.partial.keywords.rate: 0.5 → 0.6"],
    ),
    "object of a method": (
        lambda d: d["function"]["method"].__self__.rates.append(1.0),
        ["function.method.__self__.rates[2]: added: 1.0"],
    ),
    "function": (
        lambda d: d["function"].update(plain=make_lookup),
        ["function.plain: support.canonical_lookup.damping → support.canonical_lookup.make_lookup"],
    ),
    "state of a legacy generator": (
        lambda d: d["generator"].update(seed=np.random.SeedSequence(8)),
        ["generator.seed.entropy: 7 → 8"],
    ),
    "cell": (
        lambda d: d["frame"]["pandas"].__setitem__("a", [1, 5, 3]),
        ["frame.pandas.a: array(3 int64) differs in 1 element: [1]: 2 → 5"],
    ),
    "label of an index": (
        lambda d: d["frame"]["pandas"].__setattr__("index", pd.Index(["p", "q", "z"], name="key")),
        ["frame.pandas.index[2]: 'r' → 'z'"],
    ),
    "parameter of an estimator": (
        lambda d: d["estimator"]["ridge"].set_params(alpha=0.7),
        ["estimator.ridge.alpha: 0.5 → 0.7"],
    ),
    "step of a pipeline": (
        lambda d: d["estimator"]["pipeline"].set_params(ridge__alpha=3.0),
        ["estimator.pipeline.steps[1][1].alpha: 2.0 → 3.0"],
    ),
    "object with a cycle": (
        lambda d: d["object"]["schedule"].rates.__setitem__(1, 0.5),
        ["object.schedule.rates[1]: 0.2 → 0.5"],
    ),
    "order of an ordered dictionary": (
        lambda d: d["table"]["ordered"].move_to_end("b"),
        ["table.ordered: the same keys in another order"],
    ),
    "masked element": (
        lambda d: d["other"]["masked"].__setitem__(2, np.ma.masked),
        [
            "other.masked: array(3 float64) differs in 1 element: [2]: 3.0 → 0.0",
            "other.masked.mask: array(3 bool) differs in 1 element: [2]: False → True",
        ],
    ),
}


@pytest.fixture(scope="module")
def locked() -> Iterator[bytes]:
    yield encode(make_lookup())


@pytest.mark.parametrize("name", CHANGES)
def test_single_change_of_the_lookup_dictionary_is_named_to_the_leaf(name: str, locked: bytes) -> None:
    change, expected = CHANGES[name]
    lookup = make_lookup()
    change(lookup)
    comparison = compare(locked, encode(lookup))
    assert list(map(str, comparison.differences)) == expected
    assert comparison.same > 100


def test_importing_brings_in_no_library() -> None:
    imported = set(python(IMPORT_ONLY).split())
    assert not imported & {"numpy", "pandas", "polars", "scipy", "pygit2", "jupyter_client"}
    assert {"msgpack", "mitosis"} <= imported
