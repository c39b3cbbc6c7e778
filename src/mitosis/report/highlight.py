"""Python code as HTML, with the few kinds of words coloured that help a reader."""

from __future__ import annotations

from markupsafe import Markup, escape
from pygments.lexers.python import PythonLexer
from pygments.token import Comment, Keyword, Name, Number, Operator, String, _TokenType

from mitosis.report.terminal import showable

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


def highlight(code: str) -> Markup:
    """`code` escaped, with `span` elements of the classes k, q, m, n and f."""
    parts: list[str] = []
    open_class = ""
    for kind, text in _LEXER.get_tokens(code):
        wanted = _class_of(kind) if not text.isspace() else open_class
        if wanted != open_class:
            if open_class:
                parts.append("</span>")
            if wanted:
                parts.append(f'<span class="{wanted}">')
            open_class = wanted
        parts.append(str(escape(showable(text))))
    if open_class:
        parts.append("</span>")
    return Markup("".join(parts))


def _class_of(kind: _TokenType) -> str:
    return next((name for token, name in _CLASSES if kind in token), "")


_LEXER = PythonLexer(stripnl=False, ensurenl=False)
