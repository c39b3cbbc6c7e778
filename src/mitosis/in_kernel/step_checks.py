"""Are the steps what they are registered as, and can they be called with these parameters?"""

from __future__ import annotations

import inspect
import itertools
import os
import sys
import textwrap
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any

from mitosis.canonical.plain import article
from mitosis.in_kernel.user_code import describe_exception, let_interrupts_pass, user_namespace
from mitosis.protocol import (
    CheckedSteps,
    CheckSteps,
    DescribedStep,
    FailedParameter,
    FindFailedParameter,
    GivenParameter,
    MissingVariant,
    StepToCheck,
    UnresolvedReference,
    WrongParameters,
)
from mitosis.typing import Parameter

_SOURCE_LIMIT = 50_000
"""Characters of a step's source that are sent back, at most."""
_NEEDS_NONE = "a step without variants needs none"
_KNOWN_LIMIT = 200
"""This many names at most are sent back as what there is to choose from."""


def check_steps(question: CheckSteps) -> CheckedSteps:
    """Check each step after its modules were imported, up to the first problem."""
    described: list[DescribedStep] = []
    shadowed: set[str] = set()
    wrapped: list[tuple[str, str]] = []
    awaited: list[str] = []
    problem: UnresolvedReference | WrongParameters | MissingVariant | None = None
    for index, step in enumerate(question.steps):
        try:
            action = resolve(step.action)
            lookup = resolve_lookup(step.lookup) if step.lookup and step.needs_lookup else {}
        except Unresolved as error:
            problem = UnresolvedReference(step.name, error.reference, error.reason, error.known)
            break
        shadowed.update(_shadowed_modules(step))
        described.append(_describe(step.name, action))
        problem = _check_lookups(step, action, lookup) or _check_call(step, action, takes_data=index > 0)
        if problem is not None:
            break
        if inspect.iscoroutinefunction(action) or inspect.iscoroutinefunction(type(action).__call__):
            awaited.append(step.name)
        wrapped += [
            (step.name, parameter.name)
            for parameter in step.parameters
            if parameter.kind == "lookup" and isinstance(lookup[parameter.name][parameter.text], Parameter)
        ]
    return CheckedSteps(problem, tuple(described), tuple(sorted(shadowed)), tuple(wrapped), tuple(awaited))


class Unresolved(Exception):
    """A reference leads to nothing. Attributes: reference, reason, known (what there is instead)."""

    def __init__(self, reference: str, reason: str, known: Iterable[str] = ()) -> None:
        super().__init__(reason)
        self.reference = reference
        self.reason = reason
        self.known = tuple(sorted(known)[:_KNOWN_LIMIT])


def resolve(reference: str) -> Any:
    """The object that `module:qualified.name` names."""
    module, _, qualified_name = reference.partition(":")
    found: Any = sys.modules[module]
    for name in qualified_name.split("."):
        try:
            found = getattr(found, name)
        except BaseException as error:
            let_interrupts_pass(error)
            owner = getattr(found, "__name__", None) or type(found).__name__
            reason = f"`{owner}` has no attribute `{name}`"
            if not isinstance(error, AttributeError):
                reason = f"getting `{name}` of `{owner}` raised {describe_exception(error)}"
            known = [known for known in getattr(found, "__dict__", {}) if not known.startswith("_")]
            raise Unresolved(reference, reason, known) from error
    return found


def resolve_lookup(reference: str) -> Any:
    """The lookup dictionary that a reference names.

    Raises:
        Unresolved: it names nothing, or no dictionary.
    """
    found = resolve(reference)
    if not is_dictionary(found):
        raise Unresolved(reference, f"it is {article(type(found).__name__)}, not a dictionary; {_NEEDS_NONE}")
    return found


def is_dictionary(value: Any) -> bool:
    """Whether it can be asked for its keys, and for what they stand for."""
    return isinstance(value, Mapping) or (hasattr(value, "keys") and hasattr(value, "__getitem__"))


def _shadowed_modules(step: StepToCheck) -> Iterable[str]:
    namespace = user_namespace()
    for reference in filter(None, (step.action, step.lookup)):
        module = reference.partition(":")[0]
        try:
            reached = eval(module, namespace)
        except BaseException as error:  # a module's attributes may do anything
            let_interrupts_pass(error)
            yield module
            continue
        if reached is not sys.modules[module]:
            yield module


