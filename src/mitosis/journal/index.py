"""The index: one SQLite file that answers every question about many trials and variants.

It is derived, and never a source of truth. It says which commit and tree of the journal it is up to date with, and
catches up by the difference of that tree and the present one, so a journal that was rewound or replaced is noticed as
well. Where it is missing, damaged, of another version or from a tree that is gone, it is rebuilt; where it cannot be
written, or somebody else writes it, this process works with a copy in memory. So it is always right, and nobody waits
for it. What it tells is specified in `docs/reference/storage.md`.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mitosis.errors.base import MitosisError
from mitosis.errors.journal import JournalError
from mitosis.files import is_on_network
from mitosis.journal import layout
from mitosis.journal.storage.store import Snapshot, Store
from mitosis.journal.storage.walking import UnreadableBefore

if TYPE_CHECKING:
    from mitosis.variants import VariantLock

VERSION = 3
_APPLICATION = 0x6D69746F
_BUSY_S = 0.05
"""How long to wait for another process that writes the index."""
_ATTEMPTS = 4
_MOST_WAL_BYTES = 4 * 2**20
_STEPS_AT_ONCE = 100_000
"""Of SQLite's machine, which are done in about a millisecond."""
_TELL_EVERY = 2_000

_READING = (sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ, sqlite3.SQLITE_FUNCTION, sqlite3.SQLITE_RECURSIVE)
"""What a statement may do that others have written."""

_LIMITS = ("parser stack overflow", "Expression tree is too large", "too many ")
"""How SQLite says that a statement is beyond what it was built for, see https://sqlite.org/limits.html"""


class TooLate(JournalError):
    """Bringing the index up to date takes longer than somebody is willing to wait."""


class TooComplex(JournalError):
    """A question that SQLite was not built for."""


class DamagedIndex(JournalError):
    """The index cannot be read any further."""


