"""Lookup dictionaries of the working tree, of what is staged and of commits, in real repositories."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import venv
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from mitosis.canonical.show import summarize_value
from mitosis.config import Config, find_config
from mitosis.dictionaries.checkouts import open_index, working_tree
from mitosis.dictionaries.evaluation import Evaluation, evaluate
from mitosis.dictionaries.states import evaluate_index
from mitosis.git.repository import Repository, find_repository
from mitosis.journal.journal import Journal
from support.e2e import Project, command, write

STEP = '[tool.mitosis.steps]\nmy_exp = ["lab:run", "lab:lookup_dict"]\n'
ONE = 'lookup_dict = {"frequency": {"slow": 1}}\n'
TWO = 'lookup_dict = {"frequency": {"slow": 2}}\n'

MakeEnvironment = Callable[[Path, Mapping[str, str]], Path]


@pytest.fixture
def lab(tmp_path: Path) -> Project:
    """A repository with the package `lab`, committed."""
    project = Project(tmp_path / "lab's\nrepository")
    project.mkdir()
    project.git("init", "--quiet")
    project.commit({"pyproject.toml": STEP, "lab/__init__.py": ONE})
    return project


def opened(folder: Path) -> tuple[Repository, Config]:
    repository = find_repository(folder)
    return repository, find_config(repository.root, None, steps_needed=True)


def in_working_tree(folder: Path) -> Evaluation:
    repository, config = opened(folder)
    return evaluate(working_tree(repository), config)


def in_index(folder: Path) -> Evaluation:
    repository, config = opened(folder)
    with open_index(repository) as index:
        return evaluate_index(index, config)


def in_commit(folder: Path, commit: str = "HEAD") -> Evaluation:
    repository, config = opened(folder)
    with open_index(repository, commit) as index:
        return evaluate_index(index, config)


def shown(found: Evaluation) -> dict[str, str]:
    """The variants of an evaluation in which nothing went wrong."""
    assert not found.troubles, found.troubles
    return {str(m.name): summarize_value(m.value, limit=200) for m in found.meanings}


def slow(found: Evaluation) -> str:
    return shown(found)["my_exp.frequency=slow"]


def test_each_state_has_its_own_value(lab: Project) -> None:
    lab.stage({"lab/__init__.py": TWO})
    lab.write({"lab/__init__.py": ONE.replace("1", "3")})
    assert [slow(in_commit(lab)), slow(in_index(lab)), slow(in_working_tree(lab))] == ["1", "2", "3"]


@pytest.fixture(autouse=True)
def bytecode(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let Python write bytecode, as it does for most people."""
    monkeypatch.delenv("PYTHONDONTWRITEBYTECODE", raising=False)


