"""Trials in Python: found as the command line finds them, and as data frames of other libraries."""

from __future__ import annotations

import base64
import dataclasses
import json
import math
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

import mitosis
from mitosis.collection import Trial, Trials
from mitosis.errors.journal import TrialNotFound
from mitosis.query.fields import UnknownField
from mitosis.query.search import Search
from mitosis.query.syntax import QueryError
from mitosis.records.trial import Metric, ParameterRecord, StepRecord
from support.journal import Desk
from support.study import TRIALS

FIELDS = ("key", "main", "params.fit.degree", "default.fit.weight", "started", "ended", "tags", "metrics.fit.f1")
HOSTILE = "<script>alert('x')</script>&amp;\x1b[31m\u202e"


@pytest.fixture
def found(curves: Desk) -> Trials:
    return mitosis.trials(repository=curves.folder)


# --- finding --------------------------------------------------------------------------------------


def test_trials_are_those_of_the_language(curves: Desk) -> None:
    trials = mitosis.trials("main < 0.1 and noise == 'low'", sort="main", repository=curves.folder)
    assert isinstance(trials, Sequence)
    assert [trial.key for trial in trials] == [*Search(curves, ["main < 0.1 and noise == 'low'"], ["main"]).keys()]
    both = mitosis.trials(["main < 0.1", "noise == 'low'"], sort=["main"], repository=curves.folder)
    assert [trial.key for trial in both] == [trial.key for trial in trials]
    several = mitosis.trials(sort="noise,-main", limit=5, repository=curves.folder)
    assert [trial.key for trial in several] == [*Search(curves, sort=["noise", "-main"], limit=5).keys()]
    with pytest.raises(QueryError):
        mitosis.trials("mian < 1", repository=curves.folder)
    with pytest.raises(UnknownField):
        mitosis.trials(sort="mian", repository=curves.folder)


