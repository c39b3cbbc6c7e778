"""Distributions of scipy. Imported only when a value's process has imported `scipy.stats` itself."""

from __future__ import annotations

import sys
from typing import Any, Final

from mitosis.canonical.expansion import Handler, Part, atom, attributes, record
from mitosis.canonical.names import class_label, raw_name

_INFRASTRUCTURE: Final = "scipy.stats._distn_infrastructure"

_OF_FROZEN: Final = frozenset(("a", "b", "args", "kwds", "dist"))
"""What scipy itself keeps in a frozen distribution: what it was frozen with, and the support, which follows from it."""

_NO_PARAMETERS: Final = frozenset(("extradoc", "longname", "seed"))
"""What the constructor of a family takes and what is not part of the family: documentation, and the generator."""


def handler(cls: type) -> Handler | None:
    """How to take apart values of this class; None if it is not a frozen distribution of one variable."""
    frozen = getattr(sys.modules.get(_INFRASTRUCTURE), "rv_frozen", None)
    return expand_frozen if isinstance(frozen, type) and issubclass(cls, frozen) else None


def expand_frozen(value: Any, limit: int) -> Part:
    """A frozen distribution: its family and arguments, and the generator that it draws from if it has its own."""
    from mitosis.canonical import numpy_types

    family = _family(value.dist)
    parts: dict[str, object] = {".args": value.args, ".dist": value.dist if family is None else family}
    parts[".kwds"] = value.kwds
    if family is not None and not numpy_types.is_common(value.random_state):
        parts[".random_state"] = value.random_state
    parts.update(attributes({name: part for name, part in vars(value).items() if name not in _OF_FROZEN}))
    return record(class_label(type(value)), parts)


def _family(family: Any) -> Part | None:
    """A family by its name if scipy offers it, one of another class of scipy by that and what it was made with.

    None for one of the user's own: it may have any attributes, and is an object like others.
    """
    cls = type(family)
    module, _ = raw_name(cls)
    if module.partition(".")[0] != "scipy" or not hasattr(family, "_updated_ctor_param"):
        return None
    made_with = _parameters(family)
    offered: Any = getattr(sys.modules["scipy.stats"], str(family.name), None)
    if type(offered) is cls and _are_same(_parameters(offered), made_with):
        return atom("constant", f"scipy.stats.{family.name}")
    return record(class_label(cls), attributes(made_with))


def _parameters(family: Any) -> dict[str, object]:
    """What scipy rebuilds the family from when it freezes it."""
    return {
        name: part
        for name, part in family._updated_ctor_param().items()
        if part is not None and name not in _NO_PARAMETERS
    }


def _are_same(left: dict[str, object], right: dict[str, object]) -> bool:
    """Whether two sets of parameters are, by what tells numbers from each other."""
    return left.keys() == right.keys() and all(
        type(part) is type(right[name]) and type(part) in (bool, int, float, str) and repr(part) == repr(right[name])
        for name, part in left.items()
    )
