"""What is read of dictionaries and functions without running anything, and where their entries are."""

from __future__ import annotations

import ast
import os
import warnings
from collections.abc import Mapping
from pathlib import Path
from unittest import mock

import pytest

from mitosis.config import Config
from mitosis.dictionaries.modules import Modules, reader_of_files
from mitosis.dictionaries.source import Signature, SourceReader


def reader(files: Mapping[str, str]) -> SourceReader:
    root = Path("/project")
    config = Config(path=root / "pyproject.toml", steps={}, trials_folder=None, pythonpath=(root,))
    data = {name: text.encode() for name, text in files.items()}
    return SourceReader(Modules(config, data.get))


@pytest.mark.parametrize(
    "source",
    [
        'lookup = {"noise": {"low": 0.1, "high": [1, 2]}}',
        "lookup = dict(noise=dict(low=0.1, high=[1, 2]))",
        'lookup: dict = {"noise": {}}\nlookup["noise"]["low"] = 0.1\nlookup["noise"]["high"] = [1, 2]',
        'lookup = {}\nlookup["noise"] = {"low": 0.1}\nlookup["noise"]["high"] = [1, 2]',
        'noise = {"low": 0.1}\nnoise["high"] = [1, 2]\nlookup = {"noise": noise}',
        'lookup = {"noise": {"low": 0.1} | {"high": [1, 2]}}',
        'quiet = {"low": 0.1}\nlookup = {"noise": {**quiet, "high": [1, 2]}}',
        'lookup = {"other": {}}\nlookup = {"noise": {"low": 0.1, "high": [1, 2]}}',
    ],
)
def test_variants_are_read_however_the_dictionary_is_written(source: str) -> None:
    found = reader({"lab.py": source}).variants("lab:lookup")
    assert found == {"noise": {"low": "0.1", "high": "[1, 2]"}}


def test_variants_are_followed_through_imports() -> None:
    files = {
        "src/lab/__init__.py": "from .tables import settings as lookup",
        "src/lab/tables.py": 'from lab.noise import noise\nsettings = {"noise": noise}',
        "src/lab/noise.py": 'noise = {"low": 0.1}',
    }
    assert reader(files).variants("lab:lookup") == {"noise": {"low": "0.1"}}


def test_variants_in_a_class_may_name_what_the_module_has() -> None:
    source = 'low = {"low": 1}\nclass Fit:\n    lookup_dict = {"noise": low}\n'
    assert reader({"lab.py": source}).variants("lab:Fit.lookup_dict") == {"noise": {"low": "1"}}


@pytest.mark.parametrize(
    "source",
    ["lookup = make()", "lookup = lookup", "a = lookup\nlookup = a", "lookup = {", 'lookup = {"noise": make()}', "\0"],
)
def test_what_cannot_be_read_has_no_variants(source: str) -> None:
    found = reader({"lab.py": source}).variants("lab:lookup")
    assert not any(found.values())


def test_a_missing_module_has_no_variants_and_no_signature() -> None:
    assert reader({}).variants("lab:lookup") == {}
    assert reader({}).signature("lab:run") is None


def test_long_values_are_cut() -> None:
    found = reader({"lab.py": f'lookup = {{"noise": {{"low": {list(range(500))}}}}}'}).variants("lab:lookup")
    assert len(found["noise"]["low"]) == 60
    assert found["noise"]["low"].endswith("…")


@pytest.mark.parametrize(
    "source",
    [
        'if True:\n    lookup = {"noise": {"low": 1}}',
        'try:\n    from fast import noise\nexcept ImportError:\n    noise = {"low": 1}\nlookup = {"noise": noise}',
        'from types import MappingProxyType\nlookup = MappingProxyType({"noise": {"low": 1}})',
    ],
)
def test_branches_and_calls_are_looked_into(source: str) -> None:
    assert reader({"lab.py": source}).variants("lab:lookup") == {"noise": {"low": "1"}}


def test_variants_keep_the_order_of_the_source() -> None:
    source = 'lookup = {"noise": {"b": 1, "a": 2, **{"d": 3, "c": 4}} | {"f": 5, "e": 6, "a": 7}}'
    found = reader({"lab.py": source}).variants("lab:lookup")["noise"]
    assert found == {"b": "1", "a": "7", "d": "3", "c": "4", "f": "5", "e": "6"}


def test_files_that_are_too_large_or_no_files_are_left_alone(tmp_path: Path) -> None:
    read = reader_of_files(tmp_path, 1000)
    (tmp_path / "large.py").write_bytes(bytes(1001))
    (tmp_path / "small.py").write_bytes(b"x = 1\n")
    os.mkfifo(tmp_path / "pipe.py")
    (tmp_path / "folder.py").mkdir()
    assert read("large.py") == b""
    assert read("small.py") == b"x = 1\n"
    assert read("pipe.py") is read("folder.py") is read("missing.py") is None


def test_signature_names_what_can_be_given_by_name() -> None:
    source = '''
def run(data, /, rate, *rest, size=3, **more):
    """Fit a line.

    At length.
    """
'''
    assert reader({"lab.py": source}).signature("lab:run") == Signature("Fit a line.", ("rate", "size"), "data")


def test_signature_of_methods_is_without_the_instance() -> None:
    source = """
class Fit:
    @staticmethod
    def plain(rate): ...
    @classmethod
    def made(cls, rate): ...
"""
    lab = reader({"lab.py": source})
    assert lab.signature("lab:Fit.plain") == Signature("", ("rate",), "rate")
    assert lab.signature("lab:Fit.made") == Signature("", ("rate",), "rate")


def test_signature_is_followed_through_names_and_imports() -> None:
    files = {"lab.py": "from tools import go as _go\nrun = _go\n", "tools.py": 'def go(rate):\n    "Go."\n'}
    assert reader(files).signature("lab:run") == Signature("Go.", ("rate",), "rate")


def test_nothing_is_executed(tmp_path: Path) -> None:
    mark = tmp_path / "ran"
    source = f'import pathlib\npathlib.Path({str(mark)!r}).touch()\nlookup = {{"noise": {{"low": 1}}}}\n'
    assert reader({"lab.py": source}).variants("lab:lookup") == {"noise": {"low": "1"}}
    assert not mark.exists()


# --- places ---------------------------------------------------------------------------------------


def place(files: dict[str, str], *, lookup: str = "lab:lookup_dict") -> str:
    return str(reader(files).place(lookup, "p", "v"))


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
def test_many_entries_are_found_by_reading_once(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    source = reader({"lab.py": text})
    parse = mock.Mock(wraps=ast.parse)
    monkeypatch.setattr(ast, "parse", parse)
    places = [str(source.place("lab:lookup_dict", "p", f"v{n}")) for n in range(2000)]
    assert parse.call_count <= 1
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
