"""What `mitosis show` says of a record."""

from __future__ import annotations

from pathlib import Path

from mitosis.cli.output.progress import summary_line
from mitosis.cli.output.trial_text import describe_trial
from mitosis.records.trial import Failure
from mitosis.runner.request import Outcome
from support.journal import make_record


def test_environment_is_aligned_whatever_the_names() -> None:
    record = make_record(interpreter="CPython 3.11.7", variables={"LANG": "C.UTF-8", "NUMEXPR_MAX_THREADS": "4"})
    lines = describe_trial(record, {})
    assert "  interpreter         CPython 3.11.7" in lines
    assert "  LANG                C.UTF-8" in lines
    assert "  NUMEXPR_MAX_THREADS 4" in lines


def test_interruption_is_told_once(tmp_path: Path) -> None:
    record = make_record(status="interrupted", failure=Failure("interrupt", "interrupted by SIGTERM", step="my_exp"))
    assert describe_trial(record, {})[0].endswith("interrupted: by SIGTERM (my_exp)")
    assert " interrupted: by SIGTERM (" in summary_line(Outcome(record, False, tmp_path, None, tmp_path))
