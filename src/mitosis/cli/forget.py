"""`mitosis forget`: take trials out of sight."""

from __future__ import annotations

from pathlib import Path

from mitosis.cli.arguments import Flag, Key
from mitosis.cli.output.table import print_line, print_warning
from mitosis.errors.journal import NotesNotUpdated
from mitosis.errors.usage import UsageError
from mitosis.git.repository import find_repository
from mitosis.journal.journal import Journal
from mitosis.results import remove_outputs
from mitosis.sync.remotes import list_remotes
from mitosis.text import clean


def forget(*keys: Key, outputs: Flag = False) -> int:
    """Remove trials from the listing with a new commit. The journal's history keeps their records.

    Args:
        keys: The trials' keys, or any unique prefix of each.
        outputs: Also delete their pages and folders, for good, if they are in this repository.
    """
    if not keys:
        raise UsageError("give the key of a trial: mitosis forget KEY...\n`mitosis list` shows them.")
    journal = Journal(find_repository(Path.cwd()))
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
    if list_remotes(journal.repository):
        print_line("Let others know: mitosis push")
    return 0
