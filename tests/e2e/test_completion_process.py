"""What the command answers to a shell that asks for candidates."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from mitosis.canonical.encode import digest_value, encode_value
from mitosis.git.repository import find_repository
from mitosis.journal.journal import Journal
from mitosis.parameters import COMMANDS
from mitosis.records.trial import TrialRecord
from mitosis.variants import Variant, VariantName
from support.e2e import Mitosis
from support.shells import lock_variants

Complete = Callable[..., dict[str, str]]


@pytest.fixture
def complete(mitosis: Mitosis) -> Complete:
    """The candidates for the last of some words, with their descriptions; nothing else may be printed."""

    def ask(*words: str, cwd: Path | None = None) -> dict[str, str]:
        done = mitosis("__complete", *words, cwd=cwd)
        assert done.stderr == ""
        lines = done.stdout.removeprefix("\n\x1fbegin\n").splitlines()
        return {value: text for value, _, text in (line.partition("\t") for line in lines)}

    return ask


@pytest.fixture
def lock(project: Path, make_record: Callable[..., TrialRecord]) -> Callable[..., str]:
    """Start a trial that locks variants of `my_exp.frequency`; returns its key."""
    return lambda *names: lock_variants(project, make_record, names)


@pytest.fixture
def journal(project: Path) -> Journal:
    return Journal(find_repository(project))


def test_steps_are_described_by_their_functions(complete: Complete) -> None:
    assert complete("") == {"my_exp": "Multiply.", "data": "", "fit": ""}
    assert complete("data", "") == {"my_exp": "Multiply.", "fit": ""}


def test_steps_that_are_named_like_a_command_are_offered_where_they_would_run(
    complete: Complete, commit: Callable[[Mapping[str, str]], str], mitosis: Mitosis
) -> None:
    names = sorted(COMMANDS)
    table = "".join(f'{name} = ["lab.chain:make", "lab.chain:lookups"]\n' for name in ("mine", *names))
    commit({"pyproject.toml": f"[tool.mitosis.steps]\n{table}"})
    assert list(complete("")) == list(complete("l")) == ["mine"]
    assert list(complete("run", "")) == ["mine", *names]
    assert list(complete("mine", "")) == names
    mitosis("run", "list", "-p", "list.noise=low")


def test_variants_have_their_values(complete: Complete, lock: Callable[..., str]) -> None:
    lock("locked")
    name = "my_exp.frequency"
    assert complete("my_exp", "-p", f"{name}=") == {f"{name}=fast": "10", f"{name}=slow": "1", f"{name}=locked": "0"}


def test_retired_variants_are_offered_only_to_be_shown_or_used_again(
    complete: Complete, lock: Callable[..., str], journal: Journal
) -> None:
    lock("good", "bad")
    journal.retire(VariantName("my_exp", "frequency", "bad"), "", journal.repository.identity())
    assert "my_exp.frequency=bad" not in complete("my_exp", "-p", "my_exp.frequency=")
    assert "my_exp.frequency=bad" not in complete("variants", "retire", "my_exp.frequency=")
    assert "my_exp.frequency=bad" in complete("variants", "show", "my_exp.frequency=")
    assert list(complete("variants", "retire", "--undo", "my_exp.frequency=")) == ["my_exp.frequency=bad"]


def test_conflicts_are_offered_to_be_resolved_with_their_meanings(
    complete: Complete,
    lock: Callable[..., str],
    journal: Journal,
    git: Callable[..., str],
    project: Path,
    tmp_path: Path,
) -> None:
    lock("one", "two")
    other = tmp_path / "other"
    git("clone", "--quiet", str(project), str(other), cwd=tmp_path)
    theirs = Journal(find_repository(other))
    value = encode_value(99)
    variant = Variant(VariantName("my_exp", "frequency", "two"), digest_value(value), value)
    theirs.lock([variant], journal.repository.head or "", theirs.repository.identity())
    git("fetch", "--quiet", str(other), "refs/mitosis/journal:refs/mitosis/remotes/other/journal", cwd=project)
    tip = journal.read_tip("refs/mitosis/remotes/other/journal")
    assert tip is not None
    journal.merge(tip, journal.repository.identity(), "other")
    assert complete("variants", "resolve", "my_exp.frequency=") == {"my_exp.frequency=two": "2 meanings"}
    meanings = complete("variants", "resolve", "my_exp.frequency=two", "--keep", "")
    assert set(meanings.values()) == {"1", "99"}


def test_parameters_that_are_given_are_not_offered_again(complete: Complete) -> None:
    assert list(complete("my_exp", "-p", "my_exp.frequency=slow", "-e", "")) == ["my_exp.amplitude="]
    assert list(complete("my_exp", "-e", "+my_exp.amplitude=1", "-e", "")) == ["my_exp.frequency="]
    assert complete("my_exp", "-p", "my_exp.frequency=slow", "-p", "") == {}


def test_parameters_without_steps_are_of_all_steps(complete: Complete) -> None:
    assert list(complete("-p", "")) == ["my_exp.frequency=", "data.noise=", "fit.kind="]


def test_what_follows_an_expression_is_not_offered(complete: Complete) -> None:
    assert complete("my_exp", "-e", "my_exp.frequency=") == {}


def test_trials_are_described(complete: Complete, mitosis: Mitosis) -> None:
    mitosis("my_exp", "-p", "my_exp.frequency=slow", "-e", "my_exp.amplitude=4")
    ((key, text),) = complete("show", "").items()
    assert len(key) == 12
    assert text == "my_exp · finished · main = 4 · just now"
    assert complete("open", key[:2]) == {key: text}
    assert complete("forget", key, "") == {}
    assert list(complete("list", "--experiment", "")) == ["my_exp"]


def test_remotes_are_offered_without_passwords(complete: Complete, git: Callable[..., str], project: Path) -> None:
    git("remote", "add", "lab", "https://ada:secret@example.org/lab.git", cwd=project)
    for command in ("push", "pull", "sync", "setup"):
        assert complete(command, "") == {"lab": "https://example.org/lab.git"}
    assert complete("push", "lab", "") == {}


def test_branches_and_tags_are_offered_to_check(complete: Complete, git: Callable[..., str], project: Path) -> None:
    git("tag", "v1", cwd=project)
    assert complete("check", "") == {"main": "first", "v1": "first"}
    assert list(complete("check", "v1..")) == ["v1..main", "v1..v1"]


def test_another_configuration_counts(complete: Complete, project: Path) -> None:
    (project / "other.toml").write_text('[tool.mitosis.steps]\nother = ["lab:run", "lab:lookup_dict"]\n')
    assert list(complete("--config", "other.toml", "")) == ["other"]


@pytest.mark.parametrize("words", [("my_exp", "-p", ""), ("push", "")])
def test_outside_a_repository_there_is_nothing(complete: Complete, tmp_path: Path, words: tuple[str, ...]) -> None:
    (tmp_path / "outside").mkdir()
    assert complete(*words, cwd=tmp_path / "outside") == {}


@pytest.mark.parametrize("text", ["[tool", "[tool.mitosis]\nsteps = 3\n"])
def test_a_broken_configuration_leaves_what_the_journal_knows(
    complete: Complete, lock: Callable[..., str], project: Path, text: str
) -> None:
    key = lock("slow")
    (project / "pyproject.toml").write_text(text)
    assert complete("") == {}
    assert list(complete("my_exp", "-p", "")) == ["my_exp.frequency="]
    assert list(complete("show", "")) == [key]


@pytest.mark.parametrize("damage", [b"damaged"])
def test_a_damaged_journal_leaves_what_the_source_says(
    complete: Complete, lock: Callable[..., str], project: Path, damage: bytes
) -> None:
    lock("locked")
    for path in (project / ".git" / "objects").glob("??/*"):
        path.chmod(0o644)
        path.write_bytes(damage)
    (project / ".git" / "mitosis" / "index.sqlite").unlink()
    assert complete("show", "") == {}
    assert list(complete("my_exp", "-p", "my_exp.frequency=")) == ["my_exp.frequency=fast", "my_exp.frequency=slow"]


def test_a_ref_that_is_no_journal_is_no_trouble(complete: Complete, git: Callable[..., str], project: Path) -> None:
    git("update-ref", "refs/mitosis/journal", "HEAD", cwd=project)
    assert complete("show", "") == {}


@pytest.mark.parametrize("words", [("my_exp", "-p", "my_exp.frequency="), ("my_exp", "-e", "")])
def test_nothing_of_the_users_is_run(complete: Complete, project: Path, words: tuple[str, ...]) -> None:
    source = (project / "lab" / "__init__.py").read_text()
    (project / "lab" / "__init__.py").write_text(f"open('ran', 'w')\n{source}")
    assert complete(*words)
    assert not (project / "ran").exists()


@pytest.mark.parametrize("words", [("my_exp", "-p", "my_exp.frequency="), ("show", "")])
def test_nothing_that_takes_long_is_loaded(mitosis: Mitosis, lock: Callable[..., str], words: tuple[str, ...]) -> None:
    lock("slow")
    loaded = mitosis("__complete", *words, environment={"PYTHONPROFILEIMPORTTIME": "1"}).stderr
    names = {line.rpartition("|")[2].strip().partition(".")[0] for line in loaded.splitlines()}
    assert "cyclopts" in names
    assert not names & {"rich", "pygit2", "numpy", "jupyter_client", "nbformat", "psutil", "asyncio"}


def test_names_that_steer_a_terminal_are_not_offered(complete: Complete, lock: Callable[..., str]) -> None:
    lock("a\x1b[2J", "b\n", "c\x9b", "d\u202e", "e")
    assert list(complete("variants", "diff", "my_exp.frequency", "")) == ["fast", "slow", "e"]


def test_descriptions_are_on_one_line(complete: Complete, project: Path) -> None:
    (project / "lab" / "__init__.py").write_text('def run(x):\n    "a\\x1b[2J\\tb\\x07"\n')
    assert complete("")["my_exp"] == "a [2J b"
