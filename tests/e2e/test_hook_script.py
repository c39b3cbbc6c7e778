"""The script that git runs before a commit, in real commits.

Where it matters which Python the script finds, the ones to be found are virtual environments with a package `mitosis`
that notes how it was run.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import venv
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from mitosis.git.repository import find_repository
from mitosis.hook import installing, place
from support.e2e import Project

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "hooks" / "pre-commit"
SHELLS = [name for name in ("dash", "bash", "busybox", "ksh", "zsh") if shutil.which(name)]
GRAPHICAL_PATH = "/usr/bin:/bin"
NOTHING_FOUND = "no Python with mitosis was found"

_CHECK = """\
import json, os, sys
with open({log!r}, "a") as log:
    facts = dict(name={name!r}, words=sys.argv[1:], path=sys.path, folder=os.getcwd(), executable=sys.executable)
    log.write(json.dumps(facts) + "\\n")
"""


class Environments:
    """Makes virtual environments, and reads what ran in them."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._log = folder / "log"
        programs = folder / "programs"
        programs.mkdir()
        for name in ("sh", "git"):
            (programs / name).symlink_to(str(shutil.which(name)))
        self.bare = {"PATH": str(programs)}
        """Variables with which a shell and git are found, and nothing else."""

    def make(self, path: Path, *, after: str = "", has_mitosis: bool = True) -> Path:
        """Make one whose `mitosis.hook` notes that it ran and goes on with `after`; returns its Python."""
        venv.create(path, symlinks=True, with_pip=False)
        if has_mitosis:
            [packages] = path.glob("lib/python*/site-packages")
            package = packages / "mitosis" / "hook"
            package.mkdir(parents=True)
            (package.parent / "__init__.py").touch()
            (package / "__init__.py").touch()
            (package / "__main__.py").write_text(_CHECK.format(log=str(self._log), name=path.name) + after)
        return path / "bin" / "python"

    def ran(self) -> list[dict[str, Any]]:
        """What ran since this was asked last."""
        if not self._log.exists():
            return []
        lines = self._log.read_text().splitlines()
        self._log.unlink()
        return [json.loads(line) for line in lines]

    def names(self) -> list[str]:
        return [facts["name"] for facts in self.ran()]


@pytest.fixture
def environments(tmp_path: Path) -> Environments:
    return Environments(tmp_path)


@pytest.fixture
def repository(repository_folder: Path) -> Project:
    """A repository with the hook, and without a setting of the Python."""
    installing.install(find_repository(repository_folder))
    project = Project(repository_folder)
    project.git("config", "--unset", "mitosis.python")
    return project


def commit(folder: Path, variables: Mapping[str, str], *words: str) -> subprocess.CompletedProcess[str]:
    """Commit in an environment of nothing but the given variables, as a graphical client may."""
    return subprocess.run(
        ["git", "commit", "--quiet", "--allow-empty", "-m", "more", *words],
        cwd=folder,
        env={"HOME": os.environ["HOME"], "GIT_CONFIG_NOSYSTEM": "1", **variables},
        capture_output=True,
        text=True,
        check=False,
    )


def write_program(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)
    return path


# --- which Python ---------------------------------------------------------------------------------


def test_pythons_are_looked_for_in_order(repository: Project, environments: Environments, tmp_path: Path) -> None:
    (repository / ".git" / "info" / "exclude").write_text("*env\n")
    repository.git("config", "mitosis.python", str(environments.make(tmp_path / "configured")))
    variables = {"PATH": f"{tmp_path / 'scripts'}:{environments.bare['PATH']}:{tmp_path / 'last' / 'bin'}"}
    for name in ("VIRTUAL_ENV", "CONDA_PREFIX"):
        environments.make(tmp_path / name)
        variables[name] = str(tmp_path / name)
    for name in (".venv", "venv", "env"):
        environments.make(repository / name)
    pipx = environments.make(tmp_path / "pipx")
    write_program(tmp_path / "scripts" / "mitosis", f"#!{pipx}\nimport mitosis\n")
    environments.make(tmp_path / "last")
    removals: dict[str, Callable[[], object]] = {
        "configured": lambda: shutil.rmtree(tmp_path / "configured"),
        "VIRTUAL_ENV": lambda: variables.pop("VIRTUAL_ENV"),
        "CONDA_PREFIX": lambda: shutil.rmtree(tmp_path / "CONDA_PREFIX"),
        ".venv": lambda: (repository / ".venv" / "bin" / "python").unlink(),
        "venv": lambda: shutil.rmtree(repository / "venv"),
        "env": lambda: shutil.rmtree(repository / "env"),
        "pipx": lambda: (tmp_path / "scripts" / "mitosis").unlink(),
        "last": lambda: shutil.rmtree(tmp_path / "last"),
    }
    for name, remove in removals.items():
        done = commit(repository, variables)
        assert (done.returncode, done.stderr) == (0, "")
        assert environments.names() == [name]
        remove()
    done = commit(repository, variables)
    assert done.returncode == 0
    assert NOTHING_FOUND in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert "mitosis hook install" in done.stderr


