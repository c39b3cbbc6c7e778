"""A journal in a new repository, and trials in it.

Fixtures to use:
    journal: the journal of `repository_folder`, a `Desk`.
    hub: a bare clone of `repository_folder`.
    clone: makes a clone of the hub, with a journal of its own that is empty: a `Desk`.
    ada, bob: two of those.

What a `Desk` can do by itself is told in `support.journal`.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from support.journal import Desk, Git


@pytest.fixture
def journal(repository_folder: Path) -> Desk:
    return Desk(repository_folder)


@pytest.fixture
def hub(repository_folder: Path, tmp_path: Path, git: Git) -> Path:
    """A bare repository with the commit of `repository_folder`."""
    folder = tmp_path / "hub.git"
    git("clone", "--quiet", "--bare", str(repository_folder), str(folder), cwd=tmp_path)
    return folder


@pytest.fixture
def clone(hub: Path, tmp_path: Path, git: Git) -> Callable[..., Desk]:
    """Clone the hub or another source, with further words for `git clone`."""

    def make(name: str, *words: str, source: str | None = None) -> Desk:
        folder = tmp_path / name
        git("clone", "--quiet", *words, source or f"file://{hub}", str(folder), cwd=tmp_path)
        git("config", "user.name", name, cwd=folder)
        return Desk(folder)

    return make


@pytest.fixture
def ada(clone: Callable[..., Desk]) -> Desk:
    return clone("ada")


@pytest.fixture
def bob(clone: Callable[..., Desk]) -> Desk:
    return clone("bob")
