from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from mitosis.records.trial import ParameterRecord, ProcessRecord, StepRecord, TrialRecord
from mitosis.report.page_files import MAX_NAME_BYTES, page_name


def _record(*parameters: tuple[str, str, str], steps: tuple[str, ...] = ("my_exp",), iteration: int = 0) -> TrialRecord:
    return TrialRecord(
        key="5f2c91d07a3b",
        experiment="+".join(steps),
        steps=tuple(StepRecord(step, "module:run") for step in steps),
        parameters=tuple(ParameterRecord(step, name, "lookup", text) for step, name, text in parameters),
        commit="8" * 40,
        status="finished",
        iteration=iteration,
        started="2026-03-01T12:00:00+00:00",
        author="Ada Lovelace <ada@example.org>",
        process=ProcessRecord("host", 1),
        environment="e",
    )


def test_name_has_what_was_given_in_the_order_of_the_parameters_names() -> None:
    record = _record(("my_exp", "frequency", "slow"), ("my_exp", "amplitude", "4"))
    assert page_name(record, debug=False) == "trial_my_exp-4-slow_0_5f2c91d07a3b.html"
    assert page_name(record, debug=True) == "trial_my_exp-4-slow_0_5f2c91d07a3bdebug.html"


def test_name_has_the_steps_in_their_order() -> None:
    record = _record(("data", "noise", "low"), ("fit", "degree", "3"), steps=("fit", "data"), iteration=12)
    assert page_name(record, debug=False) == "trial_fit-3+data-low_12_5f2c91d07a3b.html"


def test_untracked_parameters_and_defaults_are_not_in_the_name() -> None:
    record = _record(("my_exp", "frequency", "slow"))
    gpu = ParameterRecord("my_exp", "gpu", "eval", "1", tracked=False)
    seed = ParameterRecord("my_exp", "seed", "default", "7")
    record = record.with_changes(parameters=(*record.parameters, gpu, seed))
    assert page_name(record, debug=False) == "trial_my_exp-slow_0_5f2c91d07a3b.html"


def test_expressions_stay_readable() -> None:
    record = _record(
        ("s", "a", "dict(a=1, b=[2])"), ("s", "b", '"rbf"'), ("s", "c", "a/b"), ("s", "d", "été"), steps=("s",)
    )
    assert page_name(record, debug=False) == "trial_s-dict_a=1,_b=_2-rbf-a_b-ete_0_5f2c91d07a3b.html"


@given(st.lists(st.text(), max_size=4), st.text(min_size=1))
def test_any_parameters_give_a_usable_name(texts: list[str], step: str) -> None:
    record = _record(*((step, f"p{i}", text) for i, text in enumerate(texts)), steps=(step,))
    name = page_name(record, debug=True)
    assert re.fullmatch(r"trial_[A-Za-z0-9._+=,-]+_0_5f2c91d07a3bdebug\.html", name)
    assert len(name.encode()) <= MAX_NAME_BYTES


@given(st.text(min_size=200, max_size=300), st.text(min_size=200, max_size=300))
def test_long_names_that_differ_only_where_they_are_cut_stay_different(one: str, other: str) -> None:
    start = "x" * 200
    names = {page_name(_record(("my_exp", "p", start + text)), debug=False) for text in (one, other)}
    assert len(names) == (1 if one == other else 2)
    assert all(len(name) == MAX_NAME_BYTES for name in names)
