"""Changes to what the names of variants mean: locking without a trial, renaming, retiring, and resolving conflicts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mitosis.errors.journal import NamingError
from mitosis.git.repository import Identity
from mitosis.journal import layout
from mitosis.journal.history import refuse_violated
from mitosis.journal.index import Index
from mitosis.journal.locks import ChangedFunctions, check_locks, is_whole, read_meanings, too_long
from mitosis.journal.messages import locked_message, renamed_message, resolved_message, retired_message
from mitosis.journal.standing import MAX_REASON_LENGTH, read_remarks, remark_file
from mitosis.journal.storage.store import Snapshot, Store
from mitosis.variants import Variant, VariantName, is_too_long


@dataclass(frozen=True, slots=True)
class Locked:
    """What `lock` found and did."""

    newly_locked: tuple[Variant, ...]
    changed: tuple[ChangedFunctions, ...]
    """Functions with other bodies than when their variants were locked, which stops nothing."""
    retired: tuple[Variant, ...] = ()
    """Variants that were left as they are."""


def lock(
    store: Store, index: Index, variants: Sequence[Variant], commit: str, identity: Identity, *, accept_functions: bool
) -> Locked:
    """Lock variants without a trial, all or none of them. Those that are locked to the same value stay as they are.

    So do those that are retired, whatever they would mean.

    Args:
        store: of the journal.
        index: of the journal.
        variants: what each is to mean.
        commit: the experiment's commit whose dictionaries say so; it is pinned.
        identity: author and committer of the journal's commit.
        accept_functions: whether functions whose bodies have changed are meant as they are now, so that nobody is told
            of it any more.

    Raises:
        VariantRedefined, VariantConflict: as for `trials.start`.
        JournalError: the journal is damaged, or cannot be written.
    """
    with store.locked(layout.JOURNAL_REF) as ref:
        before = store.snapshot()
        tree = None if before is None else before.tree
        retired = [variant for variant, _ in check_locks(store, tree, variants).retired]
        # They keep the values that they have. Nobody may use them, so what the dictionary makes of them is its affair.
        locks = check_locks(store, tree, [variant for variant in variants if variant not in retired])
        sources = list(locks.unknown_sources)
        accepted: set[VariantName] = set()
        if accept_functions:
            accepted = {changed.variant for changed in locks.changed}
            sources += [variant for variant in variants if variant.name in accepted]
        if not locks.are_violated and (locks.missing or sources):
            changes = lock_files(locks.missing, sources)
            store.create_ref(layout.pin_ref(commit), commit)
            new = [missing.lock for missing in locks.missing]
            store.append(ref, before, changes, locked_message(new, commit, sorted(accepted)), identity)
    refuse_violated(store, index, locks)
    store.create_symbolic_ref(layout.SYMBOLIC_REF, layout.JOURNAL_REF)
    return Locked(locks.missing, locks.changed, tuple(retired))


def lock_files(missing: Sequence[Variant], sources: Sequence[Variant]) -> dict[str, bytes | None]:
    """The files of the journal that lock variants.

    Args:
        missing: those that are not locked yet.
        sources: those of whose functions the sources are to be recorded.
    """
    from mitosis.canonical.encode import digest_value

    changes: dict[str, bytes | None] = {}
    for new in missing:
        if digest_value(new.value) != new.digest:
            raise ValueError(f"{new.digest} is not the digest of the value of {new.name}")
        changes[layout.variant_path(*new.lock)] = new.value
        changes[remark_file(layout.RELEASED, *new.lock)[0]] = None
    for variant in sources:
        functions = dict(sorted(variant.functions.items()))
        path, data = remark_file(layout.SOURCES, variant.name, functions)
        changes[path] = data
    return changes


def rename(store: Store, old: VariantName, new_name: str, identity: Identity) -> Variant:
    """Record another name for the value of a locked variant. The old name keeps its meaning.

    Args:
        store: of the journal.
        old: the variant.
        new_name: its new name.
        identity: author and committer of the journal's commit.

    Returns:
        The old variant, as it is locked.

    Raises:
        NamingError: it is not locked or in conflict, or the new name means something else.
        JournalError: the journal is damaged, or cannot be written.
    """
    new = old.renamed(new_name)
    with store.locked(layout.JOURNAL_REF) as ref:
        before = store.snapshot()
        locked = _only_meaning(store, before, old, "renamed")
        assert before is not None
        if not new_name:
            raise NamingError("a variant needs a name")
        if is_too_long(new_name):
            raise NamingError(too_long(new_name))
        if new == old:
            raise NamingError(f"`{new_name}` is already the variant's name")
        others = read_locked(store, before, new)
        if any(other.digest != locked.digest for other in others):
            raise NamingError(
                f"{old.of_parameter} already has a variant `{new_name}`, with another value\nChoose a new name."
            )
        if read_remarks(store, before.tree, new).is_retired:
            raise NamingError(f"{new} is retired\nChoose another name.")
        remarks = read_remarks(store, before.tree, old)
        if remarks.is_retired:
            raise NamingError(f"{old} is retired, but would not be under a new name\nLet it be used again first.")
        if others and new_name in remarks.new_names:
            raise NamingError(f"{old} has already been renamed to `{new_name}`")
        if remarks.new_names and new_name not in remarks.new_names:
            newer = " and ".join(f"`{newer}`" for newer in sorted(remarks.new_names))
            raise NamingError(f"{old} has already been renamed to {newer}\nRename that one instead.")
        path, data = remark_file(layout.RENAMED, old, new_name)
        changes: dict[str, bytes | None] = {path: data}
        changes[layout.variant_path(new, locked.digest)] = locked.value
        for functions in remarks.sources:
            path, data = remark_file(layout.SOURCES, new, functions)
            changes[path] = data
        # A variant that gets a name which it had before is not called anything else any more under that name.
        for newer in read_remarks(store, before.tree, new).new_names:
            changes[remark_file(layout.RENAMED, new, newer)[0]] = None
        store.append(ref, before, changes, renamed_message(old, new, locked.digest), identity)
    return locked


def retire(store: Store, variant: VariantName, reason: str, identity: Identity) -> None:
    """Let no trial use a locked variant any more. What it means stays recorded.

    Args:
        store: of the journal.
        variant: which.
        reason: why, in a sentence; may be empty.
        identity: author and committer of the journal's commit.

    Raises:
        NamingError: it is not locked, or retired already.
        JournalError: the journal is damaged, or cannot be written.
    """
    if len(reason) > MAX_REASON_LENGTH:
        raise NamingError(f"the reason has {len(reason)} characters, more than the {MAX_REASON_LENGTH} that are kept")
    with store.locked(layout.JOURNAL_REF) as ref:
        before = store.snapshot()
        require_locked(store, before, variant, "retired")
        assert before is not None
        if read_remarks(store, before.tree, variant).is_retired:
            raise NamingError(f"{variant} is already retired")
        path, data = remark_file(layout.RETIRED, variant, reason)
        store.append(ref, before, {path: data}, retired_message(variant, reason, is_undone=False), identity)


def unretire(store: Store, variant: VariantName, identity: Identity) -> None:
    """Let a retired variant be used again.

    Raises:
        NamingError: it is not retired.
        JournalError: the journal is damaged, or cannot be written.
    """
    with store.locked(layout.JOURNAL_REF) as ref:
        before = store.snapshot()
        files = store.files_in(None if before is None else before.tree, layout.remark_folder(layout.RETIRED, variant))
        if before is None or not files:
            raise NamingError(f"{variant} is not retired")
        changes: dict[str, bytes | None] = dict.fromkeys(files)
        store.append(ref, before, changes, retired_message(variant, "", is_undone=True), identity)


def read_locked(store: Store, before: Snapshot | None, variant: VariantName) -> list[Variant]:
    """What a variant is locked to in a state of the journal; nothing if it is not, several values if in conflict."""
    folder = layout.variant_folder(variant)
    oid = store.folder_oid(None if before is None else before.tree, folder)
    return [] if oid is None else list(read_meanings(store, oid, folder, variant))


def require_locked(store: Store, before: Snapshot | None, variant: VariantName, done: str) -> list[Variant]:
    """What a variant is locked to; NamingError if it is not, since then nobody depends on it."""
    found = read_locked(store, before, variant)
    if not found:
        raise NamingError(
            f"{variant} is not locked, so it cannot be {done}; change the dictionary instead\n"
            "`mitosis variants` lists what is locked."
        )
    return found


def _only_meaning(store: Store, before: Snapshot | None, variant: VariantName, done: str) -> Variant:
    """The meaning of a variant that is locked, and that without a conflict."""
    found = require_locked(store, before, variant, done)
    if len(found) > 1:
        raise NamingError(
            f"{variant} has {len(found)} recorded meanings, so it cannot be {done}\n"
            "Choose one of them first, see `mitosis variants`."
        )
    if not is_whole(found[0]):
        raise NamingError(f"the meaning of {variant} cannot be read, so it cannot be {done}; see `mitosis verify`")
    return found[0]


# --- conflicts ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Resolution:
    """How a conflict between the meanings of a variant was resolved."""

    name: VariantName
    kept: Variant
    others: tuple[tuple[Variant, VariantName | None], ...]
    """Each other meaning, with the name that it is locked under now; None if it was dropped."""


def resolve(
    store: Store,
    name: VariantName,
    keep: str,
    rename_others: Sequence[str],
    identity: Identity,
) -> Resolution:
    """Let one of several recorded meanings of a variant be the one that it is locked to.

    Trials that were recorded with another meaning keep telling its digest and what it was.

    Args:
        store: of the journal.
        name: the name that has several meanings.
        keep: digest of the meaning that it keeps, or any unique prefix of it.
        rename_others: a new name for each of the other meanings, in the order of their digests; without any they are
            dropped.
        identity: author and committer of the journal's commit.

    Raises:
        NamingError: there is no such conflict, or it cannot be resolved so.
        JournalError: the journal is damaged, or cannot be written.
    """
    with store.locked(layout.JOURNAL_REF) as ref:
        before = store.snapshot()
        meanings = require_locked(store, before, name, "resolved")
        assert before is not None
        keep = keep.strip().lower()
        if len(meanings) < 2 and (rename_others or not meanings[0].digest.startswith(keep)):
            raise NamingError(f"{name} has one meaning, so there is nothing to resolve")
        kept = _chosen(meanings, keep, name)
        if len(meanings) < 2:
            # Somebody has done that by now, or has removed a meaning that could not be read.
            return Resolution(name, kept, ())
        others = [meaning for meaning in meanings if meaning.digest != kept.digest]
        if rename_others and len(rename_others) != len(others):
            raise NamingError(
                f"{name} has {len(others)} other meaning{'' if len(others) == 1 else 's'}, but "
                f"{len(rename_others)} names are given for them\n"
                "Pass --rename-other once for each of them, in the order of their digests, or not at all."
            )
        if len(set(rename_others)) < len(rename_others):
            raise NamingError(f"one name is given for two meanings: {', '.join(rename_others)}")
        changes: dict[str, bytes | None] = {}
        resolved: list[tuple[Variant, VariantName | None]] = []
        for index, other in enumerate(others):
            changes[layout.variant_path(*other.lock)] = None
            new_name = name.renamed(rename_others[index]) if rename_others else None
            if new_name is not None:
                _check_whole(other, f"{new_name.variant!r} cannot be its name; leave out --rename-other to drop it")
                _check_new_name(store, before, other, new_name)
                changes[layout.variant_path(new_name, other.digest)] = other.value
            resolved.append((other, new_name))
        resolution = Resolution(name, kept, tuple(resolved))
        message = resolved_message(name, kept.digest, [(other.digest, new) for other, new in resolved])
        store.append(ref, before, changes, message, identity)
    return resolution


def _chosen(meanings: Sequence[Variant], keep: str, name: VariantName) -> Variant:
    keep = keep.rstrip("….")
    found = [meaning for meaning in meanings if keep and meaning.digest.startswith(keep)]
    if len(found) != 1:
        number = "no meaning" if not found else f"{len(found)} meanings"
        digests = "\n".join(f"    {meaning.digest}" for meaning in meanings)
        raise NamingError(f"{number} of {name} has a digest that begins with `{keep}`; they are\n{digests}")
    _check_whole(found[0], f"{name} cannot keep it; keep another")
    return found[0]


def _check_whole(meaning: Variant, remedy: str) -> None:
    """Refuse a value that nobody can use."""
    if not is_whole(meaning):
        raise NamingError(f"the meaning {meaning.digest} cannot be read, so {remedy}")


def _check_new_name(store: Store, before: Snapshot, other: Variant, new_name: VariantName) -> None:
    """Refuse a name that means something else."""
    if not new_name.variant:
        raise NamingError("--rename-other needs a name; leave it out to drop the other meaning")
    if is_too_long(new_name.variant):
        raise NamingError(too_long(new_name.variant))
    if new_name == other.name:
        raise NamingError(f"`{new_name.variant}` is the name that is in conflict; give the other meaning another one")
    if read_remarks(store, before.tree, new_name).is_retired:
        raise NamingError(f"{new_name} is retired\nChoose another name.")
    if any(meaning.digest != other.digest for meaning in read_locked(store, before, new_name)):
        raise NamingError(
            f"{new_name.of_parameter} already has a variant `{new_name.variant}`, with another value\n"
            "Choose a new name."
        )
