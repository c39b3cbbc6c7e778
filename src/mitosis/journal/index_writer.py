"""Writing the index: what is in it of each record, value, remark, annotation and environment."""

from __future__ import annotations

import contextlib
import re
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from operator import itemgetter
from typing import Any

from mitosis.errors.base import MitosisError
from mitosis.errors.journal import BadRecord, FormatTooNew, JournalError, Misplaced
from mitosis.errors.repository import UnfitObject
from mitosis.journal import layout
from mitosis.journal.index_schema import alike, package_name, plain_text, refuse_misplaced, stored, unquoted
from mitosis.journal.standing import MAX_REMARK_BYTES, decode_remark
from mitosis.journal.storage.store import Store
from mitosis.journal.storage.walking import Change, UnreadableBefore, iter_changes
from mitosis.records.codec import MAX_RECORD_BYTES, decode_trial
from mitosis.records.trial import TrialRecord
from mitosis.records.view import COLUMNS, MOMENTS, number_or_text, split_field, values_of
from mitosis.text import parse_moment
from mitosis.variants import VariantName

_READ_AT_ONCE = 5_000
_MANY = 200
"""From this many records on a git program reads them."""
_SUMMARIZED_BYTES = 2**16
"""A larger value gets no summary here."""
_SUMMARY_LETTERS = 60
_MOST_REMARK_BYTES = 64 * 2**20
_MOST_LEAVES = 1_000
"""Of one value."""
_ENVIRONMENT_BYTES = 2**20
_PACKAGE = re.compile(r"^(?:[^#\n]*# )?([A-Za-z0-9][\w.-]*)==([^\s,]+)", re.ASCII | re.MULTILINE)
"""A line of `pip freeze`: at the end, if that is a comment."""

_ELSEWHERE = "it does not belong there"
_TABLES = {
    layout.TRIALS: ("unlisted",),
    layout.VARIANTS: ("variants",),
    **dict.fromkeys(layout.REMARKS, ("remarks",)),
    layout.ENVIRONMENTS: (),
    layout.ANNOTATIONS: ("annotations", "taken_back"),
}
"""Those whose rows go with the file that they come from."""
_INSERT = f"INSERT INTO listing VALUES (?, {', '.join('?' * len(COLUMNS))})"


@dataclass(slots=True)
class _Rows:
    """Trials that are read and not written yet."""

    listing: list[tuple[Any, ...]] = field(default_factory=list)
    records: list[tuple[int, str, str, str]] = field(default_factory=list)
    entries: list[tuple[int, int, Any]] = field(default_factory=list)
    uses: list[tuple[int, str, str]] = field(default_factory=list)
    places: dict[str, tuple[str, str]] = field(default_factory=dict)
    """Path and id of the record of each, by the trial's key."""


