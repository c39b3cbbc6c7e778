"""The objects of git that the journal and the pins need: all there, and as their ids say."""

from __future__ import annotations

import re
import shlex
from collections import Counter
from collections.abc import Callable, Iterable

from mitosis.errors.journal import JournalError
from mitosis.errors.repository import GitError, ObjectMissing, ObjectTooLarge, UnreadableObject
from mitosis.git.repository import Repository
from mitosis.journal import layout
from mitosis.journal.reading import read_record_at
from mitosis.journal.reasons import Taken, describe_file, first_places, read_taken
from mitosis.journal.removing import has_reason, is_sound
from mitosis.journal.sharing import misleading_pins
from mitosis.journal.storage.objects import TREE_LIMIT_BYTES, TREE_MODE
from mitosis.journal.storage.store import Snapshot, Store
from mitosis.journal.storage.walking import Sizes, path_below
from mitosis.verify.findings import REPAIR, Report

MAX_OBJECT_BYTES = 64 * 2**20
"""A larger object is not read: nothing that mitosis writes comes near it."""

_HEADER = re.compile(rb"tree ([0-9a-f]{40})\n((?:parent [0-9a-f]{40}\n)*)")
_COMMIT_MODE = b"160000"
_TELL_EVERY = 5000
_ALL_PINS = f"{layout.PIN_PREFIX}*:{layout.PIN_PREFIX}*"
_MISSING = re.compile(r"^\?([0-9a-f]{40})$", re.MULTILINE)


class HistoryReader:
    """Reads every object of a history, and checks that it is what its id says.

    git's own check reads everything in the repository, or nothing but headers; this one reads what mitosis wrote.

    Args:
        repository: where the journal is.
        restore: the command that brings back damaged objects.
        report: takes what is wrong.
        tell: is told how far it is.
    """

    def __init__(self, repository: Repository, restore: str, report: Report, tell: Callable[[str], None]) -> None:
        self._repository = repository
        self._restore = restore
        self._report = report
        self._tell = tell
        self._seen: set[bytes] = set()
        shallow = repository.common_dir / "shallow"
        self._boundary = set(shallow.read_text("ascii").split()) if repository.is_shallow() else set()
        self._is_partial = repository.is_partial()
        self._promised = 0
        self._sizes = Sizes(self._read_folder)

    def read(self, tip: str) -> bool:
        """Read the history of a commit, newest first; tells whether git can look at all its files."""
        endless: bytes | None = None
        commits = [bytes.fromhex(tip)]
        count = 0
        while commits:
            raw = commits.pop()
            if raw in self._seen:
                continue
            self._seen.add(raw)
            count += 1
            data = self._object(raw, "commit", layout.JOURNAL_REF)
            header = None if data is None else _HEADER.match(data)
            if data is not None and header is None:
                self._damaged(raw.hex(), layout.JOURNAL_REF, "it is not a commit as git writes them")
            if header is None:
                continue
            if count % _TELL_EVERY == 0:
                self._tell(f"reading the history: {count:,} commits")
            if self._sizes.is_endless(bytes.fromhex(header[1].decode())):
                endless = raw
            if raw.hex() not in self._boundary:
                commits += [bytes.fromhex(line[7:].decode()) for line in header[2].splitlines()]
        if endless is not None:
            # One of the oldest: whatever is appended afterwards has those files as well.
            what = f"commit {endless.hex()} has more files than anybody can have recorded"
            self._report.error("history", layout.JOURNAL_REF, what, f"git cat-file -p {endless.hex()}")
        self._report.counts |= {"commits": count, "objects": len(self._seen)}
        if self._boundary:
            self._report.info("history", layout.JOURNAL_REF, "the clone is shallow; its history ends early")
        if self._promised:
            what = (
                f"{self._promised} objects of it are not in this partial clone; git fetches them when they are needed"
            )
            self._report.info("history", layout.JOURNAL_REF, what)
        return endless is None

    def _read_folder(self, raw: bytes, path: str) -> list[tuple[bytes, bytes, bytes]] | None:
        self._seen.add(raw)
        try:
            entries = self._repository.read_entries(raw.hex(), TREE_LIMIT_BYTES)
        except UnreadableObject as error:
            self._unreadable(error, path or "the tree of a commit")
            return None if isinstance(error, ObjectTooLarge) else []
        for name, mode, below in entries:
            if below not in self._seen and mode not in (TREE_MODE, _COMMIT_MODE):
                self._seen.add(below)
                self._object(below, "blob", path_below(path, name))
        return entries

    def _object(self, raw: bytes, kind: str, where: str) -> bytes | None:
        oid = raw.hex()
        try:
            found = self._repository.read_object(oid, MAX_OBJECT_BYTES)
        except UnreadableObject as error:
            self._unreadable(error, where)
            return None
        if found.kind != kind:
            self._damaged(oid, where, f"it is a {found.kind}, but should be a {kind}")
            return None
        return found.data

    def _unreadable(self, error: UnreadableObject, where: str) -> None:
        if isinstance(error, ObjectMissing) and self._is_partial:
            self._promised += 1
        elif isinstance(error, ObjectTooLarge):
            # Where the present tree has it, it is an error; that it once was there does no harm.
            self._report.info("object", error.oid, f"{error.reason} ({where})", f"git cat-file -s {error.oid}")
        else:
            self._damaged(error.oid, where, error.reason)

    def _damaged(self, oid: str, where: str, reason: str) -> None:
        self._report.error("object", oid, f"{reason} ({where})", restoring(self._repository, oid, self._restore))


