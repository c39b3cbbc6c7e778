"""Evaluate what is staged or a commit, and check out no more of a large repository than is needed."""

from __future__ import annotations

import bisect
from collections.abc import Collection, Sequence

from mitosis.config import CONFIG_NAME, Config
from mitosis.dictionaries.checkouts import Index
from mitosis.dictionaries.evaluation import TIME_LIMIT_S, Evaluation, Seen, evaluate
from mitosis.dictionaries.paths import folders, module_names
from mitosis.dictionaries.static import source_folders, static_files
from mitosis.errors.repository import UnreadableObject

SMALL_REPOSITORY = 200
"""With so many files at most, everything is checked out."""


def evaluate_index(
    index: Index, config: Config, *, steps: Sequence[str] | None = None, time_limit_s: float = TIME_LIMIT_S
) -> Evaluation:
    """Evaluate the lookup dictionaries as an index has them; see `evaluate`.

    Args:
        index: of a commit, or what git would commit now.
        config: as it is there.
        steps: names of the steps to evaluate; all by default.
        time_limit_s: for evaluating them. In a large repository it may be done twice.

    Raises:
        GitError: git cannot write a file.
    """
    names = select_files(index, config) if len(index.files) > SMALL_REPOSITORY else None
    if names is not None:
        with index.checked_out(sorted(names)) as checkout:
            found = evaluate(checkout, config, steps=steps, time_limit_s=time_limit_s)
        if not needs_more(found, names, index.files):
            return found
    with index.checked_out() as checkout:
        return evaluate(checkout, config, steps=steps, time_limit_s=time_limit_s)


def select_files(index: Index, config: Config) -> frozenset[str] | None:
    """The files that evaluating the dictionaries is likely to need; None for all of them.

    They are the Python files that the lookup modules import, whatever else is below the packages that hold those
    modules, and pyproject.toml.
    """
    tracked = {name for name, file in index.files.items() if not file.is_submodule}
    try:
        found = static_files(tracked, index.read, config)
    except UnreadableObject:  # in a partial clone git fetches it once the file is checked out
        return None
    packages = _package_folders(found, source_folders(config))
    data = (
        name for name in tracked if not name.endswith(".py") and any(folder in packages for folder in folders(name))
    )
    return found.union(data, {CONFIG_NAME} & tracked)


def _package_folders(files: Collection[str], source_folders: Collection[str]) -> frozenset[str]:
    """The folders of the files, but for those that modules are imported from, which may hold everything else too."""
    return frozenset(name.rpartition("/")[0] for name in files) - frozenset(source_folders) - {""}


def needs_more(found: Evaluation, selected: Collection[str], tracked: Collection[str]) -> bool:
    """Whether an evaluation of a selection might have another outcome if all tracked files were there.

    So it might where something went wrong, and where the code looked for a file or a module that is tracked and was
    not checked out, whatever it made of not finding it.
    """
    if any(trouble.kind == "late" for trouble in found.troubles):
        return False  # with more files it would not be faster
    if found.troubles or any(refused.has_raised for refused in found.refused):
        return True
    chosen = frozenset(selected)
    left_out = sorted(name for name in tracked if name not in chosen)
    return _saw_gap(found.seen, chosen, left_out)


def _saw_gap(seen: Seen, selected: Collection[str], left_out: Sequence[str]) -> bool:
    """Whether the code looked for something that only the files left out have.

    Args:
        seen: what it looked for.
        selected: the files that were there.
        left_out: the others, sorted.
    """
    missing_paths = {*left_out, *(folder for name in left_out for folder in folders(name))}
    missing_paths.difference_update(folder for name in selected for folder in folders(name))
    if not seen.touched.isdisjoint(missing_paths):
        return True
    if any(_has_below(left_out, folder) for folder in seen.listed):
        return True
    return bool(seen.missing) and any(not seen.missing.isdisjoint(module_names(path)) for path in missing_paths)


def _has_below(names: Sequence[str], folder: str) -> bool:
    """Whether any of the sorted names is below a folder; the top is empty."""
    prefix = f"{folder}/" if folder else ""
    place = bisect.bisect_left(names, prefix)
    return place < len(names) and names[place].startswith(prefix)
