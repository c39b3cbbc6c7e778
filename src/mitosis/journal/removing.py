"""What of a journal mitosis can use, and taking away what it can't: by a commit that says so, for everybody."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Collection, Iterator

from mitosis.errors.base import shell_words
from mitosis.errors.journal import BadRecord, ForeignFile, FormatTooNew, JournalError, UnusableJournal
from mitosis.errors.repository import GitError, UnfitObject, UnreadableObject
from mitosis.git.repository import Identity
from mitosis.journal import layout
from mitosis.journal.annotations import MAX_ANNOTATION_BYTES, decode_annotation
from mitosis.journal.git_log import GONE, read_log
from mitosis.journal.index import Index
from mitosis.journal.index_schema import refuse_misplaced
from mitosis.journal.locks import MAX_VALUE_BYTES
from mitosis.journal.messages import removed_message
from mitosis.journal.notes import TrialChange, merge_notes
from mitosis.journal.reading import ALL_RECORDS, MAX_ENVIRONMENT_BYTES, trials_on
from mitosis.journal.reasons import Taken, first_recorded, is_kept, was_disputed
from mitosis.journal.standing import MAX_REMARK_BYTES, decode_remark
from mitosis.journal.storage.objects import ReadOnlyStore
from mitosis.journal.storage.store import Store
from mitosis.journal.storage.walking import UnreadableBefore, iter_changes
from mitosis.records.codec import MAX_RECORD_BYTES, decode_trial
from mitosis.records.trial import TrialRecord
from mitosis.text import one_line

_MOST_FILES = 10_000
"""So many files that have to be named can be removed with a folder."""
_MOST_VERSIONS = 100
_HINT = "; the history has it whole, and `mitosis verify --repair` puts it back"
FOREIGN = "it does not belong to the format of the journal"


def read_file(store: ReadOnlyStore, path: str, oid: str) -> TrialRecord | None:
    """Read a file of the journal, and check that it is what its path says.

    Args:
        store: of the journal.
        path: of the file.
        oid: of its blob.

    Returns:
        The record, if it is that of a trial.

    Raises:
        ForeignFile: mitosis keeps nothing at such a path.
        Misplaced: it is a record that belongs to another path.
        FormatTooNew: a newer mitosis has written it.
        BadRecord: it cannot be read, or is not what its name says.
    """
    kind, _, rest = path.partition("/")
    name = rest.rpartition("/")[2]
    variant = layout.parse_variant_path(path)
    if layout.parse_record_path(path) is not None or layout.parse_disputed_path(path) is not None:
        record = decode_trial(store.read_blob(oid, path, MAX_RECORD_BYTES), path)
        if kind == layout.TRIALS:
            refuse_misplaced(record, path)
        return record
    if variant is not None and kind == layout.VARIANTS:
        from mitosis.canonical.decode import decode_value

        value = store.read_blob(oid, path, MAX_VALUE_BYTES)
        _check_digest(value, variant[1], path)
        decode_value(value)
    elif variant is not None and kind in layout.REMARKS:
        decode_remark(kind, name, store.read_blob(oid, path, MAX_REMARK_BYTES), path)
    elif layout.parse_annotation_path(path) is not None:
        decode_annotation(name, store.read_blob(oid, path, MAX_ANNOTATION_BYTES), path)
    elif kind == layout.ENVIRONMENTS and layout.DIGEST_PATTERN.fullmatch(name[:-4]) and rest == f"{name[:-4]}.txt":
        # The digest of a text is made in the same way.
        _check_digest(store.read_blob(oid, path, MAX_ENVIRONMENT_BYTES), name[:-4], path)
    elif path != layout.FORMAT_FILE:
        raise ForeignFile(path, FOREIGN)
    return None


def _check_digest(data: bytes, digest: str, path: str) -> None:
    from mitosis.canonical.encode import digest_value

    if digest_value(data) != digest:
        raise BadRecord(path, "its content does not have the digest that its name says")


def is_damaged(error: JournalError) -> bool:
    """Whether an object of the repository is missing or damaged, so that another clone may have it whole."""
    return isinstance(error.__cause__, UnreadableObject) and not isinstance(error.__cause__, UnfitObject)


@contextlib.contextmanager
def telling_unusable(source: str) -> Iterator[None]:
    """Say what can be done where another journal is of no use, which is not that this clone is damaged or too old."""
    try:
        yield
    except (FormatTooNew, UnreadableBefore):
        raise
    except JournalError as error:
        if is_damaged(error):
            raise
        raise UnusableJournal(source, str(error).partition("\n")[0]) from error


def is_sound(store: ReadOnlyStore, path: str, oid: str) -> bool | None:
    """Whether a file of the journal is what its path says; None where only another clone or version can tell."""
    try:
        read_file(store, path, oid)
    except FormatTooNew:
        return None
    except BadRecord as error:
        return None if is_damaged(error) else False
    return True


def has_reason(store: ReadOnlyStore, taken: Taken) -> bool:
    """Whether a commit may take a file away, or change it: it says why, or the file was of no use."""
    if taken.is_explained:
        return taken.after is None or was_disputed(store, taken.commit, taken.path, taken.after)
    sound = is_sound(store, taken.path, taken.before)
    return sound is False or (sound is None and taken.is_removed)


def remove(store: Store, index: Index, word: str, identity: Identity) -> tuple[str, str]:
    """Take out of the journal a file or folder that mitosis cannot use. The history keeps it.

    Args:
        store: of the journal.
        index: of the journal.
        word: its path, as messages show it.
        identity: author and committer of the journal's commit.

    Returns:
        The path, and why it could not be used, with what brings it back if it once could.

    Raises:
        JournalError: there is no such file, it is sound or only damaged here, or the journal cannot be written.
    """
    with store.locked(layout.JOURNAL_REF) as ref:
        before = store.snapshot()
        path, oid, is_tree = ("", "", True) if before is None else _find(store, before.tree, word)
        if before is None or not path:
            raise JournalError(f"the journal has no file {word}\n`mitosis verify` names what mitosis cannot use.")
        removal = _Removal(store, index, before.commit)
        if is_tree:
            removal.add_folder(path, oid)
        else:
            removal.add_file(path, oid)
        message = removed_message(path, removal.reason, removal.kept)
        store.append(ref, before, {path: None}, message, identity)
    index.refresh()
    changes = [TrialChange(record, None) for record in removal.records]
    merge_notes(store, changes, None, identity, lambda *which: trials_on(store, index, *which))
    files = {path: None, **dict.fromkeys(removal.kept)}
    hint = _HINT if not removal.records and _was_whole(store, before.commit, path, files) else ""
    return path, f"{removal.reason}{hint}"


def _was_whole(store: Store, tip: str, path: str, files: Collection[str]) -> bool:
    """Whether one of some files, which are at a path or below it, was of use in an earlier commit."""
    with contextlib.suppress(JournalError, GitError):
        log = read_log(store, [tip], "-m", paths=[path])
        earlier = ((file, oid) for _, file, oid, _ in log if file in files and oid != GONE)
        return any(is_sound(store, *each) for each in itertools.islice(earlier, _MOST_VERSIONS))
    return False


def _find(store: Store, tree: str, word: str) -> tuple[str, str, bool]:
    """Path and id of what a word names, and whether that is a folder; an empty path if it names nothing."""
    path, oid, is_tree = "", tree, True
    for part in word.removeprefix("./").strip("/").split("/"):
        entries = store.read_tree(oid, path) if is_tree else {}
        # Names that a terminal does not show as they are can be given as they were shown.
        names = [part] if part in entries else [name for name in entries if one_line(name) == part]
        if not names:
            return "", "", False
        path = f"{path}/{names[0]}".lstrip("/")
        oid, is_tree = entries[names[0]].oid, entries[names[0]].is_tree
    return path, oid, is_tree


class _Removal:
    """Makes sure that what is to be removed is nothing that can be used."""

    def __init__(self, store: Store, index: Index, tip: str) -> None:
        self._store = store
        self._index = index
        self._tip = tip
        self.reason = ""
        self.kept: list[str] = []
        """The paths for which others want a reason."""
        self.records: list[TrialRecord] = []
        """Those that can be read all the same."""

    def add_folder(self, path: str, oid: str) -> None:
        self.reason = "a folder without anything that mitosis can use"
        if path.partition("/")[0] in layout.FOLDERS:
            for file, _, blob in iter_changes(self._store, None, oid, path, tell=self._tell):
                self.add_file(file, blob or "")

    def add_file(self, path: str, oid: str) -> None:
        try:
            record = read_file(self._store, path, oid)
        except BadRecord as error:
            self._tell(error)
            self.reason = self.reason or error.reason
        else:
            place = layout.parse_record_path(path)
            question = f"SELECT path FROM {ALL_RECORDS} WHERE key = ? AND (is_listed OR is_double)"
            found = [] if place is None else self._index.ask(question, (place[2],))
            paths = {path, *(other for (other,) in found)}
            first = first_recorded(self._store, self._tip, paths) if len(paths) > 1 else path
            if place is None or first == path:
                was_first = ", and was there before any other with its key" if len(paths) > 1 else ""
                raise JournalError(f"{path} is sound{was_first}, so it stays{_remedy(path)}")
            self.reason = self.reason or f"trial {place[2]} has another record: {first}"
            self.records += [] if record is None else [record]
        if is_kept(path):
            self.kept.append(path)
        if len(self.kept) > _MOST_FILES:
            raise JournalError(f"there are more than {_MOST_FILES:,} files in it\nRemove the folders in it first.")

    def _tell(self, problem: BadRecord, oid: str | None = None) -> None:
        if is_damaged(problem):
            raise JournalError(
                f"{problem}\nAnother clone may have it whole: `mitosis verify` shows how to bring it back."
            ) from problem


def _remedy(path: str) -> str:
    """How to take away what is sound, if it can be."""
    place, variant = layout.parse_record_path(path), layout.parse_variant_path(path)
    name = "" if variant is None else shell_words(str(variant[0]))
    commands = {
        layout.TRIALS: f"forget {'' if place is None else place[2]}",
        layout.DISPUTED: f"settle {layout.parse_disputed_path(path)}",
        layout.VARIANTS: f"variants release {name} --reason TEXT, if no trial has used it",
        layout.ANNOTATIONS: f"untag TAG {layout.parse_annotation_path(path)}, if it is a tag",
        layout.RETIRED: f"variants retire {name} --undo",
    }
    command = commands.get(path.partition("/")[0])
    return "" if command is None else f"\nWhat takes it away is: mitosis {command}"
