"""How much of a large repository is checked out, and that it never makes another outcome."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from mitosis.canonical.show import summarize_value
from mitosis.config import Config, find_config
from mitosis.dictionaries import states
from mitosis.dictionaries.checkouts import Checkout, open_index
from mitosis.dictionaries.evaluation import Evaluation, evaluate
from mitosis.dictionaries.states import evaluate_index, select_files
from mitosis.git.repository import Repository, find_repository
from support.e2e import write

STEP = '[tool.mitosis.steps]\nmy_exp = ["lab:run", "lab:lookup_dict"]\n'

Large = Callable[..., tuple[Repository, Config]]


def others(count: int) -> dict[str, str]:
    """Files that have nothing to do with the dictionaries."""
    return {f"other/m{n // 50}/file{n}.{'py' if n % 2 else 'txt'}": f"{n}\n" for n in range(count)}


@pytest.fixture
def large(tmp_path: Path, git: Callable[..., str], monkeypatch: pytest.MonkeyPatch) -> Large:
    """Make a repository that counts as large, with these files and, as a rule, 100 others."""

    def make(files: Mapping[str, str], count: int = 100) -> tuple[Repository, Config]:
        if count <= states.SMALL_REPOSITORY:
            monkeypatch.setattr(states, "SMALL_REPOSITORY", count)
        folder = tmp_path / "large"
        git("init", "--quiet", str(folder), cwd=tmp_path)
        write(folder, {"pyproject.toml": STEP, **others(count), **files})
        git("add", ".", cwd=folder)
        repository = find_repository(folder)
        return repository, find_config(repository.root, None, steps_needed=True)

    return make


@pytest.fixture
def checkouts(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many files each evaluation had, in order."""
    counts: list[int] = []

    def counting(checkout: Checkout, config: Config, **options: Any) -> Evaluation:
        counts.append(sum(path.is_file() for path in checkout.root.rglob("*")))
        return evaluate(checkout, config, **options)

    monkeypatch.setattr("mitosis.dictionaries.states.evaluate", counting)
    return counts


def in_index(
    repository: Repository, config: Config, commit: str | None = None, *, time_limit_s: float = 30
) -> Evaluation:
    with open_index(repository, commit) as index:
        return evaluate_index(index, config, time_limit_s=time_limit_s)


def value(found: Evaluation) -> str:
    assert not found.troubles, found.troubles
    return summarize_value(found.meanings[0].value, limit=200)


def test_only_what_the_lookup_modules_need_is_checked_out(
    large: Large, git: Callable[..., str], checkouts: list[int]
) -> None:
    repository, config = large(
        {
            "lab/__init__.py": "from pathlib import Path\nfrom lab.part import SLOW\n"
            "noise = Path(__file__).with_name('data').joinpath('noise.txt').read_text()\n"
            "lookup_dict = {'p': {'v': [SLOW, noise]}}\n",
            "lab/part.py": "SLOW = 1\n",
            "lab/unused.py": "1 / 0",
            "lab/data/noise.txt": "loud",
            "src/deep/er.py": "",
        },
        count=1500,
    )
    assert value(in_index(repository, config)) == "[1, 'loud']"
    assert checkouts == [4]
    git("commit", "--quiet", "-m", "first", cwd=repository.root)
    assert value(in_index(repository, config, "HEAD")) == "[1, 'loud']"
    assert checkouts == [4, 4]


def test_libraries_that_look_for_what_is_not_there_need_no_more(
    large: Large, checkouts: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    code = (
        "import numpy as np\nimport pandas as pd\nimport importlib.util\n"
        "importlib.util.find_spec('no_such_module')\nlookup_dict = {'p': {'v': 1, 'refused': lambda: 1}}\n"
    )
    repository, config = large({"lab/__init__.py": code, "src/other.py": ""})
    monkeypatch.setenv("PYTHONPATH", str(repository.root / "src"), prepend=os.pathsep)
    found = in_index(repository, config)
    assert value(found) == "1"
    assert [refused.name.variant for refused in found.refused] == ["refused"]
    assert checkouts == [2]


GAPS = {
    "a module by a computed name": "import importlib; v = importlib.import_module('other_' + 'module').VALUE",
    "a module that is asked for": "import importlib.util as u; v = 5 if u.find_spec('other_' + 'module') else None",
    "a file that may be missing": "try:\n    v = int(open('data/five.txt').read())\nexcept OSError:\n    v = None",
    "a path that is asked for": "from pathlib import Path; v = 5 if Path('data/five.txt').is_file() else None",
    "a folder that is listed": "import os; v = 5 if 'data' in os.listdir('.') else None",
    "names that match": "from pathlib import Path; v = 5 if [*Path('.').glob('*/five.txt')] else None",
    "a file found from the module's": (
        "from pathlib import Path; p = Path(__file__).resolve().parents[1] / 'data' / 'five.txt'\n"
        "v = int(p.read_text()) if p.exists() else None"
    ),
}


@pytest.mark.parametrize("gap", GAPS)
def test_everything_is_checked_out_when_the_code_looked_for_more(large: Large, checkouts: list[int], gap: str) -> None:
    code = GAPS[gap] + "\nlookup_dict = {'p': {'v': v}}\n"
    repository, config = large(
        {"lab/__init__.py": code, "other_module.py": "VALUE = 5\n", "data/five.txt": "5", "data/six.txt": "6"}
    )
    assert value(in_index(repository, config)) == "5"
    assert checkouts == [2, 105]


def test_value_that_raises_is_tried_with_everything(large: Large, checkouts: list[int]) -> None:
    code = "class D(dict):\n    def __getitem__(self, name): raise OSError('never')\nlookup_dict = {'p': D(v=1)}\n"
    repository, config = large({"lab/__init__.py": code})
    assert [refused.reason for refused in in_index(repository, config).refused] == [
        "getting its value raised OSError: never"
    ]
    assert len(checkouts) == 2


def test_time_limit_is_not_spent_twice(large: Large, checkouts: list[int]) -> None:
    repository, config = large({"lab/__init__.py": "while True: pass"})
    (trouble,) = in_index(repository, config, time_limit_s=0.5).troubles
    assert trouble.is_late
    assert len(checkouts) == 1


def test_attributes_count_although_they_are_not_checked_out(large: Large, checkouts: list[int]) -> None:
    repository, config = large(
        {
            ".gitattributes": "noise.txt text eol=crlf\n",
            "lab/__init__.py": "lookup_dict = {'p': {'v': open('lab/noise.txt', newline='').read()}}\n",
            "lab/noise.txt": "1\n",
        }
    )
    (repository.root / ".gitattributes").write_text("")
    assert value(in_index(repository, config)) == r"'1\r\n'"
    assert len(checkouts) == 1


def test_folder_that_modules_are_imported_from_is_no_package(large: Large, git: Callable[..., str]) -> None:
    repository, config = large({"src/lab.py": "", "src/data.txt": "", "lab/x/y.txt": "", "lab.py": ""})
    with open_index(repository) as index:
        assert select_files(index, config) == frozenset(("pyproject.toml", "src/lab.py", "lab.py"))
