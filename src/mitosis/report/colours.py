"""Text with a terminal's colours as HTML, in colours that can be read on a light and on a dark page."""

from __future__ import annotations

import functools
import itertools
import operator
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from markupsafe import Markup, escape

from mitosis.screen import ESCAPE
from mitosis.text import for_page

Rgb = tuple[int, int, int]
Colour = int | Rgb
"""One of the 16 colours of a terminal by number, or any other by its components."""

STDERR_BEGIN = "\x1b[900m"
STDERR_END = "\x1b[901m"
"""Private codes around what was written to standard error. No terminal knows them."""

_LIGHT_PAGE: Rgb = (0xF6, 0xF7, 0xF8)
_DARK_PAGE: Rgb = (0x1D, 0x21, 0x25)
_CONTRAST = 4.5
"""What the Web Content Accessibility Guidelines 2.2 ask of text, success criterion 1.4.3."""

_BLACK: Rgb = (0, 0, 0)
_WHITE: Rgb = (255, 255, 255)
_MARKED = (0, 3)
"""Colours of IPython's for the part of a line that raised: they get some that suit the page."""
_BASIC: tuple[Rgb, ...] = (
    (0, 0, 0),
    (194, 54, 33),
    (37, 140, 36),
    (222, 184, 70),
    (51, 92, 201),
    (170, 60, 170),
    (40, 150, 160),
    (203, 204, 205),
    (110, 110, 110),
    (235, 80, 65),
    (49, 190, 60),
    (234, 210, 90),
    (90, 130, 240),
    (220, 90, 220),
    (60, 200, 210),
    (250, 250, 250),
)


@dataclass(frozen=True, slots=True)
class _Style:
    foreground: Colour | None = None
    background: Colour | None = None
    bold: bool = False
    faint: bool = False
    italic: bool = False
    underline: bool = False
    inverse: bool = False
    struck: bool = False
    stderr: bool = False


_PLAIN = _Style()


def terminal_html(text: str) -> Markup:
    """`text` escaped, with its colours as `span` elements; other control sequences are left out."""
    parts: list[str] = []
    for style, run in itertools.groupby(_pieces(text), key=operator.itemgetter(0)):
        shown = escape(for_page("".join(piece for _, piece in run)))
        opening = _opening(style)
        parts.append(f"{opening}{shown}</span>" if opening else str(shown))
    return Markup("".join(parts))


def _pieces(text: str) -> Iterator[tuple[_Style, str]]:
    """The pieces of `text` between control sequences, with the style of each."""
    style = _PLAIN
    position = 0
    for match in ESCAPE.finditer(text):
        if match.start() > position:
            yield style, text[position : match.start()]
        position = match.end()
        if match["final"] == "m":
            style = _restyled(style, match["codes"])
    if position < len(text):
        yield style, text[position:]


@functools.lru_cache(maxsize=1024)
def _restyled(style: _Style, codes: str) -> _Style:
    """`style` after a `CSI codes m` sequence (ECMA-48, select graphic rendition); unknown codes change nothing."""
    try:
        numbers = [int(code or 0) for code in codes.replace(":", ";").split(";")]
    except ValueError:
        return style
    while numbers:
        code = numbers.pop(0)
        if code == 0:
            style = replace(_PLAIN, stderr=style.stderr)
        elif code in _SWITCHES:
            style = replace(style, **_SWITCHES[code])
        elif code in (38, 48):
            colour = _extended_colour(numbers)
            if colour is None:
                return style
            changes: dict[str, Any] = {"foreground" if code == 38 else "background": colour}
            style = replace(style, **changes)
    return style


_SWITCHES: dict[int, dict[str, Any]] = {
    1: {"bold": True},
    2: {"faint": True},
    3: {"italic": True},
    4: {"underline": True},
    7: {"inverse": True},
    9: {"struck": True},
    21: {"bold": False},
    22: {"bold": False, "faint": False},
    23: {"italic": False},
    24: {"underline": False},
    27: {"inverse": False},
    29: {"struck": False},
    39: {"foreground": None},
    49: {"background": None},
    900: {"stderr": True},
    901: {"stderr": False},
    **{(30 if colour < 8 else 82) + colour: {"foreground": colour} for colour in range(16)},
    **{(40 if colour < 8 else 92) + colour: {"background": colour} for colour in range(16)},
}


