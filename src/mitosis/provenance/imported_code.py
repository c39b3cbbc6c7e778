"""Whether the code that was imported is the committed code.

The check compares git's ids of blobs: those of the bytes as they were imported with those in the commit, without a git
process. Only files that differ are shown to the git program, since filters (line endings, LFS, encodings) make the
working tree differ from the commit by right. However many files there are, it is started three times at most, and as
often for each submodule that code was imported from.
"""

from __future__ import annotations

import functools
import os
import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from mitosis.errors.repository import RepositoryError, UncommittedImports
from mitosis.files import blob_id
from mitosis.git.objects import TreeEntry
from mitosis.git.repository import Repository, find_repository
from mitosis.protocol import ImportedFile
from mitosis.text import as_git_shows, c_quoted

_FOLDER_MODE = 0o040000
_SUBMODULE_MODE = 0o160000


def check_imports(
    repository: Repository, commit: str, files: Sequence[ImportedFile], environment_folders: Sequence[str]
) -> tuple[str, ...]:
    """Make sure that every imported file of the working tree is as in the commit.

    Files of a submodule are compared with the commit that the submodule is pinned to. Symbolic links of the working
    tree on the way to a file have to be the commit's too.

    Args:
        repository: that of the experiment.
        commit: full id of the commit that the trial is recorded for.
        files: what was imported, from wherever.
        environment_folders: where installed code is (`sys.prefix`, site-packages). What is below those that lie
            inside the working tree does not count.

    Returns:
        What of the commit was imported: sorted paths of files, of links on the way to them, and of submodules.

    Raises:
        UncommittedImports: a file is untracked, ignored or different.
        GitError: git fails, for instance in a filter.
    """
    root = os.path.realpath(repository.root)
    environment = _Environment(root, environment_folders)
    resolve = _resolver()
    items: dict[str, set[str | None]] = {}
    modules: dict[str, str] = {}
    reasons: dict[str, str] = {}
    for file in files:
        path, oid = file.path, file.oid
        if not os.path.lexists(path) and (archive := _archive_of(path)) is not None:
            path, oid = archive, None
        place, passed = resolve(path)
        links = [link for link in passed if _is_below(link, root) and not environment.holds(link)]
        if not _is_below(place, root):
            if links and not environment.spells(path):
                outside = os.path.relpath(file.path, root)
                link_path = as_git_shows(os.path.relpath(links[0], root))
                reasons[outside] = f"reached through the symbolic link {link_path}, which leads out of the repository"
                modules[outside] = file.module
            continue
        if environment.holds(place):
            continue
        # What git stores of a link is the path that it leads to.
        used = {place: oid, **{link: blob_id(os.fsencode(os.readlink(link))) for link in links}}
        for used_path, used_oid in used.items():
            inside = os.path.relpath(used_path, root)
            items.setdefault(inside, set()).add(used_oid)
            modules.setdefault(inside, file.module)
    wrong, entries = _check(repository, commit, items)
    reasons.update(wrong)
    if reasons:
        raise UncommittedImports(
            commit, [(modules[path], as_git_shows(path), reason) for path, reason in sorted(reasons.items())]
        )
    return tuple(sorted(entries))


def imported_elsewhere(
    repository: Repository,
    commit: str,
    file: ImportedFile,
    environment_folders: Sequence[str],
    source_folders: Iterable[str] = ("", "src"),
) -> str | None:
    """Whether a module came from elsewhere although the commit holds a file of the same name.

    So it is where a package was installed as a copy, and the copy runs in place of the code at hand.

    Args:
        repository: that of the experiment.
        commit: full id of the commit.
        file: the module's file.
        environment_folders: as for `check_imports`.
        source_folders: folders of the commit to look for packages in, relative to its root, with `/`.

    Returns:
        The path of the committed file, relative to the root; None when there is none, or the working tree was used.
    """
    root = os.path.realpath(repository.root)
    real = os.path.realpath(file.path)
    if _is_below(real, root) and not _Environment(root, environment_folders).holds(real):
        return None
    tree_oid = repository.tree_of(commit)
    if tree_oid is None:
        return None
    tree = _CommitTree(repository, tree_oid)
    stem = file.module.replace(".", "/")
    for folder in source_folders:
        for name in (f"{stem}/__init__.py", f"{stem}.py"):
            path = f"{folder.strip('/')}/{name}".lstrip("/")
            found = tree.find(path)
            if found is not None and not found[1]:
                return path
    return None


