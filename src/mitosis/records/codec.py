"""A trial's record to and from msgpack: a plain mapping of its fields, as `msgpack.unpackb` gives it to anybody.

Fields that have their default are left out. Fields that this version does not know are kept in `extra` and written
back. A record of a newer format is refused, never misread. Decoding never runs anything: it builds plain values and
checks the type of each, at a cost that is bounded whatever the bytes claim.
"""

from __future__ import annotations

import dataclasses
import functools
import types
import typing
from collections.abc import Callable
from typing import Any, Literal, NamedTuple

import msgpack

from mitosis.errors.journal import BadRecord, FormatTooNew
from mitosis.records.trial import TrialRecord

FORMAT = 1
"""The format of records; the tree of the journal has one of its own."""

MAX_RECORD_BYTES = 16 * 2**20
"""A larger record is not decoded: nothing that mitosis writes comes near it."""

MAX_RECORD_ITEMS = 100_000
"""A record with a longer list or mapping is not decoded: room is made for all its items before the first is read."""

_MAX_DEPTH = 100
"""Of unknown fields: msgpack reads deeper nesting than it writes, and what was read must be writable."""

_MAX_INTEGER_BITS = 1024


def encode_trial(record: TrialRecord) -> bytes:
    """The record's bytes; equal records give equal bytes.

    Lone surrogates, which names of files can hold, are written as escapes; an integer of more than 64 bits is written
    as text.

    Raises:
        BadRecord: the record is larger than `decode_trial` reads.
    """
    fields = {"format": FORMAT, **_to_plain(record)}
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
    fields = _unpack(data, where)
    try:
        record: TrialRecord = _build(TrialRecord, fields)
    except _Mismatch as error:
        raise BadRecord(where, f"{error.path or 'it'} {error.reason}") from error
    return record


def _unpack(data: bytes, where: str) -> dict[str, Any]:
    """The fields of a record of a known format, unchecked."""
    if len(data) > MAX_RECORD_BYTES:
        raise BadRecord(where, f"it has {len(data)} bytes, more than a record may")
    try:
        fields = msgpack.unpackb(
            data, raw=False, strict_map_key=True, max_array_len=MAX_RECORD_ITEMS, max_map_len=MAX_RECORD_ITEMS
        )
    except Exception as error:  # msgpack raises several unrelated classes for bytes that are not msgpack
        raise BadRecord(where, f"it is not msgpack ({error.__class__.__name__}: {error})") from error
    if not isinstance(fields, dict):
        raise BadRecord(where, f"it holds {type(fields).__name__} instead of a mapping")
    version = fields.pop("format", None)
    if not isinstance(version, int) or isinstance(version, bool) or version < 1:
        raise BadRecord(where, "it does not say its format")
    if version > FORMAT:
        raise FormatTooNew(where, version, FORMAT)
    return fields


def _to_plain(part: Any) -> dict[str, Any]:
    """The fields of a record, or of a part of it, that say something, and those that are unknown."""
    fields = {}
    for name, default in _defaults(part.__class__):
        value = getattr(part, name)
        # 0, 0.0 and False are equal.
        if value == default and value.__class__ is default.__class__:
            continue
        if value.__class__ is tuple:
            value = [_to_plain(item) if dataclasses.is_dataclass(item) else item for item in value]
        elif dataclasses.is_dataclass(value):
            value = _to_plain(value)
        fields[name] = value
    return {**fields, **(part.extra or {})}


@functools.cache
def _defaults(cls: Any) -> tuple[tuple[str, Any], ...]:
    """The name and the default of each field but `extra`; the default of a required one equals nothing."""
    fields = [field for field in dataclasses.fields(cls) if field.name != "extra"]
    missing = dataclasses.MISSING
    made = ((f, f.default if f.default_factory is missing else f.default_factory()) for f in fields)
    return tuple((f.name, object() if default is missing else default) for f, default in made)


def _storable(value: Any) -> Any:
    """The value with what msgpack cannot write replaced by text."""
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode()
    if isinstance(value, int) and not -(2**63) <= value < 2**64:
        return str(value) if value.bit_length() <= _MAX_INTEGER_BITS else f"an integer of {value.bit_length()} bits"
    if isinstance(value, dict):
        return {_storable(name): _storable(item) for name, item in value.items()}
    return [_storable(item) for item in value] if isinstance(value, list | tuple) else value


