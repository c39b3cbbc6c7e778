"""What holds for all values: equal ones encode equally, others not, and every change is named where it is."""

from __future__ import annotations

import copy
import pickle
import random
from collections.abc import Callable
from typing import Any

import msgpack
import numpy as np
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as st_numpy

from mitosis.canonical.decode import decode_value
from mitosis.canonical.difference import compare_values
from mitosis.canonical.encode import digest_value, encode_value
from mitosis.canonical.full_text import render_value
from mitosis.canonical.nodes import distinct_nodes, write
from mitosis.canonical.show import summarize_value
from mitosis.errors.base import MitosisError
from mitosis.errors.journal import FormatTooNew
from support import canonical_samples as samples

texts = st.text(st.characters(exclude_categories=[]), max_size=12)
scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.integers(min_value=2**60, max_value=2**70),
    st.floats(),
    st.complex_numbers(),
    texts,
    st.binary(max_size=12),
)
keys = st.one_of(
    st.integers(), st.floats(allow_nan=False), texts, st.booleans(), st.none(), st.tuples(st.integers(), texts)
)
arrays = st_numpy.arrays(
    st.one_of(
        st_numpy.integer_dtypes(endianness="="),
        st_numpy.floating_dtypes(endianness="=", sizes=(16, 32, 64)),
        st_numpy.boolean_dtypes(),
        st_numpy.datetime64_dtypes(endianness="="),
        st_numpy.unicode_string_dtypes(endianness="=", max_len=4),
    ),
    st_numpy.array_shapes(min_dims=0, min_side=0, max_side=4),
)


