"""Whether what is staged can change a lookup dictionary, answered without evaluating it."""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Collection, Mapping
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from mitosis.check.relevance import can_matter, commit_can_matter, learn
from mitosis.check.states import commit_state, staged_state
from mitosis.git.repository import find_repository
from support.e2e import write

STEP = '[tool.mitosis.steps]\nmy_exp = ["lab:run", "lab:lookup_dict"]\n'
PLAIN = 'import helper\nlookup_dict = {"frequency": {"slow": helper.one}}\n'
HELPER = "one = 1\n"
READS = "import numpy as np\nlookup_dict = {'frequency': {'slow': np.load('data/slow.npy')}}\n"


class Clone:
    """A repository, and what is staged in it."""

    def __init__(self, folder: Path, files: Mapping[str, str]) -> None:
        self.folder = folder
        folder.mkdir(exist_ok=True)
        self.git("init", "--quiet")
        self.stage({"pyproject.toml": STEP, **files})
        self.commit()

    def git(self, *words: str) -> None:
        subprocess.run(["git", *words], cwd=self.folder, check=True, capture_output=True)

    def commit(self) -> None:
        self.git("commit", "--quiet", "--allow-empty", "-m", "change")

    def stage(self, files: Mapping[str, str | None]) -> None:
        """Write files (None: remove them) and stage that."""
        write(self.folder, {name: text for name, text in files.items() if text is not None})
        for name, text in files.items():
            if text is None:
                (self.folder / name).unlink()
        self.git("add", "--all")

    def can_matter(self) -> bool:
        return can_matter(find_repository(self.folder))

    def commit_can_matter(self, touched: Collection[str]) -> bool:
        """Whether HEAD can matter, which touches these files."""
        repository = find_repository(self.folder)
        assert repository.head is not None
        with commit_state(repository, repository.head) as state:
            return commit_can_matter(state, touched)

    def meanings(self, *, is_learnt: bool) -> object:
        """What the staged dictionary says, or that it cannot be evaluated."""
        repository = find_repository(self.folder)
        with staged_state(repository) as state:
            assert state.config is not None
            evaluation = state.evaluate(state.config, None)
            if is_learnt:
                learn(repository, state, evaluation)
        return [(m.parameter, m.variant, m.digest) for m in evaluation.meanings], bool(evaluation.troubles)

    @property
    def kept(self) -> Path:
        return self.folder / ".git" / "mitosis" / "lookup-files"


@pytest.fixture
def plain(tmp_path: Path) -> Clone:
    """A dictionary that uses another module, and nothing else."""
    return Clone(tmp_path / "plain", {"lab/__init__.py": PLAIN, "helper.py": HELPER, "README.md": "", "other.py": ""})


@pytest.fixture
def reading(tmp_path: Path) -> Clone:
    """A dictionary that reads a file which is not in its package."""
    return Clone(tmp_path / "reading", {"lab/__init__.py": READS, "data/slow.npy": "", "README.md": ""})


def test_modules_that_only_import_and_compute_are_not_evaluated_to_know(plain: Clone) -> None:
    plain.stage({"README.md": "more\n", "other.py": "import lab\n", "new.py": "", "notes/data.txt": ""})
    assert [plain.can_matter(), plain.can_matter()] == [False, False]


def test_ordinary_dictionaries_need_no_evaluation_to_know(tmp_path: Path) -> None:
    text = (
        "import functools, math\nfrom dataclasses import dataclass\nimport numpy as np\nimport pandas as pd\n"
        "from scipy import stats\nfrom sklearn.linear_model import Ridge\n\n"
        "@dataclass\nclass Noise:\n    scale: float\n    spread: float = 1.0\n\n"
        "lookup_dict = {'frequency': {'a': Noise(1), 'b': stats.norm(0, 1), 'c': np.random.default_rng(0),\n"
        "    'd': functools.partial(math.pow, 2), 'e': pd.DataFrame({'x': [1]}), 'f': Ridge(alpha=1)}}\n"
    )
    clone = Clone(tmp_path / "clone", {"lab.py": text, "README.md": ""})
    clone.stage({"README.md": "more\n", "data/new.csv": "", "run.py": "import lab"})
    assert not clone.can_matter()


