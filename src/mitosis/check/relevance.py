"""Can what is staged change what a lookup dictionary says? Answered without evaluating any, in milliseconds.

A staged file can matter if it is pyproject.toml, a module that the lookup modules import, or lies in one of their
packages. Of plain modules, this is all, and it is found by reading them: those import modules of the repository and
some that are known to compute or declare, and use no name of what reads. Any other may read any file, or import by a
name that it makes up: what those use is learnt when they are evaluated, so as long as they have not been, whatever is
staged counts.

What was found is kept in `<git dir>/mitosis/lookup-files`, which is derived: it says the ids of the files that it was
found from, and is not believed where one of them is another now.
"""

from __future__ import annotations

import ast
import contextlib
import hashlib
import os
import re
import secrets
from collections.abc import Collection, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, NamedTuple

import msgpack

from mitosis.config import CONFIG_NAME, Config
from mitosis.dictionaries.parsing import parse_module
from mitosis.dictionaries.paths import folders, module_names
from mitosis.errors.repository import UnreadableObject
from mitosis.errors.usage import ConfigError
from mitosis.git.objects import read_blobs
from mitosis.git.program import run_git
from mitosis.git.repository import Repository

if TYPE_CHECKING:
    from mitosis.check.states import State
    from mitosis.dictionaries.checkouts import Index
    from mitosis.dictionaries.evaluation import Evaluation

_FORMAT = 3
_DIGEST_BYTES = 20
_MAX_MODULE_BYTES = 64 * 2**20
_BATCHES = 4
"""So often modules are asked for together; each time those before are looked through again."""
_MOST_PATHS_ASKED = 500
"""So many paths are named to git; for more it lists all files."""
_MODULE = ".py"
_OPAQUE_MODES = frozenset((b"160000", b"120000"))
"""Of submodules and symbolic links: what is behind them is not in the index, or elsewhere."""
_ATTRIBUTES = ".gitattributes"
"""It has a say in which bytes git writes."""

_COMPUTING = """
    __future__ abc array attr attrs bisect calendar cmath collections collections.abc contextlib copy dataclasses
    datetime decimal enum fractions functools heapq itertools logging math mitosis.typing numbers operator pprint random
    re statistics string struct textwrap time types typing typing_extensions warnings
    numpy numpy.fft numpy.linalg numpy.ma numpy.polynomial numpy.random numpy.typing pandas pandas.api.types
    scipy.constants scipy.fft scipy.integrate scipy.interpolate scipy.linalg scipy.ndimage scipy.optimize scipy.signal
    scipy.sparse scipy.spatial scipy.spatial.distance scipy.spatial.transform scipy.special scipy.stats
    sklearn.base sklearn.cluster sklearn.decomposition sklearn.ensemble sklearn.gaussian_process
    sklearn.gaussian_process.kernels sklearn.kernel_ridge sklearn.linear_model sklearn.metrics sklearn.model_selection
    sklearn.naive_bayes sklearn.neighbors sklearn.neural_network sklearn.pipeline sklearn.preprocessing sklearn.svm
    sklearn.tree
"""
"""Modules that compute or declare, and read nothing but by what `_READING` names. A module that is not here may be as
harmless; that importing it is taken for reading costs one evaluation."""
_COMPUTING_NAMES = frozenset(_COMPUTING.split())
_READING = re.compile(
    r"(?<!th)(?<!sp)[Rr]ead|[Ll]oad|[Oo]pen|[Ff]etch|import|glob|walk|memmap|resource|subprocess|(?<!pro)[Ff]ile|Dataset"
    r"|listdir|scandir|iterdir|exists|from_?(?:txt|csv|regex)|DataSource|HDFStore"
    r"|^(?:exec|eval|system|connect|l?stat|is_?dir|[Pp]ath|meta_path|path_hooks|runpy|pkgutil|ctypes(?:lib)?)$"
    r"|^(?:builtins|datasets|f2py|io|lib|os|sys|testing|_?core)$"
    r"|^(?:getattr|vars|locals|attrgetter|methodcaller)$"
    r"|^__(?:builtins|dict|getattribute|loader|path|spec|subclasses)__$"
)
"""Names that a module uses, of functions and the like, which say that it may do more than import and compute, or that
it may use any name."""
_ENDING = re.compile(rb"\.\w+")


class Touched(NamedTuple):
    """What a commit would do to a file."""

    status: str
    """As git has it: A, D, M or T."""
    is_opaque: bool
    """Whether it is a submodule or a symbolic link, before or after."""


