"""Any other object, by what its reduce protocol says: the callable that makes it, the arguments, the state.

See "Pickling Class Instances" in the documentation of Python's `pickle` for the protocol. Nothing is pickled and
nothing is called that the protocol returns: its parts are taken apart as values.
"""

from __future__ import annotations

import copyreg
import inspect
import io
import itertools
import pickle
import re
import sys
import types
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final

from mitosis.canonical.expansion import (
    Expansion,
    Part,
    atom,
    attributes,
    instance_attributes,
    mapping,
    record,
    unordered,
)
from mitosis.canonical.names import (
    Refusal,
    checked_label,
    class_label,
    encodable,
    function_label,
    is_called_by_python,
    label_by_lookup,
    nameless,
    raw_name,
    type_name,
    wrapped_functions,
)
from mitosis.canonical.nodes import MAX_ITEMS
from mitosis.canonical.plain import READ_ONCE, article, refuse_addresses

_PROTOCOL: Final = 4

_ADDRESS: Final = re.compile(r"<[^<>]* at 0x[0-9a-fA-F]{4,}>")

_ESTIMATOR: Final = "sklearn.base:BaseEstimator"

_LEFT_OUT: Final = {
    _ESTIMATOR: {"_sklearn_version"},
    "sklearn.ensemble._base:BaseEnsemble": {"estimator_params"},
    "scipy.stats._distn_infrastructure:rv_generic": {
        *("__doc__", "_ctor_param", "_parse_arg_template", "_stats_has_moments", "extradoc", "numargs"),
        *("generic_moment", "vecentropy"),
    },
    "numpy:vectorize": {"__doc__", "_ufunc"},
    "pydantic.main:BaseModel": {"__fields_set__", "__pydantic_fields_set__"},
    "pydantic.v1.main:BaseModel": {"__fields_set__"},
    "scipy.sparse._compressed:_cs_matrix": {"_has_canonical_format", "_has_sorted_indices"},
    "scipy.stats._multivariate:multi_rv_generic": {"__doc__"},
    "scipy.stats._covariance:CovViaPSD": {"_LP", "_log_pdet", "_psd"},
    "scipy.stats._distribution_infrastructure:UnivariateDistribution": {
        *("_moment_raw_cache", "_moment_central_cache", "_moment_standardized_cache", "_lmoment_cache"),
        *("_support_cache", "_method_cache", "_constant_cache", "_cache_policy", "_not_implemented"),
        *("_parameterization", "_parameterizations", "_parameters", "_variable", "_moment_methods"),
        *("_invalid", "_any_invalid", "_shape", "_ndim", "_size", "_dtype"),
    },
}
"""By base class, attributes that a state holds and that say nothing of the object: they depend on the version of the
library, are computed from others in a way that differs from machine to machine, or change when the object is used."""

_CACHED_PROPERTIES: Final = {"cached_property", "lazyproperty", "reify"}
"""Names of the classes of such properties: Python's own, and those of libraries, which work alike."""

_NESTED: Final = ("__dict__", "__pydantic_extra__", "__pydantic_private__", "__private_attribute_values__")
"""Attributes by name that are themselves entries of a state, as models of pydantic have them."""

_MODULE: Final = "torch.nn.modules.module:Module"

_OF_MODULE: Final = ("_parameters", "_buffers")
"""Attributes of a module of torch that have others in them, which its users see as attributes."""

_CONTAINERS: Final = {dict, frozenset, list, set, str, tuple, OrderedDict}

_CACHED_HASH: Final = re.compile(r"_(?:\w*__)?(?:attrs_)?(?:cached_)?hash(?:_?(?:value|cache|code))?")
"""Names of attributes that hold the hash of their object: `_hash`, `__hash` as Python changes it, `_hash_value`."""

_OWN_WAYS: Final = {"__getstate__", "__reduce__", "__reduce_ex__"}

_DRAWS_WITH: Final = {
    "scipy.stats._distn_infrastructure:rv_generic": "_random_state",
    "scipy.stats._multivariate:multi_rv_generic": "_random_state",
}
"""By base class, the attribute that holds numpy's global generator, or the copy of it that a copy of the object has."""


