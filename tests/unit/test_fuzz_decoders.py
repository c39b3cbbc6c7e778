"""A slice of what `tests/fuzz/fuzz_decoders.py` does at length, and what it has found."""

from __future__ import annotations

import msgpack
import pytest

from fuzz.fuzz_decoders import HOSTILE_TEXTS, MADE_UP, RECORD, TARGETS, Found, Target, fuzz, read_record
from mitosis.canonical.full_text import render_value
from mitosis.canonical.show import summarize_value
from mitosis.errors.journal import JournalError
from mitosis.errors.repository import UnreadableObject
from mitosis.journal import layout
from mitosis.journal.messages import ended_message, note_line, started_message
from mitosis.records.codec import encode_trial
from mitosis.text import format_moment


def test_damaged_bytes_end_in_a_value_or_an_error_of_ours() -> None:
    tallies = fuzz(1500, seed=7)
    for name, tally in tallies.items():
        assert tally.inputs > 40, name
        # Where nothing is ever accepted, nothing but the first check is tested.
        assert tally.accepted > 0, name


def test_fuzzer_notices_what_it_looks_for(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(data: bytes) -> None:
        raise KeyError("oh")

    monkeypatch.setitem(TARGETS, "note", Target([b"seed"], fail))
    with pytest.raises(Found, match=r"note: KeyError: 'oh'\nb'"):
        fuzz(50, seed=1, only="note")


@pytest.mark.parametrize("text", HOSTILE_TEXTS)
def test_texts_for_git_hold_no_control_characters(text: str) -> None:
    record = RECORD.with_changes(key=text, commit=text, experiment=text, author=text)
    read_record(encode_trial(record))
    assert note_line(record).isprintable()
    for message in (started_message(record, ()), ended_message(record)):
        assert all(line.isprintable() for line in message.split("\n"))


@pytest.mark.parametrize("time", ["0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59.999999-23:59"])
def test_time_that_is_out_of_range_elsewhere_is_shown_as_it_is(time: str) -> None:
    assert format_moment(time, relative=False) == format_moment(time, relative=True) == time[:32]
    with pytest.raises(JournalError, match="no place in the journal"):
        layout.trial_folder("my_exp", time)


def test_method_without_its_object_is_shown_as_any_record() -> None:
    data = msgpack.packb([1, msgpack.ExtType(1, b"\0"), [5, "method", ".__name__", "make"]])
    assert summarize_value(data) == "method(__name__='make')"
    assert "make" in render_value(data)


def test_tree_with_a_path_for_a_name_is_damaged() -> None:
    tree = b"40000 a/../b\0" + b"\x11" * 20
    with pytest.raises(UnreadableObject, match="do not add up"):
        MADE_UP.with_tree(tree).read_entries("1" * 40)


@pytest.mark.parametrize("kind", [0, 1, 2])
def test_frame_without_columns_is_shown_as_any_record(kind: int) -> None:
    frame = [5, "pandas.DataFrame", "items", msgpack.ExtType(1, b"\1")]
    data = msgpack.packb([1, msgpack.ExtType(1, b"\0"), frame, [kind, "list", 7]])
    assert "7" in summarize_value(data)