@dataclass(frozen=True, slots=True)
class Known:
    """What lookup dictionaries depend on."""

    ids: Mapping[str, str]
    """The ids of the files that this was found from; empty for those that were looked for and are missing."""
    files: frozenset[str]
    """The files that matter, whether they are there or not."""
    packages: frozenset[str] = frozenset()
    """Folders of which every file matters."""
    listed: frozenset[str] = frozenset()
    """Folders whose names matter; the top is empty."""
    found: frozenset[str] = frozenset()
    """Dotted names of modules that the files may have been imported by."""
    missing: frozenset[str] = frozenset()
    """Those of modules that were looked for and not found."""
    endings: frozenset[str] = frozenset()
    """Endings of names that modules mention which read files, such as `.npy`: not all reading can be seen."""
    is_learnt: bool = False
    """Whether the dictionaries were evaluated with these files."""
    is_plain: bool = True
    """Whether the modules only import others such and compute, so that reading them tells all."""


def can_matter(repository: Repository) -> bool:
    """Whether what is staged can change what a lookup dictionary says.

    Raises:
        GitError: git cannot read the index.
    """
    touched = _staged(repository)
    if not touched:
        return False
    if CONFIG_NAME in touched or any(name.rpartition("/")[2] == _ATTRIBUTES for name in touched):
        return True
    known = _read(repository)
    removed = [name for name, facts in touched.items() if facts.status == "D"]
    adds_module = any(facts.status != "M" and name.endswith(_MODULE) for name, facts in touched.items())
    if known is None or _ids(repository, known.ids) != known.ids:
        found = _find(repository, removed)
        if found is None:
            return True
        # What was learnt before is better than nothing, where it is not needed.
        known = found if known is None else replace(found, files=found.files | known.files)
        _write(repository, known)
    elif adds_module:
        # It may stand in for one that was imported from elsewhere.
        found = _find(repository, removed)
        if found is None:
            return True
        known = replace(known, files=known.files | found.files)
    if not known.is_plain and not known.is_learnt:
        return True
    return _is_concerned(repository, known, touched)


def commit_can_matter(state: State, touched: Collection[str]) -> bool:
    """Whether a commit can change what a lookup dictionary says, as far as reading its modules tells.

    Args:
        state: of the commit.
        touched: the files that it changes, adds or removes.
    """
    if state.config is None or state.index is None:
        return True
    removed = [name for name in touched if name not in state.index.files]
    known = _find_in(state, state.index, removed=removed)
    if known is None or not known.is_plain:
        return True
    holders = {folder for name in known.files for folder in folders(name)}
    return any(
        name in known.files
        or name in holders
        or name.rpartition("/")[2] == _ATTRIBUTES
        or (not name.endswith(_MODULE) and not known.packages.isdisjoint(folders(name)))
        for name in touched
    )


def learn(repository: Repository, state: State, evaluation: Evaluation) -> None:
    """Remember what an evaluation of what is staged has used.

    Args:
        repository: whose index it was.
        state: what was evaluated.
        evaluation: what came of it. One that did not come to its end says nothing.
    """
    if evaluation.troubles or not evaluation.seen.is_complete or state.index is None:
        return
    seen = evaluation.seen
    used = evaluation.files | seen.touched
    known = _find_in(state, state.index, used=used)
    if known is not None:
        names = frozenset(name for path in known.files if path.endswith(_MODULE) for name in module_names(path))
        _write(repository, replace(known, listed=seen.listed, found=names, missing=seen.missing, is_learnt=True))


def _is_concerned(repository: Repository, known: Known, touched: Mapping[str, Touched]) -> bool:
    """Whether any of these files matters."""
    holders = {folder for name in known.files for folder in folders(name)}
    if not known.files.isdisjoint(touched) or not holders.isdisjoint(touched):
        return True
    for name, facts in touched.items():
        if facts.is_opaque and (facts.status != "M" or not known.is_learnt):
            return True
        if name.endswith(_MODULE):
            if facts.status != "M" and _may_be_imported(name, known):
                return True
        elif not known.packages.isdisjoint(folders(name)) or PurePosixPath(name).suffix in known.endings:
            return True
    return _changes_names(repository, known, touched)


def _may_be_imported(name: str, known: Known) -> bool:
    """Whether a new module may be what was looked for in vain, or stand in for one that was found."""
    names = frozenset(module_names(name))
    # Its folder may be a package, now that it has a module.
    packages = {part for folder in folders(name) for part in module_names(folder)}
    return not names.isdisjoint(known.found) or not (names | packages).isdisjoint(known.missing)


