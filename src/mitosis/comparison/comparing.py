"""Compare what is recorded of trials, in the order in which a person reads it. Nothing here reads anything."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeVar

from mitosis.comparison.change import are_alike, field_change, value_change
from mitosis.comparison.code import Code, Scope
from mitosis.comparison.result import Cell, Comparison, Row, headings
from mitosis.comparison.verdict import say_verdict
from mitosis.errors.journal import BadRecord, FormatTooNew
from mitosis.records.trial import Metric, ParameterRecord, TrialRecord
from mitosis.records.view import COLUMNS, COMMIT_DIGITS, KEY_DIGITS, Field, Kind, View
from mitosis.text import as_git_shows, clean, counted, exact_value, format_value

_TAKEN = ("took", "cpu", "memory")
_OF_ITS_OWN = (
    *("key", "ended", "iteration", "steps", "step", "trouble", "pid", "process", "command", "folder", "page"),
    *("main.name", "main.better", "subject", "failure.kind", "failure.step"),
)
"""Fields that tell a trial from any other, or say what other rows do."""
_DULL = ("author", "branch", "platform", "cpus", "python", "failure.at", "started")
"""Fields that are not worth a word where they are the same."""
_OF_A_JOB = ("SLURM_", "PBS_", "LSB_")
"""How variables begin that batch systems set anew for each job."""
_MOST_PARTS = 100
"""Rows that the parts of one value have, or the files of a commit."""
_REQUIREMENT = re.compile(r"(?:.*  # )?(?P<name>[^=\s]+)==(?P<version>[^\s,]+)")
"""What a line of an environment's text is about; see `provenance.environment`."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class TrialFacts:
    """All that is compared of a trial."""

    record: TrialRecord
    status: str
    """As recorded, or `lost`."""
    values: Mapping[str, bytes] = field(default_factory=dict)
    """Canonical values of parameters by `step.name`, as far as they are known."""
    environment: str | None = None
    """What was installed; None where that is not known."""
    code: Code = field(default_factory=Code)
    """How the code differs from the first trial's."""


def compare(trials: Sequence[TrialFacts], problems: Sequence[str] = ()) -> Comparison:
    """What trials have in common, and how the others differ from the first.

    Args:
        trials: two or more.
        problems: what could not be read of them.
    """
    comparer = _Comparer(trials)
    comparer.add_fields("experiment", cause="experiment")
    comparer.add_parameters()
    comparer.add_fields("status", "failure", "failure.at")
    comparer.add_results()
    comparer.add_code()
    comparer.add_packages()
    comparer.add_fields("python", cause="python")
    comparer.add_fields("platform", "host", "cpus", cause="machine")
    comparer.add_variables()
    done = {*_OF_ITS_OWN, "started", *_TAKEN, "environment", *(row.name for row in (*comparer.same, *comparer.rows))}
    comparer.add_fields(*(name for name in COLUMNS if name not in done))
    comparer.add_warnings()
    keys = tuple(trial.record.key for trial in trials)
    steps: Scope = "files of the steps"
    code = steps if any(trial.code.scope == steps for trial in trials) else "code"
    verdict = say_verdict(headings(keys), [trial.status for trial in trials], comparer.rows, code)
    comparer.add_fields("started", *_TAKEN)
    return Comparison(keys, tuple(comparer.same), tuple(comparer.rows), verdict, tuple(problems))


