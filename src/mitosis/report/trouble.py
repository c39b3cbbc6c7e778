"""Why a trial did not finish, for the top of its page."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from nbformat import NotebookNode

from mitosis.records.trial import TrialRecord
from mitosis.report.cells import error_line
from mitosis.report.displays import traceback_entries
from mitosis.report.excerpts import Excerpt, excerpt
from mitosis.report.summary import SENTENCE_CHARACTERS, VALUE_CHARACTERS
from mitosis.report.tracebacks import users_traceback
from mitosis.text import cut

TRACEBACK_ROOM = 7_500
"""Characters of HTML that a page has for the traceback."""


@dataclass(frozen=True, slots=True)
class Trouble:
    """Why the trial did not finish."""

    title: str
    where: str
    message: str
    """What there is to say without a traceback."""
    traceback: Excerpt | None


def trouble_of(record: TrialRecord, cells: Iterable[NotebookNode]) -> Trouble | None:
    """What went wrong; the output that shows it is taken from its cell and stands for a pointer there."""
    if record.status not in ("failed", "interrupted"):
        return None
    failure = record.failure
    traceback = _take_traceback(cells)
    message = failure.message.strip() if failure is not None else ""
    kind = (failure.type or "") if failure is not None else ""
    title = ": ".join(part for part in (kind, message.partition("\n")[0]) if part)
    if not title:
        title = "Interrupted" if record.status == "interrupted" else "Failed"
    elif not kind:
        # What mitosis says itself begins small, for it stands in a line on the terminal.
        title = title[0].upper() + title[1:]
    rest = message if len(title) > SENTENCE_CHARACTERS else message.partition("\n")[2]
    title = cut(title, SENTENCE_CHARACTERS)
    return Trouble(
        title=title,
        where=(failure.location or "") if failure is not None else "",
        message="" if traceback else cut(rest, 2 * VALUE_CHARACTERS),
        traceback=excerpt(traceback, TRACEBACK_ROOM, from_head=0.35) if traceback else None,
    )


def _take_traceback(cells: Iterable[NotebookNode]) -> str:
    cells = [cell for cell in cells if cell.get("cell_type") == "code"]
    for cell in reversed(cells):
        for output in reversed(cell.outputs):
            if output.get("output_type") == "error":
                output.elsewhere = True
                return users_traceback(traceback_entries(output.get("traceback"))) or error_line(output)
    return ""
