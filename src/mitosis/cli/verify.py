"""`mitosis verify`: whether all that is recorded can be read, agrees, and is there."""

from __future__ import annotations

import contextlib
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from mitosis import verify as verification
from mitosis.cli import completers
from mitosis.cli.configuration import ConfigFile
from mitosis.cli.output.streams import can_move
from mitosis.cli.output.table import print_line, print_lines
from mitosis.errors.base import ExitStatus
from mitosis.git.repository import find_repository
from mitosis.journal.journal import Journal
from mitosis.journal.unrecorded import record_ends
from mitosis.results import default_trials_folder
from mitosis.setup import TEXTCONV, refspecs_problems, textconv_problem
from mitosis.sync.remotes import find_remote
from mitosis.sync.transport import Transport
from mitosis.text import clean, counted
from mitosis.verify.findings import Finding, Report

_MARKS = {"error": "✗", "warning": "!", "info": "·"}
_SHOWN_OF_A_KIND = 20
_PATIENCE_S = 1.0
"""A check that takes no longer needs no line of progress."""
_COUNTED = ("trial", "lock", "environment", "commit", "pin", "note", "output", "good signature")


def verify(
    *,
    outputs: bool = False,
    signatures: bool = False,
    repair: bool = False,
    against: Annotated[str | None, Parameter(completer=completers.remotes)] = None,
    config: ConfigFile = None,
) -> int:
    """Check that every record, lock and commit is there, can be read, and agrees with the others.

    Args:
        outputs: Also compare the files that trials left in the trials folder with their records.
        signatures: Also check the signature of each commit of the journal, with git.
        repair: First put back what the history has whole, and rebuild what is derived: notes, pins, the index.
        against: Also fetch the records of this remote, and compare them without merging.
    """
    repository = find_repository(Path.cwd())
    trials_folder = default_trials_folder(Path.cwd(), config) if outputs else None
    with _progress_line() as tell:
        ends = record_ends(Journal(repository)) if repair else []
        done = [f"recorded the end of trial {end.key}: {end.status}" for end in ends]
        done += verification.repair(repository, repository.identity(), tell=tell) if repair else []
        report = verification.verify(repository, trials_folder=trials_folder, signatures=signatures, tell=tell)
        if against is not None:
            remote = find_remote(repository, against)
            tell(f"fetching from {remote.name}")
            Transport(repository, lambda _: None).fetch(remote, remote.place)
            verification.compare(repository, remote.name, remote.ref_name, report)
    problem = textconv_problem(repository)
    if problem:
        report.warning("setting", TEXTCONV, problem, "mitosis setup")
    for key, what in refspecs_problems(repository):
        report.warning("setting", key, what, "mitosis setup")
    print_lines(f"repaired: {line}" for line in done)
    if repair and not done:
        print_line("there was nothing to repair")
    _print_report(report)
    return ExitStatus.DONE if report.is_sound else ExitStatus.FAILED


def _print_report(report: Report) -> None:
    checked = [counted(report.counts[f"{name}s"], name) for name in _COUNTED if f"{name}s" in report.counts]
    if checked:
        print_line(f"checked {', '.join(checked)}")
    shown: Counter[str] = Counter()
    for finding in report.findings:
        shown[finding.severity_and_kind] += 1
        if shown[finding.severity_and_kind] <= _SHOWN_OF_A_KIND:
            _print_finding(finding)
    for name in shown:
        more = report.seen[name] - _SHOWN_OF_A_KIND
        if more > 0:
            print_line(f"  ... and {counted(more, 'more finding')} of the kind {name}")
    errors = sum(finding.severity == "error" for finding in report.findings)
    warnings = len(report.problems) - errors
    if report.is_sound:
        print_line("no problems found")
    else:
        words = [counted(number, word) for number, word in ((errors, "error"), (warnings, "warning")) if number]
        print_line(", ".join(words))


def _print_finding(finding: Finding) -> None:
    print_line(f"{_MARKS[finding.severity]} {finding.kind}: {finding.where}: {finding.what}")
    if finding.remedy:
        print_line(f"    {finding.remedy}")
    if finding.hint:
        print_line(f"  {finding.hint}")


@contextlib.contextmanager
def _progress_line() -> Iterator[Callable[[str], None]]:
    """A function that shows a text on a line that is gone in the end, if it takes long and somebody looks."""
    began = time.monotonic()

    def show(text: str) -> None:
        if can_move(sys.stderr) and time.monotonic() - began > _PATIENCE_S:
            sys.stderr.write(f"\r\x1b[K{clean(text)}")
            sys.stderr.flush()

    try:
        yield lambda text: show(f"{text} ...")
    finally:
        show("")
