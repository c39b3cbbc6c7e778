"""The ids that git gives to bytes, without asking git."""

from __future__ import annotations

import hashlib
from pathlib import Path

_READ_BYTES = 2**20


def blob_id(data: bytes) -> str:
    """The id of a blob with these bytes: SHA-1 over a header and them (gitformat-loose, "git hash-object")."""
    return hashlib.sha1(b"blob %d\0" % len(data) + data, usedforsecurity=False).hexdigest()


def file_blob_id(path: Path) -> tuple[str, int]:
    """The id of a blob with a file's bytes, and how many these are. The file is never in memory as a whole."""
    size_bytes = path.stat().st_size
    digest = hashlib.sha1(b"blob %d\0" % size_bytes, usedforsecurity=False)
    with path.open("rb") as file:
        while block := file.read(_READ_BYTES):
            digest.update(block)
    return digest.hexdigest(), size_bytes
