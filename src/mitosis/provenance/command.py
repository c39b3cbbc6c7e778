"""The command line of this process."""

from __future__ import annotations

import sys
from pathlib import Path

from mitosis.provenance.text import recordable


def command_line() -> tuple[str, ...]:
    """The command line of this process, one word an item, the program without its folder."""
    program = Path(sys.argv[0]).name if sys.argv else ""
    if program in ("", "__main__.py"):
        program = "mitosis"
    return (program, *(recordable(word) for word in sys.argv[1:]))