def _extended_colour(numbers: list[int]) -> Colour | None:
    """The colour that `numbers`, what stands after a 38 or 48, begins with; it is taken off them."""
    kind = numbers.pop(0) if numbers else None
    if kind == 5 and numbers:
        index = numbers.pop(0)
        if index < 0 or index > 255:
            return None
        if index < 16:
            return index
        if index < 232:
            levels = (0, 95, 135, 175, 215, 255)
            cube = index - 16
            return levels[cube // 36], levels[cube // 6 % 6], levels[cube % 6]
        grey = 8 + 10 * (index - 232)
        return grey, grey, grey
    if kind == 2 and len(numbers) >= 3:
        red, green, blue = (min(max(numbers.pop(0), 0), 255) for _ in range(3))
        return red, green, blue
    return None


@functools.lru_cache(maxsize=1024)
def _opening(style: _Style) -> str:
    """The start tag for a run in `style`; empty for none."""
    names = {"err": style.stderr, "b": style.bold, "i": style.italic, "u": style.underline, "s": style.struck}
    classes = [name for name, is_on in names.items() if is_on]
    css = ""
    foreground, background = style.foreground, style.background
    if style.inverse:
        foreground, background = 15 if background is None else background, 0 if foreground is None else foreground
    if (foreground, background) == _MARKED and not style.inverse:
        classes.append("mark")
    elif background is not None:
        css = css_of_colours(None if foreground is None else _rgb(foreground), _rgb(background))[1]
    elif isinstance(foreground, int):
        classes.append(f"c{foreground}")
    elif foreground is not None:
        classes.append("c")
        css = css_of_colours(foreground, None)[1]
    elif style.faint:
        classes.append("faint")
    if not classes and not css:
        return ""
    return f"<span{_attribute('class', ' '.join(classes))}{_attribute('style', css)}>"


def css_of_colours(foreground: Rgb | None, background: Rgb | None) -> tuple[bool, str]:
    """Declarations for text in these colours, or in ones near to them that can be read.

    Returns:
        Whether the text needs the class `c`, which takes the colour of the page's theme, and the declarations.
    """
    if background is not None:
        colour = _readable(foreground if foreground is not None else _BLACK, background)
        return False, f"color:{_hex(colour)};background:{_hex(background)}"
    if foreground is not None:
        return True, f"--l:{_hex(_readable(foreground, _LIGHT_PAGE))};--d:{_hex(_readable(foreground, _DARK_PAGE))}"
    return False, ""


def _attribute(name: str, value: str) -> str:
    return f' {name}="{value}"' if value else ""


def _rgb(colour: Colour) -> Rgb:
    return _BASIC[colour] if isinstance(colour, int) else colour


def _hex(colour: Rgb) -> str:
    return "#{:02x}{:02x}{:02x}".format(*colour)


def _readable(colour: Rgb, behind: Rgb) -> Rgb:
    """The colour nearest to `colour`, on its way to black or white, that can be read on `behind`."""
    goal = max(_BLACK, _WHITE, key=lambda end: _contrast(end, behind))
    for step in range(11):
        mixed = tuple(round(a + (b - a) * step / 10) for a, b in zip(colour, goal, strict=True))
        candidate = (mixed[0], mixed[1], mixed[2])
        if _contrast(candidate, behind) >= _CONTRAST:
            return candidate
    return goal


def _contrast(one: Rgb, other: Rgb) -> float:
    """Contrast ratio as the Web Content Accessibility Guidelines define it, from 1 to 21."""
    lighter, darker = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def _luminance(colour: Rgb) -> float:
    red, green, blue = (
        value / 255 / 12.92 if value / 255 <= 0.04045 else ((value / 255 + 0.055) / 1.055) ** 2.4 for value in colour
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
