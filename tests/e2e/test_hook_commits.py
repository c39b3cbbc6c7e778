"""What the hook says of commits, in real repositories, with real locks, by real `git commit`."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from mitosis.git.repository import find_repository
from mitosis.hook import installing
from support.e2e import Mitosis, write
from support.journal import JOURNAL, Desk, run_git, write_hook
from support.variants import variant
from support.waiting import LIMITS_S, TIMEOUT_S, wait_until

STEP = '[tool.mitosis.steps]\nmy_exp = { action = "lab:run", lookup = "lab:lookup_dict", main = "error" }\n'
LAB = 'lookup_dict = {"frequency": {"fast": 10, "slow": 1}}\n'
CHANGED = LAB.replace('"slow": 1', '"slow": 2')
HEAD_LINE = "mitosis: this commit changes what locked variants mean"
END_OF_WARNING = "This is only a warning: the commit continues."
ACCEPT = "If the variants still mean the same with these functions: mitosis lock --accept-functions"
RESTORE = "Add the variants to the dictionary, or rename or retire them: mitosis variants rename, or retire"
END = [
    "Trials with `my_exp.frequency=slow` will be refused. Give the new value its own name, or restore the locked one.",
    END_OF_WARNING,
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

    def attempt(self, *words: str, variables: Mapping[str, str] | None = None) -> Outcome:
        """Run git, whatever comes of it; what it prints is left out."""
        done = subprocess.run(
            ["git", *words],
            cwd=self.folder,
            env={**os.environ, **(variables or {})},
            capture_output=True,
            text=True,
            timeout=TIMEOUT_S,
            check=False,
        )
        return Outcome(done.returncode, done.stderr.splitlines())

    def git(self, *words: str, stdin: str | None = None) -> str:
        """Run git, which has to succeed."""
        return run_git(*words, cwd=self.folder, stdin=stdin)

    def install(self, *, strict: bool | None = None) -> None:
        installing.install(find_repository(self.folder), strict=strict)

    def write(self, files: Mapping[str, str]) -> None:
        write(self.folder, files)

    def stage(self, files: Mapping[str, str]) -> None:
        self.write(files)
        self.git("add", "--", *files)

    def commit(self, *words: str, variables: Mapping[str, str] | None = None) -> Outcome:
        return self.attempt("commit", "--quiet", "-m", "change", *words, variables=variables)

    def lock(self, **values: object) -> None:
        """Lock variants of `my_exp.frequency`."""
        desk = Desk(self.folder)
        assert desk.repository.head is not None
        desk.lock([variant(name, value) for name, value in values.items()], desk.repository.head, desk.identity)


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository whose variants `slow` and `fast` are locked, with the hook."""
    with pytest.MonkeyPatch.context() as patch:
        for role in ("AUTHOR", "COMMITTER"):
            patch.setenv(f"GIT_{role}_NAME", "Ada Lovelace")
            patch.setenv(f"GIT_{role}_EMAIL", "ada@example.org")
        return make_lab(tmp_path_factory.mktemp("hook") / "lab").folder


@pytest.fixture
def lab(template: Path, tmp_path: Path) -> Lab:
    """A copy of it."""
    subprocess.run(["cp", "-a", str(template), str(tmp_path / "lab")], check=True)
    return Lab(tmp_path / "lab")


def make_lab(folder: Path, files: Mapping[str, str] | None = None) -> Lab:
    folder.mkdir()
    lab = Lab(folder)
    lab.git("init", "--quiet", "--initial-branch=main")
    lab.stage({"pyproject.toml": STEP, "lab/__init__.py": LAB, "README.md": "A lab.\n", **(files or {})})
    assert lab.commit().status == 0
    lab.lock(slow=1, fast=10)
    lab.install()
    return lab


# --- what is staged -------------------------------------------------------------------------------


def test_a_commit_that_changes_a_locked_variant_goes_on_with_a_warning(lab: Lab) -> None:
    lab.stage({"lab/__init__.py": CHANGED})
    assert lab.commit() == Outcome(0, WARNING)
    assert lab.git("show", "HEAD:lab/__init__.py") == CHANGED


