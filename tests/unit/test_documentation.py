"""What the documentation has to keep up with."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import mitosis
from mitosis.config import KEYS
from mitosis.query.language import ARGUMENTS
from mitosis.records.view import COLUMN_KINDS, Kind

ROOT = Path(__file__).parents[2]


def project() -> dict[str, Any]:
    table: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return table


def test_every_dependency_has_its_reason() -> None:
    page = (ROOT / "docs" / "explanation" / "dependencies.md").read_text(encoding="utf-8")
    reasoned = re.findall(r"^\| \[([\w-]+)\]\(https://", page, flags=re.MULTILINE)
    assert reasoned == sorted(re.split(r"[<>=~! ]", item)[0] for item in project()["dependencies"])


def test_every_key_of_the_configuration_is_described() -> None:
    page = (ROOT / "docs" / "reference" / "configuration.md").read_text(encoding="utf-8")
    assert set(KEYS) <= set(re.findall(r"`([a-z-]+)`", page))


QUERY = ROOT / "docs" / "reference" / "query.md"
TYPES = {Kind.VALUE: "any", Kind.COUNT: "number", Kind.SECONDS: "number", Kind.BYTES: "number", Kind.MOMENT: "time"}


def test_every_field_is_in_the_reference_with_its_type() -> None:
    section = QUERY.read_text(encoding="utf-8").partition("## Fields")[2].partition("## ")[0]
    told: dict[str, str] = {}
    for names, types in re.findall(r"^\| (`[^|]*) \| ([a-z, ]+) \|", section, flags=re.MULTILINE):
        several = re.findall(r"`([^`]+)`", names)
        listed = types.split(", ")
        told |= dict(zip(several, listed * (len(several) if len(listed) == 1 else 1), strict=True))
    expected = {name: TYPES.get(kind, kind.value) for name, kind in COLUMN_KINDS.items()}
    assert {name: told[name] for name in told if name in expected} == expected
    assert set(told) - set(expected) == {
        *("tags", "note", "params.STEP.NAME", "metrics.STEP.NAME", "value.STEP.NAME", "value.STEP.NAME.LEAF"),
        *("digest.STEP.NAME", "expression.STEP.NAME", "default.STEP.NAME", "untracked.STEP.NAME", "package.NAME"),
    }


def test_every_function_is_in_the_reference() -> None:
    section = QUERY.read_text(encoding="utf-8").partition("## Conditions")[2]
    assert set(re.findall(r"`(\w+)\(x[,)]", section)) == set(ARGUMENTS)


def test_versions_agree() -> None:
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    newest = re.search(r"^## \[?([\d.]+)", changelog, flags=re.MULTILINE)
    assert newest is not None
    assert project()["version"] == mitosis.__version__ == newest[1]


def test_design_page_has_the_rows_of_the_import_rules_and_files_that_exist() -> None:
    page = (ROOT / "docs" / "explanation" / "design.md").read_text(encoding="utf-8")
    layout = page.partition("## How the code is laid out")[2]
    rows = [re.findall(r"`(\w+)`", row) for row in re.findall(r"^\| (`.*?) \|", layout, flags=re.MULTILINE)]
    rules = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"]["contracts"]
    [layers] = [rule["layers"] for rule in rules if rule["type"] == "layers"]
    assert rows == [layer.split(" | ") for layer in layers]
    files = re.findall(r"`([\w/]+\.py)`", layout)
    assert len(files) > 20
    missing = [name for name in files if not (ROOT / "src" / "mitosis" / name).exists() and "/" in name]
    assert missing == []
    for walk in layout.split("### ")[1:]:
        assert 1 < len(re.findall(r"^\d+\. ", walk, flags=re.MULTILINE)) <= 10
