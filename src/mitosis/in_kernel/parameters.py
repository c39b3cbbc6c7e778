"""The values of the parameters, as the notebook's cells made them."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from mitosis.canonical.encode import digest_value, encode_value
from mitosis.canonical.show import summarize_value
from mitosis.canonical.sources import source_digests
from mitosis.errors.values import UnstableValue
from mitosis.in_kernel import describe_exception, let_interrupts_pass, user_namespace
from mitosis.in_kernel.results import save

SUMMARY_LIMIT = 200


def find_failed_parameter() -> dict[str, Any]:
    """Where the cell that failed last did: its line, and what was raised.

    Returns:
        `line` (from 1; None when the cell did not even compile), `error`, and `name`, the undefined name of a
        NameError.
    """
    error = getattr(sys, "last_value", None)
    namespace = user_namespace()
    line = None
    traceback = getattr(sys, "last_traceback", None)
    while traceback is not None:
        if traceback.tb_frame.f_globals is namespace and traceback.tb_frame.f_code.co_name == "<module>":
            line = traceback.tb_lineno
            break
        traceback = traceback.tb_next
    return {
        "line": line,
        "error": describe_exception(error) if isinstance(error, BaseException) else "an unknown error",
        "name": error.name if isinstance(error, NameError) else None,
    }


def describe_parameters(*, steps: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The canonical values of all parameters, and the parameters saved.

    Args:
        steps: for each step `variable`, the name of its dictionary of parameters (None where it has none), `file`
            to save them to, and the `names` of its parameters.

    Returns:
        For each step `parameters`, a list of `name` with `value` (canonical bytes), `digest`, `summary` and `functions`
        (digests of the source of those that the value names), or with
        `unstable` (`path` and `reason`) and a `summary` from the object's repr; and `unsaved`, what could not be
        pickled.
    """
    namespace = user_namespace()
    described = []
    for step in steps:
        values = namespace[step["variable"]] if step["variable"] else {}
        unsaved = save(values, Path(step["file"]))
        described.append({"parameters": [_describe(name, values[name]) for name in step["names"]], "unsaved": unsaved})
    return described


def find_changed_parameters(*, variable: str | None, digests: dict[str, str]) -> list[dict[str, str]]:
    """Which parameters of a step are not what was recorded any more, for a step before it has changed them.

    Args:
        variable: the name of the step's dictionary of parameters; None where it has none.
        digests: what was recorded, by the names of the parameters to look at.

    Returns:
        `name` and `summary` (of the value now) of each.
    """
    values = user_namespace()[variable] if variable else {}
    now = (_describe(name, values[name]) for name in digests)
    return [
        {"name": one["name"], "summary": one["summary"]} for one in now if one.get("digest") != digests[one["name"]]
    ]


def _describe(name: str, value: Any) -> dict[str, Any]:
    try:
        data = encode_value(value)
    except UnstableValue as error:
        return {
            "name": name,
            "unstable": {"path": error.path, "reason": error.reason},
            "summary": bounded_repr(value, SUMMARY_LIMIT),
        }
    return {
        "name": name,
        "value": data,
        "digest": digest_value(data),
        "summary": summarize_value(data, limit=SUMMARY_LIMIT),
        "functions": source_digests(data),
    }


def bounded_repr(value: object, limit: int) -> str:
    """The value's repr on one line, cut to `limit` characters; named when it raises."""
    try:
        text = repr(value)
    except BaseException as error:
        let_interrupts_pass(error)
        return f"<{type(value).__name__} whose repr raised {describe_exception(error)}>"[:limit]
    text = " ".join(text[: 4 * limit].split())
    return text if len(text) <= limit else text[: limit - 1] + "…"
