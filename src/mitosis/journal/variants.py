"""What the index tells of variants: locks, what is recorded beside them, what they mean now, and names to complete."""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import Any

from mitosis.errors.base import MitosisError
from mitosis.errors.journal import BadRecord
from mitosis.git.repository import Repository
from mitosis.journal import layout
from mitosis.journal.index import Index
from mitosis.journal.index_writer import plain_text
from mitosis.journal.locks import read_lock, used_lock
from mitosis.journal.standing import Remarks, latest_names
from mitosis.journal.store import Store
from mitosis.journal.trials import newest_like, read_problems
from mitosis.records.trial import ParameterRecord
from mitosis.records.view import View
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

    for path, oid in index.ask(f"SELECT path, oid FROM variants {_BY_NAME}"):
        lock = _lock(path)
        if names is not None and lock not in names:
            continue
        try:
            variant = read_lock(store, lock, oid)
            if digest_value(variant.value) != lock.digest:
                raise BadRecord(path, "its content does not have the digest that its name says")
        except BadRecord as error:
            if problems is not None:
                problems.append(BadRecord(error.where, error.reason))
        else:
            yield variant


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
    uses = dict.fromkeys(use for parameter in parameters if (use := used_lock(parameter)) is not None)
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


# --- for the shell --------------------------------------------------------------------------------

_PATIENCE_S = 1.5
_MOST_NAMES = 1_000


class Lookup:
    """Names and trials of the journal for the shell to offer. Use it in a `with` statement.

    Somebody waits who has not asked for anything yet. So it ends when bringing the index up to date takes long, and
    what cannot be read is left out: `mitosis verify` is there to name that.

    Args:
        repository: where the journal is.
    """

    def __init__(self, repository: Repository) -> None:
        self._index = Index(Store(repository), _PATIENCE_S)

    def __enter__(self) -> Lookup:
        return self

    def __exit__(self, *exception: object) -> None:
        self._index.close()

    def steps(self) -> list[str]:
        """The steps that have locked variants."""
        return [step for (step,) in self._ask("SELECT DISTINCT step FROM variants ORDER BY step")]

    def parameters(self, step: str) -> list[str]:
        """The parameters of a step that have locked variants."""
        question = "SELECT DISTINCT parameter FROM variants WHERE step = ? ORDER BY parameter"
        return [parameter for (parameter,) in self._ask(question, step)]

    def variants(self, step: str, parameter: str) -> dict[str, tuple[str, ...]]:
        """The digests of the meanings that are recorded for each variant of a parameter."""
        question = (
            "SELECT variant, digest FROM variants WHERE step = ? AND parameter = ? ORDER BY variant, digest LIMIT ?"
        )
        found: dict[str, tuple[str, ...]] = {}
        for variant, digest in self._ask(question, step, parameter, _MOST_NAMES):
            found[variant] = (*found.get(variant, ()), digest)
        return found

    def retired(self, step: str, parameter: str) -> set[str]:
        """The variants of a parameter that may not be used any more."""
        question = "SELECT variant FROM remarks WHERE kind = ? AND step = ? AND parameter = ?"
        return {variant for (variant,) in self._ask(question, layout.RETIRED, step, parameter)}

    def summary(self, step: str, parameter: str, variant: str, digest: str) -> str:
        """What a variant means, in a few words; empty where that cannot be told."""
        question = "SELECT summary FROM variants WHERE step = ? AND parameter = ? AND variant = ? AND digest = ?"
        return next((summary or "" for (summary,) in self._ask(question, step, parameter, variant, digest)), "")

    def experiments(self) -> list[str]:
        """The names of experiments that have trials."""
        return [name for (name,) in self._ask("SELECT DISTINCT experiment FROM trials ORDER BY experiment")]

    def newest_trials(self, prefix: str, limit: int) -> list[View]:
        """The newest trials whose key begins so."""
        with contextlib.suppress(MitosisError):
            return newest_like(self._index, prefix, limit)
        return []

    def _ask(self, question: str, *values: Any) -> Sequence[Any]:
        with contextlib.suppress(MitosisError):
            return self._index.ask(question, values)
        return ()
