"""`mitosis hook`: have git warn before a commit that changes what a locked variant means."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from cyclopts import App

from mitosis.cli.output.table import print_line
from mitosis.errors.base import ExitStatus

if TYPE_CHECKING:
    from mitosis.hook.place import HookFile

app = App(name="hook", help="Warn before a commit that changes what a locked variant means.", help_format="plaintext")

_MODES = {
    "warn": "a commit that changes a locked variant passes, with a warning",
    "strict": "a commit that changes a locked variant is stopped",
    "off": "nothing is checked",
}


@app.command
def install(*, strict: bool | None = None) -> int:
    """Have git run the check before each commit in this clone. An existing hook runs first.

    Args:
        strict: Stop commits that change a locked variant; --no-strict goes back to warnings.
    """
    from mitosis.git.repository import find_repository
    from mitosis.hook import installing, place

    repository = find_repository(Path.cwd())
    done = installing.install(repository, strict=strict)
    print_line(f"{'installed' if done.changed else 'already installed'}: {done.path}")
    if done.called_by is not None:
        print_line(f"    run by {done.called_by}, whose hook is installed there")
    if done.chained is not None:
        print_line(f"    runs first: {done.chained}")
    print_line(f"    with: {done.python}")
    # pyproject.toml has a say, too.
    print_line(f"    {_MODES[place.status(repository).mode]}")
    return 0


@app.command
def uninstall() -> int:
    """Remove the hook, and restore what was there before."""
    from mitosis.git.repository import find_repository
    from mitosis.hook import installing

    done = installing.uninstall(find_repository(Path.cwd()))
    for path in done.restored:
        print_line(f"restored: {path}")
    for path in done.removed:
        print_line(f"removed: {path}")
    for name in done.settings:
        print_line(f"removed: {name} from git's configuration")
    if not done.changed:
        print_line("there was nothing to undo")
    if done.left is not None and done.left.path not in done.restored:
        print_line(f"left alone: {_describe(done.left)}")
    return 0


@app.default
@app.command
def status() -> int:
    """Show whether the hook is installed, what it does, and what is wrong; exit with 1 if it is not installed."""
    from mitosis.git.repository import find_repository
    from mitosis.hook import place

    found = place.status(find_repository(Path.cwd()))
    if found.is_installed:
        print_line(f"installed: {found.path}")
        print_line(f"    called by {found.called_by}")
        print_line(f"    {found.mode} ({found.mode_reason}): {_MODES[found.mode]}")
    else:
        print_line(f"not installed: {found.path}")
        if found.current is None:
            print_line("    there is no hook")
        elif not found.current.is_ours:
            print_line(f"    {_describe(found.current)}")
    if found.python is not None:
        print_line(f"    with: {found.python}{'' if found.python_exists else ', which no longer exists'}")
    if found.chained is not None:
        print_line(f"    runs first: {found.chained}")
    if found.current is not None and found.current.kind == "pre-commit":
        print_line("    hooks here are managed by pre-commit")
    for problem in found.problems:
        head, *rest = problem.splitlines()
        print_line(f"! {head}")
        for line in rest:
            print_line(f"    {line}")
    return ExitStatus.DONE if found.is_installed else ExitStatus.FAILED


def _describe(file: HookFile) -> str:
    made_by = ", made by pre-commit" if file.kind == "pre-commit" else ""
    return f"another hook is there{made_by}: {file.path}"
