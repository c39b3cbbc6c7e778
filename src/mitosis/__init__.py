"""mitosis: a git-native experiment runner.

From Python, `trials`, `trial` and `compare` tell what is recorded, as `mitosis list`, `show` and `compare` do;
`load_trial_data` and `load_trial_params` bring back what a trial left. Experiments are annotated by `mitosis.typing`,
and everything else is the command line.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mitosis.collection import compare, trial, trials
    from mitosis.results import _load_trial_params as _load_trial_params
    from mitosis.results import load_trial_data, load_trial_params

__version__ = "0.7.0"
__all__ = ["__version__", "compare", "load_trial_data", "load_trial_params", "trial", "trials"]
_HOMES = {
    **dict.fromkeys(("compare", "trial", "trials"), "mitosis.collection"),
    **dict.fromkeys(("load_trial_data", "load_trial_params", "_load_trial_params"), "mitosis.results"),
}


def __getattr__(name: str) -> Any:
    # Every command imports this package first, and few of them need these (PEP 562).
    if name in _HOMES:
        return getattr(importlib.import_module(_HOMES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
