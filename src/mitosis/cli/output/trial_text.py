"""What `mitosis show` says of a trial: all that is recorded, a fact a line."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mitosis.cli.output.streams import is_terminal
from mitosis.cli.output.trial_table import Meanings, present_meaning, present_state
from mitosis.records.view import View
from mitosis.text import clean, exact_value, format_duration, format_moment

if TYPE_CHECKING:
    from mitosis.records.trial import TrialRecord

_NAME_WIDTH = 13
_PLAIN = {
    "ended": "ended",
    "took": "took",
    "cpu": "cpu",
    "peak memory": "memory",
    "iteration": "iteration",
    "author": "author",
}
"""Lines that are a field of the view and nothing else."""


def describe_trial(record: TrialRecord, meanings: Meanings) -> list[str]:
    """Everything recorded about a trial, a fact a line."""
    view = View.of(record)
    state, note = present_state(view)
    lines = [
        f"{view.text('key')}  {view.text('experiment')}  {state}"
        + (f": {clean(note.removeprefix('interrupted '))}" if note and state != "finished" else "")
    ]

    def add(name: str, text: str, width: int = _NAME_WIDTH) -> None:
        if text:
            lines.append(f"  {name:<{width}} {clean(text)}")

    if record.status == "finished":
        add("main", view.raw("main"))
    add("failed at", view.text("failure.at"))
    ago = f" ({format_moment(record.started, relative=True)})" if is_terminal() else ""
    add("started", view.text("started") + ago)
    for name, field in _PLAIN.items():
        add(name, view.text(field))
    add("commit", f'{record.commit} "{record.subject}"')
    add("branch", view.text("branch"))
    lines += _describe_parameters(record, meanings)
    lines += _describe_steps(record)
    for warning in record.warnings:
        add("warning", warning)
    lines.append("environment")
    width = max([_NAME_WIDTH, *map(len, record.variables)])
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


def _describe_parameters(record: TrialRecord, meanings: Meanings) -> list[str]:
    if not record.parameters:
        return []
    lines = ["parameters"]
    width = max(len(parameter.full_name) for parameter in record.parameters)
    for parameter in record.parameters:
        value = f"{parameter.text} = {parameter.summary}" if parameter.kind == "lookup" else parameter.text
        if parameter.kind == "eval" and parameter.summary not in ("", parameter.text):
            value += f" = {parameter.summary}"
        remark = "" if parameter.tracked else "  (not tracked)"
        meaning = present_meaning(parameter, meanings)
        if meaning is not None and not meaning.is_locked:
            names = " or ".join(f"`{clean(name)}`" for name in meaning.other_names)
            now = "is no longer locked" if not meaning.meanings else "now means another value"
            remark = f"  (`{clean(parameter.text)}` {now}{f'; this one is {names}' if names else ''})"
        elif meaning is not None and meaning.new_names:
            remark = f"  (now called {' or '.join(f'`{clean(name)}`' for name in meaning.new_names)})"
        if meaning is not None and meaning.is_retired:
            reasons = "; ".join(filter(None, map(clean, meaning.reasons)))
            remark += f"  (`{clean(parameter.text)}` is retired{f': {reasons}' if reasons else ''})"
        lines.append(f"  {clean(parameter.full_name):<{width}}  {clean(value)}{remark}")
    return lines


def _describe_steps(record: TrialRecord) -> list[str]:
    lines = ["steps"]
    for step in record.steps:
        took = f"  {format_duration(step.duration_s)}" if step.duration_s is not None else "  did not run"
        source = f"  ({step.source})" if step.source else ""
        lines.append(clean(f"  {step.name}  {step.action}{source}{took}"))
        has_failed = record.failure is not None and record.failure.step == step.name
        if step.duration_s is not None and record.status != "running" and not has_failed:
            lines.append(f"    main = {clean(exact_value(step.main))}")
        lines += [f"    {clean(name)} = {clean(exact_value(value))}" for name, value in step.metrics.items()]
    return lines


def _describe_outputs(record: TrialRecord) -> list[str]:
    if not record.outputs:
        return []
    lines = [f"outputs in {clean(record.trials_folder)} on {clean(record.process.host)}"]
    width = max(len(f"{output.size_bytes:,}") for output in record.outputs)
    lines += [f"  {output.size_bytes:>{width},}  {output.oid[:12]}  {clean(output.path)}" for output in record.outputs]
    return lines
