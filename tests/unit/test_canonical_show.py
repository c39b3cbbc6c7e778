"""Canonical values on a line, in full, and as nodes."""

from __future__ import annotations

import collections
import datetime
import decimal
import functools
import pathlib
import re
import subprocess
import sys
import uuid
import zoneinfo
from typing import Any

import msgpack
import numpy as np
import pandas as pd
import pytest

from mitosis.canonical.decode import decode_value
from mitosis.canonical.difference import compare_values
from mitosis.canonical.encode import encode_value
from mitosis.canonical.full_text import render_value
from mitosis.canonical.nodes import FORMAT, MAX_BYTES
from mitosis.canonical.show import summarize_value
from mitosis.errors.journal import BadRecord, FormatTooNew
from mitosis.errors.values import Meaning, Redefinition
from mitosis.variants import VariantName
from support import canonical_samples as samples

BERLIN = zoneinfo.ZoneInfo("Europe/Berlin")

LINES: list[tuple[Any, str]] = [
    (1, "1"),
    (True, "True"),
    (None, "None"),
    (0.1, "0.1"),
    (float("nan"), "nan"),
    (-(2**70), "-1180591620717411303424"),
    (1 + 2j, "(1+2j)"),
    ("rbf", "'rbf'"),
    ("a\nb\x1b[31m\u202e", "'a\\nb\\x1b[31m\\u202e'"),
    (b"\x00a", "b'\\x00a'"),
    (bytearray(b"a"), "bytearray(b'a')"),
    ([1, 2, 3], "[1, 2, 3]"),
    ((1,), "(1,)"),
    ((), "()"),
    ({3, 1, 20}, "{1, 3, 20}"),
    (set(), "set()"),
    (frozenset({1}), "frozenset({1})"),
    ({}, "{}"),
    ({"b": 1, "a": [2]}, "{'a': [2], 'b': 1}"),
    ({10: 1, 9: 2, "x": 3}, "{9: 2, 10: 1, 'x': 3}"),
    (
        {"scale": 1, "kernel": ["x" * 20], "s": "x" * 18},
        "{'kernel': [1 item], 's': 'xxxxxxxxxxxxxxxxxx', 'scale': 1}",
    ),
    ({"scale": 0.01, "kernel": ["x" * 20] * 4}, "{'kernel': [4 items], 'scale': 0.01}"),
    ([list(range(100))], "[[100 items]]"),
    (np.zeros((512, 512)), "array(512×512 float64, 0.0 to 0.0, sha256 2f175d107704)"),
    (np.array(1), "array(0-d int64: 1)"),
    (np.float32(1.5), "float32(1.5)"),
    (np.datetime64("2026-03-01T12"), "datetime64('2026-03-01T12:00:00')"),
    (np.timedelta64(5, "s"), "timedelta64(5 s)"),
    (np.dtype("f8"), "dtype('float64')"),
    (np.zeros(2, [("x", int), ("y", int)]), "array(2 {x, y})"),
    (np.array([None, 1]), "array(2 object)"),
    ([0.5] * 300_000, "list(300000 float64, 0.5 to 0.5, sha256 bc5f63861c69)"),
    (bytes(3_000_000), "bytes(3,000,000 bytes)"),
    (range(3), "range(start=0, stop=3, step=1)"),
    (samples.Color.RED, "Color.RED"),
    (samples.Mode.READ | samples.Mode.WRITE, "Mode.READ|WRITE"),
    (samples.Mode(0), "Mode.0"),
    (samples.Noise(1.5), "Noise(kernel=None, scale=1.5)"),
    (samples.Point(1, 2), "Point(x=1, y=2)"),
    (samples.Plain(a=[1]), "Plain(a=[1])"),
    (samples.Made(1, "a"), "make(1, 'a')"),
    (samples.Names([1, 2]), "Names([1, 2])"),
    (samples.drift, "support.canonical_samples.drift"),
    (samples.Plain, "support.canonical_samples.Plain"),
    (samples.Plain(a=1).method, "Plain(a=1).method"),
    (len, "len"),
    (functools.partial(len, "a"), "partial(func=len, args=('a',), keywords={})"),
    (datetime.date(2026, 3, 1), "date('2026-03-01')"),
    (datetime.datetime(2026, 3, 1, tzinfo=BERLIN), "datetime('2026-03-01T00:00:00', tzinfo=ZoneInfo('Europe/Ber…"),
    (datetime.timedelta(1, 5), "timedelta(1 day, 0:00:05)"),
    (datetime.UTC, "UTC"),
    (decimal.Decimal("1.50"), "Decimal('1.50')"),
    (pathlib.Path("data/x"), "Path('data/x')"),
    (uuid.UUID(int=1), "UUID('00000000-0000-0000-0000-000000000001')"),
    (re.compile("a+"), "Pattern(pattern='a+', flags=32)"),
    (collections.Counter("aab"), "Counter({'a': 2, 'b': 1})"),
    (collections.deque([1], maxlen=3), "deque(maxlen=3, [1])"),
    (..., "Ellipsis"),
    (np.random.normal, "numpy.random.mtrand._rand.normal"),
]