def _describe(name: str, action: Any) -> DescribedStep:
    doc = getattr(action, "__doc__", None)
    module = getattr(action, "__module__", None)
    try:
        file = inspect.getsourcefile(inspect.unwrap(action))
    except (TypeError, ValueError):
        file = getattr(sys.modules.get(module or ""), "__file__", None)
    return DescribedStep(
        name=name,
        doc=inspect.cleandoc(doc) if isinstance(doc, str) else "",
        file=os.path.realpath(file) if isinstance(file, str) else None,
        module=module if isinstance(module, str) else None,
        source=_source(action),
    )


def _source(action: Any) -> str:
    """The source of a function, of what a partial calls, or of an object's class; empty if there is none."""
    try:
        found = inspect.unwrap(getattr(action, "func", action))
        has_own = inspect.isroutine(found) or inspect.isclass(found)
        source = textwrap.dedent(inspect.getsource(found if has_own else type(found)))
    except BaseException as error:  # a callable's attributes may do anything
        let_interrupts_pass(error)
        return ""
    return source if len(source) <= _SOURCE_LIMIT else ""


def _check_call(step: StepToCheck, action: Any, *, takes_data: bool) -> UnresolvedReference | WrongParameters | None:
    if not callable(action):
        return UnresolvedReference(step.name, step.action, f"it is {type(action).__name__}, not a callable")
    signature = _signature(action)
    if signature is None:
        return None
    given = [parameter.name for parameter in step.parameters]
    # Whether the step before has data for it is not known yet.
    if any(can_be_called(action, given, with_data=with_data) for with_data in {False, takes_data}):
        return None
    return _mismatch(step, action, signature, given, takes_data)


def _signature(action: Any) -> inspect.Signature | None:
    """How a callable is called; None for builtins that do not say so: calling them tells."""
    try:
        return inspect.signature(action)
    except (TypeError, ValueError):
        return None


def can_be_called(action: Callable[..., Any], given: Iterable[str], *, with_data: bool) -> bool:
    """Whether a step can be called with its parameters, and one positional argument before them or none."""
    signature = _signature(action)
    try:
        if signature is not None:
            signature.bind(*((None,) if with_data else ()), **dict.fromkeys(given))
    except TypeError:
        return False
    return True


def defaults_of(action: Any, given: Collection[str], *, takes_data: bool) -> dict[str, Any]:
    """The default arguments of a step that take part when these parameters are given, by name.

    Args:
        action: the step's callable.
        given: names of its parameters.
        takes_data: whether its first positional parameter is for the data of the step before, and has no part in this.
    """
    signature = _signature(action)
    parameters = [] if signature is None else list(signature.parameters.values())
    data = _positional(parameters)[:1] if takes_data else []
    return {p.name: p.default for p in parameters if p.default is not p.empty and p.name not in given and p not in data}


def default_for_data(action: Any, given: Collection[str]) -> tuple[str, Any] | None:
    """The parameter that the data of the step before would be for, and its default; None if it has none, or None."""
    signature = _signature(action)
    for first in _positional([] if signature is None else signature.parameters.values())[:1]:
        if first.name not in given and first.default is not first.empty and first.default is not None:
            return first.name, first.default
    return None


def _positional(parameters: Iterable[inspect.Parameter]) -> list[inspect.Parameter]:
    return [p for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]


def _takes(action: Any, name: str) -> bool:
    """Whether a callable has a parameter of that name."""
    signature = _signature(action)
    if signature is None or name not in signature.parameters:
        return False
    return signature.parameters[name].kind is not inspect.Parameter.POSITIONAL_ONLY


def _mismatch(
    step: StepToCheck, action: Any, signature: inspect.Signature, given: Sequence[str], takes_data: bool
) -> WrongParameters:
    parameters = list(signature.parameters.values())
    positional = _positional(parameters)
    by_name = {p.name for p in parameters if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)}
    takes_any = any(p.kind is p.VAR_KEYWORD for p in parameters)
    data = positional[0].name if takes_data and positional else None
    required = [
        p.name
        for p in parameters
        if p.default is p.empty and p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD) and p.name != data
    ]
    return WrongParameters(
        step=step.name,
        missing=tuple(name for name in required if name not in given),
        unknown=() if takes_any else tuple(name for name in given if name not in by_name),
        from_step=positional[0].name if positional and not takes_data else None,
        takes=_show_signature(step.action, action, parameters),
        names=tuple(sorted(by_name - {data})),
    )