def expand_object(value: object, limit: int) -> Part:
    """An object of a type that is not known in particular."""
    cls = type(value)
    if hasattr(cls, "__next__") and cls.__module__ in ("builtins", "itertools"):
        raise Refusal(f"{article(type_name(cls))} {READ_ONCE}")
    if issubclass(cls, set | frozenset) and cls.__reduce__ in (set.__reduce__, frozenset.__reduce__):
        return _expand_set(value)
    if callable(value):
        label = label_by_lookup(value)
        if label is not None:
            return atom("function", label)
        if not is_called_by_python(value) and next(wrapped_functions(value), None) is not None:
            raise Refusal(nameless(value))
    reduced = _reduce(value, cls)
    if isinstance(reduced, str):
        module = getattr(value, "__module__", None) or raw_name(cls)[0]
        name = reduced.removeprefix(f"{module}.")
        return atom("function", checked_label(value, module, name, f"`{name}`"))
    if type(reduced) is not tuple or not 2 <= len(reduced) <= 6:
        raise Refusal(f"the reduce method of {type_name(cls)} returned neither a string nor a tuple of 2 to 6 items")
    _refuse_changing_bytes(value, cls, reduced)
    return _expand_reduced(value, cls, *reduced)


def _refuse_changing_bytes(value: object, cls: type, reduced: Any) -> None:
    """Refuse an object that describes itself by bytes which are others for its copy.

    Whether they are the same in another process cannot be known here.
    """
    what = f"{article(type_name(cls))} describes itself by bytes"
    remedy = "pass what it is made from, or give its class a `__getstate__` that says what it holds"
    if type(reduced[1]) is tuple and any(type(part) is io.BytesIO for part in reduced[1]):
        # As models of keras do: the archive tells the time of day, which a copy may have in common.
        raise Refusal(f"{what} of a file, which do not tell what is equal; {remedy}")
    opaque = _opaque(cls, reduced)
    if not opaque:
        return
    try:
        copied = pickle.loads(pickle.dumps(value, _PROTOCOL))
        same = _opaque(cls, _reduce(copied, cls)) == opaque
    except Exception as error:
        raise Refusal(f"{what}, and no copy can be made to compare them, {said(error)}; {remedy}") from error
    if not same:
        raise Refusal(f"{what} that differ for its copy, so they do not tell what is equal; {remedy}")


def _opaque(cls: Any, reduced: Any) -> list[object]:
    """The bytes by which an object describes itself in a way of its own: what they mean, nobody else knows."""
    state = reduced[2] if len(reduced) > 2 else None
    parts = list(reduced[1]) if type(reduced[1]) is tuple else []
    if type(state) is not dict or any(_OWN_WAYS & vars(base).keys() for base in cls.__mro__[:-1]):
        parts += state.values() if type(state) is dict else state if type(state) is tuple else [state]
    return [part for part in parts if type(part) in (bytes, bytearray)]


def _reduce(value: object, cls: type) -> Any:
    dispatched = copyreg.dispatch_table.get(cls)
    try:
        if dispatched is not None:
            return dispatched(value)
        return value.__reduce_ex__(_PROTOCOL)
    except (TypeError, AttributeError, ValueError) as error:
        # What pickle raises for objects that it cannot take apart, all of them bound to the process.
        raise Refusal(f"{article(type_name(cls))} cannot be taken apart: {said(error)}") from error


def said(error: BaseException) -> str:
    """Type and message of an exception, whatever its `__str__` does, on one short line."""
    name = type_name(type(error))
    try:
        message = str(error)
    except KeyboardInterrupt:
        raise
    except BaseException:
        return name
    line = " ".join(str.split(message))
    return f"{name}: {line[:200]}" if line else name


def _expand_set(value: Any) -> Part:
    base = set if isinstance(value, set) else frozenset
    parts: dict[str, object] = {"items": unordered(base.__name__, list(base.__iter__(value)))}
    parts.update(_state_parts(value, instance_attributes(value)))
    return record(class_label(type(value)), parts)