class _Comparer:
    """Compares one kind of fact after another.

    Args:
        trials: the facts.

    Attributes:
        same: what all trials have in common.
        rows: what differs.
    """

    def __init__(self, trials: Sequence[TrialFacts]) -> None:
        self._trials = trials
        self._views = [View.of(trial.record) for trial in trials]
        for view, trial in zip(self._views, trials, strict=True):
            view["status"] = Field(trial.status, Kind.TEXT)
        self._unchanged = ("",) * (len(trials) - 1)
        self.same: list[Row] = []
        self.rows: list[Row] = []

    def _add(self, row: Row, *, is_dull: bool = False, is_same: bool | None = None) -> None:
        """Take a row to what is the same or to what differs, unless no trial has such a thing.

        Args:
            row: what the trials have.
            is_dull: whether it is not worth a word if it is the same.
            is_same: whether it is; by default whether the values are.
        """
        first, *others = row.cells
        if is_same is None:
            is_same = first is not None and all(cell and are_alike(first.value, cell.value) for cell in others)
        if is_same:
            self.same.append(replace(row, level=int(is_dull), differences=(), cause=""))
        elif any(row.cells) or any(row.differences):
            self.rows.append(replace(row, differences=row.differences or self._unchanged))

    def add_fields(self, *names: str, cause: str = "") -> None:
        """Fields that any trial may have."""
        for name in names:
            first, *others = (view.get(name) for view in self._views)
            cells = tuple(found and Cell(found.value, found.text) for found in (first, *others))
            row = Row(name, name, cells, tuple(field_change(first, other) for other in others), cause=cause)
            is_dull = name in _DULL or (name == "status" and first is not None and first.value == "finished")
            # What a trial took always differs, and is shown where that can be seen.
            if name not in _TAKEN or len(set(row.texts)) > 1:
                self._add(row, is_dull=is_dull)

    def add_parameters(self) -> None:
        """The parameters, each with the parts of its value that differ."""
        columns = [{(p.step, p.name): p for p in trial.record.parameters} for trial in self._trials]
        for full_name, label, found in self._aligned(columns):
            known = [parameter for parameter in found if parameter is not None]
            has_digests = all(parameter.digest for parameter in known)
            meanings = {p.digest if has_digests else p.summary or p.text for p in known}
            is_same = len(known) == len(found) and len(meanings) == 1
            parts = [] if is_same else self._parts(full_name, found)
            pairs = list(zip(found, self._views, strict=True))
            cells = tuple(None if p is None else _parameter_cell(p, view, with_value=not parts) for p, view in pairs)
            if not parts and len({cell and cell.text for cell in cells}) < len(meanings):
                # Of a long value the record has only the beginning as text.
                cells = tuple(None if p is None else _parameter_cell(p, view, with_digest=True) for p, view in pairs)
            row = Row(f"params.{full_name}", label, cells, cause="" if is_same else "parameter")
            if is_same:
                row = replace(row, differences=("the same value",) * len(self._unchanged))
            is_named_alike = len({cell and cell.value for cell in cells}) == 1
            is_dull = all(parameter.is_default for parameter in known)
            self._add(row, is_dull=is_dull, is_same=is_same and is_named_alike)
            self.rows += parts

    def _aligned(self, columns: Sequence[Mapping[tuple[str, str], T]]) -> Iterator[tuple[str, str, list[T | None]]]:
        """The full name, a label and what each trial has, of what has the name of a step and one of its own.

        Between different experiments the own name will do, if no trial has it in several steps.
        """
        is_one_experiment = len({trial.record.experiment for trial in self._trials}) == 1
        counts = [Counter(name for _, name in column) for column in columns]

        def place(step: str, name: str) -> tuple[str, str]:
            return (step if is_one_experiment or any(count[name] > 1 for count in counts) else "", name)

        placed = [{place(*key): (key, item) for key, item in column.items()} for column in columns]
        places = dict.fromkeys(at for column in placed for at in column)
        names = Counter(name for _, name in places)
        for at in places:
            found = [column.get(at) for column in placed]
            full_name = ".".join(next(entry[0] for entry in found if entry))
            yield full_name, clean(at[1] if names[at[1]] == 1 else full_name), [entry and entry[1] for entry in found]

    def _parts(self, full_name: str, found: Sequence[ParameterRecord | None]) -> list[Row]:
        """The parts in which values differ, if all are known and have parts."""
        pairs = zip(found, self._trials, strict=True)
        known = [value for p, trial in pairs if p is not None and (value := trial.values.get(p.full_name)) is not None]
        if len(known) < len(found):
            return []
        # It takes a while to load, and most differences are between values without parts.
        from mitosis.canonical.difference import compare_values

        try:
            compared = [compare_values(known[0], other) for other in known[1:]]
        except (BadRecord, FormatTooNew):  # what is recorded as text says as much as can be said
            return []
        named = [{difference.path: difference for difference in each.differences} for each in compared]
        rows = []
        for path in dict.fromkeys(path for each in named for path in each):
            differences = [each.get(path) for each in named]
            before = next(difference.before for difference in differences if difference)
            texts = [before, *(difference.after if difference else before for difference in differences)]
            details = tuple((difference and difference.detail) or "" for difference in differences)
            rows.append(Row(f"values.{full_name}.{path}", clean(path), _texts(texts), details, 1))
        return [] if any("" in each for each in named) else self._limited(rows, sum(each.more for each in compared))

    def _limited(self, rows: list[Row], more: int = 0) -> list[Row]:
        """The first rows, and one that says how many more there are."""
        more += max(len(rows) - _MOST_PARTS, 0)
        rest = Row("more", f"… and {more:,} more", (None,) * len(self._trials), self._unchanged, 1)
        return [*rows[:_MOST_PARTS], *([rest] if more else [])]

    def add_results(self) -> None:
        """The main result and the metrics."""
        names = {view.main_name for view in self._views}
        self._add(_result("main", names.pop() if len(names) == 1 else "main", [t.record.main for t in self._trials]))
        columns = [
            {(step.name, name): (value,) for step in trial.record.steps for name, value in step.metrics.items()}
            for trial in self._trials
        ]
        for full_name, label, found in self._aligned(columns):
            self._add(_result(f"metrics.{full_name}", label, [entry and entry[0] for entry in found]))

    def add_code(self) -> None:
        """The commits, and the files that differ between them."""
        commits = tuple(Cell(view.raw("commit"), view.text("commit")[:COMMIT_DIGITS]) for view in self._views)
        codes = [trial.code for trial in self._trials[1:]]
        is_same = [one == commits[0] for one in commits[1:]]
        places = tuple("" if same else code.place for same, code in zip(is_same, codes, strict=True))
        is_known = not any(code.unknown for code in codes)
        self._add(Row("commit", "commit", commits, places, cause="" if is_known else "commit"))
        counts = tuple(
            "" if same or code.unknown else f"{len(code.files) or 'none'} differ{'s' * (len(code.files) < 2)}"
            for same, code in zip(is_same, codes, strict=True)
        )
        if not any(counts):
            return
        scopes = {code.scope for count, code in zip(counts, codes, strict=True) if count}
        nothing = (None,) * len(self._trials)
        self._add(Row("files", scopes.pop() if len(scopes) == 1 else "files", nothing, counts, 1))
        rows = []
        for path in dict.fromkeys(path for code in codes for path in code.files):
            lines = tuple(_lines(code.files[path]) if path in code.files else "" for code in codes)
            rows.append(Row(f"files.{path}", as_git_shows(path), nothing, lines, 1, "code"))
        self.rows += self._limited(rows)

    def add_packages(self) -> None:
        """What was installed."""
        digests = tuple(Cell(view.raw("environment"), view.text("environment")[:COMMIT_DIGITS]) for view in self._views)
        texts = [trial.environment for trial in self._trials if trial.environment is not None]
        if len(texts) < len(self._trials):
            self._add(Row("environment", "environment", digests, cause="environment"), is_dull=True)
            return
        installed = [_packages(text) for text in texts]
        names = sorted({name for packages in installed for name in packages})
        rows = []
        for name in names:
            found = [packages.get(name) for packages in installed]
            if len(set(found)) > 1:
                has_versions = len({one and one[0] for one in found}) > 1
                cells = _texts([one and one[not has_versions] for one in found])
                rows.append(Row(f"packages.{name}", clean(name), cells, cause="package"))
        count = len(names) - len(rows)
        self._add(Row("packages", "", (Cell(count, counted(count, "package")),) * len(texts)), is_dull=not count)
        for row in rows:
            self._add(row)

    def add_variables(self) -> None:
        """The recorded environment variables."""
        for name in sorted({name for trial in self._trials for name in trial.record.variables}):
            cells = _texts([trial.record.variables.get(name) for trial in self._trials])
            cause = "" if name.startswith(_OF_A_JOB) else "variable"
            self._add(Row(f"variables.{name}", clean(name), cells, cause=cause), is_dull=True)

    def add_warnings(self) -> None:
        """What the trials warned of."""
        cells = _texts(["; ".join(trial.record.warnings) or None for trial in self._trials])
        self._add(Row("warnings", "warnings", cells), is_dull=True)


