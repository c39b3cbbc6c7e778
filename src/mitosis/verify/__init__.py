"""Check all that mitosis keeps in a repository, and repair what can be rebuilt.

`verify` reads everything and changes nothing. `repair` rebuilds what is derived from the journal; it takes away
nothing that is a source of truth.
"""

from __future__ import annotations

import shlex
import time
from collections.abc import Callable
from pathlib import Path

from mitosis.errors.base import MitosisError
from mitosis.errors.journal import FormatTooNew, JournalError
from mitosis.errors.repository import GitError, ObjectTooLarge, UnreadableObject
from mitosis.git.repository import Identity, Repository
from mitosis.journal import layout
from mitosis.journal.journal import Journal
from mitosis.journal.store import Snapshot
from mitosis.process import is_alive
from mitosis.records.trial import TrialRecord
from mitosis.verify import repairable
from mitosis.verify.contents import UPGRADE, Contents, ContentsReader, check_lookups, who_wrote
from mitosis.verify.findings import Finding, Findings, Report, Severity
from mitosis.verify.history import MAX_OBJECT_BYTES, HistoryReader, check_pins
from mitosis.verify.outputs import OutputsChecker

__all__ = ["Finding", "Report", "Severity", "repair", "verify"]

_ATTEMPTS = 3
_PAUSE_S = 0.3


def _silent(text: str) -> None:
    pass


def verify(
    repository: Repository, *, trials_folder: Path | None = None, tell: Callable[[str], None] = _silent
) -> Report:
    """Check the journal of a repository and all that belongs to it. Nothing is changed.

    Args:
        repository: whose journal.
        trials_folder: compare the outputs in it with their records as well; None to leave them alone.
        tell: is told what is being done, as a clause for a line of progress.

    Raises:
        GitError: git cannot list refs.
    """
    journal = Journal(repository)
    remote = _likely_remote(repository)
    restore = f"git fetch --refetch {remote} {layout.JOURNAL_REF}"
    findings, snapshot, contents = _check_settled(journal, restore, trials_folder, tell)
    repairable.check_locks_left(repository, findings)
    if snapshot is None:
        return findings.report()
    repairable.check_index(journal, findings)
    repairable.check_symbolic_ref(repository, findings)
    _check_conflicts(repository, findings)
    _check_remotes(repository, findings)
    tell("looking for the commits of trials")
    check_pins(repository, _commits(contents), remote, findings)
    tell("reading the history")
    HistoryReader(repository, restore, findings, tell).read(snapshot.commit)
    return findings.report()


def repair(repository: Repository, identity: Identity, *, tell: Callable[[str], None] = _silent) -> list[str]:
    """Rebuild what is derived from the journal and does not agree with it: pins, notes, index, the short name.

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
    done = repairable.repair_locks_left(journal)
    snapshot = journal.store.snapshot()
    if snapshot is None:
        return done
    contents = _check_contents(journal, snapshot, "", None, Findings(), tell)
    tell("repairing")
    done += repairable.repair_index(journal)
    symbolic = repairable.repair_symbolic_ref(repository)
    done += [symbolic] if symbolic is not None else []
    done += repairable.repair_pins(journal, _commits(contents))
    done += repairable.repair_notes(journal, contents, identity)
    return done


def _check_settled(
    journal: Journal, restore: str, trials_folder: Path | None, tell: Callable[[str], None]
) -> tuple[Findings, Snapshot | None, Contents]:
    """Check the tree of the journal and the notes, at a moment at which nobody is in between writing the two."""
    for attempt in range(1, _ATTEMPTS + 1):
        findings = Findings()
        state = _state(journal)
        snapshot = _read_snapshot(journal, restore, findings)
        if snapshot is None:
            return findings, None, Contents()
        contents = _check_contents(journal, snapshot, restore, trials_folder, findings, tell)
        tell("comparing the notes and the index")
        repairable.check_notes(journal, contents, findings)
        if attempt == _ATTEMPTS or not any(finding.kind == "note" for finding in findings.report().problems):
            break
        # A trial that ends writes the journal first and then the notes: perhaps that is happening now.
        time.sleep(_PAUSE_S)
        if _state(journal) == state:
            break
    return findings, snapshot, contents


def _read_snapshot(journal: Journal, restore: str, findings: Findings) -> Snapshot | None:
    """The journal's present state; None if there is none, or it cannot be read."""
    name = layout.JOURNAL_REF
    try:
        snapshot = journal.store.snapshot()
    except FormatTooNew as error:
        findings.error("journal", name, _first_line(error), UPGRADE)
        return None
    except JournalError as error:
        findings.error("journal", name, _first_line(error), _tip_remedy(journal, restore))
        return None
    if snapshot is None:
        findings.info("journal", name, "no trial is recorded in this repository")
    return snapshot


