"""What a condition cannot say is refused: why, where in the text, and what would be right."""

from __future__ import annotations

import pytest

from mitosis.errors.base import WINDOW
from mitosis.query.search import Search
from mitosis.query.syntax import QueryError
from support.journal import Desk

TIMES = 'Write one such as "2026-03", "2026-03-01 14:30", "yesterday" or "2 weeks ago".'
FUNCTIONS = "There are: abs, sqrt, exp, log, log10, startswith, endswith, like, lower."
ALL = "`mitosis fields` lists all."
DIGITS = "is hexadecimal, and its beginning is compared by == or !="
PARTS = "the condition is too large"

REFUSED = [
    # what is no expression
    ("", "there is no condition", 1, "Write one such as: main < 0.1"),
    ("  \n ", "there is no condition", 1, "Write one such as: main < 0.1"),
    ("main <", "something is missing at the end", 7, ""),
    ("main < 0.1 and  ", "something is missing at the end", 15, ""),
    ("(main", "this is not an expression of Python: '(' was never closed", 1, ""),
    ("main < 0.1)", "this is not an expression of Python: unmatched ')'", 11, ""),
    ("main < 0.1 or or True", "this is not an expression of Python: invalid syntax", 15, ""),
    ("   main 3", "this is not an expression of Python: invalid syntax", 9, ""),
    ("main = 3", "`=` compares nothing: write `==`", 6, ""),
    ("main <> 3", "`<>` is not Python: write `!=`", 6, ""),
    ("main < 3 && f1 > 0", "`&&` is not Python: write `and`", 10, ""),
    ("main < 3 || f1 > 0", "`||` is not Python: write `or`", 10, ""),
    ("main < 3\x00", "the condition cannot be read", 9, ""),
    ("main < \ud800", "the condition cannot be read", 1, ""),
    ("noise == 'low' and\nmain =\t3", "`=` compares nothing: write `==`", 25, ""),
    # words
    ("mian < 0.1", "there is no field `mian`", 1, f"Nearest: `main`, `command`. {ALL}"),
    ("0 < metrics.fit.f2", "there is no field `metrics.fit.f2`", 5, "`metrics.fit.f1`"),
    ("params.fit.noise == 'low'", "there is no field `params.fit.noise`", 1, "`params.data.noise`"),
    ("noise == low", "there is no field `low`", 10, 'If it is a text, write: "low"'),
    ("package.nunpy == '2'", "there is no field `package.nunpy`", 1, "`package.numpy`"),
    ("'µµ' == noise and µain < 1", "there is no field `μain`", 19, "`main`"),
    ("foo(main) < 1", "there is no function `foo`", 1, FUNCTIONS),
    ("main < 1 and lg10(main) < 1", "there is no function `lg10`", 14, f"Did you mean `log10`? {FUNCTIONS}"),
    ("main.real(3) < 1", "there is no function `main.real`", 1, FUNCTIONS),
    ("__import__('os')", "there is no function `__import__`", 1, FUNCTIONS),
    ("abs(main)[0] < 1", "`abs(main)` is not the name of a field", 1, ALL),
    ("abs(main) is None", "`abs(main)` is not the name of a field", 1, ALL),
    # what is compared
    ("status", "`status` is not a condition", 1, "Compare it with something, as in: main < 0.1"),
    ("not 'x'", "`'x'` is not a condition", 5, "main < 0.1"),
    ("main + 1", "`main + 1` is not a condition", 1, "main < 0.1"),
    ("main == None", "nothing is equal to None", 9, "Write: is None, or: is not None"),
    ("main is 3", "`is` is for None alone", 9, "Write == to compare with anything else."),
    ("status < 3", "a text is compared with a number", 10, ""),
    ("took == 'long'", "a number is compared with a text", 9, ""),
    ("main < 1 < 'x'", "a number is compared with a text", 12, ""),
    ("status in ['failed', 3]", "a text is compared with a number", 22, ""),
    ("main < True", "True is neither less nor greater than anything", 8, "Write ==."),
    ("(main < 1) == True", "a condition is compared with nothing", 2, ""),
    ("[main] == 1", "a list stands behind `in` alone", 1, ""),
    ("main < 0,1", "a list stands behind `in` alone", 1, ""),
    ("main in []", "nothing is in an empty list", 9, ""),
    ("main in 'low'", "nothing can be in `'low'`", 9, 'Write a list, as in: noise in ["low", "high"]'),
    ("'low' in took", "nothing can be in `took`", 10, "Write a list"),
    ("3 in status", "only a text can be in a text or among tags", 1, ""),
    ("tags == 'paper'", "tags are many", 1, 'Write: "NAME" in tags'),
    ("1j == main", "`1j` is neither a number nor a text", 1, ""),
    ("noise == b'low'", "`b'low'` is neither a number nor a text", 10, ""),
    ("main < ...", "`...` is neither a number nor a text", 8, ""),
    # times and ids
    ("started > 'x'", "`'x'` is not a time", 11, TIMES),
    ("'2026-13' <= ended", "`'2026-13'` is not a time", 1, TIMES),
    ("started > 3", "`3` is not a time", 11, TIMES),
    ("started in ['2026', 'soon']", "`'soon'` is not a time", 21, TIMES),
    ("key == 'xyz'", f"`key` {DIGITS}", 8, ""),
    ("key < 'ab'", f"`key` {DIGITS}", 7, ""),
    ("'' == key", f"`key` {DIGITS}", 1, ""),
    ("commit == 'main'", f"`commit` {DIGITS}", 11, 'For what a name means to git, write: commit in "main"'),
    ("commit in 'no..where'", "git knows no revision or range `no..where`", 11, 'commit in "main..feature"'),
    ("commit in '--all'", "git knows no revision or range `--all`", 11, 'commit in "main..feature"'),
    ('commit in "it\'s"', "git knows no revision or range `it's`", 11, 'commit in "main..feature"'),
    # what calculates
    ("main | 3", "only + - * / // % ** calculate", 1, "Conditions are joined by: and, or, not"),
    ("started + 3 > 1", "`started` is not a number", 1, ""),
    ("-'x' < 1", "`'x'` is not a number", 2, ""),
    ("~main < 1", "`~main` is not part of this language", 1, ""),
    ("not ~main", "`~main` is not part of this language", 5, ""),
    ("1 < main * 1" + "0" * 400, "the number is too large to calculate with", 12, ""),
    ("log10(main, 3) < 1", "`log10` takes 1 argument", 1, ""),
    ("like(status)", "`like` takes 2 arguments", 1, ""),
    ("abs(x=main) < 1", "`abs` takes 1 argument", 1, ""),
    ("abs(*[main]) < 1", "`abs` takes 1 argument", 1, ""),
    ("abs(status) < 1", "`status` is not a number", 5, ""),
    ("startswith(status, 3)", "`3` is not a text", 20, ""),
    ("lower(True) == 'true'", "`True` is not a text", 7, ""),
    # the rest of Python
    ("main if True else 2", "`main if True else 2` is not part of this language", 1, ""),
    ("lambda: 0", "`lambda: 0` is not part of this language", 1, ""),
    ("(main := 3) == 3", "`main := 3` is not part of this language", 2, ""),
    ("[m for m in main] == 3", "`[m for m in main]` is not part of this language", 1, ""),
    ("noise == f'{main}'", "`f'{main}'` is not part of this language", 10, ""),
    ("{1: 2} == main", "`{1: 2}` is not part of this language", 1, ""),
    # too much of it
    ("main < 1" + " " * 20_000, "the condition is too long", 1, ""),
    ("not " * 60 + "main < 1", PARTS, 1, "Write it with fewer parts."),
    (" or ".join(["main < 1"] * 300), PARTS, 1, "Write it with fewer parts."),
    (f"started in [{', '.join(['started'] * 501)}]", PARTS, 1, "Write it with fewer parts."),
    (f"""started in [{", ".join(["'2026'"] * 301)}]""", "the list is too long", 12, ""),
]


