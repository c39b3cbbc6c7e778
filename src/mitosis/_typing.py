"""Names that experiments written for mitosis before 0.7 import; use `mitosis.typing` in new ones."""

from mitosis.typing import ExpResult, ExpRun, Parameter

ExpResults = ExpResult

__all__ = ["ExpResult", "ExpResults", "ExpRun", "Parameter"]
