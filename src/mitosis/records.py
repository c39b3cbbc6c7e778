"""What is recorded about a trial, and its form in msgpack.

A record is a frozen dataclass. `encode_trial` and `decode_trial` are the only way to and from bytes.
Fields that a record of a known format holds and this version does not know are kept in `extra` and written
back; a record of a newer format is refused, never misread. Decoding never runs anything: it builds plain
values and checks the type of each.
"""

from __future__ import annotations

import dataclasses
import functools
import math
import types
import typing
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

import msgpack

from mitosis.errors import BadRecord, FormatTooNew

FORMAT = 1
"""The format of records, and of the journal that holds them."""

MAX_RECORD_BYTES = 16 * 2**20
"""A larger record is not decoded: nothing that mitosis writes comes near it."""

MAX_RECORD_ITEMS = 100_000
"""A record with a longer list or mapping is not decoded: room is made for all its items before the first is read."""

_MAX_EXTRA_DEPTH = 100
"""msgpack reads deeper nesting than it writes, and what was read must be writable."""

Status = Literal["running", "finished", "failed", "interrupted"]
ParameterKind = Literal["lookup", "eval"]
Number = int | float
MainResult = None | bool | int | float | str


@dataclass(frozen=True, slots=True)
class StepRecord:
    """One step of a trial: where its code is, and how it went."""

    name: str
    action: str
    """Reference of the callable, `module:qualified.name`."""
    lookup: str | None = None
    """Reference of the lookup dictionary."""
    source: str | None = None
    """File of the callable relative to the repository, or the distribution it was installed from."""
    duration_s: float | None = None
    """Wall time; None for a step that did not end."""
    main: MainResult = None
    metrics: dict[str, MainResult] = field(default_factory=dict)
    """Metrics by name, nested ones joined by dots; what is no number is a bounded text."""
    extra: dict[str, Any] | None = None
    """Fields that this version does not know."""


@dataclass(frozen=True, slots=True)
class ParameterRecord:
    """One parameter as it was given, and what it meant."""

    step: str
    name: str
    kind: ParameterKind
    text: str
    """The variant's name of a lookup parameter, the expression of an eval parameter."""
    tracked: bool = True
    digest: str | None = None
    """Digest of the canonical value; None where the value has none (only possible untracked)."""
    summary: str = ""
    """The value as a bounded text."""
    extra: dict[str, Any] | None = None
    """Fields that this version does not know."""

    @property
    def full_name(self) -> str:
        return f"{self.step}.{self.name}"


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a trial did not finish."""

    kind: str
    """`exception`, `result` (a step returned what it may not), `kernel` (it died), `interrupt`, `mitosis`."""
    message: str
    type: str | None = None
    """Class of the exception, as the traceback shows it."""
    step: str | None = None
    location: str | None = None
    """`file:line in function` of the innermost frame of the user's code, relative to the repository."""

    @property
    def summary(self) -> str:
        """`Class: message` on one line, or the message alone."""
        first = self.message.split("\n", 1)[0].strip()
        return ": ".join(text for text in (self.type, first) if text)

    extra: dict[str, Any] | None = None
    """Fields that this version does not know."""


@dataclass(frozen=True, slots=True)
class Output:
    """A file that a trial left. Path is relative to the trials folder, with `/`."""

    path: str
    size_bytes: int
    oid: str
    """The id that git gives a blob with these bytes."""
    extra: dict[str, Any] | None = None
    """Fields that this version does not know."""


@dataclass(frozen=True, slots=True)
class ProcessRecord:
    """Who runs the trial: enough to tell later, on the same machine, whether it still does."""

    host: str
    pid: int
    started: str | None = None
    """Opaque text that differs between two processes that had the same pid (boot id and start time)."""
    extra: dict[str, Any] | None = None
    """Fields that this version does not know."""


