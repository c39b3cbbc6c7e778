"""The present tree of the journal: every record, lock and environment, and whether each is what its path says."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from mitosis.errors.base import MitosisError
from mitosis.errors.journal import BadRecord, ForeignFile, FormatTooNew, JournalError, Misplaced
from mitosis.errors.repository import UnreadableObject
from mitosis.journal import layout
from mitosis.journal.ends import read_other
from mitosis.journal.messages import note_line
from mitosis.journal.reasons import read_lost, recorded_order
from mitosis.journal.removing import FOREIGN, is_damaged, read_file
from mitosis.journal.storage.objects import ReadOnlyStore
from mitosis.journal.storage.store import Snapshot
from mitosis.journal.storage.walking import iter_changes
from mitosis.records.trial import TrialRecord
from mitosis.variants import VariantName
from mitosis.verify.findings import Report
from mitosis.verify.history import restoring

UPGRADE = "Upgrade mitosis."
UNCHECKED = "whether what it used is recorded could not be checked"


def who_wrote(path: str) -> str:
    """The command that tells who put a file into the journal."""
    return f"git log {layout.JOURNAL_REF} -- {shlex.quote(path)}"


class Trial(NamedTuple):
    """What is kept of a record that was checked."""

    path: str
    commit: str
    ended: str | None
    note_line: str


@dataclass(slots=True)
class Contents:
    """What the journal holds."""

    trials: dict[str, Trial] = field(default_factory=dict)
    """The readable records by key."""
    unreadable_keys: set[str] = field(default_factory=set)
    locks: set[str] = field(default_factory=set)
    """Paths of the recorded meanings of variants."""
    uses: dict[str, list[str]] = field(default_factory=dict)
    """Keys of the trials that used a meaning, by the path of its lock."""
    environments: set[str] = field(default_factory=set)
    """Digests."""
    environment_uses: dict[str, list[str]] = field(default_factory=dict)
    """Keys of the trials that ran in an environment, by its digest."""
    unread: set[str] = field(default_factory=set)
    """Folders that cannot be read, or only in part."""

    def unread_above(self, path: str) -> str | None:
        """A folder that a path is in and that could not be read; None if there is none."""
        return next((folder for folder in self.unread if path.startswith(f"{folder}/")), None)


class ContentsReader:
    """Reads and checks one tree of the journal.

    Args:
        store: the repository's objects.
        restore: the command that brings back damaged objects.
        report: takes what is wrong.
        visit: is given every readable record that is in its place.
    """

    def __init__(
        self, store: ReadOnlyStore, restore: str, report: Report, visit: Callable[[TrialRecord], None]
    ) -> None:
        self._store = store
        self._restore = restore
        self._report = report
        self._visit = visit
        self._sound_values: set[tuple[str, str]] = set()
        self._is_partial = store.repository.is_partial()
        self._promised = 0
        self._disputed: list[tuple[str, str, str]] = []
        self._doubles: dict[str, list[Trial]] = {}
        """Records of one key, by it."""
        self._environments: list[BadRecord] = []
        """Those that are of no use."""
        self._contents = Contents()

    def read(self, snapshot: Snapshot) -> Contents:
        """All that the tree of a state of the journal holds, checked."""
        readers = dict.fromkeys(layout.FOLDERS, self._read) | {
            layout.TRIALS: self._read_record,
            layout.VARIANTS: self._read_lock,
            layout.DISPUTED: self._read_disputed,
            layout.ENVIRONMENTS: self._read_environment,
        }
        for name, entry in self._store.read_tree(snapshot.tree, "").items():
            if entry.is_tree and name in readers:
                # A key is in one place only, so a folder of trials is too.
                is_once = name == layout.TRIALS
                for path, _, oid in iter_changes(
                    self._store, None, entry.oid, name, tell=self._tell_of_folder, once_each=is_once
                ):
                    assert oid is not None
                    readers[name](path, oid)
            elif name != layout.FORMAT_FILE:
                self._foreign(name)
        self._tell_of_doubles(snapshot.commit)
        contents = self._contents
        for path, key, oid in self._disputed:
            trial = contents.trials.get(key)
            if trial is None or read_other(self._store, key, oid) is None:
                self._report.error("record", path, "it is no other record of a trial in the journal", who_wrote(path))
            else:
                what = "somebody has recorded it otherwise than is shown"
                self._report.error("trial", key, what, f"mitosis settle {key}")
        for problem in self._environments:
            # Where trials name it, they would say still less without it.
            is_used = problem.where.rpartition("/")[2].removesuffix(".txt") in contents.environment_uses
            remedy = (who_wrote if is_used else layout.forget_command)(problem.where)
            self._report.error("environment", problem.where, problem.reason, remedy)
        for digest, keys in contents.environment_uses.items():
            if contents.unread_above(f"{layout.ENVIRONMENTS}/{digest}.txt"):
                self._report.info("environment", _trials(keys), f"{UNCHECKED}: {layout.ENVIRONMENTS} cannot be read")
            elif digest not in contents.environments:
                what = f"its environment {digest!r:.60} is not in the journal"
                self._report.error("environment", _trials(keys), what, who_wrote(contents.trials[keys[0]].path))
        if self._promised:
            what = f"{self._promised} of its files are not in this partial clone, and were not checked"
            self._report.info("journal", layout.JOURNAL_REF, what)
        self._report.counts |= {
            "trials": len(contents.trials),
            "locks": len(contents.locks),
            "environments": len(contents.environments),
        }
        return contents

    def _read_record(self, path: str, oid: str) -> None:
        contents, place = self._contents, layout.parse_record_path(path)
        record = self._read(path, oid)
        if place is not None and record is None:
            contents.unreadable_keys.add(place[2])
        elif record is not None:
            trial = Trial(path, record.commit, record.ended, note_line(record))
            known = contents.trials.setdefault(record.key, trial)
            if known is not trial:
                self._doubles.setdefault(record.key, [known]).append(trial)
            self._note_uses(record)
            self._visit(record)

    def _tell_of_doubles(self, commit: str) -> None:
        """Name each record of a key that the history has had elsewhere before, and take the first for the trial's."""
        paths = {trial.path for trials in self._doubles.values() for trial in trials}
        try:
            order = recorded_order(self._store, commit, paths) if paths else {}
        except MitosisError as error:
            self._report.error("history", layout.JOURNAL_REF, str(error).partition("\n")[0], "git fsck")
            return
        for key, trials in self._doubles.items():
            first, *others = sorted(trials, key=lambda trial: order[trial.path])
            self._contents.trials[key] = first
            for other in others:
                what = f"{first.path} has the same key, and was there before it"
                self._report.error("key", other.path, what, layout.forget_command(other.path))

    def _read_disputed(self, path: str, oid: str) -> None:
        if self._read(path, oid) is not None:
            self._disputed.append((path, layout.parse_disputed_path(path) or "", oid))

    def _note_uses(self, record: TrialRecord) -> None:
        """Note what a record refers to."""
        contents, where = self._contents, f"trial {record.key}"
        contents.environment_uses.setdefault(record.environment, []).append(record.key)
        if not layout.COMMIT_PATTERN.fullmatch(record.commit):
            what = f"{record.commit!r:.60} is not a commit"
            self._report.error("commit", where, what, f"mitosis show {record.key}")
        for parameter in record.parameters:
            if parameter.kind != "lookup" or not parameter.tracked:
                continue
            name = VariantName(parameter.step, parameter.name, parameter.text)
            try:
                lock = layout.variant_path(name, parameter.digest or "")
            except JournalError as error:
                self._report.error("lock", where, str(error), f"mitosis show {record.key}")
            else:
                contents.uses.setdefault(lock, []).append(record.key)

    def _read_lock(self, path: str, oid: str) -> None:
        if layout.parse_variant_path(path) is not None:
            # What cannot be read is a meaning as well: without this, trials that used it would be named too.
            self._contents.locks.add(path)
            if (oid, path.rpartition("/")[2]) in self._sound_values:
                return
        self._read(path, oid)

    def _read_environment(self, path: str, oid: str) -> None:
        digest = path.rpartition("/")[2].removesuffix(".txt")
        if layout.DIGEST_PATTERN.fullmatch(digest) and path == layout.environment_path(digest):
            self._contents.environments.add(digest)
        self._read(path, oid)

    def _read(self, path: str, oid: str) -> TrialRecord | None:
        """The record that a file is; None if it is anything else, or of no use, which is a finding."""
        try:
            record = read_file(self._store, path, oid)
        except ForeignFile:
            self._foreign(path)
        except FormatTooNew as error:
            self._report.error(_kind(path), path, error.reason, "", UPGRADE)
        except Misplaced as error:
            self._tell("path", error, oid)
        except BadRecord as error:
            self._tell(_kind(path), BadRecord(path, error.reason).with_cause(error), oid)
        else:
            self._sound_values.add((oid, path.rpartition("/")[2]))
            return record
        return None

    def _tell_of_folder(self, problem: BadRecord, oid: str | None = None) -> None:
        # Where there is more than is read, nobody knows in which of the folders.
        self._contents.unread.add(problem.where if oid is not None else problem.where.partition("/")[0])
        self._tell("path" if oid is None else "folder", problem, oid)

    def _tell(self, kind: str, problem: BadRecord, oid: str | None) -> None:
        if kind == "environment" and not is_damaged(problem):
            self._environments.append(problem)
        elif not is_damaged(problem):
            self._report.error(kind, problem.where, problem.reason, layout.forget_command(problem.where))
        elif self._is_partial and oid is not None and not self._store.repository.has_object(oid):
            self._promised += 1
        else:
            assert isinstance(problem.__cause__, UnreadableObject)
            remedy = restoring(self._store.repository, problem.__cause__.oid, self._restore)
            self._report.error(kind, problem.where, problem.reason, remedy)

    def _foreign(self, path: str) -> None:
        self._report.info("foreign file", path, f"{FOREIGN}; mitosis skips it", layout.forget_command(path))


