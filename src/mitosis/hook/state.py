"""Whether the hook is installed, and what it would do."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

from mitosis.config import CONFIG_NAME, find_config
from mitosis.errors.repository import GitError
from mitosis.errors.usage import ConfigError
from mitosis.git.repository import Repository
from mitosis.hook.place import (
    PYTHON_KEY,
    STRICT_KEY,
    HookFile,
    Place,
    find_place,
    line_by_hand,
    read_setting,
    usual_place,
)

_FRAMEWORK_CONFIG = ".pre-commit-config.yaml"
_FRAMEWORK_ENTRY = re.compile(rb"""^[^#\n]*\bid["']?\s*:\s*["']?mitosis["']?\s*(?:$|[,}#])""", re.M)
_SEARCHED = "$VIRTUAL_ENV, $CONDA_PREFIX, .venv, venv and env in the working tree, PATH"


@dataclass(frozen=True, slots=True)
class Status:
    """What `mitosis hook status` tells."""

    path: Path
    """Where git looks for the hook."""
    current: HookFile | None
    """What is there."""
    called_by: str | None
    """Who has the check run: `git`, `pre-commit`, or `a line in` the hook; None if nobody."""
    mode: str
    """`warn`, `strict` or `off`."""
    mode_reason: str
    """Who says so."""
    python: str | None
    """The Python that this clone is set to use."""
    python_exists: bool
    chained: Path | None
    """The hook that was there before, and runs first."""
    manager: str | None
    """Another program that manages the hooks here."""
    problems: tuple[str, ...]
    """What is wrong, and what to do about it."""

    @property
    def is_installed(self) -> bool:
        return self.called_by is not None


def status(repository: Repository) -> Status:
    """Look whether the hook is installed in a clone, and what it would do. Nothing is changed.

    Raises:
        FileTrouble: a file cannot be read.
        GitError: git's configuration cannot be.
    """
    place = find_place(repository)
    current = None if place.is_turned_off else place.current()
    installed = None if place.is_turned_off else place.installed()
    manager = current.manager if current is not None else None
    if manager is None and ".husky" in place.path.parts:
        manager = "husky"
    called_by = _caller(repository, place, current, installed)
    problems: list[str] = []
    mode, reason = _mode(repository, problems)
    python = read_setting(repository, "--type=path", PYTHON_KEY)
    python_exists = python is not None and Path(python).is_file() and os.access(python, os.X_OK)
    if not place.is_turned_off:
        problems += _problems(place, current, installed, called_by)
    else:
        problems.append(f"{place.folder} is no folder, so git runs no hook: git config --show-origin core.hooksPath")
    if called_by in ("git", "pre-commit") and not python_exists:
        what = f"{PYTHON_KEY} is not set" if python is None else f"{python} is gone"
        problems.append(f"{what}; another is looked for: {_SEARCHED}. Name this one: mitosis hook install")
    elsewhere = usual_place(repository)
    if elsewhere.folder.resolve() != place.folder.resolve() and elsewhere.ours():
        problems.append(f"git does not look for hooks in {elsewhere.folder}, where mitosis' is: mitosis hook uninstall")
    elif called_by is None and read_setting(repository, "--local", PYTHON_KEY) is not None:
        problems.append(f"{PYTHON_KEY} is set without a hook: mitosis hook install, or mitosis hook uninstall")
    chained = place.chained if installed is not None and os.path.lexists(place.chained) else None
    return Status(
        path=place.path,
        current=current,
        called_by=called_by,
        mode=mode,
        mode_reason=reason,
        python=python,
        python_exists=python_exists,
        chained=None if place.is_half_installed() else chained,
        manager=manager,
        problems=tuple(problems),
    )


def _caller(repository: Repository, place: Place, current: HookFile | None, installed: HookFile | None) -> str | None:
    """Who has the check run before a commit, if anybody."""
    if current is None or not current.is_executable:
        return None
    if installed is not None and installed.kind != "other":
        return "git" if installed.path == place.path else "pre-commit"
    if current.calls_mitosis:
        return f"a line in {current.path}"
    if current.manager == "pre-commit" and _is_in_framework_config(repository):
        return f"pre-commit, by {_FRAMEWORK_CONFIG}"
    return None


def _is_in_framework_config(repository: Repository) -> bool:
    try:
        return _FRAMEWORK_ENTRY.search((repository.root / _FRAMEWORK_CONFIG).read_bytes()) is not None
    except OSError:
        return False


def _mode(repository: Repository, problems: list[str]) -> tuple[str, str]:
    """What the hook would do about a changed variant, and who says so."""
    try:
        configured = find_config(repository.root, None, steps_needed=False).hook
    except ConfigError as error:
        problems.append(str(error))
        configured = "warn"
    if configured != "warn":
        return configured, f'hook = "{configured}" in {CONFIG_NAME}'
    try:
        is_strict = read_setting(repository, "--type=bool", STRICT_KEY) == "true"
    except GitError as error:
        problems.append(str(error))
        is_strict = False
    if is_strict:
        return "strict", f"{STRICT_KEY} in git's configuration"
    return "warn", "nothing says otherwise"


def _problems(place: Place, current: HookFile | None, installed: HookFile | None, called_by: str | None) -> list[str]:
    """What is not as installing leaves it."""
    found = []
    if called_by is None and place.whose != "repository":
        line = line_by_hand(place.whose, strict=False)
        found.append(f"{place.folder} is not mitosis' to write to; add this line to {place.path}: {line}")
    if place.whose != "repository":
        return found
    if os.path.lexists(place.new) or place.is_half_installed():
        found.append("an installation was interrupted: mitosis hook install, or mitosis hook uninstall")
    elif current is None and os.path.lexists(place.chained):
        found.append(
            f"the hook that was here before is not run, but kept as {place.chained}: "
            "mitosis hook install, or mitosis hook uninstall to put it back"
        )
    elif current is not None and installed is None and os.path.lexists(place.chained):
        found.append(
            f"the hook that was here before is not run, but kept as {place.chained}, and {place.path} is another: "
            "have this one call that one, or delete what is not needed"
        )
    if current is not None and current.kind != "other" and not current.is_executable:
        found.append(f"{place.path} is not executable, so git does not run it: mitosis hook install")
    if installed is not None and installed.kind == "edited":
        found.append(f"somebody has edited {installed.path}; mitosis neither replaces nor removes it")
    elif installed is not None and installed.kind == "mitosis" and installed.is_executable and not installed.is_current:
        found.append(f"{installed.path} is not the script of this version of mitosis: mitosis hook install")
    if called_by is None and current is not None and current.kind == "other":
        for file in place.renamed():
            found.append(f"another hook has taken the place of mitosis', which is now {file.path}, and does not run")
    return found
