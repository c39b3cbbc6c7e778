"""`mitosis list`, `show`, `open` and `forget`: look at trials, and take one out of sight."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from mitosis.cli import completers
from mitosis.cli.arguments import Flag
from mitosis.cli.output.streams import is_terminal
from mitosis.cli.output.table import print_line, print_problems, print_unmerged, print_warning
from mitosis.cli.output.trial_state import Meanings
from mitosis.cli.output.trial_table import print_trials
from mitosis.cli.output.trial_text import describe_trial
from mitosis.records.view import View
from mitosis.text import clean

if TYPE_CHECKING:
    from mitosis.errors.journal import BadRecord
    from mitosis.journal.journal import Journal

_Key = Annotated[str, Parameter(completer=completers.keys)]
_Experiment = Annotated[str | None, Parameter(completer=completers.experiments)]

_DEFAULT_COUNT = 20


def list_trials(
    *, number: Annotated[int, Parameter(name=["--number", "-n"])] = _DEFAULT_COUNT, experiment: _Experiment = None
) -> int:
    """List trials, newest first.

    Args:
        number: How many at most; 0 for all.
        experiment: Only trials of this experiment: its steps joined by +.
    """
    from mitosis.errors.usage import UsageError

    if number < 0:
        raise UsageError(f"-n {number}: give how many trials to list, or 0 for all")
    problems: list[BadRecord] = []
    journal = _open_journal()
    records = list(journal.iter_trials(limit=number or None, experiment=experiment, problems=problems))
    meanings = journal.present_meanings(parameter for record in records for parameter in record.parameters)
    if records:
        print_trials([View.of(record) for record in records], meanings)
    else:
        what = f" of {experiment}" if experiment is not None else ""
        print_line(f"no trials{what} {'can be read' if problems else 'are recorded'} in this repository")
    print_problems(problems)
    _print_conflicts(meanings)
    print_unmerged(journal)
    return 0


def show(key: _Key) -> int:
    """Show everything that is recorded about a trial.

    Args:
        key: The trial's key, or any unique beginning of it.
    """
    journal = _open_journal()
    record = journal.read_trial(key)
    meanings = journal.present_meanings(record.parameters)
    for line in describe_trial(record, meanings):
        print_line(line)
    _print_conflicts(meanings)
    print_unmerged(journal)
    return 0


def forget(*keys: _Key, outputs: Flag = False) -> int:
    """Take trials out of the listing by a new commit. The history of the journal keeps their records.

    Args:
        keys: The trials' keys, or any unique beginning of each.
        outputs: Delete their pages and folders as well, for good, where they are in this repository.
    """
    from mitosis.errors.journal import NotesNotUpdated
    from mitosis.errors.usage import UsageError
    from mitosis.results import remove_outputs

    if not keys:
        raise UsageError("give the key of a trial: mitosis forget KEY...\n`mitosis list` shows them.")
    journal = _open_journal()
    identity = journal.repository.identity()
    records = {record.key: record for record in map(journal.read_trial, keys)}
    for record in records.values():
        try:
            journal.forget(record.key, identity)
        except NotesNotUpdated as error:
            print_warning(clean(str(error)))
        print_line(
            f"forgot {record.key}, {clean(record.experiment)}; git keeps it: git log --grep {record.key} refs/mitosis"
        )
        if outputs:
            removed = remove_outputs(record, journal.read_trial)
            for path in removed:
                print_line(f"    deleted {clean(str(path))}")
            if not removed:
                place = f"{record.trials_folder} on {record.process.host}"
                print_line(f"    its outputs are not in this repository; they were written to {clean(place)}")
    if _has_remote(journal):
        print_line("Let others know: mitosis push")
    return 0


def _has_remote(journal: Journal) -> bool:
    from mitosis.sync.remotes import list_remotes

    return bool(list_remotes(journal.repository))


def open_page(key: _Key) -> int:
    """Open a trial's page in the browser, or print its path where there is no browser.

    Of a trial that was run for its notebook alone, the notebook's path is printed.

    Args:
        key: The trial's key, or any unique beginning of it.
    """
    from mitosis.cli.output.desktop import open_in_browser
    from mitosis.errors.journal import TrialNotFound
    from mitosis.results import find_notebook, find_page

    journal = _open_journal()
    record = journal.read_trial(key)
    page = find_page(record)
    notebook = find_notebook(record) if record.page is None else None
    if notebook is not None:
        print_warning(f"trial {record.key} has no page; this is its notebook")
        print_line(str(notebook))
        return 0
    if page is None:
        where = f"{record.trials_folder}/{record.page}" if record.page else "nowhere: it has no page"
        raise TrialNotFound(
            key,
            f"the page of trial {record.key} is not here\n    it was written on {record.process.host}, to {where}",
        )
    if not (is_terminal() and open_in_browser(page)):
        print_line(str(page))
    return 0


def _open_journal() -> Journal:
    from mitosis.git.repository import find_repository
    from mitosis.journal.journal import Journal

    return Journal(find_repository(Path.cwd()))


def _print_conflicts(meanings: Meanings) -> None:
    """Say, on standard error, which names that were shown have several meanings."""
    names = {str(u.name): m.meanings for u, m in meanings.items() if m.meanings > 1}
    for name, count in names.items():
        print_warning(f"{clean(name)} has {count} recorded meanings, so it cannot be run: see `mitosis variants`")
