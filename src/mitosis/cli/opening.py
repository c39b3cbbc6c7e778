"""The journal of the repository that a command was called in."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from mitosis.cli.output.streams import can_move
from mitosis.git.repository import find_repository

if TYPE_CHECKING:
    from mitosis.journal.journal import Journal


def open_journal() -> Journal:
    """The journal of the repository that the working directory is in. On a terminal it says so when it is read anew."""
    # Completion in the shell imports what imports this, and waits for no journal.
    from mitosis.journal.journal import Journal

    journal = Journal(find_repository(Path.cwd()))
    if can_move(sys.stderr):
        journal.index.tell = _tell
    return journal


def _tell(count: int) -> None:
    sys.stderr.write(f"\r\x1b[Kreading the journal: {count:,} records" if count else "\r\x1b[K")
    sys.stderr.flush()
