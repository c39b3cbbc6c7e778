"""Kinds of arguments that several commands have."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter

from mitosis.cli import completers

Flag = Annotated[bool, Parameter(negative=(), show_default=False)]
"""Said or left out; there is no word for the opposite."""

Key = Annotated[str, Parameter(completer=completers.keys)]
"""The key of a trial, or any unique prefix of it."""
