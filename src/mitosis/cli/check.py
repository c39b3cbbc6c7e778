"""`mitosis check`: do lookup dictionaries still say what is locked?"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Parameter

from mitosis.check.reports import check_revisions, check_staged, check_working_tree
from mitosis.check.texts import headed, not_compared, remedies
from mitosis.cli import completers
from mitosis.cli.configuration import ConfigFile
from mitosis.cli.output.table import print_line, print_lines, print_warning
from mitosis.errors.base import ExitStatus
from mitosis.errors.usage import UsageError
from mitosis.git.repository import find_repository
from mitosis.journal.journal import Journal
from mitosis.text import clean

if TYPE_CHECKING:
    from mitosis.check.comparing import Change
    from mitosis.check.reports import Report
    from mitosis.errors.values import Meaning

_VERSION = 1
"""Of the JSON."""


def check(
    revision: Annotated[str | None, Parameter(completer=completers.revisions)] = None,
    /,
    *,
    staged: bool = False,
    format: Literal["text", "json", "github"] = "text",
    config: ConfigFile = None,
) -> int:
    """Compare lookup dictionaries with the locks: of the working tree, what is staged, a commit, or a range of commits.

    The exit status is 1 if a trial with some variant would be refused, and 3 if a dictionary could not be checked.

    Args:
        revision: A commit, or a range A..B to see which commits change what; by default the working tree.
        staged: What git would commit now.
        format: How to print the result: `github` prints annotations for a workflow.
    """
    if staged and revision is not None:
        raise UsageError("--staged checks what has not been committed yet, so no revision can be given with it")
    repository = find_repository(Path.cwd())
    if revision is not None:
        report = check_revisions(repository, revision, config)
    elif staged:
        report = check_staged(repository, config)
    else:
        report = check_working_tree(repository, config)
    if format == "json":
        sys.stdout.write(json.dumps(_as_json(report), indent=2, ensure_ascii=True) + "\n")
    elif format == "github":
        for line in _annotations(report):
            sys.stdout.write(line + "\n")
    else:
        _print_text(report, is_range=revision is not None and ".." in revision, has_config=config is not None)
    print_warning(*_warnings(report))
    if Journal(repository).tip() is None:
        print_warning("nothing is locked in this repository; a clone gets the locks of others with `mitosis pull`")
    if report.breaks:
        return ExitStatus.FAILED
    return ExitStatus.BUG if report.problems else ExitStatus.DONE


def _warnings(report: Report) -> tuple[str, ...]:
    return (*report.warnings, *map(not_compared, report.not_compared))


def _print_text(report: Report, *, is_range: bool, has_config: bool) -> None:
    for state in dict.fromkeys(change.state for change in report.changes):
        print_lines(headed([change for change in report.changes if change.state == state], state))
    print_lines(remedies(report.changes))
    if report.changes and not report.has_steps and not has_config:
        print_line("No steps are registered in pyproject.toml. If another file has them: mitosis check --config FILE")
    if not report.has_steps and not report.changes:
        print_line(f"checked {', '.join(report.states)}: no steps are registered there, so there is nothing to compare")
    elif not report.changes and not report.problems:
        # What a range begins from may be wrong already.
        sound = "every locked variant still means the same"
        outcome = "none changes what a locked variant means" if is_range else sound
        print_line(f"checked {', '.join(report.states)}: {outcome}")
    for problem in report.problems:
        print_warning(f"{problem.state} is not checked: {problem.reason}")


def _as_json(report: Report) -> dict[str, Any]:
    return {
        "version": _VERSION,
        "checked": list(report.states),
        "changes": [_change_as_json(change) for change in report.changes],
        "problems": [
            {"state": problem.state, "steps": list(problem.steps), "reason": problem.reason, "details": problem.details}
            for problem in report.problems
        ],
        "warnings": list(_warnings(report)),
    }


def _change_as_json(change: Change) -> dict[str, Any]:
    redefinition = change.redefinition
    return {
        "kind": change.kind,
        "step": change.name.step,
        "parameter": change.name.parameter,
        "variant": change.name.variant,
        "state": change.state,
        "commit": change.commit,
        "trials": change.trials,
        "locked": None if redefinition is None else _meaning_as_json(redefinition.locked),
        "now": None
        if redefinition is None
        else {"digest": redefinition.now_digest, "summary": redefinition.now_summary},
        "meanings": [] if change.conflict is None else [_meaning_as_json(one) for one in change.conflict.meanings],
        "resolve": None if change.conflict is None else change.conflict.resolve_command,
        "differences": []
        if redefinition is None
        else [{"path": path, "text": text} for path, text in redefinition.differences],
        "more_differences": 0 if redefinition is None else redefinition.more_count,
        "flaky": change.is_flaky,
        "functions": list(change.functions),
        "reason": change.reason or None,
        "file": None if change.place is None else change.place.file,
        "line": None if change.place is None else change.place.line,
    }


def _meaning_as_json(meaning: Meaning) -> dict[str, Any]:
    return {name: getattr(meaning, name) for name in ("digest", "summary", "author", "date", "commit")}


def _annotations(report: Report) -> Iterator[str]:
    """Workflow commands of GitHub Actions, see its documentation: one annotation for each change and problem."""
    for change in report.changes:
        head, *lines = headed([change], change.state)
        command = "error" if change.is_breaking else "warning"
        facts = {"title": str(change.name)}
        if change.place is not None:
            facts = {"file": change.place.file, "line": str(change.place.line), **facts}
        properties = ",".join(f"{name}={_escaped(clean(text), in_property=True)}" for name, text in facts.items())
        message = "\n".join(clean(line.strip()) for line in (head, *lines))
        yield f"::{command} {properties}::{_escaped(message)}"
    for problem in report.problems:
        title = _escaped(clean(f"{problem.state} is not checked"), in_property=True)
        yield f"::warning title={title}::{_escaped(clean(problem.reason))}"


def _escaped(text: str, *, in_property: bool = False) -> str:
    escapes = {"%": "%25", "\r": "%0D", "\n": "%0A"} | ({":": "%3A", ",": "%2C"} if in_property else {})
    return "".join(escapes.get(letter, letter) for letter in text)