def _kind(path: str) -> str:
    kinds = {
        **dict.fromkeys((layout.TRIALS, layout.DISPUTED), "record"),
        layout.ANNOTATIONS: "annotation",
        layout.ENVIRONMENTS: "environment",
    }
    return kinds.get(path.partition("/")[0], "lock")


def _trials(keys: Sequence[str]) -> str:
    """Some trials, by the key of the first of them."""
    return f"trial {keys[0]}{f' and {len(keys) - 1} more' if len(keys) > 1 else ''}"


def check_lookups(store: ReadOnlyStore, commit: str, contents: Contents, report: Report) -> None:
    """Check that what each variant meant to a trial is, or once was, a recorded meaning of it.

    Args:
        store: of the journal.
        commit: the journal's tip.
        contents: what its tree holds.
        report: takes what is wrong.
    """
    unknown = {path: keys for path, keys in contents.uses.items() if path not in contents.locks}
    for path, keys in list(unknown.items()):
        folder = contents.unread_above(path)
        if folder is not None:
            report.info("lock", _trials(keys), f"{UNCHECKED}: {folder} cannot be read")
            del unknown[path]
    if not unknown:
        return
    try:
        dropped = read_lost(store, commit, layout.VARIANTS)
    except MitosisError as error:
        report.error("history", layout.JOURNAL_REF, str(error).partition("\n")[0], "git fsck")
        return
    for path, keys in unknown.items():
        # Whoever resolved a conflict, or removed what cannot be read, has taken a meaning away.
        if not dropped.get(path, False):
            done = "is not a meaning any more" if path in dropped else "was never recorded as a meaning"
            what = f"the value that it used {done} of {path.rpartition('/')[0]}"
            report.error("lock", _trials(keys), what, f"mitosis show {keys[0]}")
