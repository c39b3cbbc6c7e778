"""The journal: the append-only git history that holds all trial records and variant locks.

`Journal` appends and reads. It is the only writer of mitosis's refs. How things are stored is specified in
`docs/reference/storage.md`.

The modules below are imported when something of theirs is first used: completion in the shell, which has little time,
needs few of them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from mitosis.lazy import import_on_use

if TYPE_CHECKING:
    from mitosis.journal.editing import Resolution
    from mitosis.journal.glance import Glance
    from mitosis.journal.journal import Journal
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
    from mitosis.journal.trials import Started
else:
    __getattr__, __dir__ = import_on_use(
        __name__,
        {
            "editing": ("Resolution",),
            "glance": ("Glance",),
            "journal": ("Journal",),
            "layout": ("experiment_name", "recorded_name"),
            "locks": (
                "ChangedFunctions",
                "LockOrigin",
                "LockedVariant",
                "PresentMeaning",
                "RenamedVariant",
                "VariantUse",
                "VariantValue",
                "variant_use",
            ),
            "meanings": ("Uses",),
            "naming": ("Locked",),
            "remarks": ("Remarks", "same_names"),
            "render": ("render_blob",),
            "sharing": ("Merged", "Unmerged"),
            "trials": ("Started",),
        },
    )

__all__ = [
    "ChangedFunctions",
    "Glance",
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
