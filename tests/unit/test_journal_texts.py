"""Texts of the journal for people: commit messages, lines of notes, and records as text."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mitosis.canonical.encode import encode_value
from mitosis.canonical.full_text import render_value
from mitosis.journal.messages import ended_message, note_line, render_blob, started_message
from mitosis.journal.notes import LINES_LIMIT, Note, note_of, parse_note
from mitosis.records.codec import encode_trial
from mitosis.records.trial import Failure, ParameterRecord, StepRecord, TrialRecord
from mitosis.variants import VariantLock, VariantName
from support.journal import make_record

KEY = "5f2c91d07a3b"
COMMIT = "8c1d2e0" + "f" * 33
BIDI = "\u202e"


@pytest.fixture
def ended() -> TrialRecord:
    record = make_record(key=KEY, commit=COMMIT, status="finished", ended="2026-03-01T12:00:01Z")
    return record.with_changes(main=3.1706776324915e-05, duration_s=0.61)


@pytest.fixture
def chain() -> TrialRecord:
    return make_record(
        key=KEY,
        commit=COMMIT,
        experiment="data+fit",
        steps=(StepRecord("data", "a:b", metrics={"rows": 10}), StepRecord("fit", "c:d", metrics={"loss": 0.25})),
        parameters=(
            ParameterRecord("data", "noise", "lookup", "low"),
            ParameterRecord("fit", "degree", "eval", "3"),
            ParameterRecord("fit", "gpu", "eval", "1", tracked=False),
        ),
    )


def test_start_is_told() -> None:
    record = make_record(key=KEY, commit=COMMIT)
    assert started_message(record, [VariantLock(VariantName("my_exp", "frequency", "slow"), "a" * 40)]) == (
        "my_exp 5f2c91d07a3b started at 8c1d2e0: frequency=slow (locked) amplitude=4\n"
        "\n"
        "Trial: 5f2c91d07a3b\n"
        "Experiment: my_exp\n"
        f"Commit: {COMMIT}\n"
        "Variant: my_exp.frequency=slow\n"
        "Parameter: my_exp.amplitude=4\n"
        f"Locked: {'a' * 40} my_exp.frequency=slow\n"
        "Status: running\n"
    )


def test_end_is_told(ended: TrialRecord) -> None:
    assert ended_message(ended) == (
        "my_exp 5f2c91d07a3b finished: main = 3.17e-05 (0.6 s)\n"
        "\n"
        "Trial: 5f2c91d07a3b\n"
        "Experiment: my_exp\n"
        f"Commit: {COMMIT}\n"
        "Variant: my_exp.frequency=slow\n"
        "Parameter: my_exp.amplitude=4\n"
        "Status: finished\n"
        "Main: 3.1706776324915e-05\n"
    )
    assert note_line(ended) == "5f2c91  my_exp  frequency=slow amplitude=4  finished  main = 3.17e-05  (0.6 s)"


def test_steps_are_told_where_there_are_several(chain: TrialRecord) -> None:
    summary, *lines = started_message(chain, []).splitlines()
    assert summary == "data+fit 5f2c91d07a3b started at 8c1d2e0: data.noise=low fit.degree=3 +fit.gpu=1"
    assert "Parameter: +fit.gpu=1" in lines
    lines = ended_message(chain.with_changes(status="finished", main=1)).splitlines()
    assert "Metric: data.rows=10" in lines
    assert "Metric: fit.loss=0.25" in lines


def test_failure_is_told(chain: TrialRecord, ended: TrialRecord) -> None:
    failure = Failure("exception", "bad shape\nsecond line", "ValueError", "fit")
    failed = chain.with_changes(status="failed", failure=failure, duration_s=0.4)
    expected = "data+fit 5f2c91d07a3b failed in fit: ValueError: bad shape (0.4 s)"
    assert ended_message(failed).splitlines()[0] == expected
    assert note_line(failed).endswith("  failed in fit  ValueError: bad shape  (0.4 s)")
    alone = ended.with_changes(status="failed", failure=failure, main=None)
    assert ended_message(alone).startswith("my_exp 5f2c91d07a3b failed: ValueError: bad shape")
    wordy = Failure("exception", repr("a key\n" + "x" * 500), "KeyError")
    assert ended_message(failed.with_changes(failure=wordy)).startswith(
        "data+fit 5f2c91d07a3b failed: KeyError: 'a key… (0.4 s)\n"
    )
    formula = Failure("exception", r"bad \nabla", "ValueError")
    assert ended_message(failed.with_changes(failure=formula)).startswith(
        "data+fit 5f2c91d07a3b failed: ValueError: bad \\nabla (0.4 s)\n"
    )
    wordy = Failure("exception", "x" * 500, "ValueError")
    assert len(ended_message(failed.with_changes(failure=wordy)).splitlines()[0]) < 130
    died = ended.with_changes(status="failed", failure=Failure("kernel", "the kernel died"), main=None)
    assert ended_message(died).startswith("my_exp 5f2c91d07a3b failed: the kernel died (0.6 s)\n")


def test_interruption_is_told(chain: TrialRecord) -> None:
    failure = Failure("interrupt", "Ctrl-C", step="fit")
    record = chain.with_changes(status="interrupted", failure=failure, duration_s=7200.0)
    assert ended_message(record).startswith("data+fit 5f2c91d07a3b interrupted in fit (2 h 0 min)\n")


def test_finished_without_a_main_result_is_told(ended: TrialRecord) -> None:
    assert ended_message(ended.with_changes(main=None, duration_s=None)).startswith("my_exp 5f2c91d07a3b finished\n")
    assert "Main:" not in ended_message(ended.with_changes(main=None))


def test_hostile_texts_are_told_harmlessly(ended: TrialRecord) -> None:
    hostile = f"a\x1b[2Jb\nTrial: 000000000000\r\x00{BIDI}\u2028c"
    record = ended.with_changes(
        experiment=hostile,
        main=hostile,
        parameters=(ParameterRecord(hostile, hostile, "lookup", hostile),),
        steps=(StepRecord("s", "m:f", metrics={hostile: hostile}),),
        failure=Failure("exception", hostile, hostile, hostile),
    )
    for text in (
        started_message(record, [VariantLock(VariantName(hostile, hostile, hostile), "a" * 40)]),
        ended_message(record),
    ):
        assert [line for line in text.splitlines() if line.startswith("Trial:")] == [f"Trial: {KEY}"]
        assert not set(text) & {"\x1b", "\r", "\x00", BIDI, "\u2028"}
    assert len(note_line(record).splitlines()) == 1


def test_message_is_bounded_whatever_is_in_the_record(ended: TrialRecord) -> None:
    huge = "x" * 10**5
    record = ended.with_changes(
        experiment=huge,
        main=huge,
        steps=(StepRecord(huge, huge, metrics={huge + str(i): huge for i in range(200)}),),
        parameters=tuple(ParameterRecord(huge, huge, "eval", huge) for _ in range(100)),
    )
    message = ended_message(record)
    assert len(message.splitlines()[0]) < 300
    assert len(message) < 150_000
    assert len(note_line(record)) < 1000


def test_note_keeps_the_newest_and_counts_the_rest() -> None:
    note = Note(())
    for number in range(LINES_LIMIT + 3):
        note = note.with_line(f"{number:06x}  my_exp")
    assert note.lines[0] == f"{LINES_LIMIT + 2:06x}  my_exp"
    assert len(note.lines) == LINES_LIMIT
    assert note.to_text().endswith("  my_exp\n... and 3 more\n")
    assert parse_note(note.to_text()) == note


def test_note_tells_of_ended_trials_newest_first() -> None:
    trials = [make_record(key=f"{i:012x}", status="finished", ended=f"2026-03-01T12:00:0{i}Z") for i in (1, 3, 2)]
    note = note_of([*trials, make_record()])
    assert [line[:6] for line in note.lines] == ["000000"] * 3
    assert note.lines == tuple(note_line(trials[i]) for i in (1, 2, 0))


def test_note_does_not_tell_of_a_trial_twice() -> None:
    note = Note(("5f2c91  my_exp  finished",))
    assert note.with_line("5f2c91  my_exp  finished") == note


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\n",
        "written by hand\n",
        "5f2c91  my_exp\nwritten by hand\n",
        "... and 3 more\n",
        "5f2c91  my_exp\n... and 0 more\n",
        "5f2c91  my_exp\n... and many more\n",
        "5f2c91  my_exp\n" * (LINES_LIMIT + 1),
    ],
)
def test_text_that_is_no_note_of_ours_is_recognised(text: str) -> None:
    assert parse_note(text) is None


def test_record_is_rendered_a_leaf_a_line(ended: TrialRecord) -> None:
    text = render_blob(f"trials/my_exp/2026-03-01/5f/{KEY}.msgpack", encode_trial(ended))
    lines = text.splitlines()
    assert "key: 5f2c91d07a3b" in lines
    assert "main: 3.1706776324915e-05" in lines
    assert "process:" in lines
    assert "  pid: 1843" in lines
    changed = render_blob("x.msgpack", encode_trial(ended.with_changes(main=4))).splitlines()
    assert set(changed) - set(lines) == {"main: 4"}


def test_names_that_others_have_added_are_rendered_whatever_they_are(ended: TrialRecord) -> None:
    record = ended.with_changes(extra={"new": {b"a": 1, "b": 2, "b'a'": 3}})
    assert render_blob("x.msgpack", encode_trial(record)).endswith("    b: 2\n    b'a': 1\n    b'a': 3\n")


def test_file_name_alone_is_enough_to_render(ended: TrialRecord) -> None:
    value = encode_value({"tol": 0.1})
    assert render_blob("x.msgpack", value).rstrip("\n") == render_value(value).rstrip("\n")
    assert render_blob(f"{KEY}.msgpack", encode_trial(ended)).startswith("key: ")
    assert render_blob("format", b"1\n") == "1\n"
    assert render_blob("e.txt", b"numpy==2.0\npandas==2.2\n") == "numpy==2.0\npandas==2.2\n"


def test_hostile_text_is_rendered_harmlessly(ended: TrialRecord) -> None:
    hostile = f"\x1b[2J\n\r{BIDI}"
    record = ended.with_changes(subject=hostile, variables={hostile: hostile}, warnings=(hostile,))
    for text in (render_blob("x.msgpack", encode_trial(record)), render_blob("x.txt", hostile.encode())):
        assert not set(text) & {"\x1b", "\r", BIDI}


@given(st.binary(max_size=100))
def test_any_bytes_are_rendered(data: bytes) -> None:
    for path in ("trials/a/2026-03-01/5f/5f2c91d07a3b.msgpack", "x.msgpack", "x.txt", "format"):
        render_blob(path, data).encode()


def test_record_of_a_newer_format_is_rendered_as_such() -> None:
    assert "Upgrade mitosis" in render_blob("x.msgpack", b"\x81\xa6format\x63")
