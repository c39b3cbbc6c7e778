"""Configuration of the documentation. Build it with `sphinx-build -n -W docs docs/_build/html`."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import mitosis
from mitosis.cli.app import app

if TYPE_CHECKING:
    from sphinx.application import Sphinx

project = "mitosis"
author = "The mitosis developers"
version = release = mitosis.__version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
exclude_patterns = ["_build"]
myst_heading_anchors = 4

autodoc_class_signature = "separated"
autodoc_member_order = "bysource"
autodoc_typehints = "description"
nitpicky = True
# Links to other projects' documentation would need the network to be checked.
nitpick_ignore_regex = [
    ("py:.*", r"(collections\.abc|datetime|os|pathlib|typing)\..*"),
    # All that a record holds is described on the page about storage.
    ("py:.*", r"TrialRecord|(mitosis\.)?records\..*"),
    ("py:.*", r"(dict|list|str|int|float|bool|object|None|type|tuple|FileNotFoundError|RuntimeError|TypedDict)"),
    ("py:.*", r".*\bContentT"),
]

html_theme = "furo"
html_title = f"mitosis {release}"


def write_cli_reference() -> None:
    """Write the reference of the command line from the command line itself."""
    text = app.generate_docs(output_format="markdown", heading_level=1)
    Path(__file__).with_name("reference").joinpath("cli.md").write_text(text, encoding="utf-8")


def read_backticks_as_code(
    _app: Sphinx, _what: str, _name: str, _obj: object, _options: object, lines: list[str]
) -> None:
    """Docstrings write code in single backticks, as Markdown does; reStructuredText wants two."""
    for number, line in enumerate(lines):
        lines[number] = re.sub(r"(?<![`:\w])`([^`]+)`(?!`)", r"``\1``", line)


def setup(application: Sphinx) -> None:
    """Hook into the build, before napoleon reads the docstrings."""
    application.connect("autodoc-process-docstring", read_backticks_as_code, priority=100)


write_cli_reference()
