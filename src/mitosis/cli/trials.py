"""`mitosis show`, `open`, `forget` and `settle`: look at trials, and decide what becomes of their records."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from mitosis.cli import completers
from mitosis.cli.configuration import ConfigFile
from mitosis.cli.listing import print_meanings_in_conflict
from mitosis.cli.opening import open_journal
from mitosis.cli.output.streams import is_terminal
from mitosis.cli.output.table import print_line, print_lines, print_problems, print_unmerged, print_warning
from mitosis.cli.output.trial_text import describe_annotations, describe_trial
from mitosis.errors.base import MitosisError
from mitosis.errors.journal import NoteNotWritten, TrialNotFound
from mitosis.errors.usage import UsageError
from mitosis.records.view import KEY_DIGITS, View
from mitosis.text import format_moment, one_line

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from mitosis.journal.ends import RecordedEnd
    from mitosis.journal.journal import Journal
    from mitosis.records.trial import TrialRecord

_Key = Annotated[str, Parameter(completer=completers.keys)]


def show(key: _Key | None = None, /, *, config: ConfigFile = None) -> int:
    """Show everything that is recorded about a trial.

    Args:
        key: The beginning of its key, latest, latest~1, best, @TAG or where:CONDITION; by default the newest trial.
    """
    journal = open_journal()
    record = _read_trial(journal, key, config)
    meanings = journal.present_meanings(record.parameters)
    annotations = journal.annotations(record.key)
    print_lines([*describe_trial(record, meanings), *describe_annotations(annotations)])
    print_problems(annotations.problems)
    if journal.read_ends(record.key):
        print_warning(f"somebody has recorded this trial otherwise: mitosis settle {record.key[:KEY_DIGITS]}")
    print_meanings_in_conflict(meanings)
    print_unmerged(journal)
    return 0


def open_page(key: _Key | None = None, /, *, config: ConfigFile = None) -> int:
    """Open a trial's page in the browser, and print its path.

    For a trial that was run for its notebook alone, the notebook's path is printed.

    Args:
        key: The beginning of its key, latest, latest~1, best, @TAG or where:CONDITION; by default the newest trial.
    """
    from mitosis.cli.output.desktop import show_page
    from mitosis.results import find_notebook, find_page

    record = _read_trial(open_journal(), key, config)
    page = find_page(record, config)
    notebook = find_notebook(record, config) if record.page is None else None
    if notebook is not None:
        print_warning(f"trial {record.key} has no page; this is its notebook")
        print_line(str(notebook))
        return 0
    if page is None:
        where = f"{record.trials_folder}/{record.page}" if record.page else "nowhere: it has no page"
        place = one_line(f"it was written on {record.process.host}, to {where}")
        raise TrialNotFound(record.key, f"the page of trial {record.key} is not here\n    {place}")
    print_line(str(page))
    show_page(page)
    return 0


def _read_trial(journal: Journal, word: str | None, config: str | None) -> TrialRecord:
    """The trial that a word means, or the newest one, which is named on standard error.

    Raises:
        TrialNotFound: there is none; it may be a debug trial.
    """
    from mitosis.query.selection import read_one

    if word is None:
        newest = read_one(journal, "latest")
        when = format_moment(newest.started, relative=True)
        print_line(f"the newest trial, {newest.key[:KEY_DIGITS]}, started {when}", sys.stderr)
        return newest
    try:
        return read_one(journal, word)
    except TrialNotFound as error:
        forgotten = list(_forgotten(journal, word.strip().lower()))
        if forgotten:
            lines = [
                f"`{word}` is a trial that was forgotten",
                *forgotten,
                f"To list it again: mitosis forget --undo {word}",
            ]
            raise TrialNotFound(word, "\n".join(lines)) from error
        from mitosis.results import default_trials_folder, find_trial_folder

        try:
            folder = find_trial_folder(word, default_trials_folder(Path.cwd(), config))
        except MitosisError:
            raise error from None
        if not folder.name.endswith("debug"):
            raise
        number = folder.name.rpartition("_")[2]
        page = next(folder.parent.glob(f"trial_*_{number}.html"), folder)
        raise TrialNotFound(word, f"`{word}` is a debug trial, and those are not recorded\n    see {page}") from error


def _forgotten(journal: Journal, prefix: str = "") -> Iterator[str]:
    """A line for each forgotten trial whose key begins so."""
    for key, entry in journal.forgotten(prefix).items():
        when = format_moment(entry.date, relative=is_terminal())
        yield f"    {key}  {entry.summary}  forgotten {when} by {entry.author}"


def forget(*keys: _Key, outputs: bool = False, undo: bool = False, config: ConfigFile = None) -> int:
    """Remove trials from the listing with a new commit. The journal's history keeps their records.

    A word with a / names a file of the journal that mitosis cannot use, as messages name it.

    Args:
        keys: The trials, as for `show`, or paths of files in the journal.
        outputs: Also delete their pages and folders, for good, if they are in this repository.
        undo: List trials again that were forgotten, or say which were if no key is given. Deleted outputs stay deleted.
    """
    from mitosis.query.selection import select_all
    from mitosis.results import remove_outputs
    from mitosis.sync.remotes import list_remotes

    journal = open_journal()
    if undo and not keys and not outputs:
        print_lines(list(_forgotten(journal)) or ["no trials were forgotten in this repository"])
        return 0
    if not keys:
        raise UsageError("give the key of a trial: mitosis forget KEY...\n`mitosis list` shows them.")
    if undo and outputs:
        raise UsageError("--outputs deletes files, and --undo cannot bring any back\nUse only one of the two.")
    paths = [word for word in keys if "/" in word and not word.startswith(("@", "where:"))]
    if paths and (undo or outputs):
        raise UsageError(f"{paths[0]} is a path: --undo and --outputs are for the keys of trials")
    identity = journal.repository.identity()
    for word in paths:
        place, reason = journal.remove(word, identity)
        print_line(f"removed {place} from the journal: {reason}")
    keys = tuple(word for word in keys if word not in paths)
    records = {} if undo else {key: journal.read_trial(key) for key in select_all(journal, keys)}
    for key in records or keys:
        try:
            key = (journal.bring_back if undo else journal.forget)(key, identity).key
        except NoteNotWritten as error:
            print_warning(str(error))
            key = error.key
        if undo:
            print_line(f"{key} is listed again")
            continue
        record = records[key]
        print_line(f"forgot {key}, {record.experiment}; to list it again: mitosis forget --undo {key}")
        if outputs:
            removed = remove_outputs(record, journal.read_trial, config)
            for path in removed:
                print_line(f"    deleted {path}")
            if not removed:
                place = f"{record.trials_folder} on {record.process.host}"
                print_line(f"    its outputs are not in this repository; they were written to {place}")
    if list_remotes(journal.repository):
        print_line("Let others know: mitosis push")
    return 0


def settle(key: _Key, /, *, keep: str | None = None) -> int:
    """Show the records of a trial, if there are several, or choose the one that listings show.

    Args:
        key: The trial, as for `show`.
        keep: Beginning of the id of the record that is right. The journal's history keeps the others.
    """
    from mitosis.query.selection import select_one

    journal = open_journal()
    key = select_one(journal, key)
    if keep is not None:
        record = journal.settle(key, keep, journal.repository.identity())
        print_line(f"{record.key} {record.status}: {View.of(record).main or record.note}")
        print_line("Let others know: mitosis push")
        return 0
    ends = journal.read_ends(key)
    for end in ends:
        shown = "  (listed)" if end.is_in_place else ""
        print_line(
            f"{end.oid[:KEY_DIGITS]}  recorded by {end.author}, {format_moment(end.date, relative=False)}{shown}"
        )
        print_lines(f"    {name} {text}" for name, text in _differing(end, ends))
    if ends:
        print_line(f"To choose one: mitosis settle {ends[0].record.key[:KEY_DIGITS]} --keep ID")
    else:
        print_line(f"there is one record of trial {journal.read_trial(key).key}: nothing has to be settled")
    return 0


def _differing(end: RecordedEnd, ends: Sequence[RecordedEnd]) -> Iterator[tuple[str, str]]:
    """The fields, with their texts, in which an end differs from the others."""
    views = {other.oid: View.of(other.record) for other in ends}
    own = views[end.oid]
    for name in dict.fromkeys(name for view in views.values() for name in view):
        if len({view.text(name) if name in view else "" for view in views.values()}) > 1 and name in own:
            yield name, own.text(name)
