"""What two journals have to do with each other: merging one into the other, and what one has that the other lacks."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from mitosis.errors.journal import BadRecord, FormatTooNew, JournalError, TrialNotFound
from mitosis.errors.repository import GitError, NoIdentity, ObjectMissing
from mitosis.git.repository import Identity
from mitosis.journal import layout
from mitosis.journal.core import Core, Snapshot
from mitosis.journal.locks import used_lock
from mitosis.journal.merge import MOST_CHANGES, iter_changes, merge_bases, merge_trees, refuse_unsafe_name
from mitosis.journal.messages import merged_message, shared_message
from mitosis.journal.notes import OtherNotes, TrialChange, merge_notes
from mitosis.journal.reading import File
from mitosis.records.codec import encode_trial
from mitosis.records.trial import TrialRecord

_RECORD_DEPTHS = (4, 5)
_REMEMBERED_TIPS = 100
_COUNTED_CHANGES = 100_000
"""A command that only tells of unmerged records looks at no more."""

_Change = tuple[str, str | None, str | None]
"""The path of a file, and its id before and after."""


@dataclass(frozen=True, slots=True)
class Merged:
    """What a merge did to the journal."""

    before: str | None
    """The journal's commit before; None if there was no journal."""
    tip: str
    """The journal's commit now."""
    received: int
    """How many trials are new in this journal."""
    updated: int
    """How many trials tell more than before, such as their end."""
    forgotten: int
    """How many trials are gone, since they were forgotten elsewhere."""
    notes_problem: str | None = None
    """Why the notes could not be brought up to date; nothing is lost by that."""

    @property
    def is_changed(self) -> bool:
        return self.before != self.tip


@dataclass(frozen=True, slots=True)
class Unmerged:
    """A remote whose journal, as it was last fetched, holds what this one does not."""

    remote: str
    trials: int
    """How many trials this journal does not have; 0 if it lacks something else."""


def merge(core: Core, commit: str, identity: Identity | None, source: str, notes: str | None) -> Merged:
    """Merge another journal into this one; see `Journal.merge`."""
    store = core.store
    theirs = core.snapshot_of(commit, f"the journal of {source}")
    with store.locked(layout.JOURNAL_REF) as ref:
        before = core.snapshot()
        tip, tree = _united(core, before, theirs)
        trials = _changed_trials(core, before, tree, source)
        received = sum(old is None for _, old, _ in trials)
        forgotten = sum(new is None for _, _, new in trials)
        if tip is None:
            assert before is not None
            message = merged_message(source, received)
            identity = identity or core.repository.identity()
            tip = store.write_commit(tree, [before.commit, theirs.commit], message, identity)
        if before is None or tip != before.commit:
            ref.set_target(tip, f"merge {source}", identity)
    _remember(core, commit)
    store.create_symbolic_ref(layout.SYMBOLIC_REF, layout.JOURNAL_REF)
    notes_problem = None
    try:
        others = None if notes is None else OtherNotes(notes, tell_all=tip == theirs.commit)
        merge_notes(store, list(_trial_changes(core, trials)), others, identity, core.read_trials_on)
    except (JournalError, GitError, NoIdentity) as error:
        notes_problem = str(error)
    return Merged(
        before=None if before is None else before.commit,
        tip=tip,
        received=received,
        updated=len(trials) - received - forgotten,
        forgotten=forgotten,
        notes_problem=notes_problem,
    )


def contains(core: Core, commit: str, notes: str | None) -> bool:
    """Whether a merge with another journal would change nothing; see `Journal.contains`."""
    store = core.store
    ours, our_notes = store.read_ref(layout.JOURNAL_REF), store.read_ref(layout.NOTES_REF)
    if ours is None or not _holds(core, ours, commit):
        return False
    if notes is not None and (our_notes is None or not _holds(core, our_notes, notes)):
        return False
    _remember(core, commit)
    return True


def _holds(core: Core, tip: str, commit: str) -> bool:
    return tip == commit or commit in merge_bases(core.repository, tip, commit)


def _united(core: Core, before: Snapshot | None, theirs: Snapshot) -> tuple[str | None, str]:
    """The commit (None: it has yet to be made) and the tree of the two journals together."""
    if before is None:
        return theirs.commit, theirs.tree
    if theirs.commit == before.commit:
        return before.commit, before.tree
    bases = merge_bases(core.repository, before.commit, theirs.commit)
    if theirs.commit in bases:
        return before.commit, before.tree
    if before.commit in bases:
        return theirs.commit, theirs.tree
    return None, merge_trees(core.store, before.commit, theirs.commit)