@dataclass(frozen=True, slots=True)
class TrialRecord:
    """One trial. Times are ISO 8601 in UTC (`2026-03-01T12:00:00.123456+00:00`)."""

    key: str
    experiment: str
    steps: tuple[StepRecord, ...]
    parameters: tuple[ParameterRecord, ...]
    commit: str
    """Full hexadecimal id of the experiment's commit."""
    status: Status
    iteration: int
    """How many trials of the same experiment and variants this clone knew before it."""
    started: str
    author: str
    """`Name <email>`, as git gives it."""
    process: ProcessRecord
    environment: str
    """Digest of the environment's text, under `environments/`."""
    ended: str | None = None
    duration_s: float | None = None
    """Wall time from the start of the first step to the end of the last."""
    cpu_s: float | None = None
    """CPU time of the kernel and the processes it waited for, whole life."""
    peak_memory_bytes: int | None = None
    """Largest resident set of the kernel."""
    step: int | None = None
    """Index of the step that is running, or was when the trial ended early."""
    main: MainResult = None
    """`main` of the last step."""
    failure: Failure | None = None
    warnings: tuple[str, ...] = ()
    subject: str = ""
    """First line of the commit's message."""
    branch: str | None = None
    interpreter: str = ""
    """Version and implementation, such as `CPython 3.11.7`."""
    platform: str = ""
    cpu_count: int | None = None
    command: tuple[str, ...] = ()
    """The command line, one word an item."""
    variables: dict[str, str] = field(default_factory=dict)
    """Chosen environment variables that were set."""
    untracked_files: int = 0
    """Files in the working tree that git does not know and no module was imported from."""
    trials_folder: str = ""
    """Where the outputs were written, an absolute path on `process.host`."""
    folder: str | None = None
    """The trial's folder, relative to `trials_folder`."""
    page: str | None = None
    """The HTML page, relative to `trials_folder`."""
    outputs: tuple[Output, ...] = ()
    extra: dict[str, Any] = field(default_factory=dict)
    """Fields that this version does not know."""

    def with_changes(self, **changes: Any) -> TrialRecord:
        """A copy with some fields replaced."""
        return dataclasses.replace(self, **changes)


def three_digits(value: float) -> str:
    """Three significant digits, zeros at the end only where they say that something was rounded: 4, 1.00, 3.17e-05."""
    short = f"{value:.3g}"
    return short if float(short) == value or not math.isfinite(value) else f"{value:#.3g}".rstrip(".")


def encode_trial(record: TrialRecord) -> bytes:
    """The record's bytes; equal records give equal bytes.

    Text that is no Unicode, as names of files can be, is written with its bytes escaped; an integer of more than 64
    bits is written as text.

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
    try:
        record: TrialRecord = _build(TrialRecord, _unpack(data, where))
    except _Mismatch as error:
        raise BadRecord(where, error.text()) from error
    return record


def read_started(data: bytes, where: str) -> str:
    """When the trial of a record started, at less cost than decoding all of it.

    Raises:
        FormatTooNew: a newer mitosis wrote it.
        BadRecord: it is not a record. That the rest of it can be decoded is not checked.
    """
    started = _unpack(data, where).get("started")
    if not isinstance(started, str):
        raise BadRecord(where, "it does not say when the trial started")
    return started


def _unpack(data: bytes, where: str) -> dict[str, Any]:
    """The fields of a record of a known format, unchecked but for that."""
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
    return fields


def _to_plain(record: Any) -> dict[str, Any]:
    plain = {name: _plain_value(getattr(record, name)) for name in _class(record.__class__).rules}
    plain.update(record.extra or {})
    return plain


def _plain_value(value: Any) -> Any:
    if isinstance(value, tuple):
        return [_plain_value(item) for item in value]
    return _to_plain(value) if dataclasses.is_dataclass(value) else value


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


# --- from plain values ----------------------------------------------------------------------------
#
# What each field of each class accepts is worked out once. Then a field that holds a plain value of an accepted type
# costs one look into a set, and only what has parts costs a call.


class _Mismatch(Exception):
    """A field that is not as it should be."""

    def __init__(self, reason: str, path: str = "") -> None:
        super().__init__(reason)
        self.reason = reason
        self.path = path

    def within(self, name: str) -> _Mismatch:
        """The same mismatch, seen from what holds it."""
        return _Mismatch(self.reason, f"{name}{'' if self.path[:1] in ('', '[') else '.'}{self.path}")

    def text(self) -> str:
        return f"{self.path} {self.reason}" if self.path else f"it {self.reason}"


class _Rule(NamedTuple):
    """What a field accepts."""

    types: frozenset[type]
    """Values of exactly these types are taken as they are."""
    convert: Callable[[Any], Any] | None
    """Makes a value of any other type; raises `_Mismatch` if it cannot."""


class _Class(NamedTuple):
    """What the fields of a record's class accept, but for `extra`, which is for all others."""

    types: dict[str, frozenset[type]]
    rules: dict[str, _Rule]
    required: tuple[str, ...]


