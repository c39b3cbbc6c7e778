"""Pull and push: fetch, merge, and send, until both sides have everything or somebody refuses."""

from __future__ import annotations

import contextlib
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

from mitosis.errors.journal import NotFetchedWhole, PushFailed
from mitosis.errors.repository import GitError
from mitosis.git.repository import Repository
from mitosis.journal import layout
from mitosis.journal.journal import Journal
from mitosis.journal.removing import telling_unusable
from mitosis.journal.sharing import Merged
from mitosis.journal.storage.signing import refuse_unsigned
from mitosis.sync.remotes import Remote, push_place
from mitosis.sync.transport import Transport, lacks_blobs

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
    taken: tuple[str, ...] = ()
    """What others have taken away or changed of what was here: who, and what their commit says."""
    disputes: tuple[str, ...] = ()
    """Keys of the trials that have several records since."""
    unexplained: tuple[str, ...] = ()
    """What others have taken away or changed without a reason, in words, and has stayed."""
    warnings: tuple[str, ...] = ()

    def with_merged(self, merged: Merged) -> Pulled:
        """With what one more merge brought."""
        problem = merged.notes_problem
        warning = f"the notes were not updated: {problem}"
        return Pulled(
            remote=self.remote,
            has_journal=True,
            received=self.received + merged.received,
            updated=self.updated + merged.updated,
            forgotten=self.forgotten + merged.forgotten,
            is_changed=self.is_changed or merged.is_changed,
            taken=(*self.taken, *merged.taken),
            disputes=(*self.disputes, *merged.disputes),
            unexplained=(*self.unexplained, *merged.unexplained),
            warnings=self.warnings if problem is None or warning in self.warnings else (*self.warnings, warning),
        )


@dataclass(frozen=True, slots=True)
class Pushed:
    """What went to a remote, and what came from it before."""

    pulled: Pulled
    sent: int = 0
    """Trials that the remote did not have."""
    is_changed: bool = False
    """Whether the remote had not everything already."""
    misleading_pins: tuple[str, ...] = ()
    """Commits that were not pushed, since the remote's pins of them point to something else."""
    warnings: tuple[str, ...] = ()

    def with_warning(self, warning: str) -> Pushed:
        return replace(self, warnings=(*self.warnings, warning))


