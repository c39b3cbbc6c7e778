"""A traceback as its reader needs it: from the user's code on, and of installed packages only the lines that ran."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from mitosis.screen import without_escapes

_RULE = re.compile(r"-{10,}\s*")
_CELL_FRAME = re.compile(r"\s*(Cell In ?\[|Input In \[|(File )?<ipython-input)")
_FILE_FRAME = re.compile(r"\s*File (?P<path>[^\"].*?)(:\d+)?(,? in |\s*$)", re.MULTILINE)
_PLAIN_FRAME = re.compile(r'(?P<margin>[ |+]*  )File "(?P<path>[^"]*)", line \d+')
_PLAIN_CELL = re.compile(r".*[/\\]ipykernel_\d+[/\\]\d+\.py$")
_HEADING = re.compile(r"(\S+ +)?Traceback \(most recent call last\)")
_INSTALLED = re.compile(r".*?[/\\](?:site|dist)-packages[/\\]|.*?[/\\]lib[/\\](?=python3\.\d+t?[/\\])")
"""What stands in a path before the name of a package that was installed, or before the standard library's."""
_EXECUTED_LINE = re.compile(r"-+> ?\d+ ")
_NO_SOURCE = re.compile(
    r"\n(?:\x1b\[[\d;]*m)*-+>(?:\x1b\[[\d;]*m| )*\d+(?:\x1b\[[\d;]*m| )*'Could not get source, [^\n']*'[^\n']*(?=\n|$)"
)
"""IPython's line for compiled code whose source is not installed, as in pandas."""
_HEADING_GAP = re.compile(r" {3,}(?=Traceback \(most recent call last\))")
_OUR_FOLDER = Path(__file__).parents[1]
_SHELL_FOLDERS = ("/IPython/core/", "/ipykernel/")


def users_traceback(entries: Sequence[str]) -> str:
    """The traceback of an `error` output without the frames that are none of the user's.

    mitosis's own frames and those of Python's import machinery go wherever they stand; those of IPython, and the one
    of the notebook's cell, as far as they come before the user's and something else is left. Of frames in installed
    packages, where others are left, there is only the line that was executed.

    Args:
        entries: the output's `traceback`: one text for each frame, and for what stands around them, with colours.
    """
    entries = [part for entry in entries for part in _split_plain(entry)]
    kept: list[str] = []
    group: list[str] = []
    for entry in entries:
        if _frame_path(entry) is not None:
            group.append(entry)
            continue
        kept.extend(_users_frames(group))
        group = []
        if not _RULE.fullmatch(without_escapes(entry)):
            kept.append(entry)
    kept.extend(_users_frames(group))
    if any(path and not _installed_prefix(path) for path in map(_frame_path, kept)):
        kept = [_shortened(entry) for entry in kept]
    return "\n".join(_HEADING_GAP.sub("  ", _NO_SOURCE.sub("", entry).rstrip("\n")) for entry in kept)


def _users_frames(frames: Sequence[str]) -> list[str]:
    users = [frame for frame in frames if not _is_ours(_frame_path(frame) or "")]
    start = 0
    while start < len(users) and _is_shells(_frame_path(users[start]) or ""):
        start += 1
    return users[start:] or users


def _frame_path(entry: str) -> str | None:
    """The file of the frame that `entry` shows, empty for a cell of the notebook; None if it shows no frame."""
    text = without_escapes(entry)
    if _HEADING.match(text):
        return None
    if _CELL_FRAME.match(text):
        return ""
    match = _PLAIN_FRAME.match(text) or _FILE_FRAME.match(text)
    if match is None:
        return None
    path = match["path"]
    return "" if path.startswith("<ipython-input") or _PLAIN_CELL.match(path) else path


def _installed_prefix(path: str | None) -> str:
    """What of a path stands before the name of an installed package, or before the standard library; or nothing."""
    match = _INSTALLED.match(path or "")
    return match[0] if match else ""


def _shortened(frame: str) -> str:
    """A frame of an installed package with the executed line only, and its path from the package on."""
    prefix = _installed_prefix(_frame_path(frame))
    if not prefix:
        return frame
    place, *lines = frame.split("\n")
    executed = [line for line in lines if _EXECUTED_LINE.match(without_escapes(line))]
    return "\n".join((place.replace(prefix, "", 1), *(executed or lines)))


def _is_ours(path: str) -> bool:
    if path.startswith("<frozen importlib"):
        return True
    if not path:
        return False
    return Path(path).expanduser().is_relative_to(_OUR_FOLDER)


def _is_shells(path: str) -> bool:
    normal = path.replace("\\", "/")
    return not path or any(folder in normal for folder in _SHELL_FOLDERS)


def _split_plain(entry: str) -> list[str]:
    """The frames, and what stands between, of a traceback in Python's own form, which comes as one text."""
    parts: list[list[str]] = []
    deeper: str | None = None
    for line in entry.split("\n"):
        frame = _PLAIN_FRAME.match(line)
        if frame:
            deeper = frame["margin"].replace("+", " ") + "  "
        if parts and not frame and (deeper is None or line.replace("+", " ", 1).startswith(deeper)):
            parts[-1].append(line)
            continue
        if not frame:
            deeper = None
        parts.append([line])
    return ["\n".join(part) for part in parts]
