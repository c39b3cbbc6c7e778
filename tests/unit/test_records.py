"""Records to and from msgpack: what is written comes back, and bytes from anywhere end in a record or a BadRecord."""

from __future__ import annotations

import dataclasses
import math
import struct
import tracemalloc
import typing
from typing import Any

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mitosis.errors.journal import BadRecord, FormatTooNew
from mitosis.records.codec import FORMAT, MAX_RECORD_BYTES, MAX_RECORD_ITEMS, decode_trial, encode_trial
from mitosis.records.trial import Better, Failure, Output, ParameterRecord, ProcessRecord, StepRecord, TrialRecord
from support.journal import make_record

numbers = st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False)
main_results = st.none() | st.booleans() | numbers | st.text()
counts = st.integers(0, 2**63)
# msgpack gives back what it can hold: text keys, lists for sequences.
plain = st.recursive(
    st.none() | st.booleans() | numbers | st.text() | st.binary(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)
unknown_names = st.text(alphabet="xyz", min_size=1).map(lambda name: f"new_{name}")
extras = st.dictionaries(unknown_names, plain, max_size=2)
no_extra_or_some = st.none() | st.dictionaries(unknown_names, plain, min_size=1, max_size=2)
BY_TYPE: dict[Any, st.SearchStrategy[Any]] = {
    str: st.text(),
    str | None: st.none() | st.text(),
    bool: st.booleans(),
    int: counts,
    int | None: st.none() | counts,
    float | None: st.none() | st.floats(allow_nan=False),
    Better | None: st.sampled_from(["higher", "lower", None]),
}


def made(cls: type, **special: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Records with any value in all their fields, some of them special."""
    hints = typing.get_type_hints(cls)
    names = [field.name for field in dataclasses.fields(cls)]
    return st.builds(cls, **{name: special[name] if name in special else BY_TYPE[hints[name]] for name in names})


def several(items: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.lists(items, max_size=2).map(tuple)


metrics = st.dictionaries(st.text(), main_results, max_size=3)
steps = made(StepRecord, main=main_results, metrics=metrics, extra=no_extra_or_some)
parameters = made(ParameterRecord, kind=st.sampled_from(["lookup", "eval"]), extra=no_extra_or_some)
records = made(
    TrialRecord,
    steps=several(steps),
    parameters=several(parameters),
    status=st.sampled_from(["running", "finished", "failed", "interrupted"]),
    process=made(ProcessRecord, extra=no_extra_or_some),
    main=main_results,
    failure=st.none() | made(Failure, extra=no_extra_or_some),
    imported=several(st.text()),
    warnings=several(st.text()),
    command=several(st.text()),
    variables=st.dictionaries(st.text(), st.text(), max_size=2),
    outputs=several(made(Output, extra=no_extra_or_some)),
    extra=extras,
)


def exactly(value: Any) -> Any:
    """The value in a form in which 1, 1.0 and True differ."""
    if dataclasses.is_dataclass(value):
        return [(field.name, exactly(getattr(value, field.name))) for field in dataclasses.fields(value)]
    if isinstance(value, dict):
        return {name: exactly(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [type(value).__name__, *map(exactly, value)]
    return type(value).__name__, value


def fields_of(record: TrialRecord) -> dict[str, Any]:
    """What anybody reads in the record's bytes."""
    fields = msgpack.unpackb(encode_trial(record))
    assert isinstance(fields, dict)
    return fields


def nested(depth: int) -> list[Any]:
    return [nested(depth - 1)] if depth else []


def packed(fields: dict[Any, Any]) -> bytes:
    data = msgpack.packb(fields)
    assert isinstance(data, bytes)
    return data


@given(records)
def test_decoding_gives_back_what_was_encoded(record: TrialRecord) -> None:
    decoded = decode_trial(encode_trial(record), "x")
    assert exactly(decoded) == exactly(record)
    assert encode_trial(decoded) == encode_trial(record)


def test_record_is_a_mapping_that_a_stranger_can_read() -> None:
    assert fields_of(make_record(key="5f2c91d07a3b", environment="d" * 40)) == {
        "format": FORMAT,
        "key": "5f2c91d07a3b",
        "experiment": "my_exp",
        "steps": [{"name": "my_exp", "action": "sine_experiment:run", "lookup": "sine_experiment:lookup_dict"}],
        "parameters": [
            {
                "step": "my_exp",
                "name": "frequency",
                "kind": "lookup",
                "text": "slow",
                "digest": "a" * 40,
                "summary": "1",
            },
            {"step": "my_exp", "name": "amplitude", "kind": "eval", "text": "4", "digest": "b" * 40, "summary": "4"},
        ],
        "commit": "c" * 40,
        "status": "running",
        "iteration": 0,
        "started": "2026-03-01T12:00:00.123456+00:00",
        "author": "Ada Lovelace <ada@example.org>",
        "process": {"host": "engine", "pid": 1843},
        "environment": "d" * 40,
    }


def test_decoded_record_is_frozen_in_all_its_parts() -> None:
    record = decode_trial(encode_trial(make_record(outputs=(Output("x", 1, "a" * 40),))), "x")
    for part in (record, record.steps[0], record.parameters[0], record.process, record.outputs[0]):
        with pytest.raises(dataclasses.FrozenInstanceError):
            part.extra = None  # type: ignore[misc]


def test_numbers_that_are_not_finite_come_back() -> None:
    for main in (math.inf, -math.inf, math.nan):
        decoded = decode_trial(encode_trial(make_record(main=main, duration_s=main)), "x")
        assert isinstance(decoded.main, float)
        assert struct.pack("d", decoded.main) == struct.pack("d", main)


def test_integer_beyond_64_bits_is_kept_as_text() -> None:
    step = StepRecord("fit", "m:f", main=-(2**63) - 1, metrics={"count": 10**30, "huge": 1 << 100_000})
    decoded = decode_trial(encode_trial(make_record(main=2**64, steps=(step,))), "x")
    assert decoded.main == str(2**64)
    assert decoded.steps[0].main == str(-(2**63) - 1)
    assert decoded.steps[0].metrics == {"count": str(10**30), "huge": "an integer of 100001 bits"}


def test_text_that_is_not_unicode_is_escaped() -> None:
    record = make_record(trials_folder="/data/caf\udce9", outputs=(Output("caf\udce9.txt", 1, "a" * 40),))
    decoded = decode_trial(encode_trial(record), "x")
    assert decoded.trials_folder == "/data/caf\\udce9"
    assert decoded.outputs[0].path == "caf\\udce9.txt"


def test_record_that_could_not_be_read_again_is_not_written() -> None:
    with pytest.raises(BadRecord, match="too large"):
        encode_trial(make_record(subject="x" * MAX_RECORD_BYTES))
    with pytest.raises(BadRecord, match="too large"):
        encode_trial(make_record(outputs=(Output("x", 1, "a"),) * (MAX_RECORD_ITEMS + 1)))


def test_unknown_fields_are_kept_and_written_back() -> None:
    fields = fields_of(make_record())
    fields |= {"energy_j": 3.5, "extra": 1}
    fields["steps"][0]["gpu"] = ["A100", 2]
    fields["process"]["container"] = {"image": "x"}
    decoded = decode_trial(packed(fields), "x")
    assert decoded.extra == {"energy_j": 3.5, "extra": 1}
    assert decoded.parameters[0].extra is None
    assert fields_of(decoded.with_changes(status="finished")) == fields | {"status": "finished"}


def test_newer_format_is_refused() -> None:
    with pytest.raises(FormatTooNew, match="Upgrade mitosis") as caught:
        decode_trial(packed(fields_of(make_record()) | {"format": FORMAT + 1}), "trials/x")
    assert (caught.value.what, caught.value.version, caught.value.known) == ("trials/x", FORMAT + 1, FORMAT)


@pytest.mark.parametrize("version", [0, True, None, "1"])
def test_nonsense_format_is_refused(version: object) -> None:
    with pytest.raises(BadRecord, match="does not say its format"):
        decode_trial(packed(fields_of(make_record()) | {"format": version}), "x")


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("key", 5, "key is int 5"),
        ("key", b"abc", "key is bytes"),
        ("status", "lost", "status is str 'lost'"),
        ("status", ["running"], "status is list"),
        ("iteration", True, "iteration is bool"),
        ("duration_s", "1", "duration_s is str"),
        ("main", [1], "main is list"),
        ("steps", {}, "steps is dict"),
        ("steps", [3], r"steps\[0\] is int"),
        ("steps", [{"name": "a", "action": "b"}, {"name": "a"}], r"steps\[1\]\.action is missing"),
        ("steps", [{"name": "a", "action": "b", "metrics": {"x": ["1"]}}], r"steps\[0\]\.metrics\.x\[0\] is str"),
        ("process", {"host": "a"}, r"process\.pid is missing"),
        ("failure", "boom", "failure is str"),
        ("warnings", ["a", 1], r"warnings\[1\] is int"),
        ("variables", {b"A": "1"}, "variables is bytes"),
        ("iteration", "x" * 2**20, "iteration is str 'xxx"),
        ("deep", nested(200), "deep is too deeply nested"),
    ],
    ids=lambda value: None if len(repr(value)) < 60 else "large",
)
def test_field_of_a_wrong_type_is_named(field: str, value: object, said: str) -> None:
    with pytest.raises(BadRecord, match=said) as caught:
        decode_trial(packed(fields_of(make_record()) | {field: value}), "trials/x")
    assert caught.value.where == "trials/x"
    assert len(str(caught.value)) < 200


