"""What the index of the journal holds of each record, value and remark, and writing it."""

from __future__ import annotations

import contextlib
import hashlib
import sqlite3
from collections.abc import Callable, Iterable, Sequence

from mitosis.errors.base import MitosisError
from mitosis.errors.journal import BadRecord, FormatTooNew, JournalError, Misplaced
from mitosis.errors.repository import UnfitObject
from mitosis.journal import layout
from mitosis.journal.standing import MAX_REMARK_BYTES, decode_remark
from mitosis.journal.storage.store import Store
from mitosis.journal.storage.walking import Change, UnreadableBefore, iter_changes
from mitosis.records.codec import MAX_RECORD_BYTES, decode_trial
from mitosis.records.trial import TrialRecord
from mitosis.records.view import COLUMNS, values_of
from mitosis.text import parse_moment

_READ_AT_ONCE = 5_000
_MANY = 200
"""From this many records on a git program reads them."""
_SUMMARIZED_BYTES = 2**16
"""A larger value gets no summary here."""
_SUMMARY_LETTERS = 60
_MOST_REMARK_BYTES = 64 * 2**20

_OF_INDEX = ("moment", "alike", "record", "oid", "path")
"""Columns of trials beside their fields: when they started, in UTC; what they have in common with their iterations; the
record, its id, and where it is in the journal."""
_COLUMNS = (*COLUMNS, *_OF_INDEX)
_INSERT = f"INSERT INTO trials VALUES ({', '.join('?' * len(_COLUMNS))})"
SCHEMA = """
CREATE TABLE state (journal TEXT, tree TEXT);
INSERT INTO state VALUES (NULL, NULL);
CREATE TABLE trials ({columns});
CREATE UNIQUE INDEX trials_by_path ON trials (path);
CREATE INDEX trials_by_key ON trials (key);
CREATE INDEX trials_by_moment ON trials (moment, key);
CREATE INDEX trials_by_experiment ON trials (experiment, moment, key);
CREATE INDEX trials_that_run ON trials (status) WHERE status = 'running';
CREATE INDEX trials_alike ON trials (alike);
CREATE INDEX trials_by_commit ON trials ("commit");
CREATE TABLE fields (trial TEXT NOT NULL, name TEXT NOT NULL, value);
CREATE INDEX fields_of_trial ON fields (trial);
CREATE TABLE uses (trial TEXT NOT NULL, lock TEXT NOT NULL, started TEXT NOT NULL);
CREATE INDEX uses_of_trial ON uses (trial);
CREATE INDEX uses_of_lock ON uses (lock, started);
CREATE TABLE variants (
    step TEXT NOT NULL, parameter TEXT NOT NULL, variant TEXT NOT NULL, digest TEXT NOT NULL, summary TEXT,
    oid TEXT NOT NULL, path TEXT NOT NULL UNIQUE
);
CREATE INDEX variants_by_name ON variants (step, parameter, variant, digest);
CREATE TABLE remarks (
    kind TEXT NOT NULL, step TEXT NOT NULL, parameter TEXT NOT NULL, variant TEXT NOT NULL, content TEXT NOT NULL,
    path TEXT NOT NULL UNIQUE
);
CREATE INDEX remarks_by_name ON remarks (step, parameter, variant);
CREATE TABLE problems (path TEXT NOT NULL, reason TEXT NOT NULL, oid TEXT, is_folder INTEGER NOT NULL);
CREATE INDEX problems_by_path ON problems (path);
""".replace("{columns}", ", ".join(f'"{name}"' for name in _COLUMNS))
_AS_IN_TREES = "replace({}path, '/', char(1))"
"""Paths in the order in which trees have them. Of several records of one key, which nobody has but by hand, the first
counts."""
IS_FIRST = (
    "record IS NOT NULL AND NOT EXISTS (SELECT 1 FROM trials AS other WHERE other.key = trials.key AND "
    f"other.record IS NOT NULL AND {_AS_IN_TREES.format('other.')} < {_AS_IN_TREES.format('trials.')})"
)
DOUBLED = (
    "SELECT path, key FROM trials WHERE key IN (SELECT key FROM trials GROUP BY key HAVING count(*) > 1) "
    f"AND record IS NOT NULL AND NOT ({IS_FIRST})"
)
TABLES = ("trials", "fields", "uses", "variants", "remarks", "problems")


