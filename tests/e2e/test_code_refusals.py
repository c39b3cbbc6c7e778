"""What is refused once the user's code was imported, before any step runs."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from support.e2e import SLOW, Project, write

REFUSED = 2
Refused = Callable[..., str]
MARK = "import pathlib\ndef run(**kw):\n    pathlib.Path('ran').touch()\n    return {'main': 1}\n"


@pytest.fixture
def refused(project: Project) -> Refused:
    """Run a command that has to be refused; returns its message. No step ran and nothing was written."""

    def run(*words: str) -> str:
        tip = project.git("for-each-ref", "refs/mitosis")
        before = set(project.glob("trials/[!.]*"))
        done = project.mitosis(*words, status=REFUSED)
        assert done.stderr.startswith("mitosis: ")
        assert "mitosis/runner" not in done.stderr
        assert "in_kernel" not in done.stderr
        assert project.git("for-each-ref", "refs/mitosis") == tip
        assert set(project.glob("trials/[!.]*")) == before
        return re.sub(r"\x1b\[[0-9;]*m", "", done.stderr)

    return run


def test_failing_import_shows_the_users_traceback(project: Project, refused: Refused) -> None:
    project.commit({"lab/__init__.py": "import lab.helper\n", "lab/helper.py": "def f():\n    return 1 / 0\nf()\n"})
    message = refused(*SLOW)
    assert "importing `lab` failed: ZeroDivisionError: division by zero" in message
    assert "lab/helper.py" in message
    assert "return 1 / 0" in message


def registered(action: str, lookup: str = "lab:lookup_dict") -> dict[str, str]:
    return {"pyproject.toml": f'[tool.mitosis.steps]\nmy_exp = ["{action}", "{lookup}"]\n'}


@pytest.mark.parametrize(
    ("files", "told"),
    [
        (
            registered("labb:run", "labb:lookup_dict"),
            ["importing `labb` failed: ModuleNotFoundError: No module named 'labb'"],
        ),
        ({"lab/__init__.py": "import os\nos._exit(7)\n"}, ["the kernel ended with exit status 7"]),
        (
            registered("lab:runn"),
            ["registered as `lab:runn`, but `lab` has no attribute `runn`", "Did you mean `run`?"],
        ),
        (registered("lab:lookup_dict"), ["it is dict, not a callable"]),
        (registered("lab:run", "lab:run"), ["it is a function, not a dictionary; a step without variants needs none"]),
    ],
    ids=["missing module", "module that ends the kernel", "missing attribute", "no callable", "no dictionary"],
)
def test_step_that_cannot_be_found_is_named(
    project: Project, refused: Refused, files: dict[str, str], told: list[str]
) -> None:
    project.commit(files)
    message = refused(*SLOW)
    assert [part for part in told if part not in message] == []


SLOWLY = ("my_exp", "-p", "my_exp.frequency=slow", "-e")
WRONG: dict[str, tuple[tuple[str, ...], list[str]]] = {
    "unknown variant": (
        ("my_exp", "-p", "my_exp.frequency=medium"),
        ["`frequency` has no variant `medium` in lab:lookup_dict", "it has: fast, slow"],
    ),
    "unknown lookup parameter": (
        ("my_exp", "-p", "my_exp.frequencies=slow", "-e", "my_exp.amplitude=4"),
        ["no lookup parameter `frequencies` in lab:lookup_dict", "it has: frequency"],
    ),
    "unknown parameter": (
        (*SLOW, "-e", "my_exp.amplitud=4"),
        ["step `my_exp` takes no `amplitud`: run(amplitude, frequency)", "Did you mean `amplitude`?"],
    ),
    "missing parameter": (
        ("my_exp", "-p", "my_exp.frequency=slow"),
        [
            "step `my_exp` needs `amplitude`: run(amplitude, frequency)",
            "Pass it with -e my_exp.amplitude=... or -p my_exp.amplitude=...",
        ],
    ),
    "failing expression": (
        (*SLOWLY, "my_exp.amplitude=1/0"),
        ["cannot evaluate `1/0` for my_exp.amplitude: ZeroDivisionError: division by zero"],
    ),
    "undefined name": (
        (*SLOWLY, "my_exp.amplitude=rbf"),
        [
            "cannot evaluate `rbf` for my_exp.amplitude: NameError: name 'rbf' is not defined",
            """-e my_exp.amplitude='"rbf"'""",
        ],
    ),
    "undefined module": (
        (*SLOWLY, "my_exp.amplitude=scipy.stats.norm()"),
        ["An expression can use Path, logging, math, mpl, np, pd, Python's built-in names, and what `lab` has"],
    ),
    "expression that ends the kernel": (
        (*SLOWLY, "my_exp.amplitude=__import__('os')._exit(4)"),
        ["the kernel ended with exit status 4", "no step ran"],
    ),
    "value without stable meaning": (
        (*SLOWLY, "my_exp.amplitude={'a': [1, lambda x: x]}"),
        ["the value of my_exp.amplitude has no stable meaning", "a[1]", "lambda", "-e '+my_exp.amplitude="],
    ),
    "value given as a variant": (
        ("my_exp", "-p", "my_exp.frequency=slow", "-p", "my_exp.amplitude=4"),
        ["no lookup parameter `amplitude`", "write an expression: -e my_exp.amplitude=..."],
    ),
    "variant given as an expression": (
        ("my_exp", "-e", "my_exp.frequency=slow", "-e", "my_exp.amplitude=4"),
        ["It is the name of a variant: -p my_exp.frequency=slow"],
    ),
    "step that lacks the data of another": (
        ("fit", "-p", "fit.kind=sum"),
        ["or run a step before it that returns it as its data"],
    ),
}


@pytest.mark.parametrize(("words", "told"), WRONG.values(), ids=WRONG)
def test_wrong_parameters_are_told_with_the_remedy(refused: Refused, words: tuple[str, ...], told: list[str]) -> None:
    message = refused(*words)
    assert [part for part in told if part not in message] == []


def test_key_that_is_no_text_is_told_from_the_name_that_looks_like_it(project: Project, refused: Refused) -> None:
    code = "lookup_dict = {'level': {1: 'one', 2: 'two', 'x': 'ex'}, 'only': {None: 0}}\n"
    project.commit_lab(code + "def run(level=1, only=1):\n    return {'main': 1}\n")
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


def test_changed_variant_is_refused_with_its_leaf_and_origin(refused: Refused, project: Project) -> None:
    project.mitosis("data", "fit", "-p", "data.noise=low", "-p", "fit.kind=sum")
    locked_at = project.git("rev-parse", "--short=7", "HEAD").strip()
    chain = (project / "lab/chain.py").read_text()
    project.commit({"lab/chain.py": chain.replace('"scale": 0.01', '"scale": 0.05')})

    message = refused("data", "-p", "data.noise=low")

    assert "variant `low` of `data.noise` is locked to another value" in message
    assert re.search(r"scale: +0\.01 → 0\.05", message)
    assert "(1 other leaf is the same)" in message
    assert re.search(rf"by Ada Lovelace on \d{{4}}-\d\d-\d\d, commit {locked_at}, used by 1 trial", message)
    assert "Give the new value a name of its own, or restore the locked one" in message

    project.commit({"lab/chain.py": chain})
    project.mitosis("data", "-p", "data.noise=low")


@pytest.mark.parametrize("name", ["helper.py", "ignored_helper.py"])
def test_imported_file_that_is_not_committed_is_named(refused: Refused, project: Project, name: str) -> None:
    module = name.removesuffix(".py")
    project.commit_lab(f"import lab.{module}\nlookup_dict = {{}}\n{MARK}")
    write(project, {f"lab/{name}": "x = 1\n"})
    message = refused("my_exp")
    assert f"lab/{name}" in message
    assert ("ignored" if name.startswith("ignored") else "untracked") in message


def test_imported_file_hidden_from_status_is_named(refused: Refused, project: Project) -> None:
    project.git("update-index", "--assume-unchanged", "lab/__init__.py")
    write(project, {"lab/__init__.py": "lookup_dict = {}\n" + MARK})
    assert "lab/__init__.py" in refused("my_exp")


def test_module_behind_a_link_that_leads_out_is_named(refused: Refused, project: Project, tmp_path: Path) -> None:
    write(tmp_path / "outside", {"helper.py": "x = 1\n"})
    (project / "lab" / "helper.py").symlink_to(tmp_path / "outside" / "helper.py")
    project.commit_lab(f"import lab.helper\nlookup_dict = {{}}\n{MARK}")
    assert "leads out of the repository" in refused("my_exp")


def test_stale_bytecode_is_not_run(project: Project) -> None:
    import os
    import py_compile

    source = "lookup_dict = {}\ndef run():\n    return {'main': 111}\n"
    project.commit({"lab/__init__.py": source, ".gitignore": "__pycache__\n"})
    path = project / "lab/__init__.py"
    stamp = path.stat()
    py_compile.compile(str(path))
    path.write_text(source.replace("111", "222"))
    os.utime(path, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
    project.commit({"other.txt": "x"})
    project.mitosis("my_exp")
    assert project.record().main == 222


def test_code_imported_from_elsewhere_is_a_warning(project: Project, tmp_path: Path) -> None:
    write(tmp_path / "installed", {"lab/__init__.py": "lookup_dict = {}\n" + MARK})
    done = project.mitosis("my_exp", environment={"PYTHONPATH": str(tmp_path / "installed")})
    assert "not lab/__init__.py of this repository" in done.stderr
    assert any("not lab/__init__.py" in warning for warning in project.record().warnings)


def test_module_without_a_lookup_dictionary_runs_unless_one_is_needed(project: Project, refused: Refused) -> None:
    project.commit({"alone.py": "def run(a):\n    return {'main': a}\n"})
    assert "-m alone needs `alone:lookup_dict`, but `alone` has no attribute" in refused("-m", "alone", "-p", "a=x")
    project.mitosis("-m", "alone", "-e", "a=3")
    assert project.record().main == 3


def test_step_without_variants_needs_no_dictionary_and_keeps_no_other_from_being_locked(
    project: Project, refused: Refused
) -> None:
    steps = '[tool.mitosis.steps]\nmy_exp = ["lab:run", "lab:lookup_dict"]\nplain = ["lab.plain:run"]\n'
    project.commit({"pyproject.toml": steps, "lab/plain.py": "def run(x):\n    return {'main': x}\n"})
    message = refused("plain", "-p", "plain.x=slow")
    assert "step `plain` is registered without a lookup dictionary, so it has no variants" in message
    assert message.endswith("write an expression: -e plain.x=...\n")
    project.mitosis("plain", "-e", "plain.x=3")
    assert project.records()[0].main == 3
    assert "2 variants newly locked" in project.mitosis("lock").stdout
    assert "plain" not in project.mitosis("variants").stdout
    project.mitosis("check")


def test_traceback_has_no_colours_in_a_pipe(project: Project) -> None:
    project.commit_lab("1 / 0\n")
    assert "\x1b" not in project.mitosis(*SLOW, status=REFUSED).stderr
