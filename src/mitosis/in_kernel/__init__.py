"""What runs inside the experiment's kernel.

`launch` starts the process. The runner asks by executing one hidden line, `answer(request, reply)`, and reads the
reply from a file in a folder that only this user can read. Only plain values cross over: the runner never sees, imports
or unpickles the user's objects.

Nothing of this appears in the notebook, whose cells are the experiment alone.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgpack

_OPERATIONS = {
    "check_steps": "mitosis.in_kernel.steps:check_steps",
    "has_variant": "mitosis.in_kernel.steps:has_variant",
    "find_failed_parameter": "mitosis.in_kernel.parameters:find_failed_parameter",
    "describe_parameters": "mitosis.in_kernel.parameters:describe_parameters",
    "find_changed_parameters": "mitosis.in_kernel.parameters:find_changed_parameters",
    "list_imports": "mitosis.in_kernel.imports:list_imports",
    "take_result": "mitosis.in_kernel.results:take_result",
    "describe_failure": "mitosis.in_kernel.failures:describe_failure",
    "measure_usage": "mitosis.in_kernel.usage:measure_usage",
}


def answer(request: str, reply: str) -> None:
    """Carry out operations of the runner's, in order; the first that raises ends it.

    Args:
        request: path of a msgpack file with a list of names in the table above and keyword arguments.
        reply: path to write the list of the answers to, as msgpack. It appears whole or not at all.
    """
    operations = msgpack.unpackb(Path(request).read_bytes(), raw=False, unicode_errors="surrogatepass")
    results: list[Any] = [_function(name)(**arguments) for name, arguments in operations]
    partial = Path(reply + ".partial")
    partial.write_bytes(msgpack.packb(results, use_bin_type=True, unicode_errors="surrogatepass"))
    partial.replace(reply)


def import_operations() -> None:
    """Import what the operations need, so that none of them has to."""
    import dill  # noqa: F401

    for name in _OPERATIONS:
        _function(name)


def _function(operation: str) -> Callable[..., Any]:
    module, _, name = _OPERATIONS[operation].partition(":")
    function: Callable[..., Any] = getattr(importlib.import_module(module), name)
    return function


def user_namespace() -> dict[str, Any]:
    """The notebook's variables."""
    from IPython.core.getipython import get_ipython

    shell = get_ipython()
    if shell is None:
        raise RuntimeError("there is no IPython shell: this code only runs inside a Jupyter kernel")
    namespace: dict[str, Any] = shell.user_ns
    return namespace


def let_interrupts_pass(error: BaseException) -> None:
    """Raise the error again if it is an interrupt; whatever else a user's object raises is an answer.

    Objects of the user's run code of theirs when they are shown, pickled or asked for an attribute, and may raise
    anything, also what derives from BaseException alone.
    """
    if isinstance(error, KeyboardInterrupt):
        raise error


def describe_exception(error: BaseException) -> str:
    """`Class: message` on one line, whatever the exception's own methods do."""
    try:
        message = str(error).strip()
    except BaseException as message_error:
        let_interrupts_pass(message_error)
        message = "(its message cannot be shown)"
    name = type(error).__name__
    first = message.splitlines()[0] if message else ""
    return f"{name}: {first}" if first else name
