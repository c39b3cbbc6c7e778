"""The folders of the configured `pythonpath`, and which of them the experiment could not do without."""

from __future__ import annotations

import os
import sys
from importlib.machinery import ModuleSpec, PathFinder
from typing import Any

from mitosis.in_kernel.imports import module_attribute
from mitosis.installed import real_path

_added: list[str] = []
"""What was appended to the search path."""


def extend_search_path(folders: list[str]) -> None:
    """Append those folders to the search path that are not on it."""
    _added.extend(folder for folder in dict.fromkeys(folders) if folder not in sys.path)
    sys.path.extend(_added)


def find_needed_folders() -> list[str]:
    """Those of the appended folders from which modules came that are found nowhere else."""
    needed: set[str] = set()
    for name, module in list(sys.modules.items()):
        spec = None if "." in name else _spec(module)
        if spec is None:
            continue
        # Python spells the place of a module as it spells the folder where it found it.
        used = {os.path.dirname(place) for place in _places(spec)} & set(_added)  # noqa: PTH120
        if not used <= needed and not _is_found_without(name, spec):
            needed |= used
    return [folder for folder in _added if folder in needed]


def _spec(module: Any) -> ModuleSpec | None:
    spec = module_attribute(module, "__spec__")
    return spec if isinstance(spec, ModuleSpec) else None


def _places(spec: ModuleSpec) -> list[str]:
    """The folders of a package, or the file of a module."""
    if spec.submodule_search_locations is not None:
        return [str(place) for place in spec.submodule_search_locations]
    return [spec.origin] if spec.has_location and spec.origin else []


def _is_found_without(name: str, spec: ModuleSpec) -> bool:
    """Whether Python's finders lead to the same module without the appended folders."""
    path = [folder for folder in sys.path if folder not in _added]
    for finder in sys.meta_path:
        try:
            found = PathFinder.find_spec(name, path) if finder is PathFinder else finder.find_spec(name, None)
        except Exception:  # somebody's own finder, which then leads nowhere
            continue
        if found is not None:
            return set(map(real_path, _places(spec))) <= set(map(real_path, _places(found)))
    return False
