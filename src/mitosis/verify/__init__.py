"""Check all that mitosis keeps in a repository, and repair what can be rebuilt.

`verify` reads everything and changes nothing. `repair` puts back what of the journal its history has whole, and
rebuilds what is derived from it; it takes away nothing that is a source of truth.
"""

from __future__ import annotations

import contextlib
import shlex
import time
from collections.abc import Callable
from pathlib import Path

from mitosis.errors.base import MitosisError
from mitosis.errors.files import NoTemporaryPlace
from mitosis.errors.journal import FormatTooNew, JournalError, UnusableJournal
from mitosis.errors.repository import GitError, ObjectTooLarge, UnreadableObject
from mitosis.files import remove_abandoned, temporary_place
from mitosis.git.repository import Identity, Repository
from mitosis.journal import layout
from mitosis.journal.journal import Journal
from mitosis.journal.merge import unite
from mitosis.journal.removing import telling_unusable
from mitosis.journal.sharing import misleading_pins
from mitosis.journal.storage.store import Snapshot
from mitosis.journal.unmerged import commands_for_gone
from mitosis.process import is_alive
from mitosis.records.trial import TrialRecord
from mitosis.text import counted
from mitosis.verify import repairable
from mitosis.verify.contents import UPGRADE, Contents, ContentsReader, check_lookups, who_wrote
from mitosis.verify.findings import Report
from mitosis.verify.history import MAX_OBJECT_BYTES, HistoryReader, check_pins, check_reasons, restoring
from mitosis.verify.outputs import OutputsChecker
from mitosis.verify.signatures import check_signatures

_ATTEMPTS = 3
_PAUSE_S = 0.3


def _silent(text: str) -> None:
    pass


def verify(
    repository: Repository,
    *,
    trials_folder: Path | None = None,
    signatures: bool = False,
    tell: Callable[[str], None] = _silent,
) -> Report:
    """Check the journal of a repository and all that belongs to it. Nothing is changed.

    Args:
        repository: whose journal.
        trials_folder: compare the outputs in it with their records as well; None to leave them alone.
        signatures: check that of each commit of the journal as well.
        tell: is told what is being done, as a clause for a line of progress.

    Raises:
        GitError: git cannot list refs.
    """
    journal = Journal(repository)
    remote = _likely_remote(repository)
    restore = f"git fetch --refetch {remote} {layout.JOURNAL_REF}"
    report, snapshot, contents = _check_settled(journal, restore, trials_folder, tell)
    repairable.check_locks_left(repository, report)
    if snapshot is None:
        return report
    repairable.check_index(journal, report)
    repairable.check_symbolic_ref(repository, report)
    _check_conflicts(journal, report)
    for unmerged in journal.unmerged():
        were, verb, them = ("was", "is", "it") if unmerged.trials == 1 else ("were", "are", "them")
        fetched = counted(unmerged.trials, "trial") if unmerged.trials else "records"
        what = f"{fetched} {were} fetched from it that {verb} not merged yet; to merge {them}, or to see why not"
        report.info("remote", unmerged.remote, what, f"mitosis pull {unmerged.remote}")
    tell("looking for the commits of trials")
    check_pins(journal.store, _commits(contents), remote, report)
    tell("reading the history")
    if HistoryReader(repository, restore, report, tell).read(snapshot.commit):
        tell("looking for what was taken away")
        check_lookups(journal.store, snapshot.commit, contents, report)
        check_reasons(journal.store, snapshot, report)
        if signatures:
            check_signatures(repository, snapshot.commit, report, tell)
    return report


