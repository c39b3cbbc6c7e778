"""Values of Python itself and its standard library."""

from __future__ import annotations

import functools
import operator
import sys
import types
from collections.abc import Callable, Sequence
from typing import Any, Final

from mitosis.canonical.content import content_node
from mitosis.canonical.expansion import (
    Handler,
    Part,
    atom,
    attributes,
    long_text,
    mapping,
    packed_sequence,
    record,
    sequence,
    unordered,
)
from mitosis.canonical.names import Refusal, ancestors, class_label, function_label, module_label, type_name
from mitosis.canonical.nodes import ArrayHeader


def big_integer(value: int) -> Part:
    """An integer beyond 64 bits: in hexadecimal, which Python converts in linear time and without a limit."""
    return atom("int", f"{value:x}")


def expand_list(value: list[object], limit: int) -> Part:
    return packed_sequence("list", value, limit) or sequence("list", list(value))


def expand_tuple(value: tuple[object, ...], limit: int) -> Part:
    return packed_sequence("tuple", value, limit) or sequence("tuple", value)


def expand_dict(value: dict[object, object], limit: int) -> Part:
    rows = list(value.items())
    refuse_addresses(rows)
    return mapping("dict", rows)


def refuse_addresses(rows: Sequence[tuple[object, object]]) -> None:
    """Refuse a mapping of the kind that keeps objects by their address in memory."""
    for key, value in rows:
        if type(key) is int and key == id(value):
            raise Refusal(f"the key {key} is the memory address of its value, which differs in every process")


def expand_builtin(value: types.BuiltinMethodType, limit: int) -> Part:
    owner = value.__self__
    if owner is None or isinstance(owner, types.ModuleType):
        return atom("function", function_label(value))
    return record("method", {".__self__": owner, ".__name__": value.__name__})


def expand_method(value: types.MethodType, limit: int) -> Part:
    """A bound method: the object and the name, or the object and the function where the name means another one."""
    owner, function = value.__self__, value.__func__
    name = getattr(function, "__name__", None)
    cls = owner if isinstance(owner, type) else type(owner)
    for base in ancestors(cls):
        found = base.__dict__.get(str(name))
        if found is not None:
            if getattr(found, "__func__", found) is function:
                return record("method", {".__self__": owner, ".__name__": name})
            break
    return record("method", {".__self__": owner, ".__func__": function})


def expand_range(value: range, limit: int) -> Part:
    """By what it yields, as `==` does: all empty ranges are equal."""
    count = len(value)
    if count < 2:
        start = value.start if count else 0
        return record("range", {".start": start, ".stop": start + count, ".step": 1})
    return record("range", {".start": value.start, ".stop": value[-1] + value.step, ".step": value.step})


def expand_generic_alias(value: types.GenericAlias, limit: int) -> Part:
    parts: dict[str, object] = {".__origin__": value.__origin__, ".__args__": value.__args__}
    if getattr(value, "__unpacked__", False):
        parts[".__unpacked__"] = True
    return record("types.GenericAlias", parts)


def expand_deque(value: Any, limit: int) -> Part:
    return record("collections.deque", {".maxlen": value.maxlen, "items": list(value)})


def expand_defaultdict(value: Any, limit: int) -> Part:
    rows = mapping("dict", list(value.items()))
    return record("collections.defaultdict", {".default_factory": value.default_factory, "mapping": rows})


def expand_partial(value: Any, limit: int) -> Part:
    parts: dict[str, object] = {".func": value.func, ".args": value.args, ".keywords": dict(value.keywords)}
    if vars(value):
        parts["state"] = dict(vars(value))
    return record("functools.partial", parts)


def _float(value: float) -> float:
    return value if value == value else float("nan")


def expand_pattern(value: Any, limit: int) -> Part:
    return record("re.Pattern", {".pattern": value.pattern, ".flags": int(value.flags)})


def expand_timezone(value: Any, limit: int) -> Part:
    offset = value.utcoffset(None)
    return atom("datetime.timezone", offset.days, offset.seconds, offset.microseconds, value.tzname(None))


def expand_zoneinfo(value: Any, limit: int) -> Part:
    if value.key is None:
        raise Refusal("a time zone that was read from a file without a key has no name to find it by")
    return atom("zoneinfo.ZoneInfo", value.key)


