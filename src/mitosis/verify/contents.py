"""The present tree of the journal: every record, lock and environment, and whether each is what its path says."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from mitosis.canonical.decode import decode_value
from mitosis.canonical.encode import digest_value
from mitosis.errors.base import MitosisError
from mitosis.errors.journal import BadRecord, FormatTooNew, JournalError
from mitosis.errors.repository import ObjectMissing, UnreadableObject
from mitosis.git.repository import Repository
from mitosis.journal import layout
from mitosis.journal.locks import MAX_VALUE_BYTES, digest_of_file
from mitosis.journal.messages import note_line
from mitosis.journal.objects import Entry, ReadOnlyStore
from mitosis.journal.standing import MAX_REMARK_BYTES, decode_remark
from mitosis.records.codec import MAX_RECORD_BYTES, decode_trial
from mitosis.records.trial import TrialRecord
from mitosis.variants import VariantName
from mitosis.verify.findings import Findings

MAX_ENVIRONMENT_BYTES = 16 * 2**20
MAX_VARIANT_FILES = 1_000_000
"""Folders of variants may hold each other many times over, so somebody could make a tree that has no end."""
_DIGEST_DIGITS = 40
_ENVIRONMENT_SUFFIX = ".txt"
_ROOTS = (layout.TRIALS, layout.VARIANTS, *layout.REMARKS, layout.ENVIRONMENTS)
_SHORTENED = re.compile(r".*~[0-9a-f]{32}", re.DOTALL)
UPGRADE = "upgrade mitosis"


def who_wrote(path: str) -> str:
    """The command that tells who put a file into the journal."""
    quoted = "'" + path.replace("'", "'\\''") + "'"
    return f"git log {layout.JOURNAL_REF} -- {quoted}"


class Trial(NamedTuple):
    """What is kept of a record that was checked."""

    path: str
    commit: str
    ended: str | None
    note_line: str


@dataclass(frozen=True, slots=True)
class Use:
    """Trials that refer to something."""

    key: str
    """Of the first of them."""
    count: int

    def __str__(self) -> str:
        return f"trial {self.key}{f' and {self.count - 1} more' if self.count > 1 else ''}"


@dataclass(slots=True)
class Contents:
    """What the journal holds."""

    trials: dict[str, Trial] = field(default_factory=dict)
    """The readable records by key."""
    unreadable_keys: set[str] = field(default_factory=set)
    locks: set[str] = field(default_factory=set)
    """Paths of the recorded meanings of variants."""
    uses: dict[str, Use] = field(default_factory=dict)
    """Who used a meaning, by the path of its lock."""
    environments: set[str] = field(default_factory=set)
    """Digests."""
    environment_uses: dict[str, Use] = field(default_factory=dict)
    """Who ran in an environment, by its digest."""


def _used(uses: dict[str, Use], name: str, key: str) -> None:
    use = uses.get(name)
    uses[name] = Use(key, 1) if use is None else Use(use.key, use.count + 1)


class ContentsReader:
    """Reads and checks one tree of the journal.

    Args:
        store: the repository's objects.
        restore: the command that brings back damaged objects.
        findings: takes what is wrong.
        visit: is given every readable record that is in its place.
    """

    def __init__(
        self, store: ReadOnlyStore, restore: str, findings: Findings, visit: Callable[[TrialRecord], None] | None = None
    ) -> None:
        self._store = store
        self._restore = restore
        self._findings = findings
        self._visit = visit
        self._places: dict[str, str] = {}
        self._sound_values: set[tuple[str, str]] = set()
        self._left = MAX_VARIANT_FILES
        self._is_partial = store.repository.is_partial()
        self._promised = 0
        self._contents = Contents()

    def read(self, tree: str) -> Contents:
        """All that the tree holds, checked."""
        for path, entry in self._entries("", tree):
            name = path
            if name == layout.FORMAT_FILE:
                continue
            if name not in _ROOTS or not entry.is_tree:
                self._foreign(path)
                continue
            {
                layout.TRIALS: self._read_experiments,
                layout.VARIANTS: self._read_variants,
                **dict.fromkeys(layout.REMARKS, self._read_variants),
                layout.ENVIRONMENTS: self._read_environments,
            }[name](path, entry.oid)
        contents = self._contents
        for digest, use in contents.environment_uses.items():
            if digest not in contents.environments:
                self._findings.error(
                    "environment",
                    str(use),
                    f"its environment {digest!r:.60} is not in the journal",
                    who_wrote(contents.trials[use.key].path),
                )
        if self._promised:
            what = f"{self._promised} of its files are not in this partial clone, and were not checked"
            self._findings.info("journal", layout.JOURNAL_REF, what)
        self._findings.counts |= {
            "trials": len(contents.trials),
            "locks": len(contents.locks),
            "environments": len(contents.environments),
        }
        return contents

    # --- trials -----------------------------------------------------------------------------------

    def _read_experiments(self, path: str, oid: str) -> None:
        for experiment, experiment_oid in self._folders(path, oid, None):
            for day, day_oid in self._folders(experiment, experiment_oid, layout.DAY_PATTERN):
                for file, entry in self._entries(day, day_oid):
                    if not entry.is_tree:
                        self._read_record(file, entry)
                    elif self._is_folder(file, entry, layout.SHARD_PATTERN):
                        for below, entry_below in self._entries(file, entry.oid):
                            self._read_record(below, entry_below)

    def _read_record(self, path: str, entry: Entry) -> None:
        name = path.rpartition("/")[2]
        key = name.removesuffix(layout.RECORD_SUFFIX)
        if entry.is_tree or key == name or not layout.KEY_PATTERN.fullmatch(key):
            self._foreign(path)
            return
        try:
            record = decode_trial(self._store.read_blob(entry.oid, path, MAX_RECORD_BYTES), path)
        except FormatTooNew as error:
            self._contents.unreadable_keys.add(key)
            self._findings.error("record", path, error.reason, UPGRADE)
            return
        except BadRecord as error:
            self._contents.unreadable_keys.add(key)
            self._unreadable("record", path, error, who_wrote(path))
            return
        contents = self._contents
        if not self._is_in_place(path, key, record):
            contents.unreadable_keys.add(key)
        elif key in contents.trials:
            self._findings.error("key", path, "another trial in the journal has the same key", who_wrote(f"*{key}*"))
        else:
            contents.trials[key] = Trial(path, record.commit, record.ended, note_line(record))
            self._note_uses(record)
            if self._visit is not None:
                self._visit(record)

    def _is_in_place(self, path: str, key: str, record: TrialRecord) -> bool:
        try:
            right = layout.record_paths(layout.trial_folder(record.experiment, record.started), record.key)
        except JournalError as error:
            self._findings.error("path", path, str(error), who_wrote(path))
            return False
        if path not in right:
            what = f"its record says the key {record.key}" if record.key != key else f"its record belongs to {right[0]}"
            self._findings.error("path", path, what, who_wrote(path))
        return path in right

    def _note_uses(self, record: TrialRecord) -> None:
        """Note what a record refers to."""
        contents, where = self._contents, f"trial {record.key}"
        _used(contents.environment_uses, record.environment, record.key)
        if not layout.COMMIT_PATTERN.fullmatch(record.commit):
            what = f"{record.commit!r:.60} is not a commit"
            self._findings.error("commit", where, what, f"mitosis show {record.key}")
        for parameter in record.parameters:
            if parameter.kind != "lookup" or not parameter.tracked:
                continue
            try:
                lock = layout.variant_path(
                    VariantName(parameter.step, parameter.name, parameter.text), parameter.digest or ""
                )
            except JournalError as error:
                self._findings.error("lock", where, str(error), f"mitosis show {record.key}")
            else:
                _used(contents.uses, lock, record.key)

    # --- variants ---------------------------------------------------------------------------------

    def _read_variants(self, path: str, oid: str) -> None:
        for step, step_oid in self._folders(path, oid, None):
            self._check_name(step)
            for parameter, parameter_oid in self._folders(step, step_oid, None):
                self._check_name(parameter)
                for variant, variant_oid in self._folders(parameter, parameter_oid, None):
                    self._check_name(variant)
                    for file, entry in self._entries(variant, variant_oid):
                        if path == layout.VARIANTS:
                            self._read_lock(file, entry)
                        else:
                            self._read_remark(path, file, entry)

    def _read_lock(self, path: str, entry: Entry) -> None:
        digest = None if entry.is_tree else digest_of_file(path.rpartition("/")[2])
        if digest is None:
            self._foreign(path)
            return
        # What cannot be read is a meaning as well: without this, trials that used it would be named too.
        self._contents.locks.add(path)
        if (entry.oid, digest) in self._sound_values:
            return
        try:
            value = self._store.read_blob(entry.oid, path, MAX_VALUE_BYTES)
        except BadRecord as error:
            self._unreadable("lock", path, error)
            return
        if digest_value(value) != digest:
            self._findings.error(
                "lock", path, "its content does not have the digest that its name says", who_wrote(path)
            )
            return
        try:
            decode_value(value)
            self._sound_values.add((entry.oid, digest))
        except FormatTooNew as error:
            self._findings.error("lock", path, error.reason, UPGRADE)
        except BadRecord as error:
            self._findings.error("lock", path, error.reason, who_wrote(path))

    def _read_remark(self, kind: str, path: str, entry: Entry) -> None:
        name = path.rpartition("/")[2]
        if entry.is_tree or digest_of_file(name) is None:
            self._foreign(path)
            return
        try:
            decode_remark(kind, name, self._store.read_blob(entry.oid, path, MAX_REMARK_BYTES), path)
        except BadRecord as error:
            self._unreadable("lock", path, error, who_wrote(path))

    def _check_name(self, path: str) -> None:
        name = path.rpartition("/")[2]
        if _SHORTENED.fullmatch(name):
            return
        if not layout.is_component(name):
            self._findings.error("path", path, "mitosis never writes such a name", who_wrote(path))

    # --- environments -----------------------------------------------------------------------------

    def _read_environments(self, path: str, oid: str) -> None:
        for file, entry in self._entries(path, oid):
            name = file.rpartition("/")[2]
            digest = name.removesuffix(_ENVIRONMENT_SUFFIX)
            if entry.is_tree or digest == name or not layout.DIGEST_PATTERN.fullmatch(digest):
                self._foreign(file)
                continue
            self._contents.environments.add(digest)
            try:
                text = self._store.read_blob(entry.oid, file, MAX_ENVIRONMENT_BYTES)
            except BadRecord as error:
                self._unreadable("environment", file, error)
                continue
            if hashlib.sha256(text).hexdigest()[:_DIGEST_DIGITS] != digest:
                self._findings.error(
                    "environment", file, "its text does not have the digest that its name says", who_wrote(file)
                )

    # --- trees ------------------------------------------------------------------------------------

    def _folders(self, path: str, oid: str, pattern: re.Pattern[str] | None) -> Iterator[tuple[str, str]]:
        for file, entry in self._entries(path, oid):
            if self._is_folder(file, entry, pattern):
                yield file, entry.oid

    def _is_folder(self, path: str, entry: Entry, pattern: re.Pattern[str] | None) -> bool:
        """Whether it is a folder that belongs there; if not, it is a finding."""
        if not entry.is_tree or (pattern is not None and not pattern.fullmatch(path.rpartition("/")[2])):
            self._foreign(path)
            return False
        if path.startswith(f"{layout.TRIALS}/"):
            # A key is in one place only, so a folder of trials is too. Without this check a few trees that
            # hold each other many times over would be walked for years.
            first = self._places.setdefault(entry.oid, path)
            if first != path:
                self._findings.error("path", path, f"it is the same folder as {first}", who_wrote(path))
                return False
        return True

    def _entries(self, path: str, oid: str) -> Iterator[tuple[str, Entry]]:
        try:
            entries = self._store.read_tree(oid, path)
        except BadRecord as error:
            self._unreadable("folder", error.where, error)
            return
        if path.startswith((layout.VARIANTS, *layout.REMARKS)):
            if self._left < 0:
                return
            self._left -= len(entries) + 1
            if self._left < 0:
                what = f"here the first {MAX_VARIANT_FILES:,} files of variants end; no more are checked"
                self._findings.error("folder", path, what, who_wrote(path))
                return
        start = f"{path}/" if path else ""
        for name, entry in entries.items():
            yield start + name, entry

    def _unreadable(self, kind: str, path: str, error: BadRecord, who: str = "") -> None:
        is_damaged = isinstance(error.__cause__, UnreadableObject)
        if self._is_partial and isinstance(error.__cause__, ObjectMissing):
            self._promised += 1
        else:
            self._findings.error(kind, path, error.reason, self._restore if is_damaged or not who else who)

    def _foreign(self, path: str) -> None:
        self._findings.info(
            "foreign file", path, "it does not belong to the format of the journal; mitosis skips it", who_wrote(path)
        )


def check_lookups(repository: Repository, commit: str, contents: Contents, findings: Findings) -> None:
    """Check that what each variant meant to a trial is, or once was, a recorded meaning of it.

    Args:
        repository: where the journal is.
        commit: the journal's tip.
        contents: what its tree holds.
        findings: takes what is wrong.
    """
    unknown = {path: use for path, use in contents.uses.items() if path not in contents.locks}
    if not unknown:
        return
    # A conflict that was resolved has taken a meaning away; then the history has it.
    try:
        output = repository.git(
            "log", "--full-history", "--no-renames", "--diff-filter=A", "--name-only", "-z", "--format=", "--no-color",
            "--no-show-signature", commit, "--", layout.VARIANTS,
        )  # fmt: skip
    except MitosisError as error:
        findings.error("history", layout.JOURNAL_REF, str(error).partition("\n")[0], "git fsck")
        return
    known = set(output.split("\0"))
    for path, use in unknown.items():
        if path not in known:
            folder = path.rpartition("/")[0]
            what = f"the value that it used was never recorded as a meaning of {folder}"
            findings.error("lock", str(use), what, f"mitosis show {use.key}")
