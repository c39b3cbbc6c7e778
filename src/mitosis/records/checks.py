"""What each field of a record accepts, and how plain values from a decoder become values of that kind.

What the fields of a class accept is worked out once. Then a field that holds a plain value of an accepted type costs
one look into a set, and only what has parts costs a call.
"""

from __future__ import annotations

import dataclasses
import functools
import types
import typing
from collections.abc import Callable, Container, Iterable
from typing import Any, Literal, NamedTuple

_MAX_EXTRA_DEPTH = 100
"""msgpack reads deeper nesting than it writes, and what was read must be writable."""


class Mismatch(Exception):
    """A field that is not as it should be."""

    def __init__(self, reason: str, path: str = "") -> None:
        super().__init__(reason)
        self.reason = reason
        self.path = path

    def within(self, name: str) -> Mismatch:
        """The same mismatch, seen from what holds it."""
        return Mismatch(self.reason, f"{name}{'' if self.path[:1] in ('', '[') else '.'}{self.path}")

    def text(self) -> str:
        return f"{self.path} {self.reason}" if self.path else f"it {self.reason}"


class Rule(NamedTuple):
    """What a field accepts."""

    types: frozenset[type]
    """Values of exactly these types are taken as they are."""
    convert: Callable[[Any], Any]
    """Makes a value of any other type; raises `Mismatch` if it cannot."""


class Accepted(NamedTuple):
    """What the fields of a record's class accept, but for `extra`, which is for all others."""

    types: dict[str, frozenset[type]]
    rules: dict[str, Rule]
    required: tuple[str, ...]


_ACCEPTED: dict[type, Accepted] = {}


def accepted(cls: type[Any]) -> Accepted:
    """What the fields of a record's class accept."""
    if cls not in _ACCEPTED:
        _ACCEPTED[cls] = _accepted(cls)
    return _ACCEPTED[cls]


def _accepted(cls: type[Any]) -> Accepted:
    hints = typing.get_type_hints(cls)
    fields = [field for field in dataclasses.fields(cls) if field.name != "extra"]
    rules = {field.name: _rule(hints[field.name]) for field in fields}
    return Accepted(
        types={name: rule.types for name, rule in rules.items()},
        rules=rules,
        required=tuple(field.name for field in fields if is_required(field)),
    )


def is_required(field: dataclasses.Field[Any]) -> bool:
    """Whether the field of a dataclass has no default."""
    return field.default is field.default_factory is dataclasses.MISSING


def _rule(hint: Any) -> Rule:
    origin = typing.get_origin(hint)
    if origin in (typing.Union, types.UnionType):
        choices = [_rule(choice) for choice in typing.get_args(hint)]
        converters = [choice.convert for choice in choices if choice.convert is not refuse]
        return Rule(frozenset().union(*(choice.types for choice in choices)), converters[0] if converters else refuse)
    if origin is Literal:
        return Rule(frozenset(), functools.partial(_choice, typing.get_args(hint)))
    if origin is tuple:
        return Rule(frozenset(), functools.partial(_tuple, _rule(typing.get_args(hint)[0])))
    if origin is dict:
        return Rule(frozenset(), functools.partial(_mapping, _rule(typing.get_args(hint)[1])))
    if isinstance(hint, type) and dataclasses.is_dataclass(hint):
        return Rule(frozenset(), functools.partial(build, hint))
    return Rule(frozenset({float, int}) if hint is float else frozenset({hint}), refuse)


def build(cls: type[Any], fields: Any) -> Any:
    """An instance of a record's class from a mapping of its fields. Changes `fields`.

    Raises:
        Mismatch: a field is missing, or holds what it may not.
    """
    if fields.__class__ is not dict:
        raise unfit(fields)
    types, rules, required = accepted(cls)
    has_unknown = False
    for name, value in fields.items():
        taken = types.get(name)
        if taken is None:
            has_unknown = True
        elif value.__class__ not in taken:
            fields[name] = convert(rules[name], value, name)
    if has_unknown:
        fields["extra"] = check_extra({name: fields.pop(name) for name in list(fields) if name not in types})
    refuse_missing(required, fields)
    return cls(**fields)


def refuse_missing(required: Iterable[str], present: Container[str], prefix: str = "") -> None:
    """Check that all required fields are present.

    Raises:
        Mismatch: one is not; it is named, after the prefix.
    """
    for name in required:
        if name not in present:
            raise Mismatch("is missing", prefix + name)


def convert(rule: Rule, value: Any, name: str) -> Any:
    """The value of a field whose type is not one that is taken as it is."""
    try:
        return rule.convert(value)
    except Mismatch as error:
        raise error.within(name) from error


def convert_items(rule: Rule, items: list[Any]) -> list[Any]:
    """The items of a list, of which some are of a type that is not taken as it is."""
    taken, converted = rule
    made: list[Any] = []
    try:
        for item in items:
            made.append(item if item.__class__ in taken else converted(item))
    except Mismatch as error:
        raise error.within(f"[{len(made)}]") from error
    return made


def _choice(choices: tuple[str, ...], value: Any) -> str:
    for choice in choices:
        if choice == value:
            return choice
    raise unfit(value)


def _tuple(rule: Rule, value: Any) -> tuple[Any, ...]:
    if value.__class__ is not list:
        raise unfit(value)
    return tuple(value if rule.types.issuperset(map(type, value)) else convert_items(rule, value))


def _mapping(rule: Rule, value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise unfit(value)
    for name, item in value.items():
        if not isinstance(name, str):
            raise unfit(name)
        if item.__class__ not in rule.types:
            value[name] = convert(rule, item, name)
    return value


def check_extra(fields: dict[Any, Any]) -> dict[str, Any]:
    """The unknown fields of a record, if they can be written again."""
    for name, value in fields.items():
        if not isinstance(name, str):
            raise unfit(name)
        level = [value]
        for _ in range(_MAX_EXTRA_DEPTH):
            level = [part for item in level for part in _parts(item)]
            if not level:
                break
        else:
            raise Mismatch("is too deeply nested", name)
    return fields


def _parts(value: Any) -> Iterable[Any]:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list) else ()


def refuse(value: Any) -> Any:
    """Convert nothing.

    Raises:
        Mismatch: always.
    """
    raise unfit(value)


def unfit(value: Any) -> Mismatch:
    """That a value is not of the right kind."""
    said = f" {value!r:.40}" if isinstance(value, bool | int | float | str | bytes) else ""
    return Mismatch(f"is {type(value).__name__}{said}")