def test_nothing_is_said_where_no_locked_variant_changes(lab: Lab) -> None:
    lab.stage({"lab/__init__.py": LAB.replace("{", '{"other": {"x": 3}, ', 1) + "y = 1\n"})
    assert lab.commit() == Outcome(0, [])


def test_what_is_not_staged_does_not_count(lab: Lab) -> None:
    lab.stage({"lab/__init__.py": LAB + "x = 1\n"})
    lab.write({"lab/__init__.py": CHANGED})
    assert lab.commit() == Outcome(0, [])


def test_of_a_partially_staged_file_the_staged_part_counts(tmp_path: Path) -> None:
    before = LAB + "".join(f"x{n} = 0\n" for n in range(20))
    lab = make_lab(tmp_path / "lab", {"lab/__init__.py": before})
    lab.write({"lab/__init__.py": before.replace('"slow": 1', '"slow": 2').replace("x19 = 0", "x19 = 1")})
    lab.git("add", "--patch", stdin="y\nn\n")
    assert lab.commit() == Outcome(0, WARNING)


def test_a_partial_commit_is_judged_by_the_files_that_it_takes(lab: Lab) -> None:
    lab.stage({"lab/__init__.py": CHANGED})
    lab.write({"README.md": "Changed.\n"})
    assert lab.commit("README.md") == Outcome(0, [])
    lab.stage({"README.md": "Changed again.\n"})
    assert lab.commit("lab/__init__.py") == Outcome(0, WARNING)


def test_an_amended_commit_is_judged(lab: Lab) -> None:
    lab.stage({"README.md": "Changed.\n"})
    assert lab.commit("--no-verify").status == 0
    lab.stage({"lab/__init__.py": CHANGED})
    assert lab.commit("--amend") == Outcome(0, WARNING)


def test_the_very_first_commit_is_judged(tmp_path: Path) -> None:
    lab = make_lab(tmp_path / "lab")
    lab.git("checkout", "--quiet", "--orphan", "other")
    lab.stage({"lab/__init__.py": CHANGED})
    assert lab.commit() == Outcome(0, WARNING)


# --- strict and off -------------------------------------------------------------------------------


def test_the_configured_strictness_stops_the_commit(lab: Lab) -> None:
    lab.stage({"pyproject.toml": '[tool.mitosis]\nhook = "strict"\n' + STEP})
    assert lab.commit() == Outcome(0, [])
    before = lab.git("rev-parse", "HEAD")
    lab.stage({"lab/__init__.py": CHANGED})
    stopped = lab.commit()
    assert (stopped.status, stopped.said[:3]) == (1, WARNING[:3])
    assert stopped.said[3:] == [
        "The commit is stopped because the hook is strict; `git commit --no-verify` commits without it."
    ]
    assert lab.git("rev-parse", "HEAD") == before
    assert lab.git("diff", "--cached", "--name-only") == "lab/__init__.py\n"


def test_the_option_of_the_clone_stops_the_commit(lab: Lab) -> None:
    lab.install(strict=True)
    lab.stage({"lab/__init__.py": CHANGED})
    assert lab.commit().status == 1
    lab.install(strict=False)
    assert lab.commit() == Outcome(0, WARNING)


def test_turned_off_it_says_nothing_even_where_the_clone_is_strict(lab: Lab) -> None:
    lab.install(strict=True)
    lab.stage({"pyproject.toml": '[tool.mitosis]\nhook = "off"\n' + STEP, "lab/__init__.py": CHANGED})
    assert lab.commit() == Outcome(0, [])


# --- merges and other commands --------------------------------------------------------------------


def on_branch(lab: Lab, files: Mapping[str, str]) -> None:
    """Commit files on a branch `theirs`, without the check."""
    lab.git("checkout", "--quiet", "-b", "theirs")
    lab.stage(files)
    assert lab.commit("--no-verify").status == 0
    lab.git("checkout", "--quiet", "main")


def test_a_merge_that_had_a_conflict_is_judged_when_it_is_committed(lab: Lab) -> None:
    on_branch(lab, {"lab/__init__.py": CHANGED, "README.md": "theirs\n"})
    lab.stage({"README.md": "ours\n"})
    assert lab.commit("--no-verify").status == 0
    assert lab.attempt("merge", "theirs").status == 1
    lab.stage({"README.md": "both\n"})
    assert lab.commit() == Outcome(0, WARNING)