def test_python_without_mitosis_is_passed_over_in_silence(
    repository: Project, environments: Environments, tmp_path: Path
) -> None:
    repository.git("config", "mitosis.python", str(environments.make(tmp_path / "without", has_mitosis=False)))
    environments.make(repository / ".venv")
    done = commit(repository, environments.bare)
    assert (done.returncode, done.stderr, environments.names()) == (0, "", [".venv"])


@pytest.mark.parametrize("text", ["#!/bin/sh\nkill -SEGV $$\n", "#!/nowhere/python\n"])
def test_python_that_does_not_work_is_passed_over(
    repository: Project, environments: Environments, tmp_path: Path, text: str
) -> None:
    repository.git("config", "mitosis.python", str(write_program(tmp_path / "broken", text)))
    done = commit(repository, environments.bare)
    assert done.returncode == 0
    assert NOTHING_FOUND in done.stderr
    environments.make(repository / ".venv")
    assert commit(repository, environments.bare).returncode == 0
    assert environments.names() == [".venv"]


def test_path_of_the_setting_may_begin_at_home(repository: Project, environments: Environments, home: Path) -> None:
    environments.make(home / "lab")
    repository.git("config", "mitosis.python", "~/lab/bin/python")
    assert commit(repository, environments.bare).returncode == 0
    assert environments.names() == ["lab"]


@pytest.mark.parametrize("place", ["long", "with blank"])
def test_python_of_a_script_is_found_where_a_first_line_cannot_name_it(
    repository: Project, environments: Environments, tmp_path: Path, place: str
) -> None:
    python = environments.make(tmp_path / place)
    named = f'"{python}"' if " " in place else str(python)
    text = f"#!/bin/sh\n'''exec' {named} \"$0\" \"$@\"\n' '''\nimport mitosis\n"
    write_program(tmp_path / "scripts" / "mitosis", text)
    assert commit(repository, {"PATH": f"{tmp_path / 'scripts'}:{environments.bare['PATH']}"}).returncode == 0
    assert environments.names() == [place]


def test_odd_characters_in_paths_do_no_harm(environments: Environments, tmp_path: Path) -> None:
    folder = Project(tmp_path / "my $HOME 'lab' \"one\" é")
    folder.mkdir()
    folder.git("init", "--quiet")
    installing.install(find_repository(folder))
    folder.git("config", "mitosis.python", str(environments.make(folder / "my `env`")))
    assert commit(folder, environments.bare).stderr == ""
    assert environments.names() == ["my `env`"]


# --- how it runs ----------------------------------------------------------------------------------


def test_status_of_the_check_is_handed_on(repository: Project, environments: Environments) -> None:
    environments.make(repository / ".venv", after="print('stop', file=sys.stderr)\nsys.exit(33)\n")
    done = commit(repository, environments.bare)
    assert done.returncode != 0
    assert done.stderr == "stop\n"
    assert repository.git("rev-list", "--count", "HEAD").strip() == "1"
    assert environments.names() == [".venv"]
    run = subprocess.run([SCRIPT], cwd=repository, env=environments.bare, check=False, capture_output=True)
    assert run.returncode == 33
    assert commit(repository, environments.bare, "--no-verify").returncode == 0


@pytest.mark.parametrize(
    ("after", "said"),
    [
        ("import no_such_module\n", "lacks a module: No module named 'no_such_module'"),
        ("raise ValueError('a bug')\n", "error in mitosis itself"),
    ],
)
def test_failure_of_the_check_stops_no_commit(
    repository: Project, environments: Environments, after: str, said: str
) -> None:
    environments.make(repository / ".venv", after=after)
    done = commit(repository, environments.bare)
    assert done.returncode == 0
    assert said in done.stderr