class Index:
    """The index of one repository's journal.

    Args:
        store: the repository's objects.
        patience_s: how long bringing it up to date may take; for ever by default.
    """

    def __init__(self, store: Store, patience_s: float | None = None) -> None:
        self.path: Path = store.repository.common_dir / "mitosis" / "index.sqlite"
        self._store = store
        self._deadline = None if patience_s is None else time.monotonic() + patience_s
        self._connection: sqlite3.Connection | None = None
        self._process = os.getpid()
        self._alone = threading.RLock()
        self._read = 0
        self.tell: Callable[[int], None] = lambda count: None
        """Is told how many records have been read so far where that takes a while, and at the end 0."""

    def recorded_text(self, lock: VariantLock) -> str:
        """The short text of a locked value that a trial recorded, which had the object; empty where none has.

        Trials that used the value under another name have the same text.

        Raises:
            JournalError: the journal cannot be read.
        """
        question = (
            "SELECT value FROM uses JOIN entries USING (trial) JOIN names ON names.id = entries.name "
            "WHERE lock = ? AND names.name = ? LIMIT 1"
        )
        path, name = layout.variant_path(*lock), f"value.{lock.name.of_parameter}"
        rows = self.ask(question, (path, name))
        if not rows:
            *above, _, file = path.split("/")
            rows = self.ask(question.replace("lock = ?", "lock GLOB ?"), (f"{'/'.join(above)}/*/{file}", name))
        # A number is one for the index as well, and its bytes say all of it.
        return next((value for (value,) in rows if isinstance(value, str)), "")

    def ask(self, question: str, values: Sequence[Any] = ()) -> list[Any]:
        """The rows that answer a question in SQL about the journal as it is now.

        Raises:
            FormatTooNew: a newer mitosis has written the journal.
            JournalError: the journal cannot be read.
            TooLate: it took longer than the patience.
        """
        with self._alone:
            for attempt in range(_ATTEMPTS):
                try:
                    connection = self._current()
                    self._catch_up(connection)
                    return connection.execute(question, values).fetchall()
                except sqlite3.DatabaseError as error:
                    if attempt == _ATTEMPTS - 1:
                        raise JournalError(f"the index of the journal cannot be made: {error}") from error
                    self._replace(error, is_last=attempt == _ATTEMPTS - 2)
        raise AssertionError("the attempts are counted")

    @contextlib.contextmanager
    def reading(self, functions: Mapping[str, Callable[..., Any]] | None = None) -> Iterator[sqlite3.Connection]:
        """A connection of its own, to which the index stays what it is now, and which cannot change it.

        Args:
            functions: that statements may call, by name.

        Raises:
            TooComplex: a statement is too large for SQLite.
            DamagedIndex: the index turned out to be damaged; it will be made anew.
            JournalError: the journal cannot be read.
        """
        self.ask("SELECT 1")
        with self._alone:
            connection = self._current()
            file = connection.execute("PRAGMA database_list").fetchone()[2]
            reader = _connect(f"{Path(file).as_uri()}?mode=ro" if file else ":memory:", uri=True)
            if not file:
                self._catch_up(connection)
                connection.backup(reader)
        try:
            for name, function in (functions or {}).items():
                reader.create_function(name, -1, function, deterministic=True)
            reader.execute("BEGIN")
            reader.execute("SELECT * FROM state").fetchall()  # from here on, what others write is not seen
            yield reader
        except sqlite3.DatabaseError as error:
            if str(error).startswith(_LIMITS):
                raise TooComplex(f"this is more than SQLite can do at once: {error}\nAsk for less.") from error
            self._replace(error, is_last=False)
            raise DamagedIndex(f"the index of the journal was damaged: {error}\nIt is made anew; try again.") from error
        finally:
            reader.close()

    @contextlib.contextmanager
    def asking(self) -> Iterator[sqlite3.Connection]:
        """As `reading`, for statements of others: by them no other file can be opened, and they can be interrupted."""
        with self.reading() as connection:
            connection.set_authorizer(
                lambda action, *_: sqlite3.SQLITE_OK if action in _READING else sqlite3.SQLITE_DENY
            )
            # What is asked may take for ever. Python hears of a signal only while something of its own runs.
            connection.set_progress_handler(lambda: 0, _STEPS_AT_ONCE)
            yield connection

    def refresh(self) -> None:
        """Bring it up to date after an append, for whoever reads next. Nothing is raised."""
        with contextlib.suppress(MitosisError, sqlite3.Error, OSError):
            self.ask("SELECT 1")

    def close(self) -> None:
        """Let go of the file."""
        connection, self._connection = self._connection, None
        if connection is not None and self._process == os.getpid():
            connection.close()

    # --- the file ---------------------------------------------------------------------------------

    def _current(self) -> sqlite3.Connection:
        if self._process != os.getpid():
            # A connection must not be used in a process that was forked off, not even to close it.
            _of_parents.append(self._connection)
            self._connection, self._process = None, os.getpid()
        if self._connection is None:
            if self._store.tip() is None and not self.path.exists():
                # There is nothing to keep yet.
                return _connect(":memory:")
            self._connection = self._open()
        return self._connection

    def _open(self) -> sqlite3.Connection:
        try:
            if not self.path.exists():
                with self._store.repository.sharing():
                    self.path.parent.mkdir(exist_ok=True)
                    self.path.touch()
            connection = _connect(str(self.path))
            # SQLite's faster mode needs memory that the processes share, so one machine.
            mode = "TRUNCATE" if is_on_network(self.path) else "WAL"
            connection.execute(f"PRAGMA journal_mode={mode}")
            # After a crash of the machine the file is an older one, and whole.
            connection.execute("PRAGMA synchronous=NORMAL")
        except (OSError, sqlite3.OperationalError):
            return self._open_to_read()
        if _is_foreign(connection):
            connection.close()
            self.remove()
            return _connect(":memory:") if self.path.exists() else self._open()
        return connection

    def _open_to_read(self) -> sqlite3.Connection:
        """A copy in memory of what is in the file, if that is something to begin with."""
        with contextlib.suppress(OSError, sqlite3.DatabaseError):
            wal = self.path.with_name(f"{self.path.name}-wal")
            # Nobody changes a file in a folder that cannot be written, and without that SQLite would want to.
            is_still = not os.access(self.path.parent, os.W_OK) and not (wal.exists() and wal.stat().st_size)
            how = "immutable=1" if is_still else "mode=ro"
            found = _connect(f"{self.path.absolute().as_uri()}?{how}", uri=True)
            with contextlib.closing(found):
                if not _is_foreign(found):
                    copy = _connect(":memory:")
                    found.backup(copy)
                    return copy
        return _connect(":memory:")

    def _replace(self, error: sqlite3.DatabaseError, *, is_last: bool) -> None:
        """Go on with a new file if this one is damaged, and else in memory."""
        self.close()
        if is_last:
            self._connection = _connect(":memory:")
        elif getattr(error, "sqlite_errorname", _DAMAGED[0]).startswith(_DAMAGED):  # texts that are none have no name
            self.remove()
        else:
            self._connection = self._open_to_read()

    def remove(self) -> None:
        """Take the file away, with what SQLite keeps beside it."""
        with contextlib.suppress(OSError):
            for ending in ("-wal", "-shm", "-journal", ""):
                self.path.with_name(f"{self.path.name}{ending}").unlink(missing_ok=True)

    # --- catching up ------------------------------------------------------------------------------

    def _catch_up(self, connection: sqlite3.Connection) -> None:
        state = connection.execute("SELECT journal, tree FROM state").fetchall() if _has_tables(connection) else []
        tip = self._store.tip()
        if len(state) == 1 and state[0][0] == tip and not self._is_more_readable(connection):
            return
        from mitosis.journal.index_schema import SCHEMA

        connection.execute("BEGIN IMMEDIATE")
        try:
            if not _has_tables(connection):
                for statement in SCHEMA.split(";\n"):
                    connection.execute(statement)
                connection.execute(f"PRAGMA application_id={_APPLICATION}")
                connection.execute(f"PRAGMA user_version={VERSION}")
            # Whoever wrote before may have brought it up to date, and the journal may have changed.
            trees = [tree for (tree,) in connection.execute("SELECT tree FROM state")]
            if len(trees) != 1:
                raise sqlite3.DatabaseError("it does not say what it is up to date with")
            snapshot = self._store.snapshot()
            self._change(connection, trees[0], snapshot)
            now = (None, None) if snapshot is None else (snapshot.commit, snapshot.tree)
            connection.execute("UPDATE state SET journal = ?, tree = ?", now)
            connection.execute("COMMIT")
            wal = self.path.with_name(f"{self.path.name}-wal")
            if connection is self._connection and wal.exists() and wal.stat().st_size > _MOST_WAL_BYTES:
                connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")  # or it would stay as large as the index
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise
        finally:
            if self._read >= _TELL_EVERY:
                self.tell(0)
            self._read = 0

    def _change(self, connection: sqlite3.Connection, before: str | None, snapshot: Snapshot | None) -> None:
        from mitosis.journal.index_schema import TABLES
        from mitosis.journal.index_writer import IndexWriter

        after = None if snapshot is None else snapshot.tree
        writer = IndexWriter(connection, self._store, self._check_time)
        is_whole = before is not None and before != after and writer.is_partial
        try:
            if before != after and not is_whole:
                writer.apply(before, after)
                is_whole = before is not None and writer.is_partial
        except UnreadableBefore:
            is_whole = True
        if is_whole:
            for table in TABLES:
                connection.execute(f"DELETE FROM {table}")
            IndexWriter(connection, self._store, self._check_time).apply(None, after)  # knows no numbers of before
        else:
            writer.retry()

    def _is_more_readable(self, connection: sqlite3.Connection) -> bool:
        """Whether an object can be read now that could not: it may have been fetched since."""
        rows = connection.execute("SELECT DISTINCT oid FROM problems WHERE oid IS NOT NULL LIMIT 100").fetchall()
        return any(self._store.can_read(oid) for (oid,) in rows)

    def _check_time(self) -> None:
        self._read += 1
        if self._read % _TELL_EVERY == 0:
            self.tell(self._read)
        if self._deadline is not None and time.monotonic() > self._deadline:
            raise TooLate("bringing the index of the journal up to date takes too long")


