"""Whether what is staged can change a lookup dictionary, answered without evaluating it."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from mitosis.check.relevance import can_matter, learn
from mitosis.dictionaries.states import staged_state
from mitosis.git.repository import find_repository
from support.e2e import write

STEP = '[tool.mitosis.steps]\nmy_exp = ["lab:run", "lab:lookup_dict"]\n'
LAB = """\
import helper, os
try:
    import extra
except ImportError:
    pass
open("data/slow").close()
os.path.exists("data/fast")
os.listdir("listed")
lookup_dict = {"frequency": {"slow": helper.one}}
"""
FILES = {
    "lab/__init__.py": LAB,
    "lab/table.csv": "",
    "helper.py": "import fractions\none = 1\n",
    "other.py": "",
    "README.md": "",
    "data/slow": "",
    "data/unused": "",
    "listed/one": "",
}


class Clone:
    """A repository, and what is staged in it."""

    def __init__(self, folder: Path, files: Mapping[str, str]) -> None:
        self.folder = folder
        folder.mkdir(exist_ok=True)
        self.git("init", "--quiet", "--initial-branch=main")
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

    def meanings(self, *, is_learnt: bool) -> object:
        """What the staged dictionary says, or that it cannot be evaluated."""
        repository = find_repository(self.folder)
        with staged_state(repository) as state:
            evaluation = state.evaluate()
        if is_learnt and not evaluation.troubles:
            learn(repository, evaluation.usage)
        return [(m.name, m.digest) for m in evaluation.meanings], bool(evaluation.troubles)

    @property
    def kept(self) -> Path:
        return self.folder / ".git" / "mitosis" / "lookup-files"


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository whose dictionaries were evaluated."""
    with pytest.MonkeyPatch.context() as patch:
        for role in ("AUTHOR", "COMMITTER"):
            patch.setenv(f"GIT_{role}_NAME", "Ada Lovelace")
            patch.setenv(f"GIT_{role}_EMAIL", "ada@example.org")
        clone = Clone(tmp_path_factory.mktemp("relevance") / "template", FILES)
        clone.meanings(is_learnt=True)
    return clone.folder


@pytest.fixture
def clone(template: Path, tmp_path: Path) -> Clone:
    subprocess.run(["cp", "-a", str(template), str(tmp_path / "clone")], check=True)
    clone = object.__new__(Clone)
    clone.folder = tmp_path / "clone"
    return clone


@pytest.mark.parametrize(
    ("change", "matters"),
    [
        ({"README.md": "more\n", "other.py": "import lab\n", "new.py": "", "notes/data.txt": ""}, False),
        ({"data/unused": "more\n"}, False),
        ({"lab/__init__.py": LAB + "# more\n"}, True),
        ({"helper.py": None}, True),
        ({"pyproject.toml": STEP + "# more\n"}, True),
        ({"notes/.gitattributes": "* text\n"}, True),
        # Files that were read and asked for, whether they are there or not.
        ({"data/slow": "more\n"}, True),
        ({"data/fast": ""}, True),
        # Libraries that are not written in Python open files without Python noticing.
        ({"lab/table.csv": "more\n"}, True),
        ({"listed/two": ""}, True),
        ({"listed/one": "more\n"}, False),
        # A module that was looked for in vain, and those that take the place of another.
        ({"src/extra/part.py": ""}, True),
        ({"helper/__init__.py": "one = 2\n"}, True),
        ({"fractions.py": ""}, True),
    ],
    ids=lambda value: "+".join(value) if isinstance(value, dict) else "",
)
def test_only_what_dictionaries_used_matters(clone: Clone, change: dict[str, str | None], matters: bool) -> None:
    clone.stage(change)
    assert [clone.can_matter(), clone.can_matter()] == [matters, matters]


def test_until_dictionaries_have_been_evaluated_everything_matters(clone: Clone) -> None:
    clone.kept.unlink()
    clone.stage({"README.md": "more\n"})
    assert clone.can_matter()
    clone.meanings(is_learnt=True)
    assert not clone.can_matter()


