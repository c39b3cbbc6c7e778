"""The questions that the runner asks of the kernel, and their answers: plain values and messages made of them.

The runner never sees, imports or unpickles the user's objects, and the kernel knows nothing of the runner but this.
A question is a class, whose base names the type of its answer; what answers it is in `mitosis.in_kernel.answering`.
"""

from __future__ import annotations

from typing import Any, Generic, Literal, TypeVar, dataclass_transform

import msgpack

AnswerT = TypeVar("AnswerT")

Plain = bool | int | float | str | None
"""What a record holds of a result."""
PlainMetric = Plain | tuple[int | float, ...]
"""The same of a metric, which may be a list of numbers."""


_MESSAGE = 1
"""The extension type of msgpack for a message: its class's name and a mapping of its fields."""
_CLASSES: dict[str, type[Message]] = {}


@dataclass_transform(frozen_default=True)
class Message:
    """An immutable value with the fields that the class annotates, as `@dataclass(frozen=True)` would make it.

    To make thirty dataclasses takes 15 ms, in both processes of each trial; thirty of these take less than one.
    """

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        _CLASSES[cls.__name__] = cls

    def __init__(self, *values: Any, **named: Any) -> None:
        kind = type(self)
        given = dict(zip(kind.__annotations__, values, strict=False), **named)
        for name in kind.__annotations__:
            if name not in given:
                given[name] = getattr(kind, name)
        if len(given) != len(kind.__annotations__):
            raise TypeError(f"{kind.__name__} has the fields {', '.join(kind.__annotations__)}, not {', '.join(given)}")
        self.__dict__.update(given)

    def __setattr__(self, name: str, value: Any) -> None:
        raise AttributeError(f"{type(self).__name__} cannot be changed")

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and self.__dict__ == other.__dict__

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{name}={value!r}' for name, value in self.__dict__.items())})"


def pack(value: object) -> bytes:
    """Plain values, tuples, dictionaries and messages as msgpack."""
    data: bytes = msgpack.packb(value, default=_to_extension, unicode_errors="surrogatepass")
    return data


def _to_extension(value: object) -> msgpack.ExtType:
    if not isinstance(value, Message):
        raise TypeError(f"{type(value).__name__} is not a message")
    return msgpack.ExtType(_MESSAGE, pack((type(value).__name__, value.__dict__)))


def unpack(data: bytes) -> Any:
    """What was packed. Both sides are the same installation, so nothing is checked."""
    return msgpack.unpackb(data, use_list=False, ext_hook=_from_extension, unicode_errors="surrogatepass")


def _from_extension(_: int, data: bytes) -> Message:
    name, fields = unpack(data)
    return _CLASSES[name](**fields)


class Question(Message, Generic[AnswerT]):
    """Something that the kernel is asked."""


class Setup(Message):
    """How to set the kernel up before any of the user's code runs."""

    root: str
    """Top of the working tree, whose imports are watched."""
    pythonpath: tuple[str, ...]
    """Folders to append to the search path, after what is installed."""
    log: str
    """File for the root logger's records."""
    debug: bool
    """Whether to log from DEBUG instead of INFO."""
    module: str = ""
    """That of the first step, which is imported as if it were the script that runs."""
    figure_dpi: float | None = None
    """Pixels per inch of figures; None for what is sharp on any screen."""
    figure_format: Literal["png", "svg"] = "png"


# --- steps ----------------------------------------------------------------------------------------


class GivenParameter(Message):
    """A parameter as the command line has it."""

    name: str
    kind: Literal["lookup", "eval"]
    text: str


class StepToCheck(Message):
    """A step whose modules were imported."""

    name: str
    action: str
    lookup: str | None
    needs_lookup: bool
    """Whether the lookup dictionary has to be there."""
    parameters: tuple[GivenParameter, ...]


class UnresolvedReference(Message):
    """A reference of a step leads to nothing, or to nothing that can be called."""

    step: str
    reference: str
    reason: str
    known: tuple[str, ...] = ()
    """What there is instead."""


class WrongParameters(Message):
    """A step cannot be called with the parameters that are given."""

    step: str
    missing: tuple[str, ...]
    unknown: tuple[str, ...]
    from_step: str | None
    """The first positional parameter, which would take the data of a step before."""
    takes: str
    """The signature, as text."""
    names: tuple[str, ...]


class MissingVariant(Message):
    """A lookup dictionary does not have a parameter or its variant."""

    step: str
    parameter: str
    variant: str
    has_parameter: bool
    known: tuple[str, ...]
    """Keys that are strings."""
    other_keys: tuple[str, ...]
    """How the others look."""
    alike: tuple[str, str] | None
    """Look and class of one of these that is written as the text that was asked for."""
    error: str | None
    """What looking it up raised, if that was not a KeyError."""
    is_taken: bool = False
    """Whether the step has a parameter of that name, so that it could be given by an expression."""


class DescribedStep(Message):
    """Where a step's code is, and what it says of itself."""

    name: str
    doc: str
    file: str | None
    module: str | None
    source: str = ""
    """Of the callable, without common indentation; empty where it has none, or too much."""


class CheckedSteps(Message):
    """What was found, up to the first problem."""

    problem: UnresolvedReference | WrongParameters | MissingVariant | None
    steps: tuple[DescribedStep, ...]
    shadowed: tuple[str, ...]
    """Modules that the notebook cannot reach by their dotted name: their package binds it to something else."""
    wrapped: tuple[tuple[str, str], ...]
    """Step and name of lookup parameters whose dictionary holds a `mitosis.typing.Parameter`: `vals` is the value."""
    awaited: tuple[str, ...]
    """Names of the steps that are `async def`."""


