"""An experiment gets no input: whoever runs it again would have to type the same."""

from __future__ import annotations

from typing import Any, NoReturn

from IPython.core.getipython import get_ipython

_PROMPT_LIMIT = 60


class NoInput(EOFError):
    """The experiment asked for input. It is what Python raises where standard input is closed, and says more."""


def close_input() -> None:
    """Have `input` and `getpass` raise `NoInput` at once. ipykernel replaces both while a cell runs, by these."""
    shell: Any = get_ipython()
    shell.kernel.raw_input = _input
    shell.kernel.getpass = _getpass


def _input(prompt: object = "", /) -> NoReturn:
    _refuse("input", prompt)


def _getpass(prompt: str = "", stream: object = None, **_: object) -> NoReturn:
    _refuse("getpass", prompt)


def _refuse(name: str, prompt: object) -> NoReturn:
    asked = str(prompt).strip()[:_PROMPT_LIMIT]
    call = f"{name}({asked!r})" if asked else f"{name}()"
    raise NoInput(f"{call}: a trial gets no input. Make it a parameter of the step: -e STEP.PARAM=VALUE")
