"""What the pre-commit hook runs: `python -m mitosis.hook [--strict] [--config FILE]`.

It warns when a commit would change what a locked variant means. Only a strict hook stops the commit, and only for that;
whatever else is wrong takes one line on standard error, and the commit continues. Imports are where they are needed,
because most commits touch nothing that matters.
"""

from __future__ import annotations

import contextlib
import signal
import sys
import warnings
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from mitosis.errors.base import ExitStatus, MitosisError, of_signal
from mitosis.errors.repository import GitError
from mitosis.hook import CONFIG_KEY

if TYPE_CHECKING:
    from mitosis.check.reports import Report
    from mitosis.dictionaries.states import State
    from mitosis.git.repository import Repository
    from mitosis.journal.journal import Journal

TIME_LIMIT_KEY = "mitosis.hookTimeLimit"
"""The key of git's configuration that says how many seconds evaluating the dictionaries may take."""
_LONGEST_LIMIT_S = 3600.0
_LINE_LIMIT = 500
_MOST_SHOWN = 20
"""Of the changes, this many are shown."""


def main(arguments: Sequence[str]) -> int:
    """Check what is staged.

    Args:
        arguments: `--strict` to stop a commit that changes a locked variant, `--config` with the configuration to use
            in place of the one that was set when the hook was installed; anything else is left alone.

    Returns:
        The exit status: another than 0 stops the commit.
    """
    # What Python would like to say of the user's modules while they are read, it says where they are imported.
    warnings.simplefilter("ignore")
    try:
        given = arguments[arguments.index("--config") + 1 :][:1] if "--config" in arguments else []
        return _check("--strict" in arguments, next(iter(given), None))
    except (MitosisError, OSError) as error:  # OSError: a full disk, or a folder that cannot be written to
        reason = error.summary if isinstance(error, GitError) else str(error).partition("\n")[0]
    except KeyboardInterrupt:
        return of_signal(signal.SIGINT)
    _say([f"mitosis: locked variants are not checked: {reason}"])
    return 0


def _check(is_strict: bool, config: str | None) -> int:
    from mitosis.git.repository import find_repository

    repository = find_repository(Path.cwd())
    # Where nothing was ever locked, this tells without a program.
    if not repository.may_have_refs("refs/mitosis/"):
        return 0
    from mitosis.check.relevance import can_matter, learn

    config = config or repository.ask("config", CONFIG_KEY).removesuffix("\n") or None
    if not can_matter(repository, config):
        return 0
    from mitosis.check.reports import check_state
    from mitosis.dictionaries.states import staged_state
    from mitosis.journal.journal import Journal

    journal = Journal(repository)
    if journal.tip() is None:
        return 0
    with staged_state(repository, config, time_limit_s=_time_limit(repository)) as state:
        if state.hook == "off":
            return 0
        is_strict = is_strict or state.hook == "strict"
        # Merging journals brings conflicts, and no commit of the dictionaries does.
        report = check_state(journal, state, repeats=False).without_conflicts()
        if report.usage is not None:
            learn(repository, report.usage)
        if report.changes:
            report = _news(journal, report, state, config)
    return _tell(report, is_strict)


def _news(journal: Journal, report: Report, staged: State, config: str | None) -> Report:
    """What a commit brings: without what is so at HEAD already, which somebody has decided to live with."""
    from mitosis.check.comparing import with_flaky_marked

    before = _before(journal, staged, config)
    # Only what is news otherwise is evaluated once more.
    report = report.without(before)
    return replace(report, changes=with_flaky_marked(report.changes, staged)).without(before)


def _before(journal: Journal, staged: State, config: str | None) -> Report:
    """What is found at HEAD; nothing if nothing can be told of it."""
    from mitosis.check.reports import Report, check_state
    from mitosis.dictionaries.states import commit_state
    from mitosis.errors.usage import ConfigError

    head = journal.repository.head
    if head is not None and staged.index is not None:
        # A sparse checkout leaves out the same files then as now.
        without = staged.index.left_out
        with (
            contextlib.suppress(ConfigError, GitError),  # what is wrong with HEAD is not the fault of this commit
            commit_state(journal.repository, head, config, time_limit_s=staged.time_limit_s, without=without) as state,
        ):
            # What submodules say is what is in the working tree: it is not known what it was before.
            if _submodules(state) == _submodules(staged):
                return check_state(journal, state, repeats=False)
    return Report(())


def _submodules(state: State) -> dict[str, str]:
    """The commits of the submodules."""
    files = {} if state.index is None else state.index.files
    return {name: file.oid for name, file in files.items() if file.is_submodule}


def _tell(report: Report, is_strict: bool) -> int:
    """Say what was found; returns the exit status."""
    from mitosis.check.texts import headed, remedies

    # Those that break trials first: they must not be among what is left out.
    changes = sorted(report.changes, key=lambda change: not change.is_breaking)
    lines = headed(changes[:_MOST_SHOWN], "this commit")
    _say(line if line.startswith(" ") else f"mitosis: {line}" for line in lines)
    if len(changes) > _MOST_SHOWN:
        _say([f"mitosis: and {len(changes) - _MOST_SHOWN} more; `mitosis check --staged` shows them all"])
    _say(f"mitosis: not checked: {problem.reason}" for problem in report.problems)
    _say(f"mitosis: {warning}" for warning in report.warnings)
    if not changes:
        return 0
    _say(remedies(changes))
    if report.breaks:
        names = ", ".join(f"`{change.name}`" for change in changes if change.is_breaking)
        _say([f"Trials with {names} will be refused. Give the new value its own name, or restore the locked one."])
    if report.breaks and is_strict:
        _say(["The commit is stopped because the hook is strict; `git commit --no-verify` commits without it."])
        return ExitStatus.FAILED
    _say(["This is only a warning: the commit continues."])
    return 0


def _time_limit(repository: Repository) -> float:
    """How long evaluating the dictionaries may take."""
    from mitosis.dictionaries.evaluation import TIME_LIMIT_S
    from mitosis.hook.place import read_setting

    setting = read_setting(repository, TIME_LIMIT_KEY)
    if setting is None:
        return TIME_LIMIT_S
    with contextlib.suppress(ValueError):
        if float(setting) > 0:  # which "nan" is not
            return min(float(setting), _LONGEST_LIMIT_S)
    _say(
        [f"mitosis: {TIME_LIMIT_KEY} is {setting.strip()!r}, but should be a number of seconds; using {TIME_LIMIT_S:g}"]
    )
    return TIME_LIMIT_S


def _say(lines: Iterable[str]) -> None:
    from mitosis.text import one_line

    for line in lines:
        sys.stderr.write(f"{one_line(line, _LINE_LIMIT)}\n")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
