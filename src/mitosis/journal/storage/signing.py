"""Signing the journal's commits and checking their signatures, both by git as its configuration says."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from mitosis.config import CONFIG_NAME, SIGN_SETTINGS, Sign, read_config
from mitosis.errors.journal import JournalError, NotSigned, UnsignedRecords
from mitosis.errors.repository import GitError
from mitosis.files import temporary_place
from mitosis.git.program import stream_git
from mitosis.git.repository import Identity, Repository
from mitosis.text import one_line, recordable

SIGN_TIMEOUT_S = 60.0
"""How long somebody has to unlock the key. The journal is locked meanwhile, which others wait for twice as long."""
AS_RECORDED = ("--no-replace-objects",)
"""For git: what `git replace` has put in the place of a commit was not recorded, whoever has signed it."""
_CHECKED_AT_ONCE = 50
_FORMAT = "%H%x00%G?%x00%GS%x00%GK%x00%an <%ae>%x00%s"
_SHOWN = 120


class Signature(NamedTuple):
    """What git says of the signature of a commit."""

    commit: str
    status: str
    """`G` for a good one, `N` for none; the others are listed in git-log(1) at `%G?`."""
    signer: str
    key: str
    author: str
    subject: str

    @property
    def trouble(self) -> str:
        """What is wrong with it, a clause on the commit; empty for a good one."""
        key = self.key
        return {
            "G": "",
            "N": "is not signed",
            "B": "has a bad signature: it was changed after it was signed, or the signature was",
            "U": f"is signed with a key that is not known or not trusted here ({key})",
            "X": f"has a signature that has expired ({key})",
            "Y": f"is signed with a key that has expired ({key})",
            "R": f"is signed with a key that was revoked ({key})",
        }.get(self.status, f"has a signature that cannot be checked here{f' ({key})' if key else ''}")


def read_sign(repository: Repository) -> Sign:
    """Whether to sign, and what to require: what git's configuration says, else what pyproject.toml does.

    Raises:
        JournalError: git's configuration says something else.
        ConfigError: pyproject.toml cannot be read.
    """
    config = repository.objects.config
    if "mitosis.sign" in config:
        try:
            is_required = (config["mitosis.sign"] or "").lower() == "require"
            return "require" if is_required else SIGN_SETTINGS[config.get_bool("mitosis.sign")]
        except ValueError as error:
            raise JournalError(f"mitosis.sign in git's configuration is not true, false or require: {error}") from error
    path = repository.root / CONFIG_NAME
    with contextlib.suppress(OSError):  # to read it again tells what is wrong
        # Each command that writes comes by here, and most files say nothing of it.
        if not path.exists() or b"sign" not in path.read_bytes():
            return "no"
    return read_config(path, steps_needed=False).sign


def sign_commit(
    repository: Repository, tree: str, parents: Sequence[str], message: str, identity: Identity, *, unattended: bool
) -> bytes:
    """Have git write a commit and sign it; returns what it has written.

    Raises:
        NotSigned: git cannot sign it, or nobody has unlocked the key.
        NoTemporaryPlace: there is none for the message.
    """
    import tempfile

    given = {"NAME": recordable(identity.name), "EMAIL": recordable(identity.email), "DATE": f"@{identity.moment}"}
    words = ["-c", "i18n.commitEncoding=UTF-8", "commit-tree", "-S", "-F", "-", tree]
    with tempfile.TemporaryFile(dir=temporary_place()) as file:
        file.write(message.encode("utf-8", "replace"))
        file.seek(0)
        try:
            done = stream_git(
                *words,
                *(word for parent in parents for word in ("-p", parent)),
                cwd=repository.root,
                tell=lambda _: None,
                unattended=unattended,
                timeout_s=SIGN_TIMEOUT_S,
                stdin=file,
                environment={f"GIT_{role}_{name}": given[name] for role in ("AUTHOR", "COMMITTER") for name in given},
            )
        except GitError as error:
            raise NotSigned(error.output) from error
    if done.status != 0:
        raise NotSigned(done.messages)
    return repository.read_object(done.output.strip()).data


def iter_signatures(repository: Repository, commits: Sequence[str]) -> Iterator[list[Signature]]:
    """What git says of the signatures of commits, some at a time, in order. To check one takes git some 10 ms.

    Raises:
        GitError: git cannot read a commit.
    """
    from concurrent.futures import ThreadPoolExecutor

    parts = [commits[first : first + _CHECKED_AT_ONCE] for first in range(0, len(commits), _CHECKED_AT_ONCE)]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        yield from pool.map(lambda part: [_told_apart(repository, s) for s in _read_part(repository, part)], parts)


def _read_part(repository: Repository, commits: Sequence[str]) -> Iterator[Signature]:
    words = (*AS_RECORDED, "log", "--no-walk=unsorted", "--stdin", "--no-show-signature", "--encoding=UTF-8")
    output = repository.git(*words, f"--format={_FORMAT}", stdin="\n".join(commits).encode())
    for line in output.split("\n"):
        if line:
            yield Signature(*(one_line(field, _SHOWN) for field in line.split("\0")))


def _told_apart(repository: Repository, signature: Signature) -> Signature:
    """The signature; git says `N` also where it has no list of keys to check one of ssh with."""
    header = repository.read_object(signature.commit).data.partition(b"\n\n")[0] if signature.status == "N" else b""
    return signature._replace(status="E") if b"\ngpgsig" in header else signature


def refuse_unsigned(repository: Repository, ours: str | None, theirs: str, source: str) -> None:
    """Refuse commits of another journal that have no good signature.

    Args:
        repository: where both are.
        ours: this journal's newest commit, whose history is not looked at; None if there is none.
        theirs: the other's.
        source: what to call the other.

    Raises:
        UnsignedRecords: there are some.
    """
    commits = repository.git(*AS_RECORDED, "rev-list", "--reverse", theirs, *([f"^{ours}"] if ours else [])).split()
    bad = [s for part in iter_signatures(repository, commits) for s in part if s.trouble]
    if bad:
        lines = [f"{s.commit[:7]} {s.trouble}: {s.author}, {s.subject}" for s in bad]
        raise UnsignedRecords(source, lines, bad[0].commit)
