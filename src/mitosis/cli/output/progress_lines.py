"""What mitosis itself says of a trial, line by line."""

from __future__ import annotations

import os
from collections.abc import Iterator

from mitosis.records.trial import StepRecord, TrialRecord
from mitosis.records.view import KEY_DIGITS
from mitosis.runner.request import Announcement, Outcome
from mitosis.screen import Screen
from mitosis.text import clean, format_duration, format_value

LINE_WIDTH = 72
"""Columns of a line that has the time at its end, where the terminal is not narrower."""
_NAME_WIDTH = 11


def lines_of_widgets(text: str) -> list[str]:
    """What widgets show, as lines without control characters but colours."""
    return Screen().feed(f"{text}\n") if text else []


def heading(announcement: Announcement) -> str:
    """The first line of a trial: what is run, with which parameters, at which commit."""
    steps = {parameter.step for parameter in announcement.record.parameters}
    several = len(steps) > 1 or "+" in announcement.record.experiment
    parts = [announcement.record.experiment]
    for parameter in announcement.record.parameters:
        name = parameter.full_name if several else parameter.name
        value = f" ({parameter.summary})" if parameter.kind == "lookup" else ""
        mark = "" if parameter.tracked else "+"
        parts.append(f"{mark}{name}={parameter.text}{value}")
    if announcement.debug:
        parts.append("debug")
    elif announcement.record.commit:
        parts.append(f'commit {announcement.record.commit[:7]} "{announcement.record.subject}"')
    return clean(" · ".join(parts))


def checks(announcement: Announcement) -> str:
    """What was checked before the steps."""
    if announcement.debug:
        return "nothing: a debug trial is not recorded"
    parts = ["clean tree"]
    if announcement.newly_locked:
        plural = "" if announcement.newly_locked == 1 else "s"
        parts.append(f"{announcement.newly_locked} variant{plural} newly locked")
    if announcement.record.untracked_files:
        plural = "" if announcement.record.untracked_files == 1 else "s"
        parts.append(f"{announcement.record.untracked_files} untracked file{plural} that nothing imports")
    return ", ".join(parts)


def status_line(mark: str, name: str, text: str, seconds: float | None = None, width: int = LINE_WIDTH) -> str:
    """One of the lines with a mark, the time at its end."""
    line = f"{mark} {name:<{_NAME_WIDTH}} {text}"
    return line if seconds is None else f"{line:<{width - 8}} {format_duration(seconds):>7}"


def step_lines(step: StepRecord, error: str | None, width: int = LINE_WIDTH) -> Iterator[str]:
    """How a step ended, and its metrics."""
    if error is not None:
        yield status_line("✗", clean(step.name), clean(error), step.duration_s, width)
    else:
        yield status_line("✓", clean(step.name), f"main = {format_value(step.main)}", step.duration_s, width)
    for name, value in step.metrics.items():
        yield status_line(" ", "", f"{clean(name)} = {format_value(value)}")


def ending(outcome: Outcome, width: int = LINE_WIDTH) -> Iterator[str]:
    """The last lines of a trial: where it failed, how long its steps took together, and where its page is."""
    record = outcome.record
    if record.failure is not None and record.failure.location is not None:
        yield f"  {clean(record.failure.location)}"
        digits = max((len(str(number)) for number, _ in outcome.context), default=1)
        for number, text in outcome.context:
            pointer = "❱" if number == outcome.failed_line else " "
            yield f"    {pointer} {number:>{digits}} │ {clean(text)}"
    count = len(record.steps)
    if count > 1:  # one step has said all of it
        mark, text = ("✓", f"{count} steps") if record.status == "finished" else ("✗", _place_in_chain(record))
        yield status_line(mark, record.status, text, record.duration_s, width)
    where = shown_path(outcome)
    if outcome.debug:
        yield status_line("✓", "written", f"debug, not recorded · {where}")
        return
    key = record.key[:KEY_DIGITS]
    how = "" if record.status == "finished" else f" as {record.status}"
    yield status_line("✓", "recorded", f"{key}{how} · {where}")


def _place_in_chain(record: TrialRecord) -> str:
    return f"in step {(record.step or 0) + 1} of {len(record.steps)}"


def summary_line(outcome: Outcome) -> str:
    """All of a trial in one line: how it ended, what came of it, how long it took, and where its page is."""
    mark = "✓" if outcome.record.status == "finished" else "✗"
    title, what = notification(outcome)
    return f"{mark} {clean(title)}: {clean(what)} · {shown_path(outcome)}"


def notification(outcome: Outcome) -> tuple[str, str]:
    """How a trial ended, and what came of it, each in a few words."""
    record = outcome.record
    if record.failure is not None:
        what = record.failure.summary.removeprefix("interrupted ")  # which the title says
    else:
        metrics = record.steps[-1].metrics.items() if record.steps else ()
        what = ", ".join(f"{name} = {format_value(value)}" for name, value in (("main", record.main), *metrics))
    how = f"debug, {record.status}" if outcome.debug else record.status
    return f"{record.experiment} {record.key[:KEY_DIGITS]} {how}", f"{what} ({format_duration(record.duration_s)})"


def shown_path(outcome: Outcome) -> str:
    """The page, or what there is instead, relative to the working directory if that is shorter; without controls."""
    path = outcome.page or outcome.notebook or outcome.folder
    try:
        relative = os.path.relpath(path)
    except ValueError:  # another drive, on Windows
        return clean(str(path))
    return clean(relative if len(relative) < len(str(path)) else str(path))


def page_url(outcome: Outcome) -> str:
    """The address of the page for a hyperlink: with the host, for a terminal on another one."""
    import platform

    path = outcome.page or outcome.notebook or outcome.folder
    return path.absolute().as_uri().replace("file://", f"file://{platform.node()}", 1)
