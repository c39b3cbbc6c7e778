"""What reaches a person who looks elsewhere: the browser, a notification, the terminal's bell."""

from __future__ import annotations

import contextlib
import html
import os
import shutil
import subprocess
import sys
import webbrowser
from collections.abc import Sequence
from pathlib import Path

from mitosis.cli.output.streams import is_terminal
from mitosis.cli.output.table import print_warning
from mitosis.text import clean

_NOTIFY_TIMEOUT_S = 5
_DISPLAYS = ("DISPLAY", "WAYLAND_DISPLAY")
_OSASCRIPT = "on run argv\ndisplay notification (item 2 of argv) with title (item 1 of argv)\nend run"


def open_in_browser(page: Path) -> bool:
    """Show a page; False where there is no browser that has a window of its own, or it does not start."""
    # Without a display there may be a browser in the terminal, which would cover it.
    if sys.platform == "linux" and not any(map(os.environ.get, (*_DISPLAYS, "BROWSER"))):
        return False
    try:
        return webbrowser.open(page.absolute().as_uri())
    except (webbrowser.Error, OSError):
        return False


def show_page(page: Path) -> None:
    """Open a page in the browser, and say so where there is none."""
    if not open_in_browser(page):
        print_warning("there is no browser here to open the page in")


def notify(title: str, text: str) -> None:
    """Call somebody back: by a notification of the desktop, or else by the bell of the terminal. It never fails."""
    words = _notifier(clean(title), clean(text))
    if words is not None:
        nothing = subprocess.DEVNULL
        # ValueError: a text with a null character
        with contextlib.suppress(OSError, ValueError, subprocess.SubprocessError):
            subprocess.run(words, stdin=nothing, stdout=nothing, stderr=nothing, timeout=_NOTIFY_TIMEOUT_S, check=True)
            return
    terminal = next((stream for stream in (sys.stderr, sys.stdout) if is_terminal(stream)), None)
    if terminal is not None:
        with contextlib.suppress(OSError):
            terminal.write("\a")
            terminal.flush()


def _notifier(title: str, text: str) -> Sequence[str] | None:
    """The command that shows a notification; None where there is no desktop to show it on."""
    if sys.platform == "darwin":
        program = shutil.which("osascript")
        return None if program is None else (program, "-e", _OSASCRIPT, title, text)
    program = shutil.which("notify-send") if any(map(os.environ.get, _DISPLAYS)) else None
    return None if program is None else (program, "--app-name=mitosis", "--", title, html.escape(text, quote=False))
