"""An experiment gets no input: whoever runs it again would have to type the same."""

from __future__ import annotations

import bdb
from typing import Any, NoReturn

from IPython.core.getipython import get_ipython

_PROMPT_LIMIT = 60
_ENDING = "a trial gets no input."


class NoInput(EOFError):
    """The experiment asked for input. It is what Python raises where standard input is closed, and says more."""


def close_input() -> None:
    """Have `input`, `getpass` and debuggers raise `NoInput` at once."""
    shell: Any = get_ipython()
    # ipykernel replaces `input` and `getpass` while a cell runs, by these.
    shell.kernel.raw_input = _input
    shell.kernel.getpass = _getpass
    # Where pdb and IPython's debugger begin. They take an end of input for a wish to quit, and say nothing of why.
    bdb.Bdb.set_trace = _set_trace  # type: ignore[method-assign, assignment]


def _input(prompt: object = "", /) -> NoReturn:
    _refuse("input", prompt)


def _getpass(prompt: str = "", stream: object = None, **_: object) -> NoReturn:
    _refuse("getpass", prompt)


def _refuse(name: str, prompt: object) -> NoReturn:
    asked = str(prompt).strip()[:_PROMPT_LIMIT]
    call = f"{name}({asked!r})" if asked else f"{name}()"
    raise NoInput(f"{call}: {_ENDING} Make it a parameter of the step: -e STEP.PARAM=VALUE")


def _set_trace(debugger: bdb.Bdb, *_: object, **__: object) -> NoReturn:
    raise NoInput(f"a debugger is to stop here: {_ENDING} Take the breakpoint out, or run the notebook in Jupyter")
