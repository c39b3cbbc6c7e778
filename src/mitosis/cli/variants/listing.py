"""`mitosis variants`: the table of all of them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from mitosis.check.survey import survey
from mitosis.check.texts import change_lines, not_compared, remedies
from mitosis.cli import completers
from mitosis.cli.configuration import ConfigFile
from mitosis.cli.output.streams import is_terminal
from mitosis.cli.output.table import (
    print_columns,
    print_conflicts,
    print_line,
    print_lines,
    print_problems,
    print_unmerged,
    print_warning,
)
from mitosis.dictionaries.states import working_state
from mitosis.errors.base import ExitStatus, few, shell_words
from mitosis.errors.usage import UnknownName, UsageError
from mitosis.git.repository import find_repository
from mitosis.journal.journal import Journal
from mitosis.text import clean, format_moment
from mitosis.variants import VariantLock

if TYPE_CHECKING:
    from mitosis.check.survey import VariantStatus
    from mitosis.dictionaries.evaluation import Trouble
    from mitosis.dictionaries.states import State

_NAME_WIDTH = 100
_MOST_LOCKS = 10_000


def list_variants(
    what: Annotated[str | None, Parameter(completer=completers.steps_and_parameters)] = None,
    /,
    *,
    changed: bool = False,
    locked: bool = False,
    config: ConfigFile = None,
) -> int:
    """List all variants that are locked or in a lookup dictionary, with their states, values and uses.

    The dictionaries are those of the working tree; their modules are imported in a separate process.

    Args:
        what: STEP or STEP.PARAM, to list those variants alone.
        changed: Only those with a problem, and what is different; the exit status is 1 if there are any.
        locked: Look only at the locks, and import nothing.
    """
    if changed and locked:
        raise UsageError("--changed compares the dictionaries with the locks, and --locked leaves the dictionaries out")
    if what is not None and "=" in what:
        raise UsageError(
            f"`{what}` names a single variant, and the list is of a step or parameter\n"
            f"Show that one: mitosis variants show {shell_words(what)}"
        )
    step, _, parameter = (what or "").partition(".")
    repository = find_repository(Path.cwd())
    journal = Journal(repository)
    state = None if locked else working_state(repository, config)
    if what is not None:
        _check_step(journal, state, step)
    found = survey(journal, state, step=step or None, parameter=parameter or None, repeats=changed)
    if what is not None and not (found.statuses or found.unlisted or found.troubles):
        others = [status.name.of_parameter for status in survey(journal, state, step=step or None).statuses]
        if others:
            raise UnknownName(what, "is not a parameter that has variants", list(dict.fromkeys(others)))
    statuses = [status for status in found.statuses if status.is_problem or not changed]
    if statuses:
        _print_statuses(journal, statuses)
    elif changed:
        print_line(_nothing_changed(found.troubles, state))
    else:
        print_line(_nothing_found(what, found.troubles, state))
    if changed:
        changes = [status.change for status in statuses if status.change is not None]
        for change in changes:
            print_lines(change_lines(change))
        print_lines(remedies(changes))
    print_warning(*(trouble.reason for trouble in found.troubles), *found.unlisted, *found.warnings)
    if changed:
        print_warning(*map(not_compared, found.not_compared))
    print_problems(found.problems)
    conflicts = journal.conflicts()
    print_conflicts([c for c in conflicts if step in ("", c.name.step) and parameter in ("", c.name.parameter)])
    print_unmerged(journal)
    return ExitStatus.FAILED if changed and (statuses or found.troubles) else ExitStatus.DONE


def _nothing_found(what: str | None, troubles: Sequence[Trouble], state: State | None) -> str:
    of = "" if what is None else f" of {what}"
    if state is None:
        return f"no variants{of} are locked in this repository"
    if troubles:
        return f"no variants{of} are locked, and what the dictionaries contain could not be determined"
    return f"there are no variants{of}"


def _nothing_changed(troubles: Sequence[Trouble], state: State | None) -> str:
    if state is None or state.config is None:
        file = "pyproject.toml" if state is None else state.file
        return f"no steps are registered in {file}, so there is nothing to compare"
    return "nothing is known to have changed" if troubles else "every locked variant still means the same"


def _print_statuses(journal: Journal, statuses: Sequence[VariantStatus]) -> None:
    # Nobody locks that many. git would look for where each comes from, and never end.
    origins = journal.variant_origins() if len(statuses) <= _MOST_LOCKS else {}
    relative = is_terminal()
    rows = []
    for status in statuses:
        origin = origins.get(VariantLock(status.name, status.digest))
        rows.append(
            {
                "": "!" if status.is_problem else " ",
                "variant": clean(str(status.name), _NAME_WIDTH),
                "state": status.state,
                "value": _short_value(status),
                "locked": format_moment(origin.date.isoformat(), relative=relative) if origin is not None else "",
                "by": origin.name if origin is not None else "",
                "trials": str(status.uses.trials) if status.is_locked else "",
                "last used": format_moment(status.uses.last, relative=relative) if status.uses.last else "",
                "commit": (origin.commit or "")[:7] if origin is not None else "",
            }
        )
    columns = ["", "variant", "state", "value", "locked", "by", "trials", "last used", "commit"]
    left_out = print_columns(columns, rows, optional=["value", "trials", "locked", "by", "last used", "commit"])
    if left_out:
        print_line(f"Not shown: {', '.join(left_out)}; `mitosis variants show` has them.")


def _short_value(status: VariantStatus) -> str:
    if status.summary is None:
        return status.reason or "cannot be read"
    redefinition = None if status.change is None else status.change.redefinition
    if redefinition is not None and redefinition.is_whole:
        return f"{redefinition.locked.summary} → {redefinition.now_summary}"
    shown = status.summary
    if status.remarks.new_names:
        shown += f", now called {few(sorted(status.remarks.new_names), ' or ')}"
    if status.old_names:
        shown += f", was called {few(sorted(status.old_names), ' or ')}"
    return shown


def _check_step(journal: Journal, state: State | None, step: str) -> None:
    """Refuse a step that nobody knows.

    Raises:
        UnknownName: it is neither registered nor does it have locked variants.
    """
    known = {lock.name.step for lock in journal.locks()}
    if state is not None and state.config is not None:
        known |= state.config.steps.keys()
    if step not in known:
        raise UnknownName(step, "is not a registered step and has no locked variants", sorted(known))
