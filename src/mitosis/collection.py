"""Trials in Python: find them as the command line does, and load what they have left when it is asked for."""

from __future__ import annotations

import base64
import contextlib
import functools
import html
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

from mitosis.errors.journal import TrialNotFound
from mitosis.errors.repository import RepositoryError
from mitosis.git.repository import find_repository
from mitosis.journal.journal import Journal
from mitosis.query.search import Search
from mitosis.query.selection import select_one
from mitosis.records.view import Scalar, View
from mitosis.text import clean, for_page, parse_moment

if TYPE_CHECKING:
    from mitosis.comparison.result import Comparison
    from mitosis.query.fields import Field
    from mitosis.records.trial import TrialRecord

_MOST_SHOWN = 20
_AT_ONCE = 5_000
_SHOWN = ("key", "experiment", "main", "started")


def trials(
    where: str | Sequence[str] | None = None,
    *,
    sort: str | Sequence[str] | None = None,
    limit: int | None = None,
    repository: str | os.PathLike[str] | None = None,
) -> Trials:
    """The recorded trials that meet a condition; `mitosis list` in Python.

    Args:
        where: a condition such as `"main < 0.1 and params.noise == 'low'"`; of several, all have to be met.
        sort: fields to sort by, such as `"main,-started"`: lowest first, after a `-` highest first. The newest trials
            come first where it says nothing.
        limit: at most so many trials.
        repository: a folder in the repository; by default the working directory.

    Raises:
        QueryError: the condition cannot be read. Its text shows where.
        UnknownField: there is no such field to sort by.
        RepositoryError: there is no repository.
        JournalError: the journal cannot be read.
    """
    conditions = [where] if isinstance(where, str) else list(where or ())
    words = [sort] if isinstance(sort, str) else list(sort or ())
    fields = [name.strip() for word in words for name in word.split(",") if name.strip()]
    return Trials(Search(_journal(repository), conditions, fields, limit=limit))


def trial(key: str, *, repository: str | os.PathLike[str] | None = None) -> Trial:
    """The trial that a word means: the beginning of its key, `latest`, `best`, `@TAG`, `where:CONDITION`.

    Raises:
        TrialNotFound: there is none.
        AmbiguousKey, SeveralTrials: there are several.
        JournalError: the journal cannot be read.
    """
    journal = _journal(repository)
    return Trial(journal, select_one(journal, key))


def compare(*trials: str | Trial, repository: str | os.PathLike[str] | None = None) -> Comparison:
    """What trials have in common, and how the others differ from the first; `mitosis compare` in Python.

    Its text is what the command prints; in a notebook it is a table.

    Args:
        trials: two or more of them, or words for them as for `trial`.
        repository: as for `trials`.

    Raises:
        UsageError: it is one trial, or the same one twice.
        TrialNotFound, AmbiguousKey, SeveralTrials: a word does not mean one trial.
        JournalError: the journal cannot be read.
    """
    from mitosis.comparison.trials import compare_trials

    of_trial = next((trial.journal for trial in trials if isinstance(trial, Trial)), None)
    journal = of_trial if of_trial is not None and repository is None else _journal(repository)
    keys = [word.key if isinstance(word, Trial) else select_one(journal, word) for word in trials]
    return compare_trials(journal, keys)


def _journal(repository: str | os.PathLike[str] | None) -> Journal:
    return Journal(find_repository(Path.cwd() if repository is None else Path(repository)))