@pytest.mark.parametrize(("value", "line"), LINES, ids=lambda value: None)
def test_value_on_a_line(value: Any, line: str) -> None:
    assert summarize_value(encode_value(value)) == line
    assert len(line) <= 60


KERNEL = np.arange(256.0).reshape(16, 16)
SHOWN_KERNEL = "array(16×16 float64, 0.0 to 255.0, sha256 540166e52d37)"
LINE = r"a line of a longer text\n"
"""As it is shown."""

AT_LIMITS: dict[str, tuple[Any, str, str, list[str]]] = {
    "array": (KERNEL, SHOWN_KERNEL, SHOWN_KERNEL, [SHOWN_KERNEL]),
    "array that is small": (
        np.array([1.5, np.nan], "f4"),
        "array(2 float32: 1.5, nan)",
        "array(2 float32: 1.5, nan)",
        ["array(2 float32: 1.5, nan)"],
    ),
    "array of times": (
        np.arange("2026-03-01", "2026-04-01", dtype="M8[D]"),
        "array(31 datetime64[D], 2026-03-01 to 2026-03-31)",
        "array(31 datetime64[D], 2026-03-01 to 2026-03-31, sha256 dbfda05d3256)",
        ["array(31 datetime64[D], 2026-03-01 to 2026-03-31, sha256 dbfda05d3256)"],
    ),
    "array of records": (
        np.zeros(99, [("x", int), ("y", float)]),
        "array(99 {x, y})",
        "array(99 {x, y})",
        [
            "ndarray(",
            "  shape=(99,),",
            "  x=array(99 int64, 0 to 0, sha256 96631a293deb),",
            "  y=array(99 float64, 0.0 to 0.0, sha256 96631a293deb),",
            ")",
        ],
    ),
    "array inside": (
        {"scale": 0.01, "kernel": [1, 2, KERNEL], "solver": {"tol": 1e-6}},
        "{'kernel': [3 items], 'scale': 0.01, 'solver': {1 item}}",
        f"{{'kernel': [1, 2, {SHOWN_KERNEL}], 'scale': 0.01, 'solver': {{'tol': 1e-06}}}}",
        [
            "{",
            "  'kernel': [",
            "    1,",
            "    2,",
            f"    {SHOWN_KERNEL},",
            "  ],",
            "  'scale': 0.01,",
            "  'solver': {'tol': 1e-06},",
            "}",
        ],
    ),
    "text": (
        "a line of a longer text\n" * 100,
        f"'{LINE}a line of a l…' (2,400 characters)",
        f"'{LINE * 7}a l…' (2,400 characters)",
        [f"'{LINE * 11}a l…' (2,400 characters, sha256 ff03f20194b8)"],
    ),
    "text inside": (
        {"note": "a line of a longer text\n" * 4, "scale": 1},
        "{'note': 'a line of a…' (96 characters), 'scale': 1}",
        f"{{'note': '{LINE * 3}a line…' (96 characters), 'scale': 1}}",
        ["{", f"  'note': '{LINE * 4}',", "  'scale': 1,", "}"],
    ),
    "huge text": (
        "é" * 3_000_000,
        "str(6,000,000 bytes)",
        "str(6,000,000 bytes)",
        ["str(6,000,000 bytes, sha256 04ee6bbdaae3)"],
    ),
    "frame": (
        pd.DataFrame({f"column {at}": np.arange(5) * at for at in range(12)}),
        "DataFrame(5×12: column 0, column 1, column 2, column 3, …)",
        "DataFrame(5×12: column 0, column 1, column 2, column 3, column 4, column 5, column 6, column 7, …)",
        [
            "DataFrame(5×12:",
            "  {",
            *(
                f"    'column {at}': array(5 int64: {', '.join(str(row * at) for row in range(5))}),"
                for at in range(12)
            ),
            "  },",
            "  index=Index(",
            "    name=None,",
            "    array(5 int64: 0, 1, 2, 3, 4),",
            "  ),",
            "  columns=Index(name=None, dtype='str'),",
            ")",
        ],
    ),
    "series": (
        pd.Series(np.arange(100.0) * 2, name="s"),
        "Series(array(100 float64), index=Index(…), name='s')",
        (
            "Series(array(100 float64, 0.0 to 198.0, sha256 0be3b14a8427), index=Index(name=None, array(100 "
            "int64, 0 to 99, sha256 d225c84e9f2d)), name='s')"
        ),
        [
            "Series(",
            "  array(100 float64, 0.0 to 198.0, sha256 0be3b14a8427),",
            "  index=Index(",
            "    name=None,",
            "    array(100 int64, 0 to 99, sha256 d225c84e9f2d),",
            "  ),",
            "  name='s',",
            ")",
        ],
    ),
}
"""Value, summaries of 60 and of 200 characters, and the lines of the full text."""


