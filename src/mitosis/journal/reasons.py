"""Histories of the journal: what their commits take away or change of what was there before, and whether they say so.

A journal grows: an ordinary commit adds. One that takes away a trial, a meaning of a variant or a remark on one says so
in its trailers (`Forgotten`, `Dropped`, `Released`, `Unretired`, `Settled`; of remarks also `Locked`), and so does one
that puts a record which was in dispute in a trial's place (`Chosen`). What is gone without one of these was not taken
away by mitosis, unless it was of no use: see `journal.removing`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from mitosis.errors.repository import GitError
from mitosis.git.repository import Repository
from mitosis.journal import layout
from mitosis.journal.annotations import describe_annotation
from mitosis.journal.git_log import GONE, Commit, read_log
from mitosis.journal.storage.objects import ReadOnlyStore
from mitosis.text import one_line
from mitosis.variants import VariantName

_OLDEST_FIRST = ("--topo-order", "--reverse", "--no-merges")
_FEW_PATHS = 100
"""git is not asked for more at once."""


def merge_bases(repository: Repository, one: str, *others: str) -> list[str]:
    """The best common ancestors of a commit and a merge of others, sorted; none for unrelated histories.

    Raises:
        GitError: git cannot read the histories.
    """
    try:
        return sorted(repository.git("merge-base", "--all", one, *others).split())
    except GitError as error:
        if error.status == 1 and not error.output:
            return []
        raise


@dataclass(frozen=True, slots=True)
class Taken:
    """A file of the journal that a commit took away, or changed."""

    path: str
    before: str
    """Id of the blob that was there."""
    after: str | None
    """Id of the blob that is there since; None if it is gone."""
    commit: Commit

    @property
    def is_explained(self) -> bool:
        """Whether the commit says that it takes this away."""
        if self.commit.says(*_reasons(self.path, self.before, self.after)):
            return True
        if self.is_removed and self.path.startswith(f"{layout.RENAMED}/"):
            return any(name == "Released" for name, _ in self.commit.trailers)
        variant, wanted = _parse(self.path)[2], _ENDINGS.get(self.path.partition("/")[0], ())
        return variant is not None and self.after is None and self.commit.tells_of(variant[0], wanted)

    @property
    def is_removed(self) -> bool:
        """Whether the commit says that mitosis could not use this."""
        return self.after is None and self.commit.says(("Removed", self.path))


_ENDINGS = {layout.RENAMED: ("Locked", "Released"), layout.SOURCES: ("Released",), layout.RELEASED: ("Locked",)}
"""What ends a remark: the trailers of commits."""


def _reasons(path: str, before: str, after: str | None) -> Iterator[tuple[str, str]]:
    """The trailers by which a commit may say that it takes a file away, or changes it."""
    place, disputed, variant = _parse(path)
    if place is not None:
        yield ("Forgotten", place[2]) if after is None else ("Chosen", f"{after} {place[2]}")
    elif disputed is not None and after is None:
        yield "Settled", disputed
        yield "Forgotten", disputed
    elif variant is not None and after is None:
        name, digest = variant
        if path.startswith(f"{layout.RETIRED}/"):
            yield "Unretired", str(name)
        elif path.startswith(f"{layout.VARIANTS}/"):
            yield "Dropped", f"{digest} {name}"
            yield "Released", f"{digest} {name}"


def _parse(path: str) -> tuple[tuple[str, str, str] | None, str | None, tuple[VariantName, str] | None]:
    """What a path is of, if it is one at which mitosis keeps something: a trial, a disputed end, or a variant."""
    kind = path.partition("/")[0]
    is_of_variants = kind in (layout.VARIANTS, *layout.REMARKS)
    return (
        layout.parse_record_path(path),
        layout.parse_disputed_path(path),
        layout.parse_variant_path(path) if is_of_variants else None,
    )


def is_kept(path: str) -> bool:
    """Whether a path is one at which mitosis keeps what must not go or change without a reason."""
    if path.startswith(f"{layout.ENVIRONMENTS}/") or layout.parse_annotation_path(path) is not None:
        return True
    return any(found is not None for found in _parse(path))


def read_taken(store: ReadOnlyStore, *revisions: str) -> Iterator[Taken]:
    """What the commits of a range take away or change of what mitosis keeps, newest first.

    Merge commits are compared with each of their parents.

    Args:
        store: of the journal.
        revisions: as for `git log`.

    Raises:
        JournalError: there is too much of it to be anybody's records.
        GitError: git cannot read the history.
    """
    for commit, path, before, after in read_log(store, revisions, "-m", "--diff-filter=DMT"):
        if is_kept(path):
            yield Taken(path, before, None if after == GONE else after, commit)


@dataclass(slots=True)
class Choices:
    """What the commits of a history, but for merges, have written to the path of a trial's record."""

    written: list[tuple[str | None, str]]
    """Ids of the blobs before and after, oldest first; None where there was nothing. What was removed counts once."""
    chosen: list[str]
    """Those that somebody chose of several, newest first."""


