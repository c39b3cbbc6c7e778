"""Fetching and pushing the refs of mitosis with the git program, and what it says that people want to hear."""

from __future__ import annotations

import random
import re
import time
from collections.abc import Callable, Sequence, Set
from dataclasses import dataclass

from mitosis.confidential import without_password
from mitosis.errors.journal import FetchFailed
from mitosis.errors.repository import GitError
from mitosis.git.program import Streamed, stream_git
from mitosis.git.repository import Repository
from mitosis.journal import layout
from mitosis.sync.remotes import Remote

_FETCH = (
    # --prune, so that the refs that stand for the remote's are gone when its own are; nothing else is named in what is
    # fetched. An empty --refmap, since otherwise the user's own refs for this remote would move too.
    "fetch", "--quiet", "--no-tags", "--prune", "--no-write-fetch-head", "--recurse-submodules=no",
    "--no-auto-maintenance", "--refmap=",
)  # fmt: skip
# Somebody else may fetch into the same clone at the same moment: their lock is waited for, in milliseconds.
# What is fetched stays in a pack, which git has on the disk before it moves a ref; loose objects it would not.
_FETCH_SETTINGS = ("-c", "core.filesRefLockTimeout=5000", "-c", "fetch.unpackLimit=1")
_PUSH = ("push", "--quiet", "--porcelain", "--no-follow-tags", "--recurse-submodules=no")
# Advice is about branches. A remote that is a mirror would be sent every ref.
_PUSH_SETTINGS: tuple[str, ...] = ("-c", "advice.pushUpdateRejected=false")
_PINS = f"{layout.PIN_PREFIX}*:{layout.PIN_PREFIX}*"
_RACES = re.compile(
    r"fetch first|non-fast-forward|stale info|failed to update ref|cannot lock ref|incorrect old value|failed to lock"
    r"|already exists|atomic",
    re.IGNORECASE,
)
_SHALLOW = "shallow update not allowed"
_POINTS_ELSEWHERE = re.compile(r"non-fast-forward|fetch first|needs force|already exists")
"""What git says of a ref before it sends anything. A pin is named by what it points to, so that is no race."""
_NO_ATOMIC = "does not support --atomic"
_LOCAL_RACE = re.compile(r"cannot lock ref '[^']*': (is at \w+ but expected|reference already exists)")
_PORCELAIN = ("To ", "Done", " \t", "+\t", "-\t", "*\t", "!\t", "=\t")
"""What `git push --porcelain` itself writes to standard output, see git-push(1)."""
_FETCH_ATTEMPTS = 20
_FETCH_PAUSE_S = 0.1

Tell = Callable[[bytes], None]
"""Is given what git says to people, as it says it."""

PATIENCE_S = 1.0
"""For this long, how far git has come is not shown."""
HELD_BACK = (
    b"error: failed to push some refs",
    b"error: atomic push failed",
    b"error: cannot lock ref",
    b"remote: error: cannot lock ref",
    b"remote: error: failed to",
)
"""What is said from one of these on is not shown when it is tried again."""
_STAGES = (
    b"Enumerating objects",
    b"Counting objects",
    b"Compressing objects",
    b"Writing objects",
    b"Receiving objects",
    b"Unpacking objects",
    b"Resolving deltas",
    b"Delta compression",
    b"Total ",
)
_PROGRESS = (*_STAGES, *(b"remote: " + stage for stage in _STAGES))
_NOT_AT_ONCE = (*HELD_BACK, *_PROGRESS)


