"""What a comparison says of facts that are given to it."""

from __future__ import annotations

import html.parser
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mitosis.canonical.encode import encode_value
from mitosis.comparison.change import are_alike, value_change
from mitosis.comparison.code import Code
from mitosis.comparison.comparing import TrialFacts, compare
from mitosis.comparison.result import Comparison, Row
from mitosis.records.trial import Failure, Metric, ParameterRecord, ProcessRecord, StepRecord, TrialRecord
from support.journal import make_record

PACKAGES = "# CPython 3.11.7\nnumpy==2.0.0\nscikit-learn==1.5.2\n-e /lab  # lab==1.0, commit aaaa\n"
KEYS = ("5f2c91000000", "77b0de000000", "81aa03000000")


def finished(key: str = KEYS[0], **fields: Any) -> TrialRecord:
    given = {"status": "finished", "main": 0.5, "duration_s": 1.0, "interpreter": "CPython 3.11.7"}
    return make_record(**{"key": key, **given, **fields})


def facts(key: str = KEYS[0], **given: Any) -> TrialFacts:
    """Those of a trial that has finished; what is not about facts is a field of its record."""
    own: dict[str, Any] = {name: given.pop(name) for name in ("values", "environment", "code") if name in given}
    record = finished(key, **given)
    return TrialFacts(record, record.status, **{"environment": PACKAGES, **own})


def pair(first: dict[str, Any], other: dict[str, Any]) -> Comparison:
    return compare([facts(**first), facts(KEYS[1], **other)])


def parameter(text: str, *, name: str = "degree", step: str = "my_exp", kind: str = "eval", **more: Any) -> Any:
    return ParameterRecord(step, name, kind, text, **{"digest": f"d-{text}", "summary": text, **more})  # type: ignore[arg-type]


def variant(text: str, value: object, name: str = "noise", step: str = "my_exp") -> Any:
    return parameter(text, name=name, step=step, kind="lookup", digest=f"d-{value}", summary=str(value))


def shown(comparison: Comparison) -> list[tuple[str, ...]]:
    """The rows, each in the words of the table but for indents, without those about the time that a trial took."""
    ends = [row.differences for row in comparison.rows]
    rows = [(row.label, *row.texts, *filter(None, end)) for row, end in zip(comparison.rows, ends, strict=True)]
    return [row for row in rows if row[0] not in ("started", "took", "cpu", "memory")]


# --- the verdict ----------------------------------------------------------------------------------

LATER = Code(later=2, files={"fit.py": (12, 3)})
NEWER = PACKAGES.replace("1.5.2", "1.6.0")


