"""Short texts of objects say what differs from the defaults of their classes."""

from __future__ import annotations

import dataclasses
from types import SimpleNamespace
from typing import Any, ClassVar

import numpy as np
import pytest

from mitosis.canonical.encode import encode_value, encode_with_text


class Forest:
    """As scikit-learn has estimators: parameters are attributes of the same names, and fitting adds others."""

    def __init__(self, depth: int | None = None, *, criterion: str = "gini", trees: int = 100) -> None:
        self.base = "tree"
        self.criterion = criterion
        self.depth = depth
        self.trees = trees


class Estimator(Forest):
    def get_params(self) -> None:
        """By it, scikit-learn knows its own."""


def fitted(estimator: Estimator) -> Estimator:
    vars(estimator).update(mean_=0.5, _seen_=3)
    return estimator


class Chain:
    def __init__(self, steps: list[Any], verbose: bool = False) -> None:
        self.steps = steps
        self._verbose = verbose


@dataclasses.dataclass
class Options:
    rate: float = 0.1
    betas: list[float] = dataclasses.field(default_factory=list)


@dataclasses.dataclass
class Config:
    depth: int
    options: Options = dataclasses.field(default_factory=Options)
    drawn: int = dataclasses.field(default_factory=lambda: drawn.append(1) or len(drawn))  # type: ignore[func-returns-value]


drawn: list[int] = []


class Drawing(list[int]):
    """A class that counts how many it makes, and will not be made."""

    def __init__(self) -> None:
        drawn.append(1)
        raise SystemExit


@dataclasses.dataclass
class Counted:
    depth: int
    drawn: list[int] = dataclasses.field(default_factory=Drawing)


class Described:
    """As attrs describes a class."""

    __attrs_attrs__: ClassVar = (SimpleNamespace(name="_names", default=SimpleNamespace(factory=list)),)

    def __init__(self, names: Any = NotImplemented) -> None:
        self._names = [] if names is NotImplemented else names


class Evasive(type):
    @property
    def __signature__(cls) -> Any:
        raise SystemExit


class Shy(metaclass=Evasive):
    def __init__(self) -> None:
        self.a = 1


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (Forest(trees=500), "Forest(trees=500, base='tree')"),
        (Forest(3, criterion="log"), "Forest(criterion='log', depth=3, base='tree')"),
        (Forest(trees=100.0), "Forest(trees=100.0, base='tree')"),  # type: ignore[arg-type]
        (Estimator(trees=500), "Estimator(trees=500)"),
        (fitted(Estimator(3)), "Estimator(depth=3, mean_=0.5)"),
        (
            Chain([("scale", Chain([])), ("options", Options(betas=[0.9]))]),
            "Chain(steps=[('scale', Chain(steps=[])), ('options', Options(betas=[0.9]))])",
        ),
        ({"one": Chain([], verbose=True)}, "{'one': Chain(_verbose=True, steps=[])}"),
        (Options(), "Options()"),
        ([[[[[[Options(), Options(rate=1)]]]]]], "[[[[[[Options(), Options(…)]]]]]]"),
        (Counted(3, [4]), "Counted(depth=3, drawn=[4])"),
        (Config(3, drawn=7), "Config(depth=3, drawn=7, options=Options())"),
        (Config(3, Options(1.0), 7), "Config(depth=3, drawn=7, options=Options(rate=1.0))"),
        (Described(), "Described()"),
        (Described(["a"]), "Described(_names=['a'])"),
        ({"a": [1, 2]}, ""),
        (np.arange(3), ""),
        (Shy(), ""),
    ],
)
def test_text_says_what_differs_from_the_defaults_first_and_leaves_the_others_out(value: Any, text: str) -> None:
    before = len(drawn)
    assert encode_with_text(value, 200) == (encode_value(value), text)
    assert len(drawn) == before, "a function that makes a default is not called for a text"


def test_text_is_cut_at_the_limit() -> None:
    assert encode_with_text(Chain([Forest(trees=n) for n in range(50)]), 60)[1] == "Chain(steps=[50 items])"
    assert len(encode_with_text(Forest(criterion="x" * 100), 40)[1]) <= 40
