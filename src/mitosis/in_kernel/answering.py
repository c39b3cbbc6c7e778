"""Answer the runner's questions."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from mitosis import protocol
from mitosis.in_kernel.imports import list_imports
from mitosis.in_kernel.step_checks import check_steps, find_failed_parameter
from mitosis.in_kernel.step_values import describe_parameters, find_changed_parameters, measure_usage, take_result
from mitosis.in_kernel.user_code import describe_failure
from mitosis.protocol import pack, unpack

_ANSWERED_BY: dict[type[protocol.Question[Any]], Callable[[Any], Any]] = {
    protocol.CheckSteps: check_steps,
    protocol.ListImports: list_imports,
    protocol.FindFailedParameter: find_failed_parameter,
    protocol.DescribeParameters: describe_parameters,
    protocol.FindChangedParameters: find_changed_parameters,
    protocol.TakeResult: take_result,
    protocol.DescribeFailure: describe_failure,
    protocol.MeasureUsage: measure_usage,
}


def answer(request: str, reply: str) -> None:
    """Answer questions in order; what the first raises that cannot be answered ends it.

    Args:
        request: path of a file with the questions.
        reply: path to write the answers to. It appears whole or not at all.
    """
    questions = unpack(Path(request).read_bytes())
    answers = [_ANSWERED_BY[type(question)](question) for question in questions]
    partial = Path(reply + ".partial")
    partial.write_bytes(pack(answers))
    partial.replace(reply)
