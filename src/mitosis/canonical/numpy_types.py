"""Values of numpy, and distributions of scipy. Imported only when a value's process has imported numpy itself."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any, Final

import numpy as np

from mitosis.canonical.content import array_node, chunk_elements, digested_node, has_range, join_digests, range_of
from mitosis.canonical.expansion import Handler, Part, atom, attributes, instance_attributes, record
from mitosis.canonical.names import Refusal, class_label, find, function_label, raw_name
from mitosis.canonical.nodes import NAN, ArrayHeader, Node
from mitosis.canonical.plain import of_attributes

_LABEL: Final = "numpy.ndarray"
_CONTENT_KINDS: Final = "biufcmMSUV"
_FAMILIES: Final = {"i": "int", "u": "uint", "f": "float", "c": "complex"}
_OF_MASKED: Final = frozenset(
    ("_mask", "_fill_value", "_hardmask", "_sharedmask", "_isfield", "_baseclass", "_optinfo", "_basedict")
)
"""What numpy itself keeps in a masked array."""

_SEED_BITS: Final = 64
"""Bits of the longest seed that a person is taken to have chosen."""
_QUAD_BYTES: Final = 16
_DOUBLE_MANTISSA_BITS: Final = 52
_X87_MANTISSA_BITS: Final = 63
_QUAD_MANTISSA_BITS: Final = 112

_INFRASTRUCTURE: Final = "scipy.stats._distn_infrastructure"

_OF_FROZEN: Final = frozenset(("a", "b", "args", "kwds", "dist"))
"""What scipy itself keeps in a frozen distribution: what it was frozen with, and the support, which follows from it."""

_NO_PARAMETERS: Final = frozenset(("extradoc", "longname", "seed"))
"""What the constructor of a family takes and what is not part of the family: documentation, and the generator."""


def handler(cls: type) -> Handler | None:
    """How to take apart values of this class; None if it is no such class."""
    if issubclass(cls, np.ndarray):
        return expand_masked if issubclass(cls, np.ma.MaskedArray) else expand_array
    if issubclass(cls, np.generic):
        return expand_scalar if cls.__module__ == "numpy" else None
    if issubclass(cls, np.dtype):
        return expand_dtype
    if cls is np.ufunc:
        return expand_ufunc
    frozen = getattr(sys.modules.get(_INFRASTRUCTURE), "rv_frozen", None)
    if isinstance(frozen, type) and issubclass(cls, frozen):
        return expand_frozen
    random = sys.modules.get("numpy.random")
    if random is None:
        return None
    if issubclass(cls, random.BitGenerator):
        return expand_bit_generator
    exact: dict[type, Handler] = {
        random.Generator: of_attributes("numpy.random.Generator", "bit_generator"),
        random.RandomState: expand_random_state,
        random.SeedSequence: of_attributes(
            "numpy.random.SeedSequence", "entropy", "spawn_key", "pool_size", "n_children_spawned"
        ),
    }
    return exact.get(cls)


def expand_array(value: np.ndarray[Any, Any], limit: int) -> Part:
    """An array: plain ones by their content, others by class, content and attributes."""
    cls = type(value)
    plain = np.ndarray.view(value, np.ndarray)
    if cls is np.ndarray:
        return plain_array(plain, limit)
    parts: dict[str, object] = {"array": plain_array(plain, limit)}
    if issubclass(cls, np.memmap):
        # Which file it is mapped from is not part of the value; what is in it is.
        return record("numpy.memmap", parts)
    parts.update(attributes(instance_attributes(value)))
    return record(class_label(cls), parts)


def expand_masked(value: Any, limit: int) -> Part:
    """A masked array: what is under the mask does not count, and a mask of nothing equals no mask.

    Whether the mask is hard does not count either: numpy loses it when it pickles the array.
    """
    if value is np.ma.masked:
        return atom("constant", "numpy.ma.masked")
    cls = type(value)
    mask = np.ma.getmaskarray(value)
    data = np.array(np.ma.getdata(value), copy=True, subok=False)
    _blank(data, mask)
    parts: dict[str, object] = {
        "array": plain_array(data, limit),
        ".mask": plain_array(mask, limit),
        ".fill_value": value.fill_value,
    }
    own = {name: part for name, part in instance_attributes(value).items() if name not in _OF_MASKED}
    parts.update(attributes(own))
    return record("numpy.ma.MaskedArray" if cls is np.ma.MaskedArray else class_label(cls), parts)


def _blank(data: np.ndarray[Any, Any], mask: np.ndarray[Any, Any]) -> None:
    """Make what is under the mask the same for all arrays."""
    if data.dtype.names is not None:
        for name in data.dtype.names:
            _blank(data[name], mask[name])
    elif data.dtype.kind == "O":
        data[mask] = None
    else:
        data[mask] = np.zeros((), data.dtype)[()]


def plain_array(array: np.ndarray[Any, Any], limit: int) -> Part:
    """An array of class `ndarray`: by content, by fields if it has some, element by element if these are objects."""
    dtype = array.dtype
    if dtype.names is not None:
        parts: dict[str, object] = {"shape": array.shape}
        parts.update({f".{name}": plain_array(array[name], limit) for name in dtype.names})
        return record(_LABEL, parts)
    if dtype.hasobject or dtype.kind not in _CONTENT_KINDS:
        return record(_LABEL, {"dtype": dtype, "shape": array.shape, "items": array.tolist()})
    if _is_extended(dtype):
        name, size = ("float128", _QUAD_BYTES) if dtype.kind == "f" else ("complex256", 2 * _QUAD_BYTES)
        return _content(ArrayHeader(_LABEL, name, size, array.shape), _as_quads(array), limit)
    return _content(ArrayHeader(_LABEL, dtype_name(dtype), dtype.itemsize, array.shape), array, limit)


def bits_array(bits: np.ndarray[Any, Any], dtype: str, limit: int) -> Part:
    """An array of a dtype that numpy does not have, by the bits of its elements as unsigned integers."""
    return _content(ArrayHeader(_LABEL, dtype, bits.itemsize, bits.shape), bits, limit)


def _content(header: ArrayHeader, array: np.ndarray[Any, Any], limit: int) -> Part:
    """The node of an array whose bytes are `array`, which has a whole number of items for each element."""
    if header.size_bytes <= limit:
        return array_node(header, b"".join(chunk.tobytes() for chunk in _chunks(header, array)))
    bounds: list[int | float] = []

    def views() -> Iterator[memoryview]:
        for chunk in _chunks(header, array):
            if has_range(header.dtype):
                bounds.extend(_range(chunk))
            yield chunk.view(np.uint8).data

    digests = join_digests(views())
    return digested_node(header, *range_of(bounds), digests)


def _chunks(header: ArrayHeader, array: np.ndarray[Any, Any]) -> Iterator[np.ndarray[Any, Any]]:
    """The elements chunk by chunk: contiguous, little-endian, with one nan. No more than a chunk is ever copied."""
    flat: Any = array.reshape(-1) if array.flags.c_contiguous else array.flat
    step = chunk_elements(header) * (array.size // max(1, header.count))
    for start in range(0, array.size, max(1, step)):
        yield _normal(flat[start : start + step])


def _normal(chunk: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    dtype = chunk.dtype
    if dtype.kind == "b":
        # A byte that is neither 0 nor 1 can come from a view on other data, and counts as true.
        truths: np.ndarray[Any, Any] = chunk.view(np.uint8) != 0
        return truths
    if dtype.byteorder == ">" or (dtype.byteorder == "=" and sys.byteorder == "big"):
        chunk = chunk.astype(dtype.newbyteorder("<"), copy=False)
    if dtype.kind == "V" and "float" in dtype.name:
        return _one_nan(chunk)
    if dtype.kind in "fc":
        parts = chunk.view(f"<f{dtype.itemsize // 2}") if dtype.kind == "c" else chunk
        nans = np.isnan(parts)
        if nans.any():
            chunk = parts.copy()
            chunk[nans] = np.nan
    return chunk


def _one_nan(chunk: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Elements of another library's kind of floats with one nan."""
    nans = np.isnan(chunk)
    if nans.any():
        chunk = chunk.copy()
        chunk[nans] = np.nan
    return chunk


