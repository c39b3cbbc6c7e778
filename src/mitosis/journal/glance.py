"""A quick look into the journal: a few names and the newest trials, for completion in the shell.

Somebody waits for it who has not asked for anything yet. So it loads nothing that takes long, looks no further when
that has taken long, and leaves out what cannot be read: `mitosis verify` is there to name that.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, suppress
from typing import TYPE_CHECKING, NamedTuple

from mitosis.errors.base import MitosisError
from mitosis.errors.repository import GitError, UnreadableObject
from mitosis.git.objects import Objects
from mitosis.git.reader import ObjectReader
from mitosis.git.repository import Repository
from mitosis.journal import layout

if TYPE_CHECKING:
    from mitosis.records.trial import MainResult

_PATIENCE_S = 1.5
_TREE_LIMIT_BYTES = 4 * 2**20
_VALUE_LIMIT_BYTES = 2**16
"""A larger value is not shown."""
_MOST_NAMES = 1_000
_MOST_RECORDS = 200
"""Of a day with no more trials, all are read for the newest of them."""
_MOST_COMMITS = 400
"""This many commits are looked at for the newest trials, each of which made two, or more if it was merged."""
_SUMMARY_LETTERS = 60
_TREE_MODE = b"40000"


class Seen(NamedTuple):
    """A trial, as much as is shown of it."""

    key: str
    experiment: str
    status: str
    main: MainResult
    started: str


class Glance:
    """The journal as it is now. Use it in a `with` statement.

    Args:
        repository: where the journal is.
    """

    def __init__(self, repository: Repository) -> None:
        self._repository = repository
        self._closing = ExitStack()
        self._deadline = time.monotonic() + _PATIENCE_S
        self._objects: Objects = repository
        self._trees: dict[str, dict[str, tuple[bool, str]]] = {}
        self._root: str | None = None

    def __enter__(self) -> Glance:
        name = f"{layout.JOURNAL_REF}^{{tree}}"
        if self._repository.may_be_partial():  # git may fetch what is missing, libgit2 never does
            with suppress(GitError):
                self._root = self._repository.git("rev-parse", "--verify", "--quiet", name).strip()
        else:
            reader = self._closing.enter_context(closing(ObjectReader(self._repository)))
            self._objects = reader
            self._root = reader.find(name)
        if self._root is not None and not self._is_known():
            self._root = None
        return self

    def __exit__(self, *exception: object) -> None:
        self._closing.close()

    # --- variants ---------------------------------------------------------------------------------

    def steps(self) -> list[str]:
        """The steps that have locked variants."""
        return self._names(layout.VARIANTS)

    def parameters(self, step: str) -> list[str]:
        """The parameters of a step that have locked variants."""
        return self._names(layout.VARIANTS, step)

    def variants(self, step: str, parameter: str) -> dict[str, tuple[str, ...]]:
        """The digests of the meanings that are recorded for each variant of a parameter."""
        found = {}
        for name in self._names(layout.VARIANTS, step, parameter)[:_MOST_NAMES]:
            if self._is_late():
                break
            files = self._folder(layout.VARIANTS, step, parameter, name)
            found[name] = tuple(file.removesuffix(layout.RECORD_SUFFIX) for file in files)
        return found

    def retired(self, step: str, parameter: str) -> set[str]:
        """The variants of a parameter that may not be used any more."""
        return set(self._names(layout.RETIRED, step, parameter))

    def summary(self, step: str, parameter: str, variant: str, digest: str) -> str:
        """What a variant means, in a few words; empty where that cannot be told soon."""
        from mitosis.canonical.show import summarize_value

        entry = self._folder(layout.VARIANTS, step, parameter, variant).get(f"{digest}{layout.RECORD_SUFFIX}")
        if entry is None or entry[0] or self._is_late():
            return ""
        try:
            value = self._objects.read_blob(entry[1], _VALUE_LIMIT_BYTES)
            return summarize_value(value, limit=_SUMMARY_LETTERS)
        except MitosisError:
            return ""

    # --- trials -----------------------------------------------------------------------------------

    def experiments(self) -> list[str]:
        """The names of experiments that have trials; not those that had to be shortened."""
        return self._names(layout.TRIALS)

    def newest_trials(self, prefix: str, limit: int) -> list[Seen]:
        """The newest trials whose key begins so.

        Args:
            prefix: of the key.
            limit: how many.
        """
        days: dict[str, list[str]] = {}
        for is_tree, oid in self._folder(layout.TRIALS).values():
            for day, (is_day, day_oid) in (self._tree(oid) if is_tree else {}).items():
                if is_day and layout.DAY_PATTERN.fullmatch(day):
                    days.setdefault(day, []).append(day_oid)
        found: list[Seen] = []
        for _, oids in sorted(days.items(), reverse=True):
            records = dict(record for oid in oids for record in self._records(oid, prefix))
            if len(records) > _MOST_RECORDS:
                # Which of that many are the newest is told sooner by the journal's history than by reading them all.
                recent = [key for key in self._recent_keys() if key in records]
                records = {key: records[key] for key in [*recent, *records][: 2 * limit]}
            seen = [trial for key, oid in records.items() if (trial := self._read(key, oid)) is not None]
            found += sorted(seen, key=lambda trial: (trial.started, trial.key), reverse=True)
            if len(found) >= limit or self._is_late():
                break
        return found[:limit]

    def _recent_keys(self) -> list[str]:
        """The keys in the messages of the journal's newest commits, those of the newest first, each once."""
        form = "--format=%(trailers:key=Trial,valueonly)"
        number = f"--max-count={_MOST_COMMITS}"
        try:
            text = self._repository.git("log", "--no-show-signature", number, form, layout.JOURNAL_REF, "--")
        except GitError:
            return []
        return list(dict.fromkeys(line for line in text.split("\n") if layout.KEY_PATTERN.fullmatch(line)))

    def _records(self, oid: str, prefix: str, *, is_shard: bool = False) -> Iterator[tuple[str, str]]:
        """Key and blob of each record in the folder of a day."""
        for name, (is_tree, entry) in self._tree(oid).items():
            if is_tree and not is_shard and layout.SHARD_PATTERN.fullmatch(name) and name.startswith(prefix[:2]):
                yield from self._records(entry, prefix, is_shard=True)
            elif not is_tree and name.startswith(prefix) and _RECORD_NAME.fullmatch(name):
                yield name.removesuffix(layout.RECORD_SUFFIX), entry

    def _read(self, key: str, oid: str) -> Seen | None:
        from mitosis.records.codec import MAX_RECORD_BYTES, decode_trial

        if self._is_late():
            return None
        try:
            record = decode_trial(self._objects.read_blob(oid, MAX_RECORD_BYTES), key)
        except MitosisError:
            return None
        return Seen(key, record.experiment, record.status, record.main, record.started)

    # --- trees ------------------------------------------------------------------------------------

    def _names(self, kind: str, *names: str) -> list[str]:
        """The names of the folders in `variants/<step>/...` and the like; not those that had to be shortened."""
        found = []
        for component, (is_tree, _) in self._folder(kind, *names).items():
            name = layout.decode_name(component)
            if is_tree and layout.is_component(component):
                found.append(name)
        return found

    def _folder(self, kind: str, *names: str) -> dict[str, tuple[bool, str]]:
        """The entries of `variants/<step>/...` and the like; none where there is no such folder."""
        oid = self._root
        for component in (kind, *map(layout.encode_name, names)):
            if oid is None:
                return {}
            is_tree, oid = self._tree(oid).get(component, (False, None))
            if not is_tree:
                return {}
        return {} if oid is None else self._tree(oid)

    def _tree(self, oid: str) -> dict[str, tuple[bool, str]]:
        """The entries of a tree: whether each is a folder, and its id. None where it cannot be read, or it is late."""
        if oid not in self._trees:
            if self._is_late():
                return {}
            try:
                entries = self._objects.read_entries(oid, _TREE_LIMIT_BYTES)
            except UnreadableObject:
                entries = []
            self._trees[oid] = {
                name.decode("utf-8", "surrogateescape"): (mode == _TREE_MODE, raw.hex()) for name, mode, raw in entries
            }
        return self._trees[oid]

    def _is_known(self) -> bool:
        """Whether the journal has a format that this version reads."""
        is_tree, oid = self._tree(self._root or "").get(layout.FORMAT_FILE, (True, ""))
        try:
            text = b"" if is_tree else self._objects.read_blob(oid, 100).strip()
        except UnreadableObject:
            return False
        return text.isdigit() and int(text) <= layout.FORMAT

    def _is_late(self) -> bool:
        return time.monotonic() > self._deadline


_RECORD_NAME = re.compile(layout.KEY_PATTERN.pattern + re.escape(layout.RECORD_SUFFIX))
