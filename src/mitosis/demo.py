"""A small repository with a real experiment, to try mitosis on."""

from __future__ import annotations

import importlib.util
import shutil
from pathlib import Path

from mitosis.errors.files import FileTrouble
from mitosis.errors.repository import NoIdentity
from mitosis.errors.usage import UsageError
from mitosis.git.program import run_git
from mitosis.git.repository import Repository, find_repository

STEPS = ("my_exp",)
LOOKUPS = ("my_exp.frequency=slow",)
EVALUATED = ("my_exp.amplitude=4",)
_NEEDS = ("matplotlib", "numpy")
_DEMO_IDENTITY = (("user.name", "mitosis demo"), ("user.email", "demo@example.org"))


def create_demo(folder: Path) -> Repository:
    """Write the example as a new git repository with one commit.

    Where git does not know who the user is, the new repository gets an identity of its own.

    Args:
        folder: where to; it must not exist, or be empty.

    Raises:
        UsageError: a library that the example imports is not installed, or the folder is not empty.
        FileTrouble: it cannot be written.
    """
    missing = [name for name in _NEEDS if importlib.util.find_spec(name) is None]
    if missing:
        raise UsageError(
            f"the example draws a sine wave and needs {' and '.join(missing)}\n"
            f"Install them beside mitosis: python -m pip install {' '.join(missing)}"
        )
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UsageError(
            f"{folder} already exists and is not empty\nName another folder: mitosis demo DIR, or remove this one."
        )
    try:
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copytree(
            Path(__file__).parent / "example",
            folder,
            ignore=shutil.ignore_patterns("__pycache__"),
            copy_function=shutil.copyfile,
            dirs_exist_ok=True,
        )
        (folder / "gitignore").rename(folder / ".gitignore")
    except OSError as error:
        raise FileTrouble(folder, "written", error) from error
    run_git("init", "--quiet", "--initial-branch=main", cwd=folder)
    repository = find_repository(folder)
    try:
        repository.identity()
    except NoIdentity:
        for name, value in _DEMO_IDENTITY:
            repository.git("config", name, value)
    repository.git("add", "--all")
    repository.git(
        *("-c", "commit.gpgSign=false", "-c", "core.hooksPath=/dev/null"),
        *("commit", "--quiet", "-m", "A first experiment"),
    )
    return find_repository(folder)
