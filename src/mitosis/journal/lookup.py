"""Names and trials of the journal for the shell to offer."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from mitosis.errors.base import MitosisError
from mitosis.git.repository import Repository
from mitosis.journal import layout
from mitosis.journal.index import Index
from mitosis.journal.storage.store import Store

if TYPE_CHECKING:
    from mitosis.records.view import View

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
        return [name for (name,) in self._ask("SELECT DISTINCT experiment FROM listing ORDER BY experiment")]

    def fields(self) -> list[str]:
        """The names of the fields that trials can have."""
        from mitosis.records.view import COLUMNS

        return [*COLUMNS, "tags", "note", *(name for (name,) in self._ask("SELECT name FROM names ORDER BY kind, id"))]

    def tags(self) -> dict[str, int]:
        """The tags that trials have, and how many have each."""
        return dict(self._ask("SELECT tag, count(DISTINCT trial) FROM tags GROUP BY tag ORDER BY tag"))

    def newest_trials(self, prefix: str, limit: int) -> list[View]:
        """The newest trials whose key begins so, as much of each as is shown where the shell offers keys."""
        from mitosis.journal.index_schema import loaded
        from mitosis.records.view import View

        names = ("key", "experiment", "status", "main", "started")
        question = (
            f"SELECT {', '.join(names)} FROM listing WHERE key >= ? AND key < ? ORDER BY started DESC, key DESC LIMIT ?"
        )
        rows = self._ask(question, prefix, f"{prefix}g", limit)
        return [View.from_values((name, loaded(value)) for name, value in zip(names, row, strict=True)) for row in rows]

    def _ask(self, question: str, *values: Any) -> Sequence[Any]:
        with contextlib.suppress(MitosisError):
            return self._index.ask(question, values)
        return ()
