"""What a step returns is saved as far as it can be pickled, and reduced to what is recorded."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import dill
import numpy as np
import pytest

from mitosis.in_kernel.recorded import flatten, named, recorded
from mitosis.in_kernel.step_values import save
from mitosis.protocol import Curve
from mitosis.typing import NotSaved


class Unlisted(dict[str, int]):
    def items(self) -> Any:
        raise ValueError("not me")

    def __reduce__(self) -> Any:
        raise ValueError("not me")


def count() -> Iterator[int]:
    yield 1


@pytest.mark.parametrize("result", [{"main": 1, count(): 2}, Unlisted(main=1)], ids=["key", "items"])
def test_mapping_that_cannot_be_taken_apart_is_left_out_as_a_whole(tmp_path: Path, result: Mapping[Any, Any]) -> None:
    path = tmp_path / "results_0.dill"
    (unsaved,) = save(result, path)
    assert unsaved.startswith("the whole result: ")
    assert isinstance(dill.loads(path.read_bytes()), NotSaved)
    assert list(tmp_path.iterdir()) == [path]


def test_metrics_become_numbers_lists_of_them_and_bounded_texts() -> None:
    warnings: list[str] = []
    nan, inf = math.nan, math.inf
    many: list[float] = list(range(3000))
    metrics = {"loss": [1.0, 0.5, nan, nan], "up": (1, 2, inf), "lost": [nan] * 3, "many": many, "texts": ["a" * 600]}
    flat, curves = flatten({**metrics, "vector": np.array([1.5, 2]), "empty": []}, warnings, "results_0.dill")
    assert str(flat["loss"]) == "(1.0, 0.5, nan, nan)"
    assert (flat["up"], flat["vector"], flat["empty"]) == ((1, 2, inf), (1.5, 2.0), ())
    assert flat["many"] == (
        "[0, 1, 2, 3, 4, 5, 6, 7, …, 2992, 2993, 2994, 2995, 2996, 2997, 2998, 2999] (3,000 numbers) "
        "(results_0.dill has all of them)"
    )
    assert str(flat["texts"]).endswith("aaa… (results_0.dill has all of it)")
    assert curves.keys() == {"loss", "up", "many"}, "there is nothing to draw of others"
    assert curves["loss"] == Curve(4, 2, (1.0, 0.5, "nan", "nan"))
    many[1] = nan
    _, curves = flatten({"many": many}, warnings, "")
    assert curves["many"].not_finite == 1 and "nan" in curves["many"].numbers, "although it is not among those drawn"
    assert not warnings


def test_frames_and_series_are_what_they_mean() -> None:
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({"a": [1, 2]})
    assert recorded(frame, "main", []) == "DataFrame(2×1)"
    assert recorded(frame["a"], "main", []) == "[1, 2]"
    assert named(pandas.Series({"f1": 0.5, "auc": 1.0})) == {"f1": 0.5, "auc": 1.0}
    flat, curves = flatten({"a": frame["a"], "loss": pandas.Series([3.0, 2.0, 1.0], index=list("xyz"))}, [], "")
    assert flat == {"a": (1, 2), "loss": (3.0, 2.0, 1.0)} and curves.keys() == {"loss"}
