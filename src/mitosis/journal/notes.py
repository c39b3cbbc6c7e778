"""Git notes on experiment commits: a derived view, one line a trial, under `refs/notes/mitosis`.

The note of a commit holds the newest 50 of its ended trials, newest first, and a count of the rest. So
`git log --notes=mitosis` shows trials under the commit that they ran on.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from mitosis.errors.journal import BadRecord, JournalError
from mitosis.errors.repository import ObjectMissing, UnreadableObject
from mitosis.git.repository import Identity
from mitosis.journal.layout import COMMIT_PATTERN, NOTES_REF, SHORT_KEY_DIGITS
from mitosis.journal.messages import note_line
from mitosis.journal.reasons import merge_bases
from mitosis.journal.storage.note_tree import all_notes, find_notes, new_note_path
from mitosis.journal.storage.objects import EMPTY_TREE
from mitosis.journal.storage.store import Store
from mitosis.records.trial import TrialRecord

LINES_LIMIT = 50
_NOTE_LIMIT_BYTES = 2**20
_REBUILT_MESSAGE = "Notes rebuilt from the journal\n"
_MERGE_MESSAGE = "Notes after a merge of the journal\n"
_LINE = re.compile(rf"[0-9a-f]{{{SHORT_KEY_DIGITS}}}  .+")
_REST = re.compile(r"\.\.\. and ([1-9][0-9]{0,8}) more")


@dataclass(frozen=True, slots=True)
class Note:
    """What the note of one commit says."""

    lines: tuple[str, ...]
    """Newest first, at most `LINES_LIMIT`."""
    more: int = 0
    """How many older trials there are."""

    def with_line(self, line: str) -> Note:
        """The note with one more trial, the newest.

        The same note if it has that line: whoever rebuilt it meanwhile saw the trial in the journal.
        """
        if line in self.lines:
            return self
        lines = (line, *self.lines)
        return Note(lines[:LINES_LIMIT], self.more + max(len(lines) - LINES_LIMIT, 0))

    def to_text(self) -> str:
        rest = [f"... and {self.more} more"] if self.more else []
        return "".join(f"{line}\n" for line in (*self.lines, *rest))


def note_of(trials: Sequence[TrialRecord]) -> Note:
    """The note of a commit on which these trials, in any order, ran; those that have not ended are left out."""
    ended = sorted((trial for trial in trials if trial.ended is not None), key=_end_order, reverse=True)
    return Note(tuple(note_line(trial) for trial in ended[:LINES_LIMIT]), max(len(ended) - LINES_LIMIT, 0))


def parse_note(text: str) -> Note | None:
    """The note that `text` is; None if it is not one that mitosis wrote."""
    lines = text.splitlines()
    rest = _REST.fullmatch(lines[-1]) if lines else None
    if rest is not None:
        lines.pop()
    if not lines or len(lines) > LINES_LIMIT or not all(map(_LINE.fullmatch, lines)):
        return None
    return Note(tuple(lines), int(rest[1]) if rest is not None else 0)


def add_to_note(
    store: Store,
    record: TrialRecord,
    identity: Identity,
    *,
    is_new: bool,
    read_trials: Callable[[], Sequence[TrialRecord]],
) -> None:
    """Let the note of the record's commit tell how its trial ended.

    Args:
        store: the repository's objects.
        record: a trial that has ended, and is in the journal so.
        identity: who writes the note.
        is_new: whether the note does not tell of this trial yet.
        read_trials: reads all trials of that commit from the journal, for a note that is missing, damaged, or
            already tells of this trial.

    Raises:
        JournalError: the notes cannot be read or written.
    """
    with store.locked(NOTES_REF, is_derived=True) as ref:
        tip = ref.read()
        root = None if tip is None else store.read_commit_tree(tip, NOTES_REF)
        paths = {} if root is None else find_notes(store, root, record.commit)
        note = _read_note(store, paths) if is_new else None
        note = note_of(read_trials()) if note is None else note.with_line(note_line(record))
        path = min(paths, key=len, default=None) or new_note_path(store, root, record.commit)
        changes: dict[str, str | None] = dict.fromkeys(paths)
        changes[path] = store.write_blob(note.to_text().encode())
        tree = store.edit_tree(root, changes)
        message = f"Note on {record.commit[:7]}: {record.experiment} {record.key} {record.status}\n"
        commit = store.write_commit(tree, [] if tip is None else [tip], message, identity, is_derived=True)
        ref.set_target(commit, message.strip(), identity)


@dataclass(frozen=True, slots=True)
class TrialChange:
    """How the record of one trial has changed."""

    before: TrialRecord | None
    """None where there was none, or it could not be read."""
    after: TrialRecord | None


class TrialReader(Protocol):
    """Reads trials of the journal as it is now."""

    def __call__(self, commit: str, short_keys: frozenset[str] | None = None) -> Sequence[TrialRecord]:
        """All readable trials that ran on a commit, or those of them whose keys begin like one of these."""


@dataclass(frozen=True, slots=True)
class OtherNotes:
    """The notes of the repository that the journal was merged with."""

    tip: str
    commits: Collection[str]
    """Those that trials of this journal ran on."""
    count_ended: Callable[[str], int]
    """Tells how many trials of this journal that ran on a commit have ended."""


def merge_notes(
    store: Store,
    changes: Sequence[TrialChange],
    theirs: OtherNotes | None,
    identity: Identity | None,
    read_trials: TrialReader,
) -> None:
    """Bring the notes up to date with trials that have changed otherwise than by their own end.

    The notes of the commits that those trials ran on are rebuilt. The history of the other repository's notes becomes
    part of these, so that pushing them there is a fast-forward. Whoever is behind takes what is new in them, and also
    rebuilds what does not agree with the journal. The order of lines does not matter, or two clones whose notes differ
    in nothing else would go on correcting each other.

    Args:
        store: the repository's objects.
        changes: what is different in the journal now.
        theirs: the notes of the repository that the journal was merged with; None if it has none.
        identity: who writes the notes; None to ask git, if a commit has to be made.
        read_trials: reads trials of the journal; called while the lock of the notes is held.

    Raises:
        JournalError: the notes cannot be read or written.
        GitError: git cannot read the notes' history.
        NoIdentity: git was asked who it is, and does not know.
    """
    affected: dict[str, list[TrialChange]] = {}
    for change in changes:
        for commit in {record.commit for record in (change.before, change.after) if record is not None}:
            affected.setdefault(commit, []).append(change)
    with store.locked(NOTES_REF, is_derived=True) as ref:
        tip = ref.read()
        ours = None if tip is None else store.read_commit_tree(tip, NOTES_REF)
        parents, root = _notes_base(store, tip, ours, theirs)
        if theirs is not None and root is not None and root != ours:
            for commit in _may_differ(store, ours, root, theirs.commits):
                affected.setdefault(commit, [])
        blobs: dict[str, str | None] = {}
        for commit, changed in affected.items():
            if not COMMIT_PATTERN.fullmatch(commit):
                continue
            paths = {} if root is None else find_notes(store, root, commit)
            note = _read_note(store, paths)
            if theirs is not None and _is_right(note, commit, theirs.count_ended(commit), read_trials):
                continue
            note = _merged_note(note, commit, changed, read_trials) if root == ours else note_of(read_trials(commit))
            path = min(paths, key=len, default=None) or new_note_path(store, root, commit)
            blobs |= dict.fromkeys(paths)
            blobs[path] = store.write_blob(note.to_text().encode()) if note.lines else None
        tree = store.edit_tree(root, blobs)
        if len(parents) == 1 and tree == root:
            target = parents[0]
        elif not parents and tree == EMPTY_TREE:
            return
        else:
            identity = identity or store.repository.identity()
            target = store.write_commit(tree, parents, _MERGE_MESSAGE, identity, is_derived=True)
        if target != tip:
            ref.set_target(target, "merge", identity)


def _notes_base(
    store: Store, tip: str | None, ours: str | None, theirs: OtherNotes | None
) -> tuple[list[str], str | None]:
    """The parents of the new notes, and the tree to start from: that of whoever is ahead, else our own."""
    own = [] if tip is None else [tip]
    if theirs is None or theirs.tip == tip:
        return own, ours
    bases = [] if tip is None else merge_bases(store.repository, tip, theirs.tip)
    if theirs.tip in bases:
        return own, ours
    if tip is None or tip in bases:
        return [theirs.tip], store.read_commit_tree(theirs.tip, "the notes of the other repository")
    return [tip, theirs.tip], ours


def _may_differ(store: Store, ours: str | None, theirs: str, commits: Collection[str]) -> Iterator[str]:
    """The commits whose notes may not be the same in two trees: those of the folders at the top that are not."""
    one, other = ({} if tree is None else store.read_tree(tree, NOTES_REF) for tree in (ours, theirs))
    for commit in sorted(commits):
        if any(one.get(name) != other.get(name) for name in (commit[:2], commit)):
            yield commit


def _is_right(note: Note | None, commit: str, ended: int, read_trials: TrialReader) -> bool:
    """Whether a note tells of the trials that have ended on the commit, in whatever order.

    None is right where there are none: what is there is somebody's own.
    """
    if note is None:
        return not ended
    if len(note.lines) + note.more != ended or len(note.lines) != min(ended, LINES_LIMIT):
        return False
    trials = read_trials(commit, frozenset(line[:SHORT_KEY_DIGITS] for line in note.lines))
    return Counter(note.lines) <= Counter(note_line(trial) for trial in trials if trial.ended is not None)


def _merged_note(present: Note | None, commit: str, changes: Sequence[TrialChange], read_trials: TrialReader) -> Note:
    """The note of a commit after trials on it have changed: from the present one if nothing but ends is new."""
    ended = [change.after for change in changes if change.after is not None and change.after.ended is not None]
    is_addition = all(
        change.after is not None and (change.before is None or change.before.ended is None) for change in changes
    )
    if present is None or not is_addition:
        return note_of(read_trials(commit))
    fresh = {record.key for record in ended}
    short_keys = frozenset(line[:SHORT_KEY_DIGITS] for line in present.lines)
    shown = {note_line(record): record for record in read_trials(commit, short_keys) if record.key not in fresh}
    if not all(line in shown for line in present.lines):
        return note_of(read_trials(commit))
    note = note_of([*(shown[line] for line in present.lines), *ended])
    return Note(note.lines, note.more + present.more)


def _end_order(record: TrialRecord) -> tuple[str, str]:
    return record.ended or "", record.key


def _read_note(store: Store, paths: dict[str, str]) -> Note | None:
    """The note at the only path; None if there is none, several, or a damaged one."""
    if len(paths) != 1:
        return None
    [(path, oid)] = paths.items()
    try:
        return parse_note(store.read_blob(oid, f"{NOTES_REF}:{path}", _NOTE_LIMIT_BYTES).decode())
    except (BadRecord, UnicodeDecodeError):
        return None


# --- checking and mending -------------------------------------------------------------------------


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
    tip = store.read_ref(NOTES_REF)
    if tip is None:
        return {}
    found = all_notes(store, store.read_commit_tree(tip, NOTES_REF))
    return {commit: _present_note(store, paths) for commit, paths in found.items()}


def _present_note(store: Store, found: dict[str, str]) -> PresentNote:
    paths = tuple(found)
    if len(found) > 1:
        return PresentNote(paths, None)
    try:
        data = store.read_blob(found[paths[0]], f"{NOTES_REF}:{paths[0]}", _NOTE_LIMIT_BYTES)
    except BadRecord as error:
        return PresentNote(paths, None, isinstance(error.__cause__, ObjectMissing))
    return PresentNote(paths, data.decode("utf-8", "replace"))


def rebuild_notes(
    store: Store,
    commits: Collection[str],
    all_commits: Collection[str],
    identity: Identity,
    read_trials: TrialReader,
) -> int:
    """Rebuild notes from the journal.

    Args:
        store: of the journal.
        commits: whose notes.
        all_commits: those to make when the notes as a whole cannot be read, and are started again.
        identity: who writes them.
        read_trials: reads trials of the journal.

    Returns:
        How many notes were made or removed.

    Raises:
        JournalError: the journal cannot be read, or the notes not be written.
    """
    with store.locked(NOTES_REF, is_derived=True) as ref:
        try:
            tip = ref.read()
            root = None if tip is None else store.read_commit_tree(tip, NOTES_REF)
            places = {commit: {} if root is None else find_notes(store, root, commit) for commit in commits}
        except JournalError:
            _set_damaged_aside(store)
            (store.repository.common_dir / NOTES_REF).unlink(missing_ok=True)
            ref.before = ref.peek()
            tip = root = None
            places = {commit: {} for commit in all_commits}
        changes: dict[str, str | None] = {}
        for commit, paths in places.items():
            note = note_of(read_trials(commit))
            changes |= dict.fromkeys(paths)
            if note.lines:
                path = min(paths, key=len, default=None) or new_note_path(store, root, commit)
                changes[path] = store.write_blob(note.to_text().encode())
        tree = store.edit_tree(root, changes)
        if changes:
            commit = store.write_commit(tree, [] if tip is None else [tip], _REBUILT_MESSAGE, identity, is_derived=True)
            ref.set_target(commit, _REBUILT_MESSAGE.strip(), identity)
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
        return store.read_ref(NOTES_REF)
    except JournalError:
        return None