def _changed_trials(core: Core, before: Snapshot | None, tree: str, source: str) -> list[_Change]:
    """The records that a merge brings, changes or takes away.

    Raises:
        JournalError: the merge would bring what no mitosis writes.
    """
    trials = []
    try:
        for change in iter_changes(core.store, None if before is None else before.tree, tree, limit=MOST_CHANGES):
            path, _, new = change
            if new is not None:
                refuse_unsafe_name(path, source)
            if _is_record(path):
                trials.append(change)
    except BadRecord as error:
        raise JournalError(f"the journal of {source} was not merged: {error}") from error
    return trials


def _is_record(path: str) -> bool:
    parts = path.split("/")
    key = parts[-1].removesuffix(layout.RECORD_SUFFIX)
    is_in_place = len(parts) in _RECORD_DEPTHS and parts[0] == layout.TRIALS and key != parts[-1]
    return is_in_place and layout.KEY_PATTERN.fullmatch(key) is not None


def _trial_changes(core: Core, changes: Sequence[_Change]) -> Iterator[TrialChange]:
    for path, old, new in changes:
        yield TrialChange(_record_at(core, path, old), _record_at(core, path, new))


def _record_at(core: Core, path: str, oid: str | None) -> TrialRecord | None:
    """A record; None where there is none or it cannot be read, which is for listings to say."""
    if oid is None:
        return None
    try:
        return core.decode(File(path, oid))
    except (BadRecord, FormatTooNew):
        return None


# --- what one has that the other lacks -----------------------------------------------------------


def missing_keys(core: Core, other: str | None) -> set[str]:
    """The trials that this journal has and the one at the commit `other` (None: an empty one) lacks."""
    ours = core.snapshot()
    theirs = None if other is None else core.snapshot_of(other, "the other journal")
    return set(_new_keys(core, theirs, ours))


def _new_keys(core: Core, before: Snapshot | None, after: Snapshot | None, limit: int = MOST_CHANGES) -> Iterator[str]:
    trees = (_trials_tree(core, before), _trials_tree(core, after))
    changes = iter_changes(core.store, *trees, layout.TRIALS, limit=limit)
    return (File(path, new or "").key for path, old, new in changes if old is None and _is_record(path))


def _trials_tree(core: Core, snapshot: Snapshot | None) -> str | None:
    entry = None if snapshot is None else core.store.find(snapshot.tree, layout.TRIALS)
    return entry.oid if entry is not None and entry.is_tree else None


def find_unmerged(core: Core) -> tuple[Unmerged, ...]:
    """The remotes whose fetched journal holds what this one does not; those that cannot be read are left out.

    One of which a partial clone has fetched no more than commits counts as having no trials that can be counted.
    """
    tips = _remote_tips(core)
    ours = core.tip()
    if tips:
        # A remote that was renamed or removed leaves its refs; nobody could pull from it.
        remotes = set(core.repository.git("remote").splitlines())
        tips = {remote: commit for remote, commit in tips.items() if remote in remotes}
    if all(commit == ours for commit in tips.values()):
        return ()
    known = _remembered(core)
    found = []
    for remote, commit in tips.items():
        if commit == ours or commit in known:
            continue
        with contextlib.suppress(JournalError, GitError):
            try:
                theirs = core.snapshot_of(commit, layout.remote_journal_ref(remote))
            except BadRecord as error:
                # A partial clone may have left out everything but commits. Then pull fetches the rest.
                if isinstance(error.__cause__, ObjectMissing) and core.repository.is_partial():
                    found.append(Unmerged(remote, 0))
                continue
            if ours is not None and merge_bases(core.repository, commit, ours) == [commit]:
                _remember(core, commit)
                continue
            found.append(Unmerged(remote, _count_unmerged(core, theirs)))
    return tuple(found)


def _count_unmerged(core: Core, theirs: Snapshot) -> int:
    """How many trials another journal has that this one lacks; 0 where that takes too long to find out."""
    try:
        return len(set(_new_keys(core, core.snapshot(), theirs, _COUNTED_CHANGES)))
    except BadRecord:
        return 0


