"""What the lookup dictionaries of the registered steps mean, without a trial.

`working_tree`, `staged` and `at_commit` give the files of one state of the repository; `evaluate` imports the lookup
modules from there in a process of their own and hands back the canonical value of every variant. `evaluate_staged`
and `evaluate_at` do both, and check out no more than is needed.

This process never imports user code. The modules below are imported when they are first used, since the other
process imports this package too, and should start fast.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from mitosis.lazy import import_on_use

if TYPE_CHECKING:
    from mitosis.lookups.checkouts import Checkout, at_commit, staged, working_tree
    from mitosis.lookups.evaluation import Evaluation, Meaning, Refused, Trouble, evaluate
    from mitosis.lookups.selection import evaluate_at, evaluate_staged
    from mitosis.lookups.static import static_files
else:
    __getattr__, __dir__ = import_on_use(
        __name__,
        {
            "checkouts": ("Checkout", "at_commit", "staged", "working_tree"),
            "evaluation": ("Evaluation", "Meaning", "Refused", "Trouble", "evaluate"),
            "selection": ("evaluate_at", "evaluate_staged"),
            "static": ("static_files",),
        },
    )

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
