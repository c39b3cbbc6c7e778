"""Statements that people write themselves can read all that is documented, and do nothing else."""

from __future__ import annotations

import hashlib
import math
import signal
import threading
import time
from pathlib import Path

import pytest

from mitosis.journal.index_schema import VIEWS
from mitosis.query.search import Search
from mitosis.query.statements import StatementRefused, answer, describe
from mitosis.records.trial import StepRecord
from support.journal import Desk

FOREVER = "WITH RECURSIVE t(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM t) SELECT count(*) FROM t"


def rows(journal: Desk, statement: str) -> list[tuple[object, ...]]:
    _, *found = answer(journal.index, statement)
    return list(found)


def test_first_row_has_the_names(curves: Desk) -> None:
    assert next(answer(curves.index, 'SELECT key, main AS "the best" FROM trials')) == ("key", "the best")


def test_views_agree_with_each_other_and_with_the_language(curves: Desk) -> None:
    by_view = rows(
        curves,
        """SELECT key FROM trials JOIN parameters AS p ON p.trial = key JOIN metrics AS m ON m.trial = key
        WHERE p.name = 'noise' AND p.value = 'low' AND m.name = 'f1' AND m.value > 0.9
        ORDER BY started DESC, key DESC""",
    )
    by_fields = rows(
        curves,
        """SELECT key FROM trials JOIN fields AS p ON p.trial = key JOIN fields AS m ON m.trial = key
        WHERE p.name = 'params.data.noise' AND p.value = 'low' AND m.name = 'metrics.fit.f1' AND m.value > 0.9
        ORDER BY started DESC, key DESC""",
    )
    assert [key for (key,) in by_view] == [*Search(curves, ["noise == 'low' and f1 > 0.9"]).keys()]
    assert by_fields == by_view != []


def test_parameters_say_what_is_known_of_each(curves: Desk) -> None:
    (noise, weight) = rows(
        curves,
        "SELECT name, value, meaning, is_default, is_tracked FROM parameters "
        "JOIN tags USING (trial) WHERE tag = 'paper' AND name IN ('noise', 'weight') ORDER BY name",
    )
    assert noise == ("noise", "mid", "{'outliers': 0.05, 'scale': 0.2}", 0, 1)
    assert weight == ("weight", 1.0, None, 1, 1)


def test_other_views(curves: Desk) -> None:
    (paper,) = rows(curves, "SELECT trial, author FROM tags WHERE tag = 'paper'")
    assert paper[1] == "Ada Lovelace <ada@example.org>"
    assert rows(curves, "SELECT trial FROM notes WHERE note LIKE '%table 2%'") == [paper[:1]]
    assert rows(curves, f"SELECT tags, note FROM trials WHERE key = '{paper[0]}'") == [
        ("paper, seed 1", "The one in the paper: see table 2.")
    ]
    versions = rows(
        curves,
        "SELECT version, count(*) FROM trials JOIN packages USING (environment) WHERE name = 'numpy' GROUP BY 1",
    )
    assert versions == [("2.2.6", 93), ("2.3.5", 107)]
    assert rows(curves, "SELECT variant FROM variants WHERE parameter = 'model' ORDER BY variant") == [
        ("lasso",),
        ("ols",),
        ("ridge",),
    ]


def test_description_has_every_view_with_columns_that_can_be_asked_for(curves: Desk) -> None:
    lines = list(describe(curves.index))
    assert [line.partition("(")[0] for line in lines] == list(VIEWS)
    for line in lines:
        view, _, columns = line.removesuffix(")").partition("(")
        rows(curves, f"SELECT {columns} FROM {view} LIMIT 1")


def test_what_sqlite_has_no_type_for_is_text_in_the_views(journal: Desk) -> None:
    for key, main in (("a" * 12, math.nan), ("b" * 12, True)):
        started = journal.start_trial(key=key, steps=(StepRecord("my_exp", "lab:run", metrics={"odd": main}),))
        journal.end(started.with_changes(status="finished", main=main, ended=started.started), journal.identity)
    assert rows(journal, "SELECT main, typeof(main) FROM trials ORDER BY key") == [("nan", "text"), ("True", "text")]
    assert rows(journal, "SELECT value FROM metrics ORDER BY trial") == [("nan",), ("True",)]


