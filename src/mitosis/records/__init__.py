"""What is recorded about a trial, and its form in msgpack.

A record is a frozen dataclass. `encode_trial` and `decode_trial` are the only way to and from bytes.
Fields that a record of a known format holds and this version does not know are kept in `extra` and written
back; a record of a newer format is refused, never misread. Decoding never runs anything: it builds plain
values and checks the type of each.

    fields    the dataclasses
    checks    what each field accepts
    rows      the present format
    naming    the names of what a trial leaves in a trials folder
"""

from __future__ import annotations

from typing import Any

import msgpack

from mitosis.errors.journal import BadRecord, FormatTooNew
from mitosis.records.checks import Mismatch, build
from mitosis.records.rows import from_row, started_in_row, to_row
from mitosis.records.trial import (
    Failure,
    MainResult,
    Number,
    Output,
    ParameterKind,
    ParameterRecord,
    ProcessRecord,
    Status,
    StepRecord,
    TrialRecord,
)

__all__ = [
    "FORMAT",
    "MAX_RECORD_BYTES",
    "MAX_RECORD_ITEMS",
    "Failure",
    "MainResult",
    "Number",
    "Output",
    "ParameterKind",
    "ParameterRecord",
    "ProcessRecord",
    "Status",
    "StepRecord",
    "TrialRecord",
    "decode_trial",
    "encode_trial",
    "read_started",
]

FORMAT = 2
"""The format of records; the tree of the journal has one of its own."""
_MAPPINGS_FORMAT = 1
"""The format in which a record is a mapping, and what it is made of as well."""

MAX_RECORD_BYTES = 16 * 2**20
"""A larger record is not decoded: nothing that mitosis writes comes near it."""

MAX_RECORD_ITEMS = 100_000
"""A record with a longer list or mapping is not decoded: room is made for all its items before the first is read."""


def encode_trial(record: TrialRecord) -> bytes:
    """The record's bytes; equal records give equal bytes.

    Text that is no Unicode, as names of files can be, is written with its bytes escaped; an integer of more than 64
    bits is written as text.

    Raises:
        BadRecord: the record is larger than `decode_trial` reads.
    """
    names, values = to_row(record)
    fields = {"format": FORMAT, "names": names, "values": values}
    try:
        data: bytes = msgpack.packb(fields, use_bin_type=True)
    except (UnicodeEncodeError, OverflowError):
        data = msgpack.packb(_storable(fields), use_bin_type=True)
    items = max(len(record.outputs), len(record.warnings), len(record.parameters))
    if len(data) > MAX_RECORD_BYTES or items > MAX_RECORD_ITEMS:
        raise BadRecord(f"trial {record.key}", f"a record of {len(data)} bytes with a list of {items} is too large")
    return data


def decode_trial(data: bytes, where: str) -> TrialRecord:
    """The record that `data` holds.

    Args:
        data: what `encode_trial` made, perhaps by another version.
        where: path or id to name in errors.

    Raises:
        FormatTooNew: a newer mitosis wrote it.
        BadRecord: anything else that is not a record.
    """
    version, fields = _unpack(data, where)
    try:
        if version == _MAPPINGS_FORMAT:
            record: TrialRecord = build(TrialRecord, fields)
        else:
            record = from_row(fields.get("names"), fields.get("values"))
    except Mismatch as error:
        raise BadRecord(where, error.text()) from error
    return record


def read_started(data: bytes, where: str) -> str:
    """When the trial of a record started, at less cost than decoding all of it.

    Raises:
        FormatTooNew: a newer mitosis wrote it.
        BadRecord: it is not a record. That the rest of it can be decoded is not checked.
    """
    version, fields = _unpack(data, where)
    if version == _MAPPINGS_FORMAT:
        started = fields.get("started")
    else:
        try:
            started = started_in_row(fields.get("names"), fields.get("values"))
        except Mismatch as error:
            raise BadRecord(where, error.text()) from error
    if not isinstance(started, str):
        raise BadRecord(where, "it does not say when the trial started")
    return started


def _unpack(data: bytes, where: str) -> tuple[int, dict[str, Any]]:
    """The number of a known format, and what is beside it, unchecked."""
    if len(data) > MAX_RECORD_BYTES:
        raise BadRecord(where, f"it has {len(data)} bytes, more than a record may")
    try:
        fields = msgpack.unpackb(
            data, raw=False, strict_map_key=True, max_array_len=MAX_RECORD_ITEMS, max_map_len=MAX_RECORD_ITEMS
        )
    except Exception as error:  # msgpack raises several unrelated classes for bytes that are no msgpack
        raise BadRecord(where, f"it is no msgpack ({error.__class__.__name__}: {error})") from error
    if not isinstance(fields, dict):
        raise BadRecord(where, f"it holds {type(fields).__name__} where a mapping should be")
    version = fields.pop("format", None)
    if not isinstance(version, int) or isinstance(version, bool) or version < 1:
        raise BadRecord(where, "it does not say its format")
    if version > FORMAT:
        raise FormatTooNew(where, version, FORMAT)
    return version, fields


def _storable(value: Any) -> Any:
    """The value with what msgpack cannot write replaced by text."""
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode()
    if isinstance(value, int) and not -(2**63) <= value < 2**64:
        return str(value) if value.bit_length() <= _MAX_INTEGER_BITS else f"an integer of {value.bit_length()} bits"
    if isinstance(value, dict):
        return {_storable(name): _storable(item) for name, item in value.items()}
    return [_storable(item) for item in value] if isinstance(value, list) else value


_MAX_INTEGER_BITS = 1024
