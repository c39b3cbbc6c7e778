"""Markdown, formulas and Python code as HTML, and the HTML of well-known libraries.

That is adapted to a page that loads nothing, is light or dark, and is for everybody. What is not recognised is left as
it is.
"""

from __future__ import annotations

import html
import re
from typing import Any
from xml.etree import ElementTree

from markupsafe import Markup, escape
from nbconvert.filters.markdown_mistune import IPythonRenderer, MarkdownWithMath
from pygments.lexers.python import PythonLexer
from pygments.token import Comment, Keyword, Name, Number, Operator, String, _TokenType

from mitosis.report.colours import css_of_colours
from mitosis.text import for_page

_HEADING_SHIFT = 2
"""The page has headings of the first and second level itself."""

_FORMULA = re.compile(
    r"(?<!\\)\$\$(?P<display>.+?)(?<!\\)\$\$"
    r"|\\\[(?P<bracketed>.+?)\\\]"
    r"|(?P<environment>\\begin\{(?P<name>[A-Za-z]+\*?)\}.*?\\end\{(?P=name)\})"
    r"|(?<!\\)\$(?P<inline>[^$]+?)(?<!\\)\$"
    r"|\\\((?P<parenthesised>.+?)\\\)",
    re.DOTALL,
)
_ENVIRONMENT = re.compile(r"\\begin\{([^}]*)\}")
_KNOWN_ENVIRONMENT = re.compile(
    r"(equation|align|aligned|alignat|alignedat|gather|gathered|multline|split|cases|array|subarray|smallmatrix"
    r"|[pbBvV]?matrix)\*?"
)
_ALIGNED = re.compile(
    r"\\begin\{(?:align|aligned|(?:alignat\*?|alignedat)\}\s*\{\d+)\}|\\end\{(?:align|aligned|alignat\*?|alignedat)\}"
)
_CENTRED = re.compile(
    r"\\begin\{(?:gather\*?|gathered|multline\*?|subarray\}\s*\{[lcr])\}|\\end\{(?:gather\*?|gathered|multline\*?|subarray)\}"
)
"""Environments that the library does not know, or would set on one line or with a number, and that have a like."""

_CLASSES: tuple[tuple[_TokenType, str], ...] = (
    (Keyword, "k"),
    (Operator.Word, "k"),
    (String, "q"),
    (Comment, "m"),
    (Number, "n"),
    (Name.Builtin, "f"),
    (Name.Function, "f"),
    (Name.Class, "f"),
    (Name.Decorator, "f"),
)
_LEXER = PythonLexer(stripnl=False, ensurenl=False)


class _Renderer(IPythonRenderer):
    """nbconvert's renderer, with formulas set and headings below the page's own."""

    def heading(self, text: str, level: int, **_: Any) -> str:
        depth = min(level + _HEADING_SHIFT, 6)
        return f"<h{depth}>{text}</h{depth}>\n"

    def block_math(self, body: str) -> str:
        return str(formula_html(body, block=True))

    def inline_math(self, body: str) -> str:
        return str(formula_html(body, block=False))

    def latex_environment(self, name: str, body: str) -> str:
        return str(formula_html(f"\\begin{{{name}}}{body}\\end{{{name}}}", block=True))

    def block_code(self, code: str, info: str | None = None) -> str:
        return str(Markup("<pre><code>{}</code></pre>\n").format(code))


def markdown_html(source: str, attachments: dict[str, Any] | None = None) -> Markup:
    """Markdown with formulas; HTML in it stays, as in a notebook."""
    renderer = _Renderer(escape=False, attachments=attachments or {}, exclude_anchor_links=True)
    return Markup(MarkdownWithMath(renderer=renderer).render(source))


def latex_html(source: str) -> Markup:
    """A piece of LaTeX: text, escaped, with its formulas set."""
    source = for_page(source)
    parts: list[Markup] = []
    position = 0
    for match in _FORMULA.finditer(source):
        parts.append(escape(source[position : match.start()]))
        position = match.end()
        inline = match["inline"] or match["parenthesised"]
        formula = inline or match["display"] or match["bracketed"] or match["environment"]
        # What IPython and sympy show as a block stands between single dollars, alone.
        alone = match.start() == 0 and match.end() == len(source.rstrip())
        parts.append(formula_html(formula, block=not inline or alone))
    parts.append(escape(source[position:]))
    return Markup("").join(parts)


