"""`mitosis log`: the history of the code, with the trials that ran on each commit."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from mitosis.cli import completers
from mitosis.cli.output.table import print_line
from mitosis.git.program import show_git
from mitosis.git.repository import find_repository
from mitosis.journal import layout
from mitosis.journal.journal import Journal

_FORM = "%C(auto)%h%d %s%Creset %C(dim)%an, %ar%Creset%n%N"
_PINNED_FORM = "%C(auto)%h %s%Creset %C(dim)%an, %ar%Creset%n%N"


def log(
    revision: Annotated[str | None, Parameter(completer=completers.revisions)] = None, /, *, trials: bool = False
) -> int:
    """Show the history of the code as git draws it, with trials beneath the commits that they ran on.

    Args:
        revision: A commit or a range of git's, such as main..feature; by default HEAD, with --trials everything.
        trials: Only commits that trials ran on, also those that no branch has any more.
    """
    repository = find_repository(Path.cwd())
    if Journal(repository).tip() is None:
        print_line("no trials are recorded in this repository")
        return 0
    words = ["log", "--graph", f"--notes={layout.NOTES_REF}", f"--format={_PINNED_FORM if trials else _FORM}"]
    if trials:
        # git leaves out what no ref points to, and of these there is one for each commit with trials.
        words += ["--simplify-by-decoration", f"--decorate-refs={layout.PIN_PREFIX}"]
        words += [] if revision is not None else [f"--glob={layout.PIN_PREFIX}*"]
    show_git(*words, "--end-of-options", *([] if revision is None else [revision]), "--", cwd=repository.root)
    return 0
