"""The queue of those who wait for the lock of one ref, so that each gets it in its turn.

Whoever finds the lock taken leaves a ticket, a file in `<common git dir>/mitosis/waiting/` that says whose it is, and
tries to take the lock only when no older ticket is there. Without it, whoever happens to look at the right moment gets
the lock, and of many processes one may look at the wrong moments for minutes.

It is only a matter of manners, and the lock alone decides: tickets of processes that are gone are removed, those from
other machines are ignored, and one whose owner does not take its turn, because it was stopped, is passed over.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import os
import secrets
import time
from pathlib import Path

from mitosis.process import is_alive, this_process
from mitosis.records.trial import ProcessRecord

TURN_TIMEOUT_S = 5.0
"""How long the lock is left to whoever waits longest. On a busy machine it takes a while to notice that it is free."""
_FIRST_LINE = "locked by mitosis"
_OWNER_LIMIT_BYTES = 4096
_LEFTOVER_AGE_S = 3600.0


class Place:
    """A place in the queue for one ref. It is given up when the `with` block ends.

    Args:
        folder: that of derived data.
        ref: its full name.
    """

    def __init__(self, folder: Path, ref: str) -> None:
        self._folder = folder / "waiting"
        self._queue = ref.replace("/", "-")
        self._ticket: str | None = None
        self._ahead: tuple[str | None, float] = (None, time.monotonic())
        self.count_ahead = 0
        """How many wait for longer, when that was last looked at."""

    def __enter__(self) -> Place:
        # Who cannot leave a ticket waits all the same; taking the lock will tell what is wrong with the folder.
        with contextlib.suppress(OSError):
            self._folder.mkdir(parents=True, exist_ok=True)
            name = f"{self._queue}.{time.time_ns():020}-{secrets.token_hex(4)}"
            draft = self._folder / f"new-{name}"
            try:
                draft.write_text(owner_text(os.getpid()), encoding="utf-8", errors="surrogateescape")
                draft.replace(self._folder / name)
            except BaseException:
                draft.unlink(missing_ok=True)
                raise
            self._ticket = name
        return self

    def __exit__(self, *exception: object) -> None:
        if self._ticket is not None:
            with contextlib.suppress(OSError):
                (self._folder / self._ticket).unlink(missing_ok=True)

    def is_turn(self) -> bool:
        """Whether nobody who waits for longer is about to take the lock."""
        first = self._first_ahead()
        before, since = self._ahead
        now = time.monotonic()
        if first is None or first != before:
            self._ahead = (first, now)
            return first is None
        return now - since >= TURN_TIMEOUT_S

    def lock_was_taken(self) -> None:
        """Be patient again with whoever is ahead: the lock was not free for it."""
        self._ahead = (self._ahead[0], time.monotonic())

    def _first_ahead(self) -> str | None:
        """The oldest ticket that is older than this one, or of all if this one is none, and whose process runs."""
        tickets = self._tickets()
        self.count_ahead = tickets.index(self._ticket) if self._ticket in tickets else len(tickets)
        for name in tickets[: self.count_ahead]:
            owner = read_holder(self._folder / name)
            alive = None if owner is None else is_alive(owner)
            if alive is False:
                with contextlib.suppress(OSError):
                    (self._folder / name).unlink(missing_ok=True)
            if alive:
                return name
        return None

    def _tickets(self) -> list[str]:
        """All tickets for this ref, the oldest first."""
        try:
            names = os.listdir(self._folder)  # noqa: PTH208 (this is asked often, and only names are wanted)
        except OSError:
            return []
        return sorted(name for name in names if name.startswith(f"{self._queue}."))


@functools.lru_cache(maxsize=1)
def owner_text(pid: int) -> str:
    """What a lock of this process says. The pid is that of this process: a child that was forked gets its own text."""
    process = this_process()
    return f"{_FIRST_LINE}\n{process.host}\n{pid}\n{process.started or ''}\n"


def read_holder(path: Path) -> ProcessRecord | None:
    """Who holds the lock in this file; None if it does not say, or there is none."""
    try:
        with path.open("rb") as file:
            text = file.read(_OWNER_LIMIT_BYTES).decode("utf-8", "surrogateescape")
    except OSError:
        return None
    first, *rest = text.split("\n")
    if first != _FIRST_LINE or len(rest) != 4 or not rest[1].isdecimal():
        return None
    host, pid, started, _ = rest
    return ProcessRecord(host, int(pid), started or None)


def describe_holder(path: Path) -> str:
    """Who holds the lock, and since when, as a clause for people."""
    holder = read_holder(path)
    try:
        age_s: float | None = max(0.0, time.time() - path.stat().st_mtime)
    except OSError:
        age_s = None
    since = "" if age_s is None else f" for {age_s:.0f} s" if age_s < 600 else f" for {age_s / 60:.0f} min"
    if holder is None:
        return f"it has been there{since}, and does not say whose it is" if since else "it does not say whose it is"
    alive = is_alive(holder)
    states = {True: "which is still running", False: "which no longer runs", None: "which cannot be seen from here"}
    return f"held{since} by process {holder.pid} on {holder.host}, {states[alive]}"


def mark(owner: str) -> str:
    """What the names of files have in common that a process makes beside its locks, by its `owner_text`."""
    return hashlib.sha256(owner.encode("utf-8", "surrogateescape")).hexdigest()[:12]


def remove_leftovers(folder: Path, owner: str) -> None:
    """Take away what the process of this mark, which is gone, left beside the lock, and others long ago."""
    for path in folder.iterdir():
        kind, _, rest = path.name.partition("-")
        is_left = rest.startswith(f"{owner}-") or time.time() - path.stat().st_mtime > _LEFTOVER_AGE_S
        if kind in ("lock", "ref") and is_left:
            path.unlink()