_of_parents: list[sqlite3.Connection | None] = []
_DAMAGED = ("SQLITE_CORRUPT", "SQLITE_NOTADB", "SQLITE_ERROR", "SQLITE_SCHEMA", "SQLITE_FORMAT")


class _Connection(sqlite3.Connection):
    """A connection that is closed when nobody has it any longer: from Python 3.13 on, sqlite3 warns of others."""

    def __del__(self) -> None:
        with contextlib.suppress(sqlite3.Error):  # it may never have been opened
            self.close()


def _connect(name: str, *, uri: bool = False) -> sqlite3.Connection:
    return sqlite3.connect(
        name, timeout=_BUSY_S, isolation_level=None, check_same_thread=False, uri=uri, factory=_Connection
    )


def _has_tables(connection: sqlite3.Connection) -> bool:
    return bool(connection.execute("PRAGMA user_version").fetchone()[0])


def _is_foreign(connection: sqlite3.Connection) -> bool:
    """Whether a file holds something else than this version writes."""
    found = tuple(connection.execute(f"PRAGMA {name}").fetchone()[0] for name in ("application_id", "user_version"))
    return found not in ((0, 0), (_APPLICATION, VERSION))


# --- checking -------------------------------------------------------------------------------------


def is_index_right(store: Store) -> bool:
    """Whether the index is missing, or tells what the journal tells. Nothing is written.

    Raises:
        JournalError: the journal cannot be read.
    """
    from mitosis.journal.index_schema import CONTENT

    found, expected = _InMemory(store), _InMemory(store)
    if not found.path.exists():
        return True
    try:
        return found.load() and all(found.rows(question) == expected.rows(question) for question in CONTENT)
    except sqlite3.DatabaseError:
        return False


class _InMemory(Index):
    """The index made in memory alone."""

    def load(self) -> bool:
        """Begin with what is in the file; returns whether there is anything."""
        self._connection = self._open_to_read()
        return _has_tables(self._connection)

    def rows(self, question: str) -> list[Any]:
        """The rows that answer a question, in an order that says nothing."""
        return sorted(self.ask(question), key=repr)

    def _open(self) -> sqlite3.Connection:
        return _connect(":memory:")

    def _replace(self, error: sqlite3.DatabaseError, *, is_last: bool) -> None:
        raise error


def remove_index(store: Store) -> None:
    """Remove the index; the next question rebuilds it.

    Raises:
        JournalError: it cannot be removed.
    """
    index = Index(store)
    index.remove()
    if index.path.exists():
        raise JournalError(f"the index of the journal cannot be removed\nRemove {index.path}.")
