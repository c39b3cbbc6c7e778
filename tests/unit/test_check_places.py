"""Where the entries of lookup dictionaries are, found by reading the source."""

from __future__ import annotations

import time
import warnings
from pathlib import Path

import pytest

from mitosis.check.places import PlaceFinder
from mitosis.config import parse_config


def place(files: dict[str, str], *, lookup: str = "lab:lookup_dict", keys: tuple[str, str] = ("p", "v")) -> str:
    text = f'[tool.mitosis.steps]\nmy_exp = ["lab:run", "{lookup}"]\n'
    config = parse_config(text, Path("/top/pyproject.toml"))
    return str(PlaceFinder(config, files, lambda name: files[name].encode()).find("my_exp", *keys))


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ('lookup_dict = {\n  "q": {"v": 1},\n  "p": {\n    "u": 1,\n    "v": 2,\n}}', 5),
        ('lookup_dict: dict = {"p":\n{"v":\n2}}', 2),
        ("lookup_dict = dict(\n  q={},\n  p=dict(\n    v=2))", 4),
        ('lookup_dict = {}\nlookup_dict["p"] = {\n"v": 1}\nlookup_dict["q"] = {"v": 1}', 3),
        ('lookup_dict = {"p": {}}\nlookup_dict["p"]["v"] = 3\n', 2),
        ('lookup_dict = {"p": {"v": 1}}\nlookup_dict = {"p": {"v": 2}}\n', 2),
        ('P = {\n"v": 1}\nlookup_dict = {"p": P}\n', 2),
        ('V = 1\nlookup_dict = {\n"p": {"v": V}}\n', 3),
        ('base = {"p": {\n"v": 1}}\nlookup_dict = {**base, "q": {}}\n', 2),
        ('base = {"p": {"v": 1}}\nlookup_dict = {**base,\n"p": {"v": 2}}\n', 3),
        ('a = {"p": {\n"v": 1}}\nlookup_dict = {"q": {}} | a\n', 2),
        ('if True:\n    lookup_dict = {"p": {\n"v": 1}}\nelse:\n    pass\n', 3),
        ('try:\n    import x\nexcept ImportError:\n    lookup_dict = {"p": {\n"v": 1}}\n', 5),
        # The nearest that can be found.
        ('import x\nlookup_dict = {\n"p": x.make()}\n', 3),
        ("import x\nlookup_dict = x.make()\n", 2),
        ('\nlookup_dict = {n: {"v": 1} for n in "pq"}\n', 2),
        ("x = 1\n", 1),
        ("lookup_dict = {", 1),
        ("\0", 1),
        ("lookup_dict = P\nP = lookup_dict\n", 2),
        ("\nlookup_dict = {'p': {'v': 1}}" + " | {}" * 3000, 1),
    ],
)
def test_entry_is_found(text: str, line: int) -> None:
    assert place({"lab.py": text}) == f"lab.py:{line}"


@pytest.mark.parametrize(
    "text",
    [
        "lookup_dict = {'p': {}}\n" + "".join(f"lookup_dict['p']['v{n}'] = {n}\n" for n in range(2000)),
        "lookup_dict = {'p': {\n" + "".join(f"'v{n}': {n},\n" for n in range(2000)) + "}}",
    ],
)
def test_many_entries_are_found_in_little_time(text: str) -> None:
    config = parse_config(
        '[tool.mitosis.steps]\nmy_exp = ["lab:run", "lab:lookup_dict"]\n', Path("/top/pyproject.toml")
    )
    finder = PlaceFinder(config, ["lab.py"], lambda name: text.encode())
    finder.find("my_exp", "p", "v0")
    began = time.process_time()
    places = [str(finder.find("my_exp", "p", f"v{n}")) for n in range(2000)]
    assert time.process_time() - began < 0.5
    assert places == [f"lab.py:{n + 2}" for n in range(2000)]


def test_dictionary_of_a_class_is_found_with_names_of_the_module() -> None:
    text = 'P = {\n"v": 1}\nclass A:\n    class B:\n        lookups = {"p": P}\n'
    assert place({"lab.py": text}, lookup="lab:A.B.lookups") == "lab.py:2"
    assert place({"lab.py": text}, lookup="lab:A.C.lookups") == "lab.py:3"


def test_a_package_goes_before_a_module_of_the_same_name() -> None:
    files = {"lab.py": "", "lab/__init__.py": "\nlookup_dict = {'p': {'v': 1}}\n"}
    assert place(files) == "lab/__init__.py:2"


@pytest.mark.parametrize(
    ("statement", "file"),
    [
        ("from lab.values import P", "lab/values.py"),
        ("from .values import P", "lab/values.py"),
        ("from .values import Q as P", "lab/values.py"),
        ("from . import P", "lab/__init__.py"),
    ],
)
def test_parts_that_are_imported_are_found_where_they_are(statement: str, file: str) -> None:
    files = {
        "src/lab/__init__.py": "P = {'v': 1}\n",
        "src/lab/values.py": "P = {'v': 1}\nQ = P\n",
        "src/lab/main.py": f"\n\n{statement}\nlookup_dict = {{'p': P}}\n",
    }
    assert place(files, lookup="lab.main:lookup_dict") == f"src/{file}:1"


def test_what_is_imported_from_elsewhere_is_placed_at_the_import() -> None:
    assert place({"lab.py": "\n\nfrom installed import lookup_dict\n"}) == "lab.py:3"


def test_modules_that_are_not_there_have_no_place() -> None:
    assert place({"other.py": ""}) == "None"


def test_reading_a_module_warns_of_nothing() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert place({"lab.py": 'lookup_dict = {"p": {"v": "\\d"}}'}) == "lab.py:1"