@pytest.mark.parametrize(
    ("first", "other", "verdict"),
    [
        ({}, {}, "Same in everything that is recorded, and the same result."),
        ({"main": math.nan}, {"main": math.nan}, "Same in everything that is recorded, and the same result."),
        ({}, {"main": 0.502}, "Same in everything that is recorded, but main differs by 0.002."),
        ({"main": "a"}, {"main": "b"}, "Same in everything that is recorded, but main differs."),
        ({}, {"author": "Bob <b>", "branch": "b"}, "Same code, parameters and packages, and the same result."),
        ({}, {"variables": {"SLURM_JOB_ID": "7"}}, "Same code, parameters and packages, and the same result."),
        (
            {},
            {"environment": NEWER, "main": 0.502},
            "Same code and parameters; scikit-learn 1.5.2 → 1.6.0; main differs by 0.002.",
        ),
        (
            {},
            {"environment": NEWER.replace("2.0", "3.0")},
            "Same code and parameters; 2 packages differ; the same result.",
        ),
        (
            {"parameters": (parameter("3"),)},
            {"parameters": (parameter("4"),), "main": 1},
            "Same code and packages; degree 3 → 4; main differs by 0.5.",
        ),
        (
            {"parameters": (parameter("3"),)},
            {"parameters": (parameter("4"),), "commit": "a" * 40, "code": LATER, "environment": NEWER, "main": 1},
            "Differs in one parameter, in code and in a package.",
        ),
        (
            {"parameters": (parameter("3"), parameter("1", name="b"))},
            {"parameters": (parameter("4"), parameter("2", name="b")), "environment": NEWER},
            "Differs in 2 parameters and in a package, but the same result.",
        ),
        ({}, {"commit": "a" * 40, "code": LATER}, "Same parameters and packages; fit.py +12 −3; the same result."),
        ({}, {"commit": "a" * 40, "code": Code(later=1)}, "Same code, parameters and packages, and the same result."),
        (
            {},
            {"commit": "a" * 40, "code": Code(later=1, scope="files of the steps")},
            "Same files of the steps, parameters and packages, and the same result.",
        ),
        (
            {},
            {"commit": "a" * 40, "code": Code(unknown="aaaaaaa is not in this clone")},
            "Same parameters and packages; commit aaaaaaa is not in this clone; the same result.",
        ),
        (
            {"environment": None},
            {"environment": None, "commit": "a" * 40, "code": Code(unknown="it is gone")},
            "Same parameters and packages; commit it is gone; the same result.",
        ),
        (
            {"environment": None},
            {"parameters": (), "environment": None, "main": 1} | {"process": ProcessRecord("gpu-2", 7)},
            "Differs in 2 parameters and in the machine.",
        ),
        (
            {},
            {"process": ProcessRecord("gpu-2", 7), "cpu_count": 4},
            "Same code, parameters and packages; the machine differs; the same result.",
        ),
        (
            {},
            {"interpreter": "CPython 3.12.1"},
            "Same code, parameters and packages; python CPython 3.11.7 → CPython 3.12.1; the same result.",
        ),
        (
            {"variables": {"OMP_NUM_THREADS": "1"}},
            {"interpreter": "PyPy"},
            "Differs in Python and in an environment variable, but the same result.",
        ),
        (
            {},
            {"status": "failed", "main": None, "failure": Failure("exception", "bad", "ValueError")},
            "Same in everything that is recorded, but 77b0de failed.",
        ),
        (
            {"status": "failed", "main": None, "failure": Failure("exception", "bad", "ValueError")},
            {"status": "failed", "main": None, "failure": Failure("exception", "bad", "ValueError")},
            "Same in everything that is recorded, and both failed.",
        ),
        (
            {"status": "failed", "main": None, "failure": Failure("exception", "bad", "ValueError")},
            {"status": "failed", "main": None, "failure": Failure("exception", "worse", "ValueError")},
            "Same in everything that is recorded, but they failed for different reasons.",
        ),
        (
            {"parameters": (parameter("3"),), "status": "running", "main": None},
            {"parameters": (parameter("4"),), "status": "interrupted", "environment": NEWER},
            "Differs in one parameter and in a package; 5f2c91 is running and 77b0de was interrupted.",
        ),
    ],
)
def test_verdict_is_what_a_person_would_say(first: dict[str, Any], other: dict[str, Any], verdict: str) -> None:
    assert pair(first, other).verdict == verdict


def test_metrics_are_told_where_the_main_result_is_the_same() -> None:
    steps = [(StepRecord("my_exp", "a:b", metrics={"f1": f1, "n": n, "same": 1}),) for f1, n in ((0.5, 1), (0.25, 2))]
    assert pair({"steps": steps[0]}, {"steps": steps[1]}).verdict.endswith(", but 2 metrics differ.")


def test_three_trials_are_compared_to_the_first() -> None:
    given = [{"parameters": (parameter(text),), "main": main} for text, main in (("3", 0.5), ("4", 0.75), ("3", 0.4))]
    found = compare([facts(key, **fields) for key, fields in zip(KEYS, given, strict=True)])
    assert found.verdict == "Same code and packages; degree 3, 4; main differs by up to 0.25."
    assert shown(found) == [
        ("degree", "3", "4", "3"),
        ("main", "0.5", "0.75", "0.4", "+0.25 (+50 %)", "−0.1 (−20 %)"),
    ]
    assert found.table()[2] == ("main", "0.5", "0.75  +0.25 (+50 %)", "0.4  −0.1 (−20 %)")