def formula_html(formula: str, *, block: bool) -> Markup:
    """One formula, without its delimiters; its source where it cannot be set."""
    mathml = _mathml(formula, block=block)
    if mathml is not None:
        return mathml
    tag = Markup("pre") if block else Markup("code")
    return Markup('<{tag} class="tex">{formula}</{tag}>').format(tag=tag, formula=formula)


def _mathml(formula: str, *, block: bool) -> Markup | None:
    if not all(_KNOWN_ENVIRONMENT.fullmatch(name) for name in _ENVIRONMENT.findall(formula)):
        return None
    from latex2mathml.converter import convert_to_element

    formula = _ALIGNED.sub(lambda match: r"\begin{align*}" if match[0][1] == "b" else r"\end{align*}", formula)
    formula = _CENTRED.sub(lambda match: r"\begin{array}{c}" if match[0][1] == "b" else r"\end{array}", formula)
    try:
        element = convert_to_element(formula, display="block" if block else "inline")
    except Exception:
        # It raises classes of its own, and whatever else a malformed formula leads to; its source is shown then.
        return None
    for part in element.iter():
        # The library leaves character references in its text, to be written out unescaped. They are resolved here,
        # so that everything can be escaped: a formula's text is the user's.
        part.text = html.unescape(part.text) if part.text else part.text
        part.attrib.pop("href", None)
        if part.tag == "mi" and part.text and part.text.startswith(("\\", "&")):
            return None
    element.attrib.pop("xmlns", None)
    element.set("class", "tex")
    return Markup(ElementTree.tostring(element, encoding="unicode"))


def highlight(code: str) -> Markup:
    """`code` escaped, with `span` elements of the classes k, q, m, n and f."""
    parts: list[str] = []
    open_class = ""
    for kind, text in _LEXER.get_tokens(code):
        wanted = next((name for token, name in _CLASSES if kind in token), "") if not text.isspace() else open_class
        if wanted != open_class:
            if open_class:
                parts.append("</span>")
            if wanted:
                parts.append(f'<span class="{wanted}">')
            open_class = wanted
        parts.append(str(escape(for_page(text))))
    if open_class:
        parts.append("</span>")
    return Markup("".join(parts))


# --- HTML of libraries -----------------------------------------------------------------------------

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

_COLOURED = re.compile(r"[\s;{\"'](?:color|background(?:-color|-image)?)\s*:", re.IGNORECASE)
_CELL = re.compile(r"<(tr|t[hd])\b[^>]*>((?:(?!</?t[rhd]\b).)*)", re.DOTALL | re.IGNORECASE)
_TAG = re.compile(r"<[^>]*>")
_MEASURED_CHARACTERS = 200_000
_GAP = 2
"""Characters between two columns."""
_KNOWS_DARK = re.compile(r"prefers-color-scheme|light-dark\(|<script\b", re.IGNORECASE)


def is_picture(source: str) -> bool:
    """Whether HTML is one SVG and nothing else. As an image, its names cannot clash with those of another."""
    return _SVG.fullmatch(source) is not None and source.count("<svg") == 1 and "<script" not in source


def is_for_light(source: str) -> bool:
    """Whether HTML has colours as for a light page, such as a styled table of pandas.

    Most has either those of texts or those of backgrounds, and with the other one of a dark page it could not be read.
    HTML that asks for the scheme itself is for both, and a script may do so, too.
    """
    return (
        _COLOURED.search(source) is not None and _KNOWS_DARK.search(source) is None and _RICH.fullmatch(source) is None
    )


def table_width(source: str) -> int:
    """About how many characters wide the tables in HTML are, if no word is broken; 0 if there are none."""
    widths: list[int] = []
    column = 0
    for cell in _CELL.finditer(source[:_MEASURED_CHARACTERS]):
        if cell[1].lower() == "tr":
            column = 0
            continue
        words = html.unescape(_TAG.sub("", cell[2])).split()
        widths += [0] * (column + 1 - len(widths))
        widths[column] = max(widths[column], *(len(word) + _GAP for word in words), 0)
        column += 1
    return sum(widths)


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
