"""What is derived from the journal, the notes and the index of trials: whether it agrees, and rebuilding it."""

from __future__ import annotations

import shutil
from collections.abc import Collection
from dataclasses import dataclass

from mitosis.errors.journal import BadRecord, JournalError
from mitosis.errors.repository import ObjectMissing, UnreadableObject
from mitosis.git.repository import Identity
from mitosis.journal import layout
from mitosis.journal.core import Core, Snapshot
from mitosis.journal.index import SHARDS, TrialIndex, Unusable
from mitosis.journal.notes import find_notes, new_note_path, note_of, parse_note
from mitosis.journal.store import Store

_NOTE_LIMIT_BYTES = 2**20
_FANOUT_LIMIT = 19
_MESSAGE = "Notes rebuilt from the journal\n"


# --- notes ----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class PresentNote:
    """The note of one commit as it is."""

    paths: tuple[str, ...]
    """Where in the tree of the notes it is; git reads several as one."""
    text: str | None
    """None if it cannot be read, or there are several."""
    is_missing: bool = False
    """Whether it cannot be read since the repository does not have it."""

    @property
    def is_ours(self) -> bool:
        """Whether mitosis wrote it."""
        return self.text is not None and parse_note(self.text) is not None


def read_notes(store: Store) -> dict[str, PresentNote]:
    """The note of each commit that has one.

    Raises:
        JournalError: the notes cannot be read.
    """
    tip = store.read_ref(layout.NOTES_REF)
    if tip is None:
        return {}
    blobs: dict[str, list[tuple[str, str]]] = {}
    waiting = [("", "", store.read_commit_tree(tip, layout.NOTES_REF))]
    while waiting:
        folder, digits, tree = waiting.pop()
        for name, entry in store.read_tree(tree, f"{layout.NOTES_REF}:{folder}").items():
            path = folder + name
            if entry.is_tree:
                if layout.SHARD_PATTERN.fullmatch(name) and path.count("/") < _FANOUT_LIMIT:
                    waiting.append((f"{path}/", digits + name, entry.oid))
            elif layout.COMMIT_PATTERN.fullmatch(digits + name):
                blobs.setdefault(digits + name, []).append((path, entry.oid))
    return {commit: _present_note(store, found) for commit, found in blobs.items()}


def _present_note(store: Store, found: list[tuple[str, str]]) -> PresentNote:
    paths = tuple(path for path, _ in found)
    if len(found) > 1:
        return PresentNote(paths, None)
    try:
        data = store.read_blob(found[0][1], f"{layout.NOTES_REF}:{paths[0]}", _NOTE_LIMIT_BYTES)
    except BadRecord as error:
        return PresentNote(paths, None, isinstance(error.__cause__, ObjectMissing))
    return PresentNote(paths, data.decode("utf-8", "replace"))


def rebuild_notes(core: Core, commits: Collection[str], all_commits: Collection[str], identity: Identity) -> int:
    """Rebuild notes from the journal.

    Args:
        core: the journal.
        commits: whose notes.
        all_commits: those to make when the notes as a whole cannot be read, and are started again.
        identity: who writes them.

    Returns:
        How many notes were made or removed.

    Raises:
        JournalError: the journal cannot be read, or the notes not be written.
    """
    store = core.store
    with store.locked(layout.NOTES_REF, is_derived=True) as ref:
        try:
            tip = ref.read()
            root = None if tip is None else store.read_commit_tree(tip, layout.NOTES_REF)
            places = {commit: {} if root is None else find_notes(store, root, commit) for commit in commits}
        except JournalError:
            _set_damaged_aside(store)
            (store.repository.common_dir / layout.NOTES_REF).unlink(missing_ok=True)
            tip = root = None
            places = {commit: {} for commit in all_commits}
        changes: dict[str, str | None] = {}
        for commit, paths in places.items():
            note = note_of(core.read_trials_on(commit))
            changes |= dict.fromkeys(paths)
            if note.lines:
                path = min(paths, key=len, default=None) or new_note_path(store, root, commit)
                changes[path] = store.write_blob(note.to_text().encode())
        tree = store.edit_tree(root, changes)
        if changes:
            commit = store.write_commit(tree, [] if tip is None else [tip], _MESSAGE, identity)
            ref.set_target(commit, _MESSAGE.strip(), identity)
    return len(places)


def _set_damaged_aside(store: Store) -> None:
    """Move files of damaged objects of the notes out of the way.

    libgit2 writes no object whose file is there already, whatever is in it.
    """
    repository = store.repository
    waiting = [tip] if (tip := _unchecked_tip(store)) is not None else []
    while waiting:
        oid = waiting.pop()
        try:
            found = repository.read_object(oid, _NOTE_LIMIT_BYTES)
            if found.kind == "commit":
                waiting.append(found.data[5:45].decode("ascii", "replace"))
            elif found.kind == "tree":
                waiting += [raw.hex() for _, _, raw in repository.read_entries(oid)]
        except ObjectMissing:
            continue
        except UnreadableObject:
            loose = repository.common_dir / "objects" / oid[:2] / oid[2:]
            if loose.is_file():
                loose.replace(repository.common_dir / "mitosis" / f"damaged-{oid}")


def _unchecked_tip(store: Store) -> str | None:
    try:
        return store.read_ref(layout.NOTES_REF)
    except JournalError:
        return None


# --- index ----------------------------------------------------------------------------------------


class _ReadOnlyIndex(TrialIndex):
    """The index as it is on the disk, brought up to date in memory alone."""

    def __init__(self, store: Store, trials: str | None, *, from_nothing: bool) -> None:
        self._from_nothing = from_nothing
        super().__init__(store, trials)

    def _catch_up(self) -> None:
        if self._from_nothing:
            self._apply(None)
        else:
            super()._catch_up()

    def _rebuild(self) -> None:
        raise Unusable

    def _write(self) -> None:
        pass

    def all_facts(self) -> set[str]:
        """Every fact that is true."""
        facts: set[str] = set()
        for number in range(SHARDS):
            for line in (
                self._shard(number).decode("utf-8", "surrogateescape") + "".join(self._new.get(number, ()))
            ).splitlines():
                facts.add(line[1:]) if line.startswith("+") else facts.discard(line[1:])
        return facts


def is_index_right(core: Core, snapshot: Snapshot) -> bool:
    """Whether the index of trials is missing, or tells what the journal tells. Nothing is written.

    Raises:
        BadRecord: a tree of the journal cannot be read.
    """
    entry = core.store.find(snapshot.tree, layout.TRIALS)
    trials = entry.oid if entry is not None and entry.is_tree else None
    try:
        found = _ReadOnlyIndex(core.store, trials, from_nothing=False)
        if not (found.folder / "state").exists():
            return True
        return found.all_facts() == _ReadOnlyIndex(core.store, trials, from_nothing=True).all_facts()
    except Unusable:
        return not (core.repository.common_dir / "mitosis" / "trials" / "state").exists()


def rebuild_index(core: Core) -> None:
    """Rebuild the index of trials.

    Raises:
        JournalError: the journal cannot be read, or the index not be written.
    """
    with core.store.locked(layout.JOURNAL_REF):
        snapshot = core.snapshot()
        folder = core.repository.common_dir / "mitosis" / "trials"
        try:
            shutil.rmtree(folder, ignore_errors=False)
        except FileNotFoundError:
            pass
        except OSError as error:
            raise JournalError(f"the index of trials cannot be removed: {error}\nRemove {folder}.") from error
        core.index(snapshot)
