"""What all tests share: a git that knows nothing of the machine's or the user's configuration, and small repositories.

Fixtures to use:
    repository_folder: a new repository with one commit, `first`.
    git: runs the git program, in `repository_folder` unless told where: `git("log", "-1", cwd=other)`; returns its
        output.
    home: the folder that is HOME while the test runs; its `.gitconfig` names Ada Lovelace.

`python -m pytest` leaves out what is marked `slow`, and has hypothesis try few examples.
`python -m pytest -m slow` runs what is marked, and hypothesis with many examples.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path

import pygit2
import pytest
from hypothesis import is_hypothesis_test, settings

from support.journal import run_git

GITCONFIG = """\
[user]
    name = Ada Lovelace
    email = ada@example.org
[init]
    defaultBranch = main
[protocol "file"]
    allow = always
[gc]
    auto = 0
[maintenance]
    auto = false
"""

settings.register_profile("ordinary", max_examples=25, deadline=None)
settings.register_profile("slow", max_examples=1_000, deadline=None)


def _runs_slow(config: pytest.Config) -> bool:
    return bool(config.option.markexpr == "slow")


def pytest_xdist_auto_num_workers() -> int:
    """One more than there are processors: many tests wait for a process that waits for something itself."""
    return (os.cpu_count() or 1) + 1


def pytest_configure(config: pytest.Config) -> None:
    settings.load_profile("slow" if _runs_slow(config) else "ordinary")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Have `-m slow` run what hypothesis tests once more, with many examples."""
    if _runs_slow(config):
        for item in items:
            if is_hypothesis_test(getattr(item, "obj", None)):
                item.add_marker("slow")


@pytest.fixture(scope="session", autouse=True)
def signals_of_a_terminal() -> None:
    """Have processes end by signals as in a terminal: what a shell starts in the background, or nohup, ignores some."""
    for number in (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM, signal.SIGTSTP):
        if signal.getsignal(number) == signal.SIG_IGN:
            signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)


@pytest.fixture(autouse=True)
def home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Keep the configuration of the machine and the user out of git and libgit2."""
    folder = tmp_path_factory.mktemp("home")
    (folder / ".gitconfig").write_text(GITCONFIG)
    for name in list(os.environ):
        if name.startswith(("GIT_", "XDG_", "EMAIL")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(folder))
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    monkeypatch.setenv("GIT_TERMINAL_PROMPT", "0")
    # libgit2 finds the configuration folders when it is loaded, so the variables above come too late for it.
    levels = pygit2.enums.ConfigLevel
    for level in (levels.SYSTEM, levels.XDG, levels.PROGRAMDATA):
        pygit2.settings.search_path[level] = str(folder / "nowhere")
    pygit2.settings.search_path[levels.GLOBAL] = str(folder)
    return folder


@pytest.fixture
def repository_folder(tmp_path: Path, git: Callable[..., str]) -> Path:
    """A repository with a working tree and one commit."""
    folder = tmp_path / "repository"
    git("init", "--quiet", str(folder), cwd=tmp_path)
    (folder / "experiment.py").write_text("def run(amplitude):\n    return {'main': amplitude}\n")
    git("add", ".", cwd=folder)
    git("commit", "--quiet", "-m", "first", cwd=folder)
    return folder


@pytest.fixture
def git(request: pytest.FixtureRequest) -> Callable[..., str]:
    """Run the git program: `git(*words, cwd=None, stdin=None)`; fails the test if git fails."""

    def run(*words: str, cwd: Path | None = None, stdin: str | None = None) -> str:
        folder = request.getfixturevalue("repository_folder") if cwd is None else cwd
        return run_git(*words, cwd=folder, stdin=stdin)

    return run
