"""What the pre-commit hook runs: `python -m mitosis.hook [--strict]`.

It warns when a commit would change what a locked variant means. Only a strict hook stops the commit, and only for that;
whatever else is wrong takes one line on standard error, and the commit goes on. Imports are where they are needed, for
most commits touch nothing that matters.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from mitosis.errors import MitosisError

_LINE_LIMIT = 500
_STOPPED = 1


def main(arguments: Sequence[str]) -> int:
    """Check what is staged.

    Args:
        arguments: `--strict` to stop a commit that changes a locked variant; anything else is left alone.

    Returns:
        The exit status: 1 stops the commit.
    """
    try:
        return _check("--strict" in arguments)
    except MitosisError as error:
        _say([f"mitosis: locked variants are not checked: {_first_line(error)}"])
        return 0


def _check(is_strict: bool) -> int:
    from mitosis.check.relevance import can_matter, learn
    from mitosis.git import find_repository

    repository = find_repository(Path.cwd())
    if not can_matter(repository):
        return 0
    from mitosis.check.reports import check_state
    from mitosis.check.states import staged_state
    from mitosis.check.texts import headed
    from mitosis.journal import Journal

    journal = Journal(repository)
    if journal.tip() is None:
        return 0
    with staged_state(repository) as state:
        if state.config is None or state.config.hook == "off":
            return 0
        is_strict = is_strict or state.config.hook == "strict"
        report = check_state(journal, state)
    learn(repository, report.files)
    changes = [found.change for found in report.found]
    lines = list(headed(changes, "this commit"))
    _say(line if line.startswith(" ") else f"mitosis: {line}" for line in lines)
    _say(f"mitosis: not checked: {problem.reason}" for problem in report.problems)
    if not report.breaks:
        return 0
    names = ", ".join(dict.fromkeys(f"`{change.variant}`" for change in changes if change.is_breaking))
    _say([f"Trials with {names} will be refused. Give the new value its own name, or restore the locked one."])
    if is_strict:
        _say(["The commit is stopped, for the hook is strict; `git commit --no-verify` goes on without it."])
        return _STOPPED
    _say(["This is only a warning: the commit goes on."])
    return 0


def _first_line(error: MitosisError) -> str:
    return str(error).partition("\n")[0]


def _say(lines: Iterable[str]) -> None:
    from mitosis.journal.messages import one_line

    for line in lines:
        sys.stderr.write(f"{one_line(line, _LINE_LIMIT)}\n")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
