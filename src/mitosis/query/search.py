"""Finding trials: which, in what order, how many of them, and the fields that are wanted."""

from __future__ import annotations

import copy
import shlex
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import Any, TypeVar

from mitosis.errors.repository import GitError
from mitosis.errors.usage import UsageError
from mitosis.git.repository import Repository
from mitosis.journal.index import DamagedIndex, TooComplex
from mitosis.journal.index_schema import loaded
from mitosis.journal.journal import Journal
from mitosis.query.fields import Field, Fields, Type
from mitosis.query.functions import FUNCTIONS
from mitosis.query.sql import Sql, compose, join
from mitosis.records.view import COLUMNS, Scalar, View

_T = TypeVar("_T")
_VIEWS_AT_ONCE = 500
_MOST = 2**62
_NEWEST_FIRST = "listing.started DESC, listing.key DESC"


class Search:
    """The trials of a journal that meet some conditions, in an order. Nothing is read before it is asked for.

    Args:
        journal: where they are recorded.
        where: conditions in the language of `mitosis.query.language`; all of them have to be met.
        sort: fields by their values, lowest first, after a `-` highest first; newest first where all are equal.
        reverse: whether to turn the order around; trials without a value still come last.
        limit: at most so many trials; None for all.

    Raises:
        QueryError: a condition cannot be read.
        UnknownField: there is no such field to sort by.
        UsageError: the limit is negative.
        JournalError: the journal cannot be read.
    """

    def __init__(
        self,
        journal: Journal,
        where: Sequence[str] = (),
        sort: Sequence[str] = (),
        *,
        reverse: bool = False,
        limit: int | None = None,
    ) -> None:
        self.journal = journal
        self.fields = Fields(journal.index)
        self._where = self._compile(where) if where else Sql("")
        self._order = compose(" ORDER BY {}", join(", ", self._order_by(sort, reverse)))
        if limit is not None and not 0 <= limit <= _MOST:
            raise UsageError(f"there cannot be {limit} trials\nGive a number from 0 on.")
        self._limit = limit

    def _compile(self, where: Sequence[str]) -> Sql:
        # Listings without a condition are more frequent, and need not load what reads one.
        from mitosis.query.language import compile_condition
        from mitosis.query.syntax import FEWER, TOO_LARGE, QueryError

        conditions = (compile_condition(text, self.fields, self._find_commits) for text in where)
        compiled = compose(" WHERE {}", join(" AND ", conditions))
        try:  # how deeply conditions may be nested is known to SQLite alone
            with self.journal.index.reading(FUNCTIONS) as connection:
                connection.execute(f"EXPLAIN SELECT id FROM listing{compiled.text}", compiled.values).fetchall()
        except TooComplex as error:
            raise QueryError(max(where, key=len), TOO_LARGE, 1, hint=FEWER) from error
        return compiled

    def among(self, keys: Sequence[str], limit: int | None = None) -> Search:
        """The trials with these keys, which have to be some of those that are found here, in the same order."""
        import json

        chosen = copy.copy(self)
        chosen._where = compose(
            " WHERE listing.key IN (SELECT value FROM json_each({}))", Sql("?", (json.dumps(list(keys)),))
        )
        chosen._limit = limit
        return chosen

    def count(self) -> int:
        """How many trials meet the conditions, whatever the limit."""
        sql = compose("SELECT count(*) FROM listing{}", self._where)
        with self.journal.index.reading(FUNCTIONS) as connection:
            return int(connection.execute(sql.text, sql.values).fetchone()[0])

    def keys(self) -> Iterator[str]:
        """Their keys."""
        return (str(key) for (key,) in self.rows([self.fields.find("key")]))

    def rows(self, fields: Sequence[Field]) -> Iterator[tuple[Scalar, ...]]:
        """Of each trial, the values of these fields."""
        columns = join(", ", (field.sql for field in fields))
        for row in self._found(columns, lambda connection, rows: rows):
            yield tuple(map(loaded, row)) if any(isinstance(value, bytes) for value in row) else row

    def views(self) -> Iterator[View]:
        """Of each trial, all that the index holds of it."""
        names = (*COLUMNS, "tags", "note")
        columns = ", ".join(["id", *(self.fields.find(name).sql.text for name in names)])

        def read(connection: sqlite3.Connection, rows: Iterator[Any]) -> Iterator[View]:
            while chunk := list(islice(rows, _VIEWS_AT_ONCE)):
                entries = _read_entries(connection, [row[0] for row in chunk])
                for number, *values in chunk:
                    said = zip(names, values, strict=True)
                    present = [(name, loaded(value)) for name, value in said if value is not None]
                    yield View.from_values([*present, *entries.get(number, ())])

        return self._found(Sql(columns), read)

    def _found(self, columns: Sql, read: Callable[[sqlite3.Connection, Iterator[Any]], Iterator[_T]]) -> Iterator[_T]:
        """What is read of the trials that are found, all of it from one state of the journal."""
        sql = compose("SELECT {} FROM listing{}{}{}", columns, self._where, self._order, self._limited())
        is_any = False
        for is_last in (False, True):
            try:
                with self.journal.index.reading(FUNCTIONS) as connection:
                    for item in read(connection, connection.execute(sql.text, sql.values)):
                        is_any = True
                        yield item
                return
            except DamagedIndex:
                if is_any or is_last:
                    raise

    def _limited(self) -> Sql:
        return Sql("") if self._limit is None else Sql(" LIMIT ?", (self._limit,))

    def _order_by(self, sort: Sequence[str], reverse: bool) -> Iterator[Sql]:
        for word in sort:
            name = word.removeprefix("-")
            is_descending = (name != word) != reverse
            field = self.fields.find(name)
            if field.type is Type.ANY:  # not-a-number is neither the highest nor the lowest
                yield compose("CASE typeof({}) WHEN 'blob' THEN 1 WHEN 'null' THEN 2 ELSE 0 END", field.sql)
            yield compose(f"{{}} {'DESC' if is_descending else 'ASC'} NULLS LAST", field.sql)
        yield Sql(_NEWEST_FIRST.replace("DESC", "ASC") if reverse else _NEWEST_FIRST)

    def _find_commits(self, text: str) -> list[str]:
        return find_commits(self.journal.repository, text)


def _read_entries(connection: sqlite3.Connection, numbers: Sequence[int]) -> dict[int, list[tuple[str, Scalar]]]:
    """The fields of parameters and metrics that some trials have, by the number of the trial."""
    found: dict[int, list[tuple[str, Scalar]]] = {}
    # The numbers are the index's own. Each field is a stretch of the table, in which there are few of these.
    among = ", ".join(map(str, numbers))
    question = (
        "SELECT trial, names.name, value FROM names CROSS JOIN entries "
        f"ON entries.name = names.id AND trial IN ({among}) ORDER BY names.id"
    )
    for trial, name, value in connection.execute(question):
        found.setdefault(trial, []).append((name, loaded(value)))
    return found


def find_commits(repository: Repository, text: str) -> list[str]:
    """The commits in a range of git's, such as `main..feature`, `v1.0` or `main ^feature`.

    Raises:
        UsageError: there is no such range.
    """
    try:
        words = shlex.split(text)
        return repository.git("rev-list", "--end-of-options", *words, "--").split() if words else []
    except (GitError, ValueError) as error:
        raise UsageError(f"git knows no revision or range `{text}`") from error