def read_choices(
    store: ReadOnlyStore, paths: Collection[str], tips: Sequence[str], without: Sequence[str]
) -> dict[str, Choices]:
    """What the history of some commits, without that of others, had at the paths of records.

    Raises:
        JournalError: there is too much in it to be anybody's records.
        GitError: git cannot read the history.
    """
    found: dict[str, Choices] = {}
    removed: set[str] = set()
    revisions = (*sorted(tips), "--not", *without)
    for commit, path, before, after in read_log(store, revisions, *_OLDEST_FIRST, paths=_few(paths)):
        place = layout.parse_record_path(path)
        if place is None or path not in paths:
            continue
        choices = found.setdefault(path, Choices([], []))
        if after == GONE:
            removed.add(path)
        elif before != GONE or path not in removed:
            choices.written.append((None if before == GONE else before, after))
        if commit.says(("Chosen", f"{after} {place[2]}")) and was_disputed(store, commit, path, after):
            choices.chosen.insert(0, after)
    return found


def was_disputed(store: ReadOnlyStore, commit: Commit, path: str, oid: str) -> bool:
    """Whether a record was beside that at a trial's path before a commit, so that it could be chosen."""
    place = layout.parse_record_path(path)
    disputed = "" if place is None else layout.disputed_path(place[2], oid)
    trees = (store.read_commit_tree(parent, "the journal") for parent in commit.parents)
    return any(store.find(tree, disputed) is not None for tree in trees)


def read_writers(store: ReadOnlyStore, tip: str, *paths: str) -> dict[str, Commit]:
    """The first commit of a history that wrote each blob at some paths, files or folders, by the blob's id.

    Raises:
        JournalError: there is too much in it to be anybody's records.
        GitError: git cannot read the history.
    """
    return {after: commit for commit, _, _, after in read_log(store, [tip], "--topo-order", "-m", paths=paths)}


def read_added(store: ReadOnlyStore, tip: str, path: str) -> Iterator[tuple[Commit, str]]:
    """The commits of a history that add files at a path, or below it, with the path of each file.

    Raises:
        JournalError: there is too much in it to be anybody's records.
        GitError: git cannot read the history.
    """
    for commit, added, _, _ in read_log(store, [tip], "--diff-filter=A", paths=[path]):
        yield commit, added


def first_recorded(store: ReadOnlyStore, tip: str, paths: Collection[str]) -> str:
    """Of the paths of several records of one key that at which the history had one first; see `recorded_order`."""
    order = recorded_order(store, tip, paths)
    return min(paths, key=order.__getitem__)


