"""Help is drawn in boxes as wide as the terminal."""

from __future__ import annotations

import io
import re
from typing import Annotated, Literal

import pytest
from cyclopts import App, Parameter
from rich.console import Console

from mitosis.cli.help import Boxes


def deform(
    path: str,
    *,
    a_rather_long_name_of_an_option: Annotated[int, Parameter(name=["--long-name-of-an-option", "-l"])] = 3,
    kind: Literal["red", "blue"] = "red",
) -> None:
    """Deform what is there, in a way that takes a few more words to say than fit into one line.

    It cannot be undone.

    Args:
        path: What to deform.
        a_rather_long_name_of_an_option: How often, which is a matter of taste, and of how much time there is.
        kind: Of deformation.
    """


APP = App(name="tool", help_format="plaintext", help_formatter=Boxes(), version="1")
APP.command(deform)


def drawn(*words: str, width: int = 60, encoding: str = "utf-8", colours: bool = False) -> str:
    buffer = io.BytesIO()
    file = io.TextIOWrapper(buffer, encoding)
    system: Literal["standard"] | None = "standard" if colours else None
    console = Console(file=file, width=width, force_terminal=colours, color_system=system, legacy_windows=False)
    APP.help_print(list(words), console=console)
    file.flush()
    return buffer.getvalue().decode(encoding)


def test_boxes_hold_names_marks_defaults_and_choices() -> None:
    assert drawn("deform").splitlines() == [
        "Usage: tool deform [OPTIONS] PATH",
        "",
        "Deform what is there, in a way that takes a few more words",
        "to say than fit into one line.",
        "",
        "It cannot be undone.",
        "",
        "╭─ Parameters ─────────────────────────────────────────────╮",
        "│ *  PATH --path               What to deform. [required]  │",
        "│    --long-name-of-an-option  How often, which is a       │",
        "│      -l INT                  matter of taste, and of how │",
        "│                              much time there is.         │",
        "│                              [default: 3]                │",
        "│    --kind CHOICE             Of deformation. [choices:   │",
        "│                              red, blue] [default: red]   │",
        "╰──────────────────────────────────────────────────────────╯",
    ]


@pytest.mark.parametrize("width", [40, 41, 80, 300])
def test_boxes_are_as_wide_as_the_terminal(width: int) -> None:
    lines = drawn("deform", width=width).splitlines()
    assert {len(line) for line in lines if line.startswith(("╭", "│", "╰"))} == {width}
    assert max(map(len, lines)) <= width


def test_words_are_the_same_at_any_width() -> None:
    def words(width: int) -> list[str]:
        return sorted(re.sub("[╭╮╰╯─│]", " ", drawn("deform", width=width)).split())

    assert words(60) == words(80) == words(300)


def test_commands_are_listed_with_the_first_line_of_what_they_do() -> None:
    text = drawn(width=120)
    assert "│ deform " in text
    assert "Deform what is there" in text
    assert "It cannot be undone" not in text


def test_ascii_terminals_get_lines_of_ascii() -> None:
    text = drawn("deform", encoding="ascii")
    assert "+- Parameters ---" in text
    assert "| *  PATH --path " in text


def test_names_are_coloured_and_usage_is_bold() -> None:
    text = drawn("deform", colours=True)
    assert "\x1b[1mUsage: tool deform [OPTIONS] PATH\x1b[0m" in text
    assert "\x1b[36mPATH --path" in text
    assert "\x1b[31m[required]\x1b[0m" in text
    assert re.sub(r"\x1b\[[0-9;]*m", "", text) == drawn("deform")
