"""The journal in the repository: its states, writing objects and refs, and the one way to add to it.

Writing happens inside `Store.locked`, which holds the lock of one ref. A ref moves only after everything that it will
lead to is on the disk, unless `mitosis.fsync` in git's configuration is false.
"""

from __future__ import annotations

import contextlib
import functools
import itertools
import os
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from mitosis.errors.journal import FormatTooNew, JournalError
from mitosis.errors.repository import UnreadableObject
from mitosis.git.repository import Identity, Repository
from mitosis.journal import layout
from mitosis.journal.storage.objects import (
    BLOB_MODE,
    EMPTY_TREE,
    TREE_MODE,
    RawEntry,
    ReadOnlyStore,
    commit_data,
    object_oid,
    raw_name,
)

if TYPE_CHECKING:
    import pygit2

    from mitosis.config import Sign
    from mitosis.journal.storage.locking import LockedRef, RefLock

_FORMAT_TEXT = f"{layout.FORMAT}\n".encode()
_FORMAT_OID = object_oid(b"blob", _FORMAT_TEXT)
_FORMAT_LIMIT_BYTES = 100
_WRITE_ATTEMPTS = 20
_PRUNING_S = 1.0
"""How long to wait for git while it takes away what no ref leads to."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One state of a journal."""

    commit: str
    tree: str


