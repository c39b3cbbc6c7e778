"""A journal in a new repository, and trials in it.

Fixtures to use:
    journal: the journal of `repository_folder`, a `Desk`.
    hub: a bare clone of `repository_folder`.
    clone: makes a clone of the hub, with a journal of its own that is empty: a `Desk`.
    ada, bob: two of those.
    curves: the journal of a clone of the study, a `Desk`, which is there for all tests of a file: they only read it.

What a `Desk` can do by itself is told in `support.journal`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from support.journal import Desk, Git
from support.study import clone_study


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


@pytest.fixture(scope="module")
def curves(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    journal = Desk(clone_study(tmp_path_factory.mktemp("curves") / "study"))
    yield journal
    journal.index.close()
