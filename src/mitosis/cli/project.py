"""`mitosis init`, `setup` and `demo`: get started."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from mitosis import demo as demos
from mitosis.cli import completers
from mitosis.cli.configuration import ConfigFile
from mitosis.cli.listing import list_trials
from mitosis.cli.output.table import print_line
from mitosis.cli.run import run
from mitosis.config import CONFIG_NAME, add_steps_table
from mitosis.errors.files import FileTrouble
from mitosis.errors.journal import UnknownRemote
from mitosis.errors.repository import NotARepository
from mitosis.errors.usage import ConfigError
from mitosis.git.repository import find_repository
from mitosis.setup import set_up
from mitosis.sync.remotes import list_remotes


def init(*, config: ConfigFile = None) -> int:
    """Add an empty [tool.mitosis.steps] table with an example to pyproject.toml."""
    try:
        root = find_repository(Path.cwd()).root
    except NotARepository:
        root = Path.cwd()
    path = root / (config or CONFIG_NAME)
    try:
        text = path.read_bytes().decode("utf-8") if path.exists() else ""
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(path, f"it cannot be read: {error}") from error
    changed = add_steps_table(text, path)
    if changed is None:
        print_line(f"{path} already has a table [tool.mitosis.steps]")
        return 0
    try:
        path.write_bytes(changed.encode("utf-8"))
    except OSError as error:
        raise FileTrouble(path, "written", error) from error
    print_line(f"added [tool.mitosis.steps] to {path}")
    option = f" --config {shlex.quote(config)}" if config else ""
    print_line(f"Register a step there, commit, and run it: mitosis{option} STEP")
    return 0


def setup(remote: Annotated[str | None, Parameter(completer=completers.remotes)] = None, /) -> int:
    """Have plain git show records and locks as text in this clone, and fetch those of its remotes.

    Args:
        remote: The remote whose records git fetch should bring; by default every remote.
    """
    repository = find_repository(Path.cwd())
    remotes = list_remotes(repository)
    if remote is not None and remote not in remotes:
        raise UnknownRemote(remote, remotes)
    for written in set_up(repository, remotes if remote is None else [remote]):
        done = "removed" if written.is_removed else "wrote" if written.changed else "already there"
        print_line(f"{done}: {written.what}")
        print_line(f"    in {written.where}")
    if not remotes:
        print_line("This repository has no remote. Run this again when it has one, so that git fetch brings records.")
    print_line("Try: git log -p refs/mitosis")
    return 0


def demo(folder: Path = Path("mitosis-demo"), /) -> int:
    """Write a small experiment as a new repository, commit it, and run a trial of it.

    Args:
        folder: Where to write it.
    """
    repository = demos.create_demo(folder.absolute())
    command = ["mitosis", *demos.STEPS]
    command += [word for text in demos.LOOKUPS for word in ("-p", text)]
    command += [word for text in demos.EVALUATED for word in ("-e", text)]
    print_line(f"wrote a repository with one experiment to {folder}")
    print_line(f"$ {shlex.join(command)}")
    os.chdir(repository.root)
    sys.argv = command  # what the trial is recorded with, so that it can be run again
    status = run(*demos.STEPS, param=demos.LOOKUPS, eval_param=demos.EVALUATED)
    if status != 0:
        return status
    print_line("")
    print_line("$ mitosis list")
    list_trials()
    print_line("")
    program = "mitosis" if shutil.which("mitosis") else str(Path(sys.executable).with_name("mitosis"))
    print_line(f"Look at the page above, and at {folder / 'sine_experiment' / '__init__.py'}. Then try, in {folder}:")
    hints = (
        (f"{program} my_exp -p my_exp.frequency=fast -e my_exp.amplitude=4", "another trial"),
        (f"{program} show KEY", "everything that is recorded about one"),
        ("git log refs/mitosis", "the history, with git alone"),
        ("git log --notes=mitosis", "trials under their commits"),
    )
    width = max(len(words) for words, _ in hints)
    for words, meaning in hints:
        print_line(f"    {words:<{width}}     {meaning}")
    print_line('Change what "slow" means, commit, and run it again: mitosis will refuse.')
    return 0
