"""Ends of trials that git could not take: kept beside the outputs, and recorded by the next command that can.

A trial may run for hours, and when it ends somebody may hold the journal's lock, the disk may be full, or this process
may be killed. So the end is written to a file in the trial's folder first, which is removed once the journal has it.

Records come from other people, who must not choose which files are read, recorded under the user's name and deleted. So
the git directory says which trials were started in this clone, and where the folders of these are.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator
from pathlib import Path

from mitosis.errors.base import MitosisError
from mitosis.errors.journal import NoteNotWritten
from mitosis.files import read_regular, write_whole
from mitosis.git.tracked import is_tracked
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


def remember_folder(journal: Journal, key: str, folder: Path) -> None:
    """Note where the folder of a trial is that was started in this clone, until `discard_end`."""
    place = _places(journal) / key
    with contextlib.suppress(OSError), journal.repository.sharing():
        place.parent.mkdir(parents=True, exist_ok=True)
        # Relative, since the repository may be moved, or be elsewhere in a container.
        write_whole(place, os.fsencode(os.path.relpath(folder.resolve(), place.parent)))


def discard_end(journal: Journal, key: str, folder: Path) -> None:
    """Remove the file of `keep_end`, for what it says is in the journal, and what `remember_folder` has noted."""
    for path in (folder / FILE, _places(journal) / key):
        with contextlib.suppress(OSError):
            path.unlink(missing_ok=True)


def find_ends(journal: Journal) -> Iterator[tuple[TrialRecord, Path]]:
    """The ends that are kept, each with the trial's folder."""
    for record, folder in _running(journal):
        path = folder / FILE
        alive = is_alive(record.process)
        if alive or (alive is None and not _is_old(path)):
            continue
        with contextlib.suppress(OSError, MitosisError):
            end = decode_trial(read_regular(path, MAX_RECORD_BYTES), str(path))
            is_its_own = end.key == record.key and end.started == record.started and end.ended is not None
            if is_its_own and not is_tracked(path):
                yield end, folder


def record_ends(journal: Journal) -> list[TrialRecord]:
    """Record all ends that are kept, as whoever git says is at work; returns the trials.

    Raises:
        JournalError: the journal cannot be read or written; what could not be recorded is still kept.
    """
    recorded = []
    for record, folder in _running(journal):
        if is_alive(record.process) is False:
            with contextlib.suppress(OSError):
                (folder / ROOM).unlink(missing_ok=True)
    for end, folder in list(find_ends(journal)):
        with contextlib.suppress(NoteNotWritten):  # the notes are only a view, and are repaired as such
            journal.end(end, journal.repository.identity())
        discard_end(journal, end.key, folder)
        recorded.append(end)
    return recorded


def _places(journal: Journal) -> Path:
    return journal.repository.common_dir / "mitosis" / "folders"


def _running(journal: Journal) -> Iterator[tuple[TrialRecord, Path]]:
    """The trials of this clone that have no end in the journal, each with its folder."""
    places = {place.name: place for place in _places(journal).glob("*")}
    for record in journal.running_trials() if places else ():
        with contextlib.suppress(OSError, KeyError):
            place = places[record.key]
            folder = os.path.normpath(place.parent / os.fsdecode(place.read_bytes()))
            # A commit that was checked out since may have put a link in the way.
            if folder == os.path.realpath(folder):
                yield record, Path(folder)


def _is_old(path: Path) -> bool:
    try:
        return time.time() - path.stat().st_mtime > _OTHER_HOSTS_AGE_S
    except OSError:
        return False
