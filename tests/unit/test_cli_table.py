"""Tables on a terminal that is too narrow for them."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from typing import TextIO

import pytest

from mitosis.cli.output.table import print_columns
from mitosis.cli.output.trial_text import print_trials
from mitosis.records.trial import Failure, ParameterRecord, StepRecord
from mitosis.records.view import View
from support.journal import make_record

COLUMNS = ["", "key", "amplitude", "main", "note"]
ROWS = [
    {"": "✗", "key": "5f2c91", "amplitude": "np.linspace(0, 1, 50)", "main": "–", "note": "ValueError: a bad shape"},
    {"": " ", "key": "81aa03", "amplitude": "4", "main": "3.17e-05", "note": ""},
]


@pytest.fixture
def printed(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., list[str]]:
    """The lines of the table on a terminal of so many columns."""

    def on_terminal(width: int, show: Callable[[], object] = lambda: print_columns(COLUMNS, ROWS)) -> list[str]:
        terminal: TextIO = sys.stdout
        monkeypatch.setattr(terminal, "isatty", lambda: True)
        monkeypatch.setenv("COLUMNS", str(width))
        monkeypatch.setenv("TERM", "xterm")
        show()
        text = re.sub(r"\x1b\[[0-9;]*m", "", capsys.readouterr().out)
        return [line.rstrip() for line in text.splitlines()]

    return on_terminal


def test_wide_terminal_shows_all(printed: Callable[..., list[str]]) -> None:
    assert printed(100) == [
        "   key     amplitude              main      note",
        "✗  5f2c91  np.linspace(0, 1, 50)  –         ValueError: a bad shape",
        "   81aa03  4                      3.17e-05",
    ]


def test_narrow_terminal_cuts_the_widest_and_keeps_marks_keys_and_results(printed: Callable[..., list[str]]) -> None:
    rows = [{**row, "note": row["note"] * 2} for row in ROWS]
    assert printed(70, lambda: print_columns(COLUMNS, rows)) == [
        "   key     amplitude              main      note",
        "✗  5f2c91  np.linspace(0, 1, 50)  –         ValueError: a bad shapeVa…",
        "   81aa03  4                      3.17e-05",
    ]


def test_terminal_that_is_too_narrow_loses_no_column(printed: Callable[..., list[str]]) -> None:
    assert printed(10) == printed(100)


def test_narrow_list_keeps_what_tells_the_trials_apart(printed: Callable[..., list[str]]) -> None:
    views = []
    for number in range(4):
        words = {"first": "the same in all", "rare": number == 3, "seed": number, "length": number // 2}
        parameters = tuple(ParameterRecord("my_exp", name, "eval", str(value)) for name, value in words.items())
        key, main = f"{number}" * 12, (number + 1) * 1.0625e30
        views.append(
            View.of(make_record(key=key, parameters=parameters, main=main, status="finished", duration_s=number / 7))
        )
    wide = printed(200, lambda: print_trials(views, {}))
    assert wide[0] == "all: experiment my_exp · first the same in all"
    assert wide[1].split() == ["key", "rare", "seed", "length", "main", "when", "took"]
    assert wide[2].split()[:5] == ["000000", "False", "0", "0", "1.06e+30"]
    narrow = printed(40, lambda: print_trials(views, {}))
    assert narrow[:2] == ["all: experiment my_exp · first the same", "     in all"]
    assert narrow[2].split() == ["key", "rare", "seed", "length", "main"]
    assert narrow[-2:] == ["Not shown: when, took; see `mitosis show", "KEY`, or widen the window."]
    assert printed(34, lambda: print_trials(views, {}))[2].split() == ["key", "seed", "length", "main"]


def test_no_column_is_cut_so_that_its_rows_look_the_same(printed: Callable[..., list[str]]) -> None:
    views = []
    for number in range(4):
        failure = None if number else Failure("exception", "a bad shape", "ValueError")
        parameters = (
            ParameterRecord("fit", "model", "eval", f"models.with_a_long_name_{'ab'[number % 2]}"),
            ParameterRecord("fit", "seed", "default" if number else "eval", str(number), digest=str(number)),
        )
        views.append(
            View.of(
                make_record(
                    key=f"{number}" * 12,
                    experiment="fit",
                    parameters=parameters,
                    main=str([0.123456789] * 30),
                    steps=(StepRecord("fit", "lab:fit", main_name="loss" if number else "error"),),
                    status="failed" if failure else "finished",
                    failure=failure,
                )
            )
        )
    lines = printed(64, lambda: print_trials(views, {}))
    assert lines[:3] == [
        "all: experiment fit",
        "   key     model                      seed  main",
        "✗  000000  models.with_a_long_name_a  0     –",
    ]
    assert lines[3] == "   111111  models.with_a_long_name_b  1*    [0.123, … 30 values]"
    assert lines[6] == "* the default: it was not given"
    assert printed(64, lambda: print_trials(views[1:], {}))[1].split() == ["key", "model", "seed", "loss"]
    failed = printed(40, lambda: print_trials(views[:1] * 3, {}))
    assert failed[3].split() == ["✗", "000000", "ValueError:", "a", "bad", "shape"]


def test_marks_colour_their_rows_where_there_are_colours(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("FORCE_COLOR", "1")
    print_columns(["", "key"], ROWS)
    assert capsys.readouterr().out == "\x1b[1m   key\x1b[0m\n\x1b[31m✗  5f2c91\x1b[0m\n   81aa03\n"
    monkeypatch.setenv("NO_COLOR", "1")
    print_columns(["", "key"], ROWS)
    assert capsys.readouterr().out == "   key\n✗  5f2c91\n   81aa03\n"
