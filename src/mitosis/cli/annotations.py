"""`mitosis tag`, `untag` and `note`: say something of trials, for everybody who shares the repository."""

from __future__ import annotations

import shlex
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from mitosis.cli import completers
from mitosis.cli.opening import open_journal
from mitosis.cli.output.streams import is_terminal
from mitosis.cli.output.table import print_line, print_warning
from mitosis.errors.base import MitosisError
from mitosis.errors.files import FileTrouble
from mitosis.errors.usage import UsageError
from mitosis.text import clean

if TYPE_CHECKING:
    from mitosis.journal.journal import Journal

_Tag = Annotated[str, Parameter(completer=completers.tags)]
_Key = Annotated[str, Parameter(completer=completers.keys)]


def tag(name: _Tag, /, *keys: _Key) -> int:
    """Tag trials, for everybody who shares the repository.

    Args:
        name: The tag: a word or a few, without commas.
        keys: The trials, as for `show`.
    """
    return _change(name, keys, "tag", "is tagged already")


def untag(name: _Tag, /, *keys: _Key) -> int:
    """Take a tag from trials. If somebody else sets it at the same time, theirs stays.

    Args:
        name: The tag.
        keys: The trials, as for `show`.
    """
    return _change(name, keys, "untag", "is not tagged")


def _change(name: str, keys: tuple[str, ...], command: str, unchanged: str) -> int:
    if not keys:
        raise UsageError(f"give the key of a trial: mitosis {command} TAG KEY...\n`mitosis list` shows them.")
    from mitosis.query.search import Search
    from mitosis.query.selection import select_all

    journal = open_journal()
    chosen = select_all(journal, keys)
    found = {view.raw("key"): view.text("experiment") for view in Search(journal).among(chosen).views()}
    experiments = {key: found.get(key, "") for key in chosen}
    change = journal.tag if command == "tag" else journal.untag
    changed = change(list(experiments), name, journal.repository.identity())
    for key, experiment in experiments.items():
        trial = f"{key}, {experiment}"
        print_line(f"{command}ged {trial}: {name}" if key in changed else f"{trial}, {unchanged}: {name}")
    return _tell_others(journal, is_news=bool(changed))


def note(key: _Key, /, *, message: Annotated[str | None, Parameter(name=["--message", "-m"])] = None) -> int:
    """Write a note on a trial, for everybody who shares the repository. Earlier notes stay.

    Args:
        key: The trial, as for `show`.
        message: The text; without it, git's editor is opened.
    """
    from mitosis.query.selection import read_one

    journal = open_journal()
    record = read_one(journal, key)
    draft = journal.repository.git_dir / "mitosis" / f"note-{record.key}.txt"
    text = _edit(journal, draft, f"{record.key}, {record.experiment}") if message is None else message
    try:
        is_news = journal.note(record.key, text, journal.repository.identity())
    except MitosisError:
        if message is None and draft.exists():
            print_warning(f"what you wrote is kept for the next `mitosis note {record.key}`: {draft}")
        raise
    if message is None:
        draft.unlink(missing_ok=True)
    print_line(f"{'noted on' if is_news else 'the same is noted already on'} {record.key}, {record.experiment}")
    return _tell_others(journal, is_news=is_news)


def _edit(journal: Journal, draft: Path, trial: str) -> str:
    """What somebody writes in the editor that git uses, without the lines that begin with #.

    Args:
        journal: whose repository may have its own editor.
        draft: the file to write in; what is there already is from an earlier attempt.
        trial: what the note is on.
    """
    if not (is_terminal(sys.stdin) and is_terminal()):
        raise UsageError("there is no terminal to write a note in\nGive the text: mitosis note KEY -m TEXT")
    editor = journal.repository.git("var", "GIT_EDITOR").strip()
    try:
        draft.parent.mkdir(exist_ok=True)
        if not draft.exists():
            what = clean(f"# A note on trial {trial}. Lines that begin with # are left out.")
            draft.write_text(f"\n{what}\n# Without a text, nothing is recorded.\n", "utf-8")
        # As git starts it: there may be options in what is its name.
        status = subprocess.run(f"{editor} {shlex.quote(str(draft))}", shell=True, check=False).returncode
        lines = draft.read_text("utf-8", "surrogateescape").splitlines()
        text = "\n".join(line for line in lines if not line.startswith("#")).strip()
        if not text:
            draft.unlink()
    except OSError as error:
        raise FileTrouble(draft, "edited", error) from error
    if status != 0:
        raise UsageError(
            f"the editor ended with status {status}, so nothing was noted: {editor}\n"
            "Choose another (git config core.editor NAME), or give the text: mitosis note KEY -m TEXT"
        )
    return text


def _tell_others(journal: Journal, *, is_news: bool) -> int:
    from mitosis.sync.remotes import list_remotes

    if is_news and list_remotes(journal.repository):
        print_line("Let others know: mitosis push")
    return 0
