"""The language of conditions gives what a slow evaluation in Python gives, or says where it does not understand."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mitosis.query.search import Search
from mitosis.query.syntax import QueryError
from mitosis.records.trial import Failure, Metric, ParameterRecord, StepRecord, TrialRecord
from mitosis.records.view import COLUMNS, View
from support.journal import Desk, make_record, make_variant, run_git
from support.naive import Naive

VALUES = (
    None,
    True,
    False,
    0,
    1,
    -3,
    2**62,
    2**63 + 5,
    0.1,
    -0.0,
    1e300,
    5e-324,
    math.inf,
    math.nan,
    "x",
    "low",
    "",
    "5",
)
SCALES = {"low": {"scale": 0.01, "kind": "normal"}, "high": {"scale": 2, "kernel": [1, 0.5]}}
FIELDS = (
    *("main", "took", "iteration", "status", "experiment", "started", "ended", "key", "commit", "failure", "note"),
    *("params.fit.noise", "params.noise", "noise", "params.fit.lam", "lam", "metrics.fit.f1", "f1", "tags", "author"),
    *("value.fit.noise.scale", "value.noise.kernel[1]", 'metrics["fit.a b"]', "package.numpy", "subject"),
)
OPERATORS = ("+", "-", "*", "/", "//", "%", "**")
CONSTANTS = (
    *(
        "0",
        "1",
        "-3",
        "0.1",
        "1e300",
        "-1e999",
        "100000000000000000000000000",
        "True",
        "False",
        "None",
        "4611686018427387904",
    ),
    *("'low'", "'x'", "''", "'5'", "'2026-03'", "'2026-03-02 12:00'", "'yesterday'", "'2 weeks ago'", "'5f'", "'HEAD'"),
    *("'*o*'", "'finished'", "'paper'", "b'x'", "'HEAD~1..HEAD'"),
)


class Study(NamedTuple):
    """A journal, and what a slow evaluation asks of it."""

    journal: Desk
    trials: dict[str, Naive]

    def __repr__(self) -> str:
        return "the study"


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Study]:
    folder = tmp_path_factory.mktemp("study")
    run_git("init", "--quiet", cwd=folder)
    for number in range(2):
        run_git("commit", "--quiet", "--allow-empty", "-m", f"commit {number}", cwd=folder)
    journal = Desk(folder)
    commits = run_git("rev-list", "HEAD", cwd=folder).split()
    choose = random.Random(1)
    records = [trial(journal, number, choose, commits) for number in range(60)]
    journal.tag([records[0].key, records[3].key], "paper", journal.identity)
    journal.tag([records[0].key], "a b", journal.identity)
    journal.note(records[1].key, "low", journal.identity)
    ranges = {text: run_git("rev-list", text, cwd=folder).split() for text in ("HEAD", "HEAD~1..HEAD")}
    remarks = {
        records[0].key: {"tags": "a b, paper"},
        records[3].key: {"tags": "paper"},
        records[1].key: {"note": "low"},
    }
    yield Study(journal, {r.key: Naive(named(r) | remarks.get(r.key, {}), ranges) for r in records})
    journal.index.close()


def trial(journal: Desk, number: int, choose: random.Random, commits: list[str]) -> TrialRecord:
    noise = choose.choice(list(SCALES))
    variant = make_variant(noise, SCALES[noise], step="fit", parameter="noise")
    lam = choose.choice(VALUES[1:])
    failed = choose.random() < 0.2
    main = None if failed else choose.choice(VALUES)
    metrics: dict[str, Metric] = {"f1": choose.choice(VALUES), "a b": choose.random()} if choose.random() < 0.8 else {}
    record = make_record(
        key=f"{choose.getrandbits(48):012x}",
        experiment=choose.choice(("fit", "prepare+fit")),
        steps=(StepRecord("fit", "lab:fit", metrics=metrics, main=main),),
        parameters=(
            ParameterRecord("fit", "noise", "lookup", noise, digest=variant.digest, summary=noise.upper()),
            ParameterRecord("fit", "lam", "eval", repr(lam), digest="b" * 40, summary=repr(lam)),
        ),
        commit=choose.choice(commits),
        started=f"2026-0{choose.randint(1, 4)}-0{choose.randint(1, 9)}T12:00:00.{number:06}+00:00",
        subject=choose.choice(("Tune", "lower it", "")),
    )
    started = journal.start(record, [variant], "numpy==2.0.0\n", journal.identity).record
    if choose.random() < 0.1:
        return started
    ended = started.with_changes(
        status="failed" if failed else "finished",
        main=main,
        failure=Failure("exception", "bad low", "ValueError") if failed else None,
        ended=started.started,
        duration_s=choose.choice((None, 0.5, 100.0)),
    )
    journal.end(ended, journal.identity)
    return ended


def named(record: TrialRecord) -> dict[str, Any]:
    """The values of the fields of a trial by all names that are used here."""
    view = View.of(record)
    noise = record.parameters[0].text
    values: dict[str, Any] = dict.fromkeys(FIELDS) | {name: view.value(name) for name in COLUMNS}
    lam = eval(record.parameters[1].text, {"inf": math.inf, "nan": math.nan})
    metrics = record.steps[0].metrics
    return values | {
        **dict.fromkeys(("params.fit.noise", "params.noise", "noise"), noise),
        **dict.fromkeys(("params.fit.lam", "lam"), lam),
        **dict.fromkeys(("metrics.fit.f1", "f1"), metrics.get("f1")),
        'metrics["fit.a b"]': metrics.get("a b"),
        "value.fit.noise.scale": SCALES[noise]["scale"],
        "value.noise.kernel[1]": 0.5 if noise == "high" else None,
        "package.numpy": "2.0.0",
        "tags": None,
        "note": None,
    }


terms = st.sampled_from(FIELDS) | st.sampled_from(CONSTANTS)
values = st.recursive(
    terms,
    lambda inner: (
        st.tuples(inner, st.sampled_from(["+", "-", "*", "/", "//", "%", "**"]), inner).map(
            lambda t: f"({t[0]} {t[1]} {t[2]})"
        )
        | st.tuples(st.sampled_from(("abs", "log10", "exp", "sqrt", "lower", "log")), inner).map(
            lambda t: f"{t[0]}({t[1]})"
        )
        | inner.map(lambda text: f"-{text}")
    ),
    max_leaves=4,
)
lists = st.lists(terms, min_size=1, max_size=3).map(lambda items: f"[{', '.join(items)}]")
comparisons = (
    st.tuples(values, st.sampled_from(["<", "<=", ">", ">=", "==", "!=", "in"]), values).map(" ".join)
    | st.tuples(values, st.sampled_from(("<", "==")), terms, st.sampled_from(("<=", "!=")), terms).map(" ".join)
    | st.tuples(values, st.sampled_from(("in", "not in")), lists).map(" ".join)
    | st.tuples(st.sampled_from(FIELDS), st.sampled_from(("is None", "is not None"))).map(" ".join)
    | st.tuples(st.sampled_from(("startswith", "endswith", "like")), terms, terms).map(
        lambda t: f"{t[0]}({t[1]}, {t[2]})"
    )
    | st.sampled_from(FIELDS)
)
conditions = st.recursive(
    comparisons,
    lambda inner: (
        st.tuples(inner, st.sampled_from(("and", "or")), inner).map(lambda t: f"({t[0]} {t[1]} {t[2]})")
        | inner.map(lambda text: f"not {text}")
    ),
    max_leaves=4,
)


@given(text=conditions)
@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_conditions_give_what_a_slow_evaluation_gives(study: Study, text: str) -> None:
    try:
        found = set(Search(study.journal, [text]).keys())
    except QueryError as error:
        assert 1 <= error.column <= len(text) + 1
        return
    expected = {key for key, naive in study.trials.items() if naive.meets(text)}
    assert sorted(found) == sorted(expected)