@pytest.mark.parametrize(("text", "reason", "column", "hint"), REFUSED, ids=[text[:30] for text, *_ in REFUSED])
def test_refusal_says_why_where_and_what_would_be_right(
    curves: Desk, text: str, reason: str, column: int, hint: str
) -> None:
    with pytest.raises(QueryError) as caught:
        Search(curves, [text])
    error = caught.value
    assert (error.reason, error.column) == (reason, column)
    assert hint in error.hint
    assert bool(hint) == bool(error.hint)


def test_what_is_nested_too_deeply_for_python_is_refused(curves: Desk) -> None:
    with pytest.raises(QueryError):
        Search(curves, ["(" * 5000 + "1" + ")" * 5000 + " < main"])


@pytest.mark.parametrize(
    ("text", "marked"),
    [
        ("mian < 0.1", "mian"),
        ("  mian < 0.1", "mian"),
        ("main < 0.1 and started > 'soon'", "'soon'"),
        ("noise == '\t' and mian < 1", "mian"),
        ("noise == '\x1b[31m' and mian < 1", "mian"),
        ("noise == 'äöü' and mian < 1", "mian"),
        (f"noise == '{'x' * 500}' and mian < 1", "mian"),
        (f"mian < 1 and noise == '{'x' * 500}'", "mian"),
    ],
)
def test_caret_stands_below_the_mistake(curves: Desk, text: str, marked: str) -> None:
    with pytest.raises(QueryError) as caught:
        Search(curves, [text])
    _, shown, marks, *_ = str(caught.value).splitlines()
    assert str(caught.value).isprintable() or "\n" in str(caught.value)
    begin = marks.index("^")
    assert shown[begin : begin + marks.count("^")] == marked
    assert marks.strip() == "^" * len(marked)
    assert len(shown) <= WINDOW + 20


