"""`mitosis list`, `show`, `open` and `forget`: look at trials, and take them out of sight."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from mitosis.cli import completers
from mitosis.cli.output.streams import is_terminal
from mitosis.cli.output.table import print_line, print_lines, print_problems, print_unmerged, print_warning
from mitosis.cli.output.trial_text import Meanings, describe_trial, print_trials
from mitosis.errors.journal import BadRecord, NoteNotWritten, TrialNotFound
from mitosis.errors.usage import UsageError
from mitosis.git.repository import find_repository
from mitosis.records.view import View

if TYPE_CHECKING:
    from mitosis.journal.journal import Journal

_Key = Annotated[str, Parameter(completer=completers.keys)]
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
    for end, folder in find_ends(journal.running_trials()):
        print_warning(f"trial {end.key} {end.status}, but that is not recorded yet: its end is kept in {folder}")
        print_warning("The next trial in this repository will record it, or `mitosis sync` will.")
    print_unmerged(journal)
    return 0


def show(key: _Key) -> int:
    """Show everything that is recorded about a trial.

    Args:
        key: The trial's key, or any unique prefix of it.
    """
    journal = _open_journal()
    record = journal.read_trial(key)
    meanings = journal.present_meanings(record.parameters)
    print_lines(describe_trial(record, meanings))
    _print_conflicts(meanings)
    print_unmerged(journal)
    return 0


def open_page(key: _Key) -> int:
    """Open a trial's page in the browser, or print its path where there is no browser.

    For a trial that was run for its notebook alone, the notebook's path is printed.

    Args:
        key: The trial's key, or any unique prefix of it.
    """
    from mitosis.cli.output.desktop import open_in_browser
    from mitosis.results import find_notebook, find_page

    record = _open_journal().read_trial(key)
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


def forget(*keys: _Key, outputs: bool = False) -> int:
    """Remove trials from the listing with a new commit. The journal's history keeps their records.

    Args:
        keys: The trials' keys, or any unique prefix of each.
        outputs: Also delete their pages and folders, for good, if they are in this repository.
    """
    from mitosis.results import remove_outputs
    from mitosis.sync.remotes import list_remotes

    if not keys:
        raise UsageError("give the key of a trial: mitosis forget KEY...\n`mitosis list` shows them.")
    journal = _open_journal()
    identity = journal.repository.identity()
    records = {record.key: record for record in map(journal.read_trial, keys)}
    for record in records.values():
        try:
            journal.forget(record.key, identity)
        except NoteNotWritten as error:
            print_warning(str(error))
        how = f"git log --grep {record.key} refs/mitosis"
        print_line(f"forgot {record.key}, {record.experiment}; git keeps it: {how}")
        if outputs:
            removed = remove_outputs(record, journal.read_trial)
            for path in removed:
                print_line(f"    deleted {path}")
            if not removed:
                place = f"{record.trials_folder} on {record.process.host}"
                print_line(f"    its outputs are not in this repository; they were written to {place}")
    if list_remotes(journal.repository):
        print_line("Let others know: mitosis push")
    return 0


def _open_journal() -> Journal:
    """The journal of the repository that the working directory is in."""
    # Completion in the shell imports this module and waits for no journal.
    from mitosis.journal.journal import Journal

    return Journal(find_repository(Path.cwd()))


def _print_conflicts(meanings: Meanings) -> None:
    """Say, on standard error, which names that were shown have several meanings."""
    names = {str(u.name): m.meanings for u, m in meanings.items() if m.meanings > 1}
    for name, count in names.items():
        print_warning(f"{name} has {count} recorded meanings, so it cannot be run: see `mitosis variants`")
