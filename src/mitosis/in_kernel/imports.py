"""Which files of the repository were imported, and the very bytes that were compiled.

Modules below the working tree are always compiled from their source, so that no stale bytecode stands for the
committed code, and leave no `__pycache__` behind, so that running a trial changes nothing in the working tree.
"""

from __future__ import annotations

import os
import sys
from importlib.machinery import PathFinder, SourceFileLoader
from importlib.util import find_spec
from pathlib import Path
from types import CodeType
from typing import Any

from mitosis.files import blob_id, environment_folders, is_installed, real_path
from mitosis.in_kernel.user_code import let_interrupts_pass
from mitosis.protocol import ImportedFile, Imports, ListImports

_imported: dict[str, str] = {}
"""Path of each source file compiled below the working tree -> git blob id of its bytes."""


def watch_imports(root: Path) -> None:
    """From now on, note what is imported from below `root` and write no bytecode there.

    The hooks are the documented methods of `importlib.machinery.SourceFileLoader`, replaced on the class, because
    editable installs bring finders of their own that no entry in `sys.path_hooks` would see.
    """
    prefix = str(root) + os.sep
    path_stats = SourceFileLoader.path_stats
    set_data = SourceFileLoader.set_data
    source_to_code = SourceFileLoader.source_to_code

    def is_watched(path: Any) -> bool:
        return isinstance(path, str) and real_path(path).startswith(prefix) and not is_installed(path)

    def watched_path_stats(self: SourceFileLoader, path: str) -> Any:
        if is_watched(path):
            raise OSError("bytecode of the working tree is not used")
        return path_stats(self, path)

    def watched_set_data(self: SourceFileLoader, path: str, data: Any, *, _mode: int = 0o666) -> None:
        if not is_watched(path):
            set_data(self, path, data, _mode=_mode)

    def watched_source_to_code(self: SourceFileLoader, data: Any, path: Any, **options: Any) -> CodeType:
        if is_watched(path) and isinstance(data, bytes):
            _imported[real_path(path)] = blob_id(data)
        code: CodeType = source_to_code(self, data, path, **options)
        return code

    SourceFileLoader.path_stats = watched_path_stats  # type: ignore[method-assign]
    SourceFileLoader.set_data = watched_set_data  # type: ignore[method-assign]
    SourceFileLoader.source_to_code = watched_source_to_code  # type: ignore[assignment,method-assign]


def run_as_script(module: str) -> None:
    """Have `sys.argv` be what it is in a script that is the file of a module, and has no arguments."""
    sys.argv[:] = [_file_of(module) or module]


def _file_of(module: str) -> str | None:
    """The file that a module has, or would be imported from: nothing is imported."""
    known = sys.modules.get(module)
    if known is not None:
        return _module_file(known)
    first, *rest = module.split(".")
    try:
        spec = find_spec(first)
        for name in rest:
            spec = spec and PathFinder.find_spec(f"{spec.name}.{name}", spec.submodule_search_locations)
    except (ImportError, ValueError):
        return None
    return spec.origin if spec else None


def list_imports(question: ListImports) -> Imports:
    """The files below a folder that modules were imported from, as they were spelled, with module and blob id.

    A file counts that a symbolic link leads to, and one that a link inside the folder leads out to.
    """
    prefix = question.root.rstrip(os.sep) + os.sep
    found: dict[str, ImportedFile] = {}
    for name, module in list(sys.modules.items()):
        path = _module_file(module)
        if path is None or is_installed(path):
            continue
        real = real_path(path)
        if real.startswith(prefix) or path.startswith(prefix):
            found[path] = ImportedFile(name, path, _imported.get(real))
    spelled = {real_path(path) for path in found}
    for path, oid in _imported.items():
        if path not in spelled:
            found[path] = ImportedFile("?", path, oid)
    return Imports(tuple(found[path] for path in sorted(found)), tuple(environment_folders()))


def _module_file(module: Any) -> str | None:
    """The file of an entry of `sys.modules`, which may be any object with any behaviour."""
    try:
        path = module.__dict__.get("__file__")
    except BaseException as error:
        let_interrupts_pass(error)
        return None
    return path if isinstance(path, str) else None
