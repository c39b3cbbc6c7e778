"""The lock of one ref, as git takes it: a file beside the ref, which nobody else may make while it is there.

So git and mitosis keep out of each other's way. Unlike git's, the lock file says from its first moment on who holds
it: it is written under another name and then linked. When a process is killed while it holds the lock, the next one
finds that out and takes the file away; a lock that does not say whose it is, or whose process may still run, is waited
for and then named.
"""

from __future__ import annotations

import contextlib
import errno
import functools
import os
import random
import secrets
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from mitosis.errors.journal import JournalBusy, JournalError
from mitosis.git.repository import Identity, Repository
from mitosis.journal.storage.queue import Place, describe_holder, mark, owner_text, read_holder, remove_leftovers
from mitosis.process import is_alive

if TYPE_CHECKING:
    from concurrent.futures import ThreadPoolExecutor

LOCK_TIMEOUT_S = 10.0
"""How long to wait for one holder of the lock of whom it is not known that it still runs."""
END_TIMEOUT_S = 300.0
"""The same, for recording the end of a trial, which may have run for hours."""
LIVE_HOLDER_TIMEOUT_S = 120.0
"""How long to wait for one that runs: on a busy machine it may take long to get on."""
QUEUE_TIMEOUT_S = 600.0
"""How long to wait while the lock goes from one holder to the next."""
_PAUSE_S = 0.002
_LONGEST_PAUSE_S = 0.05
_ATTEMPTS = 20
_SYNCHRONIZERS = 8
_NO_COMMIT = "0" * 40


class LockedRef:
    """A ref whose lock this process holds."""

    def __init__(self, read_ref: Callable[[str], str | None], name: str) -> None:
        self._read_ref = read_ref
        self.name = name
        self.before = self.peek()
        """Where it pointed when it was locked."""
        self.target: str | None = None
        """Where it is to point when the lock is released; None to leave it."""
        self.entry: str | None = None
        """The line for the reflog, if there is one."""

    def read(self) -> str | None:
        """The ref's present target."""
        return self._read_ref(self.name)

    def peek(self) -> str | None:
        """The same; nothing for one that cannot be read."""
        with contextlib.suppress(JournalError):
            return self.read()
        return None

    def set_target(self, commit: str, message: str, identity: Identity | None) -> None:
        """Let the ref point to `commit` when the lock is released; the rest is for the reflog, if there is one.

        Without an identity, nothing is written to that.
        """
        self.target = commit
        if identity is not None:
            self.entry = f"{self.read() or _NO_COMMIT} {commit} {identity} {identity.moment}\t{message.strip()}\n"


