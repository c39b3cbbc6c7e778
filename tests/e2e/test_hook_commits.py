"""What the hook says of commits, in real repositories, with real locks, by real `git commit`."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from mitosis import canonical, hook
from mitosis.git import find_repository
from mitosis.journal import Journal, VariantValue
from support.e2e import write

Git = Callable[..., str]

STEP = '[tool.mitosis.steps]\nmy_exp = ["lab:run", "lab:lookup_dict"]\n'
LAB = 'lookup_dict = {"frequency": {"fast": 10, "slow": 1}}\n'
CHANGED = LAB.replace('"slow": 1', '"slow": 2')
HEAD_LINE = "mitosis: this commit changes what locked variants mean"
END = [
    "Trials with `slow` will be refused. Give the new value its own name, or restore the locked one.",
    "This is only a warning: the commit goes on.",
]
WARNING = [HEAD_LINE, "    my_exp.frequency=slow   1 → 2   (0 trials used 1)", *END]


@dataclass(frozen=True)
class Outcome:
    """How a git command ended."""

    status: int
    said: list[str]
    """The lines on standard error."""


@dataclass(frozen=True)
class Lab:
    """A clone with the hook, and what is done in it."""

    folder: Path

    def git(
        self, *words: str, stdin: str | None = None, variables: Mapping[str, str] | None = None, cwd: Path | None = None
    ) -> Outcome:
        """Run git, whatever comes of it; what it prints is left out."""
        done = subprocess.run(
            ["git", *words],
            cwd=cwd or self.folder,
            env={**os.environ, **(variables or {})},
            input=stdin,
            capture_output=True,
            encoding="utf-8",
            errors="surrogateescape",
            timeout=60,
            check=False,
        )
        return Outcome(done.returncode, done.stderr.splitlines())

    def do(self, *words: str, stdin: str | None = None) -> None:
        """Run git, which has to succeed."""
        outcome = self.git(*words, stdin=stdin)
        assert outcome.status == 0, (words, outcome.said)

    def write(self, files: Mapping[str, str]) -> None:
        write(self.folder, files)

    def stage(self, files: Mapping[str, str]) -> None:
        self.write(files)
        self.do("add", "--", *files)

    def commit(self, *words: str, variables: Mapping[str, str] | None = None) -> Outcome:
        return self.git("commit", "--quiet", "-m", "change", *words, variables=variables)

    def lock(self, **values: object) -> None:
        """Lock variants of `my_exp.frequency`."""
        repository = find_repository(self.folder)
        variants = []
        for name, value in values.items():
            data = canonical.encode(value)
            digest = canonical.digest(data)
            variants.append(VariantValue("my_exp", "frequency", name, digest, data, "lab:lookup_dict"))
        assert repository.head is not None
        Journal(repository).lock(variants, repository.head, repository.identity())


@pytest.fixture
def lab(tmp_path: Path, git: Git) -> Lab:
    """A repository whose variants `slow` and `fast` are locked, with the hook."""
    return make_lab(tmp_path / "lab", git)


def make_lab(folder: Path, git: Git, files: Mapping[str, str] | None = None) -> Lab:
    folder.mkdir()
    git("init", "--quiet", cwd=folder)
    lab = Lab(folder)
    lab.stage({"pyproject.toml": STEP, "lab/__init__.py": LAB, "README.md": "A lab.\n", **(files or {})})
    assert lab.commit().status == 0
    lab.lock(slow=1, fast=10)
    hook.install(find_repository(folder))
    return lab


# --- what is staged -------------------------------------------------------------------------------


def test_a_commit_that_changes_a_locked_variant_goes_on_with_a_warning(lab: Lab, git: Git) -> None:
    lab.stage({"lab/__init__.py": CHANGED})
    assert lab.commit() == Outcome(0, WARNING)
    assert git("show", "HEAD:lab/__init__.py", cwd=lab.folder) == CHANGED


def test_nothing_is_said_where_no_locked_variant_changes(lab: Lab) -> None:
    lab.stage({"lab/__init__.py": LAB.replace("{", '{"other": {"x": 3}, ', 1) + "y = 1\n"})
    assert lab.commit() == Outcome(0, [])


def test_what_is_not_staged_does_not_count(lab: Lab) -> None:
    lab.stage({"lab/__init__.py": LAB + "x = 1\n"})
    lab.write({"lab/__init__.py": CHANGED})
    assert lab.commit() == Outcome(0, [])


def test_what_is_staged_counts_also_where_the_working_tree_has_it_back(lab: Lab) -> None:
    lab.stage({"lab/__init__.py": CHANGED})
    lab.write({"lab/__init__.py": LAB})
    assert lab.commit() == Outcome(0, WARNING)


@pytest.mark.parametrize(("answers", "expected"), [("y\nn\n", WARNING), ("n\ny\n", [])])
def test_of_a_partially_staged_file_the_staged_part_counts(
    tmp_path: Path, git: Git, answers: str, expected: list[str]
) -> None:
    before = LAB + "".join(f"x{n} = 0\n" for n in range(20))
    lab = make_lab(tmp_path / "lab", git, {"lab/__init__.py": before})
    lab.write({"lab/__init__.py": before.replace('"slow": 1', '"slow": 2').replace("x19 = 0", "x19 = 1")})
    lab.do("add", "--patch", stdin=answers)
    assert lab.commit() == Outcome(0, expected)


def test_commit_all_takes_what_is_in_the_working_tree(lab: Lab) -> None:
    lab.write({"lab/__init__.py": CHANGED})
    assert lab.commit("--all") == Outcome(0, WARNING)


def test_a_partial_commit_is_judged_by_the_files_that_it_takes(lab: Lab) -> None:
    lab.stage({"lab/__init__.py": CHANGED})
    lab.write({"README.md": "Changed.\n"})
    assert lab.commit("README.md") == Outcome(0, [])
    lab.stage({"README.md": "Changed again.\n"})
    assert lab.commit("lab/__init__.py") == Outcome(0, WARNING)


def test_an_amended_commit_is_judged(lab: Lab) -> None:
    lab.stage({"README.md": "Changed.\n"})
    assert lab.commit() == Outcome(0, [])
    lab.stage({"lab/__init__.py": CHANGED})
    assert lab.commit("--amend") == Outcome(0, WARNING)


def test_the_very_first_commit_is_judged(tmp_path: Path, git: Git) -> None:
    lab = make_lab(tmp_path / "lab", git)
    lab.do("checkout", "--quiet", "--orphan", "other")
    lab.stage({"lab/__init__.py": CHANGED})
    assert lab.commit() == Outcome(0, WARNING)


def test_no_verify_skips_the_check(lab: Lab) -> None:
    lab.stage({"lab/__init__.py": CHANGED})
    assert lab.commit("--no-verify") == Outcome(0, [])


# --- strict and off -------------------------------------------------------------------------------


def test_the_configured_strictness_stops_the_commit(lab: Lab, git: Git) -> None:
    lab.stage({"pyproject.toml": '[tool.mitosis]\nhook = "strict"\n' + STEP})
    assert lab.commit() == Outcome(0, [])
    before = git("rev-parse", "HEAD", cwd=lab.folder)
    lab.stage({"lab/__init__.py": CHANGED})
    stopped = lab.commit()
    assert (stopped.status, stopped.said[:3]) == (1, WARNING[:3])
    assert stopped.said[3:] == [
        "The commit is stopped, for the hook is strict; `git commit --no-verify` goes on without it."
    ]
    assert git("rev-parse", "HEAD", cwd=lab.folder) == before
    assert git("diff", "--cached", "--name-only", cwd=lab.folder) == "lab/__init__.py\n"


def test_the_option_of_the_clone_stops_the_commit(lab: Lab) -> None:
    hook.install(find_repository(lab.folder), strict=True)
    lab.stage({"lab/__init__.py": CHANGED})
    assert lab.commit().status == 1
    hook.install(find_repository(lab.folder), strict=False)
    assert lab.commit() == Outcome(0, WARNING)


def test_turned_off_it_says_nothing_even_where_the_clone_is_strict(lab: Lab) -> None:
    hook.install(find_repository(lab.folder), strict=True)
    lab.stage({"pyproject.toml": '[tool.mitosis]\nhook = "off"\n' + STEP, "lab/__init__.py": CHANGED})
    assert lab.commit() == Outcome(0, [])
