"""What the command answers to a shell that asks for candidates."""

from __future__ import annotations

from pathlib import Path

import pytest

from mitosis.parameters import COMMANDS
from mitosis.variants import VariantName
from support.e2e import Project
from support.journal import Desk, Git, make_variant
from support.shells import lock_variants


class Asked(Project):
    """A project, in which a shell asks for candidates."""

    def complete(self, *words: str) -> dict[str, str]:
        """The candidates for the last of some words, with their descriptions; nothing else may be printed."""
        done = self.mitosis("__complete", *words)
        assert done.stderr == ""
        lines = done.stdout.removeprefix("\n\x1fbegin\n").splitlines()
        return {value: text for value, _, text in (line.partition("\t") for line in lines)}

    def lock(self, *names: str) -> str:
        """Start a trial that locks variants of `my_exp.frequency`; returns its key."""
        return lock_variants(self, *names)


@pytest.fixture
def asked(project: Project) -> Asked:
    return Asked(project)


def test_steps_are_described_by_their_functions(asked: Asked) -> None:
    assert asked.complete("") == {"my_exp": "Multiply.", "data": "", "fit": ""}
    assert asked.complete("data", "") == {"my_exp": "Multiply.", "fit": ""}


def test_steps_that_are_named_like_a_command_are_offered_where_they_would_run(asked: Asked) -> None:
    names = sorted(COMMANDS)
    table = "".join(f'{name} = ["lab.chain:make", "lab.chain:lookups"]\n' for name in ("mine", *names))
    asked.commit({"pyproject.toml": f"[tool.mitosis.steps]\n{table}"})
    assert list(asked.complete("")) == list(asked.complete("l")) == ["mine"]
    assert list(asked.complete("run", "")) == ["mine", *names]
    assert list(asked.complete("mine", "")) == names
    asked.mitosis("run", "list", "-p", "list.noise=low")


def test_completion_fetches_nothing(asked: Asked, git: Git) -> None:
    """Somebody else's clone may say in its configuration by which program."""
    marker = asked / ".git" / "was-run"
    for name, value in {
        "core.repositoryFormatVersion": "1",
        "extensions.partialClone": "origin",
        "remote.origin.promisor": "true",
        "remote.origin.url": str(asked),
        "remote.origin.uploadpack": f"touch {marker}; git-upload-pack",
    }.items():
        git("config", name, value, cwd=asked)
    (asked / ".git" / "refs" / "heads" / "gone").write_text("a" * 40 + "\n")
    asked.complete("check", "")
    asked.complete("my_exp", "-p", "")
    asked.complete("show", "")
    assert not marker.exists()


def test_variants_have_their_values(asked: Asked) -> None:
    asked.lock("locked")
    name = "my_exp.frequency"
    assert asked.complete("my_exp", "-p", f"{name}=") == {
        f"{name}=fast": "10",
        f"{name}=slow": "1",
        f"{name}=locked": "0",
    }


def test_retired_variants_are_offered_only_to_be_shown_or_used_again(asked: Asked) -> None:
    asked.lock("good", "bad")
    journal = Desk(asked)
    journal.retire(VariantName("my_exp", "frequency", "bad"), "", journal.identity)
    assert "my_exp.frequency=bad" not in asked.complete("my_exp", "-p", "my_exp.frequency=")
    assert "my_exp.frequency=bad" not in asked.complete("variants", "retire", "my_exp.frequency=")
    assert "my_exp.frequency=bad" in asked.complete("variants", "show", "my_exp.frequency=")
    assert "my_exp.frequency=bad" in asked.complete("variants", "release", "my_exp.frequency=")
    assert list(asked.complete("variants", "retire", "--undo", "my_exp.frequency=")) == ["my_exp.frequency=bad"]


def test_conflicts_are_offered_to_be_resolved_with_their_meanings(asked: Asked, tmp_path: Path) -> None:
    asked.lock("one", "two")
    journal = Desk(asked)
    journal.git("clone", "--quiet", ".", str(tmp_path / "other"))
    theirs = Desk(tmp_path / "other")
    theirs.lock([make_variant("two", 99)], journal.repository.head or "", theirs.identity)
    journal.merge_from(theirs)
    assert asked.complete("variants", "resolve", "my_exp.frequency=") == {"my_exp.frequency=two": "2 meanings"}
    meanings = asked.complete("variants", "resolve", "my_exp.frequency=two", "--keep", "")
    assert set(meanings.values()) == {"1", "99"}


def test_parameters_that_are_given_are_not_offered_again(asked: Asked) -> None:
    assert list(asked.complete("my_exp", "-p", "my_exp.frequency=slow", "-e", "")) == ["my_exp.amplitude="]
    assert list(asked.complete("my_exp", "-e", "+my_exp.amplitude=1", "-e", "")) == ["my_exp.frequency="]
    assert asked.complete("my_exp", "-p", "my_exp.frequency=slow", "-p", "") == {}


def test_parameters_without_steps_are_of_all_steps(asked: Asked) -> None:
    assert list(asked.complete("-p", "")) == ["my_exp.frequency=", "data.noise=", "fit.kind="]