class IndexWriter:
    """Writes into the index what differs between two trees."""

    def __init__(self, connection: sqlite3.Connection, store: Store, check_time: Callable[[], None]) -> None:
        self._connection = connection
        self._store = store
        self._check_time = check_time
        self._summaries: dict[str, str | None] = {}
        self._remark_bytes = 0

    def apply(self, before: str | None, after: str | None) -> None:
        """Note what differs between two trees of the journal.

        Raises:
            UnreadableBefore: the older tree is not there any more.
        """
        for kind in (layout.TRIALS, layout.VARIANTS, *layout.REMARKS):
            self._apply_kind(kind, self._below(before, kind, is_old=True), self._below(after, kind), kind)

    @property
    def is_partial(self) -> bool:
        """Whether some of the tree was not looked at, so that what is in the index depends on where it began."""
        question = "SELECT 1 FROM problems WHERE is_folder AND oid IS NULL LIMIT 1"
        return self._connection.execute(question).fetchone() is not None

    def retry(self) -> None:
        """Read what could not be read before, and can be now."""
        found = self._connection.execute("SELECT path, oid, is_folder FROM problems WHERE oid IS NOT NULL").fetchall()
        for path, oid, is_folder in found:
            if self._store.can_read(oid):
                kind = path.partition("/")[0]
                if is_folder:
                    self._connection.execute("DELETE FROM problems WHERE path = ?", (path,))
                    self._apply_kind(kind, None, oid, path)
                else:
                    self._write(kind, [(path, oid, oid)])

    def _below(self, tree: str | None, kind: str, *, is_old: bool = False) -> str | None:
        try:
            return self._store.folder_oid(tree, kind)
        except BadRecord as error:
            if is_old:
                raise UnreadableBefore(kind, error.reason) from error
            raise

    def _apply_kind(self, kind: str, before: str | None, after: str | None, path: str) -> None:
        is_alone = kind == layout.TRIALS
        waiting = []
        for change in iter_changes(self._store, before, after, path, tell=self._tell, once_each=is_alone):
            waiting.append(change)
            if len(waiting) >= _READ_AT_ONCE:
                self._write(kind, waiting)
                waiting = []
        self._write(kind, waiting)

    def _write(self, kind: str, changes: Sequence[Change]) -> None:
        if kind == layout.TRIALS:
            changes = [*changes, *self._twins(changes)]
        gone = [(plain_text(path),) for path, old, _ in changes if old is not None]
        if gone:
            self._connection.executemany("DELETE FROM problems WHERE path = ?", gone)
        if kind == layout.TRIALS:
            if gone:
                for table in ("fields", "uses"):
                    statement = f"DELETE FROM {table} WHERE trial IN (SELECT key FROM trials WHERE path = ?)"
                    self._connection.executemany(statement, gone)
                self._connection.executemany("DELETE FROM trials WHERE path = ?", gone)
            self._write_trials([(path, new) for path, _, new in changes if new is not None])
            return
        table = "variants" if kind == layout.VARIANTS else "remarks"
        if gone:
            self._connection.executemany(f"DELETE FROM {table} WHERE path = ?", gone)
        for path, _, new in changes:
            if new is not None:
                self._check_time()
                self._write_variant(kind, path, new)

    def _twins(self, changes: Sequence[Change]) -> list[Change]:
        """Other records with the keys of those that go, to be written anew: fields and uses go by the key."""
        paths = {plain_text(path) for path, old, _ in changes if old is not None}
        question = "SELECT path, oid FROM trials WHERE key = (SELECT key FROM trials WHERE path = ?)"
        twins = {twin: oid for path in paths for twin, oid in self._connection.execute(question, (path,))}
        return [(twin, oid, oid) for twin, oid in sorted(twins.items()) if twin not in paths]

    def _write_trials(self, files: Sequence[tuple[str, str]]) -> None:
        oids = [oid for _, oid in files]
        blobs: Iterable[bytes | None] = [None] * len(oids)
        if len(oids) >= _MANY:
            blobs = self._store.read_blobs(oids, MAX_RECORD_BYTES)
        for (path, oid), blob in zip(files, blobs, strict=False):
            self._check_time()
            place = layout.parse_record_path(path)
            if place is None:
                self._misplaced(path)
                continue
            try:
                data = self._store.read_blob(oid, path, MAX_RECORD_BYTES) if blob is None else blob
            except BadRecord as error:
                self._tell(error, oid, is_folder=False)
                self._insert_unread(path, oid, *place)
                continue
            try:
                record = decode_trial(data, path)
                refuse_misplaced(record, path)
            except Misplaced as error:
                self._tell(error)
            except BadRecord as error:
                self._tell(error, is_folder=False)
                self._insert_unread(path, oid, *place)
            except FormatTooNew as error:
                # With its id, since another version can read it.
                self._tell(BadRecord(path, f"{error.reason}; upgrade mitosis to read it"), oid, is_folder=False)
                self._insert_unread(path, oid, *place)
            else:
                self._insert(path, oid, place[2], record, data)

    def _insert_unread(self, path: str, oid: str, experiment: str, day: str, key: str) -> None:
        """Of a record that cannot be read, its place tells something all the same."""
        self._connection.execute(
            "INSERT INTO trials (key, experiment, moment, oid, path) VALUES (?, ?, ?, ?, ?)",
            (key, plain_text(experiment), day, oid, plain_text(path)),
        )

    def _insert(self, path: str, oid: str, key: str, record: TrialRecord, data: bytes) -> None:
        moment = parse_moment(record.started)
        when = plain_text(record.started) if moment is None else moment.isoformat(timespec="microseconds")
        values = {name: _scalar(value) for name, value in values_of(record).items()}
        columns = [values.pop(name, None) for name in COLUMNS]
        self._connection.execute(_INSERT, (*columns, when, alike(record), data, oid, plain_text(path)))
        fields = ((key, plain_text(name), value) for name, value in values.items())
        self._connection.executemany("INSERT INTO fields VALUES (?, ?, ?)", fields)
        locks = dict.fromkeys(parameter.lock for parameter in record.parameters if parameter.lock is not None)
        with contextlib.suppress(JournalError):  # names or digests that nothing can be locked to
            self._connection.executemany(
                "INSERT INTO uses VALUES (?, ?, ?)",
                [(key, layout.variant_path(*lock), plain_text(record.started)) for lock in locks],
            )

    def _write_variant(self, kind: str, path: str, oid: str) -> None:
        found = layout.parse_variant_path(path)
        if found is None:
            self._misplaced(path)
            return
        name, digest = found
        names = tuple(map(plain_text, name))
        if kind == layout.VARIANTS:
            row = (*names, digest, self._summary(oid, path), oid, plain_text(path))
            self._connection.execute("INSERT INTO variants VALUES (?, ?, ?, ?, ?, ?, ?)", row)
            return
        try:
            data = self._store.read_blob(oid, path, MAX_REMARK_BYTES)
        except BadRecord as error:
            self._tell(error, oid, is_folder=False)
            return
        import json

        self._remark_bytes += len(data)
        if self._remark_bytes > _MOST_REMARK_BYTES:
            self._tell(BadRecord(path, "there are too many remarks before it; it is not read"))
            return
        try:
            content = json.dumps(decode_remark(kind, path.rpartition("/")[2], data, path))
        except BadRecord as error:
            self._tell(error, is_folder=False)
        else:
            self._connection.execute(
                "INSERT INTO remarks VALUES (?, ?, ?, ?, ?, ?)", (kind, *names, content, plain_text(path))
            )

    def _summary(self, oid: str, path: str) -> str | None:
        """A value in a few words; None where that cannot be told."""
        if oid not in self._summaries:
            from mitosis.canonical.show import summarize_value

            self._summaries[oid] = None
            with contextlib.suppress(MitosisError):
                value = self._store.read_blob(oid, path, _SUMMARIZED_BYTES)
                self._summaries[oid] = plain_text(summarize_value(value, limit=_SUMMARY_LETTERS))
        return self._summaries[oid]

    def _misplaced(self, path: str) -> None:
        self._tell(BadRecord(path, "it does not belong there"), is_folder=False)

    def _tell(self, problem: BadRecord, oid: str | None = None, *, is_folder: bool = True) -> None:
        if isinstance(problem.__cause__, UnfitObject):
            oid = None  # it will be no better later
        row = (plain_text(problem.where), plain_text(problem.reason), oid, is_folder)
        self._connection.execute("INSERT INTO problems VALUES (?, ?, ?, ?)", row)


def refuse_misplaced(record: TrialRecord, path: str) -> None:
    """Refuse a record at the path of another one.

    Raises:
        Misplaced: it is.
    """
    try:
        right = layout.record_paths(layout.trial_folder(record.experiment, record.started), record.key)
    except JournalError as error:
        raise Misplaced(path, str(error)) from error
    if path not in right:
        says = f"says the key {record.key}" if f"/{record.key}." not in path else f"belongs to {right[0]}"
        raise Misplaced(path, f"its record {says}")


def alike(record: TrialRecord) -> str:
    """A digest of what two trials have in common that are iterations of each other."""
    return hashlib.sha256(repr(record.asked).encode("utf-8", "backslashreplace")).hexdigest()[:32]


def plain_text(text: str | None) -> str | None:
    """Text that SQLite takes: surrogates, which names may have, are escaped."""
    return None if text is None else text.encode("utf-8", "backslashreplace").decode()


def _scalar(value: bool | int | float | str | None) -> bool | int | float | str | None:
    if isinstance(value, str):
        return plain_text(value)
    is_too_large = isinstance(value, int) and not -(2**63) <= value < 2**63
    return str(value) if is_too_large else value