def _expand_reduced(
    value: object,
    cls: type,
    function: Callable[..., object],
    arguments: object,
    state: object = None,
    items: Iterable[object] | None = None,
    rows: Iterable[object] | None = None,
    setter: object = None,
) -> Part:
    if not isinstance(arguments, tuple):
        raise Refusal(f"the reduce method of {type_name(cls)} returned no tuple of arguments")
    arguments = tuple(arguments)
    parts: dict[str, object] = {}
    # The types of copyreg for Python do not have these two.
    made_by: Any = copyreg
    if function is made_by.__newobj__ and arguments:
        label = class_label(arguments[0])
        if len(arguments) > 1:
            parts["new()"] = _own(value, arguments[1:])
    elif function is made_by.__newobj_ex__ and len(arguments) == 3:
        label = class_label(arguments[0])
        parts["new()"] = _own(value, arguments[1])
        if arguments[2]:
            parts["**"] = arguments[2]
    else:
        if isinstance(function, type):
            label = class_label(function)
        elif _has_name(function):
            label = function_label(function)
        elif callable(function):
            label = class_label(cls)
            parts["call"] = function
        else:
            raise Refusal(f"the reduce method of {type_name(cls)} returned nothing callable")
        parts["()"] = _own(value, arguments)
    parts.update(_state_parts(value, state))
    if items is not None:
        parts["items"] = _finite(cls, items)
    if rows is not None:
        parts["mapping"] = _mapping(cls, _finite(cls, rows))
    if setter is not None:
        parts["setter"] = setter
    return record(label, parts)


def _has_name(function: object) -> bool:
    """Whether it is a function that a module has, and not bound to an object or put together from others."""
    bound = getattr(function, "__self__", None)
    return isinstance(getattr(function, "__name__", None), str) and isinstance(bound, types.ModuleType | None)


def _state_parts(value: object, state: object) -> dict[str, object]:
    """The state as attributes where it is a dictionary of them, perhaps with one of slots; else as it is."""
    if state is None or (state == {} and type(state) is dict):
        return {}
    if type(state) is dict and _are_names(state):
        if type(state.get("__dict__")) is dict:
            inner = [part for name in _NESTED if type(part := state.get(name)) is dict]
            state = {name: part for name, part in state.items() if name not in _NESTED}
            state = {name: part for parts in (state, *inner) for name, part in parts.items()}
        if type(state.get("_modules")) is dict and _MODULE in map(_label, type(value).__mro__):
            return _module_parts(value, state)
        return attributes(_cleaned(value, state))
    if type(state) is tuple and len(state) == 2 and not hasattr(type(value), "__setstate__"):
        instance, slots = state
        if (instance is None or type(instance) is dict) and type(slots) is dict:
            both = {**(instance or {}), **slots}
            if _are_names(both) and len(both) == len(instance or ()) + len(slots):
                return attributes(_cleaned(value, both))
    return {"state": _own(value, state)}


def _module_parts(value: object, state: dict[str, Any]) -> dict[str, object]:
    """A module of torch: attributes, parameters and buffers; then its modules, whose order may be that of the calls.

    What it keeps for hooks and the like, and nobody has used, differs from version to version.
    """
    own = {name: part for name, part in state.items() if name not in ("_modules", *_OF_MODULE)}
    own = {name: part for name, part in own.items() if not name.startswith("_") or not _is_empty(part)}
    for name in _OF_MODULE:
        own.update(state.get(name) or {})
    parts = attributes(_cleaned(value, own))
    if state["_modules"]:
        parts["mapping"] = mapping("dict", list(state["_modules"].items()), ordered=True)
    return parts


def _is_empty(part: object) -> bool:
    return part is None or (type(part) in _CONTAINERS and not part)


def _are_names(state: dict[Any, object]) -> bool:
    return all(type(name) is str and encodable(name) for name in state)


