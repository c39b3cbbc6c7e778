"""What the record says of a trial, as a page shows it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup, escape

from mitosis.records.trial import MainResult, ParameterRecord, TrialRecord
from mitosis.records.view import COMMIT_DIGITS, View
from mitosis.text import cut, exact_value, format_duration, parse_moment

VALUE_CHARACTERS = 600
"""Of a result or a parameter's value, at most."""

SENTENCE_CHARACTERS = 200
"""Of a commit's subject or of what an exception says, at most, where it stands in a line."""

_EXACT_DIGITS = 12
"""A float with more characters than this is shown rounded first."""


_PLAIN_FACTS = {"Took": "took", "CPU time": "cpu", "Peak memory": "memory"}


@dataclass(frozen=True, slots=True)
class Verdict:
    """How the trial ended."""

    word: str
    """`finished`, `failed`, `interrupted` or `running`."""
    text: str


@dataclass(frozen=True, slots=True)
class Value:
    """A result as shown, and as it is where that says more."""

    name: str
    shown: str
    exact: str = ""


@dataclass(frozen=True, slots=True)
class Parameter:
    """A row of the table of parameters."""

    name: str
    variant: str
    expression: str
    """What was given for an eval parameter, where the value does not say the same."""
    value: str
    tracked: bool


@dataclass(frozen=True, slots=True)
class ParameterGroup:
    """The parameters of one step."""

    step: str
    rows: tuple[Parameter, ...]


def describe_duration(seconds: float | None) -> str:
    """A duration, empty where it is not known."""
    return "" if seconds is None else format_duration(seconds)


def verdict_of(record: TrialRecord) -> Verdict:
    """How the trial ended, for the top of the page."""
    step = stopped_step(record)
    place = f" in step {step}" if step else ""
    if record.status == "running":
        return Verdict("running", f"Still running{place} when this page was written")
    return Verdict(record.status, record.status.capitalize() + ("" if record.status == "finished" else place))


def stopped_step(record: TrialRecord) -> str:
    """The step in which the trial ended early; empty if it did not, or in none."""
    if record.failure is not None and record.failure.step:
        return record.failure.step
    if record.step is not None and 0 <= record.step < len(record.steps):
        return record.steps[record.step].name
    return ""


def results_of(main: MainResult, metrics: Mapping[str, MainResult]) -> tuple[Value, ...]:
    """The main result and the metrics as a page shows them, in this order."""
    return (_value("main", main), *(_value(name, metric) for name, metric in metrics.items()))


def _value(name: str, value: MainResult) -> Value:
    if isinstance(value, float):
        shown = f"{value:.6g}"
        exact = repr(value)
        return Value(name, exact) if len(exact) <= _EXACT_DIGITS else Value(name, shown, exact)
    return Value(name, cut(exact_value(value), VALUE_CHARACTERS))


def parameters_of(record: TrialRecord) -> tuple[ParameterGroup, ...]:
    """The parameters by step, as a page shows them."""
    view = View.of(record)
    groups = []
    for step in record.steps:
        own = sorted((p for p in record.parameters if p.step == step.name), key=lambda p: p.name)
        if own:
            groups.append(ParameterGroup(step.name, tuple(_parameter(view, p) for p in own)))
    return tuple(groups)


def _parameter(view: View, parameter: ParameterRecord) -> Parameter:
    name = parameter.full_name
    given = cut(view.raw(f"params.{name}"), VALUE_CHARACTERS)
    is_variant = f"values.{name}" in view
    return Parameter(
        name=parameter.name,
        variant=given if is_variant else "",
        expression=cut(view.raw(f"expressions.{name}"), VALUE_CHARACTERS),
        value=cut(view.raw(f"values.{name}"), VALUE_CHARACTERS) if is_variant else given,
        tracked=parameter.tracked,
    )


def facts_of(record: TrialRecord, *, debug: bool, changes: Sequence[str] = ()) -> Iterable[tuple[str, Markup]]:
    """The rows of the record, as far as they are known."""
    view = View.of(record)
    if "commit" in view:
        subject = Markup(" “{}”").format(cut(record.subject, SENTENCE_CHARACTERS)) if record.subject else ""
        branch = Markup(" on branch {}").format(view.text("branch")) if "branch" in view else ""
        differs = Markup('; <span class="differs">the code that ran may differ from it</span>') if debug else ""
        if changes:
            many = "" if len(changes) == 1 else "s"
            differs = Markup(' <span class="badge">dirty</span> <span class="differs">{} changed file{}</span>').format(
                f"{len(changes):,}", many
            )
        shown = Markup('<code title="{}">{}</code>').format(record.commit, record.commit[:COMMIT_DIGITS])
        yield "Commit", shown + subject + branch + differs
    elif debug:
        yield "Commit", Markup("none: a debug run")
    yield "Started", time_html(record.started)
    for label, name in _PLAIN_FACTS.items():
        if name in view:
            yield label, escape(view.took if name == "took" else view.text(name))
    if "author" in view:
        name, _, address = record.author.partition(" <")
        yield "Who", Markup("{} <small>{}</small>").format(name, address.removesuffix(">"))
    cpus = f", {record.cpu_count} CPU{'' if record.cpu_count == 1 else 's'}" if record.cpu_count else ""
    yield "Where", escape(view.text("host") + cpus)
    yield "Key", Markup("<code>{}</code>").format(record.key)
    yield "Iteration", escape(view.text("iteration"))
    if "untracked_files" in view:
        count = record.untracked_files
        yield (
            "Untracked",
            Markup("{} file{} in the working tree that git does not know; none was imported").format(
                f"{count:,}", "" if count == 1 else "s"
            ),
        )


def time_html(iso: str) -> Markup:
    """A recorded time, to the second, in UTC; as it was recorded if it is none."""
    when = parse_moment(iso)
    if when is None:
        return Markup("{}").format(iso)
    return Markup('<time datetime="{}">{:%Y-%m-%d %H:%M:%S} UTC</time>').format(when.isoformat(), when)
