"""Times as people write them: `2026-03`, `2 weeks ago`, `yesterday`."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

_AGO = re.compile(r"(?:(\d{1,6})|an?)\s+(second|minute|hour|day|week|month|year)s?\s+ago")
_SECONDS = {"second": 1, "minute": 60, "hour": 3600, "day": 86400, "week": 604800}
_DATE = re.compile(r"(\d{4})(?:-(\d\d)(?:-(\d\d))?)?")
_TIME = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:?\d\d)?")
EXAMPLES = '"2026-03", "2026-03-01 14:30", "yesterday" or "2 weeks ago"'


class Period(NamedTuple):
    """From a moment up to another one, which is not part of it. Both are in UTC; a single moment has no length."""

    start: datetime
    end: datetime


def parse_period(text: str, now: datetime) -> Period | None:
    """What a text says about a time, None if it is none.

    Days, months and years are those of the local time zone; of a time, the zone may be given.

    Args:
        text: as people write it.
        now: the present, with its zone.
    """
    words = " ".join(text.lower().split())
    try:
        return _parse(words, now.astimezone())
    except (ValueError, OverflowError, OSError):  # there is no such day, or it is beyond the calendar
        return None


def _parse(words: str, now: datetime) -> Period | None:
    today = now.replace(hour=0, minute=0, second=0, microsecond=0, tzinfo=None)
    if words == "now":
        return _between(now, now)
    if words in ("today", "yesterday"):
        start = today - timedelta(days=words == "yesterday")
        return _between(start, start + timedelta(days=1))
    ago = _AGO.fullmatch(words)
    if ago is not None:
        count, unit = int(ago[1] or 1), ago[2]
        moment = now - timedelta(seconds=count * _SECONDS[unit]) if unit in _SECONDS else _earlier(now, count, unit)
        return _between(moment, moment)
    date = _DATE.fullmatch(words)
    if date is not None:
        year, month, day = date.groups()
        start = datetime(int(year), int(month or 1), int(day or 1))
        if day:
            return _between(start, start + timedelta(days=1))
        following = int(year) * 12 + int(month or 12)
        return _between(start, datetime(following // 12, following % 12 + 1, 1))
    time = _TIME.fullmatch(words.upper())
    if time is None:
        return None
    moment = datetime.fromisoformat(time[0])
    return _between(moment, moment + timedelta(minutes=time[1] is None))


def _earlier(now: datetime, count: int, unit: str) -> datetime:
    """The same day of an earlier month or year, or the last one of that month."""
    months = now.year * 12 + now.month - 1 - count * (12 if unit == "year" else 1)
    year, month = divmod(months, 12)
    for day in range(now.day, 27, -1):
        try:
            return now.replace(year=year, month=month + 1, day=day)
        except ValueError:
            continue
    return now.replace(year=year, month=month + 1, day=min(now.day, 28))


def _between(start: datetime, end: datetime) -> Period:
    return Period(start.astimezone(UTC), end.astimezone(UTC))
