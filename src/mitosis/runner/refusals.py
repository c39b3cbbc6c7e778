"""What can be refused without running user code, and within milliseconds."""

from __future__ import annotations

import math
import os
import secrets
from dataclasses import dataclass
from pathlib import Path

from mitosis.config import (
    CONFIG_NAME,
    Config,
    StepConfig,
    find_config,
    module_step,
    select_steps,
)
from mitosis.errors.repository import DirtyRepository, NoCommit, NoIdentity, NotARepository
from mitosis.errors.usage import ConfigError, SecretMissing, UsageError
from mitosis.files import find_trials_folder
from mitosis.git.repository import Identity, Repository, find_repository
from mitosis.parameters import ParameterArgument, instead_of, parse_parameters
from mitosis.report.templates import Template, find_template
from mitosis.runner.request import Request
from mitosis.text import as_git_shows, recordable

_KEY_BYTES = 6


@dataclass(frozen=True, slots=True)
class HeadDescription:
    """The commit that a trial runs on."""

    commit: str
    """Full hexadecimal id."""
    subject: str
    """First line of the commit's message."""
    branch: str | None
    """Short name; None when HEAD is detached."""


@dataclass(frozen=True, slots=True)
class Settled:
    """An invocation that makes sense so far."""

    request: Request
    key: str
    root: Path
    """Top of the working tree; the configuration's folder outside a repository."""
    repository: Repository | None
    """None outside a repository, in debug."""
    head: HeadDescription | None
    """None before the first commit, in debug."""
    identity: Identity | None
    config: Config
    steps: tuple[StepConfig, ...]
    arguments: tuple[ParameterArgument, ...]
    trials_folder: Path
    untracked_files: int
    template: Template | None = None
    """What to make the page with, in place of the template of mitosis."""
    changes: tuple[str, ...] = ()
    """How tracked files differ from the commit, in debug: lines such as ` M sine_experiment/__init__.py`."""


def settle(request: Request) -> Settled:
    """Check everything about an invocation that needs no user code.

    Raises:
        MitosisError: the first thing that is wrong.
    """
    if request.module is not None and request.steps:
        raise UsageError(
            f"both -m {request.module} and steps ({', '.join(request.steps)}) were given\n"
            "Pass registered steps, or one module."
        )
    if request.timeout_s is not None and not 0 < request.timeout_s < math.inf:
        raise UsageError(
            f"--timeout {request.timeout_s:g} is not a time that steps can take\nGive seconds, such as --timeout 3600."
        )
    repository = _find_repository(request)
    if repository is not None:
        root = repository.root
    else:
        above = (request.folder, *request.folder.parents)
        root = next((folder for folder in above if (folder / CONFIG_NAME).is_file()), request.folder)
    config = find_config(root, request.config, steps_needed=request.module is None)
    steps = select_steps(config, request.steps) if request.module is None else (module_step(request.module),)
    arguments = parse_parameters(
        request.lookups,
        request.evaluated,
        [step.name for step in steps],
        module=request.module is not None,
    )
    for argument in arguments:
        if argument.secret is not None and argument.secret not in os.environ:
            raise SecretMissing(argument.full_name if request.module is None else argument.name, argument.secret)
        if argument.kind == "lookup" and any(s.lookup is None and s.name == argument.step for s in steps):
            raise UsageError(
                f"step `{argument.step}` is registered without a lookup dictionary, so it has no variants\n"
                f"To pass the value itself, write an expression: {instead_of(argument.text, argument.full_name)}"
            )
    if repository is not None and repository.head is None and not request.debug:
        raise NoCommit(repository.root)
    template = find_template(config.template, config.path) if request.output != "ipynb" else None
    identity = _identity(repository, request)
    untracked_files = 0
    allowed: tuple[str, ...] = ()
    if repository is not None and not request.debug:
        untracked_files, allowed = check_clean(repository, config)
        _check_config_committed(repository, config)
    return Settled(
        request=request,
        key=secrets.token_hex(_KEY_BYTES),
        root=root,
        repository=repository,
        head=describe_head(repository) if repository is not None else None,
        identity=identity,
        config=config,
        steps=steps,
        arguments=arguments,
        trials_folder=find_trials_folder(
            request.folder,
            root if repository is None else repository.main_root,
            request.trials_folder,
            config.trials_folder,
        ),
        untracked_files=untracked_files,
        template=template,
        changes=tuple(_status(repository)[1]) if request.debug and repository is not None else allowed,
    )


