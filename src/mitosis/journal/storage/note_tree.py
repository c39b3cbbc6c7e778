"""How git keeps notes in a tree: each at the id of what it is on, spread over folders.

The folders are named by the leading digits of the ids, more levels the more notes there are, and git reads any mixture
of levels.
"""

from __future__ import annotations

from mitosis.journal.layout import COMMIT_PATTERN, NOTES_REF, SHARD_PATTERN
from mitosis.journal.storage.objects import ReadOnlyStore

_LEVELS_LIMIT = 19


def find_notes(store: ReadOnlyStore, root: str, commit: str) -> dict[str, str]:
    """Every path, with its blob, at which the tree holds a note on the commit."""
    found: dict[str, str] = {}
    folder, rest = "", commit
    tree: str | None = root
    while tree is not None:
        entries = store.read_tree(tree, f"{NOTES_REF}:{folder}")
        note = entries.get(rest)
        if note is not None and not note.is_tree:
            found[folder + rest] = note.oid
        below = entries.get(rest[:2])
        tree = below.oid if below is not None and below.is_tree and len(rest) > 2 else None
        folder, rest = f"{folder}{rest[:2]}/", rest[2:]
    return found


def new_note_path(store: ReadOnlyStore, root: str | None, commit: str) -> str:
    """Where to put the first note on a commit: as deep as there are folders, and at least one level down."""
    folder, rest = f"{commit[:2]}/", commit[2:]
    while root is not None and len(rest) > 2:
        entry = store.find(root, folder.rstrip("/") + "/" + rest[:2])
        if entry is None or not entry.is_tree:
            break
        folder, rest = f"{folder}{rest[:2]}/", rest[2:]
    return folder + rest


def all_notes(store: ReadOnlyStore, root: str) -> dict[str, dict[str, str]]:
    """Of each commit that has a note in the tree, what `find_notes` finds."""
    found: dict[str, dict[str, str]] = {}
    waiting = [("", "", root)]
    while waiting:
        folder, digits, tree = waiting.pop()
        for name, entry in store.read_tree(tree, f"{NOTES_REF}:{folder}").items():
            path = folder + name
            if entry.is_tree:
                if SHARD_PATTERN.fullmatch(name) and path.count("/") < _LEVELS_LIMIT:
                    waiting.append((f"{path}/", digits + name, entry.oid))
            elif COMMIT_PATTERN.fullmatch(digits + name):
                found.setdefault(digits + name, {})[path] = entry.oid
    return found
