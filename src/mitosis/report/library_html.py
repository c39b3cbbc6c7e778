"""HTML of well-known libraries, adapted to a page that loads nothing, is light or dark, and is for everybody.

Whatever is not recognised here is left as it is.
"""

from __future__ import annotations

import re

from mitosis.report.colours import css_of_colours

PLOTLY_SCRIPT = re.compile(
    r"<script\b[^<>]*\bsrc=[\"']https://cdn\.plot\.ly/plotly-[^\"'<>]*[\"'][^<>]*>\s*</script>"
    r"|<script type=[\"']module[\"']>\s*import\s*[\"']https://cdn\.plot\.ly/plotly-[^\"'<>]*[\"'];?\s*</script>"
)
"""What plotly writes to have its library loaded."""

_SVG = re.compile(r"\s*(?:<\?xml[^>]*>\s*)?(?:<!DOCTYPE svg[^>]*>\s*)?<svg\b[^>]*\sxmlns=.*</svg>\s*", re.DOTALL)
_FRAME = re.compile(r"(<iframe\b)([^>]*)", re.IGNORECASE)
_TITLE = re.compile(r"\btitle\s*=", re.IGNORECASE)

_ANIMATION_ICONS = re.compile(r"<link rel=\"stylesheet\"\s+href=\"https://[^\"<>]*/font-awesome/[^\"<>]*\">")
_ANIMATION_IMAGE = '<img id="_anim_img'
_ANIMATION_SLIDER = '<input id="_anim_slider'
_ICONS = {
    "minus": "\u2212",
    "plus": "+",
    "fast-backward": "\u21e4",
    "step-backward": "\u25c1\u2759",
    "play": "\u25b6",
    "pause": "\u275a\u275a",
    "step-forward": "\u2759\u25b7",
    "fast-forward": "\u21e5",
}
_ICONS_STYLE = (
    "<style>.anim-buttons .fa{font-style:normal}.anim-buttons .fa-flip-horizontal{display:inline-block;scale:-1 1}"
    + "".join(f'.anim-buttons .fa-{name}::before{{content:"{sign}\ufe0e"}}' for name, sign in _ICONS.items())
    + "</style>"
)

_RICH = re.compile(
    r"\s*<pre style=\"white-space:pre;overflow-x:auto;line-height:normal;font-family:Menlo[^\"]*\">(.*)</pre>\s*",
    re.DOTALL,
)
_RICH_SPAN = re.compile(r"<span style=\"([^\"]*)\">")
_HEX = re.compile(r"#[0-9a-f]{6}")

_BACKGROUND = re.compile(r"[\s;{\"']background(?:-color|-image)?\s*:", re.IGNORECASE)
_KNOWS_DARK = re.compile(r"prefers-color-scheme|light-dark\(|<script\b", re.IGNORECASE)


def is_picture(source: str) -> bool:
    """Whether HTML is one SVG and nothing else. As an image, its names cannot clash with those of another."""
    return _SVG.fullmatch(source) is not None and source.count("<svg") == 1 and "<script" not in source


def is_for_light(source: str) -> bool:
    """Whether HTML colours its backgrounds as for a light page, such as a styled table of pandas.

    Most say nothing of the colour of the text that stands on them, so on a dark page it could not be read. HTML that
    asks for the scheme itself is for both, and a script may do so, too.
    """
    return (
        _BACKGROUND.search(source) is not None
        and _KNOWS_DARK.search(source) is None
        and _RICH.fullmatch(source) is None
    )


def adapt(source: str) -> str:
    """The HTML without what would look for the network in vain, and with what is needed to read it."""
    rich = _RICH.fullmatch(source)
    if rich:
        return f"<pre>{_RICH_SPAN.sub(_recoloured, rich[1])}</pre>" if rich[1].strip() else ""
    if _ANIMATION_IMAGE in source:
        source = _ANIMATION_ICONS.sub(_ICONS_STYLE, source)
        source = source.replace(_ANIMATION_IMAGE, '<img alt="Animation" id="_anim_img')
        source = source.replace(_ANIMATION_SLIDER, '<input aria-label="Frame" id="_anim_slider')
    return _FRAME.sub(_titled, source)


def _titled(frame: re.Match[str]) -> str:
    """The beginning of a frame, with a title."""
    # Without quotation marks, it is harmless in the text of a script, too.
    return frame[0] if _TITLE.search(frame[2]) else f"{frame[1]} title=Output{frame[2]}"


def _recoloured(span: re.Match[str]) -> str:
    """A piece of rich's output in colours that can be read on a light and on a dark page."""
    colours: dict[str, tuple[int, int, int]] = {}
    rest = []
    for declaration in span[1].split(";"):
        name, _, value = (part.strip() for part in declaration.partition(":"))
        if name in ("color", "background-color") and _HEX.fullmatch(value):
            colours[name] = (int(value[1:3], 16), int(value[3:5], 16), int(value[5:7], 16))
        elif name and name != "text-decoration-color":
            rest.append(f"{name}: {value}")
    is_own, css = css_of_colours(colours.get("color"), colours.get("background-color"))
    style = ";".join(filter(None, (css, *rest)))
    own = ' class="c"' if is_own else ""
    return f'<span{own} style="{style}">' if style else "<span>"
