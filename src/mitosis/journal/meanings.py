"""What variants mean, in texts for people: for refusals, and to choose between two meanings."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from mitosis.errors.base import MitosisError
from mitosis.errors.journal import BadRecord
from mitosis.errors.values import (
    Conflict,
    Meaning,
    Redefinition,
    Retirement,
    VariantConflict,
    VariantRedefined,
    VariantRetired,
)
from mitosis.journal import layout
from mitosis.journal.core import Core, Snapshot
from mitosis.journal.locks import (
    ConflictFolder,
    Locks,
    is_whole,
    iter_conflicts,
    read_meanings,
    used_lock,
)
from mitosis.journal.origins import read_origins
from mitosis.journal.reading import Reader
from mitosis.journal.remarks import read_remarks
from mitosis.text import one_line
from mitosis.variants import LockOrigin, Variant, VariantLock

_AUTHOR_LIMIT = 100


def refuse_violated(core: Core, locks: Locks) -> None:
    """Say what the locks forbid.

    Raises:
        VariantRedefined: a variant is locked to another value.
        VariantConflict: a variant has several recorded meanings.
        VariantRetired: a variant may not be used any more.
    """
    if not locks.are_violated:
        return
    if locks.retired:
        raise VariantRetired([_retirement(core, variant) for variant, _ in locks.retired])
    describer = _Describer(core, core.snapshot())
    if locks.in_conflict:
        raise VariantConflict([describer.conflict(meanings) for _, meanings in locks.in_conflict])
    raise VariantRedefined([describer.redefinition(variant, locked) for variant, locked in locks.redefined])


def _retirement(core: Core, variant: Variant) -> Retirement:
    snapshot = core.snapshot()
    remarks = read_remarks(core.store, None if snapshot is None else snapshot.tree, variant.name)
    return Retirement(variant.name, tuple(remarks.reasons), tuple(remarks.new_names))


def find_conflicts(core: Core, limit: int) -> tuple[Conflict, ...]:
    """The variants that have several recorded meanings, at most `limit` of them.

    One value at a time is in memory: they come from others, and may be large.
    """
    snapshot = core.snapshot()
    if snapshot is None:
        return ()
    folders = list(itertools.islice(iter_conflicts(core.store, snapshot.tree), limit))
    if not folders:
        return ()
    describer = _Describer(core, snapshot)
    return tuple(describer.conflict_in(folder) for folder in folders)


@dataclass(slots=True)
class Uses:
    """How often a meaning of a variant was used."""

    trials: int = 0
    last: str = ""
    """When the newest of them started, as it was recorded."""


def read_uses(core: Core, snapshot: Snapshot | None) -> dict[VariantLock, Uses]:
    """How often each meaning of each variant was used; reads all trials."""
    uses: dict[VariantLock, Uses] = {}
    for record in Reader(core.store, None if snapshot is None else snapshot.tree, []).iter_trials(None, None):
        for use in dict.fromkeys(filter(None, map(used_lock, record.parameters))):
            found = uses.setdefault(use, Uses())
            found.trials += 1
            found.last = max(found.last, record.started)
    return uses


def describe(
    core: Core, pairs: Iterable[tuple[Variant, Variant]], uses: Mapping[VariantLock, Uses]
) -> Iterator[Redefinition]:
    """How values differ from what is locked, for people; see `Journal.describe`."""
    describer = _Describer(core, core.snapshot(), uses)
    for number, (variant, locked) in enumerate(pairs):
        if number == 1:
            describer.read_all_origins()
        yield describer.redefinition(variant, locked)


class _Describer:
    def __init__(self, core: Core, snapshot: Snapshot | None, uses: Mapping[VariantLock, Uses] | None = None) -> None:
        self._core = core
        self._snapshot = snapshot
        self._uses = read_uses(core, snapshot) if uses is None else uses
        self._origins: dict[VariantLock, LockOrigin] | None = None

    def read_all_origins(self) -> None:
        """Look through the history once, and not for each variant again."""
        self._origins = read_origins(self._core.repository, None if self._snapshot is None else self._snapshot.commit)

    def conflict(self, meanings: Sequence[Variant]) -> Conflict:
        return Conflict(meanings[0].name, tuple(map(self._meaning, meanings)))

    def conflict_in(self, folder: ConflictFolder) -> Conflict:
        meanings = map(self._meaning, read_meanings(self._core.store, folder.oid, folder.path, folder.variant))
        return Conflict(folder.variant, tuple(meanings))

    def redefinition(self, variant: Variant, locked: Variant) -> Redefinition:
        from mitosis.canonical.difference import compare_values
        from mitosis.canonical.show import summarize_value

        try:
            comparison = compare_values(locked.value, variant.value)
        except MitosisError as error:
            path = layout.variant_path(*locked.lock)
            raise BadRecord(path, f"{error}\n`mitosis verify` shows what can be done about it.") from error
        return Redefinition(
            name=variant.name,
            locked=self._meaning(locked),
            now_digest=variant.digest,
            now_summary=summarize_value(variant.value),
            differences=tuple((d.path, d.text) for d in comparison.differences),
            same_count=comparison.same,
            source=variant.source,
            more_count=comparison.more,
            shows_place=any(difference.shows_place for difference in comparison.differences),
        )

    def _meaning(self, locked: Variant) -> Meaning:
        from mitosis.canonical.show import summarize_value

        commit = None if self._snapshot is None else self._snapshot.commit
        path = layout.variant_path(*locked.lock)
        origins = self._origins
        origin = (read_origins(self._core.repository, commit, path) if origins is None else origins).get(locked.lock)
        is_readable = is_whole(locked)
        summary = summarize_value(locked.value) if is_readable else "(cannot be read)"
        return Meaning(
            digest=locked.digest,
            summary=summary,
            author="" if origin is None else one_line(origin.name, _AUTHOR_LIMIT),
            date="" if origin is None else origin.date.date().isoformat(),
            commit=None if origin is None else origin.commit,
            used_by=self._uses[locked.lock].trials if locked.lock in self._uses else 0,
            is_readable=is_readable,
        )
