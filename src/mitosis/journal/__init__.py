"""The journal: the append-only git history that holds all trial records and variant locks.

`Journal` appends and reads. It is the only writer of mitosis's refs. How things are stored is specified in
`docs/reference/storage.md`.
"""

from mitosis.journal.editing import Resolution
from mitosis.journal.journal import Journal, Started
from mitosis.journal.layout import experiment_name
from mitosis.journal.locks import LockedVariant, LockOrigin, PresentMeaning, VariantUse, VariantValue, variant_use
from mitosis.journal.render import render_blob
from mitosis.journal.sharing import Merged, Unmerged

__all__ = [
    "Journal",
    "LockOrigin",
    "LockedVariant",
    "Merged",
    "PresentMeaning",
    "Resolution",
    "Started",
    "Unmerged",
    "VariantUse",
    "VariantValue",
    "experiment_name",
    "render_blob",
    "variant_use",
]
