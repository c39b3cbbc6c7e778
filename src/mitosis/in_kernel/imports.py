"""Which files of the repository were imported, and the very bytes that were compiled.

Modules below the working tree are always compiled from their source, so that no stale bytecode stands for the
committed code, and leave no `__pycache__` behind, so that running a trial changes nothing in the working tree. The same
holds in the processes that the experiment starts: forks, and those of the same Python that read `PYTHONPATH`.
"""

from __future__ import annotations

import contextlib
import json
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

_imported: dict[str, str | None] = {}
"""Path of each source file compiled below the working tree -> git blob id of its bytes, or None if only read."""
_log: str | None = None
"""The file for what other processes import. Each writes its lines at once."""

_IN_WORKERS = """\
import os, sys
if os.environ.get("MPLBACKEND") == "module://matplotlib_inline.backend_inline":
    del os.environ["MPLBACKEND"]  # the notebook's
sys.path[:] = [folder for folder in sys.path if folder != {folder!r}]
own = sys.modules.pop("sitecustomize")
try:
    import sitecustomize
except ImportError:
    sys.modules["sitecustomize"] = own
if (sys.prefix, sys.version) == {python!r}:
    from mitosis.in_kernel.imports import watch_imports
    watch_imports({root!r}, {log!r}, {own!r}, is_worker=True)
"""
"""The module `sitecustomize` of processes that the experiment starts, which Python imports first (see `site`)."""


def watch_workers(root: str, folder: Path) -> None:
    """Have processes that the experiment starts with this Python watch their imports as well.

    Args:
        root: top of the working tree.
        folder: a private one, for what they need.
    """
    folder.mkdir()
    python = (sys.prefix, sys.version)
    values = {"folder": str(folder), "root": root, "log": _log, "own": str(Path.cwd()), "python": python}
    (folder / "sitecustomize.py").write_text(_IN_WORKERS.format(**values), encoding="utf-8")
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, (str(folder), os.environ.get("PYTHONPATH"))))


def watch_imports(root: str, log: str | None = None, own: str = "", *, is_worker: bool = False) -> None:
    """From now on, note what is imported from below `root` and write no bytecode there.

    The hooks are the documented methods of `importlib.machinery.SourceFileLoader`, replaced on the class, because
    editable installs bring finders of their own that no entry in `sys.path_hooks` would see. What `runpy` and `exec`
    run is seen where it is read.

    Args:
        root: top of the working tree, without symbolic links.
        log: file for what other processes import; None if that is of no interest.
        own: the folder of the trial. What is written there is no code of the repository.
        is_worker: whether this is one of them.
    """
    global _log
    _log = log
    prefix = root + os.sep
    kernel = None if is_worker else os.getpid()

    def note(path: str, oid: str | None) -> None:
        if path in _imported and oid in (None, _imported[path]):
            return
        _imported[path] = oid
        if log is not None and os.getpid() != kernel:
            line = json.dumps([path, oid]) + "\n"
            with contextlib.suppress(OSError):  # the trial is over, and so is its folder
                descriptor = os.open(log, os.O_WRONLY | os.O_APPEND)
                os.write(descriptor, line.encode())
                os.close(descriptor)

    def note_read(event: str, arguments: tuple[Any, ...]) -> None:
        if event != "open":
            return
        path, _, flags = arguments
        if not isinstance(path, str) or not path.endswith(".py") or flags & (os.O_WRONLY | os.O_RDWR):
            return
        with contextlib.suppress(OSError):  # the working directory is gone
            path = str(Path(path).absolute())
            if is_watched(path) and not path.startswith(own + os.sep) and Path(path).exists():
                note(real_path(path), None)

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
            note(real_path(path), blob_id(data))
        code: CodeType = source_to_code(self, data, path, **options)
        return code

    if log is not None:
        sys.addaudithook(note_read)
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
    for path, oid in [*_imported.items(), *_imported_by_workers()]:
        if path not in spelled:
            found[path] = ImportedFile("?", path, oid)
    return Imports(tuple(found[path] for path in sorted(found)), tuple(environment_folders()))


def _imported_by_workers() -> list[tuple[str, str | None]]:
    if _log is None or not Path(_log).exists():
        return []
    return [(path, oid) for path, oid in map(json.loads, Path(_log).read_text(encoding="utf-8").splitlines())]


def _module_file(module: Any) -> str | None:
    """The file of an entry of `sys.modules`, which may be any object with any behaviour."""
    try:
        path = module.__dict__.get("__file__")
    except BaseException as error:
        let_interrupts_pass(error)
        return None
    return path if isinstance(path, str) else None
