"""A trial as named columns."""

from __future__ import annotations

import json

from mitosis.records.trial import Failure, ParameterRecord, StepRecord, TrialRecord
from mitosis.records.view import Kind, View, values_of
from support.journal import make_record

PARAMETERS = (
    ParameterRecord("data", "noise", "lookup", "low", digest="a" * 40, summary="0.01"),
    ParameterRecord("fit", "degree", "eval", "10 ** 2", digest="b" * 40, summary="100"),
    ParameterRecord("fit", "name", "eval", "'x'", digest="c" * 40, summary="'x'"),
    ParameterRecord("fit", "gpu", "eval", "object()", tracked=False, summary="<object>"),
    ParameterRecord("fit", "seed", "default", "7", digest="d" * 40, summary="7"),
)


def chain() -> TrialRecord:
    return make_record(
        key="5f2c91d07a3b",
        experiment="data+fit",
        steps=(StepRecord("data", "a:b", metrics={"rows": 10}), StepRecord("fit", "c:d", metrics={"loss.test": 0.25})),
        parameters=PARAMETERS,
        status="finished",
        main=3.1706776324915e-05,
        duration_s=75.0,
        peak_memory_bytes=85_000_000,
    )


def test_fields_have_values_kinds_and_texts() -> None:
    view = View.of(chain())
    assert {name: view.value(name) for name in view if name.partition(".")[0] in ("params", "value", "metrics")} == {
        "params.data.noise": "low",
        "value.data.noise": 0.01,
        "params.fit.degree": 100,
        "params.fit.name": "'x'",
        "params.fit.gpu": "<object>",
        "params.fit.seed": 7,
        "metrics.data.rows": 10,
        "metrics.fit.loss.test": 0.25,
    }
    assert (view["main"].text, view["main"].exact) == ("3.17e-05", "3.1706776324915e-05")
    assert (view["took"].text, view["took"].kind) == ("1 min 15 s", Kind.SECONDS)
    assert view["memory"].text == "85 MB"
    assert view.value("ended") is None
    assert view.text("ended") == ""
    assert view.place == "step 1 of 2"


def test_whole_duration_is_said_where_it_is_noticeably_longer() -> None:
    record = make_record(duration_s=7.9, started="2026-03-01T12:00:00+00:00")
    assert View.of(record).took == "7.9 s"
    assert View.of(record.with_changes(ended="2026-03-01T13:00:09+01:00")).took == "7.9 s"
    assert View.of(record.with_changes(ended="2026-03-01T13:00:19+01:00")).took == "7.9 s for the steps, 19.0 s in all"


def test_view_is_made_again_from_what_was_stored() -> None:
    record = chain()
    stored = json.loads(json.dumps(values_of(record), allow_nan=False))
    view = View.from_values(stored.items())
    assert view == View.of(record)
    assert view.parameters == PARAMETERS


def test_note_says_why_a_trial_failed_or_of_what_it_warned() -> None:
    failed = make_record(status="failed", failure=Failure("exception", "bad shape\nmore", "ValueError", "fit"))
    assert View.of(failed).value("trouble") == "ValueError: bad shape (fit)"
    assert View.of(make_record(warnings=("a",))).value("trouble") == "a"
    assert View.of(make_record(warnings=("a", "b"))).value("trouble") == "2 warnings"
    assert "trouble" not in View.of(make_record())


def test_texts_are_harmless() -> None:
    hostile = "a\x1b[2J\u202e\nb"
    parameters = (ParameterRecord(hostile, hostile, "eval", hostile),)
    view = View.of(make_record(subject=hostile, main=hostile, started=hostile, parameters=parameters))
    assert all(field.text.isprintable() and field.exact.isprintable() for field in view.values())
