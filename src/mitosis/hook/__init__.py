"""The hook that warns when a commit changes what a locked variant means.

`install`, `uninstall` and `status` see to the script that git runs; `python -m mitosis.hook` is what that script runs.
Importing this package costs next to nothing, since every commit does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from mitosis.lazy import import_on_use

if TYPE_CHECKING:
    from mitosis.hook.installing import Installed, Uninstalled, install, uninstall
    from mitosis.hook.place import HookFile
    from mitosis.hook.state import Status, status
else:
    __getattr__, __dir__ = import_on_use(
        __name__,
        {
            "installing": ("Installed", "Uninstalled", "install", "uninstall"),
            "place": ("HookFile",),
            "state": ("Status", "status"),
        },
    )

__all__ = ["HookFile", "Installed", "Status", "Uninstalled", "install", "status", "uninstall"]
