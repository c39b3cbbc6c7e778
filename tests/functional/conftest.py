"""A journal in a new repository, and trials in it.

Fixtures to use:
    journal: the journal of `repository_folder`, a `Desk`.
    make_variant: makes a `Variant` of `my_exp.frequency` from a Python value.
    start_trial: starts a trial in `journal`; takes fields of the record, `variants` and `journal`; returns the record.
    run_trial: the same, and ends it.
    hub: a bare clone of `repository_folder`.
    clone: makes a clone of the hub, with a journal of its own that is empty: a `Desk`.
    ada, bob: two of those.
    rewrite: `Desk.rewrite` of `journal`.

What a `Desk` can do by itself is told in `support.journal`.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mitosis.journal.journal import Journal
from mitosis.records.trial import TrialRecord
from mitosis.variants import Variant
from support.journal import Desk, Git, make_variant, run_trial, start_trial


@pytest.fixture
def journal(repository_folder: Path) -> Desk:
    return Desk(repository_folder)


@pytest.fixture(name="make_variant")
def make_variant_fixture() -> Callable[..., Variant]:
    return make_variant


@pytest.fixture(name="start_trial")
def start_trial_fixture(request: pytest.FixtureRequest) -> Callable[..., TrialRecord]:
    def start(*, journal: Journal | None = None, **given: Any) -> TrialRecord:
        return start_trial(journal or request.getfixturevalue("journal"), **given)

    return start


@pytest.fixture(name="run_trial")
def run_trial_fixture(request: pytest.FixtureRequest) -> Callable[..., TrialRecord]:
    def run(*, journal: Journal | None = None, **given: Any) -> TrialRecord:
        return run_trial(journal or request.getfixturevalue("journal"), **given)

    return run


@pytest.fixture
def rewrite(journal: Desk) -> Callable[[dict[str, bytes | str | None]], None]:
    return journal.rewrite


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
