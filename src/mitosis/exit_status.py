"""What the command ends with. The page of the reference, exit-status.md, says when."""

from __future__ import annotations

from enum import IntEnum


class ExitStatus(IntEnum):
    """The statuses, by what they say."""

    DONE = 0
    FAILED = 1
    """The experiment did, or a command that looks at something found that all is not well."""
    REFUSED = 2
    BUG = 3
    """An error of mitosis itself, or something that it could not find out or record."""
    TIMED_OUT = 124
    """The status that coreutils' `timeout` gives a command that it ended."""
    SIGNALLED = 128
    """With the number of the signal added, as shells have it."""


def of_signal(number: int) -> int:
    """The status of what was ended by a signal."""
    return ExitStatus.SIGNALLED + number