def _show_signature(reference: str, action: Any, parameters: list[inspect.Parameter]) -> str:
    shown: list[str] = []
    for parameter in parameters:
        stars = "*" * ((parameter.kind is parameter.VAR_POSITIONAL) + 2 * (parameter.kind is parameter.VAR_KEYWORD))
        default = "" if parameter.default is parameter.empty else f"={_short_repr(parameter.default)}"
        shown.append(f"{stars}{parameter.name}{default}")
    name = getattr(action, "__qualname__", None)
    if not isinstance(name, str):
        name = reference.partition(":")[2]
    return f"{name}({', '.join(shown)})"


def _short_repr(value: object) -> str:
    try:
        text = repr(value)
    except BaseException as error:
        let_interrupts_pass(error)
        return "..."
    return text if len(text) <= 30 and "\n" not in text else "..."


def find_failed_parameter(question: FindFailedParameter) -> FailedParameter:
    """Where the cell of parameters that ran last failed."""
    error = getattr(sys, "last_value", None)
    namespace = user_namespace()
    line = None
    traceback = getattr(sys, "last_traceback", None)
    while traceback is not None:
        if traceback.tb_frame.f_globals is namespace and traceback.tb_frame.f_code.co_name == "<module>":
            line = traceback.tb_lineno
            break
        traceback = traceback.tb_next
    return FailedParameter(
        line=line,
        error=describe_exception(error) if isinstance(error, BaseException) else "an unknown error",
        is_unknown_name=isinstance(error, NameError) and error.name is not None,
        variants=tuple(name for name, text in question.given.items() if _has_variant(question.lookup, name, text)),
    )


def _has_variant(lookup: str | None, parameter: str, variant: str) -> bool:
    try:
        return lookup is not None and variant in resolve(lookup)[parameter]
    except BaseException as error:  # a dictionary of the user's may do anything, and this is only for a hint
        let_interrupts_pass(error)
        return False


def _check_lookups(step: StepToCheck, action: Any, lookup: Any) -> MissingVariant | None:
    for parameter in step.parameters:
        if parameter.kind != "lookup":
            continue
        try:
            variants = lookup[parameter.name]
        except BaseException as error:
            let_interrupts_pass(error)
            return _missing_variant(step, parameter, lookup, error, _takes(action, parameter.name))
        try:
            variants[parameter.text]
        except BaseException as error:
            let_interrupts_pass(error)
            return _missing_variant(step, parameter, variants, error)
    return None


def _missing_variant(
    step: StepToCheck, parameter: GivenParameter, mapping: Any, error: BaseException, is_taken: bool | None = None
) -> MissingVariant:
    """What there is in place of a key that a mapping does not have.

    Args:
        step: whose lookup it is.
        parameter: that was looked up.
        mapping: the lookup dictionary, or what it holds for the parameter.
        error: what looking up raised.
        is_taken: whether the step takes the parameter, which the dictionary does not have; None if it has it.
    """
    asked = parameter.text if is_taken is None else parameter.name
    known: list[str] = []
    others: list[str] = []
    alike: tuple[str, str] | None = None
    try:
        for key in itertools.islice(mapping, _KNOWN_LIMIT):
            if isinstance(key, str) or not hasattr(mapping, "keys"):
                known.append(str(key))
                continue
            others.append(_short_repr(key))
            if alike is None and asked in (str(key), repr(key)):
                alike = (others[-1], type(key).__name__)
    except BaseException as key_error:  # a dictionary of the user's may do anything, and this is only for a hint
        let_interrupts_pass(key_error)
    return MissingVariant(
        step=step.name,
        parameter=parameter.name,
        variant=parameter.text,
        has_parameter=is_taken is None,
        known=tuple(sorted(known)),
        other_keys=tuple(others),
        alike=alike,
        error=None if isinstance(error, KeyError) else describe_exception(error),
        is_taken=bool(is_taken),
    )
