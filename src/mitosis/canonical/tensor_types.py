"""Arrays of other libraries than numpy, by the array protocols of Python. Imported only for a value that has one.

See "Python Specification for DLPack" of the array API standard. Of a library's own module only what the value's process
has imported is used.
"""

from __future__ import annotations

import sys
from typing import Any, Final

import numpy as np

from mitosis.canonical import numpy_types
from mitosis.canonical.expansion import Handler, Part, attributes, instance_attributes, record
from mitosis.canonical.names import MISSING, class_label, find
from mitosis.canonical.reduce import expand_object

_DEVICES: Final = {2: "cuda", 4: "opencl", 7: "vulkan", 8: "metal", 10: "rocm", 14: "oneapi"}
"""Kinds of devices by their number in DLPack; the memory of others is that of the processor."""


def handler(cls: type) -> Handler | None:
    """How to take apart values of this class; None if it is no such class."""
    if _is_a(cls, "torch", "Tensor"):
        return expand_torch
    if _is_a(cls, "jax", "Array"):
        return expand_jax
    return expand_array if hasattr(cls, "__dlpack__") and hasattr(cls, "shape") and hasattr(cls, "dtype") else None


def _is_a(cls: type, module: str, name: str) -> bool:
    base = find(module, name)
    return isinstance(base, type) and issubclass(cls, base)


def expand_array(value: Any, limit: int) -> Part:
    """An array of whichever library: shape, dtype, content and the kind of device that it is on."""
    array: Any = np.asarray(value) if hasattr(value, "__array__") else np.from_dlpack(value)
    parts: dict[str, object] = {"array": numpy_types.plain_array(array, limit)}
    device = _DEVICES.get(int(value.__dlpack_device__()[0]))
    if device is not None:
        parts[".device"] = device
    return record(class_label(type(value)), parts)


def expand_jax(value: Any, limit: int) -> Part:
    """An array of jax, whose class has another name in each version; or keys for random numbers."""
    jax: Any = sys.modules["jax"]
    if jax.dtypes.issubdtype(value.dtype, jax.dtypes.prng_key):
        return record("jax.random.key", {".data": jax.random.key_data(value), ".impl": str(jax.random.key_impl(value))})
    parts: dict[str, object] = {"array": numpy_types.plain_array(np.asarray(value), limit)}
    platforms = {device.platform for device in value.devices()} - {"cpu"}
    if platforms:
        parts[".device"] = ", ".join(sorted(platforms))
    if value.weak_type:
        parts[".weak_type"] = True
    return record("jax.Array", parts)


def expand_torch(value: Any, limit: int) -> Part:
    """A tensor of torch; what gradients have been computed, and how its elements lie in memory, does not count."""
    torch: Any = sys.modules["torch"]
    cls = type(value)
    if find("torch.nn.parameter", "is_lazy") is not MISSING and torch.nn.parameter.is_lazy(value):
        return expand_object(value, limit)
    plain = value.detach() if cls is torch.Tensor else value.detach().as_subclass(torch.Tensor)
    parts: dict[str, object] = {}
    if plain.is_meta:
        parts.update({"dtype": value.dtype, "shape": tuple(value.shape)})
    elif plain.is_nested:
        parts["items"] = plain.unbind()
    elif plain.is_quantized:
        parts.update({"dtype": value.dtype, ".codes": plain.int_repr(), ".values": plain.dequantize()})
    elif plain.layout is torch.sparse_coo:
        merged = plain.coalesce()
        parts.update({"shape": tuple(value.shape), ".indices": merged.indices(), ".values": merged.values()})
    elif plain.layout in (torch.sparse_csr, torch.sparse_bsr, torch.sparse_csc, torch.sparse_bsc):
        by_rows = plain.layout in (torch.sparse_csr, torch.sparse_bsr)
        starts, others = ("crow_indices", "col_indices") if by_rows else ("ccol_indices", "row_indices")
        parts.update({"shape": tuple(value.shape), ".values": plain.values()})
        parts.update({f".{name}": getattr(plain, name)() for name in (starts, others)})
    else:
        parts["array"] = _elements(torch, plain.to_dense(), limit)
    if value.device.type != "cpu":
        parts[".device"] = value.device.type
    if value.requires_grad:
        parts[".requires_grad"] = True
    parts.update(attributes(instance_attributes(value)))
    public = {torch.Tensor: "torch.Tensor", torch.nn.Parameter: "torch.nn.Parameter"}
    return record(public.get(cls) or class_label(cls), parts)


def _elements(torch: Any, tensor: Any, limit: int) -> Part:
    name = str(tensor.dtype).removeprefix("torch.")
    dense = tensor.resolve_conj().resolve_neg().cpu().contiguous()
    if hasattr(np, name):
        return numpy_types.plain_array(dense.numpy(), limit)
    bits = dense.reshape(-1).view(torch.uint8).numpy().view(f"u{dense.element_size()}").reshape(tuple(dense.shape))
    if tensor.dtype.is_floating_point:
        nans = torch.isnan(dense.float()).numpy()
        if nans.any():
            bits = np.where(nans, _nan_of(torch, tensor.dtype, bits.dtype), bits)
    return numpy_types.bits_array(bits, name, limit)


def _nan_of(torch: Any, dtype: Any, bits: Any) -> Any:
    return torch.tensor([float("nan")]).to(dtype).view(torch.uint8).numpy().view(bits)