def pull(
    repository: Repository,
    remote: Remote,
    transport: Transport | None,
    *,
    keep: bool = False,
    verify_signatures: bool = True,
) -> Pulled:
    """Fetch the records of a remote and merge them into the local ones.

    Args:
        repository: the one at hand.
        remote: where from.
        transport: how to fetch; None to merge what was fetched before.
        keep: whether what the remote has taken away without saying so stays, instead of being an error.
        verify_signatures: whether to refuse what is not signed, if the configuration requires signatures.

    Raises:
        FetchFailed: git could not fetch.
        NotFetchedWhole: what was fetched before is without contents.
        UnsignedRecords: signatures are required and missing.
        JournalError: the journals cannot be merged.
    """
    journal = Journal(repository)
    # Where the journal is damaged, git says of a fetch what is of no help.
    journal.check_tip()
    if transport is not None:
        transport.fetch(remote, remote.place)
    elif repository.is_partial() and lacks_blobs(repository, layout.remote_journal_ref(remote.ref_name)):
        raise NotFetchedWhole(remote.name)
    return _merge(journal, remote, Pulled(remote.name, False), keep=keep, verify_signatures=verify_signatures)


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
        UnsignedRecords: signatures are required, and missing from what is there.
        JournalError: the journals cannot be merged.
    """
    journal = Journal(repository)
    journal.store.is_unattended = transport.is_unattended
    journal.check_tip()
    pushed = Pushed(Pulled(remote.name, False))
    place = push_place(repository, remote)
    with_notes = not keys
    began = time.monotonic()
    seen: tuple[str | None, str | None] | None = None
    unmoved = 0
    cut_off: set[str] = set()
    offered: dict[str, str | None] = {}
    for number in range(ATTEMPTS):
        transport.fetch(remote, place)
        pushed = replace(pushed, pulled=_merge(journal, remote, pushed.pulled))
        theirs = journal.read_tip(layout.remote_journal_ref(remote.ref_name))
        tip = _selected(journal, keys, theirs) if keys else journal.tip()
        if tip is None:
            return pushed
        refs = {layout.JOURNAL_REF: tip}
        notes = journal.read_commit(layout.NOTES_REF) if with_notes else None
        if notes is not None:
            refs[layout.NOTES_REF] = notes
        pins = _pins(journal, keys) if with_commits else ()
        attempt = transport.push(remote, refs, pins, cut_off)
        if attempt.done:
            return _sent(journal, remote, pushed, tip, keys, theirs=offered.get(theirs or "", theirs), known=theirs)
        # A remote may take a part even of what is to go all or none: git passes by some refs that it refuses.
        offered[tip] = offered.get(theirs or "", theirs)
        last, seen = seen, (theirs, journal.read_commit(layout.remote_notes_ref(remote.ref_name)))
        unmoved = unmoved + 1 if seen == last else 0
        if attempt.misleading_pins:
            cut_off.update(attempt.misleading_pins)
            pushed = replace(pushed, misleading_pins=(*pushed.misleading_pins, *attempt.misleading_pins))
            continue
        if attempt.shallow_pins:
            # A shallow clone, as machines that test have it, could never send its records otherwise.
            cut_off.update(attempt.shallow_pins)
            pushed = pushed.with_warning(
                f"commits of experiments were not pushed: this clone is shallow, and {remote.name} lacks their history"
            )
            continue
        if notes is not None and (unmoved >= _TRIES_WITH_NOTES or attempt.refuses_only(layout.NOTES_REF)):
            # They are a view of the journal, and must not keep it from arriving.
            with_notes = False
            pushed = pushed.with_warning(f"the notes were not pushed: {attempt.why(layout.NOTES_REF)}")
            continue
        if not attempt.is_race or unmoved >= _TRIES_UNMOVED:
            if attempt.refuses_pins and _has_arrived(journal, remote, transport, place, tip):
                why = f"commits of experiments were not pushed: {attempt.why()}"
                pushed = pushed.with_warning(why)
                return _sent(journal, remote, pushed, tip, keys, theirs=offered.get(theirs or "", theirs), known=theirs)
            transport.tell_rest()
            raise PushFailed(remote.name, attempt.why(), about_commits=attempt.refuses_pins)
        if time.monotonic() - began > TIME_LIMIT_S:
            break
        pause_s = min(_FIRST_PAUSE_S * 2**number, _LONGEST_PAUSE_S)
        time.sleep(pause_s * random.uniform(0.2, 1.0))
    transport.tell_rest()
    raise PushFailed(
        remote.name, f"others pushed to it each time in {number + 1} attempts ({time.monotonic() - began:.0f} s)"
    )


def _merge(
    journal: Journal, remote: Remote, pulled: Pulled, *, keep: bool = False, verify_signatures: bool = True
) -> Pulled:
    """Merge what was fetched."""
    with telling_unusable(remote.name):
        tip = journal.read_tip(layout.remote_journal_ref(remote.ref_name))
    if tip is None:
        return pulled
    notes = journal.read_commit(layout.remote_notes_ref(remote.ref_name))
    if journal.contains(tip, notes):
        journal.name_shortly()
        journal.adopt_pins(remote.ref_name)
        return replace(pulled, has_journal=True)
    if verify_signatures and journal.store.sign == "require":
        refuse_unsigned(journal.repository, journal.tip(), tip, remote.name)
    merged = journal.merge(tip, None, remote.name, notes, keep=keep)
    journal.adopt_pins(remote.ref_name)
    return pulled.with_merged(merged)


def _selected(journal: Journal, keys: Sequence[str], theirs: str | None) -> str:
    """A commit that adds these trials to the remote's journal; the remote's own if it has them so."""
    repository = journal.repository
    tip = journal.select(keys, theirs, repository.identity())
    is_there = theirs is not None and repository.tree_of(tip) == repository.tree_of(theirs)
    return theirs if theirs is not None and is_there else tip


def _has_arrived(journal: Journal, remote: Remote, transport: Transport, place: str, tip: str) -> bool:
    """Whether the remote has taken the journal all the same: some that hide refs take the others, whatever is asked."""
    transport.fetch(remote, place)
    return journal.read_tip(layout.remote_journal_ref(remote.ref_name)) == tip


def _sent(
    journal: Journal,
    remote: Remote,
    pushed: Pushed,
    tip: str,
    keys: Sequence[str],
    *,
    theirs: str | None,
    known: str | None,
) -> Pushed:
    """Take note of what the remote has now: `tip`, in place of `theirs`, or of what was `known` of that at last."""
    ref = layout.remote_journal_ref(remote.ref_name)
    with contextlib.suppress(GitError):  # another process has fetched meanwhile what the remote has now
        journal.repository.git("update-ref", ref, tip, known or "0" * 40)
    missing = journal.missing_keys(theirs)
    sent = len(missing.intersection(keys)) if keys else len(missing)
    if keys:
        journal.merge(tip, None, remote.name)
    return replace(pushed, sent=max(sent, pushed.sent), is_changed=pushed.is_changed or tip != theirs)


def _pins(journal: Journal, keys: Sequence[str]) -> Sequence[str] | None:
    """The pins to send: those of the trials that are sent; None for all."""
    if not keys:
        return None
    pinned = journal.pins()
    wanted = dict.fromkeys(journal.read_trial(key).commit for key in keys)
    return [commit for commit in wanted if commit in pinned]