def test_what_python_would_warn_of_in_a_module_is_not_said_while_it_is_read(
    plain: Clone, recwarn: pytest.WarningsRecorder
) -> None:
    plain.stage({"helper.py": "one = 1\npattern = '\\d'\n"})
    plain.commit()
    plain.stage({"README.md": "more\n"})
    assert not plain.can_matter()
    assert not recwarn.list


@pytest.mark.parametrize("name", ["lab/__init__.py", "helper.py", "pyproject.toml", "lab/table.csv", ".gitattributes"])
def test_what_the_lookup_modules_use_matters(plain: Clone, name: str) -> None:
    for _ in range(2):
        plain.stage({name: STEP + "# more\n" if name == "pyproject.toml" else "# more\n"})
        assert plain.can_matter()
        plain.git("reset", "--quiet", "--hard")
        assert not plain.can_matter()


@pytest.mark.parametrize("name", ["helper/__init__.py", "src/helper.py"])
def test_a_new_module_that_takes_the_place_of_an_imported_one_matters(plain: Clone, name: str) -> None:
    plain.stage({"README.md": "more\n"})
    assert not plain.can_matter()
    plain.stage({name: "one = 2\n"})
    assert plain.can_matter()


def test_a_module_that_hides_an_installed_one_matters(plain: Clone) -> None:
    plain.stage({"helper.py": "import fractions\none = 1\n"})
    plain.commit()
    plain.meanings(is_learnt=True)
    plain.stage({"fractions.py": ""})
    assert plain.can_matter()


def test_removed_files_matter(plain: Clone) -> None:
    plain.stage({"helper.py": None})
    assert plain.can_matter()


def test_where_modules_may_read_files_everything_matters_until_it_was_seen_what(reading: Clone) -> None:
    reading.stage({"README.md": "more\n"})
    assert reading.can_matter()
    reading.stage({"lab/__init__.py": READS.replace("np.load", "np.array"), "run.py": ""})
    reading.meanings(is_learnt=True)
    reading.commit()
    reading.stage({"README.md": "still more\n"})
    assert not reading.can_matter()


@pytest.mark.parametrize(
    "lab",
    [
        "import xml.etree.ElementTree as ET\nv = ET.parse('params.xml')",
        "from xml.etree import ElementTree as ET\nv = ET.parse('params.xml')",
        "import linecache\nv = linecache.getline('params.txt', 1)",
        "import numpy as np\nv = np.fromregex('params.txt', 'v', [])",
        "import scipy.stats\nv = scipy.io.netcdf_file('params.nc')",
        "import pandas as pd\nv = pd.HDFStore('params.h5')",
        "import numpy as np\nv = getattr(np, 'lo' + 'ad')('params.npy')",
        "from Bio import SeqIO\nv = SeqIO.parse('params.fasta', 'fasta')",
        "import helper.part\nv = helper.part.values('params.txt')",
        "from tests import helpers\nv = helpers.values('params.txt')",
    ],
)
def test_modules_that_import_what_is_not_known_to_read_nothing_are_evaluated_to_know(tmp_path: Path, lab: str) -> None:
    files = {"lab.py": f"{lab}\nlookup_dict = {{}}\n", "helper/__init__.py": "", "other/tests/helpers.py": ""}
    clone = Clone(tmp_path / "clone", {**files, "README.md": ""})
    clone.stage({"README.md": "more\n"})
    assert clone.can_matter()