@pytest.mark.parametrize(("value", "short", "wide", "full"), AT_LIMITS.values(), ids=AT_LIMITS.keys())
def test_big_values_show_small_at_every_limit(value: Any, short: str, wide: str, full: list[str]) -> None:
    data = encode_value(value)
    assert summarize_value(data) == short
    assert summarize_value(data, limit=200) == wide
    assert render_value(data).split("\n") == full
    assert len(short) <= 60
    assert len(wide) <= 200


def test_bytes_and_few_elements_show_as_far_as_there_is_room() -> None:
    data = encode_value(bytes(range(256)) * 8)
    assert summarize_value(data).endswith("…' (2,048 bytes)")
    assert "…' (2,048 bytes, sha256 " in render_value(data)
    few = encode_value(np.arange(12) * 1_000_003)
    assert summarize_value(few) == "array(12 int64, 0 to 11000033)"
    assert (
        summarize_value(few, limit=200)
        == render_value(few)
        == f"array(12 int64: {', '.join(map(str, np.arange(12) * 1_000_003))})"
    )
    assert summarize_value(few, limit=25) == "array(12 int64)"


def test_range_is_known_without_numpy() -> None:
    data = encode_value({"kernel": KERNEL, "days": np.arange("2026-03-01", "2026-04-01", dtype="M8[D]")})
    code = """
import sys
sys.modules["numpy"] = None
from mitosis.canonical.show import summarize_value
print(summarize_value(bytes.fromhex(sys.argv[1]), limit=200))
"""
    done = subprocess.run([sys.executable, "-c", code, data.hex()], capture_output=True, text=True, check=True)
    assert "array(16×16 float64, 0.0 to 255.0, " in done.stdout
    assert "2026-03-01 to 2026-03-31" in done.stdout