def _cleaned(value: object, state: dict[str, object]) -> dict[str, object]:
    left_out: set[str] = set()
    common: dict[str, object] = {}
    for base in type(value).__mro__:
        label = _label(base)
        left_out.update(_LEFT_OUT.get(label, ()))
        # What a property computes at its first use, and keeps where its name is, was not said of the object.
        left_out.update(name for name, held in vars(base).items() if type(held).__name__ in _CACHED_PROPERTIES)
        if isinstance(vars(base).get("__hash__"), types.FunctionType):
            left_out.update(name for name, part in state.items() if _is_cached_hash(value, name, part))
        if label == _ESTIMATOR:
            left_out.update(_unset_parameters(type(value), state))
        generator = _DRAWS_WITH.get(label)
        if generator in state:
            common.update(_common_generator(generator, state[generator]))
    return {name: common.get(name) or _attribute(value, part) for name, part in state.items() if name not in left_out}


def _label(cls: type) -> str:
    return ":".join(raw_name(cls))


def _is_cached_hash(value: object, name: str, part: object) -> bool:
    """Whether an attribute of an object whose class hashes it is the hash, or the place for it."""
    if not _CACHED_HASH.fullmatch(name):
        return False
    try:
        return part is None or (type(part) is int and hash(value) == part)
    except Exception:  # a class may do anything when it is asked
        return False


def _unset_parameters(cls: Any, state: dict[str, object]) -> Iterator[str]:
    """Parameters of an estimator that are unset, and would be if they were not given.

    Most parameters that a new version of scikit-learn adds are so where nobody knows of them.
    """
    try:
        parameters = inspect.signature(cls.__init__).parameters
    except (TypeError, ValueError):
        return
    for name, parameter in parameters.items():
        default, part = parameter.default, state.get(name, parameter)
        if type(part) is type(default) and (part is None or (type(part) is str and part == default == "deprecated")):
            yield name


def _common_generator(name: str, value: object) -> dict[str, object]:
    from mitosis.canonical import numpy_types

    return {name: numpy_types.common_generator()} if numpy_types.is_common(value) else {}


def _attribute(value: object, part: object) -> object:
    # Libraries mark with a bare object what was not given. Nothing else could be meant by it here.
    return atom("constant", "object()") if type(part) is object else _own(value, part)


def _own(value: object, part: Any) -> Any:
    """`part` of what an object says of itself, unless it tells an address in memory."""
    what = article(type_name(type(value)))
    for item in part if type(part) is tuple else (part,):
        if type(item) is int and item == id(value):
            raise Refusal(f"{what} keeps its own memory address, which differs in every process")
        address = _ADDRESS.search(item) if type(item) is str else None
        if address is not None:
            raise Refusal(f"{what} describes itself by a memory address, {address[0]}")
    if _has_hash_order(type(value)):
        return tuple(_ordered(value, item) for item in part) if type(part) is tuple else _ordered(value, part)
    return part


def _has_hash_order(cls: Any) -> bool:
    """Whether it is a set, or a mapping that never changes, whose order Python does not know how to reverse."""
    known: Any = sys.modules.get("collections.abc")
    if known is None or getattr(cls, "__reversed__", None) is not None:
        return False
    return issubclass(cls, known.Set) or (issubclass(cls, known.Mapping) and cls.__hash__ is not None)


def _ordered(value: Any, part: Any) -> Any:
    """`part`, but without an order where it lists what the set or mapping holds: it would be that of the hashes."""
    if type(part) not in (list, tuple) or len(part) != len(value):
        return part
    if hasattr(value, "items"):
        is_list = all(type(row) is tuple and len(row) == 2 and row[0] in value for row in part)
        return mapping("dict", part) if is_list else part
    return unordered("set", part) if all(item in value for item in part) else part


def _finite(cls: type, items: Iterable[object]) -> list[object]:
    found = list(itertools.islice(items, MAX_ITEMS + 1))
    if len(found) > MAX_ITEMS:
        raise Refusal(f"{article(type_name(cls))} yields more than {MAX_ITEMS:,} items")
    return found


def _mapping(cls: type, rows: list[object]) -> Expansion:
    checked: list[tuple[object, object]] = []
    for row in rows:
        if type(row) is not tuple or len(row) != 2:
            raise Refusal(f"the items of {article(type_name(cls))} are not pairs of key and value")
        checked.append((row[0], row[1]))
    refuse_addresses(checked)
    collections = sys.modules.get("collections")
    ordered = collections is not None and issubclass(cls, collections.OrderedDict)
    return mapping("dict", checked, ordered=ordered)
