"""What is found stays what it was when it was asked for, whatever is recorded meanwhile."""

from __future__ import annotations

import pytest

import mitosis
from mitosis.collection import Trials
from mitosis.errors.journal import TrialNotFound
from mitosis.errors.usage import UsageError
from mitosis.query.groups import group
from mitosis.query.search import Search
from mitosis.query.syntax import QueryError
from mitosis.records.trial import StepRecord
from support.journal import Desk


def record_result(journal: Desk, main: bool | int | float) -> None:
    record = journal.start_trial()
    journal.end(record.with_changes(status="finished", main=main, ended=record.started), journal.identity)


@pytest.fixture
def many(journal: Desk) -> Desk:
    for number in range(6):
        record_result(journal, float(number))
    return journal


def test_reading_goes_on_while_others_record_and_ask(many: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mitosis.query.search._VIEWS_AT_ONCE", 1)
    reading = Search(many).views()
    first = next(reading)
    other = many.again()
    other.tag([first.raw("key")], "paper", other.identity)
    record_result(other, 9.0)
    last = list(Search(many).keys())[-1]
    other.forget(last, other.identity)
    other.bring_back(last, other.identity)
    rest = list(reading)
    assert len(rest) == 5
    assert all(view.parameters for view in rest)
    assert many.index.path.exists()


def test_trials_are_those_that_were_found_first(many: Desk) -> None:
    found = mitosis.trials(repository=many.folder, limit=3)
    keys = [found[number].key for number in range(3)]
    many.forget(keys[1], many.identity)
    many.run_trial()
    assert [trial.key for trial in found] == keys
    assert found[0] in mitosis.trials(repository=many.folder)
    with pytest.raises(TrialNotFound, match="is not recorded any more"):
        _ = found[1].fields


def test_names_go_with_the_last_trial_that_has_them(journal: Desk) -> None:
    for step in ("a", "b"):
        steps = (StepRecord(step, "lab:run", metrics={"acc": 0.5}),)
        record = journal.start_trial(experiment=step, steps=steps, parameters=(), variants=[])
        journal.end(record.with_changes(status="finished", ended=record.started), journal.identity)
    with pytest.raises(QueryError, match="could be several fields"):
        Search(journal, ["acc > 0"])
    journal.forget(record.key, journal.identity)
    assert len(Trials(Search(journal, ["acc > 0"]))) == 1


def test_groups_of_what_has_diverged_have_no_mean(journal: Desk) -> None:
    for result in (1e200, -1e200):
        record_result(journal, result)
    search = Search(journal)
    [found] = group(search, [], search.fields.find("main"), is_higher_better=False)
    assert (found.trials, found.best, found.deviation) == (2, -1e200, None)


def test_truth_values_and_numbers_are_different_groups(journal: Desk) -> None:
    for result in (True, 1):
        record_result(journal, result)
    search = Search(journal)
    main = search.fields.find("main")
    assert sorted(repr(found.values) for found in group(search, [main], main, is_higher_better=False)) == [
        "(1,)",
        "(True,)",
    ]


def test_a_comment_hides_no_condition(many: Desk) -> None:
    with pytest.raises(QueryError, match="there is no comment in a condition") as caught:
        Search(many, ["main < 9  # good\n and status == 'nosuch'"])
    assert caught.value.column == 11


def test_a_negative_limit_is_refused(many: Desk) -> None:
    with pytest.raises(UsageError, match="there cannot be -1 trials"):
        Search(many, limit=-1)
