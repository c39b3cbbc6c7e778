"""Callables that decorators and compilers make, and objects of libraries that mitosis does not depend on, in small."""

from __future__ import annotations

import collections.abc
import functools
import io
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np


def slow(x: float) -> float:
    return x


fast = functools.lru_cache(slow)
"""As `jax.jit(slow)` gives it: called by compiled code, and found under another name than it says."""
squared = functools.lru_cache(lambda x: x**2)


class Plainly:
    """A decorator that does not say what it wraps."""

    def __init__(self, function: Callable[[float], float], times: int = 1) -> None:
        self.function = function
        self.times = times

    def __call__(self, x: float) -> float:
        return self.function(x) * self.times


@Plainly
def by_class(x: float) -> float:
    return x


@np.vectorize
def vectorized(x: float) -> float:
    return x


twice = Plainly(slow, 2)


class HashOrdered(collections.abc.Set[str]):
    """Set whose reduce protocol lists the elements in the order of their hashes, as that of pyrsistent."""

    def __init__(self, items: Iterable[str]) -> None:
        self._items = frozenset(items)

    def __contains__(self, item: object) -> bool:
        return item in self._items

    def __iter__(self) -> Iterator[str]:
        return iter(self._items)

    def __len__(self) -> int:
        return len(self._items)

    def __reduce__(self) -> tuple[Any, ...]:
        return HashOrdered, (list(self),)


class HashOrderedMap(collections.abc.Mapping[str, int]):
    """Mapping of the same kind, as that of rpds."""

    __reversed__ = None

    def __init__(self, rows: Iterable[tuple[str, int]]) -> None:
        self._rows = dict(rows)

    def __getitem__(self, key: str) -> int:
        return self._rows[key]

    def __iter__(self) -> Iterator[str]:
        return iter(set(self._rows))

    def __len__(self) -> int:
        return len(self._rows)

    def __hash__(self) -> int:
        return hash(frozenset(self._rows))

    def __reduce__(self) -> tuple[Any, ...]:
        return HashOrderedMap, ([(key, self._rows[key]) for key in self],)


class KeptHash:
    """Keeps its hash from the first use on."""

    def __init__(self, name: str, *, is_used: bool = False) -> None:
        self.name = name
        self._hash: int | None = None
        if is_used:
            hash(self)

    def __hash__(self) -> int:
        self._hash = self._hash or hash(self.name)
        return self._hash


class Sized:
    """Hashes its objects, and has an attribute that is about hashes and is not one."""

    def __init__(self, size: int | None) -> None:
        self._hash_size = size
        self._hash = None if size is None else -size

    def __hash__(self) -> int:
        return 0 if self._hash_size is None else self._hash_size


class Module:
    """State as modules of torch have it."""

    __module__ = "torch.nn.modules.module"

    def __init__(self, table: object) -> None:
        self._modules: dict[str, object] = {}
        self._hooks: dict[str, object] = {}
        self._table = table


class Net(Module):
    """A module of a user's."""


class BaseModel:
    """State as models of pydantic have it."""

    def __init__(self, *, is_given: bool = False, secret: int = 1, extra: int = 2, **fields: int) -> None:
        self.state = {
            "__dict__": {"n": 3, **fields},
            "__pydantic_extra__": {"z": extra},
            "__pydantic_fields_set__": {"n"} if is_given else set(),
            "__pydantic_private__": {"_secret": secret},
        }

    def __getstate__(self) -> object:
        return self.state


BaseModel.__module__ = "pydantic.main"


class Config(BaseModel):
    pass


class Tensor:
    """An array as the array API standard has it, on a device of a kind."""

    def __init__(self, values: Any, device: int = 1) -> None:
        self.array = np.asarray(values)
        self.shape, self.dtype, self._device = self.array.shape, self.array.dtype, device
        self.address = id(self)

    shape: tuple[int, ...] = ()
    dtype: Any = None

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any:
        return self.array

    def __dlpack__(self, **options: Any) -> Any:
        return self.array.__dlpack__()

    def __dlpack_device__(self) -> tuple[int, int]:
        return self._device, 0


class ByBytes:
    """Describes itself by bytes: by those that it is given, and by some that no copy has."""

    def __init__(self, content: bytes = b"", number: bytes = b"") -> None:
        self.content = content

    def __reduce__(self) -> tuple[Any, ...]:
        return ByBytes, (self.content, b"" if self.content else str(id(self)).encode())


class ByFile(ByBytes):
    def __reduce__(self) -> tuple[Any, ...]:
        return ByFile, (io.BytesIO(b"a"),)


class WithoutCopy(ByBytes):
    def __reduce__(self) -> tuple[Any, ...]:
        return slow, (b"a", b"b")
