"""`mitosis list`, `fields` and `sql` on the study: every option, every format, terminals and pipes."""

from __future__ import annotations

import csv
import io
import json
import math
import re
import signal
import subprocess
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from mitosis.records.trial import ParameterRecord, StepRecord
from support.e2e import Project, command
from support.journal import Desk, run_trial
from support.study import TRIALS, clone_study
from support.terminal import on_terminal
from support.waiting import TIMEOUT_S

NUMBERS = ("main", "params.fit.degree", "params.fit.weight", "metrics.fit.f1", "value.data.noise.scale", "took")


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Project:
    return Project(clone_study(tmp_path_factory.mktemp("listing") / "study"))


def read(study: Project, *words: str) -> list[dict[str, Any]]:
    """What `mitosis list` gives as JSON."""
    found: list[dict[str, Any]] = json.loads(study.mitosis("list", "--format", "json", *words).stdout)
    return found


def keys(study: Project, *words: str) -> list[str]:
    return [row["key"] for row in read(study, "--columns", "key", "-n", "0", *words)]


@pytest.fixture(scope="module")
def everything(study: Project) -> list[dict[str, Any]]:
    return read(study, "-n", "0")


Rows = list[dict[str, Any]]

# --- which trials ---------------------------------------------------------------------------------


def test_all_are_there_with_full_names(everything: Rows) -> None:
    assert len(everything) == TRIALS
    names = set(everything[0])
    assert {"key", "main", "params.data.noise", "metrics.fit.f1", "tags", "note", "started"} <= names
    assert not any(name.startswith(("value.", "package.", "digest.")) for name in names)
    assert all(set(row) == names for row in everything)
    assert [row["started"] for row in everything] == sorted((row["started"] for row in everything), reverse=True)


def test_condition_is_a_word_or_an_option_and_all_count(study: Project, everything: Rows) -> None:
    condition = "main < 0.1 and params.noise == 'low'"
    expected = [row["key"] for row in everything if (row["main"] or 1) < 0.1 and row["params.data.noise"] == "low"]
    assert keys(study, condition) == keys(study, "--where", condition) == expected
    assert keys(study, "main < 0.1", "--where", "noise == 'low'", "--where", "key is not None") == expected
    assert 5 < len(expected) < TRIALS


@pytest.mark.parametrize(
    ("words", "condition"),
    [
        (("--experiment", "data+fit"), "experiment == 'data+fit'"),
        (("--status", "failed"), "status == 'failed'"),
        (("--status", "interrupted"), "failure.kind == 'timeout'"),
        (("--tag", "paper"), "tags is not None and package.numpy == '2.3.5'"),
        (("--tag", "paper", "--tag", "@seed 1"), "'seed 1' in tags"),
        (("--author", "BOB@example"), "startswith(author, 'Bob Bell')"),
        (("--author", "lovelace"), "startswith(author, 'Ada')"),
        (("--mine",), "author == 'Ada Lovelace <ada@example.org>'"),
        (("--rev", "main..legendre"), "package.numpy == '2.3.5'"),
        (("--rev", "main"), "package.numpy == '2.2.6'"),
        (("--since", "2026-11-30", "--status", "failed"), "status == 'failed'"),
        (("--until", "now", "--mine"), "author == 'Ada Lovelace <ada@example.org>'"),
        (
            ("--author", "ada", "--status", "failed", "noise == 'mid'"),
            "failure.kind is not None and degree == 30 and noise != 'low'",
        ),
    ],
    ids=" ".join,
)
def test_short_options_are_conditions(study: Project, words: tuple[str, ...], condition: str) -> None:
    found = keys(study, *words)
    assert found == keys(study, condition)
    assert found


