"""The journal, its records, keys of trials, and exchanging journals with other repositories."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path

from mitosis.errors.base import ExitStatus, MitosisError, bulleted, of_signal, suggestion

_SHOWN = 20
_SHOWN_LETTERS = 80


class JournalError(MitosisError):
    """The journal cannot be read or written."""


class JournalBusy(JournalError):
    """Somebody else held the lock of one of mitosis's refs for too long.

    Attributes: ref, lock_path, waited_s, holder (a clause that says who holds it).
    """

    def __init__(self, ref: str, lock_path: Path, waited_s: float, holder: str) -> None:
        self.ref = ref
        self.lock_path = lock_path
        self.waited_s = waited_s
        self.holder = holder
        super().__init__(
            f"{ref} is locked by another process: waited {waited_s:.0f} s for {lock_path}\n"
            f"    {holder}\n"
            "If no mitosis or git process is running in this repository, delete that file and try again."
        )


class JournalGone(JournalError):
    """There is no journal, and what belongs to one is there.

    Attributes: left (names of refs), restoring (commands that bring the journal back), anew (one that lets another
    begin).
    """

    def __init__(self, left: Sequence[str], restoring: Sequence[str], anew: str) -> None:
        self.left = list(left)
        self.restoring = list(restoring)
        self.anew = anew
        super().__init__(
            f"the journal of this repository is gone, though there still is {' and '.join(left)}\n"
            "A new one would know of no trial, and of no locked variant. To bring it back as it was fetched last:\n"
            f"{bulleted(restoring)}\n"
            "What was recorded since then can be found: `git fsck` names its last commit as dangling, and "
            "`git update-ref refs/mitosis/journal COMMIT` goes back to it. To begin a new journal all the same:\n"
            f"    {anew}"
        )


class NotSigned(JournalError):
    """git could not sign a commit of the journal. Attributes: reason (what it said)."""

    def __init__(self, reason: str) -> None:
        self.reason = reason.strip() or "git did not say why"
        super().__init__(
            "the record could not be signed, as `sign` in the configuration of mitosis asks for\n"
            f"{bulleted(self.reason.splitlines())}\n"
            "`git commit -S` has to work here: set user.signingKey and gpg.format, and unlock the key (ssh-add, "
            "gpg-agent). To record without signatures in this clone: git config mitosis.sign false"
        )


class UnsignedRecords(JournalError):
    """Commits of another journal have no good signature. Attributes: source, commits (a clause for each)."""

    def __init__(self, source: str, commits: Sequence[str], first: str) -> None:
        self.source = source
        self.commits = list(commits)
        number = "1 commit" if len(commits) == 1 else f"{len(commits):,} commits"
        have = "has" if len(commits) == 1 else "have"
        super().__init__(
            f"{number} of the journal of {source} {have} no good signature, so none of it was merged\n"
            f"{bulleted(self.commits)}\n"
            f"Look at the first: git log -1 --show-signature -p {first}\n"
            f"If you trust them all the same: mitosis pull --no-verify-signatures {shlex.quote(source)}"
        )


class NoteNotWritten(JournalError):
    """The journal tells something new of a trial, and the git notes do not. Attributes: key, ref (notes), reason."""

    def __init__(self, key: str, ref: str, reason: str) -> None:
        self.key = key
        self.ref = ref
        self.reason = reason
        super().__init__(
            f"what is new of trial {key} is in the journal, but not in the git notes ({ref}):\n"
            f"{bulleted(reason.splitlines())}\n"
            "Nothing is lost: `mitosis verify --repair` rebuilds the notes."
        )


class TrialStillRuns(JournalError):
    """A trial cannot be taken out of the journal while it runs. Attributes: key, host, pid."""

    def __init__(self, key: str, host: str, pid: int) -> None:
        self.key = key
        self.host = host
        self.pid = pid
        super().__init__(f"trial {key} is still running (process {pid} on {host})\nEnd it first, or wait for it.")


class NamingError(JournalError):
    """What a variant means cannot be changed as asked: by resolving a conflict, a new name, or retiring it."""


class UnfitAnnotation(JournalError):
    """A text that cannot be a tag or a note. Attributes: text, kind (`tag` or `note`), reason (a clause on it)."""

    def __init__(self, text: str, kind: str, reason: str) -> None:
        self.text = text
        self.kind = kind
        self.reason = reason
        what = f"`{text[:_SHOWN_LETTERS]}` cannot be a tag" if kind == "tag" else "nothing was noted"
        hint = "\nA tag is a word or a few, such as `paper`; what is longer can be a note: mitosis note KEY"
        super().__init__(f"{what}: {reason}{hint if kind == 'tag' else ''}")


class FormatTooNew(JournalError):
    """A journal or record of a format that this version does not know.

    Attributes: what, version, known (the newest format that is), reason (a clause on `it`).
    """

    def __init__(self, what: str, version: object, known: int) -> None:
        self.what = what
        self.version = version
        self.known = known
        has = f"has format {version}, but this version of mitosis knows formats only up to {known}"
        self.reason = f"it {has}"
        super().__init__(f"{what} {has}\nUpgrade mitosis to read it.")


class JournalRewritten(JournalError):
    """Another journal lacks what this one has, and nothing in its history says why. Attributes: source, what."""

    def __init__(self, source: str, ours: str, theirs: str, what: Sequence[str]) -> None:
        self.source = source
        self.what = tuple(what)
        more = [f"and {len(what) - _SHOWN:,} more"] if len(what) > _SHOWN else []
        super().__init__(
            f"the journal of {source} takes away or changes what this clone has recorded, and does not say why:\n"
            f"{bulleted([*self.what[:_SHOWN], *more])}\n"
            "Nothing of it was merged. To see who did that:\n"
            f"    git log -m --stat {ours[:12]}..{theirs[:12]}\n"
            f"To merge the rest and keep what you have: mitosis pull {shlex.quote(source)} --keep"
        )


class UnusableJournal(JournalError):
    """Another journal cannot be merged at all. Attributes: source, remedy (a command for whoever may push)."""

    def __init__(self, source: str, reason: str) -> None:
        self.source = source
        self.remedy = f"git push --force {shlex.quote(source)} refs/mitosis/journal"
        super().__init__(
            f"the journal of {source} cannot be merged: {reason}\n"
            "Ask who has pushed that. To put yours in its place, without what nobody but that remote has:\n"
            f"    {self.remedy}"
        )


class BadRecord(JournalError):
    """A record or value that does not decode. Attributes: where (path or id), reason, remedy (a command or nothing)."""

    _is = "cannot be read"

    def __init__(self, where: str, reason: str, remedy: str = "") -> None:
        self.where = where
        self.reason = reason
        self.remedy = remedy
        what = "to remove it: " if remedy.startswith("mitosis forget") else "what can be done: "
        super().__init__(f"{where} {self._is}: {reason}" + (f"; {what}{remedy}" if remedy else ""))

    def with_cause(self, error: BaseException) -> BadRecord:
        """This error, with the cause of another one, which may hold on to much memory."""
        self.__cause__ = error.__cause__
        return self


class ForeignFile(BadRecord):
    """A file of the journal where mitosis keeps none."""


class Misplaced(BadRecord):
    """A record at the path of another one."""


class PassedOver(BadRecord):
    """A record of a trial that has another one, which is read."""

    _is = "is passed over"


class TrialNotFound(MitosisError, FileNotFoundError):
    """No trial has that key. Also a FileNotFoundError."""

    def __init__(self, key: str, message: str) -> None:
        self.key = key
        super().__init__(message)

    def __str__(self) -> str:
        return str(self.args[0])


class AmbiguousKey(MitosisError):
    """Several trials have keys that start so. Attributes: key, matches."""

    def __init__(self, key: str, matches: Sequence[str]) -> None:
        self.key = key
        self.matches = list(matches)
        super().__init__(
            f"several trials have a key that starts with `{key}`\n{bulleted(self.matches)}\nGive more of its digits."
        )


class NotRecorded(MitosisError):
    """A trial ran, but git could not take its end.

    Attributes: key, reason, folder, is_kept (whether the end is in a file of the folder, to be recorded later), signal
    (that which ended the wait for the journal's lock).
    """

    def __init__(
        self, key: str, status: str, reason: str, folder: Path, *, is_kept: bool, signal: int | None = None
    ) -> None:
        self.key = key
        self.signal = signal
        self.reason = reason
        self.folder = folder
        self.is_kept = is_kept
        later = (
            "Its end is kept there, too: the next trial in this repository will record it, or `mitosis sync` will."
            if is_kept
            else "`mitosis list` will show it as lost."
        )
        super().__init__(
            f"trial {key} {status}, but that could not be recorded: {reason}\nIts outputs are in {folder}.\n{later}"
        )

    @property
    def exit_status(self) -> int:  # type: ignore[override]
        return ExitStatus.BUG if self.signal is None else of_signal(self.signal)


class NoRemote(MitosisError):
    """There is no remote to exchange records with."""

    def __init__(self) -> None:
        super().__init__(
            "this repository has no remote to exchange records with\n"
            "Add one (`git remote add origin URL`), or pass a URL or path instead of a name"
        )


class UnknownRemote(MitosisError):
    """A word that names no remote. Attributes: word, remotes (those that there are), reason (a clause on the word)."""

    def __init__(self, word: str, remotes: Sequence[str], *, or_key: bool = False, is_configured: bool = False) -> None:
        self.word = word
        self.remotes = list(remotes)
        what = "neither a remote nor the beginning of a trial's key" if or_key else "not a remote of this repository"
        named = f"`{word}`, which [tool.mitosis] names as `remote`," if is_configured else f"`{word}`"
        self.reason = f"{named} is {what}"
        hint = f"{suggestion(word, self.remotes, 1)}\n".lstrip()
        known = f"its remotes are\n{bulleted(self.remotes)}" if self.remotes else "it has no remotes"
        remedy = (
            "It has to be the name of one: git remote add NAME URL"
            if is_configured
            else "A path or URL is recognised by a `/` or a `:` in it."
        )
        super().__init__(f"{self.reason}; {known}\n{hint}{remedy}")


class FetchFailed(MitosisError):
    """git could not fetch. Attributes: remote, reason (the last thing that git said)."""

    def __init__(self, remote: str, reason: str) -> None:
        self.remote = remote
        self.reason = reason
        super().__init__(
            f"nothing was fetched from {remote}: {reason}\n"
            "Everything that is recorded here is safe. Try again when it can be reached."
        )


class NotFetchedWhole(MitosisError):
    """In a partial clone, git has fetched a remote's journal without its files. Attribute: remote."""

    def __init__(self, remote: str) -> None:
        self.remote = remote
        super().__init__(
            f"the records of {remote} were fetched only in part: this is a partial clone, so git left out their "
            "contents\n"
            f"Fetch them: mitosis pull {shlex.quote(remote)}"
        )


class PushFailed(MitosisError):
    """git could not push. Attributes: remote, reason (what git or the remote said)."""

    def __init__(self, remote: str, reason: str, *, about_commits: bool = False) -> None:
        self.remote = remote
        self.reason = reason
        hint = "\nTo send the records without the commits of the experiments: mitosis push --no-commits"
        super().__init__(
            f"{remote} did not accept the records: {reason}\n"
            f"Everything that is recorded here is safe. `mitosis push` sends it later.{hint if about_commits else ''}"
        )
