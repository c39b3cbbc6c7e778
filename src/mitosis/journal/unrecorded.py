"""Ends of trials that git could not take: kept beside the outputs, and recorded by the next command that can.

A trial may run for hours, and when it ends somebody may hold the journal's lock, the disk may be full, or this process
may be killed. So the end is written to a file in the trial's folder first, which is removed once the journal has it.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

from mitosis.errors.base import MitosisError
from mitosis.errors.journal import NoteNotWritten
from mitosis.files import write_whole
from mitosis.journal.journal import Journal
from mitosis.process import is_alive
from mitosis.records.codec import MAX_RECORD_BYTES, decode_trial, encode_trial
from mitosis.records.trial import TrialRecord

FILE = "unrecorded.msgpack"
ROOM = ".mitosis-room"
"""A file of the trial's folder that takes the room `FILE` needs: the disk may be full when the trial ends."""
_OTHER_HOSTS_AGE_S = 3600.0
"""A process on another machine cannot be seen. After an hour it has given up trying to record the end itself."""


def keep_end(folder: Path, record: TrialRecord) -> bool:
    """Keep the end of a trial in its folder until it is recorded; returns whether that could be done."""
    try:
        write_whole(folder / FILE, encode_trial(record))
    except OSError:
        return False
    return True


def discard_end(folder: Path) -> None:
    """Remove the file of `keep_end`: what it says is in the journal."""
    with contextlib.suppress(OSError):
        (folder / FILE).unlink(missing_ok=True)


def find_ends(running: Iterable[TrialRecord]) -> Iterator[tuple[TrialRecord, Path]]:
    """The ends that are kept, each with the trial's folder.

    Args:
        running: the trials that have no end in the journal.
    """
    for record in running:
        folder = Path(record.trials_folder or "", record.folder or "")
        alive = is_alive(record.process)
        if not record.folder or alive or (alive is None and not _is_old(folder / FILE)):
            continue
        with contextlib.suppress(OSError, MitosisError):
            with (folder / FILE).open("rb") as file:
                end = decode_trial(file.read(MAX_RECORD_BYTES), str(folder / FILE))
            if end.key == record.key and end.started == record.started and end.ended is not None:
                yield end, folder


def record_ends(journal: Journal) -> list[TrialRecord]:
    """Record all ends that are kept, as whoever git says is at work; returns the trials.

    Raises:
        JournalError: the journal cannot be read or written; what could not be recorded is still kept.
    """
    recorded = []
    running = journal.running_trials()
    for record in running:
        if record.folder and is_alive(record.process) is False:
            with contextlib.suppress(OSError):
                Path(record.trials_folder or "", record.folder, ROOM).unlink(missing_ok=True)
    for end, folder in list(find_ends(running)):
        with contextlib.suppress(NoteNotWritten):  # the notes are only a view, and are repaired as such
            journal.end(end, journal.repository.identity())
        discard_end(folder)
        recorded.append(end)
    return recorded


def _is_old(path: Path) -> bool:
    try:
        return time.time() - path.stat().st_mtime > _OTHER_HOSTS_AGE_S
    except OSError:
        return False
