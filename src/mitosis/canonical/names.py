"""Classes, functions and modules by the name that leads to them."""

from __future__ import annotations

import sys
import types
from typing import Any, Final

MISSING: Final = object()
"""What `find` gives for a name that leads nowhere."""

_MAIN: Final = frozenset(("__main__", "__mp_main__"))


class Refusal(Exception):
    """A value has no stable meaning; the text is a clause that says why.

    Attributes:
        steps: the way to it, from the last step to the first.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.steps: list[str] = []


def type_name(cls: type) -> str:
    """The class as people write it: `pkg.mod.Noise`, builtins without a module."""
    module, name = raw_name(cls)
    return name if module == "builtins" else f"{module}.{name}"


def raw_name(cls: type) -> tuple[str, str]:
    """Module and qualified name that a class claims, whatever its metaclass says."""
    module = _own_attribute(cls, "__module__")
    name = _own_attribute(cls, "__qualname__")
    return module if type(module) is str else "?", name if type(name) is str else "?"


def _own_attribute(cls: type, name: str) -> Any:
    """An attribute of a class as `type` keeps it, past everything that its metaclass defines."""
    return type.__dict__[name].__get__(cls)


def ancestors(cls: type) -> tuple[type, ...]:
    """The class and all that it inherits from, whatever its metaclass says."""
    found: tuple[type, ...] = _own_attribute(cls, "__mro__")
    return found


def class_label(cls: type) -> str:
    """`module:qualified.name` of a class.

    Raises:
        Refusal: the name does not refer to it.
    """
    module, name = raw_name(cls)
    if module == "builtins" and find(module, name) is not cls:
        # Types of functions, of None and the like call themselves builtin, and are found in `types`.
        names = [known for known, value in vars(types).items() if value is cls]
        if names:
            return f"types:{min(names)}"
    return checked_label(cls, module, name, f"the class `{name}`")


def function_label(function: Any) -> str:
    """`module:qualified.name` of a function or another callable with a name.

    Raises:
        Refusal: it has no name, or one that does not refer to it.
    """
    module = getattr(function, "__module__", None)
    name = getattr(function, "__qualname__", None) or getattr(function, "__name__", None)
    if type(name) is not str:
        raise Refusal(f"a {type_name(type(function))} without a name cannot be found again")
    if "<lambda>" in name.split("."):
        raise Refusal("a lambda has no name to find it by; define it as a module-level function")
    if module is None:
        owner = getattr(function, "__objclass__", None)
        if isinstance(owner, type):
            return checked_label(function, raw_name(owner)[0], f"{raw_name(owner)[1]}.{function.__name__}", f"`{name}`")
        raise Refusal(f"`{name}` does not say which module it is from")
    return checked_label(function, module, name, f"`{name}`")


def module_label(module: types.ModuleType) -> str:
    """The name of a module that is imported under it.

    Raises:
        Refusal: importing the name would not give this module.
    """
    name = types.ModuleType.__getattribute__(module, "__dict__").get("__name__")
    if type(name) is not str or name in _MAIN or sys.modules.get(name) is not module:
        raise Refusal(f"the module `{name}` is not the one that `import {name}` gives")
    return name


def checked_label(value: object, module: object, name: str, what: str) -> str:
    """`module:name`, once it is sure that this leads to `value`.

    Args:
        value: what the name should lead to.
        module: the module that it claims to be from.
        name: its qualified name.
        what: how to call it in a refusal.

    Raises:
        Refusal: it does not.
    """
    if type(module) is not str:
        raise Refusal(f"{what} does not say which module it is from")
    if module in _MAIN:
        raise Refusal(f"{what} is defined in {module}, where no other process can find it; move it to a module")
    if "<locals>" in name.split("."):
        raise Refusal(f"{what} is defined inside a function, where no other process can find it; move it to a module")
    if find(module, name) is not value:
        raise Refusal(f"the name {module}.{name} does not refer to {what}")
    label = f"{module}:{name}"
    if not encodable(label):
        raise Refusal(f"the name of {what} is not a string")
    return label


def find(module: str, name: str) -> object:
    """What a dotted name in an imported module leads to; nothing is imported."""
    found: object = sys.modules.get(module, MISSING)
    for part in name.split("."):
        if found is MISSING:
            break
        found = getattr(found, part, MISSING)
    return found


def short_name(label: str) -> str:
    """The last part of a type's name."""
    return label.rpartition(":")[2].rpartition(".")[2] or label


def dotted(label: str) -> str:
    """The whole name of a class or function as people write it."""
    module, _, name = label.rpartition(":")
    return name if module in ("", "builtins") else f"{module}.{name}"


def encodable(text: str) -> bool:
    """Whether a text is free of lone surrogates."""
    if text.isascii():
        return True
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
