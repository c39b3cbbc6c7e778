"""`mitosis lock`: all variants of the committed dictionaries, without a trial."""

from __future__ import annotations

from pathlib import Path

import pytest

from mitosis.verify import verify
from support.variants import Lab

TWO_STEPS = """\
[tool.mitosis.steps]
my_exp = ["lab:run", "lab:lookup_dict"]
other = ["lab:run", "lab:lookup_dict"]
"""


def locked(lab: Lab) -> dict[str, str]:
    from mitosis.canonical.show import summarize_value

    return {str(lock.name): summarize_value(lock.value) for lock in lab.journal.iter_variants()}


def test_all_variants_are_locked_and_printed(lab: Lab) -> None:
    head = lab.git("rev-parse", "HEAD").strip()
    assert lab.mitosis("lock").lines == [
        "locked my_exp.frequency=fast   10",
        "locked my_exp.frequency=slow   1",
        "locked my_exp.noise=low   {'kernel': [1, 2], 'scale': 0.01}",
        f"3 variants newly locked at commit {head[:7]}",
    ]
    assert locked(lab) == {
        "my_exp.frequency=fast": "10",
        "my_exp.frequency=slow": "1",
        "my_exp.noise=low": "{'kernel': [1, 2], 'scale': 0.01}",
    }
    assert lab.git("rev-list", "--count", "refs/mitosis/journal").strip() == "1"
    assert {origin.commit for origin in lab.journal.variant_origins().values()} == {head}
    assert list(lab.journal.iter_trials()) == []
    assert verify(lab.journal.repository).findings == ()
    assert lab.mitosis("lock").lines == [f"0 variants newly locked at commit {head[:7]}; 3 were locked already"]
    assert lab.git("rev-list", "--count", "refs/mitosis/journal").strip() == "1"


def test_one_that_is_locked_to_another_value_keeps_all_from_being_locked(lab: Lab) -> None:
    lab.lock({"slow": 2})
    before = lab.journal.tip()
    said = lab.mitosis("lock", status=2)
    assert "variant `slow` of `my_exp.frequency` is locked to another value" in said.err
    assert said.out == ""
    assert lab.journal.tip() == before


def test_conflict_keeps_all_from_being_locked(lab: Lab) -> None:
    lab.lock({"slow": 1})
    lab.give_meaning("slow", 2)
    before = lab.journal.tip()
    assert "mitosis variants resolve" in lab.mitosis("lock", status=2).err
    assert lab.journal.tip() == before


def test_what_is_not_committed_is_left_out(lab: Lab) -> None:
    lab.edit(('"slow": 1', '"slow": 2, "new": 3'))
    lab.git("add", "lab.py")
    lab.write({"untracked.py": "x = 1\n"})
    lab.mitosis("lock")
    assert locked(lab)["my_exp.frequency=slow"] == "1"
    assert "my_exp.frequency=new" not in locked(lab)
    assert lab.git("status", "--porcelain") == "M  lab.py\n?? untracked.py\n"


def test_what_cannot_be_locked_is_named_and_the_rest_is_locked(lab: Lab) -> None:
    lab.commit({"lab.py": "lookup_dict = {'frequency': {'slow': 1, 'odd': lambda: 1}, 'plain': 3}\n"})
    said = lab.mitosis("lock", status=1)
    assert [line.split(" cannot be locked: ")[0] for line in said.err.splitlines()] == [
        "! my_exp.frequency=odd",
        "! my_exp.plain",
    ]
    assert locked(lab) == {"my_exp.frequency=slow": "1"}


def test_value_that_is_another_at_each_evaluation_is_named_and_the_rest_is_locked(lab: Lab) -> None:
    lab.edit(('"slow": 1', '"slow": __import__("os").getpid()'))
    lab.commit({})
    said = lab.mitosis("lock", status=1)
    assert said.err.startswith("! my_exp.frequency=slow was not locked: each evaluation gives a different value")
    assert said.lines[-1].startswith("2 variants newly locked")
    assert locked(lab).keys() == {"my_exp.frequency=fast", "my_exp.noise=low"}


def test_retired_variant_is_left_as_it_is(lab: Lab) -> None:
    lab.lock({"slow": 2})
    lab.mitosis("variants", "retire", "my_exp.frequency=slow")
    said = lab.mitosis("lock")
    assert "left out my_exp.frequency=slow, which is retired" in said.lines
    assert "2 variants newly locked" in said.out
    assert locked(lab)["my_exp.frequency=slow"] == "2"


