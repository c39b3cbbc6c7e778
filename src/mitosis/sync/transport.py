"""The git program, fetching and pushing the refs of mitosis and nothing else."""

from __future__ import annotations

import random
import re
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from mitosis.errors import FetchFailed, GitError
from mitosis.git import Repository, Streamed, stream_git
from mitosis.journal import layout
from mitosis.sync.remotes import Remote

Tell = Callable[[bytes], None]
"""Is given what git says to people, as it says it."""

_FETCH = (
    # --no-prune, since a configured pruning would delete pins that the remote does not have; an empty --refmap, since
    # otherwise the user's own refs for this remote would move too.
    "fetch", "--quiet", "--no-tags", "--no-prune", "--no-write-fetch-head", "--recurse-submodules=no",
    "--no-auto-maintenance", "--refmap=",
)  # fmt: skip
# Somebody else may fetch into the same clone at the same moment: their lock is waited for, in milliseconds.
_FETCH_SETTINGS = ("-c", "core.filesRefLockTimeout=5000")
_PUSH = ("push", "--quiet", "--porcelain", "--no-follow-tags", "--recurse-submodules=no")
# Advice is about branches. A remote that is a mirror would be sent every ref.
_PUSH_SETTINGS: tuple[str, ...] = ("-c", "advice.pushUpdateRejected=false")
_PINS = f"{layout.PIN_PREFIX}*:{layout.PIN_PREFIX}*"
_RACES = re.compile(
    r"fetch first|non-fast-forward|stale info|failed to update ref|cannot lock ref|incorrect old value|failed to lock"
    r"|already exists|reference already exists|atomic",
    re.IGNORECASE,
)
_PROGRESS = re.compile(
    rb"(remote: )?((Enumerating|Counting|Compressing|Writing|Receiving|Unpacking) objects|Resolving deltas"
    rb"|Delta compression|Total \d+ )"
)
_PATIENCE_S = 1.0
_NO_ATOMIC = "does not support --atomic"
_LOCAL_RACE = re.compile(r"cannot lock ref '[^']*': (is at \w+ but expected|reference already exists)")
_FETCH_ATTEMPTS = 20
_FETCH_PAUSE_S = 0.1
_HELD_BACK_IN_FETCH = (b"error: cannot lock ref", b" ! ")
_HELD_BACK = (b"error: failed to push some refs", b"remote: error: cannot lock ref", b"remote: error: failed to")
"""What is of no interest when it is tried again."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """How one push ended."""

    done: bool
    rejected: dict[str, str]
    """Why, by the name of the ref at the remote."""
    reason: str
    """What git said, where it did not come to the refs."""
    lacks_atomic: bool = False
    """Whether the remote cannot take several refs all or none."""

    @property
    def is_race(self) -> bool:
        """Whether somebody else pushed at the same time, so that it may be tried again."""
        return bool(self.rejected) and all(_RACES.search(reason) for reason in self.rejected.values())


class Transport:
    """Fetches and pushes.

    Args:
        repository: the one at hand.
        tell: is given what git says to people.
        show_progress: whether git shows how far it is.
        unattended: whether nobody is there to answer questions.
        deadline: the time of `time.monotonic` at which all has to be done; None to wait as long as git does.
    """

    def __init__(
        self,
        repository: Repository,
        tell: Tell,
        *,
        show_progress: bool = False,
        unattended: bool = False,
        deadline: float | None = None,
    ) -> None:
        self._repository = repository
        self._tell = tell
        self._progress = ("--progress",) if show_progress else ()
        self._unattended = unattended
        self._deadline = deadline
        self._atomic = True

    def fetch(self, remote: Remote, place: str) -> None:
        """Fetch the remote's journal and notes to refs of its own, and its pins to those of this repository.

        A shallow clone does not fetch pins, since each would bring all of its history. In a partial clone journal and
        notes come complete, since they are read without a network, and pins as the clone has everything else.

        Args:
            remote: whose refs they become.
            place: where to fetch from.

        Raises:
            FetchFailed: git says why.
        """
        journal = f"+{layout.JOURNAL_REF}*:{layout.remote_journal_ref(remote.ref_name)}*"
        notes = f"+{layout.NOTES_REF}*:{layout.remote_notes_ref(remote.ref_name)}*"
        pins = () if self._is_shallow() else (_PINS,)
        if not self._is_partial():
            self._fetch(remote, place, journal, notes, *pins)
            return
        self._fetch(remote, "--no-filter", place, journal, notes)
        if self._lacks_blobs(layout.remote_journal_ref(remote.ref_name)):
            # A plain fetch had brought the commits already, so git took them for complete.
            self._fetch(remote, "--no-filter", "--refetch", place, journal, notes)
        if pins:
            self._fetch(remote, place, *pins)

    def push(self, remote: Remote, refs: dict[str, str], pins: Sequence[str] | None) -> Attempt:
        """Push, all or nothing where the remote can do that.

        Args:
            remote: where to.
            refs: the commit that each ref is to point to.
            pins: the commits whose pins go with them; None for all.

        Returns:
            How it ended, also where the remote refused.
        """
        pin_specs = [_PINS] if pins is None else [f"{layout.pin_ref(pin)}:{layout.pin_ref(pin)}" for pin in pins]
        ref_specs = [f"{commit}:{name}" for name, commit in refs.items()]
        if pins is None and not self._has_pins():
            pin_specs = []
        if self._atomic:
            attempt = self._push(remote, "--atomic", remote.push_to, *pin_specs, *ref_specs)
            if not attempt.lacks_atomic:
                return attempt
            self._atomic = False
        # The journal last: it must not name commits that are not there.
        for specs in (pin_specs, ref_specs):
            attempt = self._push(remote, remote.push_to, *specs) if specs else Attempt(True, {}, "")
            if not attempt.done:
                break
        return attempt

    def _fetch(self, remote: Remote, *words: str) -> None:
        for attempt in range(1, _FETCH_ATTEMPTS + 1):
            held = _HeldBack(self._tell, _HELD_BACK_IN_FETCH)
            done = self._run(held, *_FETCH_SETTINGS, *_FETCH, *self._progress, *words)
            if done.status == 0:
                return
            if attempt == _FETCH_ATTEMPTS or not _LOCAL_RACE.search(done.messages):
                held.release()
                raise FetchFailed(remote.name, _reason(done.messages))
            # Another process has fetched into the same refs meanwhile; random, so that they do not meet again.
            time.sleep(random.uniform(0, _FETCH_PAUSE_S) * attempt)

    def _push(self, remote: Remote, *words: str) -> Attempt:
        held = _HeldBack(self._tell, _HELD_BACK)
        settings = _PUSH_SETTINGS
        if remote.push_to == remote.name:
            settings = (*settings, "-c", f"remote.{remote.name}.mirror=false")
        done = self._run(held, *settings, *_PUSH, *self._progress, *words)
        lines = [line.split("\t") for line in done.output.splitlines() if line.startswith("!\t")]
        rejected = {specs.rpartition(":")[2]: reason for _, specs, reason in (line for line in lines if len(line) == 3)}
        attempt = Attempt(
            done.status == 0, rejected, "" if rejected else _reason(done.messages), _NO_ATOMIC in done.messages
        )
        if not attempt.done and not attempt.is_race and not attempt.lacks_atomic:
            held.release()
        return attempt

    def _run(self, tell: Tell, *words: str) -> Streamed:
        timeout_s = None if self._deadline is None else max(self._deadline - time.monotonic(), 0.1)
        patient = _Patient(tell)
        try:
            done = stream_git(
                *words, cwd=self._repository.root, tell=patient, unattended=self._unattended, timeout_s=timeout_s
            )
        except GitError as error:
            done = Streamed(error.status or 1, "", error.output)
        patient.end(with_progress=done.status != 0)
        return done

    def _is_shallow(self) -> bool:
        return self._repository.git("rev-parse", "--is-shallow-repository").strip() == "true"

    def _is_partial(self) -> bool:
        try:
            return bool(self._repository.git("config", "--get-regexp", r"^remote\..*\.promisor$"))
        except GitError as error:
            if error.status != 1:  # 1: there is none
                raise
            return False

    def _lacks_blobs(self, ref: str) -> bool:
        try:
            self._repository.git("rev-parse", "--verify", "--quiet", ref)
        except GitError:
            return False
        listed = self._repository.git("rev-list", "--objects", "--no-walk", "--missing=print", ref)
        return any(line.startswith("?") for line in listed.splitlines())

    def _has_pins(self) -> bool:
        return bool(self._repository.git("for-each-ref", "--count=1", layout.PIN_PREFIX))


class _Patient:
    """Hands on what git says once it takes a while; how far it came in a moment is of no interest."""

    def __init__(self, tell: Tell) -> None:
        self._tell = tell
        self._began = time.monotonic()
        self._kept = b""

    def __call__(self, data: bytes) -> None:
        self._kept += data
        if time.monotonic() - self._began > _PATIENCE_S:
            self._tell(self._kept)
            self._kept = b""

    def end(self, *, with_progress: bool) -> None:
        """Hand on what is left."""
        kept = self._kept if with_progress else b"".join(_without_progress(self._kept))
        self._kept = b""
        if kept:
            self._tell(kept)


def _without_progress(data: bytes) -> Iterator[bytes]:
    for line in data.splitlines(keepends=True):
        if not line.endswith(b"\r") and not _PROGRESS.match(line):
            yield line


class _HeldBack:
    """Hands on what git says, but for lines that are wanted only if it is not tried again.

    Args:
        tell: is given the rest.
        starts: what those lines begin with.
    """

    def __init__(self, tell: Tell, starts: Sequence[bytes]) -> None:
        self._tell = tell
        self._starts = starts
        self._line = b""
        self._shown = 0
        self._held: list[bytes] = []

    def __call__(self, data: bytes) -> None:
        for part in re.findall(rb"[^\r\n]*[\r\n]|[^\r\n]+", data):
            self._line += part
            if any(self._line.startswith(start) for start in self._starts):
                if self._line.endswith((b"\n", b"\r")):
                    self._held.append(self._line)
                    self._line, self._shown = b"", 0
                continue
            if self._line.endswith((b"\n", b"\r")) or not any(start.startswith(self._line) for start in self._starts):
                self._tell(self._line[self._shown :])
                self._shown = len(self._line)
            if self._line.endswith((b"\n", b"\r")):
                self._line, self._shown = b"", 0

    def release(self) -> None:
        """Hand on what was held back."""
        for line in self._held:
            self._tell(line)
        self._held.clear()


def _reason(messages: str) -> str:
    """The line that says best why git failed: the first complaint, or else the last line."""
    lines = [line.rsplit("\r", 1)[-1].strip() for line in messages.rstrip().splitlines()]
    lines = [line for line in lines if line and not line.encode().startswith(_HELD_BACK)]
    complaints = [line for line in lines if line.startswith(("fatal:", "error:", "ssh:"))]
    return (complaints[:1] or lines[-1:] or ["git did not say why"])[0]
