"""What is refused once the user's code was imported, before any step runs."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from mitosis.records.trial import TrialRecord
from support.e2e import SLOW, Commit, Mitosis, write

REFUSED = 2
Refused = Callable[..., str]
MARK = "import pathlib\ndef run(**kw):\n    pathlib.Path('ran').touch()\n    return {'main': 1}\n"


@pytest.fixture
def refused(mitosis: Mitosis, project: Path, git: Callable[..., str]) -> Refused:
    """Run a command that has to be refused; returns its message. No step ran and nothing was written."""

    def run(*words: str) -> str:
        tip = git("for-each-ref", "refs/mitosis", cwd=project)
        before = set(project.glob("trials/[!.]*"))
        done = mitosis(*words, status=REFUSED)
        assert done.stderr.startswith("mitosis: ")
        assert "mitosis/runner" not in done.stderr
        assert "in_kernel" not in done.stderr
        assert git("for-each-ref", "refs/mitosis", cwd=project) == tip
        assert set(project.glob("trials/[!.]*")) == before
        return re.sub(r"\x1b\[[0-9;]*m", "", done.stderr)

    return run


def test_failing_import_shows_the_users_traceback(refused: Refused, commit: Commit) -> None:
    commit({"lab/__init__.py": "import lab.helper\n", "lab/helper.py": "def f():\n    return 1 / 0\nf()\n"})
    message = refused(*SLOW)
    assert "importing `lab` failed: ZeroDivisionError: division by zero" in message
    assert "lab/helper.py" in message
    assert "return 1 / 0" in message


def test_missing_module(refused: Refused, commit: Commit) -> None:
    commit({"pyproject.toml": '[tool.mitosis.steps]\nmy_exp = ["labb:run", "labb:lookup_dict"]\n'})
    assert "importing `labb` failed: ModuleNotFoundError: No module named 'labb'" in refused(*SLOW)


def test_module_that_ends_the_kernel(refused: Refused, commit: Commit) -> None:
    commit({"lab/__init__.py": "import os\nos._exit(7)\n"})
    assert "the kernel ended with exit status 7" in refused(*SLOW)


def test_missing_attribute_names_the_nearest(refused: Refused, commit: Commit) -> None:
    commit({"pyproject.toml": '[tool.mitosis.steps]\nmy_exp = ["lab:runn", "lab:lookup_dict"]\n'})
    message = refused(*SLOW)
    assert "registered as `lab:runn`, but `lab` has no attribute `runn`" in message
    assert "Did you mean `run`?" in message


def test_step_that_is_no_callable(refused: Refused, commit: Commit) -> None:
    commit({"pyproject.toml": '[tool.mitosis.steps]\nmy_exp = ["lab:lookup_dict", "lab:lookup_dict"]\n'})
    assert "it is dict, not a callable" in refused(*SLOW)


def test_unknown_variant_lists_those_that_exist(refused: Refused) -> None:
    message = refused("my_exp", "-p", "my_exp.frequency=medium")
    assert "`frequency` has no variant `medium` in lab:lookup_dict" in message
    assert "it has: fast, slow" in message


def test_key_that_is_no_text_is_told_from_the_name_that_looks_like_it(refused: Refused, commit: Commit) -> None:
    code = "lookup_dict = {'level': {1: 'one', 2: 'two', 'x': 'ex'}, 'only': {None: 0}}\n"
    commit({"lab/__init__.py": code + "def run(level=1, only=1):\n    return {'main': 1}\n"})
    message = refused("my_exp", "-p", "my_exp.level=1")
    assert (
        "`level` has no variant `1` in lab:lookup_dict\n    it has: x\n    its keys that are not strings: 1, 2\n"
        in message
    )
    assert "Its key 1 is of type `int`, and names are strings: write it as '1' there." in message
    assert "Did you mean" not in message
    message = refused("my_exp", "-p", "my_exp.only=three")
    assert "`only` has no variant `three` in lab:lookup_dict\n    its keys that are not strings: None" in message
    assert "names are strings" not in message


def test_unknown_lookup_parameter_lists_those_that_exist(refused: Refused) -> None:
    message = refused("my_exp", "-p", "my_exp.frequencies=slow", "-e", "my_exp.amplitude=4")
    assert "no lookup parameter `frequencies` in lab:lookup_dict" in message
    assert "it has: frequency" in message


def test_unknown_parameter_is_named_with_what_the_step_takes(refused: Refused) -> None:
    message = refused(*SLOW, "-e", "my_exp.amplitud=4")
    assert "step `my_exp` takes no `amplitud`: run(amplitude, frequency)" in message
    assert "Did you mean `amplitude`?" in message


def test_missing_parameter_is_named_with_how_to_pass_it(refused: Refused) -> None:
    message = refused("my_exp", "-p", "my_exp.frequency=slow")
    assert "step `my_exp` needs `amplitude`: run(amplitude, frequency)" in message
    assert "Pass it with -e my_exp.amplitude=... or -p my_exp.amplitude=..." in message


def test_parameter_that_takes_the_data_too(refused: Refused) -> None:
    message = refused("data", "fit", "-p", "data.noise=low", "-p", "fit.kind=sum", "-e", "fit.data=[1]")
    assert "gets `data` from the step before it, and as a parameter too" in message


def test_failing_expression(refused: Refused) -> None:
    message = refused("my_exp", "-p", "my_exp.frequency=slow", "-e", "my_exp.amplitude=1/0")
    assert "cannot evaluate `1/0` for my_exp.amplitude: ZeroDivisionError: division by zero" in message


def test_undefined_name_hints_at_quoting(refused: Refused) -> None:
    message = refused("my_exp", "-p", "my_exp.frequency=slow", "-e", "my_exp.amplitude=rbf")
    assert "cannot evaluate `rbf` for my_exp.amplitude: NameError: name 'rbf' is not defined" in message
    assert """-e my_exp.amplitude='"rbf"'""" in message


def test_expression_that_ends_the_kernel(refused: Refused) -> None:
    message = refused("my_exp", "-p", "my_exp.frequency=slow", "-e", "my_exp.amplitude=__import__('os')._exit(4)")
    assert "the kernel ended with exit status 4" in message
    assert "no step ran" in message


def test_value_without_stable_meaning_is_located(refused: Refused) -> None:
    message = refused("my_exp", "-p", "my_exp.frequency=slow", "-e", "my_exp.amplitude={'a': [1, lambda x: x]}")
    assert "the value of my_exp.amplitude has no stable meaning" in message
    assert "a[1]" in message or "['a'][1]" in message
    assert "lambda" in message
    assert "-e '+my_exp.amplitude=" in message


def test_changed_variant_is_refused_with_its_leaf_and_origin(
    mitosis: Mitosis, refused: Refused, commit: Commit, git: Callable[..., str], project: Path
) -> None:
    mitosis("data", "fit", "-p", "data.noise=low", "-p", "fit.kind=sum")
    locked_at = git("rev-parse", "--short=7", "HEAD", cwd=project).strip()
    chain = (project / "lab/chain.py").read_text()
    commit({"lab/chain.py": chain.replace('"scale": 0.01', '"scale": 0.05')})

    message = refused("data", "-p", "data.noise=low")

    assert "variant `low` of `data.noise` is locked to another value" in message
    assert re.search(r"scale: +0\.01 → 0\.05", message)
    assert "(1 other leaf is the same)" in message
    assert re.search(rf"by Ada Lovelace on \d{{4}}-\d\d-\d\d, commit {locked_at}, used by 1 trial", message)
    assert "Give the new value a name of its own, or restore the locked one" in message

    commit({"lab/chain.py": chain})
    mitosis("data", "-p", "data.noise=low")


@pytest.mark.parametrize("name", ["helper.py", "ignored_helper.py"])
def test_imported_file_that_is_not_committed_is_named(
    refused: Refused, commit: Commit, project: Path, name: str
) -> None:
    module = name.removesuffix(".py")
    commit({"lab/__init__.py": f"import lab.{module}\nlookup_dict = {{}}\n{MARK}"})
    write(project, {f"lab/{name}": "x = 1\n"})
    message = refused("my_exp")
    assert f"lab/{name}" in message
    assert ("ignored" if name.startswith("ignored") else "untracked") in message


def test_imported_file_hidden_from_status_is_named(refused: Refused, project: Path, git: Callable[..., str]) -> None:
    git("update-index", "--assume-unchanged", "lab/__init__.py", cwd=project)
    write(project, {"lab/__init__.py": "lookup_dict = {}\n" + MARK})
    assert "lab/__init__.py" in refused("my_exp")


def test_module_behind_a_link_that_leads_out_is_named(
    refused: Refused, commit: Commit, project: Path, tmp_path: Path
) -> None:
    write(tmp_path / "outside", {"helper.py": "x = 1\n"})
    (project / "lab" / "helper.py").symlink_to(tmp_path / "outside" / "helper.py")
    commit({"lab/__init__.py": f"import lab.helper\nlookup_dict = {{}}\n{MARK}"})
    assert "leads out of the repository" in refused("my_exp")


def test_stale_bytecode_is_not_run(
    mitosis: Mitosis, commit: Commit, project: Path, only_record: Callable[[], TrialRecord]
) -> None:
    import os
    import py_compile

    source = "lookup_dict = {}\ndef run():\n    return {'main': 111}\n"
    commit({"lab/__init__.py": source, ".gitignore": "__pycache__\n"})
    path = project / "lab/__init__.py"
    stamp = path.stat()
    py_compile.compile(str(path))
    path.write_text(source.replace("111", "222"))
    os.utime(path, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
    commit({"other.txt": "x"})
    mitosis("my_exp")
    assert only_record().main == 222


def test_code_imported_from_elsewhere_is_a_warning(
    mitosis: Mitosis, project: Path, tmp_path: Path, only_record: Callable[[], TrialRecord]
) -> None:
    write(tmp_path / "installed", {"lab/__init__.py": "lookup_dict = {}\n" + MARK})
    done = mitosis("my_exp", environment={"PYTHONPATH": str(tmp_path / "installed")})
    assert "not lab/__init__.py of this repository" in done.stderr
    assert any("not lab/__init__.py" in warning for warning in only_record().warnings)


def test_value_given_as_a_variant_is_told_how(refused: Refused) -> None:
    message = refused("my_exp", "-p", "my_exp.frequency=slow", "-p", "my_exp.amplitude=4")
    assert "no lookup parameter `amplitude`" in message
    assert "write an expression: -e my_exp.amplitude=..." in message


def test_variant_given_as_an_expression_is_told_how(refused: Refused) -> None:
    message = refused("my_exp", "-e", "my_exp.frequency=slow", "-e", "my_exp.amplitude=4")
    assert "It is the name of a variant: -p my_exp.frequency=slow" in message


def test_step_that_lacks_the_data_of_another_is_told_so(refused: Refused) -> None:
    assert "or run a step before it that returns it as its data" in refused("fit", "-p", "fit.kind=sum")


def test_module_without_a_lookup_dictionary_runs_unless_one_is_needed(
    mitosis: Mitosis, refused: Refused, commit: Commit, only_record: Callable[[], TrialRecord]
) -> None:
    commit({"alone.py": "def run(a):\n    return {'main': a}\n"})
    assert "-m alone needs `alone:lookup_dict`, but `alone` has no attribute" in refused("-m", "alone", "-p", "a=x")
    mitosis("-m", "alone", "-e", "a=3")
    assert only_record().main == 3


def test_traceback_has_no_colours_in_a_pipe(mitosis: Mitosis, commit: Commit) -> None:
    commit({"lab/__init__.py": "1 / 0\n"})
    assert "\x1b" not in mitosis(*SLOW, status=REFUSED).stderr
