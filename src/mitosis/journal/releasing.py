"""Releasing a lock that was taken by mistake, as long as no trial has used it."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from mitosis.errors.base import shell_words
from mitosis.errors.journal import NamingError
from mitosis.git.repository import Identity
from mitosis.journal import layout
from mitosis.journal.changes import require_locked
from mitosis.journal.index import Index
from mitosis.journal.merge import iter_uses
from mitosis.journal.messages import released_message
from mitosis.journal.reasons import merge_bases
from mitosis.journal.standing import remark_file
from mitosis.journal.storage.store import Snapshot, Store
from mitosis.journal.unmerged import remote_tips
from mitosis.variants import Variant, VariantLock, VariantName

MAX_REASON_LENGTH = 500
"""It is kept in the message of a commit alone."""

_MOST_NAMED = 5


def release(store: Store, index: Index, name: VariantName, reason: str, identity: Identity) -> tuple[Variant, ...]:
    """Let the name of a variant mean nothing any more, so that its next use locks it anew.

    Args:
        store: of the journal.
        index: of the journal.
        name: the variant.
        reason: why, in a sentence.
        identity: author and committer of the journal's commit.

    Returns:
        What it meant; several meanings if it was in conflict.

    Raises:
        NamingError: it is not locked, or a trial has used it, be it here or in what was fetched from a remote.
        JournalError: a journal is damaged, or this one cannot be written.
        GitError: git cannot read the histories.
    """
    reason = " ".join(reason.split())
    if not reason:
        raise NamingError("the release of a lock needs a reason, which is all that will be left of it")
    if len(reason) > MAX_REASON_LENGTH:
        raise NamingError(f"the reason has {len(reason)} characters, more than the {MAX_REASON_LENGTH} that are kept")
    with store.locked(layout.JOURNAL_REF) as ref:
        before = store.snapshot()
        meanings = require_locked(store, before, name, "released")
        assert before is not None
        locks = [meaning.lock for meaning in meanings]
        _refuse_used(name, [*_users_here(index, locks), *_users_elsewhere(store, before, locks)])
        changes: dict[str, bytes | None] = dict.fromkeys(_files_about(store, before.tree, name))
        for lock in locks:
            # A merge can tell by these that nobody has removed the folder by hand.
            path, data = remark_file(layout.RELEASED, name, lock.digest)
            changes[path] = data
        is_retired = any(path.startswith(f"{layout.RETIRED}/") for path in changes)
        found = ((path, layout.parse_variant_path(path)) for path in changes)
        removed = [path for path, variant in found if variant is not None and variant[0] != name]
        message = released_message(locks, reason, is_retired=is_retired, removed=removed)
        store.append(ref, before, changes, message, identity)
    index.refresh()
    return tuple(meanings)


_USERS = "SELECT key FROM uses JOIN listing ON listing.id = uses.trial WHERE lock = ? ORDER BY uses.started"


def _users_here(index: Index, locks: Collection[VariantLock]) -> Iterator[str]:
    for lock in locks:
        rows = index.ask(_USERS, (layout.variant_path(*lock),))
        yield from (key[: layout.SHORT_KEY_DIGITS] for (key,) in rows)


def _users_elsewhere(store: Store, before: Snapshot, locks: Collection[VariantLock]) -> Iterator[str]:
    """Trials in journals as they were last fetched that neither this one has, nor somebody has forgotten here."""
    for remote, commit in remote_tips(store).items():
        bases = merge_bases(store.repository, before.commit, commit)
        if commit in bases:
            continue
        base = store.read_commit_tree(bases[0], "the journal") if bases else None
        theirs = store.snapshot_of(commit, layout.remote_journal_ref(remote))
        for key, _ in iter_uses(store, base, theirs.tree, locks):
            yield f"{key[: layout.SHORT_KEY_DIGITS]} (from {remote})"


def _refuse_used(name: VariantName, users: Collection[str]) -> None:
    if not users:
        return
    used = list(dict.fromkeys(users))
    shown = ", ".join(used[:_MOST_NAMED]) + (f" and {len(used) - _MOST_NAMED} more" if len(used) > _MOST_NAMED else "")
    raise NamingError(
        f"{name} has been used by {'a trial' if len(used) == 1 else f'{len(used)} trials'}, so it cannot be released: "
        f"{shown}\nTo stop anybody from using it again: mitosis variants retire {shell_words(str(name))}"
    )


def _files_about(store: Store, tree: str, name: VariantName) -> Iterator[str]:
    """The files of a variant's meanings and of the remarks on it, and those that say another one is now called so."""
    folders = [layout.variant_folder(name)]
    folders += [layout.remark_folder(kind, name) for kind in layout.REMARKS if kind != layout.RELEASED]
    for folder in folders:
        yield from store.files_in(tree, folder)
    above = layout.remark_folder(layout.RENAMED, name).rpartition("/")[0]
    oid = store.folder_oid(tree, above)
    if oid is not None:
        file = remark_file(layout.RENAMED, name, name.variant)[0].rpartition("/")[2]
        for old, below in store.read_tree(oid, above).items():
            if below.is_tree and store.find(below.oid, file) is not None:
                yield f"{above}/{old}/{file}"