def test_since_and_until_take_the_moments_of_trials(study: Project, everything: Rows) -> None:
    moment = everything[50]["started"]
    assert keys(study, "--since", moment) == [row["key"] for row in everything[:51]]
    assert keys(study, "--until", moment) == [row["key"] for row in everything[50:]]
    assert keys(study, "--until", "2020") == []


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("mian < 0.1",), "mitosis: there is no field `mian`\n    mian < 0.1\n    ^^^^\nNearest: `main`"),
        (("--where", "main = 3"), "`=` compares nothing: write `==`\n    main = 3\n         ^"),
        (("--status", "done"), "there is no status `done`\n    there is: running, finished, failed, interrupted"),
        (
            ("--experiment", "fti"),
            "no trials of `fti` are recorded in this repository\n    experiments: data+fit (200)",
        ),
        (("--since", "soon"), "`'soon'` is not a time"),
        (("--rev", "nowhere"), "git knows no revision or range `nowhere`"),
        (("--sort", "-mian"), "there is no field `mian`"),
        (("--columns", "key,nothing.*"), "there is no field `nothing.*`"),
        (("--group-by", "mian"), "there is no field `mian`"),
        (("--best", "-mian"), "there is no field `mian`"),
        (("--of", "mian"), "there is no field `mian`"),
        (("-n", "-1"), "-n -1: pass the number of trials to list, or 0 for all"),
        (("--format", "yaml"), 'Choose from: "table", "csv", "json", "jsonl", "markdown", "latex", "parquet"'),
    ],
    ids=" ".join,
)
def test_mistakes_are_told_and_nothing_is_listed(study: Project, words: tuple[str, ...], told: str) -> None:
    done = study.mitosis("list", *words, status=2)
    assert done.stdout == ""
    assert told in done.stderr
    assert "Traceback" not in done.stderr


def test_nothing_that_meets_a_condition_is_said(study: Project) -> None:
    assert study.mitosis("list", "main < 0").stdout == "no trial meets that\n"
    assert read(study, "main < 0") == []
    assert study.mitosis("list", "main < 0", "--format", "csv", "--columns", "key,main").stdout == "key,main\n"
    assert study.mitosis("list", "main < 0", "--format", "jsonl").stdout == ""


# --- in what order, which columns -----------------------------------------------------------------


def test_sort_reverse_and_number(study: Project, everything: Rows) -> None:
    by_main = sorted(everything, key=lambda row: math.inf if row["main"] is None else row["main"])
    finished = [row["main"] for row in by_main if row["main"] is not None]
    found = [row["main"] for row in read(study, "--sort", "main", "-n", "0", "--columns", "main")]
    assert found == finished + [None] * 5
    back = [row["main"] for row in read(study, "--sort", "main", "--reverse", "-n", "0", "--columns", "main")]
    assert back == [row["main"] for row in read(study, "--sort", "-main", "-n", "0", "--columns", "main")]
    assert back == finished[::-1] + [None] * 5
    assert keys(study)[:3] == [row["key"] for row in read(study, "-n", "3")]
    assert keys(study, "--reverse") == keys(study)[::-1]
    pairs = [
        (row["params.data.noise"], row["params.fit.degree"])
        for row in read(study, "--sort", "noise,-degree", "-n", "0")
    ]
    assert pairs == sorted(pairs, key=lambda pair: (pair[0], -pair[1]))


def test_columns_are_those_that_are_named_in_their_order(study: Project) -> None:
    words = ("--columns", "key,main", "--columns", "metrics.*", "--columns", "value.noise.scale,package.numpy")
    (row,) = read(study, *words, "-n", "1")
    assert list(row) == [
        *("key", "main", "metrics.data.snr", "metrics.fit.r2", "metrics.fit.f1", "metrics.fit.nonzero"),
        *("value.data.noise.scale", "package.numpy"),
    ]
    header, first, *_ = study.mitosis("list", "--columns", "noise,f1", "--sort", "noise,-f1").stdout.splitlines()
    assert header.split() == ["params.data.noise", "metrics.fit.f1"]
    assert first.split() == ["high", "1"]


def test_best_of_each_group(study: Project, everything: Rows) -> None:
    low: dict[str, float] = {}
    for row in everything:
        low[row["params.data.noise"]] = min(low.get(row["params.data.noise"], math.inf), row["main"] or math.inf)
    found = read(study, "--best", "main", "--group-by", "noise", "--sort", "main")
    assert [(row["params.data.noise"], row["main"]) for row in found] == sorted(low.items(), key=lambda item: item[1])
    (highest,) = read(study, "--best", "-main")
    assert highest["main"] == max(row["main"] or 0 for row in everything)
    (best,) = read(study, "--best", "main")
    assert best["key"] == read(study, "--sort", "main", "-n", "1")[0]["key"]
    assert len(read(study, "--best", "main", "--group-by", "noise,degree", "-n", "2")) == 2
    assert study.mitosis("list", "--best", "main", "--group-by", "noise").stdout.count("data+fit") == 3


