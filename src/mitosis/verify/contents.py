"""The present tree of the journal: every record, lock and environment, and whether each is what its path says."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, TypeVar

from mitosis.canonical.decode import decode_value
from mitosis.canonical.encode import digest_value
from mitosis.errors.base import MitosisError
from mitosis.errors.journal import BadRecord, FormatTooNew, JournalError
from mitosis.git.repository import Repository
from mitosis.journal import layout
from mitosis.journal.locks import MAX_VALUE_BYTES
from mitosis.journal.messages import note_line
from mitosis.journal.objects import ReadOnlyStore, iter_changes
from mitosis.journal.reasons import read_lost
from mitosis.journal.standing import MAX_REMARK_BYTES, decode_remark
from mitosis.journal.trials import MAX_ENVIRONMENT_BYTES
from mitosis.records.codec import MAX_RECORD_BYTES, decode_trial
from mitosis.records.trial import TrialRecord
from mitosis.variants import VariantName
from mitosis.verify.findings import Report

_SHORTENED = re.compile(r".*~[0-9a-f]{32}", re.DOTALL)
UPGRADE = "upgrade mitosis"

_T = TypeVar("_T")


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
        self._contents = Contents()

    def read(self, tree: str) -> Contents:
        """All that the tree holds, checked."""
        readers = {
            layout.TRIALS: self._read_record,
            layout.VARIANTS: self._read_lock,
            **dict.fromkeys(layout.REMARKS, self._read_remark),
            layout.DISPUTED: self._read_disputed,
            layout.ENVIRONMENTS: self._read_environment,
        }
        for name, entry in self._store.read_tree(tree, "").items():
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
        contents = self._contents
        for digest, keys in contents.environment_uses.items():
            if digest not in contents.environments:
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
        parsed = layout.parse_record_path(path)
        if parsed is None:
            self._foreign(path)
            return
        contents, key = self._contents, parsed[2]
        record = self._read("record", path, oid, MAX_RECORD_BYTES, lambda data: decode_trial(data, path))
        if record is None or not self._is_in_place(path, key, record):
            contents.unreadable_keys.add(key)
        elif key in contents.trials:
            self._report.error("key", path, "another trial in the journal has the same key", who_wrote(f"*{key}*"))
        else:
            contents.trials[key] = Trial(path, record.commit, record.ended, note_line(record))
            self._note_uses(record)
            self._visit(record)

    def _read_disputed(self, path: str, oid: str) -> None:
        key = layout.parse_disputed_path(path)
        if key is None:
            self._foreign(path)
        elif self._read("record", path, oid, MAX_RECORD_BYTES, lambda data: decode_trial(data, path)) is not None:
            what = "somebody has recorded another end of it than the one that is shown"
            self._report.error("trial", key, what, f"mitosis settle {key}")

    def _is_in_place(self, path: str, key: str, record: TrialRecord) -> bool:
        try:
            right = layout.record_paths(layout.trial_folder(record.experiment, record.started), record.key)
        except JournalError as error:
            self._report.error("path", path, str(error), who_wrote(path))
            return False
        if path not in right:
            what = f"its record says the key {record.key}" if record.key != key else f"its record belongs to {right[0]}"
            self._report.error("path", path, what, who_wrote(path))
        return path in right

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
        parsed = layout.parse_variant_path(path)
        if parsed is None:
            self._foreign(path)
            return
        digest = parsed[1]
        # What cannot be read is a meaning as well: without this, trials that used it would be named too.
        self._contents.locks.add(path)
        self._check_names(path)

        def decode(value: bytes) -> bool:
            if digest_value(value) != digest:
                raise BadRecord(path, "its content does not have the digest that its name says")
            decode_value(value)
            return True

        if (oid, digest) not in self._sound_values and self._read("lock", path, oid, MAX_VALUE_BYTES, decode):
            self._sound_values.add((oid, digest))

    def _read_remark(self, path: str, oid: str) -> None:
        if layout.parse_variant_path(path) is None:
            self._foreign(path)
            return
        self._check_names(path)
        kind, *_, name = path.split("/")
        self._read("lock", path, oid, MAX_REMARK_BYTES, lambda data: decode_remark(kind, name, data, path))

    def _check_names(self, path: str) -> None:
        names = path.split("/")[1:-1]
        if not all(_SHORTENED.fullmatch(name) or layout.is_component(name) for name in names):
            self._report.error("path", path, "mitosis never writes such a name", who_wrote(path))

    def _read_environment(self, path: str, oid: str) -> None:
        digest = path.rpartition("/")[2].removesuffix(".txt")
        if not layout.DIGEST_PATTERN.fullmatch(digest) or path != layout.environment_path(digest):
            self._foreign(path)
            return
        self._contents.environments.add(digest)

        def decode(text: bytes) -> None:
            if digest_value(text) != digest:  # it is made in the same way
                raise BadRecord(path, "its text does not have the digest that its name says")

        self._read("environment", path, oid, MAX_ENVIRONMENT_BYTES, decode)

    def _read(self, kind: str, path: str, oid: str, limit_bytes: int, decode: Callable[[bytes], _T]) -> _T | None:
        """What a file says; None if it cannot be read, which is a finding."""
        try:
            data = self._store.read_blob(oid, path, limit_bytes)
        except BadRecord as error:
            self._tell_of_object(kind, path, oid, error)
            return None
        try:
            return decode(data)
        except FormatTooNew as error:
            self._report.error(kind, path, error.reason, UPGRADE)
        except BadRecord as error:
            self._report.error(kind, path, error.reason, who_wrote(path))
        return None

    def _tell_of_folder(self, problem: BadRecord, oid: str | None = None) -> None:
        if oid is None:
            self._report.error("path", problem.where, problem.reason, who_wrote(problem.where))
        else:
            self._tell_of_object("folder", problem.where, oid, problem)

    def _tell_of_object(self, kind: str, path: str, oid: str, problem: BadRecord) -> None:
        if self._is_partial and not self._store.repository.has_object(oid):
            self._promised += 1
        else:
            self._report.error(kind, path, problem.reason, self._restore)

    def _foreign(self, path: str) -> None:
        what = "it does not belong to the format of the journal; mitosis skips it"
        self._report.info("foreign file", path, what, who_wrote(path))


def _trials(keys: Sequence[str]) -> str:
    """Some trials, by the key of the first of them."""
    return f"trial {keys[0]}{f' and {len(keys) - 1} more' if len(keys) > 1 else ''}"


def check_lookups(repository: Repository, commit: str, contents: Contents, report: Report) -> None:
    """Check that what each variant meant to a trial is, or once was, a recorded meaning of it.

    Args:
        repository: where the journal is.
        commit: the journal's tip.
        contents: what its tree holds.
        report: takes what is wrong.
    """
    unknown = {path: keys for path, keys in contents.uses.items() if path not in contents.locks}
    if not unknown:
        return
    try:
        dropped = read_lost(repository, commit, layout.VARIANTS)
    except MitosisError as error:
        report.error("history", layout.JOURNAL_REF, str(error).partition("\n")[0], "git fsck")
        return
    for path, keys in unknown.items():
        # A conflict that was resolved has taken a meaning away.
        if not dropped.get(path, False):
            done = "is not a meaning any more" if path in dropped else "was never recorded as a meaning"
            what = f"the value that it used {done} of {path.rpartition('/')[0]}"
            report.error("lock", _trials(keys), what, f"mitosis show {keys[0]}")
