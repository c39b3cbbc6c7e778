"""Tables on a terminal that is too narrow for them."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from typing import TextIO

import pytest

from mitosis.cli.output.table import print_columns

COLUMNS = ["", "key", "amplitude", "main", "note"]
ROWS = [
    {"": "✗", "key": "5f2c91", "amplitude": "np.linspace(0, 1, 50)", "main": "–", "note": "ValueError: a bad shape"},
    {"": " ", "key": "81aa03", "amplitude": "4", "main": "3.17e-05", "note": ""},
]


@pytest.fixture
def printed(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[[int], list[str]]:
    """The lines of the table on a terminal of so many columns."""

    def on_terminal(width: int) -> list[str]:
        terminal: TextIO = sys.stdout
        monkeypatch.setattr(terminal, "isatty", lambda: True)
        monkeypatch.setenv("COLUMNS", str(width))
        monkeypatch.setenv("TERM", "xterm")
        print_columns(COLUMNS, ROWS)
        text = re.sub(r"\x1b\[[0-9;]*m", "", capsys.readouterr().out)
        return [line.rstrip() for line in text.splitlines()]

    return on_terminal


def test_wide_terminal_shows_all(printed: Callable[[int], list[str]]) -> None:
    assert printed(100) == [
        "   key     amplitude              main      note",
        "✗  5f2c91  np.linspace(0, 1, 50)  –         ValueError: a bad shape",
        "   81aa03  4                      3.17e-05",
    ]


def test_narrow_terminal_cuts_the_widest_and_keeps_marks_keys_and_results(printed: Callable[[int], list[str]]) -> None:
    assert printed(50) == [
        "   key     amplitude      main      note",
        "✗  5f2c91  np.linspace(…  –         ValueError: a…",
        "   81aa03  4              3.17e-05",
    ]


def test_terminal_that_is_too_narrow_loses_no_column(printed: Callable[[int], list[str]]) -> None:
    assert printed(10) == [
        "   key     amplitu…  main      note",
        "✗  5f2c91  np.lins…  –         Val…",
        "   81aa03  4         3.17e-05",
    ]


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
