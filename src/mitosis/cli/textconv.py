"""`mitosis textconv FILE`: a blob of the journal as text. git calls it, for `git log -p refs/mitosis`."""

from __future__ import annotations

import sys
from pathlib import Path

from mitosis.errors.base import ExitStatus
from mitosis.errors.files import FileTrouble
from mitosis.journal.messages import render_blob


def textconv(words: list[str]) -> int:
    """Print the text form of one file.

    Args:
        words: the file's path, as the only one.
    """
    if len(words) != 1:
        sys.stderr.write("usage: mitosis textconv FILE\n")
        return ExitStatus.REFUSED
    path = Path(words[0])
    try:
        data = path.read_bytes()
    except OSError as error:
        raise FileTrouble(path, "read", error) from error
    sys.stdout.write(render_blob(path.name, data))
    return 0
