"""Statements of SQL that people write themselves, on what the index documents."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator

from mitosis.errors.usage import UsageError
from mitosis.journal.index import Index
from mitosis.journal.index_schema import VIEWS, loaded
from mitosis.records.view import Scalar


class StatementRefused(UsageError):
    """A statement that SQLite does not take, or that would do more than read. Attributes: statement, reason."""

    def __init__(self, statement: str, reason: str) -> None:
        self.statement = statement
        self.reason = reason
        super().__init__(f"SQLite refuses the statement: {reason}\n`mitosis sql` shows what there is to ask.")


def answer(index: Index, statement: str) -> Iterator[tuple[Scalar, ...]]:
    """The names of the columns that a statement gives, and then its rows.

    Raises:
        StatementRefused: SQLite does not take it, or it is no question.
        JournalError: the journal cannot be read.
    """
    with index.asking() as connection:
        try:
            cursor = connection.execute(statement)
            if cursor.description is None:
                raise StatementRefused(statement, "it asks nothing")
            yield tuple(name for name, *_ in cursor.description)
            for row in cursor:
                yield tuple(map(_readable, row))
        except (sqlite3.Error, sqlite3.Warning) as error:
            if getattr(error, "sqlite_errorname", "") == "SQLITE_INTERRUPT":
                raise KeyboardInterrupt from error  # which sqlite3 has caught
            is_denied = any(text in str(error) for text in ("not authorized", "authorization denied", "cannot VACUUM"))
            reason = "it would do more than read" if is_denied else str(error)
            raise StatementRefused(statement, reason) from error


def _readable(value: Scalar | bytes) -> Scalar:
    """A value as the index has stored it, or the digits of bytes that are not from there."""
    try:
        return loaded(value)
    except ValueError:
        return bytes(value).hex() if isinstance(value, bytes) else str(value)


def describe(index: Index) -> Iterator[str]:
    """What there is to ask, a view or table a line, with its columns."""
    for view in VIEWS:
        names = map(str, next(answer(index, f"SELECT * FROM {view} LIMIT 0")))
        quoted = (f'"{name}"' if "." in name or name == "commit" else name for name in names)
        yield f"{view}({', '.join(quoted)})"
