"""What the path of a tracked file says: the folders that it is in, and the modules that it could be."""

from __future__ import annotations

from collections.abc import Iterator


def folders(path: str) -> list[str]:
    """The folders that a file or folder is in, the innermost last, but for the top.

    Args:
        path: relative to the top of the working tree, with `/`.
    """
    return [path[:at] for at, letter in enumerate(path) if letter == "/"]


def module_names(path: str) -> Iterator[str]:
    """The dotted names by which a file or folder could be imported, from whatever folder above it.

    Args:
        path: relative to the top of the working tree, with `/`.
    """
    *above, last = path.split("/")
    stem = last.partition(".")[0]
    parts = above if stem == "__init__" else [*above, stem]
    yield from (".".join(parts[start:]) for start in range(len(parts)))
