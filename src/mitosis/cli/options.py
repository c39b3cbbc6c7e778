"""Options that several commands have: which trials they are about, and how the answer is written."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Literal

from cyclopts import Parameter

from mitosis.cli import completers
from mitosis.errors.usage import UsageError
from mitosis.git.repository import Repository
from mitosis.records.trial import STATUSES

Format = Literal["table", "csv", "json", "jsonl", "markdown", "latex", "parquet"]


@Parameter(name="*")
@dataclass(frozen=True, slots=True, kw_only=True)
class Filters:
    """Conditions, all of which a trial has to meet."""

    where: tuple[str, ...] = ()
    """A condition such as "main < 0.1 and params.noise == 'low'"; several have to be met all."""

    experiment: Annotated[str | None, Parameter(completer=completers.experiments)] = None
    """Only trials of exactly this experiment: all of its steps, joined by +."""

    status: str | None = None
    """Only those that are `running`, `finished`, `failed` or `interrupted`."""

    tag: Annotated[tuple[str, ...], Parameter(completer=completers.tags)] = ()
    """Only those with this tag; of several, with all."""

    since: str | None = None
    """Only those that started then or later: "2026-03", "yesterday", "2 weeks ago"."""

    until: str | None = None
    """Only those that started then or earlier."""

    rev: Annotated[str | None, Parameter(completer=completers.revisions)] = None
    """Only those that ran on commits in a range of git's, such as main..feature."""

    author: str | None = None
    """Only those of an author whose name or address contains this."""

    mine: bool = False
    """Only your own, by the identity that git has."""

    def conditions(self, repository: Repository) -> Iterator[str]:
        """The conditions in the language of `mitosis.query.language`.

        Raises:
            UsageError: there is no such status.
            NoIdentity: git does not know whose trials are meant.
        """
        yield from self.where
        if self.experiment is not None:
            yield f"experiment == {self.experiment!r}"
        if self.status is not None:
            if self.status not in STATUSES:
                raise UsageError(f"there is no status `{self.status}`\n    there is: {', '.join(STATUSES)}")
            yield f"status == {self.status!r}"
        yield from (f"{tag.removeprefix('@')!r} in tags" for tag in self.tag)
        for operator, moment in ((">=", self.since), ("<=", self.until)):
            if moment is not None:
                yield f"started {operator} {moment!r}"
        if self.rev is not None:
            yield f"commit in {self.rev!r}"
        if self.author is not None:
            yield f"{self.author.lower()!r} in lower(author)"
        if self.mine:
            identity = repository.identity()
            yield f"author == {f'{identity.name} <{identity.email}>'!r}"
