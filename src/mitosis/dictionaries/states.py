"""The states of a repository whose lookup dictionaries can be evaluated: what is staged, the working tree, commits."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from mitosis.config import CONFIG_NAME, Config, config_name, find_config, parse_config
from mitosis.dictionaries.checkouts import Index, open_index, working_tree
from mitosis.dictionaries.evaluation import TIME_LIMIT_S, Evaluation, evaluate
from mitosis.dictionaries.modules import MODULE, folders, imported_files, reader_of_files, source_folders
from mitosis.errors.repository import GitError, UnknownRevision, UnreadableObject
from mitosis.errors.usage import ConfigError, UsageError
from mitosis.git.repository import Repository

SMALL_REPOSITORY = 200
"""With this many files at most, everything is checked out."""
_MAX_FILE_BYTES = 16 * 2**20
"""Of a module that is read."""


@dataclass(frozen=True, slots=True)
class State:
    """One state of the files of a repository."""

    repository: Repository
    label: str
    """What people call it, such as `what is staged`."""
    commit: str | None
    """None for what is in no commit."""
    config: Config | None
    """None where no steps are registered."""
    file: str
    """The configuration's path relative to the top, with `/`."""
    hook: str
    """What the hook does there, as `Config.hook`."""
    index: Index | None
    """What the files are from; None for the working tree."""
    time_limit_s: float
    """For evaluating its dictionaries."""

    @property
    def steps(self) -> Collection[str]:
        """The names of the registered steps."""
        return () if self.config is None else self.config.steps

    def read(self, name: str) -> bytes | None:
        """The bytes of a file, by its path relative to the top, with `/`; None where there is no such file."""
        if self.index is None:
            return reader_of_files(self.repository.root, _MAX_FILE_BYTES)(name)
        try:
            return self.index.read(name) if name in self.index.files else None
        except UnreadableObject:
            return b""

    def evaluate(self, steps: Sequence[str] | None = None) -> Evaluation:
        """What the dictionaries of the steps of these names say, by default of all."""
        found = Evaluation()
        if self.config is not None and self.index is None:
            found = evaluate(working_tree(self.repository), self.config, steps=steps, time_limit_s=self.time_limit_s)
        elif self.config is not None and self.index is not None:
            found = evaluate_index(self.index, self.config, steps=steps, time_limit_s=self.time_limit_s)
        return replace(found, usage=replace(found.usage, files=found.usage.files | {self.file}))

    def warnings(self, evaluation: Evaluation) -> tuple[str, ...]:
        """What is to be said of what was evaluated: copies that trials import in place of the repository's modules, and
        files of submodules that are not the recorded ones.

        Raises:
            GitError: git cannot look at a submodule.
        """
        checked = "so that copy was checked" if self.index is None else "which was checked"
        found = [
            f"trials import `{name}` from {path}, not from this repository, {checked}: install the repository in "
            "editable mode (pip install -e .), or uninstall the copy"
            for name, path in evaluation.elsewhere.items()
        ]
        if self.index is not None:
            found += [
                f"the submodule `{name}` was taken from the working tree, which differs from {self.label}"
                for name in self.index.differing_submodules(evaluation.usage.files)
            ]
        return tuple(found)


@contextlib.contextmanager
def staged_state(
    repository: Repository, config: str | None = None, *, time_limit_s: float = TIME_LIMIT_S
) -> Iterator[State]:
    """What git would commit now.

    Args:
        repository: whose index.
        config: the configuration in place of pyproject.toml, relative to the top.
        time_limit_s: for evaluating its dictionaries.

    Raises:
        ConfigError: the staged configuration cannot be used.
        GitError: git cannot read the index.
    """
    with open_index(repository) as index:
        yield _state_of(index, "what is staged", None, config, time_limit_s)


@contextlib.contextmanager
def commit_state(
    repository: Repository,
    commit: str,
    config: str | None = None,
    *,
    time_limit_s: float = TIME_LIMIT_S,
    without: Collection[str] = (),
) -> Iterator[State]:
    """A commit.

    Args:
        repository: that has it.
        commit: its full id.
        config: the configuration in place of pyproject.toml, relative to the top.
        time_limit_s: for evaluating its dictionaries.
        without: files to leave out of it.

    Raises:
        ConfigError: its configuration cannot be used.
        GitError: git cannot read it.
    """
    with open_index(repository, commit, without=without) as index:
        yield _state_of(index, f"commit {commit[:7]}", commit, config, time_limit_s)


