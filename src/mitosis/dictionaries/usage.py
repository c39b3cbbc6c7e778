"""What evaluating dictionaries imported, read and looked for. Paths are relative to the top of the tree, with `/`."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

MODULE = ".py"


@dataclass(frozen=True, slots=True)
class Usage:
    """What the user's code used below the top while it was evaluated, as far as Python notices."""

    files: frozenset[str] = frozenset()
    """The modules that were imported and the files that were read."""
    packages: frozenset[str] = frozenset()
    """The folders of these modules, but for those that modules are imported from, which may hold everything else."""
    asked: frozenset[str] = frozenset()
    """Paths that were opened or asked about, whether they are there or not."""
    listed: frozenset[str] = frozenset()
    """Folders whose names were asked for; the top itself is empty."""
    missing: frozenset[str] = frozenset()
    """Dotted names of modules that were not found."""
    imported: frozenset[str] = frozenset()
    """Top-level names of all modules that were imported, wherever they are."""
    is_complete: bool = True
    """Whether the process came to its end, so that nothing is left out here."""

    def is_touched_by(self, changes: Mapping[str, bool]) -> bool:
        """Whether the outcome may be another after files have changed.

        Data files in a package count in any case: libraries that are not written in Python open files unnoticed.

        Args:
            changes: by path, whether a file is new or gone, and has not only another content.
        """
        used = self.files | self.asked
        # A submodule, or a link to a folder, is a folder of what was used.
        if not used.isdisjoint(changes) or any(folder in changes for path in used for folder in folders(path)):
            return True
        if any(not path.endswith(MODULE) and not self.packages.isdisjoint(folders(path)) for path in changes):
            return True
        moved = [path for path, is_moved in changes.items() if is_moved]
        own = {name for path in self.files if path.endswith(MODULE) for name in module_names(path)}
        found = self.imported | own
        # A new module may stand in for one that was found elsewhere.
        hides = any(path.endswith(MODULE) and not found.isdisjoint(module_names(path)) for path in moved)
        return hides or self.looked_for(moved)

    def looked_for(self, paths: Collection[str]) -> bool:
        """Whether the code may have noticed that these files, or modules, are there or not."""
        if not paths:
            return False
        there = {*paths, *(folder for path in paths for folder in folders(path))}
        if "" in self.listed or not self.listed.isdisjoint(there) or not self.asked.isdisjoint(there):
            return True
        return any(not self.missing.isdisjoint(module_names(path)) for path in there)


def folders(path: str) -> list[str]:
    """The folders that a file or folder is in, the innermost last, but for the top."""
    return [path[:at] for at, letter in enumerate(path) if letter == "/"]


def module_names(path: str) -> Iterator[str]:
    """The dotted names by which a file or folder could be imported, from whatever folder above it."""
    *above, last = path.split("/")
    stem = last.partition(".")[0]
    parts = above if stem == "__init__" else [*above, stem]
    yield from (".".join(parts[start:]) for start in range(len(parts)))