def test_what_follows_an_expression_is_not_offered(asked: Asked) -> None:
    assert asked.complete("my_exp", "-e", "my_exp.frequency=") == {}


def test_trials_are_described(asked: Asked) -> None:
    asked.mitosis("my_exp", "-p", "my_exp.frequency=slow", "-e", "my_exp.amplitude=4")
    ((key, text),) = asked.complete("show", "").items()
    assert len(key) == 12
    assert text == "my_exp · finished · main = 4 · just now"
    assert asked.complete("open", key[:2]).items() >= {key: text}.items()
    assert asked.complete("show", "l").keys() >= {"latest"}
    assert asked.complete("show", "best:-m").keys() >= {"best:-main"}
    assert asked.complete("forget", key, "") == {}
    assert list(asked.complete("list", "--experiment", "")) == ["my_exp"]


def test_remotes_are_offered_without_passwords(asked: Asked) -> None:
    asked.git("remote", "add", "lab", "https://ada:secret@example.org/lab.git")
    for command in ("push", "pull", "sync", "setup"):
        assert asked.complete(command, "") == {"lab": "https://example.org/lab.git"}
    assert asked.complete("push", "lab", "") == {}


def test_branches_and_tags_are_offered_to_check(asked: Asked) -> None:
    asked.git("tag", "v1")
    assert asked.complete("check", "") == {"main": "first", "v1": "first"}
    assert list(asked.complete("check", "v1..")) == ["v1..main", "v1..v1"]


def test_another_configuration_counts(asked: Asked) -> None:
    (asked / "other.toml").write_text('[tool.mitosis.steps]\nother = ["lab:run", "lab:lookup_dict"]\n')
    assert list(asked.complete("--config", "other.toml", "")) == ["other"]


@pytest.mark.parametrize("words", [("my_exp", "-p", ""), ("push", "")])
def test_outside_a_repository_there_is_nothing(tmp_path: Path, words: tuple[str, ...]) -> None:
    (tmp_path / "outside").mkdir()
    assert Asked(tmp_path / "outside").complete(*words) == {}


@pytest.mark.parametrize("text", ["[tool", "[tool.mitosis]\nsteps = 3\n"])
def test_a_broken_configuration_leaves_what_the_journal_knows(asked: Asked, text: str) -> None:
    key = asked.lock("slow")
    (asked / "pyproject.toml").write_text(text)
    assert asked.complete("") == {}
    assert list(asked.complete("my_exp", "-p", "")) == ["my_exp.frequency="]
    assert list(asked.complete("show", "")) == [key]


def test_a_damaged_journal_leaves_what_the_source_says(asked: Asked) -> None:
    asked.lock("locked")
    for path in (asked / ".git" / "objects").glob("??/*"):
        path.chmod(0o644)
        path.write_bytes(b"damaged")
    (asked / ".git" / "mitosis" / "index.sqlite").unlink()
    assert asked.complete("show", "") == {}
    assert list(asked.complete("my_exp", "-p", "my_exp.frequency=")) == [
        "my_exp.frequency=fast",
        "my_exp.frequency=slow",
    ]


def test_a_ref_that_is_no_journal_is_no_trouble(asked: Asked) -> None:
    asked.git("update-ref", "refs/mitosis/journal", "HEAD")
    assert asked.complete("show", "") == {}


@pytest.mark.parametrize("words", [("my_exp", "-p", "my_exp.frequency="), ("my_exp", "-e", "")])
def test_nothing_of_the_users_is_run(asked: Asked, words: tuple[str, ...]) -> None:
    source = (asked / "lab" / "__init__.py").read_text()
    (asked / "lab" / "__init__.py").write_text(f"open('ran', 'w')\n{source}")
    assert asked.complete(*words)
    assert not (asked / "ran").exists()


@pytest.mark.parametrize("words", [("my_exp", "-p", "my_exp.frequency="), ("show", "")])
def test_nothing_that_takes_long_is_loaded(asked: Asked, words: tuple[str, ...]) -> None:
    asked.lock("slow")
    loaded = asked.mitosis("__complete", *words, environment={"PYTHONPROFILEIMPORTTIME": "1"}).stderr
    names = {line.rpartition("|")[2].strip().partition(".")[0] for line in loaded.splitlines()}
    assert "cyclopts" in names
    assert not names & {"rich", "pygit2", "numpy", "jupyter_client", "nbformat", "psutil", "asyncio"}


def test_names_that_steer_a_terminal_are_not_offered(asked: Asked) -> None:
    asked.lock("a\x1b[2J", "b\n", "c\x9b", "d\u202e", "e")
    assert list(asked.complete("variants", "diff", "my_exp.frequency=")) == [
        f"my_exp.frequency={name}" for name in ("fast", "slow", "e")
    ]


def test_descriptions_are_on_one_line(asked: Asked) -> None:
    (asked / "lab" / "__init__.py").write_text('def run(x):\n    "a\\x1b[2J\\tb\\x07"\n')
    assert asked.complete("")["my_exp"] == "a [2J b"
