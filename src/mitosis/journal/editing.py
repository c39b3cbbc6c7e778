"""Changes to the journal that are not a trial's: forgetting one, and choosing between two meanings of a name."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mitosis.errors.journal import JournalError, NotesNotUpdated, ResolveError, TrialStillRuns
from mitosis.git.repository import Identity
from mitosis.journal import layout
from mitosis.journal.core import Core
from mitosis.journal.locks import is_whole, read_meanings, too_long
from mitosis.journal.messages import forgotten_message, resolved_message
from mitosis.journal.notes import TrialChange, merge_notes
from mitosis.journal.remarks import read_remarks
from mitosis.process import is_alive
from mitosis.records.trial import TrialRecord
from mitosis.variants import Variant, VariantName, is_too_long


@dataclass(frozen=True, slots=True)
class Resolution:
    """How a conflict between the meanings of a variant was resolved."""

    name: VariantName
    kept: Variant
    others: tuple[tuple[Variant, VariantName | None], ...]
    """Each other meaning, with the name that it is locked under now; None if it was dropped."""


def forget(core: Core, record: TrialRecord, identity: Identity) -> None:
    """Take a trial out of the journal's tree; see `Journal.forget`."""
    if record.status == "running" and is_alive(record.process):
        raise TrialStillRuns(record.key, record.process.host, record.process.pid)
    folder = layout.trial_folder(record.experiment, record.started)
    with core.store.locked(layout.JOURNAL_REF) as ref:
        before = core.snapshot()
        file = core.find_record(before, folder, record.key)
        if file is None:
            raise JournalError(f"trial {record.key} is not at its place in the journal, {folder}, so it stays")
        core.append(ref, before, {file.path: None}, forgotten_message(record), identity)
    try:
        merge_notes(core.store, [TrialChange(record, None)], None, identity, core.read_trials_on)
    except JournalError as error:
        raise NotesNotUpdated(layout.NOTES_REF, str(error)) from error


def resolve(
    core: Core,
    name: VariantName,
    keep: str,
    rename_others: Sequence[str],
    identity: Identity,
) -> Resolution:
    """Let one of the meanings of a variant be the one; see `Journal.resolve`."""
    folder = layout.variant_folder(name)
    with core.store.locked(layout.JOURNAL_REF) as ref:
        before = core.snapshot()
        entry = None if before is None else core.store.find(before.tree, folder)
        if before is None or entry is None or not entry.is_tree:
            raise ResolveError(
                f"{name} is not locked, so there is nothing to resolve\n`mitosis variants` lists what is."
            )
        meanings = list(read_meanings(core.store, entry.oid, folder, name))
        if len(meanings) < 2:
            raise ResolveError(f"{name} has one meaning, so there is nothing to resolve")
        kept = _chosen(meanings, keep.strip().lower(), name)
        others = [meaning for meaning in meanings if meaning.digest != kept.digest]
        if rename_others and len(rename_others) != len(others):
            raise ResolveError(
                f"{name} has {len(others)} other meaning{'' if len(others) == 1 else 's'}, but "
                f"{len(rename_others)} names are given for them\n"
                "Pass --rename-other once for each of them, in the order of their digests, or not at all."
            )
        if len(set(rename_others)) < len(rename_others):
            raise ResolveError(f"one name is given for two meanings: {', '.join(rename_others)}")
        changes: dict[str, bytes | None] = {}
        resolved: list[tuple[Variant, VariantName | None]] = []
        for index, other in enumerate(others):
            changes[layout.variant_path(*other.lock)] = None
            new_name = name.renamed(rename_others[index]) if rename_others else None
            if new_name is not None:
                _check_whole(other, f"{new_name.variant!r} cannot be its name; leave out --rename-other to drop it")
                _check_new_name(core, before.tree, other, new_name)
                changes[layout.variant_path(new_name, other.digest)] = other.value
            resolved.append((other, new_name))
        resolution = Resolution(name, kept, tuple(resolved))
        message = resolved_message(name, kept.digest, [(other.digest, new) for other, new in resolved])
        core.append(ref, before, changes, message, identity)
    return resolution


def _chosen(meanings: Sequence[Variant], keep: str, name: VariantName) -> Variant:
    keep = keep.rstrip("….")
    found = [meaning for meaning in meanings if keep and meaning.digest.startswith(keep)]
    if len(found) != 1:
        number = "no meaning" if not found else f"{len(found)} meanings"
        digests = "\n".join(f"    {meaning.digest}" for meaning in meanings)
        raise ResolveError(f"{number} of {name} has a digest that begins with `{keep}`; they are\n{digests}")
    _check_whole(found[0], f"{name} cannot keep it; keep another")
    return found[0]


def _check_whole(meaning: Variant, remedy: str) -> None:
    """Refuse a value that nobody can use."""
    if not is_whole(meaning):
        raise ResolveError(f"the meaning {meaning.digest} cannot be read, so {remedy}")


def _check_new_name(core: Core, tree: str, other: Variant, new_name: VariantName) -> None:
    """Refuse a name that means something else."""
    if not new_name.variant:
        raise ResolveError("--rename-other needs a name; leave it out to drop the other meaning")
    if is_too_long(new_name.variant):
        raise ResolveError(too_long(new_name.variant))
    folder = layout.variant_folder(new_name)
    entry = core.store.find(tree, folder)
    if new_name == other.name:
        raise ResolveError(f"`{new_name.variant}` is the name that is in conflict; give the other meaning another one")
    if read_remarks(core.store, tree, new_name).is_retired:
        raise ResolveError(f"{new_name} is retired\nChoose another name.")
    if entry is None or not entry.is_tree:
        return
    meanings = list(read_meanings(core.store, entry.oid, folder, new_name))
    if any(meaning.digest != other.digest for meaning in meanings):
        raise ResolveError(
            f"{new_name.of_parameter} already has a variant `{new_name.variant}`, with another value\n"
            "Choose a new name."
        )