def test_groups_are_counted_and_calculated(study: Project, everything: Rows) -> None:
    found = read(study, "--group-by", "params.noise,model", "--of", "-f1", "status == 'finished'")
    assert list(found[0]) == [
        *("params.data.noise", "params.fit.model", "trials", "best", "mean", "sd", "median", "best_key")
    ]
    assert len(found) == 9
    for group in found:
        rows = [
            row
            for row in everything
            if row["status"] == "finished"
            and all(row[name] == group[name] for name in ("params.data.noise", "params.fit.model"))
        ]
        f1 = [row["metrics.fit.f1"] for row in rows]
        assert (group["trials"], group["best"]) == (len(rows), max(f1))
        assert group["mean"] == pytest.approx(sum(f1) / len(f1))
        assert {row["key"]: row["metrics.fit.f1"] for row in rows}[group["best_key"]] == max(f1)
    whole = study.mitosis("list", "--of", "f1").stdout.splitlines()
    assert whole[0].split() == ["trials", "best", "mean", "±", "sd", "median", "best", "trial"]
    assert whole[1].split()[0] == "200"


def test_groups_take_main_in_the_direction_that_is_registered(study: Project, everything: Rows) -> None:
    (group,) = read(study, "--group-by", "experiment")
    assert group["best"] == min(row["main"] for row in everything if row["main"] is not None)


# --- formats --------------------------------------------------------------------------------------


def test_programs_get_all_trials_unless_told_otherwise(study: Project) -> None:
    assert len(read(study, "--columns", "key")) == TRIALS
    assert len(study.mitosis("list", "--format", "csv", "--columns", "key").stdout.splitlines()) == TRIALS + 1
    assert len(read(study, "--columns", "key", "-n", "3")) == 3
    assert len(study.mitosis("list", "--columns", "key").stdout.splitlines()) == 20 + 1


def test_csv_is_read_back_in_full(study: Project, everything: Rows) -> None:
    text = study.mitosis("list", "--format", "csv", "-n", "0").stdout
    rows = list(csv.DictReader(io.StringIO(text, newline="")))
    assert [row["key"] for row in rows] == [row["key"] for row in everything]
    for row, expected in zip(rows, everything, strict=True):
        assert row == {name: "" if value is None else str(value) for name, value in expected.items()}


def test_json_lines_are_the_same_objects(study: Project, everything: Rows) -> None:
    lines = study.mitosis("list", "--format", "jsonl", "-n", "0").stdout.splitlines()
    assert [json.loads(line) for line in lines] == everything


def test_numbers_are_exact_in_json(study: Project, everything: Rows) -> None:
    (best,) = read(study, "--best", "main")
    shown = study.mitosis("list", "--best", "main", "--columns", "main").stdout.split()[-1]
    assert f"{best['main']:.3g}" == f"{float(shown):.3g}" and len(shown) < 8 < len(repr(best["main"]))


def test_parquet_has_types(study: Project, everything: Rows, tmp_path: Path) -> None:
    from pyarrow import parquet

    target = tmp_path / "trials.parquet"
    with target.open("wb") as file:
        subprocess.run(
            command("list", "--format", "parquet", "-n", "0"), cwd=study, stdout=file, check=True, timeout=TIMEOUT_S
        )
    table = parquet.read_table(target)
    types = {field.name: str(field.type) for field in table.schema}
    assert types["main"] == "double" and types["params.fit.degree"] == "int64" and types["key"] == "string"
    assert types["started"] == "timestamp[us, tz=UTC]"
    rows = table.to_pylist()
    for row, expected in zip(rows, everything, strict=True):
        assert row["main"] == expected["main"]
        assert row["params.data.noise"] == expected["params.data.noise"]
        assert row["started"].astimezone(UTC) == datetime.fromisoformat(expected["started"])


def test_parquet_is_not_written_on_a_terminal(study: Project) -> None:
    seen = on_terminal(study, "list", "--format", "parquet")
    assert seen.status == 2
    assert "mitosis list --format parquet > trials.parquet" in "".join(seen.lines)


