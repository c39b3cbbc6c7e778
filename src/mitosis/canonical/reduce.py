"""Any other object, by what its reduce protocol says: the callable that makes it, the arguments, the state.

See "Pickling Class Instances" in the documentation of Python's `pickle` for the protocol. Nothing is pickled and
nothing is called that the protocol returns: its parts are taken apart as values.
"""

from __future__ import annotations

import copyreg
import inspect
import itertools
import re
import sys
import types
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
    find,
    function_label,
    raw_name,
    type_name,
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
    if callable(value) and _is_found_by_name(value):
        return atom("function", function_label(value))
    reduced = _reduce(value, cls)
    if isinstance(reduced, str):
        module = getattr(value, "__module__", None)
        return atom("function", checked_label(value, module, reduced, f"`{reduced}`"))
    if type(reduced) is not tuple or not 2 <= len(reduced) <= 6:
        raise Refusal(f"the reduce method of {type_name(cls)} returned neither a string nor a tuple of 2 to 6 items")
    return _expand_reduced(value, cls, *reduced)


def _is_found_by_name(value: Any) -> bool:
    """Whether something callable is in a module under the name that it gives itself: what a decorator makes may be."""
    try:
        module = value.__module__
        name = getattr(value, "__qualname__", None) or value.__name__
        return type(module) is type(name) is str and find(module, name) is value
    except AttributeError:
        return False


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
        return attributes(_cleaned(value, state))
    if type(state) is tuple and len(state) == 2 and not hasattr(type(value), "__setstate__"):
        instance, slots = state
        if (instance is None or type(instance) is dict) and type(slots) is dict:
            both = {**(instance or {}), **slots}
            if _are_names(both) and len(both) == len(instance or ()) + len(slots):
                return attributes(_cleaned(value, both))
    return {"state": _own(value, state)}


def _are_names(state: dict[Any, object]) -> bool:
    return all(type(name) is str and encodable(name) for name in state)


def _cleaned(value: object, state: dict[str, object]) -> dict[str, object]:
    left_out: set[str] = set()
    common: dict[str, object] = {}
    for base in type(value).__mro__:
        label = ":".join(raw_name(base))
        left_out.update(_LEFT_OUT.get(label, ()))
        # What a property computes at its first use, and keeps where its name is, was not said of the object.
        left_out.update(name for name, held in vars(base).items() if type(held).__name__ in _CACHED_PROPERTIES)
        if label == _ESTIMATOR:
            left_out.update(_unset_parameters(type(value), state))
        generator = _DRAWS_WITH.get(label)
        if generator in state:
            common.update(_common_generator(generator, state[generator]))
    return {name: common.get(name) or _attribute(value, part) for name, part in state.items() if name not in left_out}


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
    for item in part if type(part) is tuple else (part,):
        what = article(type_name(type(value)))
        if type(item) is int and item == id(value):
            raise Refusal(f"{what} keeps its own memory address, which differs in every process")
        address = _ADDRESS.search(item) if type(item) is str else None
        if address is not None:
            raise Refusal(f"{what} describes itself by a memory address, {address[0]}")
    return part


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
