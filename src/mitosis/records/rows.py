"""Records as a row: one text with the names of the fields, and one list with their values.

Git stores an object as the difference from a similar one if that is less than half of it. So what is the same in most
records of a journal stands together and at the beginning, and what differs at the end: the names of all fields are one
text, lists of steps, parameters and outputs are columns, a field that has its default is left out, and ids are bytes.
"""

from __future__ import annotations

import dataclasses
import functools
import itertools
import operator
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

from mitosis.records.checks import (
    Mismatch,
    Rule,
    accepted,
    check_extra,
    convert,
    convert_items,
    is_required,
    refuse,
    refuse_missing,
    unfit,
)
from mitosis.records.trial import Failure, Output, ParameterRecord, ProcessRecord, StepRecord, TrialRecord

_TABLES: dict[str, type[Any]] = {"steps": StepRecord, "parameters": ParameterRecord, "outputs": Output}
"""Fields that are lists of things of one kind, written as a column for each field of those."""
_PARTS: dict[str, type[Any]] = {"process": ProcessRecord, "failure": Failure}
_HOLDERS = (*_TABLES, *_PARTS)
_IDS = frozenset({"commit", "environment", "parameters.digest", "outputs.oid"})
"""Fields with hexadecimal digits, which are written as bytes."""
_LATE = (
    *("subject", "author", "environment", "commit", "command"),
    *("parameters.text", "parameters.summary", "parameters.digest"),
    *("process.started", "process.pid", "untracked_files", "iteration", "started", "key", "folder"),
    *("status", "step", "ended", "duration_s", "cpu_s", "peak_memory_bytes", "main"),
    *("steps.duration_s", "steps.main", "steps.metrics", "page"),
    *("outputs.path", "outputs.size_bytes", "outputs.oid"),
)
"""Fields that come last, in this order: those that differ from trial to trial, and then those that a trial has when it
has ended. So the record of a trial that runs is the beginning of the one that replaces it."""

_CACHED_LAYOUTS = 64
_CACHED_NAMES_BYTES = 4096
"""Records have a handful of layouts; what is longer is made up, and would fill the memory."""
_PARENT_FOLDER = "../"


# --- to a row -------------------------------------------------------------------------------------


def to_row(record: TrialRecord) -> tuple[str, list[Any]]:
    """The names of the record's fields, with a blank between two, and their values."""
    fields = {_outer(name): value for name, value in record.extra.items()}
    for name, value in _stated(record).items():
        if name in _TABLES:
            fields.update(_columns(name, value))
        elif name in _PARTS:
            part = _stated(value) | {_escaped(more): item for more, item in (value.extra or {}).items()}
            fields.update((f"{name}.{more}", item) for more, item in part.items())
        else:
            fields[name] = list(value) if isinstance(value, tuple) else value
    if record.folder and "outputs.path" in fields:
        fields["outputs.path"] = [_relative(path, record.folder) for path in fields["outputs.path"]]
    for name in _IDS & fields.keys():
        value = fields[name]
        fields[name] = [_shortened(item) for item in value] if isinstance(value, list) else _shortened(value)
    late = [name for name in _LATE if name in fields]
    names = [name for name in fields if name not in _LATE] + late
    return " ".join(names), [fields[name] for name in names]


def _stated(record: Any) -> dict[str, Any]:
    """The fields that have to be written: the required ones, and those that have another value than their default."""
    return {
        name: value
        for name, default in _defaults(record.__class__).items()
        if (value := getattr(record, name)) != default or value.__class__ is not default.__class__
    }


def _columns(table: str, items: Sequence[Any]) -> Iterator[tuple[str, list[Any]]]:
    known = [_stated(item) for item in items]
    for name, default in _defaults(_TABLES[table]).items():
        if default is _REQUIRED or any(name in fields for fields in known):
            yield f"{table}.{name}", [getattr(item, name) for item in items]
    extras = [item.extra or {} for item in items]
    for name in dict.fromkeys(name for extra in extras for name, value in extra.items() if value is not None):
        yield f"{table}.{_escaped(name)}", [extra.get(name) for extra in extras]


