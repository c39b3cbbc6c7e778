"""The bytes of canonical values are a promise: a lock that was made once is compared with them for ever."""

from __future__ import annotations

import array
import hashlib
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgpack
import pytest

from mitosis.canonical.decode import decode_value
from mitosis.canonical.difference import compare_values
from mitosis.canonical.encode import INLINE_LIMIT, encode_value
from mitosis.canonical.full_text import render_value
from mitosis.canonical.nodes import write
from mitosis.canonical.show import summarize_value
from support.canonical_golden import FOLDER, VALUES

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "values.md"
NAMES = sorted(path.stem for path in FOLDER.glob("*.msgpack"))


def test_every_value_has_its_file_and_every_file_its_value() -> None:
    assert sorted(VALUES) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_value_has_the_bytes_that_it_always_had(name: str) -> None:
    recorded = (FOLDER / f"{name}.msgpack").read_bytes()
    now = encode_value(VALUES[name]())
    assert [str(difference) for difference in compare_values(recorded, now).differences] == []
    assert now == recorded


@pytest.mark.parametrize("name", NAMES)
def test_recorded_bytes_are_read(name: str) -> None:
    recorded = (FOLDER / f"{name}.msgpack").read_bytes()
    assert write(decode_value(recorded)) == recorded
    assert summarize_value(recorded)
    assert render_value(recorded)


def _blocks(language: str) -> list[str]:
    """The fenced blocks of the reference page."""
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)


def test_example_of_the_reference_page_has_the_bytes_that_it_shows() -> None:
    shown = bytes.fromhex(_blocks("text")[-1])
    assert encode_value({"scale": 0.01, "tags": ["a", ["a"]]}) == shown


def test_reader_of_the_reference_page_reads_what_is_recorded() -> None:
    space: dict[str, Any] = {}
    exec(compile(_blocks("python")[-1], PAGE, "exec"), space)  # noqa: S102
    read = space["read"]
    assert read(encode_value({"scale": 0.01, "tags": ["a", ["a"]]})) == (
        *(3, "dict", "tags", (1, "list", "a", (1, "list", "a"))),
        *("scale", 0.01),
    )
    for name in NAMES:
        if name != "shared":
            read((FOLDER / f"{name}.msgpack").read_bytes())


def test_digests_are_those_of_the_reference_page() -> None:
    """Chunks of a digested array, made again from what the page says of them."""
    floats = array.array("d", [at / 4 for at in range(INLINE_LIMIT // 8 + 1)])
    content = floats.tobytes() if sys.byteorder == "little" else floats[::-1].tobytes()[::-1]
    size = 65536
    while 256 * size < len(content):
        size *= 2
    digests = b"".join(hashlib.sha256(content[at : at + size]).digest()[:20] for at in range(0, len(content), size))
    recorded = msgpack.unpackb((FOLDER / "numpy-large.msgpack").read_bytes())
    assert recorded[2] == [7, "numpy.ndarray", "float64", 8, 1, len(floats), 0.0, floats[-1], digests]


@pytest.mark.parametrize("seed", ["42", pytest.param("0", marks=pytest.mark.slow)])
def test_hash_seed_does_not_change_bytes(seed: str) -> None:
    code = "from support.canonical_golden import mismatches; print(*mismatches())"
    environment = {**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""
