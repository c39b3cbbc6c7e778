"""What the lookup dictionaries of the registered steps mean, without a trial.

`working_tree` gives the files of the working tree, and `open_index` those that are staged or in a commit. `evaluate`
imports the lookup modules from there in a process of their own and hands back the canonical value of every variant.
`evaluate_index` does it for an index, and checks out no more than is needed.

This process never imports user code. The modules below are imported when they are first used, since the other
process imports this package too, and should start fast.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from mitosis.lazy import import_on_use

if TYPE_CHECKING:
    from mitosis.lookups.checkouts import Checkout, Index, open_index, working_tree
    from mitosis.lookups.evaluation import Evaluation, Meaning, Refused, Trouble, evaluate
    from mitosis.lookups.selection import evaluate_index
    from mitosis.lookups.static import static_files
else:
    __getattr__, __dir__ = import_on_use(
        __name__,
        {
            "checkouts": ("Checkout", "Index", "open_index", "working_tree"),
            "evaluation": ("Evaluation", "Meaning", "Refused", "Trouble", "evaluate"),
            "selection": ("evaluate_index",),
            "static": ("static_files",),
        },
    )

__all__ = [
    "Checkout",
    "Evaluation",
    "Index",
    "Meaning",
    "Refused",
    "Trouble",
    "evaluate",
    "evaluate_index",
    "open_index",
    "static_files",
    "working_tree",
]