def test_markdown_and_latex_have_digits_that_are_asked_for(study: Project) -> None:
    words = ("list", "--columns", "noise,model,main,f1", "--best", "main", "--group-by", "noise", "--sort", "main")
    markdown = study.mitosis(*words, "--format", "markdown").stdout.splitlines()
    assert markdown[:2] == ["| noise | model | main | f1 |", "| --- | --- | --- | --- |"]
    assert re.fullmatch(r"\| low \| ols \| 0\.0160 \| [\d.]+ \|", markdown[2])
    assert len(markdown) == 5
    more = study.mitosis(*words, "--format", "markdown", "--digits", "6").stdout.splitlines()
    assert re.search(r"\| 0\.0159701 \|", more[2])
    latex = study.mitosis(*words, "--format", "latex", "--digits", "2").stdout.splitlines()
    assert latex[:4] == [
        r"\begin{tabular}{llll}",
        r"  \toprule",
        r"  noise & model & main & f1 \\",
        r"  \midrule",
    ]
    assert re.fullmatch(r"  low & ols & 0\.016 & [\d.]+ \\\\", latex[4])
    assert latex[-2:] == [r"  \bottomrule", r"\end{tabular}"]


def test_groups_in_every_format(study: Project) -> None:
    words = ("list", "--group-by", "degree", "status == 'finished'")
    header, *rows = csv.reader(io.StringIO(study.mitosis(*words, "--format", "csv").stdout))
    assert header == ["params.fit.degree", "trials", "best", "mean", "sd", "median", "best_key"]
    assert [int(row[0]) for row in rows] == [1, 2, 3, 5, 8]
    table = study.mitosis(*words).stdout.splitlines()
    assert len(table) == 6 and "±" in table[1]
    assert study.mitosis(*words, "--format", "markdown").stdout.startswith("| degree | trials | best | mean ± sd |")
    assert study.mitosis(*words, "--format", "latex").stdout.count(r"\\") == 6
    assert len(study.mitosis(*words, "--format", "jsonl").stdout.splitlines()) == 5


HOSTILE = (
    r"50 % of {a}_b & c#d $e$ \f ~g ^h <i> |j| \"k\" [l] *m* `n`",
    "[0.1, 0.2]",
    "*star",
    "\x1b[31mred\x1b[0m\nnext line\r\tbell\x07 \u202eright to left",
    "=1+1,\"a\";'b'",
    "| --- | \\| |",
    "日本 – é",
)


@pytest.fixture
def hostile(tmp_path: Path) -> Project:
    """A repository in which somebody has recorded texts that could do harm."""
    folder = tmp_path / "hostile"
    folder.mkdir()
    project = Project(folder)
    project.git("init", "--quiet")
    project.commit({"a": "b"})
    journal = Desk(folder)
    for number, text in enumerate(HOSTILE):
        run_trial(
            journal,
            key=f"{number:02}{'a' * 10}",
            started=f"2026-03-01T12:00:{number:02}.000000+00:00",
            parameters=(ParameterRecord("my_exp", "said", "eval", text, digest="b" * 40, summary=text),),
            steps=(StepRecord("my_exp", "lab:run", metrics={"a & b": 1.5}),),
        )
    journal.index.close()
    return project


def test_hostile_texts_come_back_from_csv_and_json(hostile: Project) -> None:
    words = ("list", "--columns", "said", "--reverse", "--format")
    rows = json.loads(hostile.mitosis(*words, "json").stdout)
    assert [row["params.my_exp.said"] for row in rows] == list(HOSTILE)
    _, *lines = csv.reader(io.StringIO(hostile.mitosis(*words, "csv").stdout, newline=""))
    assert [text for (text,) in lines] == list(HOSTILE)


def test_hostile_texts_are_escaped_in_latex(hostile: Project) -> None:
    text = hostile.mitosis("list", "--columns", "said,metrics.*", "--reverse", "--format", "latex").stdout
    assert "\x1b" not in text and "\u202e" not in text and "\x07" not in text
    assert r"said & a \& b \\" in text
    body = text.partition("\\midrule\n")[2].partition("  \\bottomrule")[0].splitlines()
    assert len(body) == len(HOSTILE)
    for line in body:
        assert line.endswith(r" & 1.5 \\")
        cell = line.strip().rpartition(" & ")[0]
        # A command that takes an argument in brackets, and those with a star, would take it from the next row.
        assert not cell.startswith(("[", "*"))
        without = re.sub(r"\\[&%$#_{}]|\\(?:text\w+|char34)\{\}|\{[\[*]\}", "", cell)
        assert not re.search(r'[\\&%$#_{}~^<>|"]', without), without
    assert r"50 \% of \{a\}\_b \& c\#d \$e\$ \textbackslash{}f \textasciitilde{}g \textasciicircum{}h" in body[0]
    assert body[1].startswith("  {[}0.1")
    assert body[2].startswith("  {*}star")


