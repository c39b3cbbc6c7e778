"""The files of one state of the repository: the working tree, what is staged, or a commit.

What is not in the working tree is checked out by git itself to a temporary folder, so that filters, LFS and line ends
apply as they do for the user. Neither the user's index nor the working tree is touched.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from mitosis.files import TemporaryFolder
from mitosis.git.program import run_git
from mitosis.git.repository import Repository

_SUBMODULE_MODE = "160000"


@dataclass(frozen=True, slots=True)
class Checkout:
    """Where the files are that stand for one state of the repository."""

    root: Path
    """The folder that holds them: the top of the working tree, or a temporary folder."""
    top: Path
    """The top of the working tree, whose place `root` takes. Both are free of symbolic links."""


class TrackedFile(NamedTuple):
    """A file of the index, or the commit of a submodule."""

    mode: str
    """Octal, as git writes it."""
    oid: str

    @property
    def is_submodule(self) -> bool:
        return self.mode == _SUBMODULE_MODE


def working_tree(repository: Repository) -> Checkout:
    """The working tree as it is, with what is neither staged nor committed."""
    top = Path(os.path.realpath(repository.root))
    return Checkout(root=top, top=top)


@dataclass(frozen=True, slots=True)
class Index:
    """An index to check out from: the user's, or one of a commit that was made for this."""

    repository: Repository
    variables: Mapping[str, str]
    """What makes git use it."""
    files: Mapping[str, TrackedFile]
    """By path, relative to the top, with `/`."""
    left_out: frozenset[str] = frozenset()
    """What a sparse checkout leaves out."""

    def read(self, name: str) -> bytes:
        """The bytes of a file as git stores them.

        Raises:
            UnreadableObject: it is missing or damaged.
        """
        return self.repository.read_blob(self.files[name].oid)

    def differing_submodules(self, used: Collection[str]) -> tuple[str, ...]:
        """The submodules whose files in the working tree are others than those of the commits that are recorded here.

        Args:
            used: files; submodules that have none of them are left out.

        Raises:
            GitError: git cannot look at them.
        """
        links = (name for name, file in self.files.items() if file.is_submodule)
        names = [name for name in links if any(path.startswith(f"{name}/") for path in used)]
        if not names:
            return ()
        words = [f":(top,literal){name}" for name in names]
        output = run_git(
            *("diff-files", "--name-only", "--ignore-submodules=none", "-z", "--", *words),
            cwd=self.repository.root,
            environment=self.variables,
        )
        return tuple(os.fsdecode(name) for name in output.split(b"\0") if name)

    @contextlib.contextmanager
    def checked_out(self, names: Sequence[str] | None = None) -> Iterator[Checkout]:
        """Check out to a temporary folder, which is gone afterwards. Submodules are links to the working tree.

        Args:
            names: check out only these paths, relative to the top, with `/`; those that are not in the index are left
                out. None for everything.

        Raises:
            GitError: git cannot write a file.
        """
        top = Path(os.path.realpath(self.repository.root))
        with TemporaryFolder() as folder:
            root = folder.path / "tree"
            root.mkdir()
            chosen = self.files.keys() if names is None else self.files.keys() & set(names)
            paths = [name for name in self.files if name in chosen and not self.files[name].is_submodule]
            if paths:
                run_git(
                    *("checkout-index", "--quiet", "--force", "-z", "--stdin"),
                    cwd=root,
                    stdin=b"".join(os.fsencode(path) + b"\0" for path in paths),
                    environment={
                        **self.variables,
                        "GIT_DIR": str(self.repository.git_dir),
                        # As the top of the working tree, so that git reads its own .gitattributes and not the user's.
                        "GIT_WORK_TREE": str(root),
                        "GIT_PREFIX": "",
                    },
                )
            for name, file in self.files.items():
                if file.is_submodule:
                    _link_folder(root / name, top / name)
            yield Checkout(root=root, top=top)


@contextlib.contextmanager
def open_index(repository: Repository, commit: str | None = None, *, without: Collection[str] = ()) -> Iterator[Index]:
    """The user's index, or a temporary one of a commit.

    The user's is the one that git would commit now: inside a hook, that which GIT_INDEX_FILE names. What a sparse
    checkout leaves out is left out of it too.

    Args:
        repository: whose.
        commit: its id, or a name of it; None for the user's index.
        without: files to leave out.

    Raises:
        GitError: git cannot read it, or there is no such commit.
    """
    with contextlib.ExitStack() as stack:
        variables = {}
        if commit is not None:
            folder = stack.enter_context(TemporaryFolder())
            variables = {"GIT_INDEX_FILE": str(folder.path / "index")}
            run_git("read-tree", f"{commit}^{{commit}}", cwd=repository.root, environment=variables)
        files, left_out = _list_files(repository, variables)
        yield Index(repository, variables, {name: files[name] for name in files if name not in without}, left_out)


def _list_files(repository: Repository, variables: Mapping[str, str]) -> tuple[dict[str, TrackedFile], frozenset[str]]:
    """The files of an index that a checkout would write, which are merged, and those that a sparse one leaves out."""
    output = run_git("ls-files", "--stage", "-t", "-z", cwd=repository.root, environment=variables)
    files = {}
    left_out = set()
    for line in output.split(b"\0"):
        facts, _, name = line.partition(b"\t")
        if not name:
            continue
        tag, mode, oid, stage = facts.decode("ascii").split(" ")
        if tag == "S":
            left_out.add(os.fsdecode(name))
        elif stage == "0":
            files[os.fsdecode(name)] = TrackedFile(mode, oid)
    return files, frozenset(left_out)


def _link_folder(link: Path, target: Path) -> None:
    """Let a submodule's place lead to its folder in the working tree, if it is there."""
    if not target.is_dir():
        return
    link.parent.mkdir(parents=True, exist_ok=True)
    # Where links may not be made (Windows without the right to), its modules are missing, and the evaluation says so.
    with contextlib.suppress(OSError):
        link.symlink_to(target, target_is_directory=True)