def _parameter_cell(
    parameter: ParameterRecord, view: View, *, with_value: bool = True, with_digest: bool = False
) -> Cell:
    """The variant, with what it means where that is wanted; or the value."""
    field = view[f"params.{parameter.full_name}"]
    has_meaning = with_value and parameter.kind == "lookup" and parameter.summary not in ("", parameter.text)
    meaning = f" = {clean(parameter.summary)}" * has_meaning
    remarks = ["default"] * parameter.is_default + [clean(parameter.digest or "")[:KEY_DIGITS]] * with_digest
    return Cell(field.value, f"{field.exact}{meaning}" + f" ({', '.join(remarks)})" * bool(remarks))


def _result(name: str, label: str, values: Sequence[Metric]) -> Row:
    """A row of results, with all their digits where fewer would be the same number or text."""
    texts = [format_value(value) for value in values]
    if len(set(map(_number_or_text, texts))) < len(set(map(repr, values))):
        texts = [clean(exact_value(value)) for value in values]
    cells = tuple(None if v is None else Cell(v, text) for v, text in zip(values, texts, strict=True))
    return Row(name, clean(label), cells, tuple(value_change(values[0], other) for other in values[1:]))


def _number_or_text(text: str) -> float | str:
    try:
        return float(text)
    except ValueError:
        return text


def _texts(values: Sequence[str | None]) -> tuple[Cell | None, ...]:
    return tuple(None if value is None else Cell(value, clean(value)) for value in values)


def _lines(changed: tuple[int, int] | None) -> str:
    """How many lines of a file were added and removed."""
    return "differs" if changed is None else f"+{changed[0]} −{changed[1]}"


def _packages(text: str) -> dict[str, tuple[str, str]]:
    """The version of each installed package, and all that is said of it, by normalized name."""
    found = {}
    for line in text.splitlines():
        match = _REQUIREMENT.match(line)
        if not line.startswith("#"):
            name, version = match.groups() if match else (line, line)
            found[re.sub(r"[-_.]+", "-", name).lower()] = (version, line)
    return found