@pytest.mark.parametrize(
    ("before", "after", "line"),
    [
        (KERNEL, KERNEL + (KERNEL == 17.0), "value:  array(16×16 float64) differs in 1 element: [1, 1]: 17.0 → 18.0"),
        ("a" * 100, "a" * 99, "value:  differs from character 99: …'aaaaaaaaaaaaa' → …'aaaaaaaaaaaa'"),
        (np.zeros(2), np.zeros(3), "locked: array(2 float64: 0.0, 0.0)         by Ada on 2026-03-01, used by 1 trial"),
        (
            "it differs in one",
            "it differs in two",
            "locked: 'it differs in one'    by Ada on 2026-03-01, used by 1 trial",
        ),
    ],
    ids=["array", "text", "shape", "text that tells of a difference"],
)
def test_refusal_names_the_place_in_a_value_whose_summaries_differ_too(before: Any, after: Any, line: str) -> None:
    locked, now = encode_value(before), encode_value(after)
    comparison = compare_values(locked, now)
    redefinition = Redefinition(
        name=VariantName("fit", "kernel", "wide"),
        locked=Meaning("a" * 40, summarize_value(locked), "Ada", "2026-03-01", "", 1),
        now_digest="b" * 40,
        now_summary=summarize_value(now),
        differences=tuple((difference.path, difference.text) for difference in comparison.differences),
        same_count=comparison.same,
        source="lab:lookup_dict",
        shows_place=any(difference.shows_place for difference in comparison.differences),
    )
    assert redefinition.lines()[1].strip() == line


def test_what_was_added_is_shown_with_its_range() -> None:
    (difference,) = compare_values(encode_value({}), encode_value({"kernel": KERNEL})).differences
    assert str(difference) == f"kernel: added: {SHOWN_KERNEL}"


def test_line_is_cut_at_the_limit() -> None:
    data = encode_value(["abcdef"] * 10)
    assert summarize_value(data, limit=20) == "['abcdef', 'abcdef'…"
    assert summarize_value(data, limit=1) == "…"
    assert len(summarize_value(encode_value("x" * 10_000_000), limit=60)) <= 60


def test_line_of_a_huge_integer_is_hexadecimal() -> None:
    assert summarize_value(encode_value(16**5000)).startswith("0x1000000")


def test_full_text_has_a_line_for_each_item() -> None:
    value = {
        "scale": 0.01,
        "kernel": [1, 2, np.arange(100.0)],
        "noise": samples.Noise(1.0, [np.array([1.5, np.nan], "f4"), "x" * 100]),
        10: {"a", "b"},
        9: {},
    }
    assert render_value(encode_value(value)).split("\n") == [
        "{",
        "  9: {},",
        "  10: {'a', 'b'},",
        "  'kernel': [",
        "    1,",
        "    2,",
        "    array(100 float64, 0.0 to 99.0, sha256 fc13c2d3fa22),",
        "  ],",
        "  'noise': Noise(",
        "    kernel=[",
        "      array(2 float32: 1.5, nan),",
        f"      '{'x' * 100}',",
        "    ],",
        "    scale=1.0,",
        "  ),",
        "  'scale': 0.01,",
        "}",
    ]


def test_full_text_is_bounded() -> None:
    many = render_value(encode_value(list(range(20_100))))
    assert many.count("\n") == 20_000
    assert many.endswith("\n…")
    assert len(render_value(encode_value("x" * 1_000_000))) < 400
    assert len(render_value(encode_value({"x" * 100_000: 1}))) < 400


def test_digest_of_an_array_is_the_same_whether_it_keeps_its_content_or_not() -> None:
    array = np.arange(200_000.0)
    alone = render_value(encode_value(array))
    crowded = render_value(encode_value([array] + [np.arange(200_000) + at for at in range(12)]))
    assert alone in crowded


# --- bytes that are no canonical value ------------------------------------------------------------


