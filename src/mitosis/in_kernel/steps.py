"""Are the steps what they are registered as, and can they be called with these parameters?"""

from __future__ import annotations

import inspect
import itertools
import os
import sys
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from mitosis.in_kernel import describe_exception, let_interrupts_pass, user_namespace
from mitosis.typing import Parameter

_KNOWN_LIMIT = 200
"""So many names at most are sent back as what there is to choose from."""


def check_steps(*, steps: list[dict[str, Any]]) -> dict[str, Any]:
    """Check each step after its modules were imported.

    Args:
        steps: for each step `name`, `action` and `lookup` (references), `needs_lookup` (whether the latter has to be
            there), and `parameters`, a list of `name`, `kind` and `text`.

    Returns:
        `problems`: facts of what is wrong, the first of each step; `steps`: for each sound step its `doc`, the
        `file` of its code and its `module`; `shadowed`: modules that the notebook cannot reach by their dotted
        name, since their package binds it to something else; `wrapped`: step and name of each lookup parameter
        whose dictionary holds a `mitosis.typing.Parameter`, whose `vals` is the value.
    """
    problems: list[dict[str, Any]] = []
    described: list[dict[str, Any]] = []
    shadowed: set[str] = set()
    wrapped: list[list[str]] = []
    for index, step in enumerate(steps):
        try:
            action = _resolve(step["action"])
            lookup = _resolve(step["lookup"]) if step["needs_lookup"] else {}
        except _Unresolved as error:
            problems.append({"kind": "reference", "step": step["name"], **error.facts})
            continue
        shadowed.update(_shadowed_modules(step))
        described.append(_describe(step["name"], action))
        problem = _check_lookups(step, action, lookup) or _check_call(step, action, takes_data=index > 0)
        if problem is not None:
            problems.append(problem)
            continue
        wrapped += [
            [step["name"], parameter["name"]]
            for parameter in step["parameters"]
            if parameter["kind"] == "lookup" and isinstance(lookup[parameter["name"]][parameter["text"]], Parameter)
        ]
    return {"problems": problems, "steps": described, "shadowed": sorted(shadowed), "wrapped": wrapped}


class _Unresolved(Exception):
    def __init__(self, reference: str, reason: str, known: Iterable[str] = ()) -> None:
        super().__init__(reason)
        self.facts = {"reference": reference, "reason": reason, "known": sorted(known)[:_KNOWN_LIMIT]}


def _resolve(reference: str) -> Any:
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
            raise _Unresolved(reference, reason, known) from error
    return found


def _shadowed_modules(step: dict[str, Any]) -> Iterable[str]:
    namespace = user_namespace()
    for kind in ("action", "lookup"):
        module = step[kind].partition(":")[0]
        try:
            reached = eval(module, namespace)
        except BaseException as error:  # a module's attributes may do anything
            let_interrupts_pass(error)
            yield module
            continue
        if reached is not sys.modules[module]:
            yield module


def _describe(name: str, action: Any) -> dict[str, Any]:
    doc = getattr(action, "__doc__", None)
    file = None
    try:
        file = inspect.getsourcefile(inspect.unwrap(action))
    except (TypeError, ValueError):
        module = sys.modules.get(getattr(action, "__module__", None) or "")
        file = getattr(module, "__file__", None)
    return {
        "name": name,
        "doc": inspect.cleandoc(doc) if isinstance(doc, str) else None,
        "file": os.path.realpath(file) if isinstance(file, str) else None,
        "module": getattr(action, "__module__", None) if isinstance(getattr(action, "__module__", ""), str) else None,
    }


def _check_call(step: dict[str, Any], action: Any, *, takes_data: bool) -> dict[str, Any] | None:
    if not callable(action):
        return {
            "kind": "reference",
            "step": step["name"],
            "reference": step["action"],
            "reason": f"it is {type(action).__name__}, not a callable",
            "known": [],
        }
    try:
        signature = inspect.signature(action)
    except (TypeError, ValueError):  # builtins may have none; calling them tells
        return None
    given = {parameter["name"]: None for parameter in step["parameters"]}
    mismatch = _mismatch(step, action, signature, given, takes_data)
    is_callable_so = _binds(signature, (), given) and mismatch["data"] is None
    if is_callable_so or (takes_data and _binds(signature, (None,), given)):
        return None
    return {"kind": "signature", "step": step["name"], **mismatch}


