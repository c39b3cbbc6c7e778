"""Where variant locks come from and who uses them, and what that says, for people, of a lock that is violated."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from mitosis.errors.base import MitosisError
from mitosis.errors.journal import BadRecord, NamingError
from mitosis.errors.values import (
    Conflict,
    Meaning,
    Redefinition,
    Retirement,
    VariantConflict,
    VariantRedefined,
    VariantRetired,
)
from mitosis.git.repository import Repository
from mitosis.journal import layout
from mitosis.journal.git_log import Commit, read_commits
from mitosis.journal.index import Index
from mitosis.journal.locks import Locks, is_whole, read_lock
from mitosis.journal.reasons import read_added, read_lost
from mitosis.journal.standing import read_remarks
from mitosis.journal.storage.objects import ReadOnlyStore
from mitosis.journal.storage.store import Snapshot, Store
from mitosis.records.trial import TrialRecord
from mitosis.text import one_line
from mitosis.variants import LockOrigin, Variant, VariantLock, VariantName

_AUTHOR_LIMIT = 100
_DECISION = re.compile(r"(accept|forget|let|release|rename|resolve|retire|settle) |list .* again$")
"""What subjects of commits are like by which somebody has decided what to make of what is recorded."""


# --- origins --------------------------------------------------------------------------------------


def read_origins(
    repository: Repository, commit: str | None, path: str = layout.VARIANTS
) -> dict[VariantLock, LockOrigin]:
    """The first appearance of each lock in a journal's history.

    Where two people took the same lock before they merged, the earlier one counts.

    Args:
        repository: where the journal is.
        commit: the journal's tip; None while there is no journal.
        path: the file or folder of the tree to look at.

    Raises:
        JournalError: there is too much in it to be anybody's records.
        GitError: git cannot read the history.
    """
    if commit is None:
        return {}
    origins: dict[VariantLock, LockOrigin] = {}
    for adding, added in read_added(ReadOnlyStore(repository), commit, path):
        found = layout.parse_variant_path(added) if added.startswith(f"{layout.VARIANTS}/") else None
        if found is not None:
            lock, origin = VariantLock(*found), _origin(adding)
            known = origins.get(lock)
            if known is None or (origin.date, origin.author) < (known.date, known.author):
                origins[lock] = origin
    return origins


def read_history(repository: Repository, commit: str | None, variant: VariantName) -> list[Commit]:
    """The commits of a journal that are about a variant, newest first.

    Raises:
        JournalError: there is too much in it to be anybody's records.
        GitError: git cannot read the history.
    """
    if commit is None:
        return []
    folders = [layout.remark_folder(kind, variant) for kind in (layout.VARIANTS, *layout.REMARKS)]
    return list(read_commits(ReadOnlyStore(repository), commit, paths=folders))


def read_forgetting(repository: Repository, commit: str | None, prefix: str) -> dict[str, Commit]:
    """The commits of a journal that forgot trials, by key, the newest of each; the summary is the experiment.

    Args:
        repository: where the journal is.
        commit: the journal's tip; None while there is no journal.
        prefix: of the keys.

    Raises:
        GitError: git cannot read the history.
    """
    forgotten: dict[str, Commit] = {}
    words = ("--fixed-strings", f"--grep=Forgotten: {prefix}")
    for said in read_commits(ReadOnlyStore(repository), *words, commit) if commit is not None else ():
        trailers = dict(said.trailers)
        key = trailers.get("Forgotten", "")
        if key.startswith(prefix):
            forgotten.setdefault(key, replace(said, summary=trailers.get("Experiment", "")))
    return forgotten


def read_decisions(repository: Repository, before: str, after: str) -> list[str]:
    """What people have decided between two commits of a journal, oldest first: who, and what their commit says."""
    commits = read_commits(ReadOnlyStore(repository), "--reverse", "--no-merges", f"{before}..{after}")
    return [f"{commit.author}: {commit.summary}" for commit in commits if _DECISION.match(commit.summary)]


def _origin(adding: Commit) -> LockOrigin:
    said = dict(adding.trailers)
    commit, trial = said.get("Commit", ""), said.get("Trial", "")
    return LockOrigin(
        author=f"{adding.author} <{adding.email}>",
        name=adding.author,
        date=datetime.fromisoformat(adding.date),
        commit=commit if layout.COMMIT_PATTERN.fullmatch(commit) else None,
        trial=trial if layout.KEY_PATTERN.fullmatch(trial) else None,
    )


# --- uses -----------------------------------------------------------------------------------------


@dataclass(slots=True)
class Uses:
    """How often a meaning of a variant was used."""

    trials: int = 0
    last: str = ""
    """When the newest of them started, as it was recorded."""


def read_uses(index: Index) -> dict[VariantLock, Uses]:
    """How often each meaning of each variant was used."""
    found = {}
    for path, trials, last in index.ask("SELECT lock, count(*), max(started) FROM uses GROUP BY lock"):
        lock = layout.parse_variant_path(path)
        if lock is not None:
            found[VariantLock(*lock)] = Uses(trials, last)
    return found


# --- for people -----------------------------------------------------------------------------------


def refuse_violated(store: Store, index: Index, locks: Locks) -> None:
    """Say what the locks forbid.

    Raises:
        VariantRedefined: a variant is locked to another value.
        VariantConflict: a variant has several recorded meanings.
        VariantRetired: a variant may not be used any more.
    """
    if not locks.are_violated:
        return
    if locks.retired:
        raise VariantRetired([_retirement(store, variant) for variant, _ in locks.retired])
    describer = Describer(store, index)
    if locks.in_conflict:
        raise VariantConflict([describer.conflict(meanings) for _, meanings in locks.in_conflict])
    raise VariantRedefined([describer.redefinition(variant, locked) for variant, locked in locks.redefined])


def refuse_released(store: Store, before: Snapshot, record: TrialRecord) -> None:
    """Refuse a record that needs a lock which is gone, other than by a resolve.

    Raises:
        NamingError: there is such a lock.
    """
    locks = {
        layout.variant_path(*lock): lock for parameter in record.parameters if (lock := parameter.lock) is not None
    }
    lost = [path for path in locks if store.find(before.tree, path) is None]
    dropped = read_lost(store, before.commit, *lost) if lost else {}
    for path in lost:
        if not dropped.get(path, True):  # `mitosis verify` tells of one that never was
            name, digest = locks[path]
            raise NamingError(
                f"trial {record.key} used {name}, which was released and is not locked to {digest[:6]} any more\n"
                "Once it is, by a trial or by `mitosis lock`, the trial can be listed again."
            )


def _retirement(store: Store, variant: Variant) -> Retirement:
    snapshot = store.snapshot()
    remarks = read_remarks(store, None if snapshot is None else snapshot.tree, variant.name)
    return Retirement(variant.name, tuple(remarks.reasons), tuple(remarks.new_names))


def find_conflicts(store: Store, index: Index, limit: int) -> tuple[Conflict, ...]:
    """The variants that have several recorded meanings, at most `limit` of them.

    One value at a time is in memory: they come from others, and may be large.
    """
    rows = index.ask(
        "SELECT path, oid FROM variants WHERE (step, parameter, variant) IN (SELECT step, parameter, variant "
        "FROM variants GROUP BY step, parameter, variant HAVING count(*) > 1 LIMIT ?) "
        "ORDER BY step, parameter, variant, digest",
        (limit,),
    )
    files: dict[VariantName, list[tuple[VariantLock, str]]] = {}
    for path, oid in rows:
        found = layout.parse_variant_path(path)
        if found is not None:
            files.setdefault(found[0], []).append((VariantLock(*found), oid))
    if not files:
        return ()
    describer = Describer(store, index)
    return tuple(
        Conflict(name, tuple(describer.meaning(read_lock(store, lock, oid)) for lock, oid in meanings))
        for name, meanings in files.items()
    )


def describe(
    store: Store, index: Index, pairs: Iterable[tuple[Variant, Variant]], uses: Mapping[VariantLock, Uses]
) -> Iterator[Redefinition]:
    """How values differ from what their variants are locked to, in texts for people, one at a time.

    Args:
        store: of the journal.
        index: of the journal.
        pairs: the values at hand, each with the meaning that is locked; asked for one after the other, since values may
            be large.
        uses: what `read_uses` gives.

    Raises:
        BadRecord: a locked value cannot be read.
    """
    describer = Describer(store, index, uses)
    for number, (variant, locked) in enumerate(pairs):
        if number == 1:
            describer.read_all_origins()
        yield describer.redefinition(variant, locked)


class Describer:
    """Puts what is recorded of variants into words."""

    def __init__(self, store: Store, index: Index, uses: Mapping[VariantLock, Uses] | None = None) -> None:
        self._repository = store.repository
        self._index = index
        self._commit = store.tip()
        self._uses = read_uses(index) if uses is None else uses
        self._origins: dict[VariantLock, LockOrigin] | None = None

    def read_all_origins(self) -> None:
        """Look through the history once, and not for each variant again."""
        self._origins = read_origins(self._repository, self._commit)

    def conflict(self, meanings: Sequence[Variant]) -> Conflict:
        """Several meanings of one variant."""
        return Conflict(meanings[0].name, tuple(map(self.meaning, meanings)))

    def redefinition(self, variant: Variant, locked: Variant) -> Redefinition:
        """A value that differs from the locked one."""
        from mitosis.canonical.difference import compare_values
        from mitosis.canonical.show import summarize_value

        try:
            comparison = compare_values(locked.value, variant.value)
        except MitosisError as error:
            path = layout.variant_path(*locked.lock)
            raise BadRecord(path, f"{error}\n`mitosis verify` shows what can be done about it.") from error
        texts = self._index.recorded_text(locked.lock), variant.text
        if not all(texts):  # one made from the object and one from bytes would differ in any case
            texts = summarize_value(locked.value), summarize_value(variant.value)
        return Redefinition(
            name=variant.name,
            locked=replace(self.meaning(locked), summary=texts[0]),
            now_digest=variant.digest,
            now_summary=texts[1],
            differences=tuple((d.path, d.text) for d in comparison.differences),
            same_count=comparison.same,
            source=variant.source,
            more_count=comparison.more,
            shows_place=any(difference.shows_place for difference in comparison.differences),
        )

    def meaning(self, locked: Variant) -> Meaning:
        """A recorded value, with where it comes from."""
        from mitosis.canonical.show import summarize_value

        origins = self._origins
        if origins is None:
            origins = read_origins(self._repository, self._commit, layout.variant_path(*locked.lock))
        origin = origins.get(locked.lock)
        is_readable = is_whole(locked)
        text = self._index.recorded_text(locked.lock) or summarize_value(locked.value) if is_readable else ""
        return Meaning(
            digest=locked.digest,
            summary=text if is_readable else "(cannot be read)",
            author="" if origin is None else one_line(origin.name, _AUTHOR_LIMIT),
            date="" if origin is None else origin.date.astimezone().date().isoformat(),
            commit=None if origin is None else origin.commit,
            used_by=self._uses[locked.lock].trials if locked.lock in self._uses else 0,
            is_readable=is_readable,
        )
