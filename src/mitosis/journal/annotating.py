"""Tagging trials, and writing notes on them: one commit for however many trials."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime

from mitosis.errors.journal import BadRecord, UnfitAnnotation
from mitosis.git.repository import Identity
from mitosis.journal import layout
from mitosis.journal.annotations import (
    MOST_TAKEN_BACK,
    Entries,
    Note,
    annotation_file,
    iter_entries,
    note_problem,
    present_tags,
    tag_problem,
)
from mitosis.journal.index import Index
from mitosis.journal.messages import annotated_message
from mitosis.journal.reading import find_trial
from mitosis.journal.storage.store import Store


def tag(store: Store, index: Index, keys: Sequence[str], name: str, identity: Identity) -> tuple[str, ...]:
    """Set a tag on trials.

    Args:
        store: of the journal.
        index: of the journal.
        keys: of the trials, or any unique prefix of each.
        name: the tag.
        identity: who sets it, and author of the journal's commit.

    Returns:
        The keys of those that did not have it. Where that is none, nothing is written.

    Raises:
        TrialNotFound, AmbiguousKey: a key does not name one trial.
        UnfitAnnotation: the name cannot be a tag.
        JournalError: the journal is damaged, or cannot be written.
    """
    name = _storable(name)
    problem = tag_problem(name)
    if problem:
        raise UnfitAnnotation(name, "tag", problem)

    def make(entries: Entries) -> dict[str, object]:
        return {} if any(tag.name == name for tag in present_tags(entries).values()) else {"tag": name}

    return _annotate(store, index, keys, make, ("tag", name), identity)


def untag(store: Store, index: Index, keys: Sequence[str], name: str, identity: Identity) -> tuple[str, ...]:
    """Take back a tag of trials, see `tag`; returns the keys of those that had it."""
    name = _storable(name)

    def make(entries: Entries) -> dict[str, object]:
        of = [digest for digest, tag in present_tags(entries).items() if tag.name == name]
        return {"untag": name, "of": of[:MOST_TAKEN_BACK]} if of else {}

    return _annotate(store, index, keys, make, ("untag", name), identity)


def note(store: Store, index: Index, key: str, text: str, identity: Identity) -> bool:
    """Add a note to those on a trial.

    Args:
        store: of the journal.
        index: of the journal.
        key: of the trial, or any unique prefix of it.
        text: one or more lines.
        identity: who writes it, and author of the journal's commit.

    Returns:
        Whether the newest note says something else. If not, nothing is written.

    Raises:
        TrialNotFound, AmbiguousKey: `key` does not name one trial.
        UnfitAnnotation: the text is empty or too long.
        JournalError: the journal is damaged, or cannot be written.
    """
    text = _storable(text).strip()
    problem = note_problem(text)
    if problem:
        raise UnfitAnnotation(text, "note", problem)

    def make(entries: Entries) -> dict[str, object]:
        notes = [entry.text for entry in entries.values() if isinstance(entry, Note)]
        return {} if notes[-1:] == [text] else {"note": text}

    return bool(_annotate(store, index, [key], make, ("note", text), identity))


def _annotate(
    store: Store,
    index: Index,
    keys: Sequence[str],
    make: Callable[[Entries], dict[str, object]],
    said: tuple[str, str],
    identity: Identity,
) -> tuple[str, ...]:
    """Add annotations to trials; returns the keys of those that get one.

    Args:
        store: of the journal.
        index: of the journal.
        keys: as in `tag`.
        make: gives the fields of a trial's new annotation, from those that it has; none if there is nothing to add.
        said: the kind of annotation and its text, for the message.
        identity: as in `tag`.
    """
    places = map(layout.parse_record_path, [find_trial(index, key).path for key in keys])
    experiments = {place[2]: place[0] for place in places if place is not None}
    problems: list[BadRecord] = []  # listings name them
    changes: dict[str, bytes | None] = {}
    added: dict[str, str] = {}
    with store.locked(layout.JOURNAL_REF) as ref:
        before = store.snapshot()
        when = datetime.now(UTC).isoformat(timespec="microseconds")
        for key, entries in iter_entries(store, None if before is None else before.tree, experiments, problems):
            fields = make(entries)
            if fields:
                path, data = annotation_file(key, fields, _storable(str(identity)), when)
                changes[path] = data
                added[key] = experiments[key]
        if changes:
            store.append(ref, before, changes, annotated_message(*said, added), identity)
    index.refresh()
    return tuple(added)


def _storable(text: str) -> str:
    """The text with lone surrogates, which words of a command line can have, as escapes."""
    return text.encode("utf-8", "backslashreplace").decode()
