"""The journal: the append-only git history that holds all trial records and variant locks.

`Journal` appends and reads. It is the only writer of mitosis's refs. How things are stored is specified in
`docs/reference/storage.md`.

The modules below are imported when something of theirs is first used: completion in the shell, which has little time,
needs few of them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mitosis.journal.editing import Resolution
    from mitosis.journal.glance import Glance
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

_MODULES = {
    "ChangedFunctions": "locks",
    "Glance": "glance",
    "Journal": "journal",
    "LockOrigin": "locks",
    "Locked": "naming",
    "LockedVariant": "locks",
    "Merged": "sharing",
    "PresentMeaning": "locks",
    "Remarks": "remarks",
    "RenamedVariant": "locks",
    "Resolution": "editing",
    "Started": "journal",
    "Unmerged": "sharing",
    "Uses": "meanings",
    "VariantUse": "locks",
    "VariantValue": "locks",
    "experiment_name": "layout",
    "recorded_name": "layout",
    "render_blob": "render",
    "same_names": "remarks",
    "variant_use": "locks",
}


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        import importlib

        return getattr(importlib.import_module(f"{__name__}.{_MODULES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
