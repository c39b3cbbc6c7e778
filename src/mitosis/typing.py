"""Types for annotating experiments.

    from mitosis.typing import ExpResult

    def run(amplitude: float, frequency: float) -> ExpResult[np.ndarray]:
        ...
        return {"main": error, "data": y}

Nothing here is needed to run an experiment: mitosis looks at what a step returns, not at its annotations.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Generic, NotRequired, Protocol, TypedDict, TypeVar

__all__ = ["ExpResult", "ExpRun", "NotSaved", "Parameter"]

ContentT = TypeVar("ContentT")


class ExpResult(TypedDict, Generic[ContentT]):
    """What a step returns, generic over the type of its `data`.

    `main` is the result in a word: a number where it can be. `data` is what the next step gets as its first
    argument; every step but the last needs it. `metrics` maps names to numbers, and may be nested. Further keys
    are kept with the results: declare them in a subclass.
    """

    main: Any
    data: NotRequired[ContentT]
    metrics: NotRequired[Any]


class ExpRun(Protocol[ContentT]):
    """A step: any callable that returns an `ExpResult`, generic over the type of the result's `data`."""

    def __call__(self, *args: Any, **kwargs: Any) -> ExpResult[ContentT]: ...


@dataclass
class Parameter:
    """A named value, which a lookup dictionary may hold instead of the value itself.

    mitosis takes `vals` for the value. The other fields are for experiments written for mitosis before 0.7.
    """

    var_name: str
    arg_name: str
    vals: object
    evaluate: bool = field(default=False, kw_only=True)


@dataclass(frozen=True, slots=True)
class NotSaved:
    """Stands in what is saved for an object that could not be pickled, or for a secret."""

    reason: str
    """What pickling it raised, or which secret it is."""