@given(
    main=st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    metrics=st.dictionaries(st.text(), st.floats() | st.text() | st.lists(st.floats()).map(tuple)),
    status=st.sampled_from(["running", "finished", "failed", "interrupted"]),
    texts=st.lists(st.text(), min_size=9, max_size=9),
    digest=st.none() | st.text(),
    environment=st.none() | st.text(),
    value=st.none() | st.dictionaries(st.text(), st.integers()),
)
def test_trials_of_which_the_same_is_recorded_are_the_same(
    main: Any, metrics: dict[str, Any], status: Any, texts: list[str], digest: Any, environment: Any, value: Any
) -> None:
    fields = {
        "steps": (StepRecord(texts[0], "a:b", metrics=metrics),),
        "parameters": (ParameterRecord(texts[0], texts[1], "lookup", texts[2], digest=digest, summary=texts[3]),),
        "failure": Failure("exception", texts[4]) if status == "failed" else None,
        "variables": {texts[5]: texts[6]},
        "warnings": (texts[7],),
        "commit": texts[8],
        "environment": environment,
        "values": {} if value is None else {f"{texts[0]}.{texts[1]}": encode_value(value)},
    }
    record = {"main": main, "status": status, **fields, "branch": texts[0]}
    found = pair(record, record | {"started": "2026-03-02T00:00:00+00:00", "duration_s": 7.0, "iteration": 3})
    assert [row.name for row in found.rows] == ["started", "took"]
    assert found.verdict.startswith("Same in everything that is recorded, and ")
    assert str(found).isprintable() or "\n" in str(found)


# --- values ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("first", "other", "change"),
    [
        (0.0417, 0.0498, "+0.0081 (+19 %)"),
        (0.97, 0.961, "−0.009 (−0.93 %)"),
        (-2.0, -1.0, "+1 (+50 %)"),
        (0, 3, "+3"),
        (3, 0, "−3 (−100 %)"),
        (1, 40, "+39 (×40)"),
        (40, 1, "−39 (×0.025)"),
        (-1, 40, "+41 (+4100 %)"),
        (1.0, 1.0 + 1e-9, "+1e-09"),
        (1, 1.0, ""),
        (0.0, -0.0, ""),
        (math.nan, 1.0, ""),
        (1.0, math.inf, ""),
        (-1.7e308, 1.7e308, ""),
        (10**400, 1.5, ""),
        (1e-300, 1e300, "+1e+300"),
        (True, 2, ""),
        ("a", "b", ""),
        (None, 1, ""),
        ((1, 2, 3), (1, 5, 3), "1 of 3 differ"),
        ((math.nan, 2), (math.nan, 2), ""),
        ((1, 2), (1, 2, 3), "2 → 3 numbers"),
        ((1, 2), 3, ""),
    ],
)
def test_change_is_told_as_difference_and_ratio(first: Metric, other: Metric, change: str) -> None:
    assert value_change(first, other) == change


@pytest.mark.parametrize(
    ("one", "other", "alike"),
    [
        (1, 1.0, True),
        (1, True, False),
        (False, 0, False),
        (math.nan, math.nan, True),
        (0.0, -0.0, True),
        ("1", 1, False),
        (None, 0, False),
        ((1, math.nan), (1.0, math.nan), True),
        ((1, 2), (1,), False),
        (2**53 + 1, float(2**53), False),
    ],
)
def test_values_are_alike_as_a_person_takes_them(one: Metric, other: Metric, alike: bool) -> None:
    assert are_alike(one, other) is are_alike(other, one) is alike


# --- rows -----------------------------------------------------------------------------------------