def test_missing_field_is_named() -> None:
    for name in fields_of(make_record()).keys() - {"format"}:
        fields = fields_of(make_record())
        del fields[name]
        with pytest.raises(BadRecord, match=f"{name} is missing"):
            decode_trial(packed(fields), "x")


@pytest.mark.parametrize("data", [b"", b"\xc1", b"\x01", b"\xa3abc", b"\x93\x01\x02\x03", packed({1: 2})])
def test_bytes_that_are_no_record_are_refused(data: bytes) -> None:
    with pytest.raises(BadRecord):
        decode_trial(data, "x")


def test_record_has_no_more_and_no_fewer_bytes() -> None:
    data = encode_trial(make_record())
    for damaged in (*(data[:size] for size in range(0, len(data), 7)), data + b"\x00"):
        with pytest.raises(BadRecord):
            decode_trial(damaged, "x")


@given(records, st.data())
def test_any_damage_ends_in_a_record_or_an_error_of_ours(record: TrialRecord, data: st.DataObject) -> None:
    encoded = bytearray(encode_trial(record))
    for _ in range(data.draw(st.integers(1, 4))):
        encoded[data.draw(st.integers(0, len(encoded) - 1))] = data.draw(st.integers(0, 255))
    try:
        decoded = decode_trial(bytes(encoded), "x")
    except (BadRecord, FormatTooNew):
        return
    encode_trial(decoded)


def test_deep_nesting_is_refused() -> None:
    data = packed(fields_of(make_record()) | {"deep": "here"})
    with pytest.raises(BadRecord):
        decode_trial(data.removesuffix(b"\xa4here") + b"\x91" * 100_000 + b"\xc0", "x")


def test_huge_claimed_lengths_cost_no_memory() -> None:
    claims = [b"\xdd\xff\xff\xff\xff", b"\xdf\xff\xff\xff\xff", b"\xdb\xff\xff\xff\xff", b"\xc6\xff\xff\xff\xff"]
    tracemalloc.start()
    try:
        for claim in claims:
            with pytest.raises(BadRecord):
                decode_trial(b"\x81\xa3key" + claim * 1000, "x")
        # Arrays that each claim to hold as many items as the data has bytes.
        with pytest.raises(BadRecord):
            decode_trial(b"\xdd\x00\x0f\x00\x00" * 200 + b"\xc0" * 2**20, "x")
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 20 * 2**20


def test_larger_bytes_than_a_record_may_have_are_not_decoded() -> None:
    with pytest.raises(BadRecord, match="more than a record may"):
        decode_trial(b"\x80" * (MAX_RECORD_BYTES + 1), "x")
