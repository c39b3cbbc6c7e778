"""The journal: the append-only git history that holds all trial records and variant locks.

`Journal` appends and reads. It is the only writer of mitosis's refs. How things are stored is specified in
`docs/reference/storage.md`.
"""

from mitosis.journal.journal import Journal, Started
from mitosis.journal.layout import experiment_name
from mitosis.journal.locks import LockedVariant, LockOrigin, VariantValue
from mitosis.journal.render import render_blob

__all__ = [
    "Journal",
    "LockOrigin",
    "LockedVariant",
    "Started",
    "VariantValue",
    "experiment_name",
    "render_blob",
]
