"""Words for trials, wherever one has to be named."""

from __future__ import annotations

import pytest

from mitosis.errors.journal import AmbiguousKey, TrialNotFound
from mitosis.errors.usage import UsageError
from mitosis.query.fields import UnknownField
from mitosis.query.search import Search
from mitosis.query.selection import SeveralTrials, read_one, select, select_all, select_one
from mitosis.query.syntax import QueryError
from mitosis.records.trial import StepRecord
from support.journal import Desk


def newest(journal: Desk) -> list[str]:
    return list(Search(journal).keys())


def test_beginning_of_a_key(curves: Desk) -> None:
    key = newest(curves)[5]
    assert select(curves, key) == select(curves, key[:8]) == select(curves, f" {key[:8].upper()} ") == [key]
    with pytest.raises(AmbiguousKey):
        select(curves, key[:1])


def test_latest_counts_back(curves: Desk) -> None:
    keys = newest(curves)
    for word, place in (("latest", 0), ("latest~0", 0), ("latest~1", 1), ("latest~199", 199)):
        assert select(curves, word) == [keys[place]]
    with pytest.raises(TrialNotFound, match="no trial is so old"):
        select(curves, "latest~200")


def test_best_is_the_lowest_main_or_the_field_that_is_named(curves: Desk) -> None:
    finished = Search(curves, ["status == 'finished'"], ["main"])
    assert select(curves, "best") == select(curves, "best:main") == [next(finished.keys())]
    assert select(curves, "best:-main") == [*Search(curves, ["status == 'finished'"], ["-main"], limit=1).keys()]
    for word in ("best:-f1", "best:-metrics.fit.f1"):
        (key,) = select(curves, word)
        assert read_one(curves, key).steps[1].metrics["f1"] == 1.0


def finish(journal: Desk, key: str, main: object, *, better: str | None = None, experiment: str = "fit") -> None:
    second = int(key[:2])
    step = StepRecord(experiment, "lab:fit", main=main, better=better)  # type: ignore[arg-type]
    started = journal.start_trial(
        key=key, experiment=experiment, steps=(step,), started=f"2026-03-01T12:00:{second:02}.000000+00:00"
    )
    journal.end(
        started.with_changes(status="finished", main=main, ended=started.started, duration_s=1.0), journal.identity
    )


def test_best_is_as_the_registration_says_and_of_the_newest_experiment(journal: Desk) -> None:
    finish(journal, "01aaaaaaaaaa", 100.0, experiment="other")
    finish(journal, "02aaaaaaaaaa", 0.5, better="higher")
    finish(journal, "03aaaaaaaaaa", float("nan"), better="higher")
    finish(journal, "04aaaaaaaaaa", "excellent", better="higher")
    finish(journal, "05aaaaaaaaaa", True, better="higher")
    finish(journal, "06aaaaaaaaaa", 0.25, better="higher")
    journal.start_trial(
        key="07aaaaaaaaaa",
        experiment="fit",
        steps=(StepRecord("fit", "lab:fit", better="higher"),),
        started="2026-03-01T12:00:07.000000+00:00",
    )
    assert select(journal, "best") == ["02aaaaaaaaaa"]
    assert select(journal, "best:main") == ["06aaaaaaaaaa"]
    with pytest.raises(TrialNotFound, match=r"no trial of fit has finished with a number as `subject`"):
        select(journal, "best:subject")
    with pytest.raises(UnknownField, match="mian"):
        select(journal, "best:mian")


def test_tags_name_all_that_have_them(curves: Desk) -> None:
    (paper,) = select(curves, "@paper")
    assert select(curves, "@seed 1") == [paper]
    assert select_one(curves, "@baseline") != paper
    for word in ("@nothing", "@", "@pap", "@it's"):
        with pytest.raises(TrialNotFound) as caught:
            select(curves, word)
        assert "mitosis list" in str(caught.value)


def test_condition_names_all_that_meet_it_newest_first(curves: Desk) -> None:
    keys = select(curves, "where:noise == 'low' and degree == 3")
    assert len(keys) == 12
    assert keys == [key for key in newest(curves) if key in keys]
    with pytest.raises(TrialNotFound, match="no trial meets the condition"):
        select(curves, "where:main < 0")
    with pytest.raises(QueryError) as caught:
        select(curves, "where:mian < 0")
    assert caught.value.column == 1


def test_one_is_needed_and_several_are_named(curves: Desk) -> None:
    with pytest.raises(SeveralTrials) as caught:
        select_one(curves, "where:weight == 10")
    assert len(caught.value.keys) == 3
    assert all(key in str(caught.value) for key in caught.value.keys)
    with pytest.raises(SeveralTrials) as crowd:
        select_one(curves, "where:main < 10")
    assert len(str(crowd.value).splitlines()) < 30


def test_each_trial_is_selected_once(curves: Desk) -> None:
    first, second, *_ = newest(curves)
    assert select_all(curves, ["latest", first[:9], "latest~1", "latest"]) == [first, second]


@pytest.mark.parametrize(
    "word", ["latest~", "latest~x", "latest~-1", "latest~9999999999", "LATEST", "xyz", "", "0" * 12]
)
def test_other_words_are_refused(curves: Desk, word: str) -> None:
    with pytest.raises((UsageError, TrialNotFound)):
        select(curves, word)


@pytest.mark.parametrize("word", ["latest", "latest~3", "best", "best:-f1", "abc", "@paper", "where:main < 1"])
def test_nothing_is_selected_where_nothing_is_recorded(journal: Desk, word: str) -> None:
    with pytest.raises((UsageError, TrialNotFound)) as caught:
        select(journal, word)
    assert "no trial" in str(caught.value) or "no field" in str(caught.value)
