"""Values of Python itself and its standard library."""

from __future__ import annotations

import functools
import operator
import sys
import types
from collections.abc import Sequence
from typing import Any, Final

from mitosis.canonical.content import array_node, digest_chunks, digested_node, range_of
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


def expand_set(value: set[object], limit: int) -> Part:
    return unordered("set", list(value))


def expand_frozenset(value: frozenset[object], limit: int) -> Part:
    return unordered("frozenset", list(value))


def expand_dict(value: dict[object, object], limit: int) -> Part:
    rows = list(value.items())
    refuse_addresses(rows)
    return mapping("dict", rows)


def refuse_addresses(rows: Sequence[tuple[object, object]]) -> None:
    """Refuse a mapping of the kind that keeps objects by their address in memory."""
    for key, value in rows:
        if type(key) is int and key == id(value):
            raise Refusal(f"the key {key} is the address in memory of its value, which no other process gives it")


def expand_class(value: type, limit: int) -> Part:
    return atom("class", class_label(value))


def expand_function(value: Any, limit: int) -> Part:
    return atom("function", function_label(value))


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


def expand_method_wrapper(value: Any, limit: int) -> Part:
    return record("method", {".__self__": value.__self__, ".__name__": value.__name__})


def expand_module(value: types.ModuleType, limit: int) -> Part:
    return atom("module", module_label(value))


def expand_range(value: range, limit: int) -> Part:
    """By what it yields, as `==` does: all empty ranges are equal."""
    count = len(value)
    if count < 2:
        start = value.start if count else 0
        return record("range", {".start": start, ".stop": start + count, ".step": 1})
    return record("range", {".start": value.start, ".stop": value[-1] + value.step, ".step": value.step})


def expand_slice(value: slice, limit: int) -> Part:
    return record("slice", {".start": value.start, ".stop": value.stop, ".step": value.step})


def expand_namespace(value: types.SimpleNamespace, limit: int) -> Part:
    return record("types.SimpleNamespace", attributes(vars(value)))


def expand_mappingproxy(value: types.MappingProxyType[object, object], limit: int) -> Part:
    return mapping("mappingproxy", list(value.items()))


def expand_generic_alias(value: types.GenericAlias, limit: int) -> Part:
    parts: dict[str, object] = {".__origin__": value.__origin__, ".__args__": value.__args__}
    if getattr(value, "__unpacked__", False):
        parts[".__unpacked__"] = True
    return record("types.GenericAlias", parts)


def expand_union(value: Any, limit: int) -> Part:
    return unordered("typing.Union", list(value.__args__))


def expand_deque(value: Any, limit: int) -> Part:
    return record("collections.deque", {".maxlen": value.maxlen, "items": list(value)})


def expand_ordered_dict(value: Any, limit: int) -> Part:
    return mapping("collections.OrderedDict", list(value.items()), ordered=True)


def expand_counter(value: Any, limit: int) -> Part:
    return mapping("collections.Counter", list(value.items()))


def expand_defaultdict(value: Any, limit: int) -> Part:
    rows = mapping("dict", list(value.items()))
    return record("collections.defaultdict", {".default_factory": value.default_factory, "mapping": rows})


def expand_partial(value: Any, limit: int) -> Part:
    parts: dict[str, object] = {".func": value.func, ".args": value.args, ".keywords": dict(value.keywords)}
    if vars(value):
        parts["state"] = dict(vars(value))
    return record("functools.partial", parts)


def expand_decimal(value: Any, limit: int) -> Part:
    return atom("decimal.Decimal", str(value))


def expand_fraction(value: Any, limit: int) -> Part:
    return record("fractions.Fraction", {".numerator": value.numerator, ".denominator": value.denominator})


def expand_complex(value: complex, limit: int) -> Part:
    return atom("complex", _float(value.real), _float(value.imag))


def _float(value: float) -> float:
    return value if value == value else float("nan")


def expand_uuid(value: Any, limit: int) -> Part:
    return atom("uuid.UUID", str(value))


def expand_pattern(value: Any, limit: int) -> Part:
    return record("re.Pattern", {".pattern": value.pattern, ".flags": int(value.flags)})


def expand_date(value: Any, limit: int) -> Part:
    return atom("datetime.date", value.isoformat())


def expand_datetime(value: Any, limit: int) -> Part:
    return _moment("datetime.datetime", value)


def expand_time(value: Any, limit: int) -> Part:
    return _moment("datetime.time", value)


def _moment(label: str, value: Any) -> Part:
    text = value.replace(tzinfo=None, fold=0).isoformat()
    if value.tzinfo is None and not value.fold:
        return atom(label, text)
    return record(label, {"value": text, ".tzinfo": value.tzinfo, ".fold": value.fold})


def expand_timedelta(value: Any, limit: int) -> Part:
    return atom("datetime.timedelta", value.days, value.seconds, value.microseconds)


def expand_timezone(value: Any, limit: int) -> Part:
    offset = value.utcoffset(None)
    return atom("datetime.timezone", offset.days, offset.seconds, offset.microseconds, value.tzname(None))


def expand_zoneinfo(value: Any, limit: int) -> Part:
    if value.key is None:
        raise Refusal("a time zone that was read from a file without a key has no name to find it by")
    return atom("zoneinfo.ZoneInfo", value.key)


def expand_path(value: Any, limit: int) -> Part:
    return atom("pathlib.Path", value.as_posix())


