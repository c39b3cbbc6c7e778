"""What runner and kernel say to each other."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest

from mitosis.protocol import (
    CheckedSteps,
    CheckSteps,
    DescribedStep,
    GivenParameter,
    MeasureUsage,
    MissingVariant,
    Question,
    StepResult,
    StepToCheck,
    TakeResult,
    Usage,
    pack,
    unpack,
)

STEP = StepToCheck("fit", "lab:run", "lab:lookup", True, (GivenParameter("noise", "lookup", "low\udcff"),))
QUESTIONS: tuple[Question[Any], ...] = (CheckSteps((STEP,)), TakeResult("fit", "/results", None), MeasureUsage())
MISSING = MissingVariant("fit", "noise", "low", True, ("high",), ("1",), ("1", "int"), None)
RESULT = StepResult(
    None, 1, {"f1": 0.5, "none": None, "many": 2**62}, {}, True, False, None, (), ("odd",), Usage(1.5, 3)
)
ANSWERS = (CheckedSteps(MISSING, (DescribedStep("fit", "", None, None),), ("lab.run",), (), ()), RESULT, Usage(2.0))


def test_questions_and_answers_arrive_as_they_were() -> None:
    assert unpack(pack(QUESTIONS)) == QUESTIONS
    assert unpack(pack(ANSWERS)) == ANSWERS


def test_a_message_has_the_fields_of_its_class_and_keeps_them() -> None:
    with pytest.raises(TypeError):
        Usage(much=1)  # type: ignore[call-arg]
    with pytest.raises(AttributeError):
        Usage().cpu_s = 1  # type: ignore[misc]


def test_the_protocol_is_light() -> None:
    """Both processes of a trial wait for it."""
    code = "import sys, mitosis.protocol; print(sorted(m for m in sys.modules if m.startswith('mitosis.')))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "['mitosis.protocol']"
