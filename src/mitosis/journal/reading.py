"""Finding and reading trials and locks in a tree of the journal. Nothing here writes."""

from __future__ import annotations

import contextlib
import gc
import itertools
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple, TypeVar

from mitosis.errors.journal import BadRecord, FormatTooNew
from mitosis.journal import layout
from mitosis.journal.locks import MAX_VALUE_BYTES, digest_of_file
from mitosis.journal.objects import ReadOnlyStore
from mitosis.records.codec import MAX_RECORD_BYTES, decode_trial, read_started
from mitosis.records.trial import TrialRecord
from mitosis.variants import Variant, VariantLock, VariantName

_T = TypeVar("_T")
_FROZEN_BY_PYTHON = gc.get_freeze_count()
"""Python 3.12 begins with some."""
MAX_ENTRIES = 5_000_000
"""This many files and folders of a journal are looked at in one reading."""
MAX_VARIANT_ENTRIES = 1_000_000
"""The same of variants. Their folders may hold each other many times over, so somebody could make a tree that has no
end."""
MAX_PROBLEMS = 10_000
"""This many problems are named in one reading."""

_MANY_RECORDS = 1_000
"""From this many on it is worthwhile to start a git program that reads them."""
_READ_AT_ONCE = 10_000
"""This many files are found before the first of them is read."""
_NOT_READ: Iterable[None] = itertools.repeat(None)

_RECORD_NAME = re.compile(layout.KEY_PATTERN.pattern + re.escape(layout.RECORD_SUFFIX))
_NAME_LENGTH = layout.KEY_DIGITS + len(layout.RECORD_SUFFIX)


@contextlib.contextmanager
def _collection_paused() -> Iterator[None]:
    """Do not look for cycles among records while reading many: there are none, and it takes a third of the time."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            if gc.get_freeze_count() <= _FROZEN_BY_PYTHON:
                # The records get as old as what is hardly ever looked at; otherwise they would be looked at next.
                gc.freeze()
                gc.unfreeze()
            gc.enable()


def _groups(days: Iterable[list[File]]) -> Iterator[list[list[File]]]:
    """Days, as many at once as have `_READ_AT_ONCE` records or a few more."""
    group: list[list[File]] = []
    for files in days:
        group.append(files)
        if sum(map(len, group)) >= _READ_AT_ONCE:
            yield group
            group = []
    yield group


class File(NamedTuple):
    """A file or folder in the journal's tree."""

    path: str
    oid: str

    @property
    def name(self) -> str:
        return self.path.rsplit("/", 1)[-1]

    @property
    def key(self) -> str:
        """Of the trial, if this is a record."""
        return self.name.removesuffix(layout.RECORD_SUFFIX)