def check_clean(repository: Repository, config: Config | None = None) -> tuple[int, tuple[str, ...]]:
    """Make sure that the tracked files are as in the commit, but for those that may be changed.

    git itself is asked, so filters, LFS, submodules and sparse checkouts count as the user set them up. Settings that
    hide changes (`submodule.<name>.ignore`, `status.showUntrackedFiles`) do not. Nothing is written, not even to the
    index.

    Args:
        repository: whose working tree and index are looked at.
        config: says what may be changed. Its own file may not, and nor may what the trial imports, which is checked
            when it was imported.

    Returns:
        How many files git does not know, which are no errors (ignored ones are not counted), and what is changed.

    Raises:
        DirtyRepository: tracked files are modified or staged, or submodules have other commits or such files.
    """
    untracked, changes = _status(repository)
    if changes and config is not None and config.allow_changes:
        own = config.path.resolve()
        allowed = [f":(top,exclude){pattern}" for pattern in config.allow_changes]
        refused = _status(repository, ":(top)", *allowed)[1]
        if own.is_relative_to(repository.root.resolve()):
            refused += _status(repository, f":(top,literal){own.relative_to(repository.root.resolve()).as_posix()}")[1]
        if not refused:
            return untracked, tuple(changes)
        changes = refused
    if changes:
        raise DirtyRepository(changes)
    return untracked, ()


def _status(repository: Repository, *pathspecs: str) -> tuple[int, list[str]]:
    """How many files git does not know, and git's codes and path of each tracked file that is changed."""
    # --ignore-submodules=untracked overrides the setting of each submodule: all but untracked files is looked at.
    output = repository.git(
        *("status", "--porcelain", "-z", "--untracked-files=all", "--ignore-submodules=untracked", "--renames"),
        *("--", *pathspecs),
    )
    fields = iter(output.split("\0")[:-1])
    changes: list[str] = []
    untracked = 0
    for entry in fields:
        codes, path = entry[:2], as_git_shows(entry[3:])
        if codes == "??":
            untracked += 1
        elif "R" in codes or "C" in codes:
            changes.append(f"{codes} {as_git_shows(next(fields))} -> {path}")
        else:
            changes.append(f"{codes} {path}")
    return untracked, changes


def describe_head(repository: Repository) -> HeadDescription | None:
    """What `repository.head` is, in words; None before the first commit."""
    if repository.head is None:
        return None
    subject = repository.git(
        "log", "--max-count=1", "--no-show-signature", "--encoding=UTF-8", "--format=%s", repository.head, "--"
    )
    name = repository.git("rev-parse", "--symbolic-full-name", "HEAD").removesuffix("\n")
    branch = recordable(name.removeprefix("refs/heads/")) if name.startswith("refs/heads/") else None
    return HeadDescription(repository.head, recordable(subject.removesuffix("\n")), branch)


def _find_repository(request: Request) -> Repository | None:
    try:
        return find_repository(request.folder)
    except NotARepository as error:
        if request.debug:
            return None
        raise NotARepository(error.folder, to_record=True) from error


def _check_config_committed(repository: Repository, config: Config) -> None:
    """The steps are part of what a trial ran, so the file that registers them has to be in the commit."""
    path = config.path.resolve()
    if not config.path.exists():
        return
    if not path.is_relative_to(repository.root.resolve()):
        raise ConfigError(
            path,
            f"it is outside the repository {repository.root}, so this trial could not be reproduced\n"
            "Move it into the repository and commit it, or pass --debug to try things out without recording.",
        )
    name = path.relative_to(repository.root.resolve()).as_posix()
    if not repository.git("ls-files", "-z", "--", f":(literal,top){name}"):
        raise ConfigError(
            path,
            "it is not committed, so this trial could not be reproduced\n"
            "Commit it, or pass --debug to try things out without recording.",
        )


def _identity(repository: Repository | None, request: Request) -> Identity | None:
    if repository is None:
        return None
    try:
        return repository.identity()
    except NoIdentity:
        if request.debug:
            return None
        raise