_CLASSES: dict[type, _Class] = {}


def _class(cls: type) -> _Class:
    if cls not in _CLASSES:
        hints = typing.get_type_hints(cls)
        fields = [field for field in dataclasses.fields(cls) if field.name != "extra"]
        rules = {field.name: _rule(hints[field.name]) for field in fields}
        _CLASSES[cls] = _Class(
            types={name: rule.types for name, rule in rules.items()},
            rules=rules,
            required=tuple(field.name for field in fields if _is_required(field)),
        )
    return _CLASSES[cls]


def _is_required(field: dataclasses.Field[Any]) -> bool:
    return field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING


def _rule(hint: Any) -> _Rule:
    origin = typing.get_origin(hint)
    if origin in (typing.Union, types.UnionType):
        choices = [_rule(choice) for choice in typing.get_args(hint)]
        converters = [choice.convert for choice in choices if choice.convert is not None]
        return _Rule(frozenset().union(*(choice.types for choice in choices)), converters[0] if converters else None)
    if origin is Literal:
        return _Rule(frozenset(), functools.partial(_choice, typing.get_args(hint)))
    if origin is tuple:
        return _Rule(frozenset(), functools.partial(_tuple, _rule(typing.get_args(hint)[0])))
    if origin is dict:
        return _Rule(frozenset(), functools.partial(_mapping, _rule(typing.get_args(hint)[1])))
    if isinstance(hint, type) and dataclasses.is_dataclass(hint):
        return _Rule(frozenset(), functools.partial(_build, hint))
    return _Rule(frozenset({float, int}) if hint is float else frozenset({hint}), None)


def _build(cls: type[Any], fields: Any) -> Any:
    """An instance of a record's class. Changes `fields`."""
    if fields.__class__ is not dict:
        raise _unfit(fields)
    types, rules, required = _CLASSES.get(cls) or _class(cls)
    has_unknown = False
    for name, value in fields.items():
        accepted = types.get(name)
        if accepted is None:
            has_unknown = True
        elif value.__class__ not in accepted:
            fields[name] = _converted(rules[name], value, name)
    if has_unknown:
        fields["extra"] = _extra({name: fields.pop(name) for name in list(fields) if name not in types})
    try:
        return cls(**fields)
    except TypeError as error:
        missing = next(name for name in required if name not in fields)
        raise _Mismatch("is missing", missing) from error


def _converted(rule: _Rule, value: Any, name: str) -> Any:
    if rule.convert is None:
        raise _unfit(value).within(name)
    try:
        return rule.convert(value)
    except _Mismatch as error:
        raise error.within(name) from error


def _choice(choices: tuple[str, ...], value: Any) -> str:
    for choice in choices:
        if choice == value:
            return choice
    raise _unfit(value)


def _tuple(rule: _Rule, value: Any) -> tuple[Any, ...]:
    if value.__class__ is not list:
        raise _unfit(value)
    accepted, convert = rule
    items: list[Any] = []
    try:
        for item in value:
            if item.__class__ in accepted:
                items.append(item)
            elif convert is not None:
                items.append(convert(item))
            else:
                raise _unfit(item)
    except _Mismatch as error:
        raise error.within(f"[{len(items)}]") from error
    return tuple(items)


def _mapping(rule: _Rule, value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise _unfit(value)
    for name, item in value.items():
        if not isinstance(name, str):
            raise _unfit(name)
        if item.__class__ not in rule.types:
            value[name] = _converted(rule, item, name)
    return value


def _extra(fields: dict[Any, Any]) -> dict[str, Any]:
    for name, value in fields.items():
        if not isinstance(name, str):
            raise _unfit(name)
        level = [value]
        for _ in range(_MAX_EXTRA_DEPTH):
            level = [part for item in level for part in _parts(item)]
            if not level:
                break
        else:
            raise _Mismatch("is too deeply nested", name)
    return fields


def _parts(value: Any) -> Iterable[Any]:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list) else ()


def _unfit(value: Any) -> _Mismatch:
    said = f" {value!r:.40}" if isinstance(value, bool | int | float | str | bytes) else ""
    return _Mismatch(f"is {type(value).__name__}{said}")