def check_reasons(store: Store, snapshot: Snapshot, report: Report) -> None:
    """Check that each commit of the journal adds to it, or says what it takes away or changes.

    Args:
        store: of the journal.
        snapshot: its present state.
        report: takes what is wrong.
    """
    try:
        found = find_unexplained(store, snapshot)
        lost = find_lost(store, snapshot, found)
    except (GitError, JournalError) as error:
        report.error("history", layout.JOURNAL_REF, str(error).partition("\n")[0], "git fsck")
        return
    for taken, since in found:
        said = taken.commit
        done = "taken away" if taken.after is None else "changed"
        file = describe_file(store, taken.path, taken.before)
        what = f"{file} was {done} without a reason by {said.author}, {said.date[:10]}{since and f', {since}'}"
        tell = report.info if since else report.error
        tell("history", taken.path, what, f"git show -m --stat {said.oid[:12]}")
    places = (layout.parse_record_path(path) for path in lost)
    report.advise({*lost, *(f"trial {place[2]}" for place in places if place is not None)}, REPAIR)


def find_unexplained(store: Store, snapshot: Snapshot) -> list[tuple[Taken, str]]:
    """What the journal's history has taken away or changed without a reason, newest first.

    With each is a clause on what has become of it since: it is empty where nobody has put it right.

    Raises:
        JournalError: there is too much in it to be anybody's records, or something cannot be read.
        GitError: git cannot read the history.
    """
    explained: set[str] = set()
    suspects: list[tuple[Taken, bool]] = []
    merges: Counter[tuple[str, str]] = Counter()
    for taken in read_taken(store, snapshot.commit):
        key = _key(taken.path)
        if has_reason(store, taken):
            if taken.is_explained:
                # Whoever settles a trial decides on all of its records.
                explained |= {taken.path, key} if taken.path.startswith(f"{layout.DISPUTED}/") else {taken.path}
        elif taken.after is None or not _is_end(store, taken, taken.after):
            suspects.append((taken, not explained.isdisjoint((taken.path, key))))
            merges[taken.commit.oid, taken.path] += 1
    gone = {_key(taken.path) for taken, _ in suspects if taken.after is None} - {""}
    firsts = first_places(store, snapshot.commit, gone) if gone else {}
    found = []
    for taken, is_decided in suspects:
        said = taken.commit
        if taken.after is None and firsts.get(_key(taken.path), taken.path) != taken.path:
            continue  # there was another record of the trial before
        if len(said.parents) > 1:
            # Of a merge, what one side has otherwise than the other is none of its own doing.
            is_new = merges[said.oid, taken.path] == len(said.parents)
            is_explained = taken.path in explained or _is_disputed(store, taken)
            if is_explained if taken.after is None else not is_new:
                continue
        entry = store.find(snapshot.tree, taken.path)
        is_back = entry is not None and (entry.oid == taken.before or _is_end(store, taken, entry.oid))
        found.append(
            (taken, "and is as it was again" if is_back else "which was decided on since" if is_decided else "")
        )
    return found


def _key(path: str) -> str:
    """The key of the trial that a record at a path is of; nothing for anything else."""
    place = layout.parse_record_path(path)
    return layout.parse_disputed_path(path) or "" if place is None else place[2]


def find_lost(store: Store, snapshot: Snapshot, unexplained: Iterable[tuple[Taken, str]]) -> dict[str, str]:
    """The ids, by path, of what was taken away or spoiled without a reason and is to be as it was before that."""
    lost: dict[str, str] = {}
    for taken, since in unexplained:
        entry = store.find(snapshot.tree, taken.path)
        oid = None if entry is None or entry.is_tree else entry.oid
        if since or not is_sound(store, taken.path, taken.before):
            continue
        before, present = (read_record_at(store, taken.path, each) for each in (taken.before, oid))
        is_running_again = before is not None and present is not None and before.is_end_of(present)
        if oid is None or is_running_again or is_sound(store, taken.path, oid) is False:
            lost[taken.path] = taken.before
    return lost


def _is_end(store: Store, taken: Taken, after: str) -> bool:
    """Whether a record tells the end of a trial that had none before."""
    if layout.parse_record_path(taken.path) is None:
        return False
    start, end = (read_record_at(store, taken.path, oid) for oid in (taken.before, after))
    if start is None or end is None:
        return start is None or (start.ended is None and is_sound(store, taken.path, after) is None)
    return end.is_end_of(start)


def _is_disputed(store: Store, taken: Taken) -> bool:
    """Whether a record that is gone is kept beside that of the same trial at another path."""
    place = layout.parse_record_path(taken.path)
    if place is None or taken.after is not None:
        return False
    tree = store.read_commit_tree(taken.commit.oid, "the journal")
    return store.find(tree, layout.disputed_path(place[2], taken.before)) is not None


