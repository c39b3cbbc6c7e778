"""The journal: the append-only git history that holds all trial records and variant locks.

`Journal` appends and reads. It is the only writer of mitosis's refs. How things are stored is specified in
`docs/reference/storage.md`.
"""

from mitosis.journal.editing import Resolution
from mitosis.journal.journal import Journal, Started
from mitosis.journal.layout import experiment_name, recorded_name
from mitosis.journal.locks import (
    ChangedFunctions,
    LockedVariant,
    LockOrigin,
    PresentMeaning,
    RenamedVariant,
    VariantUse,
    VariantValue,
    variant_use,
)
from mitosis.journal.meanings import Uses
from mitosis.journal.naming import Locked
from mitosis.journal.remarks import Remarks, same_names
from mitosis.journal.render import render_blob
from mitosis.journal.sharing import Merged, Unmerged

__all__ = [
    "ChangedFunctions",
    "Journal",
    "LockOrigin",
    "Locked",
    "LockedVariant",
    "Merged",
    "PresentMeaning",
    "Remarks",
    "RenamedVariant",
    "Resolution",
    "Started",
    "Unmerged",
    "Uses",
    "VariantUse",
    "VariantValue",
    "experiment_name",
    "recorded_name",
    "render_blob",
    "same_names",
    "variant_use",
]
