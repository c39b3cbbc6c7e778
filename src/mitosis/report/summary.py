"""What the record says of a trial, as a page shows it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Any

from markupsafe import Markup, escape

from mitosis.records.trial import Metric, ParameterRecord, StepRecord, TrialRecord
from mitosis.records.view import COMMIT_DIGITS, View
from mitosis.report.curves import DIGITS, curve_html
from mitosis.report.excerpts import Excerpt, excerpt, share
from mitosis.text import clean, cut, exact_value, format_duration, format_number, parse_moment

VALUE_CHARACTERS = 600
"""Of a result or a parameter's value, at most."""

WHOLE_CHARACTERS = 4_000
"""Of the values of all parameters that are shown in full, at most."""

SENTENCE_CHARACTERS = 200
"""Of a commit's subject or of what an exception says, at most, where it stands in a line."""

_LONGEST_ESCAPE = 8
"""HTML has at most so many characters for one of a text without colours."""
_STAYS = "\xa0"
"""A blank at which no line breaks."""
_TOLD_LIMIT = 6
"""This many parameters at most tell a trial from others in its title."""
_TOLD_CHARACTERS = 32
"""Of each, at most."""


_PLAIN_FACTS = {"Took": "took", "CPU time": "cpu", "Peak memory": "memory"}


@dataclass(frozen=True, slots=True)
class Verdict:
    """How the trial ended."""

    word: str
    """`finished`, `failed`, `interrupted` or `running`."""
    text: str


@dataclass(frozen=True, slots=True)
class Value:
    """A result as shown, and as it is where that says more; or a group of several."""

    name: str
    shown: str
    exact: str = ""
    curve: Markup | None = None
    """Of a list of numbers."""
    items: tuple[Value, ...] = ()
    """Those of a group, named without the beginning that they have in common; `shown` says the same on a line."""


@dataclass(frozen=True, slots=True)
class Parameter:
    """A row of the table of parameters."""

    name: str
    variant: str
    expression: str
    """What was given for an eval parameter, where the value does not say the same."""
    value: str
    tracked: bool
    is_default: bool
    """Whether it was not given."""
    whole: Excerpt | None
    """The whole value, where `value` says less."""


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


def results_of(step: StepRecord, curves: Mapping[str, Any], count: int) -> tuple[Value, ...]:
    """The main result and the metrics of a step as a page shows them: so many at most, those of one name as a group.

    Args:
        step: the step.
        curves: of its metrics that are lists of numbers, as its cell has them.
        count: how many results to show; one more says how many are left.
    """
    shown = [
        replace(_value(name, value, SENTENCE_CHARACTERS), curve=curve_html(name, curves.get(name)))
        for name, value in list(step.metrics.items())[: max(count - 1, 0)]
    ]
    left = len(step.metrics) - len(shown)
    more = [Value(f"and {left:,} more".replace(" ", _STAYS), f"in{_STAYS}the{_STAYS}results")] if left else []
    return (_value(step.main_name, step.main, VALUE_CHARACTERS), *_grouped(shown), *more)


def _value(name: str, value: Metric, limit: int) -> Value:
    exact = cut(exact_value(value), limit)
    shown = format_number(value, DIGITS) if isinstance(value, float) else exact
    return Value(name, shown, exact if exact != shown else "")


def _grouped(values: Iterable[Value]) -> Iterator[Value]:
    """Neighbours such as `recall.0` and `recall.1` as one; a curve has no place in a group."""

    def prefix(value: Value) -> str:
        return "" if value.curve else value.name.rpartition(".")[0]

    for name, run in groupby(values, key=prefix):
        members = tuple(run)
        if not name or len(members) < 2:
            yield from members
            continue
        items = tuple(replace(item, name=item.name.removeprefix(f"{name}.")) for item in members)
        yield Value(name, ", ".join(f"{item.name} {item.shown}" for item in items), items=items)


def telling_of(record: TrialRecord) -> tuple[tuple[str, str], ...]:
    """What tells the trial from others of its experiment: names and texts of its first tracked parameters."""
    given = [p for p in record.parameters if p.tracked and p.kind in ("lookup", "eval")]
    names = [p.name for p in given]
    told = [
        (p.name if names.count(p.name) == 1 else p.full_name, clean(p.text, _TOLD_CHARACTERS))
        for p in given[:_TOLD_LIMIT]
    ]
    return (*told, *([("", f"and {len(given) - len(told)} more")] if len(given) > len(told) else []))


def parameters_of(record: TrialRecord, values: Mapping[str, str]) -> tuple[ParameterGroup, ...]:
    """The parameters by step, as a page shows them, with those whole values that are given."""
    view = View.of(record)
    rooms = share(WHOLE_CHARACTERS, [len(value) for value in values.values()])
    whole = {name: _beginning(value, room) for (name, value), room in zip(values.items(), rooms, strict=True)}
    groups = []
    for step in record.steps:
        own = sorted((p for p in record.parameters if p.step == step.name), key=lambda p: (p.is_default, p.name))
        if own:
            groups.append(ParameterGroup(step.name, tuple(_parameter(view, p, whole.get(p.full_name)) for p in own)))
    return tuple(groups)


def _beginning(text: str, room: int) -> Excerpt:
    """As many lines of a text as there is room for, and how many more there are."""
    if len(text) > room:
        kept = cut(text, room).splitlines()
        text = "\n".join([*kept, f"… and {len(text.splitlines()) - len(kept):,} more lines"])
    return excerpt(text, _LONGEST_ESCAPE * len(text))


def _parameter(view: View, parameter: ParameterRecord, whole: Excerpt | None) -> Parameter:
    name = parameter.full_name
    given = cut(view.raw(f"params.{name}"), VALUE_CHARACTERS)
    is_variant = f"value.{name}" in view
    return Parameter(
        name=parameter.name,
        variant=given if is_variant else "",
        expression=cut(view.raw(f"expression.{name}"), VALUE_CHARACTERS),
        value=cut(view.raw(f"value.{name}"), VALUE_CHARACTERS) if is_variant else given,
        tracked=parameter.tracked,
        is_default=parameter.is_default,
        whole=whole,
    )


def commit_of(record: TrialRecord, *, debug: bool, changes: Sequence[str] = ()) -> Markup:
    """The commit that ran, and whether it is all that did; empty if none is known."""
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
        return shown + subject + branch + differs
    return Markup("")


def facts_of(record: TrialRecord, *, later: str) -> Iterable[tuple[str, Markup]]:
    """The rows of the record, as far as they are known.

    Args:
        record: the trial's.
        later: URL of what leads on to the next iteration, once there is one; empty if there will be none.
    """
    view = View.of(record)
    if "commit" in view:
        yield "Commit", Markup("<code>{}</code>").format(record.commit)
    if view.main:
        yield "Result", Markup("{} = {}").format(view.main_name, cut(view.raw("main"), SENTENCE_CHARACTERS))
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
    since = Markup(' <a href="{}">run again since?</a>').format(later) if later else ""
    yield "Iteration", escape(view.text("iteration")) + since
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
