"""What `mitosis list` and `show` say of trials: one in a row, or all that is recorded of one, a fact a line."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Mapping, Sequence
from math import log2
from typing import TYPE_CHECKING

from mitosis.cli.output.streams import is_terminal
from mitosis.cli.output.table import print_columns, print_line, print_lines, screen_width
from mitosis.errors.base import few, shell_words
from mitosis.process import is_alive
from mitosis.records.trial import ProcessRecord
from mitosis.records.view import KEY_DIGITS, View
from mitosis.text import broken, clean, cut, exact_value, format_duration, format_moment, format_value
from mitosis.variants import PresentMeaning, VariantLock

if TYPE_CHECKING:
    from mitosis.journal.annotations import Annotations, Note, Tag
    from mitosis.records.trial import ParameterRecord, TrialRecord

_MEANING_WIDTH = 16
"""A meaning that takes more is told from others by the beginning of its digest."""
_MAIN_WIDTH = 24
_DEFAULT = "*"
"""Behind a default, on a terminal."""
_NOTE_WIDTH = 48
_FACT_WIDTH = 13
_MARKS = {"failed": "✗", "interrupted": "✗", "running": "…", "lost": "?"}
_FIXED = ("key", "status", "experiment", "main", "when", "took", "note")
"""Columns that a pipe or a file has in any case, in this order; what was passed follows."""
_NEVER_SAID_ONCE = ("", "key", "status", "when", "took", "note", "main")
_PLAIN = {
    "ended": "ended",
    "took": "took",
    "cpu": "cpu",
    "peak memory": "memory",
    "iteration": "iteration",
    "author": "author",
}
"""Lines that are a field of the view and nothing else."""

Meanings = Mapping[VariantLock, PresentMeaning]


def present_state(view: View) -> tuple[str, str]:
    """The status, `lost` where the process of a running trial is gone, and a note about it."""
    status = view.raw("status")
    if status != "running":
        return status, view.raw("trouble")
    host, pid = view.raw("host"), view.value("pid")
    process = ProcessRecord(host, pid if isinstance(pid, int) else 0, view.raw("process") or None)
    alive = is_alive(process)
    if alive is False:
        return "lost", f"its process on {host} is gone"
    elsewhere = [f"on {host}"] if alive is None else []
    return "running", ", ".join(filter(None, [*elsewhere, view.place]))


def present_meaning(parameter: ParameterRecord, meanings: Meanings) -> PresentMeaning | None:
    """What the variant of a recorded parameter means now; None if the parameter is not a tracked variant."""
    use = parameter.lock
    return None if use is None else meanings.get(use)


def print_trials(views: Sequence[View], meanings: Meanings) -> None:
    """Print trials as rows. On a terminal, what is the same in all of them is said once above.

    There, nothing is said of a parameter that none of the trials was given and that is the same in all that have it.
    In a pipe or a file, nothing is left out or cut, and no cell is empty.
    """
    relative = is_terminal()
    given: dict[str, set[str | None]] = {}
    for parameter in itertools.chain.from_iterable(view.parameters for view in views):
        if parameter.tracked or not parameter.is_default:
            given.setdefault(parameter.full_name, set()).add(parameter.digest if parameter.is_default else None)
    told = [name for name, defaults in given.items() if not relative or len(defaults) > 1 or None in defaults]
    steps_of = Counter(name.rpartition(".")[2] for name in told)
    names_of = {}
    for name in told:
        short = name.rpartition(".")[2]
        names_of[name] = name if steps_of[short] > 1 or not relative else short
    rows = [_row(view, names_of, meanings, relative=relative) for view in views]
    if not relative:
        names = [*_FIXED, *sorted(map(clean, names_of.values()))]
        print_columns(names, [{"": row[""], **{name: row.get(name) or "–" for name in names}} for row in rows])
        return
    names = list(dict.fromkeys(name for row in rows for name in row))
    common = {}
    if len(rows) > 1:
        for name in names:
            values = {row.get(name, "") for row in rows}
            if len(values) == 1 and name not in _NEVER_SAID_ONCE:
                common[name] = values.pop()
    if common:
        line = "all: " + " · ".join(f"{name} {value}" for name, value in common.items())
        print_lines(broken(line, screen_width(), len("all: ")))
    first, last = ("", "key", "experiment"), ("main", "when", "took", "note")
    parameters = [name for name in names if name not in first and name not in last]
    has_result = any(row["main"] != "–" for row in rows)
    needless = {*common, *(() if any(row["note"] for row in rows) else ["note"]), *(() if has_result else ["main"])}
    columns = [name for name in (*first, *parameters, *last) if name in names and name not in needless]
    results = {view.main_name for view in views}
    headings = {"main": results.pop()} if len(results) == 1 else {}
    optional = _by_what_they_tell(columns, rows, parameters)
    left_out = print_columns(columns, rows, optional=optional, headings=headings)
    if any(parameter.is_default and parameter.full_name in names_of for view in views for parameter in view.parameters):
        print_line(f"{_DEFAULT} the default: it was not given")
    if left_out:
        line = f"Not shown: {', '.join(left_out)}; see `mitosis show KEY`, or widen the window."
        print_lines(broken(line, screen_width(), 0))


def _by_what_they_tell(
    columns: Sequence[str], rows: Sequence[Mapping[str, str]], parameters: Sequence[str]
) -> list[str]:
    """The columns that a narrow terminal can go without, those first that tell the trials apart.

    What was asked for comes before what came of it, and a column in which nearly all rows are the same comes last.
    """

    def order(name: str) -> tuple[bool, bool, float]:
        counts = Counter(row.get(name, "") for row in rows).values()
        # How many bits it takes to say what is in a row.
        bits = sum(count / len(rows) * log2(len(rows) / count) for count in counts)
        is_asked = name in parameters or name == "experiment"
        return (len(rows) > 1 and bits == 0, not is_asked, -bits * is_asked)

    optional = (*parameters, "experiment", "note", "when", "took")
    ordered = sorted((name for name in optional if name in columns), key=order)
    if "note" in columns and sum(row[""] == "✗" for row in rows) * 2 > len(rows):
        ordered.sort(key=lambda name: name != "note")  # why they failed is all that came of most of them
    return ordered


def _row(view: View, names: Mapping[str, str], meanings: Meanings, *, relative: bool) -> dict[str, str]:
    """The cells of a trial, with those of its parameters that are in `names`, full ones and what to call them."""
    state, note = present_state(view)
    row = {"": _MARKS.get(state, " "), "key": view.text("key")[:KEY_DIGITS], "experiment": view.text("experiment")}
    if not relative:
        row["status"] = state
    for parameter in view.parameters:
        if parameter.full_name not in names:
            continue
        meaning = present_meaning(parameter, meanings)
        # The name alone would say what it means now, or nothing while it means several things.
        is_plain = meaning is None or (meaning.is_locked and meaning.meanings == 1)
        shown = f"{'' if parameter.tracked else '+'}{parameter.text}"
        if parameter.is_default:
            shown += _DEFAULT if relative else " (default)"
        if meaning is not None and (meaning.new_names or meaning.other_names):
            shown += f" (now {' or '.join(meaning.new_names or meaning.other_names)})"
        elif not is_plain:
            is_short = len(parameter.summary) <= _MEANING_WIDTH
            shown += f" ({parameter.summary if is_short else (parameter.digest or '')[:KEY_DIGITS]})"
        row[clean(names[parameter.full_name])] = clean(shown)
    if state == "finished":
        main = view.get("main")
        row["main"] = "–" if main is None else format_value(main.value, _MAIN_WIDTH) if relative else main.exact
    else:
        row["main"] = "–" if state in ("failed", "interrupted") else state
    row["when"] = format_moment(view.raw("started"), relative=relative)
    row["took"] = view.text("took")
    tags = [f"@{tag}" for tag in view.raw("tags").split(", ") if tag]
    remarks = clean(" · ".join(filter(None, [note, " ".join(tags), view.raw("note")])))
    row["note"] = cut(remarks, _NOTE_WIDTH) if relative else remarks
    return row


def describe_trial(record: TrialRecord, meanings: Meanings) -> list[str]:
    """Everything recorded about a trial, a fact a line."""
    view = View.of(record)
    state, note = present_state(view)
    lines = [
        f"{view.text('key')}  {view.text('experiment')}  {state}"
        + (f": {clean(note.removeprefix('interrupted '))}" if note and state != "finished" else "")
    ]

    def add(name: str, text: str, width: int = _FACT_WIDTH) -> None:
        if text:
            lines.append(f"  {name:<{width}} {clean(text)}")

    if record.status == "finished":
        add(view.main_name, view.raw("main"))
    add("failed at", view.text("failure.at"))
    ago = f" ({format_moment(record.started, relative=True)})" if is_terminal() else ""
    add("started", view.text("started") + ago)
    for name, field in _PLAIN.items():
        add(name, view.took if field == "took" else view.text(field))
    add("commit", f'{record.commit} "{record.subject}"')
    add("branch", view.text("branch"))
    lines += _describe_parameters(record, meanings)
    lines += _describe_steps(record)
    for warning in record.warnings:
        add("warning", warning)
    lines.append("environment")
    width = max([_FACT_WIDTH, *map(len, record.variables)])
    add("interpreter", view.text("python"), width)
    add("platform", view.text("platform"), width)
    add("host", f"{record.process.host}, {record.cpu_count} CPUs", width)
    add("command", view.text("command"), width)
    for name, value in record.variables.items():
        add(name, value, width)
    add("untracked", f"{record.untracked_files} files in the working tree" if record.untracked_files else "", width)
    add("packages", f"git cat-file -p refs/mitosis/journal:environments/{record.environment}.txt", width)
    lines += _describe_outputs(record)
    return lines


def describe_annotations(annotations: Annotations) -> list[str]:
    """The tags of a trial, and the notes on it, each with who wrote it and when."""

    def signed(entry: Tag | Note) -> str:
        return f"{clean(entry.author)}, {format_moment(entry.when, relative=is_terminal())}"

    lines = ["tags"] if annotations.tags else []
    width = max((len(clean(tag.name)) for tag in annotations.tags), default=0)
    lines += [f"  {clean(tag.name):<{width}}  {signed(tag)}" for tag in annotations.tags]
    lines += ["notes"] if annotations.notes else []
    for note in annotations.notes:
        lines += [f"  {signed(note)}", *(f"    {clean(line)}" for line in note.text.splitlines())]
    return lines


def _describe_parameters(record: TrialRecord, meanings: Meanings) -> list[str]:
    if not record.parameters:
        return []
    lines = ["parameters"]
    width = max(len(parameter.full_name) for parameter in record.parameters)
    for parameter in record.parameters:
        value = f"{parameter.text} = {parameter.summary}" if parameter.kind == "lookup" else parameter.text
        if parameter.kind == "eval" and parameter.summary not in ("", parameter.text):
            value += f" = {parameter.summary}"
        value += " (default)" * parameter.is_default
        remark = "" if parameter.tracked else "  (not tracked)"
        meaning = present_meaning(parameter, meanings)
        if meaning is not None and not meaning.is_locked:
            names = " or ".join(f"`{clean(name)}`" for name in meaning.other_names)
            now = "is no longer locked" if not meaning.meanings else "now means another value"
            remark = f"  (`{clean(parameter.text)}` {now}{f'; this one is {names}' if names else ''})"
        elif meaning is not None and meaning.new_names:
            remark = f"  (now called {few([f'`{clean(name)}`' for name in meaning.new_names], ' or ')})"
        if meaning is not None and meaning.is_retired:
            reasons = few([clean(reason) for reason in meaning.reasons if reason], "; ")
            remark += f"  (`{clean(parameter.text)}` is retired{f': {reasons}' if reasons else ''})"
        lines.append(f"  {clean(parameter.full_name):<{width}}  {clean(value)}{remark}")
    compound = [p.lock.name for p in record.parameters if p.lock is not None and "(" in p.summary]
    lines += (f"  whole value: mitosis variants show {shell_words(str(name))}" for name in compound)
    return lines


def _describe_steps(record: TrialRecord) -> list[str]:
    lines = ["steps"]
    for step in record.steps:
        took = f"  {format_duration(step.duration_s)}" if step.duration_s is not None else "  did not run"
        source = f"  ({step.source})" if step.source else ""
        lines.append(clean(f"  {step.name}  {step.action}{source}{took}"))
        has_failed = record.failure is not None and record.failure.step == step.name
        if step.duration_s is not None and record.status != "running" and not has_failed:
            lines.append(f"    {clean(step.main_name)} = {clean(exact_value(step.main))}")
        lines += [f"    {clean(name)} = {clean(exact_value(value))}" for name, value in step.metrics.items()]
    return lines


def _describe_outputs(record: TrialRecord) -> list[str]:
    if not record.outputs:
        return []
    lines = [f"outputs in {clean(record.trials_folder)} on {clean(record.process.host)}"]
    width = max(len(f"{output.size_bytes:,}") for output in record.outputs)
    lines += [f"  {output.size_bytes:>{width},}  {output.oid[:12]}  {clean(output.path)}" for output in record.outputs]
    return lines
