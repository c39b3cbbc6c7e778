"""Markdown, formulas and Python code as HTML."""

from __future__ import annotations

import html
import re
from typing import Any
from xml.etree import ElementTree

from markupsafe import Markup, escape
from nbconvert.filters.markdown_mistune import IPythonRenderer, MarkdownWithMath
from pygments.lexers.python import PythonLexer
from pygments.token import Comment, Keyword, Name, Number, Operator, String, _TokenType

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
