"""Values of libraries that mitosis does not depend on, by small classes that have the same protocols."""

from __future__ import annotations

import copy
import functools
import importlib
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mitosis.canonical.encode import encode_value
from mitosis.canonical.full_text import render_value
from mitosis.canonical.nodes import RECORD, Node, write
from mitosis.canonical.show import summarize_value
from mitosis.canonical.sources import source_digests
from mitosis.errors.values import UnstableValue
from support import made_callables as made
from support.canonical_samples import assert_all_differ

WORDS = ["alpha", "beta", "gamma", "delta", "epsilon", "zeta", "eta", "theta"]


@pytest.mark.parametrize(
    ("value", "name"),
    [
        (made.fast, "fast"),
        (made.squared, "squared"),
        (made.by_class, "by_class"),
        (made.vectorized, "vectorized"),
    ],
)
def test_callable_is_found_by_whichever_name_its_module_has_for_it(value: object, name: str) -> None:
    data = encode_value(value)
    assert summarize_value(data) == f"support.made_callables.{name}"
    assert list(source_digests(data)) == [f"support.made_callables:{name}"]


def test_statement_that_assigns_a_callable_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    text = "import functools\ndef slow(x): return x\nfast = functools.lru_cache(maxsize={})(slow)\n"
    found = []
    for size in (1, 2, "1 "):
        (tmp_path / "assigned_here.py").write_text(text.format(size), encoding="utf-8")
        sys.modules.pop("assigned_here", None)
        found.append(source_digests(encode_value(importlib.import_module("assigned_here").fast)))
    del sys.modules["assigned_here"]
    assert found[0] != found[1]
    assert found[0] == found[2] != {}


def test_callable_that_shows_its_parameters_is_compared_by_them() -> None:
    assert encode_value(made.twice) == encode_value(made.Plainly(made.slow, 2))
    assert_all_differ([made.twice, made.Plainly(made.slow, 3)])


@pytest.mark.parametrize("value", [functools.lru_cache(made.slow), np.errstate(all="ignore")(made.slow)])
def test_what_was_made_from_a_function_and_has_no_name_is_refused(value: object) -> None:
    with pytest.raises(UnstableValue, match="what was made from `slow` has no name to find it by; define it under one"):
        encode_value({"kernel": value})


def test_function_of_a_library_that_it_made_inside_a_function_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """As `torch.nn.functional.max_pool2d` is."""

    def inner() -> None: ...

    inner.__module__ = "msgpack"
    with pytest.raises(UnstableValue, match=r"; pass functools\.partial of what makes it"):
        encode_value(inner)
    monkeypatch.setattr("msgpack.pool", inner, raising=False)
    assert summarize_value(encode_value(inner)) == "msgpack.pool"


ORDERS = f"""
from support.made_callables import HashOrdered, HashOrderedMap
from mitosis.canonical.encode import encode_value
words = {WORDS}
print(list(HashOrdered(words)), encode_value((HashOrdered(words), HashOrderedMap((w, len(w)) for w in words))).hex())
"""


def test_order_of_hashes_does_not_count() -> None:
    said = [
        subprocess.run(
            [sys.executable, "-c", ORDERS],
            env={"PYTHONHASHSEED": str(seed), "PYTHONPATH": "tests"},
            capture_output=True,
            text=True,
            check=True,
        ).stdout.rsplit(maxsplit=1)
        for seed in (1, 2)
    ]
    assert said[0][0] != said[1][0]
    assert said[0][1] == said[1][1]
    assert_all_differ([made.HashOrdered(WORDS), made.HashOrdered(WORDS[1:]), set(WORDS)])


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (lambda: made.KeptHash("a"), lambda: made.KeptHash("a", is_used=True)),
        (lambda: made.Config(), lambda: made.Config(is_given=True)),
    ],
)
def test_what_an_object_keeps_of_its_use_does_not_count(one: Callable[[], object], other: Callable[[], object]) -> None:
    assert encode_value(one()) == encode_value(other())


def test_what_is_called_after_hashes_counts_unless_it_is_the_hash() -> None:
    assert_all_differ([made.Sized(size) for size in (None, 8, 64)])
    assert "_hash=-8" in summarize_value(encode_value(made.Sized(8)))


def test_module_leaves_out_of_its_private_attributes_only_the_empty() -> None:
    tables = [np.array([1, 2]), np.array([0.0]), np.array([]), 0, False, None]
    assert_all_differ([made.Net(table) for table in tables])
    assert encode_value(made.Net(None)) == encode_value(made.Net([])) == encode_value(made.Net({}))


def test_model_is_its_fields() -> None:
    assert summarize_value(encode_value(made.Config())) == "Config(_secret=1, n=3, z=2)"
    assert_all_differ([made.Config(), made.Config(n=4), made.Config(secret=2), made.Config(extra=3)])


def test_array_of_any_library_is_its_content() -> None:
    tensor = made.Tensor([[1.0, 2.0]])
    assert encode_value(tensor) == encode_value(copy.deepcopy(tensor))
    on_device = made.Tensor([[1.0, 2.0]], device=2)
    assert_all_differ([tensor, made.Tensor([[1.0, 3.0]]), made.Tensor([1.0, 2.0]), on_device, tensor.array])
    assert summarize_value(encode_value(on_device), limit=80) == "Tensor(array(1×2 float64: 1.0, 2.0), device='cuda')"


def bits(dtype: str, *values: float) -> Any:
    """The array of a tensor."""
    from mitosis.canonical.numpy_types import bits_array, plain_array

    if dtype == "bfloat16":
        return bits_array(np.array(values, np.float32).view("<u2")[1::2], dtype, 100)
    return plain_array(np.array(values, dtype).reshape(len(values) // 2, -1), 1000)


@pytest.mark.parametrize(
    ("label", "array", "rest", "line"),
    [
        ("torch.Tensor", bits("float32", 1, 2, 0.5, 4), {}, "tensor([[1., 2.], [0.5, 4.]])"),
        ("torch.Tensor", bits("int64", 1, 2), {".requires_grad": True}, "tensor([[1, 2]], requires_grad=True)"),
        ("torch.nn.Parameter", bits("bfloat16", 1, 0.5), {}, "Parameter([1., 0.5], dtype=torch.bfloat16)"),
        ("jax.Array", bits("float32", 1, 2), {}, "Array([[1., 2.]], dtype=float32)"),
        ("torch.Tensor", bits("float32", *range(20)), {}, "tensor(10×2 float32, 0.0 to 19.0, sha256 0112d15a37dc)"),
    ],
)
def test_tensor_shows_as_its_library_prints_it(label: str, array: Any, rest: dict[str, Any], line: str) -> None:
    data = write(Node(RECORD, label, [item for row in {"array": array, **rest}.items() for item in row]))
    assert summarize_value(data) == line
    assert render_value(data)


def test_bytes_that_no_copy_has_do_not_tell_what_is_equal() -> None:
    assert encode_value(made.ByBytes(b"a")) == encode_value(made.ByBytes(b"a"))
    with pytest.raises(
        UnstableValue, match=r"kernel: a support\.made_callables\.ByBytes .* bytes that differ for its copy"
    ):
        encode_value({"kernel": made.ByBytes()})
    with pytest.raises(UnstableValue, match="bytes of a file, which do not tell"):
        encode_value(made.ByFile())
    with pytest.raises(UnstableValue, match="and no copy can be made to compare them"):
        encode_value(made.WithoutCopy())