def expand_array(value: Any, limit: int) -> Part:
    """`array.array`: by its elements, the type code by the number it means on this machine."""
    if value.typecode in "uw":
        return record("array.array", {".typecode": "u", "value": value.tounicode()})
    family = "float" if value.typecode in "fd" else "int" if value.typecode.islower() else "uint"
    size = value.itemsize
    header = ArrayHeader("array.array", f"{family}{8 * size}", size, (len(value),))
    if family == "float" and any(number != number for number in value):
        value = type(value)(value.typecode, [_float(number) for number in value])
    elif sys.byteorder == "big":
        value = value[:]
    if sys.byteorder == "big":
        value.byteswap()
    return content_node(header, value.tobytes(), limit)


def expand_namedtuple(value: tuple[object, ...], limit: int) -> Part:
    cls: Any = type(value)
    parts: dict[str, object] = {f".{name}": item for name, item in zip(cls._fields, value, strict=True)}
    if getattr(value, "__dict__", None):
        parts["state"] = dict(vars(value))
    return record(class_label(cls), parts)


def expand_enum(value: Any, limit: int) -> Part:
    """By class and name: what a member is worth is the class's affair."""
    label = class_label(type(value))
    name = value._name_
    known = type(value).__members__
    if name in known and known[name] is value:
        return atom("enum", label, name)
    # A combination of flags: by the names of those that it has, and the bits that have none.
    members = list(value)
    named = functools.reduce(operator.or_, (member._value_ for member in members), 0)
    rest = value._value_ & ~named
    return atom("enum", label, *(member._name_ for member in members), *([rest] if rest else []))


def expand_dataclass(value: Any, limit: int) -> Part:
    """By class and fields. A class that compares its instances itself says with `compare` which fields count."""
    cls = type(value)
    compares = cls.__dataclass_params__.eq
    missing = object()
    fields = {}
    for field in cls.__dataclass_fields__.values():
        if field._field_type.name == "_FIELD" and (field.compare or not compares):
            found = getattr(value, field.name, missing)
            if found is not missing:
                fields[field.name] = found
    return record(class_label(cls), attributes(fields))


def of_text(label: str, text: Callable[[Any], str] = str) -> Handler:
    """A handler for values that a text says all of."""
    return lambda value, limit: atom(label, text(value))


def of_attributes(label: str, *names: str) -> Handler:
    """A handler for values that some attributes say all of."""
    return lambda value, limit: record(label, {f".{name}": getattr(value, name) for name in names})


def of_elements(label: str, elements: Callable[[Any], Sequence[object]] = list) -> Handler:
    """A handler for values that hold others without order."""
    return lambda value, limit: unordered(label, elements(value))


def of_rows(label: str, *, ordered: bool = False) -> Handler:
    """A handler for mappings."""
    return lambda value, limit: mapping(label, list(value.items()), ordered=ordered)


def of_moment(label: str) -> Handler:
    """A handler for what a clock shows."""

    def expand(value: Any, limit: int) -> Part:
        text = value.replace(tzinfo=None, fold=0).isoformat()
        if value.tzinfo is None and not value.fold:
            return atom(label, text)
        return record(label, {"value": text, ".tzinfo": value.tzinfo, ".fold": value.fold})

    return expand


def constant(name: str) -> Handler:
    """A handler for the only value of a type."""

    return lambda value, limit: atom("constant", name)


def refuse(reason: str) -> Handler:
    """A handler for a type whose values have no stable meaning."""

    def expand(value: object, limit: int) -> Part:
        raise Refusal(f"{article(type_name(type(value)))} {reason}")

    return expand


def article(noun: str) -> str:
    """The noun with `a` or `an`."""
    return f"{'an' if noun[:1].lower() in 'aeiou' else 'a'} {noun}"


READ_ONCE: Final = "can be read only once, so it is not a value; pass a list of what it yields"
_OF_PROCESS: Final = "exists only in this process"

_PATHS: Final = {
    "PosixPath": "pathlib.Path",
    "WindowsPath": "pathlib.Path",
    "PurePosixPath": "pathlib.PurePosixPath",
    "PureWindowsPath": "pathlib.PureWindowsPath",
}


