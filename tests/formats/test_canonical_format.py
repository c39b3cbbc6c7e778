"""The bytes of canonical values are a promise: a lock that was made once is compared with them for ever."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from mitosis.canonical import compare, decode, encode, encode_node, render, summary
from support.canonical_golden import FOLDER, VALUES

NAMES = sorted(path.stem for path in FOLDER.glob("*.msgpack"))


def test_every_value_has_its_file_and_every_file_its_value() -> None:
    assert sorted(VALUES) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_value_has_the_bytes_that_it_always_had(name: str) -> None:
    recorded = (FOLDER / f"{name}.msgpack").read_bytes()
    now = encode(VALUES[name]())
    assert [str(difference) for difference in compare(recorded, now).differences] == []
    assert now == recorded


@pytest.mark.parametrize("name", NAMES)
def test_recorded_bytes_are_read(name: str) -> None:
    recorded = (FOLDER / f"{name}.msgpack").read_bytes()
    assert encode_node(decode(recorded)) == recorded
    assert summary(recorded)
    assert render(recorded)


@pytest.mark.parametrize("seed", ["0", "42"])
def test_hash_seed_does_not_change_bytes(seed: str) -> None:
    code = "from support.canonical_golden import mismatches; print(*mismatches())"
    environment = {**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""
