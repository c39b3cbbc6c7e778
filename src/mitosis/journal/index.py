"""A derived index of the trials, so that a start need not read every record.

It answers three questions: which trials had the same experiment and variants (their count is the iteration of the
next), whether a key is taken and where its record is, and which trials ran on a commit. It lives under
`<common git dir>/mitosis/trials/` and is never a source of truth: it says which `trials` tree it is up to date with, is
brought up to date by the difference between that tree and the present one, and is rebuilt from the records when it is
missing, damaged, or from a tree that is gone. Only the holder of the journal's lock touches it.

There are 256 shards, named by two digits, and a file `state`. A shard is text, a line for each fact whose first word
begins with those digits, after `+` where it has become true and `-` where it no longer is:

    +<digest of experiment and variants> <key>
    +<key> <experiment's folder>/<day>
    +<commit> <key>

Shards only grow, and `state` says how many bytes of each count, with their checksum. So a start adds a few lines and
overwrites `state` in place; what a process that died wrote to a shard does not count and is overwritten. No file is
replaced by renaming another over it, since file systems such as ext4 make that wait for the disk.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import struct
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple, TypeVar

import msgpack

from mitosis.errors.journal import BadRecord, FormatTooNew, JournalError
from mitosis.journal import layout
from mitosis.journal.objects import Entry, ReadOnlyStore
from mitosis.records.codec import MAX_RECORD_BYTES, decode_trial
from mitosis.records.trial import TrialRecord

_T = TypeVar("_T")

SHARDS = 256
_STATE = struct.Struct(f"<24s40s{SHARDS}Q{SHARDS}I")
"""Name of the format, the tree, and of each shard the bytes that count and their CRC-32; one of all that follows."""
_STATE_CHECKSUM = struct.Struct("<I")
_STATE_NAME = b"mitosis trial index 1"
_NO_TREE = "0" * 40
_IDENTITY_DIGITS = 32
_FOLDERS_ABOVE_RECORDS = 2
"""Experiment and day: the levels between the `trials` tree and a record, but for the folders in crowded days."""
_FOLDERS_OF_CROWDED_DAYS = -1


class TrialIndex:
    """The index of one repository, up to date with one `trials` tree.

    Make one only while holding the journal's lock, and let it go with the lock.

    Args:
        store: the repository's objects.
        trials: id of the tree; None if there are no trials.

    Raises:
        JournalError: the index cannot be written.
        BadRecord: a tree of the journal cannot be read.
    """

    def __init__(self, store: ReadOnlyStore, trials: str | None) -> None:
        self.folder: Path = store.repository.common_dir / "mitosis" / "trials"
        self._store = store
        self._trials = trials
        self._state = _State(_NO_TREE, [_Extent(0, 0)] * SHARDS)
        self._read: dict[int, bytes] = {}
        self._new: dict[int, list[str]] = {}
        self._catch_up()

    def iteration(self, record: TrialRecord) -> int:
        """How many trials there are of the record's experiment and tracked parameters."""
        return self._ask(lambda: self._count(_identity(record)))

    def folder_of(self, key: str) -> str | None:
        """The folder `trials/<experiment>/<day>` that holds the trial of that key; None if the key is free."""
        folders = self._values(key)
        return f"{layout.TRIALS}/{folders[0]}" if folders else None

    def keys_on(self, commit: str) -> list[str]:
        """The keys of the trials that ran on a commit, sorted."""
        return self._values(commit)

    def _values(self, word: str) -> list[str]:
        """What follows `word` in the facts that begin with it, sorted."""
        return sorted(self._ask(lambda: self._facts(word)))

    def _ask(self, question: Callable[[], _T]) -> _T:
        try:
            return question()
        except Unusable:
            self._rebuild()
            return question()

    def _count(self, word: str) -> int:
        """How many facts begin with `word`. Each is noted as true and as false in turn."""
        text = self._lines(word)
        return text.count(f"\n+{word} ") - text.count(f"\n-{word} ")

    def _facts(self, word: str) -> set[str]:
        text = self._lines(word)
        values: set[str] = set()
        if f"{word} " in text:
            for sign, value in re.findall(rf"^([+-]){word} (.*)$", text, re.MULTILINE):
                values.add(value) if sign == "+" else values.discard(value)
        return values

    def _lines(self, word: str) -> str:
        """The shard of the facts that begin with a word, each line after a line break."""
        number = int(word[:2], 16)
        return "".join(["\n", self._shard(number).decode("utf-8", "surrogateescape"), *self._new.get(number, ())])

    # --- catching up ------------------------------------------------------------------------------

    def _catch_up(self) -> None:
        try:
            self._state = self._read_state()
            if self._state.tree == (self._trials or _NO_TREE):
                return
            self._apply(None if self._state.tree == _NO_TREE else self._state.tree)
        except Unusable:
            self._rebuild()
        else:
            self._write()

    def _rebuild(self) -> None:
        import shutil

        self._state = _State(_NO_TREE, [_Extent(0, 0)] * SHARDS)
        self._read.clear()
        self._new.clear()
        with _writing(self.folder):
            if self.folder.exists():
                shutil.rmtree(self.folder)
        self._apply(None)
        self._write()

    def _apply(self, before: str | None) -> None:
        """Note the facts that differ between the tree `before` and the present one."""
        for path, old, new in self._differences(before, self._trials, layout.TRIALS, _FOLDERS_ABOVE_RECORDS):
            old_facts = self._facts_at(path, old, is_old=True)
            new_facts = self._facts_at(path, new, is_old=False)
            for sign, facts in (("-", old_facts - new_facts), ("+", new_facts - old_facts)):
                for fact in facts:
                    self._new.setdefault(int(fact[:2], 16), []).append(f"{sign}{fact}\n")

    def _differences(
        self, before: str | None, after: str | None, path: str, folders: int
    ) -> Iterator[tuple[str, str | None, str | None]]:
        """The records that differ between two trees, each with its id before and after.

        Trees of equal id are not read, so the cost is in proportion to what changed.
        """
        try:
            changes = self._store.compare_trees(before, after, path)
        except BadRecord as error:
            if after is not None:
                self._store.read_tree(after, path)
            # So it is the old tree that cannot be read, and nothing but the index wants that.
            raise Unusable from error
        for name, old, new in changes:
            one, two = _oid(old, is_folder=True), _oid(new, is_folder=True)
            if folders > _FOLDERS_OF_CROWDED_DAYS and one != two:
                yield from self._differences(one, two, f"{path}/{name}", folders - 1)
            one, two = _oid(old, is_folder=False), _oid(new, is_folder=False)
            if folders <= 0 and one != two:
                yield f"{path}/{name}", one, two

    def _facts_at(self, path: str, oid: str | None, *, is_old: bool) -> set[str]:
        """The facts that the record at `path` tells: only its key if it cannot be read, none for a foreign file."""
        _, experiment, day, *_, name = path.split("/")
        key = name.removesuffix(layout.RECORD_SUFFIX)
        if oid is None or key == name or not layout.KEY_PATTERN.fullmatch(key) or "\n" in path:
            return set()
        facts = {f"{key} {experiment}/{day}"}
        try:
            record = decode_trial(self._store.read_blob(oid, path, MAX_RECORD_BYTES), path)
        except (BadRecord, FormatTooNew) as error:
            if is_old:
                # What it told when it could be read is not known any more.
                raise Unusable from error
            return facts
        facts.add(f"{_identity(record)} {key}")
        if layout.COMMIT_PATTERN.fullmatch(record.commit):
            facts.add(f"{record.commit} {key}")
        return facts

    # --- files ------------------------------------------------------------------------------------

    def _shard(self, number: int) -> bytes:
        """The part of a shard that counts."""
        if number not in self._read:
            extent = self._state.extents[number]
            data = b"" if extent.size_bytes == 0 else _read_bytes(self.folder / f"{number:02x}")[: extent.size_bytes]
            if _Extent(len(data), zlib.crc32(data)) != extent:
                raise Unusable
            self._read[number] = data
        return self._read[number]

    def _read_state(self) -> _State:
        data = _read_bytes(self.folder / "state")
        if len(data) != _STATE.size + _STATE_CHECKSUM.size:
            raise Unusable
        body = data[: _STATE.size]
        if _STATE_CHECKSUM.unpack(data[_STATE.size :]) != (zlib.crc32(body),):
            raise Unusable
        name, tree, *numbers = _STATE.unpack(body)
        if name.rstrip(b"\0") != _STATE_NAME:
            raise Unusable
        extents = map(_Extent, numbers[:SHARDS], numbers[SHARDS:])
        return _State(tree.decode(), list(extents))

    def _write(self) -> None:
        with _writing(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
            extents = self._state.extents.copy()
            for number, lines in self._new.items():
                data = "".join(lines).encode("utf-8", "surrogateescape")
                size_bytes, checksum = extents[number]
                _write_bytes(self.folder / f"{number:02x}", data, size_bytes)
                extents[number] = _Extent(size_bytes + len(data), zlib.crc32(data, checksum))
            tree = self._trials or _NO_TREE
            columns = zip(*extents, strict=True)
            body = _STATE.pack(_STATE_NAME, tree.encode(), *(number for column in columns for number in column))
            _write_bytes(self.folder / "state", body + _STATE_CHECKSUM.pack(zlib.crc32(body)), 0)


class _Extent(NamedTuple):
    """The part of a shard that counts."""

    size_bytes: int
    checksum: int


class _State(NamedTuple):
    """What the files are up to date with."""

    tree: str
    extents: list[_Extent]


class Unusable(Exception):
    """The index on disk is missing, damaged or from a tree that is gone."""


def _identity(record: TrialRecord) -> str:
    """A digest of what two trials must have in common to be iterations of each other."""
    tracked = sorted((p.step, p.name, p.kind, p.text) for p in record.parameters if p.tracked)
    data = msgpack.packb([record.experiment, tracked], unicode_errors="surrogatepass")
    return hashlib.sha256(data).hexdigest()[:_IDENTITY_DIGITS]


def _oid(entry: Entry | None, *, is_folder: bool) -> str | None:
    return entry.oid if entry is not None and entry.is_tree == is_folder else None


def _read_bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        # A rebuild repairs it, or says what cannot be written.
        raise Unusable from error


def _write_bytes(path: Path, data: bytes, at: int) -> None:
    """Write `data` into the file, which is made if it is missing, from the byte `at` on."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT, 0o666)
    with os.fdopen(descriptor, "wb") as file:
        file.seek(at)
        file.write(data)


@contextlib.contextmanager
def _writing(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise JournalError(
            f"the index of trials cannot be written: {error}\n"
            f"Make {folder} writable; it is derived, so deleting it is safe as well."
        ) from error