def expand_pure_posix_path(value: Any, limit: int) -> Part:
    return atom("pathlib.PurePosixPath", value.as_posix())


def expand_pure_windows_path(value: Any, limit: int) -> Part:
    return atom("pathlib.PureWindowsPath", value.as_posix())


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
    content = value.tobytes()
    if len(content) <= limit:
        return array_node(header, content)
    if sys.byteorder == "big":
        value.byteswap()
    low, high = range_of(value)
    return digested_node(header, low, high, digest_chunks(header, content))


def expand_bytearray(value: bytearray, limit: int) -> Part:
    return record("bytearray", {"value": bytes(value)})


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


def constant(name: str) -> Handler:
    """A handler for the only value of a type."""

    def expand(value: object, limit: int) -> Part:
        return atom("constant", name)

    return expand


def refuse(reason: str) -> Handler:
    """A handler for a type whose values have no stable meaning."""

    def expand(value: object, limit: int) -> Part:
        raise Refusal(f"{article(type_name(type(value)))} {reason}")

    return expand


def article(noun: str) -> str:
    """The noun with `a` or `an`."""
    return f"{'an' if noun[:1].lower() in 'aeiou' else 'a'} {noun}"


READ_ONCE: Final = "can be read only once, so it is no value; pass a list of what it yields"
_OF_PROCESS: Final = "exists only in this process"

BY_TYPE: Final[dict[type, Handler]] = {
    str: long_text,
    bytes: long_text,
    list: expand_list,
    tuple: expand_tuple,
    set: expand_set,
    frozenset: expand_frozenset,
    dict: expand_dict,
    type: expand_class,
    complex: expand_complex,
    range: expand_range,
    slice: expand_slice,
    bytearray: expand_bytearray,
    type(...): constant("Ellipsis"),
    type(NotImplemented): constant("NotImplemented"),
    types.FunctionType: expand_function,
    types.BuiltinFunctionType: expand_builtin,
    types.MethodType: expand_method,
    types.MethodWrapperType: expand_method_wrapper,
    types.MethodDescriptorType: expand_function,
    types.WrapperDescriptorType: expand_function,
    types.ClassMethodDescriptorType: expand_function,
    types.ModuleType: expand_module,
    types.SimpleNamespace: expand_namespace,
    types.MappingProxyType: expand_mappingproxy,
    types.GenericAlias: expand_generic_alias,
    types.UnionType: expand_union,
    types.GeneratorType: refuse(READ_ONCE),
    types.AsyncGeneratorType: refuse(READ_ONCE),
    types.CoroutineType: refuse(READ_ONCE),
    types.FrameType: refuse(_OF_PROCESS),
    types.TracebackType: refuse(_OF_PROCESS),
    memoryview: refuse("is a window on the memory of another object; pass bytes"),
    object: refuse("is told from another one only by being another one; use a class, an enum or a text"),
}
"""Handlers by exact type."""

BY_NAME: Final[dict[tuple[str, str], Handler]] = {
    ("collections", "deque"): expand_deque,
    ("collections", "OrderedDict"): expand_ordered_dict,
    ("collections", "Counter"): expand_counter,
    ("collections", "defaultdict"): expand_defaultdict,
    ("functools", "partial"): expand_partial,
    ("decimal", "Decimal"): expand_decimal,
    ("fractions", "Fraction"): expand_fraction,
    ("uuid", "UUID"): expand_uuid,
    ("re", "Pattern"): expand_pattern,
    ("datetime", "date"): expand_date,
    ("datetime", "datetime"): expand_datetime,
    ("datetime", "time"): expand_time,
    ("datetime", "timedelta"): expand_timedelta,
    ("datetime", "timezone"): expand_timezone,
    ("zoneinfo", "ZoneInfo"): expand_zoneinfo,
    ("pathlib", "PosixPath"): expand_path,
    ("pathlib", "WindowsPath"): expand_path,
    ("pathlib", "PurePosixPath"): expand_pure_posix_path,
    ("pathlib", "PureWindowsPath"): expand_pure_windows_path,
    # Python 3.13 moved the classes of pathlib for a while.
    ("pathlib._local", "PosixPath"): expand_path,
    ("pathlib._local", "WindowsPath"): expand_path,
    ("pathlib._local", "PurePosixPath"): expand_pure_posix_path,
    ("pathlib._local", "PureWindowsPath"): expand_pure_windows_path,
    ("array", "array"): expand_array,
    ("typing", "_UnionGenericAlias"): expand_union,
    ("_io", "TextIOWrapper"): refuse("is an open file; pass its path"),
    ("_io", "BufferedReader"): refuse("is an open file; pass its path"),
    ("_io", "BufferedWriter"): refuse("is an open file; pass its path"),
    ("_io", "BufferedRandom"): refuse("is an open file; pass its path"),
    ("_io", "FileIO"): refuse("is an open file; pass its path"),
    ("socket", "socket"): refuse(_OF_PROCESS),
    ("_thread", "lock"): refuse(_OF_PROCESS),
    ("_thread", "RLock"): refuse(_OF_PROCESS),
    ("threading", "Thread"): refuse(_OF_PROCESS),
    ("weakref", "ReferenceType"): refuse("says nothing of what it refers to; pass the object"),
}
"""Handlers by the module and name of the exact type, so that nothing is imported for them."""