class Listener:
    """Hands on at once what one run of git says, but for its progress at first and what may turn out to be a race.

    Args:
        tell: what to hand it on to.
    """

    def __init__(self, tell: Tell) -> None:
        self._tell = tell
        self._moving_since: float | None = None
        """When it first said how far it had come: to connect may have taken long enough."""
        self._line = b""
        self._told = 0
        """How much of the line was handed on."""
        self._is_holding = False
        self._held = b""

    def __call__(self, data: bytes) -> None:
        for part in re.findall(rb"[^\r\n]*[\r\n]|[^\r\n]+", data):
            self._line += part
            is_whole = self._line.endswith((b"\n", b"\r"))
            self._take(is_whole)
            if is_whole:
                self._line, self._told = b"", 0

    def _take(self, is_whole: bool) -> None:
        if self._is_holding or self._line.startswith(HELD_BACK):
            self._is_holding = True
            self._held += self._line[self._told :]
        elif self._line.startswith(_PROGRESS) and self._is_young():
            return
        elif is_whole or not any(start.startswith(self._line) for start in _NOT_AT_ONCE):
            self._tell(self._line[self._told :])
        else:
            return
        self._told = len(self._line)

    def _is_young(self) -> bool:
        now = time.monotonic()
        if self._moving_since is None:
            self._moving_since = now
        return now - self._moving_since < PATIENCE_S

    def release(self) -> None:
        """Hand on what was held back, and the beginning of a line that git did not end."""
        rest = self._held or self._line[self._told :]
        self._held, self._line, self._told = b"", b"", 0
        if rest:
            self._tell(rest)


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

    def refuses_only(self, ref: str) -> bool:
        """Whether nothing but this ref was refused for itself, and that not in a race."""
        return not self.is_race and self._refused() == [ref]

    @property
    def refuses_pins(self) -> bool:
        """Whether commits of experiments are all that was refused: for their refs, or for history that is not here."""
        refused = self._refused()
        return bool(refused) and all(name.startswith(layout.PIN_PREFIX) for name in refused)

    @property
    def shallow_pins(self) -> list[str]:
        """The commits that alone were refused, since their history is cut off here and not known there."""
        is_cut_off = self.refuses_pins and all(_SHALLOW in self.rejected[name] for name in self._refused())
        return [name.removeprefix(layout.PIN_PREFIX) for name in self._refused()] if is_cut_off else []

    @property
    def misleading_pins(self) -> list[str]:
        """The commits of which a pin is there already that points to something else."""
        pins = [name for name in self._refused() if name.startswith(layout.PIN_PREFIX)]
        found = [name for name in pins if self.rejected[name].startswith("[rejected]")]
        return [name.removeprefix(layout.PIN_PREFIX) for name in found if _POINTS_ELSEWHERE.search(self.rejected[name])]

    def why(self, ref: str | None = None) -> str:
        """What git said of the ref, or of the first one that was refused for itself."""
        name = ref if ref in self.rejected else next(iter(self._refused()), None)
        if name is not None:
            return f"{name} {self.rejected[name]}"
        return self.reason or next(iter(self.rejected.values()), "git did not say why")

    def _refused(self) -> list[str]:
        """The refs that were refused for themselves, and not since another one was."""
        return [name for name, reason in self.rejected.items() if "atomic" not in reason]


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
        self.is_unattended = unattended
        self._deadline = deadline
        self._atomic = True
        self._listener = Listener(tell)

    def fetch(self, remote: Remote, place: str) -> None:
        """Fetch the remote's journal, notes and pins to refs that stand for the remote's.

        They become exactly what the remote has. A shallow clone does not fetch pins, since each would bring all of its
        history. In a partial clone journal and notes come complete, since they are read without a network, and pins as
        the clone has everything else.

        Args:
            remote: whose refs they become.
            place: where to fetch from.

        Raises:
            FetchFailed: git says why.
        """
        with_pins = not self._repository.is_shallow()
        journal, *pins, notes = layout.fetch_refspecs(remote.ref_name, with_pins=with_pins)
        if not self._repository.is_partial():
            self._fetch(remote, place, journal, notes, *pins)
            return
        self._fetch(remote, "--no-filter", place, journal, notes)
        if lacks_blobs(self._repository, layout.remote_journal_ref(remote.ref_name)):
            # A plain fetch had brought the commits already, so git took them for complete.
            self._fetch(remote, "--no-filter", "--refetch", place, journal, notes)
        if pins:
            self._fetch(remote, place, *pins)

    def push(self, remote: Remote, refs: dict[str, str], pins: Sequence[str] | None, cut_off: Set[str]) -> Attempt:
        """Push, all or nothing where the remote can do that.

        Args:
            remote: where to.
            refs: the commit that each ref is to point to.
            pins: the commits whose pins go with them; None for all.
            cut_off: those whose pins stay here all the same.

        Returns:
            How it ended, also where the remote refused. `tell_rest` hands on what git said last about it.
        """
        if pins is None:
            pin_specs = [_PINS, *(f"^{layout.pin_ref(pin)}" for pin in cut_off)]
        else:
            pin_specs = [f"{layout.pin_ref(pin)}:{layout.pin_ref(pin)}" for pin in pins if pin not in cut_off]
        ref_specs = [f"{commit}:{name}" for name, commit in refs.items()]
        if pins is None and not self._repository.git("for-each-ref", "--count=1", layout.PIN_PREFIX):
            pin_specs = []
        if self._atomic:
            attempt = self._push(remote, [*pin_specs, *ref_specs], "--atomic")
            if not attempt.lacks_atomic:
                return attempt
            self._atomic = False
        # The journal last: it must not name commits that are not there.
        for specs in (pin_specs, ref_specs):
            attempt = self._push(remote, specs) if specs else Attempt(True, {}, "")
            if not attempt.done:
                break
        return attempt

    def tell_rest(self) -> None:
        """Hand on what was kept back of the last attempt, since it is not tried again."""
        self._listener.release()

    def _fetch(self, remote: Remote, *words: str) -> None:
        for attempt in range(1, _FETCH_ATTEMPTS + 1):
            listener = self._listener = Listener(self._tell)
            done = self._run(listener, *_FETCH_SETTINGS, *_FETCH, *self._progress, *words)
            if done.status == 0:
                return
            if attempt == _FETCH_ATTEMPTS or not _LOCAL_RACE.search(done.messages):
                listener.release()
                raise FetchFailed(remote.name, _reason(done.messages))
            # Another process has fetched into the same refs meanwhile; random, so that they do not meet again.
            time.sleep(random.uniform(0, _FETCH_PAUSE_S) * attempt)

    def _push(self, remote: Remote, specs: Sequence[str], *options: str) -> Attempt:
        listener = self._listener = Listener(self._tell)
        settings = _PUSH_SETTINGS
        if remote.place == remote.ref_name:
            settings = (*settings, "-c", f"remote.{remote.place}.mirror=false")
        done = self._run(listener, *settings, *_PUSH, *self._progress, *options, remote.place, *specs)
        lines = done.output.splitlines()
        for line in lines:
            if not line.startswith(_PORCELAIN):  # a hook has printed it
                self._tell(f"{line}\n".encode(errors="surrogateescape"))
        refused = [line.split("\t") for line in lines if line.startswith("!\t")]
        rejected = {line[1].rpartition(":")[2]: line[2] for line in refused if len(line) == 3}
        reason = "" if rejected else _reason(done.messages)
        return Attempt(done.status == 0, rejected, reason, _NO_ATOMIC in done.messages)

    def _run(self, tell: Tell, *words: str) -> Streamed:
        timeout_s = None if self._deadline is None else max(self._deadline - time.monotonic(), 0.1)
        try:
            return stream_git(
                *words,
                cwd=self._repository.root,
                tell=tell,
                unattended=self.is_unattended,
                timeout_s=timeout_s,
            )
        except GitError as error:
            return Streamed(error.status or 1, "", error.output)


def lacks_blobs(repository: Repository, ref: str) -> bool:
    """Whether files of the tree that a ref points to are not in the repository."""
    try:
        repository.git("rev-parse", "--verify", "--quiet", ref)
    except GitError:
        return False
    listed = repository.git("rev-list", "--objects", "--no-walk", "--missing=print", ref)
    return any(line.startswith("?") for line in listed.splitlines())


def _reason(messages: str) -> str:
    """The line that says best why git failed: the first complaint, or else the last line."""
    lines = [line.rsplit("\r", 1)[-1].strip() for line in messages.rstrip().splitlines()]
    lines = [line for line in lines if line and not line.encode().startswith(HELD_BACK)]
    complaints = [line for line in lines if line.startswith(("fatal:", "error:", "ssh:"))]
    return without_password((complaints[:1] or lines[-1:] or ["git did not say why"])[0])