class Reader:
    """Reads one tree of the journal.

    Args:
        store: the repository's objects.
        tree: id of the tree; None for a journal that does not exist yet.
        problems: what cannot be read, or does not belong where it is, is appended to it and skipped.
    """

    def __init__(self, store: ReadOnlyStore, tree: str | None, problems: list[BadRecord]) -> None:
        self._store = store
        self._problems = problems
        self._entries_left = {layout.VARIANTS: MAX_VARIANT_ENTRIES, layout.TRIALS: MAX_ENTRIES}
        self._places: dict[str, str] = {}
        """The path at which each folder of trials was first met."""
        self._root = [] if tree is None else [File("", tree)]

    # --- trials -----------------------------------------------------------------------------------

    def iter_trials(self, limit: int | None, experiment: str | None) -> Iterator[TrialRecord]:
        """Trials by the time that they started, newest first.

        Days are read from the newest, and of a day no more records than needed are kept, so a limit spares time and
        memory.
        """
        folders = self._experiments(experiment)
        days: dict[str, list[File]] = {}
        for day in self._folders(folders, layout.DAY_PATTERN):
            days.setdefault(day.name, []).append(day)
        newest_first = (list(self._records(parts, "")) for _, parts in sorted(days.items(), reverse=True))
        if limit is None:
            for some_days in _groups(newest_first):
                yield from self._read_days(some_days, experiment)
            return
        for files in newest_first:
            for record in self._read_day(files, limit, experiment):
                limit -= 1
                yield record
            if limit <= 0:
                return

    def _read_days(self, days: Sequence[list[File]], experiment: str | None) -> Iterator[TrialRecord]:
        """All trials of some days. The git program reads ahead where there are many of them."""
        oids = [file.oid for files in days for file in files]
        blobs = self._store.read_blobs(oids, MAX_RECORD_BYTES) if len(oids) >= _MANY_RECORDS else itertools.repeat(None)
        for files in days:
            yield from self._read_day(files, None, experiment, blobs)

    def trials_in(self, folder: str) -> Iterator[File]:
        """The records in a folder `trials/<experiment>/<day>`."""
        for root in self._root:
            entry = self._store.find(root.oid, folder)
            if entry is not None and entry.is_tree:
                yield from self._records([File(folder, entry.oid)], "")

    def find_trials(self, prefix: str) -> list[File]:
        """The records of all trials whose key begins with `prefix`."""
        days = self._folders(self._experiments(None), layout.DAY_PATTERN)
        if not prefix:
            return list(self._records(days, ""))
        return [file for day in days for file in self._find_in_day(day, prefix)]

    def _find_in_day(self, day: File, prefix: str) -> Iterator[File]:
        """The records of a day whose key begins with `prefix`, without looking at the others."""
        try:
            entries = self._store.read_tree_like(day.oid, day.path, prefix)
        except BadRecord as error:
            self._tell(error)
            return
        for name, entry in entries.items():
            file = File(f"{day.path}/{name}", entry.oid)
            if not entry.is_tree and _RECORD_NAME.fullmatch(name):
                yield file
            elif entry.is_tree and layout.SHARD_PATTERN.fullmatch(name) and not self._is_repeated(file):
                yield from self._records_in(file, prefix, None)

    def read_trials(self, files: Iterable[File], blobs: Iterable[bytes | None] = _NOT_READ) -> Iterator[TrialRecord]:
        """The records of these files, in the same order.

        Args:
            files: where they are.
            blobs: the bytes of each, where they have been read already.
        """
        yield from self._each(files, decode_trial, blobs)

    def _each(
        self, files: Iterable[File], read: Callable[[bytes, str], _T], blobs: Iterable[bytes | None] = _NOT_READ
    ) -> Iterator[_T]:
        """What `read` makes of the bytes and path of each file that it can read."""
        for file, blob in zip(files, blobs, strict=False):
            try:
                data = self._store.read_blob(file.oid, file.path, MAX_RECORD_BYTES) if blob is None else blob
                yield read(data, file.path)
            except BadRecord as error:
                self._tell(error)
            except FormatTooNew as error:
                self._tell(BadRecord(file.path, f"{error.reason}; upgrade mitosis to read it"))

    def _read_day(
        self,
        files: list[File],
        limit: int | None,
        experiment: str | None,
        blobs: Iterable[bytes | None] = _NOT_READ,
    ) -> Iterator[TrialRecord]:
        records: Iterable[TrialRecord]
        if limit is None or len(files) <= limit:
            with _collection_paused():
                records = sorted(
                    self.read_trials(files, blobs), key=lambda record: (record.started, record.key), reverse=True
                )
        else:
            records = self.read_trials(self._newest_first(files))
        # The record has the last word: the folder of a long name is a digest.
        wanted = (record for record in records if experiment is None or record.experiment == experiment)
        yield from itertools.islice(wanted, limit)

    def _newest_first(self, files: list[File]) -> list[File]:
        """The files of one day, newest first, without decoding all of each."""
        paths = {file.path: file for file in files}
        started = self._each(files, lambda data, path: (read_started(data, path), path[-_NAME_LENGTH:], path))
        return [paths[path] for _, _, path in sorted(started, reverse=True)]

    def _experiments(self, experiment: str | None) -> list[File]:
        trials = self._folders(self._root, re.compile(layout.TRIALS), others_belong=True)
        if experiment is None:
            return list(self._folders(trials, None))
        name = layout.encode_name(experiment)
        return list(self._folders(trials, re.compile(re.escape(name)), others_belong=True))

    def _records(self, days: Iterable[File], prefix: str) -> Iterator[File]:
        """The records of some days whose key begins with `prefix`, also those in the folders of crowded days."""
        for day in days:
            yield from self._records_in(day, prefix, layout.SHARD_PATTERN)

    def _records_in(self, folder: File, prefix: str, below: re.Pattern[str] | None) -> Iterator[File]:
        """The same in one folder, and in those folders in it whose name matches `below`."""
        start = len(folder.path) + 1
        for file, is_tree in self._entries(folder):
            if not is_tree and _RECORD_NAME.fullmatch(file.path, start):
                if file.path.startswith(prefix, start):
                    yield file
            elif is_tree and below is not None and below.fullmatch(file.path, start):
                if file.path.startswith(prefix[:2], start) and not self._is_repeated(file):
                    yield from self._records_in(file, prefix, None)
            else:
                self._misplaced(file.path)

    # --- variants ---------------------------------------------------------------------------------

    def iter_variants(self) -> Iterator[Variant]:
        """All recorded meanings of all variants, by name."""
        for name, file in self.iter_locks():
            locked = self.read_lock(name, file)
            if locked is not None:
                yield locked

    def iter_locks(self) -> Iterator[tuple[VariantLock, File]]:
        """All recorded meanings of all variants, by name, with the files of their values, which are not read."""
        variants = self._folders(self._root, re.compile(layout.VARIANTS), others_belong=True)
        for folder in self._folders(self._folders(self._folders(variants, None), None), None):
            name = VariantName(*map(layout.decode_name, folder.path.split("/")[1:]))
            for file, is_tree in self._entries(folder):
                digest = None if is_tree else digest_of_file(file.name)
                if digest is None:
                    self._misplaced(file.path)
                else:
                    yield VariantLock(name, digest), file

    def read_lock(self, lock: VariantLock, file: File) -> Variant | None:
        """A meaning with its value; None if that cannot be read, which is a problem."""
        from mitosis.canonical.encode import digest_value

        try:
            value = self._store.read_blob(file.oid, file.path, MAX_VALUE_BYTES)
        except BadRecord as error:
            self._tell(error)
            return None
        if digest_value(value) != lock.digest:
            self._tell(BadRecord(file.path, "its content does not have the digest that its name says"))
            return None
        return Variant(*lock, value)

    # --- trees ------------------------------------------------------------------------------------

    def _folders(
        self, parents: Iterable[File], pattern: re.Pattern[str] | None, *, others_belong: bool = False
    ) -> Iterator[File]:
        """The folders in `parents` whose name matches `pattern`.

        Anything else is a problem, unless `others_belong`.
        """
        for parent in parents:
            for file, is_tree in self._entries(parent):
                matches = pattern is None or pattern.fullmatch(file.name) is not None
                if is_tree and matches:
                    if not self._is_repeated(file):
                        yield file
                elif not others_belong:
                    self._misplaced(file.path)

    def _entries(self, folder: File) -> Iterator[tuple[File, bool]]:
        try:
            entries = self._store.read_tree(folder.oid, folder.path)
        except BadRecord as error:
            self._tell(error)
            return
        kind = folder.path.partition("/")[0]
        left = self._entries_left.get(kind)
        if left is not None:
            if left <= 0:
                return
            self._entries_left[kind] = left = left - len(entries) - 1
            if left <= 0:
                self._tell(BadRecord(folder.path, "there are too many files before it; no more are read"))
                return
        start = f"{folder.path}/" if folder.path else ""
        for name, entry in entries.items():
            yield File(start + name, entry.oid), entry.is_tree

    def _is_repeated(self, folder: File) -> bool:
        """Whether a folder of trials is the same as another one.

        A key is in one place only, so a folder of trials is too. A few trees that hold each other many times over would
        take years to walk.
        """
        if not folder.path.startswith(f"{layout.TRIALS}/"):
            return False
        first = self._places.setdefault(folder.oid, folder.path)
        if first != folder.path:
            self._tell(BadRecord(folder.path, f"it is the same folder as {first}"))
        return first != folder.path

    def _misplaced(self, path: str) -> None:
        self._tell(BadRecord(path, "it does not belong there"))

    def _tell(self, problem: BadRecord) -> None:
        if len(self._problems) < MAX_PROBLEMS:
            # With its traceback it would keep what was being read.
            self._problems.append(BadRecord(problem.where, problem.reason))
        elif len(self._problems) == MAX_PROBLEMS:
            self._problems.append(BadRecord("the journal", f"it has more than {MAX_PROBLEMS:,} such files"))