def _remote_tips(core: Core) -> dict[str, str]:
    """The fetched journals' commits by remote."""
    start, end = layout.REMOTES_PREFIX, "/journal"
    if not core.repository.may_have_refs(start):
        return {}
    patterns = [f"{start}*{end}", f"{start}*/*{end}"]
    refs = _list_refs(core, *patterns)
    return {name.removeprefix(start).removesuffix(end): commit for name, commit in refs.items()}


def _list_refs(core: Core, *patterns: str) -> dict[str, str]:
    """What refs point to, by their names."""
    lines = core.repository.git("for-each-ref", "--format=%(objectname) %(refname)", *patterns).splitlines()
    return {name: oid for oid, _, name in (line.partition(" ") for line in lines)}


def _memory(core: Core) -> Path:
    return core.repository.common_dir / "mitosis" / "merged"


def _remembered(core: Core) -> set[str]:
    """Commits of other journals that are known to be in the history of this one.

    It spares asking git again at every listing; without the file, git is asked.
    """
    try:
        return set(_memory(core).read_text("ascii").split())
    except (OSError, UnicodeDecodeError):
        return set()


def _remember(core: Core, commit: str) -> None:
    known = _remembered(core)
    if commit in known:
        return
    kept = [commit, *sorted(known)][:_REMEMBERED_TIPS]
    with core.store.sharing(), contextlib.suppress(OSError):  # it is only to save time
        _memory(core).parent.mkdir(exist_ok=True)
        _memory(core).write_text("".join(f"{line}\n" for line in kept), "ascii")


# --- parts of a journal --------------------------------------------------------------------------


def select(core: Core, keys: Sequence[str], onto: str | None, identity: Identity) -> str:
    """Make a commit that adds some trials to another journal; see `Journal.select`."""
    ours = core.snapshot()
    base = None if onto is None else core.snapshot_of(onto, "the other journal")
    if ours is None:
        raise TrialNotFound(keys[0], f"no trial is recorded with the key `{keys[0]}`")
    with core.store.locked(layout.JOURNAL_REF):
        index = core.index(ours)
        folders = {key: index.folder_of(key) for key in keys}
    changes: dict[str, bytes | None] = {}
    records = []
    for key, folder in folders.items():
        file = None if folder is None else core.find_record(ours, folder, key)
        if file is None:
            raise TrialNotFound(key, f"no trial is recorded with the key `{key}`")
        record = core.decode(file)
        records.append(record)
        changes[file.path] = encode_trial(record)
        for needed in _needed_files(core, ours, record):
            found = core.store.find(ours.tree, needed)
            if found is not None and not found.is_tree:
                changes[needed] = core.repository.read_blob(found.oid)
    tree = core.edited_tree(base, changes)
    return core.store.write_commit(tree, [] if onto is None else [onto], shared_message(records), identity)


def _needed_files(core: Core, snapshot: Snapshot, record: TrialRecord) -> Iterator[str]:
    """The paths of what a record refers to."""
    yield layout.environment_path(record.environment)
    for use in map(used_lock, record.parameters):
        if use is None:
            continue
        yield layout.variant_path(*use)
        # Without these a lock does not tell there what its functions were.
        folder = layout.remark_folder(layout.SOURCES, use.name)
        found = core.store.find(snapshot.tree, folder)
        if found is not None and found.is_tree:
            yield from (f"{folder}/{name}" for name in core.store.read_tree(found.oid, folder))


def adopt_pins(core: Core, remote: str) -> int:
    """Pin the commits that the remote's pins, as they were last fetched, keep; returns how many are new here."""
    start = layout.remote_pins_prefix(remote)
    refs = _list_refs(core, layout.PIN_PREFIX, start)
    present = {commit for name, commit in refs.items() if name.startswith(layout.PIN_PREFIX)}
    missing = [commit for name, commit in refs.items() if name == start + commit and commit not in present]
    if missing:
        # Refs are named by what they point to, so nothing can be overwritten that says anything else. `create` would
        # fail if somebody else adopted them at the same moment.
        text = "".join(f"update {layout.pin_ref(commit)} {commit}\n" for commit in missing)
        core.repository.git("update-ref", "--stdin", stdin=text.encode())
    return len(missing)


def read_pins(core: Core) -> dict[str, str]:
    """The pin of each experiment commit that has one."""
    return {commit: name for name, commit in _list_refs(core, layout.PIN_PREFIX).items()}
