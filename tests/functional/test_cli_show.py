"""What `mitosis show` says of a record."""

from __future__ import annotations

from collections.abc import Callable

from mitosis.cli.trials import describe_trial
from mitosis.records import TrialRecord


def test_environment_is_aligned_whatever_the_names(make_record: Callable[..., TrialRecord]) -> None:
    record = make_record(interpreter="CPython 3.11.7", variables={"LANG": "C.UTF-8", "NUMEXPR_MAX_THREADS": "4"})
    lines = describe_trial(record, {})
    assert "  interpreter         CPython 3.11.7" in lines
    assert "  LANG                C.UTF-8" in lines
    assert "  NUMEXPR_MAX_THREADS 4" in lines