def test_repository_is_that_of_the_working_directory(curves: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(curves.folder / "curves")
    assert len(mitosis.trials()) == TRIALS
    assert mitosis.trial("@paper").tags == ("paper", "seed 1")


def test_slices_are_trials_in_the_same_order(found: Trials) -> None:
    keys = [trial.key for trial in found]
    assert len(found) == len(keys) == TRIALS
    assert found[0].key == keys[0] and found[-1].key == keys[-1]
    for part in (slice(3), slice(5, 50, 7), slice(None, None, -20), slice(-3, None), slice(10, 5)):
        sliced = found[part]
        assert isinstance(sliced, Trials)
        assert [sliced[number].key for number in range(len(sliced))] == keys[part]
        assert {trial.key for trial in sliced} == set(keys[part])
    assert [trial.key for trial in found[5:50:7]] == keys[5:50:7]
    assert [trial.key for trial in found[2:9][1:3]] == keys[3:5]
    assert list(found[5:50:7].to_pandas(["key"])["key"]) == keys[5:50:7]
    with pytest.raises(IndexError):
        found[TRIALS]


def test_slice_backwards_is_iterated_backwards(found: Trials) -> None:
    keys = [trial.key for trial in found][::-20]
    backwards = found[::-20]
    assert [trial.key for trial in backwards] == keys
    assert list(backwards.to_pandas(["key"])["key"]) == keys


def test_nothing_is_asked_before_it_is_needed(curves: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def note(name: str, original: Callable[..., Any]) -> Callable[..., Any]:
        def noted(*words: Any) -> Any:
            asked.append(name)
            return original(*words)

        return noted

    for name in ("keys", "views", "rows"):
        monkeypatch.setattr(Search, name, note(name, getattr(Search, name)))
    trials = mitosis.trials("main < 1", repository=curves.folder)
    assert asked == []
    trial = trials[3]
    assert set(asked) == {"keys", "rows"}
    asked.clear()
    assert trial.key and asked == []
    assert trial.main is not None and "views" in asked
    asked.clear()
    assert trial.status == "finished" and asked == []


def test_which_trials_they_are_is_read_once(journal: Desk) -> None:
    journal.run_trial()
    trials = mitosis.trials(repository=journal.folder)
    assert len(trials) == 1
    journal.run_trial()
    assert len(trials) == 1
    assert len(mitosis.trials(repository=journal.folder)) == 2


# --- one trial ------------------------------------------------------------------------------------


def test_trial_tells_its_fields(curves: Desk) -> None:
    trial = mitosis.trial("@paper", repository=curves.folder)
    record = curves.read_trial(trial.key)
    assert trial.record == record
    assert (trial.experiment, trial.status, trial.main, trial.commit) == (
        *("data+fit", "finished", record.main, record.commit),
    )
    assert trial.started == datetime.fromisoformat(record.started)
    assert trial.ended is not None and trial.started is not None and trial.ended > trial.started
    assert trial.took_s == record.duration_s
    assert (trial.params["fit.model"], trial.params["noise"]) == ("ridge", "mid")
    assert trial.params["weight"] == 1.0 and isinstance(trial.params["degree"], int)
    assert trial.metrics["f1"] == trial.metrics["fit.f1"] == record.steps[1].metrics["f1"]
    assert isinstance(trial.params, Mapping) and len(trial.params) == 7
    assert trial.note == "The one in the paper: see table 2."
    assert trial["value.data.noise"] == "{'outliers': 0.05, 'scale': 0.2}"
    assert trial["value.data.noise.scale"] == 0.2
    with pytest.raises(UnknownField, match="there is no field `nothing`"):
        trial["nothing"]
    with pytest.raises(KeyError, match=r"data\.noise"):
        trial.params["niose"]
    assert trial.page is None  # the bundle has no outputs
    assert trial.figures() == []
    assert "data+fit" in repr(trial) and trial.key in repr(trial)
    with pytest.raises(TrialNotFound):
        trial.data()


def test_name_of_two_steps_is_refused_in_mappings(journal: Desk) -> None:
    steps = tuple(StepRecord(name, f"lab:{name}", metrics={"f1": 0.5, name: 1}) for name in ("a", "b"))
    journal.run_trial(experiment="a+b", steps=steps)
    metrics = mitosis.trial("latest", repository=journal.folder).metrics
    assert metrics["a.f1"] == 0.5 and metrics["b"] == 1
    with pytest.raises(KeyError, match=r"a\.f1, b\.f1"):
        metrics["f1"]


def test_outputs_are_loaded_when_they_are_asked_for(journal: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    import dill

    folder = journal.folder / "trials" / "2026-03-01_5f2c91d07a3b"
    folder.mkdir(parents=True)
    for number, name in enumerate(("data", "fit")):
        (folder / f"results_{number}.dill").write_bytes(dill.dumps({"main": name}))
    image = base64.b64encode(b"\x89PNG").decode()
    outputs = [{"data": {"image/png": image, "text/plain": "x"}}, {"data": {"image/svg+xml": ["<svg>", "</svg>"]}}]
    (folder / "notebook.ipynb").write_text(json.dumps({"cells": [{"outputs": outputs}, {}]}))
    journal.run_trial(
        key="5f2c91d07a3b",
        experiment="data+fit",
        steps=(StepRecord("data", "lab:data"), StepRecord("fit", "lab:fit")),
        folder=folder.name,
        trials_folder=str(folder.parent),
    )
    monkeypatch.chdir(journal.folder)
    trial = mitosis.trial("5f2c")
    assert trial.data() == trial.data("fit") == trial.data(1) == {"main": "fit"}
    assert trial.data("data") == trial.data(0) == {"main": "data"}
    for step in (2, -3, "other"):
        with pytest.raises(TrialNotFound, match="no results of a step"):
            trial.data(step)
    png, svg = trial.figures()
    assert (png.kind, png.data, svg.kind, svg.data) == ("image/png", b"\x89PNG", "image/svg+xml", b"<svg></svg>")
    png.save("figure.png")
    assert Path("figure.png").read_bytes() == b"\x89PNG"
    assert svg._repr_mimebundle_()["text/html"].startswith('<img src="data:image/svg+xml;base64,')
    assert repr(png) == "<Figure image/png, 4 bytes>"


# --- in a notebook --------------------------------------------------------------------------------


def test_texts_cannot_become_markup_in_a_notebook(journal: Desk) -> None:
    journal.run_trial(
        experiment=HOSTILE,
        parameters=(ParameterRecord("s", "<b>", "eval", HOSTILE, digest="b" * 40, summary=HOSTILE),),
    )
    trials = mitosis.trials(repository=journal.folder)
    for page in (trials._repr_html_(), trials[0]._repr_html_()):
        assert "<script" not in page and "<b>" not in page and "\x1b" not in page and "\u202e" not in page
        assert "&lt;script&gt;" in page and "<table>" in page
    assert "\x1b" not in repr(trials) and "\u202e" not in repr(trials)


def test_many_trials_are_shown_by_their_beginning(found: Trials) -> None:
    assert found._repr_html_().count("<tr>") == 21
    assert "20 of 200 trials" in found._repr_html_()
    assert repr(found).startswith("<200 trials\n  <Trial ") and repr(found).endswith("... and 180 more>")
    few = found[:2]
    assert few._repr_html_().count("<tr>") == 3 and "of" not in few._repr_html_().rpartition("</table>")[2]


# --- data frames ----------------------------------------------------------------------------------


def test_pandas_has_types_and_knows_what_is_missing(found: Trials) -> None:
    import pandas as pd

    frame = found.to_pandas(list(FIELDS))
    assert list(frame.columns) == list(FIELDS)
    assert len(frame) == TRIALS
    assert {name: str(dtype) for name, dtype in frame.dtypes.items()} == {
        "key": "string",
        "main": "float64",
        "params.fit.degree": "Int64",
        "default.fit.weight": "boolean",
        "started": "datetime64[us, UTC]",
        "ended": "datetime64[us, UTC]",
        "tags": "string",
        "metrics.fit.f1": "float64",
    }
    assert frame["main"].isna().sum() == 5
    assert frame["tags"].notna().sum() == 2
    assert frame["default.fit.weight"].sum() == frame["default.fit.weight"].notna().sum() == 183
    assert frame["started"].is_monotonic_decreasing
    first = found[0]
    assert frame["started"][0] == pd.Timestamp(first["started"])
    means = frame.groupby("params.fit.degree")["main"].mean()
    assert means[1] > means[3]


def test_polars_has_types_and_knows_what_is_missing(found: Trials) -> None:
    import polars as pl

    frame = found.to_polars(list(FIELDS))
    assert frame.shape == (TRIALS, len(FIELDS))
    assert frame.schema == {
        "key": pl.String,
        "main": pl.Float64,
        "params.fit.degree": pl.Int64,
        "default.fit.weight": pl.Boolean,
        "started": pl.Datetime("us", "UTC"),
        "ended": pl.Datetime("us", "UTC"),
        "tags": pl.String,
        "metrics.fit.f1": pl.Float64,
    }
    assert frame["main"].null_count() == 5 and frame["tags"].null_count() == TRIALS - 2
    assert frame["main"].to_list() == [trial.main for trial in found]


def test_arrow_has_types_and_knows_what_is_missing(found: Trials) -> None:
    import pyarrow as pa

    table = found.to_arrow(list(FIELDS))
    assert {field.name: field.type for field in table.schema} == {
        "key": pa.string(),
        "main": pa.float64(),
        "params.fit.degree": pa.int64(),
        "default.fit.weight": pa.bool_(),
        "started": pa.timestamp("us", "UTC"),
        "ended": pa.timestamp("us", "UTC"),
        "tags": pa.string(),
        "metrics.fit.f1": pa.float64(),
    }
    assert table["main"].null_count == 5
    assert table["key"].to_pylist() == [trial.key for trial in found]


def test_frames_have_all_fields_but_details_unless_told(found: Trials) -> None:
    names = list(found.to_pandas().columns)
    assert names == found.to_polars().columns == found.to_arrow().column_names
    assert {"key", "main", "tags", "note", "params.data.noise", "metrics.fit.f1"} <= set(names)
    assert not [name for name in names if name.startswith(("value.", "digest.", "package."))]
    assert list(found.to_pandas(["noise", "metrics.fit.*", "package.numpy"]).columns) == [
        *("params.data.noise", "metrics.fit.r2", "metrics.fit.f1", "metrics.fit.nonzero", "package.numpy")
    ]
    with pytest.raises(UnknownField):
        found.to_pandas(["nothing"])


def metric(journal: Desk, *values: Metric) -> Trials:
    """Trials with these values of a metric `x`, oldest first."""
    for number, value in enumerate(values):
        step = StepRecord("my_exp", "lab:run", metrics={} if value is None else {"x": value})
        moment = f"2026-03-01T12:00:{number:02}.000000+00:00"
        started = journal.start_trial(started=moment, steps=(dataclasses.replace(step, metrics={}),))
        journal.end(started.with_changes(status="finished", steps=(step,), ended=moment), journal.identity)
    return mitosis.trials(sort="started", repository=journal.folder)


@pytest.mark.parametrize(
    ("values", "dtype", "expected"),
    [
        ((1, 2, None), "Int64", [1, 2, None]),
        ((1, 2.5), "float64", [1.0, 2.5]),
        ((True, None), "boolean", [True, None]),
        (("a", None), "string", ["a", None]),
        ((1, "a", 0.1), "string", ["1", "a", "0.1"]),
        ((True, 1), "string", ["True", "1"]),
        ((2**63 - 1, -(2**63)), "Int64", [2**63 - 1, -(2**63)]),
        ((math.inf, -math.inf, 1), "float64", [math.inf, -math.inf, 1.0]),
    ],
    ids=str,
)
def test_column_is_of_one_type(journal: Desk, values: tuple[Metric, ...], dtype: str, expected: list[Any]) -> None:
    trials = metric(journal, *values)
    column = trials.to_pandas(["x"])["metrics.my_exp.x"]
    assert str(column.dtype) == dtype
    assert [None if missing else value for value, missing in zip(column, column.isna(), strict=True)] == expected
    assert trials.to_polars(["x"])["metrics.my_exp.x"].to_list() == expected
    assert trials.to_arrow(["x"])["metrics.my_exp.x"].to_pylist() == expected


def test_not_a_number_stays_one(journal: Desk) -> None:
    trials = metric(journal, math.nan, 1.5)
    first, second = trials.to_arrow(["x"])["metrics.my_exp.x"].to_pylist()
    assert math.isnan(first) and second == 1.5


def test_frames_of_no_trials_have_columns(journal: Desk) -> None:
    journal.run_trial()
    none = mitosis.trials("main > 5", repository=journal.folder)
    assert len(none) == 0 and list(none) == []
    assert "key" in none.to_pandas().columns and len(none.to_pandas()) == 0
    assert none.to_polars().height == 0
    assert none.to_arrow().num_rows == 0
    assert "<0 trials>" in repr(none)


def test_moments_are_in_utc(journal: Desk) -> None:
    journal.start_trial(started="2026-03-01T12:00:00.123456+00:00")
    expected = datetime(2026, 3, 1, 12, 0, 0, 123456, tzinfo=UTC)
    trials = mitosis.trials(repository=journal.folder)
    assert trials[0].started == expected and trials[0].ended is None
    assert trials.to_pandas(["started"])["started"][0].to_pydatetime() == expected
    assert trials.to_polars(["started"])["started"][0] == expected
    assert trials.to_arrow(["started"])["started"].to_pylist() == [expected]
    assert isinstance(trials[0], Trial)
