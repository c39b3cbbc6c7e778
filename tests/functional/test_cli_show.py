"""What `mitosis show` says of a record."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from mitosis.cli.trials import describe_trial, show
from mitosis.records import ParameterRecord, TrialRecord


def test_environment_is_aligned_whatever_the_names(make_record: Callable[..., TrialRecord]) -> None:
    record = make_record(interpreter="CPython 3.11.7", variables={"LANG": "C.UTF-8", "NUMEXPR_MAX_THREADS": "4"})
    lines = describe_trial(record, {})
    assert "  interpreter         CPython 3.11.7" in lines
    assert "  LANG                C.UTF-8" in lines
    assert "  NUMEXPR_MAX_THREADS 4" in lines


def test_a_trial_leads_to_the_iterations_before_and_after_it(
    repository_folder: Path,
    start_trial: Callable[..., TrialRecord],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    frequency = ParameterRecord("my_exp", "frequency", "eval", "1", digest="a" * 40, summary="1")
    another = ParameterRecord("my_exp", "frequency", "eval", "2", digest="b" * 40, summary="2")
    untracked = ParameterRecord("my_exp", "gpu", "eval", "1", tracked=False, digest="c" * 40, summary="1")
    asked = ((frequency,), (another,), (frequency, untracked), (frequency,))
    first, _, second, third = (
        start_trial(parameters=parameters, started=f"2026-03-01T12:0{minute}:00.000000+00:00")
        for minute, parameters in enumerate(asked)
    )
    monkeypatch.chdir(repository_folder)

    def neighbours(key: str) -> list[str]:
        show(key)
        lines = capsys.readouterr().out.splitlines()
        return [" ".join(line.split()) for line in lines if line.split()[0] in ("previous", "next")]

    assert neighbours(first.key) == [f"next {second.key} (iteration 1, running)"]
    assert neighbours(second.key) == [
        f"previous {first.key} (iteration 0, running)",
        f"next {third.key} (iteration 2, running)",
    ]
    assert neighbours(third.key) == [f"previous {second.key} (iteration 1, running)"]