class RefLock:
    """The lock of one ref of a repository.

    Args:
        repository: whose ref it is.
        ref: its full name.
        durable: whether a new value is on the disk when `replace` returns.
        should_give_up: whether to wait no longer.
    """

    def __init__(
        self, repository: Repository, ref: str, *, durable: bool, should_give_up: Callable[[], bool] = lambda: False
    ) -> None:
        self.path = lock_path(repository, ref)
        self._ref = ref
        self._value = repository.common_dir / ref
        self._folder = repository.common_dir / "mitosis"
        self._durable = durable
        self._should_give_up = should_give_up

    def acquire(self, timeout_s: float | None = None) -> None:
        """Take the lock, in turn with all others who wait for it.

        Args:
            timeout_s: how long to wait for one holder that may be gone; `LOCK_TIMEOUT_S` by default. With 0, nothing
                is waited for.

        Raises:
            JournalBusy: somebody else holds it for too long.
            JournalError: it cannot be taken at all.
        """
        place = Place(self._folder, self._ref)
        if place.is_turn() and (self._try() or (self._remove_if_stale() and self._try())):
            return
        if timeout_s == 0:
            raise JournalBusy(self._ref, self.path, 0.0, describe_holder(self.path))
        with place:
            self._wait(place, LOCK_TIMEOUT_S if timeout_s is None else timeout_s)

    def _wait(self, place: Place, patience_s: float) -> None:
        began = changed = time.monotonic()
        holder: tuple[int, int] | None = None
        while not (place.is_turn() and self._try()):
            now = time.monotonic()
            found = _identity(self.path)
            if found is not None:
                if self._remove_if_stale():
                    continue
                place.lock_was_taken()
            if found != holder:
                holder, changed = found, now
            is_too_long = now - began >= max(QUEUE_TIMEOUT_S, patience_s) or self._should_give_up()
            if is_too_long or self._is_hopeless(found, now - changed, patience_s):
                raise JournalBusy(self._ref, self.path, now - began, describe_holder(self.path))
            # Whoever is next looks often. Random, as those on other machines have no place here, and are not to keep
            # meeting.
            pause_s = min(_PAUSE_S * (1 + place.count_ahead), _LONGEST_PAUSE_S)
            time.sleep(pause_s * random.uniform(0.5, 1.5))

    def _is_hopeless(self, holder: tuple[int, int] | None, waited_s: float, patience_s: float) -> bool:
        """Whether the present holder has had the lock for longer than anybody works with it, and still has it."""
        if holder is None or waited_s < patience_s:
            return False
        owner = read_holder(self.path)
        is_running = owner is not None and is_alive(owner)
        return (not is_running or waited_s >= max(LIVE_HOLDER_TIMEOUT_S, patience_s)) and _identity(self.path) == holder

    def _remove_if_stale(self) -> bool:
        try:
            return _remove_if_stale(self.path, self._folder)
        except OSError as error:
            raise JournalError(f"the lock that a killed process left cannot be removed: {error}") from error

    def replace(self, content: str, objects: Sequence[str] = ()) -> None:
        """Give the ref a new value, at once and whole.

        Args:
            content: the id of a commit, or `ref: ` and the name of another ref.
            objects: files that the ref leads to; they are on the disk before it moves, if it is durable at all.

        Raises:
            JournalError: it cannot be written.
        """
        try:
            new = self._new_file("ref", f"{content}\n")
            try:
                if self._durable:
                    sync_files([new, *objects])
                self._move(new)
            except BaseException:
                new.unlink(missing_ok=True)
                raise
            if self._durable:
                sync_folder(self._value.parent)
        except OSError as error:
            raise JournalError(f"the ref {self._ref} cannot be written: {self._reason(error)}") from error

    def release(self) -> None:
        """Give the lock back, if it is not somebody else's by now.

        Raises:
            JournalError: the file cannot be removed.
        """
        try:
            if self._is_held():
                self.path.unlink(missing_ok=True)
        except OSError as error:
            raise JournalError(f"the lock of {self._ref} cannot be released: {error}") from error

    def refuse_lost(self, *, is_unmoved: bool) -> None:
        """Make sure that nobody else has had the lock since it was taken, as after the advice of `JournalBusy`.

        Raises:
            JournalError: somebody has, or the ref has moved.
        """
        if not (is_unmoved and self._is_held()):
            raise JournalError(
                f"{self._ref} was not changed: {self.path}, its lock, was deleted while this process held it\n"
                "What others have recorded meanwhile stays. Try again."
            )

    def _is_held(self) -> bool:
        """Whether the lock is still this process's. Some file systems have no inodes, and others use them again."""
        with contextlib.suppress(OSError):
            return self.path.read_text("utf-8", "surrogateescape") == owner_text(os.getpid())
        return False

    def _try(self) -> bool:
        """Take the lock if it is free."""
        try:
            return self._create_in_folder()
        except OSError as error:
            raise JournalError(f"the ref {self._ref} cannot be locked: {self._reason(error)}") from error

    def _reason(self, error: OSError) -> str:
        return str(error) if error.filename is not None else f"{error} (in {self._folder})"

    def _create_in_folder(self) -> bool:
        # `git pack-refs` takes away folders of refs that are empty, so the folder may go again before it is used.
        for attempt in range(_ATTEMPTS):
            try:
                self._create()
                return True
            except FileExistsError:
                return False
            except FileNotFoundError:
                if attempt == _ATTEMPTS - 1:
                    raise
                self.path.parent.mkdir(parents=True, exist_ok=True)
        raise AssertionError("the attempts are counted")

    def _create(self) -> None:
        own = self._new_file("lock", owner_text(os.getpid()))
        try:
            os.link(own, self.path)
            return
        except (FileExistsError, FileNotFoundError):
            raise
        except OSError as error:
            reason = error
        finally:
            own.unlink(missing_ok=True)
        if reason.errno in (errno.ENOSPC, errno.EDQUOT, errno.EROFS):
            raise reason
        # A file system without hard links. Then the lock is nobody's for a moment, until it is written.
        descriptor = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                file.write(owner_text(os.getpid()))
        except BaseException:
            self.path.unlink(missing_ok=True)
            raise

    def _move(self, new: Path) -> None:
        for attempt in range(_ATTEMPTS):
            try:
                new.replace(self._value)
                return
            except FileNotFoundError:
                if attempt == _ATTEMPTS - 1:
                    raise
                self._value.parent.mkdir(parents=True, exist_ok=True)
            except IsADirectoryError:
                # git leaves the empty folders of refs that are gone; one with refs in it cannot be removed.
                self._value.rmdir()

    def _new_file(self, kind: str, text: str) -> Path:
        """A new file in the folder of derived data, which is on the same file system as the refs."""
        path = self._folder / f"{kind}-{mark(owner_text(os.getpid()))}-{secrets.token_hex(8)}"
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
        try:
            try:
                descriptor = os.open(path, flags, 0o666)
            except FileNotFoundError:
                self._folder.mkdir(parents=True, exist_ok=True)
                descriptor = os.open(path, flags, 0o666)
        except (FileExistsError, NotADirectoryError, PermissionError) as error:
            raise JournalError(
                f"the ref {self._ref} cannot be locked: {error}\n"
                f"Make {self._folder} a writable folder; it only holds derived data, so deleting it is safe as well."
            ) from error
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(text.encode("utf-8", "surrogateescape"))
        except BaseException:
            path.unlink(missing_ok=True)
            raise
        return path


