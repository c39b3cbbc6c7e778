"""Pull and push: fetch, merge, and send, until both sides have everything or somebody refuses."""

from __future__ import annotations

import contextlib
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass

from mitosis.errors import GitError, PushFailed
from mitosis.git import Repository
from mitosis.journal import Journal, Merged, layout
from mitosis.sync.remotes import Remote
from mitosis.sync.transport import Attempt, Transport

ATTEMPTS = 40
TIME_LIMIT_S = 120.0
"""How long to try again while others push to the same remote."""
_FIRST_PAUSE_S = 0.05
_LONGEST_PAUSE_S = 2.0
_TRIES_WITH_NOTES = 4
_TRIES_UNMOVED = 8
"""How often to try while the remote stays as it is, so that it is not others' pushes that keep ours from going."""


@dataclass(frozen=True, slots=True)
class Pulled:
    """What came from a remote."""

    remote: str
    has_journal: bool
    """Whether the remote has any records."""
    received: int = 0
    """Trials that are new here."""
    updated: int = 0
    """Trials that tell more than before, such as their end."""
    forgotten: int = 0
    """Trials that are gone here, since they were forgotten there."""
    is_changed: bool = False
    """Whether anything came, be it no trial but a lock."""
    warnings: tuple[str, ...] = ()

    def plus(self, merged: Merged) -> Pulled:
        """With what one more merge brought."""
        problem = merged.notes_problem
        return Pulled(
            remote=self.remote,
            has_journal=True,
            received=self.received + merged.received,
            updated=self.updated + merged.updated,
            forgotten=self.forgotten + merged.forgotten,
            is_changed=self.is_changed or merged.is_changed,
            warnings=self.warnings if problem is None else (*self.warnings, f"the notes were not updated: {problem}"),
        )


@dataclass(frozen=True, slots=True)
class Pushed:
    """What went to a remote, and what came from it before."""

    pulled: Pulled
    sent: int = 0
    """Trials that the remote did not have."""
    is_changed: bool = False
    """Whether the remote had not everything already."""
    warnings: tuple[str, ...] = ()


def pull(repository: Repository, remote: Remote, transport: Transport | None) -> Pulled:
    """Fetch the records of a remote and merge them into those here.

    Args:
        repository: the one at hand.
        remote: where from.
        transport: how to fetch; None to merge what was fetched before.

    Raises:
        FetchFailed: git could not fetch.
        JournalError: the journals cannot be merged.
    """
    if transport is not None:
        transport.fetch(remote, remote.fetch_from)
    return _merge(Journal(repository), remote, Pulled(remote.name, False))


def push(
    repository: Repository,
    remote: Remote,
    transport: Transport,
    *,
    keys: Sequence[str] = (),
    with_commits: bool = True,
) -> Pushed:
    """Send records to a remote, after those of the remote were fetched and merged.

    Somebody else may push at the same time. Then it is tried again, up to `ATTEMPTS` times within `TIME_LIMIT_S`.

    Args:
        repository: the one at hand.
        remote: where to.
        transport: how.
        keys: full keys of the trials to send, with what they refer to; all records if there are none.
        with_commits: whether the pinned commits of the experiments go with them.

    Raises:
        FetchFailed: git could not fetch.
        PushFailed: git could not push, or the remote refused.
        JournalError: the journals cannot be merged.
    """
    journal = Journal(repository)
    pulled = Pulled(remote.name, False)
    warnings: list[str] = []
    with_notes = not keys
    began = time.monotonic()
    seen: tuple[str | None, str | None] | None = None
    unmoved = 0
    for number in range(ATTEMPTS):
        transport.fetch(remote, remote.push_to)
        pulled = _merge(journal, remote, pulled)
        theirs = journal.read_tip(layout.remote_journal_ref(remote.ref_name))
        tip = journal.select(keys, theirs, repository.identity()) if keys else journal.tip()
        if tip is None:
            return Pushed(pulled)
        refs = {layout.JOURNAL_REF: tip}
        notes = _read_ref(repository, layout.NOTES_REF) if with_notes else None
        if notes is not None:
            refs[layout.NOTES_REF] = notes
        attempt = transport.push(remote, refs, _pins(journal, keys) if with_commits else ())
        if attempt.done:
            return _sent(journal, remote, pulled, tip, theirs, keys, warnings)
        if not attempt.is_race or unmoved >= _TRIES_UNMOVED:
            raise PushFailed(remote.name, _reason(attempt))
        last, seen = seen, (theirs, _read_ref(repository, layout.remote_notes_ref(remote.ref_name)))
        unmoved = unmoved + 1 if seen == last else 0
        if notes is not None and unmoved >= _TRIES_WITH_NOTES:
            # They are a view of the journal, and must not keep it from arriving.
            with_notes = False
            warnings.append(f"the notes were not pushed: {_reason(attempt)}")
        if time.monotonic() - began > TIME_LIMIT_S:
            break
        pause_s = min(_FIRST_PAUSE_S * 2**number, _LONGEST_PAUSE_S)
        time.sleep(pause_s * random.uniform(0.2, 1.0))
    raise PushFailed(
        remote.name, f"others pushed to it each time in {number + 1} attempts ({time.monotonic() - began:.0f} s)"
    )


def _merge(journal: Journal, remote: Remote, pulled: Pulled) -> Pulled:
    """Merge what was fetched."""
    tip = journal.read_tip(layout.remote_journal_ref(remote.ref_name))
    if tip is None:
        return pulled
    notes = _read_ref(journal.repository, layout.remote_notes_ref(remote.ref_name))
    merged = journal.merge(tip, journal.repository.identity(), remote.name, notes)
    journal.adopt_pins(remote.ref_name)
    return pulled.plus(merged)


def _sent(
    journal: Journal,
    remote: Remote,
    pulled: Pulled,
    tip: str,
    theirs: str | None,
    keys: Sequence[str],
    warnings: Sequence[str],
) -> Pushed:
    """Take note of what the remote has now."""
    journal.repository.git("update-ref", layout.remote_journal_ref(remote.ref_name), tip)
    missing = journal.missing_keys(theirs)
    sent = len(missing.intersection(keys)) if keys else len(missing)
    if keys:
        journal.merge(tip, journal.repository.identity(), remote.name)
    return Pushed(pulled, sent, tip != theirs, tuple(warnings))


def _pins(journal: Journal, keys: Sequence[str]) -> Sequence[str] | None:
    """The pins to send: those of the trials that are sent; None for all."""
    if not keys:
        return None
    pinned = journal.pins()
    return [commit for commit in dict.fromkeys(journal.read_trial(key).commit for key in keys) if commit in pinned]


def _reason(attempt: Attempt) -> str:
    own = [f"{name} {reason}" for name, reason in attempt.rejected.items() if "atomic" not in reason]
    return own[0] if own else attempt.reason or next(iter(attempt.rejected.values()), "git did not say why")


def _read_ref(repository: Repository, name: str) -> str | None:
    with contextlib.suppress(GitError):  # there is none
        return repository.git("rev-parse", "--verify", "--quiet", f"{name}^{{commit}}").strip()
    return None
