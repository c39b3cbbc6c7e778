"""The states of the journal, and the one way to add a commit to it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from mitosis.errors.journal import FormatTooNew, JournalError
from mitosis.git.repository import Identity, Repository
from mitosis.journal import layout
from mitosis.journal.index import TrialIndex
from mitosis.journal.objects import object_oid
from mitosis.journal.reading import File, Reader
from mitosis.journal.store import LockedRef, Store
from mitosis.records.codec import MAX_RECORD_BYTES, decode_trial
from mitosis.records.trial import TrialRecord

_FORMAT_TEXT = f"{layout.FORMAT}\n".encode()
_FORMAT_OID = object_oid(b"blob", _FORMAT_TEXT)
_FORMAT_LIMIT_BYTES = 100
_FEW_KEYS = 200


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One state of a journal."""

    commit: str
    tree: str
    is_current: bool
    """Whether it says the newest format, and not an older one."""


class Core:
    """What reading, appending and merging have in common.

    Args:
        repository: where the journal is.
    """

    def __init__(self, repository: Repository) -> None:
        self.repository = repository
        self.store = Store(repository)

    def tip(self) -> str | None:
        """The journal's newest commit, unchecked; None while there is no journal.

        Raises:
            JournalError: the ref is symbolic, or its file is damaged.
        """
        with _naming_remedy(layout.JOURNAL_REF):
            return self.store.read_ref(layout.JOURNAL_REF)

    def snapshot(self) -> Snapshot | None:
        """The present state of the journal; None while there is none.

        Raises:
            FormatTooNew: a newer mitosis has written it.
            JournalError: it is not a journal, or damaged.
        """
        commit = self.tip()
        return None if commit is None else self.snapshot_of(commit, layout.JOURNAL_REF)

    def snapshot_of(self, commit: str, what: str) -> Snapshot:
        """The state of the journal at a commit.

        Args:
            commit: full id.
            what: the ref that points to it, to name in errors.

        Raises:
            FormatTooNew: a newer mitosis has written it.
            JournalError: it is not a journal, or damaged.
        """
        with _naming_remedy(what):
            tree = self.store.read_commit_tree(commit, what)
            entry = self.store.read_tree(tree, "").get(layout.FORMAT_FILE)
            if entry is None or entry.is_tree:
                raise JournalError(f"{what} points to {commit}, which is not a journal: it does not say its format")
            if entry.oid != _FORMAT_OID:
                _refuse_format(what, self.store.read_blob(entry.oid, layout.FORMAT_FILE, _FORMAT_LIMIT_BYTES))
        return Snapshot(commit, tree, entry.oid == _FORMAT_OID)

    def edited_tree(self, before: Snapshot | None, changes: Mapping[str, bytes | None]) -> str:
        """Write the tree that differs from a state by these files (None: without them)."""
        blobs = {path: None if data is None else self.store.write_blob(data) for path, data in changes.items()}
        if before is None or not before.is_current:
            blobs[layout.FORMAT_FILE] = self.store.write_blob(_FORMAT_TEXT)
        return self.store.edit_tree(None if before is None else before.tree, blobs)

    def append(
        self,
        ref: LockedRef,
        before: Snapshot | None,
        changes: Mapping[str, bytes | None],
        message: str,
        identity: Identity,
    ) -> None:
        """Add a commit that changes these files (None: removes them) to the journal, whose lock is held."""
        tree = self.edited_tree(before, changes)
        commit = self.store.write_commit(tree, [] if before is None else [before.commit], message, identity)
        ref.set_target(commit, message.split("\n", 1)[0], identity)

    def index(self, snapshot: Snapshot | None) -> TrialIndex:
        """The index of the trials in a state of the journal. The journal's lock has to be held."""
        trials = None if snapshot is None else self.store.find(snapshot.tree, layout.TRIALS)
        return TrialIndex(self.store, trials.oid if trials is not None and trials.is_tree else None)

    def find_record(self, before: Snapshot | None, folder: str, key: str) -> File | None:
        """The record of a trial in a folder `trials/<experiment>/<day>`; None if it is not there.

        Raises:
            JournalError: `key` is not a whole key, or a folder cannot be read.
        """
        for path in layout.record_paths(folder, key):
            entry = None if before is None else self.store.find(before.tree, path)
            if entry is not None and not entry.is_tree:
                return File(path, entry.oid)
        return None

    def place_for(self, before: Snapshot | None, folder: str, key: str) -> str:
        """The path for the record of a new trial in a folder `trials/<experiment>/<day>`.

        Raises:
            JournalError: `key` is not a whole key, or the folder cannot be read.
        """
        direct, in_shard = layout.record_paths(folder, key)
        entry = None if before is None else self.store.find(before.tree, folder)
        if entry is None or not entry.is_tree:
            return direct
        return direct if self.store.count_files(entry.oid, folder) < layout.CROWDED else in_shard

    def decode(self, file: File) -> TrialRecord:
        """The record in a file of the journal.

        Raises:
            BadRecord, FormatTooNew: it cannot be read.
        """
        return decode_trial(self.store.read_blob(file.oid, file.path, MAX_RECORD_BYTES), file.path)

    def read_trials_on(self, commit: str, short_keys: frozenset[str] | None = None) -> list[TrialRecord]:
        """All readable trials that ran on a commit, or those of them whose keys begin like one of these."""
        with self.store.locked(layout.JOURNAL_REF):
            snapshot = self.snapshot()
            if snapshot is None:
                return []
            index = self.index(snapshot)
            keys = set(index.keys_on(commit))
            if short_keys is not None:
                keys = {key for key in keys if key[: layout.SHORT_KEY_DIGITS] in short_keys}
            folders = {index.folder_of(key) for key in keys} if len(keys) <= _FEW_KEYS else set()
        reader = Reader(self.store, snapshot.tree, [])
        if len(keys) > _FEW_KEYS:
            # To ask the index for the place of each would take longer than to look at all, and that under the lock.
            files = [file for file in reader.find_trials("") if file.key in keys]
        else:
            named = sorted(folder for folder in folders if folder is not None)
            files = [file for folder in named for file in reader.trials_in(folder) if file.key in keys]
        return list(reader.read_trials(files))


@contextlib.contextmanager
def _naming_remedy(what: str) -> Iterator[None]:
    """Let errors about this repository's own journal say what to do next."""
    try:
        yield
    except FormatTooNew:
        raise
    except JournalError as error:
        if what != layout.JOURNAL_REF:
            raise
        reason = str(error).partition("\n")[0]
        raise JournalError(f"{reason}\n`mitosis verify` shows the command that repairs it.") from error


def _refuse_format(what: str, text: bytes) -> None:
    digits = text.strip()
    if not digits.isdigit():
        raise JournalError(f"the format of {what} is {text!r}, where a number should be")
    if int(digits) > layout.FORMAT:
        raise FormatTooNew("the journal" if what == layout.JOURNAL_REF else what, int(digits), layout.FORMAT)