def test_hostile_texts_stay_in_their_cells_of_markdown(hostile: Project) -> None:
    text = hostile.mitosis("list", "--columns", "key,said,metrics.*", "--reverse", "--format", "markdown").stdout
    lines = text.splitlines()
    assert len(lines) == len(HOSTILE) + 2
    for line in lines:
        assert len(re.findall(r"(?<!\\)(?:\\\\)*\|", line)) == 4
    assert "\x1b" not in text and "<i>" not in text.replace(r"\<i\>", "")


@pytest.mark.parametrize("words", [(), ("--columns", "key,said"), ("--format", "csv"), ("--group-by", "said")])
def test_hostile_texts_do_not_steer_a_terminal(hostile: Project, words: tuple[str, ...]) -> None:
    seen = on_terminal(hostile, "list", *words, columns=120)
    assert seen.status == 0
    assert "\x1b[31m" not in seen.raw and "\x07" not in seen.raw and "\u202e" not in seen.raw


# --- on a terminal and in a pipe ------------------------------------------------------------------


@pytest.mark.parametrize("columns", [80, 120])
def test_list_fits_a_terminal(study: Project, columns: int) -> None:
    seen = on_terminal(study, "list", "noise == 'low' and degree == 5", "--sort", "main", "-n", "5", columns=columns)
    assert seen.status == 0
    assert seen.lines[0].startswith("all: experiment data+fit · ") and "noise low" in " ".join(seen.lines[:3])
    (header,) = (line for line in seen.lines if line.startswith("  key") or line.lstrip().startswith("key"))
    assert "main" in header and "model" in header
    assert any(line == "5 of 12; -n 0 lists all" for line in seen.lines)
    assert all(len(line) <= columns for line in seen.lines)


@pytest.mark.parametrize("columns", [80, 120])
def test_groups_fit_a_terminal(study: Project, columns: int) -> None:
    seen = on_terminal(study, "list", "--group-by", "noise,model", columns=columns)
    assert seen.lines[0].split()[:4] == ["noise", "model", "trials", "best"]
    assert len(seen.lines) == 10
    assert all("±" in line for line in seen.lines[1:])


def test_columns_have_short_names_on_a_terminal_and_full_ones_in_a_pipe(study: Project) -> None:
    words = ("list", "--columns", "key,noise,f1,main", "-n", "2")
    assert on_terminal(study, *words).lines[0].split() == ["key", "noise", "f1", "main"]
    assert study.mitosis(*words).stdout.splitlines()[0].split() == [
        "key",
        "params.data.noise",
        "metrics.fit.f1",
        "main",
    ]
    assert "-n 0 lists all" not in study.mitosis(*words).stdout


def test_reader_that_has_seen_enough_ends_it_quietly(study: Project) -> None:
    done = subprocess.run(
        ["sh", "-c", '"$@" | head -n 1', "sh", *command("list", "-n", "0", "--format", "csv")],
        cwd=study,
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=True,
    )
    assert done.stdout.startswith("key,experiment,")
    assert done.stderr == ""


def test_selections_stand_wherever_a_key_does(study: Project) -> None:
    (best,) = read(study, "--best", "main")
    for word in ("best", "best:main", f"where:key == '{best['key']}'", best["key"][:7]):
        assert study.mitosis("show", word).stdout.split()[0] == best["key"]
    (paper,) = read(study, "--tag", "paper")
    assert study.mitosis("show", "@paper").stdout.split()[0] == paper["key"]
    assert study.mitosis("show", "latest~1").stdout.split()[0] == read(study, "-n", "2")[1]["key"]
    assert "nothing has to be settled" in study.mitosis("settle", "@paper").stdout
    assert "is not here" in study.mitosis("open", "@baseline", status=2).stderr


def test_many_trials_are_not_all_named_where_one_is_needed(study: Project) -> None:
    done = study.mitosis("show", "where:main < 10", status=2)
    assert "`where:main < 10` means 195 trials, and one is needed" in done.stderr
    assert len(done.stderr.splitlines()) < 30