def test_what_was_evaluated_and_never_committed_matters_until_it_is(clone: Clone) -> None:
    clone.stage({"helper.py": "one = 2\n"})
    clone.meanings(is_learnt=True)
    assert clone.can_matter()
    clone.git("reset", "--quiet", "--hard")
    clone.stage({"README.md": "more\n"})
    assert clone.can_matter()
    clone.stage({"helper.py": "one = 2\n"})
    clone.commit()
    clone.stage({"README.md": "still more\n"})
    assert not clone.can_matter()


def test_what_came_from_elsewhere_since_is_not_taken_to_be_known(clone: Clone) -> None:
    clone.git("checkout", "--quiet", "-b", "other")
    for number in range(3):
        clone.stage({"README.md": f"{number}\n"})
        assert not clone.can_matter()
        clone.commit()
    clone.stage({"helper.py": "from other import one\n", "other.py": "one = 1\n"})
    clone.commit()
    clone.stage({"other.py": "one = 2\n"})
    assert clone.can_matter()
    clone.git("checkout", "--quiet", "--force", "main")
    clone.stage({"README.md": "more\n"})
    assert not clone.can_matter()


def test_each_worktree_has_its_own_knowledge(clone: Clone, tmp_path: Path) -> None:
    clone.git("worktree", "add", "--quiet", str(tmp_path / "linked"))
    linked = tmp_path / "linked"
    (linked / "README.md").write_text("more\n")
    subprocess.run(["git", "add", "."], cwd=linked, check=True)
    assert can_matter(find_repository(linked))


def test_links_are_seen_through(clone: Clone) -> None:
    clone.stage({"elsewhere/part.py": "one = 1\n"})
    (clone.folder / "shared").symlink_to("elsewhere")
    clone.stage({"lab/__init__.py": "import shared.part\nlookup_dict = {}\n"})
    clone.meanings(is_learnt=True)
    clone.commit()
    clone.stage({"README.md": "still more\n"})
    assert not clone.can_matter()
    clone.stage({"elsewhere/part.py": "one = 3\n"})
    assert clone.can_matter()
    clone.commit()
    clone.meanings(is_learnt=True)
    (clone.folder / "new").symlink_to("elsewhere")
    clone.stage({})
    assert clone.can_matter()


@pytest.mark.parametrize("damage", [b"", b"\x81", b"\xff" * 100])
def test_damaged_knowledge_is_not_believed(clone: Clone, damage: bytes) -> None:
    clone.stage({"README.md": "more\n"})
    assert not clone.can_matter()
    clone.kept.write_bytes(damage)
    assert clone.can_matter()


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
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    max_examples=settings().max_examples // 12,
)
@given(before=files(1, 6), pulled=files(0, 2), change=files(1, 2), removed=st.booleans(), is_pulled=st.booleans())
@example(
    before={"lab/__init__.py": "v = 1\nfrom lab import *\n__all__ = ['a']\n"},
    pulled={},
    change={"lab/a.py": "import lab\nlab.lookup_dict = {}\n"},
    removed=False,
    is_pulled=False,
)
def test_nothing_that_changes_a_dictionary_is_missed(
    before: dict[str, str], pulled: dict[str, str], change: dict[str, str], removed: bool, is_pulled: bool
) -> None:
    """Whether what was evaluated is what the change is made to, or something else was pulled since."""
    with tempfile.TemporaryDirectory() as folder:
        whole = {**BASE, **before}
        whole["lab/__init__.py"] += END
        clone = Clone(Path(folder), whole)
        old = clone.meanings(is_learnt=True)
        if is_pulled:
            clone.stage({name: text + END * (name == "lab/__init__.py") for name, text in pulled.items()})
            clone.commit()
            old = clone.meanings(is_learnt=False)
        staged: dict[str, str | None] = {n: text + END * (n == "lab/__init__.py") for n, text in change.items()}
        if removed:
            staged.update({name: None for name in list(change) if (clone.folder / name).exists()})
        clone.stage(staged)
        matters = clone.can_matter()
        # What is known not to matter needs to be looked at only here.
        if not matters:
            assert clone.meanings(is_learnt=False) == old
