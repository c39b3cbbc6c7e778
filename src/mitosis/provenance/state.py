"""The working tree and its commit."""

from __future__ import annotations

from dataclasses import dataclass

from mitosis.errors.repository import DirtyRepository, NoCommit
from mitosis.git.repository import Repository
from mitosis.text import as_git_shows, recordable


@dataclass(frozen=True, slots=True)
class HeadDescription:
    """The commit that a trial runs on."""

    commit: str
    """Full hexadecimal id."""
    subject: str
    """First line of the commit's message."""
    branch: str | None
    """Short name; None when HEAD is detached."""


def check_clean(repository: Repository) -> int:
    """Make sure that the tracked files are as in the commit.

    git itself is asked, so filters, LFS, submodules and sparse checkouts count as the user set them up. Settings that
    hide changes (`submodule.<name>.ignore`, `status.showUntrackedFiles`) do not. Nothing is written, not even to the
    index.

    Returns:
        How many files git does not know. They are not errors; ignored ones are not counted.

    Raises:
        DirtyRepository: tracked files are modified or staged, or submodules have other commits or such files.
    """
    # --ignore-submodules=untracked overrides the setting of each submodule: all but untracked files is looked at.
    output = repository.git(
        "status", "--porcelain=v2", "-z", "--untracked-files=all", "--ignore-submodules=untracked", "--renames"
    )
    fields = iter(output.split("\0")[:-1])
    changes: list[str] = []
    untracked = 0
    for entry in fields:
        match entry[0]:
            case "?":
                untracked += 1
            case "1":
                _, xy, submodule, *_, path = entry.split(" ", 8)
                changes.append(_change(xy, as_git_shows(path), submodule))
            case "2":
                _, xy, submodule, *_, path = entry.split(" ", 9)
                changes.append(_change(xy, f"{as_git_shows(next(fields))} -> {as_git_shows(path)}", submodule))
            case "u":
                _, xy, submodule, *_, path = entry.split(" ", 10)
                changes.append(_change(xy, as_git_shows(path), submodule) + " (unmerged)")
    if changes:
        raise DirtyRepository(changes)
    return untracked


def describe_head(repository: Repository) -> HeadDescription:
    """What `repository.head` is, in words.

    Raises:
        NoCommit: there is no commit yet.
    """
    if repository.head is None:
        raise NoCommit(repository.root)
    subject = repository.git(
        "log", "--max-count=1", "--no-show-signature", "--encoding=UTF-8", "--format=%s", repository.head, "--"
    )
    name = repository.git("rev-parse", "--symbolic-full-name", "HEAD").removesuffix("\n")
    branch = recordable(name.removeprefix("refs/heads/")) if name.startswith("refs/heads/") else None
    return HeadDescription(repository.head, recordable(subject.removesuffix("\n")), branch)


def _change(xy: str, path: str, submodule: str) -> str:
    """A line such as ` M path`, for the codes of `git status --porcelain=v2`."""
    line = f"{xy.replace('.', ' ')} {path}"
    if submodule.startswith("S"):
        found = [
            what for flag, what in zip("CM", ("another commit", "modified files"), strict=True) if flag in submodule
        ]
        line += f" (submodule: {', '.join(found) or 'changed'})"
    return line