def test_changed_function_is_told_and_stops_nothing(lab: Lab) -> None:
    lab.commit({"lab.py": "def low(): return 1\nlookup_dict = {'f': {'low': low}}\n"})
    lab.mitosis("lock")
    lab.edit(("return 1", "return 2"))
    lab.commit({})
    said = lab.mitosis("lock")
    assert said.err.splitlines() == [
        "! `lab:low` has a different body than when variant `low` of `my_exp.f` was locked",
        "! If the variants still mean the same with these functions: mitosis lock --accept-functions",
    ]
    assert "accepted lab:low in my_exp.f=low" in lab.mitosis("lock", "--accept-functions").lines
    assert lab.git("log", "-1", "--format=%s", "refs/mitosis/journal") == "accept the functions of my_exp.f=low\n"
    assert lab.mitosis("lock").err == ""


def test_steps_choose_and_may_share_a_dictionary(lab: Lab) -> None:
    lab.commit({"pyproject.toml": TWO_STEPS})
    lab.mitosis("lock", "other", "other")
    assert {name.partition(".")[0] for name in locked(lab)} == {"other"}
    said = lab.mitosis("lock")
    assert said.lines[-1].endswith("; 3 were locked already")
    assert said.lines[-1].startswith("3 variants newly locked")
    assert len(locked(lab)) == 6


def test_unknown_step_is_refused_with_the_nearest(lab: Lab) -> None:
    said = lab.mitosis("lock", "my_ex", status=2)
    assert "`my_exp`" in said.err
    assert "the command" not in lab.mitosis("lock", "lst", status=2).err
    assert lab.journal.tip() is None


def test_import_error_locks_nothing(lab: Lab) -> None:
    steps = TWO_STEPS.replace('other = ["lab:run", "lab:lookup_dict"]', 'other = ["broken:run", "broken:lookup_dict"]')
    lab.commit({"pyproject.toml": steps, "broken.py": "1 / 0\n"})
    said = lab.mitosis("lock", status=2)
    assert said.err.startswith("mitosis: nothing was locked: step `other`: ")
    assert "ZeroDivisionError" in said.err
    assert lab.journal.tip() is None
    lab.mitosis("lock", "my_exp")


def test_syntax_error_is_shown_with_files_of_the_user_alone(lab: Lab) -> None:
    lab.commit({"lab.py": "import other\nlookup_dict = {}\n", "other.py": "x = (\n"})
    for words in (["lock"], ["variants", "diff", "my_exp.f=low", "my_exp.f=high"]):
        lines = lab.mitosis(*words, status=2).err.splitlines()
        files = [line.split('"')[1] for line in lines if line.startswith("  File ")]
        assert [Path(file).name for file in files] == ["lab.py", "other.py"]


def test_module_that_a_trial_would_not_find_locks_nothing(lab: Lab) -> None:
    wave = "lookup_dict = {'frequency': {'slow': 1}}\n\n\ndef run(frequency):\n    return {'main': frequency}\n"
    pyproject = '[tool.mitosis.steps]\nmy_exp = ["wave.model:run", "wave.model:lookup_dict"]\n'
    lab.commit({"wave/__init__.py": "", "wave/model.py": wave, "pyproject.toml": pyproject})
    said = lab.mitosis("lock", status=2)
    assert "trials import `wave` from " in said.err
    assert "wave.py, not from this repository" in said.err
    assert locked(lab) == {}
    assert "trials import `wave` from " in lab.mitosis("check", "HEAD").err


def test_repository_without_steps_is_refused(lab: Lab) -> None:
    lab.commit({"pyproject.toml": ""})
    said = lab.mitosis("lock", status=2)
    assert "no steps are registered in pyproject.toml in commit" in said.err
    assert "mitosis init" in said.err


def test_repository_without_a_commit_is_refused(lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    new = tmp_path / "new"
    new.mkdir()
    monkeypatch.chdir(new)
    lab.git("init", "--quiet", str(new))
    assert "has no commits yet" in lab.mitosis("lock", status=2).err


def test_person_without_a_name_is_refused(lab: Lab, home: Path) -> None:
    (home / ".gitconfig").write_text("[user]\n    useConfigOnly = true\n")
    assert "user.name" in lab.mitosis("lock", status=2).err
    assert lab.journal.tip() is None


def test_step_named_lock_can_still_be_run(lab: Lab) -> None:
    lab.commit({"pyproject.toml": '[tool.mitosis.steps]\nlock = ["lab:run", "lab:lookup_dict"]\n'})
    lab.mitosis("lock", "lock")
    assert {name.partition(".")[0] for name in locked(lab)} == {"lock"}
