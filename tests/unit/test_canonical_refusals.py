"""What has no stable meaning is refused, with the path to it and the reason."""

from __future__ import annotations

import collections
import contextlib
import ctypes
import functools
import inspect
import io
import itertools
import socket
import threading
import types
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mitosis.canonical.encode import encode_value
from mitosis.errors.base import MitosisError
from mitosis.errors.values import UnstableValue
from support import canonical_samples as samples

ONCE = "can be read only once"
PROCESS = "exists only in this process"
INSIDE = "is defined inside a function"


@contextlib.contextmanager
def refused(path: str, *words: str) -> Iterator[None]:
    """Expect a refusal of what is at `path` for a reason that has all the words in it."""
    with pytest.raises(UnstableValue) as caught:
        yield
    assert caught.value.path == path
    for word in words:
        assert word in caught.value.reason
    assert str(caught.value) == f"{path or 'the value'}: {caught.value.reason}"


def with_own_address() -> samples.Reduced:
    value = samples.Reduced(None)
    value.reduced = (samples.make, (id(value),))
    return value


def with_own_address_in_state() -> samples.Plain:
    value = samples.Plain()
    value.__dict__["key"] = id(value)
    return value


UNSTABLE: dict[str, tuple[Callable[[], Any], str]] = {
    "lambda": (lambda: lambda x: x, "a lambda has no name"),
    "lambda of a module": (lambda: samples.nameless, "a lambda has no name"),
    "closure": (lambda: samples.closure, f"`make_closure.<locals>.inner` {INSIDE}"),
    "local class": (samples.make_local_class, f"`make_local_class.<locals>.Local` {INSIDE}"),
    "instance of a local class": (lambda: samples.make_local_class()(), INSIDE),
    "misnamed function": (lambda: samples.misnamed_original, "does not refer to"),
    "generator": (samples.count, f"a generator {ONCE}"),
    "coroutine": (samples.wait, f"a coroutine {ONCE}"),
    "list iterator": (lambda: iter([1]), ONCE),
    "zip": (lambda: zip([1], [2], strict=True), ONCE),
    "itertools": (lambda: itertools.count(), ONCE),
    "open file": (
        lambda: Path(__file__).open(),  # noqa: SIM115
        "an open file",
    ),
    "open binary file": (
        lambda: Path(__file__).open("rb"),  # noqa: SIM115
        "an open file",
    ),
    "unbuffered file": (lambda: io.FileIO(__file__), "an open file"),
    "socket": (socket.socket, PROCESS),
    "lock": (threading.Lock, PROCESS),
    "recursive lock": (threading.RLock, PROCESS),
    "thread": (threading.Thread, PROCESS),
    "frame": (inspect.currentframe, PROCESS),
    "code": (lambda: samples.drift.__code__, "cannot be taken apart"),
    "weak reference": (lambda: weakref.ref(samples.Plain), "does not say what it refers to"),
    "pointer": (lambda: ctypes.pointer(ctypes.c_int(1)), "cannot be taken apart"),
    "memoryview": (lambda: memoryview(b"abc"), "pass bytes"),
    "bare object": (object, "can only be told apart by identity"),
    "property": (lambda: property(lambda self: 1), "cannot be taken apart"),
    "module that cannot be imported": (lambda: types.ModuleType("nowhere"), "`nowhere` is not the one"),
    "universal function without a name": (lambda: np.frompyfunc(samples.drift, 1, 1), "vectorized"),
    "address in arguments": (lambda: samples.Reduced((samples.make, (repr(object()),))), "a memory address"),
    "own address": (with_own_address, "its own memory address"),
    "own address in the state": (with_own_address_in_state, "its own memory address"),
    "reduce that returns a number": (lambda: samples.Reduced(5), "neither a string nor a tuple"),
    "reduce that returns too little": (lambda: samples.Reduced((samples.make,)), "neither a string nor a tuple"),
    "reduce that returns a list of arguments": (lambda: samples.Reduced((samples.make, [1])), "no tuple of arguments"),
    "reduce that returns no callable": (lambda: samples.Reduced((5, (1,))), "nothing callable"),
    "reduce that returns a name of nothing": (lambda: samples.Reduced("nothing"), "does not refer to"),
    "reduce whose items are no pairs": (
        lambda: samples.Reduced((samples.make, (), None, None, iter([1]))),
        "not pairs of key and value",
    ),
    "objects by address": (samples.by_address, "is the memory address of its value"),
    "endless items": (
        lambda: samples.Reduced((samples.make, (), None, itertools.repeat(1))),
        "more than 10,000,000 items",
    ),
}