class _Mismatch(Exception):
    """A value that is not as it should be."""

    def __init__(self, reason: str, path: str = "") -> None:
        super().__init__(reason)
        self.reason = reason
        self.path = path

    def within(self, name: str) -> _Mismatch:
        """The same, seen from what holds it."""
        return _Mismatch(self.reason, f"{name}{'' if self.path[:1] in ('', '[') else '.'}{self.path}")


class _Rule(NamedTuple):
    """What a field accepts."""

    types: frozenset[type]
    """Values of exactly these types are taken as they are, which is all that most fields need."""
    convert: Callable[[Any], Any]
    """Makes a value of any other type; raises `_Mismatch` if it cannot."""


def _build(cls: Any, fields: Any) -> Any:
    """A record, or a part of it, from a mapping of its fields. Changes `fields`."""
    if fields.__class__ is not dict:
        _refuse(fields)
    rules, required = _rules(cls)
    unknown = {}
    for name, value in fields.items():
        if name not in rules:
            unknown[name] = value
        elif value.__class__ not in rules[name][0]:  # by index: this line is most of the time of decoding
            fields[name] = _converted(rules[name], value, name)
    if not required <= fields.keys():
        raise _Mismatch("is missing", min(required - fields.keys()))
    for name, value in unknown.items():
        _check_depth(name, value)
        del fields[name]
    return cls(**fields, extra=unknown) if unknown else cls(**fields)


@functools.cache
def _rules(cls: Any) -> tuple[dict[str, _Rule], frozenset[str]]:
    """What each field but `extra` accepts, and which have to be there."""
    hints = typing.get_type_hints(cls)
    rules = {name: _rule(hints[name]) for name, _ in _defaults(cls)}
    fields = dataclasses.fields(cls)
    return rules, frozenset(f.name for f in fields if f.default is f.default_factory is dataclasses.MISSING)


def _rule(hint: Any) -> _Rule:
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        choices = [_rule(choice) for choice in arguments]
        converters = [choice.convert for choice in choices if choice.convert is not _refuse]
        return _Rule(frozenset().union(*(choice.types for choice in choices)), converters[0] if converters else _refuse)
    if origin is Literal:
        return _Rule(frozenset(), functools.partial(_choice, arguments))
    if origin is tuple:
        return _Rule(frozenset(), functools.partial(_tuple, _rule(arguments[0])))
    if origin is dict:
        return _Rule(frozenset(), functools.partial(_mapping, _rule(arguments[1])))
    if dataclasses.is_dataclass(hint):
        return _Rule(frozenset(), functools.partial(_build, hint))
    return _Rule(frozenset({float, int}) if hint is float else frozenset({hint}), _refuse)


def _converted(rule: _Rule, value: Any, name: str) -> Any:
    if value.__class__ in rule.types:
        return value
    try:
        return rule.convert(value)
    except _Mismatch as error:
        raise error.within(name) from error


def _choice(choices: tuple[str, ...], value: Any) -> Any:
    return value if value in choices else _refuse(value)


def _tuple(rule: _Rule, value: Any) -> tuple[Any, ...]:
    if value.__class__ is not list:
        _refuse(value)
    return tuple([_converted(rule, item, f"[{at}]") for at, item in enumerate(value)])


def _mapping(rule: _Rule, value: Any) -> dict[str, Any]:
    if value.__class__ is not dict:
        _refuse(value)
    for name in value:
        if name.__class__ is not str:
            _refuse(name)
    return {name: _converted(rule, item, name) for name, item in value.items()}


def _check_depth(name: Any, value: Any) -> None:
    """Refuse the name of an unknown field if it is not text, and a value that is nested too deeply to be written."""
    if name.__class__ is not str:
        _refuse(name)
    level = [value]
    for _ in range(_MAX_DEPTH):
        holders = [item for item in level if isinstance(item, dict | list)]
        level = [part for item in holders for part in (item.values() if isinstance(item, dict) else item)]
        if not level:
            return
    raise _Mismatch("is too deeply nested", name)


def _refuse(value: Any) -> Any:
    """Take no value.

    Raises:
        _Mismatch: always.
    """
    said = f" {value!r:.40}" if isinstance(value, bool | int | float | str | bytes) else ""
    raise _Mismatch(f"is {type(value).__name__}{said}")