@pytest.mark.parametrize(
    "line",
    [
        "import lab.part, lab.common as c",
        "from lab import part, CONSTANT",
        "from lab.part import value",
        "from . import part",
        "from .part import value",
        "from collections import abc",
        "from scipy.stats import norm",
        "from names import value",
        "from space import part",
    ],
)
def test_modules_that_import_those_of_the_repository_need_no_evaluation(tmp_path: Path, line: str) -> None:
    files = dict.fromkeys(("lab/__init__.py", "lab/part.py", "lab/common.py", "src/names.py", "space/part.py"), "")
    clone = Clone(tmp_path / "clone", {**files, "lab/__init__.py": f"{line}\nlookup_dict = {{}}\n"})
    clone.stage({"README.md": "more\n"})
    assert not clone.can_matter()


def test_what_was_read_matters_afterwards(tmp_path: Path) -> None:
    lab = "lookup_dict = {'frequency': {'slow': open('data/slow').read()}}\n"
    clone = Clone(tmp_path / "clone", {"lab.py": lab, "data/slow": "1", "data/fast": "2"})
    clone.meanings(is_learnt=True)
    clone.stage({"data/fast": "3"})
    assert not clone.can_matter()
    clone.stage({"data/slow": "3"})
    assert clone.can_matter()


def test_files_of_a_kind_that_reading_modules_mention_matter(tmp_path: Path) -> None:
    """Libraries that are not written in Python open files without Python noticing."""
    lab = "import ctypes\nNAME = 'slow.parquet'\nlookup_dict = {'frequency': {'slow': 1}}\n"
    clone = Clone(tmp_path / "clone", {"lab.py": lab, "data/slow.parquet": "", "notes.md": ""})
    clone.meanings(is_learnt=True)
    clone.stage({"notes.md": "1"})
    assert not clone.can_matter()
    clone.stage({"data/slow.parquet": "1"})
    assert clone.can_matter()


@pytest.mark.parametrize("damage", [b"", b"\x81", b"\xff" * 100])
def test_damaged_knowledge_is_found_anew(plain: Clone, damage: bytes) -> None:
    plain.stage({"README.md": "more\n"})
    assert not plain.can_matter()
    plain.kept.write_bytes(damage)
    assert not plain.can_matter()
    plain.kept.write_bytes(damage)
    plain.stage({"helper.py": "one = 2\n"})
    assert plain.can_matter()


def test_a_changed_byte_in_what_is_kept_is_noticed(plain: Clone) -> None:
    plain.stage({"README.md": "more\n"})
    assert not plain.can_matter()
    plain.stage({"lab/table.csv": ""})
    data = plain.kept.read_bytes()
    start, _, end = data.rpartition(b"lab")  # the folder of the package
    plain.kept.write_bytes(start + b"lob" + end)
    assert plain.can_matter()


def test_knowledge_of_another_branch_is_not_believed(plain: Clone) -> None:
    plain.stage({"README.md": "more\n"})
    assert not plain.can_matter()
    plain.git("checkout", "--quiet", "-b", "other")
    plain.stage({"helper.py": "from other import one\n", "other.py": "one = 1\n"})
    plain.commit()
    plain.stage({"other.py": "one = 2\n"})
    assert plain.can_matter()


def test_each_worktree_has_its_own_knowledge(reading: Clone, tmp_path: Path) -> None:
    reading.git("worktree", "add", "--quiet", str(tmp_path / "linked"))
    reading.stage({"lab/__init__.py": "import ctypes\nlookup_dict = {}\n"})
    reading.meanings(is_learnt=True)
    reading.commit()
    reading.stage({"README.md": "more\n"})
    assert not reading.can_matter()
    linked = tmp_path / "linked"
    (linked / "README.md").write_text("more\n")
    subprocess.run(["git", "add", "."], cwd=linked, check=True)
    assert can_matter(find_repository(linked))