def test_results_have_as_many_digits_as_tell_them_apart() -> None:
    assert shown(pair({"main": 4}, {"main": 4.001})) == [("main", "4", "4.001", "+0.001 (+0.025 %)")]
    assert shown(pair({"main": 0.123456}, {"main": 0.4})) == [("main", "0.123", "0.4", "+0.277 (+224 %)")]
    assert shown(pair({"main": None}, {"main": 1})) == [("main", "–", "1")]


def test_main_and_metrics_are_called_as_they_are_registered() -> None:
    steps = (StepRecord("my_exp", "a:b", main_name="accuracy", metrics={"f1": 1}),)
    found = pair({"steps": steps, "main": 1}, {"steps": steps, "main": 2})
    assert found.rows[0].label == "accuracy"
    assert found.verdict.endswith("accuracy differs by 1.")
    assert "f1 1" in found.said_once
    assert pair({"steps": steps}, {"main": 2}).rows[0].label == "main"


def test_parts_of_values_that_differ_stand_below_the_parameter() -> None:
    models = [{"alpha": alpha, "deep": {"n": [1, n]}, "same": 3} for alpha, n in ((0.1, 2), (1.0, 3))]
    found = pair(
        {"parameters": (variant("ridge", 1),), "values": {"my_exp.noise": encode_value(models[0])}},
        {"parameters": (variant("ridge", 2),), "values": {"my_exp.noise": encode_value(models[1])}},
    )
    assert shown(found) == [("noise", "ridge", "ridge"), ("alpha", "0.1", "1.0"), ("deep.n[1]", "2", "3")]
    assert [(row.name, row.level) for row in found.rows][1:3] == [
        ("values.my_exp.noise.alpha", 1),
        ("values.my_exp.noise.deep.n[1]", 1),
    ]
    assert found.verdict == "Same code and packages; noise differs; the same result."


def test_the_only_part_that_differs_is_in_the_verdict() -> None:
    values = [{"my_exp.noise": encode_value({"alpha": alpha, "b": 1})} for alpha in (0.1, 1.0)]
    found = pair(
        {"parameters": (variant("ridge", 1),), "values": values[0]},
        {"parameters": (variant("ridge", 2),), "values": values[1]},
    )
    assert found.verdict == "Same code and packages; noise.alpha 0.1 → 1.0; the same result."


def test_parts_that_one_value_lacks_or_that_say_more_than_their_text() -> None:
    values = [{"a": b"x" * 500, "gone": 1}, {"a": b"x" * 500 + b"y", "new": 2}, {"a": b"x" * 500, "gone": 1}]
    trials = [
        facts(key, parameters=(variant(f"v{n}", n % 2),), values={"my_exp.noise": encode_value(value)})
        for n, (key, value) in enumerate(zip(KEYS, values, strict=True))
    ]
    rows = {row.label: row for row in compare(trials).rows}
    assert rows["gone"].texts == ("1", "–", "1")
    assert rows["new"].texts == ("–", "2", "–")
    assert rows["a"].differences[0].startswith("differs from byte 500") and rows["a"].differences[1] == ""


def test_many_parts_are_counted() -> None:
    values = [{"my_exp.noise": encode_value({f"k{n}": n + more for n in range(2_000)})} for more in (0, 1)]
    found = pair(
        {"parameters": (variant("a", 1),), "values": values[0]}, {"parameters": (variant("b", 2),), "values": values[1]}
    )
    parts = [row for row in found.rows if row.level]
    assert len(parts) == 101 and parts[-1].label == "… and 1,900 more"


@pytest.mark.parametrize("values", [{}, {"my_exp.noise": b"\xff"}, {"my_exp.noise": encode_value(1)}])
def test_value_that_is_not_known_or_has_no_parts_is_told_as_text(values: dict[str, bytes]) -> None:
    other = {"my_exp.noise": encode_value(2)}
    found = pair(
        {"parameters": (variant("low", 1),), "values": values}, {"parameters": (variant("low", 2),), "values": other}
    )
    assert shown(found) == [("noise", "low = 1", "low = 2")]


