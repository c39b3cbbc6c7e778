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
import pytest

from mitosis.canonical import FORMAT, MAX_BYTES, compare, decode, encode, encode_node, render, summary
from mitosis.errors import BadRecord, FormatTooNew
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
    (np.zeros((512, 512)), "array(512×512 float64)"),
    (np.array(1), "array(0-d int64)"),
    (np.float32(1.5), "float32(1.5)"),
    (np.datetime64("2026-03-01T12"), "datetime64('2026-03-01T12:00:00')"),
    (np.timedelta64(5, "s"), "timedelta64(5 s)"),
    (np.dtype("f8"), "dtype('float64')"),
    (np.zeros(2, [("x", int), ("y", int)]), "array(2 {x, y})"),
    (np.array([None, 1]), "array(2 object)"),
    ([0.5] * 300_000, "list(300000 float64)"),
    (bytes(3_000_000), "bytes(3000000 bytes)"),
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
    assert summary(encode(value)) == line
    assert len(line) <= 60


def test_line_is_cut_at_the_limit() -> None:
    data = encode(["abcdef"] * 10)
    assert summary(data, limit=20) == "['abcdef', 'abcdef'…"
    assert summary(data, limit=1) == "…"
    assert len(summary(encode("x" * 10_000_000), limit=60)) <= 60


def test_line_of_a_huge_integer_is_hexadecimal() -> None:
    assert summary(encode(16**5000)).startswith("0x1000000")


def test_full_text_has_a_line_for_each_item() -> None:
    value = {
        "scale": 0.01,
        "kernel": [1, 2, np.arange(100.0)],
        "noise": samples.Noise(1.0, [np.array([1.5, np.nan], "f4"), "x" * 100]),
        10: {"a", "b"},
        9: {},
    }
    assert render(encode(value)).split("\n") == [
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


def test_full_text_of_a_scalar_is_its_line() -> None:
    assert render(encode(1)) == "1"
    assert render(encode("a\nb")) == "'a\\nb'"


def test_full_text_is_bounded() -> None:
    many = render(encode([{"a": str(at)} for at in range(30_000)]))
    assert many.count("\n") == 20_000
    assert many.endswith("\n…")
    assert len(render(encode("x" * 1_000_000))) < 400
    assert len(render(encode({"x" * 100_000: 1}))) < 400


def test_digest_of_an_array_is_the_same_whether_it_keeps_its_content_or_not() -> None:
    array = np.arange(200_000.0)
    alone = render(encode(array))
    crowded = render(encode([array] + [np.arange(200_000) + at for at in range(12)]))
    assert alone in crowded


def test_nodes_lead_through_a_value() -> None:
    node = decode(encode({"a": [1, (2, "x")], "n": samples.Noise(1.0), "z": np.zeros((2, 3)), "c": samples.Color.RED}))
    assert (node.kind, node.label) == ("mapping", "dict")
    by_key = {key.scalars[0]: child for key, child in zip(node.keys, node.children, strict=True)}
    assert [child.kind for child in by_key["a"].children] == ["scalar", "sequence"]
    assert by_key["a"].children[1].label == "tuple"
    assert by_key["n"].label == "support.canonical_samples:Noise"
    assert by_key["n"].steps == (".kernel", ".scale")
    assert by_key["n"].children[1].scalars == (1.0,)
    assert by_key["z"].array is not None
    assert by_key["z"].array.shape == (2, 3)
    assert by_key["z"].children == ()
    assert by_key["c"].kind == "atom"
    assert by_key["c"].scalars == ("support.canonical_samples:Color", "RED")
    assert encode_node(by_key["a"]) == encode([1, (2, "x")])
    assert encode_node(by_key["n"].children[1]) == encode(1.0)
    assert repr(node) == "<Node mapping dict>"


def test_nodes_cannot_be_changed() -> None:
    node = decode(encode([1]))
    with pytest.raises(AttributeError):
        node.item = 5  # type: ignore[misc]


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
    "cut short": encode([1, 2, 3])[:-1],
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
        decode(data)
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
    assert len(summary(data)) <= 60
    assert summary(data).isprintable()
    assert len(render(data)) <= 700
    assert str(compare(data, encode(1)).differences[0]).isprintable()


def test_newer_format_is_refused_as_such() -> None:
    for read in (decode, summary, render):
        with pytest.raises(
            FormatTooNew, match=f"has format {FORMAT + 1}, and this mitosis knows formats up to {FORMAT}"
        ):
            read(packed(FORMAT + 1, {"what": "ever"}))


def test_too_many_bytes_are_refused_without_reading_them() -> None:
    with pytest.raises(BadRecord, match="more than"):
        decode(bytes(MAX_BYTES + 1))


def test_headers_that_promise_more_than_there_is_take_no_memory() -> None:
    """A few bytes may say that they are lists of four thousand million items, each within the one before."""
    code = """
import resource
from mitosis.canonical import decode
from mitosis.errors import BadRecord
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
        decode(data)
    except BadRecord:
        continue
    raise SystemExit(f"read {data[:20]}")
"""
    subprocess.run([sys.executable, "-c", code], check=True)