@pytest.mark.parametrize(
    ("change", "matters"),
    [
        ({"data/new": ""}, True),
        ({"data/fresh/new": ""}, True),
        ({"data/sub/one": None}, True),
        ({"data/one": None}, True),
        ({"data/one": "more"}, False),
        ({"data/sub/two": ""}, False),
        ({"other/new": ""}, False),
    ],
)
def test_names_in_a_folder_that_was_listed_matter(tmp_path: Path, change: dict[str, str | None], matters: bool) -> None:
    lab = "import os\nlookup_dict = {'frequency': {name: 1 for name in os.listdir('data')}}\n"
    clone = Clone(tmp_path / "clone", {"lab.py": lab, "data/one": "", "data/sub/one": "", "other/one": ""})
    clone.meanings(is_learnt=True)
    clone.stage(change)
    assert clone.can_matter() == matters


def try_to(line: str) -> str:
    return f"try:\n    {line}\nexcept Exception: pass\nlookup_dict = {{}}\n"


@pytest.mark.parametrize(
    ("line", "new"),
    [
        ("__import__('ext' + 'ra')", "extra.py"),
        ("__import__('ext' + 'ra')", "src/extra/part.py"),
        ("__import__('hel' + 'per')", "src/helper.py"),
        ("open('data/' + 'extra')", "data/extra"),
    ],
)
def test_what_was_looked_for_and_not_found_matters(tmp_path: Path, line: str, new: str) -> None:
    clone = Clone(tmp_path / "clone", {"lab.py": try_to(line), "helper.py": ""})
    clone.meanings(is_learnt=True)
    clone.stage({"unrelated.py": "", "data/unrelated": ""})
    assert not clone.can_matter()
    clone.stage({new: ""})
    assert clone.can_matter()


def test_an_evaluation_that_went_wrong_is_not_learnt_from(reading: Clone) -> None:
    reading.meanings(is_learnt=True)  # there is nothing in the file to load
    reading.stage({"README.md": "more\n"})
    assert reading.can_matter()


def test_links_are_not_seen_through(plain: Clone) -> None:
    plain.stage({"README.md": "more\n"})
    assert not plain.can_matter()
    (plain.folder / "shared").symlink_to("elsewhere")
    plain.stage({})
    assert plain.can_matter()
    plain.stage({"lab/__init__.py": "import shared.part\nlookup_dict = {}\n", "elsewhere/part.py": "one = 1\n"})
    plain.commit()
    plain.stage({"elsewhere/part.py": "one = 2\n"})
    assert plain.can_matter()
    plain.commit()
    plain.meanings(is_learnt=True)
    plain.stage({"README.md": "still more\n"})
    assert not plain.can_matter()
    plain.stage({"elsewhere/part.py": "one = 3\n"})
    assert plain.can_matter()


def test_modules_that_are_not_in_the_repository_are_evaluated_once(tmp_path: Path) -> None:
    step = '[tool.mitosis.steps]\nmy_exp = ["fractions:run", "fractions:_operator.__dict__"]\n'
    clone = Clone(tmp_path / "clone", {"pyproject.toml": step, "README.md": ""})
    clone.stage({"README.md": "more\n"})
    assert clone.can_matter()


@pytest.mark.parametrize(
    ("change", "matters"),
    [
        ({"README.md": "more\n", "data/new.csv": "", "run.py": "import lab"}, False),
        ({"helper.py": "one = 2\n"}, True),
        ({"helper.py": None}, True),
        ({"lab/table.csv": ""}, True),
        ({"pyproject.toml": STEP + "# more\n"}, True),
        ({".gitattributes": "* text\n"}, True),
    ],
)
def test_a_commit_that_touches_nothing_of_plain_modules_needs_no_evaluation(
    plain: Clone, change: dict[str, str | None], matters: bool
) -> None:
    plain.stage(change)
    plain.commit()
    assert plain.commit_can_matter(change) == matters


def test_any_commit_of_modules_that_may_read_files_is_evaluated(reading: Clone) -> None:
    reading.stage({"README.md": "more\n"})
    reading.commit()
    assert reading.commit_can_matter(["README.md"])


# --- nothing that matters is missed ---------------------------------------------------------------