def _check_contents(
    journal: Journal,
    snapshot: Snapshot,
    restore: str,
    trials_folder: Path | None,
    findings: Findings,
    tell: Callable[[str], None],
) -> Contents:
    outputs = None if trials_folder is None else OutputsChecker(trials_folder, findings)
    count = 0

    def visit(record: TrialRecord) -> None:
        nonlocal count
        count += 1
        if count % 1000 == 0:
            tell(f"reading records: {count:,}")
        _check_end(record, findings)
        if outputs is not None:
            outputs.check(record)

    tell("reading records")
    contents = ContentsReader(journal.store, restore, findings, visit).read(snapshot.tree)
    check_lookups(journal.repository, snapshot.commit, contents, findings)
    if outputs is not None:
        findings.counts["outputs"] = outputs.checked
        if outputs.elsewhere:
            what = f"the outputs of {outputs.elsewhere} trials are on other machines, and were not checked"
            findings.info("output", str(trials_folder), what)
    return contents


def _check_end(record: TrialRecord, findings: Findings) -> None:
    """Say of a trial that has not ended whether it runs."""
    if record.status != "running":
        return
    where = f"trial {record.key}"
    alive = is_alive(record.process)
    if alive is False:
        what = f"it is lost: its process on {record.process.host} is gone"
        findings.info("trial", where, what, f"mitosis forget {record.key}")
    else:
        findings.info("trial", where, f"it runs on {record.process.host}, or did when this was recorded")


def _commits(contents: Contents) -> set[str]:
    commits = {trial.commit for trial in contents.trials.values()}
    return {commit for commit in commits if layout.COMMIT_PATTERN.fullmatch(commit)}


def _check_conflicts(repository: Repository, findings: Findings) -> None:
    try:
        for conflict in Journal(repository).conflicts():
            what = f"it has {len(conflict.meanings)} recorded meanings, so it cannot be run"
            findings.warning("variant", str(conflict.name), what, conflict.resolve_command)
    except MitosisError as error:
        findings.error("variant", layout.VARIANTS, _first_line(error), who_wrote(layout.VARIANTS))


def _check_remotes(repository: Repository, findings: Findings) -> None:
    for unmerged in Journal(repository).unmerged():
        counted = {0: "records were", 1: "1 trial was"}.get(unmerged.trials, f"{unmerged.trials} trials were")
        what = f"{counted} fetched from it that are not merged yet"
        findings.info("remote", unmerged.remote, what, f"mitosis pull {unmerged.remote}")


def _state(journal: Journal) -> tuple[str | None, str | None]:
    """What the journal and the notes point to now; None for what cannot be read."""

    def read(name: str) -> str | None:
        try:
            return journal.store.read_ref(name)
        except JournalError:
            return None

    return read(layout.JOURNAL_REF), read(layout.NOTES_REF)


def _tip_remedy(journal: Journal, restore: str) -> str:
    """What can be done where the journal's newest state cannot be read. It takes away nothing that is sound."""
    name = layout.JOURNAL_REF
    folder = journal.repository.common_dir
    unpushed = f"what was not pushed: git fsck names its last commit as dangling, git update-ref {name} COMMIT"
    try:
        tip = journal.tip() or ""
    except JournalError:
        # git deletes no ref whose file it cannot read.
        return f"rm -f {shlex.quote(str(folder / name))} && {restore}:{name}   ({unpushed})"
    unreadable = _unreadable_at(journal.repository, tip)
    if unreadable is None:
        return f"git update-ref -d {name} && {restore}:{name}   ({unpushed})"
    loose = folder / "objects" / unreadable[:2] / unreadable[2:]
    first = f"rm -f {shlex.quote(str(loose))} && " if loose.is_file() else ""
    return f"{first}{restore}   (where it was pushed; else the commit before it: {unpushed.partition(': ')[2]})"


def _unreadable_at(repository: Repository, tip: str) -> str | None:
    """The object that is missing or damaged, of those that make a commit the tip of a journal.

    None if all of them can be read, so that it was not a journal that the ref was made to point to.
    """
    oid = tip
    try:
        if repository.read_object(tip, MAX_OBJECT_BYTES).kind != "commit":
            return None
        oid = repository.tree_of(tip) or ""
        entry = repository.read_tree(oid).get(layout.FORMAT_FILE)
        if entry is not None:
            oid = entry.oid
            repository.read_object(oid, MAX_OBJECT_BYTES)
    except ObjectTooLarge:
        return None
    except UnreadableObject:
        return oid
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