def test_parts_are_left_out_where_one_of_the_values_has_none() -> None:
    values = [{"my_exp.noise": encode_value(value)} for value in ({"a": 1}, {"a": 2}, 3)]
    trials = [
        facts(key, parameters=(variant(f"v{n}", n),), values=value)
        for n, (key, value) in enumerate(zip(KEYS, values, strict=True))
    ]
    assert shown(compare(trials)) == [("noise", "v0 = 0", "v1 = 1", "v2 = 2")]


def test_parameters_of_one_meaning_that_are_spelled_differently() -> None:
    found = pair({"parameters": (variant("low", 1),)}, {"parameters": (parameter("1", name="noise", digest="d-1"),)})
    assert shown(found) == [("noise", "low = 1", "1", "the same value")]
    assert found.verdict == "Same code, parameters and packages, and the same result."
    same = pair(
        {"parameters": (parameter("100"),)}, {"parameters": (parameter("10 ** 2", digest="d-100", summary="100"),)}
    )
    assert shown(same) == [] and "degree 100" in same.said_once


def test_defaults_are_told_only_where_they_differ() -> None:
    default = parameter("7", name="seed", kind="default")
    assert "seed" not in pair({"parameters": (default,)}, {"parameters": (default,)}).said_once
    found = pair({"parameters": (default,)}, {"parameters": (parameter("8", name="seed"),)})
    assert shown(found) == [("seed", "7 (default)", "8")]


def test_parameters_without_digest_are_compared_by_their_texts() -> None:
    untracked = [parameter(text, tracked=False, digest=None, summary=text) for text in ("<a>", "<a>", "<b>")]
    assert shown(pair({"parameters": untracked[:1]}, {"parameters": untracked[1:2]})) == []
    assert shown(pair({"parameters": untracked[:1]}, {"parameters": untracked[2:]})) == [("degree", "<a>", "<b>")]


def test_values_whose_texts_are_cut_are_told_by_their_digests() -> None:
    long = [parameter("f()", digest=digest * 40, summary="'aaa…' (500 characters)") for digest in "ef"]
    found = pair({"parameters": (long[0],)}, {"parameters": (long[1],)})
    text = "'aaa…' (500 characters)"
    assert shown(found) == [("degree", f"{text} (eeeeee)", f"{text} (ffffff)")]


def test_steps_are_named_where_a_name_is_not_enough() -> None:
    both = tuple(parameter(text, step=step) for step, text in (("data", "1"), ("fit", "2")))
    other = tuple(parameter(text, step=step) for step, text in (("data", "1"), ("fit", "3")))
    found = pair({"parameters": both}, {"parameters": other})
    assert shown(found) == [("fit.degree", "2", "3")]
    assert "data.degree 1" in found.said_once


def test_different_experiments_are_compared_by_the_names_that_parameters_have_in_their_steps() -> None:
    found = pair(
        {"experiment": "fit", "parameters": (parameter("3", step="fit"), parameter("1", step="fit", name="a"))},
        {"experiment": "refit", "parameters": (parameter("3", step="refit"), parameter("2", step="refit", name="a"))},
    )
    assert shown(found) == [("experiment", "fit", "refit"), ("a", "1", "2")]
    assert found.verdict == "Differs in the experiment and in one parameter, but the same result."
    twice = (parameter("3", step="data"), parameter("3", step="fit"))
    apart = pair({"experiment": "x", "parameters": twice}, {"experiment": "y", "parameters": (parameter("3"),)})
    assert [row.label for row in apart.rows][1:4] == ["data.degree", "fit.degree", "my_exp.degree"]


