"""What the index tells of variants: locks, what is recorded beside them, what they mean now, and names to complete."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Iterable, Iterator, Sequence

from mitosis.errors.journal import BadRecord
from mitosis.journal import layout
from mitosis.journal.index import Index
from mitosis.journal.index_schema import plain_text
from mitosis.journal.locks import MAX_VALUE_BYTES, read_lock, unreadable_value
from mitosis.journal.reading import read_problems
from mitosis.journal.standing import Remarks, latest_names
from mitosis.journal.storage.store import Store
from mitosis.records.trial import ParameterRecord
from mitosis.variants import PresentMeaning, Variant, VariantLock, VariantName

_BY_NAME = "ORDER BY step, parameter, variant, digest"


def _lock(path: str) -> VariantLock:
    found = layout.parse_variant_path(path)
    assert found is not None  # nothing else is in the index
    return VariantLock(*found)


def read_locks(index: Index, problems: list[BadRecord] | None = None) -> list[VariantLock]:
    """All recorded meanings of all variants, by step, parameter, variant and digest, without their values.

    Args:
        index: of the journal.
        problems: what does not belong where it is is appended to it.
    """
    if problems is not None:
        problems += read_problems(index, layout.VARIANTS)
    return [_lock(path) for (path,) in index.ask(f"SELECT path FROM variants {_BY_NAME}")]


def iter_values(
    store: Store, index: Index, names: Collection[VariantLock] | None, problems: list[BadRecord] | None
) -> Iterator[Variant]:
    """Recorded meanings with their values, one at a time, since values may be large; ordered as `read_locks`.

    Args:
        store: of the journal.
        index: of the journal.
        names: which; those that are not recorded are left out. None for all.
        problems: values that cannot be read are appended to it and skipped.
    """
    from mitosis.canonical.encode import digest_value

    rows = [(_lock(path), oid) for path, oid in index.ask(f"SELECT path, oid FROM variants {_BY_NAME}")]
    wanted = [row for row in rows if names is None or row[0] in names]
    # The git program is there sooner than libgit2, which knows better what is wrong.
    values = store.read_blobs([oid for _, oid in wanted], MAX_VALUE_BYTES) if wanted else ()
    for (lock, oid), data in zip(wanted, values, strict=True):
        try:
            variant = read_lock(store, lock, oid) if data is None else Variant(*lock, data)
            if digest_value(variant.value) != lock.digest:
                raise unreadable_value(variant)
        except BadRecord as error:
            if problems is not None:
                problems.append(BadRecord(error.where, error.reason, error.remedy))
        else:
            yield dataclasses.replace(variant, text=index.recorded_text(lock))


def read_all_remarks(
    index: Index, problems: list[BadRecord] | None = None, kinds: Sequence[str] = layout.REMARKS
) -> dict[VariantName, Remarks]:
    """What is recorded of variants beside their values.

    Args:
        index: of the journal.
        problems: what cannot be read is appended to it.
        kinds: of remarks, those of `layout.REMARKS`; the others are left out.
    """
    if problems is not None:
        problems += read_problems(index, *kinds)
    found: dict[VariantName, Remarks] = {}
    rows = index.ask("SELECT kind, path, content FROM remarks ORDER BY path")
    if rows:
        import json
    for kind, path, content in rows:
        if kind in kinds:
            found.setdefault(_lock(path).name, Remarks()).add(kind, json.loads(content))
    return found


def present_meanings(index: Index, parameters: Iterable[ParameterRecord]) -> dict[VariantLock, PresentMeaning]:
    """What the variants that trials used mean now; those that are not tracked have no lock, and are left out.

    Raises:
        JournalError: the journal cannot be read.
    """
    uses = dict.fromkeys(parameter.lock for parameter in parameters if parameter.lock is not None)
    if not uses:
        return {}
    remarks = read_all_remarks(index, kinds=(layout.RENAMED, layout.RETIRED))
    return {use: _present_meaning(index, use, remarks.get(use.name, Remarks()), remarks) for use in uses}


def _present_meaning(
    index: Index, use: VariantLock, own: Remarks, remarks: dict[VariantName, Remarks]
) -> PresentMeaning:
    digests = meanings_of(index, use.name)
    is_locked = use.digest in digests
    others: list[str] = []
    if not is_locked:
        question = "SELECT path FROM variants WHERE step = ? AND parameter = ? AND digest = ? ORDER BY path"
        rows = index.ask(question, (*map(plain_text, use.name[:2]), use.digest))
        others = [_lock(path).name.variant for (path,) in rows]
    new_names: list[str] = []
    if own.new_names and not others:
        latest = latest_names(remarks, use.name)
        new_names = [new for new in latest if use.digest in meanings_of(index, use.name.renamed(new))]
    reasons = tuple(own.reasons)
    return PresentMeaning(
        is_locked, len(digests), tuple(others), tuple(new_names), is_retired=bool(reasons), reasons=reasons
    )


def meanings_of(index: Index, name: VariantName) -> list[str]:
    """The digests of the recorded meanings of a variant."""
    question = "SELECT path FROM variants WHERE step = ? AND parameter = ? AND variant = ? ORDER BY digest"
    locks = (_lock(path) for (path,) in index.ask(question, tuple(map(plain_text, name))))
    return [lock.digest for lock in locks if lock.name == name]
