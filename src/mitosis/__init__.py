"""mitosis: a git-native experiment runner.

From Python, `load_trial_data` and `load_trial_params` bring back what a trial left. Everything else is the command
line, and `mitosis.typing` for annotating experiments.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mitosis.results import _load_trial_params as _load_trial_params
    from mitosis.results import load_trial_data, load_trial_params

__version__ = "0.7.0"
__all__ = ["__version__", "load_trial_data", "load_trial_params"]


def __getattr__(name: str) -> Any:
    # Every command imports this package first, and few of them load results (PEP 562).
    if name in ("load_trial_data", "load_trial_params", "_load_trial_params"):
        from mitosis import results

        return getattr(results, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
