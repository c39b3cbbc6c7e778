"""Signed records: every commit of the journal is signed by git, checked by `verify`, and required by a pull."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from mitosis.errors.files import NoTemporaryPlace
from mitosis.errors.journal import JournalError, NotSigned, UnsignedRecords
from mitosis.errors.usage import ConfigError
from mitosis.git.repository import Identity
from mitosis.journal.storage import signing
from mitosis.journal.storage.signing import read_sign
from mitosis.sync import exchange
from mitosis.sync.remotes import find_remote
from mitosis.variants import VariantName
from mitosis.verify import verify
from support.journal import ENVIRONMENT, JOURNAL, NOTES, Desk, make_record, make_variant, write_script
from support.signing import make_key, needs_ssh, sign_with, statuses, trust

pytestmark = needs_ssh


@pytest.fixture
def key(tmp_path: Path) -> Path:
    return make_key(tmp_path, "key")


def signed(desk: Desk, key: Path) -> Desk:
    sign_with(desk.folder, key)
    trust(desk.folder, ada=key)
    return desk.again()


def test_every_commit_of_the_journal_is_signed_and_keeps_its_identity(ada: Desk, bob: Desk, key: Path) -> None:
    ada, bob = signed(ada, key), signed(bob, key)
    who = Identity("Ada Lövelace", "ada@example.org", 1_700_000_000, -210)
    ada.start(make_record(commit=ada.repository.head), [make_variant()], ENVIRONMENT, who)
    assert ada.git("log", "-1", "--format=%an %ae %ad %cd", "--date=raw", JOURNAL).strip() == (
        "Ada Lövelace ada@example.org 1700000000 -0330 1700000000 -0330"
    )
    ada.run_trial()
    ada.rename(VariantName("my_exp", "frequency", "slow"), "slowest", ada.identity)
    trial = bob.run_trial()
    bob.push()
    ada.push()  # merges
    bob.pull()
    bob.forget(trial.key, bob.identity)
    bob.run_trial()
    bob.push(bob.run_trial().key)  # selects
    assert len(ada.git("log", "--merges", "--format=%h", JOURNAL).split()) == 1
    for desk in (ada, bob):
        assert set(statuses(desk.folder)) == {"G"}
        desk.git("fsck", "--strict")
    assert set(statuses(ada.folder, NOTES)) == {"N"}


def test_setting_of_git_counts_instead_of_the_file(journal: Desk) -> None:
    file = journal.folder / "pyproject.toml"
    for text, sign in (("", "no"), ("sign = true", "yes"), ('sign = "require"', "require"), ("# design", "no")):
        file.write_text(f"[tool.mitosis]\n{text}\n")
        assert read_sign(journal.repository) == sign
    file.write_text("[tool.mitosis]\nsign = 1\n")
    with pytest.raises(ConfigError, match='this should be true, false or "require"'):
        read_sign(journal.repository)
    file.write_text("[tool.mitosis]\nsign = true\n")
    for value, sign in (("false", "no"), ("require", "require"), ("yes", "yes")):
        journal.git("config", "mitosis.sign", value)
        assert read_sign(journal.again().repository) == sign
    journal.git("config", "mitosis.sign", "perhaps")
    with pytest.raises(JournalError, match="is not true, false or require"):
        journal.again().run_trial()


def test_what_cannot_be_signed_changes_nothing_and_names_the_remedy(
    journal: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal.run_trial()
    refs = journal.refs()
    journal.git("commit", "--quiet", "--allow-empty", "-m", "second")
    head = journal.oid_of("HEAD")
    sign_with(journal.folder, tmp_path / "no such key")
    with pytest.raises(NotSigned, match=r"(?s)no such key.*git commit -S.*git config mitosis.sign false"):
        journal.again().start_trial(commit=head)
    # A program that waits for somebody who is not there.
    journal.git("config", "gpg.ssh.program", str(write_script(tmp_path / "waits", "exec sleep 60\n")))
    monkeypatch.setattr(signing, "SIGN_TIMEOUT_S", 0.3)
    with pytest.raises(NotSigned, match="took longer than"):
        journal.again().start_trial(commit=head)
    # Python's own error is no reason that can be told.
    monkeypatch.setattr(tempfile, "tempdir", None)
    monkeypatch.setattr(tempfile, "_candidate_tempdir_list", lambda: [str(tmp_path / "nowhere")])
    with pytest.raises(NoTemporaryPlace):
        journal.again().start_trial(commit=head)
    assert journal.refs() == {**refs, "refs/heads/main": head}


def test_verify_tells_whose_commits_have_which_signature(journal: Desk, tmp_path: Path, key: Path) -> None:
    journal.run_trial()
    journal = signed(journal, key)
    journal.run_trial()
    known = journal.oid_of(JOURNAL)
    sign_with(journal.folder, make_key(tmp_path, "other"))
    journal.again().run_trial()
    # Somebody changes what a signed commit says, and keeps its signature.
    bad = journal.git("cat-file", "commit", known).replace("finished", "finishes", 1)
    forged = journal.git("hash-object", "-t", "commit", "-w", "--stdin", stdin=bad).strip()
    tree = journal.tree()
    words = ("-p", forged, "-p", JOURNAL, "-m", "by Eve")
    journal.git("update-ref", JOURNAL, journal.git("-c", "user.name=Eve", "commit-tree", tree, *words).strip())
    journal.git("replace", forged, known)
    journal.git("replace", JOURNAL, known)
    said: list[str] = []
    report = verify(journal.again().repository, signatures=True, tell=said.append)
    found = [(f.severity, f.where, f.what) for f in report.findings if f.kind == "signature"]
    shown = "\n".join(" ".join(finding) for finding in found)
    assert [severity for severity, *_ in found] == ["error", "warning", "warning", "warning", "info"]
    assert f"error {forged[:7]} it has a bad signature" in shown
    assert "it is not signed: Ada Lovelace <ada@example.org>" in shown
    assert "it is not signed: Eve <ada@example.org>, by Eve" in shown
    assert shown.count("(and 1 more by the same author)") == 2
    assert "a key that is not known or not trusted here (SHA256:" in shown
    assert "info ada@example.org 2 commits of Ada Lovelace <ada@example.org> signed with SHA256:" in shown
    assert report.counts["good signatures"] == 2 and "checking signatures: 8 of 8" in said

    journal.git("config", "--unset", "gpg.ssh.allowedSignersFile")
    report = verify(journal.again().repository, signatures=True)
    assert any("cannot be checked here" in finding.what for finding in report.findings)
    assert not any(f.kind == "signature" for f in verify(journal.again().repository).findings)


def test_pull_refuses_what_is_not_signed_where_that_is_required(ada: Desk, bob: Desk, key: Path) -> None:
    ada.run_trial()
    ada.push()
    bob.pull()
    bob = signed(bob, key)
    bob.git("config", "mitosis.sign", "require")
    ada = signed(ada, key)
    ada.run_trial()
    ada.push()
    assert bob.again().pull().received == 1  # what was here before is not asked for its signatures
    ada.git("config", "mitosis.sign", "false")
    unsigned = ada.again().run_trial()
    ada.again().push()
    refs = {name: commit for name, commit in bob.refs().items() if "remotes" not in name and "commits" not in name}
    with pytest.raises(UnsignedRecords) as caught:
        bob.again().pull()
    assert "2 commits of the journal of origin have no good signature, so none of it was merged" in str(caught.value)
    assert f"is not signed: ada <ada@example.org>, my_exp {unsigned.key} started at" in caught.value.commits[0]
    with pytest.raises(UnsignedRecords):
        bob.again().push()
    assert refs.items() <= bob.refs().items()
    exchange.pull(bob.repository, find_remote(bob.repository, None), bob.transport(None), verify_signatures=False)
    assert unsigned.key in bob.again().trial_keys()


@pytest.fixture
def gpg_home(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A folder of gpg with a key; its path is short, as that of a socket has to be."""
    folder = tempfile.mkdtemp(prefix="gpg")
    monkeypatch.setenv("GNUPGHOME", folder)
    words = ("--batch", "--passphrase", "", "--quick-generate-key", "Ada Lovelace <ada@example.org>", "ed25519", "sign")
    subprocess.run(["gpg", *words], check=True, capture_output=True)
    yield
    subprocess.run(["gpgconf", "--homedir", folder, "--kill", "all"], check=False)
    shutil.rmtree(folder, ignore_errors=True)


@pytest.mark.skipif(shutil.which("gpg") is None, reason="gpg makes the key")
def test_gpg_signs_by_the_identity(journal: Desk, gpg_home: None) -> None:
    journal.git("config", "mitosis.sign", "true")
    journal.again().run_trial()
    assert statuses(journal.folder) == ["G", "G"]
    journal.git("config", "user.email", "bob@example.org")
    with pytest.raises(NotSigned):
        journal.again().run_trial()
