"""What is recorded about a trial, and its form in msgpack.

A record is a frozen dataclass. `encode_trial` and `decode_trial` are the only way to and from bytes.
Fields that a record of a known format holds and this version does not know are kept in `extra` and written
back; a record of a newer format is refused, never misread. Decoding never runs anything: it builds plain
values and checks the type of each.
"""

from __future__ import annotations

import dataclasses
import types
import typing
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import msgpack

from mitosis.errors import BadRecord, FormatTooNew

FORMAT = 1
"""The format of records, and of the journal that holds them."""

MAX_RECORD_BYTES = 16 * 2**20
"""A larger record is not decoded: nothing that mitosis writes comes near it."""

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

    @property
    def full_name(self) -> str:
        return f"{self.step}.{self.name}"


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a trial did not finish."""

    kind: str
    """`exception`, `result` (a step returned what it may not), `kernel` (it died), `interrupt`."""
    message: str
    type: str | None = None
    """Class of the exception, as the traceback shows it."""
    step: str | None = None
    location: str | None = None
    """`file:line in function` of the innermost frame of the user's code, relative to the repository."""


@dataclass(frozen=True, slots=True)
class Output:
    """A file that a trial left. Path is relative to the trials folder, with `/`."""

    path: str
    size_bytes: int
    oid: str
    """The id that git gives a blob with these bytes."""


@dataclass(frozen=True, slots=True)
class ProcessRecord:
    """Who runs the trial: enough to tell later, on the same machine, whether it still does."""

    host: str
    pid: int
    started: str | None = None
    """Opaque text that differs between two processes that had the same pid (boot id and start time)."""


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


def encode_trial(record: TrialRecord) -> bytes:
    """The record's bytes; equal records give equal bytes."""
    fields = {"format": FORMAT, **_to_plain(record)}
    data: bytes = msgpack.packb(fields, use_bin_type=True)
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
        record: TrialRecord = _from_plain(TrialRecord, _unpack(data, where), "")
    except _Mismatch as error:
        raise BadRecord(where, str(error)) from error
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
        fields = msgpack.unpackb(data, raw=False, strict_map_key=True)
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


class _Mismatch(Exception):
    """A field that does not have the type it should."""


def _to_plain(record: Any) -> dict[str, Any]:
    plain: dict[str, Any] = {}
    for item in dataclasses.fields(record):
        if item.name != "extra":
            plain[item.name] = _plain_value(getattr(record, item.name))
    plain.update(getattr(record, "extra", {}))
    return plain


def _plain_value(value: Any) -> Any:
    if dataclasses.is_dataclass(value):
        return _to_plain(value)
    if isinstance(value, tuple):
        return [_plain_value(item) for item in value]
    return value


_HINTS: dict[type, dict[str, Any]] = {}


def _hints(cls: type) -> dict[str, Any]:
    if cls not in _HINTS:
        _HINTS[cls] = typing.get_type_hints(cls)
    return _HINTS[cls]


def _from_plain(cls: type[Any], fields: Mapping[str, Any], path: str) -> Any:
    hints = _hints(cls)
    arguments: dict[str, Any] = {}
    extra: dict[str, Any] = {}
    for name, value in fields.items():
        if name in hints and name != "extra":
            arguments[name] = _checked(hints[name], value, f"{path}{name}")
        else:
            extra[name] = value
    if extra and "extra" in hints:
        arguments["extra"] = extra
    missing = [
        item.name
        for item in dataclasses.fields(cls)
        if item.name not in arguments
        and item.default is dataclasses.MISSING
        and item.default_factory is dataclasses.MISSING
    ]
    if missing:
        raise _Mismatch(f"it lacks {path}{missing[0]}")
    return cls(**arguments)


def _checked(hint: Any, value: Any, path: str) -> Any:
    origin = typing.get_origin(hint)
    if hint is Any:
        return value
    if origin in (typing.Union, types.UnionType):
        for choice in typing.get_args(hint):
            try:
                return _checked(choice, value, path)
            except _Mismatch:
                continue
    elif origin is Literal:
        if isinstance(value, str) and value in typing.get_args(hint):
            return value
    elif origin is tuple:
        if isinstance(value, list):
            item_hint = typing.get_args(hint)[0]
            return tuple(_checked(item_hint, item, f"{path}[{i}]") for i, item in enumerate(value))
    elif origin is dict:
        if isinstance(value, dict):
            _, item_hint = typing.get_args(hint)
            return {str(k): _checked(item_hint, v, f"{path}.{k}") for k, v in value.items()}
    elif dataclasses.is_dataclass(hint):
        if isinstance(value, dict):
            return _from_plain(typing.cast(type, hint), value, f"{path}.")
    elif hint is type(None):
        if value is None:
            return None
    elif hint is float:
        if isinstance(value, float | int) and not isinstance(value, bool):
            return value
    elif hint is int:
        if isinstance(value, int) and not isinstance(value, bool):
            return value
    elif isinstance(value, hint):
        return value
    raise _Mismatch(f"{path} is {type(value).__name__} {str(value)[:40]!r}")
