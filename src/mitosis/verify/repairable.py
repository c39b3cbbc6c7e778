"""What is derived from the journal, and what may be left over beside it."""

from __future__ import annotations

import contextlib
import shlex
import time
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path

from mitosis.errors.journal import JournalError
from mitosis.errors.repository import GitError
from mitosis.git.repository import Identity, Repository
from mitosis.journal import layout
from mitosis.journal.index import is_index_right, remove_index
from mitosis.journal.journal import Journal
from mitosis.journal.layout import SHORT_KEY_DIGITS
from mitosis.journal.messages import put_back_message
from mitosis.journal.notes import LINES_LIMIT, PresentNote, parse_note, read_notes, rebuild_notes
from mitosis.journal.reading import trials_on
from mitosis.journal.reasons import describe_file
from mitosis.journal.storage.locking import is_stale
from mitosis.journal.storage.queue import describe_holder, read_holder
from mitosis.process import is_alive
from mitosis.verify.contents import Contents
from mitosis.verify.findings import REPAIR, Report
from mitosis.verify.history import find_lost, find_unexplained

_UNOWNED_LOCK_AGE_S = 60.0


def check_notes(journal: Journal, contents: Contents, report: Report) -> None:
    """Compare the notes with the journal."""
    try:
        notes = read_notes(journal.store)
    except JournalError as error:
        report.warning("note", layout.NOTES_REF, str(error).partition("\n")[0], REPAIR)
        return
    report.counts["notes"] = len(notes)
    expected = expected_lines(contents)
    may_lack = journal.repository.is_partial()
    for commit in wrong_notes(contents, expected, notes):
        if may_lack and commit in notes and notes[commit].is_missing:
            continue
        what = "it does not agree with the journal" if commit in notes else "it is missing"
        report.warning("note", f"the note on {commit}", what, REPAIR)
    for commit, note in notes.items():
        if note.text is not None and not note.is_ours and commit not in expected:
            command = f"git notes --ref=mitosis show {commit}"
            report.info("note", f"the note on {commit}", "somebody wrote it by hand; it is not shared", command)


def expected_lines(contents: Contents) -> dict[str, Counter[str]]:
    """The lines that the notes are to have, by commit: one for each trial that has ended."""
    lines: dict[str, Counter[str]] = {}
    for trial in contents.trials.values():
        if trial.ended is not None and layout.COMMIT_PATTERN.fullmatch(trial.commit):
            lines.setdefault(trial.commit, Counter())[trial.note_line] += 1
    return lines


def wrong_notes(
    contents: Contents, expected: Mapping[str, Counter[str]], notes: Mapping[str, PresentNote]
) -> list[str]:
    """The commits whose note does not agree with the journal.

    What a note tells of a trial whose record cannot be read now is not held against it: it may be all that is left.
    """
    unreadable = {key[:SHORT_KEY_DIGITS] for key in contents.unreadable_keys}
    wrong = []
    for commit in sorted(expected.keys() | notes.keys()):
        note, lines = notes.get(commit), expected.get(commit, Counter())
        if note is not None and note.text is not None and not note.is_ours and not lines:
            continue
        if note is None or note.text is None or not _agrees(note.text, lines, unreadable):
            wrong.append(commit)
    return wrong


def _agrees(text: str, expected: Counter[str], unreadable: Collection[str]) -> bool:
    """Whether a note tells of the trials with these lines.

    Their order may be that in which the ends were recorded, or that of the ends themselves.
    """
    note = parse_note(text)
    if note is None:
        return False
    present = Counter(line for line in note.lines if line[:SHORT_KEY_DIGITS] not in unreadable)
    if not present <= expected:
        return False
    if unreadable:
        return len(note.lines) + note.more >= expected.total()
    return len(note.lines) + note.more == expected.total() and len(note.lines) == min(expected.total(), LINES_LIMIT)


def check_index(journal: Journal, report: Report) -> None:
    """Compare the index with the journal."""
    path = str(journal.index.path)
    try:
        if not is_index_right(journal.store):
            report.warning("index", path, "it does not agree with the journal", REPAIR)
    except JournalError as error:
        report.info("index", path, f"it could not be checked: {str(error).partition(chr(10))[0]}")


def check_symbolic_ref(repository: Repository, report: Report) -> None:
    """Check that the short name of the journal leads to it."""
    if symbolic_target(repository) != layout.JOURNAL_REF:
        what = "it does not lead to the journal; `git log refs/mitosis` does not work"
        report.warning("ref", layout.SYMBOLIC_REF, what, REPAIR)


