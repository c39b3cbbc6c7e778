"""Finding trials: in what order, how many, which of a group; what is missing comes last."""

from __future__ import annotations

import math
import statistics
from typing import Any

import pytest

from mitosis.query.fields import Fields, UnknownField
from mitosis.query.groups import Group, group
from mitosis.query.search import Search
from mitosis.records.trial import ParameterRecord, StepRecord
from mitosis.records.view import Scalar, View
from support.journal import Desk
from support.study import TRIALS


def run(journal: Desk, number: int, *, main: Scalar = None, **text: str) -> str:
    """Run a trial; trials with higher numbers are newer. Their keys begin with the number."""
    parameters = tuple(
        ParameterRecord("fit", name, "eval", value, digest="b" * 40, summary=value) for name, value in text.items()
    )
    started = journal.start_trial(
        key=f"{number:02}{'a' * 10}",
        started=f"2026-03-01T12:00:{number:02}.000000+00:00",
        experiment="fit",
        parameters=parameters,
    )
    step = StepRecord("fit", "lab:fit", main=main)
    ended = started.with_changes(status="finished", main=main, steps=(step,), ended=started.started, duration_s=1.0)
    journal.end(ended, journal.identity)
    return started.key


def numbers(search: Search) -> list[int]:
    keys = search.keys()
    return [int(key[:2]) for key in keys]


ODD: tuple[Scalar, ...] = (0.5, None, "text", math.nan, 3, True, -math.inf, 0.5, math.inf)


@pytest.fixture
def odd(journal: Desk) -> Desk:
    """Trials whose results are of all kinds; the number of each is the place in `ODD`."""
    for number, main in enumerate(ODD):
        run(journal, number, main=main)
    return journal


def test_newest_come_first(odd: Desk) -> None:
    assert numbers(Search(odd)) == [8, 7, 6, 5, 4, 3, 2, 1, 0]
    assert numbers(Search(odd, reverse=True)) == [0, 1, 2, 3, 4, 5, 6, 7, 8]
    assert numbers(Search(odd, limit=3)) == [8, 7, 6]
    assert Search(odd, limit=3).count() == 9


@pytest.mark.parametrize(
    ("sort", "reverse", "ordered"),
    [
        (["main"], False, [6, 7, 0, 4, 8]),
        (["-main"], False, [8, 4, 7, 0, 6]),
        (["main"], True, [8, 4, 0, 7, 6]),
        (["-main"], True, [6, 0, 7, 4, 8]),
        (["main", "started"], False, [6, 0, 7, 4, 8]),
    ],
)
def test_numbers_are_sorted_and_what_is_none_comes_behind_them(
    odd: Desk, sort: list[str], reverse: bool, ordered: list[int]
) -> None:
    found = numbers(Search(odd, sort=sort, reverse=reverse))
    assert [number for number in found if number in ordered] == ordered
    assert found[-1] == 1  # without a result
    assert set(found[-3:-1]) == {3, 5}  # neither a number nor a text
    assert len(found) == len(ODD)


def test_sorting_by_several_fields_and_the_newest_where_all_are_equal(journal: Desk) -> None:
    for number, (noise, degree) in enumerate((("low", "2"), ("high", "10"), ("low", "9"), ("high", "2"), ("low", "2"))):
        run(journal, number, noise=noise, degree=degree)
    assert numbers(Search(journal, sort=["noise", "-degree"])) == [1, 3, 2, 4, 0]
    assert numbers(Search(journal, sort=["noise", "degree"])) == [3, 1, 4, 0, 2]
    assert numbers(Search(journal, sort=["noise", "degree"], reverse=True)) == [2, 0, 4, 1, 3]
    assert numbers(Search(journal, ["degree == 2"], ["-noise"], limit=2)) == [4, 0]


def test_unknown_field_to_sort_by_is_refused_with_the_nearest(odd: Desk) -> None:
    with pytest.raises(UnknownField) as caught:
        Search(odd, sort=["-mian"])
    assert caught.value.name == "mian"
    assert "main" in caught.value.near


def test_all_conditions_have_to_be_met(curves: Desk) -> None:
    both = set(Search(curves, ["noise == 'low'", "degree == 3"]).keys())
    low, cubic = (set(Search(curves, [text]).keys()) for text in ("noise == 'low'", "degree == 3"))
    assert both == low & cubic
    assert 0 < len(both) < min(len(low), len(cubic))


def test_rows_and_views_and_the_count_agree(curves: Desk) -> None:
    search = Search(curves, ["main < 0.2"], ["main"])
    views = list(search.views())
    fields = [search.fields.find(name) for name in ("key", "main", "f1", "value.data.noise.scale", "tags")]
    rows = list(search.rows(fields))
    assert search.count() == len(views) == len(rows) > 50
    names = ("key", "main", "metrics.fit.f1")
    assert [row[:3] for row in rows] == [tuple(view.value(name) for name in names) for view in views]
    assert all(
        row[3] == {"low": 0.05, "mid": 0.2, "high": 0.5}[view.raw("params.data.noise")]
        for row, view in zip(rows, views, strict=True)
    )


def test_view_from_the_index_is_that_of_the_record(curves: Desk) -> None:
    for view in Search(curves, sort=["status"], limit=40).views():
        recorded = {name: field for name, field in view.items() if name not in ("tags", "note")}
        assert recorded == dict(View.of(curves.read_trial(view.raw("key"))))


