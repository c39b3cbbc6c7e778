"""The states of a repository whose lookup dictionaries can be checked: what is staged, the working tree, commits."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from mitosis.config import CONFIG_NAME, Config, parse_config
from mitosis.dictionaries.evaluation import TIME_LIMIT_S
from mitosis.errors.usage import ConfigError
from mitosis.git.objects import read_blobs
from mitosis.git.repository import Repository

if TYPE_CHECKING:
    from mitosis.dictionaries.checkouts import Index
    from mitosis.dictionaries.evaluation import Evaluation

_MAX_CONFIG_BYTES = 16 * 2**20


@dataclass(frozen=True, slots=True)
class State:
    """One state of the files of a repository."""

    label: str
    """What people call it, such as `what is staged`."""
    commit: str | None
    """None for what is in no commit."""
    names: Collection[str]
    """The files, relative to the top, with `/`."""
    read: Callable[[str], bytes]
    """Gives the bytes of one of them; raises OSError or UnreadableObject."""
    config: Config | None
    """None where no steps are registered."""
    evaluate: Callable[[Config, Sequence[str] | None], Evaluation]
    """Evaluates the dictionaries of the steps of these names, by default of all."""
    index: Index | None
    """What the files are from; None for the working tree."""
    hook: str
    """What the hook does there, as `Config.hook`."""

    @property
    def steps(self) -> Collection[str]:
        """The names of the registered steps."""
        return () if self.config is None else self.config.steps

    def evaluate_all(self, config: Config | None) -> Evaluation:
        """What the dictionaries of all steps of a configuration say, which may be none."""
        from mitosis.dictionaries.evaluation import Evaluation

        if config is None or not config.steps:
            return Evaluation(meanings=(), refused=(), troubles=(), files=frozenset())
        return self.evaluate(config, None)

    def warnings(self, evaluation: Evaluation) -> tuple[str, ...]:
        """What is to be said of what was evaluated: copies that trials import in place of the repository's modules, and
        files of submodules that are not the recorded ones.

        Raises:
            GitError: git cannot look at a submodule.
        """
        checked = "so that copy was checked" if self.index is None else "which was checked"
        found = [
            f"trials import `{name}` from {path}, and not from this repository, {checked}: install the repository in "
            "editable mode (pip install -e .), or uninstall the copy"
            for name, path in evaluation.elsewhere.items()
        ]
        if self.index is not None:
            found += [
                f"the submodule `{name}` was taken from the working tree, which differs from {self.label}"
                for name in self.index.differing_submodules(evaluation.files)
            ]
        return tuple(found)


@contextlib.contextmanager
def staged_state(repository: Repository, *, time_limit_s: float = TIME_LIMIT_S) -> Iterator[State]:
    """What git would commit now.

    Args:
        repository: whose index.
        time_limit_s: for evaluating its dictionaries.

    Raises:
        ConfigError: the staged pyproject.toml cannot be used.
        GitError: git cannot read the index.
    """
    with _index_state(repository, None, "what is staged", time_limit_s) as state:
        yield state


@contextlib.contextmanager
def commit_state(
    repository: Repository, commit: str, *, time_limit_s: float = TIME_LIMIT_S, without: Collection[str] = ()
) -> Iterator[State]:
    """A commit.

    Args:
        repository: that has it.
        commit: its full id.
        time_limit_s: for evaluating its dictionaries.
        without: files to leave out of it.

    Raises:
        ConfigError: its pyproject.toml cannot be used.
        GitError: git cannot read it.
    """
    with _index_state(repository, commit, f"commit {commit[:7]}", time_limit_s, without) as state:
        yield state


@contextlib.contextmanager
def working_state(repository: Repository) -> Iterator[State]:
    """The working tree, with what is neither staged nor committed.

    Raises:
        ConfigError: its pyproject.toml cannot be used.
    """
    from mitosis.dictionaries.checkouts import working_tree
    from mitosis.dictionaries.evaluation import evaluate

    root = repository.root
    listed = repository.git("ls-files", "-z", "--cached", "--others", "--exclude-standard")
    names = frozenset(name for name in listed.split("\0") if name)

    def read(name: str) -> bytes:
        return (root / name).read_bytes()

    try:
        config = _parse(read(CONFIG_NAME), root)
    except FileNotFoundError:
        config = _parse(b"", root)
    except OSError as error:
        raise ConfigError(root / CONFIG_NAME, f"it cannot be read: {error.strerror}") from error
    yield State(
        "the working tree",
        None,
        names,
        read,
        config if config.steps else None,
        lambda config, steps: evaluate(working_tree(repository), config, steps=steps),
        None,
        config.hook,
    )


@contextlib.contextmanager
def _index_state(
    repository: Repository, commit: str | None, label: str, time_limit_s: float, without: Collection[str] = ()
) -> Iterator[State]:
    from mitosis.dictionaries.checkouts import open_index
    from mitosis.dictionaries.selection import evaluate_index

    with open_index(repository, commit, without=without) as index:
        config = _parse(_read_config(index) if CONFIG_NAME in index.files else b"", repository.root)
        yield State(
            label,
            commit,
            index.files.keys(),
            index.read,
            config if config.steps else None,
            lambda config, steps: evaluate_index(index, config, steps=steps, time_limit_s=time_limit_s),
            index,
            config.hook,
        )


def _read_config(index: Index) -> bytes:
    """The bytes of pyproject.toml. The git program gives them sooner than libgit2 is imported."""
    oid = index.files[CONFIG_NAME].oid
    (data,) = read_blobs([oid], _MAX_CONFIG_BYTES, cwd=index.repository.root)
    return index.read(CONFIG_NAME) if data is None else data


def _parse(data: bytes, root: Path) -> Config:
    """The configuration in a pyproject.toml that may not be the one in the working tree."""
    path = Path(os.path.realpath(root)) / CONFIG_NAME
    if len(data) > _MAX_CONFIG_BYTES:
        raise ConfigError(path, f"it has {len(data)} bytes")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ConfigError(path, f"byte {error.start} is not UTF-8, as TOML has to be") from error
    return parse_config(text, path, steps_needed=False)