class IndexWriter:
    """Writes into the index what differs between two trees."""

    def __init__(self, connection: sqlite3.Connection, store: Store, check_time: Callable[[], None]) -> None:
        self._connection = connection
        self._store = store
        self._check_time = check_time
        self._rows = _Rows()
        self._names: dict[str, int] = {}
        self._summaries: dict[str, str | None] = {}
        self._remark_bytes = 0

    def apply(self, before: str | None, after: str | None) -> None:
        """Note what differs between two trees of the journal.

        Raises:
            UnreadableBefore: the older tree is not there any more.
        """
        for kind in _TABLES:
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
        here = [(path, new) for path, _, new in changes if new is not None]
        # A folder that has taken the place of a file, and is no better, has been told of already.
        self._connection.executemany("DELETE FROM problems WHERE path = ? AND NOT is_folder", gone)
        for table in _TABLES[kind] if gone else ():
            self._connection.executemany(f"DELETE FROM {table} WHERE path = ?", gone)
        if kind == layout.TRIALS:
            self._remove_trials(gone)
            self._write_trials(here)
            if gone:
                self._forget_names()
            return
        if kind == layout.VARIANTS and gone:
            self._connection.execute("DELETE FROM leaves WHERE digest NOT IN (SELECT digest FROM variants)")
        if kind == layout.ENVIRONMENTS:
            digests = [(path.rpartition("/")[2].removesuffix(".txt"),) for (path,) in gone if path is not None]
            self._connection.executemany("DELETE FROM packages WHERE environment = ?", digests)
        write = {
            layout.VARIANTS: self._write_variant,
            layout.ENVIRONMENTS: self._write_environment,
            layout.ANNOTATIONS: self._write_annotation,
        }.get(kind, self._write_remark)
        for path, oid in here:
            self._check_time()
            try:
                write(path, oid)
            except Misplaced as error:
                self._tell(error, is_folder=False)
            except BadRecord as error:
                self._tell(error, oid, is_folder=False)

    # --- trials -----------------------------------------------------------------------------------

    def _twins(self, changes: Sequence[Change]) -> list[Change]:
        """Other records with the keys of those that go, one of which may be listed instead."""
        question = (
            "SELECT path, oid FROM unlisted WHERE is_double AND key = "
            "(SELECT key FROM listing JOIN records ON trial = id WHERE path = ?)"
        )
        paths = {plain_text(path) for path, old, _ in changes if old is not None}
        twins = {twin: oid for path in paths for twin, oid in self._connection.execute(question, (path,))}
        return [(twin, oid, oid) for twin, oid in sorted(twins.items()) if twin not in paths]

    def _remove_trials(self, paths: Sequence[tuple[str | None]]) -> None:
        trial = "(SELECT trial FROM records WHERE path = ?)"
        for statement in (
            f"DELETE FROM entries WHERE trial = {trial} AND name IN (SELECT id FROM names)",
            f"DELETE FROM uses WHERE trial = {trial}",
            f"DELETE FROM listing WHERE id = {trial}",
            "DELETE FROM records WHERE path = ?",
        ):
            self._connection.executemany(statement, paths)

    def _forget_names(self) -> None:
        """Have no field that no trial has any more."""
        is_used = "EXISTS (SELECT 1 FROM entries WHERE entries.name = names.id)"
        self._connection.execute(f"DELETE FROM names WHERE NOT {is_used}")
        self._names.clear()

    def _write_trials(self, files: Sequence[tuple[str, str]]) -> None:
        oids = [oid for _, oid in files]
        blobs: Iterable[bytes | None] = [None] * len(oids)
        if len(oids) >= _MANY:
            blobs = self._store.read_blobs(oids, MAX_RECORD_BYTES)
        for (path, oid), blob in zip(files, blobs, strict=False):
            self._check_time()
            place = layout.parse_record_path(path)
            if place is None:
                self._tell(BadRecord(path, _ELSEWHERE), is_folder=False)
                continue
            try:
                data = self._store.read_blob(oid, path, MAX_RECORD_BYTES) if blob is None else blob
            except BadRecord as error:
                self._tell(error, oid, is_folder=False)
                self._leave_out(path, oid, place[2])
                continue
            try:
                record = decode_trial(data, path)
                refuse_misplaced(record, path)
            except Misplaced as error:
                self._tell(error, is_folder=False)
            except BadRecord as error:
                self._tell(error, is_folder=False)
                self._leave_out(path, oid, place[2])
            except FormatTooNew as error:
                # With its id, since another version can read it.
                self._tell(BadRecord(path, f"{error.reason}; upgrade mitosis to read it"), oid, is_folder=False)
                self._leave_out(path, oid, place[2])
            else:
                self._list(path, oid, record)
        self._insert_listed()

    def _leave_out(self, path: str, oid: str, key: str, *, is_double: bool = False) -> None:
        row = (plain_text(path), key, oid, is_double)
        self._connection.execute("INSERT INTO unlisted VALUES (?, ?, ?, ?)", row)

    def _list(self, path: str, oid: str, record: TrialRecord) -> None:
        other = self._listed_place(record.key)
        if other is not None:
            if self._is_earlier(other[0], path):
                self._leave_out(path, oid, record.key, is_double=True)
                return
            self._insert_listed()
            self._remove_trials([(other[0],)])
            self._leave_out(*other, record.key, is_double=True)
        values = values_of(record)
        for name in MOMENTS:
            moment = parse_moment(str(values.get(name)))
            if moment is not None:
                values[name] = moment.isoformat(timespec="microseconds")
        trial = self._next_trial()
        rows = self._rows
        rows.places[record.key] = (plain_text(path), oid)
        rows.listing.append((trial, *[stored(values.pop(name, None)) for name in COLUMNS]))
        rows.records.append((trial, plain_text(path), oid, alike(record)))
        rows.entries += [(self._name(name), trial, stored(unquoted(name, value))) for name, value in values.items()]
        locks = dict.fromkeys(parameter.lock for parameter in record.parameters if parameter.lock is not None)
        with contextlib.suppress(JournalError):  # names or digests that nothing can be locked to
            rows.uses += [(trial, layout.variant_path(*lock), plain_text(record.started)) for lock in locks]

    def _is_earlier(self, one: str, other: str) -> bool:
        """Of two records of one key, which nobody has but by hand, whether the history had the first one earlier."""
        from mitosis.journal.reasons import first_recorded

        tip = self._store.tip()
        with contextlib.suppress(MitosisError):
            return tip is None or first_recorded(self._store, tip, (one, other)) == one
        return one.split("/") < other.split("/")

    def _listed_place(self, key: str) -> tuple[str, str] | None:
        """Path and id of the record of a trial that is listed."""
        if key in self._rows.places:
            return self._rows.places[key]
        question = "SELECT path, oid FROM listing JOIN records ON trial = id WHERE key = ?"
        found: tuple[str, str] | None = self._connection.execute(question, (key,)).fetchone()
        return found

    def _next_trial(self) -> int:
        if not self._rows.listing:
            [(last,)] = self._connection.execute("SELECT max(id) FROM listing").fetchall()
            return 1 if last is None else int(last) + 1
        return int(self._rows.listing[-1][0]) + 1

    def _insert_listed(self) -> None:
        """Write what is waiting, together: a table at a time, and the fields in the order that they are kept in."""
        rows, self._rows = self._rows, _Rows()
        self._connection.executemany(_INSERT, rows.listing)
        self._connection.executemany("INSERT INTO records VALUES (?, ?, ?, ?)", rows.records)
        rows.entries.sort(key=itemgetter(0, 1))
        self._connection.executemany("INSERT OR REPLACE INTO entries VALUES (?, ?, ?)", rows.entries)
        self._connection.executemany("INSERT INTO uses VALUES (?, ?, ?)", rows.uses)

    def _name(self, name: str) -> int:
        """The number of the name of a field."""
        if name not in self._names:
            text = plain_text(name)
            question = "SELECT id FROM names WHERE name = ?"
            found = self._connection.execute(question, (text,)).fetchone()
            if found is None:
                kind, step, label = split_field(text or "")
                row = (text, kind, step, label)
                statement = "INSERT INTO names (name, kind, step, label) VALUES (?, ?, ?, ?)"
                found = (self._connection.execute(statement, row).lastrowid,)
            self._names[name] = found[0]
        return self._names[name]

    # --- everything else --------------------------------------------------------------------------

    def _write_variant(self, path: str, oid: str) -> None:
        name, digest = self._variant(path)
        row = (*map(plain_text, name), digest, self._summary(oid, path), oid, plain_text(path))
        self._connection.execute("INSERT INTO variants VALUES (?, ?, ?, ?, ?, ?, ?)", row)
        known = self._connection.execute("SELECT 1 FROM leaves WHERE digest = ? LIMIT 1", (digest,)).fetchone()
        if known is None:
            self._connection.executemany(
                "INSERT OR REPLACE INTO leaves VALUES (?, ?, ?)", self._leaves(oid, path, digest)
            )

    def _variant(self, path: str) -> tuple[VariantName, str]:
        found = layout.parse_variant_path(path)
        if found is None:
            raise Misplaced(path, _ELSEWHERE)
        return found

    def _leaves(self, oid: str, path: str, digest: str) -> list[tuple[str | None, str, Any]]:
        from mitosis.canonical.leaves import iter_leaves

        with contextlib.suppress(MitosisError):
            leaves = iter_leaves(self._store.read_blob(oid, path, _SUMMARIZED_BYTES))
            found = [(leaf, number_or_text(v) if isinstance(v, str) else v) for leaf, v in islice(leaves, _MOST_LEAVES)]
            return [(plain_text(leaf), digest, stored(value)) for leaf, value in found]
        return []

    def _write_remark(self, path: str, oid: str) -> None:
        name, _ = self._variant(path)
        data = self._store.read_blob(oid, path, MAX_REMARK_BYTES)
        import json

        self._remark_bytes += len(data)
        if self._remark_bytes > _MOST_REMARK_BYTES:
            self._tell(BadRecord(path, "there are too many remarks before it; it is not read"))
            return
        kind, _, rest = path.partition("/")
        with self._telling():
            content = json.dumps(decode_remark(kind, rest.rpartition("/")[2], data, path))
            row = (kind, *map(plain_text, name), content, plain_text(path))
            self._connection.execute("INSERT INTO remarks VALUES (?, ?, ?, ?, ?, ?)", row)

    def _write_annotation(self, path: str, oid: str) -> None:
        from mitosis.journal.annotations import MAX_ANNOTATION_BYTES, Note, Untag, decode_annotation

        key = layout.parse_annotation_path(path)
        if key is None:
            raise Misplaced(path, _ELSEWHERE)
        name = path.rpartition("/")[2]
        data = self._store.read_blob(oid, path, MAX_ANNOTATION_BYTES)
        with self._telling():
            found = decode_annotation(name, data, path)
            if isinstance(found, Untag):
                rows = [(key, digest, plain_text(path)) for digest in found.of]
                self._connection.executemany("INSERT INTO taken_back VALUES (?, ?, ?)", rows)
                return
            kind, text = ("note", found.text) if isinstance(found, Note) else ("tag", found.name)
            digest = name.removesuffix(layout.RECORD_SUFFIX)
            row = (key, kind, text, found.author, found.when, digest, plain_text(path))
            self._connection.execute("INSERT INTO annotations VALUES (?, ?, ?, ?, ?, ?, ?)", row)

    def _write_environment(self, path: str, oid: str) -> None:
        digest = path.rpartition("/")[2].removesuffix(".txt")
        if not layout.DIGEST_PATTERN.fullmatch(digest) or path != layout.environment_path(digest):
            return  # no trial names it
        text = self._store.read_blob(oid, path, _ENVIRONMENT_BYTES).decode(errors="replace")
        rows = [(package_name(name), digest, version) for name, version in _PACKAGE.findall(text)]
        self._connection.executemany("INSERT OR REPLACE INTO packages VALUES (?, ?, ?)", rows)

    def _summary(self, oid: str, path: str) -> str | None:
        """A value in a few words; None where that cannot be told."""
        if oid not in self._summaries:
            from mitosis.canonical.show import summarize_value

            self._summaries[oid] = None
            with contextlib.suppress(MitosisError):
                value = self._store.read_blob(oid, path, _SUMMARIZED_BYTES)
                self._summaries[oid] = plain_text(summarize_value(value, limit=_SUMMARY_LETTERS))
        return self._summaries[oid]

    @contextlib.contextmanager
    def _telling(self) -> Iterator[None]:
        """Note what is wrong with a file that was read."""
        try:
            yield
        except BadRecord as error:
            self._tell(error, is_folder=False)

    def _tell(self, problem: BadRecord, oid: str | None = None, *, is_folder: bool = True) -> None:
        if isinstance(problem.__cause__, UnfitObject):
            oid = None  # it will be no better later
        row = (plain_text(problem.where), plain_text(problem.reason), oid, is_folder)
        self._connection.execute("INSERT INTO problems VALUES (?, ?, ?, ?)", row)
