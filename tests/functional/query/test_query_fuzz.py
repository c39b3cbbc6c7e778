"""Whatever is written as a condition or a selection, it is answered or refused, soon, and touches nothing."""

from __future__ import annotations

import hashlib
import random
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from mitosis.errors.journal import AmbiguousKey, TrialNotFound
from mitosis.errors.usage import UsageError
from mitosis.query.search import Search
from mitosis.query.selection import select
from mitosis.query.syntax import QueryError
from support.journal import Desk

VALID = (
    "main < 0.1 and params.noise == 'low'",
    "0.01 <= main < 0.1 or not (f1 > 0.9)",
    "noise in ['low', 'mid'] and model not in ('ols', 'ridge')",
    "started > '2 weeks ago' and ended < '2026-12'",
    "commit in 'main..legendre' or key == '5f2c'",
    "startswith(subject, 'Fit') and like(experiment, 'da*') and endswith(host, 'e')",
    "abs(metrics['fit.r2']) - 1 > -0.5 and log10(main) < -1",
    "tags is not None and 'paper' in tags and 'table' in note",
    "value.noise.scale * 2 ** 0.5 // 0.1 % 3 == 1 / 3",
    "failure.kind is None and default.weight and lower(author) != 'ada'",
    "package.numpy == '2.2.6' and commit == 'abc' and took <= 1e3",
)
PIECES = (
    *("(", ")", "[", "]", "{", "}", "'", '"', "'''", "\\", "#", "%", "%s", "?", ":", ";", "--", "/*", "*/", "//", "**"),
    *(
        "and",
        "or",
        "not",
        "in",
        "is",
        "None",
        "True",
        "False",
        "lambda",
        "if",
        "else",
        "for",
        "await",
        "yield",
        "=",
        ":=",
    ),
    *(
        "==",
        "!=",
        "<",
        "<=",
        "<>",
        "~",
        "|",
        "&",
        "^",
        "@",
        "...",
        ",",
        ".",
        "-",
        "+",
        " ",
        "\n",
        "\t",
        "\x00",
        "\ufeff",
    ),
    *(
        "main",
        "f1",
        "noise",
        "tags",
        "note",
        "key",
        "commit",
        "started",
        "params",
        "value.",
        "package.",
        "listing",
        "_",
    ),
    *(
        "abs(",
        "log(",
        "sqrt(",
        "exp(",
        "like(",
        "lower(",
        "0",
        "1e999",
        "1j",
        "0x",
        "9" * 30,
        "9" * 5000,
        "1e-400",
        "nan",
    ),
    *(
        "'low'",
        "'2026-03'",
        "'*'",
        "'[a-'",
        "'HEAD'",
        "'--all'",
        "'main..legendre'",
        "b''",
        "f'{main}'",
        "r'\\'",
        "'\\ud800'",
    ),
    *("__import__('os').system('touch touched')", "open('touched', 'w')", "(SELECT 1)", "'; DROP TABLE listing; --"),
    *("load_extension('x')", "é", "ß", "𝔪𝔞𝔦𝔫", "\u202e", "\ud800", "日本", "🙂", "a\u0301", "\x85", "\u2028", "\xa0"),
)


def mutated(choose: random.Random) -> str:
    """A valid condition with some changes."""
    text = choose.choice(VALID)
    for _ in range(choose.randint(1, 6)):
        at, to = sorted(choose.randint(0, len(text)) for _ in range(2))
        to = min(to, at + 12)
        text = choose.choice(
            (
                text[:at] + text[to:],
                text[:at] + choose.choice(PIECES) + text[to:],
                text[:at] + choose.choice(PIECES) + text[at:],
                text[:at] + text[at:to] * 2 + text[to:],
                text[:at] + choose.choice(VALID)[at:to] + text[to:],
                text[:at] + chr(choose.choice((choose.randrange(128), choose.randrange(0x11000)))) + text[at:],
                f"{text} {choose.choice(('and', 'or', '<', '==', 'in'))} {choose.choice(VALID)}",
            )
        )
    return text