def test_code_is_told_by_commits_and_files() -> None:
    code = Code(2, 3, {"fit.py": (12, 3), "model.bin": None}, "files of the steps")
    assert shown(pair({}, {"commit": "a" * 40, "code": code})) == [
        ("commit", "c" * 7, "a" * 7, "diverged: +3 −2 commits"),
        ("files of the steps", "", "", "2 differ"),
        ("fit.py", "", "", "+12 −3"),
        ("model.bin", "", "", "differs"),
    ]
    assert shown(pair({}, {"commit": "a" * 40, "code": Code(1)})) == [
        ("commit", "c" * 7, "a" * 7, "1 commit earlier"),
        ("imported files", "", "", "none differs"),
    ]
    gone = Code(unknown="aaaaaaa is not in this clone")
    assert shown(pair({}, {"commit": "a" * 40, "code": gone})) == [("commit", "c" * 7, "a" * 7, gone.unknown)]


def test_packages_are_told_by_version_or_by_where_they_come_from() -> None:
    other = "# PyPy\nnumpy==2.0.0\nnew-one==1\n-e /lab  # lab==1.0, commit bbbb\nnonsense @ x\n"
    found = pair({}, {"environment": other})
    assert shown(found) == [
        ("lab", "-e /lab  # lab==1.0, commit aaaa", "-e /lab  # lab==1.0, commit bbbb"),
        ("new-one", "–", "1"),
        ("nonsense @ x", "–", "nonsense @ x"),
        ("scikit-learn", "1.5.2", "–"),
    ]
    assert "1 package ·" in found.said_once
    assert shown(pair({"environment": "A_b==1\n"}, {"environment": "a-B==2\n"})) == [("a-b", "1", "2")]


def test_environment_that_is_not_known_is_told_by_its_digest() -> None:
    facts_of = [facts(key, environment=None) for key in KEYS[:2]]
    other = TrialFacts(facts_of[1].record.with_changes(environment="e" * 40), "finished")
    found = compare([facts_of[0], other], ["packages were not compared"])
    known = facts_of[0].record.environment[:7]
    assert shown(found) == [("environment", known, "e" * 7)]
    assert found.verdict == f"Same code and parameters; environment {known} → eeeeeee; the same result."
    assert found.problems == ("packages were not compared",)


def test_trial_whose_process_is_gone_is_lost() -> None:
    lost = TrialFacts(finished(KEYS[1], status="running", main=None), "lost", environment=PACKAGES)
    found = compare([facts(), lost])
    assert ("status", "finished", "lost") in shown(found)
    assert found.verdict == "Same in everything that is recorded, but 77b0de is lost."


def test_times_are_told_by_ratio_and_by_the_time_between() -> None:
    found = pair(
        {"peak_memory_bytes": 10**8}, {"duration_s": 2.5, "started": "2026-03-01T14:00:01+00:00", "cpu_s": 1.0}
    )
    assert [(row.label, row.texts[1], row.differences[0]) for row in found.rows if row.label != "started"] == [
        ("took", "2.5 s", "+150 %"),
        ("cpu", "1.0 s", ""),
        ("memory", "–", ""),
    ]
    assert found.rows[0].differences == ("2 h 0 min later",)
    soon = pair({"duration_s": 1.01}, {"started": "2026-03-01T12:00:00.523456+00:00", "duration_s": 1.02})
    assert [(row.label, row.differences) for row in soon.rows] == [("started", ("0.4 s later",))]


def test_warnings_and_variables_are_told() -> None:
    found = pair({"variables": {"TZ": "UTC", "LANG": "C"}}, {"variables": {"LANG": "C"}, "warnings": ("a\nb", "c")})
    assert shown(found) == [("TZ", "UTC", "–"), ("warnings", "–", "a b; c")]
    assert [row.name for row in found.rows][:2] == ["variables.TZ", "warnings"]


# --- as text --------------------------------------------------------------------------------------

HOSTILE = "a\x1b[2J\u202e\n|<script>`*_@x\\"