_REQUIRED = object()


_DEFAULTS: dict[type, dict[str, Any]] = {}


def _defaults(cls: type[Any]) -> dict[str, Any]:
    """The default of each field but `extra`."""
    if cls not in _DEFAULTS:
        fields = [field for field in dataclasses.fields(cls) if field.name != "extra"]
        _DEFAULTS[cls] = {field.name: _default(field) for field in fields}
    return _DEFAULTS[cls]


def _default(field: dataclasses.Field[Any]) -> Any:
    if is_required(field):
        return _REQUIRED
    return field.default if field.default_factory is dataclasses.MISSING else field.default_factory()


def _shortened(digits: Any) -> Any:
    """The bytes that hexadecimal digits stand for, if they come back as the same digits."""
    try:
        data = bytes.fromhex(digits)
    except (ValueError, TypeError):
        return digits
    return data if data and data.hex() == digits else digits


def _relative(path: str, folder: str) -> str:
    """The path of an output relative to the trial's folder."""
    inner = path.removeprefix(f"{folder}/")
    return inner if inner != path and not inner.startswith(_PARENT_FOLDER) else _PARENT_FOLDER + path


def _escaped(name: str) -> str:
    """The name of an unknown field, such that it is one word."""
    return name.replace("%", "%25").replace(" ", "%20")


def _unescaped(word: str) -> str:
    return word.replace("%2E", ".").replace("%20", " ").replace("%25", "%")


def _outer(name: str) -> str:
    """The name of an unknown field of the trial itself, such that it is not taken for one of its parts."""
    word = _escaped(name)
    return word.replace(".", "%2E", 1) if word.partition(".")[0] in _HOLDERS else word


# --- from a row -----------------------------------------------------------------------------------


class _Source(NamedTuple):
    """Where in the row the value of a field is, and what it may be."""

    field: str
    at: int
    rule: Rule


_BLANKS: tuple[Any, ...] = (None, "", 0, ())
"""The defaults that a field of a record can have, where it is no mapping."""

_Build = Callable[[list[Any]], Any]
"""Makes the value of a field from the row."""


class _Part(NamedTuple):
    """How the trial, or a part of it, is made from a row, which `_BLANKS` have been added to."""

    draft: type[Any]
    cls: type[Any]
    pick: Callable[[list[Any]], tuple[Any, ...]]
    """Takes from the row what the class is called with."""
    converted: list[tuple[int, str, Rule]]
    """Of each value that is not taken as it is: which one it is, its full name, and what it may be."""
    made: list[tuple[int, _Build]]
    """What is no single value of the row."""

    def build(self, row: list[Any]) -> Any:
        """The trial or part."""
        values = list(self.pick(row))
        for at, name, rule in self.converted:
            values[at] = convert(rule, values[at], name)
        for at, make in self.made:
            values[at] = make(row)
        part = self.draft(*values)
        _freeze(part, "__class__", self.cls)
        return part


class _Column(NamedTuple):
    """Where in the row a column is, and what its items may be."""

    name: str
    at: int
    types: frozenset[type]
    convert: Callable[[list[Any]], list[Any]]
    """Makes the column if an item is of any other type."""


