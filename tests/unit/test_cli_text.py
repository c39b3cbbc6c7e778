"""How values look in a terminal."""

from __future__ import annotations

import io
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mitosis.cli import text
from mitosis.records.fields import MainResult


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(0.04, "0.0 s"), (0.62, "0.6 s"), (12.4, "12 s"), (200, "3 min 20 s"), (7500, "2 h 5 min"), (90000, "1 d 1 h")],
)
def test_durations(seconds: float, shown: str) -> None:
    assert text.duration(seconds) == shown


@pytest.mark.parametrize("seconds", [None, float("nan"), float("inf")])
def test_durations_that_are_none(seconds: float | None) -> None:
    assert text.duration(seconds) == "–"


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (3.1706776324915e-05, "3.17e-05"),
        (4, "4"),
        (4.0, "4"),
        (1.00423, "1.00"),
        (123.4, "123"),
        (123456.0, "1.23e+05"),
        (2.5e6, "2.5e+06"),
        (float("nan"), "nan"),
        (True, "True"),
        (None, "–"),
        ("x" * 50, "x" * 39 + "…"),
    ],
)
def test_results(value: MainResult, shown: str) -> None:
    assert text.result(value) == shown


@pytest.mark.parametrize(
    ("ago", "shown"),
    [
        (timedelta(seconds=20), "just now"),
        (timedelta(minutes=2, seconds=5), "2 min ago"),
        (timedelta(hours=3), "3 h ago"),
        (timedelta(days=40), "1 mo ago"),
        (timedelta(days=800), "2 y ago"),
    ],
)
def test_moments_on_a_terminal_are_relative(ago: timedelta, shown: str) -> None:
    assert text.moment((datetime.now(UTC) - ago).isoformat(), relative=True) == shown


def test_moments_in_files_are_iso() -> None:
    iso = "2026-03-01T12:00:00.123456+00:00"
    assert datetime.fromisoformat(text.moment(iso, relative=False)) == datetime(2026, 3, 1, 12, tzinfo=UTC)
    assert text.moment("not a time\x1b[2J", relative=True) == "not a time\\x1b[2J"


@given(st.text())
def test_cleaned_text_steers_no_terminal(value: str) -> None:
    assert text.clean(value).isprintable() or text.clean(value) == ""


def test_marks_are_ascii_where_the_stream_has_no_others() -> None:
    stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    assert text.plain("✓ a → b · c…", stream) == "+ a > b - c~"
    assert text.plain("✓", io.TextIOWrapper(io.BytesIO(), encoding="utf-8")) == "✓"