def working_state(repository: Repository, config: str | None = None) -> State:
    """The working tree, with what is neither staged nor committed.

    Args:
        repository: whose working tree.
        config: the configuration in place of pyproject.toml, relative to the top.

    Raises:
        ConfigError: its configuration cannot be used.
    """
    root = Path(os.path.realpath(repository.root))
    found = find_config(root, config, steps_needed=False)
    file = config_name(root, config)
    return State(
        repository, "the working tree", None, found if found.steps else None, file, found.hook, None, TIME_LIMIT_S
    )


def evaluate_index(
    index: Index, config: Config, *, steps: Sequence[str] | None = None, time_limit_s: float = TIME_LIMIT_S
) -> Evaluation:
    """Evaluate the lookup dictionaries as an index has them, and check out no more of a large one than is needed.

    Args:
        index: of a commit, or what git would commit now.
        config: as it is there.
        steps: names of the steps to evaluate; all by default.
        time_limit_s: for evaluating them. In a large repository it may be done twice.

    Raises:
        GitError: git cannot write a file.
    """
    names = select_files(index, config) if len(index.files) > SMALL_REPOSITORY else None
    if names is not None:
        with index.checked_out(sorted(names)) as checkout:
            found = evaluate(checkout, config, steps=steps, time_limit_s=time_limit_s)
        if not _needs_more(found, [name for name in index.files if name not in names]):
            return found
    with index.checked_out() as checkout:
        return evaluate(checkout, config, steps=steps, time_limit_s=time_limit_s)


def select_files(index: Index, config: Config) -> frozenset[str] | None:
    """The files that evaluating the dictionaries is likely to need; None for all of them.

    They are the Python files that the lookup modules import, whatever else is below the packages that hold those
    modules, and pyproject.toml.
    """
    tracked = {name for name, file in index.files.items() if not file.is_submodule}
    try:
        found = imported_files(config, tracked, index.read)
    except UnreadableObject:  # in a partial clone git fetches it once the file is checked out
        return None
    packages = {name.rpartition("/")[0] for name in found}.difference(source_folders(config))
    data = (name for name in tracked if not name.endswith(MODULE) and not packages.isdisjoint(folders(name)))
    return found.union(data, {CONFIG_NAME} & tracked)


def resolve_commit(repository: Repository, text: str) -> str:
    """The full id of a commit, as people name it.

    Raises:
        UnknownRevision: git knows none of that name.
    """
    with contextlib.suppress(GitError):
        return repository.git("rev-parse", "--verify", "--quiet", "--end-of-options", f"{text}^{{commit}}").strip()
    raise UnknownRevision(text, "git knows no commit by that name")


def resolve_range(repository: Repository, text: str) -> tuple[str, str]:
    """The full ids of the commits at both ends of `A..B`; either may be left out for HEAD.

    Raises:
        UsageError: it is none.
        UnknownRevision: git does not know an end of it.
    """
    start, dots, end = text.partition("..")
    if not dots or end.startswith("."):
        raise UsageError(f"cannot check `{text}`: a range is written with two dots, A..B")
    return resolve_commit(repository, start or "HEAD"), resolve_commit(repository, end or "HEAD")


def _needs_more(found: Evaluation, left_out: Collection[str]) -> bool:
    """Whether an evaluation might have another outcome if the files that were left out were there.

    So it might where something went wrong, and where the code looked for a file or a module that was left out, whatever
    it made of not finding it.
    """
    if any(trouble.is_late for trouble in found.troubles):
        return False  # with more files it would not be faster
    if found.troubles or any(refused.has_raised for refused in found.refused):
        return True
    return found.usage.looked_for(left_out)


def _state_of(index: Index, label: str, commit: str | None, name: str | None, time_limit_s: float) -> State:
    root = Path(os.path.realpath(index.repository.root))
    file = config_name(root, name)
    path = root / file
    if name is not None and file not in index.files:
        raise ConfigError(path, f"there is no such file in {label}")
    try:
        text = index.read(file).decode("utf-8-sig") if file in index.files else ""
    except UnicodeDecodeError as error:
        raise ConfigError(path, f"byte {error.start} is not UTF-8, as TOML has to be") from error
    config = parse_config(text, path, steps_needed=False)
    steps = config if config.steps else None
    return State(index.repository, label, commit, steps, file, config.hook, index, time_limit_s)