def _resolver() -> Callable[[str], tuple[str, tuple[str, ...]]]:
    """What does as `os.path.realpath` does, looks at each folder once, and tells the links on the way."""

    @functools.cache
    def resolve(path: str) -> tuple[str, tuple[str, ...]]:
        """Where a path leads, and the symbolic links that are passed on the way."""
        folder, name = os.path.split(path)
        if folder == path:
            return path, ()
        parent, links = resolve(folder)
        place = os.path.normpath(os.path.join(parent, name))
        if not os.path.islink(place) or not os.path.exists(place):  # a link in a circle leads nowhere
            return place, links
        target, more_links = resolve(os.path.join(parent, os.readlink(place)))
        return target, (*links, place, *more_links)

    return resolve


class _Environment:
    """Where installed code is, as far as it concerns the working tree.

    A folder that holds the whole working tree (an interpreter in /usr and a repository in /usr/src) takes nothing away.
    """

    def __init__(self, root: str, folders: Iterable[str]) -> None:
        spelled = [os.path.abspath(folder) for folder in folders]
        self._spelled = [folder for folder in spelled if folder != root and not _is_below(root, folder)]
        self._real = [folder for folder in map(os.path.realpath, spelled) if _is_below(folder, root)]

    def holds(self, path: str) -> bool:
        """Whether a path without symbolic links is installed code inside the working tree."""
        return any(path == folder or _is_below(path, folder) for folder in self._real)

    def spells(self, path: str) -> bool:
        """Whether a path is below one of the folders as it is spelled, wherever symbolic links lead from there."""
        return any(_is_below(os.path.abspath(path), folder) for folder in self._spelled)


def _archive_of(path: str) -> str | None:
    """The file that a path leads into, as for a module in a zip archive."""
    for folder in Path(path).parents:
        if os.path.lexists(folder):
            return str(folder) if folder.is_file() else None
    return None


def _is_below(path: str, folder: str) -> bool:
    return path.startswith(folder if folder.endswith(os.sep) else folder + os.sep)


# --- what the commit holds ------------------------------------------------------------------------


class _CommitTree:
    """The files of a commit by path; each folder is read once."""

    def __init__(self, repository: Repository, tree: str) -> None:
        self._repository = repository
        self._root = tree
        self._folders: dict[str, dict[str, TreeEntry]] = {}
        configuration = repository.objects.config
        self._ignores_case = "core.ignorecase" in configuration and configuration.get_bool("core.ignorecase")

    def find(self, path: str) -> tuple[TreeEntry, str] | None:
        """The file, link or submodule at `path`, which has `/` between names.

        Returns:
            The entry, and what is left of the path when the entry is a submodule that it leads into. None for a
            folder and for what is not there.
        """
        names = path.split("/")
        folder = self._root
        for depth, name in enumerate(names):
            entry = self._look_up(folder, name)
            rest = "/".join(names[depth + 1 :])
            if entry is None or (entry.mode == _FOLDER_MODE and not rest):
                return None
            if not rest or entry.mode == _SUBMODULE_MODE:
                return entry, rest
            if entry.mode != _FOLDER_MODE:
                return None
            folder = entry.oid
        return None

    def _look_up(self, folder: str, name: str) -> TreeEntry | None:
        if folder not in self._folders:
            self._folders[folder] = self._repository.read_tree(folder)
        entries = self._folders[folder]
        if name in entries or not self._ignores_case:
            return entries.get(name)
        return next((entry for other, entry in entries.items() if _folded(other) == _folded(name)), None)


def _folded(name: str) -> str:
    """The name as file systems compare it that ignore case and the ways to compose a letter."""
    return unicodedata.normalize("NFC", name).casefold()


# --- the comparison -------------------------------------------------------------------------------