class Trials(Sequence["Trial"]):
    """Trials that were found, in their order. Which they are is read once, the rest of each when it is asked for."""

    def __init__(self, search: Search, keys: Sequence[str] | None = None) -> None:
        self._search = search
        if keys is not None:
            self._keys = keys

    @functools.cached_property
    def _keys(self) -> Sequence[str]:
        return list(self._search.keys())

    def __len__(self) -> int:
        return len(self._keys)

    @overload
    def __getitem__(self, index: int) -> Trial: ...
    @overload
    def __getitem__(self, index: slice) -> Trials: ...
    def __getitem__(self, index: int | slice) -> Trial | Trials:
        if isinstance(index, slice):
            return Trials(self._search, self._keys[index])
        return Trial(self._search.journal, self._keys[index])

    def __iter__(self) -> Iterator[Trial]:
        for keys in self._some_at_once():
            views = {view.raw("key"): view for view in self._search.among(keys).views()}
            # One that was forgotten meanwhile says so when it is asked.
            yield from (Trial(self._search.journal, key, views.get(key)) for key in keys)

    def __repr__(self) -> str:
        shown = "".join(f"\n  {trial!r}" for trial in self[:_MOST_SHOWN])
        more = f"\n  ... and {len(self) - _MOST_SHOWN:,} more" if len(self) > _MOST_SHOWN else ""
        return f"<{len(self):,} trials{shown}{more}>"

    def _repr_html_(self) -> str:
        rows = [[view.text(name) for name in _SHOWN] for view in (trial.fields for trial in self[:_MOST_SHOWN])]
        more = f"<p>{_MOST_SHOWN} of {len(self):,} trials</p>" if len(self) > _MOST_SHOWN else ""
        return html_table(_SHOWN, rows) + more

    def to_pandas(self, columns: Sequence[str] | None = None) -> Any:
        """A `pandas.DataFrame` with a row for each trial and a column for each field, by their full names.

        Args:
            columns: fields, or patterns such as `metrics.*`; by default all but leaves of values, and packages.
        """
        from mitosis import dataframes

        return dataframes.to_pandas(*self._table(columns))

    def to_polars(self, columns: Sequence[str] | None = None) -> Any:
        """A `polars.DataFrame`; see `to_pandas`."""
        from mitosis import dataframes

        return dataframes.to_polars(*self._table(columns))

    def to_arrow(self, columns: Sequence[str] | None = None) -> Any:
        """A `pyarrow.Table`; see `to_pandas`."""
        from mitosis import dataframes

        return dataframes.to_arrow(*self._table(columns))

    def _table(self, columns: Sequence[str] | None) -> tuple[list[str], Iterator[tuple[Scalar, ...]]]:
        known = self._search.fields
        fields = known.shown() if columns is None else [field for word in columns for field in known.match(word)]
        return [field.name for field in fields], self._rows(fields)

    def _rows(self, fields: Sequence[Field]) -> Iterator[tuple[Scalar, ...]]:
        key_first = [self._search.fields.find("key"), *fields]
        for keys in self._some_at_once():
            rows = {row[0]: row[1:] for row in self._search.among(keys).rows(key_first)}
            yield from (rows[key] for key in keys if key in rows)

    def _some_at_once(self) -> Iterator[Sequence[str]]:
        """The keys, some at a time: a slice may turn the order around, and the search does not know it."""
        return (self._keys[start : start + _AT_ONCE] for start in range(0, len(self._keys), _AT_ONCE))


class Trial:
    """A recorded trial. What it has left on disk is read when it is asked for.

    Attributes:
        key: its full key.
        fields: what `mitosis fields` lists, as a `View`: values, and texts for people.
    """

    def __init__(self, journal: Journal, key: str, view: View | None = None) -> None:
        self.journal = journal
        self.key = key
        if view is not None:
            self.fields = view

    @functools.cached_property
    def fields(self) -> View:
        found = next(Search(self.journal, [f"key == {self.key!r}"]).views(), None)
        if found is None:
            raise TrialNotFound(self.key, f"trial {self.key} is not recorded any more")
        return found

    @functools.cached_property
    def record(self) -> TrialRecord:
        """All that is recorded of it."""
        return self.journal.read_trial(self.key)

    def __getitem__(self, name: str) -> Scalar:
        """The value of a field, by any name that it has in a condition; None where the trial does not have it."""
        if name in self.fields:
            return self.fields.value(name)
        search = Search(self.journal, [f"key == {self.key!r}"])
        return next((value for (value,) in search.rows([search.fields.find(name)])), None)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Trial) and self.key == other.key

    def __hash__(self) -> int:
        return hash(self.key)

    @property
    def experiment(self) -> str:
        return self.fields.raw("experiment")

    @property
    def status(self) -> str:
        """`running`, `finished`, `failed` or `interrupted`, as it is recorded."""
        return self.fields.raw("status")

    @property
    def main(self) -> Scalar:
        """The result; None while there is none."""
        return self.fields.value("main")

    @property
    def commit(self) -> str:
        """Full id of the experiment's commit."""
        return self.fields.raw("commit")

    @property
    def started(self) -> datetime | None:
        """In UTC."""
        return parse_moment(self.fields.raw("started"))

    @property
    def ended(self) -> datetime | None:
        """In UTC; None while it runs."""
        return parse_moment(self.fields.raw("ended"))

    @property
    def took_s(self) -> float | None:
        """Wall time of its steps."""
        return self.fields.seconds("took")

    @property
    def params(self) -> Mapping[str, Scalar]:
        """Parameters by `step.name`, or by `name` alone where one step has it: a variant's name, or the value."""
        return Named(self.fields, "params")

    @property
    def metrics(self) -> Mapping[str, Scalar]:
        """Metrics by `step.name`, or by `name` alone where one step has it."""
        return Named(self.fields, "metrics")

    @property
    def tags(self) -> tuple[str, ...]:
        return tuple(tag for tag in self.fields.raw("tags").split(", ") if tag)

    @property
    def note(self) -> str | None:
        """What somebody has said of it last."""
        return self.fields.raw("note") or None

    @property
    def page(self) -> Path | None:
        """Its HTML page; None where that is not here."""
        from mitosis.results import find_page

        with self._at_home():
            return find_page(self.record)

    def data(self, step: int | str = -1) -> Any:
        """The dictionary that a step returned, by its number from 0 or its name; by default the last.

        Results are unpickled, as `mitosis.load_trial_data` does.

        Raises:
            TrialNotFound: the trial's outputs are not here, or it has no results of such a step.
        """
        from mitosis.results import load_trial_data

        with self._at_home():
            results = load_trial_data(self.key)
        names = [one.name for one in self.record.steps]
        number = step if isinstance(step, int) else names.index(step) if step in names else len(results)
        if not -len(results) <= number < len(results):
            raise TrialNotFound(self.key, f"trial {self.key} has no results of a step {step!r}: it has {len(results)}")
        return results[number]

    def figures(self) -> list[Figure]:
        """The images that its notebook shows, in order; in a notebook each shows itself."""
        from mitosis.results import find_notebook

        with self._at_home():
            path = find_notebook(self.record)
        return [] if path is None else list(_figures(path))

    @contextlib.contextmanager
    def _at_home(self) -> Iterator[None]:
        """Be in its repository, since outputs are looked for in that of the working directory."""
        home = self.journal.repository
        is_there = False
        with contextlib.suppress(RepositoryError):
            is_there = find_repository(Path.cwd()).common_dir == home.common_dir
        with contextlib.nullcontext() if is_there else contextlib.chdir(home.root):
            yield

    def __repr__(self) -> str:
        said = [self.fields.text("experiment"), self.fields.main or self.fields.text("status")]
        return f"<Trial {self.key} {' · '.join(map(clean, said))}>"

    def _repr_html_(self) -> str:
        rows = [(clean(name), field.text) for name, field in self.fields.items()]
        return html_table(("field", "value"), rows)


