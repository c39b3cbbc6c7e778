"""`mitosis open`: the page of a trial."""

from __future__ import annotations

from mitosis.cli.arguments import Key
from mitosis.cli.output.desktop import open_in_browser
from mitosis.cli.output.streams import is_terminal
from mitosis.cli.output.table import print_line, print_warning
from mitosis.cli.trials import open_journal
from mitosis.errors.journal import TrialNotFound
from mitosis.results import find_notebook, find_page


def open_page(key: Key) -> int:
    """Open a trial's page in the browser, or print its path where there is no browser.

    For a trial that was run for its notebook alone, the notebook's path is printed.

    Args:
        key: The trial's key, or any unique prefix of it.
    """
    journal = open_journal()
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