def test_view_has_what_people_said(curves: Desk) -> None:
    (paper,) = Search(curves, ["'paper' in tags"]).views()
    assert (paper.text("tags"), paper.text("note")) == ("paper, seed 1", "The one in the paper: see table 2.")


def test_among_keeps_the_order_and_takes_the_chosen(curves: Desk) -> None:
    search = Search(curves, ["status == 'finished'"], ["main"])
    keys = list(search.keys())
    chosen = search.among([keys[7], keys[2], keys[11]])
    assert list(chosen.keys()) == [keys[2], keys[7], keys[11]]
    assert list(search.among(keys, 4).keys()) == keys[:4]
    assert list(search.among([]).keys()) == []


# --- names ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("word", "full"),
    [
        ("main", "main"),
        ("noise", "params.data.noise"),
        ("params.noise", "params.data.noise"),
        ("data.noise", "params.data.noise"),
        ("params.data.noise", "params.data.noise"),
        ("f1", "metrics.fit.f1"),
        ("fit.f1", "metrics.fit.f1"),
        ("metrics.f1", "metrics.fit.f1"),
        ("value.noise", "value.data.noise"),
        ("value.noise.scale", "value.data.noise.scale"),
        ("default.weight", "default.fit.weight"),
        ("digest.noise", "digest.data.noise"),
        ("package.NumPy", "package.numpy"),
        ("package.python_dateutil", "package.python-dateutil"),
        ("tags", "tags"),
    ],
)
def test_name_may_be_short_where_it_is_clear(curves: Desk, word: str, full: str) -> None:
    fields = Fields(curves.index)
    assert fields.find(word).name == full
    assert full in set(fields.names())


def test_every_field_has_an_example_or_no_trial_has_it(curves: Desk) -> None:
    fields = Fields(curves.index)
    names = list(fields.names())
    assert len(names) == len(set(names)) > 100
    for name in names:
        field = fields.find(name)
        assert field.name == name
        has_it = Search(curves, [f"{name} is not None"], limit=1).count() if name.isidentifier() else None
        assert has_it is None or (fields.example(field) is not None) == bool(has_it)


def test_patterns_name_all_that_match(curves: Desk) -> None:
    fields = Fields(curves.index)
    assert [field.name for field in fields.match("metrics.*")] == [
        *("metrics.data.snr", "metrics.fit.r2", "metrics.fit.f1", "metrics.fit.nonzero")
    ]
    assert [field.name for field in fields.match("*.nois?")] == [
        *("params.data.noise", "value.data.noise", "digest.data.noise")
    ]
    with pytest.raises(UnknownField, match=r"metrcs\.\*"):
        fields.match("metrcs.*")


# --- groups ---------------------------------------------------------------------------------------


def grouped(search: Search, by: list[str], of: str = "main", *, is_higher_better: bool = False) -> list[Group]:
    fields = [search.fields.find(name) for name in by]
    return group(search, fields, search.fields.find(of), is_higher_better=is_higher_better)


def test_groups_say_what_statistics_says(curves: Desk) -> None:
    search = Search(curves, ["status == 'finished'"])
    groups = grouped(search, ["noise", "model"])
    assert [found.values for found in groups] == sorted(found.values for found in groups)
    assert sum(found.trials for found in groups) == search.count()
    for found in groups:
        noise, model = found.values
        rows = Search(curves, [f"status == 'finished' and noise == {noise!r} and model == {model!r}"]).rows(
            [search.fields.find("main"), search.fields.find("key")]
        )
        members: list[Any] = list(rows)
        only = [number for number, _ in members]
        assert found.trials == len(members) > 1
        assert (found.best, found.best_key) in members
        assert found.best == min(only)
        assert found.mean == pytest.approx(statistics.fmean(only))
        assert found.deviation == pytest.approx(statistics.stdev(only))
        assert found.median == pytest.approx(statistics.median(only))
    highest = grouped(search, ["noise"], "f1", is_higher_better=True)
    lowest = grouped(search, ["noise"], "f1")
    assert all(a.best > b.best for a, b in zip(highest, lowest, strict=True) if a.best and b.best)


def test_groups_pass_over_what_is_no_number(odd: Desk) -> None:
    (found,) = grouped(Search(odd), [])
    assert found.trials == len(ODD)
    finite = [0.5, 3, 0.5]
    assert (found.best, found.median) == (0.5, 0.5)
    assert found.mean == pytest.approx(statistics.fmean(finite))
    assert found.deviation == pytest.approx(statistics.stdev(finite))


def test_group_of_one_has_no_deviation_and_one_of_none_no_best(journal: Desk) -> None:
    run(journal, 0, main=0.5, noise="low")
    run(journal, 1, noise="high")
    run(journal, 2, main=0.5)
    low = Group(("low",), 1, 0.5, "00aaaaaaaaaa", 0.5, None, 0.5)
    high = Group(("high",), 1, None, None, None, None, None)
    without = Group((None,), 1, 0.5, "02aaaaaaaaaa", 0.5, None, 0.5)
    assert grouped(Search(journal), ["noise"]) == [high, low, without]


def test_groups_are_in_the_order_of_their_numbers(journal: Desk) -> None:
    for number, degree in enumerate(("10", "9", "x", "2.5", "True")):
        run(journal, number, main=1.0, degree=degree)
    assert [found.values[0] for found in grouped(Search(journal), ["degree"])] == [2.5, 9, 10, True, "x"]


def test_study_has_all_its_trials(curves: Desk) -> None:
    assert Search(curves).count() == TRIALS