def test_a_merge_without_conflict_is_judged_where_the_hook_of_merges_calls_this_one(lab: Lab) -> None:
    on_branch(lab, {"lab/__init__.py": CHANGED})
    lab.stage({"README.md": "ours\n"})
    assert lab.commit("--no-verify") == Outcome(0, [])
    write_hook(lab.folder / ".git", "pre-merge-commit", 'exec "$(git rev-parse --git-path hooks)/pre-commit"\n')
    assert lab.attempt("merge", "--quiet", "-m", "merge", "theirs") == Outcome(0, WARNING)


# --- modules that move ----------------------------------------------------------------------------


def test_a_renamed_module_is_followed_by_the_configuration(lab: Lab) -> None:
    lab.git("mv", "lab/__init__.py", "lab/sine.py")
    lab.stage({"lab/sine.py": CHANGED, "pyproject.toml": STEP.replace("lab:", "lab.sine:")})
    assert lab.commit() == Outcome(0, WARNING)


# --- places ---------------------------------------------------------------------------------------


def test_in_a_linked_worktree_its_own_index_counts(lab: Lab, tmp_path: Path) -> None:
    lab.git("worktree", "add", "--quiet", str(tmp_path / "linked"))
    linked = Lab(tmp_path / "linked")
    lab.stage({"README.md": "more\n"})
    linked.stage({"lab/__init__.py": CHANGED})
    assert lab.commit() == Outcome(0, [])
    assert linked.commit() == Outcome(0, WARNING)


def test_a_dictionary_that_imports_from_a_submodule_changes_with_its_commit(tmp_path: Path) -> None:
    inner = make_lab(tmp_path / "values", {"values.py": "slow = 1\n"})
    files = {
        "lab/__init__.py": LAB.replace('"slow": 1', '"slow": inner.values.slow').replace(
            "lookup", "import inner.values\nlookup", 1
        )
    }
    outer = Lab(tmp_path / "outer")
    outer.folder.mkdir()
    outer.git("init", "--quiet")
    outer.git("submodule", "--quiet", "add", str(inner.folder), "inner")
    outer.stage({"pyproject.toml": STEP, **files})
    assert outer.commit() == Outcome(0, [])
    outer.lock(slow=1, fast=10)
    outer.install()
    outer.stage({"pyproject.toml": STEP + "# more\n"})
    assert outer.commit() == Outcome(0, [])
    Lab(outer.folder / "inner").stage({"values.py": "slow = 2\n"})
    assert Lab(outer.folder / "inner").commit() == Outcome(0, [])
    outer.git("add", "inner")
    assert outer.commit() == Outcome(0, WARNING)
    outer.write({"inner/values.py": "slow = 3\n"})
    outer.stage({"lab/__init__.py": files["lab/__init__.py"] + "x = 1\n"})
    [line] = outer.commit().said
    assert line.endswith("the submodule `inner` was taken from the working tree, which differs from what is staged")


def test_in_a_bare_environment_the_python_that_installed_it_is_used(lab: Lab) -> None:
    lab.stage({"lab/__init__.py": CHANGED})
    done = subprocess.run(
        ["env", "-i", "PATH=/usr/bin:/bin", f"HOME={os.environ['HOME']}", "git", "commit", "-q", "-m", "change"],
        cwd=lab.folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr.splitlines()) == (0, WARNING)


def test_any_file_names_pass(lab: Lab) -> None:
    names = ["a b.txt", "it's.txt", 'say "x".txt', "größe.txt", "tab\there.txt", "line\nbreak.txt"]
    names.append(os.fsdecode(b"gr\xf6\xdfe.txt"))
    lab.stage({"lab/__init__.py": CHANGED, **{f"{folder}{name}": "1\n" for name in names for folder in ("", "lab/")}})
    assert lab.commit() == Outcome(0, WARNING)
    lab.stage({names[0]: "2\n"})
    assert lab.commit() == Outcome(0, [])


