"""The hook that warns when a commit changes what a locked variant means.

`install`, `uninstall` and `status` see to the script that git runs; `python -m mitosis.hook` is what that script runs.
Importing this package costs next to nothing, since every commit does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mitosis.hook.installing import Installed, Uninstalled, install, uninstall
    from mitosis.hook.place import HookFile
    from mitosis.hook.state import Status, status

__all__ = ["HookFile", "Installed", "Status", "Uninstalled", "install", "status", "uninstall"]

_MODULES = {
    "HookFile": "place",
    "Installed": "installing",
    "Status": "state",
    "Uninstalled": "installing",
    "install": "installing",
    "status": "state",
    "uninstall": "installing",
}


def __getattr__(name: str) -> Any:
    """Import what installs and looks when it is first used."""
    if name in _MODULES:
        import importlib

        return getattr(importlib.import_module(f"mitosis.hook.{_MODULES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