class CheckSteps(Question[CheckedSteps]):
    """Are the steps what they are registered as, and can they be called with these parameters?"""

    steps: tuple[StepToCheck, ...]


# --- imports --------------------------------------------------------------------------------------


class ImportedFile(Message):
    """A file that a module was imported from."""

    module: str
    path: str
    """Absolute, as it was spelled."""
    oid: str | None
    """Git's id of a blob with the bytes that were compiled; None for what was not compiled from source."""


class Imports(Message):
    """What was imported from below a folder, and the folders of the interpreter's environment."""

    files: tuple[ImportedFile, ...]
    folders: tuple[str, ...]


class ListImports(Question[Imports]):
    """Which files below `root` were imported so far?"""

    root: str


# --- parameters -----------------------------------------------------------------------------------


class FailedParameter(Message):
    """Where the cell of parameters that ran last failed."""

    line: int | None
    """From 1; None when the cell did not even compile."""
    error: str
    is_unknown_name: bool
    variants: tuple[str, ...]
    """The parameters of which the lookup dictionary has a variant that is called as what was given."""


class FindFailedParameter(Question[FailedParameter]):
    """Where did the cell of parameters that ran last fail?"""

    lookup: str | None
    given: dict[str, str]
    """Variants and expressions by the names of the parameters."""


class Meaning(Message):
    """The canonical value of a parameter."""

    data: bytes
    digest: str
    functions: dict[str, str]
    """Digests of the source of those that the value names."""


class NoMeaning(Message):
    """A value has no canonical form: where in it, and why."""

    path: str
    reason: str


class DescribedValue(Message):
    """The value of a parameter."""

    name: str
    summary: str
    meaning: Meaning | NoMeaning


class DescribedParameters(Message):
    """The parameters of a step, the defaults of those that are not given, and what could not be saved."""

    values: tuple[DescribedValue, ...]
    defaults: tuple[DescribedValue, ...]
    unsaved: tuple[str, ...]


class ParametersOfStep(Message):
    """Which parameters of a step to describe and to save."""

    variable: str | None
    """Name of the dictionary that holds them; None where there are none."""
    file: str
    names: tuple[str, ...]
    action: str
    takes_data: bool
    """Whether its first positional parameter is for the data of the step before."""
    secrets: dict[str, str]
    """What is written in place of the values of those that hold a secret, by name."""


class DescribeParameters(Question[tuple[DescribedParameters, ...]]):
    """What are the values of the parameters, and of the defaults that take part? They are saved as well.

    After this, the working directory is no longer `root` but `folder`.
    """

    steps: tuple[ParametersOfStep, ...]
    root: str
    folder: str
    secret_names: tuple[str, ...] = ()
    """Patterns for names of parameters whose defaults are secrets."""


class FindChangedParameters(Question[dict[str, DescribedValue]]):
    """Which parameters and defaults of later steps has a step changed, by `step.name`, and what are they now?"""

    steps: dict[str, ParametersOfStep]
    digests: dict[str, str]
    """What was recorded, by `step.name`."""


# --- results --------------------------------------------------------------------------------------


class Usage(Message):
    """What the kernel and the processes that it waited for have used so far."""

    cpu_s: float | None = None
    peak_memory_bytes: int | None = None


class MeasureUsage(Question[Usage]):
    """What has been used so far?"""


class Successor(Message):
    """The step that comes next."""

    name: str
    action: str
    given: tuple[str, ...]
    """Names of its parameters."""


class Curve(Message):
    """A list of numbers among the metrics, thinned so that it can be drawn."""

    count: int
    """Of all its numbers."""
    not_finite: int
    """How many of them are nan or infinite."""
    numbers: tuple[float | str, ...]
    """To six digits; `nan`, `inf` or `-inf` for what is not finite, and where that is among what is not drawn."""


class StepResult(Message):
    """What a step returned, as far as it is recorded."""

    problem: str | None
    """Why it cannot be accepted."""
    main: Plain
    metrics: dict[str, PlainMetric]
    curves: dict[str, Curve]
    """Of those metrics that are lists of numbers."""
    has_metrics: bool
    pass_data: bool
    """Whether the next step is to be called with its data."""
    default: DescribedValue | None
    """What the next step has in place of the data, if it is called without and its default is anything but None."""
    unsaved: tuple[str, ...]
    warnings: tuple[str, ...]
    usage: Usage


class TakeResult(Question[StepResult]):
    """What did a step return? It is saved as well."""

    variable: str
    file: str
    successor: Successor | None


class DescribedFailure(Message):
    """What the cell that failed last raised."""

    type: str | None = None
    message: str = ""
    location: str | None = None
    """`file:line in function`, relative to the root."""
    line: int | None = None
    context: tuple[tuple[int, str], ...] = ()
    """Number and text of the lines around it."""
    more: tuple[str, ...] = ()
    """What belongs to it: its notes, its causes, its parts, each with its place."""


class DescribeFailure(Question[DescribedFailure]):
    """What did the cell that failed last raise, and where in the user's code?

    The innermost frame below `root`, the top of the working tree, is the place that counts; else the innermost one
    outside the installed packages, else that of the step's own `package`.
    """

    root: str
    package: str
