"""Marks on streams that have no others."""

from __future__ import annotations

import io

from mitosis.cli.output.streams import plain


def test_marks_are_ascii_where_the_stream_has_no_others() -> None:
    stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    assert plain("✓ a → b · c…", stream) == "+ a > b - c~"
    assert plain("✓", io.TextIOWrapper(io.BytesIO(), encoding="utf-8")) == "✓"
