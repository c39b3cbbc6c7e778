"""What canonical values cost. Run as `python tests/benchmarks/bench_canonical.py`.

Each figure is the best of a few repetitions in one process. The cost of encoding an array is given as a ratio to
hashing its bytes with SHA-256, measured in the same process at the same time, since that is what cannot be saved.
"""

from __future__ import annotations

import hashlib
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
from measuring import time_call

from mitosis.canonical import sources
from mitosis.canonical.decode import decode_value
from mitosis.canonical.difference import compare_values
from mitosis.canonical.encode import digest_value, encode_value
from mitosis.canonical.full_text import render_value
from mitosis.canonical.show import summarize_value
from mitosis.canonical.sources import source_digests

_ELEMENTS = 10_000_000


def main() -> None:
    _arrays()
    _plain()
    _small_and_deep()
    _sources()
    _shown()
    _imports()


def _best(work: Callable[[], object], repetitions: int = 3) -> float:
    """The shortest time in seconds."""
    return min(time_call(work) for _ in range(repetitions))


def _print(what: str, figure: str) -> None:
    print(f"{what:<58} {figure:>16}")


def _arrays() -> None:
    floats = np.random.default_rng(0).standard_normal(_ELEMENTS)
    gaps = floats.copy()
    gaps[::1000] = np.nan
    arrays = {
        "float64": floats,
        "float64 with nans": gaps,
        "float64, Fortran order": np.asfortranarray(floats.reshape(2000, -1)),
        "float64, big-endian": floats.astype(">f8"),
        "float32": floats.astype("float32"),
        "float16": floats.astype("float16"),
        "int64": (floats * 1000).astype("int64"),
        "bool": floats > 0,
        "complex128": floats.view("complex128"),
    }
    for name, array in arrays.items():
        content = np.ascontiguousarray(array)
        hashing = _best(lambda content=content: hashlib.sha256(content.data.cast("B")).digest())  # type: ignore[misc]
        encoding = _best(lambda array=array: encode_value(array))  # type: ignore[misc]
        _print(f"array of {array.size:,} {name}: encode / sha256", f"{encoding / hashing:.2f}")
    inline = floats[:250_000]
    _print("array of 250,000 float64, content kept: encode", f"{_best(lambda: encode_value(inline)) * 1e3:.1f} ms")


def _plain() -> None:
    values: dict[str, Any] = {
        "list of 1,000,000 floats": [at / 3 for at in range(1_000_000)],
        "list of 1,000,000 floats and integers": [at / 3 if at % 2 else at for at in range(1_000_000)],
        "list of 1,000,000 texts": [f"item {at}" for at in range(1_000_000)],
        "set of 1,000,000 integers": set(range(1_000_000)),
        "dictionary of 200,000 texts to numbers": {f"key {at}": at for at in range(200_000)},
        "list of 100,000 tuples": [(at, at / 3) for at in range(100_000)],
        "frame of 1,000,000 rows, numbers and texts": pd.DataFrame(
            {"a": np.arange(1_000_000), "b": np.arange(1_000_000.0), "c": [f"row {at}" for at in range(1_000_000)]}
        ),
    }
    for name, value in values.items():
        data = encode_value(value)
        figure = f"{_best(lambda value=value: encode_value(value), 2):.2f} s"  # type: ignore[misc]
        _print(f"{name}: encode", f"{figure}, {len(data) / 1e6:.2f} MB")


def _small_and_deep() -> None:
    small = {"scale": 0.01, "kernel": [1, 2, 3, np.zeros((32, 32))], "solver": {"tol": 1e-6, "steps": (1, 2)}}
    _each_way("small dictionary with an array", small, {**small, "scale": 0.05}, 200)
    deep: list[Any] = [1]
    other: list[Any] = [2]
    for _ in range(199):
        deep, other = [deep], [other]
    _each_way("list of 200 levels", deep, other, 3)


def _each_way(what: str, value: Any, other: Any, repetitions: int) -> None:
    before, after = encode_value(value), encode_value(other)
    works: dict[str, Callable[[], object]] = {
        "encode": lambda: encode_value(value),
        "digest": lambda: digest_value(before),
        "summary": lambda: summarize_value(before),
        "render": lambda: render_value(before),
        "decode": lambda: decode_value(before),
        "compare": lambda: compare_values(before, after),
    }
    for name, work in works.items():
        _print(f"{what}: {name}", f"{_best(work, repetitions) * 1e6:.0f} µs")


def _sources() -> None:
    """Digests of sources, for a value that names a function of mitosis and for one that names none."""
    named, plain = encode_value([digest_value, {"scale": 0.01}]), encode_value(np.zeros(2**17))
    sources._known.clear()
    _print("source of a function, file not read before", f"{time_call(lambda: source_digests(named)) * 1e3:.1f} ms")
    _print("source of a function, file read before", f"{_best(lambda: source_digests(named), 200) * 1e6:.0f} µs")
    _print("sources of an array of 1 MiB", f"{_best(lambda: source_digests(plain), 200) * 1e6:.0f} µs")


def _shown() -> None:
    """Ranges and digests take a look at all of the content, once."""
    values = {"array of 2 MiB": np.arange(2.0**18), "14 MiB of arrays": [np.arange(2.0**18) + at for at in range(7)]}
    for name, value in values.items():
        data = encode_value(value)
        for limit in (60, 200):
            _print(f"{name}: summary of {limit}", f"{_best(lambda: summarize_value(data, limit=limit)) * 1e3:.0f} ms")  # noqa: B023


def _imports() -> None:
    def start(code: str) -> float:
        return _best(lambda: subprocess.run([sys.executable, "-c", code], check=True), 15)

    base = start("import msgpack, mitosis.errors")
    whole = start("import msgpack, mitosis.errors, mitosis.canonical.encode")
    _print("import beyond msgpack and mitosis.errors", f"{(whole - base) * 1e3:.1f} ms")


if __name__ == "__main__":
    main()