expand_class: Final = of_text("class", class_label)
expand_function: Final = of_text("function", function_label)


BY_TYPE: Final[dict[type, Handler]] = {
    str: long_text,
    bytes: long_text,
    list: expand_list,
    tuple: expand_tuple,
    set: of_elements("set"),
    frozenset: of_elements("frozenset"),
    dict: expand_dict,
    type: expand_class,
    complex: lambda value, limit: atom("complex", _float(value.real), _float(value.imag)),
    range: expand_range,
    slice: of_attributes("slice", "start", "stop", "step"),
    bytearray: lambda value, limit: record("bytearray", {"value": bytes(value)}),
    type(...): constant("Ellipsis"),
    type(NotImplemented): constant("NotImplemented"),
    types.FunctionType: expand_function,
    types.BuiltinFunctionType: expand_builtin,
    types.MethodType: expand_method,
    types.MethodWrapperType: of_attributes("method", "__self__", "__name__"),
    types.MethodDescriptorType: expand_function,
    types.WrapperDescriptorType: expand_function,
    types.ClassMethodDescriptorType: expand_function,
    types.ModuleType: of_text("module", module_label),
    types.SimpleNamespace: lambda value, limit: record("types.SimpleNamespace", attributes(vars(value))),
    types.MappingProxyType: of_rows("mappingproxy"),
    types.GenericAlias: expand_generic_alias,
    types.UnionType: of_elements("typing.Union", operator.attrgetter("__args__")),
    types.GeneratorType: refuse(READ_ONCE),
    types.AsyncGeneratorType: refuse(READ_ONCE),
    types.CoroutineType: refuse(READ_ONCE),
    types.FrameType: refuse(_OF_PROCESS),
    types.TracebackType: refuse(_OF_PROCESS),
    memoryview: refuse("is a view of another object's memory; pass bytes"),
    object: refuse("can only be told apart by identity; use a class, an enum or a string"),
}
"""Handlers by exact type."""

BY_NAME: Final[dict[tuple[str, str], Handler]] = {
    ("collections", "deque"): expand_deque,
    ("collections", "OrderedDict"): of_rows("collections.OrderedDict", ordered=True),
    ("collections", "Counter"): of_rows("collections.Counter"),
    ("collections", "defaultdict"): expand_defaultdict,
    ("functools", "partial"): expand_partial,
    ("decimal", "Decimal"): of_text("decimal.Decimal"),
    ("fractions", "Fraction"): of_attributes("fractions.Fraction", "numerator", "denominator"),
    ("uuid", "UUID"): of_text("uuid.UUID"),
    ("re", "Pattern"): expand_pattern,
    ("datetime", "date"): of_text("datetime.date"),
    ("datetime", "datetime"): of_moment("datetime.datetime"),
    ("datetime", "time"): of_moment("datetime.time"),
    ("datetime", "timedelta"): lambda value, limit: atom(
        "datetime.timedelta", value.days, value.seconds, value.microseconds
    ),
    ("datetime", "timezone"): expand_timezone,
    ("zoneinfo", "ZoneInfo"): expand_zoneinfo,
    # Python 3.13 moved the classes of pathlib for a while.
    **{
        (module, name): of_text(label, operator.methodcaller("as_posix"))
        for module in ("pathlib", "pathlib._local")
        for name, label in _PATHS.items()
    },
    ("array", "array"): expand_array,
    ("typing", "_UnionGenericAlias"): of_elements("typing.Union", operator.attrgetter("__args__")),
    **{
        ("_io", name): refuse("is an open file; pass its path")
        for name in ("TextIOWrapper", "BufferedReader", "BufferedWriter", "BufferedRandom", "FileIO")
    },
    ("socket", "socket"): refuse(_OF_PROCESS),
    ("_thread", "lock"): refuse(_OF_PROCESS),
    ("_thread", "RLock"): refuse(_OF_PROCESS),
    ("threading", "Thread"): refuse(_OF_PROCESS),
    ("weakref", "ReferenceType"): refuse("does not say what it refers to; pass the object"),
}
"""Handlers by the module and name of the exact type, so that nothing is imported for them."""
