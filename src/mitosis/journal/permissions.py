"""The permissions of new files in a repository that several people of one machine share."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pygit2.config import Config


@contextlib.contextmanager
def unmasked(bits: int) -> Iterator[None]:
    """Let new files have these permission bits, whatever the process's mask says."""
    if not bits:
        yield
        return
    before = os.umask(0o022)
    os.umask(before & ~bits)
    try:
        yield
    finally:
        os.umask(before)


def shared_bits(config: Config) -> int:
    """The permission bits, besides those of their owner, that `core.sharedRepository` wants files to have."""
    if "core.sharedrepository" not in config:
        return 0
    value = (config["core.sharedrepository"] or "").lower()
    if value in ("group", "true", "1", "yes", "on", ""):
        return 0o070
    if value in ("all", "world", "everybody", "2"):
        return 0o075
    if value.startswith("0") and len(value) > 1 and all(digit in "01234567" for digit in value):
        bits = int(value, 8) & 0o077
        # A folder has to be entered by whoever may read it.
        return bits | (bits & 0o044) >> 2
    return 0