def lock_path(repository: Repository, ref: str) -> Path:
    """The file that locks a ref."""
    return repository.common_dir / f"{ref}.lock"


def is_stale(path: Path) -> bool:
    """Whether the lock in this file was left by a process of this machine that is gone."""
    holder = read_holder(path)
    return holder is not None and is_alive(holder) is False


def remove_stale_lock(repository: Repository, ref: str) -> None:
    """Take the lock of a ref away if it was left by a process that is gone: git complains of it at every `git gc`."""
    # It is in nobody's way but git's. If it cannot be removed, whoever locks the ref next says why.
    with contextlib.suppress(OSError):
        _remove_if_stale(lock_path(repository, ref), repository.common_dir / "mitosis")


def sync_files(paths: Iterable[Path | str]) -> None:
    """Have files on the disk. One that is missing is passed by: an object may be in a pack, where it is already.

    All at once, so that the file system writes its journal once: nine files one after the other take four times as
    long.

    Raises:
        OSError: it cannot be done.
    """
    for _ in _synchronizers(os.getpid()).map(_sync_file, paths):
        pass


def _sync_file(path: Path | str) -> None:
    try:
        descriptor = os.open(path, os.O_RDWR if os.name == "nt" else os.O_RDONLY)
    except FileNotFoundError:
        return
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@functools.lru_cache(maxsize=1)
def _synchronizers(pid: int) -> ThreadPoolExecutor:
    """Threads of this process: a fork has none of its parent's."""
    from concurrent.futures import ThreadPoolExecutor

    return ThreadPoolExecutor(_SYNCHRONIZERS, thread_name_prefix="mitosis-sync")


def sync_folder(folder: Path) -> None:
    """Have the names in a folder on the disk.

    Raises:
        OSError: it cannot be done.
    """
    if os.name == "nt":  # folders cannot be opened there
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_ino, status.st_mtime_ns


def _remove_if_stale(path: Path, folder: Path) -> bool:
    """Take a lock away whose process is gone; returns whether it is worth trying to lock again at once."""
    if not is_stale(path):
        return False
    with _alone(folder / "stale-locks") as is_alone:
        # Whoever else found the lock stale may have removed it, and a third may have locked since.
        if not is_alone or not is_stale(path):
            return False
        with contextlib.suppress(OSError):
            remove_leftovers(folder, mark(path.read_text("utf-8", "surrogateescape")))
        path.unlink(missing_ok=True)
    return True


@contextlib.contextmanager
def _alone(path: Path) -> Iterator[bool]:
    """Keep others out while stale locks are removed; gives False where that cannot be done."""
    try:
        import fcntl
    except ImportError:  # Windows
        yield False
        return
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    except OSError:
        yield False
        return
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        except OSError:  # some network file systems
            yield False
            return
        # The folder is derived, so somebody may have deleted it meanwhile, and created the file again.
        held = os.fstat(descriptor)
        yield _identity(path) == (held.st_ino, held.st_mtime_ns)
    finally:
        os.close(descriptor)
