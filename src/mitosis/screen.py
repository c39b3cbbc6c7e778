"""What a terminal shows of carriage returns and cursor movements: what is drawn over is one line that changes.

A terminal overwrites character by character, which is not done here: what redraws a line draws all of it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Literal

OutputStream = Literal["stdout", "stderr", "log", "widgets"]
"""Where a piece of text comes from that the user's code prints, logs or shows as bars."""
OutputListener = Callable[[OutputStream, str], None]

LINE_LIMIT = 8192
"""Characters after which a line that does not end is taken for one."""

_TOKEN = re.compile(
    r"(?P<newline>\r*\n)|(?P<start>\r+)|(?P<back>\x08+)"
    r"|\x1b\[(?P<codes>[0-?]*)[ -/]*(?P<final>[@-~])"  # control sequence; a final `m` is colour
    r"|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)"  # operating system command: titles and hyperlinks
    r"|\x1b[PX^_][^\x1b]*\x1b\\"  # device control and other strings
    r"|\x1b[ -/]*[0-Z\\`-~]?"
    r"|(?P<text>[^\x00-\x08\x0a-\x1f\x7f-\x9f]+)"
    r"|[\x00-\x1f\x7f-\x9f]"
)
_CUT_OFF = re.compile(
    r"\x1b(?:\[[0-?]*[ -/]*|\][^\x07\x1b]{0,2000}\x1b?|[PX^_][^\x1b]{0,2000}\x1b?|[ -/]*)\Z"
    r"|(?<!\r)\r++\Z"
)
ESCAPE = re.compile(
    r"\x1b(?:"
    r"\[(?P<codes>[0-?]*)[ -/]*(?P<final>[@-~])"
    r"|\][^\x07\x1b]*(?:\x07|\x1b\\)?"
    r"|[PX^_][^\x1b]*(?:\x1b\\)?"
    r"|[ -/]*[0-~]?)"
)
"""Any control sequence, also one that is cut off; a final `m` is colour."""
_COLOUR = re.compile(r"\x1b\[[0-9;:]*m")
_WITHOUT_MOVES = re.compile(r"(?:[^\x00-\x08\x0b-\x1f\x7f-\x9f]++|\x1b\[[0-9;:]*+m)*+")
_REDRAWS = re.compile(r"[\r\x08]|\x1b\[\d*[A-GJ]")
MOVES_UP = re.compile(r"\x1b\[\d*[AF]")
"""Only what draws several bars does that."""
_COLOURS_KEPT = 8
_DEPTH_LIMIT = 40


def last_state(text: str) -> str:
    """What a terminal shows of a whole text in the end, with its colours; text in which nothing is redrawn as it is."""
    text = text.replace("\r\n", "\n")
    if not _REDRAWS.search(text):
        return text
    screen = Screen(is_endless=True)
    screen.feed(text)
    lines = [row.text.rstrip(" ") for row in screen.rows]
    while len(lines) > screen.row + 1 and not lines[-1]:
        lines.pop()  # a bar below others was taken away
    return "\n".join(lines)


def above_cursor(text: str) -> str:
    """What a terminal shows of a text above the line that the cursor is in, where it goes on to draw."""
    screen = Screen(is_endless=True)
    screen.feed(text)
    return "".join(row.text.rstrip(" ") + "\n" for row in screen.rows[: screen.row])


class Row:
    """A line that can still change."""

    __slots__ = ("is_afresh", "is_begun", "is_redrawn", "is_said", "text")

    def __init__(self) -> None:
        self.text = ""
        self.is_afresh = False
        """Whether the next text replaces it."""
        self.is_redrawn = False
        self.is_begun = False
        """Whether text of it was taken by `take_begun`."""
        self.is_said = False
        """Whether it was last written by who draws no bars."""