class Named(Mapping[str, Scalar]):
    """Parameters or metrics of a trial by `step.name`; the step may be left out where one alone has such a name."""

    def __init__(self, fields: View, kind: str) -> None:
        self._values = {
            name.partition(".")[2]: field.value for name, field in fields.items() if name.startswith(f"{kind}.")
        }

    def __getitem__(self, name: str) -> Scalar:
        if name in self._values:
            return self._values[name]
        found = [full for full in self._values if full.partition(".")[2] == name]
        if len(found) != 1:
            raise KeyError(f"{name!r}; there is: {', '.join(found or self._values)}")
        return self._values[found[0]]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __repr__(self) -> str:
        return repr(self._values)


class Figure:
    """An image that a trial has shown.

    Attributes:
        kind: its media type, `image/png` or `image/svg+xml`.
        data: its bytes.
    """

    def __init__(self, kind: str, data: bytes) -> None:
        self.kind = kind
        self.data = data

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write it to a file."""
        Path(path).write_bytes(self.data)

    def __repr__(self) -> str:
        return f"<Figure {self.kind}, {len(self.data):,} bytes>"

    def _repr_mimebundle_(self, **_: Any) -> dict[str, Any]:
        # What came with a record may be anybody's, and an image in an element cannot run anything.
        source = f"data:{self.kind};base64,{base64.b64encode(self.data).decode()}"
        return {"text/plain": repr(self), "text/html": f'<img src="{source}">'}


def _figures(notebook: Path) -> Iterator[Figure]:
    """The images in the outputs of a notebook's cells."""
    cells = json.loads(notebook.read_text("utf-8")).get("cells", [])
    for output in (output for cell in cells for output in cell.get("outputs", [])):
        shown = output.get("data", {})
        text = {kind: "".join(shown[kind]) for kind in ("image/png", "image/svg+xml") if kind in shown}
        if "image/png" in text:
            yield Figure("image/png", base64.b64decode(text["image/png"]))
        elif text:
            yield Figure("image/svg+xml", text["image/svg+xml"].encode())


def html_table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table for notebooks, whatever the texts are."""

    def line(cells: Sequence[str], element: str) -> str:
        return "".join(f"<{element}>{html.escape(for_page(cell))}</{element}>" for cell in cells)

    body = "".join(f"<tr>{line(row, 'td')}</tr>" for row in rows)
    return f"<table><thead><tr>{line(headings, 'th')}</tr></thead><tbody>{body}</tbody></table>"
