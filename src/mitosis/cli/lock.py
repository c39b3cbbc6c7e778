"""`mitosis lock`: locks without a trial."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from mitosis.check.comparing import flaky_names
from mitosis.check.texts import FLAKY, value_summary
from mitosis.cli import completers
from mitosis.cli.configuration import ConfigFile
from mitosis.cli.output.table import print_line, print_warning
from mitosis.config import select_steps
from mitosis.dictionaries.states import commit_state
from mitosis.errors.base import ExitStatus
from mitosis.errors.experiment import LookupTrouble
from mitosis.errors.repository import NoCommit
from mitosis.errors.usage import UsageError
from mitosis.git.repository import find_repository
from mitosis.journal.journal import Journal
from mitosis.journal.locks import ACCEPT_FUNCTIONS
from mitosis.text import counted


def lock(
    *steps: Annotated[str, Parameter(completer=completers.steps)],
    accept_functions: bool = False,
    config: ConfigFile = None,
) -> int:
    """Lock all variants of the lookup dictionaries as they are committed, without running a trial.

    Either all of them are locked or, if one is already locked to another value, none.

    Args:
        steps: The steps whose variants to lock; by default all registered steps.
        accept_functions: Accept functions whose bodies have changed since they were locked: nobody is warned any more.
    """
    repository = find_repository(Path.cwd())
    if repository.head is None:
        raise NoCommit(repository.root)
    identity = repository.identity()
    with commit_state(repository, repository.head, config) as state:
        if state.config is None:
            raise UsageError(
                f"no steps are registered in {state.file} in commit {repository.head[:7]}\n"
                "Register your steps and commit them; `mitosis init` adds the table."
            )
        wanted = list(dict.fromkeys(steps)) or list(state.config.steps)
        chosen = [step.name for step in select_steps(state.config, wanted)]
        evaluation = state.evaluate(chosen)
        for trouble in evaluation.troubles:
            raise LookupTrouble(f"nothing was locked: {trouble.reason}", trouble.details)
        for package, path in evaluation.elsewhere.items():
            raise LookupTrouble(
                f"nothing was locked: trials import `{package}` from {path}, not from this repository\n"
                "Install the repository in editable mode (pip install -e .), uninstall the other copy, or give the "
                "package a name of its own.",
                "",
            )
        journal = Journal(repository)
        locked = {lock.name for lock in journal.locks()}
        digests = {meaning.name: meaning.digest for meaning in evaluation.meanings}
        flaky = flaky_names({name: digest for name, digest in digests.items() if name not in locked}, state)
    meanings = [meaning for meaning in evaluation.meanings if meaning.name not in flaky]
    done = journal.lock(meanings, repository.head, identity, accept_functions=accept_functions)
    for new in done.newly_locked:
        print_line(f"locked {new.name}   {value_summary(new)}")
    before = len(meanings) - len(done.newly_locked) - len(done.retired)
    already = f"; {before} {'was' if before == 1 else 'were'} locked already" if before else ""
    print_line(f"{counted(len(done.newly_locked), 'variant')} newly locked at commit {repository.head[:7]}{already}")
    for retired in done.retired:
        print_line(f"left out {retired.name}, which is retired")
    for changed in done.changed:
        if accept_functions:
            print_line(f"accepted {', '.join(changed.functions)} in {changed.variant}")
        else:
            print_warning(str(changed))
    if done.changed and not accept_functions:
        print_warning(ACCEPT_FUNCTIONS)
    for refused in evaluation.refused:
        print_warning(f"{refused.full_name} cannot be locked: {refused.reason}")
    for name in sorted(flaky):
        print_warning(f"{name} was not locked: {FLAKY}")
    return ExitStatus.FAILED if evaluation.refused or flaky else ExitStatus.DONE