def test_ambiguous_name_is_refused_with_what_it_could_be(repository_folder: object, journal: Desk) -> None:
    from mitosis.records.trial import StepRecord

    steps = tuple(StepRecord(name, f"lab:{name}", metrics={"f1": 0.5}) for name in ("a", "b"))
    journal.run_trial(experiment="a+b", steps=steps)
    with pytest.raises(QueryError) as caught:
        Search(journal, ["main < 1 and f1 > 0"])
    assert caught.value.reason == "`f1` could be several fields"
    assert caught.value.column == 14
    assert caught.value.hint == "Write which: `metrics.a.f1` or `metrics.b.f1`."
    assert [*Search(journal, ["metrics.a.f1 > 0"]).keys()] == [*Search(journal, ["a.f1 > 0"]).keys()] != []


NESTED = {
    "calls": ("abs(", "value.noise.scale", ")", " < 1"),
    "powers": ("(f1 ** ", "value.noise.scale", ")", " < 1"),
    "signs": ("-", "main", "", " < 1"),
    "negations": ("not ", "main < 1", "", ""),
    "choices": ("(main < 1 and not ", "noise in ['low', model]", ")", ""),
}


@pytest.mark.parametrize("kind", NESTED)
def test_nesting_is_answered_up_to_where_it_is_refused(curves: Desk, kind: str) -> None:
    """How deep that is depends on SQLite; ten levels are more than people write."""
    before, inner, after, rest = NESTED[kind]
    answered = []
    for depth in range(1, 55):
        try:
            list(Search(curves, [before * depth + inner + after * depth + rest]).keys())
            answered.append(depth)
        except QueryError as error:
            assert error.reason == PARTS
    assert answered == list(range(1, len(answered) + 1))
    assert 10 <= len(answered) < 54
    assert curves.index.path.exists()
