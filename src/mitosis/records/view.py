"""A trial as named, typed columns: what lists, pages, commit messages, exports and completion show of it.

| Field | Holds |
|---|---|
| `params.STEP.NAME` | the variant's name, or the value of another parameter: a number where it is one |
| `value.STEP.NAME` | what a variant means; only lookup parameters have it |
| `expression.STEP.NAME` | what was given for an eval parameter, where the value does not say the same |
| `digest.STEP.NAME`, `untracked.STEP.NAME` | the digest of the value; whether the parameter is not tracked |
| `default.STEP.NAME` | whether the parameter was not given, so that its default took part |
| `metrics.STEP.NAME` | a metric, whose name may hold dots |

The other names are in `_COLUMNS`. A field that says nothing is left out. Values are plain, so a view can be stored as
pairs of name and value, in this order, and made again without the record.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from enum import Enum
from typing import NamedTuple

from mitosis.records.trial import ParameterRecord, TrialRecord
from mitosis.text import clean, exact_value, format_duration, format_moment, format_size, format_value, parse_moment

Scalar = None | bool | int | float | str

KEY_DIGITS = 6
"""How many digits of a key are shown where it only has to be told from its neighbours."""
COMMIT_DIGITS = 7
NOTICEABLE_S = 5.0
"""A trial that takes this much longer than its steps says so."""


class Kind(Enum):
    """What a field is, which says how it is shown and compared."""

    TEXT = "text"
    VALUE = "value"
    """A result, parameter or metric: anything plain."""
    COUNT = "count"
    SECONDS = "seconds"
    BYTES = "bytes"
    MOMENT = "moment"
    """ISO 8601 with an offset."""
    ID = "id"
    """Hexadecimal digits, of which any unique prefix will do."""


_COLUMNS: dict[str, tuple[Kind, Callable[[TrialRecord], Scalar]]] = {
    "key": (Kind.ID, lambda r: r.key),
    "experiment": (Kind.TEXT, lambda r: r.experiment),
    "status": (Kind.TEXT, lambda r: r.status),
    "main": (Kind.VALUE, lambda r: r.main),
    # What it is called, where that is not `main`, and which of two is the better one: `higher` or `lower`.
    "main.name": (Kind.TEXT, lambda r: None if r.main_name == "main" else r.main_name),
    "main.better": (Kind.TEXT, lambda r: r.steps[-1].better if r.steps else None),
    "started": (Kind.MOMENT, lambda r: r.started),
    "ended": (Kind.MOMENT, lambda r: r.ended),
    "took": (Kind.SECONDS, lambda r: r.duration_s),
    "cpu": (Kind.SECONDS, lambda r: r.cpu_s),
    "memory": (Kind.BYTES, lambda r: r.peak_memory_bytes),
    "iteration": (Kind.COUNT, lambda r: r.iteration),
    "author": (Kind.TEXT, lambda r: r.author),
    "commit": (Kind.ID, lambda r: r.commit),
    "subject": (Kind.TEXT, lambda r: r.subject),
    "branch": (Kind.TEXT, lambda r: r.branch),
    "steps": (Kind.COUNT, lambda r: len(r.steps)),
    # The one that is running, or was when the trial ended early; the first is 1.
    "step": (Kind.COUNT, lambda r: None if r.step is None else r.step + 1),
    "failure": (Kind.TEXT, lambda r: r.failure.summary if r.failure else None),
    "failure.kind": (Kind.TEXT, lambda r: r.failure.kind if r.failure else None),
    "failure.step": (Kind.TEXT, lambda r: r.failure.step if r.failure else None),
    "failure.at": (Kind.TEXT, lambda r: r.failure.location if r.failure else None),
    # Why it did not finish, or of what it warned.
    "trouble": (Kind.TEXT, lambda r: r.note),
    "python": (Kind.TEXT, lambda r: r.interpreter),
    "platform": (Kind.TEXT, lambda r: r.platform),
    "host": (Kind.TEXT, lambda r: r.process.host),
    "cpus": (Kind.COUNT, lambda r: r.cpu_count),
    "pid": (Kind.COUNT, lambda r: r.process.pid),
    # What tells the process from later ones with that pid.
    "process": (Kind.TEXT, lambda r: r.process.started),
    "command": (Kind.TEXT, lambda r: " ".join(r.command)),
    "untracked_files": (Kind.COUNT, lambda r: r.untracked_files or None),
    "environment": (Kind.ID, lambda r: r.environment),
    "folder": (Kind.TEXT, lambda r: r.folder),
    "page": (Kind.TEXT, lambda r: r.page),
}
COLUMN_KINDS = {name: kind for name, (kind, _) in _COLUMNS.items()}
COLUMNS = tuple(_COLUMNS)
"""The names of the fields that are not parameters or metrics, which any trial may have."""
MOMENTS = tuple(name for name, (kind, _) in _COLUMNS.items() if kind is Kind.MOMENT)


def kind_of(name: str) -> Kind:
    """What a field is that is called so."""
    return COLUMN_KINDS.get(name, Kind.TEXT if name in ("tags", "note") else Kind.VALUE)


class Field(NamedTuple):
    """A named value of a trial."""

    value: Scalar
    kind: Kind

    @property
    def text(self) -> str:
        """The value for a person, short and harmless."""
        value = self.value
        if self.kind is Kind.SECONDS and isinstance(value, int | float):
            return format_duration(value)
        if self.kind is Kind.BYTES and isinstance(value, int | float):
            return format_size(value)
        if self.kind is Kind.MOMENT and isinstance(value, str):
            return format_moment(value, relative=False)
        return format_value(value) if self.kind is Kind.VALUE else self.exact

    @property
    def exact(self) -> str:
        """The whole value on one line, harmless."""
        return clean(exact_value(self.value))


class View(dict[str, Field]):
    """The fields of a trial by name, in the order in which they are shown."""

    @classmethod
    def of(cls, record: TrialRecord) -> View:
        """What a record says."""
        return cls.from_values(values_of(record).items())

    @classmethod
    def from_values(cls, values: Iterable[tuple[str, Scalar]]) -> View:
        """The view that was stored as pairs of name and value."""
        return cls((name, Field(value, kind_of(name))) for name, value in values)

    def value(self, name: str) -> Scalar:
        """The value of a field; None if the trial does not have it."""
        field = self.get(name)
        return None if field is None else field.value

    def text(self, name: str) -> str:
        """The short text of a field; empty if the trial does not have it."""
        field = self.get(name)
        return "" if field is None else field.text

    def raw(self, name: str) -> str:
        """The value of a field as text, as it was recorded, which may be harmful; empty if it does not have it."""
        field = self.get(name)
        return "" if field is None else exact_value(field.value)

    def seconds(self, name: str) -> float | None:
        """A duration; None if it is not known."""
        value = self.value(name)
        return float(value) if isinstance(value, int | float) else None

    @property
    def took(self) -> str:
        """How long the steps took, and all until they ended where that is noticeably longer; may be empty."""
        steps_s, begun, ended = self.seconds("took"), *(parse_moment(self.raw(name)) for name in ("started", "ended"))
        if steps_s is None or begun is None or ended is None:
            return self.text("took")
        whole_s = (ended - begun).total_seconds()
        more = f" for the steps, {format_duration(whole_s)} in all" if whole_s - steps_s > NOTICEABLE_S else ""
        return f"{self.text('took')}{more}"

    @property
    def main(self) -> str:
        """`main = 3.17e-05` of a trial that has finished with a result, with what it is called; else empty."""
        has_result = self.value("status") == "finished" and "main" in self
        return f"{self.main_name} = {self.text('main')}" if has_result else ""

    @property
    def main_name(self) -> str:
        """What the main result is called where it is shown, harmless."""
        return self.text("main.name") or "main"

    @property
    def place(self) -> str:
        """`step 2 of 3` of a trial of several steps; else empty."""
        count = self.value("steps")
        return f"step {self.raw('step') or 1} of {count}" if isinstance(count, int) and count > 1 else ""

    @property
    def parameters(self) -> tuple[ParameterRecord, ...]:
        """The parameters in the order of the command line, and then the defaults."""
        prefix = "params."
        return tuple(self._parameter(name.removeprefix(prefix)) for name in self if name.startswith(prefix))

    def _parameter(self, full_name: str) -> ParameterRecord:
        step, _, name = full_name.rpartition(".")
        given = self.raw(f"params.{full_name}")
        is_lookup = f"value.{full_name}" in self
        digest = self.value(f"digest.{full_name}")
        return ParameterRecord(
            step=step,
            name=name,
            kind="lookup" if is_lookup else "default" if f"default.{full_name}" in self else "eval",
            text=self.raw(f"expression.{full_name}") or given,
            tracked=f"untracked.{full_name}" not in self,
            digest=None if digest is None else str(digest),
            summary=self.raw(f"value.{full_name}") if is_lookup else given,
        )

    @property
    def metrics(self) -> Iterator[tuple[str, Field]]:
        """The metrics by name; the step is part of it where there are several steps."""
        experiment = self.raw("experiment")
        prefix = "metrics." if self.value("steps") != 1 else f"metrics.{experiment}."
        return ((name.removeprefix(prefix), field) for name, field in self.items() if name.startswith(prefix))


def values_of(record: TrialRecord) -> dict[str, Scalar]:
    """The value of each field that says something, by name: what to store of a trial."""
    values: dict[str, Scalar] = {}
    for name, (_, read) in _COLUMNS.items():
        value = read(record)
        if value is not None and value != "":
            values[name] = value
    for parameter in record.parameters:
        values |= _values_of_parameter(parameter)
    for step in record.steps:
        for name, metric in step.metrics.items():
            values[f"metrics.{step.name}.{name}"] = exact_value(metric) if isinstance(metric, tuple) else metric
    return values


def _values_of_parameter(parameter: ParameterRecord) -> dict[str, Scalar]:
    name = parameter.full_name
    value = number_or_text(parameter.summary)
    values: dict[str, Scalar] = {}
    if parameter.kind == "lookup":
        values[f"params.{name}"] = parameter.text
        values[f"value.{name}"] = value
    else:
        values[f"params.{name}"] = parameter.text if value == "" else value
        if parameter.summary not in ("", parameter.text):
            values[f"expression.{name}"] = parameter.text
    if parameter.digest is not None:
        values[f"digest.{name}"] = parameter.digest
    if parameter.is_default:
        values[f"default.{name}"] = True
    if not parameter.tracked:
        values[f"untracked.{name}"] = True
    return values


def split_field(name: str) -> tuple[str, str, str]:
    """The kind, the step and the rest of the name of a field that a parameter or a metric has."""
    kind, _, rest = name.partition(".")
    step, _, label = rest.partition(".") if kind == "metrics" else rest.rpartition(".")
    return kind, step, label


def number_or_text(text: str) -> Scalar:
    """The number or truth value that a text is the usual form of, else the text."""
    if text in ("True", "False"):
        return text == "True"
    for convert in (int, float):
        try:
            value: int | float = convert(text)
        except ValueError:
            continue
        if str(value) == text:
            return value
    return text