def compounds(parts: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.one_of(
        st.lists(parts, max_size=5),
        st.lists(parts, max_size=4).map(tuple),
        st.dictionaries(keys, parts, max_size=5),
        st.builds(samples.Noise, parts, parts),
        st.builds(samples.Point, parts, parts),
        st.builds(samples.Slotted, parts, parts),
        st.dictionaries(st.sampled_from(["a", "b", "not a name"]), parts).map(lambda d: samples.Plain(**d)),
        st.lists(parts, max_size=3).map(samples.Names),
    )


unordered = st.one_of(st.sets(keys, max_size=5), st.frozensets(keys, max_size=5))
values = st.recursive(st.one_of(scalars, arrays, unordered, st.sampled_from(samples.Color)), compounds, max_leaves=20)


def relaid(value: Any, rng: random.Random) -> Any:
    """An equal value that is made in another way: other order, other memory layout, other objects."""
    if isinstance(value, np.ndarray):
        value = np.array(value, order="C" if rng.random() < 0.5 else "F")
        return value.astype(value.dtype.newbyteorder()) if rng.random() < 0.5 else value
    if type(value) is dict:
        rows = [(relaid(key, rng), relaid(part, rng)) for key, part in value.items()]
        rng.shuffle(rows)
        return dict(rows)
    if type(value) in (list, tuple, samples.Names):
        return type(value)([relaid(part, rng) for part in value])
    if type(value) in (set, frozenset):
        parts = list(value)
        rng.shuffle(parts)
        return type(value)(parts)
    if isinstance(value, samples.Noise):
        return samples.Noise(relaid(value.scale, rng), relaid(value.kernel, rng), note="made anew")
    if isinstance(value, samples.Point):
        return samples.Point(*(relaid(part, rng) for part in value))
    if isinstance(value, samples.Slotted):
        return samples.Slotted(relaid(value.a, rng), relaid(value.b, rng))
    if isinstance(value, samples.Plain):
        rows = list(vars(value).items())
        rng.shuffle(rows)
        return samples.Plain(**{name: relaid(part, rng) for name, part in rows})
    return value


@given(values, st.randoms(use_true_random=False))
def test_equal_values_encode_equally(value: Any, rng: random.Random) -> None:
    data = encode_value(value)
    assert encode_value(relaid(value, rng)) == data
    assert encode_value(copy.deepcopy(value)) == data
    assert encode_value(pickle.loads(pickle.dumps(value))) == data
    assert digest_value(data) == digest_value(encode_value(relaid(value, rng)))


def exact(value: Any) -> Any:
    """The value as plain tuples that are equal only where values should be: the same definition, written otherwise."""
    if isinstance(value, np.ndarray):
        content = value.astype(value.dtype.newbyteorder("<")).copy()
        if content.dtype.kind == "f":
            content[np.isnan(content)] = np.nan
        return ("array", content.dtype.kind, content.dtype.itemsize, str(value.dtype), value.shape, content.tobytes())
    if isinstance(value, float):
        return ("float", "nan" if value != value else value.hex())
    if isinstance(value, complex):
        return ("complex", exact(value.real), exact(value.imag))
    if type(value) is dict:
        return ("dict", frozenset((exact(key), exact(part)) for key, part in value.items()))
    if type(value) in (set, frozenset):
        return (type(value).__name__, frozenset(map(exact, value)))
    if isinstance(value, samples.Noise):
        return ("Noise", exact(value.scale), exact(value.kernel))
    if isinstance(value, samples.Slotted):
        return ("Slotted", exact(value.a), exact(value.b))
    if isinstance(value, samples.Plain):
        return ("Plain", exact(vars(value)))
    if isinstance(value, list | tuple):
        return (type(value).__name__, *map(exact, value))
    return (type(value).__name__, value)


@given(values, values)
def test_values_encode_equally_exactly_when_they_are_equal(one: Any, other: Any) -> None:
    assert (encode_value(one) == encode_value(other)) == (exact(one) == exact(other))


@given(values)
def test_decoding_and_encoding_again_gives_the_same_bytes(value: Any) -> None:
    data = encode_value(value)
    root = decode_value(data)
    assert write(root) == data
    for node in distinct_nodes(root):
        assert write(decode_value(write(node))) == write(node)


@given(values, values)
def test_comparison_is_empty_exactly_when_bytes_are_equal(one: Any, other: Any) -> None:
    before, after = encode_value(one), encode_value(other)
    differences = compare_values(before, after).differences
    assert (differences == ()) == (before == after)
    for difference in differences:
        assert difference.before is not None or difference.after is not None
        assert str(difference).isprintable()


def leaves(value: Any, put: Callable[[Any], None], path: str) -> list[tuple[str, Any, Callable[[Any], None]]]:
    """The leaves of lists, dictionaries and objects: path, value, and a function that replaces it."""
    places: list[tuple[str, Any, Callable[[Any], None]]] = []
    if type(value) in (list, samples.Names):
        rows = [(f"{path}[{at}]", part, lambda new, at=at: value.__setitem__(at, new)) for at, part in enumerate(value)]
    elif type(value) is dict:
        rows = [
            (f"{path}{step(key)}", part, lambda new, key=key: value.__setitem__(key, new))
            for key, part in value.items()
        ]
    elif isinstance(value, samples.Noise):
        rows = [
            (f"{path}.{name}", getattr(value, name), lambda new, name=name: setattr(value, name, new))
            for name in ("scale", "kernel")
        ]
    else:
        return [(path, value, put)]
    for where, part, replace in rows:
        places.extend(leaves(part, replace, where))
    return places


changeable = st.recursive(
    scalars,
    lambda parts: st.one_of(
        st.lists(parts, min_size=1, max_size=4),
        st.dictionaries(keys, parts, min_size=1, max_size=4),
        st.builds(samples.Noise, parts, parts),
    ),
    max_leaves=15,
)


def step(key: Any) -> str:
    if type(key) is str and key.isidentifier():
        return f".{key}"
    return f"[{summarize_value(encode_value(key))}]"


@given(
    changeable,
    scalars,
    st.data(),
)
def test_change_of_a_single_leaf_is_named_at_its_path(value: Any, new: Any, data: st.DataObject) -> None:
    holder = [value]
    places = leaves(value, lambda part: holder.__setitem__(0, part), "")
    path, old, replace = data.draw(st.sampled_from(places))
    assume(exact(old) != exact(new))
    before = encode_value(holder[0])
    replace(new)
    comparison = compare_values(before, encode_value(holder[0]))
    (difference,) = comparison.differences
    assert difference.path == path.removeprefix(".")
    assert difference.before == summarize_value(encode_value(old))
    assert difference.after == summarize_value(encode_value(new))
    assert comparison.same == len(places) - 1
    assert comparison.more == 0


@given(values, st.integers(min_value=2, max_value=200))
def test_summary_is_one_printable_line_of_bounded_length(value: Any, limit: int) -> None:
    line = summarize_value(encode_value(value), limit=limit)
    assert len(line) <= limit
    assert line.isprintable()


@given(values)
def test_full_text_has_printable_lines(value: Any) -> None:
    data = encode_value(value)
    text = render_value(data)
    assert all(line.isprintable() for line in text.split("\n"))
    assert render_value(encode_value(copy.deepcopy(value))) == text


plain = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**63), 2**64 - 1),
    st.floats(),
    st.text(max_size=5),
    st.binary(max_size=5),
    st.lists(st.integers(0, 1), max_size=2),
)
references = st.tuples(st.sampled_from([1, 1, 3]), st.integers(0, 6)).map(
    lambda pair: msgpack.ExtType(pair[0], bytes([pair[1]]))
)
rows = st.lists(st.one_of(plain, references, st.sampled_from(["list", "dict", "float64", ".a"])), max_size=6)
labels = st.sampled_from(["list", "set", "dict", "x:Y", "numpy.ndarray", "str", "pandas.DataFrame", "enum"])
tables = st.lists(st.tuples(st.integers(0, 8), labels, rows), max_size=6)