def compare(repository: Repository, remote: str, ref_name: str, report: Report) -> None:
    """Compare the journal with that of a remote, as it was fetched. Nothing is merged.

    Args:
        repository: whose journal.
        remote: what to call the remote.
        ref_name: what stands for it in the names of refs.
        report: takes what differs: as an error what the remote has taken away or changed without a reason.
    """
    journal = Journal(repository)
    ref = layout.remote_journal_ref(ref_name)
    for commit, target in misleading_pins(journal.store, ref_name).items():
        hint = "" if repository.has_object(commit) else "Somebody who has that commit has to do it."
        what = f"its {layout.pin_ref(commit)} points to {target}"
        report.error("remote", remote, what, layout.push_pin_command(remote, commit), hint)
    try:
        with telling_unusable(remote):
            tip = journal.read_tip(ref)
        ours = journal.store.snapshot()
        if tip is None or ours is None:
            report.info("remote", remote, "it has no records" if tip is None else "there are no records here")
            return
        theirs = journal.store.snapshot_of(tip, ref)
        union = unite(journal.store, journal.index, ours, theirs, remote, keep=True)
        for what in union.unexplained:
            clause = f"{what} is gone or changed there, without a reason"
            report.error("remote", remote, clause, f"git log -m --stat {ours.commit[:12]}..{tip[:12]}")
        for key in union.disputes:
            report.error("remote", remote, f"it has another record of trial {key}", f"mitosis pull {remote}")
        for line in union.taken:
            report.info("remote", remote, line)
        for count, whose, where, command in (
            (len(journal.missing_keys(tip)), "", "there", f"mitosis push {remote}"),
            (sum(old is None for _, old, _ in union.trials), " of it", "here", f"mitosis pull {remote}"),
        ):
            if count:
                verb = "is" if count == 1 else "are"
                report.info("remote", remote, f"{counted(count, 'trial')}{whose} {verb} not {where} yet", command)
    except JournalError as error:
        remedy = error.remedy if isinstance(error, UnusableJournal) else f"git show -m --stat {ref}"
        report.error("remote", remote, _first_line(error), remedy)


def repair(repository: Repository, identity: Identity, *, tell: Callable[[str], None] = _silent) -> list[str]:
    """Rebuild what is derived from the journal and does not agree with it: pins, notes, index, the short name.

    Before that, what somebody has spoiled or taken away without a reason is put back, as the history has it. What
    killed processes have left behind is removed.

    Args:
        repository: whose journal.
        identity: who writes the notes.
        tell: is told what is being done.

    Returns:
        What was done, a clause each.

    Raises:
        JournalError: the journal cannot be read, or something not be written.
    """
    journal = Journal(repository)
    with contextlib.suppress(NoTemporaryPlace):
        remove_abandoned(temporary_place())  # which is no part of the repository, and not told
    done = repairable.repair_locks_left(journal)
    if journal.store.snapshot() is None:
        return done
    tell("looking for what was taken away")
    done += repairable.repair_lost(journal, identity)
    snapshot = journal.store.snapshot()
    assert snapshot is not None
    contents = _check_contents(journal, snapshot, "", None, Report(), tell)
    tell("repairing")
    done += repairable.repair_index(journal)
    done += repairable.repair_symbolic_ref(repository)
    done += repairable.repair_pins(journal, _commits(contents))
    done += repairable.repair_notes(journal, contents, identity)
    return done


def _check_settled(
    journal: Journal, restore: str, trials_folder: Path | None, tell: Callable[[str], None]
) -> tuple[Report, Snapshot | None, Contents]:
    """Check the tree of the journal and the notes, at a moment when nobody has written only one of the two."""
    for attempt in range(1, _ATTEMPTS + 1):
        report = Report()
        refs = _refs(journal)
        snapshot = _read_snapshot(journal, restore, report)
        if snapshot is None:
            return report, None, Contents()
        contents = _check_contents(journal, snapshot, restore, trials_folder, report, tell)
        tell("comparing the notes and the index")
        repairable.check_notes(journal, contents, report)
        if attempt == _ATTEMPTS or not any(finding.kind == "note" for finding in report.problems):
            break
        # A trial that ends writes the journal first and then the notes: perhaps that is happening now.
        time.sleep(_PAUSE_S)
        if _refs(journal) == refs:
            break
    return report, snapshot, contents


def _refs(journal: Journal) -> str:
    """What the journal and the notes point to now."""
    return journal.repository.git("for-each-ref", "--format=%(objectname)", layout.JOURNAL_REF, layout.NOTES_REF)


def _read_snapshot(journal: Journal, restore: str, report: Report) -> Snapshot | None:
    """The journal's present state; None if there is none, or it cannot be read."""
    name = layout.JOURNAL_REF
    try:
        snapshot = journal.store.snapshot()
    except FormatTooNew as error:
        report.error("journal", name, _first_line(error), "", UPGRADE)
        return None
    except JournalError as error:
        report.error("journal", name, _first_line(error), *_tip_remedy(journal, restore, error))
        return None
    if snapshot is None:
        left = journal.repository.git("for-each-ref", "--format=%(refname)", layout.PIN_PREFIX, layout.NOTES_REF)
        if left:
            # As `git filter-repo` leaves a repository, which rewrites what it knows, and forgets the rest.
            what = f"it is gone, though there are still {counted(len(left.split()), 'ref')} that belong to it"
            report.error("journal", name, what, commands_for_gone(journal.store)[0])
        else:
            report.info("journal", name, "no trial is recorded in this repository")
    return snapshot