def packed(*tokens: Any) -> bytes:
    data: bytes = msgpack.packb(list(tokens))
    return data


ROOT = msgpack.ExtType(1, b"\0")
BAD: dict[str, bytes] = {
    "nothing": b"",
    "no array": packed(1, 1)[1:],
    "no format": packed(),
    "format that is a text": packed("1", 1),
    "format zero": packed(0, 1),
    "format true": packed(True, 1),
    "no root": packed(1),
    "something after the end": packed(1, 1) + b"\0",
    "too many entries": b"\xdd\x00\x20\x00\x00\x01\xc0" + b"\x92\x01\xa0" * 100,
    "cut short": encode_value([1, 2, 3])[:-1],
    "an entry that nothing needs": packed(1, 1, [1, "list"]),
    "a root that is missing": packed(1, ROOT),
    "a reference that leads nowhere": packed(1, ROOT, [1, "list", msgpack.ExtType(1, b"\5")]),
    "a root in second place": packed(1, msgpack.ExtType(1, b"\1"), [1, "list"], [1, "tuple"]),
    "a reference in two bytes": packed(1, msgpack.ExtType(1, b"\0\0"), [1, "list"]),
    "an empty reference": packed(1, msgpack.ExtType(1, b""), [1, "list"]),
    "another extension": packed(1, msgpack.ExtType(5, b"\0"), [1, "list"]),
    "a time": packed(1, msgpack.Timestamp(1)),
    "a nested list": packed(1, ROOT, [1, "list", [1]]),
    "a nested map": packed(1, ROOT, [1, "list", {1: 1}]),
    "a root that is a list": packed(1, [1]),
    "an unknown kind": packed(1, ROOT, [8, "list"]),
    "a kind that is true": packed(1, ROOT, [True, "list"]),
    "no label": packed(1, ROOT, [1]),
    "a label that is a number": packed(1, ROOT, [1, 5]),
    "the same entry twice": packed(
        1, ROOT, [1, "list", msgpack.ExtType(1, b"\1"), msgpack.ExtType(1, b"\2")], [1, "list"], [1, "list"]
    ),
    "entries in another order": packed(
        1, ROOT, [1, "list", msgpack.ExtType(1, b"\2"), msgpack.ExtType(1, b"\1")], [1, "list"], [1, "tuple"]
    ),
    "a set out of order": packed(1, ROOT, [2, "set", 2, 1]),
    "a mapping out of order": packed(1, ROOT, [3, "dict", 2, 0, 1, 0]),
    "a key without a value": packed(1, ROOT, [3, "dict", 2]),
    "an atom that refers": packed(1, ROOT, [0, "int", ROOT]),
    "a step that is a number": packed(1, ROOT, [5, "x:Y", 1, 2]),
    "a step twice": packed(1, ROOT, [5, "x:Y", ".a", 1, ".a", 2]),
    "a longer form of a number": b"\x92\x01\xcd\x00\x01",
    "a longer form of a text": b"\x92\x01\xd9\x01a",
    "a 32-bit float": b"\x92\x01\xca\x00\x00\x00\x00",
    "another nan": b"\x92\x01\xcb\xff\xf8\x00\x00\x00\x00\x00\x01",
    "text that is not UTF-8": b"\x92\x01\xa1\xff",
    "a byte that msgpack does not use": b"\x92\x01\xc1",
    "an array without a header": packed(1, ROOT, [6, "numpy.ndarray", "float64", 8]),
    "an array with too many dimensions": packed(1, ROOT, [6, "numpy.ndarray", "float64", 8, 65, *[1] * 65, bytes(8)]),
    "an array of negative size": packed(1, ROOT, [6, "numpy.ndarray", "float64", 8, 1, -1, b""]),
    "an array of the wrong size": packed(1, ROOT, [6, "numpy.ndarray", "float64", 8, 1, 2, bytes(8)]),
    "an array with elements of the wrong size": packed(1, ROOT, [6, "numpy.ndarray", "float64", 4, 1, 2, bytes(8)]),
    "an array with too few digests": packed(1, ROOT, [7, "numpy.ndarray", "float64", 8, 1, 10**6, 0.0, 1.0, bytes(20)]),
    "an impossibly large array": packed(1, ROOT, [7, "numpy.ndarray", "float64", 8, 2, 2**62, 2**62, 0.0, 1.0, b""]),
    "a long text that is not UTF-8": packed(1, ROOT, [6, "str", "uint8", 1, 1, 2, b"a\xff"]),
    "a range that is a text": packed(1, ROOT, [7, "numpy.ndarray", "float64", 8, 1, 1, "a", 1.0, bytes(20)]),
}


