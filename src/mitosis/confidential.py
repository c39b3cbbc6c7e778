"""What must not be written down: secrets that a parameter is given, and credentials in URLs.

This module imports nothing of mitosis.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from fnmatch import fnmatchcase

_FROM_ENVIRONMENT = "env:"
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_SECRET_NAME = re.compile(
    r"(?:^|_)(?:pass(?:word|wd|phrase|code)|pwd|secrets?|credentials?|auth|token|(?:api|access|auth|private|secret)_?key)"
    r"[0-9]*$"
)
_CREDENTIALS = re.compile(
    # A whole text that is a URL, then one in quotes: a password in them may have blanks.
    r"""^(\w[\w+.-]*://)[^/]*@|(?<=['"])(\w[\w+.-]*://)[^/'"]*@|(?<=://)[^/\s]*@"""
)
_HARMLESS = frozenset({"None", "True", "False", '""', "''"})


def environment_variable(text: str) -> str | None:
    """The variable that `env:NAME` names; empty where that cannot be a variable, None for any other text."""
    if not text.startswith(_FROM_ENVIRONMENT):
        return None
    name = text.removeprefix(_FROM_ENVIRONMENT)
    return name if _VARIABLE.fullmatch(name) else ""


def is_secret_name(name: str, patterns: Sequence[str] = ()) -> bool:
    """Whether a parameter of that name is likely to hold a secret.

    Args:
        name: the parameter's. The last words of it count: `hf_token` and `api_key2` do, `max_tokens` does not.
        patterns: names that do as well, with `*` and `?`; those that a `!` stands before do not. The last one decides.
    """
    name = name.lower()
    for pattern in reversed(patterns):
        if fnmatchcase(name, pattern.removeprefix("!").lower()):
            return not pattern.startswith("!")
    return _SECRET_NAME.search(name) is not None


def why_secret(name: str, text: str, patterns: Sequence[str]) -> str | None:
    """Why what a parameter is given in the open seems to be a secret, a clause on the parameter; None if it does not.

    Args:
        name: the parameter's.
        text: its expression, or its variant.
        patterns: as for `is_secret_name`.
    """
    if is_secret_name(name, patterns):
        return None if text in _HARMLESS or environment_variable(text) else "has a name that secrets have"
    return "has a password in a URL" if re.search(r"""://[^/\s:@]*:(?:[^/\s@]+|[^/'"@]+)@""", text) else None


def without_password(text: str) -> str:
    """A text without what its URLs say before the host, which may be a password."""
    return _CREDENTIALS.sub(r"\1\2", text)
