"""What is refused before any user code runs: the message, and that it is quick and leaves nothing behind."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from support.e2e import SLOW, Commit, Mitosis, write

REFUSED = 2
Refused = Callable[..., str]


@pytest.fixture
def refused(mitosis: Mitosis, project: Path, git: Callable[..., str]) -> Refused:
    """Run a command that has to be refused in the project; returns its message."""

    def run(*words: str, cwd: Path | None = None, environment: Mapping[str, str] | None = None) -> str:
        done = mitosis(*words, cwd=cwd, status=REFUSED, environment=environment)
        assert done.stdout == ""
        assert done.stderr.startswith("mitosis: ")
        assert "Traceback" not in done.stderr
        assert git("for-each-ref", "refs/mitosis", "refs/notes", cwd=project) == ""
        assert not (project / "trials").exists()
        return done.stderr

    return run


def test_outside_a_repository(refused: Refused, tmp_path: Path) -> None:
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    message = refused(*SLOW, cwd=folder)
    assert f"{folder} is not inside a git repository" in message
    assert "pass --debug" in message


def test_in_a_bare_repository(refused: Refused, tmp_path: Path, git: Callable[..., str]) -> None:
    git("init", "--quiet", "--bare", "bare.git", cwd=tmp_path)
    assert "is a bare repository" in refused(*SLOW, cwd=tmp_path / "bare.git")


def test_before_the_first_commit(refused: Refused, tmp_path: Path, git: Callable[..., str], project: Path) -> None:
    folder = tmp_path / "new"
    git("init", "--quiet", str(folder), cwd=tmp_path)
    write(folder, {"pyproject.toml": (project / "pyproject.toml").read_text()})
    message = refused(*SLOW, cwd=folder)
    assert "has no commits yet" in message
    assert "git commit" in message


def test_without_an_identity(refused: Refused, home: Path) -> None:
    (home / ".gitconfig").write_text("[user]\n    useConfigOnly = true\n")
    message = refused(*SLOW)
    assert "git does not know who you are" in message
    assert 'git config user.name "Your Name"' in message


def test_identity_is_asked_of_git_itself(mitosis: Mitosis, home: Path, project: Path, git: Callable[..., str]) -> None:
    (home / ".gitconfig").write_text("[user]\n    useConfigOnly = true\n")
    mitosis(*SLOW, environment={"GIT_AUTHOR_NAME": "Bob Bell", "GIT_AUTHOR_EMAIL": "bob@example.org"})
    assert (
        git("log", "-1", "--format=%an %ae %cn", "refs/mitosis", cwd=project) == "Bob Bell bob@example.org Bob Bell\n"
    )


def test_modified_and_staged_files_are_listed(refused: Refused, project: Path, git: Callable[..., str]) -> None:
    write(project, {"lab/chain.py": "changed = True\n", "lab/new.py": "new = True\n"})
    git("add", "lab/new.py", cwd=project)
    message = refused(*SLOW)
    assert "changes that are not committed" in message
    assert " M lab/chain.py" in message
    assert "A  lab/new.py" in message
    assert "Commit or stash them, or pass --debug" in message


def test_only_the_first_ten_changes_are_listed(refused: Refused, commit: Commit, project: Path) -> None:
    commit({f"data/{n:02}.txt": "before" for n in range(14)})
    write(project, {f"data/{n:02}.txt": "after" for n in range(14)})
    message = refused(*SLOW)
    assert "data/09.txt" in message
    assert "data/10.txt" not in message
    assert "... and 4 more" in message


def test_changed_submodule_is_refused(refused: Refused, project: Path, tmp_path: Path, git: Callable[..., str]) -> None:
    inner = tmp_path / "inner"
    git("init", "--quiet", str(inner), cwd=tmp_path)
    write(inner, {"inner.py": "x = 1\n"})
    git("add", ".", cwd=inner)
    git("commit", "--quiet", "-m", "inner", cwd=inner)
    git("submodule", "--quiet", "add", str(inner), "sub", cwd=project)
    git("commit", "--quiet", "-m", "with submodule", cwd=project)
    write(project, {"sub/inner.py": "x = 2\n"})
    assert "sub" in refused(*SLOW)


def test_unknown_step_names_the_nearest_and_all(refused: Refused) -> None:
    message = refused("my_epx")
    assert "there is no step `my_epx`" in message
    assert "registered: data, fit, my_exp" in message
    assert "Did you mean `my_exp`?" in message


def test_repeated_step(refused: Refused) -> None:
    assert "`data`" in refused("data", "fit", "data")


def test_no_table_shows_the_lines_to_add(refused: Refused, commit: Commit) -> None:
    commit({"pyproject.toml": "[project]\nname = 'x'\n"})
    message = refused(*SLOW)
    assert "pyproject.toml" in message
    assert "[tool.mitosis.steps]" in message
    assert 'my_step = ["my_package.my_module:run", "my_package.my_module:lookup_dict"]' in message


def test_no_configuration_file(refused: Refused, project: Path, git: Callable[..., str]) -> None:
    git("rm", "--quiet", "pyproject.toml", cwd=project)
    git("commit", "--quiet", "-m", "no file", cwd=project)
    assert str(project / "pyproject.toml") in refused(*SLOW)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[tool.mitosis.steps\n", "line 1"),
        ('[tool.mitosis.steps]\nmy_exp = "lab:run"\n', "my_exp"),
    ],
)
def test_malformed_table(refused: Refused, commit: Commit, text: str, told: str) -> None:
    commit({"pyproject.toml": text})
    message = refused(*SLOW)
    assert "pyproject.toml" in message
    assert told in message


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("my_exp", "-p", "my_exp.frequency"), "-p my_exp.frequency"),
        (("my_exp", "-e", "my_exp.amplitude=(4"), "not valid Python"),
        (("my_exp", "-e", "my_exp.amplitude=4", "-p", "my_exp.amplitude=four"), "my_exp.amplitude"),
        (("my_exp", "-p", "fit.kind=sum"), "`fit`"),
    ],
)
def test_malformed_doubled_and_misdirected_parameters(refused: Refused, words: tuple[str, ...], told: str) -> None:
    assert told in refused(*words)


def test_module_and_steps_together(refused: Refused) -> None:
    assert "-m lab" in refused("my_exp", "-m", "lab")


def test_sha256_repository(refused: Refused, tmp_path: Path, git: Callable[..., str], project: Path) -> None:
    folder = tmp_path / "sha256"
    git("init", "--quiet", "--object-format=sha256", str(folder), cwd=tmp_path)
    write(folder, {"pyproject.toml": (project / "pyproject.toml").read_text()})
    git("add", ".", cwd=folder)
    git("commit", "--quiet", "-m", "first", cwd=folder)
    message = refused(*SLOW, cwd=folder)
    assert "sha256" in message


def test_reftable_repository(refused: Refused, project: Path) -> None:
    (project / ".git" / "reftable").mkdir()
    assert "reftable" in refused(*SLOW)


def test_folder_that_cannot_be_written(mitosis: Mitosis, project: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    done = mitosis(*SLOW, "-F", str(tmp_path / "file" / "trials"), status=REFUSED)
    assert f"the trials folder {tmp_path / 'file' / 'trials'} cannot be written" in done.stderr
    assert "-F" in done.stderr


def test_unknown_option_is_named(mitosis: Mitosis) -> None:
    done = mitosis("my_exp", "--frequency=slow", status=REFUSED)
    assert "--frequency" in done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr


def test_newer_journal_is_refused(mitosis: Mitosis, project: Path, git: Callable[..., str]) -> None:
    blob = git("hash-object", "-w", "--stdin", stdin="99\n", cwd=project).strip()
    tree = git("mktree", stdin=f"100644 blob {blob}\tformat\n", cwd=project).strip()
    commit_id = git("commit-tree", tree, "-m", "from the future", cwd=project).strip()
    git("update-ref", "refs/mitosis/journal", commit_id, cwd=project)
    done = mitosis(*SLOW, status=REFUSED)
    assert "99" in done.stderr
    assert "Upgrade mitosis" in done.stderr
    assert list((project / "trials").glob("20*")) == []


def test_configuration_that_is_not_committed(refused: Refused, project: Path, tmp_path: Path) -> None:
    text = (project / "pyproject.toml").read_text()
    write(project, {"other.toml": text})
    message = refused("--config", "other.toml", *SLOW)
    assert f"{project / 'other.toml'}: it is not committed" in message
    write(tmp_path, {"outside.toml": text})
    assert "outside the repository" in refused("--config", str(tmp_path / "outside.toml"), *SLOW)


def test_reading_outside_a_repository(mitosis: Mitosis, tmp_path: Path) -> None:
    message = mitosis("list", cwd=tmp_path, status=REFUSED).stderr
    assert f"{tmp_path} is not inside a git repository" in message
    assert "--debug" not in message


def test_mistyped_command_is_recognised(refused: Refused) -> None:
    assert "did you mean the command `mitosis list`?" in refused("lst")


@pytest.mark.parametrize("words", [("show",), ("list", "--foo"), ("show", "a", "b")])
def test_commands_called_wrongly_say_so_in_one_line(refused: Refused, words: tuple[str, ...]) -> None:
    assert f"See mitosis {words[0]} --help." in refused(*words)


def test_module_given_as_a_file(refused: Refused) -> None:
    assert "did you mean -m lab.chain?" in refused("-m", "lab/chain.py")