def test_poor_terminals_get_the_warning_without_a_traceback(lab: Lab) -> None:
    lab.stage({"lab/__init__.py": LAB.replace('"slow": 1', '"slow": "größer"')})
    outcome = lab.commit(variables={"LC_ALL": "POSIX", "COLUMNS": "40", "PYTHONIOENCODING": "ascii"})
    assert (outcome.status, len(outcome.said)) == (0, 4)
    assert (outcome.said[0], outcome.said[2:]) == (HEAD_LINE, END)
    assert "my_exp.frequency=slow" in outcome.said[1]


# --- what dictionaries do -------------------------------------------------------------------------


def test_an_import_error_takes_one_line(lab: Lab) -> None:
    lab.stage({"lab/__init__.py": "import no_such_library\n" + CHANGED})
    why = "`lab` cannot be imported: ModuleNotFoundError: No module named 'no_such_library'"
    assert lab.commit() == Outcome(0, [f"mitosis: not checked: step `my_exp`: {why}"])


def test_whatever_goes_wrong_takes_one_line_even_for_the_strict(lab: Lab) -> None:
    lab.install(strict=True)
    lab.stage({"lab/__init__.py": "import os; os._exit(3)\n"})
    outcome = lab.commit()
    assert (outcome.status, len(outcome.said)) == (0, 1)
    assert outcome.said[0].startswith("mitosis: not checked: step `my_exp`: ")


def test_a_dictionary_that_takes_too_long_takes_one_line(lab: Lab) -> None:
    lab.stage({"lab/__init__.py": "import time; time.sleep(600)\n" + CHANGED})
    for limit_s in (0.5, *LIMITS_S):
        lab.git("config", "mitosis.hookTimeLimit", str(limit_s))
        outcome = lab.commit()
        assert outcome.status == 0
        (line,) = outcome.said
        if "importing" in line:
            break
        lab.git("reset", "--soft", "HEAD~1")
    late = f"importing `lab` took longer than {limit_s:g} s and was stopped"
    assert line == f"mitosis: not checked: step `my_exp`: {late}"


def test_a_time_limit_that_is_none_is_told(lab: Lab) -> None:
    lab.git("config", "mitosis.hookTimeLimit", "nan")
    lab.stage({"lab/__init__.py": LAB + "x = 1\n"})
    assert lab.commit() == Outcome(
        0, ["mitosis: mitosis.hookTimeLimit is 'nan', but should be a number of seconds; using 30"]
    )


