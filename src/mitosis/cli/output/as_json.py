"""How a trial ended, as a JSON object for programs. Its fields are described in the reference, exit-status.md."""

from __future__ import annotations

import contextlib
import json
import math
import re
import signal
import sys
from typing import TYPE_CHECKING, Any

from mitosis.errors.base import ExitStatus, MitosisError, of_signal
from mitosis.errors.journal import NotRecorded
from mitosis.records.view import View

if TYPE_CHECKING:
    from mitosis.records.trial import TrialRecord
    from mitosis.runner.request import Outcome

FORMAT = 1
"""Changes when a field goes or changes its meaning; new fields may come without."""

_FIELDS = {
    "key": "key",
    "experiment": "experiment",
    "main": "main",
    "better": "main.better",
    "commit": "commit",
    "subject": "subject",
    "branch": "branch",
    "author": "author",
    "host": "host",
    "iteration": "iteration",
    "started": "started",
    "ended": "ended",
    "duration_s": "took",
    "cpu_s": "cpu",
    "peak_memory_bytes": "memory",
}
"""Entries of the object that are a field of the view and nothing else."""

_ESCAPES = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]")


def print_outcome(outcome: Outcome) -> None:
    """Print how a trial ended."""
    record = outcome.record
    failure = record.failure
    _print(
        status=record.status,
        exit_status=outcome.exit_status,
        metrics=dict(record.steps[-1].metrics) if record.status == "finished" else {},
        failure=None if failure is None else _picked(failure, "kind", "type", "message", "step", "location"),
        recorded=outcome.recorded_in is not None,
        debug=outcome.debug,
        page=None if outcome.page is None else str(outcome.page.absolute()),
        notebook=None if outcome.notebook is None else str(outcome.notebook.absolute()),
        folder=str(outcome.folder.absolute()),
        **_facts(record),
    )


def _facts(record: TrialRecord) -> dict[str, Any]:
    view = View.of(record)
    return {
        "parameters": [
            {
                "step": parameter.step,
                "name": parameter.name,
                "kind": parameter.kind,
                "text": parameter.text,
                "value": parameter.summary,
                "tracked": parameter.tracked,
            }
            for parameter in record.parameters
        ],
        "steps": [
            _picked(step, "name", "action", "duration_s", "main", "main_name", "better")
            | {"metrics": dict(step.metrics)}
            for step in record.steps
        ],
        **{name: view.value(field) for name, field in _FIELDS.items()},
        "main_name": record.main_name,
        "warnings": list(record.warnings),
    }


def _picked(facts: object, *names: str) -> dict[str, Any]:
    return {name: getattr(facts, name) for name in names}


def print_error(error: BaseException) -> None:
    """Print why there was no trial, or none that could be recorded, in the same fields."""
    if isinstance(error, KeyboardInterrupt):
        exit_status = of_signal(signal.SIGINT)
    else:
        exit_status = error.exit_status if isinstance(error, MitosisError) else ExitStatus.BUG
    if exit_status > ExitStatus.SIGNALLED:
        status, kind = "interrupted", "interrupt"
    elif exit_status == ExitStatus.BUG:
        status, kind = "error", "mitosis"
    else:
        status, kind = "refused", "refusal"
    unrecorded = error if isinstance(error, NotRecorded) else None
    _print(
        status=status,
        exit_status=exit_status,
        failure={
            "kind": kind,
            "type": type(error).__name__,
            "message": _ESCAPES.sub("", str(error)) or status,
            "step": None,
            "location": None,
        },
        key=None if unrecorded is None else unrecorded.key,
        folder=None if unrecorded is None else str(unrecorded.folder.absolute()),
    )


def _print(**fields: Any) -> None:
    """Print the object on a line of its own, in ASCII: no encoding of standard output can spoil it.

    It has all fields, those that are not given with nothing in them.
    """
    known: dict[str, Any] = {
        "format": FORMAT,
        **dict.fromkeys(("status", "exit_status", "failure", "page", "notebook", "folder", "main_name", *_FIELDS)),
        **dict.fromkeys(("recorded", "debug"), False),
        "metrics": {},
        "parameters": [],
        "steps": [],
        "warnings": [],
    }
    assert fields.keys() <= known.keys()
    with contextlib.suppress(OSError):  # nobody reads it any more
        sys.stdout.write(json.dumps(as_plain(known | fields), allow_nan=False) + "\n")
        sys.stdout.flush()


def as_plain(value: Any) -> Any:
    """The value without what JSON has no word for, or readers disagree about."""
    if isinstance(value, dict):
        return {as_plain(name): as_plain(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [as_plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode()
    return value