@pytest.fixture
def unstable() -> Iterator[Callable[[str], tuple[Any, str]]]:
    """Makes one of `UNSTABLE`, and closes what must be closed."""
    with contextlib.ExitStack() as stack:

        def make(name: str) -> tuple[Any, str]:
            factory, reason = UNSTABLE[name]
            value = factory()
            if hasattr(value, "close"):
                stack.callback(value.close)
            return value, reason

        yield make


@pytest.mark.parametrize("name", UNSTABLE)
def test_unstable_value_is_refused_with_its_reason(name: str, unstable: Callable[[str], tuple[Any, str]]) -> None:
    value, reason = unstable(name)
    with refused("", reason):
        encode_value(value)


@pytest.mark.parametrize("name", ["lambda", "open file", "generator", "own address"])
def test_path_leads_to_the_unstable_part(name: str, unstable: Callable[[str], tuple[Any, str]]) -> None:
    value, reason = unstable(name)
    deque = collections.deque([0, value])
    places: dict[str, Any] = {
        "[2]": [1, {"a": 1}, value],
        "[1][0]": [0, (value,)],
        "solver.tol": {"scale": 1, "solver": {"tol": value}},
        "['not a name'][3]": {"not a name": [0, 1, 2, value]},
        "[3].x": {3: samples.Point(value, 1)},
        "[(1, 'a')]": {(1, "a"): value},
        "kernel.a[0]": samples.Noise(1.0, samples.Slotted([value], 1)),
        "args[1]": functools.partial(samples.drift, 1, value),
        "keywords.rate": functools.partial(samples.drift, rate=value),
        "__self__.a": samples.Plain(a=value).method,
        "()[1]": samples.Made(1, value),
        "<state>[0]": samples.Stateful([value]),
        "[0]": samples.Names([value]),
        "a": samples.Table(a=value),
        "[1]": deque,
        "b[0]": collections.defaultdict(int, {"b": (value,)}),
        "x.y": types.SimpleNamespace(x=types.SimpleNamespace(y=value)),
        "stop": slice(value),
        "[1][2]": [0, np.array([0, 1, value], dtype=object)],
    }
    for path, place in places.items():
        with refused(path, reason):
            encode_value(place)


def test_unstable_element_of_a_set_and_key_of_a_mapping_are_refused() -> None:
    with refused("a{…}", "a lambda"):
        encode_value({"a": {samples.nameless}})
    with refused("a<key>", "a lambda"):
        encode_value({"a": {samples.nameless: 1}})


def test_method_that_is_a_lambda_is_refused() -> None:
    with refused("__func__", "a lambda"):
        encode_value(types.MethodType(samples.nameless, samples.Plain()))


def test_path_of_a_key_that_is_an_object_names_its_class() -> None:
    with refused("[<support.canonical_samples.Keyed>]", "a lambda"):
        encode_value({samples.Keyed(): samples.nameless})


def test_things_defined_in_main_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    for thing in (samples.Plain, samples.drift, samples.Color, samples.Noise, samples.Point):
        monkeypatch.setattr(thing, "__module__", "__main__")
    reason = "is defined in __main__, where no other process can find it; move it to a module"
    for value in (
        samples.Plain,
        samples.Plain(),
        samples.drift,
        samples.Color.RED,
        samples.Noise(1.0),
        samples.Point(1, 2),
        samples.Plain().method,
    ):
        with pytest.raises(UnstableValue) as caught:
            encode_value(value)
        assert reason in caught.value.reason


def test_time_zone_that_was_read_from_a_file_is_refused() -> None:
    pytest.importorskip("tzdata")
    with refused("", "has no name to find it by"):
        encode_value(samples.zone_without_key())


def test_refusal_is_an_error_of_mitosis_that_keeps_its_cause() -> None:
    with pytest.raises(MitosisError) as caught:
        encode_value([samples.Reduced(ZeroDivisionError("no"))])
    assert isinstance(caught.value.__cause__, ZeroDivisionError)
    assert "ZeroDivisionError: no" in str(caught.value)


def test_object_that_only_mentions_an_address_is_no_description_of_it() -> None:
    encode_value(samples.Plain(note="loaded at 0x7fff12345678"))