def _range(chunk: np.ndarray[Any, Any]) -> list[int | float]:
    """Minimum and maximum of a chunk, nan aside; nothing if there is none."""
    if chunk.dtype.kind != "f":
        return [int(chunk.min()), int(chunk.max())]
    if chunk.dtype.itemsize == 2:
        chunk = chunk.astype(np.float32)  # the arithmetic of halves is many times as slow
    with np.errstate(invalid="ignore"):
        low, high = float(chunk.min()), float(chunk.max())
        if low != low:
            low, high = float(np.fmin.reduce(chunk)), float(np.fmax.reduce(chunk))
    return [] if low != low else [low, high]


def _is_extended(dtype: np.dtype[Any]) -> bool:
    """Whether it is a `longdouble` that is wider than a `double`."""
    return dtype.char in "gG" and np.finfo(dtype).nmant != _DOUBLE_MANTISSA_BITS


def _as_quads(array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Extended floats as IEEE 754 binary128, pairs of little-endian words, which holds those of every machine."""
    native = np.ascontiguousarray(array.astype(array.dtype.newbyteorder("="))).reshape(-1)
    flat = native.view(np.longdouble)
    bits = np.finfo(np.longdouble).nmant
    quads = np.empty((flat.size, 2), "<u8")
    if bits == _X87_MANTISSA_BITS:
        raw = flat.view(np.uint8).reshape(flat.size, flat.itemsize)
        mantissa = np.ascontiguousarray(raw[:, :8]).view("<u8").reshape(-1) & np.uint64(2**63 - 1)
        sign_and_exponent = np.ascontiguousarray(raw[:, 8:10]).view("<u2").reshape(-1).astype(np.uint64)
        quads[:, 0] = mantissa << np.uint64(49)
        quads[:, 1] = (sign_and_exponent << np.uint64(48)) | (mantissa >> np.uint64(15))
    elif bits == _QUAD_MANTISSA_BITS:
        halves = flat.view("=u8").reshape(-1, 2)
        quads[:] = halves if sys.byteorder == "little" else halves[:, ::-1]
    else:
        raise Refusal("long doubles have a format of their own on this machine; use float64")
    quads[np.isnan(flat)] = (0, 0x7FFF_8000_0000_0000)
    words: np.ndarray[Any, Any] = quads.reshape(-1)
    return words


def dtype_name(dtype: np.dtype[Any]) -> str:
    """What a dtype without fields is called, whatever its byte order and whatever C type it is on this machine."""
    kind = dtype.kind
    if kind in "mM":
        unit, step = np.datetime_data(dtype)
        family = "datetime64" if kind == "M" else "timedelta64"
        return family if unit == "generic" else f"{family}[{step if step > 1 else ''}{unit}]"
    if kind == "b":
        return "bool"
    if kind in "iufc":
        return f"{_FAMILIES[kind]}{8 * dtype.itemsize}"
    if kind == "U":
        return f"str{dtype.itemsize // 4}"
    if kind == "S":
        return f"bytes{dtype.itemsize}"
    if kind == "O":
        return "object"
    if dtype.type is np.void:
        return f"void{dtype.itemsize}"
    return f"{dtype.type.__module__}.{dtype.type.__name__}"


def expand_scalar(value: Any, limit: int) -> Part:
    """A scalar: by its type, as the width that it has, and its value."""
    dtype = value.dtype
    kind = dtype.kind
    label = f"numpy.{dtype_name(dtype)}"
    if kind in "mM":
        unit, step = np.datetime_data(dtype)
        return atom("numpy.datetime64" if kind == "M" else "numpy.timedelta64", int(value.view(np.int64)), step, unit)
    if kind == "b":
        return atom(label, bool(value))
    if kind in "iu":
        return atom(label, int(value))
    if kind in "US":
        return record("numpy.str_" if kind == "U" else "numpy.bytes_", {"value": value.item()})
    if kind in "fc" and not _is_extended(dtype):
        number = value.item() if kind == "f" else None
        parts = [number] if number is not None else [float(value.real), float(value.imag)]
        return atom(label, *(part if part == part else NAN for part in map(float, parts)))
    array = plain_array(np.asarray(value), limit)
    if kind in "fc":
        return record("numpy.longdouble" if kind == "f" else "numpy.clongdouble", {"array": array})
    return record(f"numpy.{type(value).__name__}", {"array": array})


def expand_dtype(value: np.dtype[Any], limit: int) -> Part:
    """A dtype by itself: here byte order counts, unless it is the machine's own, and so does the layout of fields."""
    if value.subdtype is not None:
        base, shape = value.subdtype
        return record("numpy.dtype", {".base": base, ".shape": shape})
    if value.names is not None:
        fields: Any = value.fields
        rows = [(name, *fields[name]) for name in value.names]
        parts = {"items": rows, ".itemsize": value.itemsize, ".isalignedstruct": value.isalignedstruct}
        if value.type is not np.void:
            parts[".type"] = value.type
        return record("numpy.dtype", parts)
    if value.kind == "T":
        described: dict[str, object] = {".coerce": getattr(value, "coerce", True)}
        if hasattr(value, "na_object"):
            described[".na_object"] = value.na_object
        return record("numpy.StringDType", described)
    if value.isnative:
        return atom("numpy.dtype", dtype_name(value))
    return atom("numpy.dtype", dtype_name(value), "little" if sys.byteorder == "big" else "big")


def expand_ufunc(value: np.ufunc, limit: int) -> Part:
    """A universal function: by the name under which its library offers it, since it may not know its module."""
    for module in ("numpy", "scipy.special"):
        if find(module, value.__name__) is value:
            return atom("function", f"{module}:{value.__name__}")
    return atom("function", function_label(value))


def expand_bit_generator(value: Any, limit: int) -> Part:
    cls = type(value)
    label = f"numpy.random.{cls.__name__}" if cls.__module__.startswith("numpy.random") else class_label(cls)
    return record(label, {".state": _without_leftovers(value.state), ".seed_seq": value.seed_seq})


def expand_random_state(value: Any, limit: int) -> Part:
    if _is_global(value):
        return common_generator()
    return record("numpy.random.RandomState", {".state": _without_leftovers(value.get_state(legacy=False))})


def common_generator() -> Node:
    """What `numpy.random.normal` and others draw from: everybody has it, and its state is everybody's affair."""
    return atom("constant", "numpy.random.mtrand._rand")


def _is_global(value: object) -> bool:
    return value is sys.modules["numpy.random"].mtrand._rand


def is_common(value: Any) -> bool:
    """Whether it is numpy's global generator, or a copy of it or another old generator that nobody seeded.

    What nobody seeded has 128 random bits of the system for a seed, so it draws something else in each process.
    Libraries copy the global generator unasked when they copy an object that draws from it.
    """
    if _is_global(value):
        return True
    random: Any = sys.modules["numpy.random"]
    if type(value) is not random.RandomState:
        return False
    kept = value._bit_generator.__reduce__()[2]
    # numpy before 2.0 gives a copy new random bits for a seed, whatever the original had: that tells nothing.
    seed: Any = kept[1] if type(kept) is tuple and len(kept) == 2 else None
    return (
        type(seed) is random.SeedSequence
        and type(seed.entropy) is int
        and seed.entropy.bit_length() > _SEED_BITS
        and seed.spawn_key == ()
    )


def _without_leftovers(state: dict[str, Any]) -> dict[str, Any]:
    """The state of a generator without the half-used number that it no longer holds."""
    for held, number in (("has_uint32", "uinteger"), ("has_gauss", "gauss")):
        if number in state and not state.get(held):
            state = {**state, number: 0}
    return state


# --- distributions of scipy -----------------------------------------------------------------------


def expand_frozen(value: Any, limit: int) -> Part:
    """A frozen distribution: its family and arguments, and the generator that it draws from if it has its own."""
    family = _family(value.dist)
    parts: dict[str, object] = {".args": value.args, ".dist": value.dist if family is None else family}
    parts[".kwds"] = value.kwds
    if family is not None and not is_common(value.random_state):
        parts[".random_state"] = value.random_state
    parts.update(attributes({name: part for name, part in vars(value).items() if name not in _OF_FROZEN}))
    return record(class_label(type(value)), parts)


def _family(family: Any) -> Part | None:
    """A family by its name if scipy offers it, one of another class of scipy by that and what it was made with.

    None for one of the user's own: it may have any attributes, and is an object like others.
    """
    cls = type(family)
    module, _ = raw_name(cls)
    if module.partition(".")[0] != "scipy" or not hasattr(family, "_updated_ctor_param"):
        return None
    made_with = _parameters(family)
    offered: Any = getattr(sys.modules["scipy.stats"], str(family.name), None)
    if type(offered) is cls and _are_same(_parameters(offered), made_with):
        return atom("constant", f"scipy.stats.{family.name}")
    return record(class_label(cls), attributes(made_with))


def _parameters(family: Any) -> dict[str, object]:
    """What scipy rebuilds the family from when it freezes it."""
    return {
        name: part
        for name, part in family._updated_ctor_param().items()
        if part is not None and name not in _NO_PARAMETERS
    }


def _are_same(left: dict[str, object], right: dict[str, object]) -> bool:
    """Whether two sets of parameters are, by what tells numbers from each other."""
    return left.keys() == right.keys() and all(
        type(part) is type(right[name]) and type(part) in (bool, int, float, str) and repr(part) == repr(right[name])
        for name, part in left.items()
    )
