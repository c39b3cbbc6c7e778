"""`mitosis check`: which states it looks at, what it says in each format, and how it ends."""

from __future__ import annotations

import dataclasses
import json
import re
import tempfile
from pathlib import Path
from typing import Any

import pytest

from mitosis.files import temporary_place
from support.e2e import write
from support.journal import make_record
from support.variants import ADA, ENVIRONMENT, LAB, STEPS, Lab, make_lab, variant

SOUND = "every locked variant still means the same"
THE_RANGE_IS_SOUND = "none changes what a locked variant means"


@pytest.fixture
def lab(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Lab:
    """A lab in which all variants are locked, as the working directory; one trial used `slow`."""

    def lock_all(lab: Lab) -> None:
        lab.lock({"fast": 10})
        lab.lock({"low": {"scale": 0.01, "kernel": [1, 2]}}, "noise")
        lab.use("slow", 1)

    lab = make_lab(tmp_path / "lab", capsys, prepare=lock_all)
    monkeypatch.chdir(lab.folder)
    return lab


def check_json(lab: Lab, *words: str, status: int) -> dict[str, Any]:
    out = lab.mitosis("check", "--format", "json", *words, status=status).out
    assert out.isascii()
    fields: dict[str, Any] = json.loads(out)
    return fields


def head(lab: Lab) -> str:
    return lab.git("rev-parse", "HEAD").strip()


def set_slow(lab: Lab, value: int) -> str:
    """Commit another value of `slow`; returns the beginning of the commit's id."""
    path = lab.folder / "lab.py"
    path.write_text(re.sub(r'"slow": \d+', f'"slow": {value}', path.read_text()))
    return lab.commit({}, f"slow is {value}")[:7]


# --- states ---------------------------------------------------------------------------------------


def test_states_are_told_apart(lab: Lab) -> None:
    lab.edit(('"slow": 1', '"slow": 2'))
    lab.git("add", "lab.py")
    lab.edit(('"slow": 2', '"slow": 3'), ('"fast": 10', '"fast": 11'))
    head = lab.git("rev-parse", "HEAD")[:7]
    assert lab.mitosis("check", status=1).lines == [
        "the working tree changes what locked variants mean",
        "    my_exp.frequency=fast   10 → 11   (0 trials used 10)",
        "    my_exp.frequency=slow   1 → 3   (1 trial used 1)",
    ]
    assert lab.mitosis("check", "--staged", status=1).lines == [
        "what is staged changes what locked variants mean",
        "    my_exp.frequency=slow   1 → 2   (1 trial used 1)",
    ]
    assert lab.mitosis("check", "HEAD").lines == [f"checked commit {head}: {SOUND}"]
    assert lab.git("status", "--porcelain") == "MM lab.py\n"


def test_what_only_lacks_variants_or_changes_functions_does_not_fail(lab: Lab) -> None:
    lab.commit({"lab.py": "def low(): return 1\nlookup_dict = {'f': {'low': low}, 'frequency': {'slow': 1}}\n"})
    lab.mitosis("lock")
    lab.edit(("return 1", "return 2"))
    said = lab.mitosis("check")
    assert said.lines[:2] == [
        "the working tree lacks variants that are locked",
        "    my_exp.frequency=fast   10 → not in the dictionary",
    ]
    assert "the working tree changes functions that locked variants name" in said.lines
    assert any(line.startswith("    my_exp.f=low   lab:low") for line in said.lines)
    assert [line.rpartition(": ")[2] for line in said.lines[-2:]] == [
        "mitosis variants rename, or retire",
        "mitosis lock --accept-functions",
    ]


def test_conflict_fails_and_is_told_with_the_command_that_resolves_it(lab: Lab) -> None:
    other = lab.give_meaning("slow", 3)
    digests = sorted((variant("slow", 1).digest, other.digest))
    said = lab.mitosis("check", status=1)
    assert said.lines[0] == "the working tree has variants with several recorded meanings"
    assert re.fullmatch(r"    my_exp\.frequency=slow   [13] or [13]   \(1 trial used one of them\)", said.lines[1])
    assert said.lines[2].startswith("        mitosis variants resolve my_exp.frequency=slow --keep ")
    [change] = check_json(lab, status=1)["changes"]
    assert change["kind"] == "conflict"
    assert [meaning["digest"] for meaning in change["meanings"]] == digests
    assert change["resolve"] == said.lines[2].strip()
    [line] = lab.mitosis("check", "--format", "github", status=1).lines
    assert line.startswith("::error file=lab.py,line=2,title=my_exp.frequency=slow::the working tree has variants with")
    assert line.endswith(said.lines[2].strip())
    lab.mitosis("variants", "resolve", "my_exp.frequency=slow", "--keep", variant("slow", 1).digest[:8])
    assert lab.mitosis("check").lines == [f"checked the working tree: {SOUND}"]


def test_conflict_is_no_more_than_a_missing_entry_where_no_trial_could_use_it(lab: Lab) -> None:
    lab.give_meaning("slow", 3)
    lab.edit(('"slow": 1', '"gentle": 1'))
    assert [change["kind"] for change in check_json(lab, status=0)["changes"]] == ["removed"]


def test_commit_that_matches_no_meaning_of_a_conflict_is_told_of_in_a_range(lab: Lab) -> None:
    lab.give_meaning("slow", 3)
    three = set_slow(lab, 3)
    four = set_slow(lab, 4)
    assert f"checked 1 commit of HEAD~2..HEAD~1: {THE_RANGE_IS_SOUND}" in lab.mitosis("check", "HEAD~2..HEAD~1").out
    said = lab.mitosis("check", "HEAD~2..", status=1)
    assert said.lines[0] == f"commit {four} changes what locked variants mean"
    assert three not in said.out


def test_step_that_is_registered_no_more_has_its_variants_told(lab: Lab) -> None:
    lab.lock({"gone": 1})
    lab.journal.lock([variant("grid", 3, step="gone"), variant("grid", 3, step="pack.lab")], head(lab), ADA)
    lab.write({"pyproject.toml": '[tool.mitosis.steps]\nnew = ["lab:run", "lab:lookup_dict"]\n'})
    said = lab.mitosis("check")
    assert said.lines[0] == "the working tree lacks variants that are locked"
    names = [
        "gone.frequency=grid",
        *(f"my_exp.frequency={name}" for name in ("fast", "gone", "slow")),
        "my_exp.noise=low",
    ]
    assert [line.split()[0] for line in said.lines[1:6]] == names
    assert said.lines[4].endswith("   1 → its step is no longer registered   (1 trial used the locked value)")
    assert {change["reason"] for change in check_json(lab, status=0)["changes"]} == {"its step is no longer registered"}


def test_dictionary_that_cannot_be_imported_is_told_with_a_status_of_its_own(lab: Lab) -> None:
    lab.write({"lab.py": "import nothing_of_that_name\n"})
    said = lab.mitosis("check", status=3)
    assert said.out == ""
    assert len(said.err.splitlines()) == 1
    assert said.err.startswith("! the working tree is not checked: step `my_exp`: ")
    assert "nothing_of_that_name" in said.err


def test_what_breaks_counts_more_than_what_could_not_be_checked(lab: Lab) -> None:
    steps = '[tool.mitosis.steps]\nmy_exp = ["lab:run", "lab:lookup_dict"]\nother = ["broken:run", "broken:d"]\n'
    lab.write({"pyproject.toml": steps, "broken.py": "1 / 0\n"})
    assert lab.mitosis("check", status=3).err.startswith("! the working tree is not checked: step `other`")
    lab.edit(('"slow": 1', '"slow": 2'))
    lab.mitosis("check", status=1)


def test_state_without_steps_lacks_all_that_is_locked(lab: Lab) -> None:
    lab.write({"pyproject.toml": ""})
    said = lab.mitosis("check")
    assert said.lines[0] == "the working tree lacks variants that are locked"
    assert [line.split()[0] for line in said.lines[1:4]] == [
        "my_exp.frequency=fast",
        "my_exp.frequency=slow",
        "my_exp.noise=low",
    ]
    assert "its step is no longer registered" in said.lines[1]
    assert set(lab.mitosis("variants", "--changed", status=1).rows) == set(lab.mitosis("variants").rows)
    (lab.folder / "pyproject.toml").unlink()
    assert lab.mitosis("check").lines == said.lines


def test_state_without_steps_or_locks_is_said_to_have_none(
    tmp_path: Path, lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = make_lab(tmp_path / "other", lab.capsys, {"pyproject.toml": ""})
    monkeypatch.chdir(other.folder)
    assert other.mitosis("check").lines == [
        "checked the working tree: no steps are registered there, so there is nothing to compare"
    ]


def test_module_without_a_dot_that_was_run_without_registration_is_not_missed(lab: Lab) -> None:
    """`mitosis -m tune` locks the variants of `tune`; `mitosis lock` only those of registered steps."""
    locked = lab.journal.lock([variant("grid", 3, step=step) for step in ("tune", "gone")], head(lab), ADA)
    assert len(locked.newly_locked) == 2
    for step, command in (("tune", ("mitosis", "-m", "tune")), ("gone", ("mitosis", "gone"))):
        record = make_record(commit=head(lab), command=command)
        steps = tuple(dataclasses.replace(s, name=step) for s in record.steps[:1])
        lab.journal.start(record.with_changes(steps=steps, parameters=()), [], ENVIRONMENT, ADA)
    found = check_json(lab, status=0)
    assert [change["step"] for change in found["changes"]] == ["gone"]
    assert [text.partition(":")[0] for text in found["warnings"]] == ["the variants of `tune` are not compared"]
    rows = lab.mitosis("variants").rows
    assert rows["tune.frequency=grid"].startswith("locked 3")
    assert rows["gone.frequency=grid"].startswith("removed 3")
    skipped = "! the variants of `tune` are not compared: it is not registered, and runs as `mitosis -m tune`\n"
    assert lab.mitosis("variants", "--changed", status=1).err == skipped
    assert lab.mitosis("variants", "show", "tune.frequency=grid").err == skipped
    assert lab.mitosis("variants").err == lab.mitosis("variants", "gone", "--changed", status=1).err == ""


# --- what makes the outcome of less worth ---------------------------------------------------------


def test_installed_copy_is_named_whatever_is_checked(lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    packages = tmp_path / "packages"
    write(packages, {"lab.py": LAB.replace('"slow": 1', '"slow": 2')})
    monkeypatch.setenv("PYTHONPATH", str(packages))
    said = lab.mitosis("check", status=1)
    assert "    my_exp.frequency=slow   1 → 2   (1 trial used 1)" in said.lines
    remedy = "install the repository in editable mode (pip install -e .), or uninstall the copy"
    copy = f"! trials import `lab` from {packages / 'lab.py'}, not from this repository"
    assert said.err.splitlines() == [f"{copy}, so that copy was checked: {remedy}"]
    set_slow(lab, 3)
    for words in (("--staged",), ("HEAD",), ("HEAD~1..",)):
        said = lab.mitosis("check", *words, status=1)
        assert "    my_exp.frequency=slow   1 → 3   (1 trial used 1)" in said.lines
        assert said.err.splitlines() == [f"{copy}, which was checked: {remedy}"]
    [warning] = check_json(lab, "HEAD", status=1)["warnings"]
    assert copy.removeprefix("! ") in warning
    assert copy in lab.mitosis("variants").err


def test_value_that_is_another_at_each_evaluation_is_told_from_one_that_was_edited(lab: Lab) -> None:
    lab.edit(('"slow": 1', '"slow": __import__("os").getpid()'), ('"fast": 10', '"fast": 11'))
    said = lab.mitosis("check", status=1)
    [index] = [index for index, line in enumerate(said.lines) if "my_exp.frequency=slow" in line]
    assert said.lines[index + 1].startswith("        each evaluation gives a different value")
    assert sum("each evaluation" in line for line in said.lines) == 1
    assert {change["variant"]: change["flaky"] for change in check_json(lab, status=1)["changes"]} == {
        "fast": False,
        "slow": True,
    }
    lab.commit({}, "flaky")
    lab.commit({"other.py": ""}, "later")
    lab.commit({"lab.py": (lab.folder / "lab.py").read_text() + "\n\n# note\n"}, "comment")
    states = {change["state"] for change in check_json(lab, "HEAD~3..", status=1)["changes"]}
    assert states == {f"commit {lab.git('rev-parse', 'HEAD~2')[:7]}"}


def test_value_that_only_the_working_tree_can_tell_breaks_nothing(lab: Lab) -> None:
    lab.commit({"lab.py": "lookup_dict = {'frequency': {'fast': 10, 'slow': __file__ * 100}}\n"})
    lab.commit({"pyproject.toml": STEPS.replace("my_exp", "place")})
    lab.mitosis("variants", "retire", "my_exp.noise=low")
    here = f"{(lab.folder / 'lab.py').resolve()}"
    lab.journal.lock([variant("slow", here * 100, step="place")], head(lab), ADA)
    said = lab.mitosis("check", "HEAD", status=3)
    assert "place.frequency=slow" not in said.out
    assert re.search(
        r"not checked: step `place`: .*place\.frequency=slow contains the path of the working tree", said.err
    )
    assert "place.frequency=slow" not in lab.mitosis("check").out


def test_commit_that_git_cannot_check_out_is_named_with_what_git_says(lab: Lab) -> None:
    commit = lab.commit({".gitattributes": "data.txt filter=away\n", "data.txt": "x"})[:7]
    lab.git("config", "filter.away.smudge", "false")
    lab.git("config", "filter.away.required", "true")
    for words in (("HEAD",), ("HEAD~1..",)):
        said = lab.mitosis("check", *words, status=3)
        assert re.fullmatch(
            rf"! commit {commit} is not checked: `git checkout-index` failed: .*data\.txt.*\n", said.err
        )


def test_repository_without_a_journal_is_sound(tmp_path: Path, lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    other = make_lab(tmp_path / "other", lab.capsys)
    monkeypatch.chdir(other.folder)
    said = other.mitosis("check")
    assert said.lines == [f"checked the working tree: {SOUND}"]
    assert "nothing is locked in this repository" in said.err


def test_check_works_below_the_top_and_outside_refuses(
    lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lab.edit(('"slow": 1', '"slow": 2'))
    below = lab.folder / "notes"
    below.mkdir()
    monkeypatch.chdir(below)
    lab.mitosis("check", status=1)
    outside = tmp_path / "outside"
    outside.mkdir()
    monkeypatch.chdir(outside)
    assert "not inside a git repository" in lab.mitosis("check", status=2).err


def test_temporary_files_are_never_put_into_the_working_directory(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("TMPDIR", "TEMP", "TMP"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(tempfile, "tempdir", str(Path.cwd()))  # as Python has it where /tmp and /var/tmp are full
    said = lab.mitosis("check", status=2)
    assert "no folder for temporary files can be written" in said.err and "set TMPDIR" in said.err
    monkeypatch.setattr(tempfile, "tempdir", "/tmp")
    monkeypatch.chdir("/tmp")  # there they do belong
    assert temporary_place() == Path("/tmp").resolve()


def test_words_that_are_too_many_point_to_the_help_of_the_command(lab: Lab) -> None:
    assert lab.mitosis("check", "HEAD", "HEAD", status=2).err.endswith("\nSee mitosis check --help.\n")
    assert lab.mitosis("variants", "rename", "my_exp.f", status=2).err.endswith(
        "\nSee mitosis variants rename --help.\n"
    )


def test_what_cannot_be_checked_is_refused(lab: Lab) -> None:
    for words, said in (
        (("nothing",), "git knows no commit by that name"),
        (("nothing..HEAD",), "git knows no commit by that name"),
        (("HEAD...HEAD",), "two dots"),
        (("HEAD:lab.py",), "git knows no commit"),
        (("--", "--help"), "git knows no commit"),
        (("--staged", "HEAD"), "no revision can be given"),
        (("--format", "xml"), "Choose from"),
    ):
        assert said in lab.mitosis("check", *words, status=2).err


# --- ranges ---------------------------------------------------------------------------------------


def test_range_tells_each_change_with_the_commit_that_brings_it(lab: Lab) -> None:
    first = lab.git("rev-parse", "HEAD").strip()
    two = set_slow(lab, 2)
    lab.commit({"README": "text"})
    three = set_slow(lab, 3)
    lab.edit(('"fast": 10', '"fast": 11'))
    fast = lab.commit({})[:7]
    assert lab.mitosis("check", f"{first}..", status=1).lines == [
        f"commit {two} changes what locked variants mean",
        "    my_exp.frequency=slow   1 → 2   (1 trial used 1)",
        f"commit {three} changes what locked variants mean",
        "    my_exp.frequency=slow   1 → 3   (1 trial used 1)",
        f"commit {fast} changes what locked variants mean",
        "    my_exp.frequency=fast   10 → 11   (0 trials used 10)",
    ]


def test_range_leaves_out_what_it_begins_from(lab: Lab) -> None:
    base = set_slow(lab, 2)
    lab.commit({"README": "text"})
    lab.edit(("def run", "# A comment.\ndef run"))
    lab.commit({})
    assert lab.mitosis("check", f"{base}..HEAD").lines == [
        f"checked 2 commits of {base}..HEAD: none changes what a locked variant means"
    ]
    assert lab.mitosis("check", "HEAD..HEAD").lines[0].startswith("checked 0 commits")
    lab.mitosis("check", "HEAD", status=1)


def test_merge_brings_only_what_neither_side_has(lab: Lab) -> None:
    first = lab.git("rev-parse", "HEAD").strip()
    main = lab.git("branch", "--show-current").strip()
    lab.git("checkout", "--quiet", "-b", "side")
    two = set_slow(lab, 2)
    lab.git("checkout", "--quiet", main)
    lab.commit({"README": "text"})
    lab.git("merge", "--quiet", "side", "-m", "merge")
    assert lab.mitosis("check", f"{first}..", status=1).lines == [
        f"commit {two} changes what locked variants mean",
        "    my_exp.frequency=slow   1 → 2   (1 trial used 1)",
    ]
    lab.git("checkout", "--quiet", "-b", "evil", first)
    lab.commit({"NEWS": "text"})
    lab.git("merge", "--quiet", "--no-commit", "--no-ff", main)
    evil = set_slow(lab, 7)
    assert lab.mitosis("check", f"{main}..", status=1).lines == [
        f"commit {evil} changes what locked variants mean",
        "    my_exp.frequency=slow   1 → 7   (1 trial used 1)",
    ]


def test_branch_that_began_before_the_range_does_not_bring_what_it_inherits(lab: Lab) -> None:
    set_slow(lab, 2)
    main = lab.git("branch", "--show-current").strip()
    lab.git("branch", "side")
    base = set_slow(lab, 1)
    lab.git("checkout", "--quiet", "side")
    lab.edit(("def run", "# A comment.\ndef run"))
    lab.commit({})
    lab.git("checkout", "--quiet", main)
    lab.git("merge", "--quiet", "side", "-m", "merge")
    assert lab.mitosis("check", f"{base}..").lines == [
        f"checked 2 commits of {base}..: none changes what a locked variant means"
    ]


def test_commit_in_a_range_that_cannot_be_checked_is_named_and_hides_nothing(lab: Lab) -> None:
    first = lab.git("rev-parse", "HEAD").strip()
    two = set_slow(lab, 2)
    text = (lab.folder / "lab.py").read_text()
    broken = lab.commit({"lab.py": f"import nothing_of_that_name\n{text}"})[:7]
    config = lab.commit({"pyproject.toml": "not toml ["})[:7]
    lab.commit({"pyproject.toml": '[tool.mitosis.steps]\nmy_exp = ["lab:run", "lab:lookup_dict"]\n', "lab.py": text})
    said = lab.mitosis("check", f"{first}..", status=1)
    assert said.lines == [
        f"commit {two} changes what locked variants mean",
        "    my_exp.frequency=slow   1 → 2   (1 trial used 1)",
    ]
    assert [line.split(" is not checked")[0] for line in said.err.splitlines()] == [
        f"! commit {broken}",
        f"! commit {config}",
    ]


# --- JSON -----------------------------------------------------------------------------------------


def test_json_tells_everything_of_a_change(lab: Lab) -> None:
    lab.edit(("0.01", "0.05"), ('"slow": 1', '"slow": 2'))
    commit = lab.commit({})
    lock_commit = lab.git("rev-parse", "HEAD^").strip()
    fields = check_json(lab, "HEAD", status=1)
    assert fields.keys() == {"version", "checked", "changes", "problems", "warnings"}
    assert (fields["version"], fields["checked"], fields["problems"]) == (1, [f"commit {commit[:7]}"], [])
    slow, low = fields["changes"]
    assert slow == {
        "kind": "changed",
        "step": "my_exp",
        "parameter": "frequency",
        "variant": "slow",
        "state": f"commit {commit[:7]}",
        "commit": commit,
        "trials": 1,
        "locked": {
            "digest": variant("slow", 1).digest,
            "summary": "1",
            "author": "Ada Lovelace",
            "date": "2026-03-01",
            "commit": lock_commit,
        },
        "now": {"digest": variant("slow", 2).digest, "summary": "2"},
        "meanings": [],
        "resolve": None,
        "differences": [{"path": "", "text": "1 → 2"}],
        "more_differences": 0,
        "flaky": False,
        "functions": [],
        "reason": None,
        "file": "lab.py",
        "line": 2,
    }
    assert low["differences"] == [{"path": "scale", "text": "0.01 → 0.05"}]
    assert low["line"] == 3
    assert check_json(lab, "HEAD", status=1) == fields


def test_json_tells_what_could_not_be_checked(lab: Lab) -> None:
    lab.write({"lab.py": "1 / 0\n"})
    [problem] = check_json(lab, status=3)["problems"]
    assert problem["state"] == "the working tree"
    assert problem["steps"] == ["my_exp"]
    assert "ZeroDivisionError" in problem["reason"]
    assert "1 / 0" in problem["details"]


def test_json_of_each_kind_of_change_has_the_same_fields(lab: Lab) -> None:
    lab.lock({"lambda": 1, "changed": 1})
    lab.write({"lab.py": "lookup_dict = {'frequency': {'lambda': lambda: 1, 'changed': 2}}\n"})
    changes = check_json(lab, status=1)["changes"]
    assert {change["kind"] for change in changes} == {"removed", "unlockable", "changed"}
    assert len({tuple(change) for change in changes}) == 1


# --- annotations ----------------------------------------------------------------------------------


def test_annotation_is_at_the_entry(lab: Lab) -> None:
    lab.write({"lab.py": "frequencies = {\n    'slow': 2,\n}\nlookup_dict = {'frequency': frequencies}\n"})
    lines = lab.mitosis("check", "--format", "github", status=1).lines
    [slow] = [text for text in lines if "title=my_exp.frequency=slow::" in text]
    assert slow.startswith("::error file=lab.py,line=2,title=my_exp.frequency=slow::the working tree changes")
    assert slow.endswith("%0Amy_exp.frequency=slow   1 → 2   (1 trial used 1)")


def test_annotations_are_escaped_and_of_their_kinds(lab: Lab) -> None:
    name = "50%,a:b\n\x1b[31m::error::"
    lab.lock({name: "x\ny"})
    lab.write({"lab.py": f"lookup_dict = {{'frequency': {{{name!r}: '%', 'slow': 1}}}}\n"})
    said = lab.mitosis("check", "--format", "github", status=1)
    error, warning, low = said.lines
    assert error.startswith(
        "::error file=lab.py,line=1,title=my_exp.frequency=50%25%2Ca%3Ab \\x1b[31m%3A%3Aerror%3A%3A::"
    )
    assert "50%25,a:b \\x1b[31m::error::" in error
    assert warning.startswith("::warning file=lab.py,line=1,title=my_exp.frequency=fast::the working tree lacks")
    assert low.startswith("::warning ")
    lab.write({"lab.py": "raise ValueError('a%b\\n::error::c')\n"})
    [problem] = lab.mitosis("check", "--format", "github", status=3).lines
    assert problem.startswith("::warning title=the working tree is not checked::step `my_exp`: ")
    assert "a%25b" in problem
