"""A journal in a new repository, and trials in it.

Fixtures to use:
    journal: the journal of `repository_folder`.
    make_variant: makes a `Variant` of `my_exp.frequency` from a Python value.
    start_trial: starts a trial in `journal`; takes fields of the record, `variants` and `journal`; returns the record.
    run_trial: the same, and ends it.
    hub: a bare clone of `repository_folder`.
    clone: makes a clone of the hub, with a journal of its own that is empty.
    ada, bob: two of those.
    rewrite: commits files (None: their removal) into the journal, as somebody without mitosis would.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from mitosis.canonical.encode import digest_value, encode_value
from mitosis.git.repository import find_repository
from mitosis.journal.journal import Journal
from mitosis.records.trial import TrialRecord
from mitosis.variants import Variant, VariantName

ENVIRONMENT = "numpy==2.0.0\npandas==2.2.0\n"


@pytest.fixture
def journal(repository_folder: Path) -> Journal:
    return Journal(find_repository(repository_folder))


@pytest.fixture
def make_variant() -> Callable[..., Variant]:
    def make(
        variant: str = "slow", value: object = 1, *, step: str = "my_exp", parameter: str = "frequency"
    ) -> Variant:
        data = encode_value(value)
        return Variant(VariantName(step, parameter, variant), digest_value(data), data, "sine_experiment:lookup_dict")

    return make


@pytest.fixture
def start_trial(request: pytest.FixtureRequest, make_record: Callable[..., TrialRecord]) -> Callable[..., TrialRecord]:
    def start(*, variants: Sequence[Variant] = (), journal: Journal | None = None, **fields: Any) -> TrialRecord:
        into: Journal = request.getfixturevalue("journal") if journal is None else journal
        record = make_record(**{"commit": into.repository.head, **fields})
        return into.start(record, variants, ENVIRONMENT, into.repository.identity()).record

    return start


@pytest.fixture
def run_trial(request: pytest.FixtureRequest, start_trial: Callable[..., TrialRecord]) -> Callable[..., TrialRecord]:
    def run(
        *,
        variants: Sequence[Variant] = (),
        journal: Journal | None = None,
        ended: str | None = None,
        **fields: Any,
    ) -> TrialRecord:
        into: Journal = request.getfixturevalue("journal") if journal is None else journal
        started = start_trial(variants=variants, journal=into, **fields)
        record = started.with_changes(
            status="finished", main=3.1706776324915e-05, duration_s=0.61, ended=ended or started.started
        )
        into.end(record, into.repository.identity())
        return record

    return run


@pytest.fixture
def rewrite(
    repository_folder: Path, git: Callable[..., str], tmp_path: Path
) -> Callable[[dict[str, bytes | str | None]], None]:
    def commit(files: dict[str, bytes | str | None]) -> None:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("GIT_INDEX_FILE", str(tmp_path / "journal-index"))
            git("read-tree", "refs/mitosis/journal")
            for path, content in files.items():
                if content is None:
                    git("update-index", "--force-remove", path)
                else:
                    file = tmp_path / "blob"
                    file.write_bytes(content if isinstance(content, bytes) else content.encode())
                    oid = git("hash-object", "-w", "--no-filters", str(file)).strip()
                    git("update-index", "--add", "--cacheinfo", f"100644,{oid},{path}")
            tree = git("write-tree").strip()
        commit = git("commit-tree", tree, "-p", "refs/mitosis/journal", "-m", "by hand").strip()
        git("update-ref", "refs/mitosis/journal", commit)

    return commit


@pytest.fixture
def hub(repository_folder: Path, tmp_path: Path, git: Callable[..., str]) -> Path:
    """A bare repository with the commit of `repository_folder`."""
    folder = tmp_path / "hub.git"
    git("clone", "--quiet", "--bare", str(repository_folder), str(folder), cwd=tmp_path)
    return folder


@pytest.fixture
def clone(hub: Path, tmp_path: Path, git: Callable[..., str]) -> Callable[..., Journal]:
    """Clone the hub or another source, with further words for `git clone`."""

    def make(name: str, *words: str, source: str | None = None) -> Journal:
        folder = tmp_path / name
        git("clone", "--quiet", *words, source or f"file://{hub}", str(folder), cwd=tmp_path)
        git("config", "user.name", name, cwd=folder)
        return Journal(find_repository(folder))

    return make


@pytest.fixture
def ada(clone: Callable[..., Journal]) -> Journal:
    return clone("ada")


@pytest.fixture
def bob(clone: Callable[..., Journal]) -> Journal:
    return clone("bob")
