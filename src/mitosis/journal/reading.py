"""Finding and reading trials and locks in a tree of the journal. Nothing here writes."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from mitosis.errors import BadRecord, FormatTooNew
from mitosis.journal import layout
from mitosis.journal.locks import MAX_VALUE_BYTES, LockedVariant, digest_of_file
from mitosis.journal.store import Store
from mitosis.records import MAX_RECORD_BYTES, TrialRecord, decode_trial, read_started


class File(NamedTuple):
    """A file or folder in the journal's tree."""

    path: str
    oid: str


class Reader:
    """Reads one tree of the journal.

    Args:
        store: the repository's objects.
        tree: id of the tree; None for a journal that does not exist yet.
        problems: what cannot be read, or does not belong where it is, is appended to it and skipped.
    """

    def __init__(self, store: Store, tree: str | None, problems: list[BadRecord]) -> None:
        self._store = store
        self._problems = problems
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
            days.setdefault(day.path.rsplit("/", 1)[1], []).append(day)
        given = 0
        for _, parts in sorted(days.items(), reverse=True):
            if limit is not None and given >= limit:
                return
            files = list(self._records(parts, ""))
            for record in self._read_day(files, None if limit is None else limit - given, experiment):
                given += 1
                yield record

    def find_trials(self, prefix: str) -> list[File]:
        """The records of all trials whose key begins with `prefix`."""
        days = self._folders(self._experiments(None), layout.DAY_PATTERN)
        return list(self._records(list(days), prefix))

    def read_trials(self, files: Sequence[File]) -> Iterator[TrialRecord]:
        """The records of these files, in the same order."""
        for file in files:
            try:
                yield decode_trial(self._store.read_blob(file.oid, file.path, MAX_RECORD_BYTES), file.path)
            except BadRecord as error:
                self._problems.append(error)
            except FormatTooNew as error:
                self._problems.append(BadRecord(file.path, str(error)))

    def _read_day(self, files: list[File], limit: int | None, experiment: str | None) -> Iterator[TrialRecord]:
        records: Iterable[TrialRecord]
        if limit is None or len(files) <= limit:
            records = sorted(self.read_trials(files), key=lambda record: (record.started, record.key), reverse=True)
        else:
            records = self.read_trials(self._newest_first(files))
        for record in records:
            # The record has the last word: the folder of a long name is a digest.
            if experiment is None or record.experiment == experiment:
                yield record
                if limit is not None:
                    limit -= 1
                    if limit == 0:
                        return

    def _newest_first(self, files: list[File]) -> list[File]:
        order: list[tuple[str, File]] = []
        for file in files:
            try:
                order.append(
                    (read_started(self._store.read_blob(file.oid, file.path, MAX_RECORD_BYTES), file.path), file)
                )
            except BadRecord as error:
                self._problems.append(error)
        return [
            file for _, file in sorted(order, key=lambda item: (item[0], item[1].path.rsplit("/", 1)[1]), reverse=True)
        ]

    def _experiments(self, experiment: str | None) -> list[File]:
        trials = self._folders(self._root, re.compile(layout.TRIALS), others_belong=True)
        if experiment is None:
            return list(self._folders(trials, None))
        name = layout.encode_name(experiment, layout.EXPERIMENT_NAME_LIMIT)
        return list(self._folders(trials, re.compile(re.escape(name)), others_belong=True))

    def _records(self, days: Sequence[File], prefix: str) -> Iterator[File]:
        for shard in self._folders(days, layout.SHARD_PATTERN):
            name = shard.path[-2:]
            if not name.startswith(prefix[:2]):
                continue
            for file, is_tree in self._entries(shard):
                key = file.path.rsplit("/", 1)[1].removesuffix(layout.RECORD_SUFFIX)
                if is_tree or not file.path.endswith(layout.RECORD_SUFFIX) or not layout.KEY_PATTERN.fullmatch(key):
                    self._misplaced(file.path)
                elif key.startswith(prefix):
                    yield file

    # --- variants ---------------------------------------------------------------------------------

    def iter_variants(self) -> Iterator[LockedVariant]:
        """All recorded meanings of all variants, by name."""
        from mitosis import canonical

        variants = self._folders(self._root, re.compile(layout.VARIANTS), others_belong=True)
        for folder in self._folders(self._folders(self._folders(variants, None), None), None):
            step, parameter, variant = map(layout.decode_name, folder.path.split("/")[1:])
            for file, is_tree in self._entries(folder):
                digest = None if is_tree else digest_of_file(file.path.rsplit("/", 1)[1])
                if digest is None:
                    self._misplaced(file.path)
                    continue
                try:
                    value = self._store.read_blob(file.oid, file.path, MAX_VALUE_BYTES)
                except BadRecord as error:
                    self._problems.append(error)
                    continue
                if canonical.digest(value) == digest:
                    yield LockedVariant(step, parameter, variant, digest, value)
                else:
                    self._problems.append(
                        BadRecord(file.path, "its content does not have the digest that its name says")
                    )

    # --- trees ------------------------------------------------------------------------------------

    def _folders(
        self, parents: Iterable[File], pattern: re.Pattern[str] | None, *, others_belong: bool = False
    ) -> Iterator[File]:
        """The folders in `parents` whose name matches `pattern`.

        Anything else is a problem, unless `others_belong`.
        """
        for parent in parents:
            for file, is_tree in self._entries(parent):
                matches = pattern is None or pattern.fullmatch(file.path.rsplit("/", 1)[-1]) is not None
                if is_tree and matches:
                    yield file
                elif not others_belong:
                    self._misplaced(file.path)

    def _entries(self, folder: File) -> Iterator[tuple[File, bool]]:
        try:
            entries = self._store.read_tree(folder.oid, folder.path)
        except BadRecord as error:
            self._problems.append(error)
            return
        start = f"{folder.path}/" if folder.path else ""
        for name, entry in entries.items():
            yield File(start + name, entry.oid), entry.is_tree

    def _misplaced(self, path: str) -> None:
        self._problems.append(BadRecord(path, "it does not belong there"))
