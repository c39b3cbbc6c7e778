"""A derived index of the trials, so that a start need not read every record.

It answers three questions: which trials had the same experiment and variants (their count is the iteration of the
next), whether a key is taken and where its record is, and which trials ran on a commit. It lives under
`<common git dir>/mitosis/trials/` and is never a source of truth: it says which `trials` tree it is up to date with, is
brought up to date by the difference between that tree and the present one, and is rebuilt from the records when it is
missing, damaged, or from a tree that is gone. Only the holder of the journal's lock touches it.

The files are text. `state` names the tree and the checksum of every shard; a shard is the sorted lines whose first two
digits are its name:

    <digest of experiment and variants> <key>
    <key> <experiment's folder>/<day>
    <commit> <key>

A shard is a set of lines, so doing a catch-up twice, as after a crash, changes nothing; a shard that was written
without its state does not have the checksum that the state names, and leads to a rebuild.
"""

from __future__ import annotations

import contextlib
import hashlib
import shutil
from collections.abc import Iterator
from pathlib import Path

import msgpack

from mitosis.errors import BadRecord, FormatTooNew, JournalError
from mitosis.journal import layout
from mitosis.journal.store import Entry, Store
from mitosis.records import MAX_RECORD_BYTES, TrialRecord, decode_trial

