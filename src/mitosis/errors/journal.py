"""The journal, its records, and keys of trials."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from mitosis.errors.base import ExitStatus, MitosisError, bulleted


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


class NoteNotWritten(JournalError):
    """A trial's end is in the journal, but the git note of its commit does not tell of it.

    Attributes: key, ref (of the notes), reason.
    """

    def __init__(self, key: str, ref: str, reason: str) -> None:
        self.key = key
        self.ref = ref
        self.reason = reason
        super().__init__(
            f"the end of trial {key} is recorded, but not in the git note of its commit ({ref}):\n"
            f"{bulleted(reason.splitlines())}\n"
            "Nothing is lost: the notes are only a view of the journal."
        )


class NotesNotUpdated(JournalError):
    """The journal has changed, but the git notes do not tell of it. Attributes: ref (of the notes), reason."""

    def __init__(self, ref: str, reason: str) -> None:
        self.ref = ref
        self.reason = reason
        super().__init__(
            f"the journal has changed as asked, but not the notes that show it ({ref}):\n"
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


class ResolveError(JournalError):
    """A conflict between the meanings of a variant cannot be resolved as asked."""


class NamingError(JournalError):
    """A variant cannot be renamed or retired as asked."""


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


class BadRecord(JournalError):
    """A record or value that does not decode. Attributes: where (path or id), reason."""

    def __init__(self, where: str, reason: str) -> None:
        self.where = where
        self.reason = reason
        super().__init__(f"{where} cannot be read: {reason}")


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

    Attributes: key, reason, folder, is_kept (whether the end is in a file of the folder, to be recorded later).
    """

    exit_status = ExitStatus.BUG

    def __init__(self, key: str, status: str, reason: str, folder: Path, *, is_kept: bool) -> None:
        self.key = key
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