class _Table(NamedTuple):
    """How a list of things of one kind is made from a row."""

    draft: type[Any]
    cls: type[Any]
    columns: list[_Column]
    """Those in the row, in the order of the fields that the class takes."""
    fills: list[tuple[int, Callable[[], Iterator[Any]]]]
    """Between which of them one is missing, and what makes its items."""
    prefix: str
    """What stands before the names of its fields."""
    unknown: list[tuple[str, int]]
    folder_at: int | None
    """Where in the row is the folder that the first column is relative to."""

    def build(self, row: list[Any]) -> tuple[Any, ...]:
        """The things that a row tells of."""
        columns: list[Any] = []
        for name, at, types, convert_all in self.columns:
            column = row[at]
            if not types.issuperset(map(type, column)):
                try:
                    column = convert_all(column)
                except Mismatch as error:
                    raise error.within(name) from error
            columns.append(column)
        count = len(columns[0])
        if len(set(map(len, columns))) > 1:
            name = next(column.name for column in self.columns if len(row[column.at]) != count)
            raise Mismatch(f"has not as many items as {self.columns[0].name}", name)
        if self.folder_at is not None and row[self.folder_at]:
            columns[0] = _whole_paths(columns[0], row[self.folder_at])
        for position, fill in self.fills:
            columns.insert(position, fill())
        if self.unknown:
            columns.append(self._extras(row, count))
        items = tuple(map(self.draft, *columns))
        for item in items:
            _freeze(item, "__class__", self.cls)
        return items

    def _extras(self, row: list[Any], count: int) -> list[dict[str, Any] | None]:
        """What is unknown of each item. Nil says that an item does not have it."""
        extras: list[dict[str, Any]] = [{} for _ in range(count)]
        for name, at in self.unknown:
            column = row[at]
            if column.__class__ is not list or len(column) != count:
                raise unfit(column).within(self.prefix + name)
            for extra, value in zip(extras, column, strict=True):
                if value is not None:
                    extra[name] = value
        return [check_extra(extra) or None for extra in extras]


def from_row(names: Any, values: Any) -> TrialRecord:
    """The record in a row. Changes `values`.

    Raises:
        Mismatch: it is no row, a field is missing, or holds what it may not.
    """
    _check_row(names, values)
    types = tuple(map(type, values))
    layout = _layout(names, types) if len(names) <= _CACHED_NAMES_BYTES else _layout.__wrapped__(names, types)
    values += _BLANKS
    record: TrialRecord = layout.build(values)
    return record


def started_in_row(names: Any, values: Any) -> Any:
    """What the row says of when the trial started, unchecked; None if it does not say that.

    Raises:
        Mismatch: it is no row.
    """
    _check_row(names, values)
    return dict(zip(names.split(" "), values, strict=False)).get("started")


def _check_row(names: Any, values: Any) -> None:
    if names.__class__ is not str:
        raise unfit(names).within("names")
    if values.__class__ is not list:
        raise unfit(values).within("values")


def _whole_paths(paths: list[str], folder: str) -> list[str]:
    up = len(_PARENT_FOLDER)
    return [path[up:] if path.startswith(_PARENT_FOLDER) else f"{folder}/{path}" for path in paths]


# --- layouts --------------------------------------------------------------------------------------


@functools.lru_cache(maxsize=_CACHED_LAYOUTS)
def _layout(names: str, types: tuple[type, ...]) -> _Part:
    """How a record is made from a row with these names, and values of these types.

    Raises:
        Mismatch: no record can be made from it.
    """
    words = names.split(" ")
    if len(words) != len(types):
        raise Mismatch(f"are {len(words)}, with {len(types)} values", "names")
    places: dict[str, dict[str, int]] = {holder: {} for holder in ("", *_HOLDERS)}
    for at, word in enumerate(words):
        holder, dot, name = word.partition(".")
        holder, name = (holder, name) if dot and holder in _HOLDERS else ("", word)
        if places[holder].setdefault(name, at) != at:
            raise Mismatch("is there twice", word)
    made: dict[str, _Build] = {}
    for holder in _HOLDERS:
        if not places[holder] and holder not in accepted(TrialRecord).required:
            made[holder] = functools.partial(_constant, _defaults(TrialRecord)[holder])
        elif holder in _PARTS:
            made[holder] = _part(_PARTS[holder], f"{holder}.", places[holder], types, {}).build
        else:
            made[holder] = _table(holder, places[holder], types, places[""].get("folder")).build
    return _part(TrialRecord, "", places[""], types, made)