class Screen:
    """The last lines of what was written, which carriage returns and cursor movements can still change.

    Args:
        is_endless: keep all lines, however long, so that each can still change; else only as many as bars take.
    """

    def __init__(self, *, is_endless: bool = False) -> None:
        self._is_endless = is_endless
        self._rows = [Row()]
        self._row = 0
        self._depth = 0
        """How many lines up something was drawn."""
        self._risen = 0
        """How many lines up the cursor has gone since it last went down."""
        self._rest = ""
        self._ended: list[str] = []
        self._is_said = False

    def feed(self, text: str, *, is_said: bool = False) -> list[str]:
        """Write text; returns the lines that this ended, without control characters but colours.

        Args:
            text: a piece of what is written.
            is_said: whether it comes another way than what draws bars, so that no bar is drawn on its lines again.
        """
        self._is_said = is_said
        text = self._rest + text
        if self._is_plain and not self._is_endless and _WITHOUT_MOVES.fullmatch(text):
            return self._feed_plain(text)
        cut = _CUT_OFF.search(text)
        self._rest = "" if cut is None else cut[0]
        for token in _TOKEN.finditer(text, 0, len(text) if cut is None else cut.start()):
            if token["text"] is not None:
                self._put(token["text"])
            elif token["newline"] is not None:
                self._end_row()
            elif token["start"] is not None:
                self._rows[self._row].is_afresh = True
            elif token["back"] is not None:
                row = self._rows[self._row]
                row.text = row.text[: -len(token["back"])]
            elif token["final"] == "m":
                self._put(token[0])
            elif token["final"] is not None:
                self._move(token["final"], token["codes"])
        ended, self._ended = self._ended, []
        return ended

    @property
    def _is_plain(self) -> bool:
        """Whether there is one line, and nothing has been drawn over."""
        row = self._rows[0]
        return len(self._rows) == 1 and not (self._depth or row.is_afresh or row.is_redrawn or row.is_begun)

    def _feed_plain(self, text: str) -> list[str]:
        """The same as `feed` for text in which nothing moves, in a tenth of the time."""
        self._rest = ""
        row = self._rows[0]
        row.is_said = self._is_said
        first, *others = text.split("\n")
        row.text += first
        if others:
            ended = [row.text.rstrip(" "), *(line.rstrip(" ") for line in others[:-1])]
            row.text = others[-1]
        else:
            ended = []
        if len(row.text) > LINE_LIMIT:
            ended.append(row.text)
            row.text = ""
        return ended

    @property
    def rows(self) -> Sequence[Row]:
        """The lines that can still change."""
        return self._rows

    @property
    def row(self) -> int:
        """Which of them the cursor is in, from 0."""
        return self._row

    def take_begun(self) -> str:
        """What there is of a line that has not ended, and that nothing has drawn over so far."""
        row = self._rows[0]
        if len(self._rows) > 1 or row.is_redrawn or row.is_afresh or not row.text:
            return ""
        text, row.text, row.is_begun = row.text, "", True
        return text

    def take_said(self) -> list[str]:
        """End the lines down to the last one that was said above the cursor; returns them."""
        count = max((at + 1 for at, row in enumerate(self._rows[: self._row]) if row.is_said), default=0)
        ended = [row.text.rstrip(" ") for row in self._rows[:count]]
        del self._rows[:count]
        self._row -= count
        return ended

    def settle(self) -> list[str]:
        """End the lines above the last one, if that is a new one; returns them.

        For when something else is written: what drew on them has moved on.
        """
        row = self._rows[-1]
        if self._row != len(self._rows) - 1 or row.text or row.is_afresh or self._row == 0:
            return []
        ended = [above.text.rstrip(" ") for above in self._rows[:-1]]
        self._rows, self._row = [row], 0
        return ended

    def drain(self) -> list[str]:
        """End all lines, and begin afresh; returns those that hold anything."""
        rows, self._rows, self._row, self._rest = self._rows, [Row()], 0, ""
        while rows and not rows[-1].is_begun and not rows[-1].text.strip():
            rows.pop()
        return [row.text.rstrip(" ") for row in rows]

    def _put(self, text: str) -> None:
        row = self._rows[self._row]
        row.is_said = self._is_said
        if row.is_afresh:
            if row.is_begun:
                self._ended.append("")
                row.is_begun = False
            row.text, row.is_afresh, row.is_redrawn = text, False, True
            return
        row.text += text
        if len(row.text) > LINE_LIMIT and self._row == 0 and not self._is_endless:
            self._ended.append(row.text)
            row.text = ""

    def _end_row(self) -> None:
        self._row += 1
        if self._row == len(self._rows):
            self._rows.append(Row())
        else:
            self._rows[self._row].is_afresh = True
        self._risen = 0
        if self._is_endless:
            return
        # A bar below others goes up again, and then draws over the lines above; and there may be one more to come.
        kept = self._depth + 1 if self._depth else int(self._rows[self._row - 1].is_redrawn)
        while self._row > kept:
            self._ended.append(self._rows.pop(0).text.rstrip(" "))
            self._row -= 1

    def _move(self, final: str, codes: str) -> None:
        count = int(codes) if codes.isascii() and codes.isdigit() else 1
        if final in "AF":
            self._risen += count  # libraries go up line by line
            self._depth = min(max(self._depth, self._risen), _DEPTH_LIMIT)
            self._row = max(self._row - count, 0)
            self._rows[self._row].is_afresh = True
        elif final in "BE":
            self._row = min(self._row + count, len(self._rows) - 1)
            self._rows[self._row].is_afresh = True
        elif final == "G":
            self._rows[self._row].is_afresh = True
        elif final == "J" and codes in ("", "0"):
            del self._rows[self._row + 1 :]
        elif final == "K" and (codes == "2" or self._rows[self._row].is_afresh):
            self._put("")
            self._rows[self._row].text = ""


def without_escapes(text: str) -> str:
    """The text without colours and other control sequences."""
    return ESCAPE.sub("", text) if "\x1b" in text else text


def without_colour(text: str) -> str:
    """A line of `Screen` without its colours."""
    return _COLOUR.sub("", text)


def colours_at_end(text: str) -> str:
    """The control sequences of the colours in which text after this one would be."""
    found: list[str] = []
    for code in _COLOUR.findall(text):
        if code in ("\x1b[m", "\x1b[0m"):
            found.clear()
        else:
            found.append(code)
    return "".join(found[-_COLOURS_KEPT:])