def test_an_interrupted_check_stops_the_commit_without_a_traceback(lab: Lab, tmp_path: Path) -> None:
    marker = tmp_path / "started"
    lab.stage({"lab/__init__.py": f"import time; open({str(marker)!r}, 'w'); time.sleep(600)\n"})
    with subprocess.Popen(
        [".git/hooks/pre-commit"], cwd=lab.folder, stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        wait_until(marker.exists)
        os.killpg(process.pid, signal.SIGINT)
        _, said = process.communicate(timeout=TIMEOUT_S)
    assert process.returncode not in (0, 1)
    assert said == ""


def test_a_step_that_cannot_be_evaluated_does_not_hide_the_others(lab: Lab) -> None:
    lab.stage({"pyproject.toml": STEP + 'bad = ["bad:run", "bad:lookup"]\n', "lab/__init__.py": CHANGED})
    outcome = lab.commit()
    assert [*outcome.said[:2], *outcome.said[3:]] == WARNING
    assert outcome.said[2].startswith("mitosis: not checked: step `bad`")


def test_of_many_changes_some_are_shown_and_the_rest_counted(lab: Lab) -> None:
    lab.lock(**{f"v{n:02}": 0 for n in range(30)})
    entries = ", ".join(f'"v{n:02}": 1' for n in range(30))
    lab.stage({"lab/__init__.py": 'lookup_dict = {"frequency": {"fast": 10, ' + entries + "}}\n"})
    outcome = lab.commit()
    assert [line[4:25] for line in outcome.said[1:21]] == [f"my_exp.frequency=v{n:02} " for n in range(20)]
    assert outcome.said[21] == "mitosis: and 11 more; `mitosis check --staged` shows them all"
    assert outcome.said[-1] == END[-1]


def test_what_a_dictionary_prints_is_not_seen(lab: Lab) -> None:
    noise = "import sys, os\nprint('x')\nprint('y', file=sys.stderr)\nos.system('echo z')\n"
    lab.stage({"lab/__init__.py": noise + LAB})
    assert lab.commit() == Outcome(0, [])


def test_a_data_file_beside_the_module_counts(tmp_path: Path) -> None:
    text = (
        "from pathlib import Path\n"
        "slow = int(Path(__file__).with_name('slow.txt').read_text())\n"
        "lookup_dict = {'frequency': {'slow': slow}}\n"
    )
    lab = make_lab(tmp_path / "lab", {"lab/__init__.py": text, "lab/slow.txt": "1"})
    lab.git("commit", "--quiet", "--allow-empty", "-m", "x")
    lab.stage({"lab/slow.txt": "2"})
    outcome = lab.commit()
    assert WARNING[1] in outcome.said


def test_a_removed_variant_is_told_once_and_stops_nobody(lab: Lab) -> None:
    lab.install(strict=True)
    lab.stage({"lab/__init__.py": LAB.replace(', "slow": 1', "")})
    assert lab.commit() == Outcome(
        0,
        [
            "mitosis: this commit lacks variants that are locked",
            "    my_exp.frequency=slow   1 → not in the dictionary",
            RESTORE,
            END_OF_WARNING,
        ],
    )
    lab.stage({"lab/__init__.py": LAB.replace(', "slow": 1', "") + "x = 1\n"})
    assert lab.commit() == Outcome(0, [])


def test_what_was_changed_before_does_not_stop_later_commits(lab: Lab) -> None:
    lab.install(strict=True)
    lab.stage({"lab/__init__.py": CHANGED})
    assert lab.commit("--no-verify").status == 0
    lab.stage({"lab/__init__.py": CHANGED + "x = 1\n"})
    assert lab.commit() == Outcome(0, [])
    lab.stage({"lab/__init__.py": CHANGED.replace('"slow": 2', '"slow": 3')})
    assert lab.commit().status == 1


def test_a_changed_body_of_a_function_is_told_and_stops_nobody(tmp_path: Path, mitosis: Mitosis) -> None:
    text = (
        "def half(x):\n    return x / 2\n\n"
        'lookup_dict = {"frequency": {"kind": half}}\n\n'
        'def run(frequency):\n    return {"main": 1}\n'
    )
    lab = make_lab(tmp_path / "lab", {"lab/__init__.py": text, ".gitignore": "trials/\n"})
    mitosis("lock", cwd=lab.folder)
    lab.install(strict=True)
    lab.stage({"lab/__init__.py": text.replace("x / 2", "x  /  2  # a half")})
    assert [line for line in lab.commit().said if "kind" in line] == []
    lab.stage({"lab/__init__.py": text.replace("x / 2", "x / 3")})
    assert lab.commit() == Outcome(
        0,
        [
            "mitosis: this commit changes functions that locked variants name",
            "    my_exp.frequency=kind   lab:half   (0 trials used the locked value)",
            ACCEPT,
            END_OF_WARNING,
        ],
    )


# --- what is wrong with the repository ------------------------------------------------------------


def test_a_broken_configuration_takes_one_line(lab: Lab) -> None:
    lab.stage({"pyproject.toml": "[tool.mitosis]\nsteps = 3\n", "lab/__init__.py": CHANGED})
    lab.write({"pyproject.toml": STEP})
    outcome = lab.commit()
    assert (outcome.status, len(outcome.said)) == (0, 1)
    assert outcome.said[0].startswith("mitosis: locked variants are not checked: ")


def test_without_a_journal_nothing_is_said(lab: Lab) -> None:
    lab.git("update-ref", "-d", JOURNAL)
    lab.stage({"lab/__init__.py": CHANGED})
    assert lab.commit() == Outcome(0, [])


def test_a_journal_that_cannot_be_read_takes_one_line(lab: Lab) -> None:
    lab.install(strict=True)
    Desk(lab.folder).rewrite({"format": "99\n"})
    lab.stage({"lab/__init__.py": CHANGED})
    outcome = lab.commit()
    assert (outcome.status, len(outcome.said)) == (0, 1)
    assert outcome.said[0].startswith("mitosis: locked variants are not checked: ")


def test_of_a_variant_in_conflict_either_meaning_passes(lab: Lab) -> None:
    lab.git("clone", "--quiet", str(lab.folder), "../other")
    other = Lab(lab.folder.parent / "other")
    other.lock(slow=2)
    desk = Desk(lab.folder)
    desk.git("fetch", "--quiet", str(other.folder), JOURNAL)
    desk.merge(desk.oid_of("FETCH_HEAD"), desk.identity, "other")
    assert desk.conflicts()
    lab.stage({"lab/__init__.py": CHANGED})
    assert lab.commit() == Outcome(0, [])
    lab.stage({"lab/__init__.py": CHANGED.replace('"slow": 2', '"slow": 3')})
    outcome = lab.commit()
    assert (outcome.status, outcome.said[0]) == (0, HEAD_LINE)
    assert not any("several meanings" in line for line in outcome.said)


def test_a_commit_that_registers_no_step_any_more_is_told_once_and_stops_nobody(lab: Lab) -> None:
    lab.install(strict=True)
    lab.git("rm", "--quiet", "pyproject.toml")
    outcome = lab.commit()
    assert outcome.status == 0
    assert outcome.said[0] == "mitosis: this commit lacks variants that are locked"
    assert "its step is no longer registered" in outcome.said[1]
    lab.stage({"pyproject.toml": "[tool.other]\nname = 2\n"})
    assert lab.commit() == Outcome(0, [])


def test_a_value_that_is_another_each_time_is_told_once(lab: Lab) -> None:
    flaky = LAB.replace('"slow": 1', '"slow": __import__("os").getpid()')
    assert flaky != LAB
    lab.stage({"lab/__init__.py": flaky})
    assert "        each evaluation gives a different value" in "\n".join(lab.commit().said)
    lab.stage({"lab/__init__.py": flaky + "x = 1\n"})
    assert lab.commit() == Outcome(0, [])


def test_in_a_sparse_checkout_what_was_left_out_before_is_no_news(tmp_path: Path) -> None:
    reads = "import os\nhas_data = os.path.exists(os.path.join(os.path.dirname(__file__), '../big/data.txt'))\n"
    module = reads + "lookup_dict = {'frequency': {'slow': 1 if has_data else 2, 'fast': 10}}\n"
    lab = make_lab(tmp_path / "lab", {"lab/__init__.py": module, "big/data.txt": "1\n"})
    lab.git("sparse-checkout", "set", "lab")
    lab.stage({"lab/__init__.py": module + "x = 1\n"})
    assert lab.commit() == Outcome(0, [])


def test_what_git_fails_of_is_said_in_the_one_line(lab: Lab) -> None:
    lab.stage({".gitattributes": "data.txt filter=away\n", "data.txt": "x"})
    lab.git("config", "filter.away.clean", "cat")
    lab.git("config", "filter.away.smudge", "false")
    lab.git("config", "filter.away.required", "true")
    [line] = lab.commit().said
    assert line.startswith("mitosis: locked variants are not checked: `git checkout-index` failed: ")
    assert "data.txt" in line


def test_index_and_working_tree_are_as_before(lab: Lab) -> None:
    lab.stage({"lab/__init__.py": "from lab import part\n" + CHANGED, "lab/part.py": ""})
    lab.write({"lab/part.py": "'changed'\n", "new.py": ""})
    os.utime(lab.folder / "README.md", (1, 1))
    index = (lab.folder / ".git" / "index").read_bytes()
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    done = subprocess.run(
        [".git/hooks/pre-commit"], cwd=lab.folder, env=environment, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr.splitlines()) == (0, WARNING)
    assert (lab.folder / ".git" / "index").read_bytes() == index
    left = {str(p.relative_to(lab.folder)) for p in lab.folder.rglob("*") if p.is_file() and ".git" not in p.parts}
    assert left == {"README.md", "pyproject.toml", "lab/__init__.py", "lab/part.py", "new.py"}
    assert not list((lab.folder / ".git").rglob("*.lock"))
    assert (lab.folder / "lab" / "part.py").read_text() == "'changed'\n"
