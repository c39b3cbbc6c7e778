"""mitosis: a git-native experiment runner.

From Python, `load_trial_data` and `load_trial_params` bring back what a trial left. Everything else is the command
line, and `mitosis.typing` for annotating experiments.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from mitosis.lazy import import_on_use

if TYPE_CHECKING:
    from mitosis.results import _load_trial_params as _load_trial_params
    from mitosis.results import load_trial_data, load_trial_params
else:
    __getattr__, __dir__ = import_on_use(
        __name__, {"results": ("_load_trial_params", "load_trial_data", "load_trial_params")}
    )

__version__ = "0.7.0"
__all__ = ["__version__", "load_trial_data", "load_trial_params"]
