"""Kinds of arguments that several commands have."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter

Flag = Annotated[bool, Parameter(negative=(), show_default=False)]
"""Said or left out; there is no word for the opposite."""