def recorded_order(store: ReadOnlyStore, tip: str, paths: Collection[str]) -> dict[str, tuple[int, str]]:
    """What sorts the paths of records by when a history had one there first.

    What one commit adds after another one is later, whatever their dates say. They decide between two that do not know
    of each other, and the paths between two in one commit, or of which nothing is known.

    Raises:
        JournalError: there is too much in it to be anybody's records.
        GitError: git cannot read the history.
    """
    found: dict[str, int] = {}
    oids: dict[str, None] = {}
    for commit, path, _, _ in read_log(store, [tip], *_OLDEST_FIRST, "--diff-filter=A", paths=_few(paths)):
        oids.setdefault(commit.oid)
        if path in paths:
            found.setdefault(path, len(oids))
    return {path: (found.get(path, len(oids) + 1), path) for path in paths}


def first_places(store: ReadOnlyStore, tip: str, keys: Collection[str]) -> dict[str, str]:
    """Where a history had the first record of each of these keys, by key."""
    found: dict[str, str] = {}
    for _, path, _, _ in read_log(store, [tip], *_OLDEST_FIRST, "--diff-filter=A", paths=[layout.TRIALS]):
        place = layout.parse_record_path(path)
        if place is not None and place[2] in keys:
            found.setdefault(place[2], path)
    return found


def _few(paths: Collection[str]) -> list[str]:
    """These paths of records; if there are many, the folder of all records."""
    return sorted(paths) if len(paths) <= _FEW_PATHS else [layout.TRIALS]


def read_forgotten(store: ReadOnlyStore, tip: str, prefix: str) -> dict[str, dict[str, str]]:
    """The files of trials whose keys begin so that a history forgot, by key: the ids of blobs by path.

    Raises:
        JournalError: there is too much in it to be anybody's records.
        GitError: git cannot read the history.
    """
    forgotten: dict[str, tuple[Commit, dict[str, str]]] = {}
    log = read_log(store, [tip], "--diff-filter=D", paths=[layout.TRIALS, layout.DISPUTED])
    for commit, path, before, _ in log:
        place, key, _ = _parse(path)
        key = key if place is None else place[2]
        if key is not None and key.startswith(prefix) and commit.says(("Forgotten", key)):
            newest, files = forgotten.setdefault(key, (commit, {}))
            if newest.oid == commit.oid:
                files[path] = before
    return {key: files for key, (_, files) in forgotten.items()}


def read_lost(store: ReadOnlyStore, tip: str, *paths: str) -> dict[str, bool]:
    """Of files or folders at which a history had locks: the paths of these, and whether somebody meant to drop each.

    Raises:
        JournalError: there is too much in it to be anybody's records.
        GitError: git cannot read the history.
    """
    dropped: dict[str, bool] = {}
    for commit, path, _, after in read_log(store, [tip], paths=paths):
        variant = _parse(path)[2]
        if variant is not None:
            reasons = (("Dropped", f"{variant[1]} {variant[0]}"), ("Removed", path))
            is_dropped = after == GONE and commit.says(*reasons)
            dropped[path] = dropped.get(path, False) or is_dropped
    return dropped


def describe_file(store: ReadOnlyStore, path: str, oid: str) -> str:
    """What a file of the journal is, in words."""
    is_annotation = layout.parse_annotation_path(path) is not None
    return describe_annotation(store, path, oid) if is_annotation else describe_path(path)


def describe_path(path: str) -> str:
    """What is at a path of the journal, in words."""
    place, disputed, variant = _parse(path)
    if place is not None:
        return f"trial {place[2]} of {one_line(place[0], 100)}"
    if disputed is not None:
        return f"another record of trial {disputed}"
    if variant is not None:
        name = one_line(str(variant[0]), 200)
        return {
            layout.VARIANTS: f"the lock of {name} to {variant[1][:6]}",
            layout.RENAMED: f"the new name of {name}",
            layout.RETIRED: f"the retirement of {name}",
            layout.SOURCES: f"what the functions of {name} were",
            layout.RELEASED: f"the release of {name}",
        }[path.partition("/")[0]]
    return f"the file {one_line(path, 200)}"
