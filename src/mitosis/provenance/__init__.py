"""Where a trial comes from: the commit, the environment, the imported code, the process.

`state` looks at the working tree, `environment` at the interpreter and what is installed in it, `imports` at the
code that was imported, `command` at the command line; who runs is in `mitosis.process`.
"""

from __future__ import annotations

from mitosis.process import is_alive, this_process
from mitosis.provenance.command import command_line
from mitosis.provenance.environment import Environment, read_environment
from mitosis.provenance.imports import ImportedFile, check_imports, imported_elsewhere
from mitosis.provenance.state import HeadDescription, check_clean, describe_head

__all__ = [
    "Environment",
    "HeadDescription",
    "ImportedFile",
    "check_clean",
    "check_imports",
    "command_line",
    "describe_head",
    "imported_elsewhere",
    "is_alive",
    "read_environment",
    "this_process",
]
