"""Changes to the journal that are about the names of variants: locking without a trial, renaming and retiring."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mitosis.errors.journal import NamingError
from mitosis.git.repository import Identity
from mitosis.journal import layout, meanings
from mitosis.journal.core import Core, Snapshot
from mitosis.journal.locks import ChangedFunctions, check_locks, is_whole, read_meanings, too_long
from mitosis.journal.messages import locked_message, renamed_message, retired_message
from mitosis.journal.remarks import MAX_REASON_LENGTH, read_remarks, remark_file
from mitosis.variants import Variant, VariantName, is_too_long


@dataclass(frozen=True, slots=True)
class Locked:
    """What `Journal.lock` found and did."""

    newly_locked: tuple[Variant, ...]
    changed: tuple[ChangedFunctions, ...]
    """Functions with other bodies than when their variants were locked, which stops nothing."""
    retired: tuple[Variant, ...] = ()
    """Variants that were left as they are."""


def lock(core: Core, variants: Sequence[Variant], commit: str, identity: Identity, *, accept_functions: bool) -> Locked:
    """Lock variants without a trial; see `Journal.lock`."""
    with core.store.locked(layout.JOURNAL_REF) as ref:
        before = core.snapshot()
        tree = None if before is None else before.tree
        retired = [variant for variant, _ in check_locks(core.store, tree, variants).retired]
        # They keep the values that they have. Nobody may use them, so what the dictionary makes of them is its affair.
        locks = check_locks(core.store, tree, [variant for variant in variants if variant not in retired])
        sources = list(locks.unknown_sources)
        accepted: set[VariantName] = set()
        if accept_functions:
            accepted = {changed.variant for changed in locks.changed}
            sources += [variant for variant in variants if variant.name in accepted]
        if not locks.are_violated and (locks.missing or sources):
            changes = lock_files(locks.missing, sources)
            core.store.create_ref(layout.pin_ref(commit), commit)
            new = [missing.lock for missing in locks.missing]
            core.append(ref, before, changes, locked_message(new, commit, sorted(accepted)), identity)
    meanings.refuse_violated(core, locks)
    core.store.create_symbolic_ref(layout.SYMBOLIC_REF, layout.JOURNAL_REF)
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
    for variant in sources:
        functions = dict(sorted(variant.functions.items()))
        path, data = remark_file(layout.SOURCES, variant.name, functions)
        changes[path] = data
    return changes


def rename(core: Core, old: VariantName, new_name: str, identity: Identity) -> Variant:
    """Give the locked value of a variant another name; see `Journal.rename`."""
    new = old.renamed(new_name)
    with core.store.locked(layout.JOURNAL_REF) as ref:
        before = core.snapshot()
        locked = _only_meaning(core, before, old, "renamed")
        assert before is not None
        if not new_name:
            raise NamingError("a variant needs a name")
        if is_too_long(new_name):
            raise NamingError(too_long(new_name))
        if new == old:
            raise NamingError(f"`{new_name}` is already the variant's name")
        others = _meanings(core, before, new)
        if any(other.digest != locked.digest for other in others):
            raise NamingError(
                f"{old.of_parameter} already has a variant `{new_name}`, with another value\nChoose a new name."
            )
        if read_remarks(core.store, before.tree, new).is_retired:
            raise NamingError(f"{new} is retired\nChoose another name.")
        remarks = read_remarks(core.store, before.tree, old)
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
        for newer in read_remarks(core.store, before.tree, new).new_names:
            changes[remark_file(layout.RENAMED, new, newer)[0]] = None
        core.append(ref, before, changes, renamed_message(old, new, locked.digest), identity)
    return locked


def retire(core: Core, variant: VariantName, reason: str, identity: Identity) -> None:
    """Let nobody use a variant any more; see `Journal.retire`."""
    if len(reason) > MAX_REASON_LENGTH:
        raise NamingError(f"the reason has {len(reason)} characters, more than the {MAX_REASON_LENGTH} that are kept")
    with core.store.locked(layout.JOURNAL_REF) as ref:
        before = core.snapshot()
        if not _meanings(core, before, variant):
            raise NamingError(
                f"{variant} is not locked, so it cannot be retired\nRemove it from the dictionary instead."
            )
        assert before is not None
        if read_remarks(core.store, before.tree, variant).is_retired:
            raise NamingError(f"{variant} is already retired")
        path, data = remark_file(layout.RETIRED, variant, reason)
        core.append(ref, before, {path: data}, retired_message(variant, reason, is_undone=False), identity)


def unretire(core: Core, variant: VariantName, identity: Identity) -> None:
    """Let a retired variant be used again; see `Journal.unretire`."""
    with core.store.locked(layout.JOURNAL_REF) as ref:
        before = core.snapshot()
        folder = layout.remark_folder(layout.RETIRED, variant)
        entry = None if before is None else core.store.find(before.tree, folder)
        if before is None or entry is None or not entry.is_tree:
            raise NamingError(f"{variant} is not retired")
        changes: dict[str, bytes | None] = {
            f"{folder}/{file}": None
            for file, below in core.store.read_tree(entry.oid, folder).items()
            if not below.is_tree
        }
        core.append(ref, before, changes, retired_message(variant, "", is_undone=True), identity)


def _meanings(core: Core, before: Snapshot | None, variant: VariantName) -> list[Variant]:
    folder = layout.variant_folder(variant)
    entry = None if before is None else core.store.find(before.tree, folder)
    if entry is None or not entry.is_tree:
        return []
    return list(read_meanings(core.store, entry.oid, folder, variant))


def _only_meaning(core: Core, before: Snapshot | None, variant: VariantName, done: str) -> Variant:
    """The meaning of a variant that is locked, and that without a conflict."""
    found = _meanings(core, before, variant)
    if not found:
        raise NamingError(
            f"{variant} is not locked, so it cannot be {done}: no trial depends on it yet\n"
            "Change its name in the dictionary; `mitosis variants` lists what is locked."
        )
    if len(found) > 1:
        raise NamingError(
            f"{variant} has {len(found)} recorded meanings, so it cannot be {done}\n"
            "Choose one of them first, see `mitosis variants`."
        )
    if not is_whole(found[0]):
        raise NamingError(f"the meaning of {variant} cannot be read, so it cannot be {done}; see `mitosis verify`")
    return found[0]
