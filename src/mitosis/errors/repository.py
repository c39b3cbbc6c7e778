"""The repository, and the git program."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from mitosis.errors.base import MitosisError, bulleted


class RepositoryError(MitosisError):
    """The repository at hand cannot be used, or not for this."""


class NotARepository(RepositoryError):
    """Attributes: folder."""

    def __init__(self, folder: Path, *, to_record: bool = False) -> None:
        self.folder = folder
        if to_record:
            super().__init__(
                f"{folder} is not inside a git repository, so no commit could be recorded\n"
                "Run `git init` and commit your code, or pass --debug to try things out without recording."
            )
        else:
            super().__init__(f"{folder} is not inside a git repository\nChange to the repository of your experiments.")


class BareRepository(RepositoryError):
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        super().__init__(
            f"{folder} is a bare repository: it has no working tree to run an experiment from\n"
            "Run mitosis in a clone of it or in a worktree (`git worktree add`)."
        )


class NotInWorkTree(RepositoryError):
    def __init__(self, folder: Path, git_dir: Path) -> None:
        self.folder = folder
        self.git_dir = git_dir
        super().__init__(
            f"{folder} is not in the working tree of the repository {git_dir}\n"
            "Run mitosis in the folder that holds your code."
        )


class NoCommit(RepositoryError):
    def __init__(self, root: Path) -> None:
        self.root = root
        super().__init__(
            f"the repository {root} has no commits yet, so there is no code to record\n"
            "Commit your experiment first (`git add ... && git commit`), or pass --debug."
        )


class NoIdentity(RepositoryError):
    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(
            f"git does not know who you are, and a trial is recorded under a name\n{bulleted(reason.splitlines())}\n"
            'Tell it: git config user.name "Your Name" && git config user.email you@example.org'
        )


class UnsupportedRepository(RepositoryError):
    def __init__(self, root: Path, feature: str, remedy: str) -> None:
        self.root = root
        self.feature = feature
        super().__init__(f"the repository {root} uses {feature}, which mitosis cannot write\n{remedy}")


class DirtyRepository(RepositoryError):
    """Attributes: changes, lines such as ` M sine_experiment/__init__.py`."""

    def __init__(self, changes: Sequence[str]) -> None:
        self.changes = list(changes)
        super().__init__(
            "the repository has changes that are not committed, so this trial could not be reproduced\n"
            f"{bulleted(self.changes)}\n"
            "Commit or stash them, or pass --debug to try things out without recording."
        )


class UncommittedImports(RepositoryError):
    """Imported code that is not the commit's.

    Attributes:
        commit: full id of the commit.
        imports: module (`?` if not known), path relative to the working tree, and the reason, for each file.
    """

    def __init__(self, commit: str, imports: Sequence[tuple[str, str, str]]) -> None:
        self.commit = commit
        self.imports = list(imports)
        width = min(40, max(len(path) for _, path, _ in self.imports))
        lines = [
            f"{path:<{width}}  {reason}" + (f" (module {module})" if module != "?" else "")
            for module, path, reason in self.imports
        ]
        number = "an imported file does" if len(lines) == 1 else f"{len(lines)} imported files do"
        super().__init__(
            f"{number} not match commit {commit[:7]}, so this trial could not be reproduced\n{bulleted(lines)}\n"
            "Commit what the experiment imports, or pass --debug to try things out without recording."
        )


class GitError(RepositoryError):
    """The git program failed. Attributes: command, status (exit status), output (what git said)."""

    def __init__(self, command: Sequence[str], status: int, output: str) -> None:
        self.command = list(command)
        self.status = status
        self.output = output.strip()
        said = self.output or "it said nothing"
        super().__init__(f"`{' '.join(self.command)}` failed with status {status}\n{bulleted(said.splitlines())}")

    @property
    def summary(self) -> str:
        """In one line the command and the last that git said, which is what it gave up for."""
        said = self.output.splitlines()
        return f"`{' '.join(self.command[:2])}` failed: {said[-1].strip() if said else f'status {self.status}'}"


class UnknownRevision(RepositoryError):
    """What was given names no commit or range. Attributes: revision (as it was given), reason (a clause)."""

    def __init__(self, revision: str, reason: str) -> None:
        self.revision = revision
        self.reason = reason
        super().__init__(f"cannot check `{revision}`: {reason}\nGive a commit, or a range A..B; see gitrevisions(7).")


class UnreadableObject(RepositoryError):
    """An object of the repository is missing, damaged or too large. Attributes: oid, reason (a clause on `it`)."""

    def __init__(self, oid: str, reason: str) -> None:
        self.oid = oid
        self.reason = reason
        super().__init__(
            f"the object {oid} cannot be read from the repository: {reason}\n"
            "`git fsck` shows what else is damaged; a collaborator's clone or a backup may have this object."
        )


class ObjectMissing(UnreadableObject):
    """An object of the repository is not there."""


class UnfitObject(UnreadableObject):
    """An object of the repository is whole, but nothing that can be read there: no other clone has a better one."""


class ObjectTooLarge(UnfitObject):
    """An object of the repository has more bytes than are read."""


class GitMissing(RepositoryError):
    def __init__(self) -> None:
        super().__init__("the program `git` was not found on PATH\nInstall git 2.31 or newer and try again.")
