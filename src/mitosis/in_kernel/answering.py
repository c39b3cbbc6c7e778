"""Answer the runner's questions."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from mitosis.protocol import Question, unpack_questions
from mitosis.typed_msgpack import pack

_ANSWERED_BY = {
    "CheckSteps": "step_checks:check_steps",
    "HasVariant": "step_checks:has_variant",
    "ListImports": "imports:list_imports",
    "FindFailedParameter": "user_code:find_failed_parameter",
    "DescribeParameters": "parameter_values:describe_parameters",
    "FindChangedParameters": "parameter_values:find_changed_parameters",
    "TakeResult": "step_results:take_result",
    "DescribeFailure": "user_code:describe_failure",
    "MeasureUsage": "step_results:measure_usage",
}
"""The function that answers each class of questions. It is imported when it is needed first, or by `import_all`."""


def answer(request: str, reply: str) -> None:
    """Answer questions in order; what the first raises that cannot be answered ends it.

    Args:
        request: path of a file with the questions.
        reply: path to write the answers to. It appears whole or not at all.
    """
    questions = unpack_questions(Path(request).read_bytes())
    answers = [_function(type(question).__name__)(question) for question in questions]
    partial = Path(reply + ".partial")
    partial.write_bytes(pack(answers))
    partial.replace(reply)


def import_all() -> None:
    """Import what the answers need, so that none of them has to."""
    import dill  # noqa: F401

    for name in _ANSWERED_BY:
        _function(name)


def _function(name: str) -> Callable[[Question[Any]], Any]:
    module, _, function_name = _ANSWERED_BY[name].partition(":")
    function: Callable[[Question[Any]], Any] = getattr(
        importlib.import_module(f"mitosis.in_kernel.{module}"), function_name
    )
    return function