def hostile() -> Comparison:
    """Trials whose every text is, and differs."""
    return compare(
        [
            facts(
                key,
                main=f"{HOSTILE}{key}",
                parameters=(variant(f"{HOSTILE}{key}", f"{HOSTILE}{key}", HOSTILE), variant(HOSTILE, HOSTILE, "same")),
                steps=(StepRecord(HOSTILE, "a:b", metrics={HOSTILE: f"{HOSTILE}{key}"}, main_name=HOSTILE),),
                variables={HOSTILE: f"{HOSTILE}{key}"},
                warnings=(f"{HOSTILE}{key}",),
                process=ProcessRecord(f"{HOSTILE}{key}", 1),
                commit=f"{HOSTILE}{key}",
                code=Code(files={f"{HOSTILE}{key}": (1, 1)}),
                environment=f"{HOSTILE}==1{HOSTILE}{key}\nx{HOSTILE[:3]}==1{key}\n",
            )
            for key in KEYS[:2]
        ]
    )


def test_texts_of_a_comparison_are_harmless() -> None:
    found = hostile()
    assert len(found.rows) > 8
    for text in (str(found), found.markdown(), found.said_once, found.verdict):
        assert all(line.isprintable() for line in text.split("\n"))
    assert all(text.isprintable() for line in found.table() for text in line)


def test_markdown_is_a_table_whatever_the_texts() -> None:
    lines = hostile().markdown().split("\n")
    rows = [line for line in lines if line.startswith("|")]
    assert rows[1] == "|---|---|---|---|"
    for row in rows:
        plain = row.replace("\\\\", "").replace("\\|", "")
        assert plain.count("|") == 5
        assert "<" not in plain.replace("\\<", "")


def test_html_is_a_table_whatever_the_texts() -> None:
    tags: list[str] = []

    class Parser(html.parser.HTMLParser):
        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            tags.append(tag)

    found = hostile()
    Parser().feed(found._repr_html_())
    assert set(tags) == {"p", "table", "tr", "th", "td"}
    assert tags.count("tr") == len(found.rows) + 1
    assert tags.count("td") == 3 * len(found.rows)
    assert pair({}, {"main": 2})._repr_html_().count("<td>+1.5 (+300 %)</td>") == 1


def test_text_is_a_table_between_what_is_the_same_and_the_verdict() -> None:
    found = pair({"parameters": (parameter("3"),)}, {"parameters": (parameter("40"),), "main": 1})
    assert str(found).split("\n") == [
        f"same: experiment my_exp · commit {'c' * 7} · 3 packages · host engine",
        "          5f2c91  77b0de",
        "  degree  3       40",
        "  main    0.5     1       +0.5 (+100 %)",
        "Same code and packages; degree 3 → 40; main differs by 0.5.",
    ]


def test_much_that_is_the_same_is_cut_short() -> None:
    many = {"parameters": tuple(parameter(str(n), name=f"p{n}") for n in range(30))}
    assert pair(many, many).said_once.endswith(" · and 15 more")


def test_keys_that_begin_alike_are_shown_whole() -> None:
    found = compare([facts("5f2c91000000"), facts("5f2c91000001", main=1)])
    assert found.headings == ("5f2c91000000", "5f2c91000001")


@pytest.mark.parametrize("width", [60, 80, 120])
def test_narrow_table_shows_what_differs(width: int) -> None:
    long = "models.with_a_very_long_common_beginning_of_their_names_and_more." * 3
    found = pair(
        {"parameters": (parameter(f"{long}first"),), "main": "x" * 300, "branch": "y" * 500},
        {"parameters": (parameter(f"{long}other"),), "main": 1, "branch": "z" * 500},
    )
    lines = found.table(width)
    assert all(sum(map(len, line)) + 2 * len(line) <= width for line in lines)
    assert lines[1][1].startswith("…") and lines[1][1].endswith("first") and lines[1][2].endswith("other")
    assert len(str(found).split("\n")[2]) > 400


def test_row_without_cells_is_blank_and_one_without_some_says_so() -> None:
    assert Row("files", "files", (None, None)).texts == ("", "")
    assert pair({"cpu_s": None}, {"cpu_s": 1.0}).rows[-1].texts == ("–", "1.0 s")