def restoring(repository: Repository, oid: str, restore: str) -> str:
    """The command that brings back a damaged object: what is left of it has to go first."""
    loose = repository.common_dir / "objects" / oid[:2] / oid[2:]
    return f"rm -f {shlex.quote(str(loose))} && {restore}" if loose.is_file() else restore


# --- pins -----------------------------------------------------------------------------------------


def check_pins(store: Store, commits: Iterable[str], remote: str, report: Report) -> None:
    """Check that the commit of each trial is pinned, and there with all its files.

    A shallow clone fetches no pins, so it need not have the commits of others' trials.

    Args:
        store: of the journal.
        commits: full ids of the trials' commits.
        remote: which remote to name in commands.
        report: takes what is wrong.
    """
    repository, misleading = store.repository, misleading_pins(store, remote)
    lines = repository.git("for-each-ref", "--format=%(objectname) %(refname)", layout.PIN_PREFIX).splitlines()
    pins = {name.removeprefix(layout.PIN_PREFIX): oid for oid, _, name in (line.partition(" ") for line in lines)}
    used = set(commits)
    unpinned = used.difference(pins)
    is_shallow = repository.is_shallow()
    wanted = {commit for commit in pins if layout.COMMIT_PATTERN.fullmatch(commit)} | (set() if is_shallow else used)
    kinds = _kinds(repository, sorted(wanted))
    for commit, target in pins.items():
        if commit != target:
            name = shlex.quote(layout.PIN_PREFIX + commit)
            remedy = f"{name} {commit}" if kinds.get(commit) == "commit" else f"-d {name}"
            report.error("pin", layout.PIN_PREFIX + commit, f"it points to {target}", f"git update-ref {remedy}")
    for commit in sorted(wanted):
        kind = kinds.get(commit)
        if kind != "commit":
            who = "a commit that trials ran on" if commit in used else "a pinned commit"
            what = f"{who} is {'missing' if kind is None else f'a {kind}'}"
            remedy, hint = f"mitosis pull {shlex.quote(remote)}", "First, who has it has to push it: `mitosis push`."
            if kind is not None:  # whoever has it has the same
                recorded = f"git log --grep '^Commit: {commit}' {layout.JOURNAL_REF}"
                remedy, hint = f"git update-ref -d {layout.PIN_PREFIX}{commit}" if commit in pins else recorded, ""
            elif commit in misleading:
                command = layout.push_pin_command(remote, commit)
                hint = (
                    f"{remote} has a pin of it that points to something else; who has the commit mends it: `{command}`."
                )
            report.error("commit", commit, what, remedy, hint)
        elif commit not in pins:
            report.warning("pin", commit, "a commit that trials ran on is not pinned", REPAIR)
    if is_shallow and unpinned:
        # One that is not there first, since the command fetches it.
        first = min(unpinned, key=lambda commit: (repository.has_object(commit), commit))
        counted = (
            "1 commit that trials ran on is"
            if len(unpinned) == 1
            else f"{len(unpinned)} commits that trials ran on are"
        )
        what = f"{counted} not pinned: this clone is shallow, and fetches commits of others one by one"
        pin = layout.PIN_PREFIX + first
        report.info("commit", first, what, f"git fetch --depth 1 {shlex.quote(remote)} {pin}:{pin}")
    report.counts["pins"] = len(pins)
    _check_complete(repository, sorted(commit for commit in wanted if kinds.get(commit) == "commit"), remote, report)


def _kinds(repository: Repository, oids: list[str]) -> dict[str, str]:
    """What kind of object each id is of; those that are missing are left out."""
    if not oids:
        return {}
    output = repository.git("cat-file", "--batch-check", stdin="".join(f"{oid}\n" for oid in oids).encode())
    words = (line.split() for line in output.splitlines())
    return {found[0]: found[1] for found in words if len(found) == 3}


def _check_complete(repository: Repository, commits: list[str], remote: str, report: Report) -> None:
    """Check that the trees and files of commits are there, without reading the files."""
    if not commits:
        return
    try:
        output = repository.git(
            "rev-list", "--objects", "--no-walk", "--missing=print", "--stdin",
            stdin="".join(f"{commit}\n" for commit in commits).encode(),
        )  # fmt: skip
    except GitError as error:
        reason = error.output.splitlines()[-1] if error.output else str(error.status)
        what = f"a commit that trials ran on is damaged: {reason}"
        report.error("commit", layout.PIN_PREFIX, what, "git fsck")
        return
    missing = dict.fromkeys(_MISSING.findall(output))
    if missing and repository.is_partial():
        what = f"{len(missing)} of their files are not in this partial clone; git fetches them when they are needed"
        report.info("pin", layout.PIN_PREFIX, what)
        return
    for oid in missing:
        what = "it is missing, and needed by a commit that trials ran on"
        report.error("object", oid, what, f"git fetch --refetch {shlex.quote(remote)} {shlex.quote(_ALL_PINS)}")