def symbolic_target(repository: Repository) -> str | None:
    """Where the short name of the journal leads; None if it is missing, or no symbolic ref."""
    try:
        return repository.git("symbolic-ref", "--quiet", layout.SYMBOLIC_REF).strip()
    except GitError:
        return None


def check_locks_left(repository: Repository, report: Report) -> None:
    """Name lock files of refs of mitosis, with what is known of who holds them."""
    for path in _lock_files(repository):
        with contextlib.suppress(FileNotFoundError):  # it is gone
            holder, owner = describe_holder(path), read_holder(path)
            age_s = time.time() - path.stat().st_mtime
            if is_stale(path):
                report.warning("lock file", str(path), holder, REPAIR)
            elif age_s < _UNOWNED_LOCK_AGE_S or (owner is not None and is_alive(owner)):
                report.info("lock file", str(path), holder)
            else:
                hint = "Only if no mitosis or git process is running in this repository."
                report.warning("lock file", str(path), holder, f"rm {shlex.quote(str(path))}", hint)


def _lock_files(repository: Repository) -> Iterator[Path]:
    common = repository.common_dir
    for folder in ("refs/mitosis", "refs/refs"):
        yield from sorted((common / folder).rglob("*.lock"))
    notes = common / f"{layout.NOTES_REF}.lock"
    if notes.exists():
        yield notes


# --- repairing -----------------------------------------------------------------------------------


def repair_symbolic_ref(repository: Repository) -> list[str]:
    """Let the short name lead to the journal; tells what was done."""
    if symbolic_target(repository) == layout.JOURNAL_REF:
        return []
    repository.git("symbolic-ref", layout.SYMBOLIC_REF, layout.JOURNAL_REF)
    return [f"made {layout.SYMBOLIC_REF} point to the journal"]


def repair_locks_left(journal: Journal) -> list[str]:
    """Take away locks of processes that are gone; tells which."""
    done = []
    for path in list(_lock_files(journal.repository)):
        if is_stale(path):
            ref = path.relative_to(journal.repository.common_dir).as_posix().removesuffix(".lock")
            # Whoever takes a lock takes a stale one away first.
            with journal.store.locked(ref):
                pass
            done.append(f"removed the lock file {path}")
    return done


def repair_index(journal: Journal) -> list[str]:
    """Rebuild the index if it does not agree with the journal; returns what was done."""
    if is_index_right(journal.store):
        return []
    journal.index.close()
    remove_index(journal.store)
    journal.index.refresh()
    return ["rebuilt the index of the journal"]


def repair_lost(journal: Journal, identity: Identity) -> list[str]:
    """Put back what of the journal was spoiled or taken away without a reason, as its history has it; tells what."""
    store = journal.store
    with store.locked(layout.JOURNAL_REF) as ref:
        snapshot = store.snapshot()
        lost: dict[str, str] = {}
        with contextlib.suppress(GitError, JournalError):  # the check says what is wrong with the history
            lost = {} if snapshot is None else find_lost(store, snapshot, find_unexplained(store, snapshot))
        if lost and snapshot is not None:
            store.append_tree(
                ref, snapshot, store.edit_tree(snapshot.tree, lost, make_way=True), put_back_message(lost), identity
            )
            return [f"put back {describe_file(store, path, oid)}" for path, oid in lost.items()]
    return []


def repair_pins(journal: Journal, commits: Collection[str]) -> list[str]:
    """Pin the commits of trials that are not pinned and are there; tells how many."""
    listed = journal.repository.git("for-each-ref", "--format=%(refname)", layout.PIN_PREFIX).split()
    pinned = {name.removeprefix(layout.PIN_PREFIX) for name in listed}
    made = 0
    for commit in sorted(set(commits) - pinned):
        if journal.repository.has_object(commit):
            journal.store.create_ref(layout.pin_ref(commit), commit)
            made += 1
    return [f"pinned {made} commit{'' if made == 1 else 's'}"] if made else []


def repair_notes(journal: Journal, contents: Contents, identity: Identity) -> list[str]:
    """Rebuild the notes that do not agree with the journal; returns how many."""
    expected = expected_lines(contents)
    try:
        wrong = wrong_notes(contents, expected, read_notes(journal.store))
    except JournalError:
        wrong = sorted(expected)
    if not wrong:
        return []
    count = rebuild_notes(
        journal.store, wrong, expected, identity, lambda *which: trials_on(journal.store, journal.index, *which)
    )
    return [f"rebuilt {count} note{'' if count == 1 else 's'}"]
