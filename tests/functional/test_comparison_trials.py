"""Trials of a journal compared: values from locks, packages from environments, code by git."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mitosis.comparison.code import Code, compare_code
from mitosis.comparison.trials import compare_trials
from mitosis.errors.journal import TrialNotFound
from mitosis.errors.usage import UsageError
from mitosis.journal import layout
from mitosis.records.trial import ParameterRecord, ProcessRecord, StepRecord, TrialRecord
from support.e2e import write
from support.journal import ENVIRONMENT, Desk, Git, make_record, make_variant

STEPS = (StepRecord("my_exp", "fit:run", source="fit.py"),)


def commit(desk: Desk, files: dict[str, str], *words: str) -> str:
    write(desk.folder, files)
    desk.git("add", "--all")
    desk.git("commit", "--quiet", "--allow-empty", "-m", "change", *words)
    return desk.oid_of("HEAD")


def on(commit: str, *imported: str, **fields: Any) -> TrialRecord:
    return make_record(**{"commit": commit, "imported": imported, "steps": STEPS, **fields})


@pytest.fixture
def commits(journal: Desk) -> list[str]:
    """Three commits, each of which changes the files `fit.py` and `other.py`."""
    texts = ["a\nb\n", "a\nc\nd\n", "e\n"]
    return [commit(journal, {"fit.py": text, "lib/other.py": text}) for text in texts]


# --- code -----------------------------------------------------------------------------------------


def test_imported_files_are_compared_between_commits(journal: Desk, commits: list[str]) -> None:
    first, second, third = (on(oid, "fit.py") for oid in commits)
    later = compare_code(journal.repository, first, third)
    assert later == Code(earlier=0, later=2, files={"fit.py": (1, 2)})
    assert later.place == "2 commits later"
    earlier = compare_code(journal.repository, second, first)
    assert earlier == Code(earlier=1, later=0, files={"fit.py": (1, 2)})
    assert earlier.place == "1 commit earlier"
    assert compare_code(journal.repository, on(commits[0], "README"), on(commits[2], "none")).files == {}


def test_what_either_trial_imported_counts(journal: Desk, commits: list[str]) -> None:
    found = compare_code(journal.repository, on(commits[0], "fit.py"), on(commits[1], "lib/other.py"))
    assert found.files.keys() == {"fit.py", "lib/other.py"}


def test_files_of_the_steps_stand_in_for_what_is_not_recorded(journal: Desk, commits: list[str]) -> None:
    found = compare_code(journal.repository, on(commits[0]), on(commits[1], "fit.py"))
    assert (found.scope, set(found.files)) == ("files of the steps", {"fit.py"})
    bare = (StepRecord("my_exp", "fit:run"),)
    whole = compare_code(journal.repository, on(commits[0], steps=bare), on(commits[1], steps=bare))
    assert (whole.scope, set(whole.files)) == ("files", {"fit.py", "lib/other.py"})


def test_list_of_imports_that_may_be_cut_is_not_relied_on(journal: Desk, commits: list[str]) -> None:
    many = [f"m{number}.py" for number in range(1_000)]
    found = compare_code(journal.repository, on(commits[0], *many), on(commits[1], *many))
    assert (found.scope, set(found.files)) == ("files", {"fit.py", "lib/other.py"})
    long = compare_code(journal.repository, on(commits[0], "x" * 200_000), on(commits[1], "fit.py"))
    assert long.scope == "files"


def test_commits_that_have_diverged(journal: Desk, commits: list[str]) -> None:
    journal.git("checkout", "--quiet", "-b", "side", commits[0])
    side = commit(journal, {"fit.py": "side\n"})
    found = compare_code(journal.repository, on(commits[2], "fit.py"), on(side, "fit.py"))
    assert (found.earlier, found.later, found.place) == (2, 1, "diverged: +1 −2 commits")


def test_commit_that_is_not_in_the_clone_is_named(journal: Desk, commits: list[str]) -> None:
    gone = compare_code(journal.repository, on("a" * 40, "fit.py"), on(commits[0], "fit.py"))
    assert gone == Code(unknown="aaaaaaa is not in this clone")
    assert (
        compare_code(journal.repository, on("a" * 40), on("b" * 40)).unknown
        == "aaaaaaa and bbbbbbb are not in this clone"
    )
    assert compare_code(journal.repository, on("a" * 40), on("a" * 40)) == Code()


@pytest.mark.parametrize("name", ["--output=found", "HEAD", "", "-" * 40, "a" * 39 + "\n"])
def test_commit_of_a_record_is_no_option_or_name(journal: Desk, commits: list[str], name: str) -> None:
    assert compare_code(journal.repository, on(name), on(commits[0])).unknown == "it is no commit"
    assert not (journal.folder / "found").exists()


def test_paths_of_a_record_are_taken_literally(journal: Desk, commits: list[str]) -> None:
    for path in ("*", ":(top)", ":/", "--output=found"):
        found = compare_code(journal.repository, on(commits[0], path), on(commits[1], path))
        assert found.files == {}, path
    assert not (journal.folder / "found").exists()


def test_odd_names_and_files_that_are_no_text(journal: Desk) -> None:
    names = ["größe.py", "with\nline.py", "tab\t.py"]
    first, second = (commit(journal, dict.fromkeys([*names, "model.bin"], text)) for text in ("a\0\n", "b\0\n"))
    third = commit(journal, dict.fromkeys(names, "a\n"))
    fourth = commit(journal, dict.fromkeys(names, "a\nb\n"))
    assert compare_code(journal.repository, on(first, "model.bin"), on(second, "model.bin")).files == {
        "model.bin": None
    }
    assert compare_code(journal.repository, on(third, *names), on(fourth, *names)).files == dict.fromkeys(names, (1, 0))


def test_submodule_counts_as_one_file(journal: Desk, tmp_path: Path, git: Git) -> None:
    inner = tmp_path / "inner"
    git("init", "--quiet", str(inner), cwd=tmp_path)
    git("commit", "--quiet", "--allow-empty", "-m", "one", cwd=inner)
    journal.git("submodule", "--quiet", "add", str(inner), "lib")
    first = commit(journal, {})
    git("commit", "--quiet", "--allow-empty", "-m", "two", cwd=journal.folder / "lib")
    second = commit(journal, {})
    assert compare_code(journal.repository, on(first, "lib"), on(second, "lib")).files == {"lib": (1, 1)}


def test_git_is_asked_only_where_commits_differ(
    journal: Desk, commits: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trials = [on(oid, "fit.py") for oid in commits]
    trace = tmp_path / "trace"
    trace.touch()
    monkeypatch.setenv("GIT_TRACE2_EVENT", str(trace))
    compare_code(journal.repository, trials[0], trials[0].with_changes(key="a" * 12))
    assert trace.read_text() == ""
    compare_code(journal.repository, trials[0], trials[1])
    assert trace.read_text().count('"event":"start"') == 2


# --- trials of a journal --------------------------------------------------------------------------


def use(variant: Any) -> tuple[ParameterRecord, ...]:
    name = variant.name
    return (ParameterRecord(name.step, name.parameter, "lookup", name.variant, digest=variant.digest, summary="{…}"),)


def test_trials_are_compared_by_what_is_recorded(journal: Desk, commits: list[str]) -> None:
    low, high = make_variant("low", {"scale": 0.01, "seed": 3}), make_variant("high", {"scale": 0.5, "seed": 3})
    first = journal.run_trial(variants=[low], parameters=use(low), commit=commits[0], imported=("fit.py",))
    packages = ENVIRONMENT.replace("2.2.0", "2.3.0")
    digest = hashlib.sha256(packages.encode()).hexdigest()[:40]
    record = make_record(parameters=use(high), commit=commits[1], imported=("fit.py",), environment=digest)
    started = journal.start(record, [high], packages, journal.identity).record
    journal.end(started.with_changes(status="finished", main=3.5, ended=started.started), journal.identity)
    found = compare_trials(journal.again(), [first.key[:6], record.key])
    assert found.trials == (first.key, record.key)
    assert [(row.name, row.texts, row.differences[0]) for row in found.rows] == [
        ("params.my_exp.frequency", ("low", "high"), ""),
        ("values.my_exp.frequency.scale", ("0.01", "0.5"), ""),
        ("main", ("3.17e-05", "3.5"), "+3.5 (×1.1e+05)"),
        ("commit", (commits[0][:7], commits[1][:7]), "1 commit later"),
        ("files", ("", ""), "1 differs"),
        ("files.fit.py", ("", ""), "+2 −1"),
        ("packages.pandas", ("2.2.0", "2.3.0"), ""),
        ("took", ("0.6 s", "–"), ""),
    ]
    assert found.verdict == "Differs in one parameter, in code and in a package."
    assert found.problems == ()
    assert "1 package" in found.said_once


def test_what_cannot_be_read_is_named_and_the_rest_compared(journal: Desk) -> None:
    low, high = make_variant("low", {"scale": 1}), make_variant("high", {"scale": 2})
    first, other = (journal.run_trial(variants=[v], parameters=use(v)) for v in (low, high))
    gone = make_record(parameters=use(low), environment="e" * 40, commit=first.commit)
    journal.start(gone, [low], "x==1\n", journal.identity)
    path = layout.variant_path(*high.lock)
    journal.rewrite({path: b"\xff", f"environments/{'e' * 40}.txt": None})
    found = compare_trials(journal.again(), [first.key, other.key, gone.key])
    assert found.problems[0].startswith(f"{path} cannot be read")
    assert found.problems[1] == f"packages were not compared: the journal has no environment {'e' * 40}"
    rows = {row.name: row.texts for row in found.rows}
    assert rows["params.my_exp.frequency"] == ("low = {…}", "high = {…}", "low = {…}")
    known = first.environment[:7]
    assert rows["environment"] == (known, known, "eeeeeee")


def test_trial_that_nobody_runs_any_more_is_lost(journal: Desk) -> None:
    from mitosis.process import this_process

    present = this_process()
    first = journal.run_trial()
    running = journal.start_trial(process=present)
    lost = journal.start_trial(process=ProcessRecord(present.host, 2**22 + 1, present.started))
    found = compare_trials(journal.again(), [first.key, running.key, lost.key])
    [status] = [row for row in found.rows if row.name == "status"]
    assert status.texts == ("finished", "running", "lost")


def test_keys_that_make_no_comparison_are_refused(journal: Desk) -> None:
    first, other = journal.run_trial(), journal.run_trial()
    for keys in ([], [first.key]):
        with pytest.raises(UsageError, match="two trials or more: mitosis compare KEY KEY"):
            compare_trials(journal, keys)
    with pytest.raises(UsageError, match=f"trial {first.key} is given twice"):
        compare_trials(journal, [first.key, other.key, first.key[:9]])
    missing = "0" * 12 if not first.key.startswith("0") else "f" * 12
    with pytest.raises(TrialNotFound):
        compare_trials(journal, [first.key, missing])


def test_trial_of_somebody_else_whose_commit_did_not_come_along(
    ada: Desk, bob: Desk, clone: Callable[..., Desk]
) -> None:
    first = ada.run_trial()
    commit(bob, {"fit.py": "x\n"})
    other = Desk(bob.folder).run_trial()
    ada.merge_from(bob)
    found = compare_trials(ada.again(), [first.key, other.key])
    [row] = [row for row in found.rows if row.name == "commit"]
    assert row.differences == (f"{other.commit[:7]} is not in this clone",)
    assert "commit" in found.verdict