def _changes_names(repository: Repository, known: Known, touched: Mapping[str, Touched]) -> bool:
    """Whether a name comes or goes that was asked for, or in a folder whose names were."""
    changed = {name for name, facts in touched.items() if facts.status != "M"}
    entries = set()
    for name in changed:
        above = ["", *folders(name)]
        for folder, entry in zip(above, (*above[1:], name), strict=True):
            if folder in known.listed or entry in known.files:
                entries.add(entry)
    if entries <= changed:
        return bool(entries)
    # A folder comes with its first file, and goes with its last.
    kept = {
        folder
        for name in _listed_names(repository, entries)
        if name not in touched or touched[name].status != "A"
        for folder in folders(name)
    }
    return not kept.issuperset(entries)


def _staged(repository: Repository) -> dict[str, Touched]:
    """The files that a commit would change."""
    output = run_git(
        *("diff", "--cached", "--raw", "--no-renames", "--no-ext-diff", "--ignore-submodules=none", "-z"),
        cwd=repository.root,
    )
    words = output.split(b"\0")
    touched = {}
    for facts, name in zip(words[::2], words[1::2], strict=False):
        old_mode, new_mode, *_, status = facts.lstrip(b":").split(b" ")
        touched[os.fsdecode(name)] = Touched(status.decode("ascii"), not _OPAQUE_MODES.isdisjoint((old_mode, new_mode)))
    return touched


def _listed_names(repository: Repository, asked: Collection[str]) -> list[str]:
    """The files of the index at or below these paths."""
    words = [f":(top,literal){name}" for name in asked]
    return [os.fsdecode(name) for name in run_git("ls-files", "-z", "--", *words, cwd=repository.root).split(b"\0")]


def _ids(repository: Repository, names: Collection[str]) -> dict[str, str]:
    """The ids that files have in the index; empty for those that are not there."""
    asked = [f":(top,literal){name}" for name in names] if len(names) <= _MOST_PATHS_ASKED else []
    output = run_git("ls-files", "--stage", "-z", "--", *asked, cwd=repository.root)
    found = dict.fromkeys(names, "")
    for line in output.split(b"\0"):
        facts, _, name = line.partition(b"\t")
        path = os.fsdecode(name)
        if path in found:
            found[path] = facts.split(b" ")[1].decode()
    return found


def _find(repository: Repository, removed: Collection[str]) -> Known | None:
    """What can be found by reading the modules as they are staged; None if every file may matter.

    Args:
        repository: whose index.
        removed: files that a commit would remove.
    """
    from mitosis.check.states import staged_state

    try:
        with staged_state(repository) as state:
            return None if state.index is None else _find_in(state, state.index, removed=removed)
    except ConfigError:
        return None


def _find_in(state: State, index: Index, *, used: Collection[str] = (), removed: Collection[str] = ()) -> Known | None:
    """What can be found by reading the modules; None if every file may matter.

    Args:
        state: what to read.
        index: what it is from.
        used: files that are known to matter; modules among them are read, too.
        removed: files that are not there any more, and matter if modules import them.
    """
    from mitosis.dictionaries.static import source_folders

    own = {CONFIG_NAME: index.files[CONFIG_NAME].oid if CONFIG_NAME in index.files else ""}
    if state.config is None:
        return Known(own, frozenset(own))
    try:
        modules, sources = _read_modules(index, state.config, used, removed)
    except UnreadableObject:  # in a partial clone git fetches it once the file is checked out
        return None
    sources_at = source_folders(state.config)
    packages = {path.rpartition("/")[0] for path in modules} - {*sources_at, ""}
    own_names = {name for path in modules.intersection(index.files) for name in _names_from(path, sources_at)}
    is_plain = (
        _has_all_modules(modules, state)
        and not any(file.mode.encode() in _OPAQUE_MODES for file in index.files.values())
        and not any(_may_read(data, own_names) for data in sources.values())
    )
    endings = () if is_plain else (os.fsdecode(e) for data in sources.values() for e in _ENDING.findall(data))
    ids = {}
    for name in {*modules, *used}:
        # What is in a submodule changes with the submodule.
        holder = next((f for f in folders(name) if f in index.files and index.files[f].is_submodule), name)
        ids[holder] = index.files[holder].oid if holder in index.files else ""
    return Known(
        {**ids, **own},
        modules.union(used, own),
        packages=frozenset(packages),
        endings=frozenset(endings),
        is_plain=is_plain,
    )


