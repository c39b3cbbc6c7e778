"""Keys of ssh to sign with, and repositories that are told to."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from support.journal import JOURNAL, run_git

needs_ssh = pytest.mark.skipif(shutil.which("ssh-keygen") is None, reason="keys are made by ssh-keygen")


def make_key(folder: Path, name: str) -> Path:
    """A new key without a passphrase."""
    path = folder / name
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(path)], check=True)
    return path


def sign_with(repository: Path, key: Path, *, sign: str | None = "true") -> None:
    """Have git sign with a key in this repository, and mitosis have it do so."""
    settings = {"gpg.format": "ssh", "user.signingKey": str(key), "mitosis.sign": sign}
    for name, value in settings.items():
        if value is not None:
            run_git("config", name, value, cwd=repository)


def trust(repository: Path, **keys: Path) -> None:
    """Tell git whose keys are good: each name's address is at example.org."""
    path = repository.parent / f"{repository.name}-signers"
    path.write_text("".join(f"{name}@example.org {key.with_suffix('.pub').read_text()}" for name, key in keys.items()))
    run_git("config", "gpg.ssh.allowedSignersFile", str(path), cwd=repository)


def statuses(repository: Path, ref: str = JOURNAL) -> list[str]:
    """What git says of the signature of each commit, newest first."""
    return run_git("log", "--format=%G?", ref, cwd=repository).split()