def test_bytes_are_shown_as_digits(curves: Desk) -> None:
    assert rows(curves, "SELECT x'00ff', zeroblob(2), x'C3A9'") == [("00ff", "0000", "c3a9")]


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM listing",
        "UPDATE listing SET main = 0",
        "INSERT INTO state VALUES (1, 2)",
        "WITH x AS (SELECT 1) INSERT INTO state SELECT 1, 2",
        "REPLACE INTO names VALUES (1, 'x', 'x', 'x', 'x')",
        "DROP TABLE listing",
        "DROP VIEW trials",
        "ALTER TABLE listing RENAME TO other",
        "CREATE TABLE other (x)",
        "CREATE TEMP TABLE other (x)",
        "CREATE TEMP VIEW other AS SELECT 1",
        "CREATE VIRTUAL TABLE other USING fts5(x)",
        "ATTACH 'other.sqlite' AS other",
        "ATTACH ':memory:' AS other",
        "VACUUM",
        "VACUUM INTO 'other.sqlite'",
        "PRAGMA user_version",
        "PRAGMA user_version = 7",
        "PRAGMA writable_schema = 1",
        "PRAGMA journal_mode = DELETE",
        "SELECT * FROM pragma_table_info('listing')",
        "SELECT load_extension('other')",
        "BEGIN",
        "BEGIN IMMEDIATE",
        "COMMIT",
        "SAVEPOINT other",
        "REINDEX",
        "ANALYZE",
        "DETACH main",
    ],
)
def test_whatever_does_more_than_read_is_refused(
    curves: Desk, statement: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    curves.index.ask("SELECT 1")
    before = hashlib.sha256(curves.index.path.read_bytes()).hexdigest()
    with pytest.raises(StatementRefused) as caught:
        rows(curves, statement)
    assert caught.value.reason == "it would do more than read"
    assert "`mitosis sql` shows" in str(caught.value)
    assert hashlib.sha256(curves.index.path.read_bytes()).hexdigest() == before
    assert list(tmp_path.iterdir()) == []
    assert Search(curves).count() == 200


@pytest.mark.parametrize(
    ("statement", "reason"),
    [
        ("", "it asks nothing"),
        ("-- nothing", "it asks nothing"),
        ("SELEC", "syntax error"),
        ("SELECT mian FROM trials", "no such column: mian"),
        ("SELECT * FROM trails", "no such table: trails"),
        ("SELECT 1; SELECT 2", "one statement at a time"),
        ("SELECT 1; DROP TABLE listing", "one statement at a time"),
        ("SELECT ?", "binding"),
        ("SELECT writefile('other', 'x')", "no such function: writefile"),
        ("SELECT abs(-9223372036854775808)", "overflow"),
        ("SELECT CAST(x'ff' AS TEXT)", "UTF-8"),
        ("SELECT '\x00'", ""),
        ("SELECT zeroblob(3000000000)", "too big"),
    ],
)
def test_what_sqlite_does_not_take_is_refused_with_what_it_says(curves: Desk, statement: str, reason: str) -> None:
    with pytest.raises(StatementRefused) as caught:
        rows(curves, statement)
    assert reason in caught.value.reason


def test_writing_goes_on_after_a_statement(journal: Desk) -> None:
    journal.run_trial()
    assert rows(journal, "SELECT count(*) FROM trials") == [(1,)]
    with pytest.raises(StatementRefused):
        rows(journal, "DELETE FROM listing")
    journal.run_trial()
    assert rows(journal, "SELECT count(*) FROM trials") == [(2,)]


def test_statement_that_does_not_end_can_be_interrupted(curves: Desk) -> None:
    def interrupt() -> None:
        time.sleep(0.3)
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)

    other = threading.Thread(target=interrupt)
    handler = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        other.start()
        with pytest.raises(KeyboardInterrupt):
            rows(curves, FOREVER)
    finally:
        signal.signal(signal.SIGINT, handler)
        other.join()
    assert rows(curves, "SELECT count(*) FROM trials") == [(200,)]