def _read_modules(
    index: Index, config: Config, used: Collection[str], removed: Collection[str]
) -> tuple[frozenset[str], dict[str, bytes]]:
    """The modules that the lookup modules import, and the bytes of those that are there and of the modules in `used`.

    Raises:
        UnreadableObject: one is missing or damaged.
    """
    from mitosis.dictionaries.static import static_files

    tracked = {name for name, file in index.files.items() if not file.is_submodule}
    names = tracked.union(removed)
    read: dict[str, bytes] = dict.fromkeys(names - tracked, b"")
    wanted = {name for name in tracked.intersection(used) if name.endswith(_MODULE)}

    def note(name: str) -> bytes:
        if name not in read:
            wanted.add(name)
        return read.get(name, b"")

    # git gives many at once sooner than libgit2 is imported, but only those that the ones before name.
    modules = static_files(names, note, config)
    for _ in range(_BATCHES):
        if not wanted:
            break
        order = sorted(wanted)
        oids = [index.files[name].oid for name in order]
        for name, data in zip(order, read_blobs(oids, _MAX_MODULE_BYTES, cwd=index.repository.root), strict=True):
            read[name] = index.read(name) if data is None else data
        wanted.clear()
        modules = static_files(names, note, config)
    if wanted:

        def read_one(name: str) -> bytes:
            if name not in read:
                read[name] = index.read(name)
            return read[name]

        modules = static_files(names, read_one, config)
    return modules, {name: data for name, data in read.items() if name in tracked}


def _has_all_modules(modules: Collection[str], state: State) -> bool:
    """Whether the lookup modules themselves are among the files that were found."""
    assert state.config is not None
    names = {name for path in modules for name in module_names(path)}
    return all(step.lookup.partition(":")[0] in names for step in state.config.steps.values())


def _names_from(path: str, source_folders: Collection[str]) -> Iterator[str]:
    """The dotted names by which a module is imported from these folders."""
    for folder in source_folders:
        prefix = f"{folder}/" if folder else ""
        if path.startswith(prefix):
            yield path.removeprefix(prefix).removesuffix(_MODULE).removesuffix("/__init__").replace("/", ".")


def _may_read(data: bytes, own_names: Collection[str]) -> bool:
    """Whether a module may do more than import others by their names and compute.

    Args:
        data: its source.
        own_names: of the modules of the repository that are looked through as well.
    """
    tree = parse_module(data)
    if tree is None:
        return True
    for node in ast.walk(tree):
        if any(_READING.search(name) for name in _names(node)):
            return True
        if any(name not in own_names and name not in _COMPUTING_NAMES for name in _modules_of(node, own_names)):
            return True
    return False


def _modules_of(node: ast.AST, own_names: Collection[str]) -> Iterator[str]:
    """The modules that a statement imports; relative ones are of the repository in any case."""
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom) and not node.level:
        module = node.module or ""
        if module in own_names or module in _COMPUTING_NAMES:
            yield module
        else:
            yield from (f"{module}.{alias.name}" for alias in node.names)


def _names(node: ast.AST) -> Iterator[str]:
    """The names that a node uses, but for those of modules."""
    if isinstance(node, ast.Name):
        yield node.id
    elif isinstance(node, ast.Attribute):
        yield node.attr
    elif isinstance(node, ast.ImportFrom):
        for alias in node.names:
            # A star may import modules that are named as texts.
            yield "import" if alias.name == "*" else alias.name


def _path(repository: Repository) -> Path:
    return repository.git_dir / "mitosis" / "lookup-files"


def _read(repository: Repository) -> Known | None:
    try:
        data = _path(repository).read_bytes()
        digest, data = data[:_DIGEST_BYTES], data[_DIGEST_BYTES:]
        if digest != _digest(data):
            return None
        fields: dict[str, Any] = msgpack.unpackb(data, unicode_errors="surrogateescape")
        if fields.pop("format") != _FORMAT:
            return None
        return Known(**{name: _as_set(value) for name, value in fields.items()})
    except Exception:  # it is derived: whatever is wrong with it, it is made anew
        return None


def _as_set(value: Any) -> Any:
    return frozenset(value) if isinstance(value, list) else value


def _digest(data: bytes) -> bytes:
    """By which a damaged file is told."""
    return hashlib.sha1(data, usedforsecurity=False).digest()


def _write(repository: Repository, known: Known) -> None:
    fields = {name: sorted(value) if isinstance(value, frozenset) else value for name, value in asdict(known).items()}
    data = msgpack.packb({"format": _FORMAT, **fields}, unicode_errors="surrogateescape")
    path = _path(repository)
    partial = path.with_name(f"{path.name}-{secrets.token_hex(4)}")
    # It only saves time. A repository that cannot be written to has none.
    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        partial.write_bytes(_digest(data) + data)
        partial.replace(path)
