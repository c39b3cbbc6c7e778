"""Times as people write them: what they mean where somebody lives, and which trials started then."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime

import pytest

from mitosis.query.moments import parse_period
from mitosis.query.search import Search
from support.journal import Desk

BERLIN = "CET-1CEST,M3.5.0,M10.5.0/3"
NEW_YORK = "EST5EDT,M3.2.0,M11.1.0"
NOON = datetime(2026, 3, 31, 12, 30, 15, 500_000, tzinfo=UTC)

Live = Callable[[str], None]


@pytest.fixture
def live(monkeypatch: pytest.MonkeyPatch) -> Iterator[Live]:
    """Have the machine be in a time zone, as POSIX writes it: `live("EST5")`."""

    def live_in(zone: str) -> None:
        monkeypatch.setenv("TZ", zone)
        time.tzset()

    live_in("UTC0")
    yield live_in
    monkeypatch.undo()
    time.tzset()


def period(text: str, now: datetime = NOON) -> tuple[str, str]:
    found = parse_period(text, now)
    assert found is not None
    for moment in found:
        assert moment.utcoffset() is not None and not moment.utcoffset()
    start, end = (moment.replace(tzinfo=None).isoformat() for moment in found)
    return start, end


@pytest.mark.parametrize(
    ("text", "start", "end"),
    [
        ("2026", "2026-01-01T00:00:00", "2027-01-01T00:00:00"),
        ("2026-03", "2026-03-01T00:00:00", "2026-04-01T00:00:00"),
        ("2026-12", "2026-12-01T00:00:00", "2027-01-01T00:00:00"),
        ("2024-02", "2024-02-01T00:00:00", "2024-03-01T00:00:00"),
        ("2024-02-29", "2024-02-29T00:00:00", "2024-03-01T00:00:00"),
        ("2026-12-31", "2026-12-31T00:00:00", "2027-01-01T00:00:00"),
        ("2026-03-01 14:30", "2026-03-01T14:30:00", "2026-03-01T14:31:00"),
        ("2026-03-01t14:30", "2026-03-01T14:30:00", "2026-03-01T14:31:00"),
        ("2026-03-01 14:30:05", "2026-03-01T14:30:05", "2026-03-01T14:30:05"),
        ("2026-03-01 14:30:05.25", "2026-03-01T14:30:05.250000", "2026-03-01T14:30:05.250000"),
        ("2026-03-01 14:30Z", "2026-03-01T14:30:00", "2026-03-01T14:31:00"),
        ("2026-03-01T14:30+02:00", "2026-03-01T12:30:00", "2026-03-01T12:31:00"),
        ("2026-03-01 14:30:05-0530", "2026-03-01T20:00:05", "2026-03-01T20:00:05"),
        ("now", "2026-03-31T12:30:15.500000", "2026-03-31T12:30:15.500000"),
        ("today", "2026-03-31T00:00:00", "2026-04-01T00:00:00"),
        ("  Yesterday ", "2026-03-30T00:00:00", "2026-03-31T00:00:00"),
        ("1 second ago", "2026-03-31T12:30:14.500000", "2026-03-31T12:30:14.500000"),
        ("90 minutes ago", "2026-03-31T11:00:15.500000", "2026-03-31T11:00:15.500000"),
        ("an hour ago", "2026-03-31T11:30:15.500000", "2026-03-31T11:30:15.500000"),
        ("a  day\tago", "2026-03-30T12:30:15.500000", "2026-03-30T12:30:15.500000"),
        ("2 WEEKS ago", "2026-03-17T12:30:15.500000", "2026-03-17T12:30:15.500000"),
        ("0 days ago", "2026-03-31T12:30:15.500000", "2026-03-31T12:30:15.500000"),
        # of a shorter month, the last day
        ("1 month ago", "2026-02-28T12:30:15.500000", "2026-02-28T12:30:15.500000"),
        ("25 months ago", "2024-02-29T12:30:15.500000", "2024-02-29T12:30:15.500000"),
        ("3 months ago", "2025-12-31T12:30:15.500000", "2025-12-31T12:30:15.500000"),
        ("4 months ago", "2025-11-30T12:30:15.500000", "2025-11-30T12:30:15.500000"),
        ("2 years ago", "2024-03-31T12:30:15.500000", "2024-03-31T12:30:15.500000"),
    ],
)
@pytest.mark.usefixtures("live")
def test_words_mean_a_moment_or_a_period(text: str, start: str, end: str) -> None:
    assert period(text) == (start, end)


@pytest.mark.usefixtures("live")
def test_year_ago_of_a_leap_day_is_the_last_of_february() -> None:
    assert period("1 year ago", datetime(2024, 2, 29, 8, tzinfo=UTC))[0] == "2023-02-28T08:00:00"
    assert period("4 years ago", datetime(2024, 2, 29, 8, tzinfo=UTC))[0] == "2020-02-29T08:00:00"
    assert period("1 month ago", datetime(2026, 1, 15, tzinfo=UTC))[0] == "2025-12-15T00:00:00"


@pytest.mark.parametrize(
    "text",
    [
        *(
            "",
            "soon",
            "tomorrow",
            "2 weeks",
            "ago",
            "two weeks ago",
            "-1 days ago",
            "1.5 hours ago",
            "2 fortnights ago",
        ),
        *("2026-00", "2026-13", "2026-02-29", "2026-03-00", "2026-03-32", "0000", "26-03", "2026-3", "2026/03/01"),
        *("2026-03-01 25:00", "2026-03-01 14:60", "2026-03-01 14", "14:30", "2026-03-01 14:30 CET", "20260301"),
        *("999999 years ago", "9999-12-31", "9999", "1234567 days ago", "2026-03\n-01"),
    ],
)
@pytest.mark.usefixtures("live")
def test_other_words_are_no_times(text: str) -> None:
    assert parse_period(text, NOON) is None


@pytest.mark.parametrize(
    ("zone", "text", "start", "end"),
    [
        (BERLIN, "2026-01", "2025-12-31T23:00:00", "2026-01-31T23:00:00"),
        (BERLIN, "2026-03", "2026-02-28T23:00:00", "2026-03-31T22:00:00"),
        (BERLIN, "2026-03-29", "2026-03-28T23:00:00", "2026-03-29T22:00:00"),  # of 23 hours
        (BERLIN, "2026-10-25", "2026-10-24T22:00:00", "2026-10-25T23:00:00"),  # of 25
        (BERLIN, "2026-07-01 12:00", "2026-07-01T10:00:00", "2026-07-01T10:01:00"),
        (BERLIN, "2026-07-01 12:00Z", "2026-07-01T12:00:00", "2026-07-01T12:01:00"),
        (NEW_YORK, "today", "2026-03-31T04:00:00", "2026-04-01T04:00:00"),
        (NEW_YORK, "2026", "2026-01-01T05:00:00", "2027-01-01T05:00:00"),
        ("LINT-14", "today", "2026-03-31T10:00:00", "2026-04-01T10:00:00"),
        ("LINT-14", "yesterday", "2026-03-30T10:00:00", "2026-03-31T10:00:00"),
    ],
)
def test_days_are_those_of_the_local_zone(live: Live, zone: str, text: str, start: str, end: str) -> None:
    live(zone)
    assert period(text) == (start, end)


# --- which trials ---------------------------------------------------------------------------------


STARTS = (
    "2026-02-28T23:59:59.999999",
    "2026-03-01T00:00:00.000000",
    "2026-03-15T12:00:30.000000",
    "2026-03-31T23:59:59.999999",
    "2026-04-01T00:00:00.000000",
)


@pytest.mark.parametrize(
    ("condition", "found"),
    [
        ("started == '2026-03'", "123"),
        ("started != '2026-03'", "04"),
        ("started < '2026-03'", "0"),
        ("started <= '2026-03'", "0123"),
        ("started > '2026-03'", "4"),
        ("started >= '2026-03'", "1234"),
        ("'2026-03' < started", "4"),
        ("'2026-03' <= started <= '2026-03'", "123"),
        ("'2026-02' < started < '2026-04'", "123"),
        ("not started == '2026-03'", "04"),
        ("started in ['2026-02', '2026-04']", "04"),
        ("started not in ['2026-02', '2026-04']", "123"),
        ("started == '2026-03-15 12:00'", "2"),
        ("started == '2026-03-15 12:00:30'", "2"),
        ("started > '2026-03-15 12:00:30'", "34"),
        ("started >= '2026-03-15 12:00:30'", "234"),
        ("started <= '2026-03-15 12:00:30'", "012"),
        ("started < '2026-03-15 12:00:30'", "01"),
        ("started == '2026-04-01 01:00+01:00'", "4"),
        ("ended is None", "01234"),
        ("ended > '2000'", ""),
        ("not ended > '2000'", ""),
        ("started == ended", ""),
        ("started < 'now'", "01234"),
        ("started > '100 years ago'", "01234"),
    ],
)
@pytest.mark.usefixtures("live")
def test_comparing_with_a_period_is_before_in_or_after_it(journal: Desk, condition: str, found: str) -> None:
    keys = [journal.start_trial(started=f"{moment}+00:00").key for moment in STARTS]
    assert sorted(Search(journal, [condition]).keys()) == sorted(keys[int(number)] for number in found)


def test_days_of_trials_are_local_too(live: Live, journal: Desk) -> None:
    early = journal.start_trial(started="2026-02-28T23:30:00.000000+00:00").key
    journal.start_trial(started="2026-02-28T22:30:00.000000+00:00")
    live(BERLIN)
    assert [*Search(journal, ["started >= '2026-03'"]).keys()] == [early]
