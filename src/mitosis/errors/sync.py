"""Exchanging journals with other repositories."""

from __future__ import annotations

from collections.abc import Sequence

from mitosis.errors.base import MitosisError, bulleted, nearest


class SyncError(MitosisError):
    """A journal could not be exchanged with another repository."""


class NoRemote(SyncError):
    """There is no remote to exchange records with."""

    def __init__(self) -> None:
        super().__init__(
            "this repository has no remote to exchange records with\n"
            "Add one (`git remote add origin URL`), or pass a URL or path instead of a name"
        )


class UnknownRemote(SyncError):
    """A word that names no remote. Attributes: word, remotes (those that there are), reason (a clause on the word)."""

    def __init__(self, word: str, remotes: Sequence[str], *, or_key: bool = False) -> None:
        self.word = word
        self.remotes = list(remotes)
        what = "neither a remote nor the beginning of a trial's key" if or_key else "not a remote of this repository"
        self.reason = f"`{word}` is {what}"
        near = nearest(word, self.remotes)
        hint = f"Did you mean `{near[0]}`?\n" if near else ""
        known = f"its remotes are\n{bulleted(self.remotes)}" if self.remotes else "it has no remotes"
        super().__init__(f"{self.reason}; {known}\n{hint}A path or URL is recognised by a `/` or a `:` in it.")


class FetchFailed(SyncError):
    """git could not fetch. Attributes: remote, reason (the last thing that git said)."""

    def __init__(self, remote: str, reason: str) -> None:
        self.remote = remote
        self.reason = reason
        super().__init__(
            f"nothing was fetched from {remote}: {reason}\n"
            "Everything that is recorded here is safe. Try again when it can be reached."
        )


class NotFetchedWhole(SyncError):
    """In a partial clone, git has fetched a remote's journal without its files. Attribute: remote."""

    def __init__(self, remote: str) -> None:
        self.remote = remote
        super().__init__(
            f"the records of {remote} were fetched only in part: this is a partial clone, so git left out their "
            "contents\n"
            f"Fetch them: mitosis pull {remote}"
        )


class PushFailed(SyncError):
    """git could not push. Attributes: remote, reason (what git or the remote said)."""

    def __init__(self, remote: str, reason: str, *, about_commits: bool = False) -> None:
        self.remote = remote
        self.reason = reason
        hint = "\nTo send the records without the commits of the experiments: mitosis push --no-commits"
        super().__init__(
            f"{remote} did not accept the records: {reason}\n"
            f"Everything that is recorded here is safe. `mitosis push` sends it later.{hint if about_commits else ''}"
        )