def _part(
    cls: type[Any], prefix: str, places: dict[str, int], types: tuple[type, ...], made: dict[str, _Build]
) -> _Part:
    """How an instance of a class is made.

    Args:
        cls: the class.
        prefix: what stands before the names of its fields.
        places: where in the row they are.
        types: of the values in the row.
        made: the fields that are made of several values.
    """
    refuse_missing((name for name in accepted(cls).required if name not in made), places, prefix)
    known = {name: default for name, default in _defaults(cls).items() if name not in made}
    builds, converted, picked = [], [], []
    for position, (name, default) in enumerate(_defaults(cls).items()):
        at = places.get(name) if name in known else None
        if at is not None and types[at] not in accepted(cls).rules[name].types:
            converted.append((position, prefix + name, _rule(cls, name, prefix)))
        elif name in made:
            builds.append((position, made[name]))
        elif at is None and default == {}:
            builds.append((position, _mapping))
        picked.append(len(types) + _blank(default) if at is None else at)
    unknown = [(_unescaped(name), at) for name, at in places.items() if name not in known]
    if unknown or cls is TrialRecord:
        builds.append((len(picked), functools.partial(_extra, unknown)))
    picked.append(len(types) + _blank(None))
    return _Part(_draft(cls), cls, operator.itemgetter(*picked), converted, builds)


def _table(holder: str, places: dict[str, int], types: tuple[type, ...], folder_at: int | None) -> _Table:
    """How the items of a list are made; for the arguments, see `_part`."""
    cls = _TABLES[holder]
    prefix = f"{holder}."
    refuse_missing(accepted(cls).required, places, prefix)
    columns: list[_Column] = []
    fills: list[tuple[int, Callable[[], Iterator[Any]]]] = []
    for position, (name, default) in enumerate(_defaults(cls).items()):
        at = places.get(name)
        if at is None:
            fills.append((position, functools.partial(_fill, default)))
        elif types[at] is not list:
            raise Mismatch(f"is {types[at].__name__}", prefix + name)
        else:
            rule = _rule(cls, name, prefix)
            convert_all = _all_digits if prefix + name in _IDS else convert_items
            columns.append(_Column(prefix + name, at, rule.types, functools.partial(convert_all, rule)))
    unknown = [(_unescaped(name), at) for name, at in places.items() if name not in _defaults(cls)]
    return _Table(_draft(cls), cls, columns, fills, prefix, unknown, folder_at if cls is Output else None)


def _blank(default: Any) -> int:
    """Where among `_BLANKS` a default is; that of what is made anyway does not matter."""
    return _BLANKS.index(default) if default in _BLANKS else 0


def _rule(cls: type[Any], name: str, prefix: str) -> Rule:
    rule = accepted(cls).rules[name]
    return rule._replace(convert=_digits) if prefix + name in _IDS else rule


def _digits(value: Any) -> str:
    return value.hex() if value.__class__ is bytes else refuse(value)


def _all_digits(rule: Rule, column: list[Any]) -> list[Any]:
    try:
        return list(map(bytes.hex, column))
    except TypeError:  # not all are bytes
        return convert_items(rule, column)


def _constant(value: Any, _: list[Any]) -> Any:
    return value


def _mapping(_: list[Any]) -> dict[str, Any]:
    return {}


def _extra(unknown: list[tuple[str, int]], row: list[Any]) -> dict[str, Any]:
    return check_extra({name: row[at] for name, at in unknown})


def _fill(default: Any) -> Iterator[Any]:
    """A default for each item of a table, and not the same dictionary for all."""
    return iter(dict, None) if default == {} else itertools.repeat(default)


# --- fast instances -------------------------------------------------------------------------------

_freeze = object.__setattr__
"""Called with `__class__` and a frozen class, it makes a draft an instance of that."""
_DRAFTS: dict[type, type[Any]] = {}


def _draft(cls: type[Any]) -> type[Any]:
    """The same dataclass, but for not being frozen.

    The initializer of a frozen one sets each field by a call, which would take half of the time of decoding a record.
    Python lets an object become an instance of another class that has the same slots.
    """
    if cls not in _DRAFTS:
        *names, extra = [field.name for field in dataclasses.fields(cls)]
        _DRAFTS[cls] = dataclasses.make_dataclass(cls.__name__, [*names, (extra, Any, None)], slots=True)
    return _DRAFTS[cls]
