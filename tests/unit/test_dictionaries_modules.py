"""Which files lookup modules import, found without running them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from mitosis.config import Config, StepConfig
from mitosis.dictionaries.modules import imported_files

TOP = Path("/top")


def found(files: Mapping[str, str], *modules: str, pythonpath: tuple[str, ...] = (".",)) -> set[str]:
    """The files that the lookup modules import, `lab` by default."""
    steps = {module: StepConfig(module, "a:b", f"{module}:lookup_dict") for module in modules or ("lab",)}
    folders = tuple((TOP / folder).resolve() for folder in pythonpath)
    config = Config(TOP / "pyproject.toml", steps, None, folders)
    return set(imported_files(config, files.keys(), lambda name: files[name].encode()))


@pytest.mark.parametrize(
    "code",
    [
        "import lab.part",
        "import os, lab.part as part",
        "from lab import part",
        "from lab import part as p, other",
        "from lab.part import thing",
        "from . import part",
        "from .part import thing",
        "from .part import *",
        "try:\n    import lab.part\nexcept ImportError:\n    pass",
        "def f():\n    if False:\n        from .part import thing",
        "from .middle import x",
    ],
)
def test_every_kind_of_import_is_followed(code: str) -> None:
    files = {"lab/__init__.py": code, "lab/part.py": "", "lab/unused.py": "", "lab/middle.py": "import lab.part"}
    assert "lab/part.py" in found(files)
    assert "lab/unused.py" not in found(files)


def test_packages_on_the_way_are_run_too() -> None:
    files = {
        "a/__init__.py": "from . import top",
        "a/top.py": "",
        "a/b/__init__.py": "from ..other import x",
        "a/b/c.py": "from ... import nothing\nfrom ..b.d import x",
        "a/b/d.py": "",
        "a/other.py": "",
        "a/unused.py": "",
    }
    assert found(files, "a.b.c") == files.keys() - {"a/unused.py"}


def test_every_folder_that_may_be_imported_from_is_looked_into() -> None:
    files = {
        "src/lab/__init__.py": "import helper, near, far",
        "src/near.py": "",
        "helper.py": "",
        "code/far.py": "",
        "elsewhere/far.py": "",
        "lab.py": "",
    }
    assert found(files, pythonpath=("code", "../outside")) == files.keys() - {"elsewhere/far.py"}


def test_namespace_packages_need_no_init() -> None:
    files = {"space/inner/values.py": "from space.other import x", "space/other.py": ""}
    assert found(files, "space.inner.values") == files.keys()


def test_circles_and_what_is_no_python_are_survived() -> None:
    files = {
        "lab/__init__.py": "from lab import a, broken, coded",
        "lab/a.py": "import lab, lab.a",
        "lab/broken.py": "def (",
        "lab/coded.py": "# coding: no-such-coding\nimport lab.b",
        "lab/b.py": "",
    }
    assert found(files) == files.keys() - {"lab/b.py"}


def test_step_without_a_file_here_imports_nothing() -> None:
    assert found({"lab.py": "import numpy"}, "numpy", "lab") == {"lab.py"}
    assert found({}, "lab") == set()


def test_what_python_would_warn_of_in_a_module_is_not_said_while_it_is_read(recwarn: pytest.WarningsRecorder) -> None:
    assert "part.py" in found({"lab.py": "import part\npattern = '\\d'\n", "part.py": ""})
    assert not recwarn.list
