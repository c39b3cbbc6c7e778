"""Reading a condition: Python's syntax as a tree, whose parts know where they stand in the text."""

from __future__ import annotations

import ast
import io
import keyword
import re
import tokenize
import warnings

from mitosis.errors.base import WINDOW, bulleted, window
from mitosis.errors.usage import UsageError
from mitosis.text import clean

_MOST_CHARACTERS = 20_000
_MOST_PARTS = 500
_MOST_LEVELS = 50
TOO_LARGE = "the condition is too large"
FEWER = "Write it with fewer parts."
_BLANKS = str.maketrans("\n\r\f\t\v", "     ")
_ASSIGNMENT = re.compile("(?<![=!<>])=(?!=)")
_NOT_PYTHON = (("&&", "and"), ("||", "or"), ("<>", "!="), ("===", "=="))


class QueryError(UsageError):
    """A condition that cannot be read. Attributes: text, reason, column (from 1), hint."""

    def __init__(self, text: str, reason: str, column: int, length: int = 1, hint: str = "") -> None:
        self.text = text
        self.reason = reason
        self.column = column
        self.hint = hint
        shown = window(text, column)
        before = len(clean(text[: column - 1])) if column <= WINDOW // 2 else WINDOW // 2
        marks = " " * before + "^" * max(1, min(length, WINDOW - before))
        super().__init__("\n".join([reason, bulleted([clean(shown), marks]), *([hint] if hint else [])]))


class Source:
    """The text of a condition, and its tree.

    Args:
        text: of one line or several.

    Raises:
        QueryError: it is not an expression of Python, or too large.
    """

    def __init__(self, text: str) -> None:
        self._text = text.translate(_BLANKS)
        self._begin = len(self._text) - len(self._text.lstrip(" "))
        self.tree = self._parse()
        self._refuse_large()

    def text_of(self, node: ast.AST) -> str:
        """The part of the text that a node was read from."""
        start, length = self._place(node)
        return self._text[start : start + length]

    def error(self, reason: str, at: ast.AST | int, hint: str = "") -> QueryError:
        """What is to be raised about a part of the text, or a place in it."""
        start, length = (at, 1) if isinstance(at, int) else self._place(at)
        return QueryError(self._text, reason, start + 1, length, hint)

    def _parse(self) -> ast.expr:
        if len(self._text) > _MOST_CHARACTERS:
            raise self.error("the condition is too long", 0)
        if not self._text.strip():
            raise self.error("there is no condition", 0, "Write one such as: main < 0.1")
        if "\0" in self._text:
            raise self.error("the condition cannot be read", self._text.index("\0"))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of what is refused later, such as `1 is 1`
            try:
                return ast.parse(self._without_keywords(), mode="eval").body
            except SyntaxError as error:
                raise self._explained(error) from None
            except (ValueError, RecursionError, MemoryError) as error:
                raise self.error("the condition cannot be read", self._begin) from error

    def _explained(self, error: SyntaxError) -> QueryError:
        """What is wrong with a text that is not Python."""
        for wrong, right in _NOT_PYTHON:
            if wrong in self._text:
                return self.error(f"`{wrong}` is not Python: write `{right}`", self._text.index(wrong))
        assignment = _ASSIGNMENT.search(self._text)
        if assignment is not None:
            return self.error("`=` compares nothing: write `==`", assignment.start())
        if error.offset == 0:  # how Python says that the text has ended
            return self.error("something is missing at the end", len(self._text.rstrip()))
        place = min(self._begin + (error.offset or 1) - 1, len(self._text))
        return self.error(f"this is not an expression of Python: {error.msg}", place)

    def _without_keywords(self) -> str:
        """The text with other letters for Python's words behind a dot, where they are names: `params.fit.lambda`."""
        text = self._text[self._begin :]
        letters = list(text)
        before = ""
        try:
            for token in tokenize.generate_tokens(io.StringIO(text).readline):
                if token.type == tokenize.COMMENT:  # whatever follows would be left out
                    raise self.error("there is no comment in a condition", self._begin + token.start[1])
                if before == "." and keyword.iskeyword(token.string):
                    letters[token.start[1] : token.end[1]] = "k" * len(token.string)
                before = token.string
        except (tokenize.TokenError, SyntaxError):
            return text  # which is told of when it is parsed
        return "".join(letters)

    def _refuse_large(self) -> None:
        parts = 0
        level: list[ast.AST] = [self.tree]
        for _ in range(_MOST_LEVELS):
            level = [child for node in level for child in ast.iter_child_nodes(node)]
            parts += sum(
                isinstance(node, ast.expr | ast.cmpop) and not isinstance(node, ast.Constant) for node in level
            )
            if not level or parts > _MOST_PARTS:
                break
        if level:
            raise self.error(TOO_LARGE, self._begin, FEWER)

    def _place(self, node: ast.AST) -> tuple[int, int]:
        """Where a node begins, from 0, and how long it is, in characters: `ast` counts bytes."""
        data = self._text[self._begin :].encode()
        start, end = getattr(node, "col_offset", 0), getattr(node, "end_col_offset", None)
        return self._begin + len(data[:start].decode()), len(data[start:end].decode())