def _check(
    repository: Repository, commit: str, items: Mapping[str, set[str | None]]
) -> tuple[dict[str, str], set[str]]:
    """Why files and links are not as in the commit; and what the commit has of them, with `/` between names.

    Of a submodule the commit has nothing but the submodule.

    Args:
        repository: whose commit it is.
        commit: its full id.
        items: the ids of the bytes that were imported, or of what a link leads to, by path relative to the top of
            `repository`.
    """
    if not items:
        return {}, set()
    tree_oid = repository.tree_of(commit)
    if tree_oid is None:
        pinned_to = f"the commit {commit[:7]} that it is pinned to"
        return dict.fromkeys(items, f"its repository does not have {pinned_to}"), set()
    tree = _CommitTree(repository, tree_oid)
    entries: set[str] = set()
    reasons: dict[str, str] = {}
    missing: list[str] = []
    unequal: dict[str, str] = {}
    submodules: dict[str, tuple[str, dict[str, set[str | None]]]] = {}
    for path, oids in items.items():
        found = tree.find(path.replace(os.sep, "/"))
        if found is None:
            missing.append(path)
            continue
        entry, rest = found
        entries.add(path.replace(os.sep, "/")[: -len(rest) - 1 if rest else None])
        if rest:
            prefix = path[: -len(rest) - 1]
            submodules.setdefault(prefix, (entry.oid, {}))[1][rest] = oids
        elif oids != {entry.oid}:
            reason = _why_unequal(repository.root / path, oids, entry.oid)
            if reason is None:
                unequal[path] = entry.oid
            elif reason:
                reasons[path] = reason
    filtered = _filtered_ids(repository, list(unequal))
    different = [path for path in unequal if filtered[path] != unequal[path]]
    reasons.update(_why_not_committed(repository, missing, different))
    for prefix, (pinned, inner_items) in submodules.items():
        for path, reason in _check_submodule(repository, prefix, pinned, inner_items).items():
            reasons[os.path.join(prefix, path)] = reason
    return reasons, entries


def _why_unequal(path: Path, imported: set[str | None], committed: str) -> str | None:
    """A reason that can be told without git; empty when there is none after all, None when git has to be asked."""
    if path.is_symlink():
        return "a symbolic link that is different in the commit"
    try:
        present = blob_id(path.read_bytes())
    except OSError as error:
        return f"can no longer be read ({error.strerror})"
    if imported - {None, present, committed}:
        return "changed on disk after it was imported"
    if present == committed:
        return ""
    return None


def _filtered_ids(repository: Repository, paths: Sequence[str]) -> dict[str, str]:
    """The ids that `git add` would give files of the working tree, by git's own filters."""
    if not paths:
        return {}
    lines = "".join(f"{c_quoted(path)}\n" for path in paths)
    output = repository.git("hash-object", "--stdin-paths", stdin=lines.encode("ascii"))
    return dict(zip(paths, output.split(), strict=True))


def _why_not_committed(repository: Repository, missing: Sequence[str], different: Sequence[str]) -> dict[str, str]:
    """Reasons for paths that the commit does not have, and for files that it has with other content."""
    if not missing and not different:
        return {}
    output = repository.git("ls-files", "-v", "-z", "--cached")
    tags = {entry[2:]: entry[0] for entry in output.split("\0") if entry}
    reasons: dict[str, str] = {}
    for path in different:
        tag = tags.get(path, "H")
        reasons[path] = "differs from the commit"
        if tag == "S" or tag.islower():
            mark = "skip-worktree" if tag in "Ss" else "assume-unchanged"
            reasons[path] += f", but `git status` does not say so: it is marked {mark}"
    unknown: list[str] = []
    for path in missing:
        inner = _inner_repository(repository, path)
        if path in tags:
            reasons[path] = "added but not committed"
        elif inner is not None:
            reasons[path] = f"untracked: it is in another repository, {as_git_shows(inner)}"
        else:
            unknown.append(path)
    ignored = _ignored(repository, unknown)
    reasons.update((path, "ignored by git" if path in ignored else "untracked") for path in unknown)
    return reasons


def _ignored(repository: Repository, paths: Sequence[str]) -> set[str]:
    if not paths:
        return set()
    return set(repository.ask("check-ignore", "-z", "--stdin", stdin=os.fsencode("\0".join(paths))).split("\0"))


def _inner_repository(repository: Repository, path: str) -> str | None:
    """The folder of a repository inside the working tree that `path` belongs to, if any."""
    for folder in Path(path).parents:
        if folder != Path() and os.path.lexists(repository.root / folder / ".git"):
            return str(folder)
    return None


def _check_submodule(
    repository: Repository, prefix: str, pinned: str, items: Mapping[str, set[str | None]]
) -> dict[str, str]:
    folder = repository.root / prefix
    try:
        submodule = find_repository(folder)
    except RepositoryError as error:
        return dict.fromkeys(items, f"its submodule cannot be read: {str(error).splitlines()[0]}")
    if os.path.realpath(submodule.root) != os.path.realpath(folder):
        return dict.fromkeys(items, "untracked: it is in the place of a submodule that is not initialized")
    return _check(submodule, pinned, items)[0]