def test_stale_bytecode_is_not_used(lab: Project) -> None:
    subprocess.run([sys.executable, "-c", "import lab"], cwd=lab, check=True)
    source = lab / "lab/__init__.py"
    times = source.stat()
    source.write_text(TWO)
    os.utime(source, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert slow(in_working_tree(lab)) == "2"


def test_temporary_folders_are_removed_also_after_an_error(
    lab: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(temporary))
    lab.write({"lab/__init__.py": "import os; os.chmod(os.path.dirname(__file__), 0o500)\n" + ONE})
    repository, _ = opened(lab)
    for commit in (None, "HEAD"):
        with (
            pytest.raises(KeyboardInterrupt),
            open_index(repository, commit) as index,
            index.checked_out() as checkout,
        ):
            assert checkout.root.is_relative_to(temporary)
            (checkout.root / "lab").chmod(0o500)
            raise KeyboardInterrupt
    in_index(lab)
    assert not list(temporary.iterdir())


def test_only_named_files_are_checked_out(lab: Project) -> None:
    lab.stage({"a b.txt": "a", "c\nd.txt": "c", "sub/e.txt": "e"})
    with open_index(find_repository(lab)) as index:
        with index.checked_out(["c\nd.txt", "sub/e.txt", "not there"]) as checkout:
            files = {path.relative_to(checkout.root).as_posix() for path in checkout.root.rglob("*") if path.is_file()}
        assert files == {"c\nd.txt", "sub/e.txt"}
        with index.checked_out() as checkout:
            assert (checkout.root / "a b.txt").read_text() == "a"


@pytest.mark.skipif(sys.platform != "linux", reason="file names are text elsewhere")
def test_names_that_are_no_text_are_checked_out(lab: Project) -> None:
    name = os.fsdecode(b"lab/\xff\"'\n.txt")
    lab.stage({name: "1", "lab/__init__.py": f"{ONE}open(__file__.replace('__init__.py', {name[4:]!a})).close()\n"})
    for found in (in_index(lab), in_working_tree(lab)):
        assert slow(found) == "1"
        assert found.usage.files == {"lab/__init__.py", name}


def test_files_are_the_modules_and_the_data_that_were_read(lab: Project) -> None:
    write(
        lab,
        {
            "lab/__init__.py": (
                "from pathlib import Path\nimport csv\nfrom lab import part\n"
                "near = Path(__file__).with_name('noise.txt').read_text()\n"
                "far = open('data/far.txt').read()\n"
                "lookup_dict = {'noise': {'near': near, 'far': far}}\n"
            ),
            "lab/part.py": "",
            "lab/unused.py": "",
            "lab/noise.txt": "staged",
            "data/far.txt": "staged too",
        },
    )
    lab.git("add", ".")
    lab.write({"lab/noise.txt": "not staged", "data/far.txt": "not staged"})
    found = in_index(lab)
    assert shown(found) == {"my_exp.noise=near": "'staged'", "my_exp.noise=far": "'staged too'"}
    assert found.usage.files == {"lab/__init__.py", "lab/part.py", "lab/noise.txt", "data/far.txt"}
    assert in_working_tree(lab).usage.files == found.usage.files


def test_module_that_is_only_staged_is_found(lab: Project) -> None:
    lab.stage({"lab/__init__.py": "from lab.extra import lookup_dict\n", "lab/extra.py": TWO})
    (lab / "lab/extra.py").unlink()
    assert slow(in_index(lab)) == "2"
    assert "No module named 'lab.extra'" in in_working_tree(lab).troubles[0].reason


def test_module_that_became_a_package_is_found_as_staged(lab: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    lab.git("mv", "lab/__init__.py", "lab.py")
    lab.stage({"lab.py": TWO})
    lab.write({"lab/__init__.py": ONE})
    (lab / "lab.py").unlink()
    monkeypatch.setenv("PYTHONPATH", str(lab))
    assert slow(in_index(lab)) == "2"
    assert slow(in_working_tree(lab)) == "1"


@pytest.fixture
def make_environment(monkeypatch: pytest.MonkeyPatch) -> MakeEnvironment:
    """Make an environment that has what this one has, and files of its own in site-packages; use it from now on."""

    def make(folder: Path, files: Mapping[str, str]) -> Path:
        venv.create(folder, symlinks=True, with_pip=False)
        version = f"python{sys.version_info.major}.{sys.version_info.minor}"
        packages = folder / "lib" / version / "site-packages"
        shared = sysconfig.get_path("purelib")
        write(packages, {"shared.pth": f"import site; site.addsitedir({shared!r})\n", **files})
        monkeypatch.setattr("sys.executable", str(folder / "bin" / "python"))
        return packages

    return make


@pytest.fixture
def src_lab(lab: Project) -> Project:
    """The same repository, with the package below `src`, and a second value staged."""
    (lab / "src").mkdir()
    lab.git("mv", "lab", "src/lab")
    lab.commit({})
    lab.stage({"src/lab/__init__.py": TWO})
    lab.write({"src/lab/__init__.py": ONE.replace("1", "3")})
    return lab


def test_src_layout_installed_by_a_path_file(
    src_lab: Project, make_environment: MakeEnvironment, tmp_path: Path
) -> None:
    link = tmp_path / "without-line-break"  # which a path file cannot have
    link.symlink_to(src_lab)
    make_environment(tmp_path / "environment", {"lab.pth": f"{link}/src\n"})
    assert [slow(in_commit(src_lab)), slow(in_index(src_lab)), slow(in_working_tree(src_lab))] == ["1", "2", "3"]


FINDER = """\
import sys
from importlib.machinery import ModuleSpec, PathFinder
from importlib.util import spec_from_file_location

MAPPING = {mapping!r}
NAMESPACE = {namespace!r}


class Finder:
    @classmethod
    def find_spec(cls, name, path=None, target=None):
        if name in MAPPING:
            return spec_from_file_location(name, MAPPING[name] + "/__init__.py")
        if name == "space":
            spec = ModuleSpec(name, None, is_package=True)
            spec.submodule_search_locations = [NAMESPACE]
            return spec


sys.meta_path.append(Finder)
"""


def test_src_layout_installed_by_a_finder(src_lab: Project, make_environment: MakeEnvironment, tmp_path: Path) -> None:
    finder = FINDER.format(mapping={"lab": f"{src_lab}/src/lab"}, namespace=f"{src_lab}/src/space")
    make_environment(
        tmp_path / "environment", {"editable_finder.py": finder, "editable.pth": "import editable_finder\n"}
    )
    assert [slow(in_commit(src_lab)), slow(in_index(src_lab)), slow(in_working_tree(src_lab))] == ["1", "2", "3"]
    code = (
        "import pkgutil, space, space.inner\nnames = [module.name for module in pkgutil.iter_modules(space.__path__)]\n"
        "lookup_dict = {'frequency': {'slow': [space.inner.VALUE, names]}}\n"
    )
    src_lab.stage({"src/lab/__init__.py": code, "src/space/inner.py": "VALUE = 2\n"})
    src_lab.write({"src/space/inner.py": "VALUE = 1\n", "src/space/unstaged.py": ""})
    assert slow(in_index(src_lab)) == "[2, ['inner']]"
    src_lab.git("mv", "--force", "src/lab/__init__.py", "src/lab.py")
    src_lab.stage({"src/lab.py": ONE.replace("1", "4")})
    src_lab.write({"src/lab/__init__.py": ONE})
    (src_lab / "src/lab.py").unlink()
    assert slow(in_index(src_lab)) == "4"


def test_environment_inside_the_repository_is_no_part_of_the_checkout(
    lab: Project, make_environment: MakeEnvironment
) -> None:
    packages = make_environment(lab / ".venv", {"installed_thing.py": "value = 5\n"})
    write(packages, {"lab-1.0.dist-info/METADATA": "Metadata-Version: 2.1\nName: lab\nVersion: 1.0\n"})
    write(
        lab,
        {
            ".gitignore": ".venv\n",
            "lab/__init__.py": (
                "import installed_thing\nfrom importlib.metadata import version\n"
                "lookup_dict = {'frequency': {'slow': [installed_thing.value, version('lab')]}}\n"
            ),
        },
    )
    lab.git("add", ".")
    found = in_index(lab)
    assert slow(found) == "[5, '1.0']"
    assert found.usage.files == {"lab/__init__.py"}


def test_installed_copy_does_not_stand_for_what_is_staged(
    lab: Project, make_environment: MakeEnvironment, tmp_path: Path
) -> None:
    make_environment(tmp_path / "environment", {"lab/__init__.py": ONE})
    lab.stage({"lab/__init__.py": TWO})
    found = in_index(lab)
    assert slow(found) == "2"
    assert list(found.elsewhere) == ["lab"]
    # As a trial, which imports the installed copy, and says so.
    found = in_working_tree(lab)
    assert slow(found) == "1"
    assert list(found.elsewhere) == ["lab"]


def test_copy_in_an_environment_inside_the_repository_is_noticed(
    lab: Project, make_environment: MakeEnvironment
) -> None:
    packages = make_environment(lab / ".venv", {"lab/__init__.py": TWO})
    found = in_working_tree(lab)
    assert slow(found) == "2"
    assert found.elsewhere == {"lab": os.path.realpath(packages / "lab/__init__.py")}


def test_what_is_imported_from_the_working_tree_is_no_copy(src_lab: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(src_lab / "src"))
    for found in (in_working_tree(src_lab), in_index(src_lab)):
        assert found.elsewhere == {}


def test_folders_of_pythonpath_are_those_of_the_checkout(lab: Project) -> None:
    (lab / "code").mkdir()
    lab.git("mv", "lab", "code/lab")
    lab.stage({"pyproject.toml": '[tool.mitosis]\npythonpath = ["code"]\n' + STEP, "code/lab/__init__.py": TWO})
    lab.write({"code/lab/__init__.py": ONE})
    assert [slow(in_index(lab)), slow(in_working_tree(lab))] == ["2", "1"]


def test_linked_worktree_of_an_editable_install_has_its_own_state(
    lab: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    linked = Project(tmp_path / "linked")
    lab.git("worktree", "add", "--quiet", str(linked))
    linked.stage({"lab/__init__.py": TWO})
    monkeypatch.setenv("PYTHONPATH", str(lab))
    assert slow(in_index(linked)) == "2"


def test_filters_and_line_ends_apply_as_the_state_says(lab: Project) -> None:
    lab.git("config", "filter.shout.clean", "tr A-Z a-z")
    lab.git("config", "filter.shout.smudge", "tr a-z A-Z")
    code = "lookup_dict = {'text': {'v': [open(f'lab/{n}.txt', newline='').read() for n in 'ab']}}\n"
    attributes = "a.txt filter=shout\nb.txt text eol=crlf\n"
    lab.stage({"lab/.gitattributes": attributes, "lab/__init__.py": code, "lab/a.txt": "QUIET", "lab/b.txt": "1\n"})
    lab.write({"lab/.gitattributes": ""})
    assert shown(in_index(lab)) == {"my_exp.text=v": r"['QUIET', '1\r\n']"}


def test_sparse_checkout_stays_sparse(lab: Project) -> None:
    lab.commit({"other/big.txt": "big"})
    lab.git("sparse-checkout", "set", "lab")
    repository = find_repository(lab)
    with open_index(repository) as index, index.checked_out() as checkout:
        assert (checkout.root / "lab/__init__.py").exists()
        assert not (checkout.root / "other").exists()
    with open_index(repository, "HEAD") as index, index.checked_out() as checkout:
        assert (checkout.root / "other/big.txt").read_text() == "big"


def test_the_index_of_a_hook_counts_and_nothing_of_it_reaches_the_code(
    lab: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    code = "import os\nlookup_dict = {'frequency': {'slow': sorted(n for n in os.environ if n.startswith('GIT_'))}}\n"
    lab.write({"lab/__init__.py": code})
    with monkeypatch.context() as context:
        context.setenv("GIT_INDEX_FILE", str(lab / ".git/next-index"))
        lab.git("read-tree", "HEAD")
        lab.git("add", ".")
    assert slow(in_index(lab)) == "1"
    with monkeypatch.context() as context:
        context.setenv("GIT_INDEX_FILE", str(lab / ".git/next-index"))
        assert slow(in_index(lab)) == "['GIT_CONFIG_NOSYSTEM', 'GIT_TERMINAL_PROMPT']"


REALISTIC = """\
import enum
import functools
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from mitosis.typing import Parameter


class Kind(enum.Enum):
    FAST = 1


@dataclass(frozen=True)
class Noise:
    scale: float
    kind: Kind = Kind.FAST


def square(x):
    return x * x


def run(**parameters):
    return {"main": len(parameters)}


lookup_dict = {
    "array": {"v": np.linspace(0, 1, 1000)},
    "data": {"v": np.loadtxt(Path(__file__).parent / "noise.txt")},
    "folder": {"v": Path(__file__).parent},
    "folders": {"v": {"here": [str(Path(__file__).parent)], Path(__file__): {Path(__file__), 1}}},
    "frame": {"v": pd.DataFrame({"x": [1, 2], "y": pd.Categorical(["a", "b"])})},
    "function": {"v": square},
    "generator": {"v": np.random.default_rng(3)},
    "kind": {"v": Kind.FAST},
    "nested": {"v": {"noise": [Noise(0.1), Noise], "power": functools.partial(square, x=2)}},
    "place": {"v": str(Path(__file__).parent).encode()},
    "plain": {"v": (1, 1.0, "é", None, b"b", {1, 2})},
    "wrapped": {"v": Parameter("v", "wrapped", {"values": [1]})},
}
"""


@pytest.mark.parametrize(
    "value",
    ["here * 2000", "{'x': [here.encode() * 2000]}", "np.array([here, 'x'])"],
)
def test_place_of_a_checkout_is_never_a_meaning(lab: Project, value: str) -> None:
    text = f"import numpy as np\nhere = __file__\nlookup_dict = {{'frequency': {{'slow': {value}}}}}\n"
    lab.stage({"lab/__init__.py": text})
    found = in_index(lab)
    assert not found.meanings
    assert ["contains the path of the working tree" in trouble.reason for trouble in found.troubles] == [True]


def test_meanings_are_those_that_a_trial_locks(lab: Project) -> None:
    lab.commit({"lab/__init__.py": REALISTIC, "lab/noise.txt": "1\n2\n", ".gitignore": "/trials\n"})
    found = in_commit(lab)
    assert not found.refused
    parameters = [word for name in shown(found) for word in ("-p", name)]
    done = subprocess.run(command("my_exp", *parameters), cwd=lab, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (record,) = Journal(find_repository(lab)).iter_trials()
    locked = {parameter.name: parameter.digest for parameter in record.parameters}
    assert len(locked) == 12
    assert {meaning.name.parameter: meaning.digest for meaning in found.meanings} == locked
    for other in (in_index(lab), in_working_tree(lab)):
        assert {meaning.name.parameter: meaning.digest for meaning in other.meanings} == locked
    functions = {meaning.name.parameter: dict(meaning.functions) for meaning in found.meanings}
    assert list(functions["function"]) == ["lab:square"]
