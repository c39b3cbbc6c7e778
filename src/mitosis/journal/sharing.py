"""What two journals have to do with each other: merging one into the other, and what one has that the other lacks."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from mitosis.errors.journal import BadRecord, JournalError
from mitosis.errors.repository import GitError, NoIdentity
from mitosis.git.repository import Identity
from mitosis.journal import layout
from mitosis.journal.index import Index
from mitosis.journal.index_schema import refuse_misplaced
from mitosis.journal.merge import unite
from mitosis.journal.messages import merged_message, shared_message
from mitosis.journal.notes import OtherNotes, TrialChange, merge_notes
from mitosis.journal.reading import find_trial, read_record_at, trials_on
from mitosis.journal.reasons import merge_bases
from mitosis.journal.storage.store import Snapshot, Store
from mitosis.journal.unmerged import list_refs, remember
from mitosis.records.codec import MAX_RECORD_BYTES, decode_trial, encode_trial
from mitosis.records.trial import TrialRecord

_REMEMBERED_TIPS = 100
_ATTEMPTS = 5
"""So often a merge is computed anew since the journal has grown meanwhile. Then it has to wait."""
_COUNTED_CHANGES = 100_000
"""A command that only tells of unmerged records looks at no more."""


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
    taken: tuple[str, ...] = ()
    """What others have taken away or changed of what this journal had, a clause each, with who did it."""
    disputes: tuple[str, ...] = ()
    """Keys of the trials that have several records since."""
    unexplained: tuple[str, ...] = ()
    """What the other journal has taken away or changed without a reason, in words, and has stayed."""
    notes_problem: str | None = None
    """Why the notes could not be brought up to date; nothing is lost by that."""

    @property
    def is_changed(self) -> bool:
        return self.before != self.tip


def merge(
    store: Store,
    index: Index,
    commit: str,
    identity: Identity | None,
    source: str,
    notes: str | None,
    *,
    keep: bool = False,
) -> Merged:
    """Unite another journal with this one: by a fast-forward if that will do, else by a merge commit.

    Then the notes of the commits whose trials changed are rebuilt.

    Args:
        store: of this journal.
        index: of this journal.
        commit: the other journal's tip; its objects have been fetched.
        identity: author and committer of the merge commit; None to ask git, if one has to be made.
        source: what to call the other journal, such as the name of a remote.
        notes: tip of the other repository's notes. It becomes part of the history of these, so that pushing them there
            is a fast-forward.
        keep: whether what the other journal has taken away without saying so stays, instead of being an error.

    Raises:
        JournalRewritten: the other journal has taken away what this one has, and does not say why.
        JournalBusy: somebody else is writing for too long.
        FormatTooNew: a newer mitosis has written one of the journals.
        JournalError: one of them is damaged, or this one cannot be written. After any error it is what it was.
        GitError: git cannot read the histories.
        NoIdentity: git was asked who it is, and does not know.
    """
    theirs = store.snapshot_of(commit, f"the journal of {source}")
    attempts = 0
    while True:
        # However long it takes, trials can be recorded meanwhile.
        attempts += 1
        before = store.snapshot()
        with store.repository.sharing():
            union = None if attempts > _ATTEMPTS else unite(store, index, before, theirs, source, keep=keep)
        with store.locked(layout.JOURNAL_REF) as ref:
            present = store.snapshot()
            if union is None:
                union = unite(store, index, present, theirs, source, keep=keep)
            elif present != before:
                continue
            before = present
            tip = union.tip
            if tip is None:
                assert before is not None
                message = merged_message(source, sum(old is None for _, old, _ in union.trials))
                identity = identity or store.repository.identity()
                tip = store.write_commit(union.tree, [before.commit, theirs.commit], message, identity)
            if before is None or tip != before.commit:
                ref.set_target(tip, f"merge {source}", identity)
        break
    remember(store, tip, commit)
    store.create_symbolic_ref(layout.SYMBOLIC_REF, layout.JOURNAL_REF)
    index.refresh()
    changes = [_trial_change(store, *change) for change in union.trials]
    notes_problem = None
    try:
        others = None
        if notes is not None:
            commits = [name for (name,) in index.ask('SELECT DISTINCT "commit" FROM listing')]
            others = OtherNotes(notes, commits, lambda commit: _count_ended(index, commit))
        merge_notes(store, changes, others, identity, lambda *which: trials_on(store, index, *which))
    except (JournalError, GitError, NoIdentity) as error:
        notes_problem = str(error)
    readable = [change for change in changes if change.after is not None]
    received = sum(change.before is None for change in readable)
    return Merged(
        before=None if before is None else before.commit,
        tip=tip,
        received=received,
        updated=len(readable) - received,
        forgotten=sum(new is None for _, _, new in union.trials),
        taken=union.taken,
        disputes=union.disputes,
        unexplained=union.unexplained,
        notes_problem=notes_problem,
    )


def contains(store: Store, commit: str, notes: str | None) -> bool:
    """Whether a merge with another journal and its notes would change nothing.

    Args:
        store: of this journal.
        commit: the other journal's tip.
        notes: tip of the other repository's notes; None if it has none.

    Raises:
        JournalError: a ref cannot be read.
        GitError: git cannot read the histories.
    """
    ours, our_notes = store.read_ref(layout.JOURNAL_REF), store.read_ref(layout.NOTES_REF)
    if ours is None or not _holds(store, ours, commit):
        return False
    if notes is not None and (our_notes is None or not _holds(store, our_notes, notes)):
        return False
    remember(store, ours, commit)
    return True


def _holds(store: Store, tip: str, commit: str) -> bool:
    return tip == commit or commit in merge_bases(store.repository, tip, commit)


def _count_ended(index: Index, commit: str) -> int:
    """How many trials that ran on a commit have ended."""
    question = 'SELECT count(*) FROM listing WHERE "commit" = ? AND ended IS NOT NULL'
    [(count,)] = index.ask(question, (commit,))
    return int(count)


def _trial_change(store: Store, path: str, old: str | None, new: str | None) -> TrialChange:
    return TrialChange(*(_read_listed(store, path, oid) for oid in (old, new)))


def _read_listed(store: Store, path: str, oid: str | None) -> TrialRecord | None:
    """A record that can be listed: one that can be read, and is in its place."""
    record = read_record_at(store, path, oid)
    with contextlib.suppress(BadRecord):
        if record is not None:
            refuse_misplaced(record, path)
        return record
    return None


# --- parts of a journal --------------------------------------------------------------------------


def select(store: Store, index: Index, keys: Sequence[str], onto: str | None, identity: Identity) -> str:
    """Make a commit that adds some trials, with their annotations and the locks and environments that they use, to
    another journal.

    No ref moves.

    Args:
        store: of this journal.
        index: of this journal.
        keys: the trials, in full.
        onto: the other journal's tip; None if it has to begin with this commit.
        identity: author and committer of the commit.

    Returns:
        The commit.

    Raises:
        TrialNotFound: there is no such trial.
        JournalError: a journal is damaged, or an object cannot be written.
    """
    files = [find_trial(index, key) for key in keys]
    ours = store.snapshot()
    base = None if onto is None else store.snapshot_of(onto, "the other journal")
    assert ours is not None
    changes: dict[str, bytes | None] = {}
    records = []
    for file in files:
        record = decode_trial(store.read_blob(file.oid, file.path, MAX_RECORD_BYTES), file.path)
        records.append(record)
        changes[file.path] = encode_trial(record)
        for needed in _needed_files(store, ours, record):
            found = store.find(ours.tree, needed)
            if found is not None and not found.is_tree:
                changes[needed] = store.repository.read_blob(found.oid)
    tree = store.edited_tree(base, changes)
    return store.write_commit(tree, [] if onto is None else [onto], shared_message(records), identity)


def _needed_files(store: Store, snapshot: Snapshot, record: TrialRecord) -> Iterator[str]:
    """The paths of what a record refers to, and of what is said of it."""
    yield from store.files_in(snapshot.tree, layout.annotation_folder(record.key))
    yield layout.environment_path(record.environment)
    for use in (parameter.lock for parameter in record.parameters):
        if use is None:
            continue
        yield layout.variant_path(*use)
        # Without these a lock does not tell there what its functions were.
        yield from store.files_in(snapshot.tree, layout.remark_folder(layout.SOURCES, use.name))


def adopt_pins(store: Store, remote: str) -> int:
    """Pin the commits that the remote's pins, as they were last fetched, keep; returns how many are new here."""
    start = layout.remote_pins_prefix(remote)
    refs = list_refs(store, layout.PIN_PREFIX, start)
    present = {commit for name, commit in refs.items() if name.startswith(layout.PIN_PREFIX)}
    missing = [commit for name, commit in refs.items() if name == start + commit and commit not in present]
    if missing:
        # Refs are named by what they point to, so nothing can be overwritten that says anything else. `create` would
        # fail if somebody else adopted them at the same moment.
        text = "".join(f"update {layout.pin_ref(commit)} {commit}\n" for commit in missing)
        store.repository.git("update-ref", "--stdin", stdin=text.encode())
    return len(missing)


def misleading_pins(store: Store, remote: str) -> dict[str, str]:
    """What the pins of a remote, as they were last fetched, point to that do not hold what they are called by."""
    start = layout.remote_pins_prefix(remote)
    pins = {name.removeprefix(start): oid for name, oid in list_refs(store, start).items()}
    return {commit: oid for commit, oid in pins.items() if layout.COMMIT_PATTERN.fullmatch(commit) and commit != oid}


def read_pins(store: Store) -> dict[str, str]:
    """The pin of each experiment commit that has one."""
    return {commit: name for name, commit in list_refs(store, layout.PIN_PREFIX).items()}