def assembled(choose: random.Random) -> str:
    return choose.choice(("", " ")).join(choose.choices(PIECES, k=choose.randint(1, 20)))


def any_letters(choose: random.Random) -> str:
    top = choose.choice((128, 0x250, 0x3000, 0x110000))
    return "".join(chr(choose.randrange(top)) for _ in range(choose.randint(0, 60)))


def nested(choose: random.Random) -> str:
    before, after = choose.choice(
        (("(", ")"), ("not ", ""), ("-", ""), ("abs(", ")"), ("[", "]"), ("main[", "]"), ("(main + ", ")"), ("~", ""))
    )
    depth = choose.choice((3, 30, 49, 51, 100, 300, 3000))
    return (
        before * depth + choose.choice(("main", "main < 1", "1", "'x'")) + after * depth + choose.choice(("", " < 1"))
    )


def huge(choose: random.Random) -> str:
    """Long, but of few kinds of pieces."""
    between = choose.choice((" and ", " or ", " + ", ".", ", ", " < ", " == ", "\n"))
    item = choose.choice(
        ("main < 1", "main", "'x'", "9" * 50, "noise", "started == '2026'", "mian", "like(noise, '*a*a*a*')")
    )
    text = between.join([item] * choose.choice((10, 100, 165, 400, 2000, 10_000)))
    return choose.choice((text, f"main in [{text}]", f"noise == '{text}'", f"like(noise, '{'*a' * 300}') and {text}"))


KINDS: tuple[tuple[Callable[[random.Random], str], int], ...] = (
    (mutated, 60),
    (assembled, 25),
    (any_letters, 8),
    (nested, 4),
    (huge, 3),
)


def texts(seed: int, count: int) -> Iterator[str]:
    choose = random.Random(seed)
    makers, weights = zip(*KINDS, strict=True)
    for make in choose.choices(makers, weights, k=count):
        yield make(choose)


def contents(folder: Path) -> dict[str, str]:
    """What is in all files but those that SQLite keeps beside the index while it is open."""
    files = [path for path in folder.rglob("*") if path.is_file() and not path.name.endswith(("-wal", "-shm"))]
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def answer(journal: Desk, text: str) -> bool:
    """Whether a condition is answered; else it is refused with a place in it."""
    try:
        keys = list(Search(journal, [text]).keys())
    except QueryError as error:
        assert 1 <= error.column <= len(text) + 1
        assert error.reason
        str(error).encode()  # which surrogates would not let be printed
        return False
    assert all(len(key) == 12 for key in keys)
    return True


def fuzz(journal: Desk, seed: int, count: int) -> None:
    folder = journal.folder
    journal.index.close()
    before = contents(folder)
    assert any(name.endswith("index.sqlite") for name in before)
    answered = 0
    for number, text in enumerate(texts(seed, count)):
        begun = time.process_time()
        try:
            answered += answer(journal, text)
        except BaseException as error:
            error.add_note(f"condition {number} of seed {seed}: {text[:2000]!a}")
            raise
        took = time.process_time() - begun
        assert took < 1, f"{took:.1f} s for condition {number} of seed {seed}: {text[:2000]!a}"
    journal.index.close()
    assert contents(folder) == before
    assert not Path("touched").exists()
    assert count / 200 < answered < count


def test_conditions_are_answered_or_refused(curves: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    list(Search(curves).keys())
    fuzz(curves, 1, 2_000)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(2, 12))
def test_many_conditions_are_answered_or_refused(
    curves: Desk, seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    list(Search(curves).keys())
    fuzz(curves, seed, 10_000)


def test_words_for_trials_are_understood_or_refused(curves: Desk) -> None:
    begin = ("", "latest", "latest~", "best", "best:", "best:-", "@", "where:", "where: ", "LATEST", "5f", "where")
    choose = random.Random(1)
    for text in texts(2, 500):
        word = choose.choice(begin) + text[: choose.choice((3, 20, 20_000))]
        try:
            assert select(curves, word)
        except (UsageError, TrialNotFound, AmbiguousKey) as error:
            assert str(error)
        except BaseException as error:
            error.add_note(f"selection {word[:2000]!a}")
            raise
