"""Which folders a notebook has to name, so that Python finds what a trial imported."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

CODE = """\
import json, sys
from importlib.machinery import PathFinder
from mitosis.in_kernel.search import extend_search_path, find_needed_folders

class Editable:  # as setuptools installs what is edited in place
    @staticmethod
    def find_spec(name, path=None, target=None):
        return PathFinder.find_spec(name, [{installed!r}]) if name in {names!r} else None

sys.path.append({on_path!r})
sys.meta_path.append(Editable)
extend_search_path({folders!r})
for name in {imported!r}:
    __import__(name)
print(json.dumps(find_needed_folders()))
"""


@pytest.fixture
def code(tmp_path: Path) -> Path:
    """Two folders with a module, a package and a part of a namespace package each."""
    folder = tmp_path / "code"
    for part in ("one", "two"):
        for name in (f"module_{part}.py", f"package_{part}/__init__.py", f"space/part_{part}.py"):
            path = folder / part / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("")
    return folder


def needed(code: Path, *imported: str, editable: tuple[str, ...] = (), on_path: str = "nowhere") -> list[str]:
    text = CODE.format(
        installed=str(code / "one"),
        names=editable,
        on_path=str(code / on_path),
        folders=[str(code / "one"), str(code / "two")],
        imported=imported,
    )
    done = subprocess.run([sys.executable, "-c", text], capture_output=True, text=True, check=True, cwd=code.parent)
    return [Path(folder).name for folder in json.loads(done.stdout)]


def test_folders_of_what_was_imported_are_needed(code: Path) -> None:
    assert needed(code) == []
    assert needed(code, "module_two") == ["two"]
    assert needed(code, "package_two", "module_one") == ["one", "two"]
    assert needed(code, "space.part_two") == ["one", "two"]


def test_folder_that_python_searches_by_itself_is_not(code: Path) -> None:
    assert needed(code, "module_one", "module_two", on_path="one") == ["two"]


def test_folder_of_what_is_installed_for_editing_is_not(code: Path) -> None:
    assert needed(code, "package_one", editable=("package_one",)) == []
    assert needed(code, "package_one", "module_one", editable=("package_one",)) == ["one"]


def test_link_to_a_folder_is_named_as_it_was_configured(code: Path) -> None:
    (code / "two").rename(code / "real")
    (code / "two").symlink_to("real")
    assert needed(code, "module_two") == ["two"]
