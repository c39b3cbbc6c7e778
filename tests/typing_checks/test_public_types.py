"""The public types, as mypy sees them in an experiment.

mypy checks this file with the rest of the tests: `assert_type` fails where a type is not the stated one, and each
`type: ignore` fails (as unused) where mypy has nothing to object to. pytest runs it, so that the annotations hold at
run time too.
"""

from __future__ import annotations

from typing import Any, Required, assert_type, get_type_hints

import numpy as np
import pytest

from mitosis.typing import ExpResult, ExpRun

Array = np.ndarray[Any, np.dtype[np.float64]]


class Fitted(ExpResult[Array]):
    """A result with a key of its own."""

    coefficients: Required[list[float]]


def simulate(noise: float) -> ExpResult[Array]:
    return {"main": noise, "data": np.zeros(3)}


def only_main(noise: float) -> ExpResult[None]:
    return {"main": noise, "metrics": {"error": {"mean": noise}}}


def fit(data: Array, degree: int) -> Fitted:
    return {"main": 0.5, "data": data, "coefficients": [1.0] * degree}


def without_main() -> ExpResult[int]:
    return {"data": 3}  # type: ignore[typeddict-item]


def data_of_another_type() -> ExpResult[int]:
    return {"main": 1, "data": "three"}  # type: ignore[typeddict-item]


def unknown_key() -> ExpResult[int]:
    return {"main": 1, "mian": 2}  # type: ignore[typeddict-unknown-key]


def no_result(noise: float) -> float:
    return noise


def test_result_is_generic_over_its_data() -> None:
    result = simulate(0.5)
    assert_type(result, ExpResult[Array])
    assert_type(result["data"], Array)
    assert result["data"].shape == (3,)


def test_result_with_further_keys_is_still_a_result() -> None:
    fitted: ExpResult[Array] = fit(np.zeros(2), 2)
    assert fitted["main"] == 0.5
    assert_type(fit(np.zeros(2), 2)["coefficients"], list[float])


@pytest.mark.parametrize("step", [simulate, only_main])
def test_functions_are_steps(step: ExpRun[Any]) -> None:
    assert step(noise=0.5)["main"] == 0.5


def test_steps_are_told_by_what_they_return() -> None:
    step: ExpRun[Array] = simulate
    assert step(0.1)["main"] == 0.1
    chain: list[ExpRun[Array]] = [simulate, fit]
    assert len(chain) == 2
    wrong_data: ExpRun[str] = simulate  # type: ignore[assignment]
    wrong_result: ExpRun[Any] = no_result  # type: ignore[assignment]
    assert callable(wrong_data)
    assert callable(wrong_result)


def test_annotations_can_be_read_at_run_time() -> None:
    hints = get_type_hints(simulate)
    assert hints["return"] == ExpResult[Array]
    assert get_type_hints(Fitted)["coefficients"] == list[float]
    assert issubclass(Fitted, dict)
