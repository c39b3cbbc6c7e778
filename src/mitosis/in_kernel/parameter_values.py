"""The values of the parameters, as the notebook's cells made them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mitosis.canonical.encode import digest_value, encode_value
from mitosis.canonical.show import summarize_value
from mitosis.canonical.sources import source_digests
from mitosis.errors.values import UnstableValue
from mitosis.in_kernel.step_results import save
from mitosis.in_kernel.user_code import bounded_repr, user_namespace
from mitosis.protocol import (
    ChangedParameter,
    DescribedParameters,
    DescribedValue,
    DescribeParameters,
    FindChangedParameters,
    Meaning,
    NoMeaning,
)

SUMMARY_LIMIT = 200


def describe_parameters(question: DescribeParameters) -> tuple[DescribedParameters, ...]:
    """The canonical values of the parameters of each step, which are saved as well."""
    namespace = user_namespace()
    described = []
    for step in question.steps:
        values = namespace[step.variable] if step.variable else {}
        unsaved = save(values, Path(step.file))
        shown = tuple(_describe(name, values[name]) for name in step.names)
        described.append(DescribedParameters(shown, tuple(unsaved)))
    return tuple(described)


def find_changed_parameters(question: FindChangedParameters) -> tuple[ChangedParameter, ...]:
    """Which parameters of a step are not what was recorded any more, for a step before it has changed them."""
    values = user_namespace()[question.variable] if question.variable else {}
    changed = []
    for name, recorded in question.digests.items():
        now = _describe(name, values[name])
        if not isinstance(now.meaning, Meaning) or now.meaning.digest != recorded:
            changed.append(ChangedParameter(name, now.summary))
    return tuple(changed)


def _describe(name: str, value: Any) -> DescribedValue:
    try:
        data = encode_value(value)
    except UnstableValue as error:
        return DescribedValue(name, bounded_repr(value, SUMMARY_LIMIT), NoMeaning(error.path, error.reason))
    meaning = Meaning(data, digest_value(data), source_digests(data))
    return DescribedValue(name, summarize_value(data, limit=SUMMARY_LIMIT), meaning)
