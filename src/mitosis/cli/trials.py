"""`mitosis list` and `show`: look at trials."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from mitosis.cli import completers
from mitosis.cli.arguments import Key
from mitosis.cli.output.table import print_line, print_problems, print_unmerged, print_warning
from mitosis.cli.output.trial_table import Meanings, print_trials
from mitosis.cli.output.trial_text import describe_trial
from mitosis.errors.journal import BadRecord
from mitosis.errors.usage import UsageError
from mitosis.git.repository import find_repository
from mitosis.records.view import View
from mitosis.text import clean

if TYPE_CHECKING:
    from mitosis.journal.journal import Journal

_Experiment = Annotated[str | None, Parameter(completer=completers.experiments)]

_DEFAULT_COUNT = 20


def list_trials(
    *, number: Annotated[int, Parameter(name=["--number", "-n"])] = _DEFAULT_COUNT, experiment: _Experiment = None
) -> int:
    """List trials, newest first.

    Args:
        number: How many to list at most; 0 for all.
        experiment: Only trials of this experiment: its steps joined by +.
    """
    if number < 0:
        raise UsageError(f"-n {number}: pass the number of trials to list, or 0 for all")
    problems: list[BadRecord] = []
    from mitosis.journal.unrecorded import find_ends

    journal = open_journal()
    records = list(journal.iter_trials(limit=number or None, experiment=experiment, problems=problems))
    meanings = journal.present_meanings(parameter for record in records for parameter in record.parameters)
    if records:
        print_trials([View.of(record) for record in records], meanings)
    else:
        what = f" of {experiment}" if experiment is not None else ""
        print_line(f"no trials{what} {'can be read' if problems else 'are recorded'} in this repository")
    print_problems(problems)
    _print_conflicts(meanings)
    for end, folder in find_ends(journal.running_trials()):
        print_warning(f"trial {end.key} {end.status}, but that is not recorded yet: its end is kept in {folder}")
        print_warning("The next trial in this repository will record it, or `mitosis sync` will.")
    print_unmerged(journal)
    return 0


def show(key: Key) -> int:
    """Show everything that is recorded about a trial.

    Args:
        key: The trial's key, or any unique prefix of it.
    """
    journal = open_journal()
    record = journal.read_trial(key)
    meanings = journal.present_meanings(record.parameters)
    for line in describe_trial(record, meanings):
        print_line(line)
    _print_conflicts(meanings)
    print_unmerged(journal)
    return 0


def open_journal() -> Journal:
    """The journal of the repository that the working directory is in."""
    # Completion in the shell imports this module and waits for no journal.
    from mitosis.journal.journal import Journal

    return Journal(find_repository(Path.cwd()))


def _print_conflicts(meanings: Meanings) -> None:
    """Say, on standard error, which names that were shown have several meanings."""
    names = {str(u.name): m.meanings for u, m in meanings.items() if m.meanings > 1}
    for name, count in names.items():
        print_warning(f"{clean(name)} has {count} recorded meanings, so it cannot be run: see `mitosis variants`")
