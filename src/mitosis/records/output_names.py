"""The names that mitosis gives to what a trial leaves in a trials folder."""

from __future__ import annotations

import re

_FOLDER_NAME = re.compile(r"\d{4}-\d\d-\d\d_(?P<key>[0-9a-f]{12})")
"""A trial's folder: the day on which it started, and its key."""


def key_in_folder_name(name: str) -> str | None:
    """The key in the name of a trial's folder; None for any other name."""
    folder = _FOLDER_NAME.fullmatch(name)
    return None if folder is None else folder["key"]


def belongs_to_trial(name: str, key: str) -> bool:
    """Whether a name that was recorded is that of the folder or the page of a trial, and so no path to anywhere else.

    Args:
        name: what may be the name of a file or folder directly in a trials folder.
        key: of the trial.
    """
    named = key_in_folder_name(name)
    if named is not None:
        return named == key
    is_plain = not any(character in name for character in "/\\\0")
    return is_plain and name.startswith("trial_") and name.endswith(f"_{key}.html")
