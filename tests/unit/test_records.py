"""Records to and from msgpack: what is written comes back, and bytes from anywhere end in a record or a BadRecord."""

from __future__ import annotations

import dataclasses
import math
import struct
import tracemalloc
from collections.abc import Callable
from typing import Any

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mitosis.records.codec import FORMAT, MAX_RECORD_BYTES, MAX_RECORD_ITEMS, decode_trial, encode_trial, read_started
from mitosis.records.trial import Failure, Output, ParameterRecord, ProcessRecord, StepRecord, TrialRecord

from mitosis.errors.journal import BadRecord, FormatTooNew

MakeRecord = Callable[..., TrialRecord]

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
# Of the items of a list, one that lacks an unknown field is not told from one in which it is nil.
no_extra_or_some_told = st.none() | st.dictionaries(
    unknown_names, plain.filter(lambda value: value is not None), min_size=1, max_size=2
)

oids = st.text() | st.binary(min_size=20, max_size=20).map(bytes.hex)
paths = st.lists(st.sampled_from(["..", "", "folder", "file"]), max_size=4).map("/".join)
steps = st.builds(
    StepRecord,
    name=st.text(),
    action=st.text(),
    lookup=st.none() | st.text(),
    source=st.none() | st.text(),
    duration_s=st.none() | st.floats(allow_nan=False),
    main=main_results,
    metrics=st.dictionaries(st.text(), main_results, max_size=3),
    extra=no_extra_or_some_told,
)
parameters = st.builds(
    ParameterRecord,
    step=st.text(),
    name=st.text(),
    kind=st.sampled_from(["lookup", "eval"]),
    text=st.text(),
    tracked=st.booleans(),
    digest=st.none() | oids,
    summary=st.text(),
    extra=no_extra_or_some_told,
)
failures = st.builds(
    Failure,
    kind=st.text(),
    message=st.text(),
    type=st.none() | st.text(),
    step=st.none() | st.text(),
    location=st.none() | st.text(),
    extra=no_extra_or_some,
)
outputs = st.builds(Output, path=st.text() | paths, size_bytes=counts, oid=oids, extra=no_extra_or_some_told)
processes = st.builds(ProcessRecord, host=st.text(), pid=counts, started=st.none() | st.text(), extra=no_extra_or_some)
records = st.builds(
    TrialRecord,
    key=st.text(),
    experiment=st.text(),
    steps=st.lists(steps, max_size=2).map(tuple),
    parameters=st.lists(parameters, max_size=2).map(tuple),
    commit=oids,
    status=st.sampled_from(["running", "finished", "failed", "interrupted"]),
    iteration=counts,
    started=st.text(),
    author=st.text(),
    process=processes,
    environment=st.text(),
    ended=st.none() | st.text(),
    duration_s=st.none() | st.floats(allow_nan=False),
    cpu_s=st.none() | st.floats(allow_nan=False),
    peak_memory_bytes=st.none() | counts,
    step=st.none() | counts,
    main=main_results,
    failure=st.none() | failures,
    warnings=st.lists(st.text(), max_size=2).map(tuple),
    cpu_count=st.none() | counts,
    command=st.lists(st.text(), max_size=2).map(tuple),
    variables=st.dictionaries(st.text(), st.text(), max_size=2),
    untracked_files=counts,
    folder=st.none() | st.text() | paths,
    page=st.none() | st.text(),
    outputs=st.lists(outputs, max_size=2).map(tuple),
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
    """The values in the record's bytes by name."""
    row = msgpack.unpackb(encode_trial(record))
    return dict(zip(row["names"].split(" "), row["values"], strict=True))


def packed(fields: dict[str, Any], version: object = FORMAT) -> bytes:
    """The bytes of a row, which may hold anything."""
    data = msgpack.packb({"format": version, "names": " ".join(fields), "values": list(fields.values())})
    assert isinstance(data, bytes)
    return data


def changed(record: TrialRecord, **fields: Any) -> bytes:
    """The bytes of the record with some fields replaced by anything. `__` in a name stands for a dot."""
    return packed({**fields_of(record), **{name.replace("__", "."): value for name, value in fields.items()}})


def mapping_of(value: Any) -> Any:
    """The record as format 1 had it, but for its number: all fields by name, and in it parts likewise."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = {field.name: mapping_of(getattr(value, field.name)) for field in dataclasses.fields(value)}
        unknown = fields.pop("extra") or {}
        return {**fields, **unknown}
    return [mapping_of(item) for item in value] if isinstance(value, tuple) else value


def changed_mapping(record: TrialRecord, **fields: Any) -> bytes:
    """The bytes of the record in format 1, with some fields replaced by anything."""
    data = msgpack.packb({"format": 1, **mapping_of(record), **fields})
    assert isinstance(data, bytes)
    return data


@given(records)
def test_decoding_gives_back_what_was_encoded(record: TrialRecord) -> None:
    decoded = decode_trial(encode_trial(record), "x")
    assert exactly(decoded) == exactly(record)
    assert encode_trial(decoded) == encode_trial(record)


@given(records)
def test_record_of_format_1_is_read_as_the_same(record: TrialRecord) -> None:
    decoded = decode_trial(changed_mapping(record), "x")
    assert exactly(decoded) == exactly(record)
    assert encode_trial(decoded) == encode_trial(record)


@given(records)
def test_start_can_be_read_alone(record: TrialRecord) -> None:
    assert read_started(encode_trial(record), "x") == record.started
    assert read_started(changed_mapping(record), "x") == record.started


def test_record_says_its_format(make_record: MakeRecord) -> None:
    assert msgpack.unpackb(encode_trial(make_record()))["format"] == FORMAT


def test_decoded_record_is_frozen_in_all_its_parts(make_record: MakeRecord) -> None:
    failure = Failure("exception", "bad shape")
    record = decode_trial(encode_trial(make_record(outputs=(Output("x", 1, "a" * 40),), failure=failure)), "x")
    assert record.failure is not None
    for part, field in [
        (record, "key"),
        (record.steps[0], "name"),
        (record.parameters[0], "digest"),
        (record.process, "pid"),
        (record.failure, "kind"),
        (record.outputs[0], "oid"),
    ]:
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(part, field, None)


def test_mappings_of_decoded_records_are_their_own(make_record: MakeRecord) -> None:
    data = encode_trial(make_record(steps=(StepRecord("a", "m:f"), StepRecord("b", "m:g"))))
    one, other = decode_trial(data, "x"), decode_trial(data, "x")
    mappings = [m for r in (one, other) for m in (r.variables, r.extra, *(step.metrics for step in r.steps))]
    assert len({id(mapping) for mapping in mappings}) == len(mappings)


def test_fields_with_their_default_are_left_out(make_record: MakeRecord) -> None:
    fields = fields_of(make_record())
    assert not fields.keys() & {
        "ended",
        "subject",
        "untracked_files",
        "variables",
        "outputs.path",
        "parameters.tracked",
    }
    assert not any(name.startswith("failure.") for name in fields)
    untracked = ParameterRecord("my_exp", "gpu", "eval", "1", tracked=False)
    record = make_record(parameters=(*make_record().parameters, untracked))
    assert fields_of(record)["parameters.tracked"] == [True, True, False]


def test_ids_are_bytes_and_paths_are_relative_to_the_folder(make_record: MakeRecord) -> None:
    outputs = (Output("2026_5f/log", 1, "e" * 40), Output("page.html", 2, "f" * 40), Output("2026_5f/../x", 3, "odd"))
    fields = fields_of(make_record(folder="2026_5f", outputs=outputs))
    assert fields["outputs.path"] == ["log", "../page.html", "../2026_5f/../x"]
    assert fields["outputs.oid"] == [b"\xee" * 20, b"\xff" * 20, "odd"]
    assert fields["commit"] == b"\xcc" * 20
    assert fields_of(make_record(outputs=outputs))["outputs.path"] == [output.path for output in outputs]


def test_record_of_a_trial_that_runs_begins_the_one_that_replaces_it(make_record: MakeRecord) -> None:
    """So git stores both at little more than the cost of one."""
    outputs = (Output("x", 1, "a" * 40),)
    running = make_record(folder="f", command=("mitosis", "my_exp"))
    step = dataclasses.replace(running.steps[0], main=1.5, duration_s=0.5, metrics={"loss": 0.1})
    ended = running.with_changes(steps=(step,), main=1.5, ended="2026-03-01T12:00:01+00:00", outputs=outputs, page="p")
    before, after = list(fields_of(running).items()), list(fields_of(ended).items())
    assert after[: len(before)] == before


def test_numbers_that_are_not_finite_come_back(make_record: MakeRecord) -> None:
    for main in (math.inf, -math.inf, math.nan):
        decoded = decode_trial(encode_trial(make_record(main=main, duration_s=main)), "x")
        assert isinstance(decoded.main, float)
        assert struct.pack("d", decoded.main) == struct.pack("d", main)


def test_integer_beyond_64_bits_is_kept_as_text(make_record: MakeRecord) -> None:
    step = StepRecord("fit", "m:f", main=-(2**63) - 1, metrics={"count": 10**30, "huge": 1 << 100_000})
    decoded = decode_trial(encode_trial(make_record(main=2**64, steps=(step,))), "x")
    assert decoded.main == str(2**64)
    assert decoded.steps[0].main == str(-(2**63) - 1)
    assert decoded.steps[0].metrics == {"count": str(10**30), "huge": "an integer of 100001 bits"}


def test_text_that_is_no_unicode_is_escaped(make_record: MakeRecord) -> None:
    record = make_record(trials_folder="/data/caf\udce9", outputs=(Output("caf\udce9.txt", 1, "a" * 40),))
    decoded = decode_trial(encode_trial(record), "x")
    assert decoded.trials_folder == "/data/caf\\udce9"
    assert decoded.outputs[0].path == "caf\\udce9.txt"


def test_record_that_could_not_be_read_again_is_not_written(make_record: MakeRecord) -> None:
    with pytest.raises(BadRecord, match="too large"):
        encode_trial(make_record(subject="x" * MAX_RECORD_BYTES))
    with pytest.raises(BadRecord, match="too large"):
        encode_trial(make_record(outputs=(Output("x", 1, "a"),) * (MAX_RECORD_ITEMS + 1)))


def test_unknown_fields_are_kept_and_written_back(make_record: MakeRecord) -> None:
    fields = fields_of(make_record())
    new = {
        "energy_j": 3.5,
        "steps.gpu": [["A100", 2]],
        "process.container": {"image": "x"},
        "parameters.unit": [None, "m"],
    }
    decoded = decode_trial(packed({**fields, **new}), "x")
    assert decoded.extra == {"energy_j": 3.5}
    assert [parameter.extra for parameter in decoded.parameters] == [None, {"unit": "m"}]
    again = fields_of(decoded.with_changes(status="finished"))
    assert again == {**fields, **new, "status": "finished"}


def test_unknown_fields_of_format_1_are_kept(make_record: MakeRecord) -> None:
    mapping = mapping_of(make_record())
    mapping["steps"][0]["gpu"] = ["A100", 2]
    mapping["process"]["container"] = {"image": "x"}
    names = {"energy_j": 3.5, "in joule": 1, "50%": 2, "50%20": 3, "steps.name": 4, "failure.kind": 5, "": 6, "a.b": 7}
    decoded = decode_trial(msgpack.packb({"format": 1, **mapping, **names}), "x")
    assert decoded.extra == names
    assert exactly(decode_trial(encode_trial(decoded), "x")) == exactly(decoded)


def test_newer_format_is_refused(make_record: MakeRecord) -> None:
    with pytest.raises(FormatTooNew, match="Upgrade mitosis") as caught:
        decode_trial(packed(fields_of(make_record()), FORMAT + 1), "trials/x")
    assert (caught.value.what, caught.value.version, caught.value.known) == ("trials/x", FORMAT + 1, FORMAT)
    with pytest.raises(FormatTooNew):
        read_started(packed(fields_of(make_record()), FORMAT + 1), "trials/x")


@pytest.mark.parametrize("version", [0, -1, True, None, "1", 1.0, [1]])
def test_nonsense_format_is_refused(make_record: MakeRecord, version: object) -> None:
    with pytest.raises(BadRecord, match="does not say its format"):
        decode_trial(packed(fields_of(make_record()), version), "x")


WRONG_SCALARS = [
    ("key", 5, "key is int 5"),
    ("key", b"abc", "key is bytes"),
    ("status", "lost", "status is str 'lost'"),
    ("status", ["running"], "status is list"),
    ("iteration", True, "iteration is bool"),
    ("iteration", 1.5, "iteration is float"),
    ("duration_s", True, "duration_s is bool"),
    ("duration_s", "1", "duration_s is str"),
    ("main", [1], "main is list"),
    ("main", {"a": 1}, "main is dict"),
]


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        *WRONG_SCALARS,
        ("commit", 5, "commit is int 5"),
        ("steps__name", {}, "steps.name is dict"),
        ("steps__name", [3], r"steps\.name\[0\] is int 3"),
        ("steps__name", ["a", "b"], r"steps\.action has not as many items as steps\.name"),
        ("steps__main", [], r"steps\.main has not as many items as steps\.name"),
        ("steps__metrics", [{"x": []}], r"steps\.metrics\[0\]\.x is list"),
        ("steps__new", [], r"steps\.new is list"),
        ("parameters__kind", ["eval", "evil"], r"parameters\.kind\[1\] is str 'evil'"),
        ("parameters__digest", [b"", 1], r"parameters\.digest\[1\] is int 1"),
        ("parameters__tracked", [True, 1], r"parameters\.tracked\[1\] is int 1"),
        ("process__pid", None, r"process\.pid is NoneType"),
        ("failure__kind", "exception", r"failure\.message is missing"),
        ("warnings", ["a", 1], r"warnings\[1\] is int"),
        ("variables", {"A": 1}, r"variables\.A is int"),
        ("variables", {b"A": "1"}, "variables is bytes"),
        ("outputs__path", "all", r"outputs\.size_bytes is missing"),
        ("folder", 1, "folder is int 1"),
    ],
)
def test_field_of_a_wrong_type_is_named(make_record: MakeRecord, field: str, value: object, said: str) -> None:
    with pytest.raises(BadRecord, match=said) as caught:
        decode_trial(changed(make_record(), **{field: value}), "trials/x")
    assert caught.value.where == "trials/x"


def test_missing_field_is_named(make_record: MakeRecord) -> None:
    record = make_record(outputs=(Output("x", 1, "a"),), failure=Failure("exception", "bad"))
    required = {
        *("key", "experiment", "steps.name", "steps.action", "commit", "status", "iteration", "started", "author"),
        *(f"parameters.{name}" for name in ("step", "name", "kind", "text")),
        *("process.host", "process.pid", "environment", "failure.kind", "failure.message"),
        *("outputs.path", "outputs.size_bytes", "outputs.oid"),
    }
    for name in fields_of(record):
        fields = fields_of(record)
        del fields[name]
        if name not in required:
            decode_trial(packed(fields), "x")
            continue
        with pytest.raises(BadRecord, match=f"{name} is missing"):
            decode_trial(packed(fields), "x")


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ({}, "names is NoneType"),
        ({"names": ["key"], "values": ["a"]}, "names is list"),
        ({"names": "key", "values": {"key": "a"}}, "values is dict"),
        ({"names": "key", "values": []}, "names are 1, with 0 values"),
        ({"names": "key key", "values": ["a", "b"]}, "key is there twice"),
    ],
)
def test_row_that_is_none_is_refused(row: dict[str, object], said: str) -> None:
    with pytest.raises(BadRecord, match=said):
        decode_trial(msgpack.packb({"format": FORMAT, **row}), "x")


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        *WRONG_SCALARS,
        ("steps", {}, "steps is dict"),
        ("steps", [3], r"steps\[0\] is int"),
        ("steps", [{"name": "a", "action": "b"}, {"name": "a"}], r"steps\[1\]\.action is missing"),
        ("steps", [{"name": "a", "action": "b", "metrics": {"x": []}}], r"steps\[0\]\.metrics\.x is list"),
        ("parameters", [{"step": 1}], r"parameters\[0\]\.step is int"),
        ("process", None, "process is NoneType"),
        ("process", {"host": "a"}, r"process\.pid is missing"),
        ("failure", "boom", "failure is str"),
        ("warnings", ["a", 1], r"warnings\[1\] is int"),
        ("variables", {"A": 1}, r"variables\.A is int"),
        ("variables", {b"A": "1"}, "variables is bytes"),
        ("outputs", "all", "outputs is str"),
    ],
)
def test_field_of_a_wrong_type_in_format_1_is_named(
    make_record: MakeRecord, field: str, value: object, said: str
) -> None:
    with pytest.raises(BadRecord, match=said) as caught:
        decode_trial(changed_mapping(make_record(), **{field: value}), "trials/x")
    assert caught.value.where == "trials/x"


@pytest.mark.parametrize(
    "field", [f.name for f in dataclasses.fields(TrialRecord) if f.default is f.default_factory is dataclasses.MISSING]
)
def test_missing_field_in_format_1_is_named(make_record: MakeRecord, field: str) -> None:
    mapping = mapping_of(make_record())
    del mapping[field]
    with pytest.raises(BadRecord, match=f"{field} is missing"):
        decode_trial(msgpack.packb({"format": 1, **mapping}), "x")


@pytest.mark.parametrize(
    "data", [b"", b"\xc1", b"\x01", b"\xa3abc", b"\x93\x01\x02\x03", b"hello", msgpack.packb({1: 2})]
)
def test_bytes_that_are_no_record_are_refused(data: bytes) -> None:
    with pytest.raises(BadRecord):
        decode_trial(data, "x")


def test_truncated_record_is_refused(make_record: MakeRecord) -> None:
    data = encode_trial(make_record())
    for size in range(0, len(data), 7):
        with pytest.raises(BadRecord):
            decode_trial(data[:size], "x")


def test_bytes_after_the_record_are_refused(make_record: MakeRecord) -> None:
    with pytest.raises(BadRecord):
        decode_trial(encode_trial(make_record()) + b"\x00", "x")


@given(st.binary(max_size=200))
def test_any_bytes_end_in_a_bad_record(data: bytes) -> None:
    with pytest.raises(BadRecord):
        decode_trial(data, "x")


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


@pytest.mark.parametrize("depth", [200, 600, 100_000])
@pytest.mark.parametrize("name", ["deep", "process.deep", "steps.deep"])
def test_deep_nesting_is_refused(make_record: MakeRecord, name: str, depth: int) -> None:
    data = packed({**fields_of(make_record()), name: "here"})
    assert data.endswith(b"\xa4here")
    with pytest.raises(BadRecord):
        decode_trial(data.removesuffix(b"\xa4here") + b"\x91" * depth + b"\xc0", "x")


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


def test_huge_field_is_not_repeated_in_the_error(make_record: MakeRecord) -> None:
    with pytest.raises(BadRecord) as caught:
        decode_trial(changed(make_record(), iteration="x" * 2**20), "x")
    assert len(str(caught.value)) < 200