OTHER = encode_value([1, {"a": "x" * 2000}])


def read_all(data: bytes) -> None:
    """Reads bytes in every way; they are a canonical value or one error says that they are not."""
    is_canonical = True
    try:
        assert write(decode_value(data)) == data
    except MitosisError:
        is_canonical = False
    if is_canonical:
        assert compare_values(data, data).differences == ()
        for difference in compare_values(data, OTHER).differences:
            assert str(difference).isprintable()
    for show in (summarize_value, render_value):
        try:
            assert show(data).replace("\n", "").isprintable()
        except MitosisError:
            assert not is_canonical


@given(st.one_of(st.binary(max_size=40), st.binary(max_size=40).map(lambda tail: b"\x93\x01" + tail)))
def test_arbitrary_bytes_are_a_value_or_refused(data: bytes) -> None:
    read_all(data)


@given(st.sampled_from([1, 1, 1, 1, 0, 2]), st.one_of(plain, references), tables)
def test_arbitrary_tables_are_a_value_or_refused(version: int, root: Any, table: list[Any]) -> None:
    read_all(msgpack.packb([version, root, *([kind, label, *items] for kind, label, items in table)]))


@given(values, st.data())
def test_bytes_with_a_few_changed_are_a_value_or_refused(value: Any, data: st.DataObject) -> None:
    changed = bytearray(encode_value(value))
    for _ in range(data.draw(st.integers(1, 3))):
        changed[data.draw(st.integers(0, len(changed) - 1))] = data.draw(st.integers(0, 255))
    read_all(bytes(changed))


@given(st.integers(2, 2**64 - 1), st.binary(max_size=20))
def test_newer_format_is_told_apart_from_garbage(version: int, rest: bytes) -> None:
    data = b"\x92" + msgpack.packb(version) + rest
    for read in (decode_value, summarize_value, render_value):
        try:
            read(data)
        except FormatTooNew as error:
            assert error.version == version
        else:
            raise AssertionError("a newer format was read")