class Store(ReadOnlyStore):
    """Objects and refs of one repository."""

    def __init__(self, repository: Repository) -> None:
        super().__init__(repository)
        self._written: dict[str, Callable[[], object]] = {}
        """What writes an object again that no ref may lead to yet, by its id."""
        self.should_give_up: Callable[[], bool] = lambda: False  # whether to wait no longer for a lock
        self.is_unattended = False  # whether nobody is there to unlock the key that signs

    @contextlib.contextmanager
    def locked(self, ref: str, *, timeout_s: float | None = None, is_derived: bool = False) -> Iterator[LockedRef]:
        """Hold the lock of `ref`. Its new target, if one was set, is written when the block ends without an error.

        Args:
            ref: full name of a ref.
            timeout_s: how long to wait for one holder of the lock.
            is_derived: whether what is written can be rebuilt, so that it need not be on the disk at once.

        Raises:
            JournalBusy: somebody else held the lock for too long.
            JournalError: the ref cannot be locked or written at all.
        """
        from mitosis.journal.storage.locking import LockedRef

        lock = self._new_lock(ref, self._is_durable and not is_derived)
        with self.repository.sharing():
            lock.acquire(timeout_s)
            try:
                locked = LockedRef(self.read_ref, ref)
                yield locked
                if locked.target is not None:
                    lock.refuse_lost(is_unmoved=locked.peek() == locked.before)
                    self._log(locked)
                    lock.replace(locked.target, [self._loose_file(oid) for oid in self._written])
                    self._restore_pruned()
                    self._written.clear()
            finally:
                lock.release()

    def _restore_pruned(self) -> None:
        """Write again what git took away before a ref led to it, as `git gc --prune=now` does beside an append."""
        pruning = self.repository.common_dir / "gc.pid"
        deadline = time.monotonic() + _PRUNING_S
        while True:
            is_pruning = pruning.exists() and time.monotonic() < deadline
            for oid, write in self._written.items():
                if not os.path.exists(self._loose_file(oid)) and not self.repository.has_object(oid):  # noqa: PTH110
                    write()
            if not is_pruning:
                return
            time.sleep(_PRUNING_S / 20)

    def _new_lock(self, ref: str, is_durable: bool) -> RefLock:
        from mitosis.journal.storage.locking import RefLock

        return RefLock(self.repository, ref, durable=is_durable, should_give_up=self.should_give_up)

    @functools.cached_property
    def _is_durable(self) -> bool:
        """`mitosis.fsync`: whether what was written is to survive that the machine loses its power."""
        config = self.objects.config
        try:
            return config.get_bool("mitosis.fsync") if "mitosis.fsync" in config else True
        except ValueError as error:
            raise JournalError(f"mitosis.fsync in git's configuration is neither true nor false: {error}") from error

    def _loose_file(self, oid: str) -> str:
        """The file of an object that is in no pack."""
        return f"{self.repository.common_dir}/objects/{oid[:2]}/{oid[2:]}"

    def _log(self, locked: LockedRef) -> None:
        """Write the ref's reflog, if it has one or git is told to keep one of every ref."""
        path = self.repository.common_dir / "logs" / locked.name
        config = self.objects.config
        keeps_all = "core.logallrefupdates" in config and (config["core.logallrefupdates"] or "").lower() == "always"
        if locked.entry is None or not (keeps_all or path.is_file()):
            return
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("a", encoding="utf-8", errors="surrogateescape", newline="\n") as file:
                file.write(locked.entry)
        except OSError as error:
            raise JournalError(f"the log of the ref {locked.name} cannot be written: {error}") from error

    def write_blob(self, data: bytes) -> str:
        """Write a blob and return its id.

        Raises:
            JournalError: it cannot be written: perhaps the disk is full.
        """
        import pygit2

        return self._write(pygit2.enums.ObjectType.BLOB, data)

    def edit_tree(
        self, base: str | None, changes: Mapping[str, str | None], where: str = "", *, make_way: bool = False
    ) -> str:
        """Write the tree that differs from `base` by these blobs.

        Only the trees along the changed paths are read and written.

        Args:
            base: the tree to start from; None for an empty one.
            changes: the blob at each path; None takes the path away.
            where: path of `base`, with a `/` at its end, to name in errors.
            make_way: whether a file where a folder should be, or the reverse, goes, instead of being an error.

        Raises:
            JournalError: a path leads through a file, or the tree cannot be written.
        """
        files: dict[str, str | None] = {}
        folders: dict[str, dict[str, str | None]] = {}
        for path, oid in changes.items():
            name, slash, rest = path.partition("/")
            if slash:
                folders.setdefault(name, {})[rest] = oid
            else:
                files[name] = oid
        present = [] if base is None else self._read_entries(base, where.rstrip("/"))
        entries = {name: (mode, raw) for name, mode, raw in present}
        # What is replaced stays where it is in the order, which takes a while to make for a folder of all days.
        kinds = {name: mode == TREE_MODE for name, mode, _ in present}
        wanted = dict.fromkeys(map(raw_name, files), False) | dict.fromkeys(map(raw_name, folders), True)
        is_sorted = all(kinds.get(name) == is_tree for name, is_tree in wanted.items())
        for file, oid in files.items():
            if kinds.get(raw_name(file)) and oid is not None and not make_way:
                raise JournalError(f"{where}{file} in the journal is a folder, but should be a file")
            if oid is None:
                entries.pop(raw_name(file), None)
            else:
                entries[raw_name(file)] = (BLOB_MODE, bytes.fromhex(oid))
        for folder, inner in folders.items():
            is_folder = kinds.get(raw_name(folder), True)
            if not is_folder and not make_way:
                raise JournalError(f"{where}{folder} in the journal is a file, but should be a folder")
            raw = entries.get(raw_name(folder), (b"", b""))[1] if is_folder else b""
            if not raw and not any(inner.values()):
                continue  # what is not there need not go
            tree = self.edit_tree(raw.hex() or None, inner, f"{where}{folder}/", make_way=make_way)
            if tree == EMPTY_TREE:
                entries.pop(raw_name(folder), None)
            else:
                entries[raw_name(folder)] = (TREE_MODE, bytes.fromhex(tree))
        return self._write_tree(entries, is_sorted=is_sorted)

    def write_tree(self, entries: Mapping[bytes, RawEntry]) -> str:
        """Write a tree and return its id.

        Raises:
            JournalError: it cannot be written.
        """
        return self._write_tree({name: (entry.mode, bytes.fromhex(entry.oid)) for name, entry in entries.items()})

    def _write_tree(self, entries: Mapping[bytes, tuple[bytes, bytes]], *, is_sorted: bool = False) -> str:
        import pygit2

        order = list(entries)
        if not is_sorted:
            # git sorts folders as if their names ended in a slash.
            order.sort(key=lambda name: name + b"/" if entries[name][0] == TREE_MODE else name)
        data = b"".join(b"%s %s\0%s" % (entries[name][0], name, entries[name][1]) for name in order)
        oid = self._write(pygit2.enums.ObjectType.TREE, data)
        self._keep_tree(oid, [(name, *entries[name]) for name in order])
        return oid

    def _write(self, kind: pygit2.enums.ObjectType, data: bytes) -> str:
        what = f"an object in {self.repository.common_dir}"
        self._clear_damaged(object_oid(kind.name.lower().encode(), data), what)
        write = functools.partial(self.objects.write, kind, data)
        oid = str(_written(write, what))
        self._written[oid] = write
        return oid

    def _clear_damaged(self, oid: str, what: str) -> None:
        """Make way for an object whose file is there and damaged: libgit2 takes it for written."""
        path = self._loose_file(oid)
        if not os.path.exists(path):  # noqa: PTH110 (a Path takes longer to make than to look for)
            return
        try:
            self.repository.read_object(oid)
        except UnreadableObject:
            try:
                Path(path).unlink(missing_ok=True)
            except OSError as error:
                raise JournalError(f"{what} cannot be written: {error}") from error

    def create_ref(self, name: str, commit: str) -> None:
        """Let a ref of that name exist; one that does is left as it is.

        Raises:
            JournalError: the commit is missing, or the ref cannot be written.
        """
        if self._is_there(name):
            return
        try:
            kind = self.repository.read_object(commit).kind
        except UnreadableObject as error:
            raise JournalError(f"the ref {name} cannot be made: {error.reason}") from error
        if kind != "commit":
            raise JournalError(f"the ref {name} cannot be made: it would point to a {kind}")
        self._create_ref(name, commit)

    def create_symbolic_ref(self, name: str, target: str) -> None:
        """Let a symbolic ref exist; whatever has that name is left as it is.

        It is a convenience, and what it stands for has been written already. So if it is locked or the disk is full it
        is left for the next time.
        """
        if self._is_there(name):
            return
        with contextlib.suppress(JournalError):
            self._create_ref(name, f"ref: {target}", timeout_s=0)

    def _is_there(self, name: str) -> bool:
        """Whether a ref exists. If so, a lock that a killed process has left on it is removed."""
        if name not in self.objects.references:
            return False
        from mitosis.journal.storage.locking import remove_stale_lock

        remove_stale_lock(self.repository, name)
        return True

    def _create_ref(self, name: str, content: str, timeout_s: float | None = None) -> None:
        lock = self._new_lock(name, self._is_durable)
        with self.repository.sharing():
            lock.acquire(timeout_s)
            try:
                # Somebody else may have made it since.
                if name not in self.objects.references:
                    lock.replace(content)
            finally:
                lock.release()

    @functools.cached_property
    def sign(self) -> Sign:
        """Whether commits are signed, and those of others have to be; what was so at first stays so."""
        from mitosis.journal.storage.signing import read_sign

        return read_sign(self.repository)

    def write_commit(self, tree: str, parents: list[str], message: str, who: Identity, is_derived: bool = False) -> str:
        """Write a commit, signed if the configuration asks for that and it cannot be rebuilt; no ref moves.

        Raises:
            JournalError: it cannot be written, or signed.
        """
        import pygit2

        if self.sign != "no" and not is_derived:
            from mitosis.journal.storage.signing import sign_commit

            signed = sign_commit(self.repository, tree, parents, message, who, unattended=self.is_unattended)
            return self._write(pygit2.enums.ObjectType.COMMIT, signed)
        data = commit_data(tree, parents, message, who)
        return self._write(pygit2.enums.ObjectType.COMMIT, data)

    # --- states of the journal --------------------------------------------------------------------

    def tip(self) -> str | None:
        """The journal's newest commit, unchecked; None while there is no journal.

        Raises:
            JournalError: the ref is symbolic, or its file is damaged.
        """
        with _naming_remedy(layout.JOURNAL_REF):
            return self.read_ref(layout.JOURNAL_REF)

    def snapshot(self) -> Snapshot | None:
        """The present state of the journal; None while there is none.

        Raises:
            FormatTooNew: a newer mitosis has written it.
            JournalError: it is not a journal, or damaged.
        """
        commit = self.tip()
        return None if commit is None else self.snapshot_of(commit, layout.JOURNAL_REF)

    def snapshot_of(self, commit: str, what: str) -> Snapshot:
        """The state of the journal at a commit.

        Args:
            commit: full id.
            what: the ref that points to it, to name in errors.

        Raises:
            FormatTooNew: a newer mitosis has written it.
            JournalError: it is not a journal, or damaged.
        """
        with _naming_remedy(what):
            tree = self.read_commit_tree(commit, what)
            entry = self.read_tree(tree, f"the tree of {what}").get(layout.FORMAT_FILE)
            if entry is None or entry.is_tree:
                raise JournalError(f"{what} points to {commit}, which is not a journal: it does not say its format")
            if entry.oid != _FORMAT_OID:
                layout.refuse_format(what, self.read_blob(entry.oid, f"the format of {what}", _FORMAT_LIMIT_BYTES))
        return Snapshot(commit, tree)

    def edited_tree(self, before: Snapshot | None, changes: Mapping[str, bytes | None]) -> str:
        """Write the tree that differs from a state by these files (None: without them)."""
        blobs = {path: None if data is None else self.write_blob(data) for path, data in changes.items()}
        if before is None:
            blobs[layout.FORMAT_FILE] = self.write_blob(_FORMAT_TEXT)
        return self.edit_tree(None if before is None else before.tree, blobs)

    def append(
        self, ref: LockedRef, before: Snapshot | None, changes: Mapping[str, bytes | None], message: str, who: Identity
    ) -> Snapshot:
        """Add a commit that changes these files (None: removes them) to the journal, whose lock is held.

        This is the only way to add to it, but for a merge. Returns its state since then.
        """
        return self.append_tree(ref, before, self.edited_tree(before, changes), message, who)

    def append_tree(self, ref: LockedRef, before: Snapshot | None, tree: str, message: str, who: Identity) -> Snapshot:
        """Add a commit with this tree; see `append`."""
        commit = self.write_commit(tree, [] if before is None else [before.commit], message, who)
        ref.set_target(commit, message.split("\n", 1)[0], who)
        return Snapshot(commit, tree)


def _written(write: Callable[[], object], what: str) -> object:
    """Do `write`, again if need be.

    libgit2 makes the folder of a new object or ref and then the file in it; in between, `git gc` and `git pack-refs`
    take away folders that are empty.

    Raises:
        JournalError: it cannot be done.
    """
    import pygit2

    for attempt in itertools.count(1):
        try:
            return write()
        except pygit2.AlreadyExistsError:
            raise
        except (pygit2.GitError, ValueError, OSError) as error:
            if attempt == _WRITE_ATTEMPTS or "No such file or directory" not in str(error):
                raise JournalError(f"{what} cannot be written: {error}") from error
    raise AssertionError("the attempts are counted")


@contextlib.contextmanager
def _naming_remedy(what: str) -> Iterator[None]:
    """Let errors about this repository's own journal say what to do next."""
    try:
        yield
    except JournalError as error:
        if what != layout.JOURNAL_REF or isinstance(error, FormatTooNew):
            raise
        reason = str(error).partition("\n")[0]
        raise JournalError(f"{reason}\n`mitosis verify` shows the command that repairs it.") from error
