"""What reaches a person who looks elsewhere: the browser, a notification, the terminal's bell."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from mitosis.cli.output.streams import is_terminal
from mitosis.text import clean

_NOTIFY_TIMEOUT_S = 5
_DISPLAYS = ("DISPLAY", "WAYLAND_DISPLAY")
_OSASCRIPT = "on run argv\ndisplay notification (item 2 of argv) with title (item 1 of argv)\nend run"


def open_in_browser(page: Path) -> bool:
    """Show a page; False where there is no browser that has a window of its own, or it does not start."""
    import webbrowser

    try:
        return _has_browser() and webbrowser.open(page.absolute().as_uri())
    except (webbrowser.Error, OSError):
        return False


def _has_browser() -> bool:
    """Whether there is a browser with a window: one in the terminal would cover it."""
    import webbrowser

    if sys.platform == "linux" and not any(map(os.environ.get, _DISPLAYS)):
        return "BROWSER" in os.environ
    try:
        webbrowser.get()
    except webbrowser.Error:
        return False
    return True


def notify(title: str, text: str) -> None:
    """Call somebody back: by a notification of the desktop, or else by the bell of the terminal. It never fails."""
    words = _notifier(clean(title), clean(text))
    if words is None or not _succeeds(words):
        _ring()


def _notifier(title: str, text: str) -> Sequence[str] | None:
    """The command that shows a notification; None where there is no desktop to show it on."""
    import shutil

    if sys.platform == "darwin":
        program = shutil.which("osascript")
        return None if program is None else (program, "-e", _OSASCRIPT, title, text)
    if not any(map(os.environ.get, _DISPLAYS)):
        return None
    import html

    program = shutil.which("notify-send")
    return None if program is None else (program, "--app-name=mitosis", "--", title, html.escape(text, quote=False))


def _succeeds(words: Sequence[str]) -> bool:
    import subprocess

    try:
        done = subprocess.run(
            words,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=_NOTIFY_TIMEOUT_S,
            check=False,
        )
    except (OSError, ValueError, subprocess.SubprocessError):  # ValueError: a text with a null character
        return False
    return done.returncode == 0


def _ring() -> None:
    terminal = next((stream for stream in (sys.stderr, sys.stdout) if is_terminal(stream)), None)
    if terminal is not None:
        with contextlib.suppress(OSError):
            terminal.write("\a")
            terminal.flush()
