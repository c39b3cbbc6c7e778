"""Classes and functions of a user's module, as values of parameters have them."""

from __future__ import annotations

import collections
import copyreg
import dataclasses
import enum
import functools
import importlib.resources
import itertools
import struct
import zoneinfo
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

from mitosis.canonical.encode import encode_value


class Color(enum.Enum):
    RED = 1
    BLUE = 2
    CRIMSON = 1  # noqa: PIE796


class Mode(enum.Flag):
    READ = 1
    WRITE = 2


class Level(enum.IntEnum):
    LOW = 1
    HIGH = 2


@dataclasses.dataclass
class Noise:
    scale: float
    kernel: Any = None
    note: str = dataclasses.field(default="", compare=False)


@dataclasses.dataclass(frozen=True, slots=True)
class Solver:
    tol: float
    steps: tuple[int, ...] = ()


@dataclasses.dataclass(eq=False)
class Handle:
    name: str = dataclasses.field(default="", compare=False)


class Point(NamedTuple):
    x: float
    y: float


Pair = collections.namedtuple("Pair", ["left", "right"])


class Decorated:
    """What a decorator that is a class makes of a function."""

    def __init__(self, function: Callable[..., Any]) -> None:
        functools.update_wrapper(self, function)
        self.calls = 0

    def __call__(self, value: Any) -> Any:
        self.calls += 1
        return value


@Decorated
def decorated(value: Any) -> Any:
    """Count how often it is called."""
    return value


class Plain:
    """An ordinary object."""

    def __init__(self, **attributes: Any) -> None:
        self.__dict__.update(attributes)

    def method(self) -> None:
        """A method to bind."""

    @functools.cached_property
    def size(self) -> int:
        """Computed at its first use, and kept."""
        return len(self.__dict__)

    @classmethod
    def make(cls) -> Plain:
        return cls()

    @staticmethod
    def helper() -> None:
        """A function inside a class."""


class Slotted:
    __slots__ = ("a", "b")

    def __init__(self, a: Any, b: Any) -> None:
        self.a = a
        self.b = b


class Celsius(float):
    """A number with another meaning."""


class Names(list[Any]):
    """A list with attributes."""


class Table(dict[Any, Any]):
    """A dictionary with attributes."""


class Tags(set[Any]):
    """A set with attributes."""


class Stateful:
    """An object with a state of its own making."""

    def __init__(self, state: Any) -> None:
        self.state = state

    def __getstate__(self) -> Any:
        return self.state

    def __setstate__(self, state: Any) -> None:
        self.state = state


class Made:
    """An object that is made by calling a function."""

    def __init__(self, *arguments: Any) -> None:
        self.arguments = arguments

    def __reduce__(self) -> Any:
        return make, self.arguments


class Registered:
    """An object that copyreg knows how to take apart."""

    def __init__(self, value: Any) -> None:
        self.value = value


class Reduced:
    """An object whose reduce method returns what it is told."""

    def __init__(self, reduced: Any) -> None:
        self.reduced = reduced

    def __reduce_ex__(self, protocol: Any) -> Any:
        if isinstance(self.reduced, BaseException):
            raise self.reduced
        return self.reduced() if callable(self.reduced) else self.reduced


class Keyed:
    """Told apart by identity, so that equal ones can be in one set or be keys of one dictionary."""

    def __init__(self, value: Any = None) -> None:
        self.value = value


class Outer:
    class Inner:
        def method(self) -> None:
            """A method of a nested class."""


def make(*arguments: Any) -> Made:
    return Made(*arguments)


def _reduce_registered(registered: Registered) -> tuple[Callable[[Any], Registered], tuple[Any]]:
    return Registered, (registered.value,)


copyreg.pickle(Registered, _reduce_registered)


def drift(x: float, rate: float = 1.0) -> float:
    return x * rate


def make_closure(rate: float) -> Callable[[float], float]:
    def inner(x: float) -> float:
        return x * rate

    return inner


def make_local_class() -> type:
    class Local:
        pass

    return Local


def count() -> Iterator[int]:
    yield 1


async def wait() -> None:
    """A coroutine, when called."""


@functools.cache
def cached(x: float) -> float:
    return x


closure = make_closure(2.0)
nameless = lambda x: x  # noqa: E731


def misnamed(x: float) -> float:
    return x


misnamed_original, misnamed = misnamed, drift


def seeded(distribution: Any, seed: Any) -> Any:
    """A frozen distribution with a generator of its own."""
    distribution.random_state = seed
    return distribution


def nan_with_payload() -> float:
    value: float = struct.unpack(">d", bytes.fromhex("fff8000000000123"))[0]
    return value


def by_address() -> dict[int, Plain]:
    value = Plain()
    return {id(value): value}


def zone_without_key() -> zoneinfo.ZoneInfo:
    with (importlib.resources.files("tzdata.zoneinfo") / "UTC").open("rb") as file:
        return zoneinfo.ZoneInfo.from_file(file)


def assert_all_differ(values: Sequence[Any]) -> None:
    """Fail if two of the values have the same canonical bytes."""
    encoded = list(map(encode_value, values))
    for (one, left), (other, right) in itertools.combinations(zip(values, encoded, strict=True), 2):
        assert left != right, (one, other)
