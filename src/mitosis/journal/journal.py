"""The journal of one repository: the only writer of its refs."""

from __future__ import annotations

from mitosis.journal.exchange import Exchange
from mitosis.journal.trials import Trials
from mitosis.journal.variants import Variants


class Journal(Trials, Variants, Exchange):
    """The record of all trials and variant locks of a repository, kept in its git history.

    Every change is one commit on `refs/mitosis/journal`, made under that ref's lock, so it is seen whole or not at all.
    Reading takes no lock: each call reads the state that the ref points to when it begins.

    What can be done with trials, with variants, and with the journals of others has a class of its own each.

    Args:
        repository: where the journal is; linked worktrees of one repository share it.
    """
