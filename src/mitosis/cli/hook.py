"""`mitosis hook`: have git warn before a commit that changes what a locked variant means."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import App, Parameter

from mitosis.cli.configuration import ConfigFile
from mitosis.cli.output.table import print_line, print_lines
from mitosis.errors.base import ExitStatus
from mitosis.git.repository import find_repository
from mitosis.hook import installing, place

if TYPE_CHECKING:
    from mitosis.hook.place import HookFile, Status

app = App(name="hook", help="Warn before a commit that changes what a locked variant means.", help_format="plaintext")

_MODES = {
    "warn": "a commit that changes a locked variant passes, with a warning",
    "strict": "a commit that changes a locked variant is stopped",
    "off": "nothing is checked",
}


@app.command
def install(
    *, strict: Annotated[bool | None, Parameter(negative="--no-strict")] = None, config: ConfigFile = None
) -> int:
    """Have git run the check before each commit in this clone. An existing hook runs first.

    The options are remembered in git's configuration until they are given again.

    Args:
        strict: Stop commits that change a locked variant; --no-strict goes back to warnings.
    """
    repository = find_repository(Path.cwd())
    changed = installing.install(repository, strict=strict, config=config)
    _print_status(place.status(repository), "installed" if changed else "already installed")
    return 0


@app.command
def uninstall() -> int:
    """Remove the hook, and restore what was there before."""
    repository = find_repository(Path.cwd())
    done = installing.uninstall(repository)
    print_lines(done or ["there was nothing to undo"])
    left = place.find_place(repository).current()
    if left is not None and f"restored: {left.path}" not in done:
        print_line(f"left alone: {_describe(left)}")
    return 0


@app.default
@app.command
def status() -> int:
    """Show whether the hook is installed, what it does, and what is wrong; exit with 1 if it is not installed."""
    found = place.status(find_repository(Path.cwd()))
    _print_status(found, "installed" if found.is_installed else "not installed")
    return ExitStatus.DONE if found.is_installed else ExitStatus.FAILED


def _print_status(found: Status, head: str) -> None:
    print_line(f"{head}: {found.path}")
    if found.is_installed:
        print_line(f"    called by {found.called_by}")
        print_line(f"    {found.mode} ({found.mode_reason}): {_MODES[found.mode]}")
    else:
        print_line(f"    {'there is no hook' if found.current is None else _describe(found.current)}")
    if found.config is not None:
        print_line(f"    configuration: {found.config}")
    if found.python is not None:
        print_line(f"    with: {found.python}")
    if found.chained is not None:
        print_line(f"    runs first: {found.chained}")
    for problem in found.problems:
        head, *rest = problem.splitlines()
        print_line(f"! {head}")
        print_lines(f"    {line}" for line in rest)


def _describe(file: HookFile) -> str:
    if file.kind in ("mitosis", "edited"):
        return "the hook of mitosis is there, and is not run"
    made_by = ", made by pre-commit" if file.kind == "pre-commit" else ""
    return f"another hook is there{made_by}: {file.path}"
