"""The blobs of the journal as text, for `git log -p` through a textconv."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any

from mitosis.errors.base import MitosisError
from mitosis.errors.journal import BadRecord, FormatTooNew
from mitosis.journal.remarks import parse_remark
from mitosis.records.codec import decode_trial
from mitosis.text import one_line

_TEXT_LIMIT = 10_000
_PLAIN_LIMIT = 100


def render_blob(path: str, data: bytes) -> str:
    """A blob of the journal as text that a person can read and git can compare line by line.

    Args:
        path: where the blob is in the journal, or just its file name: git gives a textconv no more.
        data: its bytes.

    Returns:
        Lines that each end in a line break. Bytes that cannot be read give a line that says why: a history must stay
        readable whatever is in it.
    """
    if not path.endswith(".msgpack"):
        return "".join(f"{one_line(line, _TEXT_LIMIT)}\n" for line in data.decode("utf-8", "replace").splitlines())
    try:
        record = decode_trial(data, path)
    except FormatTooNew as error:
        return _unreadable(error)
    except BadRecord as error:
        return _render_value(path, data, error)
    return "".join(f"{line}\n" for line in _lines(record, ""))


def _render_value(path: str, data: bytes, reason: BadRecord) -> str:
    from mitosis.canonical.full_text import render_value

    remark = parse_remark(data)
    if remark is not None:
        return "".join(f"{line}\n" for line in _lines(remark, ""))
    try:
        text = render_value(data)
    except MitosisError as error:
        return _unreadable(reason if "/" in path and path.startswith("trials/") else error)
    return text if text.endswith("\n") else f"{text}\n"


def _unreadable(error: MitosisError) -> str:
    return f"# {one_line(str(error), _TEXT_LIMIT)}\n"


def _lines(value: Any, indent: str) -> Iterator[str]:
    """A record, mapping or list in the manner of YAML, one leaf a line."""
    for name, item in _items(value):
        head = f"{indent}{name}"
        if _items(item):
            yield head.rstrip()
            yield from _lines(item, indent + "  ")
        else:
            yield f"{head} {_leaf(item)}"


def _items(value: Any) -> list[tuple[str, Any]]:
    """What a value holds, by the text that stands before each; empty for a leaf."""
    if dataclasses.is_dataclass(value):
        names = [field.name for field in dataclasses.fields(value)]
        return [(f"{name}:", getattr(value, name)) for name in names if getattr(value, name) not in _UNSAID]
    if isinstance(value, dict):
        return [(f"{one_line(str(name), _PLAIN_LIMIT)}:", item) for name, item in sorted(value.items())]
    if isinstance(value, list | tuple):
        return [("-", item) for item in value]
    return []


_UNSAID: tuple[Any, ...] = (None, (), {}, "")
"""Values of optional fields that say nothing."""


def _leaf(value: Any) -> str:
    if isinstance(value, str):
        return one_line(value, _TEXT_LIMIT)
    if isinstance(value, bytes):
        return value.hex()
    return one_line(repr(value), _TEXT_LIMIT)