def _binds(signature: inspect.Signature, positional: tuple[object, ...], named: Mapping[str, object]) -> bool:
    try:
        signature.bind(*positional, **named)
    except TypeError:
        return False
    return True


def can_be_called_without_data(action: Callable[..., Any], given: Mapping[str, object]) -> bool:
    """Whether a step can be called with its parameters alone."""
    try:
        signature = inspect.signature(action)
    except (TypeError, ValueError):
        return True
    return _binds(signature, (), given)


def can_be_given(action: Any, name: str) -> bool:
    """Whether a callable has a parameter of that name."""
    try:
        parameters = inspect.signature(action).parameters
    except (TypeError, ValueError):
        return False
    return name in parameters and parameters[name].kind is not inspect.Parameter.POSITIONAL_ONLY


def can_be_called_with_data(action: Callable[..., Any], given: Mapping[str, object]) -> bool:
    """Whether a step can be called with one positional argument before its parameters."""
    try:
        signature = inspect.signature(action)
    except (TypeError, ValueError):
        return True
    return _binds(signature, (None,), given)


def resolve_action(reference: str) -> Callable[..., Any]:
    """The callable of a step that `check_steps` found sound."""
    action: Callable[..., Any] = _resolve(reference)
    return action


def _mismatch(
    step: dict[str, Any],
    action: Any,
    signature: inspect.Signature,
    given: Mapping[str, object],
    takes_data: bool,
) -> dict[str, Any]:
    parameters = list(signature.parameters.values())
    positional = [p for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    by_name = {p.name for p in parameters if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)}
    takes_any = any(p.kind is p.VAR_KEYWORD for p in parameters)
    data = positional[0].name if takes_data and positional else None
    required = [
        p.name
        for p in parameters
        if p.default is p.empty and p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD) and p.name != data
    ]
    return {
        "missing": [name for name in required if name not in given],
        "unknown": [] if takes_any else [name for name in given if name not in by_name],
        "data": data if data in given else None,
        "from_step": positional[0].name if positional and not takes_data else None,
        "takes": _show_signature(step["action"], action, parameters),
        "names": sorted(by_name - {data}) if data else sorted(by_name),
    }


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


def has_variant(*, lookup: str, parameter: str, variant: str) -> bool:
    """Whether a lookup dictionary has that variant of that parameter."""
    try:
        return variant in _resolve(lookup)[parameter]
    except BaseException as error:  # a dictionary of the user's may do anything, and this is only for a hint
        let_interrupts_pass(error)
        return False


def _check_lookups(step: dict[str, Any], action: Any, lookup: Any) -> dict[str, Any] | None:
    for parameter in step["parameters"]:
        if parameter["kind"] != "lookup":
            continue
        facts = {"kind": "variant", "step": step["name"], "parameter": parameter["name"], "variant": parameter["text"]}
        try:
            variants = lookup[parameter["name"]]
        except BaseException as error:
            let_interrupts_pass(error)
            takes = can_be_given(action, parameter["name"])
            names = _key_facts(lookup, parameter["name"])
            return {**facts, "found": "lookup", **names, "error": _unexpected(error), "takes": takes}
        try:
            variants[parameter["text"]]
        except BaseException as error:
            let_interrupts_pass(error)
            names = _key_facts(variants, parameter["text"])
            return {**facts, "found": "parameter", **names, "error": _unexpected(error), "takes": False}
    return None


def _unexpected(error: BaseException) -> str | None:
    return None if isinstance(error, KeyError) else describe_exception(error)


def _key_facts(mapping: Any, asked: str) -> dict[str, Any]:
    """What there is in place of a key that is not there.

    Args:
        mapping: that was asked for it.
        asked: the key, a text.

    Returns:
        `known`: the keys that are texts, in order; `other_keys`: how the others look; `alike`: the look and the class
        of one of these that is written as the text, or None.
    """
    known: list[str] = []
    others: list[str] = []
    alike: list[str] | None = None
    try:
        for key in itertools.islice(mapping, _KNOWN_LIMIT):
            if isinstance(key, str) or not hasattr(mapping, "keys"):
                known.append(str(key))
                continue
            others.append(_short_repr(key))
            if alike is None and asked in (str(key), repr(key)):
                alike = [others[-1], type(key).__name__]
    except BaseException as error:  # a dictionary of the user's may do anything, and this is only for a hint
        let_interrupts_pass(error)
    return {"known": sorted(known), "other_keys": others, "alike": alike}
