"""The tables and views of the index, and how values are kept in them. `docs/reference/storage.md` documents them."""

from __future__ import annotations

import contextlib
import hashlib
import math
import re
from typing import cast, overload

from mitosis.errors.journal import JournalError, Misplaced
from mitosis.journal import layout
from mitosis.records.trial import TrialRecord
from mitosis.records.view import COLUMNS, Scalar

_NOTE = "(SELECT text FROM annotations WHERE trial = {key} AND kind = 'note' ORDER BY date DESC, digest DESC LIMIT 1)"
_TAGS = "(SELECT group_concat(tag, ', ') FROM (SELECT DISTINCT tag FROM tags WHERE trial = {key} ORDER BY tag))"
NOTE, TAGS = (text.format(key="listing.key") for text in (_NOTE, _TAGS))
"""What somebody has said last of a trial in `listing`; its tags in one text, null where there are none."""


def _readable(column: str) -> str:
    """A column as other programs understand it: what SQLite has no type for is text."""
    return f"CASE typeof({column}) WHEN 'blob' THEN CAST({column} AS TEXT) ELSE {column} END"


_COLUMNS = ", ".join(f'"{name}"' for name in COLUMNS)
_READABLE = ", ".join(f'{_readable(name)} AS "{name}"' if name == "main" else f'"{name}"' for name in COLUMNS)
_OF_TRIALS = "FROM entries AS e JOIN names AS n ON n.id = e.name JOIN listing ON listing.id = e.trial"


def _beside(kind: str) -> str:
    """Another field of the same parameter of the same trial."""
    return (
        f"(SELECT {_readable('o.value')} FROM entries AS o JOIN names AS m ON m.id = o.name "
        f"WHERE m.name = '{kind}.' || n.step || '.' || n.label AND o.trial = e.trial)"
    )


SCHEMA = f"""
CREATE TABLE state (journal TEXT, tree TEXT);
INSERT INTO state VALUES (NULL, NULL);
CREATE TABLE listing (id INTEGER PRIMARY KEY, {_COLUMNS});
CREATE UNIQUE INDEX listing_by_key ON listing (key);
CREATE INDEX listing_by_start ON listing (started, key);
CREATE INDEX listing_by_experiment ON listing (experiment, started, key);
CREATE INDEX listing_by_main ON listing (main);
CREATE INDEX listing_that_runs ON listing (status) WHERE status = 'running';
CREATE INDEX listing_by_commit ON listing ("commit");
CREATE TABLE records (trial INTEGER PRIMARY KEY, path TEXT NOT NULL, oid TEXT NOT NULL, alike TEXT);
CREATE UNIQUE INDEX records_by_path ON records (path);
CREATE INDEX records_alike ON records (alike);
CREATE TABLE unlisted (
    path TEXT PRIMARY KEY, key TEXT NOT NULL, oid TEXT NOT NULL, is_double INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX unlisted_by_key ON unlisted (key);
CREATE TABLE names (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, kind TEXT, step TEXT, label TEXT);
CREATE TABLE entries (
    name INTEGER NOT NULL, trial INTEGER NOT NULL, value, PRIMARY KEY (name, trial)
) WITHOUT ROWID;
CREATE TABLE uses (trial INTEGER NOT NULL, lock TEXT NOT NULL, started TEXT NOT NULL);
CREATE INDEX uses_of_trial ON uses (trial);
CREATE INDEX uses_of_lock ON uses (lock, started);
CREATE TABLE variants (
    step TEXT NOT NULL, parameter TEXT NOT NULL, variant TEXT NOT NULL, digest TEXT NOT NULL, summary TEXT,
    oid TEXT NOT NULL, path TEXT NOT NULL UNIQUE
);
CREATE INDEX variants_by_name ON variants (step, parameter, variant, digest);
CREATE INDEX variants_by_digest ON variants (digest);
CREATE TABLE leaves (leaf TEXT NOT NULL, digest TEXT NOT NULL, value, PRIMARY KEY (leaf, digest)) WITHOUT ROWID;
CREATE TABLE remarks (
    kind TEXT NOT NULL, step TEXT NOT NULL, parameter TEXT NOT NULL, variant TEXT NOT NULL, content TEXT NOT NULL,
    path TEXT NOT NULL UNIQUE
);
CREATE INDEX remarks_by_name ON remarks (step, parameter, variant);
CREATE TABLE annotations (
    trial TEXT NOT NULL, kind TEXT NOT NULL, text TEXT NOT NULL, author TEXT NOT NULL, date TEXT NOT NULL,
    digest TEXT NOT NULL, path TEXT NOT NULL UNIQUE
);
CREATE INDEX annotations_by_trial ON annotations (trial, kind, date);
CREATE INDEX annotations_by_text ON annotations (kind, text);
CREATE TABLE taken_back (trial TEXT NOT NULL, digest TEXT NOT NULL, path TEXT NOT NULL);
CREATE INDEX taken_back_by_trial ON taken_back (trial, digest);
CREATE INDEX taken_back_by_path ON taken_back (path);
CREATE TABLE packages (
    name TEXT NOT NULL, environment TEXT NOT NULL, version TEXT NOT NULL, PRIMARY KEY (name, environment)
) WITHOUT ROWID;
CREATE TABLE problems (path TEXT NOT NULL, reason TEXT NOT NULL, oid TEXT, is_folder INTEGER NOT NULL);
CREATE INDEX problems_by_path ON problems (path);
CREATE VIEW tags AS
    SELECT trial, text AS tag, author, date FROM annotations WHERE kind = 'tag' AND NOT EXISTS (
        SELECT 1 FROM taken_back WHERE taken_back.trial = annotations.trial AND taken_back.digest = annotations.digest
    );
CREATE VIEW notes AS SELECT trial, text AS note, author, date FROM annotations WHERE kind = 'note';
CREATE VIEW trials AS SELECT {_READABLE}, {TAGS} AS tags, {NOTE} AS note FROM listing;
CREATE VIEW fields AS SELECT key AS trial, n.name, {_readable("e.value")} AS value {_OF_TRIALS};
CREATE VIEW parameters AS
    SELECT key AS trial, n.step, n.label AS name, {_readable("e.value")} AS value, {_beside("value")} AS meaning,
        {_beside("expression")} AS expression, {_beside("digest")} AS digest,
        {_beside("default")} IS NOT NULL AS is_default, {_beside("untracked")} IS NULL AS is_tracked
    {_OF_TRIALS} WHERE n.kind = 'params';
CREATE VIEW metrics AS
    SELECT key AS trial, n.step, n.label AS name, {_readable("e.value")} AS value {_OF_TRIALS} WHERE n.kind = 'metrics';
"""
VIEWS = ("trials", "parameters", "metrics", "tags", "notes", "packages", "variants", "fields")
"""What is documented for others to ask."""
TABLES = (
    *("listing", "records", "unlisted", "names", "entries", "uses", "variants", "leaves", "remarks"),
    *("annotations", "taken_back", "packages", "problems"),
)
CONTENT = (
    f"SELECT {_COLUMNS}, path, oid, alike FROM listing JOIN records ON trial = id",
    f"SELECT key, n.name, kind, n.step, label, value {_OF_TRIALS}",
    "SELECT name, kind, step, label FROM names",
    "SELECT key, lock, uses.started FROM uses JOIN listing ON id = trial",
    *(f"SELECT * FROM {name}" for name in TABLES if name not in ("listing", "records", "names", "entries", "uses")),
)
"""Questions whose answers say all that is in the index, but for the numbers that it gives."""