_HEADER = "mitosis trial index, format 1"
_NO_TREE = "-"
_CHECKSUM_DIGITS = 16
_IDENTITY_DIGITS = 32
_FOLDERS_ABOVE_RECORDS = 3
"""Experiment, day and shard: the levels between the `trials` tree and a record."""


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

    def __init__(self, store: Store, trials: str | None) -> None:
        self.folder: Path = store.repository.common_dir / "mitosis" / "trials"
        self._store = store
        self._trials = trials
        self._shards: dict[str, set[str]] = {}
        self._checksums: dict[str, str] = {}
        self._catch_up()

    def iteration(self, record: TrialRecord) -> int:
        """How many trials there are of the record's experiment and tracked parameters."""
        return len(self._values(_identity(record)))

    def folder_of(self, key: str) -> str | None:
        """The folder `trials/<experiment>/<day>` that holds the trial of that key; None if the key is free."""
        folders = self._values(key)
        return f"{layout.TRIALS}/{folders[0]}" if folders else None

    def keys_on(self, commit: str) -> list[str]:
        """The keys of the trials that ran on a commit, sorted."""
        return self._values(commit)

    def _values(self, word: str) -> list[str]:
        """What follows `word` in the lines that begin with it, sorted."""
        try:
            shard = self._shard(word[:2])
        except _Unusable:
            self._rebuild()
            shard = self._shard(word[:2])
        start = f"{word} "
        return sorted(line[len(start) :] for line in shard if line.startswith(start))

    # --- catching up ------------------------------------------------------------------------------

    def _catch_up(self) -> None:
        known = self._read_state()
        if known == _tree_text(self._trials):
            return
        try:
            if known is None:
                raise _Unusable
            self._apply(None if known == _NO_TREE else known, self._trials)
        except _Unusable:
            self._rebuild()
        else:
            self._write()

    def _rebuild(self) -> None:
        self._shards.clear()
        self._checksums.clear()
        with _writing(self.folder):
            if self.folder.exists():
                shutil.rmtree(self.folder)
        self._apply(None, self._trials)
        self._write()

    def _apply(self, before: str | None, after: str | None) -> None:
        for path, old, new in self._differences(before, after, layout.TRIALS, _FOLDERS_ABOVE_RECORDS):
            old_lines = self._lines(path, old)
            new_lines = self._lines(path, new)
            for line in old_lines - new_lines:
                self._shard(line[:2]).discard(line)
            for line in new_lines:
                self._shard(line[:2]).add(line)

    def _differences(
        self, before: str | None, after: str | None, path: str, folders: int
    ) -> Iterator[tuple[str, str | None, str | None]]:
        """The records that differ between two trees, each with its id before and after.

        Trees of equal id are not read, so the cost is in proportion to what changed.
        """
        try:
            old = {} if before is None else self._store.read_tree(before, path)
        except BadRecord as error:
            raise _Unusable from error
        new = {} if after is None else self._store.read_tree(after, path)
        for name in {name for name, _ in old.items() ^ new.items()}:
            is_folder = folders > 0
            one, two = _oid(old.get(name), is_folder), _oid(new.get(name), is_folder)
            if is_folder:
                yield from self._differences(one, two, f"{path}/{name}", folders - 1)
            else:
                yield f"{path}/{name}", one, two

    def _lines(self, path: str, oid: str | None) -> set[str]:
        """The lines that the record at `path` adds: its key alone if it cannot be read, none for a foreign file."""
        _, experiment, day, _, name = path.split("/")
        key = name.removesuffix(layout.RECORD_SUFFIX)
        if oid is None or key == name or not layout.KEY_PATTERN.fullmatch(key):
            return set()
        lines = {f"{key} {experiment}/{day}"}
        try:
            record = decode_trial(self._store.read_blob(oid, path, MAX_RECORD_BYTES), path)
        except (BadRecord, FormatTooNew):
            return lines
        lines.add(f"{_identity(record)} {key}")
        if layout.COMMIT_PATTERN.fullmatch(record.commit):
            lines.add(f"{record.commit} {key}")
        return lines

    # --- files ------------------------------------------------------------------------------------

    def _shard(self, name: str) -> set[str]:
        if name not in self._shards:
            self._shards[name] = set(self._read_shard(name))
        return self._shards[name]

    def _read_shard(self, name: str) -> list[str]:
        if name not in self._checksums:
            return []
        data = _read_bytes(self.folder / name)
        if data is None or _checksum(data) != self._checksums[name]:
            raise _Unusable
        return data.decode().splitlines()

    def _read_state(self) -> str | None:
        """The tree that the files are up to date with; None if they are missing or damaged."""
        data = _read_bytes(self.folder / "state")
        if data is None:
            return None
        body, _, checksum = data.rpartition(b"\n")
        if _checksum(body).encode() != checksum:
            return None
        header, tree, *shards = body.decode().split("\n")
        if header != _HEADER:
            return None
        self._checksums = dict(line.split(" ") for line in shards)
        return tree

    def _write(self) -> None:
        with _writing(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
            for name, lines in self._shards.items():
                data = "".join(f"{line}\n" for line in sorted(lines)).encode()
                checksum = _checksum(data)
                if self._checksums.get(name) != checksum:
                    _replace(self.folder / name, data)
                    self._checksums[name] = checksum
            shards = [f"{name} {checksum}" for name, checksum in sorted(self._checksums.items())]
            body = "\n".join([_HEADER, _tree_text(self._trials), *shards]).encode()
            _replace(self.folder / "state", body + b"\n" + _checksum(body).encode())


class _Unusable(Exception):
    """The index on disk is missing, damaged or from a tree that is gone."""


def _identity(record: TrialRecord) -> str:
    """A digest of what two trials must have in common to be iterations of each other."""
    tracked = sorted((p.step, p.name, p.kind, p.text) for p in record.parameters if p.tracked)
    data = msgpack.packb([record.experiment, tracked], unicode_errors="surrogatepass")
    return hashlib.sha256(data).hexdigest()[:_IDENTITY_DIGITS]


def _oid(entry: Entry | None, is_folder: bool) -> str | None:
    return entry.oid if entry is not None and entry.is_tree == is_folder else None


def _tree_text(trials: str | None) -> str:
    return _NO_TREE if trials is None else trials


def _checksum(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:_CHECKSUM_DIGITS]


def _read_bytes(path: Path) -> bytes | None:
    """The file's bytes; None if there is none, or it cannot be read, which a rebuild then mends or reports."""
    try:
        return path.read_bytes()
    except OSError:
        return None


def _replace(path: Path, data: bytes) -> None:
    temporary = path.with_name(f"{path.name}.new")
    temporary.write_bytes(data)
    temporary.replace(path)


@contextlib.contextmanager
def _writing(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise JournalError(
            f"the index of trials cannot be written: {error}\n"
            f"Make {folder} writable; it is derived, so deleting it is safe as well."
        ) from error