def test_strict_is_taken_from_the_configuration(repository: Project, environments: Environments) -> None:
    environments.make(repository / ".venv")
    for value, words in (("yes", ["--strict"]), ("false", [])):
        repository.git("config", "mitosis.strict", value)
        assert commit(repository, environments.bare).returncode == 0
        subprocess.run([SCRIPT, "--strict"], cwd=repository, env=environments.bare, check=True)
        assert [facts["words"] for facts in environments.ran()] == [words, ["--strict"]]


def test_modules_in_the_working_tree_stand_in_for_nothing(repository: Project, environments: Environments) -> None:
    environments.make(repository / ".venv")
    (repository / "mitosis").mkdir()
    for name in ("runpy.py", "json.py", "mitosis/__init__.py"):
        (repository / name).write_text("raise ValueError('not this one')\n")
    assert commit(repository, environments.bare).stderr == ""
    [facts] = environments.ran()
    assert facts["folder"] == str(repository)
    assert "" not in facts["path"]
    assert str(repository) not in facts["path"]


@pytest.mark.parametrize("shell", SHELLS)
def test_every_shell_understands_it(repository: Project, environments: Environments, shell: str) -> None:
    environments.make(repository / ".venv", after="sys.exit(3 if sys.argv[1:] == ['--strict', 'a b'] else 4)\n")
    # As a system would have them for its sh.
    words = {"busybox": ["sh"], "zsh": ["--emulate", "sh"]}.get(shell, [])
    command = [str(shutil.which(shell)), *words]
    done = subprocess.run(
        [*command, str(SCRIPT), "--strict", "a b"],
        cwd=repository,
        env=environments.bare,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (3, "")


def test_it_starts_git_twice(repository: Project, environments: Environments, tmp_path: Path) -> None:
    environments.make(repository / ".venv")
    trace = tmp_path / "trace"
    commit(repository, {**environments.bare, "GIT_TRACE": str(trace)})
    assert len(re.findall(r"trace: built-in: git config", trace.read_text())) == 2
    assert len(re.findall(r"trace: (built-in|exec): git", trace.read_text())) <= 4  # commit, and what it starts itself


# --- beside other hooks ---------------------------------------------------------------------------


def test_hook_that_was_there_runs_first_with_all_that_it_had(
    repository_folder: Path, environments: Environments, tmp_path: Path
) -> None:
    log = tmp_path / "theirs"
    theirs = write_program(
        repository_folder / ".git" / "hooks" / "pre-commit",
        f'#!/bin/sh\n{{ echo "$#:$*"; cat; env | sort; pwd; }} >>{shlex.quote(str(log))}\nexit "${{STATUS:-0}}"\n',
    )
    variables = {"PATH": GRAPHICAL_PATH, "HOME": os.environ["HOME"], "GIT_AUTHOR_DATE": "1700000000 +0000"}
    words = ["one", "two words"]

    def run(path: Path, **more: str) -> tuple[int, str]:
        done = subprocess.run(
            [path, *words], cwd=repository_folder, env={**variables, **more}, input=b"from git\n", check=False
        )
        said = log.read_text()
        log.unlink()
        return done.returncode, said

    was = run(theirs)
    environments.make(repository_folder / ".venv")
    installing.install(find_repository(repository_folder))
    subprocess.run(["git", "config", "--unset", "mitosis.python"], cwd=repository_folder, check=True)
    assert run(theirs) == was
    assert [facts["words"] for facts in environments.ran()] == [words]
    assert run(theirs, STATUS="7")[0] == 7
    assert environments.ran() == []
    assert commit(repository_folder, {"PATH": str(GRAPHICAL_PATH), "STATUS": "1"}).returncode == 1


# --- the pre-commit framework ---------------------------------------------------------------------


@pytest.fixture
def framework(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run the program `pre-commit` in a folder."""
    monkeypatch.setenv("PRE_COMMIT_HOME", str(tmp_path / "cache"))

    def run(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "pre_commit", *words], cwd=folder, capture_output=True, text=True, check=True
        )

    return run


@pytest.fixture
def published(tmp_path: Path) -> tuple[Path, str]:
    """A repository with what the framework needs of this one, and its commit."""
    folder = Project(tmp_path / "published")
    (folder / "hooks").mkdir(parents=True)
    for name in (".pre-commit-hooks.yaml", "hooks/pre-commit", ".gitattributes"):
        shutil.copy(ROOT / name, folder / name)
    folder.git("init", "--quiet")
    return folder, folder.commit({})


def configure(folder: Path, repository: str, rev: str | None, entry: Mapping[str, object]) -> None:
    source: dict[str, object] = {"repo": repository, "hooks": [entry]}
    if rev is not None:
        source["rev"] = rev
    (folder / ".pre-commit-config.yaml").write_text(json.dumps({"repos": [source]}))
    subprocess.run(["git", "add", ".pre-commit-config.yaml"], cwd=folder, check=True)


def test_framework_runs_it_in_the_users_environment(
    repository_folder: Path, environments: Environments, published: tuple[Path, str], framework: Callable[..., object]
) -> None:
    check = "print('slow means 2')\nsys.exit(1 if '--strict' in sys.argv else 0)\n"
    environments.make(repository_folder / ".venv", after=check)
    configure(repository_folder, str(published[0]), published[1], {"id": "mitosis", "args": ["--strict"]})
    framework(repository_folder, "install")
    done = commit(repository_folder, {"PATH": GRAPHICAL_PATH, "PRE_COMMIT_HOME": os.environ["PRE_COMMIT_HOME"]})
    assert done.returncode == 1, done.stderr
    assert "slow means 2" in done.stderr + done.stdout
    assert [facts["words"] for facts in environments.ran()] == [["--strict"]]
    found = place.status(find_repository(repository_folder))
    assert found.called_by == "pre-commit, by .pre-commit-config.yaml"


LOCAL = {"id": "theirs", "name": "theirs", "language": "system", "entry": "sh -c 'echo ran >>.git/theirs'"}


@pytest.mark.parametrize("framework_was_first", [False, True])
def test_both_run_once_a_commit_whichever_came_first(
    repository_folder: Path, environments: Environments, framework: Callable[..., object], framework_was_first: bool
) -> None:
    environments.make(repository_folder / ".venv")
    configure(repository_folder, "local", None, {**LOCAL, "always_run": True, "pass_filenames": False})
    ours = find_repository(repository_folder)
    if framework_was_first:
        framework(repository_folder, "install")
    installing.install(ours)
    framework(repository_folder, "install")
    subprocess.run(["git", "config", "--unset", "mitosis.python"], cwd=repository_folder, check=True)
    done = commit(repository_folder, {"PATH": GRAPHICAL_PATH, "PRE_COMMIT_HOME": os.environ["PRE_COMMIT_HOME"]})
    assert done.returncode == 0, done.stderr
    assert (repository_folder / ".git" / "theirs").read_text() == "ran\n"
    assert environments.names() == [".venv"]
    assert place.status(ours).is_installed
    installing.uninstall(ours)
    left = place.find_place(ours).current()
    assert left is not None
    assert left.kind == "pre-commit"
    done = commit(repository_folder, {"PATH": GRAPHICAL_PATH, "PRE_COMMIT_HOME": os.environ["PRE_COMMIT_HOME"]})
    assert done.returncode == 0, done.stderr
    assert (repository_folder / ".git" / "theirs").read_text() == "ran\n" * 2
    assert sorted(path.name for path in (repository_folder / ".git" / "hooks").glob("pre-commit*")) == [
        "pre-commit",
        "pre-commit.sample",
    ]


def test_hooks_that_call_each_other_come_to_an_end(repository: Project, environments: Environments) -> None:
    environments.make(repository / ".venv")
    hooks = repository / ".git" / "hooks"
    (hooks / "pre-commit").rename(hooks / "pre-commit.before")
    other = '#!/bin/sh\necho called >>.git/theirs\n"${0%/*}/pre-commit.before" "$@"\n'
    for name in ("pre-commit", "pre-commit.mitosis-chained"):
        write_program(hooks / name, other)
    assert commit(repository, environments.bare).returncode == 0
    assert (repository / ".git" / "theirs").read_text() == "called\n" * 2
    assert environments.names() == [".venv"]