def complete(study: Project, *words: str) -> set[str]:
    """What the shell is offered for the last word."""
    lines = study.mitosis("__complete", *words).stdout.removeprefix("\n\x1fbegin\n").splitlines()
    return {line.partition("\t")[0] for line in lines}


def test_shell_completes_selections_fields_and_options(study: Project) -> None:
    assert {"latest", "best"} <= complete(study, "show", "l") | complete(study, "show", "b")
    assert complete(study, "show", "@") == {"@paper", "@baseline", "@seed 1"}
    assert {"best:-metrics.fit.f1", "best:-main"} <= complete(study, "show", "best:-")
    newest = keys(study)[0]
    assert any(newest.startswith(offered) for offered in complete(study, "show", newest[:3]) if offered)
    assert {"main", "params.data.noise"} <= complete(study, "list", "--sort", "")
    assert "main,-metrics.fit.f1" in complete(study, "list", "--columns", "main,-")
    assert "data+fit" in complete(study, "list", "--experiment", "")
    assert {"paper", "baseline"} <= complete(study, "list", "--tag", "")
    assert "main..legendre" in complete(study, "list", "--rev", "main..")


# --- fields and SQL -------------------------------------------------------------------------------


def test_fields_lists_all_with_examples(study: Project) -> None:
    lines = study.mitosis("fields").stdout.splitlines()
    rows = dict(re.split("  +", line, maxsplit=1) for line in lines[1:])
    assert {"key", "main", "params.data.noise", "metrics.fit.f1", "value.data.noise.scale", "tags"} <= set(rows)
    assert rows["tags"] == "'paper, seed 1'"
    assert rows["failure.kind"] == "'exception'"
    assert not any(name.startswith("package.") for name in rows)
    assert all(math.isfinite(float(rows[name])) for name in NUMBERS)
    packages = study.mitosis("fields", "package.*").stdout.splitlines()
    assert "package.numpy" in "".join(packages) and len(packages) > 50
    assert "there is no field `nothing.*`" in study.mitosis("fields", "nothing.*", status=2).stderr


def test_examples_of_fields_are_conditions(study: Project) -> None:
    for line in study.mitosis("fields", "metrics.*").stdout.splitlines()[1:]:
        name, example = line.split()
        assert keys(study, f"{name} == {example}")


def test_sql_in_every_format(study: Project) -> None:
    query = "SELECT key, main FROM trials WHERE main IS NOT NULL ORDER BY main LIMIT 2"
    (first, second) = json.loads(study.mitosis("sql", query, "--format", "json").stdout)
    assert first["main"] <= second["main"]
    rows = csv.DictReader(io.StringIO(study.mitosis("sql", query, "--format", "csv").stdout))
    assert [row["key"] for row in rows] == [first["key"], second["key"]]
    table = study.mitosis("sql", query).stdout.splitlines()
    assert table[0].split() == ["key", "main"] and len(table) == 3
    assert study.mitosis("sql", query, "--format", "markdown").stdout.count("\n") == 4
    assert study.mitosis("sql", query, "--format", "latex").stdout.count(r"\\") == 3


def test_sql_without_a_query_says_what_there_is(study: Project) -> None:
    text = study.mitosis("sql").stdout
    assert "trials(key, experiment, status, main" in text and "metrics(trial, step, name, value)" in text
    seen = on_terminal(study, "sql")
    assert all(len(line) <= 80 for line in seen.lines)


def test_sql_refuses_to_write(study: Project) -> None:
    for statement in (
        "DELETE FROM listing",
        "ATTACH 'x' AS y",
        "PRAGMA user_version = 3",
        "SELECT load_extension('x')",
    ):
        done = study.mitosis("sql", statement, status=2)
        assert "it would do more than read" in done.stderr and done.stdout == ""
    assert len(keys(study)) == TRIALS


def test_sql_that_does_not_end_can_be_interrupted(study: Project) -> None:
    endless = "WITH RECURSIVE t(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM t) SELECT n FROM t"
    process = study.start("sql", endless, "--format", "csv")
    assert process.stdout is not None
    assert process.stdout.readline() == "n\n"
    process.send_signal(signal.SIGINT)
    process.stdout.close()
    assert process.stderr is not None
    with process.stderr:
        assert "Traceback" not in process.stderr.read()
    assert process.wait(TIMEOUT_S) != 0
