"""Markdown that an experiment displays, as HTML."""

from __future__ import annotations

from typing import Any

from markupsafe import Markup
from nbconvert.filters.markdown_mistune import IPythonRenderer, MarkdownWithMath

from mitosis.report.maths import formula_html

_HEADING_SHIFT = 2
"""The page has headings of the first and second level itself."""


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
