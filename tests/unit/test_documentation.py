"""What the documentation has to keep up with."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import mitosis
from mitosis.config import KEYS

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
