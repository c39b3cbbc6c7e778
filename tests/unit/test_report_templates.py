"""Templates of the user's: where they are found, what is wrong with them, and what the reference says of them."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path
from typing import Any

import pytest

from mitosis.errors.usage import ConfigError
from mitosis.records.trial import TrialRecord
from mitosis.report.exporter import PageExporter, prepared_exporter
from mitosis.report.layout import Page, Section
from mitosis.report.summary import Parameter, ParameterGroup, Value, Verdict
from mitosis.report.templates import OWN_FOLDER, Template, describe_template_error, find_template, template_roots
from mitosis.report.trouble import Trouble

REFERENCE = Path(__file__).parents[2] / "docs" / "reference" / "templates.md"
NAMES = {"index": "index.html.j2", "conf": "conf.json", "base": "base.html.j2"}
EXTENDING = '{% extends "mitosis/index.html.j2" %}\n'


def make(folder: Path, **files: str) -> None:
    """Write files of a template."""
    folder.mkdir(parents=True)
    for name, text in files.items():
        (folder / NAMES[name]).write_text(text)


def found(root: Path, name: str) -> Template:
    template = find_template(name, root / "pyproject.toml")
    assert template is not None
    return template


def test_no_template_and_that_of_mitosis_are_the_same(tmp_path: Path) -> None:
    assert find_template(None, tmp_path / "pyproject.toml") is None
    assert find_template("mitosis", tmp_path / "pyproject.toml") is None


@pytest.mark.parametrize("name", ["~nobody-of-this-name/house", "a" * 5000, "house/" + "a" * 5000])
def test_what_can_be_no_folder_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigError, match="there can be no template"):
        find_template(name, tmp_path / "pyproject.toml")


@pytest.mark.parametrize("conf", [{}, {"conf": '{"base_template": "mitosis"}'}])
def test_folder_is_built_on_the_template_of_mitosis(tmp_path: Path, conf: dict[str, str]) -> None:
    make(tmp_path / "sub" / "house", index=EXTENDING, **conf)
    template = found(tmp_path, "sub/house")
    assert template.folders[:2] == (tmp_path / "sub" / "house", OWN_FOLDER / "mitosis")
    assert template.extends_own
    prepared_exporter(template)


def test_folder_without_index_gets_that_of_its_base(tmp_path: Path) -> None:
    make(tmp_path / "house", conf='{"base_template": "mitosis"}')
    prepared_exporter(found(tmp_path, "house"))


def test_folder_comes_before_an_installed_template_of_its_name(tmp_path: Path) -> None:
    installed = found(tmp_path, "lab")
    assert installed.folders[0] in {root / "lab" for root in template_roots()}
    assert not installed.extends_own
    make(tmp_path / "lab", index=EXTENDING)
    assert found(tmp_path, "lab").folders[0] == tmp_path / "lab"


def test_folder_with_code_that_is_named_like_a_template_is_none(tmp_path: Path) -> None:
    (tmp_path / "basic").mkdir()
    (tmp_path / "basic" / "__init__.py").touch()
    assert found(tmp_path, "basic").folders[0] in {root / "basic" for root in template_roots()}


@pytest.mark.parametrize("name", ["lab", "classic", "basic"])
def test_templates_of_nbconvert_can_be_used(tmp_path: Path, name: str) -> None:
    prepared_exporter(found(tmp_path, name))


@pytest.mark.parametrize(
    ("name", "files", "said"),
    [
        ("sub/none", {}, "there is no folder"),
        ("sub/house", {"base": ""}, "there is no folder"),
        ("./house", {"base": ""}, "there is no folder"),
        ("labb", {}, "Did you mean `lab`?"),
        ("zzz", {}, "installed: basic, classic, lab, mitosis"),
        ("latex", {}, "makes no page"),
        ("house", {"conf": '{"base_template": "nowhere"}'}, "no template `nowhere` is installed"),
        ("house", {"conf": '{"base_template": "../up"}'}, "no template `../up` is installed"),
        ("house", {"conf": '{"base_template": 1}'}, "names the base as a string"),
        ("house", {"conf": "[]"}, "names the base as a string"),
        ("house", {"conf": "{"}, "cannot be read"),
        ("house", {"conf": "{}"}, "makes no page"),
    ],
)
def test_what_is_no_template_is_refused(tmp_path: Path, name: str, files: dict[str, str], said: str) -> None:
    if files:
        make(tmp_path / name, **files)
    with pytest.raises(ConfigError, match=re.escape(said)) as caught:
        find_template(name, tmp_path / "pyproject.toml")
    assert caught.value.path in {tmp_path / "pyproject.toml", tmp_path / name / "conf.json"}


@pytest.mark.parametrize(
    ("files", "said"),
    [
        (
            {"conf": '{"preprocessors": {"1": {"type": "no.Such"}}}', "index": ""},
            "cannot be set up: ModuleNotFoundError",
        ),
        ({"index": "{% if %}"}, "house/index.html.j2, line 1: Expected an expression"),
        (
            {"index": EXTENDING + "{% block page_end %}{{ 1 | loud }}{% endblock %}"},
            "line 2: No filter named 'loud'",
        ),
        ({"index": '{% include "gone.html" %}'}, "house/index.html.j2: there is no file gone.html"),
        ({"index": '{% extends "base.html.j2" %}', "base": "\n{% endif %}"}, "house/base.html.j2, line 2"),
        (
            {"index": '{% extends "base.html.j2" %}', "base": '{% import "no.j2" as n %}'},
            "base.html.j2: there is no",
        ),
    ],
)
def test_what_cannot_be_compiled_is_refused_with_its_place(tmp_path: Path, files: dict[str, str], said: str) -> None:
    make(tmp_path / "house", **files)
    template = found(tmp_path, "house")
    with pytest.raises(ConfigError, match=re.escape(said)) as caught:
        prepared_exporter(template)
    assert caught.value.key == "tool.mitosis.template"


def test_file_that_may_be_missing_is_no_mistake(tmp_path: Path) -> None:
    make(tmp_path / "house", index='{% include "gone.html" ignore missing %}{% include page.title %}')
    prepared_exporter(found(tmp_path, "house"))


def test_bytes_that_are_no_text_are_refused(tmp_path: Path) -> None:
    make(tmp_path / "house")
    (tmp_path / "house" / "index.html.j2").write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigError, match=r"index.html.j2 cannot be read"):
        prepared_exporter(found(tmp_path, "house"))


def test_exporter_of_a_template_leaves_that_of_mitosis_alone(tmp_path: Path) -> None:
    make(tmp_path / "house", index="mine")
    own = prepared_exporter()
    users = prepared_exporter(found(tmp_path, "house"))
    assert isinstance(users, PageExporter)
    assert prepared_exporter() is own is not users


def test_error_at_work_is_told_with_the_line_of_the_template(tmp_path: Path) -> None:
    make(tmp_path / "house", index="one\n{{ 1 / 0 }}\n")
    template = found(tmp_path, "house")
    environment = prepared_exporter(template).environment
    with pytest.raises(ZeroDivisionError) as caught:
        environment.get_template("index.html.j2").render()
    assert (
        describe_template_error(caught.value, template) == "index.html.j2, line 2: ZeroDivisionError: division by zero"
    )
    assert len(describe_template_error(ValueError("x" * 10_000), template)) < 400


# --- the reference --------------------------------------------------------------------------------


def test_every_block_of_the_page_is_described() -> None:
    source = (OWN_FOLDER / "mitosis" / "index.html.j2").read_text()
    own = set(re.findall(r"{%-? block (page_\w+|step_\w+)", source))
    assert own == set(re.findall(r"`((?:page|step)_\w+)`", REFERENCE.read_text()))


def test_described_fields_are_there() -> None:
    text = REFERENCE.read_text()
    fields: dict[type[Any], set[str]] = {
        cls: {field.name for field in dataclasses.fields(cls)}
        for cls in (Page, TrialRecord, Section, Trouble, Value, Parameter, ParameterGroup, Verdict)
    }
    described = set(re.findall(r"`page\.(\w+)`", text))
    assert len(described) > 15
    assert described <= fields[Page]
    rows = {line.split("|")[1].strip(): line.split("|", 2)[2] for line in text.splitlines() if line.startswith("| `")}
    for row, classes in {
        "`resources.record`": (TrialRecord,),
        "`page.verdict`": (Verdict,),
        "`page.results`": (Value,),
        "`page.parameters`": (ParameterGroup, Parameter),
        "`page.trouble`": (Trouble,),
        "`page.sections`": (Section,),
    }.items():
        names = set(re.findall(r"`([a-z_]+)`", rows[row])) - {"finished", "failed", "interrupted"}
        assert names and names <= set().union(*(fields[cls] for cls in classes)), row