def stored(value: Scalar) -> bool | int | float | str | bytes | None:
    """A value as the index keeps it: a blob for what SQLite would take for something else.

    Those are truth values, not-a-number, and integers of more than 64 bits.
    """
    kind = value.__class__  # this is asked of everything that is in the index
    if kind is str:
        return plain_text(cast("str", value))
    if kind is float:
        return value if value == value else b"nan"
    is_odd = kind is bool or (kind is int and not -(2**63) <= cast("int", value) < 2**63)
    return str(value).encode() if is_odd else value


def loaded(value: Scalar | bytes) -> Scalar:
    """The value that `stored` was given."""
    if not isinstance(value, bytes):
        return value
    text = value.decode()
    return text == "True" if text in ("True", "False") else math.nan if text == "nan" else int(text)


@overload
def plain_text(text: str) -> str: ...
@overload
def plain_text(text: None) -> None: ...
def plain_text(text: str | None) -> str | None:
    """Text that SQLite takes: surrogates, which names may have, are escaped."""
    if text is None or text.isascii():
        return text
    return text.encode("utf-8", "backslashreplace").decode()


def package_name(name: str) -> str:
    """A distribution's name as it is compared.

    The rule is that of https://packaging.python.org/en/latest/specifications/name-normalization/
    """
    return re.sub(r"[-_.]+", "-", name).lower()


def alike(record: TrialRecord) -> str:
    """A digest of what two trials have in common that are iterations of each other."""
    return hashlib.sha256(repr(record.asked).encode("utf-8", "backslashreplace")).hexdigest()[:32]


def unquoted(name: str, value: Scalar) -> Scalar:
    """The value of a field; of a parameter that is a text, the text without the quotes that records show it with."""
    if name.startswith("params.") and isinstance(value, str) and value[:1] in ("'", '"'):
        import ast

        with contextlib.suppress(ValueError, SyntaxError, MemoryError, RecursionError):
            found = ast.literal_eval(value)
            return found if isinstance(found, str) else value
    return value


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
