"""Classes, functions and modules by the name that leads to them."""

from __future__ import annotations

import sys
import types
from collections.abc import Iterator
from typing import Any, Final

from mitosis.files import is_installed

MISSING: Final = object()
"""What `find` gives for a name that leads nowhere."""

_MAIN: Final = frozenset(("__main__", "__mp_main__"))
_MAX_WRAPPERS: Final = 20


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


def label_by_lookup(value: Any) -> str | None:
    """`module:qualified.name` of a callable that a decorator or a compiler made; None where no name leads to it.

    It may say its name itself, or a function that it wraps does. One whose parameters nobody can see, since compiled
    code or a closure calls it, may have another name in the module that the function is from: `fast = jax.jit(slow)`.

    Raises:
        Refusal: only `__main__` has it.
    """
    wrapped = list(wrapped_functions(value))
    named = [_claimed(function) for function in (value, *wrapped)]
    for module, name in named:
        if type(name) is str and _leads_to(module, name, value):
            return checked_label(value, module, name, f"`{name}`")
    if not wrapped or is_called_by_python(value):
        return None
    for module, _ in named:
        name = _name_within(module, value)
        if name is not None:
            return checked_label(value, module, name, f"`{name}`")
    return None


def _is_of_package(module: object) -> bool:
    """Whether a module is one of an installed package, and not the user's own."""
    file = getattr(sys.modules.get(module), "__file__", None) if type(module) is str else None
    return type(file) is str and is_installed(file)


def _name_within(module: object, value: object) -> str | None:
    """The first name that something has in a module."""
    space = getattr(sys.modules.get(module), "__dict__", {}) if type(module) is str else {}
    return next((name for name, held in list(space.items()) if held is value), None)


def wrapped_functions(value: object) -> Iterator[types.FunctionType]:
    """The functions that something callable was made from, as far as it tells."""
    seen: list[object] = [value]
    while len(seen) <= _MAX_WRAPPERS:
        held = getattr(seen[-1], "__dict__", None)
        inner = held.get("__wrapped__") if type(held) is dict else getattr(seen[-1], "__wrapped__", None)
        if inner is None and type(held) is dict and not isinstance(seen[-1], types.FunctionType | type):
            # Those that do not say what they wrap keep it under a name of their own.
            inner = next((part for part in held.values() if type(part) is types.FunctionType), None)
        if inner is None:
            return
        if type(inner) is types.FunctionType:
            yield inner
        seen.append(inner)


def is_called_by_python(value: object) -> bool:
    """Whether a method written in Python is what calling it runs, so that what it does is in its attributes."""
    return any(isinstance(vars(base).get("__call__"), types.FunctionType) for base in ancestors(type(value)))


def _claimed(function: Any) -> tuple[Any, Any]:
    name = getattr(function, "__qualname__", None) or getattr(function, "__name__", None)
    return getattr(function, "__module__", None), name


def _leads_to(module: object, name: str, value: object) -> bool:
    return type(module) is str and find(module, name) is value


def function_label(function: Any) -> str:
    """`module:qualified.name` of a function or another callable with a name.

    Raises:
        Refusal: it has no name, or one that does not refer to it.
    """
    if hasattr(function, "__wrapped__"):
        label = label_by_lookup(function)
        if label is not None:
            return label
        module, name = _claimed(function)
        if type(module) is type(name) is str and find(module, name) is not MISSING:
            raise Refusal(nameless(function))
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
    short = getattr(function, "__name__", None)
    if type(short) is str and not _leads_to(module, name, function) and _leads_to(module, short, function):
        # Builtin functions that a library keeps in a class have its name in theirs.
        name = short
    elif "<locals>" in name and _is_of_package(module):
        # What an installed module has made with its own functions stays the same as long as its version does.
        name = _name_within(module, function) or name
    return checked_label(function, module, name, f"`{name}`")


def nameless(function: object) -> str:
    """Why a callable that was made from a function has no stable meaning, and what to do."""
    names = [name for _, name in map(_claimed, (*wrapped_functions(function), function)) if type(name) is str]
    made = f"what was made from `{names[0]}`" if names else f"this {type_name(type(function))}"
    return f"{made} has no name to find it by; define it under one in the module of that function, or use a decorator"


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
        remedy = "pass functools.partial of what makes it" if _is_of_package(module) else "move it to a module"
        raise Refusal(f"{what} is defined inside a function, where no other process can find it; {remedy}")
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
