"""Where an exception was raised, as the user wants to know it."""

from __future__ import annotations

import json
import json.decoder
import sys
from pathlib import Path

import pytest

from mitosis.in_kernel.user_code import describe_failure
from mitosis.protocol import DescribeFailure

ROOT = str(Path(__file__).resolve().parent)


def raise_in_json() -> None:
    json.loads("nonsense")


@pytest.mark.parametrize(
    ("root", "package", "place"),
    [
        (ROOT, "json", "test_kernel_failures.py:19 in raise_in_json"),
        ("/nowhere", "json", f"{ROOT}/test_kernel_failures.py:19 in raise_in_json"),
    ],
    ids=["of the repository", "of another"],
)
def test_users_own_code_is_the_place(monkeypatch: pytest.MonkeyPatch, root: str, package: str, place: str) -> None:
    with pytest.raises(ValueError) as caught:
        raise_in_json()
    monkeypatch.setattr(sys, "last_value", caught.value, raising=False)
    assert describe_failure(DescribeFailure(root, package)).location == place


def test_in_an_installed_step_the_place_is_in_its_package(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValueError) as caught:
        raise_in_json()
    inner = caught.value.with_traceback(caught.tb.tb_next.tb_next)  # type: ignore[union-attr]
    monkeypatch.setattr(sys, "last_value", inner, raising=False)
    described = describe_failure(DescribeFailure(ROOT, "json"))
    assert described.location is not None
    assert described.location.startswith(f"{json.decoder.__file__}:") and "in raw_decode" in described.location
    assert described.context
    assert describe_failure(DescribeFailure(ROOT, "other")).location is None