@pytest.mark.parametrize("data", BAD.values(), ids=BAD.keys())
def test_bytes_that_no_value_has_are_refused(data: bytes) -> None:
    with pytest.raises(BadRecord) as caught:
        decode_value(data)
    assert str(caught.value).startswith("the canonical value cannot be read: ")


ODD_ATOMS = [
    ["numpy.datetime64", "x" * 1000, 2**60, "s"],
    ["numpy.datetime64", 2**63, 2**63, "s"],
    ["numpy.datetime64", 1, 1, 5],
    ["pandas.Timestamp", "x" * 1000, 0],
    ["pandas.Timedelta", b"x", "y"],
    ["datetime.timedelta", 2**63, 0, 0],
    ["enum"],
    ["int", "not hexadecimal"],
    ["complex", "1", None],
    ["function", 5],
    ["a\nb", "\x1b"],
    ["x" * 100_000, "\n" * 100_000],
]


@pytest.mark.parametrize("atom", ODD_ATOMS, ids=lambda atom: str(atom)[:30])
def test_atom_that_no_value_has_is_shown_as_it_is(atom: list[Any]) -> None:
    data = packed(1, ROOT, [0, *atom])
    assert len(summarize_value(data)) <= 60
    assert summarize_value(data).isprintable()
    assert len(render_value(data)) <= 700
    assert str(compare_values(data, encode_value(1)).differences[0]).isprintable()


def test_newer_format_is_refused_as_such() -> None:
    for read in (decode_value, summarize_value, render_value):
        with pytest.raises(FormatTooNew, match=f"has format {FORMAT + 1}, but .* knows formats only up to {FORMAT}"):
            read(packed(FORMAT + 1, {"what": "ever"}))


def test_too_many_bytes_are_refused_without_reading_them() -> None:
    with pytest.raises(BadRecord, match="more than"):
        decode_value(bytes(MAX_BYTES + 1))


def test_headers_that_promise_more_than_there_is_take_no_memory() -> None:
    """A few bytes may say that they are lists of four thousand million items, each within the one before."""
    code = """
import resource
from mitosis.canonical.decode import decode_value
from mitosis.errors.journal import BadRecord
resource.setrlimit(resource.RLIMIT_AS, (400 * 2**20, 400 * 2**20))
huge = b"\\xdd\\xff\\xff\\xff\\xff"
wide = b"\\xdd\\x00\\x0f\\xff\\xff"
root = b"\\xd4\\x01\\x00"
for data in (
    huge,
    wide * 500 + bytes(2**20),
    b"\\x92\\x01" + huge * 500,
    b"\\x93\\x01" + root + huge,
    b"\\x93\\x01" + root + b"\\x93\\x01\\xa4list" + wide * 500 + bytes(2**20),
    b"\\x92\\x01\\xdb\\xff\\xff\\xff\\xff",
    b"\\x92\\x01\\xc9\\xff\\xff\\xff\\xff\\x01",
    b"\\x92\\x01\\xdf\\xff\\xff\\xff\\xff",
):
    try:
        decode_value(data)
    except BadRecord:
        continue
    raise SystemExit(f"read {data[:20]}")
"""
    subprocess.run([sys.executable, "-c", code], check=True)
