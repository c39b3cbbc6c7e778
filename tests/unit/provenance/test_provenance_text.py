"""Odd paths and texts in messages and records."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mitosis.text import as_git_shows, c_quoted, recordable

PATHS = st.binary(min_size=1, max_size=30).filter(lambda data: b"\0" not in data).map(os.fsdecode)


@pytest.mark.parametrize(
    ("path", "quoted"),
    [
        ('a"b\\c', r'"a\"b\\c"'),
        ("a\tb\nc", r'"a\tb\nc"'),
        ("é", r'"\303\251"'),
        (os.fsdecode(b"\xff\x01"), r'"\377\001"'),
    ],
)
def test_quoting_is_that_of_git(path: str, quoted: str) -> None:
    assert c_quoted(path) == quoted


@given(PATHS)
def test_shown_path_is_one_line_that_can_be_printed(path: str) -> None:
    text = as_git_shows(path)
    text.encode()
    assert len(text.splitlines()) == 1
    assert text.isprintable()


@given(PATHS)
def test_quoted_path_reads_back(path: str) -> None:
    import ast

    assert ast.literal_eval("b" + c_quoted(path)) == os.fsencode(path)


@given(st.binary(max_size=30))
def test_recordable_text_is_utf8_and_keeps_what_was(data: bytes) -> None:
    recordable(os.fsdecode(data)).encode()
    try:
        text = data.decode()
    except UnicodeDecodeError:
        return
    assert recordable(text) == text


def test_provenance_is_cheap_to_import() -> None:
    heavy = ("pygit2", "numpy", "pandas", "psutil", "importlib.metadata", "jupyter_client")
    code = f"import sys, mitosis.provenance; print([m for m in {heavy!r} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