PATHS = ("lab/__init__.py", "lab/a.py", "lab/b.py", "a.py", "b.py", "src/a.py", "src/c/__init__.py", "c/d.py", "c.py")
DATA = ("x.txt", "data/x.txt", "data/y.txt", "lab/x.txt")
NAMES = ("a", "b", "c", "c.d", "lab.a", "lab.b", "lab")
LINES = (
    "import {name}\nv += {name}.v",
    "from lab import a as it\nv += it.v",
    "from . import b as it\nv += it.v",
    "from {name} import *",
    "from {name} import v as other\nv += other",
    "import importlib\nv += importlib.import_module('{name}').v",
    "v += int(open('{data}').read())",
    "import pathlib\nv += pathlib.Path('{data}').exists()",
    "import linecache\nv += int(linecache.getline('{data}', 1))",
    "import fileinput\nv += int(next(fileinput.input('{data}')))",
    "import numpy as np\nv += int(np.genfromtxt('{data}'))",
    "import os\nv += len(os.listdir('data'))",
    "import os\nv += len(os.listdir('.'))",
    "import pathlib, lab\nv += len(list(pathlib.Path(lab.__file__).parent.glob('*')))",
    "import pkgutil, lab\nv += len(list(pkgutil.iter_modules(lab.__path__)))",
)


@st.composite
def modules(draw: st.DrawFn) -> str:
    """The text of a module."""
    text = f"v = {draw(st.integers(0, 3))}\n"
    for line in draw(st.lists(st.sampled_from(LINES), max_size=2)):
        part = line.format(name=draw(st.sampled_from(NAMES)), data=draw(st.sampled_from(DATA)))
        text += "try:\n    " + part.replace("\n", "\n    ") + "\nexcept Exception: pass\n"
    return text


def files(least: int, most: int) -> st.SearchStrategy[dict[str, str]]:
    some = st.one_of(
        st.tuples(st.sampled_from(PATHS), modules()),
        st.tuples(st.sampled_from(DATA), st.integers(0, 9).map(str)),
    )
    return st.lists(some, min_size=least, max_size=most).map(dict)


END = "lookup_dict = {'p': {'v': v}}\n"
BASE = {"lab/__init__.py": "v = 1\n", "data/z.txt": ""}


@settings(
    max_examples=int(os.environ.get("RELEVANCE_EXAMPLES", "10")),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(before=files(1, 6), pulled=files(0, 2), change=files(1, 2), removed=st.booleans(), state=st.sampled_from("nolp"))
@example(
    before={"lab/__init__.py": "v = 1\nfrom lab import *\n__all__ = ['a']\n"},
    pulled={},
    change={"lab/a.py": "import lab\nlab.lookup_dict = {}\n"},
    removed=False,
    state="l",
)
def test_nothing_that_changes_a_dictionary_is_missed(
    before: dict[str, str], pulled: dict[str, str], change: dict[str, str], removed: bool, state: str
) -> None:
    """Whether nothing is known yet (n), or what is was found by reading (o) or learnt (l), and before a pull (p)."""
    with tempfile.TemporaryDirectory() as folder:
        whole = {**BASE, **before}
        whole["lab/__init__.py"] += END
        clone = Clone(Path(folder), whole)
        if state == "o":
            clone.stage({"README.md": ""})
            clone.can_matter()
        if state in "lp":
            clone.meanings(is_learnt=True)
        if state == "p":
            clone.stage({name: text + END * (name == "lab/__init__.py") for name, text in pulled.items()})
            clone.commit()
        old = clone.meanings(is_learnt=False)
        staged: dict[str, str | None] = {n: text + END * (n == "lab/__init__.py") for n, text in change.items()}
        if removed:
            staged.update({name: None for name in list(change) if (clone.folder / name).exists()})
        clone.stage(staged)
        new = clone.meanings(is_learnt=False)
        if new != old:
            assert clone.can_matter()
