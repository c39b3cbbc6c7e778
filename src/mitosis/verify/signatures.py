"""The signatures of the journal's commits."""

from __future__ import annotations

from collections.abc import Callable

from mitosis.errors.repository import GitError
from mitosis.git.repository import Repository
from mitosis.journal import layout
from mitosis.journal.storage.signing import AS_RECORDED, Signature, iter_signatures
from mitosis.text import counted
from mitosis.verify.findings import Report


def check_signatures(repository: Repository, tip: str, report: Report, tell: Callable[[str], None]) -> None:
    """Check the signature of each commit of a history; there is one finding for commits of which the same is to say.

    Args:
        repository: where the journal is.
        tip: its newest commit.
        report: takes who has signed what, and what has no good signature.
        tell: is told how far it is.
    """
    groups: dict[tuple[str, str, str], list[Signature]] = {}
    checked = 0
    try:
        commits = repository.git(*AS_RECORDED, "rev-list", "--reverse", tip).split()
        for part in iter_signatures(repository, commits):
            for signature in part:
                groups.setdefault((signature.status, signature.key, signature.author), []).append(signature)
            checked += len(part)
            tell(f"checking signatures: {checked:,} of {len(commits):,}")
    except GitError as error:
        report.error("signature", layout.JOURNAL_REF, f"not all can be checked: {error.summary}", "git fsck")
    report.counts["good signatures"] = sum(len(group) for (status, *_), group in groups.items() if status == "G")
    for (status, key, author), group in groups.items():
        first = group[0]
        if status == "G":
            report.info("signature", first.signer, f"{counted(len(group), 'commit')} of {author} signed with {key}")
            continue
        more = f" (and {len(group) - 1:,} more by the same author)" if len(group) > 1 else ""
        add = report.error if status == "B" else report.warning
        remedy = f"git log -1 --show-signature {first.commit}"
        add("signature", first.commit[:7], f"it {first.trouble}: {author}, {first.subject}{more}", remedy)
