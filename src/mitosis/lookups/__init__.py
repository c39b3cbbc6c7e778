"""What the lookup dictionaries of the registered steps mean, without a trial.

`working_tree`, `staged` and `at_commit` give the files of one state of the repository; `evaluate` imports the lookup
modules from there in a process of their own and hands back the canonical value of every variant. `evaluate_staged`
and `evaluate_at` do both, and check out no more than is needed.

This process never imports user code. The modules below are imported when they are first used, since the other
process imports this package too, and should start fast.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mitosis.lookups.checkouts import Checkout, at_commit, staged, working_tree
    from mitosis.lookups.evaluation import Evaluation, Meaning, Refused, Trouble, evaluate
    from mitosis.lookups.selection import evaluate_at, evaluate_staged
    from mitosis.lookups.static import static_files

__all__ = [
    "Checkout",
    "Evaluation",
    "Meaning",
    "Refused",
    "Trouble",
    "at_commit",
    "evaluate",
    "evaluate_at",
    "evaluate_staged",
    "staged",
    "static_files",
    "working_tree",
]

_MODULES = {
    "Checkout": "checkouts",
    "at_commit": "checkouts",
    "staged": "checkouts",
    "working_tree": "checkouts",
    "Evaluation": "evaluation",
    "Meaning": "evaluation",
    "Refused": "evaluation",
    "Trouble": "evaluation",
    "evaluate": "evaluation",
    "evaluate_at": "selection",
    "evaluate_staged": "selection",
    "static_files": "static",
}


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        import importlib

        return getattr(importlib.import_module(f"{__name__}.{_MODULES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