def _check_contents(
    journal: Journal,
    snapshot: Snapshot,
    restore: str,
    trials_folder: Path | None,
    report: Report,
    tell: Callable[[str], None],
) -> Contents:
    outputs = None if trials_folder is None else OutputsChecker(trials_folder, report)
    count = 0

    def visit(record: TrialRecord) -> None:
        nonlocal count
        count += 1
        if count % 1000 == 0:
            tell(f"reading records: {count:,}")
        where, host = f"trial {record.key}", record.process.host
        if record.status == "running" and is_alive(record.process) is False:
            what = f"it is lost: its process on {host} is gone"
            report.info("trial", where, what, f"mitosis forget {record.key}")
        elif record.status == "running":
            report.info("trial", where, f"it runs on {host}, or did when this was recorded")
        if outputs is not None:
            outputs.check(record)

    tell("reading records")
    contents = ContentsReader(journal.store, restore, report, visit).read(snapshot)
    if outputs is not None:
        outputs.name_left({*contents.trials, *contents.unreadable_keys})
        report.counts["outputs"] = outputs.checked
        if outputs.elsewhere:
            what = f"the outputs of {counted(outputs.elsewhere, 'trial')} are on other machines, and were not checked"
            report.info("output", str(trials_folder), what)
    return contents


def _commits(contents: Contents) -> set[str]:
    commits = {trial.commit for trial in contents.trials.values()}
    return {commit for commit in commits if layout.COMMIT_PATTERN.fullmatch(commit)}


def _check_conflicts(journal: Journal, report: Report) -> None:
    try:
        for conflict in journal.conflicts():
            what = f"it has {len(conflict.meanings)} recorded meanings, so it cannot be run"
            report.warning("variant", str(conflict.name), what, conflict.resolve_command)
    except MitosisError as error:
        report.error("variant", layout.VARIANTS, _first_line(error), who_wrote(layout.VARIANTS))


def _tip_remedy(journal: Journal, restore: str, error: JournalError) -> tuple[str, str]:
    """What can be done where the journal's newest state cannot be read, and a hint. Nothing sound is taken away."""
    name, repository = layout.JOURNAL_REF, journal.repository
    dangling = f"`git fsck` names it as dangling, and `git update-ref {name} COMMIT` goes back to it."
    unpushed = f"That brings back what was pushed. For the last commit of what was not, {dangling}"
    try:
        journal.tip()
    except JournalError:
        # git deletes no ref whose file it cannot read.
        return f"rm -f {shlex.quote(str(repository.common_dir / name))} && {restore}:{name}", unpushed
    damaged = _damaged_object(repository, error)
    if damaged is None:
        target = journal.tip()
        if target is not None and repository.has_object(target):
            return f"{restore.removesuffix(name)}+{name}:{name}", unpushed
        # git fetches nothing while a ref leads nowhere.
        return f"git update-ref -d {name} && {restore}:{name}", unpushed
    return restoring(repository, damaged, restore), f"If it was not pushed, take the commit before it: {dangling}"


def _damaged_object(repository: Repository, error: JournalError) -> str | None:
    """The object because of which the journal cannot be read; None if its ref leads to something else."""
    cause: BaseException | None = error
    while cause is not None and not isinstance(cause, UnreadableObject):
        cause = cause.__cause__
    try:
        if cause is not None:
            repository.read_object(cause.oid, MAX_OBJECT_BYTES)
    except ObjectTooLarge:
        return None
    except UnreadableObject as unreadable:
        return unreadable.oid
    return None


def _likely_remote(repository: Repository) -> str:
    """The remote to name in commands that bring back what is missing."""
    try:
        remotes = repository.git("remote").split()
    except GitError:
        remotes = []
    return "origin" if "origin" in remotes else remotes[0] if remotes else "CLONE"


def _first_line(error: MitosisError) -> str:
    return str(error).partition("\n")[0]
