"""What is refused before any user code runs: the message, and that it is quick and leaves nothing behind."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from support.e2e import SLOW, Mitosis, Project, write

REFUSED = 2
Refused = Callable[..., str]


@pytest.fixture
def refused(mitosis: Mitosis, project: Project) -> Refused:
    """Run a command that has to be refused in the project; returns its message."""

    def run(*words: str, cwd: Path | None = None, environment: Mapping[str, str] | None = None) -> str:
        done = mitosis(*words, cwd=cwd, status=REFUSED, environment=environment)
        assert done.stdout == ""
        assert done.stderr.startswith("mitosis: ")
        assert "Traceback" not in done.stderr
        assert project.git("for-each-ref", "refs/mitosis", "refs/notes") == ""
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


def test_before_the_first_commit(refused: Refused, tmp_path: Path, git: Callable[..., str], project: Project) -> None:
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


def test_modified_and_staged_files_are_listed(refused: Refused, project: Project) -> None:
    write(project, {"lab/chain.py": "changed = True\n", "lab/new.py": "new = True\n"})
    project.git("add", "lab/new.py")
    message = refused(*SLOW)
    assert "changes that are not committed" in message
    assert " M lab/chain.py" in message
    assert "A  lab/new.py" in message
    assert "Commit or stash them, or pass --debug" in message


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("my_epx",), "there is no step `my_epx`"),
        (("my_epx",), "registered: data, fit, my_exp"),
        (("my_epx",), "Did you mean `my_exp`?"),
        (("data", "fit", "data"), "`data`"),
        (("my_exp", "-p", "my_exp.frequency"), "-p my_exp.frequency"),
        (("my_exp", "-e", "my_exp.amplitude=(4"), "not valid Python"),
        (("my_exp", "-e", "my_exp.amplitude=4", "-p", "my_exp.amplitude=four"), "my_exp.amplitude"),
        (("my_exp", "-p", "fit.kind=sum"), "`fit`"),
        (("my_exp", "-m", "lab"), "-m lab"),
        (("-m", "lab/chain.py"), "did you mean -m lab.chain?"),
        (("lst",), "did you mean the command `mitosis list`?"),
        (("variants", "show"), "See mitosis variants show --help."),
        (("list", "--foo"), "See mitosis list --help."),
        (("show", "a", "b"), "See mitosis show --help."),
    ],
)
def test_words_that_make_no_sense_are_told(refused: Refused, words: tuple[str, ...], told: str) -> None:
    assert told in refused(*words)


def test_no_table_shows_the_lines_to_add(project: Project, refused: Refused) -> None:
    project.commit({"pyproject.toml": "[project]\nname = 'x'\n"})
    message = refused(*SLOW)
    assert "pyproject.toml" in message
    assert "[tool.mitosis.steps]" in message
    assert 'my_step = ["my_package.my_module:run", "my_package.my_module:lookup_dict"]' in message


def test_no_configuration_file(refused: Refused, project: Project) -> None:
    project.git("rm", "--quiet", "pyproject.toml")
    project.git("commit", "--quiet", "-m", "no file")
    assert str(project / "pyproject.toml") in refused(*SLOW)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[tool.mitosis.steps\n", "line 1"),
        ('[tool.mitosis.steps]\nmy_exp = "lab:run"\n', "my_exp"),
    ],
)
def test_malformed_table(project: Project, refused: Refused, text: str, told: str) -> None:
    project.commit({"pyproject.toml": text})
    message = refused(*SLOW)
    assert "pyproject.toml" in message
    assert told in message


def test_folder_that_cannot_be_written(project: Project, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    done = project.mitosis(*SLOW, "-F", str(tmp_path / "file" / "trials"), status=REFUSED)
    assert f"the trials folder {tmp_path / 'file' / 'trials'} cannot be written" in done.stderr
    assert "-F" in done.stderr


def test_unknown_option_is_named(project: Project) -> None:
    done = project.mitosis("my_exp", "--frequency=slow", status=REFUSED)
    assert "--frequency" in done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr


def test_newer_journal_is_refused(project: Project) -> None:
    blob = project.git("hash-object", "-w", "--stdin", stdin="99\n").strip()
    tree = project.git("mktree", stdin=f"100644 blob {blob}\tformat\n").strip()
    commit_id = project.git("commit-tree", tree, "-m", "from the future").strip()
    project.git("update-ref", "refs/mitosis/journal", commit_id)
    done = project.mitosis(*SLOW, status=REFUSED)
    assert "99" in done.stderr
    assert "Upgrade mitosis" in done.stderr
    assert list((project / "trials").glob("20*")) == []


def test_no_other_journal_begins_where_one_is_gone(project: Project) -> None:
    project.mitosis(*SLOW)
    project.git("update-ref", "-d", "refs/mitosis/journal")
    left = sorted(path.name for path in (project / "trials").iterdir())
    done = project.mitosis(*SLOW, status=REFUSED)
    assert "the journal of this repository is gone, though there still is refs/notes/mitosis" in done.stderr
    assert sorted(path.name for path in (project / "trials").iterdir()) == left
    assert project.git("for-each-ref", "refs/mitosis/journal") == ""


def test_configuration_that_is_not_committed(refused: Refused, project: Project, tmp_path: Path) -> None:
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
