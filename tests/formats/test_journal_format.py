"""Journals and records of every format that was ever written stay readable.

`journal/format-1.fast-export` is a journal as `git fast-export` gives it, `journal/trial-1.msgpack` a record of that
format; likewise for later ones. They are never rewritten; a new format gets new files beside them.
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from mitosis.git.repository import Identity, find_repository
from mitosis.journal import layout
from mitosis.journal.journal import Journal
from mitosis.journal.messages import render_blob
from mitosis.journal.standing import decode_remark, remark_file
from mitosis.records.codec import FORMAT, decode_trial, encode_trial
from mitosis.variants import Variant, VariantName
from support.journal import ENVIRONMENT, Desk, Git
from support.records import ENVIRONMENT_DIGEST, FAILED, FINISHED, SLOW_DIGEST, SLOW_VALUE

FOLDER = Path(__file__).parent / "journal"
TIPS = {1: "3cf64eb87dca87f9835b0e7c9163b245765f3a3e"}
"""The journal's newest commit in each format."""
FORMATS = sorted(TIPS)
RECORD_FORMATS = [1]
ADA = Identity("Ada Lovelace", "ada@example.org", 1_772_366_400, 60)
SLOW = Variant(VariantName("fit", "frequency", "slow"), SLOW_DIGEST, SLOW_VALUE)


@pytest.fixture
def lab(tmp_path: Path, git: Git, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository whose only commit has always the same id."""
    for name in ("GIT_AUTHOR_DATE", "GIT_COMMITTER_DATE"):
        monkeypatch.setenv(name, "2026-03-01T12:00:00+00:00")
    git("init", "--quiet", ".", cwd=tmp_path)
    git("commit", "--quiet", "--allow-empty", "-m", "first", cwd=tmp_path)
    return tmp_path


def write_journal(folder: Path) -> None:
    """Write the journal of the test data with this version of mitosis."""
    journal = Journal(find_repository(folder))
    for record in (FINISHED, FAILED):
        commit = journal.repository.head
        running = record.with_changes(
            commit=commit, status="running", ended=None, duration_s=None, main=None, failure=None, outputs=()
        )
        journal.start(running, [SLOW], ENVIRONMENT, ADA)
        journal.end(record.with_changes(commit=commit), ADA)


def import_journal(git: Git, folder: Path, version: int) -> None:
    stream = (FOLDER / f"format-{version}.fast-export").read_bytes().decode("utf-8", "surrogateescape")
    git("fast-import", "--quiet", cwd=folder, stdin=stream)
    assert git("rev-parse", "refs/mitosis/journal", cwd=folder).strip() == TIPS[version]


@pytest.mark.parametrize("version", FORMATS)
def test_journal_of_every_format_is_read(lab: Path, git: Git, version: int) -> None:
    import_journal(git, lab, version)
    journal = Desk(lab)
    commit = git("rev-parse", "HEAD", cwd=lab).strip()
    assert list(journal.iter_trials()) == [record.with_changes(commit=commit) for record in (FAILED, FINISHED)]
    assert list(journal.iter_trials(limit=1)) == [FAILED.with_changes(commit=commit)]
    assert list(journal.iter_variants()) == [SLOW]
    assert journal.read_environment(ENVIRONMENT_DIGEST) == ENVIRONMENT
    [origin] = journal.variant_origins().values()
    assert (origin.author, origin.date) == ("Ada Lovelace <ada@example.org>", datetime(2026, 3, 1, 12, tzinfo=UTC))
    assert (origin.commit, origin.trial) == (commit, "5f2c91d07a3b")


@pytest.mark.parametrize("version", FORMATS)
def test_journal_of_every_format_can_be_added_to(lab: Path, git: Git, version: int) -> None:
    import_journal(git, lab, version)
    journal = Journal(find_repository(lab))
    third = FINISHED.with_changes(key="77b0de000000", commit=journal.repository.head, status="running", ended=None)
    started = journal.start(third, [SLOW], ENVIRONMENT, ADA)
    assert started.record.iteration == 2
    assert started.newly_locked == ()
    assert git("cat-file", "-p", "refs/mitosis/journal:format", cwd=lab) == f"{layout.FORMAT}\n"
    assert [trial.key for trial in journal.iter_trials()] == [FAILED.key, "77b0de000000", FINISHED.key]


def test_newest_format_is_what_is_written(lab: Path, git: Git) -> None:
    """Whoever changes what is written decides here whether older versions can still read it."""
    write_journal(lab)
    assert git("rev-parse", "refs/mitosis/journal", cwd=lab).strip() == TIPS[layout.FORMAT]


@pytest.mark.parametrize("version", RECORD_FORMATS)
def test_record_of_every_format_is_read_and_written_in_the_newest(version: int) -> None:
    record = decode_trial((FOLDER / f"trial-{version}.msgpack").read_bytes(), "a record")
    assert record.with_changes(commit="") == FINISHED
    assert encode_trial(record) == (FOLDER / f"trial-{FORMAT}.msgpack").read_bytes()


@pytest.mark.parametrize("version", RECORD_FORMATS)
def test_record_of_every_format_is_shown_alike(version: int) -> None:
    name = f"{FINISHED.key}.msgpack"
    shown = render_blob(name, (FOLDER / f"trial-{version}.msgpack").read_bytes())
    assert "path: 2026-03-01_5f2c91d07a3b/notebook.ipynb" in shown
    assert shown == render_blob(name, (FOLDER / f"trial-{FORMAT}.msgpack").read_bytes())


REMARKS: dict[str, object] = {
    layout.RENAMED: "gentle",
    layout.RETIRED: "the sensor was broken",
    layout.SOURCES: {"lab:kernel": "a" * 40},
}


@pytest.mark.parametrize("kind", REMARKS)
def test_remark_is_written_and_read_as_ever(kind: str) -> None:
    path, data = remark_file(kind, VariantName("my_exp", "frequency", "slow"), REMARKS[kind])
    assert data == (FOLDER / f"{kind}-1.msgpack").read_bytes()
    folder, _, name = path.rpartition("/")
    assert folder == f"{kind}/my_exp/frequency/slow"
    assert decode_remark(kind, name, data, path) == REMARKS[kind]
