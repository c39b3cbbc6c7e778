"""What a trial says, on a terminal and elsewhere."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

from mitosis.cli.output.progress import LineProgress, PlainProgress, summary_line
from mitosis.records.trial import Failure, Metric, ParameterRecord, StepRecord, TrialRecord
from mitosis.runner.request import Announcement, Outcome
from support.journal import make_record

VALUE = "{'length': 15, 'window': 'hann', 'weights': [1, 2, 1]}"
METRICS: dict[str, Metric] = {f"m{number}": number for number in range(23)}


class Narrow(LineProgress):
    """What is said on a terminal of 60 columns."""

    def __init__(self) -> None:
        super().__init__(io.TextIOWrapper(io.BytesIO(), encoding="utf-8"))
        self.lines: list[str] = []

    @property
    def columns(self) -> int | None:
        return 60

    def print(self, line: str) -> None:
        self.lines.append(line)


def trial(folder: Path) -> tuple[Announcement, StepRecord, Outcome]:
    """A trial that fails: what is said before its step, its step, and what is said afterwards."""
    parameters = (
        ParameterRecord("my_exp", "window", "lookup", "smooth", summary=VALUE),
        ParameterRecord("my_exp", "frequency", "lookup", "slow", summary="1"),
        ParameterRecord("my_exp", "grid", "eval", f"[{'1, ' * 30}]"),
    )
    step = StepRecord("my_exp", "lab:run", duration_s=0.4, main=4.0, metrics=METRICS)
    failure = Failure("exception", "bad shape", "ValueError", "my_exp", location="lab.py:3 in run")
    record = make_record(
        parameters=parameters, steps=(step,), status="failed", failure=failure, subject="first " * 20, duration_s=0.4
    )
    code = "    raise ValueError('a line of code that is wider than this terminal')"
    outcome = Outcome(record, False, folder, None, folder / "x", context=((3, code),), failed_line=3)
    return Announcement(record, False, 0, 0.2), step, outcome


def test_header_has_names_and_terminals_break_nothing_in_words(tmp_path: Path) -> None:
    announcement, step, outcome = trial(tmp_path)
    narrow = Narrow()
    narrow.announce(announcement)
    narrow.step_ended(step, "TypeError: unsupported operand type(s) for *: 'NoneType' and 'float'")
    narrow.finish(outcome)
    assert narrow.lines[:7] == [
        "my_exp · window=smooth ({'length': 15, 'window': 'hann',",
        "    'weigh…) · frequency=slow (1) · grid=[1, 1, 1, 1, 1, 1,",
        '    1, 1, 1, 1, 1, 1, 1,… · commit ccccccc "first first',
        '    first first first first fir…"',
        f"✓ checked     {'clean tree':38} {'0.2 s':>7}",
        "✗ my_exp      TypeError: unsupported operand type(s) for *:",
        "              'NoneType' and 'float'   0.4 s",
    ]
    assert narrow.lines[7] == "              m0 = 0"
    assert narrow.lines[26].strip() == "m19 = 19"
    assert narrow.lines[27].strip() == "... and 3 more metrics"
    assert narrow.lines[28:30] == ["  lab.py:3 in run", "    ❱ 3 │     raise ValueError('a line of code that is wide…"]
    assert narrow.lines[30].startswith("✓ recorded ")


def test_pipes_have_whole_lines(tmp_path: Path) -> None:
    announcement, _, outcome = trial(tmp_path)
    out = io.TextIOWrapper(io.BytesIO(), encoding="utf-8")
    plain = PlainProgress(out, out)
    plain.announce(announcement)
    plain.finish(outcome)
    out.seek(0)
    lines = out.read().splitlines()
    assert VALUE not in lines[0] and lines[0].endswith('fir…"')
    assert "wider than this terminal')" in lines[3]


def test_trial_that_takes_longer_than_its_steps_says_so(tmp_path: Path) -> None:
    _, _, outcome = trial(tmp_path)
    narrow = Narrow()
    narrow.finish(outcome)
    assert " after " not in narrow.lines[-1]
    narrow._begun_at -= 18.6
    narrow.finish(outcome)
    assert " as failed after 18.6 s · " in narrow.lines[-1]


def test_quiet_says_the_result_and_no_metrics(tmp_path: Path) -> None:
    _, _, outcome = trial(tmp_path)
    finished: TrialRecord = outcome.record.with_changes(status="finished", failure=None, main=4)
    line = summary_line(replace(outcome, record=finished))
    assert line.startswith(f"✓ my_exp {finished.key[:6]} finished: main = 4 (0.4 s) · ")
