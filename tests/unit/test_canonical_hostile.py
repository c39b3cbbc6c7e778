"""Objects that lie, raise or never end: a value or a clear refusal, never a crash."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from mitosis.canonical import nodes, reduce
from mitosis.canonical.decode import decode_value
from mitosis.canonical.encode import encode_value
from mitosis.canonical.show import summarize_value
from mitosis.errors.values import UnstableValue
from support import canonical_samples as samples


@pytest.fixture(autouse=True)
def time_limit() -> Iterator[None]:
    """Ends a test that hangs after 60 seconds."""

    def give_up(signum: int, frame: object) -> None:
        raise AssertionError("no end in sight")

    previous = signal.signal(signal.SIGALRM, give_up)
    signal.alarm(60)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, previous)


ERRORS = [
    ValueError("no"),
    SystemExit(3),
    GeneratorExit(),
    RecursionError(),
    MemoryError(),
    StopIteration(1),
    OSError(),
]


def raiser(error: BaseException) -> Callable[..., Any]:
    def method(*arguments: Any) -> Any:
        raise error

    return method


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
@pytest.mark.parametrize("name", ["__reduce_ex__", "__reduce__", "__getstate__", "__getattribute__"])
def test_error_of_a_method_becomes_a_refusal(name: str, error: BaseException) -> None:
    hostile = type("Hostile", (samples.Plain,), {name: raiser(error)})
    with pytest.raises(UnstableValue) as caught:
        encode_value({"a": [object.__new__(hostile)]})
    assert caught.value.path == "a[0]"
    assert type(error).__name__ in caught.value.reason


@pytest.mark.parametrize("name", ["__reduce_ex__", "__getattribute__"])
def test_interrupt_passes_through(name: str) -> None:
    hostile = type("Hostile", (samples.Plain,), {name: raiser(KeyboardInterrupt())})
    with pytest.raises(KeyboardInterrupt):
        encode_value([object.__new__(hostile)])


class Touchy:
    """Raises at whatever is done to it, and is taken apart all the same."""

    __eq__ = __hash__ = __repr__ = __str__ = __bool__ = __len__ = __iter__ = raiser(ValueError("touched"))
    __getattr__ = __format__ = __contains__ = __getitem__ = raiser(ValueError("touched"))

    def __init__(self) -> None:
        self.__dict__["value"] = 5


class TouchyKey(Touchy):
    __hash__ = object.__hash__


def test_value_is_not_compared_hashed_shown_or_measured() -> None:
    assert encode_value([Touchy(), {TouchyKey(): Touchy()}, Touchy()]) == encode_value(
        [Touchy(), {TouchyKey(): Touchy()}, Touchy()]
    )


class Liar:
    """Says that it is a number."""

    @property  # type: ignore[misc]
    def __class__(self) -> type:
        return int

    def __init__(self, value: int = 0) -> None:
        self.value = value


class Thrower:
    """Raises when it is asked for its class."""

    __class__ = property(raiser(SystemExit(1)))


def test_class_is_not_asked_of_the_object() -> None:
    assert encode_value(Liar(1)) != encode_value(Liar(2))
    assert encode_value(Liar(1)) != encode_value(1)
    assert summarize_value(encode_value([Thrower()])) == "[Thrower()]"


class Meta(type):
    __name__ = property(raiser(ValueError("name")))
    __module__ = property(raiser(ValueError("module")))

    def __getattribute__(cls, name: str) -> Any:
        raise ValueError(name)

    def __instancecheck__(cls, instance: Any) -> bool:
        raise ValueError("instance")

    __eq__ = __hash__ = raiser(ValueError("compared"))


class Guarded(metaclass=Meta):
    """An ordinary object of a class that answers nothing."""


def test_hostile_metaclass_ends_in_a_value_or_a_refusal() -> None:
    for value in (Guarded, Guarded()):
        try:
            encode_value([value])
        except UnstableValue as refusal:
            assert refusal.path == "[0]"


class GuardedKey(Guarded):
    """A key of a class that answers nothing but its hash."""

    __hash__ = object.__hash__


def test_hostile_key_is_refused_by_its_class() -> None:
    with pytest.raises(UnstableValue, match="GuardedKey") as caught:
        encode_value({"a": {object.__new__(GuardedKey): samples.nameless}})
    assert caught.value.path == "a<key>"


def test_error_whose_message_raises_is_named_by_its_type() -> None:
    class Mute(Exception):
        __str__ = __repr__ = raiser(ValueError("no words"))

    class Words(str):
        __slots__ = ()
        split = raiser(ValueError("no words"))

    class Wordy(Exception):
        def __str__(self) -> str:
            return Words("some words")

    with pytest.raises(UnstableValue, match="some words"):
        encode_value(samples.Reduced(Wordy()))
    with pytest.raises(UnstableValue) as caught:
        encode_value(samples.Reduced(Mute()))
    assert "Mute" in caught.value.reason


class OddTable(dict[Any, Any]):
    """A dictionary with items of its own."""

    def __init__(self, *items: Any) -> None:
        super().__init__()
        self.__dict__["odd"] = None
        self.rows = items

    def items(self) -> Any:
        return iter(self.rows)

    def __getstate__(self) -> None:
        return None


def test_dictionary_with_odd_items_is_taken_at_its_word_or_refused() -> None:
    assert encode_value(OddTable((1, 2), (1, 3))) == encode_value(OddTable((1, 3), (1, 2)))
    assert encode_value(OddTable((1, 2), (1, 3))) != encode_value(OddTable((1, 2)))
    for odd in ((1,), (1, 2, 3), 5, [1, 2]):
        with pytest.raises(UnstableValue):
            encode_value(OddTable(odd))


class Endless:
    """Each one leads to another one."""

    def __reduce__(self) -> Any:
        return Endless, (), {"next": Endless()}


class Wide:
    """Each one leads to two more."""

    def __reduce__(self) -> Any:
        return Wide, (Wide(), Wide())


def test_endless_graph_ends_in_a_refusal() -> None:
    with pytest.raises(UnstableValue, match="nested more than 200 levels deep") as caught:
        encode_value([Endless()])
    assert len(caught.value.path) <= 1001


def test_graph_that_grows_for_ever_ends_in_a_refusal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nodes, "MAX_NODES", 5000)
    with pytest.raises(UnstableValue, match="200 levels deep"):
        encode_value([Wide()])
    with pytest.raises(UnstableValue, match="more than 5,000 parts"):
        encode_value([[at] for at in range(6000)])


def test_endless_items_end_in_a_refusal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reduce, "MAX_ITEMS", 5000)
    with pytest.raises(UnstableValue, match="more than"):
        encode_value(samples.Reduced((samples.make, (), None, iter(int, 1))))


def test_value_that_changes_while_it_is_taken_apart_ends_in_a_value() -> None:
    victim: list[Any] = [0, None, 2]

    class Changer:
        def __reduce__(self) -> Any:
            victim.clear()
            victim.extend([[], []])
            return samples.make, (1,)

    victim[1] = samples.Reduced(Changer().__reduce__)
    decode_value(encode_value(victim))


def test_parts_made_up_for_the_walk_are_not_mistaken_for_each_other() -> None:
    values = [samples.Reduced(lambda at=at: (samples.make, ([at], [at, at]))) for at in range(200)]
    assert encode_value(values) == encode_value([samples.Made([at], [at, at]) for at in range(200)])


def test_names_with_lone_surrogates_are_kept_or_refused() -> None:
    odd = samples.Plain()
    odd.__dict__["\ud800"] = 1
    assert encode_value(odd) != encode_value(samples.Plain(**{"?": 1}))
    nameless = type("Nameless", (), {})
    nameless.__module__ = "\ud800"
    with pytest.raises(UnstableValue):
        encode_value(nameless)


def test_attributes_that_are_no_names_are_kept() -> None:
    odd = samples.Plain()
    odd.__dict__[5] = 1  # type: ignore[index]
    even = samples.Plain()
    even.__dict__["5"] = 1
    assert encode_value(odd) != encode_value(even)
