"""The table of `mitosis list`: a trial a row, its parameters as columns; and what of a trial depends on the present."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from mitosis.cli.output.streams import is_terminal
from mitosis.cli.output.table import print_columns, print_line
from mitosis.journal.locks import used_lock
from mitosis.process import is_alive
from mitosis.records.trial import ProcessRecord
from mitosis.records.view import KEY_DIGITS
from mitosis.text import clean, cut, format_moment
from mitosis.variants import PresentMeaning, VariantLock

if TYPE_CHECKING:
    from mitosis.records.trial import ParameterRecord
    from mitosis.records.view import View

_PARAMETER_WIDTH = 24
_NOTE_WIDTH = 48
_MARKS = {"failed": "✗", "interrupted": "✗", "running": "…", "lost": "?"}
_NEVER_SAID_ONCE = ("", "key", "status", "when", "took", "note", "main")

Meanings = Mapping[VariantLock, PresentMeaning]


def present_state(view: View) -> tuple[str, str]:
    """The status, `lost` where the process of a running trial is gone, and a note about it."""
    status = view.raw("status")
    if status != "running":
        return status, view.raw("note")
    host, pid = view.raw("host"), view.value("pid")
    process = ProcessRecord(host, pid if isinstance(pid, int) else 0, view.raw("process") or None)
    alive = is_alive(process)
    if alive is False:
        return "lost", f"its process on {host} is gone"
    elsewhere = [f"on {host}"] if alive is None else []
    return "running", ", ".join(filter(None, [*elsewhere, view.place]))


def present_meaning(parameter: ParameterRecord, meanings: Meanings) -> PresentMeaning | None:
    """What the variant of a recorded parameter means now; None if the parameter is not a tracked variant."""
    use = used_lock(parameter)
    return None if use is None else meanings.get(use)


def print_trials(views: Sequence[View], meanings: Meanings) -> None:
    """Print trials as rows. What is the same in all of them is said once above. Files get the status as a word."""
    relative = is_terminal()
    steps_of: dict[str, set[str]] = {}
    for view in views:
        for parameter in view.parameters:
            steps_of.setdefault(parameter.name, set()).add(parameter.step)
    ambiguous = frozenset(name for name, steps in steps_of.items() if len(steps) > 1)
    rows = [_row(view, ambiguous, meanings, relative=relative) for view in views]
    names = list(dict.fromkeys(name for row in rows for name in row))
    common = {}
    if len(rows) > 1:
        for name in names:
            values = {row.get(name, "") for row in rows}
            if len(values) == 1 and name not in _NEVER_SAID_ONCE:
                common[name] = values.pop()
    if common:
        print_line("all: " + " · ".join(f"{name} {value}" for name, value in common.items()))
    first = ("", "key", "experiment") if relative else ("", "key", "status", "experiment")
    last = ("main", "when", "took", "note")
    parameters = [name for name in names if name not in first and name not in last]
    columns = [name for name in (*first, *parameters, *last) if name in names and name not in common]
    if not any(row.get("note") for row in rows):
        columns.remove("note")
    left_out = print_columns(columns, rows, optional=parameters)
    if left_out:
        print_line(f"Not shown: {', '.join(left_out)}; see `mitosis show KEY`, or widen the window.")


def _row(view: View, ambiguous: frozenset[str], meanings: Meanings, *, relative: bool) -> dict[str, str]:
    """The cells of a trial. Parameters in `ambiguous` belong to several steps, and are named with theirs."""
    state, note = present_state(view)
    row = {"": _MARKS.get(state, " "), "key": view.text("key")[:KEY_DIGITS], "experiment": view.text("experiment")}
    if not relative:
        row["status"] = state
    for parameter in view.parameters:
        name = parameter.full_name if parameter.name in ambiguous else parameter.name
        meaning = present_meaning(parameter, meanings)
        # The name alone would say what it means now, or nothing while it means several things.
        is_plain = meaning is None or (meaning.is_locked and meaning.meanings == 1)
        then = "" if is_plain else f" ({parameter.summary})"
        shown = clean(f"{'' if parameter.tracked else '+'}{parameter.text}{then}", _PARAMETER_WIDTH)
        if meaning is not None and meaning.new_names:
            shown += f" (now {clean(' or '.join(meaning.new_names), _PARAMETER_WIDTH)})"
        row[clean(name)] = shown
    if state == "finished":
        row["main"] = view.text("main") or "–"
    else:
        row["main"] = "–" if state in ("failed", "interrupted") else state
    row["when"] = format_moment(view.raw("started"), relative=relative)
    row["took"] = view.text("took")
    row["note"] = cut(clean(note), _NOTE_WIDTH) if relative else clean(note)
    return row
