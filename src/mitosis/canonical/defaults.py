"""What of an object its class would not give by default, which is what a short text should say first.

Canonical bytes do not know: it is found out beside the live object, from the signature of its class.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final

from mitosis.canonical import nodes
from mitosis.canonical.nodes import Item, Node, are_same

_REQUIRED: Final = object()
_UNKNOWN: Final = object()
_CONTAINERS: Final = {dict, frozenset, list, set, tuple}


def non_default_parts(
    objects: Iterable[tuple[object, Node]], item_of: Callable[[object], Item | None]
) -> dict[int, dict[str, Item]]:
    """The parts that tell one object from another of its class, by the `id` of its node.

    Parameters of the class come first, without those that have their default; then what else the object holds, or of
    an estimator of scikit-learn what fitting has made.

    Args:
        objects: values and the nodes that stand for them.
        item_of: the item that stands for a default; None if there is none.
    """
    known: dict[type, dict[str, object]] = {}
    found = {}
    for value, node in objects:
        if node.kind != nodes.RECORD:
            continue
        cls = type(value)
        if cls not in known:
            known[cls] = _parameters(cls)
        if known[cls]:
            found[id(node)] = _telling(node, known[cls], item_of, is_estimator=hasattr(cls, "get_params"))
    return found


def _telling(
    node: Node, parameters: dict[str, object], item_of: Callable[[object], Item | None], *, is_estimator: bool
) -> dict[str, Item]:
    first: dict[str, Item] = {}
    then: dict[str, Item] = {}
    for step, part in node.parts.items():
        name = step.removeprefix(".")
        default = parameters.get(name, parameters.get(name.lstrip("_"), _UNKNOWN))
        if default is _UNKNOWN and step.startswith("."):
            # An estimator of scikit-learn has attributes that say nothing; what fitting has made is called `mean_`.
            if not is_estimator or (name.endswith("_") and not name.startswith("_")):
                then[step] = part
        elif default is _UNKNOWN or default is _REQUIRED or not are_same(part, item_of(default)):
            first[step] = part
    return first | then


def _parameters(cls: type) -> dict[str, object]:
    """The defaults of what a class is called with, `_REQUIRED` for what has none."""
    try:
        return dict(_read_parameters(cls))
    except KeyboardInterrupt:
        raise
    except BaseException:  # a class may do anything when it is asked, and this is only for a text
        return {}


def _read_parameters(cls: Any) -> Iterator[tuple[str, object]]:
    for parameter in inspect.signature(cls).parameters.values():
        if parameter.kind not in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            yield parameter.name, _REQUIRED if parameter.default is parameter.empty else parameter.default
    # Signatures do not tell what a factory of a dataclass or of attrs makes. A user's own may count how often it was
    # called, or draw random numbers.
    factories = [(f.name, f.default_factory) for f in getattr(cls, "__dataclass_fields__", {}).values()]
    factories += [(a.name, getattr(a.default, "factory", None)) for a in getattr(cls, "__attrs_attrs__", ())]
    for name, factory in factories:
        if any(factory is kind for kind in _CONTAINERS):
            yield name, factory()
