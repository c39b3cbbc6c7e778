"""Text made harmless and short."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mitosis import text

HOSTILE = "a\x1b[2J\u202eb\udc80\x00"


@given(st.text(), st.integers(1, 50))
def test_one_line_is_printable_and_bounded(value: str, limit: int) -> None:
    for shown in (text.one_line(value, limit), text.clean(value, limit)):
        assert len(shown) <= limit
        assert shown.isprintable()
        shown.encode()


def test_what_cannot_be_printed_is_escaped() -> None:
    assert text.one_line(f"{HOSTILE}\nc") == r"a\x1b[2J\u202eb\udc80\x00\nc"
    assert text.clean(f"{HOSTILE}\n\tc") == r"a\x1b[2J\u202eb\udc80\x00  c"
    assert text.one_line("x" * 50, 10) == "x" * 9 + "…"


def test_lines_are_broken_between_words_and_facts() -> None:
    line = "my_exp · frequency=slow (1) · a-word-that-is-wider"
    assert text.broken(line, 20, 4) == ["my_exp ·", "    frequency=slow", "    (1) ·", "    a-word-that-is-wider"]
    assert text.broken(line, 80, 4) == [line]


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (10**15 - 1, "999999999999999"),
        (-(10**15), "-1e+15"),
        (2**1023 - 1, "8.99e+307"),
        (2**1024, "an integer of 1025 bits"),
        ("20240101123456789012", "20240101123456789012"),
        ("0123456789012345678901234", "0123456789012345678901234"),
        (True, "True"),
        ("[0.9561403508771929, 2.0]", "[0.956, 2]"),
        (str([0.9561403508771929] * 30), "[0.956, 0.956, 0.956, … 30 values]"),
        ("[0.95614035, ..., 0.95614035]", "[0.956, ..., 0.956]"),
        ("['1.23456']", "['1.23456']"),
    ],
)
def test_huge_integers_and_lists_are_rounded(value: int | str, shown: str) -> None:
    assert text.format_value(value) == shown


def test_page_keeps_line_breaks_and_marks_the_rest() -> None:
    assert text.for_page(f"{HOSTILE}\n\tc") == "a\ufffd[2J\ufffdb\ufffd\ufffd\n\tc"


@pytest.mark.parametrize(("value", "shown"), [("a/b c", "a_b_c"), ("'é'", "e"), ("\x00", "_"), ("x=1,2", "x=1,2")])
def test_names_of_files_are_plain(value: str, shown: str) -> None:
    assert text.in_file_name(value) == shown


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (0.04, "0.0 s"),
        (0.62, "0.6 s"),
        (12.34, "12.3 s"),
        (59.96, "1 min 0 s"),
        (200, "3 min 20 s"),
        (7500, "2 h 5 min"),
        (90000, "1 d 1 h"),
        (None, "–"),
        (float("nan"), "–"),
        (float("inf"), "–"),
    ],
)
def test_durations(seconds: float | None, shown: str) -> None:
    assert text.format_duration(seconds) == shown


@pytest.mark.parametrize(
    ("size", "shown"),
    [
        (0, "0 bytes"),
        (999, "999 bytes"),
        (999.6, "1.0 kB"),
        (85_123_456, "85 MB"),
        (1.2e9, "1.2 GB"),
        (2e15, "2000 TB"),
    ],
)
def test_sizes(size: float, shown: str) -> None:
    assert text.format_size(size) == shown


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
def test_results(value: bool | int | float | str | None, shown: str) -> None:
    assert text.format_value(value) == shown


def test_very_large_integers_are_described() -> None:
    assert text.format_value(1 << 20000) == "an integer of 20001 bits"


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
    assert text.format_moment((datetime.now(UTC) - ago).isoformat(), relative=True) == shown


def test_moments_in_files_are_iso() -> None:
    iso = "2026-03-01T12:00:00.123456+00:00"
    assert datetime.fromisoformat(text.format_moment(iso, relative=False)) == datetime(2026, 3, 1, 12, tzinfo=UTC)
    assert text.format_moment("not a time\x1b[2J", relative=True) == "not a time\\x1b[2J"
    for edge in ("0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-12:00"):
        assert text.format_moment(edge, relative=True)
